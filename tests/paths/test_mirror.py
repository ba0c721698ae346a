"""Mirrors and weights through a whole gateway: who gets a copy, what it may not change, and who comes first."""

import asyncio
import json
from collections import Counter

import pytest

from gateway.core.controls import SetBurst
from gateway.runtime.audit_folder import find
from tests.fakes.house import POLICY, house
from tests.fakes.model_server import ModelServer, Peer, chat, completion
from tests.paths.test_faults import AFTER, BEFORE
from tests.paths.test_overrides import order

ALL = "mirror: {pool: home-b, percent: 100}"


def mirrored(mirror: str = ALL, to: str = "[home]") -> str:
    """A policy in which every row that answers has this mirror."""
    policy = POLICY.replace("to: [home, home-b], on_full", f"to: {to}, {mirror}, on_full")
    return policy.replace("to: [home, home-b], spill: [burst], on_full", f"to: {to}, {mirror}, on_full")


def records(gateway, kind: str) -> list[dict]:
    """What the audit log says of one kind, once it has been written."""
    lines = [line for path in (gateway.state / "audit").glob("2*.jsonl") for line in path.read_bytes().splitlines()]
    return [found[kind] for found in map(json.loads, lines) if kind in found]


async def copied(gateway) -> list[dict]:
    """The copies on record, once none is under way and the log has been written."""
    mirrors = gateway.worker._mirrors
    while mirrors.under_way:  # noqa: ASYNC110 -- the gateway's own count
        await asyncio.sleep(0.002)
    wanted = sum(count for (_, ending), count in mirrors._ended.items() if ending != "dropped")
    while len(found := records(gateway, "mirrored")) < wanted:  # noqa: ASYNC110 -- the log's writer is a thread
        await asyncio.sleep(0.01)
    return found


@pytest.mark.parametrize("stream", [False, True])
async def test_a_mirror_gets_what_the_pool_gets_and_its_answer_goes_to_nobody(tmp_path, stream):
    async with (
        ModelServer() as home,
        ModelServer() as other,
        house(tmp_path, {"home": home, "home-b": other}, policy=mirrored()) as gateway,
    ):
        answers = [await gateway.chat(f"Question {number}", stream=stream) for number in range(3)]
        assert [answer.headers["x-tidegate-pool"] for answer in answers] == ["home"] * 3
        found = await copied(gateway)
        assert sorted(one.json["messages"][0]["content"] for one in other.requests) == [
            f"Question {number}" for number in range(3)
        ]
        assert len(home.requests) == 3
        assert {one["ending"] for one in found} == {"completed"}
        assert {one["pool"] for one in found} == {"home-b"}
        outcomes = {one["request_id"]: one for one in records(gateway, "outcome")}
        assert {one["copy_of"] for one in found} <= set(outcomes)
        assert not {one["request_id"] for one in found} & set(outcomes)
        assert all([attempt["pool"] for attempt in one["attempts"]] == ["home"] for one in outcomes.values())
        account = gateway.worker._instruments.account(now=0.0)
        tokens = [labels[2] for labels in account.numbers["tidegate_tokens_total"]]
        assert set(tokens) == {"home"}
        assert account.numbers["tidegate_mirrored_requests_total"] == {("onprem", "home-b", "completed"): 3}


async def test_a_copy_whose_answer_nobody_counts_costs_what_is_reckoned(tmp_path):
    async def silent(peer: Peer) -> None:
        await peer.answer(200, json.dumps({**json.loads(completion("Word " * 40)), "usage": None}).encode())

    prices = "prices: {currency: CNY, pools: {home-b: {prompt: 1000000, completion: 1000000}}}\n"
    async with (
        ModelServer() as home,
        ModelServer() as other,
        house(tmp_path, {"home": home, "home-b": other}, policy=mirrored(), tenants=prices) as gateway,
    ):
        other.script = silent
        await gateway.chat("Question")
        (found,) = await copied(gateway)
        assert 40_000_000 < found["cost_micros"] < 400_000_000


