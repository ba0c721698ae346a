"""Writes `application/vnd.amazon.eventstream` frames, as `InvokeEndpointWithResponseStream` answers with them.

A frame is a prelude (total length, length of the headers, CRC of both), headers, payload and a CRC of all before it.
Only writing is here, written from the format's description and not from the decoder that it is used to test.
"""

import json
from binascii import crc32
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

CONTENT_TYPE: Final = b"application/vnd.amazon.eventstream"

_STRING: Final = 7
_PRELUDE: Final = 8
_CRC: Final = 4


def frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One frame. Every header is of the type string, as all of SageMaker's are."""
    block = b"".join(map(_header, headers, headers.values()))
    total = _PRELUDE + _CRC + len(block) + len(payload) + _CRC
    prelude = total.to_bytes(4, "big") + len(block).to_bytes(4, "big")
    message = prelude + crc32(prelude).to_bytes(4, "big") + block + payload
    return message + crc32(message).to_bytes(4, "big")


def payload_part(data: bytes) -> bytes:
    """A `PayloadPart`: some bytes of what the container says, cut wherever the service cut them."""
    return frame(
        {":event-type": "PayloadPart", ":content-type": "application/octet-stream", ":message-type": "event"}, data
    )


def exception(name: str, members: Mapping[str, str]) -> bytes:
    """A modelled exception in the stream: `ModelStreamError` or `InternalStreamFailure`."""
    return frame(
        {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"},
        json.dumps(dict(members), separators=(",", ":")).encode(),
    )


def error(code: str, message: str) -> bytes:
    """An error that the model of the service does not name; it has no payload."""
    return frame({":message-type": "error", ":error-code": code, ":error-message": message}, b"")


def with_wrong_message_crc(whole: bytes) -> bytes:
    """The frame, with a checksum at its end that is not its own."""
    return whole[:-_CRC] + _inverted(whole[-_CRC:])


def with_wrong_prelude_crc(whole: bytes) -> bytes:
    """The frame, with a checksum of the prelude that is not its own; the one at its end covers that, and is right."""
    message = whole[:_PRELUDE] + _inverted(whole[_PRELUDE : _PRELUDE + _CRC]) + whole[_PRELUDE + _CRC : -_CRC]
    return message + crc32(message).to_bytes(4, "big")


def cut(data: bytes, sizes: Iterator[int] | None) -> Iterable[bytes]:
    """`data` in pieces of the next sizes, or whole if there are none. No piece is empty."""
    if sizes is None:
        if data:
            yield data
        return
    at = 0
    while at < len(data):
        size = next(sizes)
        yield data[at : at + size]
        at += size


def endless(sizes: Sequence[int]) -> Iterator[int] | None:
    """The sizes over and over, for `cut`; None if there are none."""

    def again() -> Iterator[int]:
        while True:
            yield from sizes

    return again() if sizes else None


def _header(name: str, value: str) -> bytes:
    name_bytes, value_bytes = name.encode(), value.encode()
    return b"%c%b%c%b%b" % (len(name_bytes), name_bytes, _STRING, len(value_bytes).to_bytes(2, "big"), value_bytes)


def _inverted(data: bytes) -> bytes:
    return bytes(byte ^ 0xFF for byte in data)
