"""When to have a cloud pool made ready before it is needed: from how a pool at home fills, and how long a start takes.

A trend is a straight line through what was seen of late, and where it leads by the time that a start would be over. A
warm-up is wanted while that lies where work begins to leave; it is asked for once, holds for a while that is paid
for beforehand, and is asked for again only when that while is nearly over. Time is an argument, nothing here calls.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

USUAL_HOLD_S: Final = 1800.0
_BINS: Final = 30
_FEWEST: Final = 10
_LATEST: Final = 3
_MOST: Final = 1.5
_SHORTEST_WINDOW_S: Final = 120.0
_LONGEST_WINDOW_S: Final = 300.0

FILLED: Final = 0.3
"""The share of a pool that must be taken now: below it a trend says nothing, however steep it is."""

LETS_GO: Final = 0.85
"""A warm-up is wanted until what is expected is below this share of what it was asked for at."""

STEADY_S: Final = 20.0
"""For how long it must be wanted: a moment's rush is none."""

RESTS_S: Final = 60.0
RESTS_MOST_S: Final = 900.0


@dataclass(frozen=True, slots=True)
class WarmRules:
    """What a warm-up is: `count` instances or copies at the least for `hold_s`, of which one costs `micros_per_hour`.

    `variant` is what scales where there is no inference component. `control` is the address of Application Auto
    Scaling if that is not AWS's own for the region.
    """

    micros_per_hour: int
    count: int = 1
    hold_s: float = USUAL_HOLD_S
    variant: str = "all"
    control: str | None = None

    @property
    def cost_micros(self) -> int:
        """What all of it costs: rounded up, and charged whether or not anybody comes."""
        return -int(-self.count * self.micros_per_hour * self.hold_s // 3600)


@dataclass(frozen=True, slots=True)
class Held:
    """At least as much as was asked for stands until then, in Unix time. `is_ours` says that it was asked for now."""

    until: float
    is_ours: bool


@dataclass(frozen=True, slots=True)
class NotHeld:
    """Nothing was raised. `error` is AWS's code, an exception's type or a sentence of ours; `may_be` says that it may
    have been all the same."""

    error: str
    may_be: bool = False


@dataclass(frozen=True, slots=True)
class Begun:
    """A warm-up of our own: what was asked of `endpoint`, until then in Unix time and whole seconds."""

    pool: str
    endpoint: str
    until: float


@dataclass(frozen=True, slots=True)
class NotEnded:
    """A warm-up could not be ended before its time. `error` is AWS's code or an exception's type."""

    error: str


class Trend:
    """How full one pool was of late: as long as a start takes, and no longer than rushes are; for long
    enough that chance is not taken for one (`bench/warm_up.py`)."""

    __slots__ = ("_bin_s", "_bins", "_count", "_since", "_sum")

    def __init__(self, takes_s: float) -> None:
        window_s = min(max(takes_s, _SHORTEST_WINDOW_S), _LONGEST_WINDOW_S)
        self._bin_s = window_s / _BINS
        self._bins: deque[tuple[float, float]] = deque(maxlen=_BINS)
        self._since: float | None = None
        self._sum, self._count = 0.0, 0

    def add(self, pressure: float, now: float) -> None:
        """So full it is `now`."""
        if self._since is None:
            self._since = now
        # However long a queue is, full is full: a moment's rush is not to tilt the line.
        self._sum += min(pressure, _MOST)
        self._count += 1
        if now - self._since >= self._bin_s:
            self._bins.append(((self._since + now) / 2, self._sum / self._count))
            self._since, self._sum, self._count = now, 0.0, 0

    @property
    def level(self) -> float | None:
        """How full it is, as of a few moments; None if not enough has been seen to tell."""
        if len(self._bins) < _FEWEST:
            return None
        return sum(self._bins[-number][1] for number in range(1, _LATEST + 1)) / _LATEST

    def at(self, when: float) -> float | None:
        """How full it will be, if it goes on like this; None if not enough has been seen to tell."""
        count = len(self._bins)
        if count < _FEWEST:
            return None
        middle = sum(at for at, _ in self._bins) / count
        mean = sum(value for _, value in self._bins) / count
        spread = sum((at - middle) ** 2 for at, _ in self._bins)
        slope = sum((at - middle) * (value - mean) for at, value in self._bins) / spread
        return max(0.0, mean + slope * (when - middle))


def fullest_together(expected: Iterable[float | None]) -> float | None:
    """What is expected of pools of which all must be full before anything leaves; None if of one nobody knows."""
    found = tuple(expected)
    known = [value for value in found if value is not None]
    return min(known) if known and len(known) == len(found) else None


class WarmUp:
    """The warm-ups of one cloud pool. `takes_s` is how long it takes from asking to the first answer."""

    __slots__ = ("_hold_s", "_open_at", "_rests_s", "_rests_until", "_since", "until")

    def __init__(self, hold_s: float, *, open_at: float = 1.0) -> None:
        self._hold_s = hold_s
        self._open_at = open_at
        self._since: float | None = None
        self._rests_s = RESTS_S
        self._rests_until: float | None = None
        self.until: float | None = None
        """Until when the pool is kept ready, as far as is known."""

    def wants(self, now: float, level: float | None, ahead: float | None, takes_s: float) -> bool:
        """Whether to ask for one now. `level` is how full the pools at home are, `ahead` how full they will be by the
        time that a start would be over."""
        if self.until is not None and now >= self.until:
            self.until = None
        if level is None or ahead is None or ahead < LETS_GO * self._open_at:
            self._since = None
        elif self._since is None and level >= FILLED * self._open_at and ahead >= self._open_at:
            self._since = now
        if self._since is None or now - self._since < STEADY_S:
            return False
        if self._rests_until is not None and now < self._rests_until:
            return False
        # One that holds for longer than another would take to start is as good as another.
        return self.until is None or self.until - now <= min(takes_s, self._hold_s / 2)

    def began(self, now: float, until: float) -> None:
        """One holds until then."""
        self.until = until
        self._rests_s, self._rests_until = RESTS_S, now + RESTS_S

    def ended(self, now: float) -> None:
        """The one that held was ended before its time."""
        self.until = None
        self._rests_until = now + RESTS_S

    def failed(self, now: float) -> None:
        """None could be had: for a while, and longer each time, it is not asked for again."""
        self._rests_until = now + self._rests_s
        self._rests_s = min(2 * self._rests_s, RESTS_MOST_S)
