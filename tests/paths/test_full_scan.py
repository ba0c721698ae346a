"""The models look only where it matters: before a request leaves, waits or is refused; and nothing leaves unread."""

import asyncio
import contextlib
import random
from dataclasses import replace

import pytest

from gateway.runtime.admission import Admission
from tests.fakes.full_scanner import FAULTS, TAKERS, ScriptedScanner, a_person, gives_up, held, never, nothing
from tests.fakes.house import POLICY, House, house
from tests.fakes.model_server import ModelServer
from tests.paths.test_row_orders import drawing, recorded, with_rest

FULL = {"home": 1, "home-b": 1}
PATIENCE_S = 10.0
AT_REST = "- {id: rest, when: {}, to: [home, home-b], spill: [burst], on_full: {queue: QUEUE}}"
CLOUD_FIRST = "- {id: rest, when: {}, to: [burst, home], on_full: {queue: QUEUE}}"


def needs_models(policy: str) -> str:
    """`policy`, under which nothing leaves that the models have not read. A name is for home."""
    policy = policy.replace("label:\n", "label:\n  tiers: [structured, names, ner]\n", 1)
    return policy.replace("  rules:\n", "  rules:\n    - {any_of: [PERSON], label: confidential}\n", 1)


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    """The configuration asks whether the models are there; here a script stands for them."""
    monkeypatch.setattr("gateway.detect.ner_models.are_installed", lambda: True)
    monkeypatch.setattr("gateway.detect.ner_models.models_digest", lambda: "scripted")


@pytest.fixture
async def servers():
    async with ModelServer() as home, ModelServer() as other, ModelServer() as burst:
        yield {"home": home, "home-b": other, "burst": burst}


@contextlib.asynccontextmanager
async def gateway_with(folder, servers, *scripts, rest=AT_REST, **options):
    models = ScriptedScanner(*scripts)
    policy = needs_models(with_rest(rest, *options.pop("rows", ())))
    async with house(folder, servers, policy=policy, full_scanner=models, **options) as gateway:
        yield gateway, models


class Full:
    """Every place at home is taken until `leave`."""

    def __init__(self, gateway: House, *names: str) -> None:
        self._admission = gateway.worker._admission
        self._places = {name: self._admission.try_enter((name,)) for name in names or ("home", "home-b")}
        assert all(self._places.values())

    def leave(self, name: str = "home") -> None:
        self._places[name].leave()


async def waiting(gateway: House, count: int = 1, pool: str = "home") -> None:
    """Until `count` requests wait for a place in `pool`; what has gone elsewhere never will."""
    async with asyncio.timeout(PATIENCE_S):
        while gateway.worker._admission.load()[pool].waiting < count:  # noqa: ASYNC110 -- the gateway's own count
            await asyncio.sleep(0.002)


async def began(models: ScriptedScanner, count: int = 1) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while models.began < count:  # noqa: ASYNC110 -- the script's own count
            await asyncio.sleep(0.002)


def outcomes(gateway: House) -> list[dict]:
    """What is on disk once the gateway has ended."""
    return recorded(gateway.state, "outcome")


def went(answer) -> tuple[int, str, str]:
    return answer.status_code, answer.headers["x-tidegate-pool"], answer.headers["x-tidegate-label"]


# When it runs


async def test_a_request_with_a_free_place_at_home_is_not_read_by_models(tmp_path, servers):
    async with gateway_with(tmp_path, servers, nothing) as (gateway, models):
        assert went(await gateway.chat("nothing in it")) == (200, "home", "restricted")
    (outcome,) = outcomes(gateway)
    assert models.began == 0
    assert "full_scan" not in outcome
    assert outcome["decision"]["if_scanned"] == ["burst"]


@pytest.mark.parametrize("stream", [False, True])
async def test_where_home_is_full_it_is_read_and_leaves_if_nothing_is_found(tmp_path, servers, stream):
    async with gateway_with(tmp_path, servers, nothing, limits=FULL) as (gateway, models):
        Full(gateway)
        assert went(await gateway.chat("nothing in it", stream=stream)) == (200, "burst", "internal")
    (outcome,), (intent,) = outcomes(gateway), recorded(gateway.state, "intent")
    assert len(servers["burst"].requests) == 1
    # Once before it was decided again, and once more the very bytes that left.
    assert models.ended == 2
    assert models.documents[1] != models.documents[0]
    assert "ner" in outcome["evidence"]["coverage"]["tiers"]
    scan = outcome["full_scan"]
    assert (scan["because"], scan["ending"], scan["label_low"], scan["label_high"]) == ("no_place", "completed", 1, 3)
    assert (outcome["facts"]["label_low"], outcome["facts"]["label_high"]) == (1, 1)
    assert (outcome["decision"]["route"], outcome["decision"]["label"]) == ("rest", 1)
    assert intent["label"] == "internal"


