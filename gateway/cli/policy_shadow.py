"""`tidegate policy shadow`: a candidate put beside the policy in force, looked at, and put in its place or let be.

The candidate is a file, and so is everything that these commands do: what stands there is what a gateway compares. Only
`report` asks a gateway that runs. What would not be accepted as the policy does not become a candidate either.
"""

import argparse
import contextlib
import os
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Final

from gateway.cli import policy_files
from gateway.cli.admin_port import AdminPort
from gateway.cli.demo_table import Colour
from gateway.cli.endings import told
from gateway.cli.main import Subparsers
from gateway.cli.page import Page
from gateway.cli.policy_check import version_problem
from gateway.cli.policy_diff import ANY_CHANGE, NEW_CLOUD_ACCESS
from gateway.cli.policy_files import Loaded, PolicyFiles
from gateway.cli.problem_report import FOUND, GOOD, Misuse, report, text_of
from gateway.cli.problem_words import line_of
from gateway.cli.progress import still_at
from gateway.cli.shadow_report import Report, as_json, report_of, said
from gateway.cli.shadow_signatures import SHADOW_SIGNATURES, Lacking, lacking, of_candidate, put_in_force, taken_along
from gateway.cli.shadow_signatures import write as write_signatures
from gateway.cli.shadow_words import say
from gateway.cli.spoken import add_language, language
from gateway.config.gateway_file import GatewayFile
from gateway.core.approval import Signature
from gateway.core.measures import FAMILIES
from gateway.core.problems import Problem, Problems
from gateway.policy.diff import diff
from gateway.policy.diff_text import as_json as diff_as_json
from gateway.policy.diff_text import said as diff_said
from gateway.policy.proof import Proof
from gateway.policy.proof_problems import problems
from gateway.policy.prove import prove
from gateway.policy.shadow import Candidate, Direction, unseen_markers
from gateway.policy.words import Language
from gateway.runtime.key_file import locked
from gateway.runtime.shadow import NAME_LENGTH, SCORED_IN, name_of
from gateway.runtime.whole_file import replace_file
from gateway.settings import CONFIG_VARIABLE, RECOGNIZERS_FILE, load_candidate
from gateway.wire.exposition import from_json

PATH: Final = "/admin/v1/figures"


