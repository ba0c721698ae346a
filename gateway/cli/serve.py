"""`tidegate serve`: check, prove and seal everything, then supervise the workers until told to stop."""

import argparse
import os
import sys
from pathlib import Path

from gateway.cli.main import Subparsers
from gateway.cli.prepare import plan_of
from gateway.cli.proved import shown_or_logged
from gateway.core.problems import Problems
from gateway.runtime.supervisor import supervise
from gateway.settings import CONFIG_VARIABLE
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
    except Problems as found:
        log.error("configuration_refused", count=len(found.problems))
        raise
    return supervise(plan)
