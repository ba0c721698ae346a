"""The audit log of a real process: intents before attempts, kill -9, a disk that takes no more, and no content in it.

threats.md I6 and I8, and the fail-closed matrix's row on the audit log. Segments are read as the plain lines of JSON
that they are.
"""

import asyncio
import json
import os
import resource
import signal
from pathlib import Path

import httpx
import pytest

from gateway.cli.main import main
from tests.fakes.house import POLICY, write_config
from tests.fakes.model_server import ModelServer, chat, completion, delta
from tests.paths.served import serving

QUICK = "{connect: 1s, first_content: 2s, idle: 2s, total: 10s}"

# What may leave does so at once, so that each request is a cloud attempt.
CLOUD_FIRST = POLICY.replace("when: {}, to: [home, home-b], spill: [burst]", "when: {}, to: [burst, home, home-b]")


@pytest.fixture
async def servers():
    async with ModelServer() as home, ModelServer() as burst:
        yield home, burst


def recorded(config: Path, kind: str) -> list[dict]:
    """All records of one kind in the whole lines of all segments."""
    lines = [
        line for path in (config / "state" / "audit").glob("2*.jsonl") for line in path.read_bytes().split(b"\n")[:-1]
    ]
    return [record[kind] for record in map(json.loads, lines) if kind in record]


def verdict(config: Path, capsys) -> str:
    capsys.readouterr()
    main(["audit", "verify", str(config / "state" / "audit"), "--config", str(config), "--json"])
    return json.loads(capsys.readouterr().out)["state"]


def caller(port: int, key: str) -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {key}"}
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=20, trust_env=False)


def asks(text: str = "Hello", *, model: str = "chat-cloud", stream: bool = False) -> dict:
    return {"url": "/v1/chat/completions", "json": body(text, model, stream)}


def body(text: str, model: str, stream: bool) -> dict:
    return {"model": model, "stream": stream, "messages": [{"role": "user", "content": text}]}


async def test_every_cloud_attempt_finds_its_intent_on_disk(tmp_path, servers):
    home, burst = servers
    config = tmp_path / "config"
    key, _ = write_config(config, {"home": home, "burst": burst}, timeouts=QUICK, policy=CLOUD_FIRST)
    missing = []

    async def looks(peer):
        intents = [intent for intent in recorded(config, "intent") if intent["pool"] == "burst"]
        if len(intents) < len(burst.requests):
            missing.append(peer.received)
        if len(burst.requests) % 3:
            await chat(peer)
        else:
            peer.reset()

    burst.script = looks
    async with serving(config) as served, caller(await served.port(), key) as client:
        answers = await asyncio.gather(*(client.post(**asks(stream=bool(n % 2))) for n in range(24)))
    assert not missing
    assert len(burst.requests) >= 24
    outcomes = {outcome["request_id"] for outcome in recorded(config, "outcome")}
    assert outcomes == {answer.headers["x-request-id"].removeprefix("req_") for answer in answers}
    intents = recorded(config, "intent")
    assert len(intents) >= len(burst.requests)
    assert {intent["request_id"] for intent in intents} <= outcomes
    assert {(intent["zone"], intent["label"], intent["tenant"]) for intent in intents} == {
        ("cloud", "internal", "bank")
    }


async def test_kill_9_of_a_worker_in_mid_stream_loses_no_intent(tmp_path, servers, capsys):
    _, burst = servers
    config = tmp_path / "config"
    key, _ = write_config(config, {"burst": burst}, timeouts=QUICK, policy=CLOUD_FIRST)
    arrived = asyncio.Semaphore(0)

    async def begins(peer):
        await peer.open_stream()
        await peer.event(delta("Hel", role="assistant"))
        arrived.release()
        await peer.until_gone()

    burst.script = begins
    async with serving(config) as served, caller(await served.port(), key) as client:

        async def streams(number: int) -> bool:
            try:
                await client.post(**asks(stream=True))
            except httpx.TransportError:
                return False
            return True

        running = [asyncio.create_task(streams(number)) for number in range(8)]
        for _ in running:
            await arrived.acquire()
        os.kill(await served.worker(), signal.SIGKILL)
        assert not any(await asyncio.gather(*running))
        before = len(burst.requests)
        assert before == 8
        assert len(recorded(config, "intent")) >= before
        burst.script = chat
        assert (await client.post(**asks())).status_code == 200
    assert verdict(config, capsys) in ("intact", "torn")
    intents, outcomes = recorded(config, "intent"), recorded(config, "outcome")
    assert len(intents) >= len(burst.requests)
    # What has an intent and no outcome reads "may have been sent".
    open_ended = {intent["request_id"] for intent in intents} - {outcome["request_id"] for outcome in outcomes}
    assert len(open_ended) == 8


