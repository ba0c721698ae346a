"""One day of a pool at home that overflows into the cloud, in virtual time, with the gates that the gateway ships.

Work arrives as in an office: little at night, two peaks above what the pool can take, a batch of one tenant in the
afternoon. A fifth of it must stay home. Counted are how long that fifth waits for a place and how many tokens are
bought in the cloud, with and without places that are kept for it. Service times are those of real vLLM on a CPU as
measured for this project: 248 tokens/s for each of eight streams (1,982 together). Everything is drawn from one seed.
"""

import argparse
import heapq
import json
import math
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway.core.burst import SpillRules, Thresholds, lot
from gateway.core.gates import Called, GateRules, Gates
from gateway.core.waiting import Asker, Waiter

PLACES: Final = 8
CLOUD_PLACES: Final = 32
TOKENS_PER_S: Final = 1982 / PLACES
MEAN_TOKENS: Final = 300.0
SPREAD: Final = 0.8  # sigma of the logarithm: a few answers are ten times as long as most
SENSITIVE: Final = 0.2
QUEUE_S: Final = 10.0
DAY_S: Final = 86_400.0
BATCH_AT_S: Final = 14 * 3600.0
BATCH: Final = 1500
TICK_S: Final = 0.25
WINDOW_S: Final = 900.0
CAPACITY: Final = PLACES * TOKENS_PER_S / MEAN_TOKENS  # requests per second

HEADS: Final = (
    ("sensitive: p50", 15),
    ("p99", 8),
    ("worst", 8),
    ("away", 6),
    ("others: p99", 13),
    ("away", 7),
    ("cloud tokens", 14),
)

_ARRIVES, _ENDS, _GIVES_UP, _TICKS = range(4)


@dataclass(frozen=True, slots=True)
class Case:
    """One way to set the pool."""

    name: str
    reserved: int = 0
    open_at: float = 1.0
    share: float | None = None


CASES: Final = (
    Case("no burst", share=0.0),
    Case("burst, nothing kept"),
    Case("burst, 1 of 8 places kept", reserved=1),
    Case("burst, 2 of 8 places kept", reserved=2),
    Case("burst from 150 %, nothing kept", open_at=1.5),
    Case("burst from 150 %, 1 of 8 kept", reserved=1, open_at=1.5),
)


@dataclass(slots=True)
class Work:
    """One request of the day."""

    at: float
    tenant: str
    tokens: int
    is_sensitive: bool
    number: int


@dataclass(slots=True)
class Told:
    """What came of one case."""

    waits: list[tuple[float, float, bool]] = field(default_factory=list)  # when, how long, sensitive
    turned_away: int = 0
    sensitive_turned_away: int = 0
    at_home: int = 0
    cloud_tokens: list[tuple[float, int]] = field(default_factory=list)
    in_cloud: int = 0


def rate(at: float, peak: float) -> float:
    """Requests per second at `at` seconds after midnight."""
    hour = at / 3600
    office = math.exp(-(((hour - 10.5) / 1.6) ** 2)) + 0.9 * math.exp(-(((hour - 15.5) / 1.8) ** 2))
    return peak * (0.06 + 0.94 * min(1.0, office))


def day(seed: int, *, peak: float, scale: float) -> Iterator[Work]:
    """Every request of a day, in order. `scale` below 1 makes the day shorter and leaves the rates as they are."""
    chance = random.Random(seed)
    at, number, batch = 0.0, 0, int(BATCH * scale)
    batch_at = BATCH_AT_S * scale
    while True:
        at += chance.expovariate(peak)
        while batch and batch_at <= at:
            number, batch = number + 1, batch - 1
            yield _work(chance, batch_at, "batch", number)
            batch_at += 0.05
        if at > DAY_S * scale:
            return
        if chance.random() * peak < rate(at / scale, peak):
            number += 1
            yield _work(chance, at, f"team-{min(chance.randrange(12), chance.randrange(12))}", number)


def _work(chance: random.Random, at: float, tenant: str, number: int) -> Work:
    tokens = chance.lognormvariate(math.log(MEAN_TOKENS) - SPREAD**2 / 2, SPREAD)
    return Work(at, tenant, max(1, round(tokens)), chance.random() < SENSITIVE, number)


