"""Runs of digits: groups with separators between them, and characters repeated without end.

An identifier is often written in groups (138 1234 5678), and may be split by anything that is not a letter. Instead of
rewriting the text, every window of neighbouring groups is looked at. Pure.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

LONGEST = 19  # digits of the longest identifier that is found across groups

_RUN = re.compile(r"(?<![0-9A-Za-z])[0-9]{1,18}(?:[\W_]{1,4}[0-9]{1,18}[Xx]?(?![0-9A-WYZa-wyz]))+")
_GROUP = re.compile(r"[0-9]+[Xx]?")
_ENDLESS = re.compile(r"(.)\1{64,}|(.{2})\2{48,}|(.{3,4})\3{32,}", re.DOTALL)
_KEPT = 48


@dataclass(frozen=True, slots=True)
class Window:
    """Neighbouring groups as one candidate. `sizes` are the digits per group; `uniform`: one kind of separator."""

    digits: str
    start: int
    end: int
    sizes: tuple[int, ...]
    uniform: bool


def windows(text: str, plausible: Callable[[str], bool]) -> Iterator[Window]:
    """Every window of two or more neighbouring groups in `text` whose joined digits are `plausible`."""
    for run in _RUN.finditer(text):
        groups = [
            (match.group(), match.start(), match.end()) for match in _GROUP.finditer(text, run.start(), run.end())
        ]
        for first, (digits, start, _) in enumerate(groups):
            for last in range(first + 1, len(groups)):
                if digits[-1] in "Xx":
                    break
                digits += groups[last][0]
                if len(digits) > LONGEST:
                    break
                if plausible(digits):
                    chosen = groups[first : last + 1]
                    yield Window(
                        digits,
                        start,
                        chosen[-1][2],
                        tuple(len(group) for group, _, _ in chosen),
                        len({text[left[2] : right[1]] for left, right in pairwise(chosen)}) == 1,
                    )


def endless(text: str) -> Iterator[tuple[int, int, str]]:
    """Edits that shorten runs of one to four characters repeated dozens of times: no identifier, but a long walk."""
    for run in _ENDLESS.finditer(text):
        yield run.start() + _KEPT, run.end() - _KEPT, " "
