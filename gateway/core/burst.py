"""When work leaves a pool for the next because of pressure: two thresholds, a minimum dwell, and shares.

A valve opens at one pressure and closes at a lower one, and once open stays so for a while; so a pool that hovers at
its limit does not send every other request to a place with a cold cache. Time and pressure are arguments.
"""

import math
from dataclasses import dataclass, field
from typing import Final

from gateway.core.labels import Label

_GOLDEN: Final = (math.sqrt(5) - 1) / 2
_QUARTER: Final = 4.0


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Pressure is 1 when every place that work which may leave can have is taken, and above it when somebody waits.

    `dwell_s` is how long a spill stays open at least.
    """

    open_at: float = 1.0
    close_at: float = 0.8
    dwell_s: float = 10.0


@dataclass(frozen=True, slots=True)
class SpillRules:
    """When work may leave a pool: `usual`, and other thresholds for single labels."""

    usual: Thresholds = field(default_factory=Thresholds)
    by_label: tuple[tuple[Label, Thresholds], ...] = ()


class Valve:
    """Whether spill is open, for one pool and one set of thresholds."""

    __slots__ = ("_close_at", "_dwell_s", "_open_at", "_since", "is_open")

    def __init__(self, thresholds: Thresholds) -> None:
        self._open_at = thresholds.open_at
        self._close_at = thresholds.close_at
        self._dwell_s = thresholds.dwell_s
        self._since = 0.0
        self.is_open = False

    def feel(self, pressure: float, now: float) -> bool:
        """Open or close under `pressure`; whether it has opened."""
        if self.is_open:
            if pressure <= self._close_at and now - self._since >= self._dwell_s:
                self.is_open = False
            return False
        if pressure < self._open_at:
            return False
        self.is_open = True
        self._since = now
        return True

    def turns_away(self, pressure: float) -> bool:
        """Whether work that may leave should leave even from a free place: until the pool has calmed down."""
        return self.is_open and pressure > self._close_at


def pressure_of_server(running: float, waiting: float, cache_share: float | None) -> float:
    """What a model server's own figures say: the share of its KV cache in use, or how many wait behind those that run.

    A quarter as many waiting as running is as much as it can take; one or two are there at any moment, on their way in.
    """
    return max(cache_share or 0.0, _QUARTER * waiting / max(running, _QUARTER))


def part_of(whole: int, parts: int, number: int) -> int:
    """The part with this `number`, from 0, of `whole`: as equal as whole numbers can be, and together exactly it."""
    return (whole + parts - 1 - number) // parts


def lot(number: int) -> float:
    """A number from 0 to below 1 for the `number`-th request.

    Multiples of the golden ratio: below any bound there are as many of any run of them as the bound says, give or take
    two or three, which chance would need thousands for.
    """
    return number * _GOLDEN % 1.0
