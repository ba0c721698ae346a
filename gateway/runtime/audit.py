"""The audit log of one worker: a queue that never waits, one writer thread, one append-only segment at a time.

The request path only appends to a queue and counts; encoding, chaining, writing and syncing happen in the thread, in
slices short enough that the loop never waits for the interpreter. Intents share one sync and their attempts wait for
it. When a write or a sync fails the segment is given up, the cloud is closed, and what was not synced is written again
to a fresh segment (so a record may be in two segments; readers take the request id).

What can be lost: an intent that was acknowledged, never. Outcomes: `kill -9` loses at most what the last 100 ms
brought, a power cut at most the last second, and the chain shows neither as a forgery.
"""

import asyncio
import contextlib
import errno
import os
import secrets
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.core.audit_chain import START, Head, seal
from gateway.core.audit_record import Activation, Entry, Header, Origin, segment_name
from gateway.core.records import Intent, Mirrored, Outcome, Override, Refusal
from gateway.errors import AuditUnavailable
from gateway.ports import Clock
from gateway.runtime.keyring import Keyring, Purpose
from gateway.telemetry import EventLog

BUFFER: Final = 4096
FLUSH_EVERY_S: Final = 0.1
SYNC_EVERY_S: Final = 1.0
REOPEN_EVERY_S: Final = 1.0
COMMIT_WITHIN_S: Final = 5.0
SEGMENT_BYTES: Final = 64 << 20
# About 0.4 ms of encoding between two system calls, at each of which the loop's thread gets the interpreter.
_SLICE: Final = 64
# What the encoder raises for a value that JSON cannot hold.
_UNWRITABLE: Final = (ValueError, TypeError, OverflowError)

log = EventLog(__name__)


@dataclass(frozen=True, slots=True)
class _Commit:
    """An intent whose attempt waits until it is on disk, or something else that does."""

    record: Intent | Override | Refusal
    done: "asyncio.Future[None]"


_Kept = Outcome | Mirrored | Activation | Refusal
"""What is written again to the next segment unless it was synced."""


@dataclass(slots=True)
class _Segment:
    """The open segment, as far as it has been written. `synced` is the head that is known to be on disk."""

    name: str
    fd: int
    seq: int
    seal: bytes
    size: int


def open_segment(path: Path) -> int:
    """A new file, for appending, readable by its owner only."""
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