def simulate(case: Case, seed: int, *, peak: float, scale: float) -> Told:
    """The day under `case`."""
    rules = SpillRules(Thresholds(open_at=case.open_at, close_at=0.8, dwell_s=10.0))
    gates = Gates(
        (
            GateRules("home", PLACES, 256, reserved=case.reserved, spill=rules),
            GateRules("burst", CLOUD_PLACES, 256, is_cloud=True),
        )
    )
    gates.control(case.share, (), 0.0)
    told, waiting = Told(), {}
    events: list[tuple[float, int, int, object]] = []
    order = 0

    def later(at: float, what: int, who: object) -> None:
        nonlocal order
        order += 1
        heapq.heappush(events, (at, order, what, who))

    def begins(work: Work, pool: str, now: float) -> None:
        told.waits.append((work.at, now - work.at, work.is_sensitive))
        if pool == "burst":
            told.in_cloud += 1
            told.cloud_tokens.append((now, work.tokens))
        else:
            told.at_home += 1
        later(now + work.tokens / TOKENS_PER_S, _ENDS, pool)

    def hear(called: Sequence[Called], now: float) -> None:
        for one in called:
            work = waiting.pop(one.waiter)
            if one.to in ("home", "burst"):
                begins(work, str(one.to), now)
            else:
                turn_away(work)

    def turn_away(work: Work) -> None:
        told.turned_away += 1
        told.sensitive_turned_away += work.is_sensitive

    coming = day(seed, peak=peak, scale=scale)
    first = next(coming)
    later(first.at, _ARRIVES, first)
    later(TICK_S, _TICKS, None)
    while events:
        now, _, what, who = heapq.heappop(events)
        if what == _ARRIVES:
            assert isinstance(who, Work)
            following = next(coming, None)
            if following is not None:
                later(following.at, _ARRIVES, following)
            spill = () if who.is_sensitive else ("burst",)
            asker = Asker(who.tenant, may_leave=not who.is_sensitive, lot=lot(who.number))
            pool = gates.first(asker, ("home",), spill)
            if pool is not None:
                begins(who, pool, now)
                hear(gates.enter(pool, now), now)
                continue
            waiter, called = gates.wait(asker, ("home",), spill, now)
            if isinstance(waiter, Waiter):
                waiting[waiter] = who
                later(now + QUEUE_S, _GIVES_UP, waiter)
            else:
                turn_away(who)
            hear(called, now)
        elif what == _ENDS:
            hear(gates.leave(str(who), now), now)
        elif what == _GIVES_UP:
            assert isinstance(who, Waiter)
            work = waiting.pop(who, None)
            if work is not None:
                gates.forget(who)
                turn_away(work)
        else:
            hear(gates.tick(now), now)
            if events:
                later(now + TICK_S, _TICKS, None)
    return told


def row(case: Case, told: Told) -> dict[str, object]:
    """The figures of one case."""
    kept = sorted(wait for _, wait, is_sensitive in told.waits if is_sensitive)
    others = sorted(wait for _, wait, is_sensitive in told.waits if not is_sensitive)
    bought = sum(tokens for _, tokens in told.cloud_tokens)
    return {
        "case": case.name,
        "requests": len(told.waits) + told.turned_away,
        "sensitive_p50_s": round(_at(kept, 0.5), 3),
        "sensitive_p99_s": round(_at(kept, 0.99), 3),
        "sensitive_worst_s": round(kept[-1], 3),
        "sensitive_turned_away": told.sensitive_turned_away,
        "others_p99_s": round(_at(others, 0.99), 3),
        "others_turned_away": told.turned_away - told.sensitive_turned_away,
        "in_cloud": told.in_cloud,
        "cloud_tokens": bought,
    }


