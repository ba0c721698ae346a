"""One answer on its way to the client: the head, the framing of the body, and how it ends.

The bytes leave over the connection that the request came in on; what else happens on that connection is not seen here.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Final, Protocol

from gateway.core.message import Headers

_STATUS_LINES: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}


def _head(status: int, headers: Headers) -> bytes:
    head = _STATUS_LINES[status] if status in _STATUS_LINES else b"HTTP/1.1 %d\r\n" % status
    for name, value in headers:
        head += b"%b: %b\r\n" % (name, value)
    return head


def framed(headers: Headers, size: int, is_streamed: bool) -> tuple[bytes, bytes]:
    """What `HttpDownstream` sends before and behind a body of `size` bytes that it is given at once, with status 200 on
    a connection that stays."""
    if not is_streamed:
        return _head(200, headers) + b"content-length: %d\r\n\r\n" % size, b""
    return _head(200, headers) + b"transfer-encoding: chunked\r\n\r\n%x\r\n" % size, b"\r\n0\r\n\r\n"


class Line(Protocol):
    """The connection as an answer sees it."""

    @property
    def is_lost(self) -> bool: ...
    @property
    def is_full(self) -> bool: ...
    def send(self, data: bytes) -> None: ...
    def answered(self, *, close: bool) -> None: ...
    def cut(self) -> None: ...


class HttpDownstream:
    """One answer on one connection; implements `ports.Downstream`."""

    __slots__ = ("_close", "_framed", "_head", "_head_only", "_is_done", "_line", "on_drained", "on_full", "on_gone")

    def __init__(self, line: Line, *, close: bool, minor: int, head_only: bool) -> None:
        self._line = line
        self._close = close or minor == 0
        self._framed = minor == 1 and not head_only
        self._head_only = head_only
        self._head = b""
        self._is_done = False
        self.on_gone: Callable[[], None] | None = None
        self.on_full: Callable[[], None] | None = None
        self.on_drained: Callable[[], None] | None = None

    @property
    def is_gone(self) -> bool:
        """Whether the client's connection is lost."""
        return self._line.is_lost

    def watch(self, on_gone: Callable[[], None], on_full: Callable[[], None], on_drained: Callable[[], None]) -> None:
        """Call these when the client leaves, when its socket is full (at once if it is already), and when it drains."""
        self.on_gone, self.on_full, self.on_drained = on_gone, on_full, on_drained
        if self._line.is_full:
            on_full()

    def start(self, status: int, headers: Headers, *, length: int | None) -> None:
        """Queue the head; it leaves together with the first bytes of the body."""
        head = _head(status, headers)
        if length is not None:
            self._framed = False
            head += b"content-length: %d\r\n" % length
        elif self._framed:
            head += b"transfer-encoding: chunked\r\n"
        if self._close:
            head += b"connection: close\r\n"
        self._head = head + b"\r\n"

    def write(self, data: bytes) -> None:
        """Send bytes of the body; whoever asked with HEAD gets none, and would take them for the next answer."""
        if self._head_only:
            return
        head, self._head = self._head, b""
        if self._framed and data:
            self._line.send(b"%b%x\r\n%b\r\n" % (head, len(data), data))
        elif head or data:
            self._line.send(head + data)

    def finish(self) -> None:
        """End a complete answer."""
        if self._is_done:
            return
        self._is_done = True
        # Whoever watches holds this answer: let go of, so that both are freed at once and not by a search for circles.
        self.on_gone = self.on_full = self.on_drained = None
        if self._framed:
            self._line.send(self._head + b"0\r\n\r\n")
        elif self._head:
            self._line.send(self._head)
        self._line.answered(close=self._close)

    def abort(self) -> None:
        """Cut the connection."""
        self._is_done = True
        self._line.cut()
