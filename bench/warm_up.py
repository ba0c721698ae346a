"""An office day with a cloud pool that goes down to nothing: with a warm-up by the trend at home, and without.

Two rushes, each a quarter of an hour on its way from a tenth of what home can take to a third more than all of it. A
fifth of the work must stay home. What may leave finds the pool in the cloud up, down or on its way up, which takes as
long as `--takes` says. Without a warm-up the first request that meets it down starts it, and whoever comes meanwhile
waits at home, ten seconds at most. With one, `core/warm_up.py` has it started by the trend. It goes down when nobody
was there for a quarter of an hour and no warm-up holds it. Everything is drawn from one seed, in virtual time, with the
gates that the gateway ships.
"""

import argparse
import heapq
import json
import math
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway.core.burst import SpillRules, Thresholds, lot
from gateway.core.gates import Called, GateRules, Gates
from gateway.core.waiting import Asker, Waiter
from gateway.core.warm_up import Trend, WarmUp

PLACES: Final = 32
CLOUD_PLACES: Final = 64
TOKENS_PER_S: Final = 50.0
MEAN_TOKENS: Final = 300.0
SPREAD: Final = 0.8
SENSITIVE: Final = 0.2
QUEUE_S: Final = 10.0
TICK_S: Final = 0.25
CAPACITY: Final = PLACES * TOKENS_PER_S / MEAN_TOKENS  # requests per second
RUSHES: Final = ((9.0, 11.0), (14.0, 16.5))  # from the middle of its rise to the middle of its fall, in hours
BEGIN_S, END_S = 7 * 3600.0, 19 * 3600.0
IDLE_S: Final = 900.0
HOLD_S: Final = 1800.0

_ARRIVES, _ENDS, _GIVES_UP, _TICKS = range(4)


@dataclass(frozen=True, slots=True)
class Case:
    """How the pool in the cloud is kept."""

    name: str
    is_always_up: bool = False
    warms: bool = False
    hold_s: float = HOLD_S


CASES: Final = (
    Case("always up", is_always_up=True),
    Case("from nothing, no warm-up"),
    Case("from nothing, warm-up by trend", warms=True),
)


@dataclass(slots=True)
class Work:
    """One request of the day."""

    at: float
    tokens: int
    is_sensitive: bool
    number: int


def rate(at: float, peak: float, rise_s: float) -> float:
    """Requests per second at `at` seconds after midnight."""
    share = 0.0
    for begin, end in RUSHES:
        up, down = (at - begin * 3600) / rise_s + 0.5, (end * 3600 - at) / rise_s + 0.5
        share = max(share, min(1.0, up, down))
    return max(0.1 * CAPACITY, peak * share)


def day(seed: int, peak: float, rise_s: float, end_s: float) -> Iterator[Work]:
    """Every request of a day, in order."""
    chance, at, number = random.Random(seed), BEGIN_S, 0
    while (at := at + chance.expovariate(peak)) < end_s:
        if chance.random() * peak < rate(at, peak, rise_s):
            number += 1
            tokens = chance.lognormvariate(math.log(MEAN_TOKENS) - SPREAD**2 / 2, SPREAD)
            yield Work(at, max(1, round(tokens)), chance.random() < SENSITIVE, number)


@dataclass(slots=True)
class Cloud:
    """The pool in the cloud: since when it is billed, and from when on it answers."""

    takes_s: float
    billed_since: float | None = None
    up_at: float = 0.0
    used_at: float = 0.0
    held_until: float = 0.0
    billed_s: float = 0.0
    starts: int = 0
    warm_ups: int = 0

    def is_up(self, now: float) -> bool:
        return self.billed_since is not None and now >= self.up_at

    def start(self, now: float) -> None:
        if self.billed_since is None:
            self.billed_since, self.up_at, self.starts = now, now + self.takes_s, self.starts + 1
            self.used_at = self.up_at

    def look(self, now: float, in_flight: int) -> None:
        if in_flight:
            self.used_at = now
        if self.billed_since is not None and now > max(self.used_at + IDLE_S, self.held_until, self.up_at):
            self.billed_s += now - self.billed_since
            self.billed_since = None


@dataclass(slots=True)
class Told:
    """What came of one case."""

    waits: dict[bool, list[float]] = field(default_factory=lambda: {True: [], False: []})
    away: dict[bool, int] = field(default_factory=lambda: {True: 0, False: 0})
    in_cloud: int = 0


