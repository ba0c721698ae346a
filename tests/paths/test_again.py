"""Requests that come again in the very bytes that were answered before: whole gateways behind connections in memory.

A test says itself which bytes are read together. Whatever must be asked again each time is taken away in turn.
"""

import asyncio
import json
import random
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_address, ip_network

import msgspec
import pytest

from gateway.api.openai import Connection
from gateway.api.plane import DataPlane, Limits
from gateway.api.turn_share import TurnShare
from gateway.config.cache_block import KEYS_FILE
from gateway.core import measures
from gateway.core.access import Access, Scope
from gateway.core.client import Client, TrustedProxies
from gateway.core.controls import SetBurst
from gateway.ports import NOT_NOW
from gateway.runtime import again, repeats
from gateway.runtime.cache_keys import destroy
from gateway.runtime.keyring import Keyring, Purpose
from tests.fakes.model_server import ModelServer
from tests.paths.test_cache import caching, numbered, outcomes, sees_the_cache
from tests.paths.test_history import REPLY
from tests.paths.test_overrides import order
from tests.paths.test_repeats import (
    LONG,
    OWN,
    PRESSED,
    ROOT,
    answering,
    chat,
    key_of_bank,
    let_in,
    of_several_tenants,
    repeating,
    requests_of_all_kinds,
    told,
)

MADE = 4
"""How often a request is asked until its bytes are known: made, found, known, and known again in the same bytes."""


@pytest.fixture
async def servers():
    async with ModelServer() as home, ModelServer() as burst:
        home.script = burst.script = answering
        yield home, burst


class Socket:
    """The client's end: what is written to it, and who it says it is."""

    def __init__(self, peer):
        self._peer = peer
        self.out = b""
        self.is_closed = self.is_broken = False
        self.lost = None

    def get_extra_info(self, name):
        return self._peer.get(name)

    def set_write_buffer_limits(self, high): ...

    def get_write_buffer_size(self):
        return 0

    def is_closing(self):
        return self.is_closed

    def can_write_eof(self):
        return False

    def pause_reading(self): ...

    def resume_reading(self): ...

    def write(self, data):
        if self.is_broken:
            raise RuntimeError
        self.out += data

    def close(self):
        if not self.is_closed:
            self.is_closed = True
            asyncio.get_running_loop().call_soon(self.lost, None)

    abort = close


class Line:
    """One connection of a client to `plane`."""

    def __init__(self, plane, peer=None):
        self.socket = Socket(peer or {"peername": ("127.0.0.1", 9)})
        self.connection = Connection(plane, asyncio.get_running_loop())
        self.socket.lost = self.connection.connection_lost
        self.connection.connection_made(self.socket)

    async def ask(self, *pieces):
        """What is answered to these bytes, read one piece after the other."""
        self.socket.out = b""
        for piece in pieces:
            self.connection.data_received(piece)
        async with asyncio.timeout(10):
            while not self.connection.is_idle:  # noqa: ASYNC110 -- the connection's own state
                await asyncio.sleep(0.001)
        return self.socket.out

    async def learn(self, wire):
        """Ask until these bytes are known."""
        for _ in range(MADE):
            assert (await self.ask(wire)).startswith(b"HTTP/1.1 200 ")


def wire_of(body, key, path="chat/completions", **headers):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = b"POST /v1/%b HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %b\r\ncontent-type: application/json\r\n" % (
        path.encode(),
        key.encode(),
    )
    lines += b"".join(b"%b: %b\r\n" % (name.encode(), value.encode()) for name, value in headers.items())
    return lines + b"content-length: %d\r\n\r\n" % len(content) + content


def given(gateway):
    """How many requests were answered before they were parsed."""
    return gateway.worker._pipeline.again.given


