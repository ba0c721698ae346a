"""Listens on one address and serves each connection in a task of its own, all of which end with the listener."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from gateway.config import addresses
from gateway.config.addresses import Listen, Tcp, Unix
from gateway.core.reading import Reader, Word
from gateway.core.written import Place
from gateway.lane.connection import Connection, Heard
from gateway.lane.signatures import Request

Handle = Callable[[Connection, Request], Awaitable[bool]]
"""Answers one request; says whether the connection may bring another."""

LOOPBACK: Final = Tcp("127.0.0.1", 0)
"""Any free port, for this machine only."""


def listen_address(text: str) -> Listen | None:
    """`HOST:PORT` or `unix:/path`; None if it is neither."""
    return addresses.listen(Reader(), Word(text, Place("")), "The address")


@asynccontextmanager
async def listening(
    listen: Listen,
    handle: Handle,
    *,
    tls: ssl.SSLContext | None = None,
    on_heard: Callable[[Heard], None] | None = None,
) -> AsyncIterator[str]:
    """Serve inside the block; yields the URL. `on_heard` gets each connection's record, which then grows."""
    running: set[asyncio.Task[None]] = set()
    group = asyncio.TaskGroup()
    made = 0

    def start(connection: Connection) -> None:
        task = group.create_task(connection.serve(handle))
        running.add(task)
        task.add_done_callback(running.discard)

    def connection() -> Connection:
        nonlocal made
        made += 1
        heard = None
        if on_heard is not None:
            heard = Heard(made, bytearray())
            on_heard(heard)
        return Connection(made, start, heard)

    # Bound before the group is entered, so that an address that is taken is an OSError and no group of them.
    server = await _bound(listen, connection, tls)
    async with group:
        try:
            await server.start_serving()
            yield _url(listen, server, tls)
        finally:
            server.close()
            for task in running:
                task.cancel()


async def _bound(listen: Listen, connection: Callable[[], Connection], tls: ssl.SSLContext | None) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    if isinstance(listen, Unix):
        return await loop.create_unix_server(connection, listen.path, ssl=tls, start_serving=False)
    return await loop.create_server(connection, listen.host, listen.port, ssl=tls, start_serving=False)


def _url(listen: Listen, server: asyncio.Server, tls: ssl.SSLContext | None) -> str:
    if isinstance(listen, Unix):
        return str(listen)
    bound = Tcp(listen.host, server.sockets[0].getsockname()[1])
    return f"{'https' if tls is not None else 'http'}://{bound}"
