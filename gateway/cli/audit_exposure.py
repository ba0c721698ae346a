"""`tidegate audit exposure`: which requests left for the cloud before a recognizer was mended.

It asks the audit log alone, so it works beside a running gateway and on a copy of its folder. It ends with 1 if there
is anything to look at, and names requests by their ids: what was in them is not on record.
"""

import argparse
import csv
import os
import re
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from gateway.cli.demo_table import Colour, width
from gateway.cli.endings import told
from gateway.cli.exposure_words import say
from gateway.cli.main import Subparsers
from gateway.cli.page import Page
from gateway.cli.problem_report import FOUND, GOOD, Misuse, text_of
from gateway.cli.progress import still_at
from gateway.cli.spoken import add_language, language
from gateway.core.entities import ENTITIES
from gateway.core.exposure import (
    NOW,
    Age,
    BuiltBefore,
    Dispatch,
    EditionBefore,
    Exposure,
    History,
    Named,
    PolicyBefore,
    Question,
    RecognizersBefore,
    Sent,
    Wanted,
    asked,
    grouped,
    matching,
)
from gateway.core.findings import MARKER_PREFIX
from gateway.core.problems import Problems, did_you_mean
from gateway.detect.editions import MARKER, editions
from gateway.policy.words import Language
from gateway.runtime.audit_dispatches import activations, dispatches
from gateway.settings import CONFIG_VARIABLE, load_state, load_state_dir

_TOLD_EVERY: Final = 2_048
_LISTED: Final = 20
_AGO: Final = re.compile(r"([0-9]{1,6})([mhd])")
_UNITS: Final = {"m": 60, "h": 3600, "d": 86_400}
_FORMS: Final = ("%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S")
_COLUMNS: Final = (
    "request_id", "at", "tenant", "app", "pool", "zone", "label", "route", "bundle", "sent", "age", "copy_of",
)  # fmt: skip


