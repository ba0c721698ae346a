"""The parent of the workers on one machine: holds the listening sockets, restarts what dies, signs the audit log.

Connections wait in the sockets while a worker is replaced, so none is lost. A worker that keeps dying is started ever
more slowly, and when nothing serves and one has died five times in a row the supervisor says so and ends, for the
system above it to see. Each worker gets the certificate of what was proved before any of them started; one that was
started on other files refuses. Overrides of operations are kept here and told to all workers. It handles no request and
has no secret but the signing key.
"""

import contextlib
import os
import selectors
import signal
import socket
import stat
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from gateway.config.addresses import Listen, Tcp
from gateway.core.audit_chain import Head
from gateway.core.controls import Order, Refused
from gateway.ports import Clock
from gateway.runtime.board import Board
from gateway.runtime.checkpoints import Checkpoints
from gateway.runtime.clock import SystemClock
from gateway.runtime.control_book import FILE as CONTROLS_FILE
from gateway.runtime.control_book import ControlBook
from gateway.runtime.lifeline import (
    LONGEST_MESSAGE,
    Asked,
    Ready,
    Synced,
    Told,
    fds_argument,
    forbid_core_files,
    handed_over,
    read_message,
    worker_command,
    written,
)
from gateway.telemetry import EventLog

BACKLOG: Final = 4096
QUICK_S: Final = 10.0
QUICK_DEATHS: Final = 5
SLOWEST_RESTART_S: Final = 30.0
SIGN_EVERY_S: Final = 1.0
GRACE_S: Final = 5.0
REFUSED: Final = 78  # EX_CONFIG of sysexits.h: a worker that ends so will not start with these files
UNPROVED: Final = 77  # EX_NOPERM: nor will this one, since what it read is not what was proved
_STOPS: Final = (signal.SIGTERM, signal.SIGINT)

