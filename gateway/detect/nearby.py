"""Where in a text a recognizer is tried: around what its trigger matched, or everywhere.

A rule's pattern says how wide its matches are, and so how far from what triggered it they can begin and end. What is
found is what the rule finds in the whole text; tests hold the two against each other. Pure.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.core.findings import Finding
from gateway.detect.composed import EmailRecognizer, GroupedRecognizer, IbanRecognizer
from gateway.detect.rules import PatternRecognizer, widths
from gateway.detect.tables import TableRecognizer
from gateway.ports import Recognizer

WIDEST = 400
"""A rule whose matches may be wider than this is tried everywhere: near a few places it would be no quicker."""

# How far a trigger may see beyond the match that it stands for, and a match beyond its own ends.
_SLACK = 12
_AHEAD = 8
_UNLESS = 16

Span = tuple[int, int]


class Way(Protocol):
    """How one recognizer is tried in a text, or in a piece of one.

    All that decides about what is found reaches from `left` in front of the end of its trigger's match to `right`
    behind it; a `left` of 0: anywhere. `is_long` says that it may take long, as it may read the whole text.
    """

    @property
    def left(self) -> int: ...
    @property
    def right(self) -> int: ...
    @property
    def is_long(self) -> bool: ...
    def find(self, text: str, ends: Sequence[int]) -> Sequence[Finding]:
        """All that there is to be found. `ends` are where its trigger's matches end, in order; none: somewhere."""


@dataclass(frozen=True, slots=True)
class Everywhere:
    """Reads the whole text."""

    recognizer: Recognizer
    left: int = 0
    right: int = 0
    is_long: bool = True

    def find(self, text: str, ends: Sequence[int]) -> Sequence[Finding]:  # noqa: ARG002  # the port's name
        """Everything that the recognizer finds."""
        return self.recognizer.find(text, "")


@dataclass(frozen=True, slots=True)
class AroundEnds:
    """Tries a rule in windows that reach `before` and `behind` the ends of its trigger's matches."""

    recognizer: PatternRecognizer
    before: int
    behind: int
    left: int
    right: int
    is_long: bool = False

    def find(self, text: str, ends: Sequence[int]) -> Sequence[Finding]:
        """Everything that the rule finds."""
        recognizer = self.recognizer
        if not ends:
            return recognizer.find(text, "")
        finditer, length = recognizer.regex.finditer, len(text)
        found = [
            match
            for start, end in windows(ends, self.before, self.behind)
            for match in finditer(text, start, end)
            # What ends beside the end of a window may be cut off there; nothing that belongs here reaches so far.
            if match.end() < end - _AHEAD or end >= length
        ]
        return recognizer.checked(found, text, "") if found else ()


class Headed(Protocol):
    """What can say of each match of its `regex` whether it finds something there."""

    @property
    def regex(self) -> re.Pattern[str]: ...
    def find(self, text: str, path: str) -> Sequence[Finding]: ...
    def checked(self, matches: Iterable[re.Match[str]], text: str, path: str) -> Sequence[Finding]: ...


@dataclass(frozen=True, slots=True)
class AtHeads:
    """Tries a recognizer where its matches begin: their `head`, of `before` characters at the most, is its trigger."""

    recognizer: Headed
    head: re.Pattern[str]
    before: int
    left: int
    right: int
    is_long: bool = False

    def find(self, text: str, ends: Sequence[int]) -> Sequence[Finding]:
        """Everything that the recognizer finds."""
        if not ends:
            return self.recognizer.find(text, "")
        matches = self.matches(text, ends)
        return self.recognizer.checked(matches, text, "") if matches else ()

    def matches(self, text: str, ends: Sequence[int]) -> Sequence[re.Match[str]]:
        """The candidates, before any check."""
        found = []
        done = 0
        for end in ends:
            place = max(done, end - self.before)
            while place < end and (head := self.head.search(text, place, end)):
                start = head.start()
                match = self.recognizer.regex.match(text, start)
                if match is None:
                    place = start + 1
                else:
                    place = done = match.end()
                    found.append(match)
        return found


@dataclass(frozen=True, slots=True)
class BelowHeaders:
    """Looks for tables where there may be a header."""

    recognizer: TableRecognizer
    left: int = 0
    right: int = 0
    is_long: bool = False

    def find(self, text: str, ends: Sequence[int]) -> Sequence[Finding]:
        """Everything that stands in tables."""
        return self.recognizer.find_at(text, ends) if ends else self.recognizer.find(text, "")


def windows(ends: Sequence[int], before: int, behind: int) -> Sequence[Span]:
    """What reaches so far around `ends`, which are in order: windows in order, none of which touches another."""
    if len(ends) == 1:
        return ((max(0, ends[0] - before), ends[0] + behind),)
    found = []
    reach = before + behind
    first = last = ends[0]
    for end in ends:
        if end - last > reach:
            found.append((max(0, first - before), last + behind))
            first = end
        last = end
    found.append((max(0, first - before), last + behind))
    return found


def way_of(recognizer: Recognizer) -> Way:
    """How `recognizer` is best tried."""
    if isinstance(recognizer, IbanRecognizer):
        return _at_heads(recognizer, recognizer.head, _AHEAD, _AHEAD)
    if isinstance(recognizer, TableRecognizer):
        return BelowHeaders(recognizer)
    if not isinstance(recognizer, PatternRecognizer):
        return Everywhere(recognizer, is_long=not isinstance(recognizer, EmailRecognizer))
    rule = recognizer.rule
    _, width = widths(rule.pattern)
    if width > WIDEST or rule.is_common:
        return Everywhere(recognizer)
    left = max(rule.reach if rule.context is not None else 0, _UNLESS)
    right = max(rule.after if rule.context is not None else 0, _AHEAD)
    if rule.head is not None:
        return _at_heads(recognizer, rule.head, left, right)
    before, behind = width + _SLACK, _SLACK
    if rule.trigger is not None:  # without one, an end is a match's own
        behind += width
        if rule.context is not None:
            # The trigger may stand in the context.
            before, behind = before + rule.after, behind + rule.reach
    return AroundEnds(recognizer, before, behind, before + left, behind + right)


def _at_heads(recognizer: Headed, head: str, left: int, right: int) -> AtHeads:
    _, before = widths(head)
    _, width = widths(recognizer.regex.pattern)
    return AtHeads(recognizer, re.compile(head), before, before + left, width + right)


def is_common(recognizer: Recognizer) -> bool:
    """Whether the prefilter only says that what `recognizer` looks for may be there, and not where."""
    if isinstance(recognizer, PatternRecognizer):
        return recognizer.rule.is_common
    return not isinstance(recognizer, EmailRecognizer | GroupedRecognizer | IbanRecognizer | TableRecognizer)
