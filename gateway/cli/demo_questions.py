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


# 11010519491231002X is the example of the Chinese standard for resident-ID numbers (GB 11643); 536-90-4399 is the
# example in python-stdnum's documentation.
QUESTIONS: Final = (
    Question("What is the capital of France? Answer in one sentence.", "internal", REST, HOME),
    Question("身份证号11010519491231002X填写正确吗？", "restricted", KEEP_HOME, HOME),
    Question("My SSN is 536-90-4399. Am I insured?", "restricted", KEEP_HOME, HOME),
    Question("Name a city, as JSON.", "internal", STRUCTURED, BURST, wants_json=True),
    Question("Who has 身份证号11010519491231002X? As JSON.", "restricted", KEEP_HOME, HOME, wants_json=True),
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
    prompt_tokens: int = 0


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
        chat = raw.parse()
        seconds = time.monotonic() - started
        said = chat.choices[0].message.content or ""
        tokens = chat.usage.prompt_tokens if chat.usage is not None else 0
        return _answer(raw.http_response.status_code, raw.headers, said, seconds, prompt_tokens=tokens)
    except openai.APIStatusError as exc:
        return _answer(exc.status_code, exc.response.headers, _message(exc), time.monotonic() - started)
    except openai.APIError as exc:
        return Answer(0, time.monotonic() - started, said=type(exc).__name__)


def _answer(status: int, headers: Mapping[str, str], said: str, seconds: float, *, prompt_tokens: int = 0) -> Answer:
    shown = {name: headers.get(f"x-tidegate-{name}", "") for name in ("decision", "label", "route", "pool")}
    return Answer(status, seconds, said=said, prompt_tokens=prompt_tokens, **shown)


def _message(exc: openai.APIStatusError) -> str:
    body = exc.body if isinstance(exc.body, dict) else {}
    return str(cast(dict[str, object], body).get("message") or type(exc).__name__)


def mismatches(question: Question, answer: Answer) -> list[tuple[str, str, str]]:
    """Each thing that is not as it must be: its name, what was seen, what was expected."""
    pairs = (
        ("status", str(answer.status), "200"),
        ("label", answer.label, question.label),
        ("route", answer.route, question.route),
        ("pool", answer.pool, question.pool),
    )
    return [(name, seen or "-", expected) for name, seen, expected in pairs if seen != expected]
