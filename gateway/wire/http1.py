"""HTTP/1.1 as we speak it to model servers: writing one request, reading one response, sans-I/O.

The reader is strict, because a response read differently by two parties is how one caller's bytes reach another
(threats.md I12): no folded headers, no bare line feeds, no second length, nothing left over. It decides whether the
connection may serve again; connections, time and retries are the backend's.
"""

import re
from enum import Enum
from typing import Final

import msgspec

from gateway.core.message import Headers, Message

MAX_HEAD: Final = 64 * 1024
MAX_CHUNK_LINE: Final = 256
MAX_INTERIM: Final = 8
MAX_TRAILERS: Final = 64
MAX_KNOWN: Final = 2_048
"""Bytes of a head that is known again, should the next response on the connection begin with the same."""

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?")
# The blanks around a value are cut off afterwards: a pattern that did it would be slow on many of them.
_FIELD = rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([\t\x20-\x7e\x80-\xff]*)"
_TRAILER = re.compile(_FIELD)
_HEADERS = re.compile(rb"^%b\r\n" % _FIELD, re.MULTILINE)
_FRAMING = frozenset({b"content-length", b"transfer-encoding", b"connection", b"content-encoding"})
_LENGTH = re.compile(rb"[0-9]{1,18}")
# What nearly every answer begins with.
_OK: Final = b"HTTP/1.1 200 OK"
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?")