class AuditLog:
    """Implements `ports.AuditSink`. `open` starts it at the worker's start, `flush_and_close` ends it after its drain.

    `on_head` is called in the writer thread after each sync, so that the supervisor can sign how far the segment is;
    it must neither wait nor raise.
    `opener` opens a new segment's file; tests hand in one that fails.
    """

    def __init__(
        self,
        directory: Path,
        worker: int,
        keyring: Keyring,
        clock: Clock,
        *,
        buffer: int = BUFFER,
        on_head: Callable[[Head], None] = lambda _: None,
        opener: Callable[[Path], int] = open_segment,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self._directory = directory
        self._worker = worker
        self._key = keyring.keyed_hash(Purpose.AUDIT)
        self._clock = clock
        self._buffer = buffer
        self._on_head = on_head
        self._opener = opener
        self._segment_bytes = segment_bytes
        self._boot = secrets.token_hex(8)
        self._booted_at = clock.wall()
        self._in_force = ""

        # Shared between the threads: the deque's operations are atomic, the rest is written by one side only.
        self._queue: deque[_Kept | _Commit] = deque()
        self._wake = threading.Event()
        self._is_closing = False
        self._is_writable = False
        self._reserved = 0
        self._lost = 0
        self._thread: threading.Thread | None = None
        # A queue that fills faster than every 100 ms wakes the writer early; a sync that is due by count, too.
        self._early = max(1, buffer // 4)

        # The writer thread's own.
        self._unsynced: deque[_Kept] = deque()
        self._commits: list[_Commit] = []
        self._segment: _Segment | None = None
        # The last one that is on disk, which every later segment begins with, and one that is on its way there.
        self._activation: Activation | None = None
        self._coming: Activation | None = None
        self._part = 0
        self._follows = START
        self._synced_at = clock.monotonic()
        self._reopen_at = clock.monotonic()

    @property
    def is_writable(self) -> bool:
        """Whether the open segment has been synced and nothing has failed since: whether the cloud may be used."""
        return self._is_writable

    @property
    def used(self) -> int:
        """Places in the buffer that are taken: by requests under way, and by records that are not on disk yet."""
        return self._reserved + len(self._queue) + len(self._unsynced)

    @property
    def limit(self) -> int:
        """Places in the buffer."""
        return self._buffer

    @property
    def lost(self) -> int:
        """Records for which there was no place."""
        return self._lost

    def open(self) -> None:
        """Open the first segment, sync it and start the writer. What cannot be opened is tried again each second."""
        self._reopen()
        self._thread = threading.Thread(target=self._run, name="audit-writer", daemon=True)
        self._thread.start()

    def reserve(self, *, for_stranger: bool = False) -> None:
        """Keep a place for one outcome; AuditUnavailable when the buffer is full, failed log or not.

        A flood of wrong keys fills half the buffer at most, so that it cannot shut the door for right ones.
        """
        limit = self._buffer // 2 if for_stranger else self._buffer
        if self._is_closing or self._reserved + len(self._queue) + len(self._unsynced) >= limit:
            raise AuditUnavailable(detail="the audit buffer is full")
        self._reserved += 1

    def release(self) -> None:
        """Give a place back."""
        self._reserved = max(0, self._reserved - 1)

    def record(self, outcome: Outcome | Mirrored) -> None:
        """Queue an outcome, using up one place; without one it is taken while there is room, else counted as lost."""
        if self._reserved:
            self._reserved -= 1
        elif len(self._queue) + len(self._unsynced) >= self._buffer:
            self._lost += 1
            return
        self._queue.append(outcome)
        if len(self._queue) == self._early:
            self._wake.set()

    def activated(
        self, bundle: str, labels: Iterable[str], certificate: str = "", origin: Origin | None = None
    ) -> None:
        """Note that a bundle came into force, and what its labels are called: records hold their ranks.

        `certificate` is the hash of what proves it, `origin` where it comes from and what looks for what under it.
        """
        previous, self._in_force = self._in_force, bundle
        self._queue.append(
            Activation(self._clock.wall(), bundle, tuple(labels), certificate, previous, origin or Origin())
        )

    def refused(self, refusal: Refusal) -> None:
        """Note that files did not come into force."""
        self._queue.append(refusal)

    async def committed(self, record: Intent | Override | Refusal) -> None:
        """Return once `record` is on disk; AuditUnavailable if it is not there within five seconds."""
        if not self._is_writable or self._is_closing:
            raise AuditUnavailable(detail="the audit log cannot be written")
        done = asyncio.get_running_loop().create_future()
        self._queue.append(_Commit(record, done))
        self._wake.set()
        try:
            async with asyncio.timeout(COMMIT_WITHIN_S):
                await done
        except TimeoutError as exc:
            raise AuditUnavailable(detail="the audit log did not sync in time") from exc

    def flush_and_close(self, timeout_s: float = 10.0) -> bool:
        """Write and sync what is queued, end the writer, and say whether everything is on disk."""
        self._is_closing = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout_s)
            if self._thread.is_alive():
                return False
        lost = self._lost + len(self._queue) + len(self._unsynced)
        if lost:
            log.error("audit_records_lost", count=lost, worker=self._worker)
        return not lost

    # From here on: the writer thread.

    def _run(self) -> None:
        try:
            while not self._is_closing:
                self._wake.wait(FLUSH_EVERY_S)
                self._wake.clear()
                self._turn()
            # Once more after closing: what was queued until then, and one more attempt if the log is broken.
            self._reopen_at = self._clock.monotonic()
            self._turn()
        finally:
            # However this thread ends, nobody waits for it and no cloud attempt is let through afterwards.
            self._is_writable = False
            self._set_aside()
            if self._segment is not None:
                os.close(self._segment.fd)
                self._segment = None

    def _turn(self) -> None:
        if self._segment is None and self._clock.monotonic() >= self._reopen_at:
            self._reopen()
        if self._segment is None:
            self._set_aside()
            return
        try:
            for _ in range(0, len(self._queue), _SLICE):
                self._write_slice(self._segment)
            if self._is_sync_due():
                self._sync(self._segment)
            if self._segment.size >= self._segment_bytes:
                self._rotate(self._segment)
        except OSError as exc:
            self._fail(exc)

    def _write_slice(self, segment: _Segment) -> None:
        lines: list[bytes] = []
        while self._queue and len(lines) < _SLICE:
            item = self._queue.popleft()
            match item:
                case Outcome():
                    self._unsynced.append(item)
                    lines.append(self._line(segment, item))
                case Mirrored():
                    try:
                        lines.append(self._line(segment, item))
                    except _UNWRITABLE as exc:
                        log.crash("audit_copy_unwritable", exc, worker=self._worker)
                    else:
                        self._unsynced.append(item)
                case _Commit():
                    try:
                        lines.append(self._line(segment, item.record))
                    except _UNWRITABLE as exc:
                        log.crash("audit_intent_unwritable", exc, worker=self._worker)
                        _settle([item], is_synced=False)
                    else:
                        self._commits.append(item)
                case Activation() | Refusal():
                    self._unsynced.append(item)
                    lines.append(self._line(segment, item))
                    if isinstance(item, Activation):
                        self._coming = item
        _write(segment, b"".join(lines))

    def _line(self, segment: _Segment, entry: Entry) -> bytes:
        try:
            line, end = seal(segment.seal, segment.seq, entry, self._key)
        except _UNWRITABLE as exc:
            if not isinstance(entry, Outcome):
                raise
            # A lone surrogate or a huge number: the record's skeleton is better than a writer that stops for ever.
            log.crash("audit_record_unwritable", exc, worker=self._worker)
            line, end = seal(segment.seal, segment.seq, _skeleton(entry), self._key)
        segment.seal = end
        segment.seq += 1
        return line

    def _is_sync_due(self) -> bool:
        if self._commits or self._is_closing or len(self._unsynced) >= self._early:
            return True
        return bool(self._unsynced) and self._clock.monotonic() - self._synced_at >= SYNC_EVERY_S

    def _sync(self, segment: _Segment) -> None:
        os.fdatasync(segment.fd)
        if not os.fstat(segment.fd).st_nlink:
            # Somebody deleted the file: what is synced into it is gone with the process.
            raise FileNotFoundError(errno.ENOENT, "audit segment")
        self._synced_at = self._clock.monotonic()
        self._unsynced.clear()
        self._activation, self._coming = self._coming or self._activation, None
        self._follows = segment.seal
        commits, self._commits = self._commits, []
        _settle(commits, is_synced=True)
        self._on_head(Head(segment.name, segment.seq - 1, segment.seal.hex(), segment.size))

    def _rotate(self, segment: _Segment) -> None:
        self._sync(segment)
        os.close(segment.fd)
        self._segment = None
        self._reopen()

    def _fail(self, exc: OSError) -> None:
        self._is_writable = False
        self._reopen_at = self._clock.monotonic() + REOPEN_EVERY_S
        log.error("audit_failed", error=type(exc).__name__, errno=exc.errno, worker=self._worker)
        if self._segment is not None:
            os.close(self._segment.fd)
            self._segment = None
        self._set_aside()

    def _set_aside(self) -> None:
        """Refuse the intents that wait; keep the outcomes, in order, for the next segment."""
        while self._queue:
            item = self._queue.popleft()
            match item:
                case _Commit():
                    self._commits.append(item)
                case _:
                    self._unsynced.append(item)
                    if isinstance(item, Activation):
                        self._coming = item
        commits, self._commits = self._commits, []
        _settle(commits, is_synced=False)

    def _reopen(self) -> None:
        """Open the next segment, write what has not been synced before, and sync it."""
        name = segment_name(self._booted_at, self._worker, self._boot, self._part)
        path = self._directory / f"{name}.jsonl"
        try:
            _prepare(self._directory)
            segment = _Segment(name, self._opener(path), 0, self._follows, 0)
        except OSError as exc:
            self._fail(exc)
            return
        self._segment = segment
        header = Header(
            name, self._worker, self._boot, self._part, self._booted_at, self._clock.wall(), self._follows.hex()
        )
        entries: list[Entry] = [header, *([self._activation] if self._activation else ()), *self._unsynced]
        try:
            for start in range(0, len(entries), _SLICE):
                _write(segment, b"".join(self._line(segment, entry) for entry in entries[start : start + _SLICE]))
            # The name first: once a head is reported, the supervisor signs that the file exists.
            os.fsync(segment.fd)
            _sync_directory(self._directory)
            self._sync(segment)
        except OSError as exc:
            # Nothing counts on this file yet; if even removing it fails, its part number is spent.
            self._part += 0 if _removed(path) else 1
            self._fail(exc)
            return
        self._part += 1
        self._is_writable = True
        log.info("audit_segment_opened", segment=name, worker=self._worker)


def _prepare(directory: Path) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)


