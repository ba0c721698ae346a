"""The data plane's front door: HTTP/1.1 from the client's socket to the pipeline and back.

One asyncio protocol per connection over httptools, without a web framework in between (docs/decisions/0002): what
arrives is bounded and checked before anything is read from it, a lost client is noticed at once by
`connection_lost`, and an answer is one write. What is served, and to whom, is the pipeline's.
"""

import asyncio
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, cast
from urllib.parse import unquote_to_bytes

import httptools

from gateway.core.message import Headers
from gateway.errors import (
    HeadersTooLarge,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    RequestTimeout,
    TidegateError,
    TooLarge,
    Unauthenticated,
    UnsupportedMediaType,
)
from gateway.pipeline import Pipeline
from gateway.ports import Inbound
from gateway.wire.requests import PATHS

HIGH_WATER: Final = 64 << 10
MAX_PIPELINED: Final = 4
EARLY_CHECK: Final = 64 << 10
"""Bodies above this size are refused for a wrong credential before they are read."""

LINGER_S: Final = 1.0
"""How long a connection that was refused is still read, so that its answer is not lost to a reset."""

MODELS: Final = b"/v1/models"
_DIGITS: Final = re.compile(rb"[0-9]{1,15}")
_STATUS_LINES: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may send: sizes in bytes, times in seconds."""

    body: int = 8 << 20
    head: int = 32 << 10
    receive_s: float = 30.0
    keep_alive_s: float = 75.0


class _Reading:
    """One request while it arrives."""

    __slots__ = (
        "authorization",
        "body",
        "chunked",
        "content_encoding",
        "content_type",
        "error",
        "expects",
        "head_size",
        "hosts",
        "keep_alive",
        "length",
        "method",
        "minor",
        "size",
        "url",
    )

    def __init__(self) -> None:
        self.url = b""
        self.method = b""
        self.minor = 1
        self.hosts = 0
        self.authorization: list[bytes] = []
        self.content_type = b""
        self.content_encoding = b""
        self.length: int | None = None
        self.chunked = b""
        self.expects = False
        self.keep_alive = True
        self.head_size = 0
        self.body: list[bytes] = []
        self.size = 0
        self.error: TidegateError | None = None

    @property
    def credential(self) -> bytes | None:
        """The Authorization header if there was exactly one: two are one too many to trust either."""
        return self.authorization[0] if len(self.authorization) == 1 else None


class HttpDownstream:
    """One answer on one connection; implements `ports.Downstream`."""

    __slots__ = ("_close", "_connection", "_framed", "_head", "_is_done", "on_drained", "on_full", "on_gone")

    def __init__(self, connection: "Connection", *, close: bool, minor: int) -> None:
        self._connection = connection
        self._close = close or minor == 0
        self._framed = minor == 1
        self._head = b""
        self._is_done = False
        self.on_gone: Callable[[], None] | None = None
        self.on_full: Callable[[], None] | None = None
        self.on_drained: Callable[[], None] | None = None

    @property
    def is_gone(self) -> bool:
        """Whether the client's connection is lost."""
        return self._connection.is_lost

    def watch(self, on_gone: Callable[[], None], on_full: Callable[[], None], on_drained: Callable[[], None]) -> None:
        """Call these when the client leaves, when its socket is full, and when it drains."""
        self.on_gone, self.on_full, self.on_drained = on_gone, on_full, on_drained

    def start(self, status: int, headers: Headers, *, length: int | None) -> None:
        """Queue the head; it leaves together with the first bytes of the body."""
        lines = [_STATUS_LINES.get(status, b"HTTP/1.1 %d\r\n" % status)]
        lines += [b"%b: %b\r\n" % header for header in headers]
        if length is not None:
            self._framed = False
            lines.append(b"content-length: %d\r\n" % length)
        elif self._framed:
            lines.append(b"transfer-encoding: chunked\r\n")
        if self._close:
            lines.append(b"connection: close\r\n")
        lines.append(b"\r\n")
        self._head = b"".join(lines)

    def write(self, data: bytes) -> None:
        """Send bytes of the body."""
        head, self._head = self._head, b""
        if self._framed and data:
            self._connection.send(b"%b%x\r\n%b\r\n" % (head, len(data), data))
        elif head or data:
            self._connection.send(head + data)

    def finish(self) -> None:
        """End a complete answer."""
        if self._is_done:
            return
        self._is_done = True
        if self._framed:
            self._connection.send(self._head + b"0\r\n\r\n")
        elif self._head:
            self._connection.send(self._head)
        self._connection.answered(close=self._close)

    def abort(self) -> None:
        """Cut the connection."""
        self._is_done = True
        self._connection.cut()


