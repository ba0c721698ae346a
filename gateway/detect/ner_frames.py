"""What a worker with models and its parent say to each other over its pipes, and what the parent believes of it.

A frame is its length in four bytes and msgpack. The worker says once what it has loaded, then answers one question
after another. It reads what anybody may have written, so its answers are held against the question. Pure.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.detect.ner_text import Language, Piece
from gateway.detect.ner_worth import Kind, Named

LONGEST_FRAME: Final = 4 << 20
MOST_NAMED: Final = 20_000
_LENGTH: Final = 4


class Loaded(msgspec.Struct, frozen=True, tag="loaded", array_like=True):
    """The worker has its models; `digest` says which."""

    digest: str


class Question(msgspec.Struct, frozen=True, tag="question", array_like=True):
    """What is in these pieces?"""

    number: int
    pieces: list[tuple[Language, str]]


class Answer(msgspec.Struct, frozen=True, tag="answer", array_like=True):
    """This is: kind, start and end, for each piece."""

    number: int
    found: list[list[tuple[Kind, int, int]]]


class Nonsense(Exception):
    """What a worker said cannot be. The argument names what is wrong with it."""


Said = Loaded | Answer

_said: Final[msgspec.msgpack.Decoder[Said]] = msgspec.msgpack.Decoder(Said)
_question: Final[msgspec.msgpack.Decoder[Question]] = msgspec.msgpack.Decoder(Question)


def frame(message: Loaded | Question | Answer) -> bytes:
    """A message as it goes through the pipe."""
    data = msgspec.msgpack.encode(message)
    return len(data).to_bytes(_LENGTH, "big") + data


class Frames:
    """Cuts what comes through a pipe into frames, however it comes."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def fed(self, data: bytes) -> list[bytes]:
        """The frames that `data` completes; raises Nonsense if one is too long."""
        self._buffer += data
        frames: list[bytes] = []
        while len(self._buffer) >= _LENGTH:
            length = int.from_bytes(self._buffer[:_LENGTH], "big")
            if length > LONGEST_FRAME:
                raise Nonsense("too long")
            if len(self._buffer) < _LENGTH + length:
                break
            frames.append(bytes(self._buffer[_LENGTH : _LENGTH + length]))
            del self._buffer[: _LENGTH + length]
        return frames


def question(number: int, asked: Sequence[Piece]) -> bytes:
    """The frame that asks about `asked`."""
    return frame(Question(number, [(piece.language, piece.text) for piece in asked]))


def read_question(data: bytes) -> Question:
    """A question, in the worker; raises Nonsense."""
    try:
        return _question.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Nonsense("no question") from None


def read_said(data: bytes) -> Said:
    """What a worker says; raises Nonsense if nobody could mean it."""
    try:
        return _said.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Nonsense("no answer") from None


def believed(answer: Answer, number: int, asked: Sequence[Piece]) -> list[list[Named]]:
    """The answer to question `number` about `asked`; raises Nonsense if it cannot be that."""
    if answer.number != number:
        raise Nonsense("another question's answer")
    if len(answer.found) != len(asked) or sum(map(len, answer.found)) > MOST_NAMED:
        raise Nonsense("as many answers as nobody asked for")
    for piece, found in zip(asked, answer.found, strict=True):
        length = len(piece.text)
        if not all(0 <= start < end <= length for _, start, end in found):
            raise Nonsense("a place outside the text")
    return [[Named(*one) for one in found] for found in answer.found]