def add_command(actions: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add `exposure`."""
    parser = actions.add_parser(
        "exposure",
        help="say which requests left for the cloud before a recognizer was mended",
        description="Name what was mended with --detector, or a time or a bundle. Ends with 1 if something left.",
    )
    parser.add_argument("--entity", metavar="NAME", help="what the recognizer looks for, for example CN_RESIDENT_ID")
    parser.add_argument(
        "--detector",
        metavar="'<V'",
        help="older than: a version of the gateway ('<1.3.0'), a version of the policy ('<policy:42') or of "
        "recognizers.yaml ('<recognizers:7'), an edition ('<3fa9c1', see --editions), or the files as they are now "
        "('<now')",
    )
    parser.add_argument("--since", metavar="TIME", help="not before: 30d, 12h, 90m ago, or 2026-11-01, in UTC")
    parser.add_argument("--before", metavar="TIME", help="only before: 2026-11-20T14:00, in UTC, or 2h ago")
    parser.add_argument("--bundle", metavar="DIGEST", default="", help="only under the bundle that begins so")
    parser.add_argument("--editions", action="store_true", help="list the editions of --entity that were in force")
    parser.add_argument(
        "--config",
        metavar="DIR",
        type=Path,
        default=Path(os.environ.get(CONFIG_VARIABLE) or "."),
        help=f"the folder with gateway.yaml; ${CONFIG_VARIABLE} or the current one if not given",
    )
    parser.add_argument("--audit", metavar="DIR", type=Path, help="another audit folder than that of --config")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object, for programs")
    form.add_argument("--csv", action="store_true", help="print one line for each request and pool as CSV")
    add_language(parser)
    parser.set_defaults(run=told(_exposure))


def _exposure(arguments: argparse.Namespace) -> int:
    spoken = language(arguments)
    audit = arguments.audit or load_state_dir(arguments.config, os.environ) / "audit"
    if not audit.is_dir():
        raise Misuse(str(audit), "There is no audit log here.", "Name the audit folder of a gateway.")
    entity = _entity(arguments.entity)
    meant = _meant(arguments, entity)
    now = time.time()
    since = _moment("--since", arguments.since, now) if arguments.since else 0.0
    before = _moment("--before", arguments.before, now) if arguments.before else float("inf")
    history = History()
    with still_at("Reading the audit log") as progress:
        for number, (boot, activation) in enumerate(activations(audit), 1):
            history.take(boot, activation)
            progress.detail = f"{number:,} activations"
        if arguments.editions:
            return _list_editions(arguments, entity, history, spoken)
        question = _question(meant, entity, history, arguments)
        exposure = Exposure(Wanted(question, since, before, arguments.bundle.lower()), history)
        for number, (boot, entry, lines) in enumerate(dispatches(audit, since), 1):
            exposure.take(boot, entry)
            if not number % _TOLD_EVERY:
                progress.detail = f"{lines:,} records"
    found = exposure.finish()
    if arguments.json:
        print(text_of(_as_json(found, exposure)))
    elif arguments.csv:
        _print_csv(found)
    else:
        _print_page(found, exposure, spoken)
    return FOUND if found else GOOD


# What the command line asks for


def _meant(arguments: argparse.Namespace, entity: str) -> BuiltBefore | PolicyBefore | RecognizersBefore | Named | None:
    if arguments.editions:
        if not entity:
            raise Misuse("--editions", "Editions are those of one entity.", "Give `--entity CN_RESIDENT_ID`.")
        return None
    if arguments.detector is None:
        if not arguments.before and not arguments.bundle:
            raise Misuse("exposure", "Before what?", "Give --detector, --before or --bundle.")
        return None
    meant = asked(arguments.detector)
    if meant is None:
        mend = "Write '<1.3.0', '<policy:42', '<recognizers:7', an edition as '<3fa9c1', or '<now', in quotation marks."
        raise Misuse("--detector", f"`{arguments.detector}` is not a version.", mend)
    if isinstance(meant, Named) and not entity:
        raise Misuse("--detector", "Editions are those of one entity.", "Give `--entity CN_RESIDENT_ID`, too.")
    return meant


def _entity(given: str | None) -> str:
    """What records call the entity: all markers share an edition."""
    entity = (given or "").strip()
    return MARKER if entity.startswith(MARKER_PREFIX) else entity


def _question(
    meant: BuiltBefore | PolicyBefore | RecognizersBefore | Named | None,
    entity: str,
    history: History,
    arguments: argparse.Namespace,
) -> Question | None:
    seen = history.editions(entity)
    if entity and not seen and entity not in ENTITIES:
        known = (*ENTITIES, *history.entities())
        raise Misuse("--entity", f"Nothing ever looked for `{entity}`.", did_you_mean(entity, known))
    if not isinstance(meant, Named):
        return meant
    if meant.text == NOW:
        edition = _edition_now(arguments.config, entity)
        if edition is None:
            raise Misuse("--entity", f"Nothing looks for `{entity}` in the files as they are now.")
        return EditionBefore(entity, edition)
    fitting = matching(seen, meant.text)
    if len(fitting) != 1:
        message = f"{'No edition' if not fitting else 'More than one edition'} of {entity} begins with `{meant.text}`."
        raise Misuse("--detector", message, "`--editions` lists them.")
    return EditionBefore(entity, fitting[0])


def _edition_now(directory: Path, entity: str) -> str | None:
    try:
        bundle = load_state(directory, os.environ)[1]
    except Problems:
        message = "The files do not load as they are now, so nobody can say what they look for."
        raise Misuse(str(directory), message, "Run `tidegate config check`.") from None
    return editions(bundle.policy.markers, bundle.recognizers, bundle.models_digest).get(entity)


def _moment(option: str, given: str, now: float) -> float:
    if found := _AGO.fullmatch(given):
        return now - int(found[1]) * _UNITS[found[2]]
    for form in _FORMS:
        try:
            return datetime.strptime(given.removesuffix("Z"), form).replace(tzinfo=UTC).timestamp()
        except ValueError:
            continue
    raise Misuse(option, f"`{given}` is not a time.", "Write 30d, 12h, 90m, 2026-11-01 or 2026-11-01T14:00, in UTC.")


# What is said


def _list_editions(arguments: argparse.Namespace, entity: str, history: History, spoken: Language) -> int:
    seen = history.editions(entity)
    if arguments.json:
        listed = [{"edition": edition, "since": _time(at)} for edition, at in seen.items()]
        print(text_of({"ok": True, "problems": [], "entity": entity, "editions": listed}))
    elif arguments.csv:
        _write_csv(("edition", "since"), ((edition, _time(at)) for edition, at in seen.items()))
    elif not seen:
        Page.on(sys.stdout, os.environ).say(say("editions_none", spoken, entity=entity))
    else:
        heads = [say("head_edition", spoken), say("head_since", spoken)]
        _print_table([heads, *([edition, _time(at)] for edition, at in seen.items())], right=())
    return GOOD


def _print_page(found: Sequence[Dispatch], exposure: Exposure, spoken: Language) -> None:
    page = Page.on(sys.stdout, os.environ)
    question = _said(exposure.wanted.question, spoken)
    if not found:
        page.say(say("nothing", spoken, question=question), Colour.HOME)
    else:
        counts = {kind: sum(one.sent is kind for one in found) for kind in Sent}
        amounts = {"sent": f"{counts[Sent.SENT]:,}", "perhaps": f"{counts[Sent.PERHAPS]:,}"}
        page.say(say("found", spoken, question=question, **amounts), Colour.WRONG)
    for key, count in (
        ("unknown", sum(one.age is Age.UNKNOWN for one in found)),
        ("good", exposure.good),
        ("canaries", exposure.canaries),
        ("unreadable", exposure.unreadable),
    ):
        if count:
            page.say(say(key, spoken, count=f"{count:,}"))
    if found:
        page.say()
        _print_table(_groups(found, spoken), right=(4, 5, 6))
        page.say()
        heads = [say(f"head_{name}", spoken) for name in ("at", "request", "tenant", "pool", "label", "sent")]
        listed = [
            [_time(one.at), one.request_id, one.tenant, one.pool, one.label, say(str(one.sent), spoken)]
            for one in found[:_LISTED]
        ]
        _print_table([heads, *listed], right=())
        if len(found) > _LISTED:
            page.say(say("more", spoken, count=f"{len(found) - _LISTED:,}"))


def _said(question: Question | None, spoken: Language) -> str:
    match question:
        case BuiltBefore(build=build):
            return say("of_build", spoken, build=build)
        case PolicyBefore(version=version):
            return say("of_policy", spoken, version=version)
        case RecognizersBefore(version=version):
            return say("of_recognizers", spoken, version=version)
        case EditionBefore(entity=entity, edition=edition):
            return say("of_edition", spoken, entity=entity, edition=edition)
        case None:
            return say("of_time", spoken)


def _groups(found: Iterable[Dispatch], spoken: Language) -> Iterator[Sequence[str]]:
    names = ("tenant", "pool", "zone", "label", "sent", "perhaps", "unknown", "first", "last")
    yield [say(f"head_{name}", spoken) for name in names]
    for group, count in grouped(found).items():
        numbers = (f"{count.sent:,}", f"{count.perhaps:,}", f"{count.unknown:,}")
        yield [group.tenant, group.pool, group.zone, group.label, *numbers, _time(count.first), _time(count.last)]


def _print_table(rows: Iterable[Sequence[str]], *, right: Sequence[int]) -> None:
    cells = list(rows)
    sizes = [max(width(row[index]) for row in cells) for index in range(len(cells[0]))]
    for row in cells:
        texts = []
        for index, (cell, size) in enumerate(zip(row, sizes, strict=True)):
            gap = " " * (size - width(cell))
            texts.append(gap + cell if index in right else cell + gap)
        print("  ".join(texts).rstrip())


def _print_csv(found: Sequence[Dispatch]) -> None:
    _write_csv(_COLUMNS, ([_row(one)[name] for name in _COLUMNS] for one in found))


def _write_csv(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    lines = csv.writer(sys.stdout, lineterminator="\n")
    lines.writerow(heads)
    lines.writerows(rows)


def _as_json(found: Sequence[Dispatch], exposure: Exposure) -> dict[str, object]:
    wanted = exposure.wanted
    return {
        "ok": not found,
        "problems": [],
        "question": msgspec.to_builtins(wanted.question),
        "since": _time(wanted.since) if wanted.since else None,
        "before": _time(wanted.before) if wanted.before != float("inf") else None,
        "bundle": wanted.bundle,
        "sent": sum(one.sent is Sent.SENT for one in found),
        "perhaps": sum(one.sent is Sent.PERHAPS for one in found),
        "unknown": sum(one.age is Age.UNKNOWN for one in found),
        "good": exposure.good,
        "canaries": exposure.canaries,
        "unreadable": exposure.unreadable,
        "groups": [
            {**msgspec.to_builtins(group), **msgspec.to_builtins(count), "first": _time(count.first),
             "last": _time(count.last)}
            for group, count in grouped(found).items()
        ],
        "dispatches": [_row(one) for one in found],
    }  # fmt: skip


def _row(one: Dispatch) -> dict[str, object]:
    return {**msgspec.to_builtins(one), "at": _time(one.at)}


def _time(at: float) -> str:
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
