"""Counts over the last so many seconds: how often something went well, and how often it did not.

Kept in tenths of the span, so that what has grown old leaves in small steps and a count costs no list of moments.
"""

import math
from collections import deque
from typing import Final

_PARTS: Final = 10


class Tally:
    """`now` is monotonic seconds. `good` and `bad` are as of the last call that was told the time."""

    __slots__ = ("_part", "_part_s", "_parts", "_until", "bad", "good")

    def __init__(self, span_s: float) -> None:
        self._part_s = span_s / _PARTS
        # Of each part its number, and how often it went well and did not; the oldest first, the present one last.
        self._parts: deque[list[int]] = deque()
        self._part = [0, 0, 0]
        self._until = -math.inf
        self.good = 0
        self.bad = 0

    def add_good(self, now: float) -> None:
        """One more went well."""
        if now >= self._until:
            self._begin(now)
        self._part[1] += 1
        self.good += 1

    def add_bad(self, now: float) -> None:
        """One more did not."""
        if now >= self._until:
            self._begin(now)
        self._part[2] += 1
        self.bad += 1

    def forget_old(self, now: float) -> None:
        """Leave out what is older than the span: `good` and `bad` are then as of `now`."""
        parts, oldest = self._parts, int(now / self._part_s) - _PARTS
        while parts and parts[0][0] <= oldest:
            _, good, bad = parts.popleft()
            self.good -= good
            self.bad -= bad

    def clear(self) -> None:
        """Forget everything."""
        self._parts.clear()
        self._until = -math.inf
        self.good = self.bad = 0

    def _begin(self, now: float) -> None:
        self.forget_old(now)
        number = int(now / self._part_s)
        self._until = (number + 1) * self._part_s
        self._part = [number, 0, 0]
        self._parts.append(self._part)
