"""The data plane's front door: HTTP/1.1 from the client's socket to the pipeline and back.

One asyncio protocol per connection over httptools, without a web framework in between (docs/decisions/0002): what
arrives is bounded and checked before anything is read from it, a lost client is noticed at once by
`connection_lost`, and an answer is one write. What is served, and to whom, is the pipeline's.
"""

import asyncio
from collections import deque
from typing import Final, cast

import httptools

from gateway.api.downstream import HttpDownstream, framed
from gateway.api.peer import client_at
from gateway.api.plane import DataPlane
from gateway.api.reading import QUERY, Reading
from gateway.core.client import Client
from gateway.errors import HeadersTooLarge, InvalidRequest, RequestTimeout, TidegateError

HIGH_WATER: Final = 64 << 10
MAX_PIPELINED: Final = 4
LINGER_S: Final = 1.0
"""How long a connection that was refused is still read, so that its answer is not lost to a reset."""

STUCK_S: Final = 30.0
"""How long a client may take nothing of what waits for it before its connection is cut."""


class Connection(asyncio.Protocol):
    """One client connection: requests are read one after the other and answered in that order."""

    def __init__(self, plane: DataPlane, loop: asyncio.AbstractEventLoop) -> None:
        self.is_lost = False
        self.is_full = False
        self.since = loop.time()
        self._plane = plane
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._reading: Reading | None = None
        self._answering: HttpDownstream | None = None
        self._waiting: deque[Reading] = deque()
        self._is_closing = False
        self._stuck_since: float | None = None
        self._unsent = 0
        self._client, self._is_unix = Client(), False
        # Who it is whatever a head says: where a proxy may say another address, that is not known yet.
        self._peer = self._client
        # What is to be said to the bytes under way: one answer to each request, and to some of them a word before.
        self._due = 0

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being read or answered, or waits to be."""
        return self._reading is None and self._answering is None and not self._waiting

    @property
    def is_receiving(self) -> bool:
        """Whether a request has begun, is not complete, and nothing but its client keeps it from being so."""
        return self._reading is not None and self._is_free

    @property
    def _is_free(self) -> bool:
        # Answers leave in the order of their requests, and none begins while the last is still in our memory.
        return self._answering is None and not self._waiting and not self.is_full

    @property
    def _is_settled(self) -> bool:
        return self.is_idle and not self._is_closing

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # What create_server hands to a Protocol; uvloop's is no subclass of asyncio's, so it cannot be asked.
        transport = cast(asyncio.Transport, transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=HIGH_WATER)
        self._client, self._is_unix = client_at(transport)
        self._peer = self._plane.peer_of(self._client, is_unix=self._is_unix)
        self._plane.connections.add(self)
        if self._plane.is_draining:
            transport.close()

    def data_received(self, data: bytes) -> None:
        if self._is_closing:
            return
        again, parser = self._plane.again, self._parser
        if again is not None:
            if self._reading is not None or self._answering is not None or self._waiting or self.is_full:
                again = None
            elif again.answer(data, self._peer, now := self._loop.time(), self):
                self.since = now
                return
            else:
                self._due = 0
                again.listen()
        if self._reading is not None:
            # Until it turns out to end a head or to bring bytes of a body.
            self._reading.unfinished += len(data)
        try:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                self._feed_rest(data, upgrade)
        except httptools.HttpParserError:
            self._refuse(InvalidRequest("The request is not valid HTTP/1.1.", code="invalid_http"))
        reading = self._reading
        # The parser keeps the line under way, so its bytes are counted and not only what it has told.
        if reading is not None:
            if not reading.method:
                reading.weigh()
            if max(reading.head_size, reading.unfinished) > self._plane.limits.head:
                self._refuse(HeadersTooLarge())
        if again is not None:
            # One request whole, which left nothing behind but its answer, need not be read if it comes again.
            is_whole = self._due == 1 and self._is_settled and self._parser is parser
            again.learn(data if is_whole else b"", framed)

    def _feed_rest(self, data: bytes | memoryview, upgrade: httptools.HttpParserUpgrade) -> None:
        """Read on behind an offer that we do not take up (RFC 9110, 7.8).

        The parser takes the message to be over, so its body is read by a new one, which is told how it is framed and
        nothing of the offer.
        """
        while True:
            reading = self._reading
            if reading is None or self._is_closing:
                return
            self._parser = httptools.HttpRequestParser(self)
            self._parser.feed_data(reading.framing)
            data = memoryview(data)[upgrade.args[0] :]
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as another:
                upgrade = another
            else:
                return

    def eof_received(self) -> bool | None:
        return None

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- asyncio's signature
        self.is_lost = True
        self._plane.left(self)
        self._waiting.clear()
        # It holds this connection: let go of, so that both are freed at once and not by a search for circles.
        del self._parser
        answering, self._answering = self._answering, None
        if answering is not None and answering.on_gone is not None:
            answering.on_gone()

    def pause_writing(self) -> None:
        # Whoever takes no answers gets no further requests read. Only now: else a lost client would not be noticed.
        self.is_full = True
        if self._transport is not None and not self._transport.is_closing():
            self._stuck_since, self._unsent = self._loop.time(), self._transport.get_write_buffer_size()
            self._transport.pause_reading()
        if self._answering is not None and self._answering.on_full is not None:
            self._answering.on_full()

    def resume_writing(self) -> None:
        self.is_full = False
        self._stuck_since = None
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
        if self._answering is None:
            self.since = self._loop.time()
            self._loop.call_soon(self._next)
        elif self._answering.on_drained is not None:
            self._answering.on_drained()

    # httptools

    def on_message_begin(self) -> None:
        if self._is_closing or self._reading is not None:
            return  # nobody's, or the same message in a second parser
        self._reading = Reading()
        self._due += 1
        if self._answering is None:
            self.since = self._loop.time()

    def on_url(self, url: bytes) -> None:
        reading = self._reading
        if reading is not None and not reading.method:
            reading.url += url
            reading.head_size += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        reading = self._reading
        if reading is None or reading.method:
            return  # a trailer: nothing that we serve depends on one
        reading.lines += (name, value)

    def on_headers_complete(self) -> None:
        reading = self._reading
        if reading is None or reading.method:
            return
        reading.unfinished = 0
        reading.read_head()
        reading.method = self._parser.get_method()
        reading.path = reading.url.partition(b"?")[0] if QUERY in reading.url else reading.url
        reading.version = self._parser.get_http_version()
        reading.keep_alive = self._parser.should_keep_alive()
        client = self._client
        if self._plane.proxies is not None:
            client = self._plane.client_of(client, reading.forwarded, is_unix=self._is_unix)
        reading.client = client
        reading.error = self._plane.objection(reading)
        if reading.method == b"CONNECT":
            self._refuse(InvalidRequest("This server is no proxy; send plain HTTP/1.1 to a path of its own."))
        elif reading.is_malformed:
            # Closed, too: where it ends, and what comes after it, is anybody's guess.
            self._refuse(InvalidRequest("The request is not valid HTTP/1.1.", code="invalid_http"))
        elif reading.error is not None and (reading.is_large or self._parser.should_upgrade()):
            # Nobody waits for megabytes that are refused anyway, or asks a second parser for what may be malformed.
            self._refuse(reading.error)
        elif reading.expects and self._is_free:
            self._due += 1
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        reading = self._reading
        if reading is None or self._is_closing:
            return
        reading.unfinished = 0
        reading.size += len(body)
        if reading.size > self._plane.limits.body:
            self._refuse(self._plane.too_large())
            return
        reading.body += (body,)

    def on_message_complete(self) -> None:
        if self._parser.should_upgrade():
            return  # so it thinks; `_feed_rest` reads on
        reading, self._reading = self._reading, None
        if reading is None or self._is_closing:
            return
        if self._answering is None and not self._waiting and not self.is_full:
            self._answer(reading)
        elif len(self._waiting) < MAX_PIPELINED:
            self._waiting.append(reading)
        else:
            # Whoever pipelines without reading answers gets the ones begun, and no more.
            self._is_closing = True

    # Answering

    def _answer(self, reading: Reading) -> None:
        is_last = self._plane.is_giving_way and not self._waiting
        close = not reading.keep_alive or self._plane.is_draining or is_last
        downstream = HttpDownstream(
            self, close=close, minor=int(reading.version == "1.1"), head_only=reading.method == b"HEAD"
        )
        self._answering = downstream
        self._plane.serve(reading.inbound(self._loop.time()), downstream, reading.error)

    def _refuse(self, error: TidegateError) -> None:
        """Answer `error` now and close; after an answer under way if there is one."""
        reading, self._reading = self._reading or Reading(), None
        if self._is_closing:
            return
        self._is_closing = True
        reading.error = error
        reading.keep_alive = False
        if self._is_free:
            self._answer(reading)
        else:
            self._waiting.append(reading)

    def answered(self, *, close: bool) -> None:
        """The answer under way is complete."""
        self._answering = None
        self.since = self._loop.time()
        if self._waiting and not close:
            self._loop.call_soon(self._next)
        elif close or self._is_closing or self._plane.is_draining:
            self._end()

    def _next(self) -> None:
        # Taken off the queue only now, so that whatever is read in between sees that somebody is before it.
        if self._waiting and self._answering is None and not self.is_full and not self.is_lost:
            self._answer(self._waiting.popleft())

    def _end(self) -> None:
        """Close so that the last answer arrives: a socket closed over unread bytes would be reset under it."""
        has_unread, self._is_closing = self._is_closing, True
        self._waiting.clear()
        if self._transport is None or self._transport.is_closing():
            return
        if not has_unread:
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

    def is_stuck(self, now: float) -> bool:
        """Whether the client has long taken nothing of what waits for it; called about once a second."""
        if self._transport is None or not (self.is_full or self._transport.is_closing()):
            return False
        unsent, before = self._transport.get_write_buffer_size(), self._unsent
        self._unsent = unsent
        if self._stuck_since is None or unsent < before:
            self._stuck_since = now
        return now - self._stuck_since > STUCK_S

    def close(self) -> None:
        """Close if idle; otherwise after the answer under way."""
        if self.is_idle and not self._is_closing and self._transport is not None:
            self._transport.close()
