"""What goes through the pipe between us and a process with models, and what of it is believed."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.detect import ner_frames
from gateway.detect.ner_frames import LONGEST_FRAME, Answer, Frames, Loaded, Nonsense, Question
from gateway.detect.ner_text import Language, Piece
from gateway.detect.ner_worth import Kind, Named

ASKED = [Piece(Language.EN, 0, "John writes"), Piece(Language.ZH, 7, "王小明写信")]


def body(frame: bytes) -> bytes:
    (one,) = Frames().fed(frame)
    return one


def test_a_question_and_its_answer_arrive_as_they_were_sent() -> None:
    question = ner_frames.read_question(body(ner_frames.question(7, ASKED)))
    assert question == Question(7, [(Language.EN, "John writes"), (Language.ZH, "王小明写信")])
    answer = Answer(7, [[(Kind.PERSON, 0, 4)], [(Kind.PERSON, 0, 3)]])
    said = ner_frames.read_said(body(ner_frames.frame(answer)))
    assert said == answer
    assert ner_frames.believed(answer, 7, ASKED) == [[Named(Kind.PERSON, 0, 4)], [Named(Kind.PERSON, 0, 3)]]
    assert ner_frames.read_said(body(ner_frames.frame(Loaded("abc")))) == Loaded("abc")


@settings(deadline=None)
@given(st.lists(st.binary(max_size=20), max_size=5), st.data())
def test_frames_are_whole_however_they_come(bodies: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(len(one).to_bytes(4, "big") + one for one in bodies)
    frames, found, place = Frames(), [], 0
    while place < len(stream):
        step = data.draw(st.integers(1, len(stream) - place))
        found += frames.fed(stream[place : place + step])
        place += step
    assert found == bodies


def test_a_frame_that_is_cut_short_is_none() -> None:
    frame = ner_frames.question(1, ASKED)
    frames = Frames()
    assert [frames.fed(frame[place : place + 1]) for place in range(len(frame) - 1)] == [[]] * (len(frame) - 1)


def test_a_frame_that_would_be_too_long_is_nonsense_at_once() -> None:
    with pytest.raises(Nonsense, match="too long"):
        Frames().fed((LONGEST_FRAME + 1).to_bytes(4, "big"))


@pytest.mark.parametrize(
    "said",
    [b"", b"\xff", msgspec.msgpack.encode(["hello"]), msgspec.msgpack.encode(["answer", "1", []]),
     msgspec.msgpack.encode(["answer", 1, [[["martian", 0, 1]]]]),
     msgspec.msgpack.encode(["answer", 1, [[["person", 0.5, 1]]]]),
     msgspec.msgpack.encode({"answer": 1}), b"\x93\xa6answer\x01\x91\x91\x93\xa1\xff\x00\x01"],
)  # fmt: skip
def test_what_is_no_message_is_nonsense(said: bytes) -> None:
    with pytest.raises(Nonsense, match="no answer"):
        ner_frames.read_said(said)
    with pytest.raises(Nonsense, match="no question"):
        ner_frames.read_question(said)


@pytest.mark.parametrize(
    ("number", "found", "reason"),
    [
        (2, [[], []], "another question"),
        (1, [[]], "as many answers"),
        (1, [[], [], []], "as many answers"),
        (1, [[(Kind.PERSON, 0, 1)] * 20_001, []], "as many answers"),
        (1, [[(Kind.PERSON, 0, 12)], []], "outside the text"),
        (1, [[(Kind.PERSON, -1, 2)], []], "outside the text"),
        (1, [[(Kind.PERSON, 2, 2)], []], "outside the text"),
        (1, [[], [(Kind.PERSON, 3, 1)]], "outside the text"),
    ],
)
def test_an_answer_that_cannot_be_is_nonsense(
    number: int, found: list[list[tuple[Kind, int, int]]], reason: str
) -> None:
    with pytest.raises(Nonsense, match=reason):
        ner_frames.believed(Answer(number, found), 1, ASKED)
