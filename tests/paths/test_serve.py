"""`tidegate serve` as a process: it drains, it survives a worker's death, and its admin port asks for a credential."""

import asyncio
import os
import signal
import ssl

import httpx
import pytest

from tests.fakes.model_server import ModelServer, delta
from tests.fakes.process import process


def client_of(running, **more) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=running.url,
        headers={"authorization": f"Bearer {running.key}"},
        timeout=30,
        trust_env=False,
        limits=httpx.Limits(max_connections=None),
        **more,
    )


def ask(stream: bool = False) -> dict:
    return {"model": "chat-home", "messages": [{"role": "user", "content": "hi"}], "stream": stream}


async def test_a_stop_lets_every_open_stream_finish(tmp_path):
    go_on = asyncio.Event()

    async def slow(peer):
        await peer.open_stream()
        await peer.event(delta("first", role="assistant"))
        await go_on.wait()
        await peer.event(delta(" last"))
        await peer.event(delta(finish="stop"))
        await peer.event("[DONE]")
        await peer.end_stream()

    async with ModelServer() as server:
        server.script = slow
        async with process(tmp_path, {"home": server}, limits={"home": 256}) as running, client_of(running) as client:
            begun = 0
            all_begun = asyncio.Event()

            async def one() -> str:
                nonlocal begun
                text = ""
                async with client.stream("POST", "/v1/chat/completions", json=ask(stream=True)) as response:
                    async for line in response.aiter_lines():
                        if not text:
                            begun += 1
                            if begun == 40:
                                all_begun.set()
                        text += line
                return text

            streams = [asyncio.create_task(one()) for _ in range(40)]
            await asyncio.wait_for(all_begun.wait(), 20)
            running.popen.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.3)
            # A newcomer is not accepted, or is told to go away; those begun are not hurt.
            go_on.set()
            texts = await asyncio.gather(*streams)
            assert all(text.endswith("data: [DONE]") for text in texts)
            assert await asyncio.wait_for(asyncio.to_thread(running.popen.wait), 20) == 0


async def test_a_drain_that_takes_too_long_ends_streams_with_an_error_and_no_done(tmp_path):
    async def endless(peer):
        await peer.open_stream()
        await peer.event(delta("first", role="assistant"))
        await peer.until_gone()

    async with ModelServer() as server:
        server.script = endless
        async with (
            process(tmp_path, {"home": server}, gateway="limits: {drain: 1s}\n") as running,
            client_of(running) as client,
            client.stream("POST", "/v1/chat/completions", json=ask(stream=True)) as response,
        ):
            lines = response.aiter_lines()
            assert "first" in await anext(lines)
            running.popen.send_signal(signal.SIGTERM)
            rest = [line async for line in lines if line]
            assert "shutting_down" in rest[-1]
            assert "[DONE]" not in "".join(rest)
            assert await asyncio.wait_for(asyncio.to_thread(running.popen.wait), 20) == 0


async def test_a_worker_that_dies_is_replaced(tmp_path):
    async with ModelServer() as server, process(tmp_path, {"home": server}) as running, client_of(running) as client:
        assert (await client.post("/v1/chat/completions", json=ask())).status_code == 200
        (worker,) = running.workers()
        os.kill(worker, signal.SIGKILL)
        async with asyncio.timeout(30):
            while True:
                try:
                    response = await client.post("/v1/chat/completions", json=ask())
                except httpx.TransportError:
                    continue
                break
        assert response.status_code == 200
        assert running.workers() not in ([], [worker])


async def test_two_workers_share_one_port(tmp_path):
    async with ModelServer() as server, process(tmp_path, {"home": server}, gateway="workers: 2\n") as running:
        assert len(running.workers()) == 2
        async with asyncio.TaskGroup() as group:

            async def one() -> None:
                async with client_of(running) as client:
                    assert (await client.post("/v1/chat/completions", json=ask())).status_code == 200

            for _ in range(20):
                group.create_task(one())
        assert await running.stopped() == 0


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [
        ("/livez", None, 200),
        ("/readyz", None, 200),
        ("/admin/v1/status", None, 401),
        ("/admin/v1/status", "wrong", 401),
        ("/admin/v1/status", "right", 200),
        ("/docs", None, 404),
        ("/openapi.json", None, 404),
    ],
)
async def test_the_admin_port_has_a_credential_of_its_own(shared_process, path, token, status):
    running = shared_process
    value = running.admin_token if token == "right" else running.key if token == "wrong" else ""
    headers = {"authorization": f"Bearer {value}"} if token else {}
    async with httpx.AsyncClient(base_url=running.admin_url, headers=headers, trust_env=False) as client:
        response = await client.get(path)
    assert response.status_code == status
    if status == 200 and token:
        assert response.json()["pools"]["home"]["limit"] == 64


@pytest.fixture
async def shared_process(tmp_path):
    async with ModelServer() as server, process(tmp_path, {"home": server}) as running:
        yield running


async def test_the_data_port_speaks_tls_when_it_is_told_to_and_writes_none_of_its_secrets_down(
    tmp_path, tls_files, monkeypatch
):
    secrets = tmp_path / "secrets-of-tls"
    secrets.touch()
    monkeypatch.setenv("SSLKEYLOGFILE", str(secrets))
    # A key that others may read is refused, so it is copied to where nobody can.
    key = tmp_path / "key.pem"
    key.write_bytes(tls_files.key.read_bytes())
    key.chmod(0o600)
    gateway = f"tls: {{certificate: {{file: {tls_files.certificate}}}, key: {{file: {key}}}}}\n"
    async with ModelServer() as server, process(tmp_path, {"home": server}, gateway=gateway) as running:
        # The client is not the gateway: its own secrets are not in question.
        monkeypatch.delenv("SSLKEYLOGFILE")
        trusted = ssl.create_default_context(cafile=str(tls_files.ca))
        async with client_of(running, verify=trusted) as client:
            assert (await client.post("/v1/chat/completions", json=ask())).status_code == 200
            async with client.stream("POST", "/v1/chat/completions", json=ask(stream=True)) as response:
                text = "".join([line async for line in response.aiter_lines()])
            assert text.endswith("data: [DONE]")
        # The library's own heading may stand there, from a client in this process that spoke no TLS.
        assert "CLIENT_" not in secrets.read_text()


async def test_nothing_that_was_asked_or_answered_is_in_the_log(tmp_path):
    async with ModelServer() as server, process(tmp_path, {"home": server}) as running, client_of(running) as client:
        await client.post("/v1/chat/completions", json={**ask(), "user": "canary-user", "stop": ["canary-stop"]})
        await client.post("/v1/chat/completions?canary-query=1", content=b'{"canary-json": ')
        await client.get("/canary-path", headers={"x-canary-header": "canary-value"})
        await running.stopped()
        log = running.log.read_text()
        assert "worker_ready" in log
        assert "canary" not in log
        assert running.key not in log
