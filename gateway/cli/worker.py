"""One worker process, started by the supervisor and by nobody else: `python -m gateway.cli.worker`.

It reads the configuration itself, so that no secret passes through an argument, starts only if that is what was proved,
takes over the sockets that the supervisor opened, follows when another bundle is to govern, and drains when it is told
to or when the supervisor is gone.
"""

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Final

import uvloop

from gateway.assemble import Worker
from gateway.cli import loaded
from gateway.cli.activating import Activating
from gateway.cli.loaded import Loaded
from gateway.core.problems import Problems
from gateway.runtime.board import Board
from gateway.runtime.certified import Unproved
from gateway.runtime.circles import Circles
from gateway.runtime.lifeline import REPLACED, Inherited, die_with_parent, forbid_core_files
from gateway.runtime.supervisor import REFUSED, UNPROVED
from gateway.telemetry import EventLog, log_to

log = EventLog(__name__)

SWITCH_S: Final = 0.0005
"""How long a thread that scans may keep the loop from its next turn: Python's own 5 ms would be 5 ms for every turn."""


def main() -> int:
    """Serve until told to stop; returns the exit status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--worker", type=int, required=True)
    parser.add_argument("--fds", required=True)
    arguments = parser.parse_args()
    die_with_parent()
    forbid_core_files()
    log_to(sys.stderr)
    sys.setswitchinterval(SWITCH_S)
    inherited = Inherited.from_argument(arguments.fds)
    try:
        first = loaded.started(arguments.config, os.environ, inherited.certificate)
    except Problems as exc:
        # The supervisor has loaded the same files a moment ago, so this is an edit in between.
        log.error("configuration_refused", worker=arguments.worker, count=len(exc.problems))
        return REFUSED
    except Unproved as unproved:
        log.error("bundle_unproved", worker=arguments.worker, reason=unproved.reason)
        return UNPROVED
    uvloop.run(_serve(first, arguments.config, arguments.worker, inherited))
    return 0


async def _serve(first: Loaded, directory: Path, number: int, inherited: Inherited) -> None:
    loop = asyncio.get_running_loop()
    stop, replaced = asyncio.Event(), asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    loop.add_signal_handler(REPLACED, replaced.set)
    lifeline = inherited.lifeline
    worker = Worker(
        first.settings,
        number=number,
        scanner=first.scanner,
        on_head=lifeline.synced,
        certificate=first.certificate,
        ask=lifeline.ask,
        board=Board.inherited(inherited.figures),
        place=inherited.place,
    )
    # What the supervisor has said lies there already, so that no request is served without it.
    activating = Activating(worker, first, lifeline, directory, os.environ)
    lifeline.when_cut(loop, stop.set, activating.told)
    circles = Circles(is_quiet=lambda: worker.is_quiet)
    circles.begin()
    try:
        await worker.run(inherited.data, inherited.admin, stop, on_ready=lifeline.ready, replaced=replaced)
    finally:
        circles.end()


if __name__ == "__main__":
    sys.exit(main())
