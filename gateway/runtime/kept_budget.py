"""What the workers of one number have spent of their part of the budget, where no store outside remembers it.

One small file for each number: the sum of what everybody has added to it who ever had that number, as far as its hour,
day and month are not over. Each adds what it has spent itself since the last time, under a lock, once a second at most,
and takes over what others added: a worker that drains and the one in its place share one part, and neither can
overwrite the other's. Without it a gateway that is started again and again would have its money again and again.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from gateway.core.quota import MICRO, MOST_COST, MOST_MONEY, Ask, Limits, windows
from gateway.ports import Clock, QuotaStore, Reservation
from gateway.runtime.whole_file import replace_file
from gateway.telemetry import EventLog

_VERSION: Final = 2
_OF_ONE: Final = 1
"""Files of this version hold what one worker thinks is the sum, and it writes that over whatever others added."""

_TRIES: Final = 20
_PAUSE_S: Final = 0.05
"""Whoever has the lock writes one small file: who cannot have it within a second is not kept waiting any longer."""

_EACH: Final = (
    Limits(money_per_hour=MOST_MONEY),
    Limits(money_per_day=MOST_MONEY),
    Limits(money_per_month=MOST_MONEY),
)
_NOTHING: Final = (0, 0, 0)

Amounts = tuple[int, int, int]
"""Of the hour, the day and the month."""

log = EventLog(__name__)


class _Kept(msgspec.Struct):
    """What was spent by whom in the hour, the day and the month with these numbers."""

    windows: Amounts
    spent: dict[str, Amounts]
    v: int = _VERSION


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(_Kept).decode


class KeptBudget:
    """The file, for one worker whose money is counted in `store`. `add` may run in a thread; the rest is the loop's."""

    def __init__(self, path: Path, store: QuotaStore, clock: Clock) -> None:
        self._path = path
        self._store = store
        self._clock = clock
        # What others spent, as far as `store` has been told.
        self._told = _Kept((0, 0, 0), {})
        # As the file was when this worker added to it last, and what of that is its own.
        self._sum = _Kept((0, 0, 0), {})
        self._added: dict[str, Amounts] = {}
        self._number = 0

    def recall(self) -> None:
        """Have the store know what was spent before, as far as its hour, day and month are not over."""
        found = self._read()
        if found is not None:
            self._sum = found
            self.hear(_as_of(found, self.now()), {})

    def now(self) -> Amounts:
        """The numbers of this hour, day and month."""
        return windows(int(self._clock.wall() * MICRO))

    def own(self, spent: Mapping[str, Amounts]) -> dict[str, Amounts]:
        """What of all that was `spent`, as the store says, this worker has spent itself."""
        told = _as_of(self._told, self.now())
        return {who: _minus(amounts, told.get(who, _NOTHING)) for who, amounts in spent.items()}

    def add(self, own: Mapping[str, Amounts], now: Amounts) -> Mapping[str, Amounts] | None:
        """Write down what this worker has spent itself, as of `now`, and return what all have; None if that failed."""
        try:
            with _locked(self._path.with_suffix(".lock")) as has_lock:
                if has_lock:
                    return self._add(own, now)
            log.error("budget_not_kept", reason="locked")
        except OSError as error:
            log.error("budget_not_kept", error=type(error).__name__, errno=error.errno)
        return None

    def hear(self, total: Mapping[str, Amounts], own: Mapping[str, Amounts]) -> None:
        """Tell the store what others have spent, if it is more than it knows."""
        now = self.now()
        told = _as_of(self._told, now)
        for who, amounts in total.items():
            others, known = _minus(amounts, own.get(who, _NOTHING)), told.get(who, _NOTHING)
            for limits, theirs, before in zip(_EACH, others, known, strict=True):
                # Less than before is what was set aside and is free again: the next that they spend makes up for it.
                self._charge(who, limits, max(0, theirs - before))
            told[who] = _largest(others, known)
        self._told = _Kept(now, told)

    # Inside

    def _add(self, own: Mapping[str, Amounts], now: Amounts) -> Mapping[str, Amounts]:
        found = self._read()
        added = _as_of(_Kept(self._sum.windows, self._added), now)
        if found is None:
            found = self._sum
        total = _as_of(found, now)
        if found.v == _OF_ONE:
            total = {who: _plus(total.get(who, _NOTHING), added.get(who, _NOTHING)) for who in total.keys() | added}
        for who, amounts in own.items():
            new = _minus(amounts, added.get(who, _NOTHING))
            total[who] = _plus(total.get(who, _NOTHING), new)
        written = _Kept(now, total)
        if found.v == _OF_ONE or found.windows != now or found.spent != total:
            replace_file(self._path, _encode(written))
        self._sum, self._added = written, dict(own)
        return total

    def _read(self) -> _Kept | None:
        try:
            return _decode(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            log.warning("budget_unreadable", file=self._path.name)
            return None

    def _charge(self, subject: str, limits: Limits, amount: int) -> None:
        for start in range(0, amount, MOST_COST):
            self._number += 1
            took = Ask(cost_micros=min(MOST_COST, amount - start), requests=0)
            held = self._store.reserve_now(subject, f"kept.{self._number}", took, limits)
            if isinstance(held, Reservation):
                self._store.settle(held, took)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Whether the lock could be had; the system gives it back when its holder dies."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        yield _has(fd)
    finally:
        os.close(fd)


def _has(fd: int) -> bool:
    for _ in range(_TRIES):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(_PAUSE_S)
    return False


def _as_of(kept: _Kept, now: Amounts) -> dict[str, Amounts]:
    """What of it counts in the hour, the day and the month with the numbers `now`."""
    hour, day, month = (then == current for then, current in zip(kept.windows, now, strict=True))
    return {who: (one * hour, two * day, three * month) for who, (one, two, three) in kept.spent.items()}


def _plus(some: Amounts, more: Amounts) -> Amounts:
    return some[0] + more[0], some[1] + more[1], some[2] + more[2]


def _minus(some: Amounts, less: Amounts) -> Amounts:
    return some[0] - less[0], some[1] - less[1], some[2] - less[2]


def _largest(some: Amounts, others: Amounts) -> Amounts:
    return max(some[0], others[0]), max(some[1], others[1]), max(some[2], others[2])
