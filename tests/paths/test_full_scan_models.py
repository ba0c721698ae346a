"""A whole gateway with processes that read: they start and end with it, and what they do wrong keeps requests home."""

import asyncio
import contextlib
import functools
import os
import sys
from pathlib import Path

import pytest

from gateway.detect import ner_models
from gateway.detect.ner_workers import WorkerSettings
from tests.fakes.house import POLICY, House, house
from tests.fakes.model_server import ModelServer

PROCESS = Path(__file__).parents[1] / "fakes" / "ner_process.py"
NEEDS_MODELS = POLICY.replace("label:\n", "label:\n  tiers: [structured, names, ner]\n", 1).replace(
    "  rules:\n", "  rules:\n    - {any_of: [PERSON], label: confidential}\n", 1
)


@pytest.fixture
async def servers():
    async with ModelServer() as home, ModelServer() as burst:
        yield {"home": home, "burst": burst}


@contextlib.asynccontextmanager
async def gateway_with(folder, servers, deadline="10s"):
    """A gateway whose places at home are all taken, once its models are there."""
    options = {"limits": {"home": 1, "home-b": 1}, "queue": "100ms", "gateway": f"ner: {{deadline: {deadline}}}\n"}
    async with house(folder, servers, policy=NEEDS_MODELS, **options) as gateway:
        assert gateway.worker._admission.try_enter(("home",))
        assert gateway.worker._admission.try_enter(("home-b",))
        await reading(gateway)
        yield gateway


async def reading(gateway: House) -> None:
    async with asyncio.timeout(60):
        while not gateway.worker._models.live:  # noqa: ASYNC110 -- processes set no events of ours
            await asyncio.sleep(0.02)


async def went(gateway: House, text: str) -> tuple[int, str | None]:
    answer = await gateway.chat(text)
    return answer.status_code, answer.headers.get("x-tidegate-pool")


@pytest.fixture
def scripted(monkeypatch):
    """A script stands for the models, in a process as theirs."""
    monkeypatch.setattr(ner_models, "are_installed", lambda: True)
    monkeypatch.setattr(ner_models, "models_digest", lambda: "scripted")
    command = (sys.executable, "-P", str(PROCESS), "scripted")
    monkeypatch.setattr("gateway.parts.WorkerSettings", functools.partial(WorkerSettings, command=command))


@pytest.mark.usefixtures("scripted")
async def test_what_the_process_reads_and_finds_harmless_leaves_and_a_name_does_not(tmp_path, servers):
    async with gateway_with(tmp_path, servers) as gateway:
        (pid,) = gateway.worker._models.pids
        assert await went(gateway, "Sort this list") == (200, "burst")
        assert (await went(gateway, "Sarah wrote this list"))[0] == 503
    assert len(servers["burst"].requests) == 1
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.usefixtures("scripted")
@pytest.mark.parametrize(
    "does", ["DIE", "RAISE", "HANG", "EARLIER", "OUTSIDE", "ELSEWHERE", "MANY", "ENDLESS", "GARBAGE"]
)
async def test_whatever_a_process_does_the_request_stays_home_and_the_next_one_is_read(tmp_path, servers, does):
    async with gateway_with(tmp_path, servers, deadline="500ms" if does == "HANG" else "10s") as gateway:
        assert (await went(gateway, f"{does} Now"))[0] == 503
        assert servers["burst"].requests == []
        async with asyncio.timeout(60):
            while not gateway.worker._models.restarts:  # noqa: ASYNC110 -- as above
                await asyncio.sleep(0.02)
        await reading(gateway)
        assert await went(gateway, "Sort this list") == (200, "burst")


@pytest.mark.skipif(not ner_models.are_installed(), reason="the extra `ner` is not installed: `make test-models`")
async def test_the_real_models_keep_a_name_home_that_nothing_announces(tmp_path, servers):
    async with gateway_with(tmp_path, servers) as gateway:
        assert (await went(gateway, "Could you ask Tomas Brandt about it?"))[0] == 503
        assert (await went(gateway, "麻烦问一下王小明，什么时候有空。"))[0] == 503
        assert servers["burst"].requests == []
        assert await went(gateway, "Please sort this list of numbers, the largest first.") == (200, "burst")
        assert await went(gateway, "请把这份周报改写得更简洁一些。") == (200, "burst")