@asynccontextmanager
async def lined(tmp_path, servers, **options):
    """A gateway and a connection to it."""
    async with caching(tmp_path, servers, **options) as gateway:
        # Answered as soon as the worker is ready, and not put on record.
        assert (await gateway.client.get("/nowhere")).status_code == 404
        # A clock that stands still: what is put off to another turn, as on a busy machine, is not learned.
        gateway.worker._plane._share = TurnShare(lambda: 0.0)
        yield gateway, Line(gateway.worker._plane)


def parted(answer):
    """An answer as its first line, its headers in their order and its body."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    return first, [tuple(line.split(b": ", 1)) for line in lines], body


def without_own(answer):
    """All of an answer that is not its own, and whether its body carries the id of its head."""
    first, headers, body = parted(answer)
    number = dict(headers)[b"x-request-id"].removeprefix(b"req_")
    rest = [
        (name, value)
        for name, value in headers
        if name.decode() not in OWN and not name.startswith((b"x-ratelimit-remaining", b"x-ratelimit-reset"))
    ]
    return first, rest, [name for name, _ in headers], number in body, body.replace(number, b"")


def status_of(answer):
    return int(answer[9:12])


async def test_whichever_way_the_same_bytes_are_answered_client_record_and_figures_are_told_the_same(tmp_path, servers):
    rng = random.Random(20261122)
    asked = hits = 0
    async with lined(tmp_path, servers, rewrite=of_several_tenants) as (gateway, line):
        account = gateway.worker._instruments.account
        for path, drawn, headers in requests_of_all_kinds(rng, 60):
            body = drawn | {"user": f"somebody {asked}"}
            wire = wire_of(body, rng.choice([gateway.key, gateway.plain_key]), path, **headers)
            answers = [await line.ask(wire) for _ in range(MADE)]
            before, given_before = account(now=0.0), given(gateway)
            answers.append(await line.ask(wire))
            between = account(now=0.0)
            # The same, but for the connection: head and body are read one after the other.
            end = wire.index(b"\r\n\r\n") + 4
            is_again, given_between = given(gateway) > given_before, given(gateway)
            answers.append(await line.ask(wire[:end], wire[end:]))
            assert given(gateway) == given_between
            asked += 1
            if is_again:
                hits += 1
                first, *others = [without_own(one) for one in answers[1:]]
                assert others == [first] * 4
                assert added(before, between) == added(between, account(now=0.0))
    assert hits > 20
    records = [told(one) for one in outcomes(gateway)]
    sixes = [records[at : at + 6] for at in range(0, len(records), 6)]
    assert len(sixes) == asked
    found = [six for six in sixes if six[1].cached is not None]
    assert len(found) >= hits
    assert all(six[1:] == [six[1]] * 5 for six in found)


FIGURES = frozenset(
    one.name
    for one in (
        measures.REQUESTS,
        measures.DECISIONS,
        measures.DURATION,
        measures.FINDINGS,
        measures.UNSCANNED,
        measures.SCORED,
        measures.CACHE,
        measures.QUOTA_TOKENS,
    )
)


def added(before, after):
    """What has been counted between two accounts."""
    found = {}
    for name in FIGURES:
        for labels, value in after.numbers.get(name, {}).items():
            found[name, labels] = value - before.numbers.get(name, {}).get(labels, 0)
        for labels, spread in after.spreads.get(name, {}).items():
            known = before.spreads.get(name, {}).get(labels)
            found[name, labels] = sum(spread.counts) - (sum(known.counts) if known else 0)
    return {of_what: value for of_what, value in found.items() if value}


async def known_then(gateway, line, wire, change, status=200):
    """These bytes are known; after `change` they take the usual way again, to an answer of this status."""
    await line.learn(wire)
    before = given(gateway)
    await line.ask(wire)
    assert given(gateway) == before + 1
    change()
    assert status_of(await line.ask(wire)) == status
    assert given(gateway) == before + 1


async def test_what_differs_in_its_head_alone_is_not_the_same(tmp_path, servers):
    async with lined(tmp_path, servers) as (gateway, line):
        wire = wire_of(chat(), gateway.key)
        await line.learn(wire)
        await line.ask(wire)
        assert given(gateway) == 1
        for other in (
            wire.replace(b"host: x", b"host: y"),
            wire.replace(b"host: x", b"Host: x"),
            b"\r\n" + wire,
            wire_of(chat(), gateway.key, **{"cache-control": "max-age=600"}),
            wire_of(chat(), gateway.key, **{"x-request-id": "1"}),
        ):
            assert status_of(await line.ask(other)) == 200
        assert given(gateway) == 1


async def test_a_head_that_is_new_each_time_is_not_kept(tmp_path, servers):
    async with lined(tmp_path, servers) as (gateway, line):
        for number in range(9):
            await line.ask(wire_of(chat(), gateway.key, traceparent=str(number)))
        assert (given(gateway), len(gateway.worker._pipeline._repeats.wires)) == (0, 0)


async def test_of_a_request_so_many_ways_to_write_it_are_known(tmp_path, servers):
    async with lined(tmp_path, servers) as (gateway, line):
        wires = [wire_of(chat(), gateway.key, **{"user-agent": name}) for name in "abcdef"]
        for wire in wires:
            await line.learn(wire)
        before = given(gateway)
        for wire in wires:
            await line.ask(wire)
        assert given(gateway) == before + repeats.MOST_WIRES
        assert len(gateway.worker._pipeline._repeats.wires) == repeats.MOST_WIRES


async def test_two_in_one_read_are_two(tmp_path, servers):
    async with lined(tmp_path, servers) as (gateway, line):
        wire = wire_of(chat(), gateway.key)
        for _ in range(2 * MADE):
            answer = await line.ask(wire + wire)
            assert answer.count(b"HTTP/1.1 200 ") == 2
        assert given(gateway) == 0
        await line.learn(wire)
        answer = await line.ask(wire + wire)
        assert answer.count(b"HTTP/1.1 200 ") == 2


@pytest.mark.parametrize(
    "rest", [b"P", b"POST /v1/chat/completions HTTP/1.1\r\n", b"\r\n\r\nG"], ids=["letter", "line", "blank"]
)
async def test_what_is_behind_a_request_keeps_it_from_being_known_and_from_being_answered_so(tmp_path, servers, rest):
    async with lined(tmp_path, servers) as (gateway, line):
        wire = wire_of(chat(), gateway.key)
        await line.learn(wire)
        before = given(gateway)
        others = [Line(gateway.worker._plane) for _ in range(MADE)]
        for other in others:
            other.connection.data_received(wire + rest)
            assert other.connection.is_receiving
            # Its next bytes are the rest of that, whatever they look like.
            other.connection.data_received(wire)
            assert given(gateway) == before
            other.socket.close()


async def test_a_request_that_offers_a_word_before_or_ends_the_connection_has_the_usual_way(tmp_path, servers):
    async with lined(tmp_path, servers) as (gateway, _):
        for name, value in (("expect", "100-continue"), ("connection", "close"), ("connection", "upgrade")):
            more = {"upgrade": "h2c"} if value == "upgrade" else {}
            wire = wire_of(chat(), gateway.key, **{name: value}, **more)
            answers = []
            for _ in range(MADE + 1):
                line = Line(gateway.worker._plane)
                answers.append(await line.ask(wire))
                assert line.socket.is_closed is (value == "close")
            assert all(answer.startswith(answers[0][:13]) for answer in answers)
        old = wire_of(chat(), gateway.key).replace(b"HTTP/1.1", b"HTTP/1.0")
        for _ in range(MADE + 1):
            await Line(gateway.worker._plane).ask(old)
        assert given(gateway) == 0


async def test_what_is_being_answered_comes_first(tmp_path, servers):
    home, _ = servers
    go_on = asyncio.Event()

    async def slow(peer):
        await go_on.wait()
        await answering(peer)

    async with lined(tmp_path, servers) as (gateway, line):
        wire = wire_of(chat(), gateway.key)
        await line.learn(wire)
        before, home.script = given(gateway), slow
        line.socket.out = b""
        line.connection.data_received(wire_of(chat("Something new"), gateway.key))
        line.connection.data_received(wire)
        assert line.socket.out == b""
        go_on.set()
        answer = await line.ask()
        assert answer.count(b"HTTP/1.1 200 ") == 2 or (await line.ask(), True)[1]
        assert given(gateway) == before


async def test_a_connection_that_is_full_or_told_to_go_has_the_usual_way(tmp_path, servers):
    async with lined(tmp_path, servers) as (gateway, line):
        wire = wire_of(chat(), gateway.key)
        await line.learn(wire)
        before = given(gateway)
        line.connection.pause_writing()
        line.connection.data_received(wire)
        assert given(gateway) == before
        line.connection.resume_writing()
        await line.ask()
        gateway.worker._plane.is_giving_way = True
        gateway.worker._plane.again = None
        assert b"connection: close" in await line.ask(wire)
        assert given(gateway) == before


@pytest.mark.parametrize("ends", ["give_way", "drain"])
async def test_a_plane_that_ends_answers_nobody_so(ends):
    plane = DataPlane(None, Limits(), again=object())
    if ends == "drain":
        plane.pipeline = type("Nobody", (), {"cancel_all": lambda self: None})()
        await plane.drain(0.01)
    else:
        over = asyncio.Event()
        over.set()
        await plane.give_way(0.01, over)
    assert plane.again is None


async def test_a_key_is_asked_for_each_time_and_so_is_where_it_is_used(tmp_path, servers):
    async with lined(tmp_path, servers, root=ROOT) as (gateway, line):
        wire = wire_of(chat(), gateway.key)
        clock = gateway.worker._pipeline.again._clock
        for keys, status in (
            ((), 401),
            ((key_of_bank(gateway, ends_at=1.0),), 401),
            ((key_of_bank(gateway, access=Access(Scope(apis=frozenset({"embeddings"})))),), 403),
            ((key_of_bank(gateway, access=Access(networks=(ip_network("192.0.2.0/24"),))),), 401),
            ((key_of_bank(gateway, app="till"),), 200),
        ):
            let_in(gateway, key_of_bank(gateway))
            await known_then(gateway, line, wire, lambda keys=keys: let_in(gateway, *keys), status)
        here = key_of_bank(gateway, access=Access(networks=(ip_network("127.0.0.0/8"),)), ends_at=clock.wall() + 900)
        let_in(gateway, here)
        await line.learn(wire)
        before = given(gateway)
        assert status_of(await line.ask(wire)) == 200
        assert given(gateway) == before + 1
        for peer in ({"peername": ("192.0.2.9", 9)}, {"peername": ""}):
            assert status_of(await Line(gateway.worker._plane, peer).ask(wire)) == 401
        gateway.worker._pipeline.again._clock = clock = Shifted(clock)
        assert status_of(await line.ask(wire)) == 200
        assert given(gateway) == before + 2
        clock.by_s = 901.0
        await line.ask(wire)
        assert given(gateway) == before + 2


class Shifted:
    """A clock that is ahead by so much."""

    def __init__(self, clock):
        self._clock = clock
        self.by_s = 0.0

    def monotonic(self):
        return self._clock.monotonic()

    def wall(self):
        return self._clock.wall() + self.by_s


async def test_the_use_of_a_key_counts(tmp_path, servers):
    async with lined(tmp_path, servers) as (gateway, line):
        used = []
        gateway.worker._credentials.authenticator._used = used.append
        wire = wire_of(chat(), gateway.key)
        await line.learn(wire)
        used.clear()
        await line.ask(wire)
        assert used == ["key_00000000"]


async def test_a_certificate_is_looked_at_the_usual_way(tmp_path, servers):
    async with lined(tmp_path, servers) as (gateway, line):
        wire = wire_of(chat(), gateway.key)
        await line.learn(wire)
        before = given(gateway)
        shown = {"subject": ((("commonName", "till"),),)}
        await Line(gateway.worker._plane, {"peername": ("127.0.0.1", 9), "peercert": shown}).ask(wire)
        assert given(gateway) == before


def test_behind_a_proxy_nobody_has_an_address_before_it_is_told():
    proxies = TrustedProxies((ip_network("192.0.2.0/24"),), unix=True)
    plane = DataPlane(None, Limits(), proxies)
    proxy, other = Client(ip_address("192.0.2.1"), frozenset({"cn:proxy"})), Client(ip_address("198.51.100.1"))
    assert plane.peer_of(proxy, is_unix=False) == Client(None, proxy.names)
    assert plane.peer_of(Client(), is_unix=True) == Client()
    assert plane.peer_of(other, is_unix=False) is other
    assert DataPlane(None, Limits()).peer_of(proxy, is_unix=False) is proxy


@pytest.mark.parametrize("change", ["bundle", "epoch", "superseded", "candidate", "pressure", "purge", "gone", "full"])
async def test_what_is_as_it_was_is_asked_each_time(tmp_path, servers, change):
    async with lined(tmp_path, servers, policy=PRESSED, root=ROOT) as (gateway, line):
        worker = gateway.worker
        pipeline, status = worker._pipeline, 200
        purge = Keyring.from_text(ROOT).key(Purpose.CACHE_KEYS)
        wire = wire_of(chat(), gateway.key)
        if change == "epoch":
            await line.learn(wire)
            before = given(gateway)
            await order(gateway, SetBurst(0.0))
            assert status_of(await line.ask(wire)) == 200
            assert given(gateway) == before
            return

        def bundle():
            pipeline.deciding.generation = replace(pipeline.generation)

        def superseded():
            pipeline.deciding.is_superseded = True

        def candidate():
            worker._shadow.is_comparing = True

        def pressure():
            pipeline.generation.outlook._has_place = lambda pool: False

        def purged():
            assert destroy(gateway.state / KEYS_FILE, purge, "bank", 0.0)
            # The keys alone, as if what is stored were still there.
            worker._cache._keys.look()

        def gone():
            worker._cache._near.forget("bank")

        def full():
            worker._audit._buffer = 0

        changes = {
            "bundle": (bundle, 200),
            "superseded": (superseded, 503),
            "candidate": (candidate, 200),
            "pressure": (pressure, 403),
            "purge": (purged, 200),
            "gone": (gone, 200),
            "full": (full, 503),
        }
        then, status = changes[change]
        await known_then(gateway, line, wire, then, status)
        assert worker._audit._reserved == 0


async def test_an_answer_made_anew_is_another(tmp_path, servers):
    home, _ = servers
    home.script = numbered()
    async with lined(tmp_path, servers) as (gateway, line):
        wire = wire_of(chat(), gateway.key)
        await line.learn(wire)
        before = given(gateway)
        anew = await line.ask(wire_of(chat(), gateway.key, **{"cache-control": "no-cache"}))
        assert b"Answer 2." in anew
        assert b"Answer 2." in await line.ask(wire)
        assert given(gateway) == before
        await line.learn(wire)
        assert given(gateway) > before


async def test_no_answer_is_given_beyond_its_time_or_before_it(tmp_path, servers):
    async with lined(tmp_path, servers) as (gateway, line):
        known_ones = gateway.worker._pipeline.again
        wire = wire_of(chat(), gateway.key)
        await line.learn(wire)
        known_ones._clock = clock = Shifted(known_ones._clock)
        before = given(gateway)
        for by_s, times in ((0.0, 1), (590.0, 2), (599.9999, 2), (601.0, 2), (-60.0, 2)):
            clock.by_s = by_s
            await line.ask(wire)
            assert given(gateway) == before + times, by_s


async def test_limits_count_what_is_known_and_refuse_it_the_usual_way(tmp_path, servers):
    def limited(config):
        sees_the_cache(config)
        tenants = config / "tenants.yaml"
        limits = "limits: {requests_per_minute: 7}, sees: [label, route, pool, cache]"
        tenants.write_text(tenants.read_text().replace("sees: [label, route, pool, cache]", limits, 1))

    async with lined(tmp_path, servers, rewrite=limited) as (gateway, line):
        wire = wire_of(chat(), gateway.key)
        answers = [await line.ask(wire) for _ in range(8)]
        left = [dict(parted(one)[1])[b"x-ratelimit-remaining-requests"] for one in answers]
        assert left == [b"6", b"5", b"4", b"3", b"2", b"1", b"0", b"0"]
        assert [status_of(one) for one in answers] == [200] * 7 + [429]
        assert given(gateway) == 3
        quotas, audit = gateway.worker._quotas, gateway.worker._audit
        assert (quotas.live, quotas.refused, audit._reserved) == (0, {"requests": 1}, 0)
    records = outcomes(gateway)
    assert [one.held is not None for one in records] == [True] * 7 + [False]
    assert len({told(one) for one in map(without_sets, records[1:7])}) == 1


def without_sets(record):
    """What can be compared by its hash."""
    return msgspec.structs.replace(record, evidence=None, facts=None, decision=None)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("text", [LONG, "Short."])
async def test_an_answer_to_something_confidential_is_put_on_record_whenever_it_is_given(
    tmp_path, servers, text, stream
):
    home, _ = servers
    home.script = repeating(text)
    asked = chat("请总结这份机密材料", stream=stream)
    async with lined(tmp_path, servers) as (gateway, line):
        wire = wire_of(asked, gateway.key)
        await line.learn(wire)
        gateway.worker._replies._marks.clear()  # as if the record had forgotten it
        before = given(gateway)
        await line.ask(wire)
        assert given(gateway) == before + 1
        messages = [*asked["messages"], {"role": "assistant", "content": text}, {"role": "user", "content": "Shorter."}]
        follows = messages[1:] if text == LONG else messages
        answer = await line.ask(wire_of({"model": "chat", "messages": follows}, gateway.key))
        assert dict(parted(answer)[1])[b"x-tidegate-label"] == b"confidential"


async def test_what_the_record_says_of_its_texts_is_asked_each_time(tmp_path, servers):
    home, _ = servers
    home.script = repeating(LONG)
    quoting = chat(LONG)
    async with lined(tmp_path, servers) as (gateway, line):
        wire = wire_of(quoting, gateway.key)
        await line.learn(wire)
        before = given(gateway)
        await line.ask(wire)
        assert given(gateway) == before + 1
        # The same text turns out to be an answer to something confidential.
        await line.ask(wire_of(chat("请总结这份机密材料"), gateway.key))
        answer = await line.ask(wire)
        assert dict(parted(answer)[1])[b"x-tidegate-label"] == b"confidential"
        assert given(gateway) == before + 1


async def test_where_the_record_would_have_to_be_waited_for_nothing_is_learned_of_bytes(tmp_path, servers):
    async with lined(tmp_path, servers) as (gateway, line):
        replies = gateway.worker._pipeline.generation.replies
        messages = [{"role": "user", "content": "?"}, {"role": "assistant", "content": REPLY}, *chat()["messages"]]
        wire = wire_of(chat(messages=messages), gateway.key)
        for _ in range(3):
            await line.ask(wire)
        read_now = replies._store.read_now
        asked = 0

        def once(marks):
            nonlocal asked
            asked += 1
            return read_now(marks) if asked == 1 else NOT_NOW

        replies._store.read_now = once
        await line.ask(wire)
        assert asked == 2
        replies._store.read_now = read_now
        await line.ask(wire)
        assert given(gateway) == 0


def endings(gateway) -> dict[str, float]:
    """How many requests the metrics say ended in each way."""
    counted: dict[str, float] = {}
    for (*_, ending), count in gateway.worker._instruments.account(now=0.0).numbers[measures.REQUESTS.name].items():
        counted[ending] = counted.get(ending, 0) + count
    return counted


async def test_a_connection_that_fails_is_cut_and_its_record_and_the_metrics_say_so(tmp_path, servers):
    async with lined(tmp_path, servers) as (gateway, line):
        wire = wire_of(chat(), gateway.key)
        await line.learn(wire)
        line.socket.is_broken = True
        before = given(gateway)
        line.connection.data_received(wire)
        assert (given(gateway), line.socket.is_closed) == (before + 1, True)
        counted = endings(gateway)
        assert (counted["completed"], counted["send_failed"]) == (MADE, 1)
    assert [str(one.ending) for one in outcomes(gateway)] == ["completed"] * MADE + ["send_failed"]


@pytest.mark.parametrize("step", ["before", "after"])
async def test_a_fault_of_ours_takes_the_usual_way_as_long_as_nothing_was_sent(tmp_path, servers, step, monkeypatch):
    async with lined(tmp_path, servers, rewrite=of_several_tenants) as (gateway, line):
        wire = wire_of(chat(), gateway.plain_key)
        await line.learn(wire)
        before, worker = given(gateway), gateway.worker
        if step == "before":
            monkeypatch.setattr(again, "headers_of", failing)
        else:
            (known_one,) = worker._pipeline._repeats.wires.values()
            known_one.count = failing
        assert status_of(await line.ask(wire)) == 200
        assert given(gateway) == before + (step == "after")
        assert (worker._audit._reserved, worker._quotas.live) == (0, 0)
    assert [str(one.ending) for one in outcomes(gateway)] == ["completed"] * (MADE + 1)


def failing(*args, **more):
    raise RuntimeError


async def test_what_is_forgotten_is_forgotten_with_its_bytes(tmp_path, servers, monkeypatch):
    monkeypatch.setattr(repeats, "MOST_EACH", 2)
    async with lined(tmp_path, servers) as (gateway, line):
        wires = {name: wire_of(chat(name), gateway.key) for name in "abcd"}

        def known_ones():
            places = gateway.worker._pipeline._repeats.wires
            return {name for name, wire in wires.items() if hash(wire) in places}

        for name in "abc":
            await line.learn(wires[name])
        assert known_ones() == set("bc")
        # Whoever was asked for last is the last to go.
        await line.ask(wires["b"])
        await line.learn(wires["d"])
        assert known_ones() == set("bd")


async def test_what_is_large_is_not_known(tmp_path, servers):
    async with lined(tmp_path, servers) as (gateway, line):
        await line.learn(
            wire_of(chat(), gateway.key, filler="x" * again.LARGEST_WIRE)[:0] or wire_of(chat(), gateway.key)
        )
        before = given(gateway)
        for _ in range(MADE + 1):
            await line.ask(wire_of(chat("x y " * (again.LARGEST_WIRE // 4)), gateway.key))
        assert given(gateway) == before


async def test_bytes_of_another_hash_of_the_same_place_are_others(tmp_path, servers):
    async with lined(tmp_path, servers) as (gateway, line):
        wire, other = wire_of(chat(), gateway.key), wire_of(chat("Another"), gateway.key)
        await line.learn(wire)
        wires = gateway.worker._pipeline._repeats.wires
        wires[hash(other)] = wires[hash(wire)]
        before = given(gateway)
        answer = await line.ask(other)
        assert (status_of(answer), given(gateway)) == (200, before)


async def test_nothing_that_is_kept_of_bytes_holds_text_or_a_key(tmp_path, servers):
    secret = "A question that nobody else has: tidewater. " * 6
    async with lined(tmp_path, servers) as (gateway, line):
        await line.learn(wire_of(chat(secret), gateway.key))
        known_ones = gateway.worker._pipeline._repeats
        held = repr(known_ones.wires)
        assert "bank" in held
        for text in ("tidewater", "Once more", gateway.key, "Bearer"):
            assert text not in held
        assert known_ones.latest is None