def simulate(case: Case, coming: Iterator[Work], *, takes_s: float) -> tuple[Told, Cloud]:
    """The day under `case`. The pool in the cloud is drained while it is not up, as an endpoint that says so is."""
    rules = SpillRules(Thresholds(open_at=1.0, close_at=0.8, dwell_s=10.0))
    gates = Gates(
        (
            GateRules("home", PLACES, 256, reserved=3, spill=rules),
            GateRules("burst", CLOUD_PLACES, 256, is_cloud=True),
        )
    )
    told, waiting = Told(), {}
    cloud, trend, warm = Cloud(takes_s), Trend(takes_s), WarmUp(case.hold_s)
    if case.is_always_up:
        cloud.start(BEGIN_S - takes_s)
        cloud.held_until = math.inf
    events: list[tuple[float, int, int, object]] = []
    order, looked, was_up = 0, 0.0, None

    def later(at: float, what: int, who: object) -> None:
        nonlocal order
        order += 1
        heapq.heappush(events, (at, order, what, who))

    def begins(work: Work, pool: str, now: float) -> None:
        told.waits[work.is_sensitive].append(now - work.at)
        told.in_cloud += pool == "burst"
        later(now + work.tokens / TOKENS_PER_S, _ENDS, pool)

    def hear(called: Sequence[Called], now: float) -> None:
        for one in called:
            work = waiting.pop(one.waiter)
            if one.to in ("home", "burst"):
                begins(work, str(one.to), now)
            else:
                told.away[work.is_sensitive] += 1

    def follow(now: float) -> None:
        nonlocal was_up
        is_up = cloud.is_up(now)
        if is_up is not was_up:
            was_up = is_up
            hear(gates.control(None, () if is_up else ("burst",), now), now)

    first = next(coming)
    later(first.at, _ARRIVES, first)
    later(BEGIN_S + TICK_S, _TICKS, None)
    now = 0.0
    while events:
        now, _, what, who = heapq.heappop(events)
        follow(now)
        if what == _ARRIVES:
            assert isinstance(who, Work)
            following = next(coming, None)
            if following is not None:
                later(following.at, _ARRIVES, following)
            spill = () if who.is_sensitive else ("burst",)
            asker = Asker("office", may_leave=not who.is_sensitive, lot=lot(who.number))
            pool = gates.first(asker, ("home",), spill)
            if pool is not None:
                begins(who, pool, now)
                hear(gates.enter(pool, now), now)
                continue
            if spill and not cloud.is_up(now):
                cloud.start(now)  # the first that would have gone there
            waiter, called = gates.wait(asker, ("home",), spill, now)
            if isinstance(waiter, Waiter):
                waiting[waiter] = who
                later(now + QUEUE_S, _GIVES_UP, waiter)
            else:
                told.away[who.is_sensitive] += 1
            hear(called, now)
        elif what == _ENDS:
            hear(gates.leave(str(who), now), now)
        elif what == _GIVES_UP:
            assert isinstance(who, Waiter)
            work = waiting.pop(who, None)
            if work is not None:
                gates.forget(who)
                told.away[work.is_sensitive] += 1
        else:
            hear(gates.tick(now), now)
            if now - looked >= 1.0:
                looked = now
                trend.add(gates.pressure("home"), now)
                cloud.look(now, gates.in_flight("burst"))
                if case.warms and warm.wants(now, trend.level, trend.at(now + takes_s), takes_s):
                    warm.began(now, now + case.hold_s)
                    cloud.start(now)
                    cloud.held_until, cloud.warm_ups = now + case.hold_s, cloud.warm_ups + 1
            if events:
                later(now + TICK_S, _TICKS, None)
    if cloud.billed_since is not None:
        cloud.billed_s += now - max(cloud.billed_since, BEGIN_S)
    return told, cloud


def row(case: Case, told: Told, cloud: Cloud) -> dict[str, object]:
    """The figures of one case."""
    kept, others = sorted(told.waits[True]), sorted(told.waits[False])
    return {
        "case": case.name,
        "requests": len(kept) + len(others) + sum(told.away.values()),
        "sensitive_p99_s": round(_at(kept, 0.99), 2),
        "sensitive_away": told.away[True],
        "others_p99_s": round(_at(others, 0.99), 2),
        "others_away": told.away[False],
        "in_cloud": told.in_cloud,
        "starts": cloud.starts,
        "warm_ups": cloud.warm_ups,
        "billed_hours": round(cloud.billed_s / 3600, 2),
    }


def _at(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def main() -> int:
    """Print the table; `--json` writes it down."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--peak", type=float, default=1.3, help="arrivals at the peak, as a multiple of the capacity")
    parser.add_argument("--rise", type=float, default=900.0, help="seconds that a rush takes to come")
    parser.add_argument("--takes", type=float, default=300.0, help="seconds that a start takes")
    parser.add_argument("--once", action="store_true", help="until ten past nine: does it still run?")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    end_s = 9 * 3600.0 + 600 if arguments.once else END_S
    peak, rows = arguments.peak * CAPACITY, []
    for case in CASES:
        coming = day(arguments.seed, peak, arguments.rise, end_s)
        told, cloud = simulate(case, coming, takes_s=arguments.takes)
        rows.append(row(case, told, cloud))
    heads = tuple(rows[0])
    print(f"{heads[0]:32}" + "".join(f"{head:>16}" for head in heads[1:]))
    for one in rows:
        print(f"{one['case']:32}" + "".join(f"{one[head]!s:>16}" for head in heads[1:]))
    if arguments.json is not None:
        arguments.json.write_text(
            json.dumps({"peak": peak, "rise_s": arguments.rise, "takes_s": arguments.takes, "rows": rows}, indent=2)
            + "\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