async def test_what_the_models_find_keeps_it_home_and_in_line(tmp_path, servers):
    async with gateway_with(tmp_path, servers, a_person, limits=FULL) as (gateway, models):
        full = Full(gateway)
        asked = asyncio.create_task(gateway.chat("Anna"))
        await began(models)
        await waiting(gateway)
        full.leave()
        assert went(await asked) == (200, "home", "confidential")
    (outcome,) = outcomes(gateway)
    assert servers["burst"].requests == []
    assert outcome["full_scan"]["ending"] == "completed"
    assert outcome["decision"]["route"] == "keep-home"
    assert [found["detector"] for found in outcome["evidence"]["findings"]] == ["ner-en"]


async def test_what_the_cheap_tiers_forbid_is_not_read(tmp_path, servers):
    async with gateway_with(tmp_path, servers, nothing, limits=FULL, queue="50ms") as (gateway, models):
        Full(gateway)
        for text in ("My card: 4111 1111 1111 1111", "write to anna.keller@example.com", "机密"):
            assert (await gateway.chat(text)).status_code == 503
    assert models.began == 0
    assert servers["burst"].requests == []


async def test_a_place_that_is_free_sooner_is_taken_and_the_models_stop(tmp_path, servers):
    async with gateway_with(tmp_path, servers, never, limits=FULL) as (gateway, models):
        full = Full(gateway)
        asked = asyncio.create_task(gateway.chat("nothing in it"))
        await began(models)
        full.leave()
        assert went(await asked) == (200, "home", "restricted")
    (outcome,) = outcomes(gateway)
    assert outcome["full_scan"]["ending"] == "overtaken"
    assert "ner" not in outcome["evidence"]["coverage"]["tiers"]


async def test_while_the_models_read_the_request_keeps_its_place_in_line(tmp_path, servers):
    release = asyncio.Event()
    limits = {**FULL, "burst": 1}
    async with gateway_with(tmp_path, servers, held(release), nothing, limits=limits) as (gateway, models):
        full, cloud = Full(gateway), Full(gateway, "burst")
        first = asyncio.create_task(gateway.chat("the first"))
        await began(models)
        second = asyncio.create_task(gateway.chat("My card: 4111 1111 1111 1111"))
        await waiting(gateway, 2)
        release.set()
        await asyncio.sleep(0)
        await waiting(gateway, pool="burst")
        full.leave()
        assert went(await first) == (200, "home", "internal")
        full.leave("home-b")
        assert went(await second) == (200, "home", "restricted")
        cloud.leave("burst")
    assert servers["burst"].requests == []


@pytest.mark.parametrize("queue", ["0s", "5s"])
async def test_where_there_is_no_place_in_the_queue_either_it_is_read_all_the_same(tmp_path, servers, queue):
    def no_queue(config):
        text = (config / "pools.yaml").read_text()
        (config / "pools.yaml").write_text(
            text.replace("    max_in_flight: 1\n", "    max_in_flight: 1\n    queue: 1\n")
        )

    options = {"limits": FULL, "queue": queue, "rewrite": no_queue}
    async with gateway_with(tmp_path, servers, nothing, **options) as (gateway, _):
        Full(gateway)
        others = []
        if queue != "0s":
            others = [asyncio.create_task(gateway.chat("My card: 4111 1111 1111 1111"))]
            await waiting(gateway)
        assert went(await gateway.chat("nothing in it")) == (200, "burst", "internal")
        for other in others:
            other.cancel()


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (nothing, (200, "burst", "internal")),
        (a_person, (200, "home", "confidential")),
        (gives_up, (200, "home", "restricted")),
    ],
)
@pytest.mark.parametrize("queue", ["0s", "5s"])
async def test_what_is_kept_for_work_that_must_stay_is_not_for_what_may_yet_leave(
    tmp_path, servers, script, expected, queue, monkeypatch
):
    def reserved(pools, clock, **more):
        kept = {"home": 1}
        return Admission([replace(pool, reserved=kept.get(pool.name, 0)) for pool in pools], clock, **more)

    monkeypatch.setattr("gateway.assemble.Admission", reserved)
    options = {"limits": {"home": 2, "home-b": 1}, "queue": queue}
    async with gateway_with(tmp_path, servers, script, nothing, **options) as (gateway, _):
        Full(gateway)
        assert went(await gateway.chat("Anna")) == expected


