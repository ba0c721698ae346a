"""The figures of resilience.md that virtual time can tell: each is measured, printed beside its target, and judged.

Virtual time counts waiting and nothing else: what the gateway computes takes none of it. What these figures say is
what its timers, retries and queues do.
"""

import asyncio
import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.simulation.clients import Client, Told, token
from tests.simulation.loop import VirtualLoop
from tests.simulation.world import PLACES, Simulated, simulated

HOME = ("home-1", "home-2", "home-b")


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    name: str
    said: str
    target: str
    holds: bool


def _in_a_world(base: Path, seed: int, work, **options):
    loop = VirtualLoop()

    async def inside():
        async with simulated(loop, base, seed, **options) as subject:
            return await work(subject)

    try:
        return loop.run_until_complete(inside())
    finally:
        loop.close()


async def ask(subject: Simulated, *, at: float = 0.0, model: str = "chat", streamed: bool = True, **more) -> Told:
    """One request, `at` seconds from now."""
    await asyncio.sleep(at)
    client = Client(subject.loop, subject.keys[0], token(subject.dice), False, streamed, model, **more)
    return await client.run(subject.door, subject.wire.pair)


def quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]


def failover(base: Path) -> Figure:
    """How much later the first byte comes when an endpoint refuses the connection."""

    async def work(subject: Simulated) -> tuple[float, float]:
        usual = [told.first_at - told.asked_at for told in [await ask(subject) for _ in range(20)]]
        worst = 0.0
        for name in HOME[:2]:
            subject.faults[name] = "refused"
            await subject.worker._backends["home"].close()  # a server that has gone takes its connections with it
            dialled = len(subject.wire.dialled)
            tolds = [await ask(subject) for _ in range(20)]
            assert all(told.status == 200 for told in tolds)
            assert PLACES[name] in [address for _, address in subject.wire.dialled[dialled:]]
            worst = max(worst, *(told.first_at - told.asked_at for told in tolds))
            subject.faults[name] = None
        return min(usual), worst

    usual, worst = _in_a_world(base, 1, work)
    added = (worst - usual) * 1000
    return Figure("failover on a refused connection", f"{added:.1f} ms at worst", "≤ 50 ms", added <= 50)


def calls_while_down(base: Path) -> Figure:
    """Upstream calls for each client call while every endpoint of a model is down."""

    async def work(subject: Simulated) -> float:
        for name in HOME[:2]:
            subject.faults[name] = "500"
        asked = 600
        tolds = await asyncio.gather(*(ask(subject, at=n / 10, model="chat-home") for n in range(asked)))
        assert not any(told.status == 200 for told in tolds)
        return sum(len(server.served) for server in subject.servers.values()) / asked

    ratio = _in_a_world(base, 2, work)
    return Figure("upstream calls per client call while down", f"{ratio:.2f}", "≤ 1.2", ratio <= 1.2)


def stall(base: Path) -> Figure:
    """When a stream that says nothing more is given up."""

    async def work(subject: Simulated) -> float:
        for name in HOME:
            subject.faults[name] = "stall"
        told = await ask(subject, model="chat-home")
        assert b'"error"' in told.body
        assert b"[DONE]" not in told.body
        return told.ended_at - told.first_at

    seconds = _in_a_world(base, 3, work)
    return Figure("a stall is noticed after", f"{seconds:.1f} s", "15 ± 1 s", 14 <= seconds <= 16)


def recovery(base: Path) -> Figure:
    """From the moment a model server heals to the first answer, for servers that were down for up to a minute."""

    def one(seed: int) -> float:
        async def work(subject: Simulated) -> float:
            dice = random.Random(seed)
            down = dice.choice(("refused", "500", "black hole", "reset before"))
            heals_at = subject.loop.time() + dice.uniform(5, 60)
            for name in HOME[:2]:
                subject.faults[name] = down
            while True:
                if subject.loop.time() >= heals_at:
                    subject.faults.update(dict.fromkeys(HOME))
                told = await ask(subject, model="chat-home")
                if told.status == 200 and told.asked_at >= heals_at:
                    return told.ended_at - heals_at
                await asyncio.sleep(0.2)

        return _in_a_world(base, seed, work)

    p95 = quantile([one(seed) for seed in range(100, 140)], 0.95)
    return Figure("recovery after the model server heals, p95", f"{p95:.1f} s", "≤ 7 s", p95 <= 7)


def nothing_left(base: Path) -> Figure:
    """When every server is full, the client hears it at once, and when to come back."""

    async def work(subject: Simulated) -> tuple[float, int]:
        for name in subject.servers:
            subject.faults[name] = "503"
        tolds = [await ask(subject, streamed=n % 2 == 0) for n in range(20)]
        assert all(told.status in (429, 503) for told in tolds), [told.status for told in tolds]
        # A server's own time to say no is not ours: the slowest path asks each of three.
        own = max(told.ended_at - told.asked_at for told in tolds) - 3 * 0.022
        return own * 1000, sum(told.retry_after_s is not None for told in tolds)

    ms, with_header = _in_a_world(base, 4, work)
    holds = ms <= 100 and with_header == 20
    return Figure(
        "an error with nothing left to try",
        f"{ms:.0f} ms, {with_header} of 20 with Retry-After",
        "≤ 100 ms, all",
        holds,
    )


def overload(base: Path) -> tuple[Figure, Figure]:
    """Ten times what the servers can take: what still gets through, and how soon the rest hears so."""

    async def load(subject: Simulated, rate: float, seconds: float) -> tuple[float, list[Told]]:
        tolds = await asyncio.gather(
            *(ask(subject, at=n / rate, streamed=False, model="chat-home") for n in range(int(rate * seconds)))
        )
        good = [told for told in tolds if told.status == 200]
        span = max(told.ended_at for told in tolds) - min(told.asked_at for told in tolds)
        return len(good) / span, [told for told in tolds if told.status != 200]

    # Two servers of eight places, 80 ms each: 8 places in the pool, hence 100 a second.
    peak, _ = _in_a_world(base, 5, lambda subject: load(subject, 120, 6))
    goodput, shed = _in_a_world(base, 5, lambda subject: load(subject, 1000, 6))
    share, p99 = goodput / peak, quantile([told.ended_at - told.asked_at for told in shed], 0.99) * 1000
    return (
        Figure("goodput at 10 × overload", f"{share:.0%} of the peak", "≥ 90 %", share >= 0.9),
        Figure("answers to what is shed, p99", f"{p99:.0f} ms", "≤ 50 ms", p99 <= 50),
    )


ALL: tuple[Callable[[Path], Figure | tuple[Figure, ...]], ...] = (
    failover,
    calls_while_down,
    stall,
    recovery,
    nothing_left,
    overload,
)


def measured(base: Path) -> list[Figure]:
    """Every figure."""
    found: list[Figure] = []
    for one in ALL:
        said = one(base)
        found += said if isinstance(said, tuple) else (said,)
    return found
