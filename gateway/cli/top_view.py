"""The page of `tidegate top`, worked out of two accounts of figures: what stands in the later, and what came between.

Pure: accounts in, lines out. Times are upper ends of the buckets in which values lie, so they are never flattering.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.cli.demo_table import Colour, fit, painted, width
from gateway.cli.top_words import say
from gateway.core import measures
from gateway.core.burst_budget import WINDOWS
from gateway.core.figures import Account, Family, Spread
from gateway.core.records import Ending
from gateway.policy.words import Language

_WELL: Final = frozenset({Ending.COMPLETED, Ending.CLIENT_GONE})
_MOST_ENDPOINTS: Final = 12
_MISSING: Final = "–"
_SERVER_STATES: Final = ("running", "waiting")


@dataclass(frozen=True, slots=True)
class Line:
    """One line, and what it means as a whole."""

    text: str
    colour: Colour | None = None


class _Between:
    """What came between two accounts, and what stands in the later."""

    def __init__(self, before: Account, now: Account) -> None:
        self._before = before
        self._now = now
        self._seconds = max(now.at - before.at, 1e-3)

    def now(self, family: Family, **where: str) -> float:
        return sum(self._values(self._now, family, where))

    def rate(self, family: Family, **where: str) -> float:
        """How much a second. Figures that rise never fall, but a gateway may have been started anew."""
        before, now = (sum(self._values(account, family, where)) for account in (self._before, self._now))
        return max(0.0, now - before) / self._seconds

    def spread(self, family: Family, **where: str) -> Spread:
        """What was seen in between."""
        found = Spread.over(family.bounds)
        for labels, spread in self._now.spreads.get(family.name, {}).items():
            if _fits(family, labels, where):
                known = self._before.spreads.get(family.name, {}).get(labels)
                found.join(spread)
                if known is not None and known.count <= spread.count:
                    found.join(Spread([-count for count in known.counts], -known.sum))
        return found

    def labels(self, family: Family) -> Sequence[tuple[str, ...]]:
        return sorted(self._now.numbers.get(family.name, {}))

    @staticmethod
    def _values(account: Account, family: Family, where: dict[str, str]) -> Iterator[float]:
        for labels, value in account.numbers.get(family.name, {}).items():
            if _fits(family, labels, where):
                yield value


def page(before: Account, now: Account, spoken: Language) -> Iterator[Line]:
    """Everything that the page shows."""
    seen = _Between(before, now)
    yield from _gateway(seen, spoken)
    yield Line("")
    yield from _pools(seen, spoken)
    yield Line("")
    yield from _endpoints(seen, spoken)


def drawn(lines: Iterator[Line], *, columns: int, rows: int | None, in_colour: bool) -> str:
    """The page as text: no line longer than the terminal is wide, and no more of them than it has."""
    shown = list(lines)[:rows]
    return "".join(painted(fit(line.text, columns), line.colour, in_colour=in_colour) + "\n" for line in shown)


def _fits(family: Family, labels: Sequence[str], where: dict[str, str]) -> bool:
    return all(labels[family.labels.index(name)] == value for name, value in where.items())


def _gateway(seen: _Between, spoken: Language) -> Iterator[Line]:
    workers = int(seen.now(measures.WORKERS))
    versions = sorted({labels[0] for labels in seen.labels(measures.BUNDLE)})
    yield Line(
        say(
            "gateway",
            spoken,
            version=", ".join(versions) or _MISSING,
            workers=workers,
            under_way=_count(seen.now(measures.UNDER_WAY)),
            clients=_count(seen.now(measures.CLIENTS)),
            memory=f"{seen.now(measures.RESIDENT) / (1 << 20):.0f} MiB",
        ),
        Colour.STRONG,
    )
    asked = seen.rate(measures.REQUESTS)
    well = sum(seen.rate(measures.REQUESTS, ending=ending) for ending in _WELL)
    spilled, failovers = seen.rate(measures.SPILLED), seen.rate(measures.FAILOVERS)
    rates = _rate(asked), _rate(asked - well), _rate(spilled), _rate(failovers)
    yield Line(say("rates", spoken, **dict(zip(("requests", "bad", "spilled", "failovers"), rates, strict=True))))
    prompt, completion = (_rate(seen.rate(measures.TOKENS, kind=kind)) for kind in ("prompt", "completion"))
    yield Line(say("tokens", spoken, prompt=prompt, completion=completion, cpu=f"{seen.rate(measures.CPU):.0%}"))
    times = {
        "added": measures.ADDED,
        "first": measures.FIRST_TOKEN,
        "queue": measures.QUEUE_WAIT,
        "late": measures.LATENESS,
    }
    yield Line(say("times", spoken, **{name: _times(seen.spread(family), family) for name, family in times.items()}))
    hits, misses = (seen.rate(measures.MEMO, result=result) for result in ("hit", "miss"))
    yield Line(
        say(
            "records",
            spoken,
            used=_count(seen.now(measures.AUDIT_USED)),
            limit=_count(seen.now(measures.AUDIT_LIMIT)),
            lost=_count(seen.now(measures.AUDIT_LOST)),
            hits=f"{hits / (hits + misses):.0%}" if hits + misses else _MISSING,
            replies=_count(seen.now(measures.REPLIES)),
        )
    )
    broken = workers - int(seen.now(measures.AUDIT_WRITABLE))
    if broken:
        yield Line(say("audit_broken", spoken, count=broken, workers=workers), Colour.WRONG)
    if seen.now(measures.REPLIES_LOST):
        yield Line(say("replies_lost", spoken), Colour.WRONG)
    if seen.labels(measures.BURST_SHARE):
        yield Line(say("burst_share", spoken, share=f"{seen.now(measures.BURST_SHARE):.0%}"), Colour.WRONG)
    else:
        yield Line(say("burst_auto", spoken))
    yield from _budget(seen, spoken)


def _budget(seen: _Between, spoken: Language) -> Iterator[Line]:
    used = {
        window: f"{seen.now(measures.BUDGET_USED, window=window):.0%}"
        for window in WINDOWS
        if (window,) in seen.labels(measures.BUDGET_USED)
    }
    parts = say("and", spoken).join(say(f"budget_{window}", spoken, share=share) for window, share in used.items())
    if seen.now(measures.BUDGET_CLOSED):
        yield Line(say("budget_closed", spoken, used=parts or _MISSING), Colour.WRONG)
    elif used:
        yield Line(say("budget", spoken, used=parts))


def _pools(seen: _Between, spoken: Language) -> Iterator[Line]:
    heads = ("pool", "zone", "places", "queued", "pressure", "requests", "tokens", "first", "state")
    rows = [([say(f"head_{head}", spoken) for head in heads], _STRONG)]
    for zone, pool in seen.labels(measures.LIMIT):
        where = {"zone": zone, "pool": pool}
        state, colour = _pool_state(seen, where, spoken)
        first = seen.spread(measures.FIRST_TOKEN, **where)
        rows.append(
            (
                [
                    pool,
                    zone,
                    f"{_count(seen.now(measures.IN_FLIGHT, **where))}/{_count(seen.now(measures.LIMIT, **where))}",
                    _count(seen.now(measures.QUEUED, **where)),
                    f"{min(seen.now(measures.PRESSURE, **where), 9.99):.0%}",
                    _rate(seen.rate(measures.REQUESTS, **where)),
                    _rate(seen.rate(measures.TOKENS, **where)),
                    _times(first, measures.FIRST_TOKEN),
                    state,
                ],
                colour,
            )
        )
    yield from _table(rows)


def _pool_state(seen: _Between, where: dict[str, str], spoken: Language) -> tuple[str, Colour | None]:
    if seen.now(measures.DRAINED, **where):
        return say("drained", spoken), Colour.WRONG
    if seen.now(measures.CLOSED, **where):
        return say("closed", spoken), Colour.WRONG
    if seen.now(measures.SPILLING, **where):
        return say("spilling", spoken), Colour.CLOUD
    if seen.now(measures.QUEUED, **where):
        return say("full", spoken), Colour.CLOUD
    if seen.now(measures.WARM, **where):
        return say("kept_warm", spoken), Colour.CLOUD
    return say("open", spoken), None


def _endpoints(seen: _Between, spoken: Language) -> Iterator[Line]:
    workers = int(seen.now(measures.WORKERS))
    found: dict[tuple[str, str, str], list[tuple[str, int]]] = {}
    for zone, pool, endpoint, state in seen.labels(measures.ENDPOINTS):
        count = int(seen.now(measures.ENDPOINTS, zone=zone, pool=pool, endpoint=endpoint, state=state))
        found.setdefault((zone, pool, endpoint), []).append((state, count))
    # What is wrong comes first: it must be seen on a small terminal too.
    ordered = sorted(found, key=lambda of: ([state for state, _ in found[of]] == ["well"], of))
    shown = ordered[:_MOST_ENDPOINTS]
    rows = [([say(f"head_{head}", spoken) for head in ("endpoint", "pool", "in_flight", "state", "server")], _STRONG)]
    for of in shown:
        where = dict(zip(("zone", "pool", "endpoint"), of, strict=True))
        states = found[of]
        told = [
            say("of_workers", spoken, state=say(state, spoken), count=count, workers=workers)
            if count < workers
            else say(state, spoken)
            for state, count in states
        ]
        colour = None if [state for state, _ in states] == ["well"] else Colour.WRONG
        flight = _count(seen.now(measures.ENDPOINT_IN_FLIGHT, **where))
        rows.append(([of[2], of[1], flight, ", ".join(told), _server(seen, of, where)], colour))
    yield from _table(rows)
    if len(ordered) > len(shown):
        yield Line(say("more", spoken, count=len(ordered) - len(shown)), Colour.DIM)


def _server(seen: _Between, of: tuple[str, str, str], where: dict[str, str]) -> str:
    if (*of, "running") not in seen.labels(measures.SERVER_REQUESTS):
        return _MISSING
    cache = f"{seen.now(measures.SERVER_CACHE, **where):.0%}" if of in seen.labels(measures.SERVER_CACHE) else _MISSING
    works, waits = (_count(seen.now(measures.SERVER_REQUESTS, **where, state=state)) for state in _SERVER_STATES)
    return f"{works}, {waits}, {cache}"


_STRONG: Final[Colour | None] = Colour.STRONG


def _table(rows: Sequence[tuple[Sequence[str], Colour | None]]) -> Iterator[Line]:
    widths = [max(width(cells[column]) for cells, _ in rows) for column in range(len(rows[0][0]))]
    for cells, colour in rows:
        padded = (cell + " " * (wide - width(cell)) for cell, wide in zip(cells, widths, strict=True))
        yield Line("  ".join(padded).rstrip(), colour)


def _times(spread: Spread, family: Family) -> str:
    """The bounds below which half and nearly all values lie."""
    half, most = (spread.quantile(family.bounds, share) for share in (0.5, 0.99))
    return _MISSING if half is None or most is None else f"{_duration(half)}, {_duration(most)}"


def _duration(seconds: float) -> str:
    if seconds == float("inf"):
        return "∞"
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:g} {unit}"
    return "0"


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _rate(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or not value else f"{max(value, 0.1):.1f}"
