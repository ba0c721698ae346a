"""One simulated gateway: real settings, a real worker, and a scripted network, clock, chance and records around it."""

import asyncio
import functools
import random
from collections.abc import AsyncIterator
from concurrent.futures import Executor, Future
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from gateway.api.openai import Connection
from gateway.assemble import Worker
from gateway.core.records import Intent
from gateway.errors import AuditUnavailable
from gateway.runtime.audit import AuditLog
from gateway.settings import load
from gateway.world import World
from tests.fakes.house import POLICY, scanner_for, write_config
from tests.simulation.loop import LoopClock, VirtualLoop
from tests.simulation.servers import Server
from tests.simulation.wire import Place, Wire

POOLS = """\
apiVersion: tidegate/v1
pools:
  home:
    {zone: onprem, clearance: restricted, backend: openai, model: m, poll: none, max_in_flight: PLACES,
     endpoints: ["http://10.0.0.1:8000", {name: gpu-two, url: "http://gpu-two.internal:8000"}], capabilities: [tools]}
  home-b:
    {zone: onprem, clearance: restricted, backend: openai, model: m, poll: none, max_in_flight: PLACES,
     endpoints: ["http://10.0.1.1:8000"], capabilities: [tools]}
  burst:
    {zone: cloud, clearance: internal, backend: openai, model: m, poll: none, max_in_flight: PLACES,
     endpoints: ["http://cloud.example:8000"], capabilities: [tools]}
"""
CHANGES = (
    ("onprem: {networks: [127.0.0.0/8, unix]}", "onprem: {networks: [10.0.0.0/8]}"),
    ("cloud: {networks: [127.0.0.0/8], tls: optional}", "cloud: {networks: [203.0.113.0/24], tls: optional}"),
    # The second tenant's harmless work goes to the cloud first, and comes home when the cloud fails.
    (
        "  - {id: rest,",
        "  - {id: web, when: {tenant_class: web}, to: [burst], spill: [home, home-b], on_full: {queue: QUEUE}}\n"
        "  - {id: rest,",
    ),
)
"""What makes of the tests' policy one for this world."""

PLACES = {
    "home-1": ("10.0.0.1", 8000),
    "home-2": ("10.0.0.2", 8000),
    "home-b": ("10.0.1.1", 8000),
    "burst": ("203.0.113.5", 8000),
}
NAMES = {"gpu-two.internal": "10.0.0.2", "cloud.example": "203.0.113.5"}
CLOUD = PLACES["burst"]


class Inline(Executor):
    """Does at once what a thread would do."""

    def submit(self, fn, /, *args, **kwargs):
        done = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except Exception as exc:  # noqa: BLE001 -- handed to whoever waits
            done.set_exception(exc)
        return done


class MemoryAudit(AuditLog):
    """The audit log's book-keeping, without its thread and its disk. `is_broken` is a disk that is full."""

    def __init__(self, clock, keyring, folder: Path, *, buffer: int = 4096) -> None:
        super().__init__(folder, 0, keyring, clock, buffer=buffer)
        self.lines: list[bytes] = []
        self.outcomes: list[str] = []
        self.endings: dict[str, str] = {}
        self.is_broken = False
        self._held = 0

    @property
    def is_writable(self) -> bool:
        return not self.is_broken

    def open(self) -> None: ...

    def reserve(self, *, for_stranger: bool = False) -> None:
        if self.is_broken:
            raise AuditUnavailable
        self._held += 1

    def release(self) -> None:
        self._held -= 1

    def record(self, outcome) -> None:
        self._held -= 1
        self.outcomes.append(outcome.request_id)
        self.endings[outcome.request_id] = outcome.ending
        self.lines.append(msgspec.json.encode(outcome))

    def activated(self, *_, **__) -> None: ...

    async def committed(self, record) -> None:
        await asyncio.sleep(0.002)
        if self.is_broken:
            raise AuditUnavailable
        if isinstance(record, Intent):
            self.lines.append(msgspec.json.encode(record))

    def flush_and_close(self, timeout_s: float = 10.0) -> bool:
        return True

    @property
    def is_square(self) -> bool:
        """Whether every place that was reserved has been used or given back."""
        return self._held == 0