async def test_where_every_server_at_home_fails_it_is_read_before_it_is_given_up(tmp_path, servers):
    async def broken(peer):
        await peer.answer(503, b"{}")

    servers["home"].script = servers["home-b"].script = broken
    async with gateway_with(tmp_path, servers, nothing) as (gateway, _):
        assert went(await gateway.chat("nothing in it")) == (200, "burst", "internal")
    (outcome,) = outcomes(gateway)
    assert outcome["full_scan"]["because"] == "all_failed"
    assert [attempt["pool"] for attempt in outcome["attempts"]] == ["home", "home-b", "burst"]


async def test_a_row_that_begins_in_the_cloud_has_the_request_read_first(tmp_path, servers):
    async with gateway_with(tmp_path, servers, nothing, nothing, a_person, rest=CLOUD_FIRST) as (gateway, _):
        assert went(await gateway.chat("nothing in it")) == (200, "burst", "internal")
        assert went(await gateway.chat("Anna")) == (200, "home", "confidential")
    clean, found = outcomes(gateway)
    assert (clean["full_scan"]["because"], found["full_scan"]["because"]) == ("leaves_first", "leaves_first")
    assert len(servers["burst"].requests) == 1


async def test_what_operations_send_out_is_read_first_and_what_they_keep_is_not_read(tmp_path, servers):
    async with gateway_with(tmp_path, servers, nothing, queue="50ms", limits=FULL) as (gateway, models):
        admission = gateway.worker._admission
        admission.control(1.0, ())
        assert went(await gateway.chat("nothing in it")) == (200, "burst", "internal")
        Full(gateway)
        for share, drained in ((0.0, ()), (None, ("burst",))):
            admission.control(share, drained)
            assert (await gateway.chat("nothing in it")).status_code == 503
    assert models.began == 2
    assert len(servers["burst"].requests) == 1


async def test_only_a_canarys_share_is_read_first(tmp_path, servers):
    rest = "- {id: rest, when: {}, to: [home], canary: {pool: burst, percent: 25}}"
    async with gateway_with(tmp_path, servers, nothing, rest=rest) as (gateway, models):
        drawing(gateway, 0.2499, 0.25)
        pools = [(await gateway.chat("nothing in it")).headers["x-tidegate-pool"] for _ in range(2)]
    assert pools == ["burst", "home"]
    assert models.began == 2


async def test_a_refusal_that_the_lower_label_would_not_get_waits_for_the_models(tmp_path, servers):
    rows = ('{id: closed, when: {label: ">= confidential"}, deny: Not here.}',)
    async with gateway_with(tmp_path, servers, nothing, a_person, gives_up, rows=rows) as (gateway, _):
        assert went(await gateway.chat("nothing in it")) == (200, "home", "internal")
        refused = [await gateway.chat(text) for text in ("Anna", "nothing in it")]
        assert [answer.status_code for answer in refused] == [403, 403]
        assert [answer.json()["error"]["message"] for answer in refused] == ["Not here.", "Not here."]
    told = [(one["full_scan"]["because"], one["full_scan"]["ending"]) for one in outcomes(gateway)]
    assert told == [("refused", "completed"), ("refused", "completed"), ("refused", "incomplete")]


async def test_a_second_decision_may_refuse(tmp_path, servers):
    rows = ('{id: closed, when: {label: "== confidential"}, deny: Not here.}',)
    async with gateway_with(tmp_path, servers, a_person, limits=FULL, rows=rows) as (gateway, _):
        Full(gateway)
        answer = await gateway.chat("Anna")
        assert (answer.status_code, answer.json()["error"]["message"]) == (403, "Not here.")
    (outcome,) = outcomes(gateway)
    assert (outcome["decision"]["code"], outcome["ending"]) == ("denied_by_policy", "refused")


async def test_a_caller_that_leaves_while_the_models_read_is_not_waited_for(tmp_path, servers):
    async with gateway_with(tmp_path, servers, never, limits=FULL) as (gateway, models):
        Full(gateway)
        asked = asyncio.create_task(gateway.chat("nothing in it"))
        await began(models)
        asked.cancel()
        await gateway.settled()
        assert gateway.worker._admission.load()["home"].waiting == 0
    (outcome,) = outcomes(gateway)
    assert (outcome["ending"], outcome["full_scan"]["ending"]) == ("client_gone", "overtaken")


