"""The parent of the workers on one machine: holds the listening sockets, restarts what dies, signs the audit log.

Connections wait in the sockets while a worker is replaced, so none is lost. A worker that keeps dying is started ever
more slowly, and when nothing serves and one has died five times in a row the supervisor says so and ends, for the
system above it to see. Each worker gets the certificate of what was proved before any of them started; one that was
started on other files refuses. Files that have changed are proved by a child: what lies in a bundle then governs in
the workers that serve (`reloading.py`), what lies deeper takes new ones, and so does a hang-up; they take the places of
those that serve once all of them are ready. Overrides of operations are kept here and told to all workers.
It handles no request and has no secret but the signing key.
"""

import contextlib
import os
import selectors
import signal
import socket
import subprocess
from dataclasses import replace
from typing import Final

from gateway.core.controls import Order, Refused
from gateway.core.records import RefusalCode
from gateway.ports import Clock
from gateway.runtime.checkpoints import Checkpoints
from gateway.runtime.children import Fds, Next, Place, Worker
from gateway.runtime.control_book import ControlBook
from gateway.runtime.heads import Heads
from gateway.runtime.lifeline import (
    LONGEST_MESSAGE,
    REPLACED,
    Activated,
    Asked,
    NotActivated,
    Ready,
    Synced,
    Told,
    fds_argument,
    handed_over,
    read_message,
    written,
)
from gateway.runtime.listening import has_terminal
from gateway.runtime.plan import Plan
from gateway.runtime.reloading import Reloading
from gateway.runtime.upgrade import (
    PREPARED_WITHIN_S,
    NotLoaded,
    NotPrepared,
    Preparation,
    Prepared,
)
from gateway.telemetry import EventLog

QUICK_DEATHS: Final = 5
GRACE_S: Final = 5.0
REFUSED: Final = 78  # EX_CONFIG of sysexits.h: a worker that ends so will not start with these files
UNPROVED: Final = 77  # EX_NOPERM: nor will this one, since what it read is not what was proved
READY_WITHIN_S: Final = 300.0
STOPS: Final = (signal.SIGTERM, signal.SIGINT)
UPGRADES: Final = signal.SIGHUP

log = EventLog(__name__)


