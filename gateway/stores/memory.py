"""The record of replies in this process's memory: for one worker, and for as long as it lives.

It knows when it cannot be trusted: after it had to forget something that had not expired, and after a restart, until
everything that may have been forgotten would have expired anyway.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from gateway.ports import Clock

MOST: Final = 200_000
"""Replies kept. About 235 bytes each (`bench/taint.py` measures it)."""


class MemoryTaintStore:
    """Implements `ports.TaintStore`. `was_lost` says that a record before this one is gone."""

    def __init__(self, clock: Clock, *, ttl_s: float, most: int = MOST, was_lost: bool = False) -> None:
        self._clock = clock
        self._ttl_s = ttl_s
        self._most = most
        # Oldest first: a mark that is remembered again is moved to the end, with a fresh time.
        self._marks: OrderedDict[bytes, tuple[float, frozenset[str]]] = OrderedDict()
        self._sets: dict[frozenset[str], frozenset[str]] = {}
        self._lost_until = clock.monotonic() + ttl_s if was_lost else 0.0

    async def read(self, marks: Sequence[bytes]) -> Mapping[bytes, Collection[str]] | None:
        """The labels of those of `marks` that are on record, or None if some may have been forgotten."""
        return self.read_now(marks)

    def read_now(self, marks: Sequence[bytes]) -> Mapping[bytes, Collection[str]] | None:
        """The same, without waiting."""
        # Nothing was lost in most records, and most marks are not on them: then nobody need know the time.
        if self._lost_until and self._clock.monotonic() < self._lost_until:
            return None
        found: dict[bytes, Collection[str]] = {}
        for mark in marks:
            if mark in self._marks:
                expires, labels = self._marks[mark]
                if expires > self._clock.monotonic():
                    found[mark] = labels
        return found

    def remember(self, marks: Iterable[bytes], label: str) -> None:
        """Put `marks` on record with `label`, beside labels that they already have. Never waits, never raises."""
        now = self._clock.monotonic()
        for mark in marks:
            known = self._marks.pop(mark, None)
            labels = frozenset((label,)) if known is None else known[1] | {label}
            self._marks[mark] = (now + self._ttl_s, self._sets.setdefault(labels, labels))
        while len(self._marks) > self._most:
            _, (expires, _) = self._marks.popitem(last=False)
            self._lost_until = max(self._lost_until, expires)

    def flush(self) -> None:
        """Forget everything, and say so to whoever reads."""
        self._marks.clear()
        self._lost_until = self._clock.monotonic() + self._ttl_s

    @property
    def is_lost(self) -> bool:
        """Whether requests with a history are kept home at the moment."""
        return self._clock.monotonic() < self._lost_until

    def __len__(self) -> int:
        return len(self._marks)


class NoTaintStore:
    """Implements `ports.TaintStore` where nothing can be kept for all who would read it: it always reads as lost."""

    is_lost = True

    def __len__(self) -> int:
        return 0

    async def read(self, marks: Sequence[bytes]) -> Mapping[bytes, Collection[str]] | None:  # noqa: ARG002
        """None: nothing is on record, and that proves nothing."""
        return None

    def read_now(self, marks: Sequence[bytes]) -> Mapping[bytes, Collection[str]] | None:  # noqa: ARG002
        """The same."""
        return None

    def remember(self, marks: Iterable[bytes], label: str) -> None:
        """Forget at once."""
