"""`tidegate audit evidence`: one signed archive of a month, which a stranger checks with thirty lines of Python.

It holds the policies that were in force with their certificates and what changed between them, the signed checkpoints
of the audit log and the digests of its segments, who had access, and what the records add up to. No content: there is
none in the log.
"""

import argparse
import gzip
import hashlib
import io
import os
import tarfile
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec

from gateway.cli import policy_files
from gateway.cli.endings import told
from gateway.cli.main import Subparsers
from gateway.cli.policy_files import PolicyFiles
from gateway.cli.problem_report import GOOD, Misuse, text_of
from gateway.cli.progress import still_at
from gateway.core.audit_verify import CHECKPOINTS
from gateway.core.evidence import MANIFEST, SIGNATURE, Month, manifest_bytes, month_of, to_be_signed
from gateway.core.problems import Problems
from gateway.policy.diff import diff
from gateway.policy.diff_text import said
from gateway.runtime import bundle_shelf, certified
from gateway.runtime.audit_folder import entries, segments
from gateway.runtime.checkpoints import PUBLIC_KEY, load_signing_key
from gateway.settings import CONFIG_VARIABLE, Settings, load, load_keys

_TOLD_EVERY: Final = 2_048


def add_command(actions: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add `evidence`."""
    parser = actions.add_parser(
        "evidence",
        help="write one signed archive of a month: policies, proofs, changes, checkpoints, access",
        description="The archive is signed with the key of the audit log; docs/verify_evidence.py checks it offline.",
    )
    parser.add_argument("--month", metavar="YYYY-MM", required=True, help="in UTC, for example 2026-11")
    parser.add_argument(
        "--config",
        metavar="DIR",
        type=Path,
        default=Path(os.environ.get(CONFIG_VARIABLE) or "."),
        help=f"the folder with gateway.yaml; ${CONFIG_VARIABLE} or the current one if not given",
    )
    parser.add_argument("--out", metavar="FILE", type=Path, help="default: evidence-YYYY-MM.tar.gz here")
    parser.add_argument(
        "--attach", metavar="FILE", type=Path, action="append", default=[], help="another file to put in, as a report"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, for programs")
    parser.set_defaults(run=told(_evidence))


def _evidence(arguments: argparse.Namespace) -> int:
    span = month_of(arguments.month)
    if span is None:
        raise Misuse("--month", f"`{arguments.month}` is not a month.", "Write 2026-11, for example.")
    settings = load(arguments.config, os.environ)
    audit = settings.state_dir / "audit"
    if not (audit / PUBLIC_KEY).exists():
        raise Misuse(str(audit), "There is no audit log here.", "Start the gateway once.")
    with still_at("Reading the audit log") as progress:
        month = Month(*span)
        for number, entry in enumerate(entries(audit, span[0]), 1):
            month.take(entry)
            if not number % _TOLD_EVERY:
                progress.detail = f"{number:,} records"
    files = {**_of_bundles(settings, month), **_of_audit(audit, span), **_access(arguments.config, settings)}
    files["summary.json"] = month.as_json()
    files |= _attached(arguments.attach)
    manifest = manifest_bytes(arguments.month, span, time.time(), version("tidegate"), files)
    files[MANIFEST] = manifest
    files[SIGNATURE] = load_signing_key(audit).sign(to_be_signed(manifest)).hex().encode() + b"\n"
    out: Path = arguments.out or Path(f"evidence-{arguments.month}.tar.gz")
    out.write_bytes(_packed(files))
    if arguments.json:
        print(text_of({"ok": True, "problems": [], "file": str(out), "files": len(files), "requests": month.requests}))
    else:
        print(f"{out}: {len(files)} files, {month.requests:,} requests, {len(month.bundles)} bundles.")
        print("Check it with docs/verify_evidence.py and the public key that you keep elsewhere.")
    return GOOD


def _attached(paths: Sequence[Path]) -> Mapping[str, bytes]:
    """The files that were asked for, each under its own name."""
    found: dict[str, bytes] = {}
    for path in paths:
        name = f"attached/{path.name}"
        if name in found:
            raise Misuse(str(path), "Another attached file has this name.", "Give one of them another name.")
        found[name] = policy_files.data_of(path, 64 << 20)
    return found


def _of_bundles(settings: Settings, month: Month) -> Mapping[str, bytes]:
    """The files of the bundles in force, their certificates, and what changed from one to the next."""
    found: dict[str, bytes] = {}
    state, before = settings.state_dir, ""
    for bundle in month.bundles:
        for name, data in bundle_shelf.shelved(state, bundle).items():
            found[f"bundles/{bundle}/{name}"] = data
        certificate = state / certified.FOLDER / f"{bundle}.json"
        if certificate.exists():
            found[f"bundles/{bundle}/certificate.json"] = certificate.read_bytes()
        if before:
            found[f"changes/{before[:12]}-{bundle[:12]}.txt"] = _change(state, before, bundle).encode()
        before = bundle
    return found


def _change(state: Path, before: str, after: str) -> str:
    """What the later bundle decides otherwise, in words."""
    with tempfile.TemporaryDirectory() as folder:
        loaded = []
        for bundle in (before, after):
            files = bundle_shelf.shelved(state, bundle)
            place = Path(folder) / bundle
            place.mkdir()
            for name, data in files.items():
                (place / name).write_bytes(data)
            names = ("pools.yaml", "tenants.yaml", "recognizers.yaml")
            pools, tenants, own = (place / name if name in files else None for name in names)
            try:
                loaded.append(policy_files.load(PolicyFiles(place / "policy.yaml", pools, tenants, own)))
            except Problems:
                return "One of the two bundles is not on the shelf, or cannot be read by this build.\n"
    old, new = loaded
    classes = [{name: tenant.tenant_class for name, tenant in one.tenants.items()} for one in loaded]
    found = diff(
        old.policy,
        new.policy,
        (old.attested, new.attested),
        (classes[0], classes[1]),
        (old.full_scans, new.full_scans),
    )
    return said(found, "en") + "\n"


def _of_audit(audit: Path, span: tuple[float, float]) -> Mapping[str, bytes]:
    """The signed checkpoints, whole, the public key, and the digests of the segments that the month is in."""
    checkpoints = audit / CHECKPOINTS
    listed = [
        {"segment": path.stem, "bytes": path.stat().st_size, "sha256": _digest(path)}
        for path in segments(audit)
        if path.stat().st_mtime >= span[0]
    ]
    return {
        "audit/checkpoints.jsonl": checkpoints.read_bytes() if checkpoints.exists() else b"",
        "audit/signing.pub": (audit / PUBLIC_KEY).read_bytes(),
        "audit/segments.json": _pretty(listed),
    }


def _access(directory: Path, settings: Settings) -> Mapping[str, bytes]:
    """Who may call, for whom, since when and until when; never a key or its hash."""
    keys = [
        {"id": key.id, "tenant": key.tenant, "app": key.app, "created": key.created, "expires": key.expires}
        for key in load_keys(directory, os.environ)[1]
    ]
    order = settings.bundle.policy.order
    tenants = [
        {
            "tenant": tenant.id,
            "class": tenant.tenant_class,
            "ceiling": "none" if tenant.ceiling is None else order.name(tenant.ceiling),
        }
        for tenant in settings.bundle.tenants.values()
    ]
    return {"access.json": _pretty({"keys": keys, "tenants": tenants})}


def _packed(files: Mapping[str, bytes]) -> bytes:
    """The archive: the same files give the same bytes."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as squeezed,
        tarfile.open(fileobj=squeezed, mode="w", format=tarfile.GNU_FORMAT) as archive,
    ):
        for name, data in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o644
            archive.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _pretty(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=1) + b"\n"