async def test_text_above_a_mirrors_clearance_is_not_copied(tmp_path):
    policy = mirrored("mirror: {pool: burst, percent: 100}").replace(
        "to: [home], mirror: {pool: burst, percent: 100}, on_full", "to: [home], on_full", 1
    )
    async with (
        ModelServer() as home,
        ModelServer() as burst,
        house(tmp_path, {"home": home, "burst": burst}, policy=policy) as gateway,
    ):
        assert (await gateway.chat("My SSN is 536-22-8723")).status_code == 200
        assert (await gateway.chat("Hello")).status_code == 200
        found = await copied(gateway)
        assert [one.json["messages"][0]["content"] for one in burst.requests] == ["Hello"]
        (copy,) = found
        intents = records(gateway, "intent")
        assert [(one["request_id"], one["pool"]) for one in intents] == [(copy["request_id"], "burst")]
        assert (copy["label"], copy["ending"]) == ("internal", "completed")
        told = [find(gateway.state / "audit", id) for id in (copy["copy_of"], copy["request_id"])]
        assert told[0] == told[1]
        assert told[0] is not None
        assert [(one.record.pool, one.intents[0].pool) for one in told[0].copies] == [("burst", "burst")]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_mirror_that_fails_in_any_way_changes_nothing_for_the_client(tmp_path, stream):
    scripts = [script for script, only in BEFORE.values() if only is None or only is stream]
    scripts += AFTER if stream else ()
    async with (
        ModelServer() as home,
        ModelServer() as other,
        house(
            tmp_path,
            {"home": home, "home-b": other},
            policy=mirrored(),
            timeouts="{connect: 200ms, first_content: 150ms, idle: 150ms, total: 2s}",
        ) as gateway,
    ):
        for script in scripts:
            other.script = script
            gateway.forget_faults()
            answer = await gateway.chat(stream=stream)
            assert answer.status_code == 200
            assert answer.headers["x-tidegate-pool"] == "home"
        await gateway.settled()
        assert len(home.requests) == len(scripts)
        assert {one["ending"] for one in records(gateway, "outcome")} <= {"completed"}


async def test_a_mirror_that_is_silent_is_not_waited_for_and_its_pool_is_never_more_than_half_taken(tmp_path):
    async with ModelServer() as home, ModelServer() as other:

        async def silent(peer):
            await peer.until_gone()

        other.script = silent
        options = {"policy": mirrored(), "limits": {"home-b": 4}}
        async with house(tmp_path, {"home": home, "home-b": other}, **options) as gateway:
            answers = await asyncio.gather(*(gateway.chat(f"{number}") for number in range(8)))
            assert [answer.status_code for answer in answers] == [200] * 8
            await gateway.settled()
            assert gateway.worker._mirrors.under_way == 2
            assert gateway.worker._mirrors._ended == {("home-b", "dropped"): 6}
        # They end with the worker, and are on record as broken off.
        assert [one["ending"] for one in records(gateway, "mirrored")] == ["cancelled"] * 2


@pytest.mark.parametrize("stream", [False, True])
async def test_copies_that_take_too_long_say_nothing_against_their_server(tmp_path, stream, monkeypatch):
    monkeypatch.setattr("gateway.runtime.mirror.LONGEST_S", 0.1)
    async with ModelServer() as home, ModelServer() as other:

        async def slow(peer):
            await peer.until_gone()

        other.script = slow
        async with house(tmp_path, {"home": home, "home-b": other}, policy=mirrored()) as gateway:
            for number in range(6):
                await gateway.chat(f"{number}", stream=stream)
                await copied(gateway)
            found = await copied(gateway)
            assert [one["ending"] for one in found] == ["deadline"] * 6


async def test_copies_give_way_to_whoever_waits_for_a_place(tmp_path):
    async with ModelServer() as home, ModelServer() as other:
        release = asyncio.Event()

        async def hold(peer):
            await release.wait()
            await chat(peer)

        other.script = hold
        policy = mirrored().replace("  chat-home: {pools: [home]}", "  chat-b: {pools: [home-b, home]}")
        policy = policy.replace(
            "  - {id: rest,", "  - {id: b, when: {model: chat-b}, to: [home-b], on_full: {queue: 5s}}\n  - {id: rest,"
        )
        async with house(tmp_path, {"home": home, "home-b": other}, policy=policy, limits={"home-b": 1}) as gateway:
            assert (await gateway.chat()).status_code == 200
            assert gateway.worker._mirrors.under_way == 1
            waiting = asyncio.create_task(gateway.chat("Mine", model="chat-b"))
            while not any(b"Mine" in one.body for one in other.requests):  # noqa: ASYNC110 -- the server's own record
                await asyncio.sleep(0.01)
            release.set()
            assert (await waiting).status_code == 200
            assert [one["ending"] for one in await copied(gateway)] == ["cancelled"]


