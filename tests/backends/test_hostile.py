"""The corpus of hostile responses through the real client: one outcome each, and nothing of it for the next caller."""

import asyncio
import contextlib

import pytest

from gateway.backends.http1 import Http1Backend, Http1Settings
from gateway.core.topology import Endpoint
from tests.backends.test_http1 import exchange, plain
from tests.wire.hostile import ROWS


class Scripted:
    """Says `first` on the first request that it is sent, and afterwards the number of the connection."""

    def __init__(self, first: bytes, *, closes: bool) -> None:
        self._first: bytes | None = first
        self._closes = closes
        self.connections = 0
        self._tasks: set[asyncio.Task] = set()

    async def __aenter__(self) -> "Scripted":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.endpoint = Endpoint("a", "127.0.0.1", self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.current_task())
        self.connections += 1
        number = self.connections
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
                await reader.readexactly(length)
                first, self._first = self._first, None
                writer.write(first if first is not None else plain(b"%d" % number))
                await writer.drain()
                if first is not None and self._closes:
                    break
        writer.close()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_a_response_has_one_outcome_and_nothing_of_it_meets_the_next_request(row):
    backend = Http1Backend(Http1Settings())
    async with Scripted(row.raw, closes=row.closes) as server, asyncio.timeout(5):
        ear = await exchange(backend, server.endpoint)
        if row.reason is None:
            assert (ear.heard, ear.data) == ([row.status, "end"], row.body)
        else:
            assert row.reason in ear.heard[-1]
            assert "end" not in ear.heard
        following = await exchange(backend, server.endpoint)
        assert (following.heard, following.data) == ([200, "end"], b"1" if row.serves_again else b"2")
        assert server.connections == (1 if row.serves_again else 2)
        await backend.close()
