"""`tidegate serve` on SIGHUP: new workers of the files as they are now, and nobody who talks to it notices."""

import asyncio
import json
import signal
from collections import Counter
from dataclasses import dataclass, field

import httpx
import pytest

from tests.fakes.model_server import ModelServer, chat, delta
from tests.fakes.process import Process, process

BODY = {"model": "chat-home", "messages": [{"role": "user", "content": "hi"}]}


def events(running: Process, name: str) -> list[dict]:
    """The lines of the log called `name`."""
    return [json.loads(line) for line in running.log.read_text().splitlines() if f'"event": "{name}"' in line]


async def until(running: Process, name: str, count: int = 1, within_s: float = 120.0) -> dict:
    async with asyncio.timeout(within_s):
        while len(found := events(running, name)) < count:
            assert running.popen.poll() is None, running.log.read_text()[-3000:]
            await asyncio.sleep(0.02)
    return found[count - 1]


async def upgraded(running: Process, count: int) -> dict:
    """Ask for an upgrade and wait until it is the `count`-th."""
    running.popen.send_signal(signal.SIGHUP)
    return await until(running, "upgraded", count)


@dataclass
class Load:
    """Clients that ask without a pause: over connections kept alive, over new ones, and for streams."""

    running: Process
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    seen: Counter = field(default_factory=Counter)

    async def go(self, client: httpx.AsyncClient, kind: str) -> None:
        headers = {"authorization": f"Bearer {self.running.key}"}
        if kind == "new":
            headers["connection"] = "close"
        body = {**BODY, "stream": kind == "stream"}
        while not self.stop.is_set():
            try:
                response = await client.post("/v1/chat/completions", json=body, headers=headers)
            except httpx.TransportError as exc:
                self.seen[kind, type(exc).__name__] += 1
                continue
            is_whole = response.text.endswith("data: [DONE]\n\n") if kind == "stream" else "Hello." in response.text
            self.seen[kind, "whole" if is_whole and response.status_code == 200 else response.status_code] += 1


async def spoken(peer) -> None:
    """An answer that takes a while when it is streamed."""
    if not peer.received.json.get("stream"):
        await chat(peer)
        return
    await peer.open_stream()
    await peer.event(delta("", role="assistant"))
    for _ in range(10):
        await peer.event(delta("word "))
        await asyncio.sleep(0.05)
    await peer.event(delta(finish="stop"))
    await peer.event("[DONE]")
    await peer.end_stream()


@pytest.mark.parametrize("upgrades", [1, pytest.param(3, marks=pytest.mark.slow)])
async def test_upgrades_under_load_lose_nobody_anything(tmp_path, upgrades):
    async with ModelServer() as server:
        server.script = spoken
        async with process(tmp_path, {"home": server}, gateway="workers: 2\n", limits={"home": 256}) as running:
            first = set(running.workers())
            load = Load(running)
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
            async with (
                httpx.AsyncClient(base_url=running.url, timeout=30, trust_env=False, limits=limits) as client,
                asyncio.TaskGroup() as group,
            ):
                for kind in ("kept", "kept", "kept", "new", "new", "stream", "stream", "stream", "stream"):
                    group.create_task(load.go(client, kind))
                for count in range(upgrades):
                    await upgraded(running, count + 1)
                load.stop.set()
            print(dict(load.seen))
            assert {outcome for _, outcome in load.seen} == {"whole"}
            assert all(load.seen[kind, "whole"] > 10 for kind in ("kept", "new", "stream"))
            assert first.isdisjoint(worker["pid"] for worker in events(running, "worker_started")[-2:])
            assert not events(running, "worker_died")
            # Those that were replaced end by themselves, once their clients have gone.
            await until(running, "worker_stopped", 2 * upgrades)
            assert len(running.workers()) == 2
            assert await running.stopped() == 0
            assert not events(running, "worker_killed")


async def test_a_policy_that_is_half_written_changes_nothing_and_is_said(tmp_path):
    async with ModelServer() as server, process(tmp_path, {"home": server}) as running:
        before = running.workers()
        policy = running.config / "policy.yaml"
        whole = policy.read_text()
        for broken in (whole[: len(whole) // 2], whole.replace("never: {label", "never: {labels"), ""):
            refusals = len(events(running, "upgrade_refused"))
            policy.write_text(broken)
            running.popen.send_signal(signal.SIGHUP)
            refused = await until(running, "upgrade_refused", refusals + 1)
            assert refused["reason"] == "the files were refused"
            assert running.workers() == before
        # What is wrong with them is in the log as it is when serve is started on them.
        assert "policy.yaml:" in running.log.read_text()
        async with httpx.AsyncClient(base_url=running.url, timeout=30, trust_env=False) as client:
            headers = {"authorization": f"Bearer {running.key}"}
            assert (await client.post("/v1/chat/completions", json=BODY, headers=headers)).status_code == 200
            policy.write_text(whole.replace("This model is in the cloud.", "This model is far away."))
            upgrade = await upgraded(running, 1)
            assert upgrade["bundle"] != events(running, "bundle_proved")[0]["bundle"]
        # On a connection of its own: one that was kept is answered once more by who has it.
        async with httpx.AsyncClient(base_url=running.url, timeout=30, trust_env=False) as client:
            response = await client.post(
                "/v1/chat/completions",
                json={"model": "chat-cloud", "messages": [{"role": "user", "content": "My SSN is 536-22-8723"}]},
                headers=headers,
            )
            assert (response.status_code, "far away" in response.text) == (403, True)
