"""A scripted model server: a real HTTP server on loopback or a Unix socket that can be told to fail.

Each request is answered by the script that stands at that moment; a script is a coroutine that gets the `Peer`. Every
byte that arrives is kept, so that a test can ask what was received, over which connection, and when the caller left.
"""

import asyncio
import contextlib
import json
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

Script = Callable[["Peer"], Awaitable[None]]


@dataclass
class Received:
    """One request as it arrived."""

    connection: int
    start_line: str
    headers: dict[str, str]
    body: bytes
    gone: asyncio.Event

    @property
    def json(self):
        return json.loads(self.body)


class Peer:
    """The caller, as a script sees it."""

    def __init__(self, received: Received, writer: asyncio.StreamWriter) -> None:
        self.received = received
        self._writer = writer
        self.keeps_alive = True

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()

    async def answer(self, status: int, body: bytes, *headers: str, content_type: str = "application/json") -> None:
        lines = [f"HTTP/1.1 {status} X", f"content-type: {content_type}", f"content-length: {len(body)}", *headers]
        await self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    async def open_stream(self) -> None:
        await self.send(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
        )

    async def event(self, data: str | dict) -> None:
        text = data if isinstance(data, str) else json.dumps(data, separators=(",", ":"))
        await self.chunk(f"data: {text}\n\n".encode())

    async def chunk(self, data: bytes) -> None:
        await self.send(b"%x\r\n%b\r\n" % (len(data), data))

    async def end_stream(self) -> None:
        await self.send(b"0\r\n\r\n")

    def close(self) -> None:
        """End the connection in order."""
        self.keeps_alive = False
        self._writer.close()

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        self.keeps_alive = False
        sock = self._writer.get_extra_info("socket")
        if sock is not None and sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def until_gone(self) -> None:
        await self.received.gone.wait()


class ModelServer:
    """Use as `async with`; `url` or `unix` says where it listens."""

    def __init__(self, *, unix: str | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.unix = unix
        self.requests: list[Received] = []
        self.connections = 0
        self.script: Script = chat
        self._tls = tls
        self._tasks: set[asyncio.Task] = set()
        self.port = 0

    @property
    def url(self) -> str:
        scheme = "https" if self._tls else "http"
        return f"unix:{self.unix}" if self.unix else f"{scheme}://127.0.0.1:{self.port}"

    async def __aenter__(self) -> "ModelServer":
        if self.unix:
            self._server = await asyncio.start_unix_server(self._serve, self.unix)
        else:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
            self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        number = self.connections
        gone = asyncio.Event()
        _tell_of_end(reader, gone)
        try:
            while True:
                received = await _read(reader, number, gone)
                self.requests.append(received)
                peer = Peer(received, writer)
                await self.script(peer)
                if not peer.keeps_alive:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except asyncio.CancelledError:
            pass
        finally:
            self._tasks.discard(task)
            with contextlib.suppress(Exception):
                writer.close()


async def _read(reader: asyncio.StreamReader, connection: int, gone: asyncio.Event) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    start_line, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(connection, start_line, headers, body, gone)


def _tell_of_end(reader: asyncio.StreamReader, gone: asyncio.Event) -> None:
    """Set `gone` when the caller's side ends, without reading: a second reader would eat the next request's start."""
    feed_eof, set_exception = reader.feed_eof, reader.set_exception

    def ended() -> None:
        gone.set()
        feed_eof()

    def broken(exc: Exception) -> None:
        gone.set()
        set_exception(exc)

    reader.feed_eof, reader.set_exception = ended, broken  # type: ignore[method-assign]


def completion(text: str = "Hello.", *, finish: str | None = "stop") -> bytes:
    """A whole chat answer as vLLM writes it."""
    message = {"role": "assistant", "content": text}
    return json.dumps(
        {
            "id": "chatcmpl-upstream",
            "object": "chat.completion",
            "created": 1764000000,
            "model": "served-model",
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
            "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
            "system_fingerprint": "vllm-test",
        },
        separators=(",", ":"),
    ).encode()


def delta(content: str | None = None, *, role: str | None = None, finish: str | None = None) -> dict:
    """One chunk of a streamed chat answer."""
    body = {key: value for key, value in (("role", role), ("content", content)) if value is not None}
    return {
        "id": "chatcmpl-upstream",
        "object": "chat.completion.chunk",
        "created": 1764000000,
        "model": "served-model",
        "choices": [{"index": 0, "delta": body, "logprobs": None, "finish_reason": finish}],
    }


USAGE = {
    "id": "chatcmpl-upstream",
    "object": "chat.completion.chunk",
    "created": 1764000000,
    "model": "served-model",
    "choices": [],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
}


async def chat(peer: Peer) -> None:
    """A sound answer, streamed if that was asked for."""
    if not peer.received.json.get("stream"):
        await peer.answer(200, completion())
        return
    await peer.open_stream()
    await peer.event(delta("", role="assistant"))
    for word in ("Hel", "lo", "."):
        await peer.event(delta(word))
    await peer.event(delta(finish="stop"))
    await peer.event(USAGE)
    await peer.event("[DONE]")
    await peer.end_stream()
