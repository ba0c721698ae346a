"""Counts over the last so many seconds: how often something went well, and how often it did not.

Kept in tenths of the span, so that what has grown old leaves in small steps and a count costs no list of moments.
"""

from collections import deque
from typing import Final

_PARTS: Final = 10


class Tally:
    """`now` is monotonic seconds. `good` and `bad` are as of the last call that was told the time."""

    __slots__ = ("_part_s", "_parts", "bad", "good")

    def __init__(self, span_s: float) -> None:
        self._part_s = span_s / _PARTS
        # Number of the part, good ones and bad ones in it; the oldest first.
        self._parts: deque[list[int]] = deque()
        self.good = 0
        self.bad = 0

    def add_good(self, now: float) -> None:
        """One more went well."""
        self._part(now)[1] += 1
        self.good += 1

    def add_bad(self, now: float) -> None:
        """One more did not."""
        self._part(now)[2] += 1
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
        self.good = self.bad = 0

    def _part(self, now: float) -> list[int]:
        parts, number = self._parts, int(now / self._part_s)
        if parts and parts[-1][0] >= number:
            return parts[-1]
        self.forget_old(now)
        part = [number, 0, 0]
        parts.append(part)
        return part
