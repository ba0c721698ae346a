"""Where the last of three tries goes, and what becomes of a request of which more is found on its way out."""

import pytest

from gateway.core.controls import SetBurst
from gateway.core.labels import Label
from tests.fakes.house import POLICY, house
from tests.fakes.model_server import ModelServer
from tests.paths.test_mirror import records
from tests.paths.test_overrides import order

DEAD = [f"http://127.0.0.1:{port}" for port in (9, 11, 13, 15, 17, 19)]


def with_endpoints(url: str, *all_of_them: str):
    """The pool that has `url` gets these endpoints instead."""

    def rewrite(config):
        path = config / "pools.yaml"
        listed = ", ".join(f'"{one}"' for one in all_of_them)
        path.write_text(path.read_text().replace(f'["{url}"]', f"[{listed}]", 1))

    return rewrite


async def test_a_pool_of_which_everything_is_down_leaves_a_try_for_the_next_of_its_row(tmp_path):
    async with ModelServer() as other:
        pools = {"home": DEAD[0], "home-b": other}
        async with house(tmp_path, pools, rewrite=with_endpoints(DEAD[0], *DEAD[:4])) as gateway:
            answer = await gateway.chat("My SSN is 536-22-8723")
            assert (answer.status_code, answer.headers["x-tidegate-pool"]) == (200, "home-b")
        (outcome,) = records(gateway, "outcome")
        assert [one["pool"] for one in outcome["attempts"]] == ["home", "home", "home-b"]


POLICY_SPILL = POLICY.replace("to: [home, home-b], spill: [burst]", "to: [home], spill: [burst]")


async def test_where_most_of_a_row_is_down_the_last_try_is_for_its_spill(tmp_path):
    async with ModelServer() as burst:
        pools = {"home": DEAD[0], "burst": burst}
        options = {"policy": POLICY_SPILL, "rewrite": with_endpoints(DEAD[0], *DEAD[:3])}
        async with house(tmp_path, pools, **options) as gateway:
            answer = await gateway.chat()
            assert (answer.status_code, answer.headers["x-tidegate-pool"]) == (200, "burst")


async def test_two_servers_of_many_that_are_down_send_nothing_out(tmp_path):
    async with ModelServer() as burst:
        pools = {"home": DEAD[0], "burst": burst}
        options = {"policy": POLICY_SPILL, "rewrite": with_endpoints(DEAD[0], *DEAD)}
        async with house(tmp_path, pools, **options) as gateway:
            assert (await gateway.chat()).status_code == 503
            assert not burst.requests


async def test_what_must_stay_stays_however_much_is_down(tmp_path):
    async with ModelServer() as burst:
        pools = {"home": DEAD[0], "burst": burst}
        options = {"policy": POLICY_SPILL, "rewrite": with_endpoints(DEAD[0], *DEAD[:3])}
        async with house(tmp_path, pools, **options) as gateway:
            assert (await gateway.chat("My SSN is 536-22-8723")).status_code == 503
            assert not burst.requests


# More is found on the way out


async def finds(gateway, label: int) -> None:
    """Have everything that may leave try to, and the scan of the final bytes find `label`."""
    await gateway.chat()  # once it answers, it also takes orders
    await order(gateway, SetBurst(1.0))

    async def rescan(message, tenant):
        return Label(label)

    gateway.worker._pipeline._dispatcher._forwarder._rescan = rescan


@pytest.mark.parametrize(("label", "name"), [(2, "confidential"), (3, "restricted")])
async def test_what_is_more_than_was_decided_on_is_decided_again_and_answered_at_home(tmp_path, label, name):
    async with (
        ModelServer() as home,
        ModelServer() as burst,
        house(tmp_path, {"home": home, "burst": burst}) as gateway,
    ):
        await finds(gateway, label)
        answer = await gateway.chat()
        assert (answer.status_code, answer.headers["x-tidegate-pool"]) == (200, "home")
        assert (answer.headers["x-tidegate-label"], answer.headers["x-tidegate-route"]) == (name, "keep-home")
        assert not burst.requests
    outcome = records(gateway, "outcome")[-1]
    assert [(one["pool"], one["ending"]) for one in outcome["attempts"]] == [
        ("burst", "refused"),
        ("home", "completed"),
    ]
    assert outcome["facts"]["label_high"] == label
    assert outcome["decision"]["route"] == "keep-home"


async def test_what_no_pool_may_see_as_it_is_is_refused(tmp_path):
    policy = POLICY.replace(
        "  - {id: keep-home,", "  - {id: no, when: {label: restricted}, deny: Not at all.}\n  - {id: keep-home,"
    )
    policy = policy.replace("when: {label: restricted}", 'when: {label: "== restricted"}')
    async with (
        ModelServer() as home,
        ModelServer() as burst,
        house(tmp_path, {"home": home, "burst": burst}, policy=policy) as gateway,
    ):
        await finds(gateway, 3)
        home.requests.clear()
        answer = await gateway.chat()
        assert (answer.status_code, answer.json()["error"]["message"]) == (403, "Not at all.")
        assert not burst.requests
        assert not home.requests


OUTWARD = (
    POLICY.replace("default: internal", "default: public")
    .replace("when: {}, to: [home, home-b], spill: [burst]", "when: {}, to: [burst]")
    .replace("  chat-home: {pools: [home]}\n", "")
    .replace(
        "  - {id: keep-home,", "  - {id: no, when: {label: '>= confidential'}, deny: Not at all.}\n  - {id: keep-home,"
    )
)


@pytest.mark.parametrize(
    ("found", "status", "endings"),
    [
        ([1, 1], 200, ["refused", "completed"]),
        # Whatever the scan says of the same bytes the next time: never less than it has said before.
        ([1, 0], 200, ["refused", "completed"]),
        ([1, 2], 403, ["refused", "refused"]),
    ],
)
async def test_a_pool_that_may_see_what_was_found_is_asked_again_under_the_new_decision(
    tmp_path, found, status, endings
):
    async with (
        ModelServer() as burst,
        house(tmp_path, {"burst": burst}, policy=OUTWARD) as gateway,
    ):
        await finds(gateway, 0)
        labels = iter(found)

        async def rescan(message, tenant):
            return Label(next(labels))

        gateway.worker._pipeline._dispatcher._forwarder._rescan = rescan
        burst.requests.clear()
        answer = await gateway.chat()
        assert answer.status_code == status
        assert len(burst.requests) == (status == 200)
        await gateway.settled()
    outcome = records(gateway, "outcome")[-1]
    assert [one["ending"] for one in outcome["attempts"]] == endings
    assert outcome["facts"]["label_high"] == max(found)
