"""What the demo asks, what must become of it, and the asking: through the real OpenAI client, as an application would.

A question knows where it must end up; whether it did is read from the answer's headers and compared here. Nothing
here knows how the gateway was started or how the result is drawn.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import openai

HOME: Final = "home"
BURST: Final = "burst"
ZONES: Final[Mapping[str, str]] = {HOME: "onprem", BURST: "cloud"}
ALIAS: Final = "chat-auto"
CEILING: Final = "internal"
KEEP_HOME: Final = "keep-home"
STRUCTURED: Final = "structured"
REST: Final = "rest"
IN_FLIGHT: Final = 4
"""How many requests each pool works on at the same time."""

_CITY: Final[Mapping[str, object]] = {
    "type": "json_schema",
    "json_schema": {
        "name": "answer",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"name": {"type": "string", "maxLength": 24}},
            "required": ["name"],
            "additionalProperties": False,
        },
    },
}


@dataclass(frozen=True, slots=True)
class Question:
    """One request and where it must go. Every number in it is fictitious and has a right checksum."""

    text: str
    label: str
    route: str
    pool: str
    wants_json: bool = False


RESIDENT_ID: Final = "11010519491231002X"
"""The example of the Chinese standard for resident-ID numbers (GB 11643)."""

SSN: Final = "536-90-4399"
"""The example in python-stdnum's documentation."""

QUESTIONS: Final = (
    Question("What is the capital of France? Answer in one sentence.", "internal", REST, HOME),
    Question(f"身份证号{RESIDENT_ID}填写正确吗？", "restricted", KEEP_HOME, HOME),
    Question(f"My SSN is {SSN}. Am I insured?", "restricted", KEEP_HOME, HOME),
    Question("Name a city, as JSON.", "internal", STRUCTURED, BURST, wants_json=True),
    Question(f"Who has 身份证号{RESIDENT_ID}? As JSON.", "restricted", KEEP_HOME, HOME, wants_json=True),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `status` is 0 when nothing did; `said` is the model's text, or the error's message."""

    status: int
    seconds: float
    decision: str = ""
    label: str = ""
    route: str = ""
    pool: str = ""
    said: str = ""


async def ask(client: openai.AsyncOpenAI, question: Question) -> Answer:
    """Send one question and read where it went from the answer's headers."""
    started = time.monotonic()
    options: dict[str, Any] = {"response_format": _CITY} if question.wants_json else {}
    try:
        raw = await client.chat.completions.with_raw_response.create(
            model=ALIAS,
            messages=[{"role": "user", "content": question.text}],
            max_tokens=32,
            temperature=0,
            **options,
        )
        said = raw.parse().choices[0].message.content or ""
        return answer_of(raw.http_response.status_code, raw.headers, said, time.monotonic() - started)
    except openai.APIError as exc:
        return failed(exc, {}, time.monotonic() - started)


def answer_of(status: int, headers: Mapping[str, str], said: str, seconds: float) -> Answer:
    """What came back, with what its headers tell."""
    shown = {name: headers.get(f"x-tidegate-{name}", "") for name in ("decision", "label", "route", "pool")}
    return Answer(status, seconds, said=said, **shown)


def failed(exc: openai.APIError, headers: Mapping[str, str], seconds: float) -> Answer:
    """What came back instead of an answer; `headers` are those of a stream that had begun."""
    if isinstance(exc, openai.APIStatusError):
        body = exc.body if isinstance(exc.body, dict) else {}
        said = str(cast(dict[str, object], body).get("message") or type(exc).__name__)
        return answer_of(exc.status_code, exc.response.headers, said, seconds)
    return answer_of(0, headers, type(exc).__name__, seconds)


def mismatches(question: Question, answer: Answer) -> list[tuple[str, str, str]]:
    """Each thing that is not as it must be: its name, what was seen, what was expected."""
    pairs = (
        ("status", str(answer.status), "200"),
        ("label", answer.label, question.label),
        ("route", answer.route, question.route),
        ("pool", answer.pool, question.pool),
    )
    return [(name, seen or "-", expected) for name, seen, expected in pairs if seen != expected]
