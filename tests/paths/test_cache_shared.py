"""Stored answers in a real Valkey: two gateways share them, an adversary in it gets nothing and gives nothing."""

import asyncio
import contextlib
import re

import pytest

from gateway.assemble import TICK_S
from gateway.config.cache_block import KEYS_FILE
from gateway.runtime.cache_keys import destroy
from gateway.runtime.cache_rules import Way
from gateway.runtime.keyring import Keyring, Purpose
from tests.fakes.model_server import ModelServer, completion
from tests.fakes.valkey import Valkey, running_valkey
from tests.paths.test_cache import CACHED, HELLO, SAME, caching, numbered, said, streaming, until

ROOT = "5a" * 32


@pytest.fixture(scope="module")
def server():
    with running_valkey() as running:
        yield running


@pytest.fixture
def valkey(server: Valkey):
    server.ask("FLUSHALL")
    yield server
    server.resume()


@pytest.fixture
async def servers():
    async with ModelServer() as home, ModelServer() as burst:
        home.script = numbered()
        yield home, burst


@contextlib.asynccontextmanager
async def gateways(tmp_path, servers, valkey, count=2, *, block="", keys=True, waits="50ms", **options):
    """Several gateways of one bundle, root secret and store, for whose answers they wait for `waits`; with `keys`, of
    one file of tenants' keys."""
    file = f"keys: {tmp_path / KEYS_FILE}, " if keys else ""
    text = f"cache: {{{file}{block}}}\nstores: {{cache: {{address: 'unix:{valkey.socket}', timeout: {waits}}}}}\n"
    async with contextlib.AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                caching(tmp_path / str(number), servers, gateway=text, root=ROOT, **options)
            )
            for number in range(count)
        ]


def ways(gateway):
    return {way.value: count for way, count in gateway.worker._cache.counts.items() if count}


def keys_in(valkey):
    return re.findall(
        rb"tidegate:cache:1:\{[0-9a-f]{64}\}:[vl]",
        valkey.ask("EVAL", "return table.concat(redis.call('KEYS', '*'), ' ')", "0"),
    )


@pytest.mark.parametrize("stream", [False, True])
async def test_what_one_gateway_has_asked_the_other_knows(tmp_path, servers, valkey, stream):
    home, _ = servers
    if stream:
        home.script = streaming("Once ", "upon ", "a time.")
    async with gateways(tmp_path, servers, valkey) as (one, other):
        first = await one.chat(HELLO, stream=stream, **SAME)
        answers = [await other.chat(HELLO, stream=stream, **SAME) for _ in range(2)]
        assert len(home.requests) == 1
        ids = [answer.headers["x-request-id"].removeprefix("req_") for answer in (first, *answers)]
        assert [answer.text.replace(own, "") for answer, own in zip(answers, ids[1:], strict=True)] == [
            first.text.replace(ids[0], "")
        ] * 2
        assert ways(one) == {"miss": 1}
        assert ways(other) == {"far": 1, "near": 1}


async def test_many_who_ask_the_same_of_two_gateways_are_one_question(tmp_path, servers, valkey):
    home, _ = servers
    go = asyncio.Event()

    async def script(peer):
        await go.wait()
        await peer.answer(200, completion("Once."))

    home.script = script
    async with gateways(tmp_path, servers, valkey) as both:
        asking = [asyncio.create_task(gateway.chat(HELLO, **SAME)) for _ in range(6) for gateway in both]
        await until(lambda: home.requests and all(gateway.worker._cache.waiting == 5 for gateway in both))
        go.set()
        assert {said(answer) for answer in await asyncio.gather(*asking)} == {"Once."}
        assert len(home.requests) == 1
        assert sorted(ways(both[0]).items()) != sorted(ways(both[1]).items())  # one led, one found it there


async def test_one_who_leads_in_another_gateway_and_leaves_holds_nobody_up(tmp_path, servers, valkey):
    home, _ = servers
    go = asyncio.Event()

    async def script(peer):
        await go.wait()
        await peer.answer(200, completion("Late."))

    home.script = script
    async with gateways(tmp_path, servers, valkey) as (one, other):
        leader = asyncio.create_task(one.chat(HELLO, **SAME))
        await until(lambda: home.requests)
        follower = asyncio.create_task(other.chat(HELLO, **SAME))
        await until(lambda: other.worker._cache._flights)
        leader.cancel()
        await until(lambda: len(home.requests) == 2)
        go.set()
        assert said(await follower) == "Late."
        assert all(key.endswith(b":v") for key in keys_in(valkey))


