"""A finished request is freed when it ends: what only a search for circles could find costs every tenth microsecond."""

import asyncio
import gc
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gateway.api.downstream import HttpDownstream
from gateway.core.exchange import Exchange
from gateway.runtime.call import Call
from gateway.runtime.choices import Choices
from gateway.runtime.relay import Relay
from gateway.runtime.walk import Walk
from tests.fakes.house import house
from tests.fakes.model_server import ModelServer

OURS = (Call, Choices, Exchange, HttpDownstream, Relay, Walk)


def alive() -> Counter[str]:
    return Counter(type(one).__name__ for one in gc.get_objects() if isinstance(one, OURS))


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param({}, id="whole"),
        pytest.param({"stream": True}, id="streamed"),
        pytest.param({"text": "US SSN 536-90-4399"}, id="something found"),
        pytest.param({"text": "word " * 20_000}, id="read beside the loop"),
        pytest.param({"model": "nobody"}, id="unknown model"),
        pytest.param({"model": "chat-cloud", "text": "do not distribute"}, id="refused"),
    ],
)
async def test_a_finished_request_leaves_nothing_to_search_for(tmp_path: Path, asked: dict[str, Any]) -> None:
    async with ModelServer() as server, house(tmp_path, {"home": server, "burst": server}) as gateway:
        await gateway.chat(**asked)
        await gateway.settled()
        gc.collect()
        others = alive()  # of gateways that earlier tests left behind, in this process
        gc.disable()
        try:
            await gateway.chat(**asked)
            await gateway.settled()
            # A stream's framing ends after its last event.
            for _ in range(50):
                if alive() == others:
                    break
                await asyncio.sleep(0.01)
            assert alive() == others
        finally:
            gc.enable()
