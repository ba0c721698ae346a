"""Event-stream frames: whole, byte by byte, cut short, broken, and as botocore reads them."""

from itertools import pairwise
from struct import pack

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire import eventstream
from gateway.wire.eventstream import MAX_FRAME, MAX_HEADERS, EventStreamReader, StreamFailure


def crc32(data: bytes) -> int:
    import zlib

    return zlib.crc32(data)


def text(name: bytes, value: bytes) -> bytes:
    return bytes([len(name)]) + name + b"\x07" + pack(">H", len(value)) + value


def framed(headers: bytes, payload: bytes = b"") -> bytes:
    prelude = pack(">II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + pack(">I", crc32(prelude)) + headers + payload
    return message + pack(">I", crc32(message))


def part(payload: bytes) -> bytes:
    headers = text(b":event-type", b"PayloadPart") + text(b":content-type", b"application/octet-stream")
    return framed(headers + text(b":message-type", b"event"), payload)


def exception(kind: bytes, payload: bytes = b"{}") -> bytes:
    return framed(text(b":exception-type", kind) + text(b":message-type", b"exception"), payload)


def read(stream: bytes, *cuts: int) -> tuple[bytes, StreamFailure | None, bool]:
    reader = EventStreamReader()
    edges = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    got = b"".join(reader.feed(stream[a:b]) for a, b in pairwise(edges))
    return got, reader.failure, reader.pending


STREAM = part(b"data: a\n") + part(b"") + part(b"\ndata: b\n\n")
INITIAL = framed(text(b":message-type", b"event") + text(b":event-type", b"initial-response"), b"{}")


def test_parts_are_joined_as_if_never_framed() -> None:
    assert read(STREAM) == (b"data: a\n\ndata: b\n\n", None, False)
    assert read(INITIAL + STREAM) == (b"data: a\n\ndata: b\n\n", None, False)
    assert read(b"") == (b"", None, False)


def test_byte_by_byte_gives_the_same() -> None:
    for stream in (INITIAL + STREAM, STREAM + exception(b"ModelStreamError") + STREAM):
        assert read(stream, *range(len(stream))) == read(stream)


def test_a_stream_cut_anywhere_but_between_frames_is_pending() -> None:
    whole = [len(part(b"data: a\n")), len(part(b"data: a\n") + part(b""))]
    for length in range(1, len(STREAM)):
        got, failure, pending = read(STREAM[:length])
        assert b"data: a\n\ndata: b\n\n".startswith(got)
        assert failure is None
        assert pending is (length not in whole)


@pytest.mark.parametrize(
    ("frame", "failure"),
    [
        (exception(b"InternalStreamFailure"), StreamFailure("InternalStreamFailure")),
        (
            exception(
                b"ModelStreamError", b'{"Message": "Traceback: secret", "ErrorCode": "ModelInvocationTimeExceeded"}'
            ),
            StreamFailure("ModelStreamError", "ModelInvocationTimeExceeded"),
        ),
        (exception(b"ModelStreamError", b'{"ErrorCode": "what a prompt said"}'), StreamFailure("ModelStreamError")),
        (exception(b"ModelStreamError", b'{"ErrorCode": 1}'), StreamFailure("ModelStreamError")),
        (exception(b"ModelStreamError", b"\xff"), StreamFailure("ModelStreamError")),
        (exception(b"ThrottlingException"), StreamFailure("ThrottlingException")),
        (exception(b"not a name"), StreamFailure("unknown exception")),
        (framed(text(b":message-type", b"exception")), StreamFailure("unknown exception")),
        (
            framed(text(b":message-type", b"error") + text(b":error-code", b"InternalError")),
            StreamFailure("InternalError"),
        ),
        (framed(text(b":message-type", b"error")), StreamFailure("unknown error")),
        (
            framed(text(b":message-type", b"event") + text(b":event-type", b"Metrics")),
            StreamFailure("unknown event", "Metrics"),
        ),
        (framed(text(b":message-type", b"event")), StreamFailure("unknown event")),
        (framed(text(b":message-type", b"other")), StreamFailure("invalid frame", "message type")),
        (framed(b""), StreamFailure("invalid frame", "message type")),
        (part(b"x")[:-1] + b"!", StreamFailure("invalid frame", "checksum")),
        (b"\x00" * 12, StreamFailure("invalid frame", "checksum of the prelude")),
        (framed(b"\x05abc"), StreamFailure("invalid frame", "header")),
        (framed(b"\x01a\x0a"), StreamFailure("invalid frame", "header")),
        (framed(b"\x01a\x07\x00\x05abc"), StreamFailure("invalid frame", "header")),
        (framed(b"\x01a\x07\x00"), StreamFailure("invalid frame", "header")),
        (framed(text(b"a", b"1") * 2), StreamFailure("invalid frame", "header")),
    ],
)
def test_what_ends_a_stream_is_told_in_words_that_are_not_the_containers(frame: bytes, failure: StreamFailure) -> None:
    assert read(part(b"before") + frame + part(b"after")) == (b"before", failure, False)
    assert "secret" not in str(failure)


@pytest.mark.parametrize(
    "late", [part(b"x")[:-1] + b"!", b"\x00" * 200, INITIAL, part(b"y")[:-1], part(b"y") * 2, b"", exception(b"A" * 40)]
)
def test_a_part_that_arrives_by_itself_is_taken_as_in_one_piece(late: bytes) -> None:
    stream = part(b"a") + part(b"b") + late
    ends = [len(part(b"a")), len(part(b"a") + part(b"b"))]
    assert read(stream, *ends) == read(stream)


def test_a_failure_reads_as_one_phrase() -> None:
    assert str(StreamFailure("ModelStreamError", "StreamBroken")) == "ModelStreamError: StreamBroken"
    assert str(StreamFailure("InternalStreamFailure")) == "InternalStreamFailure"


@pytest.mark.parametrize(
    ("total", "headers"), [(15, 0), (0, 0), (16, 1), (MAX_FRAME + 1, 0), (MAX_FRAME, MAX_HEADERS + 1), (2**32 - 1, 0)]
)
def test_a_length_out_of_bounds_is_refused_before_anything_is_kept(total: int, headers: int) -> None:
    lengths = pack(">II", total, headers)
    prelude = lengths + pack(">I", crc32(lengths))
    assert read(prelude) == (b"", StreamFailure("invalid frame", "length"), False)


def test_every_type_of_header_is_passed_over() -> None:
    values = [b"", b"", b"1", b"12", b"1234", b"12345678", b"\x00\x02ab", b"\x00\x02ab", b"12345678", b"x" * 16]
    block = b"".join(b"\x01" + bytes([97 + kind, kind]) + value for kind, value in enumerate(values))
    headers = block + text(b":message-type", b"event") + text(b":event-type", b"PayloadPart")
    assert read(framed(headers, b"x")) == (b"x", None, False)


@given(
    parts=st.lists(st.binary(max_size=60), max_size=6),
    tail=st.sampled_from([b"", part(b"cut")[:-3], exception(b"ModelStreamError"), b"garbage that is no frame"]),
    cuts=st.lists(st.integers(0, 900), max_size=12),
)
def test_any_split_gives_what_botocore_reads(parts: list[bytes], tail: bytes, cuts: list[int]) -> None:
    stream = b"".join(map(part, parts))
    theirs = EventStreamBuffer()
    theirs.add_data(stream)
    whole = read(stream + tail)
    assert read(stream + tail, *cuts) == whole
    assert whole[0] == b"".join(message.payload for message in theirs) == b"".join(parts)


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=5))
def test_noise_is_never_content(noise: bytes, cuts: list[int]) -> None:
    got, _, _ = read(noise, *cuts)
    assert got == b""


def test_a_large_frame_in_many_pieces_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def counted(data: bytes) -> int:
        seen.append(len(data))
        return crc32(data)

    monkeypatch.setattr(eventstream, "crc32", counted)
    stream = part(b"x" * 100_000)
    assert read(stream, *range(0, len(stream), 1000))[0] == b"x" * 100_000
    assert len(seen) <= 4
