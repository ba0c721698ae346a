"""`tidegate doctor`: what is live, what is missing, what is misconfigured, and what to do about it.

Looks at the installation always, and at a configuration where there is one. Ends with 1 if something must be mended:
what is merely missing is no reason to fail.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final

from gateway.cli import checkup, checkup_config, checkup_policy, checkup_stores
from gateway.cli.checkup import Check, State, missing, wrong
from gateway.cli.demo_table import Colour
from gateway.cli.doctor_words import MENDS, SAYS
from gateway.cli.endings import told
from gateway.cli.page import Page
from gateway.cli.problem_report import FOUND, GOOD, Misuse, fields_of, lines, text_of
from gateway.cli.progress import still_at
from gateway.cli.proved import load_proved, shown
from gateway.cli.spoken import add_language, language
from gateway.core.problems import Problem, Problems
from gateway.policy.words import Language, Table, fill
from gateway.settings import CONFIG_VARIABLE, GATEWAY_FILE

_MARKS: Final = MappingProxyType({State.LIVE: "✓", State.MISSING: "·", State.WRONG: "✗"})


def add_commands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `tidegate doctor`."""
    parser = subparsers.add_parser("doctor", help="say what is live, missing or misconfigured, and what to do")
    parser.add_argument(
        "--config",
        metavar="DIR",
        type=Path,
        help=f"the folder with {GATEWAY_FILE}; ${CONFIG_VARIABLE} or the current one if not given",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, for programs")
    add_language(parser)
    parser.set_defaults(run=told(_doctor))


def _doctor(arguments: argparse.Namespace) -> int:
    checks = list(checkup.installation())
    problems: Sequence[Problem] = ()
    folder = arguments.config or Path(os.environ.get(CONFIG_VARIABLE) or ".")
    if (folder / GATEWAY_FILE).is_file():
        try:
            checks += _configured(folder, arguments)
        except Problems as found:
            problems = found.problems
            checks.append(wrong("broken", count=len(problems)))
    elif arguments.config is not None:
        raise Misuse(str(folder / GATEWAY_FILE), "There is no such file.", "Check the path.")
    else:
        checks.append(missing("no_config"))
    is_good = all(check.state is not State.WRONG for check in checks)
    spoken = language(arguments)
    if arguments.json:
        print(text_of(_as_json(checks, problems, spoken, is_good=is_good)))
    else:
        _say(checks, problems, spoken)
    return GOOD if is_good else FOUND


def _configured(folder: Path, arguments: argparse.Namespace) -> list[Check]:
    settings, proved = load_proved(folder, os.environ, shown())
    with still_at("Looking up names and stores"):
        addresses = checkup_config.looked_up(checkup_config.hosts_of(settings))
        stores = asyncio.run(checkup_stores.looked_at(settings.stores))
    candidate = folder / settings.gateway.files.shadow
    report = checkup_policy.report_from(arguments) if candidate.exists() else None
    return [
        *checkup_config.configuration(settings, proved.bundle, datetime.now(UTC), addresses),
        *checkup_stores.of_stores(settings.stores, stores),
        *checkup_policy.of_shadow(candidate, report),
        *checkup_policy.of_refusals(settings.state_dir / "audit", datetime.now(UTC).timestamp()),
    ]


def _say(checks: Sequence[Check], problems: Sequence[Problem], spoken: Language) -> None:
    page = Page.on(sys.stdout, os.environ)
    for state in State:
        here = [check for check in checks if check.state is state]
        if not here:
            continue
        page.say(fill(_HEADS, state, spoken), Colour.STRONG)
        for check in here:
            page.say(f"  {_MARKS[state]} {_sentence(check, SAYS, spoken)}")
            mend = _sentence(check, MENDS, spoken)
            if mend:
                page.say(f"    {mend}")
            if check.key == "broken":
                for line in lines(problems, spoken):
                    page.say(f"    {line}")
        page.say()


def _sentence(check: Check, table: Table, spoken: Language) -> str:
    return fill(table, check.key, spoken, **check.gaps) if check.key in table else ""


def _as_json(
    checks: Sequence[Check], problems: Sequence[Problem], spoken: Language, *, is_good: bool
) -> dict[str, object]:
    return {
        "ok": is_good,
        "checks": [
            {
                "state": check.state,
                "check": check.key,
                "message": _sentence(check, SAYS, spoken),
                "mend": _sentence(check, MENDS, spoken),
            }
            for check in checks
        ],
        "problems": [fields_of(problem) for problem in problems],
    }


_HEADS: Final[Table] = MappingProxyType(
    {
        State.LIVE: ("Live", "正常"),
        State.MISSING: ("Missing", "缺少"),
        State.WRONG: ("To be mended", "需要处理"),
    }
)
