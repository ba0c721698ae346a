"""What happens in a run, drawn from its seed: who asks when and how, which faults befall whom, alone and in pairs."""

import asyncio
import random
from dataclasses import dataclass, field
from pathlib import Path

from tests.simulation.clients import Client, Told, token
from tests.simulation.loop import VirtualLoop
from tests.simulation.oracle import faults_of
from tests.simulation.servers import FAULTS
from tests.simulation.world import CLOUD, PLACES, simulated

OWN_FAULTS = ("audit", "scanner", "clock back", "clock on", "drain")


@dataclass(frozen=True)
class Trouble:
    """`fault` befalls `place` (a server, or the gateway itself) from `start` to `end`, seconds into the run."""

    place: str
    fault: str
    start: float
    end: float


@dataclass(frozen=True)
class Scenario:
    """One run. Everything follows from `seed`; `troubles` and `clients` say how much there is of it."""

    seed: int
    troubles: tuple[Trouble, ...]
    requests: int
    span_s: float
    places: int


@dataclass
class Run:
    """What came of one."""

    scenario: Scenario
    tolds: list[Told] = field(default_factory=list)
    breaches: list[str] = field(default_factory=list)
    calls: int = 0  # that reached or tried to reach a server
    virtual_s: float = 0.0


def draw(seed: int, *, requests: int = 20) -> Scenario:
    """The scenario of a seed."""
    dice = random.Random(seed)
    troubles = []
    for _ in range(dice.choice((0, 1, 1, 2, 2, 2))):
        start = dice.uniform(0, 6)
        place = dice.choice((*PLACES, *PLACES, "gateway"))
        fault = dice.choice(OWN_FAULTS if place == "gateway" else FAULTS)
        troubles.append(Trouble(place, fault, start, start + dice.choice((0.05, 0.5, 3.0, 30.0))))
    return Scenario(seed, tuple(troubles), requests, dice.choice((0.2, 2.0, 8.0)), dice.choice((1, 3, 8)))


def run(scenario: Scenario, base: Path) -> Run:
    """Run one scenario to its end, in a loop of its own."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(_run(loop, scenario, base))
    finally:
        loop.close()


async def _run(loop: VirtualLoop, scenario: Scenario, base: Path) -> Run:
    result = Run(scenario)
    dice = random.Random(scenario.seed ^ 0x5EED)
    began = loop.time()
    async with simulated(loop, base, scenario.seed, places=scenario.places) as subject:
        befalling = [loop.create_task(_befall(subject, trouble)) for trouble in scenario.troubles]

        async def one(at: float, client: Client) -> None:
            await asyncio.sleep(at)
            result.tolds.append(await client.run(subject.door, subject.wire.pair))

        clients = [_client(loop, subject, dice) for _ in range(scenario.requests)]
        async with asyncio.timeout(3600):
            await asyncio.gather(*(one(dice.uniform(0, scenario.span_s), client) for client in clients))
        for task in befalling:
            task.cancel()
        subject.faults.update(dict.fromkeys(subject.faults))
        await asyncio.sleep(1.0)
        served = [record for server in subject.servers.values() for record in server.served]
        result.calls = len(served)
        result.breaches = faults_of(
            result.tolds,
            served,
            subject.wire.carried,
            subject.wire.asked,
            subject.audit.lines,
            cloud=CLOUD,
            closed_at=subject.closed_at,
        )
        result.breaches += [f"leaked: {leak}" for leak in subject.leaks()]
        if len(set(subject.audit.outcomes)) != len(subject.audit.outcomes):
            result.breaches.append("a request settled twice")
    result.virtual_s = loop.time() - began
    return result


def _client(loop: VirtualLoop, subject, dice: random.Random) -> Client:
    return Client(
        loop,
        subject.keys[dice.randrange(2)],
        token(dice),
        is_secret=dice.random() < 0.5,
        is_streamed=dice.random() < 0.6,
        model=dice.choice(("chat", "chat", "chat", "chat-home")),
        leaves_after=dice.choice((None, None, None, None, 0.001, 0.03, 0.3, 7.0)),
        takes=dice.choice((None, None, None, None, 200.0)),
    )


async def _befall(subject, trouble: Trouble) -> None:
    await asyncio.sleep(trouble.start)
    _apply(subject, trouble, is_on=True)
    await asyncio.sleep(trouble.end - trouble.start)
    _apply(subject, trouble, is_on=False)


def _apply(subject, trouble: Trouble, *, is_on: bool) -> None:
    if trouble.place != "gateway":
        subject.faults[trouble.place] = trouble.fault if is_on else None
        return
    match trouble.fault:
        case "audit":
            subject.audit.is_broken = is_on
        case "scanner":
            subject.scanner.is_broken = is_on
        case "clock back":
            subject.clock.skew = -86_400.0 if is_on else 0.0
        case "clock on":
            subject.clock.skew = 86_400.0 if is_on else 0.0
        case "drain" if is_on:
            subject.closed_at = subject.loop.time()
            subject.loop.create_task(subject.worker._plane.drain(20.0))
