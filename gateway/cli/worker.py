"""One worker process, started by the supervisor and by nobody else: `python -m gateway.cli.worker`.

It reads the configuration itself, so that no secret passes through an argument, takes over the sockets that the
supervisor opened, and drains when it is told to or when the supervisor is gone.
"""

import argparse
import asyncio
import gc
import os
import signal
import sys
from pathlib import Path

import uvloop

from gateway.assemble import Worker
from gateway.core.problems import Problems
from gateway.runtime.lifeline import Inherited, die_with_parent, forbid_core_files
from gateway.runtime.supervisor import REFUSED
from gateway.settings import Settings, load
from gateway.telemetry import EventLog, log_to

log = EventLog(__name__)


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
    try:
        settings = load(arguments.config, os.environ)
    except Problems as exc:
        # The supervisor has loaded the same files a moment ago, so this is an edit in between.
        log.error("configuration_refused", worker=arguments.worker, count=len(exc.problems))
        return REFUSED
    inherited = Inherited.from_argument(arguments.fds)
    uvloop.run(_serve(settings, arguments.worker, inherited))
    return 0


async def _serve(settings: Settings, number: int, inherited: Inherited) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    inherited.lifeline.when_cut(loop, stop.set)
    worker = Worker(settings, number=number, on_head=inherited.lifeline.synced)
    # What was built so far lives as long as the process: no reason to walk it in every collection.
    gc.collect()
    gc.freeze()
    await worker.run(inherited.data, inherited.admin, stop, on_ready=inherited.lifeline.ready)


if __name__ == "__main__":
    sys.exit(main())
