"""The SSE reader: fed whole, byte by byte, cut short, and split anywhere."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.message import Headers
from gateway.wire.sse import Event, EventTooLarge, SseReader, is_event_stream
from tests.wire.recordings import recording

STREAMS = ["vllm_stream", "vllm_tool_stream", "vllm_engine_dead_stream", "vllm_invocations_stream", "llamacpp_stream"]


def read(*pieces: bytes, **options) -> list[Event]:
    reader = SseReader(**options)
    return [event for piece in pieces for event in reader.feed(piece)]


def bytewise(stream: bytes) -> list[bytes]:
    return [stream[at : at + 1] for at in range(len(stream))]


def data(events: list[Event]) -> list[bytes]:
    return [event.data for event in events]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"]),
        (b"data: a\r\rdata: b\r\r", [b"a", b"b"]),
        (b"data: a\r\n\ndata: b\n\r\ndata: c\n\rdata: d\r\n\r", [b"a", b"b", b"c", b"d"]),
        (b"data:a\n\n", [b"a"]),
        (b"data:  a\n\n", [b" a"]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b"data: a\r\ndata: b\r\n\r\n", [b"a\nb"]),
        (b"data: a\ndata:\ndata: c\n\n", [b"a\n\nc"]),
        (b": comment\n\n", [b""]),
        (b": comment\ndata: a\n\n", [b"a"]),
        (b"event: ping\nid: 7\nretry: 10\n\n", [b""]),
        (b"event: message\ndata: a\nid: 7\n\n", [b"a"]),
        (b"database: x\n\n", [b""]),
        (b"data\n\n", [b""]),
        (b"\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n", [b"a", b""]),
        (b"\xef\xbb\xbfdata: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"]),
        (b"\ndata: a\n\n\ndata: b\n\n", [b"a", b"b"]),
        (b"data: a\n\n\n\ndata: b\n\n", [b"a", b"", b"b"]),
        (b"data: a: b\x00\xff\n\n", [b"a: b\x00\xff"]),
        (b"data: a", []),
        (b"data: a\n", []),
        (b"", []),
    ],
)
def test_a_stream_gives_the_same_events_however_it_is_cut(stream, expected):
    assert data(read(stream)) == expected
    assert data(read(*bytewise(stream))) == expected
    for at in range(len(stream)):
        assert data(read(stream[:at], b"", stream[at:])) == expected


@pytest.mark.parametrize("name", STREAMS)
def test_a_recorded_stream_is_kept_to_the_byte(name):
    body = recording(name).body
    whole = read(body)
    assert len(whole) == body.count(b"\n\n")
    assert b"".join(event.raw for event in whole) == body.rstrip(b"\n") + b"\n\n"
    assert all(event.raw == b"data: " + event.data + b"\n\n" for event in whole)
    assert read(*bytewise(body)) == whole


FRAGMENTS = st.sampled_from(
    [b"data: ", b"data:", b":", b"\n", b"\r\n", b"\r", b"\n\n", b"\r\n\r\n", b"x", b" ", b"id: 1"]
)


def by_the_book(stream: bytes) -> list[bytes]:
    """The data of every event that has any, read line by line as the standard tells it."""
    found, lines = [], []
    text = stream.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    for line in text.split(b"\n")[:-1]:
        if line:
            if line.startswith(b"data:"):
                lines.append(line[5:].removeprefix(b" "))
        else:
            found.append(b"\n".join(lines))
            lines = []
    return [value for value in found if value]


@given(st.lists(FRAGMENTS, max_size=30).map(b"".join), st.lists(st.integers(0, 200), max_size=6))
def test_any_split_of_anything_reads_as_the_standard_says(stream, cuts):
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[start:stop] for start, stop in itertools.pairwise(edges)]
    assert [value for value in data(read(*pieces)) if value] == by_the_book(stream)


@pytest.mark.parametrize(
    ("pieces", "pending"),
    [
        ([], False),
        ([b"data: a\n\n"], False),
        ([b"data: a\n"], True),
        ([b"data: a\n\n", b"d"], True),
        ([b"data: a\n\n\n"], False),
        ([b"data: a\r\n\r", b"\n"], False),
        ([b"data: a\r\n\r\n", b": comm", b"ent"], True),
    ],
)
def test_half_an_event_at_the_end_is_noticed(pieces, pending):
    reader = SseReader()
    for piece in pieces:
        reader.feed(piece)
    assert reader.pending is pending


@pytest.mark.parametrize(
    ("pieces", "is_between"),
    [
        ([], False),
        ([b""], False),
        ([b"data: a\n\n"], True),
        ([b"data: a\n\ndata: b\n\n"], True),
        ([b"data: a\n\n", b"data: b"], False),
        ([b"data: a\n\n", b"data: b", b"\n\n"], True),
        ([b"data: a\n\n", b"\n"], False),
        ([b"data: a\r\n\r\n"], True),
        ([b"data: a\r\n\r"], False),
        ([b"data: a\r\n\r", b"\n"], True),
        ([b"data: a\r\n\r", b"\ndata: b\n\n"], True),
        ([b"data: a\r\n\r\n", b"\r"], False),
    ],
)
def test_it_is_known_when_the_next_event_begins_with_the_next_byte(pieces, is_between):
    reader = SseReader()
    for piece in pieces:
        reader.feed(piece)
    assert reader.is_between is is_between


def test_an_event_is_delivered_with_its_last_byte_even_if_a_line_feed_may_follow():
    reader = SseReader()
    assert data(reader.feed(b"data: a\r\n\r")) == [b"a"]
    assert data(reader.feed(b"\ndata: b\n\n")) == [b"b"]


@pytest.mark.parametrize(
    "pieces",
    [
        [b"data: " + b"x" * 20],
        [b"data: " + b"x" * 20 + b"\n\n"],
        [b"data: " + b"x" * 20 + b"\r\n\r\n"],
        bytewise(b"data: " + b"x" * 20),
        [b"data: a\n\n" * 3 + b"data: " + b"x" * 20],
        [b"data: a\n\n" * 3 + b"data: " + b"x" * 20 + b"\n\n"],
    ],
)
def test_an_event_above_the_limit_is_an_error_and_never_kept(pieces):
    with pytest.raises(EventTooLarge):
        read(*pieces, max_event=20)


def test_an_event_at_the_limit_is_read_and_many_events_are_no_large_one():
    assert len(read(b"data: 789012345678\n\n" * 100, max_event=20)) == 100
    assert len(read(b"data: 7890123456\r\n\r\n" * 100, max_event=20)) == 100


@pytest.mark.parametrize(
    ("headers", "is_one"),
    [
        (((b"content-type", b"text/event-stream"),), True),
        (((b"x", b"y"), (b"content-type", b"Text/Event-Stream; charset=utf-8")), True),
        (((b"content-type", b"application/json"),), False),
        (((b"accept", b"text/event-stream"),), False),
        ((), False),
    ],
)
def test_an_answer_says_whether_it_is_a_stream(headers: Headers, is_one: bool) -> None:
    assert is_event_stream(headers) == is_one