class Connection(asyncio.Protocol):
    """One client connection: requests are read one after the other and answered in that order."""

    def __init__(self, plane: "DataPlane", loop: asyncio.AbstractEventLoop) -> None:
        self.is_lost = False
        self.since = loop.time()
        self._plane = plane
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._reading: _Reading | None = None
        self._answering: HttpDownstream | None = None
        self._waiting: deque[_Reading] = deque()
        self._is_closing = False

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being read or answered."""
        return self._reading is None and self._answering is None

    @property
    def is_receiving(self) -> bool:
        """Whether a request has begun and is not complete."""
        return self._reading is not None and self._answering is None

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # What create_server hands to a Protocol; uvloop's is no subclass of asyncio's, so it cannot be asked.
        transport = cast(asyncio.Transport, transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=HIGH_WATER)
        self._plane.connections.add(self)

    def data_received(self, data: bytes) -> None:
        if self._is_closing:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(InvalidRequest("This server does not upgrade connections; send plain HTTP/1.1."))
        except httptools.HttpParserError:
            self._refuse(InvalidRequest("The request is not valid HTTP/1.1.", code="invalid_http"))
        reading = self._reading
        if reading is not None and reading.head_size > self._plane.limits.head:
            self._refuse(HeadersTooLarge())

    def eof_received(self) -> bool | None:
        return None

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- asyncio's signature
        self.is_lost = True
        self._plane.connections.discard(self)
        self._waiting.clear()
        answering, self._answering = self._answering, None
        if answering is not None and answering.on_gone is not None:
            answering.on_gone()

    def pause_writing(self) -> None:
        if self._answering is not None and self._answering.on_full is not None:
            self._answering.on_full()

    def resume_writing(self) -> None:
        if self._answering is not None and self._answering.on_drained is not None:
            self._answering.on_drained()

    # httptools

    def on_message_begin(self) -> None:
        self._reading = _Reading()
        if self._answering is None:
            self.since = self._loop.time()

    def on_url(self, url: bytes) -> None:
        if self._reading is not None:
            self._reading.url += url
            self._reading.head_size += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        reading = self._reading
        if reading is None or reading.method:
            return  # a trailer: nothing that we serve depends on one
        reading.head_size += len(name) + len(value)
        match name.lower():
            case b"host":
                reading.hosts += 1
            case b"authorization":
                reading.authorization.append(value)
            case b"content-type":
                reading.content_type = value.partition(b";")[0].strip().lower()
            case b"content-encoding":
                reading.content_encoding = value.strip().lower()
            case b"content-length":
                reading.length = int(value) if _DIGITS.fullmatch(value) else self._plane.limits.body + 1
            case b"transfer-encoding":
                reading.chunked += value.strip().lower()
            case b"expect":
                reading.expects = value.strip().lower() == b"100-continue"
            case _:
                pass

    def on_headers_complete(self) -> None:
        reading = self._reading
        if reading is None:
            return
        reading.method = self._parser.get_method()
        reading.minor = 1 if self._parser.get_http_version() == "1.1" else 0
        reading.keep_alive = self._parser.should_keep_alive()
        reading.error = self._plane.objection(reading)
        if self._parser.should_upgrade():
            self._refuse(InvalidRequest("This server does not upgrade connections; send plain HTTP/1.1."))
        elif reading.error is not None and (reading.chunked or (reading.length or 0) > EARLY_CHECK):
            # Nobody waits for megabytes that are refused anyway.
            self._refuse(reading.error)
        elif reading.expects and self._answering is None:
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        reading = self._reading
        if reading is None or self._is_closing:
            return
        reading.size += len(body)
        if reading.size > self._plane.limits.body:
            self._refuse(self._plane.too_large())
            return
        reading.body.append(body)

    def on_message_complete(self) -> None:
        reading, self._reading = self._reading, None
        if reading is None or self._is_closing:
            return
        if self._answering is None:
            self._answer(reading)
        elif len(self._waiting) < MAX_PIPELINED:
            self._waiting.append(reading)
        else:
            # Whoever pipelines without reading answers gets the ones begun, and no more.
            self._is_closing = True

    # Answering

    def _answer(self, reading: _Reading) -> None:
        close = not reading.keep_alive or self._plane.is_draining
        downstream = HttpDownstream(self, close=close, minor=reading.minor)
        self._answering = downstream
        inbound = Inbound(
            method=reading.method,
            path=reading.url.partition(b"?")[0],
            authorization=reading.credential,
            body=reading.body[0] if len(reading.body) == 1 else b"".join(reading.body),
            received_at=self._loop.time(),
        )
        self._plane.serve(inbound, downstream, reading.error)

    def _refuse(self, error: TidegateError) -> None:
        """Answer `error` now and close; after an answer under way if there is one."""
        reading, self._reading = self._reading or _Reading(), None
        if self._is_closing:
            return
        self._is_closing = True
        reading.error = error
        reading.keep_alive = False
        if self._answering is None:
            self._answer(reading)
        else:
            self._waiting.append(reading)

    def answered(self, *, close: bool) -> None:
        """The answer under way is complete."""
        self._answering = None
        self.since = self._loop.time()
        if self._waiting and not close:
            self._loop.call_soon(self._next, self._waiting.popleft())
        elif close or self._is_closing or self._plane.is_draining:
            self._end()

    def _next(self, reading: _Reading) -> None:
        if not self.is_lost:
            self._answer(reading)

    def _end(self) -> None:
        """Close so that the last answer arrives: a socket closed over unread bytes would be reset under it."""
        if self._transport is None or self._transport.is_closing():
            return
        if not self._is_closing:
            self._transport.close()
            return
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._loop.call_later(LINGER_S, self._transport.close)

    def send(self, data: bytes) -> None:
        """Write, if anybody is there to read."""
        if self._transport is not None and not self.is_lost:
            self._transport.write(data)

    def cut(self) -> None:
        """Drop the connection without a proper end."""
        if self._transport is not None:
            self._transport.abort()

    def time_out(self) -> None:
        """The request under way did not arrive in time."""
        self._refuse(RequestTimeout())

    def close(self) -> None:
        """Close if idle; otherwise after the answer under way."""
        if self.is_idle and self._transport is not None:
            self._transport.close()


class DataPlane:
    """All client connections of one worker."""

    def __init__(self, pipeline: Pipeline, limits: Limits) -> None:
        self.pipeline = pipeline
        self.limits = limits
        self.connections: set[Connection] = set()
        self.is_draining = False
        self._tasks: set[asyncio.Task[None]] = set()

    def objection(self, reading: _Reading) -> TidegateError | None:
        """What is wrong with a request as far as its head tells; None if its body should be read and served."""
        if reading.head_size > self.limits.head:
            return HeadersTooLarge()
        path = reading.url.partition(b"?")[0]
        if not path.startswith(b"/") or reading.hosts != 1 or reading.chunked not in (b"", b"chunked"):
            return InvalidRequest("The request is not valid HTTP/1.1.", code="invalid_http")
        if path == MODELS or path.startswith(MODELS + b"/"):
            return None if reading.method == b"GET" else MethodNotAllowed("Use GET for this path.")
        if path not in PATHS:
            return NotFound()
        if reading.method != b"POST":
            return MethodNotAllowed("Use POST for this path.")
        if reading.content_type != b"application/json" or reading.content_encoding not in (b"", b"identity"):
            return UnsupportedMediaType()
        if reading.length is not None and reading.length > self.limits.body:
            return self.too_large()
        is_large = reading.chunked or (reading.length or 0) > EARLY_CHECK
        if is_large and not self.pipeline.is_known(reading.credential):
            return Unauthenticated()
        return None

    def too_large(self) -> TooLarge:
        """The refusal of a body above the limit."""
        return TooLarge(f"The request body is larger than {self.limits.body} bytes, the limit of this gateway.")

    def serve(self, inbound: Inbound, downstream: HttpDownstream, error: TidegateError | None) -> None:
        """Hand one request to the pipeline."""
        if error is not None:
            self.pipeline.refuse(inbound, downstream, error)
        elif (dialect := PATHS.get(inbound.path)) is not None:
            task = asyncio.get_running_loop().create_task(self.pipeline.serve(dialect, inbound, downstream))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            self.pipeline.models(inbound, downstream, _model_of(inbound.path))

    def sweep(self, now: float) -> None:
        """Look at every connection's clock; called about once a second."""
        for connection in tuple(self.connections):
            if connection.is_receiving and now - connection.since > self.limits.receive_s:
                connection.time_out()
            elif connection.is_idle and now - connection.since > self.limits.keep_alive_s:
                connection.close()

    async def drain(self, limit_s: float) -> None:
        """Answer what has begun, for up to `limit_s` seconds, then end the rest with an error event."""
        self.is_draining = True
        for connection in tuple(self.connections):
            connection.close()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=limit_s)
        self.pipeline.cancel_all()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=1.0)


def _model_of(path: bytes) -> str | None:
    if path == MODELS:
        return None
    try:
        return unquote_to_bytes(path[len(MODELS) + 1 :]).decode()
    except UnicodeDecodeError:
        return ""
