"""What may be asked of the ledger: sums by columns, what staying has cost, money, and hours as people write them.

Pure: sums in, sums out. Where they come from is `core/ledger.py`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final

from gateway.core.ledger import HOME, HOUR_S, Sums, Where, day_text
from gateway.core.prices import Prices
from gateway.core.records import Stayed


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which sums: of hours from `since` to before `until`, and of these values of a column, by its name."""

    since: int = 0
    until: int = 1 << 62
    values: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))

    def takes(self, where: Where) -> bool:
        """Whether this sum is asked for."""
        if not self.since <= where.hour < self.until:
            return False
        return all(getattr(where, name) in allowed for name, allowed in self.values.items())


_COLUMNS: Final[Mapping[str, Callable[[Where], str]]] = MappingProxyType(
    {
        "tenant": lambda where: where.tenant,
        "app": lambda where: where.app,
        "model": lambda where: where.model,
        "pool": lambda where: where.pool,
        "zone": lambda where: where.zone,
        "label": lambda where: where.label,
        "stayed": lambda where: where.stayed,
        "day": lambda where: day_text(where.hour),
        "hour": lambda where: hour_text(where.hour),
    }
)
COLUMNS: Final = tuple(_COLUMNS)
"""What sums can be told apart by."""


def grouped(rows: Iterable[tuple[Where, Sums]], by: Sequence[str]) -> dict[tuple[str, ...], Sums]:
    """The sums of `rows` for each value of the columns `by`, in order."""
    columns = [_COLUMNS[name] for name in by]
    found: dict[tuple[str, ...], Sums] = {}
    for where, sums in rows:
        key = tuple([column(where) for column in columns])
        known = found.get(key)
        if known is None:
            known = found[key] = Sums()
        known.add(sums)
    return dict(sorted(found.items()))


@dataclass(frozen=True, slots=True)
class Kept:
    """What it cost requests of one label to stay: how many waited or were turned away, and for how long together."""

    label: str
    because: str
    requests: int
    turned_away: int
    waited_ms: int


def kept(rows: Iterable[tuple[Where, Sums]]) -> tuple[Kept, ...]:
    """What staying has cost, by label and by what kept the work."""
    found = grouped(((where, sums) for where, sums in rows if where.stayed), ("label", "stayed"))
    return tuple(
        Kept(label, because, sums.requests, sums.turned_away, sums.waited_ms)
        for (label, because), sums in found.items()
    )


@dataclass(frozen=True, slots=True)
class Money:
    """What was `spent` where tokens are paid for, what the tokens served at home would have cost in the cheapest
    priced pool of the cloud (`saved`, None without such a pool), and what the pools cost that are paid by the hour."""

    spent_micros: int
    saved_micros: int | None
    standing_micros: int


def money(rows: Iterable[tuple[Where, Sums]], prices: Prices, cloud: Iterable[str], hours: float) -> Money:
    """The money of `rows` at today's `prices`, but for what was spent, which is at those of then."""
    dear = [pool for pool in cloud if prices.rate(pool) is not None]
    spent = saved = 0
    for where, sums in rows:
        spent += sums.cost_micros
        if where.zone == HOME and dear:
            taken = sums.prompt_tokens + sums.reckoned_tokens, sums.completion_tokens
            saved += min(prices.cost_micros(pool, *taken, where.model) for pool in dear)
    standing = sum(round(price.per_hour_micros * hours) for price in prices.pools.values())
    return Money(spent, saved if dear else None, standing)


BECAUSE: Final = tuple(str(one) for one in Stayed)


# Days and hours


def hour_text(hour: int) -> str:
    """An hour, as `2026-11-21 07`."""
    return _then(hour).strftime("%Y-%m-%d %H")


def hour_of(day: str) -> int:
    """The first hour of a day such as `2026-11-21` or a month such as `2026-11`; ValueError if it is neither."""
    form = "%Y-%m-%d" if day.count("-") > 1 else "%Y-%m"
    return int(datetime.strptime(day, form).replace(tzinfo=UTC).timestamp()) // HOUR_S


def next_month(hour: int) -> int:
    """The first hour of the month after the one that begins with `hour`."""
    later = _then(hour) + timedelta(days=32)
    return hour_of(later.strftime("%Y-%m"))


def _then(hour: int) -> datetime:
    return datetime.fromtimestamp(hour * HOUR_S, UTC)
