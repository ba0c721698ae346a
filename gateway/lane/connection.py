"""One caller's connection to the stand-in: reading whole requests, writing whole or chunked answers, HTTP/1.1.

Every byte that arrives is kept for whoever asked for a record, refused and half requests included. What is
answered is the handler's, which gets one request after the other.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, cast

from gateway.core.message import Headers
from gateway.lane.answers import Answer
from gateway.lane.signatures import Request

MAX_HEAD: Final = 64 * 1024
MAX_REQUEST: Final = 8 * 1024 * 1024

_REQUEST_LINE: Final = re.compile(rb"([A-Z]{1,16}) (/[\x21-\x7e]*) HTTP/1\.1")
_HEADER: Final = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*")
_CHUNK: Final = re.compile(rb"([0-9A-Fa-f]{1,7})(?:;[\t\x20-\x7e]*)?")
_LENGTH: Final = re.compile(rb"[0-9]{1,9}")


class RequestInvalid(Exception):
    """What arrived is no HTTP/1.1 request; the connection is of no further use."""


class CallerGone(Exception):
    """The caller closed the connection."""


@dataclass(slots=True)
class Heard:
    """Everything that arrived over one connection, whatever became of it."""

    connection: int
    raw: bytearray


class Connection(asyncio.Protocol):
    """Use through `serve`, which runs as a task of its own until the caller is gone or `handle` is done with it.

    `handle` is cancelled when the caller leaves: whatever it is asking a container for, nobody waits for it.
    """

    def __init__(self, number: int, on_made: Callable[["Connection"], None], heard: Heard | None) -> None:
        self.number = number
        self._on_made = on_made
        self._heard = heard
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._news = asyncio.Event()
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._is_gone = False
        self._handling: asyncio.Task[None] | None = None

    async def serve(self, handle: Callable[["Connection", Request], Awaitable[bool]]) -> None:
        """Read requests and handle each until one is the last; `handle` says whether there may be another."""
        self._handling = asyncio.current_task()
        try:
            while await handle(self, await self._read_request()):
                pass
        except (CallerGone, RequestInvalid):
            pass
        finally:
            if self._transport is not None:
                self._transport.close()

    # What handlers write

    async def answer(self, answer: Answer) -> None:
        """A whole answer."""
        length = (b"Content-Length", b"%d" % len(answer.body))
        await self._write(_head(answer.status, (*answer.headers, length)) + answer.body)

    async def start_chunked(self, status: int, headers: Headers) -> None:
        """The head of an answer that comes in chunks."""
        await self._write(_head(status, (*headers, (b"Transfer-Encoding", b"chunked"))))

    async def chunk(self, data: bytes) -> None:
        """Some bytes of the body; none would end it, and are nothing."""
        if data:
            await self._write(b"%x\r\n%b\r\n" % (len(data), data))

    async def end_chunks(self) -> None:
        """The end of the body."""
        await self._write(b"0\r\n\r\n")

    def drop(self) -> None:
        """Close after what was written, without an end of the body."""
        if self._transport is not None:
            self._transport.close()

    async def _write(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            raise CallerGone
        self._transport.write(data)
        await self._may_write.wait()

    # What the event loop says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._on_made(self)

    def data_received(self, data: bytes) -> None:
        if self._heard is not None:
            self._heard.raw += data
        self._buffer += data
        self._news.set()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- gone is gone
        self._is_gone = True
        self._transport = None
        self._news.set()
        self._may_write.set()
        if self._handling is not None:
            self._handling.cancel()

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    # Reading

    async def _read_request(self) -> Request:
        head = await self._until(b"\r\n\r\n", MAX_HEAD)
        request_line, *lines = head.split(b"\r\n")
        match = _REQUEST_LINE.fullmatch(request_line)
        if match is None:
            raise RequestInvalid
        headers: list[tuple[bytes, bytes]] = []
        for line in lines:
            field = _HEADER.fullmatch(line)
            if field is None:
                raise RequestInvalid
            headers.append((field[1].lower(), field[2]))
        if (b"expect", b"100-continue") in headers:
            await self._write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return Request(match[1], match[2], tuple(headers), await self._read_body(headers))

    async def _read_body(self, headers: list[tuple[bytes, bytes]]) -> bytes:
        lengths = [value for name, value in headers if name == b"content-length"]
        codings = [value.lower() for name, value in headers if name == b"transfer-encoding"]
        if len(lengths) + len(codings) > 1:
            raise RequestInvalid
        if codings:
            return await self._read_chunked(codings[0])
        if not lengths:
            return b""
        if not _LENGTH.fullmatch(lengths[0]) or int(lengths[0]) > MAX_REQUEST:
            raise RequestInvalid
        return await self._exactly(int(lengths[0]))

    async def _read_chunked(self, coding: bytes) -> bytes:
        if coding != b"chunked":
            raise RequestInvalid
        body = bytearray()
        while True:
            match = _CHUNK.fullmatch(await self._until(b"\r\n", 256))
            if match is None or len(body) + int(match[1], 16) > MAX_REQUEST:
                raise RequestInvalid
            if size := int(match[1], 16):
                body += await self._exactly(size)
            # No trailers: nobody who signs a request sends any.
            if await self._exactly(2) != b"\r\n":
                raise RequestInvalid
            if not size:
                return bytes(body)

    async def _until(self, end: bytes, limit: int) -> bytes:
        while (at := self._buffer.find(end)) < 0:
            if len(self._buffer) > limit:
                raise RequestInvalid
            await self._more()
        return self._take(at, len(end))

    async def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            await self._more()
        return self._take(size, 0)

    def _take(self, size: int, dropped: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[: size + dropped]
        return taken

    async def _more(self) -> None:
        self._news.clear()
        if self._is_gone:
            raise CallerGone
        await self._news.wait()


def _head(status: int, headers: Headers) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Error"
    lines = [f"HTTP/1.1 {status} {phrase}\r\n".encode()]
    lines += [b"%b: %b\r\n" % header for header in headers]
    lines.append(b"\r\n")
    return b"".join(lines)
