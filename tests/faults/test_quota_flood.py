"""Four gateways, one limit, far more work than it allows: never above it, and hardly below."""

# ruff: noqa: ASYNC110  # what is waited for happens in other processes
import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.flood import ANSWER_TOKENS, PROMPT_TOKENS, Counting, flood, in_process, processes
from tests.fakes.valkey import Valkey, running_valkey

MANY = 100
"""From here on the gateways are processes of their own."""

TOKENS = ANSWER_TOKENS + PROMPT_TOKENS


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with running_valkey() as server:
        yield server


async def flooded(folder: Path, valkey: Valkey, limits: str, *, in_flight: int, seconds: float):
    async with contextlib.AsyncExitStack() as stack:
        model = await stack.enter_async_context(Counting().running())
        if in_flight < MANY:
            made = in_process(folder, valkey, limits, model, count=4)
            ports, keys = await stack.enter_async_context(made)
        else:
            running, keys = await stack.enter_async_context(processes(folder, valkey, limits, model, count=4))
            ports = [await served.port() for served in running]
        result = await flood(ports, keys, model, in_flight=in_flight, seconds=seconds)
    assert set(result.answers) <= {200, 429}, result
    assert result.answers[200] == result.served
    return result


SIZES = [
    pytest.param(20, 2.0, id="small"),
    pytest.param(500, 30.0, id="four times 500", marks=pytest.mark.slow),
]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("in_flight", "seconds"), SIZES)
@pytest.mark.parametrize("limit", [300, 600])
async def test_requests_never_exceed_their_limit_and_nearly_use_it(tmp_path, valkey, limit, in_flight, seconds):
    """300 a minute are counted one by one, 600 are leased."""
    result = await flooded(tmp_path, valkey, f"requests_per_minute: {limit}", in_flight=in_flight, seconds=seconds)
    bound = limit + limit / 60 * result.lasted_s
    assert result.served <= bound + 1
    assert result.answers[429] > 0
    assert result.served >= 0.95 * (limit + limit / 60 * min(seconds, result.lasted_s))


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("in_flight", "seconds"), SIZES)
async def test_tokens_exceed_their_limit_by_a_hundredth_at_most(tmp_path, valkey, in_flight, seconds):
    limit = 100_000
    result = await flooded(tmp_path, valkey, f"tokens_per_minute: {limit}", in_flight=in_flight, seconds=seconds)
    bound = limit + limit / 60 * result.lasted_s
    assert result.served * TOKENS <= 1.01 * bound
    assert result.answers[429] > 0
    assert result.served * TOKENS >= 0.95 * (limit + limit / 60 * min(seconds, result.lasted_s))


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_what_a_killed_gateway_held_is_free_after_a_minute(tmp_path, valkey):
    """Its places, tokens and money; and nobody else's are touched before."""
    limits = "concurrency: 6, tokens_per_minute: 50000000, money: {per_day: 500}"
    async with (
        Counting(takes_s=3600).running() as model,
        processes(tmp_path, valkey, limits, model, count=2) as (running, keys),
    ):
        ports = [await served.port() for served in running]
        asked = asyncio.create_task(flood(ports[:1], keys, model, in_flight=6, seconds=1))
        while model.served < 6:
            await asyncio.sleep(0.05)
        assert valkey.ask("ZCARD", "tidegate:q1:{tenant:bank}:live") == b":6\r\n"
        os.kill(await running[0].worker(), signal.SIGKILL)
        os.kill(running[0].process.pid, signal.SIGKILL)
        model.takes_s = 0
        refused = await flood(ports[1:], keys, model, in_flight=1, seconds=1)
        assert refused.answers[429] == sum(refused.answers.values())
        await asyncio.sleep(61)
        after = await flood(ports[1:], keys, model, in_flight=1, seconds=1)
        assert after.answers[200] == sum(after.answers.values()) > 0
        assert valkey.ask("ZCARD", "tidegate:q1:{tenant:bank}:live") == b":0\r\n"
        asked.cancel()