def add_commands(commands: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add `shadow` with what can be done about a candidate."""
    shadow = commands.add_parser(
        "shadow",
        help="try a candidate beside the policy in force, on live requests and without acting on it",
        description="A candidate is decided by beside the policy in force, for every request; nobody acts on it.",
    )
    steps = shadow.add_subparsers(metavar="STEP", required=True)
    start = steps.add_parser("start", help="check and prove a policy, and put it beside the one in force")
    start.add_argument("new", metavar="NEW", type=Path, help="the policy that is to be tried")
    start.add_argument(
        "--signatures", metavar="FILE", type=Path, help="its signatures, if people have signed it already"
    )
    look = steps.add_parser("report", help="say what the candidate would have changed so far; asks a running gateway")
    promote = steps.add_parser("promote", help="put the candidate in the policy's place")
    promote.add_argument("candidate", metavar="CANDIDATE", help="the one that was looked at, as `report` calls it")
    for parser, ends in ((look, "end with 1"), (promote, "change nothing, and end with 1,")):
        parser.add_argument(
            "--fail-on",
            metavar="WHAT",
            action="append",
            default=[],
            choices=(NEW_CLOUD_ACCESS, ANY_CHANGE),
            help=f"{ends} on {NEW_CLOUD_ACCESS} or {ANY_CHANGE}; may be given more than once",
        )
    drop = steps.add_parser("drop", help="take the candidate away")
    for parser, run in ((start, _start), (look, _report), (promote, _promote), (drop, _drop)):
        parser.add_argument(
            "--config",
            metavar="DIR",
            type=Path,
            help=f"the folder with gateway.yaml; ${CONFIG_VARIABLE} or the current one if not given",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object, for programs")
        add_language(parser)
        parser.set_defaults(run=told(run))


@dataclass(frozen=True, slots=True)
class _Folder:
    """A gateway's folder, and where the policy and its candidate stand."""

    path: Path
    gateway: GatewayFile

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> "_Folder":
        path = arguments.config or Path(os.environ.get(CONFIG_VARIABLE) or ".")
        return cls(path, policy_files.gateway_of(path))

    @property
    def policy(self) -> Path:
        return self.path / self.gateway.files.policy

    @property
    def candidate(self) -> Path:
        return self.path / self.gateway.files.shadow

    @property
    def signatures(self) -> Path:
        """The candidate's."""
        return self.path / SHADOW_SIGNATURES

    def loaded(self, policy: Path) -> Loaded:
        """`policy` with what stands beside the one in force; raises Problems, also where only the gateway would."""
        files = self.gateway.files
        load_candidate(self.path, replace(files, shadow=str(policy.absolute())))
        own = self.path / (files.recognizers or RECOGNIZERS_FILE)
        beside = own if files.recognizers is not None or own.is_file() else None
        return policy_files.load(PolicyFiles(policy, self.path / files.pools, self.path / files.tenants, beside))


@dataclass(frozen=True, slots=True)
class _Tried:
    """A policy that could be in force: what it is called, and all that was found out about it."""

    loaded: Loaded
    name: str
    digest: str
    data: bytes


def _tried(folder: _Folder, file: Path) -> _Tried:
    """`file`, read once; raises Problems."""
    data = policy_files.data_of(file)
    loaded = folder.loaded(file)
    bundle = loaded.bundle
    assert bundle is not None  # noqa: S101 -- a gateway's folder has pools
    if policy_files.data_of(file) != data:
        raise Misuse(str(file), "This file changed while it was read.", "Try again.")
    return _Tried(loaded, name_of(bundle), bundle.digest, data)


def _proved(tried: _Tried) -> Proof:
    with still_at("Proving the policy") as progress:
        began = perf_counter()

        def tell(nodes: int) -> None:
            progress.detail = f"{nodes:,} nodes, {perf_counter() - began:.0f} s"

        return prove(tried.loaded.policy, progress=tell)


def _start(arguments: argparse.Namespace) -> int:
    folder, spoken = _Folder.of(arguments), language(arguments)
    new: Path = arguments.new
    live, tried = folder.loaded(folder.policy), _tried(folder, new)
    if tried.loaded.policy.digest == live.policy.digest:
        raise Misuse(str(new), f"This says what {folder.policy} says.", "Change something, then try it.")
    proof = _proved(tried)
    if not proof.is_proved:
        return report(problems(proof, tried.loaded.policy, str(new)), json=arguments.json, spoken=spoken)
    signatures = _taken_along(folder, new, arguments.signatures)
    with _writing(folder.candidate):
        replace_file(folder.candidate, tried.data, mode=_mode(folder.policy))
        if signatures:
            write_signatures(folder.signatures, signatures)
        else:
            folder.signatures.unlink(missing_ok=True)
    notes = list(_notes(live, tried.loaded, spoken))
    version = version_problem(tried.loaded.policy, new, live.policy.version, folder.policy)
    if version is not None:
        notes.insert(0, say("note_version", spoken, problem=line_of(version, spoken)))
    unsigned = _unsigned(folder, spoken, versions=version is None)
    if arguments.json:
        shown = {"notes": notes, "unsigned": unsigned, **_shown(folder.candidate, tried, proof)}
        print(text_of({"ok": True, "problems": [], **shown}))
        return GOOD
    page = Page.on(sys.stdout, os.environ)
    page.say(say("started", spoken, **_shown(folder.candidate, tried, proof)), Colour.HOME)
    for note in notes:
        page.say(note)
    _say_unsigned(arguments, page, unsigned, spoken)
    page.say(say("look", spoken))
    _command(arguments, "shadow report")
    return GOOD


def _report(arguments: argparse.Namespace) -> int:
    folder, spoken = _Folder.of(arguments), language(arguments)
    answer = AdminPort.of(arguments).ask(PATH)
    account = from_json(answer.body, FAMILIES) if answer.status == 200 else None
    if account is None:
        raise Misuse(PATH, "What answers on this admin port is no gateway of this version.", "Update both.")
    found = report_of(account)
    if found is None:
        mend = "Put one there with `tidegate policy shadow start`; a gateway knows of it within a few seconds."
        raise Misuse(str(folder.candidate), "The gateway knows of no candidate.", mend)
    failed = _failed(arguments.fail_on, found.has_new_access, found.compared > found.count(Direction.SAME))
    notes = list(_notes_of_file(folder, found, spoken))
    unsigned = _unsigned(folder, spoken) if found.candidate else []
    if arguments.json:
        shown = {"failed_on": failed, "notes": notes, "unsigned": unsigned, **as_json(found)}
        print(text_of({"ok": not failed, "problems": [], **shown}))
        return FOUND if failed else GOOD
    page = Page.on(sys.stdout, os.environ)
    first, *rest = said(found, spoken).split("\n")
    page.say(first, Colour.WRONG if found.has_new_access else Colour.HOME if found.compared else None)
    for line in (*rest, *notes):
        page.say(line)
    _say_unsigned(arguments, page, unsigned, spoken)
    if found.candidate:
        page.say(say("next", spoken))
        _command(arguments, f"shadow promote {found.candidate}")
        _command(arguments, "shadow drop")
    if failed:
        page.say(say("failed", spoken, on=", ".join(failed)), Colour.WRONG)
    return FOUND if failed else GOOD


def _promote(arguments: argparse.Namespace) -> int:
    folder, spoken = _Folder.of(arguments), language(arguments)
    file, wanted = folder.candidate, arguments.candidate
    tried = _tried(folder, file)
    if len(wanted) < NAME_LENGTH or not tried.digest.startswith(wanted):
        mend = "Look at `tidegate policy shadow report` again; pools, tenants and recognizers count as well."
        raise Problems(
            [Problem(str(file), 0, 0, f"This is not the candidate that was named: it is {tried.name}.", mend)]
        )
    live = folder.loaded(folder.policy)
    version = version_problem(tried.loaded.policy, file, live.policy.version, folder.policy)
    if version is not None:
        return report((version,), json=arguments.json, spoken=spoken)
    signatures = _signatures_of(folder)
    lacks = _lacking(folder)
    if lacks is not None and lacks.forbids:
        sentences = *lacks.sentences("en"), say("not_signed", "en")
        found = [Problem(str(folder.signatures), 0, 0, one) for one in sentences]
        return report(found, json=arguments.json, spoken=spoken)
    proof = _proved(tried)
    if not proof.is_proved:
        return report(problems(proof, tried.loaded.policy, str(file)), json=arguments.json, spoken=spoken)
    with still_at("Comparing the policies"):
        change = diff(
            live.policy,
            tried.loaded.policy,
            (live.attested, tried.loaded.attested),
            (_classes(live), _classes(tried.loaded)),
            (live.full_scans, tried.loaded.full_scans),
        )
    failed = _failed(arguments.fail_on, change.new_cloud_access, not change.is_empty)
    if not failed:
        _put_in_force(folder, tried, signatures)
    objections = lacks.sentences(spoken) if lacks is not None and not failed else []
    if arguments.json:
        shown = {**_shown(folder.policy, tried, proof), "failed_on": failed, "unsigned": objections}
        print(text_of({"ok": not failed, "problems": [], **shown, "diff": diff_as_json(change, spoken)}))
        return FOUND if failed else GOOD
    page = Page.on(sys.stdout, os.environ)
    first, *rest = diff_said(change, spoken).split("\n")
    page.say(first, Colour.WRONG if change.new_cloud_access else Colour.HOME)
    for line in rest:
        page.say(line)
    if failed:
        page.say(say("not_promoted", spoken, on=", ".join(failed)), Colour.WRONG)
        return FOUND
    page.say(say("promoted", spoken, shadow=file, **_shown(folder.policy, tried, proof)), Colour.HOME)
    if objections:
        page.say(say("unsigned", spoken), Colour.WRONG)
        _command(arguments, "verify")
    for one in objections:
        page.say(f"✗ {one}")
    return GOOD


def _put_in_force(folder: _Folder, tried: _Tried, signatures: bytes | None) -> None:
    """Put exactly the bytes that were looked at in the policy's place, and its signatures in the place of the old."""
    file = folder.candidate
    with _writing(folder.policy), locked(folder.policy):
        for path, now, known in (
            (file, policy_files.data_of(file), tried.data),
            (folder.signatures, _signatures_of(folder), signatures),
        ):
            if now != known:
                raise Misuse(str(path), "This file changed while it was looked at.", "Look at its report again.")
        if signatures is not None:
            # First: should anything fail after, what was to be promoted can be promoted again.
            put_in_force(folder.path, signatures)
        replace_file(folder.policy, tried.data, mode=_mode(folder.policy))
        # Last: should anything fail before, the candidate is still there, beside a policy that says the same.
        file.unlink()
        folder.signatures.unlink(missing_ok=True)


def _drop(arguments: argparse.Namespace) -> int:
    folder, spoken = _Folder.of(arguments), language(arguments)
    file = folder.candidate
    if not file.exists():
        raise Misuse(str(file), "There is no candidate.")
    name = _name_of_file(folder)
    with _writing(file):
        file.unlink()
        folder.signatures.unlink(missing_ok=True)
    if arguments.json:
        print(text_of({"ok": True, "problems": [], "file": str(file), "candidate": name}))
        return GOOD
    key = "dropped" if name is not None else "dropped_unread"
    Page.on(sys.stdout, os.environ).say(say(key, spoken, file=file, candidate=name))
    return GOOD


# What is said besides


def _notes(live: Loaded, candidate: Loaded, spoken: Language) -> Iterator[str]:
    """What a report on `candidate` does not see while `live` is in force."""
    unseen = unseen_markers(live.policy, candidate.policy)
    if unseen:
        yield say("note_markers", spoken, count=unseen)
    if Candidate(live.policy, candidate.policy, {}).needs_score:
        yield say("note_scored", spoken, every=SCORED_IN)


def _notes_of_file(folder: _Folder, found: Report, spoken: Language) -> Iterator[str]:
    """Whether the file is still what is compared, and what is not seen of it. One that is gone is soon nobody's."""
    file = folder.candidate
    try:
        tried = _tried(folder, file)
        live = folder.loaded(folder.policy)
    except Misuse:
        return
    except Problems as wrong:
        yield say("bad_file", spoken, count=len(wrong.problems), file=file)
        return
    if found.candidate and tried.name != found.candidate:
        yield say("other_file", spoken, candidate=tried.name)
    else:
        yield from _notes(live, tried.loaded, spoken)


def _name_of_file(folder: _Folder) -> str | None:
    try:
        return _tried(folder, folder.candidate).name
    except Problems:
        return None


# Signatures, where they are asked for


def _taken_along(folder: _Folder, new: Path, given: Path | None) -> tuple[Signature, ...]:
    """The signatures of `new`: those that were given, or of those of the candidate before it the ones that fit."""
    if given is None and not folder.signatures.exists():
        return ()
    if given is not None and not given.is_file():
        raise Misuse(str(given), "There is no such file.", "Check the path.")
    try:
        return taken_along(of_candidate(folder.path, folder.gateway.files, new, given), given)
    except Problems:
        if given is not None:
            raise
        return ()


def _lacking(folder: _Folder) -> Lacking | None:
    """What the candidate lacks; None where nobody asks."""
    if not folder.gateway.are_signatures_required:
        return None
    return lacking(folder.path, folder.gateway.files, folder.candidate)


def _unsigned(folder: _Folder, spoken: Language, *, versions: bool = True) -> list[str]:
    lacks = _lacking(folder)
    return lacks.sentences(spoken, versions=versions) if lacks is not None else []


def _say_unsigned(arguments: argparse.Namespace, page: Page, unsigned: list[str], spoken: Language) -> None:
    if unsigned:
        page.say(say("note_unsigned", spoken))
        for one in unsigned:
            page.say(f"✗ {one}")
        _command(arguments, "sign --shadow --key FILE")


def _signatures_of(folder: _Folder) -> bytes | None:
    return policy_files.data_of(folder.signatures) if folder.signatures.exists() else None


def _failed(fail_on: list[str], has_new_access: bool, has_change: bool) -> list[str]:
    """Those of `fail_on` that happened."""
    happened = {NEW_CLOUD_ACCESS: has_new_access, ANY_CHANGE: has_change}
    return [what for what in dict.fromkeys(fail_on) if happened[what]]


def _shown(file: Path, tried: _Tried, proof: Proof) -> dict[str, object]:
    return {
        "file": str(file),
        "candidate": tried.name,
        "version": tried.loaded.policy.version,
        "states": proof.states,
    }


def _classes(loaded: Loaded) -> dict[str, str]:
    return {name: tenant.tenant_class for name, tenant in loaded.tenants.items()}


def _command(arguments: argparse.Namespace, command: str) -> None:
    """Print what can be run next, on one line however long, about the folder that this command line named."""
    config = f" --config {shlex.quote(str(arguments.config))}" if arguments.config is not None else ""
    print(f"  tidegate policy {command}{config}")


def _mode(policy: Path) -> int:
    """Whoever may read the policy may read its candidate, and the policy of after: a gateway is often another user."""
    return policy.stat().st_mode & 0o777


@contextlib.contextmanager
def _writing(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise Misuse(
            str(file), f"This file cannot be written ({type(exc).__name__}).", "Check who may write."
        ) from None
