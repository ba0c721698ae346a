"""The front door over an echo: what is read and how answers are framed, with nothing of the gateway behind it."""

import asyncio
import json
from dataclasses import dataclass, field

from gateway.api.plane import DataPlane
from gateway.wire import errors as wire_errors

GOOD = b"Bearer good"


class Echo:
    """Answers every request with what it was; streams when the body says so; hangs when the body says so."""

    def __init__(self):
        self.gone = asyncio.Event()
        self.served = 0
        self.go_on = asyncio.Event()
        self.is_full = asyncio.Event()
        self.is_drained = asyncio.Event()

    def serve(self, dialect, inbound, downstream, spawn):
        spawn(self._serve(dialect, inbound, downstream))

    async def _serve(self, dialect, inbound, downstream):
        self.served += 1
        downstream.watch(self.gone.set, self.is_full.set, self.is_drained.set)
        if inbound.body == b"hang":
            await self.gone.wait()
            return
        if inbound.body == b"wait":
            await self.go_on.wait()
        if inbound.body in (b"flood", b"cut"):
            downstream.start(200, ((b"content-type", b"text/event-stream"),), length=None)
            downstream.write(b"begun")
        if inbound.body == b"cut":
            await self.go_on.wait()
            downstream.abort()
            return
        if inbound.body == b"flood":
            while not self.is_full.is_set():
                downstream.write(b"x" * 16384)
                await asyncio.sleep(0)
            await self.is_drained.wait()
            downstream.finish()
            return
        if inbound.body.startswith(b"stream"):
            downstream.start(200, ((b"content-type", b"text/event-stream"),), length=None)
            downstream.write(b"one")
            downstream.write(b"two")
            downstream.finish()
            return
        body = json.dumps([dialect, inbound.path.decode(), len(inbound.body)]).encode()
        downstream.start(200, ((b"content-type", b"application/json"),), length=len(body))
        downstream.write(body)
        downstream.finish()

    def models(self, inbound, downstream, model):
        body = json.dumps(["models", model]).encode()
        downstream.start(200, (), length=len(body))
        downstream.write(body)
        downstream.finish()

    def refuse(self, inbound, downstream, error):
        body = wire_errors.body_of(error)
        downstream.start(error.http_status, wire_errors.headers_of(error), length=len(body))
        downstream.write(body)
        downstream.finish()

    def is_known(self, authorization, client=None):
        return authorization == GOOD

    def cancel_all(self): ...


@dataclass
class House:
    plane: DataPlane
    echo: Echo
    port: int
    writers: list = field(default_factory=list)

    async def dial(self):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers.append(writer)
        return reader, writer

    async def talk(self, raw: bytes) -> bytes:
        """Send everything, then read until the server closes."""
        reader, writer = await self.dial()
        writer.write(raw)
        return await asyncio.wait_for(reader.read(), 5)