class ResponseInvalid(Exception):
    """The peer does not speak HTTP/1.1 as we accept it. `reason` is a fixed phrase of ours."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Head(msgspec.Struct, frozen=True, gc=False):
    """A final response head. Header names are lower case."""

    status: int
    headers: Headers


class _State(Enum):
    HEAD = "head"
    SIZED = "sized"
    CHUNK_LINE = "chunk line"
    CHUNK = "chunk"
    CHUNK_END = "chunk end"
    TRAILERS = "trailers"
    UNTIL_EOF = "until end of file"
    DONE = "done"


# To reach a member through its class takes four times as long, and these are asked for every answer or chunk.
_HEAD: Final = _State.HEAD
_SIZED: Final = _State.SIZED
_DONE: Final = _State.DONE
_CHUNK_LINE: Final = _State.CHUNK_LINE


class KnownHead(msgspec.Struct, frozen=True, gc=False):
    """A final head, to the empty line, and what was read from it: of the same bytes the same is read."""

    raw: bytes
    head: Head
    state: _State
    left: int
    keep_alive: bool


class ResponseReader:
    """Reads exactly one response, of a request that was not HEAD: that one, nobody here sends.

    `feed` returns the decoded body bytes that `data` completed; `head` is set once the final head has been read;
    `is_done` once the response is complete. `may_reuse` then tells whether the connection is clean: framed, kept
    alive, and without a surplus byte. Raises ResponseInvalid and is of no further use after that. `known` is the head
    of a response before, which a server often writes again to the letter; afterwards it is this one's.
    """

    __slots__ = ("_buffer", "_interim", "_keep_alive", "_left", "_state", "_trailers", "head", "is_done", "known")

    def __init__(self, known: KnownHead | None = None) -> None:
        self.known = known
        self.head: Head | None = None
        self.is_done = False
        self._state: _State = _HEAD
        self._buffer = b""
        self._left = 0
        self._keep_alive = False
        self._interim = 0
        self._trailers = 0

    @property
    def has_begun(self) -> bool:
        """Whether the peer has said anything, be it half a line or an interim response."""
        return self.head is not None or bool(self._buffer) or self._interim > 0

    @property
    def may_reuse(self) -> bool:
        """Whether another request may be sent on this connection."""
        return self._state is _DONE and self._keep_alive and not self._buffer

    def feed(self, data: bytes) -> bytes:
        """Take what the connection delivered; return the body bytes in it, which may be none."""
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        if self._state is _CHUNK_LINE:
            # Most model servers write one chunk per event, and most of those arrive by themselves. Whether the size is
            # that of what is there is asked by writing it, which takes a third of what reading it does.
            end = data.find(b"\r\n", 0, 10)
            size = len(data) - end - 4
            if end > 0 and size > 0 and data.startswith(b"%x\r\n" % size) and data.endswith(b"\r\n"):
                return data[end + 2 : -2]
            return self._read_chunked(data)
        if self._state is _HEAD:
            rest = self._read_head(data)
            if rest is None:
                return b""
            data = rest
        state = self._state
        if state is _SIZED:
            left = self._left
            if len(data) < left:
                self._left = left - len(data)
                return data
            self._state, self.is_done = _DONE, True
            self._buffer = data[left:]
            return data[:left]
        if state is _State.UNTIL_EOF:
            return data
        if state is _DONE:
            self._buffer = data
            return b""
        return self._read_chunked(data)

    def end_of_file(self) -> None:
        """The peer closed. Fine for a response framed by the close; ResponseInvalid if anything was missing."""
        if self._state is _State.UNTIL_EOF:
            self._done()
        elif self._state is not _DONE:
            raise ResponseInvalid("closed before the response was complete")

    def _done(self) -> None:
        self._state = _DONE
        self.is_done = True

    def _read_head(self, data: bytes) -> bytes | None:
        known = self.known
        while True:
            if known is not None and data.startswith(known.raw):
                # It ends with its only empty line, and so where this one does.
                self.head, self._state, self._left = known.head, known.state, known.left
                self._keep_alive, self.is_done = known.keep_alive, known.state is _DONE
                return data[len(known.raw) :]
            end = data.find(b"\r\n\r\n")
            if end > MAX_HEAD or (end < 0 and len(data) > MAX_HEAD + 3):
                raise ResponseInvalid("head too large")
            if end < 0:
                self._buffer = data
                return None
            line, _, rest = data[: end + 2].partition(b"\r\n")
            status, minor = (200, 1) if line == _OK else _parse_status_line(line)
            fields = _HEADERS.findall(rest)
            # Each match is a whole line of its own, so that a line which is none leaves the count short.
            if len(fields) != rest.count(b"\n"):
                raise ResponseInvalid("invalid header line")
            raw, data = data[: end + 4], data[end + 4 :]
            if status >= 200:
                break
            self._interim += 1
            if status == 101 or self._interim > MAX_INTERIM:
                raise ResponseInvalid("unexpected interim response")
        self._keep_alive = minor == 1
        head = self.head = self._frame(status, fields)
        if len(raw) <= MAX_KNOWN:
            self.known = KnownHead(raw, head, self._state, self._left, self._keep_alive)
        return data

    def _frame(self, status: int, fields: list[tuple[bytes, bytes]]) -> Head:
        headers: list[tuple[bytes, bytes]] = []
        length: bytes | None = None
        codings: list[bytes] = []
        for spelled, padded in fields:
            name, value = spelled.lower(), padded.strip(b" \t")
            headers += ((name, value),)
            if name not in _FRAMING:
                continue
            if name == b"content-length":
                if length is not None and length != value:
                    raise ResponseInvalid("two lengths")
                length = value
            elif name == b"transfer-encoding":
                codings.append(value.lower())
            elif name == b"connection":
                if b"close" in [token.strip() for token in value.lower().split(b",")]:
                    self._keep_alive = False
            elif value.lower() != b"identity":
                raise ResponseInvalid("content encoding that was not asked for")
        if length is not None and codings:
            raise ResponseInvalid("two lengths")
        if codings and codings != [b"chunked"]:
            raise ResponseInvalid("unknown transfer encoding")
        if status in (204, 304):
            # There is no body, whatever is said of one; but a peer that says so may send it.
            self._keep_alive = self._keep_alive and not codings and length in (None, b"0")
            self._done()
        elif codings:
            self._state = _CHUNK_LINE
        elif length is not None:
            if not _LENGTH.fullmatch(length):
                raise ResponseInvalid("invalid content length")
            self._left = int(length)
            self._state = _SIZED
            if not self._left:
                self._done()
        else:
            self._keep_alive = False
            self._state = _State.UNTIL_EOF
        return Head(status, tuple(headers))

    def _read_chunked(self, data: bytes) -> bytes:
        parts: list[bytes] = []
        at = 0
        while self._state is not _DONE:
            if self._state is _State.CHUNK:
                taken = data[at : at + self._left]
                parts.append(taken)
                at += len(taken)
                self._left -= len(taken)
                if self._left:
                    break
                self._state = _State.CHUNK_END
            if self._state is _State.CHUNK_END:
                ending = data[at : at + 2]
                if ending != b"\r\n"[: len(ending)]:
                    raise ResponseInvalid("chunk without its end")
                if len(ending) < 2:
                    break
                at += 2
                self._state = _CHUNK_LINE
            end = data.find(b"\r\n", at)
            if end < 0:
                # With the half of its end that may have come.
                if len(data) - at > MAX_CHUNK_LINE + 1:
                    raise ResponseInvalid("line too long in a chunked body")
                break
            self._read_line(data[at:end])
            at = end + 2
        self._buffer = data[at:]
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _read_line(self, line: bytes) -> None:
        if len(line) > MAX_CHUNK_LINE:
            raise ResponseInvalid("line too long in a chunked body")
        # Trailers are read and dropped: nothing that we forward depends on them.
        if self._state is _State.TRAILERS:
            self._trailers += 1
            if not line:
                self._done()
            elif self._trailers > MAX_TRAILERS:
                raise ResponseInvalid("too many trailers")
            elif not _TRAILER.fullmatch(line):
                raise ResponseInvalid("invalid trailer")
            return
        match = _CHUNK.fullmatch(line)
        if match is None:
            raise ResponseInvalid("invalid chunk size")
        self._left = int(match[1], 16)
        self._state = _State.CHUNK if self._left else _State.TRAILERS


def _parse_status_line(line: bytes) -> tuple[int, int]:
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise ResponseInvalid("invalid status line")
    return int(match[2]), int(match[1])


def request_start(
    message: Message, *, host: bytes, base_path: bytes, credential: bytes | None, signature: Headers = ()
) -> bytes:
    """The head of one request up to the length of its body: the endpoint's own host and credential included.

    `base_path` has no trailing slash. `credential` is a bearer token or None; `signature` is for servers that want
    something else.
    """
    lines = [
        b"%b %b%b HTTP/1.1\r\nhost: %b\r\naccept-encoding: identity\r\n"
        % (message.method, base_path, message.target, host)
    ]
    lines += [b"%b: %b\r\n" % header for header in (*message.headers, *signature)]
    if credential is not None:
        lines.append(b"authorization: Bearer %b\r\n" % credential)
    return b"".join(lines)


def request_bytes(start: bytes, body: bytes) -> bytes:
    """One request as it goes on the wire: the cleared message, framed."""
    return b"%bcontent-length: %d\r\n\r\n%b" % (start, len(body), body)
