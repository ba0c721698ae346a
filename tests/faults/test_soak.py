"""Memory under load: a real `tidegate serve`, a mix of everything, and what its processes hold resident over time.

Two minutes in `make test-slow`, an hour in `make soak`: `SOAK_S` in the environment says how long. The first quarter is
not counted: what is remembered by design, up to a bound, fills up in it.
"""

import asyncio
import os
import random
import time
from pathlib import Path

import pytest

from tests.fakes.model_server import ModelServer, Peer, chat, delta
from tests.fakes.process import Process, process
from tests.faults.asking import asked, request, resident_mib
from tests.paths.test_faults import then_reset

SOAK_S = float(os.environ.get("SOAK_S", "120"))
CLIENTS = 12
PER_10_MIN = 1.0
"""MiB that may come to be resident in ten minutes, where there is time enough to measure that."""
LONG_S = 1800.0
SHORT_MIB = 6.0
"""MiB between the first and the last of what is counted of a short soak, which is too short for a slope."""


def slope(points: list[tuple[float, float]]) -> float:
    """How fast the second rises with the first: least squares."""
    middle_x = sum(x for x, _ in points) / len(points)
    middle_y = sum(y for _, y in points) / len(points)
    spread = sum((x - middle_x) ** 2 for x, _ in points)
    return sum((x - middle_x) * (y - middle_y) for x, y in points) / spread


async def server_of_all_kinds(peer: Peer) -> None:
    """Mostly sound; now and then an error, a reset in the middle, or a stream that nobody reads to its end."""
    text = peer.received.json["messages"][0]["content"]
    if "reset" in text and peer.received.json.get("stream"):
        await then_reset(peer)
    elif "refuse" in text:
        await peer.answer(400, b'{"error": {"message": "no", "type": "x", "code": 400}}')
    elif "long" in text and peer.received.json.get("stream"):
        await peer.open_stream()
        for _ in range(200):
            if peer.received.gone.is_set():
                return
            await peer.event(delta("word " * 20))
        await peer.event(delta(finish="stop"))
        await peer.event("[DONE]")
        await peer.end_stream()
    else:
        await chat(peer)


async def client(running: Process, until: float, dice: random.Random) -> int:
    """Ask until then; how often."""
    count = 0
    while time.monotonic() < until:
        kind = dice.choice(("plain", "plain", "plain", "reset", "refuse", "long", "leave", "nonsense"))
        text = f"{kind} {dice.randrange(2000)}: my SSN is 536-22-8723, call 13912345678"
        data = request(running, text, stream=dice.random() < 0.5)
        if kind == "leave":
            reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
            writer.write(data)
            await reader.read(dice.choice((1, 200, 400)))
            writer.transport.abort()
        else:
            await asked(running, data[: len(data) - 40] + b"x" * 40 if kind == "nonsense" else data)
        count += 1
    return count


@pytest.mark.slow
@pytest.mark.timeout(SOAK_S + 300)
async def test_memory_does_not_grow_under_load(tmp_path):
    async with ModelServer() as server:
        server.script = server_of_all_kinds
        breaker = "    poll: none\n    breaker: {in_a_row: 1000, percent: 100, of: 100000}\n"

        def rewrite(config: Path) -> None:
            path = config / "pools.yaml"
            path.write_text(path.read_text().replace("    poll: none\n", breaker))

        limits = {"home": 256}
        async with process(
            tmp_path, {"home": server}, gateway="workers: 2\n", limits=limits, rewrite=rewrite
        ) as running:
            pids = [running.popen.pid, *running.workers()]
            began = time.monotonic()
            until = began + SOAK_S
            samples: list[tuple[float, float]] = []

            async def watch() -> None:
                while (now := time.monotonic()) < until:
                    samples.append((now - began, sum(map(resident_mib, pids))))
                    server.requests.clear()
                    await asyncio.sleep(1)

            async with asyncio.TaskGroup() as group:
                group.create_task(watch())
                clients = [group.create_task(client(running, until, random.Random(n))) for n in range(CLIENTS)]
            assert running.workers() == pids[1:]
    asked_in_all = sum(task.result() for task in clients)
    counted = [(at, mib) for at, mib in samples if at >= SOAK_S / 4]
    rise = slope(counted) * 600
    edge = max(1, len(counted) // 10)
    grown = sum(mib for _, mib in counted[-edge:]) / edge - sum(mib for _, mib in counted[:edge]) / edge
    print(
        f"\nsoak of {SOAK_S:.0f} s, {asked_in_all} requests: {samples[0][1]:.1f} MiB at first, "
        f"{samples[-1][1]:.1f} at the end; "
        f"after the first quarter {grown:+.2f} MiB, {rise:+.2f} MiB per 10 min (supervisor and two workers)"
    )
    if SOAK_S >= LONG_S:
        assert rise < PER_10_MIN
    else:
        assert grown < SHORT_MIB
