"""Frames as botocore's decoder reads them: headers, payload, checksums, and pieces of any size."""

import pytest
from botocore.eventstream import ChecksumMismatch, EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from gateway.lane import frames


def read(data: bytes, *, step: int | None = None):
    buffer = EventStreamBuffer()
    seen = []
    for at in range(0, len(data), step or max(1, len(data))):
        buffer.add_data(data[at : at + (step or len(data))])
        seen += [(message.headers, message.payload) for message in buffer]
    return seen


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_parts_are_read_back_whole_and_byte_by_byte(payloads):
    data = b"".join(map(frames.payload_part, payloads))
    headers = {
        ":event-type": "PayloadPart",
        ":content-type": "application/octet-stream",
        ":message-type": "event",
    }
    assert read(data) == read(data, step=1) == [(headers, payload) for payload in payloads]


@given(st.dictionaries(st.text(min_size=1, max_size=20), st.text(max_size=200), max_size=6), st.binary(max_size=50))
def test_any_headers_are_read_back(headers, payload):
    assert read(frames.frame(headers, payload)) == [(headers, payload)]


def test_an_exception_and_an_error_name_themselves():
    [(headers, payload)] = read(frames.exception("ModelStreamError", {"Message": "m"}))
    assert (headers[":message-type"], headers[":exception-type"]) == ("exception", "ModelStreamError")
    assert payload == b'{"Message":"m"}'
    [(headers, payload)] = read(frames.error("Code", "what"))
    assert headers == {":message-type": "error", ":error-code": "Code", ":error-message": "what"}
    assert payload == b""


@pytest.mark.parametrize("spoil", [frames.with_wrong_message_crc, frames.with_wrong_prelude_crc])
def test_a_spoilt_frame_is_no_frame_and_as_long_as_it_was(spoil):
    whole = frames.payload_part(b"some bytes")
    spoilt = spoil(whole)
    assert len(spoilt) == len(whole)
    with pytest.raises(ChecksumMismatch):
        read(spoilt)


@given(st.binary(max_size=100), st.lists(st.integers(1, 30), max_size=4))
def test_cut_pieces_are_the_whole_again_and_never_empty(data, sizes):
    pieces = list(frames.cut(data, frames.endless(sizes)))
    assert b"".join(pieces) == data
    assert all(pieces)
    if sizes and pieces:
        assert len(pieces[0]) == min(sizes[0], len(data))
