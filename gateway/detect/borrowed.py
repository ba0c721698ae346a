"""Rules that need words beside a value, for values whose words stand elsewhere: in a header, before odd separators.

The words and the value are put beside each other, and the rules see what comes of it. Who decides which words belong to
which value is `tables.py` and `composed.py`. Pure.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gateway.detect import edges
from gateway.detect.rules import GAP, PatternRecognizer, Rule, recognizer, widths

LONGEST = 26
"""Digits of the longest number that is looked at as a whole."""

Found = tuple[str, float, int, int]
"""An entity, a score, and where it is in the value."""


@dataclass(frozen=True, slots=True)
class Asking:
    """A rule that asks for words, and what is sooner seen than whether they are there: whether it can find a number."""

    found: PatternRecognizer
    cue: re.Pattern[str]
    value: re.Pattern[str]
    """What of the rule's pattern matches the number, where that begins or a sign in front of it."""
    heads: frozenset[str] | None
    """With what such a match begins; None: with anything."""
    tails: frozenset[str] | None
    """With what the words end, where but a gap may stand behind them; None: they may be anywhere before."""

    def may_find(self, text: str, first: int) -> bool:
        """Whether a match may begin with a value at `first`."""
        heads, match = self.heads, self.value.match
        if (heads is None or text[first] in heads) and match(text, first):
            return True
        return first > 0 and (heads is None or text[first - 1] in heads) and match(text, first - 1) is not None


@dataclass(frozen=True, slots=True)
class Borrower:
    """Some rules, each with the words that it asks for, which are sought in a text whose case is folded."""

    rules: tuple[tuple[re.Pattern[str], PatternRecognizer], ...]
    by_digits: tuple[Mapping[str, tuple[Asking, ...]], ...]
    """Those that may find a number of so many digits, for every length up to `LONGEST`, by its first digit."""
    gap: str
    """Every character that may stand between words and a value."""

    def called(self, words: str) -> list[PatternRecognizer]:
        """The rules that these words call for."""
        folded = words.casefold()
        return [found for cue, found in self.rules if cue.search(folded)]

    def called_whole(self, before: str, digits: str, after: str) -> list[PatternRecognizer]:
        """The rules that the words `before` call for and that may find the whole of `digits`: `LONGEST` at the most.

        No letter or digit of ASCII touches them.
        """
        text, first, folded = before + digits + after, len(before), before.casefold()
        # The last character before the gap, and all in it: a word may end with any of them. The sign is no gap.
        near = set(before[max(0, len(before[:-1].rstrip(self.gap)) - 1) :])
        return [
            asking.found
            for asking in self.by_digits[len(digits)][digits[0]]
            if (asking.tails is None or not asking.tails.isdisjoint(near))
            and asking.may_find(text, first)
            and asking.cue.search(folded)
        ]


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
    asking = [_asking(cue, each) for cue, each in found]
    sized = [(each, *widths(each.value.pattern)) for each in asking]
    by_digits = [
        {
            digit: tuple([each for each, fewest, most in sized if _may_have(each, count - fewest, most - count, digit)])
            for digit in "0123456789"
        }
        for count in range(LONGEST + 1)
    ]
    return Borrower(tuple(found), tuple(by_digits), "".join(sorted(edges.characters(GAP) or ())))


def _asking(cue: re.Pattern[str], found: PatternRecognizer) -> Asking:
    if found.context is not None and not found.group:
        return Asking(found, cue, found.regex, edges.heads(found.regex), None)
    _, gap, behind = found.rule.pattern.partition(GAP)
    if not gap or not behind.startswith("(?P<v>"):
        return Asking(found, cue, re.compile(""), None, None)
    value = re.compile(behind, found.regex.flags)
    return Asking(found, cue, value, edges.heads(value), edges.tails(cue))


def _may_have(asking: Asking, above: int, below: int, digit: str) -> bool:
    """Whether a rule may find digits of which this is the first, perhaps with a sign in front: so many more than its
    fewest and fewer than its most characters."""
    if asking.heads is None:
        return True
    if below < 0 or above < -1:
        return False
    needs_sign = above == -1 or digit not in asking.heads
    return not needs_sign or any(not (head.isascii() and head.isalnum()) for head in asking.heads)


def folding(cue: str) -> re.Pattern[str]:
    """A cue, ready to be sought in a text whose case is folded: that takes half the time of a search without case."""
    return re.compile(cue, 0 if cue == cue.casefold() else re.IGNORECASE)


def _cue(rule: Rule) -> str | None:
    if rule.context is not None:
        return rule.context.removeprefix("(?i)")
    cue, gap, _ = rule.pattern.partition(GAP)
    return cue if gap else None
