"""`tidegate policy test`: does the policy still decide what people expect of it, and does every row have a case?

Texts are scanned as live ones are before they may leave, by the models too if the policy needs them. What a case can
say is `policy/cases_file.py`'s, what is said of it `cases.py`'s.
"""

import argparse
import os
import sys
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from gateway.cli import policy_files
from gateway.cli.demo_table import Colour
from gateway.cli.endings import told
from gateway.cli.main import Subparsers
from gateway.cli.page import Page
from gateway.cli.policy_asked import asked, models_asked, scanned, scanner_for
from gateway.cli.policy_files import POLICY, Loaded, PolicyFiles
from gateway.cli.problem_report import FOUND, GOOD, Misuse, text_of
from gateway.cli.spoken import add_language, language
from gateway.core.findings import Tier
from gateway.core.problems import Problem, Problems
from gateway.policy import cases_file
from gateway.policy.cases import Look, Report, Seen, as_json, lines, run
from gateway.policy.cases_file import Case
from gateway.policy.compiled import CompiledPolicy
from gateway.policy.words import Table, fill
from gateway.ports import FullScanner, Scanner
from gateway.runtime.scoring import scoring_of

CASES: Final = "cases"


def add_command(commands: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add `test`."""
    test = commands.add_parser(
        "test",
        help="run the cases of a policy, and say which routes and label rules none of them reaches",
        epilog=f"Without FILE and DIR it takes {POLICY} and {CASES}/*.yaml here.",
    )
    test.add_argument(
        "cases",
        metavar="DIR|FILE",
        type=Path,
        nargs="?",
        help=f"a folder with {CASES}/, or of cases, or a file of them",
    )
    test.add_argument("--policy", metavar="FILE", type=Path, help=f"the policy; {POLICY} beside the cases if not given")
    policy_files.add_others(test)
    test.add_argument(
        "--fail-under", metavar="PERCENT", type=_percent, default=0.0, help="fail when cases reach less of the policy"
    )
    add_language(test)
    test.set_defaults(run=told(_test))


def covered(report: Report) -> float:
    """How much of the routes and label rules the cases reach, in percent."""
    every = len(report.compiled.routes) + len(report.compiled.labels.rules)
    return 100.0 * (every - len(report.routes) - len(report.rules)) / every


def _percent(text: str) -> float:
    try:
        percent = float(text)
    except ValueError:
        percent = -1.0
    if not 0.0 <= percent <= 100.0:
        raise argparse.ArgumentTypeError("must be a number from 0 to 100")
    return percent


def _test(arguments: argparse.Namespace) -> int:
    files, places = _places(arguments)
    loaded = policy_files.load(files)
    if loaded.bundle is None:
        raise Misuse(str(files.policy), "Without pools nothing can be decided.", "Name them with --pools.")
    cases = _read(places, loaded.policy)
    report = run(loaded.policy, cases, _look(loaded), loaded.attested)
    reached = covered(report)
    is_good = not report.failed and reached >= arguments.fail_under
    spoken = language(arguments)
    if arguments.json:
        head = {"ok": is_good, "policy": str(files.policy), "coverage": round(reached, 1)}
        print(text_of({**head, "problems": [], **as_json(report, spoken)}))
        return GOOD if is_good else FOUND
    page = Page.on(sys.stdout, os.environ)
    others = fill(_WORDS, "and", spoken).join(str(path) for path in places)
    page.say(fill(_WORDS, "what", spoken, policy=files.policy, version=loaded.policy.version, cases=others))
    failures = sum(len(result.failures) for result in report.failed)
    for number, line in enumerate(lines(report, spoken)):
        page.say(line, Colour.WRONG if number < failures else None)
    if reached < arguments.fail_under:
        page.say(fill(_WORDS, "too_little", spoken, reached=f"{reached:.1f}", least=f"{arguments.fail_under:g}"))
    return GOOD if is_good else FOUND


_WORDS: Final[Table] = MappingProxyType(
    {
        "what": ("{policy}, version {version}, against {cases}.", "{policy}，版本 {version}，对照 {cases}。"),
        "and": (" and ", " 和 "),
        "too_little": (
            "The cases reach {reached} percent of the routes and label rules; --fail-under asks for {least}.",
            "用例覆盖了路由和标签规则的 {reached}%，低于 --fail-under 要求的 {least}%。",
        ),
    }
)


def _places(arguments: argparse.Namespace) -> tuple[PolicyFiles, tuple[Path, ...]]:
    """Which policy is tested, and the files of its cases."""
    given: Path = arguments.cases or arguments.config or Path()
    inner = given / CASES
    folder = inner if inner.is_dir() else given
    if given.is_dir():
        places = tuple(sorted(path for path in folder.iterdir() if path.suffix == ".yaml" and path.name != POLICY))
        if folder is given and (given / POLICY).is_file():
            places = ()
        if not places:
            raise Misuse(str(inner), "There are no cases.", "`tidegate policy init` writes some to start from.")
    else:
        places = (given,)
    policy = arguments.policy
    if policy is None and arguments.config is None:
        homes = (given, given.parent, given.parent.parent)
        policy = next((home / POLICY for home in homes if (home / POLICY).is_file()), None)
        if policy is None:
            raise Misuse(str(given), f"There is no {POLICY} beside these cases.", "Name the policy with --policy.")
    return policy_files.named(arguments, policy), places


def _read(places: tuple[Path, ...], policy: CompiledPolicy) -> tuple[Case, ...]:
    """The cases in all files; raises Problems with those of every file."""
    cases: list[Case] = []
    problems: list[Problem] = []
    for place in places:
        try:
            cases += cases_file.read(policy_files.data_of(place), str(place), policy)
        except Misuse:
            raise
        except Problems as found:
            problems += found.problems
    if problems:
        raise Problems(problems)
    return tuple(cases)


def _look(loaded: Loaded) -> Look:
    """What sees a request as the gateway would. Its scanner is built when a case first needs it."""

    @cache
    def scanner() -> Scanner:
        return scanner_for(loaded.policy.markers, loaded.recognizers)

    @cache
    def models() -> FullScanner | None:
        return models_asked(str(loaded.files.policy)) if Tier.NER in loaded.policy.labels.required else None

    scoring = scoring_of(loaded.policy)

    def look(body: bytes) -> Seen | None:
        try:
            what = asked(body, CASES)
        except Misuse:
            return None
        request = what.request
        evidence = scanned(what, scanner(), models())
        scored = scoring.of(request) if scoring is not None else None
        band = scored.band if scored is not None else None
        return Seen(evidence, request.capabilities, request.modalities, request.context_tokens, band)

    return look