class BreakableScanner:
    """The real scanner, until it is told to fail."""

    def __init__(self, scanner) -> None:
        self._scanner = scanner
        self.is_broken = False
        self.digest = scanner.digest

    def scan(self, dialect, document, memo=None):
        if self.is_broken:
            return self._scanner.scan("no such dialect", document, memo)
        return self._scanner.scan(dialect, document, memo)


class Simulated:
    """What a scenario acts upon."""

    def __init__(self, loop, wire, worker, servers, keys, clock, audit, scanner, dice) -> None:
        self.loop: VirtualLoop = loop
        self.wire: Wire = wire
        self.worker: Worker = worker
        self.servers: dict[str, Server] = servers
        self.keys: tuple[str, str] = keys
        self.clock: LoopClock = clock
        self.audit: MemoryAudit = audit
        self.scanner: BreakableScanner = scanner
        self.dice: random.Random = dice
        self.faults: dict[str, str | None] = dict.fromkeys(servers)
        self.closed_at: float | None = None

    def door(self):
        """A new client connection's protocol."""
        return Connection(self.worker._plane, self.loop)

    def leaks(self) -> list[str]:
        """What the gateway still holds when nobody asks it for anything."""
        found = [
            f"{name}: {load.in_flight} in flight, {load.waiting} waiting"
            for name, load in self.worker._admission.load().items()
            if load.in_flight or load.waiting
        ]
        if self.worker._pipeline.in_flight:
            found.append(f"{self.worker._pipeline.in_flight} exchanges")
        if not self.audit.is_square:
            found.append("a reserved place in the audit log")
        for name, backend in self.worker._backends.items():
            idle = {connection for kept in backend._idle.values() for connection in kept}
            if busy := len(backend._open - idle):
                found.append(f"{busy} busy connections of {name}")
        for view in self.worker._endpoints.views():
            if view.in_flight:
                found.append(f"{view.in_flight} attempts at {view.endpoint}")
        return found


@functools.cache
def _settings(base: Path, places: int, queue: str):
    folder = base / f"{places}-{queue}"
    policy = POLICY
    for old, new in CHANGES:
        assert old in policy, old
        policy = policy.replace(old, new)
    keys = write_config(folder, {}, queue=queue, policy=policy, root="5e" * 32)
    tenants = folder / "tenants.yaml"
    tenants.write_text(
        tenants.read_text()
        .replace("hospital:", "web: {ceiling: internal}, hospital:")
        .replace("plain: {class: default}", "plain: {class: web}")
    )
    (folder / "pools.yaml").write_text(POOLS.replace("PLACES", str(places)))
    return load(folder, {}), keys


@asynccontextmanager
async def simulated(
    loop: VirtualLoop, base: Path, seed: int, *, places: int = 8, queue: str = "5s"
) -> AsyncIterator[Simulated]:
    """A gateway in `loop`, with the chance of `seed`; drained at the end."""
    dice = random.Random(seed)
    settings, keys = _settings(base, places, queue)
    clock = LoopClock(loop)
    audit = MemoryAudit(clock, settings.keyring(), base / "audit")
    scanner = BreakableScanner(scanner_for(settings.bundle.policy.markers))
    wire = Wire(names=dict(NAMES))
    loop.network = wire
    worker = Worker(
        settings, number=0, scanner=scanner, world=World(clock, random.Random(seed + 1).random, Inline(), audit)
    )
    subject = Simulated(loop, wire, worker, {}, keys, clock, audit, scanner, dice)
    for name, address in PLACES.items():
        server = Server(loop, functools.partial(subject.faults.get, name))
        subject.servers[name] = server
        wire.places[address] = Place(server.script, server.dial)
    by_name = {name: next(place for place, at in PLACES.items() if at[0] == address) for name, address in NAMES.items()}
    wire.name_faults = lambda host: subject.faults.get(by_name[host])
    ticking = loop.create_task(worker._tick(asyncio.Event()))
    try:
        yield subject
    finally:
        await worker._plane.drain(5.0)
        for backend in worker._backends.values():
            await backend.close()
        ticking.cancel()
        for task in tuple(wire.tasks):
            task.cancel()
        await asyncio.sleep(0.01)
        wire.close()
