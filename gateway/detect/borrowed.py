"""Rules that need words beside a value, for values whose words stand elsewhere: in a header, before odd separators.

The words and the value are put beside each other, and the rules see what comes of it. Who decides which words belong to
which value is `tables.py` and `composed.py`. Pure.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.detect.rules import GAP, PatternRecognizer, Rule, recognizer, widths

LONGEST = 26
"""Digits of the longest number that is looked at as a whole."""

Found = tuple[str, float, int, int]
"""An entity, a score, and where it is in the value."""


@dataclass(frozen=True, slots=True)
class Borrower:
    """Some rules, each with the words that it asks for, which are sought in a text whose case is folded."""

    rules: tuple[tuple[re.Pattern[str], PatternRecognizer], ...]
    by_digits: tuple[tuple[tuple[re.Pattern[str], PatternRecognizer], ...], ...]
    """Those that may find a number of so many digits, for every length up to `LONGEST`."""

    def called(self, words: str) -> list[PatternRecognizer]:
        """The rules that these words call for."""
        folded = words.casefold()
        return [found for cue, found in self.rules if cue.search(folded)]

    def called_whole(self, before: str, digits: str, after: str) -> list[PatternRecognizer]:
        """The rules that the words `before` call for and that may find the whole of `digits`: `LONGEST` at the most."""
        text, first, folded = before + digits + after, len(before), before.casefold()
        return [
            found for cue, found in self.by_digits[len(digits)] if _may_begin(found, text, first) and cue.search(folded)
        ]


def _may_have(found: PatternRecognizer, digits: int) -> bool:
    if found.group or found.context is None:
        return True  # its words are part of the match
    fewest, most = widths(found.rule.pattern)
    return fewest - 1 <= digits <= most  # a bracket or a sign may stand in front


def _may_begin(found: PatternRecognizer, text: str, first: int) -> bool:
    """Whether a match may begin with a value at `first`: much sooner said than whether a word is there."""
    if found.group or found.context is None:
        return True  # its words are part of the match
    regex = found.regex
    return regex.match(text, first) is not None or regex.match(text, max(0, first - 1)) is not None


def found_beside(
    called: Sequence[PatternRecognizer], before: str, value: str, after: str = "", *, whole: bool = False
) -> Iterator[Found]:
    """What rules find in `value` between two texts; only what covers the `whole` of it, if so asked."""
    text = before + value + after
    first, last = len(before), len(before) + len(value)
    for rule in called:
        for finding in rule.find(text, ""):
            if finding.score < rule.rule.score or finding.start < first - 1 or finding.end > last:
                continue
            if not whole or finding.end - finding.start >= len(value):
                yield finding.entity, finding.score, max(0, finding.start - first), finding.end - first


def borrower(rules: Sequence[Rule]) -> Borrower:
    """Those of `rules` that ask for words, ready to run."""
    found = []
    for rule in rules:
        cue = _cue(rule)
        if cue is not None:
            found.append((folding(cue), recognizer(rule)))
    by_digits = (tuple(each for each in found if _may_have(each[1], count)) for count in range(LONGEST + 1))
    return Borrower(tuple(found), tuple(by_digits))


def folding(cue: str) -> re.Pattern[str]:
    """A cue, ready to be sought in a text whose case is folded: that takes half the time of a search without case."""
    return re.compile(cue, 0 if cue == cue.casefold() else re.IGNORECASE)


def _cue(rule: Rule) -> str | None:
    if rule.context is not None:
        return rule.context.removeprefix("(?i)")
    cue, gap, _ = rule.pattern.partition(GAP)
    return cue if gap else None