log = EventLog(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run. `certificate` is what workers are handed, sealed. `command` makes a worker's argument list from the
    configuration folder, its number and its fds.
    """

    config_dir: Path
    audit_dir: Path
    data: Listen
    admin: Listen
    certificate: bytes
    workers: int = 1
    drain_s: float = 300.0
    command: Callable[[str, int, str], Sequence[str]] = worker_command

    @property
    def controls_file(self) -> Path:
        """Where the overrides of operations are kept."""
        return self.audit_dir.parent / CONTROLS_FILE


@dataclass(slots=True)
class _Worker:
    """A running worker process, seen from here."""

    number: int
    process: subprocess.Popen[bytes]
    channel: socket.socket
    started_at: float
    is_ready: bool = False
    told_revision: int = -1


@dataclass(slots=True)
class _Place:
    """The place of worker `number`: who is in it, and how often in a row someone died in it quickly."""

    number: int
    worker: _Worker | None = None
    quick_deaths: int = 0
    restarts: int = 0
    start_at: float = field(default=0.0)


def restart_after(quick_deaths: int) -> float:
    """How long to wait before the next start, in seconds: at once, then 0.1 s doubling to 30."""
    return min(SLOWEST_RESTART_S, 0.1 * 2 ** (quick_deaths - 1)) if quick_deaths else 0.0


def listen(where: Listen) -> socket.socket:
    """A listening socket; OSError with `where` as its file name. A stale Unix socket is replaced, nothing else is."""
    try:
        if isinstance(where, Tcp):
            family = socket.AF_INET6 if ":" in where.host else socket.AF_INET
            return socket.create_server((where.host, where.port), family=family, backlog=BACKLOG)
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISSOCK(os.lstat(where.path).st_mode):
                os.unlink(where.path)  # noqa: PTH108 - the socket API's own form of the path
        made = socket.socket(socket.AF_UNIX)
        try:
            made.bind(where.path)
            os.chmod(where.path, 0o600)  # noqa: PTH101
            made.listen(BACKLOG)
        except BaseException:
            made.close()
            raise
    except OSError as exc:
        raise OSError(exc.errno, exc.strerror, str(where)) from exc
    return made


def supervise(plan: Plan) -> int:
    """Run until a signal says stop and the workers have drained; the exit status of `tidegate serve`.

    Must be called in the main thread: signals arrive there, and the kernel ties the workers' lives to it.
    """
    forbid_core_files()
    clock = SystemClock()
    with contextlib.ExitStack() as closing:
        checkpoints = Checkpoints(plan.audit_dir, clock)
        closing.callback(checkpoints.close)
        data = closing.enter_context(listen(plan.data))
        admin = closing.enter_context(listen(plan.admin))
        log.info("listening", listen=_place_of(data, plan.data), count=plan.workers)
        log.info("admin_listening", listen=_place_of(admin, plan.admin))
        certificate = handed_over(plan.certificate)
        closing.callback(os.close, certificate)
        with _signals() as wakened:
            board = closing.enter_context(contextlib.closing(Board.made(plan.workers)))
            fds = Fds(data.fileno(), admin.fileno(), certificate, board.fileno())
            book = ControlBook(plan.controls_file, clock)
            return Supervisor(plan, checkpoints, book, clock, fds, wakened).run()


@dataclass(frozen=True, slots=True)
class Fds:
    """What workers inherit beside a lifeline of their own."""

    data: int
    admin: int
    certificate: int
    figures: int


class Supervisor:
    """The loop of `supervise`, with its parts handed in."""

    def __init__(
        self,
        plan: Plan,
        checkpoints: Checkpoints,
        book: ControlBook,
        clock: Clock,
        fds: Fds,
        wakened: socket.socket,
    ) -> None:
        self._plan = plan
        self._checkpoints = checkpoints
        self._book = book
        self._clock = clock
        self._fds = fds
        self._wakened = wakened
        self._places = tuple(_Place(number) for number in range(plan.workers))
        self._heads: dict[str, Head] = {}
        self._sign_at = clock.monotonic()
        self._stop_by: float | None = None
        self._status = 0
        self._selector = selectors.DefaultSelector()
        self._selector.register(wakened, selectors.EVENT_READ)

    def run(self) -> int:
        """Start the workers and look after them until they have all ended."""
        try:
            while True:
                self._start_due()
                for key, _ in self._selector.select(self._wait_s()):
                    if key.fileobj is self._wakened:
                        self._handle_signals()
                    else:
                        self._hear(key.data)
                self._reap()
                self._sign(is_last=False)
                self._book.end_due()
                self._tell_workers()
                if self._stop_by is not None and not self._workers():
                    return self._status
                self._kill_overdue()
        finally:
            self._end()

    def _workers(self) -> list[_Worker]:
        return [place.worker for place in self._places if place.worker is not None]

    def _wait_s(self) -> float:
        now = self._clock.monotonic()
        due = [place.start_at for place in self._places if place.worker is None and self._stop_by is None]
        if self._heads:
            due.append(self._sign_at)
        if self._stop_by is not None:
            due.append(self._stop_by)
        if self._book.ends_at is not None:
            due.append(now + self._book.ends_at - self._clock.wall())
        # A second at most: SIGCHLD wakes us, and should one be missed, a dead worker is noticed all the same.
        return max(0.0, min([*due, now + 1.0]) - now)

    def _start_due(self) -> None:
        if self._stop_by is not None:
            return
        now = self._clock.monotonic()
        for place in self._places:
            if place.worker is None and place.start_at <= now:
                place.worker = self._start(place.number)

    def _start(self, number: int) -> _Worker:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            ours.setblocking(False)
            controls = self._book.controls
            # Before there is anybody to hear it, so that no worker serves a moment without it.
            ours.send(written(Told(controls)))
            # The admin port has one owner; what the others count it reads on the board that all of them share.
            admin = self._fds.admin if number == 0 else None
            fds = self._fds.data, admin, theirs.fileno(), self._fds.certificate, self._fds.figures
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                self._plan.command(str(self._plan.config_dir), number, fds_argument(*fds)),
                stdin=subprocess.DEVNULL,
                pass_fds=[fd for fd in fds if fd is not None],
                # A group of its own: Ctrl-C in a terminal reaches us alone, and we say when to drain.
                process_group=0,
            )
        worker = _Worker(number, process, ours, self._clock.monotonic(), told_revision=controls.revision)
        self._selector.register(ours, selectors.EVENT_READ, worker)
        log.info("worker_started", worker=number, pid=process.pid)
        return worker

    def _hear(self, worker: _Worker) -> None:
        while True:
            try:
                data = worker.channel.recv(LONGEST_MESSAGE)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._hang_up(worker)
                return
            match read_message(data):
                case Ready():
                    worker.is_ready = True
                case Synced(head):
                    self._heads[head.segment] = head
                case Asked(asked, order):
                    self._order(worker, asked, order)
                case None:
                    log.warning("worker_message_unreadable", worker=worker.number)

    def _order(self, worker: _Worker, number: int, order: Order) -> None:
        refused = ""
        try:
            self._book.order(order)
        except Refused as exc:
            refused = exc.reason
        self._tell(worker, Told(self._book.controls, number, refused, self._book.is_kept))

    def _tell_workers(self) -> None:
        """Whoever has not heard it yet. A worker that does not listen is told again in a second at the latest."""
        controls = self._book.controls
        for worker in self._workers():
            if worker.told_revision != controls.revision:
                self._tell(worker, Told(controls, is_kept=self._book.is_kept))

    def _tell(self, worker: _Worker, told: Told) -> None:
        with contextlib.suppress(OSError):  # full, or hung up
            worker.channel.send(written(told))
            worker.told_revision = told.controls.revision

    def _hang_up(self, worker: _Worker) -> None:
        if worker.channel.fileno() >= 0:
            self._selector.unregister(worker.channel)
            worker.channel.close()

    def _reap(self) -> None:
        for place in self._places:
            worker = place.worker
            if worker is None or (code := worker.process.poll()) is None:
                continue
            if worker.channel.fileno() >= 0:
                self._hear(worker)  # its last head may still lie in the socket
            self._hang_up(worker)
            place.worker = None
            if self._stop_by is not None:
                log.info("worker_stopped", worker=worker.number, pid=worker.process.pid, exit_code=code)
                continue
            self._bury(place, worker, code)

    def _bury(self, place: _Place, worker: _Worker, code: int) -> None:
        now = self._clock.monotonic()
        place.quick_deaths = place.quick_deaths + 1 if now - worker.started_at < QUICK_S else 0
        place.restarts += 1
        after_s = restart_after(place.quick_deaths)
        place.start_at = now + after_s
        log.error(
            "worker_died",
            worker=worker.number,
            pid=worker.process.pid,
            exit_code=code,
            restarts=place.restarts,
            after_s=after_s,
        )
        if any(other.is_ready for other in self._workers()):
            return
        has_refused = code in (REFUSED, UNPROVED) and not worker.is_ready
        if place.quick_deaths >= QUICK_DEATHS or has_refused:
            log.error("supervisor_gave_up", worker=worker.number, exit_code=code)
            self._status = code if has_refused else 1
            self._stop()

    def _handle_signals(self) -> None:
        for number in self._wakened.recv(64):
            if number not in _STOPS:
                continue
            log.info("stopping", signal=signal.Signals(number).name)
            if self._stop_by is None:
                self._stop()
            elif number == signal.SIGINT:
                self._stop_by = self._clock.monotonic()  # Ctrl-C again: now

    def _stop(self) -> None:
        self._stop_by = self._clock.monotonic() + self._plan.drain_s + GRACE_S
        for worker in self._workers():
            worker.process.send_signal(signal.SIGTERM)

    def _kill_overdue(self) -> None:
        if self._stop_by is None or self._clock.monotonic() < self._stop_by:
            return
        self._stop_by = self._clock.monotonic() + GRACE_S
        self._status = self._status or 1
        for worker in self._workers():
            log.error("worker_killed", worker=worker.number, pid=worker.process.pid)
            worker.process.kill()

    def _sign(self, *, is_last: bool) -> None:
        now = self._clock.monotonic()
        if not self._heads or (now < self._sign_at and not is_last):
            return
        self._sign_at = now + SIGN_EVERY_S
        try:
            for segment in sorted(self._heads):
                self._checkpoints.sign(self._heads[segment])
                del self._heads[segment]
        except OSError as exc:
            # What was synced and is not signed yet stays here and is tried again; workers go on.
            log.error("checkpoint_failed", error=type(exc).__name__, errno=exc.errno)
            with contextlib.suppress(OSError):
                self._checkpoints.repair()

    def _end(self) -> None:
        """Leave nothing behind, however the loop ended."""
        for worker in self._workers():
            worker.process.kill()
            worker.process.wait()
            self._hang_up(worker)
        self._sign(is_last=True)
        self._selector.close()


@contextlib.contextmanager
def _signals() -> Iterator[socket.socket]:
    """A socket that becomes readable with the number of each signal that matters here, for as long as the context."""
    reading, writing = socket.socketpair()
    reading.setblocking(False)
    writing.setblocking(False)
    before: Mapping[signal.Signals, object] = MappingProxyType(
        {number: signal.signal(number, lambda *_: None) for number in (*_STOPS, signal.SIGCHLD)}
    )
    fd_before = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
    try:
        yield reading
    finally:
        signal.set_wakeup_fd(fd_before)
        for number, handler in before.items():
            signal.signal(number, handler)  # type: ignore[arg-type] # what signal() returned
        reading.close()
        writing.close()


def _place_of(bound: socket.socket, where: Listen) -> str:
    return str(Tcp(where.host, bound.getsockname()[1])) if isinstance(where, Tcp) else str(where)
