"""The data plane as a plain ASGI application, for servers other than our own protocol.

The same requests reach the same pipeline; the server in front has read the HTTP. An answer is pulled out of a bounded
heap by the application's own task, while a second one watches for the client to leave. What is lost against the
protocol of `api/openai.py` is speed, and the strictness of its reading: that is the other server's then.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from gateway.api.plane import DataPlane
from gateway.api.reading import Reading
from gateway.core.client import Client, peer_address
from gateway.core.message import Headers
from gateway.errors import InvalidRequest, RequestTimeout

Scope = MutableMapping[str, Any]  # ASGI's own form
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

HIGH_WATER: Final = 64 << 10
STUCK_S: Final = 30.0
"""How long a client may take nothing of what waits for it before its answer is given up."""


class ClientLeft(Exception):
    """The client went away before its request was whole."""


class AsgiDownstream:
    """One answer through an ASGI server; implements `ports.Downstream`. What is written waits here to be pulled."""

    def __init__(self, *, head_only: bool) -> None:
        self._head_only = head_only
        self._head: Event | None = None
        self._waiting: deque[bytes] = deque()
        self._held = 0
        self._is_full = False
        self._is_over = False
        self._wake = asyncio.Event()
        self._on_gone: Callable[[], None] | None = None
        self._on_full: Callable[[], None] | None = None
        self._on_drained: Callable[[], None] | None = None
        self.is_gone = False
        self.is_aborted = False

    def watch(self, on_gone: Callable[[], None], on_full: Callable[[], None], on_drained: Callable[[], None]) -> None:
        """Call these when the client leaves, when too much waits for it, and when that has been sent."""
        self._on_gone, self._on_full, self._on_drained = on_gone, on_full, on_drained

    def start(self, status: int, headers: Headers, *, length: int | None) -> None:
        """Queue the head; it leaves together with the first bytes of the body."""
        own = () if length is None else ((b"content-length", b"%d" % length),)
        self._head = {"type": "http.response.start", "status": status, "headers": [*headers, *own]}

    def write(self, data: bytes) -> None:
        """Queue bytes of the body."""
        if self.is_gone or self._is_over or self._head_only:
            return
        self._waiting.append(data)
        self._held += len(data)
        self._wake.set()
        if self._held > HIGH_WATER and not self._is_full:
            self._is_full = True
            if self._on_full is not None:
                self._on_full()

    def finish(self) -> None:
        """End a complete answer."""
        self._is_over = True
        # Whoever watches holds this answer: let go of, so that both are freed at once.
        self._on_gone = self._on_full = self._on_drained = None
        self._wake.set()

    def abort(self) -> None:
        """Leave the answer without an end: its server then cuts the connection."""
        self.is_aborted = True
        self._wake.set()

    def left(self) -> None:
        """The client is gone."""
        if self.is_gone or self._is_over:
            return
        self.is_gone = True
        self._waiting.clear()
        self._wake.set()
        if self._on_gone is not None:
            self._on_gone()

    async def pump(self, send: Send) -> None:
        """Send what is written until the answer is complete, given up, or has nobody to go to.

        Raises OSError if the server in front says that it has gone, TimeoutError, which is one, if it takes nothing.
        """
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self.is_gone or self.is_aborted:
                return
            body = b"".join(self._waiting)
            self._waiting.clear()
            self._held = 0
            is_over = self._is_over
            async with asyncio.timeout(STUCK_S):
                if self._head is not None:
                    head, self._head = self._head, None
                    await send(head)
                await send({"type": "http.response.body", "body": body, "more_body": not is_over})
            if is_over:
                return
            if self._is_full and self._held <= HIGH_WATER:
                self._is_full = False
                if self._on_drained is not None:
                    self._on_drained()


def build_asgi(plane: DataPlane) -> Application:
    """`plane` as an ASGI application. Lifespan is the server's affair: the worker that made the plane opens and drains
    it."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError("Only HTTP is served here.")
        reading = _head(scope)
        downstream = AsgiDownstream(head_only=reading.method == b"HEAD")
        host = (scope.get("client") or ("", 0))[0]
        reading.client = plane.client_of(Client(peer_address(host)), reading.forwarded, is_unix=not host)
        reading.error = (
            InvalidRequest("The request is not valid HTTP/1.1.", code="invalid_http")
            if reading.is_malformed
            else plane.objection(reading)
        )
        if reading.error is None or not reading.is_large:
            try:
                await _body(reading, receive, plane)
            except ClientLeft:
                return
        plane.serve(reading.inbound(asyncio.get_running_loop().time()), downstream, reading.error)
        watcher = asyncio.create_task(_watch(receive, downstream))
        try:
            # Whoever is gone or takes nothing is told of no further: its server cuts what has no end.
            with contextlib.suppress(OSError):
                await downstream.pump(send)
        finally:
            downstream.left()
            watcher.cancel()

    return serve


def _head(scope: Scope) -> Reading:
    reading = Reading()
    reading.method = scope["method"].encode()
    reading.path = scope.get("raw_path") or scope["path"].encode()
    reading.url = reading.path
    # What a stream of HTTP/2 or 3 has instead of a Host line, ASGI servers give as one.
    reading.version = "1.1" if scope["http_version"] in ("1.1", "2", "3") else scope["http_version"]
    for name, value in scope["headers"]:
        reading.lines += (name, value)
    reading.read_head()
    if scope["http_version"] in ("2", "3") and reading.length is None and reading.method == b"POST":
        # A stream that does not say how much comes is what chunks are in HTTP/1.1: nobody knows how large it is.
        reading.chunked = b"chunked"
    return reading


async def _body(reading: Reading, receive: Receive, plane: DataPlane) -> None:
    """Read the body, as far as it may be; what is against it becomes the reading's error. Raises ClientLeft."""
    try:
        async with asyncio.timeout(plane.limits.receive_s):
            while True:
                event = await receive()
                if event["type"] == "http.disconnect":
                    raise ClientLeft
                piece = event.get("body", b"")
                reading.size += len(piece)
                if reading.size > plane.limits.body:
                    reading.error = plane.too_large()
                    return
                if piece:
                    reading.body.append(piece)
                if not event.get("more_body", False):
                    return
    except TimeoutError:
        reading.error = RequestTimeout()


async def _watch(receive: Receive, downstream: AsgiDownstream) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    downstream.left()
