"""One worker process, started by the supervisor and by nobody else: `python -m gateway.cli.worker`.

It reads the configuration itself, so that no secret passes through an argument, starts only if that is what was proved,
takes over the sockets that the supervisor opened, and drains when it is told to or when the supervisor is gone.
"""

import argparse
import asyncio
import gc
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

import uvloop

from gateway.assemble import Worker
from gateway.core.problems import Problems
from gateway.detect.scanner import scanner_digest
from gateway.runtime import certified
from gateway.runtime.board import Board
from gateway.runtime.keyring import Purpose
from gateway.runtime.lifeline import REPLACED, Inherited, die_with_parent, forbid_core_files
from gateway.runtime.supervisor import REFUSED, UNPROVED
from gateway.settings import Settings, load
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
    try:
        settings = load(arguments.config, os.environ)
    except Problems as exc:
        # The supervisor has loaded the same files a moment ago, so this is an edit in between.
        log.error("configuration_refused", worker=arguments.worker, count=len(exc.problems))
        return REFUSED
    inherited = Inherited.from_argument(arguments.fds)
    bundle = settings.bundle.with_scanner(scanner_digest(settings.bundle.policy.markers, settings.bundle.recognizers))
    key = settings.keyring().keyed_hash(Purpose.CERTIFICATES)
    try:
        certificate = certified.check(inherited.certificate, key, bundle.digest)
    except certified.Unproved as unproved:
        log.error("bundle_unproved", worker=arguments.worker, bundle=bundle.digest, reason=unproved.reason)
        return UNPROVED
    uvloop.run(_serve(replace(settings, bundle=bundle), arguments.worker, inherited, certificate))
    return 0


async def _serve(settings: Settings, number: int, inherited: Inherited, certificate: str) -> None:
    loop = asyncio.get_running_loop()
    stop, replaced = asyncio.Event(), asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    loop.add_signal_handler(REPLACED, replaced.set)
    lifeline = inherited.lifeline
    worker = Worker(
        settings,
        number=number,
        on_head=lifeline.synced,
        certificate=certificate,
        ask=lifeline.ask,
        board=Board.inherited(inherited.figures),
        place=inherited.place,
    )
    # What the supervisor has said lies there already, so that no request is served without it.
    lifeline.when_cut(loop, stop.set, worker.told)
    # What was built so far lives as long as the process: no reason to walk it in every collection.
    gc.collect()
    gc.freeze()
    await worker.run(inherited.data, inherited.admin, stop, on_ready=lifeline.ready, replaced=replaced)


if __name__ == "__main__":
    sys.exit(main())
