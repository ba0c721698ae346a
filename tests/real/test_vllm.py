"""The gateway before a real vLLM 0.32 on CPU: answers, cancellation, metrics, tools, schemas, queueing, a dead engine.

vLLM takes 3.4 GB and lives in an environment of its own, `.venv/real/vllm`, which `make real-vllm` builds; without it
every test here says so and is skipped. The model is a random one of half a million parameters (tiny_llama.py): it says
noise, and everything else about it is real. The scheduler runs eagerly, since compiling for it takes a minute.
"""

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from gateway.core.records import Ending
from tests.fakes.house import house

pytestmark = [pytest.mark.slow, pytest.mark.real]

PYTHON = Path(__file__).resolve().parents[2] / ".venv" / "real" / "vllm" / "bin" / "python"
GAUGE = re.compile(
    r'^vllm:num_requests_(running|waiting)\{engine="0",model_name="served-model"\} ([0-9.]+)$', re.MULTILINE
)
READY_S = 240


@dataclass
class Server:
    """A running vLLM."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    is_dead: bool = False

    async def gauges(self) -> dict[str, float]:
        async with httpx.AsyncClient(trust_env=False) as client:
            text = (await client.get(self.url + "/metrics")).text
        return {name: float(value) for name, value in GAUGE.findall(text)}

    async def until(self, name: str, value: float) -> float:
        """Wait for a gauge; how long it took, in seconds."""
        began = time.monotonic()
        async with asyncio.timeout(20):
            while (await self.gauges())[name] != value:  # noqa: ASYNC110 -- another process's state
                await asyncio.sleep(0.01)
        return time.monotonic() - began

    def kill_engine(self) -> None:
        """Kill the process that holds the model, as the kernel would for want of memory."""
        self.is_dead = True
        os.kill(int(re.search(r"EngineCore pid=(\d+)", self.log.read_text())[1]), signal.SIGKILL)


@contextlib.contextmanager
def running(base: Path) -> Iterator[Server]:
    if not PYTHON.exists():
        pytest.skip("vLLM is not here (3.4 GB): build its environment with `make real-vllm`")
    model, log = base / "model", base / "vllm.log"
    made = subprocess.run([PYTHON, Path(__file__).parent / "tiny_llama.py", model], capture_output=True, timeout=180)
    assert made.returncode == 0, made.stderr.decode()[-2000:]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(base),
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_WORKER_MULTIPROCESSING_METHOD": "fork",
        "VLLM_CPU_KVCACHE_SPACE": "1",
    }
    options = ["--model", model, "--served-model-name", "served-model", "--host", "127.0.0.1", "--port", str(port)]
    options += ["--dtype", "bfloat16", "--max-model-len", "4096", "--enforce-eager"]
    options += ["--enable-auto-tool-choice", "--tool-call-parser", "hermes"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [PYTHON, "-m", "vllm.entrypoints.openai.api_server", *options],
            stdout=out,
            stderr=out,
            env=environ,
            start_new_session=True,
        )
    try:
        server = Server(f"http://127.0.0.1:{port}", process, log)
        deadline = time.monotonic() + READY_S
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(server.url + "/health", trust_env=False).status_code == 200:
                    break
            assert process.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < deadline, log.read_text()[-3000:]
            time.sleep(0.5)
        yield server
    finally:
        # The whole session: its engine and its helpers are processes of their own.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("vllm")) as server:
        yield server


@pytest.fixture
async def gateway(vllm, tmp_path):
    async with house(
        tmp_path, {"home": vllm.url}, limits={"home": 4}, polls={"home": "{every: 200ms}"}, queue="60s"
    ) as it:
        yield it


def events(text: str) -> list:
    return [line[6:] for line in text.split("\n\n") if line.startswith("data: ")]


async def test_an_answer_comes_with_its_usage(gateway):
    reply = (await gateway.chat("Hello", max_tokens=12, ignore_eos=True)).json()
    assert reply["usage"]["completion_tokens"] == 12
    assert reply["choices"][0]["finish_reason"] == "length"
    assert reply["model"] == "chat"
    assert "system_fingerprint" not in reply or not str(reply["system_fingerprint"]).startswith("vllm")


@pytest.mark.parametrize("wants_usage", [True, False])
async def test_a_stream_is_whole_and_has_usage_only_for_who_asked(gateway, wants_usage):
    more = {"stream_options": {"include_usage": True}} if wants_usage else {}
    told = events((await gateway.chat("Hello", stream=True, max_tokens=12, ignore_eos=True, **more)).text)
    assert told[-1] == "[DONE]"
    chunks = [json.loads(one) for one in told[:-1]]
    usages = [one["usage"] for one in chunks if one.get("usage")]
    assert [usage["completion_tokens"] for usage in usages] == ([12] if wants_usage else [])
    assert [one["choices"][0]["finish_reason"] for one in chunks if one["choices"]][-1] == "length"


async def test_what_vllm_refuses_is_refused_in_openais_form(gateway):
    reply = await gateway.chat("Hello", max_tokens=12, temperature=-3)
    assert reply.status_code == 400
    assert reply.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
async def test_a_client_that_leaves_frees_the_engine(gateway, vllm, stream):
    await vllm.until("running", 0)
    body = {"model": "chat", "messages": [{"role": "user", "content": "Hello"}], "stream": stream}
    body |= {"max_tokens": 4000, "ignore_eos": True}
    raw = json.dumps(body).encode()
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer "
        + f"{gateway.key}\r\nContent-Length: {len(raw)}\r\n\r\n".encode()
        + raw
    )
    await vllm.until("running", 1)
    writer.transport.abort()
    took = await vllm.until("running", 0)
    print(f"the engine was free {took * 1000:.0f} ms after its client left")
    assert took < 2  # 4,000 tokens take this engine longer than ten seconds


async def test_its_gauges_reach_the_choice_of_endpoints(gateway, vllm):
    endpoints = gateway.worker._endpoints
    asked = [asyncio.create_task(gateway.chat("Hello", max_tokens=400, ignore_eos=True)) for _ in range(3)]
    try:
        async with asyncio.timeout(10):
            while not any(view.server is not None and view.server.running >= 1 for view in endpoints.views()):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    finally:
        await asyncio.gather(*asked)
    async with asyncio.timeout(10):
        while any(view.server is not None and view.server.running for view in endpoints.views()):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


TOOL = {
    "type": "function",
    "function": {
        "name": "set_light",
        "description": "Switch a light",
        "parameters": {
            "type": "object",
            "properties": {"on": {"type": "boolean"}},
            "required": ["on"],
            "additionalProperties": False,
        },
    },
}


@pytest.mark.parametrize("choice", [{"type": "function", "function": {"name": "set_light"}}, "required", "auto"])
async def test_tools_reach_the_engine_and_its_calls_come_back(gateway, vllm, choice):
    # A random model calls what it likes, and vLLM 0.32 holds no arguments to their schema here: what counts is that
    # the same comes back as without the gateway.
    more = {"tools": [TOOL], "tool_choice": choice, "max_tokens": 120, "temperature": 0}
    told = (await gateway.chat("Light on, please", **more)).json()
    body = {"model": "served-model", "messages": [{"role": "user", "content": "Light on, please"}], **more}
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        direct = (await client.post(vllm.url + "/v1/chat/completions", json=body)).json()
    assert direct["usage"]["prompt_tokens"] > 100  # the tool was read
    assert told["usage"] == direct["usage"]
    assert [_said(choice) for choice in told["choices"]] == [_said(choice) for choice in direct["choices"]]


def _said(choice: dict) -> tuple:
    message = choice["message"]
    calls = [call["function"] for call in message.get("tool_calls") or ()]
    return choice["finish_reason"], message.get("content") or "", calls


async def test_a_schema_is_kept(gateway):
    schema = {
        "type": "object",
        "properties": {"answer": {"enum": ["yes", "no"]}},
        "required": ["answer"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "reply", "schema": schema, "strict": True}}
    reply = (await gateway.chat("Is water wet?", response_format=form, max_tokens=200)).json()
    assert json.loads(reply["choices"][0]["message"]["content"])["answer"] in ("yes", "no")


async def test_twenty_clients_share_four_places(gateway, vllm):
    most = 0.0

    async def look() -> None:
        nonlocal most
        while True:
            seen = await vllm.gauges()
            most = max(most, seen["running"] + seen["waiting"])
            await asyncio.sleep(0.02)

    looking = asyncio.create_task(look())
    replies = await asyncio.gather(*(gateway.chat(f"Hello {n}", max_tokens=64, ignore_eos=True) for n in range(20)))
    looking.cancel()
    assert [reply.status_code for reply in replies] == [200] * 20
    assert all(reply.json()["usage"]["completion_tokens"] == 64 for reply in replies)
    assert 2 <= most <= 4


async def test_an_engine_that_dies_in_mid_answer_leaves_no_complete_answer(tmp_path_factory):
    with running(tmp_path_factory.mktemp("doomed")) as doomed:
        async with house(tmp_path_factory.mktemp("gateway"), {"home": doomed.url}) as it:
            body = {"model": "chat-home", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
            body |= {"max_tokens": 4000, "ignore_eos": True}
            text = ""
            async with it.client.stream("POST", "/v1/chat/completions", json=body, headers=it.headers()) as reply:
                async for piece in reply.aiter_text():
                    text += piece
                    if text.count("data: ") > 5 and not doomed.is_dead:
                        doomed.kill_engine()
            told = events(text)
            assert "[DONE]" not in told
            last = json.loads(told[-1])
            assert last["error"]["message"]
            assert all(
                not one["choices"] or one["choices"][0]["finish_reason"] is None for one in map(json.loads, told[:-1])
            )
            await it.settled()
            again = await it.chat("Hello", model="chat-home")
            assert again.status_code in (502, 503)  # the server says 500 until it has ended, and then nothing
            records = "".join(file.read_text() for file in (it.state / "audit").glob("*.jsonl"))
            assert f'"ending":"{Ending.COMPLETED}"' not in records
