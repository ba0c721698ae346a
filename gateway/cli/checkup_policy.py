"""What `tidegate doctor` and `policy status` say of policies besides the one in force: a candidate, what was refused.

Whether a candidate stands there is in its file; what it would have changed only a gateway that runs can say. What was
refused is in the audit log of the first worker, which alone writes it down.
"""

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from gateway.cli.admin_port import AdminPort
from gateway.cli.checkup import Check, live, missing
from gateway.cli.shadow_report import Report, report_of
from gateway.core.audit_record import Activation
from gateway.core.measures import FAMILIES
from gateway.core.problems import Problems
from gateway.core.records import Refusal
from gateway.policy.shadow import Direction
from gateway.runtime.audit_folder import recent
from gateway.runtime.shadow import State
from gateway.wire.exposition import from_json

FIGURES: Final = "/admin/v1/figures"
RECENT_S: Final = 7 * 86_400.0
"""A refusal that nobody has come back to for longer is history, and logs may be long."""


def report_from(arguments: argparse.Namespace) -> Report | None:
    """What the running gateway says of its candidate; None where it has none, or none answers."""
    try:
        answer = AdminPort.of(arguments).ask(FIGURES)
    except Problems:
        return None
    account = from_json(answer.body, FAMILIES) if answer.status == 200 else None
    return report_of(account) if account is not None else None


def of_shadow(file: Path, report: Report | None) -> Iterator[Check]:
    """Whether a candidate runs in shadow, since when, and what it would have changed so far."""
    if report is not None:
        yield of_report(report)
    elif file.exists():
        yield live("shadow_file", file=file, since=when(file.stat().st_mtime))


def of_report(report: Report) -> Check:
    """What is said of a candidate that a running gateway knows of."""
    if not report.candidate:
        states = (state for state in report.states if state is not State.COMPARING)
        return missing("shadow_idle", state=next(states, State.WAITING))
    grave = report.count(Direction.NEW_CLOUD) + report.count(Direction.UNDECIDABLE)
    return live(
        "shadow",
        candidate=report.candidate,
        version=report.version,
        since=when(report.since),
        compared=f"{report.compared:,}",
        moved=f"{report.compared - report.count(Direction.SAME):,}",
        grave=f"{grave:,}",
    )


def of_refusals(audit: Path, now: float) -> Iterator[Check]:
    """Whether files were refused and nothing else has come into force since."""
    refused = standing_refusal(audit, now)
    if refused is not None:
        yield missing("refused", when=when(refused.at), codes=", ".join(refused.codes))


def standing_refusal(audit: Path, now: float) -> Refusal | None:
    """The last refusal after which no other bundle came into force than the one that stayed then."""
    last: Refusal | None = None
    # In the order of time: what a start was refused for is recorded by the next one, after its activation.
    for entry in sorted(recent(audit, now - RECENT_S), key=lambda entry: entry.at):
        match entry:
            case Refusal():
                last = entry
            case Activation() if last is not None and entry.at > last.at and entry.bundle != last.in_force:
                last = None
            case _:
                pass
    return last


def when(at: float) -> str:
    """A moment, for people."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"
