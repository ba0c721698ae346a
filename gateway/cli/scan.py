"""`tidegate scan`: what the gateway would find in each text or request of a file, and the label that follows.

JSON lines in, JSON lines out as they are ready; on a terminal a page for people, which `scan_page.py` draws. A line
that cannot be scanned gets its sentence, with its number and nothing of its content, and the rest goes on.
"""

import argparse
import asyncio
import contextlib
import io
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from types import MappingProxyType
from typing import BinaryIO, Final

from gateway.cli import policy_files
from gateway.cli.demo_shipped import shipped_file
from gateway.cli.json_lines import Unusable, item_of, lines_of, opened
from gateway.cli.page import Page
from gateway.cli.policy_asked import Asked, models, scanned, scanner_for
from gateway.cli.policy_files import RECOGNIZERS, Loaded, PolicyFiles
from gateway.cli.problem_report import FOUND, GOOD, MISUSED, Misuse, report
from gateway.cli.progress import Progress, still_at
from gateway.cli.scan_page import Scanned, Told, draw
from gateway.cli.spoken import add_language, language
from gateway.core.findings import Evidence, Unscanned
from gateway.core.problems import Problem, Problems
from gateway.detect.leaves import Leaf, LeafKind, walk
from gateway.detect.ner import ModelScanner
from gateway.detect.ner_models import INSTALL, are_installed
from gateway.detect.scanner import RequestScanner
from gateway.errors import TidegateError
from gateway.policy.labelling import label
from gateway.policy.words import Language, Table, fill
from gateway.wire.control_tokens import strip_control_tokens
from gateway.wire.requests import Dialect, parse

_STRIPPED: Final = (Unscanned("control_tokens", ""),)
_DIALECTS: Final = MappingProxyType({"prompt": Dialect.COMPLETIONS, "input": Dialect.EMBEDDINGS})


