"""`tidegate policy replay`: what a new policy would have made of the requests that the audit log holds; a gate for CI.

The log holds facts and findings, never content, so nothing is asked of anybody and nothing is sent. Whether the log is
intact is `tidegate audit verify`'s to say.
"""

import argparse
import os
import re
import sys
import time
from pathlib import Path
from typing import Final

from gateway.cli import policy_files
from gateway.cli.demo_table import Colour
from gateway.cli.endings import told
from gateway.cli.main import Subparsers
from gateway.cli.page import Page
from gateway.cli.policy_diff import ANY_CHANGE, NEW_CLOUD_ACCESS
from gateway.cli.policy_files import Loaded
from gateway.cli.problem_report import FOUND, GOOD, Misuse, text_of
from gateway.cli.progress import still_at
from gateway.cli.spoken import add_language, language
from gateway.policy.replay import Fate, Replay, Tally
from gateway.policy.replay_text import as_json, said
from gateway.runtime.audit_folder import outcomes

_SINCE: Final = re.compile(r"([0-9]{1,6})([smhd])")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_TOLD_EVERY: Final = 2_048


def add_command(commands: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add `replay`."""
    parser = commands.add_parser(
        "replay",
        help="decide the requests of the audit log again under a new policy",
        description="Says how many recorded requests a new policy would send elsewhere, how many of them towards the "
        "cloud, and how many cannot be decided from what was recorded; those count as new access.",
    )
    parser.add_argument("new", metavar="NEW", type=Path, help="the policy that is to replace the one in force")
    parser.add_argument(
        "--audit", metavar="DIR", type=Path, required=True, help="the audit folder: `audit` in the state folder"
    )
    parser.add_argument(
        "--old", metavar="FILE", type=Path, help="the policy in force then: what it asked about is known in its records"
    )
    parser.add_argument("--since", metavar="TIME", help="only what ended in the last 30m, 12h or 7d; default: all")
    policy_files.add_others(parser)
    parser.add_argument(
        "--fail-on",
        metavar="WHAT",
        action="append",
        default=[],
        choices=(NEW_CLOUD_ACCESS, ANY_CHANGE),
        help=f"end with 1 on {NEW_CLOUD_ACCESS} or {ANY_CHANGE}; may be given more than once",
    )
    add_language(parser)
    parser.set_defaults(run=told(_replay))


def _replay(arguments: argparse.Namespace) -> int:
    directory: Path = arguments.audit
    if not directory.is_dir():
        raise Misuse(str(directory), "There is no such folder.", "Name the audit folder of a gateway.")
    since = _since(arguments.since)
    new = policy_files.load(policy_files.named(arguments, arguments.new))
    if new.bundle is None:
        raise Misuse(str(arguments.new), "Without its pools nobody can say where a policy leads.", "Give --pools.")
    old = policy_files.load(policy_files.named(arguments, arguments.old)) if arguments.old is not None else None
    tally = _tallied(new, old, directory, since)
    failed = _failed(arguments.fail_on, tally)
    if arguments.json:
        print(text_of({"ok": not failed, "problems": [], "failed_on": failed, **as_json(tally)}))
        return FOUND if failed else GOOD
    page, spoken = Page.on(sys.stdout, os.environ), language(arguments)
    first, *rest = said(tally, spoken).split("\n")
    page.say(first, Colour.WRONG if tally.has_new_access else Colour.HOME)
    for line in rest:
        page.say(line)
    return FOUND if failed else GOOD


def _tallied(new: Loaded, old: Loaded | None, directory: Path, since: float) -> Tally:
    olds = {old.bundle.digest: old.policy} if old is not None and old.bundle is not None else {}
    replay = Replay(new.policy, new.tenants if new.files.tenants is not None else None, olds)
    tally, count = Tally(), 0
    with still_at("Replaying") as progress:
        for record, names in outcomes(directory, since):
            count += 1
            if not count % _TOLD_EVERY:
                progress.detail = f"{count:,} records"
            if record is None:
                tally.unreadable += 1
            else:
                tally.take(record, replay.again(record, names))
    return tally


def _since(given: str | None) -> float:
    if given is None:
        return 0.0
    match = _SINCE.fullmatch(given)
    if match is None:
        raise Misuse("--since", f"`{given}` is not a time.", "Write 30m, 12h or 7d.")
    return time.time() - int(match[1]) * _UNITS[match[2]]


def _failed(fail_on: list[str], tally: Tally) -> list[str]:
    """Those of `fail_on` that happened."""
    happened = {
        NEW_CLOUD_ACCESS: tally.has_new_access,
        ANY_CHANGE: tally.has_new_access or bool(tally.fates[Fate.MOVED]),
    }
    return [what for what in dict.fromkeys(fail_on) if happened[what]]
