"""The frame around a stream's words: what it recognises is exactly what decoding would have forwarded."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.delta_frame import frame_of
from gateway.wire.replies import Done, Failed, Forward, StreamReply
from gateway.wire.requests import Dialect
from gateway.wire.sse import Event, SseReader

THEIRS = b'{"id":"theirs","model":"m","choices":[{"index":0,"delta":{"content":"%b"},"finish_reason":null}]}'
OURS = b'data: {"id":"ours","model":"a","choices":[{"index":0,"delta":{"content":"%b"},"finish_reason":null}]}\n\n'
FRAME = frame_of(THEIRS % b"one", OURS % b"one")


@pytest.mark.parametrize("text", [b"two", b" ", b"it's {fine}: [1, 2]", "潮汐".encode(), "🌊".encode()])
def test_plain_text_in_a_known_frame_is_forwarded_without_decoding(text):
    assert FRAME is not None
    assert FRAME.forwarded(THEIRS % text) == OURS % text


@pytest.mark.parametrize(
    "data",
    [
        THEIRS % b"",
        THEIRS % b'a\\"b',
        THEIRS % b"a\\u0041",
        THEIRS % b"a\tb",
        THEIRS % b"\xff\xfe",
        THEIRS % b'x"},"finish_reason":"stop"}]}',
        THEIRS.replace(b"null", b'"stop"') % b"x",
        THEIRS.replace(b'"index":0', b'"index":1') % b"x",
        THEIRS.replace(b"theirs", b"others") % b"x",
        b"[DONE]",
        b"",
        (THEIRS % b"x")[:-1],
    ],
)
def test_anything_else_is_left_to_the_decoder(data):
    assert FRAME is not None
    assert FRAME.forwarded(data) is None


@pytest.mark.parametrize("text", [b"two", "潮汐".encode()])
def test_a_whole_event_in_a_known_frame_is_forwarded_without_being_taken_apart(text):
    assert FRAME is not None
    assert FRAME.event(b"data: %b\n\n" % (THEIRS % text)) == OURS % text


@pytest.mark.parametrize(
    "raw",
    [
        THEIRS % b"x",
        b"data: %b\n" % (THEIRS % b"x"),
        b"data:%b\n\n" % (THEIRS % b"x"),
        b"data: %b\r\n\r\n" % (THEIRS % b"x"),
        b"data: %b\n\n" % (THEIRS % b""),
        b"data: %b\n\n" % (THEIRS % b"\xff\xfe"),
        b"data: %b\n\ndata: %b\n\n" % (THEIRS % b"x", THEIRS % b"y"),
        b"data: %b\n\n\n" % (THEIRS % b"x"),
        b": %b\n\n" % (THEIRS % b"x"),
        b"data: %b\n\n" % (THEIRS % (b"x" * (1 << 18))),
        b"",
    ],
)
def test_what_is_not_exactly_one_such_event_is_left_to_the_reader(raw):
    assert FRAME is not None
    assert FRAME.event(raw) is None


@pytest.mark.parametrize(
    ("data", "forwarded"),
    [
        (b'{"delta":{}}', OURS % b"x"),
        (THEIRS % b"x", b'{"delta":{}}'),
        (THEIRS % b"", OURS % b""),
        (THEIRS % b'a\\"', OURS % b'a\\"'),
        (b'"content":"x"', OURS % b"x"),
        (b'{"a\\"content":"x"}', OURS % b"x"),
        (b'{"content":"x","b":{"content":"y"}}', OURS % b"x"),
    ],
)
def test_no_frame_is_learnt_from_what_is_in_doubt(data, forwarded):
    assert frame_of(data, forwarded) is None


def chunk(**more):
    choice = {"index": 0, "delta": {"content": "x"}, "logprobs": None, "finish_reason": None}
    return {"id": "theirs", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **more}


def with_delta(delta, finish=None, index=0):
    return chunk(choices=[{"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}])


EVENTS = st.one_of(
    st.text(max_size=8).map(lambda text: with_delta({"content": text})),
    st.sampled_from(
        [
            with_delta({"role": "assistant", "content": ""}),
            with_delta({"content": "same"}),
            with_delta({"content": "x"}, index=1),
            with_delta({"tool_calls": [{"index": 0, "function": {"arguments": '{"content":"y"}'}}]}),
            with_delta({}, finish="stop"),
            with_delta({"content": "end"}, finish="length"),
            chunk(usage={"prompt_tokens": 1, "completion_tokens": 2}),
            chunk(choices=[], usage={"prompt_tokens": 1, "completion_tokens": 2}),
            chunk(system_fingerprint="fp"),
            {"error": {"message": "no", "code": 500}},
            "[DONE]",
        ]
    ),
)


@given(events=st.lists(EVENTS, max_size=12), ascii_only=st.booleans())
def test_a_stream_reads_the_same_with_and_without_the_frame(events, ascii_only):
    def run(*, framed: bool):
        reply = StreamReply(Dialect.CHAT, alias="a", reply_id="r", wants_usage=False, choices=2)
        pieces = []
        for event in events:
            text = (
                event if isinstance(event, str) else json.dumps(event, ensure_ascii=ascii_only, separators=(",", ":"))
            )
            data = text.encode("utf-8", "surrogatepass")
            if not framed:
                reply._frame = None
            piece = reply.take(Event(b"", data))
            match piece:
                case Forward() | Done():
                    pieces.append(piece)
                case Failed(error=error):
                    pieces.append((type(error), error.detail))
                case _:
                    pieces.append(None)
        return pieces, reply.usage, reply.is_complete, reply.has_content

    assert run(framed=True) == run(framed=False)


@given(events=st.lists(EVENTS, max_size=12), cuts=st.lists(st.integers(0, 2_000), max_size=3), ascii_only=st.booleans())
def test_a_stream_reads_the_same_whether_or_not_known_events_are_passed_by(events, cuts, ascii_only):
    texts = [
        event if isinstance(event, str) else json.dumps(event, ensure_ascii=ascii_only, separators=(",", ":"))
        for event in events
    ]
    raw = [b"data: %b\n\n" % text.encode("utf-8", "surrogatepass") for text in texts]
    whole = b"".join(raw)
    pieces = raw if not cuts else [whole[at:to] for at, to in pairwise([0, *sorted(cuts), len(whole)])]

    def run(*, passed_by: bool):
        sse = SseReader()
        reply = StreamReply(Dialect.CHAT, alias="a", reply_id="r", wants_usage=False, choices=2)
        said = []
        for piece in pieces:
            known = reply.known(piece) if passed_by and sse.is_between else None
            if known is not None:
                said.append(known)
                continue
            for event in sse.feed(piece):
                match reply.take(event):
                    case Forward(data=data) | Done(data=data):
                        said.append(data)
                    case Failed(error=error):
                        said.append((type(error), error.detail))
        return said, reply.said, reply.usage, reply.is_complete, reply.has_content

    assert run(passed_by=True) == run(passed_by=False)


@pytest.mark.parametrize("end", [b"[DONE]", b'{"error":{"message":"no"}}', b"nonsense"])
def test_nothing_is_known_any_more_after_the_end_of_a_stream(end):
    reply = StreamReply(Dialect.CHAT, alias="a", reply_id="r", wants_usage=False, choices=1)
    assert reply.known(b"data: %b\n\n" % (THEIRS % b"x")) is None
    for data in (THEIRS % b"x", (THEIRS % b"").replace(b"null", b'"stop"')):
        reply.take(Event(b"", data))
    assert reply.known(b"data: %b\n\n" % (THEIRS % b"y")) is not None
    assert reply.said == 2
    reply.take(Event(b"", end))
    assert reply.known(b"data: %b\n\n" % (THEIRS % b"z")) is None
    assert reply.said == 2