async def test_no_copy_goes_to_the_pool_that_has_the_request_itself(tmp_path):
    async with (
        ModelServer() as home,
        house(tmp_path, {"home": home}, policy=mirrored("mirror: {pool: home, percent: 100}")) as gateway,
    ):
        assert (await gateway.chat()).status_code == 200
        await gateway.settled()
        assert len(home.requests) == 1


@pytest.mark.parametrize(("percent", "most"), [(0, 0), (50, 39)])
async def test_a_share_is_copied_and_no_more(tmp_path, percent, most):
    async with (
        ModelServer() as home,
        ModelServer() as other,
        house(
            tmp_path,
            {"home": home, "home-b": other},
            policy=mirrored(f"mirror: {{pool: home-b, percent: {percent}}}"),
        ) as gateway,
    ):
        for _ in range(40):
            await gateway.chat()
        await copied(gateway)
        assert len(home.requests) == 40
        assert (percent > 0) <= len(other.requests) <= most


async def test_no_copy_leaves_while_operations_keep_work_from_leaving(tmp_path):
    policy = mirrored("mirror: {pool: burst, percent: 100}").replace(
        "to: [home], mirror: {pool: burst, percent: 100}, on_full", "to: [home], on_full", 1
    )
    async with (
        ModelServer() as home,
        ModelServer() as burst,
        house(tmp_path, {"home": home, "burst": burst}, policy=policy) as gateway,
    ):
        await order(gateway, SetBurst(0.0))
        assert (await gateway.chat()).status_code == 200
        await gateway.settled()
        assert gateway.worker._mirrors._ended == {("burst", "dropped"): 1}
        assert not burst.requests


async def test_copies_take_no_second_try(tmp_path):
    async with ModelServer() as home, ModelServer() as other:

        async def broken(peer):
            await peer.answer(500, b"{}")

        other.script = broken

        def twice(config):
            path = config / "pools.yaml"
            path.write_text(path.read_text().replace(f'["{other.url}"]', f'["{other.url}", "{home.url}"]'))

        async with house(tmp_path, {"home": home, "home-b": other}, policy=mirrored(), rewrite=twice) as gateway:
            for number in range(4):
                await gateway.chat(f"{number}")
            found = await copied(gateway)
            assert [len(one["attempts"]) for one in found] == [1] * len(found)


async def test_weights_share_out_the_first_place_and_failover_stays_within_the_row(tmp_path):
    policy = POLICY.replace(
        "to: [home, home-b], spill", "to: [{pool: home, weight: 3}, {pool: home-b, weight: 1}], spill"
    )
    async with (
        ModelServer() as home,
        ModelServer() as other,
        house(tmp_path, {"home": home, "home-b": other}, policy=policy) as gateway,
    ):
        seen = Counter([(await gateway.chat()).headers["x-tidegate-pool"] for _ in range(60)])
        # Binomial with 60 draws of a quarter: outside of these bounds once in ten million runs.
        assert 2 <= seen["home-b"] <= 36
        assert seen["home"] + seen["home-b"] == 60

        async def broken(peer):
            await peer.answer(500, b"{}")

        home.script = broken
        assert {(await gateway.chat()).headers["x-tidegate-pool"] for _ in range(12)} == {"home-b"}


async def test_a_pool_of_weight_nothing_takes_over_where_the_others_cannot(tmp_path):
    policy = POLICY.replace(
        "to: [home, home-b], spill", "to: [{pool: home, weight: 0}, {pool: home-b, weight: 1}], spill"
    )
    async with ModelServer() as home, house(tmp_path, {"home": home}, policy=policy) as gateway:
        assert (await gateway.chat()).headers["x-tidegate-pool"] == "home"
