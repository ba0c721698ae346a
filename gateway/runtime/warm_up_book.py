"""The warm-ups that this gateway has begun and that are not over, kept so that whoever comes after can end them.

One small file, which only the first worker reads and writes: it is written before AWS is asked, since what may cost
must be known to the worker that takes this one's place. Where it cannot be written, this worker knows all the same.
"""

import contextlib
from pathlib import Path
from typing import Final

import msgspec

from gateway.core.warm_up import Begun
from gateway.runtime.whole_file import replace_file
from gateway.telemetry import EventLog

FILE: Final = "warm-ups.json"
_VERSION: Final = 1

log = EventLog(__name__)


class _Kept(msgspec.Struct, frozen=True):
    begun: tuple[Begun, ...]
    v: int = _VERSION


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(_Kept).decode


class WarmUpBook:
    """The file in `state_dir`. Its methods block, and are called in a thread."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / FILE
        self._unwritten: tuple[Begun, ...] = ()
        self._ended: set[Begun] = set()

    def standing(self, now: float) -> tuple[Begun, ...]:
        """Those that are not over `now`, in Unix time, whoever of us has begun them."""
        known = dict.fromkeys((*self._read(), *self._unwritten))
        return tuple(one for one in known if one.until > now and one not in self._ended)

    def begins(self, one: Begun, now: float) -> None:
        """`one` is about to begin."""
        self._write((*self.standing(now), one))

    def ended(self, one: Begun, now: float) -> None:
        """`one` has ended, or never began."""
        self._ended.add(one)
        self._write(self.standing(now))

    # Inside

    def _read(self) -> tuple[Begun, ...]:
        with contextlib.suppress(FileNotFoundError):
            try:
                kept = _decode(self._path.read_bytes())
                if kept.v <= _VERSION:
                    return kept.begun
            except (msgspec.DecodeError, UnicodeDecodeError):
                pass
            log.warning("warm_ups_unreadable", file=FILE)
        return ()

    def _write(self, standing: tuple[Begun, ...]) -> None:
        try:
            replace_file(self._path, _encode(_Kept(standing)))
            self._unwritten, self._ended = (), set()
        except OSError as error:
            self._unwritten = standing
            log.error("warm_ups_not_kept", error=type(error).__name__, errno=error.errno)