class Supervisor:
    """The loop of `runtime/supervise.py`, with its parts handed in."""

    def __init__(
        self,
        plan: Plan,
        checkpoints: Checkpoints,
        book: ControlBook,
        clock: Clock,
        fds: Fds,
        wakened: socket.socket,
        board_places: int,
    ) -> None:
        self._plan = plan
        self._book = book
        self._clock = clock
        self._fds = fds
        self._wakened = wakened
        self._board_places = range(board_places)
        self._places = tuple(Place(number) for number in range(plan.workers))
        self._heads = Heads(checkpoints, clock.monotonic())
        self._stop_by: float | None = None
        self._status = 0
        self._had_terminal = has_terminal()
        self._is_upgrade_wanted = False
        self._reloading = Reloading(plan.watched, plan.files, plan.bundle, plan.foundation, clock)
        self._upgrade: Preparation | Next | None = None
        self._replaced: list[Worker] = []
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
                    elif key.fileobj is self._upgrade:
                        self._prepared(self._upgrade)
                    else:
                        self._hear(key.data)
                self._reap()
                self._look_at_files()
                self._go_on_upgrading()
                self._heads.sign(self._clock.monotonic())
                self._book.end_due()
                self._tell_workers()
                if self._stop_by is not None and not self._workers():
                    return self._status
                self._kill_overdue()
        finally:
            self._end()

    def _serving(self) -> list[Worker]:
        """Those in a place, and those about to take it."""
        coming = self._upgrade.workers if isinstance(self._upgrade, Next) else []
        return [*(place.worker for place in self._places if place.worker is not None), *coming]

    def _workers(self) -> list[Worker]:
        return [*self._serving(), *self._replaced]

    def _wait_s(self) -> float:
        now = self._clock.monotonic()
        due = [place.start_at for place in self._places if place.worker is None and self._stop_by is None]
        if self._heads.are_waiting:
            due.append(self._heads.sign_at)
        if self._stop_by is not None:
            due.append(self._stop_by)
        if self._book.ends_at is not None:
            due.append(now + self._book.ends_at - self._clock.wall())
        if self._stop_by is None:
            due.append(now + self._reloading.every_s)
        # A second at most: SIGCHLD wakes us, and should one be missed, a dead worker is noticed all the same.
        return max(0.0, min([*due, now + 1.0]) - now)

    def _start_due(self) -> None:
        if self._stop_by is not None:
            return
        now = self._clock.monotonic()
        for place in self._places:
            if place.worker is None and place.start_at <= now:
                place.worker = self._start(place.number, self._fds.certificate, self._reloading.bundle)

    def _free(self) -> list[int]:
        """Places on the board that are nobody's, the first ones first."""
        taken = {worker.place for worker in self._workers()}
        return [place for place in self._board_places if place not in taken]

    def _start(self, number: int, certificate: int, bundle: str) -> Worker:
        place = self._free()[0]
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            ours.setblocking(False)
            controls = self._book.controls
            # Before there is anybody to hear it, so that no worker serves a moment without it.
            ours.send(written(Told(controls, in_force=self._reloading.told(bundle))))
            # The admin port has one owner; what the others count it reads on the board that all of them share.
            admin = self._fds.admin if number == 0 else None
            fds = self._fds.data, admin, theirs.fileno(), certificate, self._fds.figures
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                self._plan.command(str(self._plan.config_dir), number, fds_argument(*fds, place)),
                stdin=subprocess.DEVNULL,
                pass_fds=[fd for fd in fds if fd is not None],
                # A group of its own: Ctrl-C in a terminal reaches us alone, and we say when to drain.
                process_group=0,
            )
        revision = controls.revision, self._reloading.revision
        worker = Worker(number, place, process, ours, self._clock.monotonic(), told_revision=revision, bundle=bundle)
        self._selector.register(ours, selectors.EVENT_READ, worker)
        log.info("worker_started", worker=number, pid=process.pid)
        return worker

    def _hear(self, worker: Worker) -> None:
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
                    self._heard_by(worker)
                case Synced(head):
                    self._heads.told(head)
                case Asked(asked, order):
                    self._order(worker, asked, order)
                case Activated(bundle):
                    worker.is_active = worker.is_active or bundle == worker.bundle
                case NotActivated(bundle, reason):
                    self._not_activated(worker, bundle, reason)
                case None:
                    log.warning("worker_message_unreadable", worker=worker.number)

    def _order(self, worker: Worker, number: int, order: Order) -> None:
        refused = ""
        try:
            self._book.order(order)
        except Refused as exc:
            refused = exc.reason
        self._tell(worker, number, refused)

    def _tell_workers(self) -> None:
        """Whoever has not heard it yet. A worker that does not listen is told again in a second at the latest."""
        revision = self._book.controls.revision, self._reloading.revision
        for worker in self._workers():
            if worker.told_revision != revision:
                self._tell(worker)

    def _tell(self, worker: Worker, answers: int | None = None, refused: str = "") -> None:
        controls, revision = self._book.controls, self._reloading.revision
        told = Told(controls, answers, refused, self._book.is_kept, self._reloading.told(worker.bundle))
        with contextlib.suppress(OSError):  # full, or hung up
            worker.channel.send(written(told))
            worker.told_revision = controls.revision, revision
            self._heard_by(worker)

    def _heard_by(self, worker: Worker) -> None:
        """What was told so far has been heard by `worker`; the first one writes refusals down."""
        if worker.number == 0 and worker.is_ready:
            self._reloading.heard()

    def _hang_up(self, worker: Worker) -> None:
        if worker.channel.fileno() >= 0:
            self._selector.unregister(worker.channel)
            worker.channel.close()

    def _reap(self) -> None:
        for worker in self._workers():
            if (code := worker.process.poll()) is None:
                continue
            if worker.channel.fileno() >= 0:
                self._hear(worker)  # its last head may still lie in the socket
            self._hang_up(worker)
            place = next((place for place in self._places if place.worker is worker), None)
            if place is not None:
                place.worker = None
            elif worker in self._replaced:
                self._replaced.remove(worker)
            elif isinstance(self._upgrade, Next):
                self._upgrade.workers.remove(worker)
            if self._stop_by is None and place is not None:
                self._bury(place, worker, code)
                continue
            log.info("worker_stopped", worker=worker.number, pid=worker.process.pid, exit_code=code)

    def _bury(self, place: Place, worker: Worker, code: int) -> None:
        after_s = place.bury(worker, self._clock.monotonic())
        log.error(
            "worker_died",
            worker=worker.number,
            pid=worker.process.pid,
            exit_code=code,
            restarts=place.restarts,
            after_s=after_s,
        )
        if self._upgrade is not None or any(other.is_ready for other in self._serving()):
            return
        has_refused = code in (REFUSED, UNPROVED) and not worker.is_ready
        if place.quick_deaths >= QUICK_DEATHS or has_refused:
            log.error("supervisor_gave_up", worker=worker.number, exit_code=code)
            self._status = code if has_refused else 1
            self._stop()

    def _handle_signals(self) -> None:
        for number in self._wakened.recv(64):
            # Whoever closes the terminal that it runs in wants it gone.
            is_hung_up = number == UPGRADES and self._had_terminal and not has_terminal()
            if number == UPGRADES and not is_hung_up:
                self._is_upgrade_wanted = True
            if number not in STOPS and not is_hung_up:
                continue
            log.info("stopping", signal=signal.Signals(number).name)
            if self._stop_by is None:
                self._stop()
            elif number == signal.SIGINT:
                self._stop_by = self._clock.monotonic()  # Ctrl-C again: now

    def _look_at_files(self) -> None:
        """Have files that have changed proved. While something else is under way they wait, as they are then."""
        now = self._clock.monotonic()
        if self._stop_by is not None or self._upgrade is not None or self._is_upgrade_wanted:
            return
        if (late := self._reloading.overdue(now)) is not None:
            self._not_taken(late)
        elif self._reloading.is_wanted(now):
            log.info("reload_begun")
            self._prepare(now)

    def _prepare(self, now: float) -> None:
        command = self._plan.prepare(str(self._plan.config_dir))
        self._upgrade = Preparation(command, now + PREPARED_WITHIN_S)
        self._selector.register(self._upgrade, selectors.EVENT_READ)

    def _activate(self, prepared: Prepared) -> None:
        """What was proved governs from now on, in workers that are started and in those that serve."""
        os.close(self._fds.certificate)
        self._fds = replace(self._fds, certificate=handed_over(prepared.certificate))
        for worker in self._workers():
            worker.bundle, worker.is_active = prepared.bundle, False
        serving = [place.worker for place in self._places if place.worker is not None]
        self._reloading.activate(prepared, serving, self._clock.monotonic() + READY_WITHIN_S)

    def _not_activated(self, worker: Worker, bundle: str, reason: str) -> None:
        """A worker that serves and cannot take what governs is replaced, with all others; one that leaves, leaves."""
        log.warning("bundle_not_activated", worker=worker.number, bundle=bundle, reason=reason)
        if bundle == worker.bundle and any(place.worker is worker for place in self._places):
            self._not_taken(reason)

    def _not_taken(self, reason: str) -> None:
        log.warning("reload_by_new_workers", reason=reason)
        self._reloading.give_up()
        self._is_upgrade_wanted = True

    def _go_on_upgrading(self) -> None:
        """One step: from what was asked for to a child at work, and from new workers that are all ready to the switch.

        One at a time. What is asked for meanwhile begins afterwards, with the files as they are then.
        """
        now = self._clock.monotonic()
        match self._upgrade:
            case None if self._is_upgrade_wanted and self._stop_by is None:
                self._is_upgrade_wanted = False
                log.info("upgrade_begun")
                self._reloading.by_workers()
                self._prepare(now)
            case Preparation(until=until) if now >= until:
                late = NotLoaded((RefusalCode.LATE,))
                self._give_up_upgrade("the files were not prepared in time", late)
            case Next(prepared=prepared, workers=workers) if len(workers) < prepared.workers:
                refused = prepared.refused(RefusalCode.WORKER)
                self._give_up_upgrade("a new worker ended before all were ready", refused)
            case Next(workers=workers) if all(worker.is_ready for worker in workers):
                self._switch(self._upgrade)
            case Next(prepared=prepared, until=until) if now >= until:
                refused = prepared.refused(RefusalCode.WORKER)
                self._give_up_upgrade("the new workers were not ready in time", refused)

    def _prepared(self, preparation: Preparation) -> None:
        try:
            prepared = preparation.hear()
        except NotPrepared as exc:
            self._give_up_upgrade(exc.reason, exc.not_loaded)
            return
        if prepared is None:
            return
        objection = prepared.objection(self._plan.data, self._plan.admin, self._plan.audit_dir)
        if objection:
            self._give_up_upgrade(objection, prepared.refused(RefusalCode.RESTART))
            return
        is_in_place = self._reloading.is_in_place(prepared)
        if not is_in_place and prepared.workers > len(self._free()):
            reason = "too many workers, those that still drain included"
            self._give_up_upgrade(reason, prepared.refused(RefusalCode.TOO_MANY))
            return
        self._selector.unregister(preparation)
        preparation.close()
        if is_in_place:
            self._upgrade = None
            if prepared.bundle == self._reloading.bundle:
                self._reloading.unchanged(prepared)
            else:
                self._activate(prepared)
            return
        # All of them at once beside those that serve: either every one of them can, or nothing has changed.
        certificate = handed_over(prepared.certificate)
        self._upgrade = coming = Next(prepared, certificate, self._clock.monotonic() + READY_WITHIN_S)
        for number in range(prepared.workers):
            coming.workers.append(self._start(number, certificate, prepared.bundle))

    def _switch(self, coming: Next) -> None:
        """The new workers serve: they are the ones that count, and the others let their clients go."""
        for place in self._places:
            if place.worker is not None:
                self._replace(place.worker)
        self._places = tuple(Place(number, worker) for number, worker in enumerate(coming.workers))
        os.close(self._fds.certificate)
        self._fds = replace(self._fds, certificate=coming.certificate)
        self._plan = replace(self._plan, workers=coming.prepared.workers, drain_s=coming.prepared.drain_s)
        self._upgrade = None
        self._reloading.switched(coming.prepared)
        for worker in self._replaced:
            # Whoever still waits there is decided by what governs now, or asked to come again.
            worker.bundle = coming.prepared.bundle
        log.info("upgraded", bundle=coming.prepared.bundle, count=len(self._places))

    def _replace(self, worker: Worker) -> None:
        worker.kill_at = self._clock.monotonic() + self._plan.drain_s + GRACE_S
        worker.process.send_signal(REPLACED)
        self._replaced.append(worker)

    def _give_up_upgrade(self, reason: str, refused: NotLoaded | None = None) -> None:
        """`refused` says of the files why; None where nothing is wrong with them."""
        upgrade, self._upgrade = self._upgrade, None
        if isinstance(upgrade, Preparation):
            self._selector.unregister(upgrade)
            upgrade.close()
        elif upgrade is not None:
            for worker in upgrade.workers:
                self._replace(worker)  # a ready one may have accepted somebody
            os.close(upgrade.certificate)
        is_by_files = self._reloading.refused(refused)
        log.error("reload_refused" if is_by_files else "upgrade_refused", reason=reason)

    def _stop(self) -> None:
        if self._upgrade is not None:
            self._give_up_upgrade("the gateway stops")
        self._stop_by = self._clock.monotonic() + self._plan.drain_s + GRACE_S
        for worker in self._workers():
            worker.process.send_signal(signal.SIGTERM)

    def _kill_overdue(self) -> None:
        now = self._clock.monotonic()
        overdue = [worker for worker in self._replaced if worker.kill_at is not None and worker.kill_at <= now]
        if self._stop_by is not None and now >= self._stop_by:
            self._stop_by = now + GRACE_S
            self._status = self._status or 1
            overdue = self._workers()
        for worker in overdue:
            log.error("worker_killed", worker=worker.number, pid=worker.process.pid)
            worker.kill_at = None
            worker.process.kill()

    def _end(self) -> None:
        """Leave nothing behind, however the loop ended."""
        if self._upgrade is not None:
            self._give_up_upgrade("the gateway stops")
        for worker in self._workers():
            worker.process.kill()
            worker.process.wait()
            self._hang_up(worker)
        self._heads.sign(self._clock.monotonic(), is_last=True)
        os.close(self._fds.certificate)
        self._selector.close()
