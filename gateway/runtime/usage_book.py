"""The ledger on disk: what the audit log says of usage, read once, a day to a file, with how far it has been read.

Sums and marks change together: each day's file has a new name when it changes, and `read.json`, which names them all
and says how far each segment has been read, is replaced last. So a run that is killed has done nothing, and no request
is counted twice. A record that the log holds in two segments, since the first could not be synced, is counted once.
"""

import contextlib
import fcntl
import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import msgspec

from gateway.core.audit_verify import CHECKPOINTS
from gateway.core.ledger import HOUR_S, Begun, Book, day_text, enter, enter_copy, read_back, read_line, written
from gateway.runtime.whole_file import replace_file

FOLDER: Final = "usage"
MARKS: Final = "read.json"
GIVEN_UP_S: Final = 900.0
"""After this long an attempt without an outcome has none: no request takes as long."""

_VERSION: Final = 1
_TAIL: Final = 8 << 20
"""As much of the segment before is looked at for records that were written again: more than a buffer holds."""

_SAVE_EVERY: Final = 256 << 20
_PIECE: Final = 4 << 20
_TOLD_EVERY: Final = 20_000


class Marks(msgspec.Struct):
    """How far the log has been read: bytes of each segment, the names of labels by bundle, the file of each day, and
    attempts in the cloud that have no outcome yet."""

    v: int = _VERSION
    number: int = 0
    segments: dict[str, int] = {}
    labels: dict[str, tuple[str, ...]] = {}
    days: dict[str, str] = {}
    begun: dict[str, Begun] = {}


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Marks).decode


@dataclass(frozen=True, slots=True)
class Read:
    """What a run has read: lines, and those among them that it could not read. `is_kept`: the next run need not read
    them again."""

    records: int
    unreadable: int
    is_kept: bool


