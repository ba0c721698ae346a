"""One connection over time: the order of its answers, a client that does not read, and how a drain ends.

The pipeline behind it answers when the test says so. Where a turn of the loop or a full buffer matters, the
transport is the test's too; the rest goes over real sockets.
"""

import asyncio
import gc
import json
import time
import weakref

import pytest

from gateway.api.openai import STUCK_S, Connection
from gateway.api.plane import FLUSH_S, DataPlane, Limits
from gateway.api.turn_share import TurnShare
from tests.api.front_door import Echo
from tests.api.test_openai_http import answer, post

LIMITS = Limits(body=100_000, head=4096, receive_s=5, keep_alive_s=10)


class ByHand:
    """Keeps the requests for models open until the test answers; refuses everything else at once."""

    def __init__(self):
        self.open = {}

    def models(self, inbound, downstream, model):
        self.open[model] = downstream

    def refuse(self, inbound, downstream, error):
        downstream.start(error.http_status, (), length=0)
        downstream.finish()

    def answer(self, model):
        downstream = self.open[model]
        body = b"<%b>" % model.encode()
        downstream.start(200, (), length=len(body))
        downstream.write(body)
        downstream.finish()


class Wire:
    """A transport that keeps what is written; the test fills and drains it."""

    def __init__(self):
        self.out = b""
        self.unsent = 0
        self.is_reading = True
        self.is_closed = self.is_aborted = False

    def set_write_buffer_limits(self, high): ...

    def get_extra_info(self, name):
        return None

    def get_write_buffer_size(self):
        return self.unsent

    def write(self, data):
        self.out += data

    def pause_reading(self):
        self.is_reading = False

    def resume_reading(self):
        self.is_reading = True

    def is_closing(self):
        return self.is_closed

    def can_write_eof(self):
        return False

    def close(self):
        self.is_closed = True

    def abort(self):
        self.is_closed = self.is_aborted = True


class Line:
    """A connection between `ByHand` and `Wire`."""

    def __init__(self):
        self.pipeline = ByHand()
        # A clock that stands still: a test that is held up must not find its next request put off.
        self.plane = DataPlane(self.pipeline, LIMITS, share=TurnShare(lambda: 0.0))
        self.connection = Connection(self.plane, asyncio.get_running_loop())
        self.wire = Wire()
        self.connection.connection_made(self.wire)

    def get(self, *models):
        self.connection.data_received(b"".join(b"GET /v1/models/%b HTTP/1.1\r\nHost: x\r\n\r\n" % m for m in models))

    def fill(self, unsent=100_000):
        self.wire.unsent = unsent
        self.connection.pause_writing()

    def drain(self):
        self.wire.unsent = 0
        self.connection.resume_writing()


@pytest.fixture
async def line():
    return Line()


async def test_a_request_read_in_the_turn_in_which_an_answer_ends_waits_for_those_before_it(line):
    line.get(b"A", b"B")
    line.pipeline.answer("A")
    line.get(b"C")
    assert not line.connection.is_idle
    for model in ("B", "C"):
        await asyncio.sleep(0)
        assert list(line.pipeline.open)[-1] == model
        line.pipeline.answer(model)
    places = [line.wire.out.index(body) for body in (b"<A>", b"<B>", b"<C>")]
    assert places == sorted(places)
    assert line.connection.is_idle


async def test_a_refusal_read_in_that_turn_waits_too(line):
    line.get(b"A", b"B")
    line.pipeline.answer("A")
    line.connection.data_received(b"nonsense\r\n\r\n")
    await asyncio.sleep(0)
    line.pipeline.answer("B")
    await asyncio.sleep(0)
    assert line.wire.out.index(b"<B>") < line.wire.out.index(b"HTTP/1.1 400 ")


async def test_a_connection_lost_between_two_answers_begins_no_second(line):
    line.get(b"A", b"B")
    line.pipeline.answer("A")
    line.connection.connection_lost(None)
    await asyncio.sleep(0)
    assert list(line.pipeline.open) == ["A"]


async def test_a_client_that_takes_no_answers_gets_no_requests_read_or_begun(line):
    line.get(b"A", b"B")
    assert line.wire.is_reading
    line.fill()
    assert not line.wire.is_reading
    line.pipeline.answer("A")
    line.get(b"C")  # was read before
    await asyncio.sleep(0)
    assert list(line.pipeline.open) == ["A"]
    line.drain()
    assert line.wire.is_reading
    for model in ("B", "C"):
        await asyncio.sleep(0)
        line.pipeline.answer(model)


async def test_who_starts_to_watch_a_full_connection_is_told_at_once(line):
    line.get(b"A")
    line.fill()
    told = []
    line.pipeline.open["A"].watch(lambda: told.append("gone"), lambda: told.append("full"), lambda: told.append("ok"))
    assert told == ["full"]
    line.drain()
    assert told == ["full", "ok"]


@pytest.mark.parametrize("why", ["full", "closing"])
async def test_a_client_that_takes_nothing_for_long_is_cut_and_a_slow_one_is_not(line, why):
    now = asyncio.get_running_loop().time()
    if why == "full":
        line.fill()
    else:
        line.wire.unsent = 100_000
        line.connection.close()
    line.plane.sweep(now)
    line.wire.unsent = 99_000
    line.plane.sweep(now + STUCK_S + 1)
    assert not line.wire.is_aborted
    line.plane.sweep(now + 2 * STUCK_S)
    assert not line.wire.is_aborted
    line.plane.sweep(now + 2 * STUCK_S + 2)
    assert line.wire.is_aborted


