"""What limits cost a request, how long a reservation takes, and how exactly four gateways keep to one limit.

The first table is `bench/path.py`'s: the whole path in one process without the network, and calls of functions, which
no neighbour on the machine can touch. Redis is the Valkey of the wheel, on a socket file. `--flood` starts four
gateways with 500 requests in flight each and counts at the model server what they let through, for half a minute.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import uvloop
from machine import describe
from path import _KnownText, bodies, configured, measure

from gateway import settings
from gateway.core.findings import Evidence
from gateway.core.quota import Ask, Limits
from gateway.detect.scanner import build_scanner
from gateway.ports import Reservation
from gateway.runtime.clock import SystemClock
from gateway.stores.memory_quota import MemoryQuotaStore
from gateway.stores.redis_quota import RedisQuotaStore
from gateway.wire.requests import Dialect, parse
from tests.fakes.flood import ANSWER_TOKENS, PROMPT_TOKENS, Counting, flood, processes
from tests.fakes.valkey import Valkey, running_valkey

LARGE: Final = "requests_per_minute: 100000000, tokens_per_minute: 100000000"
ROWS: Final = {
    "no limits": ("", False),
    "limits in memory": (LARGE, False),
    "limits leased from Redis": (LARGE, True),
    "limits in Redis, one by one": (LARGE + ", concurrency: 1000", True),
}


def limited(folder: Path, limits: str, redis: Valkey | None) -> Path:
    """`folder` with a gateway whose tenant has these limits."""
    configured(folder)
    tenants, gateway = folder / "tenants.yaml", folder / "gateway.yaml"
    if limits:
        tenants.write_text(tenants.read_text().replace("{class: default,", f"{{class: default, limits: {{{limits}}},"))
    if redis is not None:
        stores = f"stores: {{state: {{address: 'unix:{redis.socket}', timeout: 1s}}}}\n"
        gateway.write_text(gateway.read_text() + stores)
    return folder


def costs(root: Path, redis: Valkey, turns: int) -> None:
    """The first table."""
    policy = settings.load(configured(root / "first"), {}).bundle.policy
    found = build_scanner(policy.markers).scan(Dialect.CHAT, parse(Dialect.CHAT, bodies()[0]).document)
    known = _KnownText(Evidence((), found.coverage))
    print(f"{'a request, nothing found, no scan':34}{'µs':>8}{'least':>8}{'calls':>8}")
    for number, (name, (limits, is_shared)) in enumerate(ROWS.items()):
        folder = limited(root / str(number), limits, redis if is_shared else None)
        figure = uvloop.run(measure(folder, known, is_streamed=False, turns=turns))
        print(f"{name:34}{figure['us']:>8.1f}{figure['least_us']:>8.1f}{figure['calls']:>8.0f}")


async def waits(redis: Valkey, in_flight: int, times: int) -> None:
    """How long a reservation takes that Redis has to be asked for."""
    took: list[float] = []
    async with redis.connection(timeout_s=1.0) as connection:
        clock = SystemClock()
        stand_in = MemoryQuotaStore(clock, is_stand_in=True)
        store = RedisQuotaStore(connection, stand_in, clock, holder="bench", workers=1, is_leasing=False)
        limits = Limits(100_000_000, 100_000_000, 100_000)

        async def ask(number: int) -> None:
            for turn in range(times):
                began = perf_counter()
                held = await store.reserve("tenant:a", f"{number}-{turn}", Ask(500), limits)
                took.append(perf_counter() - began)
                assert isinstance(held, Reservation)
                store.settle(held, Ask(300))

        await asyncio.gather(*(ask(number) for number in range(in_flight)))
        await store.finish()
    cuts = statistics.quantiles(took, n=100)
    print(f"{f'{in_flight} at once':34}p50 {cuts[49] * 1000:.2f} ms · p99 {cuts[98] * 1000:.2f} ms")


async def keeping(root: Path, redis: Valkey, limits: str, per_minute: int, unit: int, seconds: float) -> None:
    """How much four gateways let through, as a share of what the limit allows."""
    async with Counting().running() as model, processes(root, redis, limits, model, count=4) as (running, keys):
        ports = [await served.port() for served in running]
        result = await flood(ports, keys, model, in_flight=500, seconds=seconds)
    allowed = per_minute + per_minute / 60 * result.lasted_s
    print(
        f"{limits:34}{result.served * unit / allowed:.4f} of what is allowed in {result.lasted_s:.1f} s · "
        f"{result.answers[200]} let through, {result.answers[429]} refused, {result.answers[-1]} degraded"
    )


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--once", action="store_true", help="one turn for every row: do they still run?")
    parser.add_argument("--flood", action="store_true", help="four gateways with 500 requests in flight each, minutes")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, running_valkey() as redis:
        costs(Path(name), redis, 1 if options.once else 15)
        print(f"\n{'a reservation, round trip':34}")
        for in_flight in (1, 50):
            asyncio.run(waits(redis, in_flight, 20 if options.once else 400))
        if options.flood:
            print(f"\n{'four gateways, 500 in flight each':34}")
            unit = ANSWER_TOKENS + PROMPT_TOKENS
            for number, (limits, per_minute, each) in enumerate(
                (
                    ("requests_per_minute: 300", 300, 1),
                    ("requests_per_minute: 6000", 6000, 1),
                    ("tokens_per_minute: 200000", 200_000, unit),
                )
            ):
                redis.ask("FLUSHALL")
                asyncio.run(keeping(Path(name) / f"flood-{number}", redis, limits, per_minute, each, 30.0))
    print("\n" + " · ".join(f"{key} {value}" for key, value in describe(None).items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
