"""The overrides of one machine: the supervisor keeps them, on disk and beyond a restart, until they end by themselves.

What they may be is `core/controls.py`; how they reach the workers is the supervisor's. A file that cannot be read was
not written here, and what was set in it nobody knows: burst is closed for a while, and the log says so.
"""

from pathlib import Path
from typing import Final

from gateway.core.controls import (
    NOTHING_SET,
    USUAL_S,
    Controls,
    Order,
    SetBurst,
    ordered,
    read,
    share_words,
    standing,
    words,
    write,
)
from gateway.ports import Clock
from gateway.runtime.whole_file import replace_file
from gateway.telemetry import EventLog

FILE: Final = "controls.json"
OURSELVES: Final = "tidegate"
_LARGEST: Final = 1 << 20

log = EventLog(__name__)


class ControlBook:
    """The overrides kept in `path`."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._is_kept = True
        self._controls = self._read()

    @property
    def controls(self) -> Controls:
        """What stands."""
        return self._controls

    @property
    def is_kept(self) -> bool:
        """Whether it is on disk."""
        return self._is_kept

    def order(self, order: Order) -> Controls:
        """Carry out `order`; raises Refused. What cannot be written holds all the same, until the supervisor ends."""
        self._controls = ordered(standing(self._controls, self._clock.wall()), order, self._clock.wall())
        log.info("override_set", reason=words(order.change), after_s=round(order.for_s))
        self._keep()
        return self._controls

    def end_due(self) -> bool:
        """Take out what has ended, and write down what could not be; whether something has ended."""
        before = self._controls
        self._controls = standing(before, self._clock.wall())
        has_ended = self._controls is not before
        if has_ended:
            log.info("override_ended", reason=f"burst {share_words(self._controls.share)}", count=len(before.drained))
        if has_ended or not self._is_kept:
            self._keep()
        return has_ended

    @property
    def ends_at(self) -> float | None:
        """When the next override ends, in Unix seconds."""
        ends = [one.until for one in self._controls.drained]
        if self._controls.burst is not None:
            ends.append(self._controls.burst.until)
        return min(ends, default=None)

    def _read(self) -> Controls:
        try:
            with self._path.open("rb") as file:
                found = read(file.read(_LARGEST))
        except FileNotFoundError:
            return NOTHING_SET
        except OSError as exc:
            log.error("overrides_unreadable", file=FILE, error=type(exc).__name__, errno=exc.errno)
            found = None
        else:
            if found is None:
                log.error("overrides_unreadable", file=FILE, reason="not written by this version")
        if found is not None:
            return found
        return ordered(NOTHING_SET, Order(SetBurst(0.0), OURSELVES, USUAL_S), self._clock.wall())

    def _keep(self) -> None:
        try:
            replace_file(self._path, write(self._controls))
        except OSError as exc:
            if self._is_kept:
                log.error("overrides_not_kept", file=FILE, error=type(exc).__name__, errno=exc.errno)
            self._is_kept = False
        else:
            self._is_kept = True
