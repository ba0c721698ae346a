"""What the policy promises (docs/policy.md), each by its name; the two about reloads are in `test_reload.py`.

`test_load_is_all_or_nothing_and_the_last_good_bundle_stays` and
`test_reload_needs_no_restart_and_drops_no_request_while_streams_run` are those.
"""

import asyncio
import random
import threading
from itertools import product

import pytest
import yaml

from gateway.core.facts import RequestFacts
from gateway.core.labels import Label
from gateway.policy.decide import decide
from tests.fakes.house import house
from tests.fakes.model_server import ModelServer, delta
from tests.fakes.process import process
from tests.paths.test_faults import then_reset
from tests.paths.test_reload import BODY, PATIENT, asked, policy_of, put, recorded, versions
from tests.paths.test_upgrade import until

CARD = "My card is 4111 1111 1111 1111"


async def refusing(peer):
    await peer.answer(503, b'{"error": {"message": "no", "type": "server_error", "code": 503}}')


async def garbled(peer):
    await peer.answer(200, b"<html>not an answer</html>")


async def test_a_request_sees_one_bundle_from_start_to_finish(tmp_path):
    go_on, began = asyncio.Event(), asyncio.Event()

    async def slow(peer):
        await peer.open_stream()
        await peer.event(delta("one "))
        began.set()
        await go_on.wait()
        await peer.event(delta("two", finish="stop"))
        await peer.event("[DONE]")
        await peer.end_stream()

    async with ModelServer() as server:
        server.script = slow
        async with process(tmp_path, {"home": server}, timeouts=PATIENT) as running:
            stream = asyncio.create_task(asked(running, {**BODY, "stream": True}))
            await asyncio.wait_for(began.wait(), 60)
            put(policy_of(running), next(versions(policy_of(running).read_text())))
            reloaded = await until(running, "reloaded")
            go_on.set()
            assert (await stream).text.endswith("data: [DONE]\n\n")
            after = await asked(running, {**BODY, "stream": True})
            assert after.status_code == 200
            assert await running.stopped() == 0
        first, second = (one["bundle"] for one in recorded(running, "activation"))
        assert [one["bundle"] for one in recorded(running, "outcome")] == [first, second]
        assert second == reloaded["bundle"] != first


async def test_decide_is_pure(tmp_path):
    async with ModelServer() as server, house(tmp_path, {"home": server, "home-b": server, "burst": server}) as gateway:
        generation = gateway.worker._pipeline.generation
        tenants = {(one.tenant_class, one.ceiling) for one in generation.bundle.tenants.values()}
        models = sorted(generation.policy.aliases)
        worlds = [
            RequestFacts(Label(label), Label(label), *tenant, model)
            for label, tenant, model in product(range(4), tenants, models)
        ]
        first = [decide(generation.policy, facts) for facts in worlds]
        shuffled = list(enumerate(worlds))
        random.Random(1).shuffle(shuffled)
        again = {at: decide(generation.policy, facts) for at, facts in shuffled}
        assert [again[at] for at in range(len(worlds))] == first
        assert len(set(map(repr, first))) > 3


@pytest.mark.parametrize("fault", [refusing, garbled, then_reset])
@pytest.mark.parametrize("text", ["hello", CARD])
async def test_failover_retry_and_spill_walk_only_the_pools_that_the_decision_lists(tmp_path, fault, text):
    async with ModelServer() as home, ModelServer() as home_b, ModelServer() as burst:
        home.script = home_b.script = fault
        async with house(tmp_path, {"home": home, "home-b": home_b, "burst": burst}) as gateway:
            await gateway.chat(text)
            await gateway.chat(text, model="chat-home")
    records = recorded(gateway, "outcome")
    for record in records:
        listed = {*record["decision"]["to"], *record["decision"].get("spill", ())}
        assert {attempt["pool"] for attempt in record["attempts"]} <= listed
        assert record["attempts"]
    if text is CARD:
        assert burst.requests == []
    assert {one["pool"] for record in records[1:] for one in record["attempts"]} == {"home"}


async def test_the_request_path_never_touches_yaml(tmp_path, monkeypatch):
    async with ModelServer() as server, house(tmp_path, {"home": server, "home-b": server, "burst": server}) as gateway:
        usual, serving = yaml.parse, threading.current_thread()

        def touched(*args, **more):
            # Files that are watched are read beside the loop.
            assert threading.current_thread() is not serving, "YAML on the request path"
            return usual(*args, **more)

        monkeypatch.setattr(yaml, "parse", touched)
        for text in ("hello", CARD):
            assert (await gateway.chat(text)).status_code == 200
