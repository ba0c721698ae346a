"""What a recognizer is made of: a rule as a plain value, and the class that runs it.

A rule is a bounded regular expression, a check of the candidate, and words that must, or must not, stand near it.
Patterns use ASCII look-arounds, never a word boundary: to Python a Han character is a word character, so a number that
touches one would be missed. Where in a text a rule is tried, `nearby.py` decides. Pure.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from re import _parser  # type: ignore[attr-defined]  # see config/regexes.py

from gateway.core.findings import MARKER_PREFIX, Finding, Tier
from gateway.detect.simplified import TO_SIMPLIFIED

# The edges of a candidate.
LEFT = r"(?<![0-9A-Za-z])"
RIGHT = r"(?![0-9A-Za-z])"

# The decimals of a number are nobody's.
DECIMALS = r"(?<![0-9]\.)"

# What may stand between a cue ("MRN", "微信") and the value it announces.
GAP = (
    r"(?:\s{0,3}(?:号码|號碼|编号|編號|证号|證號|档案|number|num|no|nr|id|code|is|was|are|as|of|号|號|码|是|为|為|haoma|hao|shi"
    r"|[:：=＝,，、;；\"'“”‘’`*_|()（）\[\]【】<>/\\#.-])){0,8}\s{0,3}"
)

# What a prefilter looks for where digits may be grouped in any way: nine with anything but letters in between. It ends
# where a row of digits ends, so that a long row is told once and not once per digit.
NUMBER = r"[0-9](?:[^0-9A-Za-z\x00]{0,4}[0-9]){8}(?![0-9])"

# White space that hardly anybody writes.
ODD_SPACE = r"[\x0b\x0c\x1c-\x1f\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"

# Every white space that `\s` knows is among them: a checksum that met one would fail.
_SEPARATORS = str.maketrans(
    "",
    "",
    "-–—.()（）/ \t\n\x0b\x0c\r\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008"
    "\u2009\u200a\u2028\u2029\u202f\u205f\u3000",
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One way of finding one entity.

    The candidate is the group `v` of `pattern`, or the whole match. `check` sees it, `compact` without separators. With
    `context`, `score` holds only if one of those words stands within `reach` characters before or `after` characters
    behind; otherwise the score is `bare`, and a `bare` of 0 drops it. `unless` drops a candidate if it matches the few
    characters right before it.

    The prefilter looks for the pattern, or for `trigger`: something that is in every match, or in the context without
    which there is none. One pays where the pattern itself matches often, or takes long to compile, and never for being
    shorter: Hyperscan takes hardly longer to say exactly what is there, and whatever it says is tried in Python.
    """

    name: str
    entity: str
    pattern: str
    score: float
    check: Callable[[str], bool] | None = None
    compact: bool = True
    context: str | None = None
    bare: float = 0.0
    reach: int = 60
    after: int = 0
    unless: str | None = None
    ignore_case: bool = False
    trigger: str | None = None
    head: str | None = None
    is_common: bool = False
    tier: Tier = Tier.STRUCTURED


@dataclass(frozen=True, slots=True)
class PatternRecognizer:
    """A rule, ready to run. Behind `ports.Recognizer`."""

    rule: Rule
    regex: re.Pattern[str]
    context: re.Pattern[str] | None
    is_folded: bool
    unless: re.Pattern[str] | None
    group: int
    name: str
    entities: frozenset[str]
    tier: Tier
    patterns: tuple[str, ...]

    def find(self, text: str, path: str) -> Sequence[Finding]:
        """Every finding in one text; offsets are code points of that text."""
        return self.checked(self.regex.finditer(text), text, path)

    def checked(self, matches: Iterable[re.Match[str]], text: str, path: str) -> Sequence[Finding]:
        """The findings among these matches of the pattern in `text`."""
        rule, group = self.rule, self.group
        findings = []
        for match in matches:
            start, end = match.span(group)
            if rule.check is not None:
                candidate = match[group]
                if rule.compact and not candidate.isalnum():
                    candidate = candidate.translate(_SEPARATORS)
                if not rule.check(candidate):
                    continue
            score = rule.score
            if self.context is not None:
                around = text[max(0, start - rule.reach) : start] + "\n" + text[end : end + rule.after]
                if not self.context.search(folded(around) if self.is_folded else around):
                    score = rule.bare
                    if not score:
                        continue
            if self.unless is not None and self.unless.search(text[max(0, start - 16) : start]):
                continue
            findings.append(Finding(rule.entity, score, path, start, end, self.name))
        return findings


def widths(pattern: str) -> tuple[int, int]:
    """How many characters a match of `pattern` has at the least, and at the most."""
    fewest, most = _parser.parse(pattern).getwidth()
    return int(fewest), int(most)


def folded(text: str) -> str:
    """`text` in lower case, as far as Latin letters go: a pattern of small ones finds in it what it finds without case.

    Three letters beyond ASCII are one of these in another case; `lower` knows the fourth, the sign for kelvin.
    """
    if not text.isascii():
        text = text.replace("\u017f", "s").replace("\u0130", "i").replace("\u0131", "i")
    return text.lower()


def _is_for_folded(pattern: str) -> bool:
    """Whether a pattern has no letters but small Latin ones and such as have no case: it then needs no flag, without
    which it is sought several times as fast."""
    return pattern == pattern.lower() and all(
        character.isascii() or character == character.upper() for character in pattern
    )


def recognizer(rule: Rule) -> PatternRecognizer:
    """The recognizer that runs `rule`."""
    regex = re.compile(rule.pattern, re.IGNORECASE if rule.ignore_case else 0)
    words = rule.context.removeprefix("(?i)") if rule.context else ""
    is_folded = _is_for_folded(words)
    return PatternRecognizer(
        rule=rule,
        regex=regex,
        context=re.compile(words, 0 if is_folded else re.IGNORECASE) if words else None,
        is_folded=is_folded,
        unless=re.compile(rule.unless, re.IGNORECASE) if rule.unless else None,
        group=regex.groupindex.get("v", 0),
        name=rule.name,
        entities=frozenset((rule.entity,)),
        tier=rule.tier,
        patterns=(rule.trigger or ("(?i)" if rule.ignore_case else "") + rule.pattern,),
    )


def _spelled(word: str) -> str:
    """A pattern for one word of a marker: Chinese characters in either form, and apart as they are set for show."""
    pieces, before = [], False
    for character in word:
        is_han = "\u4e00" <= character <= "\u9fff"
        plain = TO_SIMPLIFIED.get(character, character)
        others = [one for one, simple in TO_SIMPLIFIED.items() if simple == plain]
        piece = f"[{plain}{''.join(others)}]" if others else re.escape(character)
        pieces.append(r"\s{0,2}" + piece if is_han and before else piece)
        before = is_han
    return "".join(pieces)


def marker(text: str) -> PatternRecognizer:
    """The recognizer of a policy's own marker: any case, any spacing, not inside a longer word of Latin letters.

    Chinese is written with spaces between its characters on cover sheets, and in traditional ones elsewhere.
    """
    words = text.split()
    body = r"\s{1,4}".join(map(_spelled, words))
    folded = " ".join(words).casefold()
    left = r"(?<![A-Za-z])" if words[0][0].isascii() and words[0][0].isalpha() else ""
    right = r"(?![A-Za-z])" if words[-1][-1].isascii() and words[-1][-1].isalpha() else ""
    return recognizer(
        Rule(f"marker:{folded}", MARKER_PREFIX + text.casefold(), left + body + right, 1.0, ignore_case=True)
    )
