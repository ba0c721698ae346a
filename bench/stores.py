"""What a Redis costs: CPU and time per command, and memory per reply on record. `.venv/bin/python bench/stores.py`.

A Valkey of its own on a socket, everything on this machine. Where redis-py happens to be installed, it is asked the
same over the same socket, in turn, since what counts is the ratio; least of several rounds, since others work here.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from gateway.core.keyed_hash import KeyedHash
from gateway.runtime.clock import SystemClock
from gateway.stores.redis_connection import Script
from gateway.stores.redis_taint import RedisTaintStore
from gateway.stores.sightings import Sightings
from tests.fakes.valkey import Valkey, running_valkey

ROUNDS = 7
COMMANDS = 1000
REPLIES = 20_000
ADD = Script("return redis.call('INCRBY', KEYS[1], ARGV[1])")

Ask = Callable[[], Awaitable[object]]


async def spent(ask: Ask, together: int) -> tuple[float, float]:
    """Microseconds of CPU and of time per command, `together` at a time."""
    cpu, began = time.process_time(), time.perf_counter()
    for _ in range(COMMANDS // together):
        await asyncio.gather(*(ask() for _ in range(together))) if together > 1 else await ask()
    return (time.process_time() - cpu) / COMMANDS * 1e6, (time.perf_counter() - began) / COMMANDS * 1e6


async def commands(valkey: Valkey) -> None:
    async with valkey.connection(timeout_s=1.0) as redis:
        asks: dict[str, Ask] = {"tidegate": lambda: redis.call(ADD, ["k"], [1])}
        if find_spec("redis") is not None:
            import redis.asyncio as peer

            pool = peer.BlockingConnectionPool(
                connection_class=peer.UnixDomainSocketConnection, path=valkey.socket, max_connections=64
            )
            script = peer.Redis(connection_pool=pool).register_script(ADD.source)
            asks[f"redis-py {peer.__dict__.get('__version__', '')}".strip()] = lambda: script(["k"], [1])
        for together in (1, 50):
            best: dict[str, tuple[float, float]] = {}
            for _ in range(ROUNDS):
                for name, ask in asks.items():
                    cpu, took = await spent(ask, together)
                    least = best.get(name, (cpu, took))
                    best[name] = min(least[0], cpu), min(least[1], took)
            ours = best["tidegate"][0]
            for name, (cpu, took) in best.items():
                what = f"a script, {together:>2} at once, {name:<12}"
                print(f"{what}: {cpu:6.1f} µs CPU ({cpu / ours:.1f} ×), {took:6.1f} µs")


async def record(valkey: Valkey, folder: Path) -> None:
    valkey.ask("FLUSHALL")
    async with valkey.connection(timeout_s=1.0) as redis:
        store = RedisTaintStore(
            redis, KeyedHash(b"k" * 32), SystemClock(), ttl_s=43_200.0, sightings=Sightings(folder), is_first=True
        )
        await store.look()
        before = used(valkey)
        marks = [number.to_bytes(16, "big") for number in range(REPLIES)]
        for mark in marks:
            store.remember((mark,), "restricted")
            if mark[-1] == 0:
                await redis.execute("PING")
        await redis.execute("PING")
        each = (used(valkey) - before) / REPLIES
        print(f"a reply on record: {each:.0f} bytes in Redis, a million {each * 1e6 / 2**20:.0f} MiB")
        times = []
        for number in range(2000):
            began = time.perf_counter()
            found = await store.read(marks[number : number + 10])
            times.append(time.perf_counter() - began)
            assert found is not None
            assert len(found) == 10
        times.sort()
        p50, p99 = times[len(times) // 2] * 1e6, times[len(times) * 99 // 100] * 1e6
        print(f"looking up a history of 10 replies: p50 {p50:.0f} µs, p99 {p99:.0f} µs")


def used(valkey: Valkey) -> int:
    told = valkey.ask("INFO", "memory").decode()
    return int(told.split("used_memory:")[1].split("\r\n")[0])


async def main() -> None:
    with running_valkey() as valkey:
        await commands(valkey)
        await record(valkey, valkey.folder)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    uvloop.run(main())
