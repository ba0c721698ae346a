"""Other readings of a text: what a model sees through and a pattern does not.

A view is the text with some pieces rewritten, and a map back, so that a finding in it has offsets in the original. Each
kind of view has gates, patterns that say where it could matter; a text that triggers none has only itself. Pure.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from gateway.detect.simplified import TO_SIMPLIFIED, TRADITIONAL

Edit = tuple[int, int, str]
"""A piece of a text, by start and end, and what replaces it."""


@dataclass(frozen=True, slots=True)
class View:
    """A rewritten text. The four tuples are the edits: where each stands in the view, and where in the original."""

    text: str
    transforms: tuple[str, ...]
    new_starts: tuple[int, ...]
    new_ends: tuple[int, ...]
    old_starts: tuple[int, ...]
    old_ends: tuple[int, ...]

    def original(self, start: int, end: int) -> tuple[int, int]:
        """The span of the original text that a non-empty span of the view stands for; a touched edit counts whole."""
        return self._first(start), self._last(end - 1)

    def _first(self, place: int) -> int:
        index = bisect_right(self.new_starts, place) - 1
        # Deletions leave several edits at one place; none of them holds a character, so the last one decides.
        if index < 0:
            return place
        if place < self.new_ends[index]:
            return self.old_starts[index]
        return self.old_ends[index] + place - self.new_ends[index]

    def _last(self, place: int) -> int:
        index = bisect_right(self.new_starts, place) - 1
        if index < 0:
            return place + 1
        if place < self.new_ends[index]:
            return self.old_ends[index]
        return self.old_ends[index] + place - self.new_ends[index] + 1


Tick = Callable[[], None]
"""Called every so often by what may take long; it raises when there is no time left."""

_T = TypeVar("_T")


def paced(items: Iterable[_T], tick: Tick) -> Iterator[_T]:
    """`items`, with a `tick` before the first and every few hundred."""
    for index, item in enumerate(items):
        if not index & 511:
            tick()
        yield item


def rewritten(text: str, edits: Iterable[Edit], transforms: tuple[str, ...]) -> View | None:
    """The view of `text` after `edits`, which are in order; one that overlaps its predecessor is left out."""
    pieces: list[str] = []
    new_starts: list[int] = []
    new_ends: list[int] = []
    old_starts: list[int] = []
    old_ends: list[int] = []
    done = length = 0
    for start, end, replacement in edits:
        if start < done:
            continue
        pieces.append(text[done:start])
        pieces.append(replacement)
        length += start - done
        new_starts.append(length)
        length += len(replacement)
        new_ends.append(length)
        old_starts.append(start)
        old_ends.append(end)
        done = end
    if not pieces:
        return None
    pieces.append(text[done:])
    return View("".join(pieces), transforms, tuple(new_starts), tuple(new_ends), tuple(old_starts), tuple(old_ends))


# Characters that show nothing: soft hyphen, joiners, zero widths, bidi, fillers, variation selectors, byte order mark,
# tags, and the marks that are drawn over their neighbour (a keycap, an underline).
INVISIBLE = (
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    r"\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff"
)
_MARKS = r"\u0300-\u036f\u20d0-\u20ff"
# Characters with an everyday form: full-width, circled, superscript, mathematical, ligatures, radicals.
_STYLED = (
    r"\u00aa\u00b2\u00b3\u00b9\u00ba\u017f\u2070-\u209c\u2100-\u2121\u2123-\u214f\u2160-\u217f\u2460-\u24ff\u2776-\u2793"
    r"\u2e80-\u2fd5\u3220-\u33ff\uf900-\ufaff\ufb00-\ufb06\ufe50-\ufe6b\uff02-\uff07\uff0a\uff0b\uff0d-\uff19\uff1c-\uff1e"
    r"\uff20-\uff5d\U0001d400-\U0001d7ff\U0001f100-\U0001f1e5\U0001fbf0-\U0001fbf9\U0002f800-\U0002fa1f"
)
# Full-width punctuation is in every Chinese text: rewritten with the rest, but no reason to make a view.
_PUNCTUATION = r"\uff01\uff08\uff09\uff0c\uff1a\uff1b\uff1f\uff5e\u3000"

# Cyrillic and Greek letters that look Latin, pairwise.
_LOOK_ALIKE = "аеорсухіјѕһԁԛԝкмтвнАВЕКМНОРСТХУІЈЅαονρυικχΑΒΕΖΗΙΚΜΝΟΡΤΥΧ"
_LATIN = "aeopcyxijshdqwkmtbhABEKMHOPCTXYIJSaovpuikxABEZHIKMNOPTYX"
_CONFUSABLE = dict(zip(_LOOK_ALIKE, _LATIN, strict=True))

_OTHER_DIGIT = r"[^\P{Nd}0-9]"  # for a prefilter; Python's patterns know no such class

PLAIN_GATES = (  # none of them can match in ASCII
    f"[{INVISIBLE}{_STYLED}]",
    f"[0-9A-Za-z][{_MARKS}]",
    _OTHER_DIGIT,
    f"[0-9A-Za-z@._-][{_LOOK_ALIKE}]|[{_LOOK_ALIKE}][0-9A-Za-z@_]|[{_LOOK_ALIKE}][·•. -][0-9A-Z]"
    f"|[0-9][ ·(][{_LOOK_ALIKE}]",
    "[證號碼電話機護聯銀賬開稅會醫時請這個說對發應為與們經產單書報費轉財務現實處過還從關問題業門記錄沒購買賣錢隊歷駕]",
)
"""Where the plain view can differ in a way that matters."""


@dataclass(frozen=True, slots=True)
class PlainView:
    """The text as it reads: compatibility forms, invisible and traditional characters, other digits and look-alikes."""

    worth: re.Pattern[str]
    odd: re.Pattern[str]
    latin: re.Pattern[str]

    def of(self, text: str, tick: Tick) -> View | None:
        """The plain view, or None if it differs from the text in nothing that matters."""
        if self.worth.search(text) is None:
            return None
        edits: list[Edit] = []
        transforms: set[str] = set()
        known: dict[str, str] = {}  # long texts of one alphabet would normalise each letter thousands of times
        for match in paced(self.odd.finditer(text), tick):
            character = match.group()
            plain = known.get(character)
            if plain is None:
                plain, transform = _plain(character)
                known[character] = plain
                transforms.add(transform)
            place = match.start()
            if character in _CONFUSABLE and not self.latin.search(text, max(0, place - 12), place + 13):
                continue
            if plain != character:
                edits.append((place, place + 1, plain))
        return rewritten(text, paced(edits, tick), tuple(sorted(transforms)))


def _plain(character: str) -> tuple[str, str]:
    latin = _CONFUSABLE.get(character)
    if latin is not None:
        return latin, "confusables"
    simple = TO_SIMPLIFIED.get(character)
    if simple is not None:
        return simple, "simplified"
    normal = unicodedata.normalize("NFKC", character)
    if normal != character:
        return normal, "nfkc"
    digit = unicodedata.digit(character, None)
    if digit is not None:
        return str(digit), "digits"
    return "", "strip"


def plain_view() -> PlainView:
    """The maker of plain views, ready to run."""
    gates = (r"(?![\x00-\x7f])\d" if gate is _OTHER_DIGIT else gate for gate in PLAIN_GATES)
    return PlainView(
        re.compile("|".join(gates)),
        re.compile(f"[{INVISIBLE}{_MARKS}{_STYLED}{_PUNCTUATION}{_LOOK_ALIKE}{TRADITIONAL}]|(?![\\x00-\\x7f])\\d"),
        re.compile(r"[0-9A-Za-z]"),
    )


_NUMERALS = {
    **dict(zip("零〇一二三四五六七八九", "00123456789", strict=True)),
    **dict(zip("壹贰叁肆伍陆柒捌玖", "123456789", strict=True)),
    **dict(zip("貳參陸", "236", strict=True)),
    **dict(zip("幺两兩洞拐勾", "122079", strict=True)),
}
_HAN = "".join(_NUMERALS)
_SPELLED = {
    word: str(digit)
    for digit, words in enumerate(("zero oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"))
    for word in words.split()
}
_SPELLED_WORD = "(?:" + "|".join(_SPELLED) + ")"
_BETWEEN = r"[\s\-、，,.·/()（）年月]{0,2}"
_HAN_RUN = rf"[{_HAN}0-9](?:{_BETWEEN}[{_HAN}0-9]){{5,}}"
_SPELLED_RUN = rf"{_SPELLED_WORD}(?:[\s,.\-]{{1,3}}{_SPELLED_WORD}){{5,}}"

NUMERAL_GATES = (
    rf"[{_HAN}](?:{_BETWEEN}[{_HAN}0-9]){{3}}",
    rf"[0-9]{_BETWEEN}[{_HAN}]",
    rf"(?i){_SPELLED_WORD}(?:[\s,.\-]{{1,3}}{_SPELLED_WORD}){{5}}",
)
"""Where six or more digits may be spelled out."""


@dataclass(frozen=True, slots=True)
class NumeralView:
    """Runs of six or more spelled-out digits as figures. Shorter ones are years and quantities."""

    han: re.Pattern[str]
    spelled: re.Pattern[str]
    word: re.Pattern[str]

    def of(self, text: str, tick: Tick) -> View | None:
        """The view with figures, or None if nothing is spelled out."""
        edits: list[Edit] = []
        for run in paced(self.han.finditer(text), tick):
            edits.extend(
                (run.start() + index, run.start() + index + 1, _NUMERALS[character])
                for index, character in enumerate(run.group())
                if character in _NUMERALS
            )
        for run in paced(self.spelled.finditer(text), tick):
            words = list(self.word.finditer(text, run.start(), run.end()))
            for word, following in zip(words, [*words[1:], None], strict=True):
                # The separator goes too: words are always separated, which says nothing.
                end = following.start() if following is not None else word.end()
                edits.append((word.start(), end, _SPELLED[word.group().lower()]))
        return rewritten(text, paced(sorted(edits), tick), ("digits",))


def numeral_view() -> NumeralView:
    """The maker of numeral views, ready to run."""
    return NumeralView(
        re.compile(_HAN_RUN),
        re.compile(r"(?<![A-Za-z])" + _SPELLED_RUN + r"(?![A-Za-z])", re.IGNORECASE),
        re.compile(_SPELLED_WORD, re.IGNORECASE),
    )