async def test_one_who_leaves_before_the_store_has_answered_leads_nowhere(tmp_path, servers, valkey):
    async with gateways(tmp_path, servers, valkey, 1) as (gateway,):
        cache = gateway.worker._cache
        seek = cache._far.seek

        async def asked_and_never_told(*about, **more):
            await seek(*about, **more)
            await asyncio.Event().wait()

        cache._far.seek = asked_and_never_told
        leaver = asyncio.create_task(gateway.chat(HELLO, **SAME))
        await until(lambda: keys_in(valkey))
        leaver.cancel()
        await until(lambda: not keys_in(valkey))
        cache._far.seek = seek
        assert said(await gateway.chat(HELLO, **SAME)) == "Answer 1."


async def test_the_store_holds_no_text_no_tenant_and_no_key_of_anybody(tmp_path, servers, valkey):
    home, _ = servers
    canaries = ["kanarie-in-question", "kanarie-in-answer", "张伟的病历", "bank", "plain", "chatcmpl", "rest"]

    async def script(peer):
        await peer.answer(200, completion(f"{canaries[1]} {canaries[2]}"))

    home.script = script
    async with gateways(tmp_path, servers, valkey, 1) as (gateway,):
        for number in range(20):
            await gateway.chat(f"{canaries[0]} {number}", **SAME)
        keys = keys_in(valkey)
        assert len(keys) == 20
        dump = b"".join(keys + [valkey.ask("GET", key) for key in keys])
        assert len(dump) > 20 * 300
        assert [word for word in canaries if word.encode() in dump] == []
        # The same dump with a word that is there, so that the search itself is known to find.
        assert b"tidegate:cache" in dump


async def test_what_somebody_changed_or_moved_in_the_store_is_not_given(tmp_path, servers, valkey):
    home, _ = servers
    async with gateways(tmp_path, servers, valkey) as (one, other):
        for text in ("First", "Second", "Third"):
            await one.chat(text, **SAME)
        first, second, third = (key for key in keys_in(valkey) if key.endswith(b":v"))
        values = {key: valkey.ask("GET", key).partition(b"\r\n")[2][:-2] for key in (first, second, third)}
        valkey.ask("SET", first, values[second])
        valkey.ask("SET", second, values[second][:-1] + bytes((values[second][-1] ^ 1,)))
        valkey.ask("SET", third, b"\xff" * 300)
        for number, text in enumerate(("First", "Second", "Third"), 4):
            assert said(await other.chat(text, **SAME)) == f"Answer {number}."
        assert other.worker._cache.unopened == 3
        # And is as it should be again.
        for number, text in enumerate(("First", "Second", "Third"), 4):
            assert said(await other.chat(text, **SAME)) == f"Answer {number}."
        assert len(home.requests) == 6


async def test_what_has_another_form_than_a_value_is_none(tmp_path, servers, valkey):
    async with gateways(tmp_path, servers, valkey) as (one, other):
        await one.chat(HELLO, **SAME)
        (key,) = keys_in(valkey)
        valkey.ask("DEL", key)
        valkey.ask("LPUSH", key, "x")
        assert said(await other.chat(HELLO, **SAME)) == "Answer 2."


async def test_what_is_above_the_stores_clearance_stays_in_the_process(tmp_path, servers, valkey):
    home, _ = servers
    async with gateways(tmp_path, servers, valkey, 1, block="clearance: public") as (gateway,):
        for _ in range(2):
            answer = await gateway.chat(HELLO, **SAME)
        assert (answer.headers["x-tidegate-label"], answer.headers["x-tidegate-cache"]) == ("internal", "hit")
        assert keys_in(valkey) == []
        assert len(home.requests) == 1


