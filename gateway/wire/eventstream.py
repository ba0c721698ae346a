"""AWS event-stream frames, read sans-I/O: bytes in, the container's own bytes out.

A frame is a prelude (two lengths and their checksum), headers, a payload and a checksum over all of it. `PayloadPart`s
are joined as if they had never been framed, since an event of the stream inside may be spread over several; anything
else ends the stream as a `StreamFailure`, whose words are ours or AWS's own names and never a container's message.
"""

import re
from binascii import crc32
from dataclasses import dataclass
from struct import Struct
from typing import Final

import msgspec

CONTENT_TYPE: Final = b"application/vnd.amazon.eventstream"

MAX_HEADERS: Final = 16 << 10
MAX_FRAME: Final = 4 << 20

_PRELUDE: Final = Struct(">III")
_CRC: Final = Struct(">I")
_LEAST: Final = _PRELUDE.size + _CRC.size
# By type: how many bytes a value has; for texts and bytes the two bytes in front of them say it.
_SIZES: Final = (0, 0, 1, 2, 4, 8, None, None, 8, 16)
_TEXT: Final = 7

_NAME: Final = re.compile("[A-Za-z][A-Za-z0-9]{0,63}")


@dataclass(frozen=True, slots=True)
class StreamFailure:
    """Why a stream ended. `kind` is AWS's name of an exception, or `invalid frame`; `detail` a code or a phrase."""

    kind: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}" if self.detail else self.kind


class _Invalid(Exception):
    """The argument says what is wrong with the frame."""


class _ExceptionPayload(msgspec.Struct):
    ErrorCode: str = ""


_EXCEPTION: Final = msgspec.json.Decoder(_ExceptionPayload)


class EventStreamReader:
    """Reads one stream. After `failure` is set nothing more comes out."""

    __slots__ = ("_buffer", "_needed", "_part_headers", "failure")

    def __init__(self) -> None:
        self.failure: StreamFailure | None = None
        self._buffer = bytearray()
        self._needed = 0
        self._part_headers = b""

    @property
    def pending(self) -> bool:
        """Whether half a frame is left: the stream, if it ends here, was cut."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> bytes:
        """The payload of the `PayloadPart`s that `data` completes; `failure` may be set by what follows them."""
        if self.failure is not None:
            return b""
        if not self._buffer:
            usual = self._usual(data)
            if usual is not None:
                return usual
        frames: bytes | bytearray = data
        if self._buffer:
            self._buffer += data
            if len(self._buffer) < self._needed:
                return b""
            frames = self._buffer
        parts: list[bytes] = []
        at, end = 0, len(frames)
        try:
            while end - at >= _PRELUDE.size:
                total, headers, checksum = _PRELUDE.unpack_from(frames, at)
                self._needed = total
                if crc32(memoryview(frames)[at : at + 8]) != checksum:
                    raise _Invalid("checksum of the prelude")
                if headers > MAX_HEADERS or not _LEAST + headers <= total <= MAX_FRAME:
                    raise _Invalid("length")
                if end - at < total:
                    break
                part = self._frame(bytes(frames[at : at + total]), headers)
                at += total
                if isinstance(part, StreamFailure):
                    self.failure, at = part, end
                    break
                parts.append(part)
        except _Invalid as invalid:
            self.failure, at = StreamFailure("invalid frame", str(invalid)), end
        # What is left is the beginning of a frame; until its prelude is whole nothing says how long that is.
        if end - at < _PRELUDE.size:
            self._needed = _PRELUDE.size
        self._buffer = bytearray(memoryview(frames)[at:])
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _usual(self, data: bytes) -> bytes | None:
        """The payload if `data` is one sound part that says of itself what the last one said; None to look closely."""
        size, start = len(data), _PRELUDE.size + len(self._part_headers)
        if not self._part_headers or not start + _CRC.size <= size <= MAX_FRAME:
            return None
        total, headers, checksum = _PRELUDE.unpack_from(data)
        if total != size or _PRELUDE.size + headers != start or data[_PRELUDE.size : start] != self._part_headers:
            return None
        stop = size - _CRC.size
        if crc32(data[:8]) != checksum or crc32(data[:stop]) != _CRC.unpack_from(data, stop)[0]:
            return None
        return data[start:stop]

    def _frame(self, frame: bytes, headers: int) -> bytes | StreamFailure:
        stop = len(frame) - _CRC.size
        if crc32(memoryview(frame)[:stop]) != _CRC.unpack_from(frame, stop)[0]:
            raise _Invalid("checksum")
        start = _PRELUDE.size + headers
        block = frame[_PRELUDE.size : start]
        # All parts of a stream say the same about themselves.
        if block == self._part_headers:
            return frame[start:stop]
        told = _headers(block)
        message = told.get(b":message-type")
        if message == b"event":
            event = told.get(b":event-type")
            if event == b"PayloadPart":
                self._part_headers = block
                return frame[start:stop]
            return b"" if event == b"initial-response" else StreamFailure("unknown event", _named(event))
        if message == b"exception":
            kind = _named(told.get(b":exception-type")) or "unknown exception"
            return StreamFailure(kind, _error_code(frame[start:stop]))
        if message == b"error":
            return StreamFailure(_named(told.get(b":error-code")) or "unknown error")
        raise _Invalid("message type")


def _headers(block: bytes) -> dict[bytes, bytes]:
    """The texts among the headers, by name."""
    told: dict[bytes, bytes] = {}
    seen: set[bytes] = set()
    at = 0
    while at < len(block):
        kind_at = at + 1 + block[at]
        name = block[at + 1 : kind_at]
        at = kind_at + 1
        kind = block[kind_at] if kind_at < len(block) else len(_SIZES)
        if kind >= len(_SIZES) or name in seen:
            raise _Invalid("header")
        size = _SIZES[kind]
        if size is None:
            size = int.from_bytes(block[at : at + 2], "big")
            at += 2
        if at + size > len(block):
            raise _Invalid("header")
        seen.add(name)
        if kind == _TEXT:
            told[name] = block[at : at + size]
        at += size
    return told


def _named(value: bytes | None) -> str:
    """A name as AWS writes them; nothing if it is none."""
    found = _NAME.fullmatch((value or b"").decode("latin-1"))
    return found[0] if found is not None else ""


def _error_code(payload: bytes) -> str:
    try:
        code = _EXCEPTION.decode(payload).ErrorCode
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    return code if _NAME.fullmatch(code) else ""