class UsageBook:
    """The sums of one gateway, in its state folder. One at a time: `opened` waits for another run to end."""

    def __init__(self, state_dir: Path) -> None:
        self._audit = state_dir / "audit"
        self._folder = state_dir / FOLDER
        self._marks = Marks()
        self._changed: dict[str, Book] = {}

    @classmethod
    @contextlib.contextmanager
    def opened(cls, state_dir: Path) -> Iterator[Self]:
        """The book of the gateway whose state is in `state_dir`."""
        book = cls(state_dir)
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError):
                # Where nothing can be written, everything is read anew each time, and nobody has to be waited for.
                book._folder.mkdir(mode=0o700, exist_ok=True)
                fd = os.open(book._folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                stack.callback(os.close, fd)
                fcntl.flock(fd, fcntl.LOCK_EX)
            book._marks = book._last()
            yield book

    def read(self, told: Callable[[int, int, int], None] | None = None) -> Read:
        """Read what the log has got since the last time. `told` hears how many records, and of how many bytes."""
        segments = sorted(path for path in self._audit.glob("*.jsonl") if path.name != CHECKPOINTS)
        sizes = {path.name: path.stat().st_size for path in segments}
        whole = sum(max(0, sizes[name] - self._marks.segments.get(name, 0)) for name in sizes)
        self._marks.segments = {name: at for name, at in self._marks.segments.items() if name in sizes}
        records = unreadable = done = saved = 0
        before: Path | None = None
        for path in segments:
            start = self._marks.segments.get(path.name, 0)
            if start < sizes[path.name]:
                is_young = start < _TAIL and before is not None and _is_next(before, path)
                seen = _last_of(before) if is_young and before is not None else frozenset()
                at = start
                for line in _lines(path, start, sizes[path.name]):
                    at += len(line) + 1
                    records += 1
                    unreadable += not self._take(line, seen)
                    if told is not None and not records % _TOLD_EVERY:
                        told(records, done + at - start, whole)
                done += at - start
                self._marks.segments[path.name] = at
                if done - saved >= _SAVE_EVERY and self._save():
                    saved = done
            before = path
        is_kept = self._save() if records else True
        return Read(records, unreadable, is_kept)

    def days(self) -> tuple[str, ...]:
        """The days of which there are sums."""
        return tuple(sorted({*self._marks.days, *self._changed}))

    def sums(self, days: Collection[str]) -> Book:
        """The sums of these days."""
        found: Book = {}
        for day in days:
            found |= self._day(day)
        return found

    def unsettled(self, now: float) -> tuple[Begun, ...]:
        """Attempts in the cloud that have no outcome and get none: what a killed worker may have sent."""
        return tuple(one for one in self._marks.begun.values() if now - one.at > GIVEN_UP_S)

    # Inside

    def _take(self, text: bytes, seen: Collection[str]) -> bool:
        line = read_line(text)
        if line is None:
            return False
        done = line.outcome
        if done is not None:
            self._marks.begun.pop(done.request_id, None)
            if done.request_id not in seen:
                enter(self._book_of(done.at), done, self._marks.labels)
        elif line.mirrored is not None:
            self._marks.begun.pop(line.mirrored.request_id, None)
            if line.mirrored.request_id not in seen:
                enter_copy(self._book_of(line.mirrored.at), line.mirrored)
        elif line.intent is not None:
            self._marks.begun[line.intent.request_id] = line.intent
        elif line.activation is not None:
            self._marks.labels[line.activation.bundle] = line.activation.labels
        return True

    def _book_of(self, at: float) -> Book:
        day = day_text(int(at) // HOUR_S)
        book = self._changed.get(day)
        if book is None:
            book = self._changed[day] = self._stored(day)
        return book

    def _day(self, day: str) -> Book:
        changed = self._changed.get(day)
        return changed if changed is not None else self._stored(day)

    def _stored(self, day: str) -> Book:
        name = self._marks.days.get(day)
        return (read_back(_content(self._folder / name)) or {}) if name is not None else {}

    def _last(self) -> Marks:
        """The marks of the run before; new ones where they cannot be read, or name a file that is gone: then all that
        the log still has is read anew."""
        try:
            marks = _decode((self._folder / MARKS).read_bytes())
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return Marks()
        is_whole = marks.v == _VERSION and all((self._folder / name).is_file() for name in marks.days.values())
        return marks if is_whole else Marks()

    def _save(self) -> bool:
        marks = self._marks
        number = marks.number + 1
        try:
            for day, book in self._changed.items():
                name = f"{day}.{number}.json"
                replace_file(self._folder / name, written(book))
                marks.days[day] = name
            marks.number = number
            replace_file(self._folder / MARKS, _encode(marks))
        except OSError:
            return False
        kept = {*marks.days.values(), MARKS}
        for path in self._folder.glob("*.json"):
            if path.name not in kept:
                with contextlib.suppress(OSError):
                    path.unlink()
        self._changed.clear()
        return True


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _lines(path: Path, start: int, end: int) -> Iterator[bytes]:
    """The whole lines from `start`; what its writer is just finishing is for the next run."""
    rest = b""
    with path.open("rb") as file:
        file.seek(start)
        left = end - start
        while left > 0:
            piece = file.read(min(left, _PIECE))
            if not piece:
                return
            left -= len(piece)
            *lines, rest = (rest + piece).split(b"\n")
            yield from lines


def _is_next(before: Path, path: Path) -> bool:
    """Whether `path` is the next part of the same boot: named alike but for the number at the end."""
    return before.stem.rpartition("-")[0] == path.stem.rpartition("-")[0]


def _last_of(path: Path) -> frozenset[str]:
    """The requests at the end of a segment, which may stand in the next one, too."""
    size = path.stat().st_size
    found = (read_line(line) for line in _lines(path, max(0, size - _TAIL), size))
    ended = (line.outcome or line.mirrored for line in found if line is not None)
    return frozenset(one.request_id for one in ended if one is not None)
