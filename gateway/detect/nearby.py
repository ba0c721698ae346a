"""Where in a text a recognizer is tried: around what its trigger matched, around its runs of digits, or everywhere.

A rule's pattern says how wide its matches are, and so how far from what triggered it they can begin and end. What is
found is what the rule finds in the whole text; tests hold the two against each other. Pure.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from re import _parser  # type: ignore[attr-defined]  # see config/regexes.py
from typing import Protocol

from gateway.core.findings import Finding
from gateway.detect.composed import EmailRecognizer, GroupedRecognizer, IbanRecognizer
from gateway.detect.rules import PatternRecognizer
from gateway.detect.runs import DigitRuns, Shape, digit_runs
from gateway.detect.tables import TableRecognizer
from gateway.ports import Recognizer

WIDEST = 400
"""A rule whose matches may be wider than this is tried everywhere: near a few places it would be no quicker."""

# How far a trigger may see beyond the match that it stands for, and a match beyond its own ends.
_SLACK = 12
_AHEAD = 8
_UNLESS = 16
# How far from the digits that triggered it a rule may need others: wider than any match of such a rule.
_AROUND_DIGITS = 48

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
        if not ends:
            return self.recognizer.find(text, "")
        before, behind = self.before, self.behind
        return found_within(self.recognizer, [(end - before, end + behind) for end in ends], text)


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
class AroundRuns:
    """Tries a rule that knows which runs of digits it needs around those. `width` is that of its widest match."""

    recognizer: PatternRecognizer
    width: int
    left: int
    right: int
    is_long: bool = False

    def find(self, text: str, ends: Sequence[int]) -> Sequence[Finding]:
        """Everything that the rule finds."""
        return self.find_around(text, runs_near(text, ends))

    def find_around(self, text: str, runs: DigitRuns) -> Sequence[Finding]:
        """Everything that the rule finds around those of `runs` that it needs."""
        spans = self.spans(runs)
        if self.recognizer.rule.cues:
            spans = [span for span in spans if self._has_cue(text, span)]
        return found_within(self.recognizer, spans, text)

    def _has_cue(self, text: str, span: Span) -> bool:
        around = text[max(0, span[0]) : span[1]].casefold()
        return any(cue in around for cue in self.recognizer.rule.cues)

    def shapes(self) -> Iterator[Shape]:
        """The runs that the rule needs."""
        rule = self.recognizer.rule
        return ((length, letters) for length in rule.runs for letters in rule.letters)

    def spans(self, runs: DigitRuns) -> list[Span]:
        """Where the rule is tried."""
        rule = self.recognizer.rule
        spans: list[Span] = []
        for (length, letters), places in runs.items():
            if length in rule.runs and letters in rule.letters:
                reach = self.width - length + _SLACK
                spans += [(start - reach, end + reach) for start, end in places]
        spans.sort()
        return spans


def runs_near(text: str, ends: Iterable[int]) -> DigitRuns:
    """The runs of digits that are not far from `ends`; without any, all."""
    windows = merged([(end - _AROUND_DIGITS, end + _AROUND_DIGITS) for end in sorted(ends)])
    return digit_runs(text, windows or ((0, len(text)),))


def found_within(recognizer: PatternRecognizer, spans: Sequence[Span], text: str) -> Sequence[Finding]:
    """What a rule finds in windows of `text`, which are in order and may touch."""
    matches = matches_within(recognizer.regex, spans, text)
    return recognizer.checked(matches, text, "") if matches else ()


def matches_within(regex: re.Pattern[str], spans: Sequence[Span], text: str) -> Sequence[re.Match[str]]:
    """The candidates there, before any check."""
    length = len(text)
    return [
        match
        for start, end in merged(spans)
        for match in regex.finditer(text, start, end)
        # What ends beside the end of a window may be cut off there; nothing that belongs here reaches so far.
        if match.end() < end - _AHEAD or end >= length
    ]


def merged(spans: Sequence[Span]) -> Sequence[Span]:
    """The same windows, in order, without overlaps."""
    if len(spans) < 2:
        return [(max(0, start), end) for start, end in spans]
    windows = []
    start, end = spans[0]
    for first, last in spans:
        if first > end:
            windows.append((max(0, start), end))
            start = first
        end = max(end, last)
    windows.append((max(0, start), end))
    return windows


def way_of(recognizer: Recognizer) -> Way:
    """How `recognizer` is best tried."""
    if isinstance(recognizer, IbanRecognizer):
        return _at_heads(recognizer, recognizer.head, _AHEAD, _AHEAD)
    if not isinstance(recognizer, PatternRecognizer):
        return Everywhere(recognizer, is_long=not isinstance(recognizer, EmailRecognizer | TableRecognizer))
    rule = recognizer.rule
    width = _width(rule.pattern)
    if width > WIDEST or (rule.is_common and not rule.runs):
        return Everywhere(recognizer)
    left = max(rule.reach if rule.context is not None else 0, _UNLESS)
    right = max(rule.after if rule.context is not None else 0, _AHEAD)
    if rule.runs:
        reach = width + _AROUND_DIGITS
        return AroundRuns(recognizer, width, reach + left, reach + right)
    if rule.head is not None:
        return _at_heads(recognizer, rule.head, left, right)
    before = width + _SLACK
    behind = _SLACK if rule.trigger is None else width + _SLACK  # without a trigger, an end is a match's own
    if rule.context is not None:
        # The trigger may stand in the context.
        before, behind = before + rule.after, behind + rule.reach
    return AroundEnds(recognizer, before, behind, before + left, behind + right)


def _at_heads(recognizer: Headed, head: str, left: int, right: int) -> AtHeads:
    before = _width(head)
    return AtHeads(recognizer, re.compile(head), before, before + left, _width(recognizer.regex.pattern) + right)


def _width(pattern: str) -> int:
    return int(_parser.parse(pattern).getwidth()[1])


def is_common(recognizer: Recognizer) -> bool:
    """Whether the prefilter only says that what `recognizer` looks for may be there, and not where."""
    if isinstance(recognizer, PatternRecognizer):
        return recognizer.rule.is_common
    return not isinstance(recognizer, EmailRecognizer | GroupedRecognizer | IbanRecognizer | TableRecognizer)


def by_shape(ways: Sequence[Way]) -> Mapping[Shape, frozenset[int]]:
    """By their index, the recognizers to which a run of digits of each shape can matter."""
    found: dict[Shape, set[int]] = {}
    for index, way in enumerate(ways):
        for shape in way.shapes() if isinstance(way, AroundRuns) else ():
            found.setdefault(shape, set()).add(index)
    return {shape: frozenset(indexes) for shape, indexes in found.items()}
