"""The process that reads with models: it answers what it is asked, ends when nobody asks, and says nothing else."""

import io
import os
from collections.abc import Sequence

import pytest

from gateway.cli import ner_worker
from gateway.detect import ner_frames
from gateway.detect.ner_frames import Answer, Frames, Loaded, Nonsense
from gateway.detect.ner_text import Language, Piece
from gateway.detect.ner_worth import Kind, Named


class FirstWord:
    """A model to which the first word is a person in English, and a place in Chinese."""

    def named(self, piece: Piece) -> Sequence[Named]:
        os.write(1, b"a library that is talkative\n")
        kind = Kind.PERSON if piece.language is Language.EN else Kind.PLACE
        return [Named(kind, 0, len(piece.text.split()[0]))]


class Narrow(io.BytesIO):
    """A pipe that takes three bytes at a time."""

    def write(self, data: object) -> int:
        return super().write(bytes(data)[:3])  # type: ignore[call-overload]


def answered(asked: bytes) -> tuple[int, list[object]]:
    reader, writer = os.pipe()
    os.write(writer, asked)
    os.close(writer)
    out = Narrow()
    with os.fdopen(reader, "rb") as questions:
        status = ner_worker.serve(FirstWord(), questions, out)
    return status, [ner_frames.read_said(one) for one in Frames().fed(out.getvalue())]


def test_every_question_is_answered_in_turn_until_there_are_no_more() -> None:
    first = ner_frames.question(1, [Piece(Language.EN, 0, "John writes"), Piece(Language.ZH, 9, "北京 很大")])
    second = ner_frames.question(2, [Piece(Language.EN, 0, "Al writes")])
    assert answered(first + second) == (
        0,
        [Answer(1, [[(Kind.PERSON, 0, 4)], [(Kind.PLACE, 0, 2)]]), Answer(2, [[(Kind.PERSON, 0, 2)]])],
    )


def test_a_question_that_is_none_ends_it() -> None:
    with pytest.raises(Nonsense):
        answered(ner_frames.frame(Loaded("x")))


def test_it_is_tied_to_its_parent_leaves_no_memory_and_keeps_its_pipe_to_itself(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    done: list[str] = []
    for name in ("die_with_parent", "forbid_core_files"):
        monkeypatch.setattr(ner_worker, name, lambda name=name: done.append(name))
    monkeypatch.setattr(os, "nice", lambda by: done.append(f"nice {by}"))
    monkeypatch.setattr(ner_worker, "InstalledModels", FirstWord)
    monkeypatch.setattr(ner_worker, "models_digest", lambda: "abc")
    monkeypatch.setattr(ner_worker, "serve", lambda models, questions, out: 0)
    saved = os.dup(1)
    try:
        assert ner_worker.main() == 0
    finally:
        os.dup2(saved, 1)
        os.close(saved)
    assert done == ["die_with_parent", "forbid_core_files", "nice 5"]
    said = capfdbinary.readouterr()
    assert said.out == ner_frames.frame(Loaded("abc"))
