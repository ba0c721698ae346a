"""Loading, proving and sealing a folder: for `tidegate serve` when it starts, and as a child of it before an upgrade.

As a child, `python -m gateway.cli.prepare`, it says on standard output what its supervisor needs, and what is wrong
with the files on standard error, as `serve` does. The secrets that it reads end with it.
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from gateway.cli.problem_report import report
from gateway.cli.proved import NotProved, load_proved, logged
from gateway.cli.signed_files import SIGNATURES, SIGNERS, Changed, NotApproved, approved, read_signed
from gateway.cli.spoken import of_locale
from gateway.core import written
from gateway.core.audit_record import SignedBy
from gateway.core.problems import Problem, Problems
from gateway.core.records import RefusalCode
from gateway.runtime import activation_book, bundle_shelf, certified, upgrade
from gateway.runtime.activation_book import Entry
from gateway.runtime.keyring import Purpose
from gateway.runtime.lifeline import die_with_parent, forbid_core_files
from gateway.runtime.plan import Plan
from gateway.runtime.proving import Progress
from gateway.runtime.upgrade import MOST_PROBLEMS, NotLoaded, Prepared
from gateway.settings import GATEWAY_FILE, RECOGNIZERS_FILE, Settings, foundation_of, load_names
from gateway.telemetry import EventLog, log_to

_NEEDED: Final = frozenset({GATEWAY_FILE, "policy.yaml", "pools.yaml", "tenants.yaml"})

log = EventLog(__name__)


class NotKept(Problems):
    """What is to come into force could not be written down."""


class Refused(Problems):
    """The files do not come into force; `not_loaded` is what is told of that."""

    def __init__(self, problems: Iterable[Problem], codes: tuple[RefusalCode, ...], so_far: NotLoaded) -> None:
        super().__init__(problems)
        first = self.problems[:MOST_PROBLEMS]
        self.not_loaded = replace(so_far, codes=codes, count=len(self.problems), problems=first)


def plan_of(directory: Path, telling: AbstractContextManager[Progress]) -> Plan:
    """What to run of the files in `directory`; raises Refused with everything that is wrong with them."""
    settings, prepared = loaded(directory, telling)
    return Plan(
        config_dir=directory,
        audit_dir=Path(prepared.audit_dir),
        data=settings.gateway.listen,
        admin=settings.gateway.admin.listen,
        certificate=prepared.certificate,
        workers=prepared.workers,
        drain_s=prepared.drain_s,
        bundle=prepared.bundle,
        files=prepared.files,
        watched=prepared.watched,
        foundation=prepared.foundation,
    )


def loaded(directory: Path, telling: AbstractContextManager[Progress]) -> tuple[Settings, Prepared]:
    """The files of `directory` loaded, proved, approved and on the shelf; raises Refused."""
    seen = _seen(directory)
    so_far = NotLoaded((), files=bundle_shelf.digest_of(seen))
    try:
        settings, proved = load_proved(directory, os.environ, telling)
        version, proof = settings.bundle.policy.version, certified.hash_of(proved.certificate)
        so_far = replace(so_far, bundle=proved.bundle, version=version, certificate=proof)
        if _seen(directory) != seen:
            raise Changed([Problem(str(directory), 0, 0, "The files changed while they were read.", "Try again.")])
        keyring = settings.keyring()
        entry: Entry | None = None
        signed_by: tuple[SignedBy, ...] = ()
        if settings.gateway.are_signatures_required:
            signed = read_signed(directory, settings.gateway.files, settings.bundle)
            entry, signed_by = approved(signed, settings.state_dir, keyring.keyed_hash(Purpose.ACTIVATIONS))
        sealed = certified.seal(proved.certificate, keyring.keyed_hash(Purpose.CERTIFICATES), signed_by)
        _keep(settings, proved.bundle, sealed, seen, entry)
    except Problems as found:
        raise Refused(found.problems, _codes(found, seen), so_far) from None
    log.info("bundle_proved", bundle=proved.bundle)
    gateway = settings.gateway
    prepared = Prepared(
        certificate=sealed,
        bundle=proved.bundle,
        listen=str(gateway.listen),
        admin=str(gateway.admin.listen),
        audit_dir=str(settings.state_dir / "audit"),
        workers=gateway.workers,
        drain_s=gateway.limits.drain_s,
        files=so_far.files,
        version=version,
        proof=proof,
        watched={name: str(path) for name, path in _watched(directory).items()},
        foundation=foundation_of(settings, settings.bundle),
    )
    return settings, prepared


def _keep(settings: Settings, bundle: str, sealed: bytes, seen: Mapping[str, bytes], entry: Entry | None) -> None:
    state = settings.state_dir
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        certified.keep(state, bundle, sealed)
        bundle_shelf.shelve(state, bundle, {name: data for name, data in seen.items() if name != GATEWAY_FILE})
        if entry is not None:
            # As soon as they may come into force: what was accepted once is not accepted again below its version.
            activation_book.keep(state, entry, settings.keyring().keyed_hash(Purpose.ACTIVATIONS))
    except OSError as exc:
        message = f"The state folder cannot be written ({type(exc).__name__})."
        raise NotKept([Problem(str(state), 0, 0, message, "Give it room, and to the user of the gateway.")]) from None


def _seen(directory: Path) -> Mapping[str, bytes]:
    """The files that decide, as they are, under the names that they usually have; what cannot be read is left out, for
    the loader to say so."""
    found = {}
    for name, path in _watched(directory).items():
        with contextlib.suppress(OSError):
            if path.is_file():
                with path.open("rb") as opened:
                    found[name] = opened.read(written.LARGEST_FILE + 1)
    return found


def _watched(directory: Path) -> Mapping[str, Path]:
    """Where the files that decide are, by the names that they usually have."""
    files = load_names(directory, os.environ)
    names = {
        GATEWAY_FILE: GATEWAY_FILE,
        "policy.yaml": files.policy,
        "pools.yaml": files.pools,
        "tenants.yaml": files.tenants,
        RECOGNIZERS_FILE: files.recognizers or RECOGNIZERS_FILE,
        SIGNERS: SIGNERS,
        SIGNATURES: SIGNATURES,
    }
    return {name: directory / file for name, file in names.items()}


def _codes(found: Problems, seen: Mapping[str, bytes]) -> tuple[RefusalCode, ...]:
    """Why, in words that are fixed."""
    match found:
        case NotApproved(faults=faults) if faults:
            return tuple(RefusalCode(fault.value) for fault in faults)
        case NotApproved():
            return (RefusalCode.BOOK,)
        case NotProved():
            return (RefusalCode.NOT_PROVED,)
        case Changed():
            return (RefusalCode.CHANGED,)
        case NotKept():
            return (RefusalCode.STATE,)
    is_whole = seen.keys() >= _NEEDED and not any(
        written.parse(data, name, end_marker=name == "policy.yaml").problems for name, data in seen.items()
    )
    return (RefusalCode.PROBLEMS if is_whole else RefusalCode.UNREADABLE,)


def main() -> int:
    """Prepare, and say what came of it; returns the exit status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, required=True)
    directory = parser.parse_args().config
    die_with_parent()
    forbid_core_files()
    log_to(sys.stderr)
    status = 0
    said: Prepared | NotLoaded
    try:
        _, said = loaded(directory, logged())
    except Refused as refused:
        log.error("configuration_refused", count=len(refused.problems), code=refused.not_loaded.code)
        status, said = report(refused.problems, json=False, spoken=of_locale()), refused.not_loaded
    sys.stdout.buffer.write(upgrade.written(said))
    sys.stdout.buffer.flush()
    return status


if __name__ == "__main__":
    sys.exit(main())
