"""Recognizers made of what recognizers.yaml says: one for each pattern, and one for each list of words.

Context counts as Presidio counts it: a word of it nearby makes a match surer by 0.35, and at least 0.4. Pure.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from gateway.config.recognizers_file import Declared
from gateway.core.findings import Tier
from gateway.detect.rules import PatternRecognizer, Rule, recognizer
from gateway.detect.wider import wider

SURER: Final = 0.35
LEAST_IN_CONTEXT: Final = 0.4
BEFORE: Final = 60
AFTER: Final = 20

_Trie = dict[str, "_Trie"]


def recognizers_of(declared: Declared) -> Iterator[PatternRecognizer]:
    """What finds the patterns and the words of one recognizer."""
    for pattern in declared.patterns:
        # With a group: flags that hold for a whole expression would have to stand before a trigger's own.
        rule = _rule(declared, f"(?ims:{pattern.regex})", pattern.score)
        yield replace(recognizer(rule), patterns=(wider(pattern.regex),))
    if declared.words:
        rule = _rule(declared, f"(?i:{one_of(declared.words)})", declared.words_score)
        yield replace(recognizer(rule), patterns=tuple(wider(_spaced(word)) for word in declared.words))


def _rule(declared: Declared, pattern: str, score: float) -> Rule:
    in_context = min(1.0, max(score + SURER, LEAST_IN_CONTEXT))
    return Rule(
        name=declared.name,
        entity=declared.entity,
        pattern=pattern,
        score=in_context if declared.context else score,
        context="|".join(map(re.escape, declared.context)) or None,
        bare=score,
        reach=BEFORE,
        after=AFTER,
        is_common=True,  # for all that anybody knows
        tier=Tier.STRUCTURED,
    )


def one_of(words: Sequence[str]) -> str:
    """An expression for any of `words`, the longest first, not within longer words of Latin letters or digits.

    Words that begin alike share their beginning, so that a list of thousands takes no longer than its longest word.
    """
    edged: dict[tuple[bool, bool], list[str]] = {}
    for word in words:
        edged.setdefault((_is_latin(word[0]), _is_latin(word[-1])), []).append(" ".join(word.split()))
    return "|".join(
        ("(?<![0-9A-Za-z])" if left else "") + _branches(_trie(group)) + ("(?![0-9A-Za-z])" if right else "")
        for (left, right), group in edged.items()
    )


def _is_latin(character: str) -> bool:
    return character.isascii() and character.isalnum()


def _trie(words: Sequence[str]) -> _Trie:
    root: _Trie = {}
    for word in words:
        node = root
        for character in word:
            node = node.setdefault(character, {})
        node[""] = {}
    return root


def _branches(node: _Trie) -> str:
    # The empty branch, where a word ends here, comes last: the longer word is tried first.
    longer = [_spaced(character) + _branches(below) for character, below in node.items() if character]
    if not longer:
        return ""
    ends = [""] if "" in node else []
    return longer[0] if len(longer) == 1 and not ends else f"(?:{'|'.join((*longer, *ends))})"


def _spaced(word: str) -> str:
    """A word as an expression: where it has a space, there may be any white space."""
    return r"\s{1,4}".join(map(re.escape, word.split(" "))) if word != " " else r"\s{1,4}"
