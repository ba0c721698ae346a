"""The tables and the chart of `tidegate usage`, worked out of sums. Pure: sums in, lines out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.cli.demo_table import width
from gateway.cli.usage_words import say
from gateway.core.ledger import HOME, Sums, Where, day_text
from gateway.core.ledger_asked import Kept, Money, Wanted, grouped
from gateway.core.prices import MICROS, money
from gateway.policy.words import Language

_NUMBERS: Final = (
    ("requests", "requests"),
    ("prompt", "prompt_tokens"),
    ("completion", "completion_tokens"),
    ("reckoned", "reckoned_tokens"),
    ("money", "cost_micros"),
    ("waited", "waited_ms"),
    ("away", "turned_away"),
    ("refused", "refused"),
    ("failed", "failed"),
    ("cached", "cached"),
)
_ALWAYS: Final = frozenset({"requests", "prompt", "completion"})
"""Columns that are shown even where all their numbers are 0."""

_BAR: Final = 48
_MISSING: Final = "–"


@dataclass(frozen=True, slots=True)
class Wording:
    """How amounts are written: in which language and currency."""

    language: Language
    currency: str

    def money(self, micros: int) -> str:
        """An amount, with more decimals where it is small."""
        decimals = 2 if abs(micros) >= MICROS or not micros else 4
        return f"{money(micros, decimals)} {self.currency}" if self.currency else say("no_prices", self.language)


def table(
    rows: Sequence[tuple[Where, Sums]], groups: Mapping[tuple[str, ...], Sums], by: Sequence[str], wording: Wording
) -> Iterator[str]:
    """One line for each group, under a line of heads and above the sum of all."""
    whole = grouped(rows, ()).get((), Sums())
    has_money = bool(wording.currency)
    columns = [
        (head, name)
        for head, name in _NUMBERS
        if head in _ALWAYS or (getattr(whole, name) and (head != "money" or has_money))
    ]
    language = wording.language
    cells = [
        [
            *(say(f"head_{name}", language) for name in by),
            *(say(f"head_{head}", language, currency=wording.currency) for head, _ in columns),
        ]
    ]
    cells += [[*(part or _MISSING for part in key), *_numbers(sums, columns)] for key, sums in groups.items()]
    if by and len(groups) > 1:
        cells.append([say("total", language), *[""] * (len(by) - 1), *_numbers(whole, columns)])
    sizes = [max(width(row[index]) for row in cells) for index in range(len(cells[0]))]
    for row in cells:
        texts = [
            _fitted(cell, size, is_right=index >= len(by))
            for index, (cell, size) in enumerate(zip(row, sizes, strict=True))
        ]
        yield "  ".join(texts).rstrip()


def privacy(kept: Sequence[Kept], wording: Wording) -> Iterator[str]:
    """What staying has cost, by label."""
    for one in kept:
        yield say(
            f"kept_{one.because}",
            wording.language,
            label=one.label,
            requests=f"{one.requests:,}",
            waited=f"{one.waited_ms / 1000:,.1f}",
            away=f"{one.turned_away:,}",
        )
    if not kept:
        yield say("privacy_none", wording.language)


def balance(found: Money, hours: float, wording: Wording) -> Iterator[str]:
    """What was spent and saved; nothing where there are no prices."""
    if not wording.currency:
        return
    yield say("spent", wording.language, money=wording.money(found.spent_micros))
    if found.saved_micros is not None:
        yield say("saved", wording.language, money=wording.money(found.saved_micros))
    if found.standing_micros:
        standing = wording.money(found.standing_micros)
        yield say("standing", wording.language, money=standing, hours=f"{hours:,.0f}")


def chart(rows: Sequence[tuple[Where, Sums]], wanted: Wanted, today: int, wording: Wording) -> Iterator[str]:
    """The days of a period so far, each with a bar of its tokens: those at home, then those in the cloud."""
    days = {day_text(hour): (Sums(), Sums()) for hour in range(wanted.since, min(wanted.until, today + 24), 24)}
    for where, sums in rows:
        # A clock that was set back leaves records of days that are still to come.
        at_home, away = days.setdefault(day_text(where.hour), (Sums(), Sums()))
        (away if where.zone and where.zone != HOME else at_home).add(sums)
    most = max((at_home.tokens + away.tokens for at_home, away in days.values()), default=0)
    yield say("chart", wording.language)
    for day, (at_home, away) in days.items():
        tokens, cost = at_home.tokens + away.tokens, at_home.cost_micros + away.cost_micros
        bar = "█" * _length(at_home.tokens, most) + "▒" * _length(away.tokens, most)
        amount = f"  {wording.money(cost):>14}" if wording.currency else ""
        yield f"{day[8:]} {bar:<{_BAR + 1}} {tokens:>13,}{amount}"


def _length(tokens: int, most: int) -> int:
    # Whatever there was is seen.
    return max(1, round(_BAR * tokens / most)) if tokens else 0


def _numbers(sums: Sums, columns: Sequence[tuple[str, str]]) -> list[str]:
    return [_number(head, getattr(sums, name)) for head, name in columns]


def _number(head: str, value: int) -> str:
    if head == "money":
        return money(value, 4 if 0 < value < MICROS else 2)
    if head == "waited":
        return f"{value / 1000:,.1f}"
    return f"{value:,}"


def _fitted(cell: str, size: int, *, is_right: bool) -> str:
    pad = " " * (size - width(cell))
    return pad + cell if is_right else cell + pad