async def test_a_reply_is_remembered_with_the_label_that_was_acted_on(tmp_path, servers):
    async with gateway_with(tmp_path, servers, nothing, nothing, limits=FULL) as (gateway, _):
        full = Full(gateway, "home")
        other = Full(gateway, "home-b")
        first = await gateway.chat("nothing in it")
        assert went(first) == (200, "burst", "internal")
        history = [
            {"role": "user", "content": "nothing in it"},
            first.json()["choices"][0]["message"],
            {"role": "user", "content": "and now?"},
        ]
        # The first reply counts as internal: it holds nothing back.
        assert went(await gateway.chat(messages=history)) == (200, "burst", "internal")
        full.leave()
        assert went(await gateway.chat("nothing in it")) == (200, "home", "restricted")
        Full(gateway, "home")
        other.leave("home-b")
        # The same reply, made at home under the highest label: now it holds home whatever brings it along.
        assert went(await gateway.chat(messages=history)) == (200, "home-b", "restricted")
    assert [one["evidence"].get("taint") for one in outcomes(gateway)] == [None, None, None, 3]


# Nothing leaves unread


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("rest", [AT_REST, CLOUD_FIRST])
async def test_whatever_the_models_do_a_request_that_they_have_not_read_stays_home(tmp_path, servers, fault, rest):
    def soon(config):
        with (config / "gateway.yaml").open("a") as file:
            file.write("ner: {deadline: 100ms}\n")

    options = {"limits": FULL, "rest": rest, "rewrite": soon}
    async with gateway_with(tmp_path, servers, fault, **options) as (gateway, models):
        full = Full(gateway)
        asked = asyncio.create_task(gateway.chat("nothing in it"))
        await began(models)
        await waiting(gateway)
        full.leave()
        assert went(await asked) == (200, "home", "restricted")
        assert went(await gateway.chat("and the next one")) == (200, "home", "restricted")
    outcome = outcomes(gateway)[0]
    assert servers["burst"].requests == []
    assert outcome["full_scan"]["ending"] in ("incomplete", "overtaken")
    assert "ner" not in outcome["evidence"]["coverage"]["tiers"]


@pytest.mark.parametrize("fault", TAKERS, ids=lambda fault: fault.__name__)
async def test_models_can_only_add_to_what_was_found(tmp_path, servers, fault):
    async with gateway_with(tmp_path, servers, fault, limits=FULL) as (gateway, models):
        full = Full(gateway)
        asked = asyncio.create_task(gateway.chat("Patient: John Example, and nothing else"))
        await waiting(gateway)
        full.leave()
        assert (await asked).headers["x-tidegate-pool"] == "home"
    (outcome,) = outcomes(gateway)
    assert "PERSON" in {found["entity"] for found in outcome["evidence"]["findings"]}
    assert models.began == 0 or "ner" not in outcome["evidence"]["coverage"]["tiers"]
    assert servers["burst"].requests == []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_final_bytes_that_the_models_have_not_read_do_not_leave(tmp_path, servers, fault):
    def soon(config):
        with (config / "gateway.yaml").open("a") as file:
            file.write("ner: {deadline: 100ms}\n")

    async with gateway_with(tmp_path, servers, nothing, fault, limits=FULL, rewrite=soon) as (gateway, models):
        full = Full(gateway)
        asked = asyncio.create_task(gateway.chat("nothing in it"))
        await began(models, 2)
        await waiting(gateway)
        full.leave()
        # As if the models had never read it: the first decision, and its label.
        assert went(await asked) == (200, "home", "restricted")
    (outcome,) = outcomes(gateway)
    assert servers["burst"].requests == []
    assert outcome["full_scan"]["ending"] == "unconfirmed"
    assert [(one["pool"], one["ending"]) for one in outcome["attempts"]] == [
        ("burst", "refused"),
        ("home", "completed"),
    ]
    assert outcome["decision"]["route"] == "keep-home"


async def test_final_bytes_in_which_the_models_find_more_do_not_leave(tmp_path, servers):
    async with gateway_with(tmp_path, servers, nothing, a_person, limits=FULL) as (gateway, _):
        Full(gateway)
        assert (await gateway.chat("nothing in it")).status_code == 503
    assert servers["burst"].requests == []


