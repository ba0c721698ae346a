"""Copies are made while somebody runs them and no longer, however that ends."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.core.topology import Topology
from gateway.runtime.mirror import Mirrors
from tests.fakes.clock import FakeClock


def mirrors(drawn: list[float]) -> Mirrors:
    """What counts how often somebody came so far as to draw lots, and never wins."""

    def draw() -> float:
        drawn.append(0.999)
        return 0.999

    nothing: Any = SimpleNamespace()
    return Mirrors(Topology(()), nothing, nothing, FakeClock(), draw)


@pytest.mark.parametrize("is_cancelled", [True, False])
async def test_no_copy_is_offered_to_whoever_has_ended(is_cancelled):
    drawn: list[float] = []
    made, stop = mirrors(drawn), asyncio.Event()
    nothing: Any = SimpleNamespace()
    allow: Any = SimpleNamespace(mirror=SimpleNamespace(percent=1.0, pool="new"))
    running = asyncio.create_task(made.run(stop))
    await asyncio.sleep(0)
    made.offer(nothing, nothing, nothing, nothing, allow)
    assert len(drawn) == 1
    if is_cancelled:
        running.cancel()
    else:
        stop.set()
    await asyncio.wait([running])
    assert running.cancelled() is is_cancelled
    made.offer(nothing, nothing, nothing, nothing, allow)
    assert len(drawn) == 1
