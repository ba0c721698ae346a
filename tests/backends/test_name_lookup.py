"""Names, with a resolver that answers when it is told to."""

import asyncio
import gc
import socket

import pytest

from gateway.backends import name_lookup
from gateway.backends.name_lookup import NameLookup


class Resolver:
    """In place of the loop: counts what it is asked, and answers when it may."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.asked: list[str] = []
        self.may_answer = asyncio.Event()
        self.found: list[str] | OSError = ["10.0.0.1", "10.0.0.2", "10.0.0.1"]
        self.now = 100.0

    def create_task(self, work):
        return self.loop.create_task(work)

    def time(self):
        return self.now

    async def getaddrinfo(self, host, port, *, type):
        self.asked.append(host)
        await self.may_answer.wait()
        if isinstance(self.found, OSError):
            raise self.found
        return [(2, type, 6, "", (address, 0)) for address in self.found]


@pytest.fixture
async def resolver(monkeypatch):
    resolver = Resolver()
    monkeypatch.setattr(name_lookup.asyncio, "get_running_loop", lambda: resolver)
    return resolver


async def test_all_who_wait_for_a_name_share_one_look_up(resolver):
    names = NameLookup()
    waiting = [asyncio.create_task(names.addresses(host)) for host in ("a.test", "a.test", "b.test", "a.test")]
    await asyncio.sleep(0)
    resolver.may_answer.set()
    assert await asyncio.gather(*waiting) == [("10.0.0.1", "10.0.0.2")] * 4
    assert resolver.asked == ["a.test", "b.test"]


async def test_who_gives_up_leaves_the_look_up_to_the_others_and_to_the_next(resolver):
    names = NameLookup()
    first = asyncio.create_task(names.addresses("a.test"))
    await asyncio.sleep(0)
    second = asyncio.create_task(names.addresses("a.test"))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    third = asyncio.create_task(names.addresses("a.test"))
    await asyncio.sleep(0)
    resolver.may_answer.set()
    assert await asyncio.gather(second, third) == [("10.0.0.1", "10.0.0.2")] * 2
    assert resolver.asked == ["a.test"]


async def test_an_answer_is_good_for_a_moment_and_a_failure_for_none(resolver):
    names = NameLookup()
    resolver.may_answer.set()
    resolver.found = socket.gaierror(socket.EAI_AGAIN, "x")
    with pytest.raises(OSError, match="x"):
        await names.addresses("a.test")
    resolver.found = ["10.0.0.1"]
    for later in (0.0, 0.9, 0.2):
        resolver.now += later
        assert await names.addresses("a.test") == ("10.0.0.1",)
    assert resolver.asked == ["a.test"] * 3


async def test_a_failure_that_nobody_waits_for_any_more_is_no_noise(resolver):
    names, said = NameLookup(), []
    resolver.loop.set_exception_handler(lambda _, context: said.append(context))
    resolver.found = socket.gaierror(socket.EAI_AGAIN, "x")
    only = asyncio.create_task(names.addresses("a.test"))
    await asyncio.sleep(0)
    only.cancel()
    await asyncio.wait([only])
    resolver.may_answer.set()
    while names._running:  # noqa: ASYNC110 -- its own bookkeeping
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    gc.collect()
    assert said == []


@pytest.mark.parametrize("host", ["10.0.0.7", "fd00::7"])
async def test_an_address_is_its_own_answer(resolver, host):
    assert await NameLookup().addresses(host) == (host,)
    assert resolver.asked == []
