"""Whatever fails while a request is settled, its outcome is on record and whoever waits for it is told."""

import asyncio

import pytest

from gateway.core.records import Ending
from tests.paths.test_cache import HELLO, SAME, caching, numbered, outcomes, said, servers, until

__all__ = ["servers"]


def broken(*_: object, **__: object) -> None:
    raise RuntimeError


@pytest.mark.parametrize("part", ["_instruments", "_cache"])
async def test_a_part_that_fails_while_a_request_is_settled_costs_no_outcome(tmp_path, servers, part, monkeypatch):
    async with caching(tmp_path, servers) as gateway:
        settles = {"_instruments": "settled", "_cache": "_settled"}
        with monkeypatch.context() as patch:
            patch.setattr(type(getattr(gateway.worker, part)), settles[part], broken)
            assert said(await gateway.chat(HELLO, **SAME)) == "Answer 1."
        assert said(await gateway.chat("Something else", **SAME)) == "Answer 2."
        await until(lambda: len(outcomes(gateway)) == 2)
        assert [one.ending for one in outcomes(gateway)] == [Ending.COMPLETED] * 2
        assert gateway.worker._pipeline.in_flight == 0


async def test_those_who_wait_for_a_request_are_told_although_another_part_fails(tmp_path, servers, monkeypatch):
    home, _ = servers
    answer, go = numbered(), asyncio.Event()

    async def script(peer):
        await go.wait()
        await answer(peer)

    home.script = script
    async with caching(tmp_path, servers) as gateway:
        monkeypatch.setattr(type(gateway.worker._instruments), "settled", broken)
        leader = asyncio.create_task(gateway.chat(HELLO, **SAME))
        await until(lambda: home.requests)
        follower = asyncio.create_task(gateway.chat(HELLO, **SAME))
        await until(lambda: gateway.worker._cache.waiting)
        leader.cancel()
        await until(lambda: len(home.requests) == 2)
        go.set()
        assert said(await follower).startswith("Answer")
        await until(lambda: len(outcomes(gateway)) == 2)
        assert {one.ending for one in outcomes(gateway)} == {Ending.CLIENT_GONE, Ending.COMPLETED}
