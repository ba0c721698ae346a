"""How many connections an endpoint has at most: nobody gets one more, nobody is forgotten, nothing is lost."""

import asyncio
import random

import pytest

from gateway.backends.http1 import Http1Backend, Http1Settings
from gateway.backends.slots import Slots
from gateway.core.topology import Endpoint
from gateway.ports import UpstreamUnreachable
from tests.backends.test_http1 import MESSAGE, Ear, endpoint_of, exchange
from tests.fakes.model_server import ModelServer

HERE, THERE = Endpoint("a", "10.0.0.1", 80), Endpoint("b", "10.0.0.2", 80)


def test_each_endpoint_has_its_own_and_without_a_limit_there_is_no_end():
    slots = Slots(2)
    assert [slots.try_take(HERE) for _ in range(3)] == [True, True, False]
    assert slots.try_take(THERE)
    slots.give_back(HERE)
    assert [slots.try_take(HERE) for _ in range(2)] == [True, False]
    assert all(Slots(None).try_take(HERE) for _ in range(1000))


async def settled():
    for _ in range(3):
        await asyncio.sleep(0)


class Queue:
    """Those who wait for `HERE`, and in which order they were told."""

    def __init__(self) -> None:
        self.slots = Slots(1)
        self.told: list[str] = []

    async def join(self, name, *, again=False):
        async def wait():
            await self.slots.news(HERE, again=again)
            self.told.append(name)

        task = asyncio.create_task(wait())
        await settled()
        return task


async def test_the_longest_waiting_is_told_first_and_who_came_too_late_keeps_its_place():
    queue = Queue()
    for name in "ab":
        await queue.join(name)
    await queue.join("again", again=True)
    for _ in range(4):
        queue.slots.tell(HERE)
        queue.slots.tell(THERE)
        await settled()
    assert queue.told == ["again", "a", "b"]
    assert not queue.slots.waiting


async def test_two_that_come_free_at_once_are_told_to_two():
    queue = Queue()
    for name in "abc":
        await queue.join(name)
    queue.slots.tell(HERE)
    queue.slots.tell(HERE)
    await settled()
    assert queue.told == ["a", "b"]


@pytest.mark.parametrize("is_told_before", [True, False])
async def test_who_gives_up_takes_nothing_along(is_told_before):
    queue = Queue()
    first, _ = await queue.join("a"), await queue.join("b")
    if is_told_before:
        queue.slots.tell(HERE)
    first.cancel()
    await settled()
    if not is_told_before:
        queue.slots.tell(HERE)
        await settled()
    assert queue.told == ["b"]
    assert not queue.slots.waiting


# In the client


async def test_many_requests_share_few_connections():
    backend = Http1Backend(Http1Settings(max_connections=3))
    async with ModelServer() as server, asyncio.timeout(10):
        ears = await asyncio.gather(*(exchange(backend, endpoint_of(server)) for _ in range(40)))
        assert all(ear.heard == [200, "end"] for ear in ears)
        assert server.connections <= 3
        await backend.close()


async def test_a_connection_that_cannot_serve_again_makes_room_for_another():
    async def told_to_close(peer):
        await peer.answer(200, b"{}", "connection: close")

    backend = Http1Backend(Http1Settings(max_connections=2))
    async with ModelServer() as server, asyncio.timeout(10):
        server.script = told_to_close
        ears = await asyncio.gather(*(exchange(backend, endpoint_of(server)) for _ in range(10)))
        assert all(ear.heard == [200, "end"] for ear in ears)
        assert server.connections == 10
        await settled()
        assert backend._slots.taken(endpoint_of(server)) == 0


async def test_a_fresh_connection_takes_the_place_of_an_idle_one():
    backend = Http1Backend(Http1Settings(max_connections=1))
    async with ModelServer() as server, asyncio.timeout(5):
        await exchange(backend, endpoint_of(server))
        fresh = await backend.connect(endpoint_of(server), timeout_s=2, may_dial=lambda _: True, fresh=True)
        assert not fresh.is_reused
        assert server.connections == 2
        assert backend.connections == (1, 0, 2)
        await backend.close()


async def test_a_fresh_connection_is_waited_for_where_all_are_busy():
    backend = Http1Backend(Http1Settings(max_connections=1))
    async with ModelServer() as server, asyncio.timeout(5):
        busy = await backend.connect(endpoint_of(server), timeout_s=2, may_dial=lambda _: True)
        waiting = asyncio.create_task(
            backend.connect(endpoint_of(server), timeout_s=2, may_dial=lambda _: True, fresh=True)
        )
        await settled()
        busy.start(MESSAGE, ear := Ear())
        await ear.over.wait()
        assert (await waiting) is not busy
        assert not busy.is_usable
        await backend.close()


async def test_dialling_that_fails_gives_its_slot_back():
    async with ModelServer() as server:
        endpoint = Endpoint("a", "127.0.0.1", server.port)
    backend = Http1Backend(Http1Settings(max_connections=1))
    for may_dial in (lambda _: True, lambda _: False, lambda _: True):
        with pytest.raises(UpstreamUnreachable, match=r"Refused|inside the zone"):
            await backend.connect(endpoint, timeout_s=2, may_dial=may_dial)
        assert backend._slots.taken(endpoint) == 0


@pytest.mark.parametrize("seed", range(5))
async def test_whoever_leaves_when_no_slot_is_lost_and_the_limit_is_kept(seed):
    dice = random.Random(seed)
    backend = Http1Backend(Http1Settings(max_connections=3))
    async with ModelServer() as server, asyncio.timeout(20):
        endpoint = endpoint_of(server)

        async def caller():
            connection = await backend.connect(
                endpoint, timeout_s=5, may_dial=lambda _: True, fresh=dice.random() < 0.2
            )
            assert backend._slots.taken(endpoint) <= 3
            if dice.random() < 0.2:
                connection.abort()
                return
            ear = Ear()
            connection.start(MESSAGE, ear)
            try:
                await ear.over.wait()
            except asyncio.CancelledError:
                connection.abort()
                raise

        calls = [asyncio.create_task(caller()) for _ in range(60)]
        while any(not call.done() for call in calls):
            await asyncio.sleep(0)
            if dice.random() < 0.1:
                dice.choice(calls).cancel()
        for call in calls:
            assert call.cancelled() or call.exception() is None
        ears = await asyncio.gather(*(exchange(backend, endpoint) for _ in range(3)))
        assert all(ear.heard == [200, "end"] for ear in ears)
        assert len(backend._open) == backend._slots.taken(endpoint) <= 3
        await backend.close()
        await settled()
        assert backend._slots.taken(endpoint) == 0
        assert not backend._slots.waiting
