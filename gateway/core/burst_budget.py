"""How much money may be spent in the cloud, and whether it is: the budget of burst, for all and for single tenants.

What is counted, by the calendar in UTC, is `core/quota_book.py`'s; here is what a count means. A budget that is spent
stays so until a tenth of it is free again, so that it does not open for every request that costs less than thought.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from gateway.core.quota import Limits

SUBJECT: Final = "burst"
"""Whose the money is that all tenants may spend together, in the store that counts."""

WINDOWS: Final = ("hour", "day", "month")
"""What money is counted by, in the order in which stores tell of it."""

CLOSES_FROM: Final = 0.95
"""The share of a budget from which on whoever finds no room in it closes it."""

OPENS_BELOW: Final = 0.9
"""And below which it is open again: lower, since what is set aside is more than what is charged in the end, so that a
budget that is nearly spent would close with every request and open with every answer."""

USUALLY_LOW_AT: Final = 0.8


class Level(StrEnum):
    """How a budget stands. Whatever is not `SPENT` or `LOST` lets work out."""

    OK = "ok"
    LOW = "low"
    SPENT = "spent"
    LOST = "lost"  # nobody can say: the store that counts does not answer, which counts as spent

    @property
    def is_closed(self) -> bool:
        """Whether nothing may leave."""
        return self is Level.SPENT or self is Level.LOST


@dataclass(frozen=True, slots=True)
class BurstBudget:
    """What all tenants may spend in the cloud together, and what single ones may. `low_at` is the share from which on
    a budget is said to be low."""

    whole: Limits = field(default_factory=Limits)
    tenants: Mapping[str, Limits] = field(default_factory=lambda: MappingProxyType({}))
    low_at: float = USUALLY_LOW_AT

    def level(self, limits: Limits, spent: Sequence[int], before: Level, *, is_refused: bool = False) -> Level:
        """How the budget `limits` stands when so much was `spent` in this hour, day and month.

        `is_refused` says that somebody has just found no room in it.
        """
        share = used(limits, spent)
        closes_at = OPENS_BELOW if before.is_closed else CLOSES_FROM if is_refused else 1.0
        if share >= closes_at:
            return Level.SPENT
        return Level.LOW if share >= self.low_at else Level.OK


def subject_of(tenant: str) -> str:
    """Whose the money is that one tenant may spend."""
    return f"{SUBJECT}:{tenant}"


def used(limits: Limits, spent: Sequence[int]) -> float:
    """The share of a budget that is spent, of its hour, day or month whichever is most; 1 of a budget of nothing."""
    return max((share for share in shares(limits, spent) if share is not None), default=0.0)


def shares(limits: Limits, spent: Sequence[int]) -> tuple[float | None, float | None, float | None]:
    """The shares that are spent of the hour's, the day's and the month's money; None where there is no limit."""
    hour, day, month = (
        None if most is None else amount / most if most else 1.0
        for most, amount in zip(
            (limits.money_per_hour, limits.money_per_day, limits.money_per_month), spent, strict=True
        )
    )
    return hour, day, month


def longest_answer(asked: int | None, context: int | None, prompt: int) -> int:
    """How long an answer is reckoned to be beforehand: as long as was `asked` for, `UNASKED` if nothing was, and never
    longer than what the prompt leaves of the context, where that is known."""
    longest = asked if asked is not None else UNASKED
    return longest if context is None else min(longest, max(1, context - prompt))


UNASKED: Final = 4096
"""How many tokens an answer is reckoned at whose client set no limit."""
