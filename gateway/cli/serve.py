"""`tidegate serve`: check and prove everything, seal the proof, then supervise the workers until told to stop."""

import argparse
import os
import sys
from pathlib import Path

from gateway.cli.main import Subparsers
from gateway.cli.proved import load_proved, shown_or_logged
from gateway.core.problems import Problems
from gateway.runtime import certified
from gateway.runtime.keyring import Purpose
from gateway.runtime.supervisor import Plan, supervise
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
        settings, proved = load_proved(directory, os.environ, shown_or_logged())
    except Problems as found:
        log.error("configuration_refused", count=len(found.problems))
        raise
    sealed = certified.seal(proved.certificate, settings.keyring().keyed_hash(Purpose.CERTIFICATES))
    settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    certified.keep(settings.state_dir, proved.bundle, sealed)
    log.info("bundle_proved", bundle=proved.bundle)
    gateway = settings.gateway
    plan = Plan(
        config_dir=directory,
        audit_dir=settings.state_dir / "audit",
        data=gateway.listen,
        admin=gateway.admin.listen,
        certificate=sealed,
        workers=gateway.workers,
        drain_s=gateway.limits.drain_s,
    )
    return supervise(plan)
