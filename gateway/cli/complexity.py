"""`tidegate complexity`: how hard each prompt or request of a file looks, and what its score is made of.

JSON lines in, JSON lines out. A line that cannot be scored gets its sentence, with its number and nothing of its
content, and the rest goes on. Scores are those of the live path; without --policy the bands are the usual ones.
"""

import argparse
import json
import sys
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Final

from gateway.cli import policy_files
from gateway.cli.json_lines import Unusable, item_of, lines_of, opened
from gateway.cli.policy_files import PolicyFiles
from gateway.cli.problem_report import FOUND, GOOD, MISUSED, Misuse, report
from gateway.cli.spoken import add_language, language
from gateway.core.complexity import USUAL_BANDS, Bands, Question, Scorer
from gateway.core.problems import Problem, Problems
from gateway.policy.words import Language, Table, fill
from gateway.wire.question import question_of


def add_commands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `tidegate complexity`."""
    parser = subparsers.add_parser(
        "complexity",
        help="say how hard prompts and requests look, one JSON object a line",
        epilog='A line is {"id": …, "prompt": "…"} or {"id": …, "request": {…}}, at most 8 MiB; the answer has its '
        "`id`, `score` (0 to 1), `band` and `features`: each count and what it adds to the score.",
    )
    parser.add_argument("file", metavar="FILE", type=Path, nargs="?", help="the lines; standard input if not given")
    parser.add_argument("--policy", metavar="FILE", type=Path, help="take the bands from this policy")
    add_language(parser)
    parser.set_defaults(run=_complexity)


def _complexity(arguments: argparse.Namespace) -> int:
    try:
        bands = USUAL_BANDS
        if arguments.policy is not None:
            bands = policy_files.load(PolicyFiles(arguments.policy, None, None, None)).policy.bands
        with opened(arguments.file) as lines:
            is_file = arguments.file is not None and str(arguments.file) != "-"
            place = str(arguments.file) if is_file else "stdin"
            return _through(lines, place, bands, language(arguments))
    except Misuse as found:
        return report(found.problems, json=False, spoken=language(arguments), status=MISUSED)
    except Problems as found:
        return report(found.problems, json=False, spoken=language(arguments))


def _through(lines: BinaryIO, place: str, bands: Bands, spoken: Language) -> int:
    """Score every line; the status is that of a command that found a problem if one line was none."""
    scorer, bad = Scorer(), 0
    for number, line in enumerate(lines_of(lines), 1):
        try:
            asked = _asked(number, line)
        except Unusable as unusable:
            bad += 1
            sentence = fill(_WORDS, unusable.key, spoken, reason=unusable.reason)
            print(Problem(place, number, 1, sentence), file=sys.stderr)
            continue
        if asked is not None:
            print(json.dumps(_scored(*asked, scorer, bands), ensure_ascii=False), flush=True)
    if bad:
        print(fill(_WORDS, "bad", spoken, count=f"{bad:,}"), file=sys.stderr)
    return FOUND if bad else GOOD


def _scored(name: str | int, question: Question, scorer: Scorer, bands: Bands) -> dict[str, object]:
    measured = scorer.measure(question)
    score = scorer.weigh(measured)
    return {
        "id": name,
        "score": round(score, 6),
        "band": bands.of(score),
        "features": {
            part.name: {"value": round(part.value, 3), "adds": round(part.adds, 4)} for part in scorer.parts(measured)
        },
    }


def _asked(number: int, line: bytes | None) -> tuple[str | int, Question] | None:
    """What a line asks, with its id; None if it is empty."""
    item = item_of(number, line, "prompt")
    if item is None:
        return None
    request = item.request
    if request is not None:
        if type(request) is not dict or not (
            isinstance(request.get("messages"), list) or isinstance(request.get("prompt"), str | list)
        ):
            raise Unusable("request")
        return item.id, question_of(request)
    if type(item.own) is not str:
        raise Unusable("prompt")
    return item.id, Question(item.own)


_WORDS: Final[Table] = MappingProxyType(
    {
        "bad": ("Lines that could not be scored: {count}.", "无法评分的行数：{count}。"),
        "too_long": ("This line is longer than 8 MiB.", "这一行超过 8 MiB。"),
        "no_json": ("{reason}", "这一行不是 JSON 对象。{reason}"),
        "id": (
            "`id` must be a text or a whole number, of at most 200 characters.",
            "`id` 必须是文本或整数，且不超过 200 个字符。",
        ),
        "neither": (
            'There is neither `prompt` nor `request`. Write {{"id": 1, "prompt": "…"}}.',
            '既没有 `prompt` 也没有 `request`。请写成 {{"id": 1, "prompt": "…"}}。',
        ),
        "both": (
            "There are both `prompt` and `request`. Leave one out.",
            "同时有 `prompt` 和 `request`，请只保留一个。",
        ),
        "prompt": ("`prompt` must be a text.", "`prompt` 必须是文本。"),
        "request": (
            "`request` must be an object with `messages` or `prompt`, as it is sent to the gateway.",
            "`request` 必须是带有 `messages` 或 `prompt` 的对象，与发给网关的请求相同。",
        ),
    }
)