def _write(segment: _Segment, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        written = os.write(segment.fd, rest)
        segment.size += written
        rest = rest[written:]


def _sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _removed(path: Path) -> bool:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return False
    return True


def _settle(commits: Iterable[_Commit], *, is_synced: bool) -> None:
    """Tell those who wait, with one call into their loop however many they are."""
    by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for commit in commits:
        by_loop.setdefault(commit.done.get_loop(), []).append(commit.done)
    for loop, waiting in by_loop.items():
        # A loop that is closed has nobody left who waits.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_tell, waiting, is_synced)


def _tell(waiting: Iterable["asyncio.Future[None]"], is_synced: bool) -> None:
    for done in waiting:
        if done.done():  # cancelled meanwhile: the intent stands and reads "may have been sent"
            continue
        if is_synced:
            done.set_result(None)
        else:
            done.set_exception(AuditUnavailable(detail="the audit log cannot be written"))


def _skeleton(outcome: Outcome) -> Outcome:
    return Outcome(
        request_id=outcome.request_id.encode("ascii", "replace").decode(),
        at=outcome.at,
        ms=outcome.ms,
        tenant="",
        path="",
        status=outcome.status,
        ending=outcome.ending,
        bundle="",
        epoch=0,
        streamed=outcome.streamed,
        bytes_in=0,
        bytes_out=0,
        error="record_unwritable",
    )