def _at(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def plot(found: Mapping[str, Told], scale: float) -> str:
    """The day as a picture: how long sensitive work waited, and what was bought in the cloud."""
    colours = {"burst, nothing kept": "#b5651d", "burst, 1 of 8 places kept": "#2c6e49", "no burst": "#7a869a"}
    window = WINDOW_S * scale
    count = round(DAY_S / WINDOW_S)
    left, right, width = 70, 920, 850
    lines = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 960 520" font-family="system-ui, sans-serif" role="img"'
        ' aria-label="A simulated day: waiting of work that must stay home, and tokens bought in the cloud">',
        '<rect width="960" height="520" fill="#fbfaf7"/>',
        '<text x="40" y="34" font-size="17" font-weight="600" fill="#16324f">p99 wait of work that must stay home,'
        " seconds, per quarter of an hour</text>",
        '<text x="40" y="294" font-size="17" font-weight="600" fill="#16324f">Tokens bought in the cloud, thousands,'
        " per quarter of an hour</text>",
    ]
    panels = ((60, 240, _waits), (320, 470, _bought))
    for top, bottom, figures in panels:
        series = {name: figures(found[name], window, count) for name in colours if name in found}
        most = max(max(values) for values in series.values()) or 1.0
        for part in range(5):
            y = bottom - (bottom - top) * part / 4
            lines.append(f'<path d="M{left} {y:.1f} H{right}" stroke="#dde3e8"/>')
            lines.append(
                f'<text x="{left - 8}" y="{y + 4:.1f}" font-size="12" text-anchor="end" fill="#40566b">'
                f"{most * part / 4:.3g}</text>"
            )
        for name, values in series.items():
            points = " ".join(
                f"{left + width * (index + 0.5) / count:.1f},{bottom - (bottom - top) * value / most:.1f}"
                for index, value in enumerate(values)
            )
            lines.append(f'<polyline points="{points}" fill="none" stroke="{colours[name]}" stroke-width="2"/>')
        for hour in range(0, 25, 3):
            x = left + width * hour / 24
            lines.append(
                f'<text x="{x:.1f}" y="{bottom + 18}" font-size="12" text-anchor="middle" fill="#40566b">{hour}</text>'
            )
    for index, (name, colour) in enumerate(colours.items()):
        x = 90 + 290 * index
        lines.append(f'<path d="M{x} 505 h26" stroke="{colour}" stroke-width="3"/>')
        lines.append(f'<text x="{x + 34}" y="509" font-size="13" fill="#16324f">{name}</text>')
    return "\n".join([*lines, "</svg>", ""])


def _waits(told: Told, window: float, count: int) -> list[float]:
    parts: list[list[float]] = [[] for _ in range(count)]
    for at, wait, is_sensitive in told.waits:
        if is_sensitive:
            parts[min(count - 1, int(at / window))].append(wait)
    return [_at(sorted(part), 0.99) if part else 0.0 for part in parts]


def _bought(told: Told, window: float, count: int) -> list[float]:
    parts = [0.0] * count
    for at, tokens in told.cloud_tokens:
        parts[min(count - 1, int(at / window))] += tokens / 1000
    return parts


def main() -> int:
    """Print the table; `--json` and `--svg` write it down."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--peak", type=float, default=1.3, help="arrivals at the peak, as a multiple of the capacity")
    parser.add_argument("--once", action="store_true", help="a day of twenty minutes: does it still run?")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--svg", type=Path)
    arguments = parser.parse_args()
    scale = 1 / 72 if arguments.once else 1.0
    peak = arguments.peak * CAPACITY
    found = {case.name: simulate(case, arguments.seed, peak=peak, scale=scale) for case in CASES}
    rows = [row(case, found[case.name]) for case in CASES]
    print(f"capacity at home {CAPACITY:.2f} requests/s, peak {peak:.2f}, {rows[0]['requests']} requests")
    print(" " * 34 + "".join(f"{head:>{wide}}" for head, wide in HEADS))
    for one in rows:
        print(
            f"{one['case']:34}{one['sensitive_p50_s']:>14} s{one['sensitive_p99_s']:>8}{one['sensitive_worst_s']:>8}"
            f"{one['sensitive_turned_away']:>6}{one['others_p99_s']:>13}{one['others_turned_away']:>7}"
            f"{one['cloud_tokens']:>14,}"
        )
    if arguments.json is not None:
        arguments.json.write_text(json.dumps({"peak": peak, "seed": arguments.seed, "rows": rows}, indent=2) + "\n")
    if arguments.svg is not None:
        arguments.svg.write_text(plot(found, scale))
    return 0


if __name__ == "__main__":
    sys.exit(main())
