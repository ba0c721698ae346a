"""`tidegate audit verify DIR`: whether an audit folder is intact, and if not, what is wrong where.

Exit status 0 means intact, 1 anything else. With the gateway's configuration every record is proved; with the public
key alone, as a third party has it, every record up to the last signed checkpoint is.
"""

import argparse
import json
import os
from pathlib import Path

from gateway.cli import audit_evidence, audit_exposure
from gateway.cli.main import Subparsers
from gateway.core.audit_verify import Report, State, Verdict
from gateway.runtime.audit_folder import judge
from gateway.runtime.checkpoints import PUBLIC_KEY, load_public_key
from gateway.runtime.keyring import Purpose
from gateway.settings import load


def add_commands(subparsers: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add `tidegate audit`."""
    parser = subparsers.add_parser("audit", help="verify the audit log, and make evidence of it")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    verify = actions.add_parser(
        "verify",
        help="say whether an audit folder is intact, torn, cut or forged",
        description="intact: everything hangs together and is proved. unproven: it hangs together, and nothing proves "
        "it. torn: a last line is incomplete, as a crash leaves it; all before it is sound. cut: something signed is "
        "missing. forged: something was changed, added or moved. Exits 0 if intact, else 1.",
    )
    verify.add_argument("directory", metavar="DIR", type=Path, help="the audit folder: `audit` in the state folder")
    verify.add_argument(
        "--public-key",
        metavar="FILE",
        type=Path,
        help=f"the supervisor's public key from a safe place; {PUBLIC_KEY} of the folder itself if not given",
    )
    verify.add_argument(
        "--config", metavar="DIR", type=Path, help="the gateway's configuration: proves each record with the audit key"
    )
    verify.add_argument("--json", action="store_true", help="print the verdicts as JSON")
    verify.set_defaults(run=run_verify)
    audit_evidence.add_command(actions)
    audit_exposure.add_command(actions)


def run_verify(arguments: argparse.Namespace) -> int:
    """`tidegate audit verify`."""
    public_key = load_public_key(arguments.public_key) if arguments.public_key is not None else None
    key = None
    if arguments.config is not None:
        key = load(arguments.config, os.environ).keyring().keyed_hash(Purpose.AUDIT)
    report = judge(arguments.directory, public_key, key)
    print(_as_json(report) if arguments.json else "\n".join(_table(report, has_key=key is not None)))
    return 0 if report.state is State.INTACT else 1


def _as_json(report: Report) -> str:
    files = [
        {
            "file": verdict.file,
            "state": verdict.state,
            "records": verdict.records,
            "proved": verdict.proved,
            "line": verdict.line,
            "reason": verdict.reason,
        }
        for verdict in report.verdicts
    ]
    return json.dumps({"state": report.state, "files": files}, indent=2)


def _table(report: Report, *, has_key: bool) -> list[str]:
    rows = [("file", "state", "records", "proved", "")]
    rows += [
        (verdict.file, str(verdict.state), str(verdict.records), str(verdict.proved), _remark(verdict))
        for verdict in report.verdicts
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        f"{file:<{widths[0]}}  {state:<{widths[1]}}  {records:>{widths[2]}}  {proved:>{widths[3]}}  {remark}".rstrip()
        for file, state, records, proved, remark in rows
    ]
    unproved = sum(verdict.records - verdict.proved for verdict in report.verdicts)
    if unproved and not has_key:
        lines.append(f"{unproved} records after the last signed checkpoint are proved only with --config.")
    return [*lines, str(report.state)]


def _remark(verdict: Verdict) -> str:
    return f"line {verdict.line}: {verdict.reason}" if verdict.line else verdict.reason
