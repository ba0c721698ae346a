"""What the demo makes of its answers: the tables' rows, what is not as it must be, and the lines to paste.

Pure: text from values. Asking is `demo_questions.py`'s, drawing `demo_table.py`'s.
"""

import json
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.cli.demo_cloud import Record
from gateway.cli.demo_flood import Flood, Flooded, has_burst, has_waited, mismatches_of
from gateway.cli.demo_questions import (
    ALIAS,
    BURST,
    CEILING,
    HOME,
    QUESTIONS,
    RESIDENT_ID,
    SSN,
    ZONES,
    Answer,
    Question,
    mismatches,
)
from gateway.cli.demo_table import Cell, Colour, Row, printable
from gateway.cli.demo_words import Words

_NOTHING: Final = "–"
_EXPLAINED: Final = 2
"""The number of the question whose decision the operator is invited to look up."""


def rows(answers: Sequence[Answer], words: Words) -> list[Row]:
    """The table's rows, one per question."""
    return [_row(number, *pair, words) for number, pair in enumerate(zip(QUESTIONS, answers, strict=True), 1)]


def _row(number: int, question: Question, answer: Answer, words: Words) -> Row:
    cells = (
        Cell(f"{number} {question.text}"),
        *_where(answer, is_wrong=bool(mismatches(question, answer))),
        Cell(words.seconds.format(answer.seconds)),
        Cell(why(answer, words)),
    )
    said = printable(answer.said) if answer.status == 200 else ""
    return Row(cells, note=f"{words.answer}: {said}" if said else "")


def _where(answer: Answer, *, is_wrong: bool) -> tuple[Cell, Cell, Cell, Cell]:
    where = f"{answer.pool} · {ZONES.get(answer.pool, '?')}" if answer.pool else _NOTHING
    colour = Colour.WRONG if is_wrong else Colour.CLOUD if answer.pool == BURST else Colour.HOME
    return (
        Cell(answer.label or _NOTHING),
        Cell(answer.route or _NOTHING),
        Cell(where, colour),
        Cell(str(answer.status or _NOTHING)),
    )


def flood_rows(flood: Flood, words: Words) -> list[Row]:
    """The second table's rows: harmless requests that fared alike in one row, each sensitive one in its own."""
    alike: dict[tuple[str, str, str, int], list[Flooded]] = {}
    for request in flood.harmless:
        answer = request.answer
        alike.setdefault((answer.label, answer.route, answer.pool, answer.status), []).append(request)
    rows = []
    for (_, _, pool, _), requests in sorted(alike.items(), key=lambda entry: entry[0][2] == BURST):
        what = words.flood_harmless.format(count=len(requests), total=len(flood.harmless))
        rows.append(_flood_row(what, requests, words.why_overflow if pool == BURST else words.why_had_room, words))
    for request in flood.sensitive:
        rows.append(_flood_row(request.text, [request], words.why_waited, words))
    return rows


def _flood_row(what: str, requests: Sequence[Flooded], reason: str, words: Words) -> Row:
    answer = requests[0].answer
    waits = [request.waited_s for request in requests]
    shortest, longest = f"{min(waits):.1f}", f"{max(waits):.1f}"
    took = longest if shortest == longest else f"{shortest}–{longest}"
    cells = (
        Cell(what),
        *_where(answer, is_wrong=any(mismatches_of(request) for request in requests)),
        Cell(words.first_word.format(took=took) if answer.status == 200 else _NOTHING),
        Cell(reason if answer.status == 200 else why(answer, words)),
    )
    return Row(cells)


def flood_summary(flood: Flood, words: Words) -> str:
    """The flood in one sentence, for when all went well."""
    went = Counter(request.answer.pool for request in flood.requests)
    return words.flood_summary.format(
        harmless=len(flood.harmless),
        sensitive=len(flood.sensitive),
        home=went[HOME],
        burst=went[BURST],
        waits=words.also.join(words.seconds.format(request.waited_s) for request in flood.sensitive),
    )


