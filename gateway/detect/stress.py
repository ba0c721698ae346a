"""Whether a customer's expression stays quick on texts that are made to keep it busy.

For each repeat in it a text that goes through that repeat many times and then fails, and texts of one kind that anybody
can send. They grow step by step, since a match that has begun cannot be interrupted: the first step that takes too
long is the last. What is measured is processor time, so a busy machine refuses nothing.
"""

import re
from collections.abc import Callable, Iterator
from re import _constants  # type: ignore[attr-defined]  # see config/regexes.py
from time import thread_time
from typing import Final

from gateway.config.regexes import FLAGS, LOOKS, REPEATS, Token, inner, tokens_of

LONGEST_S: Final = 0.025
"""For one piece of text. A loop that scans may stall for twice as long (detection.md)."""
PIECE: Final = 2_000  # characters, as many as a recognizer sees at once
_STEPS: Final = (
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
    12,
    14,
    16,
    18,
    20,
    22,
    24,
    28,
    32,
    36,
    40,
    46,
    60,
    90,
    130,
    200,
    300,
    420,
    600,
    PIECE,
)
_PLAIN: Final = ("a", "0", " ", "a.", "1-", "192.168.", "a ", "-", "一", "a0", "\n", "A_")
_END: Final = "\x01"  # what hardly any expression goes on with
_LONGEST_UNIT: Final = 40


def is_quick(pattern: str, clock: Callable[[], float] = thread_time) -> bool:
    """Whether no text of a piece's length takes `pattern` longer than it may."""
    regex = re.compile(pattern, FLAGS)
    units = [*(("", unit) for unit in _PLAIN), *_units(tokens_of(pattern))]
    return all(_takes_s(regex, before, unit, times, clock) <= LONGEST_S for before, unit, times in _growing(units))


def _takes_s(regex: re.Pattern[str], before: str, unit: str, times: int, clock: Callable[[], float]) -> float:
    text = (before + unit * times)[:PIECE] + _END
    spent = []
    for _ in range(2):  # the first may have met a cold cache
        started = clock()
        for _ in regex.finditer(text):
            pass
        spent.append(clock() - started)
        if spent[0] <= LONGEST_S:
            break
    return min(spent)


def _growing(units: list[tuple[str, str]]) -> Iterator[tuple[str, str, int]]:
    for times in _STEPS:
        for before, repeated in units:
            if repeated and len(repeated) * times <= PIECE * 4:
                yield before, repeated, times


def _units(tokens: list[Token], before: str = "") -> Iterator[tuple[str, str]]:
    """What leads to each repeat, and what it repeats: once by itself, and once with all before it."""
    for token in tokens:
        kind, _ = token
        for within in inner(token):
            if kind in REPEATS:
                unit = _example(within)[:_LONGEST_UNIT]
                yield before, unit
                yield "", before[-_LONGEST_UNIT:] + unit
            yield from _units(within, before)
        before += _example([token])
    yield "", before[:_LONGEST_UNIT]


def _example(tokens: list[Token]) -> str:
    """A text that the tokens match, or nearly."""
    return "".join(map(_of_token, tokens))


def _of_token(token: Token) -> str:
    kind, value = token
    if kind is _constants.LITERAL and isinstance(value, int):
        return chr(value)
    if kind is _constants.IN and isinstance(value, list):
        return _of_class(value)
    if kind in LOOKS or kind is _constants.AT:
        return ""
    parts = list(inner(token))
    if kind in REPEATS and isinstance(value, tuple):
        times: int = value[0]
        return _example(parts[0]) * min(max(1, times), 4)
    return _example(parts[0]) if parts else "a"


def _of_class(items: list[Token]) -> str:
    for kind, value in items:
        if kind is _constants.NEGATE:
            return "~"
        if kind is _constants.LITERAL and isinstance(value, int):
            return chr(value)
        if kind is _constants.RANGE and isinstance(value, tuple):
            return chr(value[0])
        if kind is _constants.CATEGORY:
            return "0" if "NOT" not in str(value) and "SPACE" not in str(value) else " "
    return "a"
