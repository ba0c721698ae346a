"""Clients and model servers for the tests of a real process: many at once, fast enough not to be what is measured."""

import asyncio
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.model_server import Peer, delta
from tests.fakes.process import Process

SECRET = "My SSN is 536-22-8723"


@dataclass
class Answer:
    """What a client got: `status` 0 and `error` if its connection failed before an answer was complete."""

    status: int = 0
    text: bytes = b""
    error: str = ""
    took_s: float = 0.0

    @property
    def is_whole(self) -> bool:
        """Whether it is an answer that says of itself that it is complete."""
        return (
            self.status == 200 and not self.error and (b"[DONE]" in self.text or b'"finish_reason":"stop"' in self.text)
        )


def request(running: Process, text: str = "hi", *, stream: bool = False, model: str = "chat-home", **more) -> bytes:
    """A request's bytes, for a connection of its own."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": text}], "stream": stream, **more})
    return (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {running.key}\r\nconnection: close\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n{body}"
    ).encode()


async def asked(running: Process, data: bytes, within_s: float = 60.0) -> Answer:
    """Send `data` over a new connection and read to its end."""
    answer, began = Answer(), time.perf_counter()
    try:
        async with asyncio.timeout(within_s):
            reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
            try:
                writer.write(data)
                whole = await reader.read(-1)
            finally:
                writer.close()
    except (OSError, TimeoutError) as exc:
        answer.error = type(exc).__name__
    else:
        head, _, answer.text = whole.partition(b"\r\n\r\n")
        answer.status = int(head.split(b" ", 2)[1]) if head else 0
        answer.error = "" if head else "closed"
    answer.took_s = time.perf_counter() - began
    return answer


def resident_mib(pid: int) -> float:
    """What of the memory of `pid` is in RAM."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


class Spoken:
    """Streams that begin at once and go on when `go_on` is set; `begun` counts them."""

    def __init__(self) -> None:
        self.begun = 0
        self.go_on = asyncio.Event()

    async def __call__(self, peer: Peer) -> None:
        await peer.open_stream()
        await peer.event(delta("first", role="assistant"))
        self.begun += 1
        await self.go_on.wait()
        await peer.event(delta(" last"))
        await peer.event(delta(finish="stop"))
        await peer.event("[DONE]")
        await peer.end_stream()

    async def until(self, streams: Sequence[asyncio.Task[Answer]], within_s: float = 60.0) -> None:
        """Wait until all of them have begun; none may have ended."""
        async with asyncio.timeout(within_s):
            while self.begun < len(streams):
                assert not [one.result() for one in streams if one.done()]
                await asyncio.sleep(0.01)