def flood_faults(flood: Flood, words: Words) -> list[str]:
    """A sentence for everything in the flood that is not as it must be."""
    wrong = [
        words.flood_not_well.format(text=printable(request.text), name=name, seen=seen, expected=expected)
        for request in flood.requests
        for name, seen, expected in mismatches_of(request)
    ]
    if not has_burst(flood):
        wrong.append(words.flood_stayed)
    wrong += [
        words.flood_no_wait.format(text=printable(request.text))
        for request in flood.sensitive
        if not has_waited(flood, request)
    ]
    return wrong


def why(answer: Answer, words: Words) -> str:
    """Why an answer came from where it came from, as far as its headers say."""
    if answer.status != 200:
        return words.why_refused.format(message=printable(answer.said))
    if answer.pool == BURST:
        return words.why_burst.format(route=answer.route)
    if answer.pool != HOME:
        return words.why_unknown
    sentence = words.why_may_leave if answer.label in ("public", CEILING) else words.why_stays
    return sentence.format(ceiling=CEILING)


def faults(answers: Sequence[Answer], words: Words) -> list[str]:
    """A sentence for everything that went elsewhere than it must."""
    return [
        words.not_well.format(number=number, name=name, seen=seen, expected=expected)
        for number, (question, answer) in enumerate(zip(QUESTIONS, answers, strict=True), 1)
        for name, seen, expected in mismatches(question, answer)
    ]


@dataclass(frozen=True, slots=True)
class Proof:
    """What SageMaker's side itself says about what reached it."""

    sentence: str
    holds: bool


def proof(answers: Sequence[Answer], flood: Flood, record: Record | None, words: Words) -> Proof:
    """Compare what SageMaker's side received with what was meant for it; `None` if it could not be asked."""
    if record is None:
        return Proof(words.proof_unknown, holds=False)
    asked = [(question.text, answer) for question, answer in zip(QUESTIONS, answers, strict=True)]
    asked += [(request.text, request.answer) for request in flood.requests]
    meant = Counter(text for text, answer in asked if answer.pool == BURST)
    numbers = (RESIDENT_ID, SSN, SSN.replace("-", ""))
    if any(number.encode() in record.raw for number in numbers):
        return Proof(words.proof_leaked, holds=False)
    if Counter(record.texts) != meant:
        sentence = words.proof_broken.format(given=len(record.texts), meant=meant.total())
        return Proof(sentence, holds=False)
    return Proof(words.proof.format(count=len(record.texts), size=len(record.raw)), holds=True)


@dataclass(frozen=True, slots=True)
class Programs:
    """How to call Python and Tidegate on a command line here."""

    python: str
    tidegate: str


def lines_to_paste(url: str, key: str, words: Words, programs: Programs) -> list[tuple[str, str]]:
    """Pairs of a heading and a command that asks the gateway one question."""
    messages = json.dumps([{"role": "user", "content": words.ask}], ensure_ascii=False)
    body = f'{{"model": "{ALIAS}", "max_tokens": 64, "messages": {messages}}}'
    python = (
        f'from openai import OpenAI; client = OpenAI(base_url="{url}", api_key="{key}"); '
        f'print(client.chat.completions.create(model="{ALIAS}", max_tokens=64, messages={messages})'
        ".choices[0].message.content)"
    )
    node = (
        'import("openai").then(async ({ default: OpenAI }) => { '
        f'const client = new OpenAI({{ baseURL: "{url}", apiKey: "{key}" }}); '
        f"console.log((await client.chat.completions.create({body})).choices[0].message.content) }})"
    )
    curl = (
        f"curl -i {url}/chat/completions -H 'Authorization: Bearer {key}' "
        f"-H 'Content-Type: application/json' -d {shlex.quote(body)}"
    )
    return [
        ("curl", curl),
        ("Python", f"{programs.python} -c {shlex.quote(python)}"),
        ("Node (npm install openai)", f"node -e {shlex.quote(node)}"),
    ]


def operator_lines(folder: str, answers: Sequence[Answer], words: Words, programs: Programs) -> list[tuple[str, str]]:
    """Pairs of a question about what happened and the command that answers it."""
    where, decision = shlex.quote(folder), answers[_EXPLAINED - 1].decision
    return [
        (
            words.explain_it.format(number=_EXPLAINED),
            f"{programs.tidegate} explain {decision} --config {where} --language {words.language}",
        ),
        (words.verify_it, f"{programs.tidegate} audit verify {where}/state/audit --config {where}"),
    ]
