"""Opens what a supervisor holds for life, the listening sockets first of all, and runs it."""

import contextlib
import signal
from typing import Final

from gateway.runtime.board import Board
from gateway.runtime.checkpoints import Checkpoints
from gateway.runtime.children import Fds
from gateway.runtime.clock import SystemClock
from gateway.runtime.control_book import ControlBook
from gateway.runtime.lifeline import forbid_core_files, handed_over
from gateway.runtime.listening import listen, place_of, signals
from gateway.runtime.plan import Plan
from gateway.runtime.supervisor import STOPS, UPGRADES, Supervisor
from gateway.telemetry import EventLog

LEAST_PLACES: Final = 32

log = EventLog(__name__)


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
        log.info("listening", listen=place_of(data, plan.data), count=plan.workers)
        log.info("admin_listening", listen=place_of(admin, plan.admin))
        with signals((*STOPS, UPGRADES, signal.SIGCHLD)) as wakened:
            # Several for each: those that were replaced tell what they count until their last client has gone.
            board = closing.enter_context(contextlib.closing(Board.made(max(LEAST_PLACES, 4 * plan.workers))))
            certificate = handed_over(plan.certificate)
            fds = Fds(data.fileno(), admin.fileno(), certificate, board.fileno())
            book = ControlBook(plan.controls_file, clock)
            return Supervisor(plan, checkpoints, book, clock, fds, wakened, board_places=len(board)).run()
