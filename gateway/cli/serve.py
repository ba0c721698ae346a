"""`tidegate serve`: check, prove and seal everything, then supervise the workers until told to stop."""

import argparse
import contextlib
import os
import sys
import time
from pathlib import Path

from gateway.cli.main import Subparsers
from gateway.cli.prepare import Refused, plan_of
from gateway.cli.proved import shown_or_logged
from gateway.core.problems import Problems
from gateway.runtime import refusal_book
from gateway.runtime.keyring import Purpose
from gateway.runtime.supervise import supervise
from gateway.runtime.upgrade import NotLoaded
from gateway.settings import CONFIG_VARIABLE, load_root
from gateway.telemetry import EventLog, log_to

log = EventLog(__name__)


def add_commands(subparsers: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add `serve`."""
    parser = subparsers.add_parser("serve", help="run the gateway")
    parser.add_argument(
        "--config",
        metavar="DIR",
        type=Path,
        default=Path(os.environ.get(CONFIG_VARIABLE, ".")),
        help=f"the folder with gateway.yaml (default: ${CONFIG_VARIABLE}, or here)",
    )
    parser.set_defaults(run=_serve)


def _serve(arguments: argparse.Namespace) -> int:
    directory = arguments.config.resolve()
    log_to(sys.stderr)
    try:
        plan = plan_of(directory, shown_or_logged())
    except Refused as found:
        log.error("configuration_refused", count=len(found.problems), code=found.not_loaded.code)
        _note(directory, found.not_loaded)
        raise
    return supervise(plan)


def _note(directory: Path, refused: NotLoaded) -> None:
    """Leave word of it for the audit log of whoever starts next, as far as the files say where."""
    with contextlib.suppress(Problems, OSError):
        state_dir, keyring = load_root(directory, os.environ)
        refusal_book.note(state_dir, refused.refusal(time.time(), ""), keyring.keyed_hash(Purpose.ACTIVATIONS))
