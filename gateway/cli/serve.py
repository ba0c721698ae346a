"""`tidegate serve`: check everything, then supervise the workers until told to stop."""

import argparse
import os
import sys
from pathlib import Path

from gateway.cli.main import Subparsers
from gateway.runtime.supervisor import Plan, supervise
from gateway.settings import CONFIG_VARIABLE, load
from gateway.telemetry import log_to


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
    settings = load(directory, os.environ)
    log_to(sys.stderr)
    settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    gateway = settings.gateway
    plan = Plan(
        config_dir=directory,
        audit_dir=settings.state_dir / "audit",
        data=gateway.listen,
        admin=gateway.admin.listen,
        workers=gateway.workers,
        drain_s=gateway.limits.drain_s,
    )
    return supervise(plan)