def add_commands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `tidegate scan`."""
    parser = subparsers.add_parser(
        "scan",
        help="find what is sensitive in texts and requests, one JSON object a line",
        epilog='A line is {"id": …, "text": "…"} or {"id": …, "request": {…}}, at most 8 MiB. '
        "Texts are printed on a terminal only, or where --table asks for it.",
    )
    parser.add_argument("file", metavar="FILE", type=Path, nargs="?", help="the lines; standard input if not given")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--policy", metavar="FILE", type=Path, help="the policy that labels; the one that ships if none")
    which.add_argument("--config", metavar="DIR", type=Path, help="take the policy from this folder's gateway.yaml")
    parser.add_argument(
        "--recognizers", metavar="FILE", type=Path, help=f"{RECOGNIZERS}; the one beside the policy if not given"
    )
    parser.add_argument(
        "--full", action="store_true", help="let the models of the tier `ner` read too, as before a request may leave"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="JSON lines, on a terminal too")
    form.add_argument("--table", action="store_true", help="the page for people, with the texts, in a file too")
    add_language(parser)
    parser.set_defaults(run=_scan)


@dataclass(frozen=True, slots=True)
class _Item:
    """One line: its id, and the text or the request."""

    id: str | int
    what: str | Asked


def _scan(arguments: argparse.Namespace) -> int:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a page must not end in a traceback
    try:
        loaded = policy_files.load(_files(arguments))
        if arguments.full and not are_installed():
            raise Misuse("--full", "The models of the tier `ner` are not installed.", INSTALL)
        with opened(arguments.file) as lines:
            return _Run(arguments, loaded).through(lines)
    except Misuse as found:
        return report(found.problems, json=False, spoken=language(arguments), status=MISUSED)
    except Problems as found:
        return report(found.problems, json=False, spoken=language(arguments))


def _files(arguments: argparse.Namespace) -> PolicyFiles:
    if arguments.config is not None:
        given = argparse.Namespace(pools=None, tenants=None, recognizers=arguments.recognizers, config=arguments.config)
        return policy_files.named(given, None)
    policy = arguments.policy or shipped_file("policies", "default.yaml")
    return PolicyFiles(policy, None, None, arguments.recognizers or policy_files.beside(policy, RECOGNIZERS))


@dataclass(frozen=True, slots=True)
class _Scanners:
    """What looks at every line, and the models, if they are to."""

    first: RequestScanner
    models: ModelScanner | None

    def evidence(self, what: str | Asked) -> Evidence:
        """Everything that they find in a text or a request."""
        if isinstance(what, str):
            found = self.first.scan_text(what)
            return asyncio.run(self.models.complete_text(what, found)) if self.models is not None else found
        found, request = scanned(what, self.first), what.request
        if self.models is None:
            return found
        return asyncio.run(self.models.complete(request.dialect, request.document, found))


class _Run:
    """One pass over all lines."""

    def __init__(self, arguments: argparse.Namespace, loaded: Loaded) -> None:
        self._place = str(arguments.file) if arguments.file is not None and str(arguments.file) != "-" else "stdin"
        self._policy = loaded.policy
        self._recognizers = loaded.recognizers
        self._spoken: Language = language(arguments)
        out = sys.stdout
        self._page = Page.on(out, os.environ) if arguments.table or (out.isatty() and not arguments.json) else None
        self._is_terminal = out.isatty()
        self._labels: dict[str, int] = {}
        self._bad = 0
        self._is_full = arguments.full

    def through(self, lines: BinaryIO) -> int:
        """Scan every line; the status is that of a command that found a problem if one line was none."""
        scanners = _Scanners(scanner_for(self._policy.markers, self._recognizers), models() if self._is_full else None)
        # On a terminal the answers are the sign of life.
        still = contextlib.nullcontext(Progress()) if self._is_terminal else still_at("Scanning")
        with still as progress:
            for number, line in enumerate(lines_of(lines), 1):
                self._one(number, line, scanners)
                progress.detail = fill(_WORDS, "so_far", self._spoken, count=f"{number:,}")
        if self._page is not None:
            labels = ", ".join(f"{name} {count:,}" for name, count in self._labels.items()) or "-"
            total = f"{sum(self._labels.values()):,}"
            self._page.say(fill(_WORDS, "all", self._spoken, count=total, labels=labels))
        if self._bad:
            print(fill(_WORDS, "bad", self._spoken, count=f"{self._bad:,}"), file=sys.stderr)
        return FOUND if self._bad else GOOD

    def _one(self, number: int, line: bytes | None, scanners: "_Scanners") -> None:
        try:
            item = _item(number, line)
        except Unusable as unusable:
            self._bad += 1
            sentence = fill(_WORDS, unusable.key, self._spoken, reason=unusable.reason)
            print(Problem(self._place, number, 1, sentence), file=sys.stderr)
            return
        if item is None:
            return
        started = perf_counter()
        evidence = scanners.evidence(item.what)
        ms = (perf_counter() - started) * 1000
        low, high = label(self._policy, evidence)
        order = self._policy.order
        told = Told(item.id, order.name(high), order.name(low), evidence, ms)
        self._labels[told.label] = self._labels.get(told.label, 0) + 1
        if self._page is not None:
            draw(Scanned(told, _leaves(item.what)), self._page, self._spoken)
        else:
            print(json.dumps(_as_json(told), ensure_ascii=False), flush=True)


def _item(number: int, line: bytes | None) -> _Item | None:
    """What a line asks; None if it is empty."""
    item = item_of(number, line, "text")
    if item is None:
        return None
    if item.request is not None:
        return _Item(item.id, _asked(item.request))
    if type(item.own) is not str:
        raise Unusable("text")
    return _Item(item.id, item.own)


def _asked(request: object) -> Asked:
    """A request as the gateway would scan it."""
    if type(request) is not dict:
        raise Unusable("request")
    dialect = next((found for key, found in _DIALECTS.items() if key in request), Dialect.CHAT)
    body = json.dumps(request, ensure_ascii=False).encode()
    try:
        parsed = parse(Dialect.CHAT if "messages" in request else dialect, body)
        stripped = strip_control_tokens(parsed, body)
    except TidegateError as error:
        raise Unusable("refused", error.message) from None
    return Asked(stripped, () if stripped is parsed else _STRIPPED)


def _leaves(what: str | Asked) -> tuple[Leaf, ...]:
    if isinstance(what, str):
        return (Leaf("text", what, LeafKind.VALUE),)
    walked = walk(what.request.dialect, what.request.document)
    return walked.leaves if walked is not None else ()


def _as_json(told: Told) -> dict[str, object]:
    """One answer; it holds places and never text."""
    evidence = told.evidence
    low = {"label_low": told.label_low} if told.label_low != told.label else {}
    return {
        "id": told.id,
        "label": told.label,
        **low,
        "findings": _findings(evidence),
        "coverage": _coverage(evidence),
        "ms": round(told.ms, 3),
    }


def _findings(evidence: Evidence) -> list[dict[str, object]]:
    return [
        {
            "entity": finding.entity,
            "score": finding.score,
            "path": finding.path,
            "start": finding.start,
            "end": finding.end,
            "detector": finding.detector,
            "transforms": list(finding.transforms),
        }
        for finding in sorted(evidence.findings, key=lambda found: (found.path, found.start, found.end))
    ]


def _coverage(evidence: Evidence) -> dict[str, object]:
    coverage = evidence.coverage
    return {
        "tiers": sorted(coverage.tiers),
        "unscanned": [{"carrier": part.carrier, "path": part.path} for part in coverage.unscanned],
        "leaves": coverage.leaves,
        "characters": coverage.characters,
        "failure": coverage.failure,
    }


_WORDS: Final[Table] = MappingProxyType(
    {
        "so_far": ("{count} lines", "已处理 {count} 行"),
        "all": ("Scanned: {count} ({labels}).", "已扫描 {count} 行（{labels}）。"),
        "bad": ("Lines that could not be scanned: {count}.", "无法扫描的行数：{count}。"),
        "too_long": ("This line is longer than 8 MiB.", "这一行超过 8 MiB。"),
        "no_json": ("{reason}", "这一行不是 JSON 对象。{reason}"),
        "id": (
            "`id` must be a text or a whole number, of at most 200 characters.",
            "`id` 必须是文本或整数，且不超过 200 个字符。",
        ),
        "neither": (
            'There is neither `text` nor `request`. Write {{"id": 1, "text": "…"}}.',
            '既没有 `text` 也没有 `request`。请写成 {{"id": 1, "text": "…"}}。',
        ),
        "both": ("There are both `text` and `request`. Leave one out.", "同时有 `text` 和 `request`，请只保留一个。"),
        "text": ("`text` must be a text.", "`text` 必须是文本。"),
        "request": ("`request` must be an object.", "`request` 必须是对象。"),
        "refused": ("The gateway would refuse this request. {reason}", "网关会拒绝这个请求。{reason}"),
    }
)
