"""Several real gateways on one Valkey, and more work in flight than their tenant's limit allows.

What was let through is counted where it arrives: by the model server, which knows nothing of limits.
"""

import asyncio
import contextlib
import json
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.fakes.house import write_config
from tests.fakes.limited import limited, limiting
from tests.fakes.valkey import Valkey
from tests.paths.served import Served, serving

ANSWER_TOKENS = 40
PROMPT_TOKENS = 25


def _answer() -> bytes:
    body = json.dumps(
        {
            "id": "chatcmpl-x",
            "object": "chat.completion",
            "created": 1764000000,
            "model": "served-model",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": ANSWER_TOKENS},
        },
        separators=(",", ":"),
    ).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


@dataclass
class Counting:
    """A model server that answers everything after `takes_s`, and counts it."""

    takes_s: float = 0.0
    served: int = 0
    last: float = 0.0
    url: str = ""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Counting"]:
        server = await asyncio.get_running_loop().create_server(lambda: _Model(self), "127.0.0.1", 0, backlog=4096)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()


class _Framed(asyncio.Protocol):
    """Messages with a `content-length`, one after the other."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._data) < end + 4 + length:
                return
            message, self._data = self._data[: end + 4 + length], self._data[end + 4 + length :]
            self.came(message)

    def came(self, message: bytes) -> None:
        raise NotImplementedError


class _Model(_Framed):
    _ANSWER = _answer()

    def __init__(self, counting: Counting) -> None:
        super().__init__()
        self._counting = counting

    def came(self, message: bytes) -> None:
        self._counting.served += 1
        self._counting.last = time.monotonic()
        if self._counting.takes_s:
            asyncio.get_running_loop().call_later(self._counting.takes_s, self.transport.write, self._ANSWER)
        else:
            self.transport.write(self._ANSWER)


class _Client(_Framed):
    def __init__(self, request: bytes, until: Callable[[], bool], seen: Counter[int], pause_s: float) -> None:
        super().__init__()
        self._request = request
        self._until = until
        self._seen = seen
        self._pause_s = pause_s
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._next()

    def came(self, message: bytes) -> None:
        status = int(message[9:12])
        self._seen[status] += 1
        if b"x-tidegate-quota: degraded" in message:
            self._seen[-1] += 1
        if self._until():
            self._end()
        elif status == 200:
            self._next()
        else:
            asyncio.get_running_loop().call_later(self._pause_s, self._next)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self._seen[0] += 1
            self.done.set_result(None)

    def _next(self) -> None:
        if self._until() or self.transport.is_closing():
            self._end()
        else:
            self.transport.write(self._request)

    def _end(self) -> None:
        if not self.done.done():
            self.done.set_result(None)
        self.transport.close()


@dataclass
class Flooded:
    """What came of it. `answers` counts by status; 0 is a broken connection, -1 an answer counted by one worker."""

    served: int
    lasted_s: float
    answers: Counter[int] = field(default_factory=Counter)


@contextlib.asynccontextmanager
async def processes(
    folder: Path, redis: Valkey, limits: str, model: Counting, *, count: int
) -> AsyncIterator[tuple[list[Served], list[str]]]:
    """`count` gateways with the same files, each with a state of its own, and a key of the limited tenant."""
    first = folder / "0"
    stores = f"stores: {{state: {{address: 'unix:{redis.socket}', timeout: 1s}}}}\n"
    stores += f"replicas: {count}\naudit: {{buffer: 200000}}\n"
    key, _ = write_config(first, {"home": model.url}, limits={"home": 2000}, gateway=stores)
    limiting(limits)(first)
    for number in range(1, count):
        shutil.copytree(first, folder / str(number))
    async with contextlib.AsyncExitStack() as stack:
        running = [await stack.enter_async_context(serving(folder / str(number))) for number in range(count)]
        yield running, [key] * count


@contextlib.asynccontextmanager
async def in_process(
    folder: Path, redis: Valkey, limits: str, model: Counting, *, count: int
) -> AsyncIterator[tuple[list[int], list[str]]]:
    """The same in this process, which is quicker to start: the ports of `count` gateways."""
    async with contextlib.AsyncExitStack() as stack:
        running = [
            await stack.enter_async_context(
                limited(
                    folder / str(number),
                    {"home": model.url},
                    limits,
                    redis=redis,
                    more=f"replicas: {count}\naudit: {{buffer: 200000}}\n",
                    places=2000,
                )
            )
            for number in range(count)
        ]
        yield [one.port for one in running], [one.key for one in running]


async def flood(ports: list[int], keys: list[str], model: Counting, *, in_flight: int, seconds: float) -> Flooded:
    """Ask each gateway `in_flight` times at once, and again as soon as an answer is there, for so long."""
    body = json.dumps(
        {"model": "chat", "messages": [{"role": "user", "content": "Is it high tide?"}], "max_tokens": ANSWER_TOKENS}
    ).encode()
    head = (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer %b\r\n"
        b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
    )
    requests = [head % (key.encode(), len(body), body) for key in keys]
    loop, seen = asyncio.get_running_loop(), Counter[int]()
    before, began = model.served, time.monotonic()
    ends = began + seconds
    clients: list[_Client] = []
    for number in range(in_flight * len(ports)):
        _, client = await loop.create_connection(
            lambda number=number: _Client(requests[number % len(ports)], lambda: time.monotonic() >= ends, seen, 0.25),
            "127.0.0.1",
            ports[number % len(ports)],
        )
        clients.append(client)
    await asyncio.wait_for(asyncio.gather(*(client.done for client in clients)), seconds + 60)
    return Flooded(model.served - before, model.last - began, seen)
