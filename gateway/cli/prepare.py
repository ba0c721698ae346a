"""Loading, proving and sealing a folder: for `tidegate serve` when it starts, and as a child of it before an upgrade.

As a child, `python -m gateway.cli.prepare`, it says on standard output what its supervisor needs, and what is wrong
with the files on standard error, as `serve` does. The secrets that it reads end with it.
"""

import argparse
import os
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from gateway.cli.problem_report import report
from gateway.cli.proved import load_proved, logged
from gateway.cli.signed_files import SIGNATURES, SIGNERS, approved, read_signed
from gateway.config.gateway_file import Files
from gateway.core.problems import Problems
from gateway.runtime import activation_book, bundle_shelf, certified
from gateway.runtime.keyring import Purpose
from gateway.runtime.lifeline import die_with_parent, forbid_core_files
from gateway.runtime.proving import Progress
from gateway.runtime.supervisor import Plan
from gateway.runtime.upgrade import Prepared, written
from gateway.settings import RECOGNIZERS_FILE
from gateway.telemetry import EventLog, log_to

log = EventLog(__name__)


def plan_of(directory: Path, telling: AbstractContextManager[Progress]) -> Plan:
    """What to run of the files in `directory`; raises Problems with everything that is wrong with them."""
    settings, proved = load_proved(directory, os.environ, telling)
    keyring = settings.keyring()
    entry = None
    if settings.gateway.are_signatures_required:
        signed = read_signed(directory, settings.gateway.files, settings.bundle)
        entry = approved(signed, settings.state_dir, keyring.keyed_hash(Purpose.ACTIVATIONS))
    sealed = certified.seal(proved.certificate, keyring.keyed_hash(Purpose.CERTIFICATES))
    settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    certified.keep(settings.state_dir, proved.bundle, sealed)
    bundle_shelf.shelve(settings.state_dir, proved.bundle, _written(directory, settings.gateway.files))
    if entry is not None:
        # As soon as they may come into force: what was accepted once is not accepted again below its version.
        activation_book.keep(settings.state_dir, entry, keyring.keyed_hash(Purpose.ACTIVATIONS))
    log.info("bundle_proved", bundle=proved.bundle)
    gateway = settings.gateway
    return Plan(
        config_dir=directory,
        audit_dir=settings.state_dir / "audit",
        data=gateway.listen,
        admin=gateway.admin.listen,
        certificate=sealed,
        workers=gateway.workers,
        drain_s=gateway.limits.drain_s,
        bundle=proved.bundle,
    )


def _written(directory: Path, files: Files) -> Mapping[str, bytes]:
    """The files that a bundle is made of, as they are written, under the names that they usually have."""
    names = {
        "policy.yaml": files.policy,
        "pools.yaml": files.pools,
        "tenants.yaml": files.tenants,
        RECOGNIZERS_FILE: files.recognizers or RECOGNIZERS_FILE,
        SIGNERS: SIGNERS,
        SIGNATURES: SIGNATURES,
    }
    return {name: (directory / file).read_bytes() for name, file in names.items() if (directory / file).is_file()}


def main() -> int:
    """Prepare, and say what came of it; returns the exit status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, required=True)
    directory = parser.parse_args().config
    die_with_parent()
    forbid_core_files()
    log_to(sys.stderr)
    try:
        plan = plan_of(directory, logged())
    except Problems as found:
        log.error("configuration_refused", count=len(found.problems))
        return report(found.problems, json=False)
    prepared = Prepared(
        certificate=plan.certificate,
        bundle=plan.bundle,
        listen=str(plan.data),
        admin=str(plan.admin),
        audit_dir=str(plan.audit_dir),
        workers=plan.workers,
        drain_s=plan.drain_s,
    )
    sys.stdout.buffer.write(written(prepared))
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
