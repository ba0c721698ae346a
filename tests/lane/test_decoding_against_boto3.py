"""Our decoding of event streams against boto3's: the same bytes, and an end wherever boto3 finds one."""

import pytest
from botocore.eventstream import EventStream, ParserError
from botocore.exceptions import EventStreamError
from botocore.parsers import EventStreamJSONParser
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.lane import frames
from gateway.wire.eventstream import EventStreamReader
from tests.lane.botocore_model import STREAMED, output_of


class _Raw:
    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    def stream(self):
        return iter(self._pieces)


def boto3_reads(pieces: list[bytes]) -> tuple[bytes, str | None]:
    """What boto3 hands out, and the name of what ended it."""
    shape = output_of(STREAMED).members["Body"]
    events = EventStream(_Raw(pieces), shape, EventStreamJSONParser(), STREAMED)
    parts: list[bytes] = []
    try:
        for event in events:
            if "PayloadPart" in event:
                parts.append(event["PayloadPart"]["Bytes"])
    except EventStreamError as exc:
        return b"".join(parts), exc.response["Error"]["Code"]
    except ParserError:
        return b"".join(parts), "invalid frame"
    return b"".join(parts), None


def we_read(pieces: list[bytes]) -> tuple[bytes, str | None]:
    """The same for the gateway. Half a frame at the end is one thing more that we notice."""
    reader = EventStreamReader()
    read = b"".join([reader.feed(piece) for piece in pieces])
    return read, None if reader.failure is None else reader.failure.kind


def split(data: bytes, sizes: list[int]) -> list[bytes]:
    return list(frames.cut(data, frames.endless(sizes)))


PART = st.binary(max_size=200).map(frames.payload_part)
END = st.sampled_from(
    [
        b"",
        frames.exception("ModelStreamError", {"Message": "words of a model", "ErrorCode": "StreamBroken"}),
        frames.exception("InternalStreamFailure", {"Message": "words"}),
        frames.error("SomethingNew", "words"),
        frames.with_wrong_message_crc(frames.payload_part(b"spoilt")),
        frames.with_wrong_prelude_crc(frames.payload_part(b"spoilt")),
    ]
)
SIZES = st.lists(st.integers(1, 60), max_size=5)


@given(st.lists(PART, max_size=6), END, st.lists(PART, max_size=2), SIZES)
def test_any_stream_split_anywhere_is_read_as_boto3_reads_it(parts, end, after, sizes):
    pieces = split(b"".join(parts) + end + (b"".join(after) if end else b""), sizes)
    assert we_read(pieces) == boto3_reads(pieces)


@pytest.mark.parametrize("payload", [b"", b'data: {"choices": []}\n\n', bytes(range(256)) * 40])
def test_a_stream_in_single_bytes_is_read_as_boto3_reads_it(payload):
    data = b"".join(frames.payload_part(payload[at : at + 999]) for at in range(0, len(payload), 999))
    pieces = split(data, [1])
    assert we_read(pieces) == boto3_reads(pieces) == (payload, None)


@settings(max_examples=200)
@given(st.lists(PART, min_size=1, max_size=3), st.data(), SIZES)
def test_one_wrong_bit_is_noticed_wherever_boto3_notices_it(parts, data, sizes):
    whole = bytearray(b"".join(parts))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    pieces = split(bytes(whole), sizes)
    theirs, ours = boto3_reads(pieces), we_read(pieces)
    assert ours == theirs
    assert theirs[1] == "invalid frame"


@given(st.lists(PART, min_size=1, max_size=3), st.data(), SIZES)
def test_a_stream_that_was_cut_is_noticed_where_boto3_says_nothing(parts, data, sizes):
    whole = b"".join(parts)
    cut_at = data.draw(st.integers(1, len(whole) - 1))
    pieces = split(whole[:cut_at], sizes)
    reader = EventStreamReader()
    read = b"".join([reader.feed(piece) for piece in pieces])
    assert (read, None) == boto3_reads(pieces)
    ends = [len(b"".join(parts[: count + 1])) for count in range(len(parts))]
    assert reader.pending == (cut_at not in ends)
