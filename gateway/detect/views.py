"""Other readings of a text: what a model sees through and a pattern does not.

A view is the text with some pieces rewritten, and a map back, so that a finding in it has offsets in the original. Each
kind of view has gates, patterns that say where it could matter; a text that triggers none has only itself. Pure.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gateway.detect.simplified import TO_SIMPLIFIED, TRADITIONAL
from gateway.detect.slices import SLICE, Tick, is_in, matches


@dataclass(frozen=True, slots=True)
class View:
    """A rewritten text. The last four are its edits: where each stands in the view, and where in the original.

    A character in place of another is no edit: it stands where that stood.
    """

    text: str
    transforms: tuple[str, ...]
    new_starts: Sequence[int]
    new_ends: Sequence[int]
    old_starts: Sequence[int]
    old_ends: Sequence[int]

    def original(self, start: int, end: int) -> tuple[int, int]:
        """The span of the original text that a non-empty span of the view stands for; a touched edit counts whole."""
        return self._first(start), self._last(end - 1)

    def changes(self, original: str) -> Iterator[tuple[int, int]]:
        """Where the view differs from the `original`, in order; what differs little is told with what is beside it."""
        place = shift = 0
        for start, end, old_end in zip(self.new_starts, self.new_ends, self.old_ends, strict=True):
            yield from self._other(original, place, start, shift)
            yield start, end
            place, shift = end, old_end - end
        yield from self._other(original, place, len(self.text), shift)

    def _other(self, original: str, start: int, end: int, shift: int) -> Iterator[tuple[int, int]]:
        # Between two edits a character may be another, but stands where that stood.
        for first in range(start, end, _STEP):
            last = min(first + _STEP, end)
            if self.text[first:last] != original[first + shift : last + shift]:
                yield first, last

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


_STEP = 128  # characters that are compared at once
_MANY = 4_096  # pieces of a text that are put together at once


class Rewriting:
    """A view in the making: edits in their order, each by itself, since millions of them may be needed."""

    __slots__ = (
        "_blocks",
        "_done",
        "_length",
        "_new_ends",
        "_new_starts",
        "_old_ends",
        "_old_starts",
        "_pieces",
        "_text",
    )

    def __init__(self, text: str) -> None:
        self._text = text
        self._blocks: list[str] = []
        self._pieces: list[str] = []
        self._new_starts: list[int] = []
        self._new_ends: list[int] = []
        self._old_starts: list[int] = []
        self._old_ends: list[int] = []
        self._done = self._length = 0

    def edit(self, start: int, end: int, replacement: str) -> None:
        """Put `replacement` in place of a piece; one that overlaps its predecessor is left out."""
        if start < self._done:
            return
        self._pieces.append(self._text[self._done : start])
        self._pieces.append(replacement)
        self._length += start - self._done
        self._new_starts.append(self._length)
        self._length += len(replacement)
        self._new_ends.append(self._length)
        self._old_starts.append(start)
        self._old_ends.append(end)
        self._done = end
        if len(self._pieces) > _MANY:
            # All at once would take tens of milliseconds.
            self._blocks.append("".join(self._pieces))
            self._pieces.clear()

    def view(self, transforms: Iterable[str], original: str | None = None) -> View | None:
        """The view after all edits; None if it is the `original`, the text itself unless given."""
        if not self._old_starts and self._text == (original or self._text):
            return None
        text = "".join((*self._blocks, *self._pieces, self._text[self._done :]))
        places = (self._new_starts, self._new_ends, self._old_starts, self._old_ends)
        return View(text, tuple(sorted(transforms)), *places)


# Characters that show nothing: soft hyphen, joiners, zero widths, bidi, fillers, variation selectors, byte order mark,
# tags, and the marks that are drawn over their neighbour (a keycap, an underline).
INVISIBLE = (
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    r"\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff"
)
_MARKS = r"\u0300-\u036f\u20d0-\u20ff"
# Those that show nothing either and have no use in a text; what is white space to Python stays what it is.
_CONTROLS = r"\x01-\x08\x0e-\x1b\x7f"
_MORE_CONTROLS = r"\u0080-\u0084\u0086-\u009f"
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
_LATIN_OF = str.maketrans(_CONFUSABLE)
_NEAR = 12  # characters within which something Latin makes a look-alike suspicious

_OTHER_DIGIT = r"[^\P{Nd}0-9]"  # for a prefilter; Python's patterns know no such class

HIDDEN_GATE = f"[{_CONTROLS}{_MORE_CONTROLS}{INVISIBLE}{_STYLED}]"
"""As the others, but it can match in ASCII. The scanner shows it U+0001 in place of U+0000."""

PLAIN_GATES = (  # none of them can match in ASCII
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
    resized: re.Pattern[str]
    latin: re.Pattern[str]
    control: re.Pattern[str]

    def of(self, text: str, tick: Tick) -> View | None:
        """The plain view, or None if it differs from the text in nothing that matters."""
        if not is_in(self.worth, text, tick):
            return None
        plain: dict[str, str] = {}
        seen: set[str] = set()
        transforms: set[str] = set()
        pieces = []
        for start in range(0, len(text), SLICE):
            tick()
            piece = text[start : start + SLICE]
            if not piece.isascii():
                new = set(piece) - seen
                seen |= new
                for character in filter(self.odd.match, new):
                    plain[character], transform = _plain(character)
                    transforms.add(transform)
                if not _CONFUSABLE.keys().isdisjoint(plain):
                    piece = self._without_look_alikes(text, start)
                piece = piece.translate(_of_one(plain))
            pieces.append(piece)
        flat = "".join(pieces)
        rewriting = Rewriting(flat)
        # A control character may be the edge of a word, or stand in its middle: where this view changes something else,
        # it is still there, and the view of this view is without it.
        keeps_controls = flat != text
        for match in matches(self.resized, flat, tick):
            if match.lastgroup == "hidden":
                if keeps_controls and self.control.search(match.group()):
                    continue
                transforms.add("strip")
                rewriting.edit(match.start(), match.end(), "")
            else:
                character = match.group()
                replacement = plain.get(character, character)
                if len(replacement) != 1:
                    rewriting.edit(match.start(), match.end(), replacement)
        return rewriting.view(transforms, text)

    def _without_look_alikes(self, text: str, start: int) -> str:
        """A slice of `text` in which letters that look Latin are, if there is something Latin within a few characters.

        Words that are Greek or Cyrillic throughout stay what they are.
        """
        first = max(0, start - _NEAR)
        padded = text[first : start + SLICE + _NEAR]
        pieces = []
        done = 0
        for match in self.latin.finditer(padded):
            begin, end = max(done, match.start() - _NEAR), match.end() + _NEAR
            pieces.append(padded[done:begin])
            pieces.append(padded[begin:end].translate(_LATIN_OF))
            done = min(end, len(padded))
        return "".join((*pieces, padded[done:]))[start - first :][: min(SLICE, len(text) - start)]


def _of_one(plain: Mapping[str, str]) -> dict[int, str]:
    """Those of the plain forms that are one character, look-alikes aside, for `str.translate`."""
    return {ord(odd): form for odd, form in plain.items() if len(form) == 1 and odd not in _CONFUSABLE}


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
    hidden = rf"\x00{_CONTROLS}{_MORE_CONTROLS}{INVISIBLE}{_MARKS}"
    return PlainView(
        re.compile("|".join((r"\x00", HIDDEN_GATE, *gates))),
        re.compile(f"[{INVISIBLE}{_MARKS}{_STYLED}{_PUNCTUATION}{_LOOK_ALIKE}{TRADITIONAL}]|(?![\\x00-\\x7f])\\d"),
        re.compile(f"(?P<hidden>[{hidden}]{{1,500}})|[{_STYLED}]"),
        re.compile(rf"[0-9A-Za-z](?:[^0-9A-Za-z]{{0,{2 * _NEAR}}}[0-9A-Za-z]){{0,500}}"),
        re.compile(rf"[\x00{_CONTROLS}{_MORE_CONTROLS}]"),
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
_FIGURES = str.maketrans(_NUMERALS)
_BETWEEN = r"[\s\-、，,.·/()（）年月]{0,2}"
_HAN_NEXT = rf"(?:{_BETWEEN}[{_HAN}0-9])"
_SPELLED_NEXT = rf"(?:[\s,.\-]{{1,3}}{_SPELLED_WORD})"
_LONGEST = 500  # digits in one match: a longer run goes on in the next
_NO_LETTER = "(?![A-Za-z])"

NUMERAL_GATES = (
    rf"[{_HAN}](?:{_BETWEEN}[{_HAN}0-9]){{3}}",
    rf"[0-9]{_BETWEEN}[{_HAN}]",
    rf"(?i){_SPELLED_WORD}(?:[\s,.\-]{{1,3}}{_SPELLED_WORD}){{5}}",
)
"""Where six or more digits may be spelled out."""


@dataclass(frozen=True, slots=True)
class _Digits:
    """Runs of six or more digits of some kind: how one begins, and how it goes on."""

    begin: re.Pattern[str]
    more: re.Pattern[str]

    def runs(self, text: str, tick: Tick) -> Iterator[tuple[int, int]]:
        """The spans of the runs in `text`; a long one in pieces, each from where the last one ends."""
        done = 0
        for match in matches(self.begin, text, tick):
            if match.start() < done:
                continue
            start, done = match.span()
            yield start, done
            while (more := self.more.match(text, done)) is not None:
                tick()
                yield more.span()
                done = more.end()


@dataclass(frozen=True, slots=True)
class NumeralView:
    """Runs of six or more spelled-out digits as figures. Shorter ones are years and quantities."""

    han: _Digits
    spelled: _Digits
    word: re.Pattern[str]

    def of(self, text: str, tick: Tick) -> View | None:
        """The view with figures, or None if nothing is spelled out."""
        pieces = []
        done = 0
        for start, end in self.han.runs(text, tick):
            pieces.append(text[done:start])
            pieces.append(text[start:end].translate(_FIGURES))
            done = end
        flat = "".join((*pieces, text[done:]))
        rewriting = Rewriting(flat)
        for start, end in self.spelled.runs(text, tick):
            words = list(self.word.finditer(text, start, end))
            first = start
            for word in words:
                # The separator goes too: words are always separated, which says nothing.
                rewriting.edit(first, word.end(), _SPELLED[word.group().lower()])
                first = word.end()
        return rewriting.view(("digits",), text)


def numeral_view() -> NumeralView:
    """The maker of numeral views, ready to run."""
    spelled = rf"{_SPELLED_NEXT}{{1,{_LONGEST}}}{_NO_LETTER}"
    return NumeralView(
        _Digits(
            re.compile(rf"[{_HAN}0-9]{_HAN_NEXT}{{5,{_LONGEST}}}"),
            re.compile(rf"{_HAN_NEXT}{{1,{_LONGEST}}}"),
        ),
        _Digits(
            re.compile(
                rf"(?<![A-Za-z]){_SPELLED_WORD}{_SPELLED_NEXT}{{5,{_LONGEST}}}{_NO_LETTER}",
                re.IGNORECASE,
            ),
            re.compile(spelled, re.IGNORECASE),
        ),
        re.compile(_SPELLED_WORD, re.IGNORECASE),
    )
