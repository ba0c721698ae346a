"""What a policy's rows ask of a live request and order for it: facts, canaries, strict audit, attested labels."""

import json

import pytest

from tests.fakes.house import POLICY, house
from tests.fakes.model_server import ModelServer

REST = "- {id: rest, when: {}, to: [home, home-b], spill: [burst], on_full: {queue: QUEUE}}"
assert REST in POLICY


@pytest.fixture
async def servers():
    async with ModelServer() as home, ModelServer() as other, ModelServer() as burst:
        yield home, other, burst


def with_rest(row: str, *first: str) -> str:
    """The policy with another last row, and other rows before all others."""
    return POLICY.replace(REST, row).replace("routes:\n", "routes:\n" + "".join(f"  - {one}\n" for one in first))


def recorded(state, kind: str) -> list[dict]:
    lines = [line for path in (state / "audit").glob("2*.jsonl") for line in path.read_bytes().split(b"\n")[:-1]]
    return [record[kind] for record in map(json.loads, lines) if kind in record]


def drawing(gateway, *numbers: float) -> None:
    """Let the dispatcher draw these numbers."""
    gateway.worker._pipeline._dispatcher._draw = iter(numbers).__next__


# Canaries

CANARY = with_rest("- {id: rest, when: {}, to: [home], canary: {pool: home-b, percent: 25}}")


async def test_a_canary_takes_its_share_first_and_no_more(tmp_path, servers):
    home, canary, _ = servers
    async with house(tmp_path, {"home": home, "home-b": canary}, policy=CANARY) as gateway:
        drawing(gateway, 0.0, 0.2499, 0.25, 0.99)
        pools = [(await gateway.chat()).headers["x-tidegate-pool"] for _ in range(4)]
    assert pools == ["home-b", "home-b", "home", "home"]


@pytest.mark.parametrize(("percent", "pool"), [(0, "home"), (100, "home-b")])
async def test_a_share_of_nothing_is_nothing_and_of_a_hundred_percent_all(tmp_path, servers, percent, pool):
    home, canary, _ = servers
    policy = CANARY.replace("percent: 25", f"percent: {percent}")
    async with house(tmp_path, {"home": home, "home-b": canary}, policy=policy) as gateway:
        for number in (0.0, 0.999999):
            drawing(gateway, number)
            assert (await gateway.chat()).headers["x-tidegate-pool"] == pool


async def test_a_canary_that_fails_is_followed_by_the_rows_own_pools(tmp_path, servers):
    home, canary, _ = servers

    async def refuses(peer):
        await peer.answer(503, b"{}")

    canary.script = refuses
    async with house(tmp_path, {"home": home, "home-b": canary}, policy=CANARY) as gateway:
        drawing(gateway, 0.0)
        answer = await gateway.chat()
        await gateway.settled()
    assert (answer.status_code, answer.headers["x-tidegate-pool"]) == (200, "home")
    (outcome,) = recorded(gateway.state, "outcome")
    assert [attempt["pool"] for attempt in outcome["attempts"]] == ["home-b", "home"]
    assert outcome["decision"]["canary"] == {"pool": "home-b", "percent": 25.0}


async def test_nobody_waits_for_a_canary_without_a_place(tmp_path, servers):
    home, canary, _ = servers
    options = {"policy": CANARY, "limits": {"home-b": 1}}
    async with house(tmp_path, {"home": home, "home-b": canary}, **options) as gateway:
        place = gateway.worker._admission.try_enter(("home-b",))
        drawing(gateway, 0.0)
        assert (await gateway.chat()).headers["x-tidegate-pool"] == "home"
        place.leave()
    assert canary.requests == []


async def test_a_canary_never_gets_what_its_clearance_does_not_cover(tmp_path, servers):
    home, _, burst = servers
    policy = with_rest("- {id: rest, when: {}, to: [home], canary: {pool: burst, percent: 100}}")
    async with house(tmp_path, {"home": home, "burst": burst}, policy=policy) as gateway:
        assert (await gateway.chat("nothing in it")).headers["x-tidegate-pool"] == "burst"
        assert (await gateway.chat("My card: 4111 1111 1111 1111")).headers["x-tidegate-pool"] == "home"
    assert len(burst.requests) == 1


# Strict audit


