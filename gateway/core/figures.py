"""What a gateway counts: kinds of figures, one worker's account of them, and the account of several workers together.

Figures that only rise are added up over all workers and over the lives of each, so that a worker that ends takes
nothing away from them; a reader that sees a counter fall takes it for a restart and counts everything twice. What is
true at a moment is only taken from workers that have told it lately. Values and rules; who counts is elsewhere.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import add
from typing import Final

import msgspec

STALE_S: Final = 5.0
"""How old an account may be before what it says of the moment is no longer true."""

Labels = tuple[str, ...]
"""The values of a figure's labels, in the order in which its family names them."""


class Kind(StrEnum):
    """How a figure behaves. `MOST` is a state of which several workers each see the same: the largest counts."""

    COUNTER = "counter"  # only rises
    STATE = "state"  # true at a moment; several workers' add up
    MOST = "most"
    SPREAD = "spread"  # how often which size was seen: a histogram


@dataclass(frozen=True, slots=True)
class Family:
    """One figure by its labels. `says` is one sentence; `bounds` are a spread's upper ends, rising."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    says: str
    bounds: tuple[float, ...] = ()


class Spread(msgspec.Struct):
    """How many values lay at or below each bound and above the one before, and beyond the last; and their sum."""

    counts: list[int]
    sum: float = 0.0

    @classmethod
    def over(cls, bounds: Sequence[float]) -> "Spread":
        """One that has seen nothing."""
        return cls([0] * (len(bounds) + 1))

    def take(self, bounds: Sequence[float], value: float) -> None:
        """See one value."""
        self.counts[bisect_left(bounds, value)] += 1
        self.sum += value

    def join(self, other: "Spread") -> None:
        """Take in what `other`, over the same bounds, has seen."""
        self.counts = list(map(add, self.counts, other.counts))
        self.sum += other.sum

    @property
    def count(self) -> int:
        """How many values were seen."""
        return sum(self.counts)

    def quantile(self, bounds: Sequence[float], share: float) -> float | None:
        """The bound at or below which `share` of the values lay; infinite beyond the last, None if there were none."""
        left = share * self.count
        if not self.count:
            return None
        for bound, count in zip(bounds, self.counts, strict=False):
            left -= count
            if left <= 0:
                return bound
        return float("inf")


class Account(msgspec.Struct):
    """Everything that was counted, by family and labels. `at` is in monotonic seconds, the same for all workers."""

    at: float = 0.0
    numbers: dict[str, dict[Labels, float]] = {}
    spreads: dict[str, dict[Labels, Spread]] = {}

    def add(self, family: str, labels: Labels, value: float) -> None:
        """Add to a number."""
        family_numbers = self.numbers.setdefault(family, {})
        family_numbers[labels] = family_numbers.get(labels, 0.0) + value

    def raise_to(self, family: str, labels: Labels, value: float) -> None:
        """Let a number be no smaller than `value`."""
        family_numbers = self.numbers.setdefault(family, {})
        family_numbers[labels] = max(family_numbers.get(labels, value), value)

    def join(self, family: str, labels: Labels, spread: Spread) -> None:
        """Add to a spread, which is not kept."""
        family_spreads = self.spreads.setdefault(family, {})
        known = family_spreads.get(labels)
        if known is None:
            family_spreads[labels] = Spread(list(spread.counts), spread.sum)
        else:
            known.join(spread)


def together(accounts: Iterable[Account], families: Mapping[str, Family], *, now: float) -> Account:
    """Several workers' accounts as one. What a worker of another version knows otherwise is left out."""
    whole = Account(now)
    for account in accounts:
        is_fresh = now - account.at <= STALE_S
        for name, numbers in account.numbers.items():
            family = families.get(name)
            if family is None or not (is_fresh or family.kind is Kind.COUNTER):
                continue
            put = whole.raise_to if family.kind is Kind.MOST else whole.add
            for labels, value in numbers.items():
                put(name, labels, value)
        for name, spreads in account.spreads.items():
            family = families.get(name)
            if family is None:
                continue
            for labels, spread in spreads.items():
                if len(spread.counts) == len(family.bounds) + 1:
                    whole.join(name, labels, spread)
    return whole


def left_behind(account: Account, families: Mapping[str, Family]) -> Account:
    """What of an account is still true when its worker has ended: all that only rises."""
    return together((Account(float("-inf"), account.numbers, account.spreads),), families, now=0.0)
