"""A shared store that is slow, or says of everything that somebody else is making it, holds up a few and no more."""

import asyncio
import contextlib

import pytest

from tests.fakes.model_server import ModelServer
from tests.fakes.unhelpful_redis import ANOTHER_LEADS, unhelpful_redis
from tests.paths.test_cache import SAME, caching, numbered, said, until


@contextlib.asynccontextmanager
async def held_up(tmp_path, **store):
    """A gateway whose shared store is like that."""
    with unhelpful_redis(tmp_path / "s", **store) as redis:
        async with ModelServer() as home, ModelServer() as burst:
            home.script = numbered()
            text = f"cache: {{wait: 300ms}}\nstores: {{cache: {{address: 'unix:{tmp_path / 's'}', timeout: 200ms}}}}\n"
            async with caching(tmp_path / "g", (home, burst), gateway=text) as gateway:
                yield gateway, redis


async def ask(gateway, count):
    for number in range(count):
        said(await gateway.chat(f"Question {number}", **SAME))


async def test_a_slow_store_is_waited_for_by_a_handful_and_what_is_made_is_still_stored(tmp_path):
    async with held_up(tmp_path, after_s=0.08) as (gateway, redis):
        await ask(gateway, 30)
        assert gateway.worker._cache.passed["slow"] >= 24
        # Of each a script that stores its answer, which nobody waits for; and those of a few that looked.
        await until(lambda: redis.scripts >= 30)
        assert redis.scripts <= 36


async def test_a_slow_store_that_comes_round_is_asked_again(tmp_path):
    async with held_up(tmp_path, after_s=0.08) as (gateway, redis):
        await ask(gateway, 10)
        redis.after_s = 0.0
        cache = gateway.worker._cache
        cache._far._clock = _Later(cache._far._clock)
        async with asyncio.timeout(10):
            passed = -1
            while cache.passed["slow"] != passed:
                passed = cache.passed["slow"]
                await ask(gateway, 1)
                cache._near.forget("bank")


async def test_somebody_who_leads_for_ever_is_waited_for_by_a_few_even_if_all_ask_at_once(tmp_path):
    async with held_up(tmp_path, says=ANOTHER_LEADS) as (gateway, _):
        passed = gateway.worker._cache.passed
        for _ in range(2):
            await asyncio.gather(*(gateway.chat(f"Question {number}", temperature=0) for number in range(40)))
            gateway.worker._cache._near.forget("bank")
        # Eight at first; and then nobody for some seconds.
        assert sum(passed.values()) >= 72


@pytest.mark.parametrize("store", [{"after_s": 0.08}, {"says": ANOTHER_LEADS}])
async def test_what_is_stored_here_is_given_all_the_while(tmp_path, store):
    async with held_up(tmp_path, **store) as (gateway, _):
        for _ in range(3):
            for number in range(7):
                assert said(await gateway.chat(f"Question {number}", **SAME)) == f"Answer {number + 1}."


class _Later:
    """A clock on which a minute has passed."""

    def __init__(self, clock):
        self._clock = clock

    def monotonic(self):
        return self._clock.monotonic() + 60.0
