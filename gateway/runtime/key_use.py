"""When each API key was last used, to the minute: noted by every worker, kept in one file beside the audit log.

A request adds its key to a set and nothing else; once a minute, and when the worker ends, what is in the set goes into
the file beside the loop. What cannot be written is noted again with the next. It says which keys may be retired, and
decides nothing.
"""

import contextlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

import msgspec

from gateway.runtime.key_file import locked
from gateway.runtime.whole_file import replace_file
from gateway.telemetry import EventLog

FILE: Final = "key_use.json"
EVERY_S: Final = 60.0
_VERSION: Final = 1
_LARGEST: Final = 16 << 20

log = EventLog(__name__)


class _Written(msgspec.Struct, frozen=True):
    v: int
    used: dict[str, int]


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(_Written).decode


class KeyUse:
    """One worker's notes for the file in `state_dir`."""

    __slots__ = ("_path", "note", "used")

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / FILE
        self.used: set[str] = set()
        self.note: Final = self.used.add
        """Note that a key was just used, by its id."""

    def keep(self, now: float, known: Collection[str]) -> None:
        """Write down what was noted, as of `now` in Unix seconds; ids that are not `known` are forgotten.

        Takes as long as a disk does: not for the loop. Raises nothing.
        """
        noted = frozenset(self.used)
        self.used -= noted
        if noted.isdisjoint(known):
            return
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with locked(self._path):
                used = {**_read(self._path), **dict.fromkeys(noted, int(now))}
                kept = {id: at for id, at in used.items() if id in known}
                replace_file(self._path, _encode(_Written(_VERSION, kept)))
        except OSError as exc:
            self.used |= noted
            log.warning("key_use_not_kept", file=FILE, error=type(exc).__name__, errno=exc.errno)


def last_used(state_dir: Path) -> Mapping[str, int]:
    """When keys were last used, in Unix seconds by their ids; a key that is not there has not been."""
    return _read(state_dir / FILE)


def _read(path: Path) -> Mapping[str, int]:
    with contextlib.suppress(OSError, msgspec.DecodeError, UnicodeDecodeError), path.open("rb") as file:
        written = _decode(file.read(_LARGEST))
        if written.v == _VERSION:
            return written.used
    # Not there, or of another version: what it would tell is lost, and nothing hangs on it.
    return {}