async def test_what_the_policy_keeps_at_the_top_label_stays_in_the_process_unless_it_is_said(tmp_path, servers, valkey):
    policy = CACHED.replace("restricted: never", "restricted: 1m")
    card = "My card is 4111 1111 1111 1111."
    async with gateways(tmp_path / "a", servers, valkey, 1, policy=policy) as (gateway,):
        for _ in range(2):
            answer = await gateway.chat(card, **SAME)
        assert (answer.headers["x-tidegate-label"], answer.headers["x-tidegate-cache"]) == ("restricted", "hit")
        assert keys_in(valkey) == []
    async with gateways(tmp_path / "b", servers, valkey, 1, policy=policy, block="clearance: restricted") as (gateway,):
        await gateway.chat(card, **SAME)
        assert len(keys_in(valkey)) == 1


async def test_who_has_other_keys_has_other_answers(tmp_path, servers, valkey):
    home, _ = servers
    async with gateways(tmp_path, servers, valkey, keys=False) as (one, other):
        assert said(await one.chat(HELLO, **SAME)) == "Answer 1."
        assert said(await other.chat(HELLO, **SAME)) == "Answer 2."
        assert len(home.requests) == 2


async def test_a_destroyed_key_takes_what_was_stored_with_it_everywhere_at_once(tmp_path, servers, valkey):
    home, _ = servers
    async with gateways(tmp_path, servers, valkey) as both:
        for gateway in both:
            assert said(await gateway.chat(HELLO, **SAME)) == "Answer 1."
            assert gateway.worker._cache.size[0] == 1
        wrapping = Keyring.from_text(ROOT).key(Purpose.CACHE_KEYS)
        assert destroy(tmp_path / KEYS_FILE, wrapping, "bank", 0.0)
        ticks = [counted(gateway.worker._cache) for gateway in both]
        await until(lambda: all(gateway.worker._cache.size[0] == 0 for gateway in both))
        # Looked at a few times a second: one that has just begun may have come too early.
        assert max(len(seen) for seen in ticks) * TICK_S <= 1.0
        for gateway in both:
            assert said(await gateway.chat(HELLO, **SAME)) == "Answer 2."
        assert len(home.requests) == 2


async def test_what_was_asked_before_a_key_was_destroyed_is_not_stored_after(tmp_path, servers, valkey):
    home, _ = servers
    go = asyncio.Event()

    async def script(peer):
        await go.wait()
        await peer.answer(200, completion("Old."))

    home.script = script
    async with gateways(tmp_path, servers, valkey, 1) as (gateway,):
        asking = asyncio.create_task(gateway.chat(HELLO, **SAME))
        await until(lambda: home.requests)
        key = gateway.worker._cache._keys.of("bank")
        destroy(tmp_path / KEYS_FILE, Keyring.from_text(ROOT).key(Purpose.CACHE_KEYS), "bank", 0.0)
        await until(lambda: gateway.worker._cache._keys.of("bank") is not key)
        go.set()
        assert said(await asking) == "Old."
        assert gateway.worker._cache.size[0] == 0
        assert keys_in(valkey) == []


async def test_a_store_that_stops_answering_costs_one_short_wait_and_is_a_miss(tmp_path, servers, valkey):
    async with gateways(tmp_path, servers, valkey, 1) as (gateway,):
        store = gateway.worker._stores.cache
        assert said(await gateway.chat(HELLO, **SAME)) == "Answer 1."
        assert store.is_up
        valkey.pause()
        for number in range(2, 23):
            assert said(await gateway.chat(f"Another {number}", **SAME)) == f"Answer {number}."
            assert not store.is_up  # so that nothing is sent to it, and nobody waits
        # The near level is as good as ever.
        assert said(await gateway.chat(HELLO, **SAME)) == "Answer 1."
        assert ways(gateway) == {"miss": 22, "near": 1}
        valkey.resume()


async def test_a_store_that_is_not_there_at_all_is_a_miss(tmp_path, servers, valkey):
    async with gateways(tmp_path, servers, valkey, 1) as (gateway,):
        valkey.restart()
        valkey.kill()
        try:
            for number in (1, 2):
                assert said(await gateway.chat(f"Ask {number}", **SAME)) == f"Answer {number}."
                assert said(await gateway.chat(f"Ask {number}", **SAME)) == f"Answer {number}."
        finally:
            valkey.start()
        assert ways(gateway) == {"miss": 2, "near": 2}


