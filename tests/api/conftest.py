"""The front door for every test of this room."""

import asyncio

import pytest

from gateway.api.openai import Connection
from gateway.api.plane import DataPlane, Limits
from tests.api.front_door import Echo, House


@pytest.fixture
async def house():
    loop = asyncio.get_running_loop()
    echo = Echo()
    plane = DataPlane(echo, Limits(body=100_000, head=4096, receive_s=5, keep_alive_s=10))
    server = await loop.create_server(lambda: Connection(plane, loop), "127.0.0.1", 0)
    subject = House(plane, echo, server.sockets[0].getsockname()[1])
    yield subject
    for writer in subject.writers:
        writer.close()
    server.close()