async def test_a_disk_that_takes_no_more_shuts_the_cloud_at_once_and_home_when_the_buffer_is_full(
    tmp_path, servers, capsys
):
    home, burst = servers
    config = tmp_path / "config"
    pools = {"home": home, "burst": burst}
    key, _ = write_config(config, pools, timeouts=QUICK, policy=CLOUD_FIRST, gateway="audit: {buffer: 16}\n")
    async with serving(config) as served, caller(await served.port(), key) as client:
        worker = await served.worker()
        assert (await client.post(**asks())).status_code == 200
        # No file of the worker may grow any more: what a full disk is to a process, root or not.
        _, hard = resource.prlimit(worker, resource.RLIMIT_FSIZE)
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (0, hard))
        refused = await client.post(**asks())
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "audit_unavailable")
        assert refused.elapsed.total_seconds() < 2
        assert (await client.post(**asks(model="chat"))).status_code == 200
        assert (len(burst.requests), len(home.requests)) == (1, 1)
        answers = [await client.post(**asks(model="chat-home")) for _ in range(20)]
        served_at_home = [answer.status_code for answer in answers].index(503)
        # Besides these, the buffer holds what was refused.
        assert 10 <= served_at_home <= 16
        assert {answer.status_code for answer in answers[served_at_home:]} == {503}
        assert answers[-1].json()["error"]["code"] == "audit_unavailable"
        assert len(burst.requests) == 1
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (hard, hard))
        await served.event("audit_segment_opened", 2)
        assert (await client.post(**asks())).status_code == 200
    held = {answer.headers["x-request-id"].removeprefix("req_") for answer in answers[:served_at_home]}
    assert held <= {outcome["request_id"] for outcome in recorded(config, "outcome")}
    assert verdict(config, capsys) in ("intact", "torn")


async def test_an_audit_folder_that_is_replaced_by_a_file_shuts_the_cloud_with_the_next_segment(tmp_path, servers):
    _, burst = servers
    config = tmp_path / "config"
    key, _ = write_config(config, {"burst": burst}, timeouts=QUICK, policy=CLOUD_FIRST)
    async with serving(config) as served, caller(await served.port(), key) as client:
        assert (await client.post(**asks())).status_code == 200
        audit = config / "state" / "audit"
        audit.rename(audit.with_name("moved"))
        audit.write_text("")
        os.kill(await served.worker(), signal.SIGKILL)
        await served.event("worker_ready", 2)
        refused = await client.post(**asks())
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "audit_unavailable")
        assert len(burst.requests) == 1


def title_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


CANARY = "zanzibar-4417-quux"


async def says_the_canary(peer):
    stream, text = peer.received.json.get("stream"), json.dumps(peer.received.json)
    if "fail" in text:
        error = json.dumps({"error": {"message": CANARY, "type": CANARY, "code": 500}}).encode()
        await peer.answer(400 if "400" in text else 500, error, f"x-secret: {CANARY}", f"retry-after: {CANARY}")
    elif not stream:
        await peer.answer(200, completion(f"I say {CANARY}."), f"x-secret: {CANARY}")
    else:
        await peer.open_stream()
        await peer.event(delta(CANARY, role="assistant"))
        await peer.event({"error": {"message": CANARY}} if "break" in text else delta(finish="stop"))
        await peer.event(f"[{CANARY}]" if "nonsense" in text else "[DONE]")
        await peer.end_stream()


async def test_nothing_that_anybody_said_is_in_the_log_the_audit_files_or_the_process_title(tmp_path, servers):
    home, burst = servers
    home.script = burst.script = says_the_canary
    config = tmp_path / "config"
    key, _ = write_config(config, {"home": home, "home-b": home, "burst": burst}, timeouts=QUICK, policy=CLOUD_FIRST)
    async with serving(config) as served, caller(await served.port(), key) as client:
        port = await served.port()
        texts = ("plain", "fail", "fail 400", "break", "nonsense", "SSN 536-22-8723")
        for text in texts:
            for model in ("chat", "chat-cloud", CANARY):
                for stream in (True, False):
                    sent = body(f"{text} {CANARY}", model, stream) | {CANARY: CANARY, "user": CANARY}
                    headers = {"x-request-id": CANARY, "user-agent": CANARY, "traceparent": CANARY}
                    await client.post(f"/v1/chat/completions?q={CANARY}", json=sent, headers=headers)
        for method, path in (("GET", f"/v1/models/{CANARY}"), ("GET", f"/{CANARY}"), (CANARY, "/v1/models")):
            await client.request(method, path)
        for content in (
            CANARY,
            f'{{"model": "{CANARY}',
            f'{{"messages": "{CANARY}", "model": "chat"}}',
            "[" * 99 + CANARY,
        ):
            for path in ("/v1/chat/completions", "/v1/completions", "/v1/embeddings"):
                await client.post(path, content=content, headers={"content-type": "application/json"})
        for authorization in (f"Bearer {CANARY * 2}", CANARY, f"Basic {CANARY}"):
            await client.post(**asks(), headers={"authorization": authorization})
        for raw in (
            f"{CANARY} {CANARY}\r\n\r\n",
            f"GET / HTTP/1.1\r\n{CANARY}\r\n\r\n",
            f"POST / HTTP/9\r\n{CANARY}: x\r\n\r\n",
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(raw.encode())
            await reader.read()
            writer.close()
        titles = [title_of(pid) for pid in (served.process.pid, await served.worker())]
    assert any(CANARY in request.body.decode() for request in home.requests)
    assert len(recorded(config, "outcome")) > 36
    everywhere = {path.name: path.read_bytes() for path in (config / "state").rglob("*") if path.is_file()}
    everywhere |= {"stderr": "".join(served.lines).encode(), "titles": b"".join(titles)}
    for secret in (CANARY, "zanzibar", "536-22-8723", key, key[6:20]):
        assert [name for name, data in everywhere.items() if secret.encode() in data] == []
