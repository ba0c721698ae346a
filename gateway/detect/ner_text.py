"""What of a text the models are asked to read: pieces of it, each for the models that know its script.

A model costs time by the character and forgets what is far away, so a piece is a paragraph's length and ends where a
line or a sentence does. Only a text without either is cut anywhere, and then its pieces overlap. Pure.
"""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Final, NamedTuple

PIECE: Final = 600  # characters: about a paragraph; both models read as fast and as well as in one sentence
OVERLAP: Final = 60  # of pieces that end within a sentence: longer than a name

AROUND: Final = 30  # characters of context for an English name among Chinese

_HAN: Final = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_HAN_RUN: Final = re.compile(r"[\u3000-\u303f\u3400-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]+")
_PUNCTUATION: Final = str.maketrans("，。：；？！（）、", ",.:;?!(),")
# Without a capital the English model finds nothing, and what it found would not be believed.
_CAPITAL: Final = re.compile(r"[A-ZÀ-ÖØ-ÞĀ-Ž][A-Za-zÀ-ÖØ-öø-ÿĀ-ž'’]")
# Among Chinese, words of capitals only are abbreviations.
_CAPITALISED: Final = re.compile(r"[A-ZÀ-ÖØ-ÞĀ-Ž]['’]?[a-zß-öø-ÿ]")
# Behind a full stop only after a word that is no title or initial.
_END: Final = re.compile(r"\n|[。！？；]|(?:[a-z]{4}|[0-9)\]\"”’])[.!?](?=\s)")


class Language(StrEnum):
    """The models there are, by what they read."""

    EN = "en"
    ZH = "zh"


class Piece(NamedTuple):
    """A part of a text, from `start` on, for one model: as many characters, but not always the same."""

    language: Language
    start: int
    text: str


def pieces(text: str) -> Iterator[Piece]:
    """The parts of `text` that a model could find a name in, for each model that could."""
    if not has_script(text):
        return
    for start, end in _cuts(text):
        part = text[start:end]
        if _HAN.search(part) is None:
            if _CAPITAL.search(part):
                yield Piece(Language.EN, start, part)
            continue
        yield Piece(Language.ZH, start, part)
        names = [match.start() for match in _CAPITALISED.finditer(part)]
        if names:
            # Among Chinese, only what lies between the names and a little around them: it is read twice.
            begin, finish = max(0, names[0] - AROUND), names[-1] + OVERLAP + AROUND
            yield Piece(Language.EN, start + begin, _without_han(part[begin:finish]))


def _without_han(text: str) -> str:
    """`text` with Chinese blanked out, place by place: the English model takes it and a name beside it for one word."""
    return _HAN_RUN.sub(_blanked, text.translate(_PUNCTUATION))


def _blanked(run: re.Match[str]) -> str:
    length = run.end() - run.start()
    # One character between two names is an "and".
    return " " * length if length > 1 else ","


def has_script(text: str) -> bool:
    """Whether there is anything in `text` that a model could read."""
    return _CAPITAL.search(text) is not None or _HAN.search(text) is not None


def _cuts(text: str) -> Iterator[tuple[int, int]]:
    """Where the pieces of `text` begin and end."""
    start, length = 0, len(text)
    while length - start > PIECE:
        ends = [end.end() for end in _END.finditer(text, start, start + PIECE)]
        if ends:
            yield start, ends[-1]
            start = ends[-1]
            continue
        # No sentence is this long: between words if there are any, with enough of an overlap to see a name whole.
        space = text.rfind(" ", start + PIECE - OVERLAP, start + PIECE)
        end = space if space > start else start + PIECE
        yield start, end
        start = end - OVERLAP
    yield start, length
