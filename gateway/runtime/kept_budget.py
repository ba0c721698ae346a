"""What a worker has spent of its part of the budget, kept over a restart where no store outside remembers it.

One small file for each worker, replaced when something was spent, once a second at most. Without it a gateway that is
started again and again would have its money again and again.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from gateway.core.quota import MICRO, MOST_COST, MOST_MONEY, Ask, Limits, windows
from gateway.ports import Clock, QuotaStore, Reservation
from gateway.runtime.whole_file import replace_file
from gateway.telemetry import EventLog

_VERSION: Final = 1
_EACH: Final = (
    Limits(money_per_hour=MOST_MONEY),
    Limits(money_per_day=MOST_MONEY),
    Limits(money_per_month=MOST_MONEY),
)

log = EventLog(__name__)


class _Kept(msgspec.Struct):
    """What was spent by whom in the hour, the day and the month with these numbers."""

    windows: tuple[int, int, int]
    spent: dict[str, tuple[int, int, int]]
    v: int = _VERSION


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(_Kept).decode


class KeptBudget:
    """The file of one worker, whose money is counted in `store`."""

    def __init__(self, path: Path, store: QuotaStore, clock: Clock) -> None:
        self._path = path
        self._store = store
        self._clock = clock
        self._last: bytes | None = None

    def recall(self) -> None:
        """Have the store know what was spent before, as far as its hour, day and month are not over."""
        try:
            kept = _decode(self._path.read_bytes())
        except FileNotFoundError:
            return
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            log.warning("budget_unreadable", file=self._path.name)
            return
        current = self._windows()
        for subject, spent in kept.spent.items():
            for limits, amount, then, now in zip(_EACH, spent, kept.windows, current, strict=True):
                if then == now:
                    self._charge(subject, limits, amount)

    def keep(self, spent: Mapping[str, tuple[int, int, int]]) -> None:
        """Write down what was spent, if it is more than before."""
        data = _encode(_Kept(self._windows(), dict(spent)))
        if data == self._last:
            return
        try:
            replace_file(self._path, data)
        except OSError as error:
            log.error("budget_not_kept", error=type(error).__name__, errno=error.errno)
        else:
            self._last = data

    def _charge(self, subject: str, limits: Limits, amount: int) -> None:
        for number, start in enumerate(range(0, amount, MOST_COST)):
            took = Ask(cost_micros=min(MOST_COST, amount - start), requests=0)
            held = self._store.reserve_now(subject, f"kept.{number}", took, limits)
            if isinstance(held, Reservation):
                self._store.settle(held, took)

    def _windows(self) -> tuple[int, int, int]:
        return windows(int(self._clock.wall() * MICRO))
