"""Asks one container, as the SageMaker service does: `POST /invocations`, a connection per request.

What comes back is handed on as it arrives. What a broken or absent container means to the caller is `service.py`'s.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Final

from gateway.config import addresses
from gateway.core.message import Headers, Message
from gateway.core.reading import Reader, Word
from gateway.core.topology import Endpoint
from gateway.core.written import Place
from gateway.wire.http1 import Head, ResponseInvalid, ResponseReader, request_bytes, request_start

TARGET: Final = b"/invocations"
CONNECT_S: Final = 3.0

_READ: Final = 64 * 1024


class ContainerUnreachable(Exception):
    """No connection to the container."""


class ContainerBroke(Exception):
    """The container's answer is no answer, or ended before its end."""


def address(text: str) -> Endpoint | None:
    """Where a container is: `http://HOST:PORT[/BASE]` or `unix:/path`; None if it is neither."""
    endpoint = addresses.endpoint(Reader(), Word(text, Place("")), None)
    return endpoint if endpoint is not None and not endpoint.is_tls else None


class Reply:
    """A container's answer whose head has come; `body` yields the rest as it comes."""

    def __init__(self, head: Head, first: bytes, read: AsyncIterator[bytes]) -> None:
        self.status = head.status
        self.content_type = next(
            (value for name, value in head.headers if name == b"content-type"), b"application/octet-stream"
        )
        self._first = first
        self._read = read

    async def body(self) -> AsyncGenerator[bytes, None]:
        """The body, in the pieces in which it arrives; ContainerBroke if it does not end in order."""
        if self._first:
            yield self._first
        async for data in self._read:
            yield data

    async def whole(self) -> bytes:
        """The body, all of it."""
        return b"".join([data async for data in self.body()])


@asynccontextmanager
async def asked(container: Endpoint, headers: Headers, body: bytes) -> AsyncIterator[Reply]:
    """Send `body` to the container; the connection is closed at the end of the block, whatever was read by then."""
    try:
        async with asyncio.timeout(CONNECT_S):
            reader, writer = await _connection(container)
    except (OSError, TimeoutError) as exc:
        raise ContainerUnreachable from exc
    try:
        message = Message(b"POST", TARGET, headers, body)
        host = f"{container.host}:{container.port}".encode()
        start = request_start(message, host=host, base_path=container.base_path.encode(), credential=None)
        writer.write(request_bytes(start, message.body))
        response = ResponseReader()
        async with aclosing(_read(reader, response)) as read:
            first = await anext(read, b"")
            if response.head is None:
                raise ContainerBroke
            yield Reply(response.head, first, read)
    finally:
        writer.transport.abort()


async def _connection(container: Endpoint) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if container.unix is not None:
        return await asyncio.open_unix_connection(container.unix)
    return await asyncio.open_connection(container.host, container.port)


async def _read(reader: asyncio.StreamReader, response: ResponseReader) -> AsyncGenerator[bytes, None]:
    """What arrives of the body. The first item comes with the head, and may be empty."""
    had_head = False
    while not response.is_done:
        try:
            data = await reader.read(_READ)
            if data:
                body = response.feed(data)
            else:
                body = b""
                response.end_of_file()
        except (ResponseInvalid, OSError) as exc:
            raise ContainerBroke from exc
        if body or (response.head is not None and not had_head):
            had_head = True
            yield body
