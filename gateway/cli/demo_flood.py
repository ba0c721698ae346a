"""The demo's flood: three times as many harmless requests as home works on at once, and two with an ID number.

The harmless ones are sent together, as streams; once home is full the other two follow, so that they have to wait. What
must become of each is known here, and what did is read from headers and times.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

import openai

from gateway.cli.demo_questions import (
    ALIAS,
    BURST,
    HOME,
    IN_FLIGHT,
    KEEP_HOME,
    RESIDENT_ID,
    REST,
    SSN,
    Answer,
    answer_of,
    failed,
)

_SUBJECTS: Final = (
    "bread", "rain", "chess", "tea", "glass", "snow", "music", "paper", "bees", "salt", "wind", "rice",
)  # fmt: skip
HARMLESS: Final = tuple(f"Write one sentence about {subject}." for subject in _SUBJECTS[: 3 * IN_FLIGHT])
SENSITIVE: Final = (f"{RESIDENT_ID}是谁的身份证号？", f"Whose SSN is {SSN}?")

FULL_PATIENCE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Flooded:
    """One request of the flood. Seconds are the flood's; `first_s` is when the first word came, 0 if none did."""

    text: str
    is_harmless: bool
    answer: Answer
    sent_s: float
    first_s: float
    ended_s: float

    @property
    def waited_s(self) -> float:
        """How long it took until the first word."""
        return self.first_s - self.sent_s


@dataclass(frozen=True, slots=True)
class Flood:
    """What became of all of them, in the order in which they were sent, and whether home was full in between."""

    requests: tuple[Flooded, ...]
    was_home_full: bool

    @property
    def harmless(self) -> tuple[Flooded, ...]:
        """Those that may leave."""
        return tuple(request for request in self.requests if request.is_harmless)

    @property
    def sensitive(self) -> tuple[Flooded, ...]:
        """Those that may not."""
        return tuple(request for request in self.requests if not request.is_harmless)


async def flood(client: openai.AsyncOpenAI, until_home_is_full: Callable[[], Awaitable[bool]]) -> Flood:
    """Send them all; the sensitive ones once home has no place left."""
    started = time.monotonic()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_stream(client, text, started, is_harmless=True)) for text in HARMLESS]
        was_home_full = await until_home_is_full()
        tasks += [group.create_task(_stream(client, text, started, is_harmless=False)) for text in SENSITIVE]
    return Flood(tuple(task.result() for task in tasks), was_home_full)


async def _stream(client: openai.AsyncOpenAI, text: str, started: float, *, is_harmless: bool) -> Flooded:
    sent, first, said = time.monotonic(), 0.0, ""
    headers: Mapping[str, str] = {}
    try:
        raw = await client.chat.completions.with_raw_response.create(
            model=ALIAS,
            messages=[{"role": "user", "content": text}],
            max_tokens=12,
            temperature=0,
            stream=True,
        )
        headers = raw.headers
        async for chunk in raw.parse():
            word = chunk.choices[0].delta.content if chunk.choices else None
            if word:
                first = first or time.monotonic()
                said += word
        answer = answer_of(raw.http_response.status_code, headers, said, time.monotonic() - sent)
    except openai.APIError as exc:
        answer = failed(exc, headers, time.monotonic() - sent)
    first_s = first - started if first else 0.0
    return Flooded(text, is_harmless, answer, sent - started, first_s, time.monotonic() - started)


def mismatches_of(request: Flooded) -> list[tuple[str, str, str]]:
    """Each thing that is not as it must be: its name, what was seen, what was expected."""
    answer = request.answer
    pairs = (
        ("status", str(answer.status), ["200"]),
        ("label", answer.label, ["internal" if request.is_harmless else "restricted"]),
        ("route", answer.route, [REST if request.is_harmless else KEEP_HOME]),
        ("pool", answer.pool, [HOME, BURST] if request.is_harmless else [HOME]),
    )
    return [(name, seen or "-", " / ".join(wanted)) for name, seen, wanted in pairs if seen not in wanted]


def has_burst(flood: Flood) -> bool:
    """Whether at least one harmless request was answered by the cloud."""
    return any(request.answer.pool == BURST for request in flood.harmless)


def has_waited(flood: Flood, request: Flooded) -> bool:
    """Whether a request began only after a place at home had been given back."""
    ends = [other.ended_s for other in flood.harmless if other.answer.pool == HOME]
    return flood.was_home_full and bool(ends) and request.first_s >= min(ends)