async def test_a_request_that_we_do_not_read_on_is_not_the_clients_fault(line):
    line.connection.data_received(b"GET /v1")
    assert line.connection.is_receiving
    line.fill()
    line.plane.sweep(asyncio.get_running_loop().time() + LIMITS.receive_s + 1)
    assert line.wire.out == b""


class Served:
    """A data plane on a socket; the test sweeps."""

    def __init__(self, pipeline):
        self.plane = DataPlane(pipeline, LIMITS)
        self.port = 0

    async def __aenter__(self):
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(lambda: Connection(self.plane, loop), "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self.server.close()
        for connection in tuple(self.plane.connections):
            connection.cut()

    async def dial(self):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1024)
        while not self.plane.connections:  # noqa: ASYNC110 -- the plane's own set
            await asyncio.sleep(0.001)
        return reader, writer


class Long(Echo):
    """Answers with more than any socket buffer holds."""

    SIZE = 8_000_000

    def models(self, inbound, downstream, model):
        downstream.start(200, (), length=self.SIZE)
        downstream.write(b"x" * self.SIZE)
        downstream.finish()


class Brief(Long):
    """Answers that fill the system's own buffers after a thousand."""

    SIZE = 20_000


GET = b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n"


async def test_what_is_kept_for_a_client_that_does_not_read_is_bounded():
    async with Served(Brief()) as served:
        # A clock that stands still, as above: put off, these would be too many at a time, and the rest not answered.
        served.plane._share = TurnShare(lambda: 0.0)
        _, writer = await served.dial()
        writer.transport.pause_reading()
        (connection,) = served.plane.connections
        writer.write(GET * 10_000)
        async with asyncio.timeout(20):
            while not connection.is_full:  # noqa: ASYNC110 -- the connection's own state
                await asyncio.sleep(0.001)
        await asyncio.sleep(0.05)
        assert connection._transport.get_write_buffer_size() < 1 << 20
        writer.transport.abort()


async def begun(plane):
    while not any(connection.is_receiving for connection in plane.connections):  # noqa: ASYNC110
        await asyncio.sleep(0.001)


async def test_a_drain_waits_until_an_answer_has_arrived():
    async with Served(Long()) as served:
        reader, writer = await served.dial()
        writer.write(GET)
        await reader.readexactly(1000)
        drain = asyncio.create_task(served.plane.drain(5))
        await asyncio.sleep(0.02)
        assert not drain.done()
        rest = 0
        while data := await asyncio.wait_for(reader.read(1 << 16), 5):
            rest += len(data)
        assert rest + 1000 > Long.SIZE
        await asyncio.wait_for(drain, 5)


async def test_a_drain_answers_a_request_whose_body_is_still_coming():
    async with Served(Echo()) as served:
        reader, writer = await served.dial()
        raw = post(b"12345")
        writer.write(raw[:-3])
        await begun(served.plane)
        drain = asyncio.create_task(served.plane.drain(5))
        await asyncio.sleep(0.02)
        assert not drain.done()
        writer.write(raw[-3:])
        status, headers, body = await answer(reader)
        assert (status, headers["connection"], json.loads(body)[2]) == (200, "close", 5)
        await asyncio.wait_for(drain, 5)


async def test_a_request_that_dribbles_does_not_hold_a_drain():
    async with Served(Echo()) as served:
        reader, writer = await served.dial()
        writer.write(post(b"12345")[:-3])
        await begun(served.plane)
        drain = asyncio.create_task(served.plane.drain(60))
        await asyncio.sleep(0)
        served.plane.sweep(asyncio.get_running_loop().time() + LIMITS.receive_s + 1)
        assert (await answer(reader))[0] == 408
        await asyncio.wait_for(drain, 5)


async def test_a_drain_cuts_in_the_end_whoever_takes_nothing():
    async with Served(Long()) as served:
        reader, writer = await served.dial()
        writer.write(GET)
        await reader.readexactly(1000)
        writer.transport.pause_reading()
        at = time.monotonic()
        await asyncio.wait_for(served.plane.drain(0.1), 10)
        assert time.monotonic() - at < 0.1 + 2 * FLUSH_S + 1
        while served.plane.connections:  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def test_who_comes_in_while_it_drains_is_sent_away():
    async with Served(Echo()) as served:
        await served.plane.drain(1)
        reader, _ = await asyncio.open_connection("127.0.0.1", served.port)
        assert await asyncio.wait_for(reader.read(), 5) == b""


async def test_a_connection_that_is_gone_leaves_nothing_to_search_for():
    async with Served(Echo()) as served:
        gc.collect()
        gc.disable()
        try:
            reader, writer = await served.dial()
            (connection,) = map(weakref.ref, served.plane.connections)
            writer.write(GET)
            await reader.readuntil(b"]")
            writer.close()
            async with asyncio.timeout(20):
                while connection() is not None:  # noqa: ASYNC110 -- the connection's own end
                    await asyncio.sleep(0.001)
        finally:
            gc.enable()
