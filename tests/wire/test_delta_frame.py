"""The frame around a stream's words: what it recognises is exactly what decoding would have forwarded."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.delta_frame import frame_of
from gateway.wire.replies import Done, Failed, Forward, StreamReply
from gateway.wire.requests import Dialect
from gateway.wire.sse import Event

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
