"""What the demo makes of its answers: the table's rows, what is not as it must be, and the lines to paste.

Pure: text from values. Asking is `demo_questions.py`'s, drawing `demo_table.py`'s.
"""

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.cli.demo_questions import ALIAS, BURST, CEILING, HOME, QUESTIONS, ZONES, Answer, Question, mismatches
from gateway.cli.demo_table import Cell, Colour, Row, printable
from gateway.cli.demo_words import Words

_NOTHING: Final = "–"
_EXPLAINED: Final = 2
"""The number of the question whose decision the operator is invited to look up."""


def rows(answers: Sequence[Answer], words: Words) -> list[Row]:
    """The table's rows, one per question."""
    return [_row(number, *pair, words) for number, pair in enumerate(zip(QUESTIONS, answers, strict=True), 1)]


def _row(number: int, question: Question, answer: Answer, words: Words) -> Row:
    where = f"{answer.pool} · {ZONES.get(answer.pool, '?')}" if answer.pool else _NOTHING
    colour = Colour.WRONG if mismatches(question, answer) else Colour.CLOUD if answer.pool == BURST else Colour.HOME
    cells = (
        Cell(f"{number} {question.text}"),
        Cell(answer.label or _NOTHING),
        Cell(answer.route or _NOTHING),
        Cell(where, colour),
        Cell(str(answer.status or _NOTHING)),
        Cell(words.seconds.format(answer.seconds)),
        Cell(why(answer, words)),
    )
    said = printable(answer.said) if answer.status == 200 else ""
    return Row(cells, note=f"{words.answer}: {said}" if said else "")


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
    """What the cloud pool's own server says about what reached it."""

    sentence: str
    holds: bool


def proof(answers: Sequence[Answer], counted: int | None, words: Words) -> Proof:
    """Compare what the cloud pool's server counted with what was meant for it; `None` if it could not be asked."""
    meant = [number for number, question in enumerate(QUESTIONS, 1) if question.pool == BURST]
    tokens = sum(answers[number - 1].prompt_tokens for number in meant)
    if counted is None:
        return Proof(words.proof_unknown, holds=False)
    if counted != tokens:
        return Proof(words.proof_broken.format(given=counted, tokens=tokens), holds=False)
    return Proof(words.proof.format(tokens=tokens, burst=", ".join(map(str, meant))), holds=True)


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