async def test_a_refusal_that_was_lifted_for_bytes_that_nobody_can_read_is_a_refusal_again(tmp_path, servers):
    rows = ('{id: closed, when: {label: ">= confidential"}, deny: Not here.}',)
    async with gateway_with(tmp_path, servers, nothing, gives_up, rows=rows, rest=CLOUD_FIRST) as (gateway, _):
        answer = await gateway.chat("nothing in it")
        assert (answer.status_code, answer.json()["error"]["message"]) == (403, "Not here.")
    (outcome,) = outcomes(gateway)
    assert servers["burst"].requests == []
    assert outcome["full_scan"]["ending"] == "unconfirmed"


@pytest.mark.parametrize("seed", range(8))
async def test_no_pool_that_a_full_scan_would_open_is_reached_without_one(tmp_path, servers, seed):
    """Requests of every kind under pressure, models that answer, fail, find and dawdle: what left was read, twice."""
    rng = random.Random(seed)
    read: dict[str, list[bool]] = {}

    async def by_chance(document: object, evidence):
        tag = next(word for word in str(document).split() if word.startswith("tag"))
        await asyncio.sleep(rng.choice([0, 0, 0.005, 0.02]))
        script = rng.choice([nothing, nothing, nothing, a_person, *FAULTS[:3]])
        done = await script(evidence)
        read.setdefault(tag, []).append(script is nothing)
        return done

    class ByChance(ScriptedScanner):
        async def complete(self, dialect, document, evidence, memo=None):
            return await by_chance(document, evidence)

    rest = rng.choice([AT_REST, CLOUD_FIRST, "- {id: rest, when: {}, to: [home], canary: {pool: burst, percent: 50}}"])
    policy = needs_models(with_rest(rest))
    limits = {"home": rng.choice([1, 2]), "home-b": 1, "burst": rng.choice([1, 8])}
    options = {"policy": policy, "limits": limits, "queue": rng.choice(["100ms", "2s"])}
    async with house(tmp_path, servers, full_scanner=ByChance(nothing), **options) as gateway:
        texts = ["tag{} nothing in it", "tag{} card 4111 1111 1111 1111", "tag{} mail anna.keller@example.com"]
        asked = [
            gateway.chat(rng.choice([texts[0], texts[0], *texts]).format(number), stream=rng.random() < 0.3)
            for number in range(30)
        ]
        answers = await asyncio.gather(*asked)
    told = outcomes(gateway)
    assert {answer.status_code for answer in answers} <= {200, 503}
    left = [body.json["messages"][0]["content"] for body in servers["burst"].requests]
    for text in left:
        assert "nothing in it" in text
        assert read[text.split()[0]][:2] == [True, True]
    for one in told:
        if "burst" in [attempt["pool"] for attempt in one.get("attempts", ()) if attempt.get("status")]:
            assert "ner" in one["evidence"]["coverage"]["tiers"]
            assert one["facts"]["label_high"] == 1


# A class that asks for it


def always(config):
    text = (config / "tenants.yaml").read_text()
    (config / "tenants.yaml").write_text(text.replace("{ceiling: internal}", "{ceiling: internal, full_scan: always}"))


async def test_a_class_may_have_everything_read_whatever_the_policy_asks(tmp_path, servers):
    models = ScriptedScanner(nothing, a_person, gives_up)
    policy = needs_models(POLICY).replace(", ner]", "]")
    async with house(tmp_path, servers, policy=policy, full_scanner=models, rewrite=always) as gateway:
        answers = [went(await gateway.chat(text)) for text in ("nothing in it", "Anna", "nobody reads it")]
    told = outcomes(gateway)
    assert answers == [(200, "home", "internal"), (200, "home", "confidential"), (200, "home", "restricted")]
    assert [(one["full_scan"]["because"], one["full_scan"]["ending"]) for one in told] == [
        ("always", "completed"),
        ("always", "completed"),
        ("always", "incomplete"),
    ]
    assert told[2]["evidence"]["coverage"]["failure"] == "full scan incomplete"


@pytest.mark.parametrize("door", [nothing, gives_up])
async def test_for_such_a_class_the_final_bytes_are_read_too(tmp_path, servers, door):
    models = ScriptedScanner(nothing, door)
    policy = needs_models(POLICY).replace(", ner]", "]")
    options = {"policy": policy, "limits": FULL, "queue": "50ms", "rewrite": always}
    async with house(tmp_path, servers, full_scanner=models, **options) as gateway:
        Full(gateway)
        answer = await gateway.chat("nothing in it")
    assert answer.status_code == (200 if door is nothing else 503)
    assert len(servers["burst"].requests) == (door is nothing)
