"""What a model's finding is worth: which entity it is, how sure, and where exactly; most of what cannot be true is not.

The models are good at telling names from words in prose, and bad at tables, logs and headings, where anything with a
capital is a person to them. What they say is therefore held against the form of a name. Pure.
"""

import re
from enum import StrEnum
from typing import Final, NamedTuple

from gateway.detect.ner_famous import FAMOUS
from gateway.detect.ner_text import Language, Piece
from gateway.detect.people import GIVEN_NAMES


class Kind(StrEnum):
    """What the models tell apart, as far as we listen."""

    PERSON = "person"
    ORGANISATION = "organisation"
    PLACE = "place"  # a country, a town, a street
    BUILDING = "building"  # also a street or a bridge, by the English model


class Named(NamedTuple):
    """Something that a model found in a piece."""

    kind: Kind
    start: int
    end: int


class Worth(NamedTuple):
    """A finding, with its place in the piece."""

    entity: str
    score: float
    start: int
    end: int


REPORTED: Final = frozenset(("PERSON", "ORG", "ADDRESS"))
"""The entities that the models' findings can be."""

_SURE: Final = 0.85
_LIKELY: Final = 0.6

_GIVEN: Final = frozenset(GIVEN_NAMES.split())

_WORD: Final = r"(?:[^\W\d_a-z][^\W\d_]*(?:['’-][^\W\d_]+)*\.?)"
_PARTICLE: Final = r"(?:van|von|der|den|de|da|del|della|di|du|la|le|bin|al|ten|ter|y)"
_NAME: Final = re.compile(rf"{_WORD}(?: (?:{_PARTICLE} ){{0,2}}{_WORD}){{1,4}}")
_ONE_WORD: Final = re.compile(r"[^\W\d_a-z][^\W\d_A-Z]+(?:['’-][^\W\d_]+)*")
_POSSESSIVE: Final = re.compile(r"['’]s?$")
# In the middle of a sentence: a capital there says that the word is a name of something.
_MID_SENTENCE: Final = re.compile(r"[a-zà-ÿ,] \Z")

_HAN: Final = r"[\u3400-\u4dbf\u4e00-\u9fff]"
_HAN_PERSON: Final = re.compile(rf"{_HAN}{{2,4}}|{_HAN}{{1,8}}(?:[·•]{_HAN}{{1,8}}){{1,3}}")
_HAN_NUMBER: Final = re.compile(r"\s?[0-9一二三四五六七八九十百零〇]{1,5}\s?(?:号|弄|栋|幢|座|室|楼|单元)")
_HOUSE_NUMBER: Final = re.compile(r"(?<![0-9A-Za-z.$€£#/-])[0-9]{1,5}[A-Za-z]? \Z")
_ORGANISATION: Final = re.compile(rf"{_HAN}.{{1,60}}|[^\W\d_a-z].{{1,60}}")


def worth(piece: Piece, named: Named) -> Worth | None:
    """What `named` in `piece` is worth; None if nothing."""
    start, end = _trimmed(piece.text, named.start, named.end)
    said = piece.text[start:end]
    match named.kind:
        case Kind.PERSON:
            score = _person(piece, start, said)
            return Worth("PERSON", score, start, end) if score else None
        case Kind.ORGANISATION:
            return Worth("ORG", _LIKELY, start, end) if _ORGANISATION.fullmatch(said) else None
        case Kind.PLACE | Kind.BUILDING:
            return _address(piece, named.kind, start, end)


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """The span without what the models take along: further lines, spaces, a possessive."""
    said = text[start:end]
    begin = len(said) - len(said.lstrip(" \t\r\n\"'“”‘’(["))
    line = said[begin:].split("\n", 1)[0].rstrip(' \t\r,;:"“”)]')
    line = _POSSESSIVE.sub("", line)
    return start + begin, start + begin + len(line)


def _person(piece: Piece, start: int, said: str) -> float:
    if said in FAMOUS:
        return 0.0
    if piece.language is Language.ZH and _HAN_PERSON.fullmatch(said):
        return _SURE
    if _NAME.fullmatch(said):
        return _SURE
    if piece.language is Language.EN and _ONE_WORD.fullmatch(said):
        is_within = _MID_SENTENCE.search(piece.text, max(0, start - 2), start) is not None
        return _LIKELY if is_within or said in _GIVEN else 0.0
    return 0.0


def _address(piece: Piece, kind: Kind, start: int, end: int) -> Worth | None:
    """A place by itself is on every map; with a number it is where somebody lives."""
    if piece.language is Language.ZH:
        number = _HAN_NUMBER.match(piece.text, end)
        return Worth("ADDRESS", _LIKELY, start, number.end()) if number is not None else None
    if kind is Kind.BUILDING:
        number = _HOUSE_NUMBER.search(piece.text, max(0, start - 8), start)
        return Worth("ADDRESS", _LIKELY, number.start(), end) if number is not None else None
    return None