async def test_a_stored_answer_alone_is_looked_for_in_the_store_too(tmp_path, servers, valkey):
    async with gateways(tmp_path, servers, valkey) as (one, other):
        body = {"model": "chat", "messages": [{"role": "user", "content": HELLO}], "stream": False, **SAME}
        only = other.headers() | {"cache-control": "only-if-cached"}
        missing = await other.client.post("/v1/chat/completions", json=body, headers=only)
        assert missing.status_code == 504
        assert keys_in(valkey) == []
        await one.chat(HELLO, **SAME)
        assert said(await other.client.post("/v1/chat/completions", json=body, headers=only)) == "Answer 1."
        valkey.ask("FLUSHALL")
        assert ways(other) == {"miss": 1, "far": 1}


@pytest.mark.parametrize("near", [True, False])
async def test_an_answer_near_its_end_is_made_anew_by_one_and_kept_if_that_fails(tmp_path, servers, valkey, near):
    home, burst = servers
    home.script = slowly(numbered())
    async with gateways(tmp_path, servers, valkey) as (one, other):
        await one.chat(HELLO, **SAME)
        gateway = one if near else other
        cache = gateway.worker._cache
        cache._draw = lambda: 1.0 - 1e-16  # the unluckiest of all draws
        cache._clock = _Later(cache._clock, 599.9)
        assert said(await gateway.chat(HELLO, **SAME)) == "Answer 2."

        async def failing(peer):
            await peer.answer(503, b"{}")

        home.script = burst.script = failing
        cache._clock = _Later(cache._clock, 599.9)
        answer = await gateway.chat(HELLO, **SAME)
        assert (said(answer), answer.headers["x-tidegate-cache"]) == ("Answer 2.", "hit")
        assert cache.counts[Way.OLD] == 1
        assert not cache._flights


def counted(cache):
    """Every tick of `cache` from now on that still finds something in it."""
    seen, tick = [], cache.tick

    def count():
        if cache.size[0]:
            seen.append(None)
        tick()

    cache.tick = count
    return seen


def slowly(answer):
    """The longer an answer takes, the sooner a request is drawn to make it anew."""

    async def script(peer):
        await asyncio.sleep(0.03)
        await answer(peer)

    return script


class _Later:
    """A wall clock that is ahead."""

    def __init__(self, clock, by_s):
        self._clock, self._by_s = clock, by_s
        self.monotonic = clock.monotonic

    def wall(self):
        return self._clock.wall() + self._by_s


async def test_an_answer_near_its_end_will_do_while_another_gateway_makes_it_anew(tmp_path, servers, valkey):
    home, _ = servers
    home.script = slowly(numbered())
    async with gateways(tmp_path, servers, valkey, 1) as (gateway,):
        await gateway.chat(HELLO, **SAME)
        (key,) = keys_in(valkey)
        valkey.ask("DEL", key)
        valkey.ask("SET", key[:-1] + b"l", "another")
        cache = gateway.worker._cache
        cache._draw, cache._clock = lambda: 1.0 - 1e-16, _Later(cache._clock, 599.5)
        assert said(await gateway.chat(HELLO, **SAME)) == "Answer 1."
        assert len(home.requests) == 1
        assert not cache._flights


async def test_one_who_died_in_another_gateway_is_waited_for_as_long_as_the_file_says(tmp_path, servers, valkey):
    async with gateways(tmp_path, servers, valkey, 1, block="wait: 40ms") as (gateway,):
        cache = gateway.worker._cache
        pauses = []

        async def pause(seconds):
            pauses.append(seconds)
            (lead,) = keys_in(valkey)
            valkey.ask("SET", lead, "the dead")
            await asyncio.sleep(seconds)

        cache._pause = pause
        await gateway.chat(HELLO, **SAME)
        (key,) = keys_in(valkey)
        valkey.ask("FLUSHALL")
        cache._near.forget("bank")
        valkey.ask("SET", key[:-1] + b"l", "the dead")
        assert said(await gateway.chat(HELLO, **SAME)) == "Answer 2."
        # Ever longer ones, as many as there was time for.
        assert pauses == [0.01, 0.02, 0.04][: len(pauses)]
        assert pauses