async def test_where_audit_is_strict_an_attempt_at_home_finds_its_intent_on_disk(tmp_path, servers):
    home, _, _ = servers
    found = []
    policy = with_rest("- {id: rest, when: {}, to: [home], audit: strict}")
    async with house(tmp_path, {"home": home}, policy=policy) as gateway:
        usual = home.script

        async def counts(peer):
            found.append([intent["zone"] for intent in recorded(gateway.state, "intent")])
            await usual(peer)

        home.script = counts
        assert (await gateway.chat()).status_code == 200
        await gateway.chat(model="chat-home", text="My card: 4111 1111 1111 1111")  # by a row that is not strict
        assert found == [["onprem"], ["onprem"]]


async def test_where_audit_is_strict_nothing_is_sent_without_an_intent(tmp_path, servers):
    home, _, _ = servers
    (tmp_path / "config" / "state").mkdir(parents=True)
    (tmp_path / "config" / "state" / "audit").write_text("a file where the folder should be")
    policy = with_rest("- {id: rest, when: {}, to: [home], audit: strict}")
    async with house(tmp_path, {"home": home}, policy=policy) as gateway:
        assert (await gateway.chat()).status_code == 503
    assert home.requests == []


# Facts


async def test_a_row_may_ask_what_the_content_is_made_of_and_how_long_it_is(tmp_path, servers):
    home, _, _ = servers
    policy = with_rest(
        "- {id: rest, when: {}, to: [home]}",
        "{id: pictures, when: {modality: [image]}, deny: No pictures.}",
        '{id: long, when: {context: ">= 4k"}, deny: Too long.}',
    )
    picture = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]
    async with house(tmp_path, {"home": home}, policy=policy) as gateway:
        answers = [
            (await gateway.chat(content, **more)).headers["x-tidegate-route"]
            for content, more in (
                ("short", {}),
                (picture, {}),
                ("long " * 3000, {}),
                ("short", {"max_tokens": 5000}),
            )
        ]
        await gateway.settled()
    assert answers == ["rest", "pictures", "long", "long"]
    outcomes = recorded(gateway.state, "outcome")
    assert "modalities" not in outcomes[0]["facts"]
    assert sorted(outcomes[1]["facts"]["modalities"]) == ["image", "text"]
    assert outcomes[3]["facts"]["context_tokens"] >= 5000


async def test_a_row_may_ask_how_a_zone_does(tmp_path, servers):
    home, _, _ = servers
    policy = with_rest(
        "- {id: rest, when: {}, to: [home]}",
        "{id: full, when: {pressure: {onprem: [saturated, down]}}, deny: Come back later.}",
    )
    limits = {"home": 1, "home-b": 1}
    async with house(tmp_path, {"home": home}, policy=policy, limits=limits) as gateway:
        assert (await gateway.chat()).headers["x-tidegate-route"] == "rest"
        places = [gateway.worker._admission.try_enter((name,)) for name in ("home", "home-b")]
        refused = await gateway.chat()
        assert (refused.status_code, refused.headers["x-tidegate-route"]) == (403, "full")
        places[0].leave()
        assert (await gateway.chat()).headers["x-tidegate-route"] == "rest"
        places[1].leave()
        await gateway.settled()
    surroundings = [outcome["facts"]["surroundings"]["pressure"] for outcome in recorded(gateway.state, "outcome")]
    assert surroundings == [[["onprem", "free"]], [["onprem", "saturated"]], [["onprem", "free"]]]


async def test_a_class_that_vouches_for_its_work_reaches_pools_below_the_default_while_nothing_is_found(
    tmp_path, servers
):
    home, _, burst = servers

    def attests(config):
        for name, old, new in (
            ("tenants.yaml", "default: {ceiling: internal}", "default: {ceiling: internal, attests: public}"),
            ("pools.yaml", "clearance: internal", "clearance: public"),
        ):
            text = (config / name).read_text()
            assert old in text
            (config / name).write_text(text.replace(old, new))

    policy = with_rest(
        "- {id: rest, when: {}, to: [home]}", '{id: open, when: {label: "== public"}, to: [burst]}'
    ).replace("  - {id: cloud, when: {model: chat-cloud}, to: [burst], on_full: {queue: QUEUE}}\n", "")
    pools = {"home": home, "burst": burst}
    async with house(tmp_path, pools, policy=policy, rewrite=attests) as gateway:
        answer = await gateway.chat("nothing in it")
        assert (answer.headers["x-tidegate-label"], answer.headers["x-tidegate-pool"]) == ("public", "burst")
        assert (await gateway.chat("write to anna.keller@example.com")).headers["x-tidegate-pool"] == "home"
