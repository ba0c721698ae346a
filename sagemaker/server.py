"""The container's HTTP server: `GET /ping` and `POST /invocations`, streams included, on SageMaker's port 8080.

HTTP, its limits, cancelling and draining are here; what a request means and how it is answered is `inference.py`'s.
One event loop holds the connections, so that slow ones and idle ones cost no thread and `/ping` never waits behind
answers; each answer is made in one of a bounded number of threads.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from concurrent import futures
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

if str(Path(__file__).resolve().parent) not in sys.path:  # started by path, or loaded from one
    sys.path.insert(0, str(Path(__file__).resolve().parent))
import inference

# `/v1/chat/completions` is where SageMaker's OpenAI-compatible route arrives in containers that speak it.
INVOCATIONS = ("/invocations", "/v1/chat/completions")

_LONGEST_HEAD = 16 << 10
_MOST_CONNECTIONS = 512
_HEAD_S = 10.0  # from a request's first byte to the end of its head
_KEEP_ALIVE_S = 75.0
_BODY_S = 60.0
_WRITE_S = 30.0  # a reader who takes nothing for so long is gone

_PHRASES = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    411: "Length Required",
    413: "Payload Too Large",
    415: "Unsupported Media Type",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
_LOADING = inference.Refusal(503, "model_loading", "The model is still being loaded.")
_UNHEALTHY = inference.Refusal(503, "engine_unavailable", "The model's engine does not answer.")
_DRAINING = inference.Refusal(503, "shutting_down", "This container is shutting down.")
_FULL = inference.Refusal(503, "overloaded", "The container is at its limit; try again later.")
_NOT_HTTP = inference.Refusal(400, "invalid_http", "The request is not HTTP/1.1 as this server reads it.")
_SLOW = inference.Refusal(408, "request_timeout", "The request did not arrive in time.")
_HEAD_TOO_LONG = inference.Refusal(431, "head_too_large", f"The request's head is longer than {_LONGEST_HEAD} bytes.")
_NO_LENGTH = inference.Refusal(411, "length_required", "Send the request with a Content-Length.")
_UNKNOWN = inference.Refusal(404, "not_found", "There are /ping and /invocations here, and nothing else.")
_METHOD = inference.Refusal(405, "method_not_allowed", "GET /ping and POST /invocations are what is answered here.")


@dataclass(frozen=True)
class Place:
    """Where and how to serve. `concurrency` bounds the answers that are being made, queued ones included.

    A `host` of `unix:/path` is a socket in a folder that only its users can enter; `port` then says nothing.
    """

    host: str
    port: int
    model_dir: str
    concurrency: int = 64
    drain_s: float = 25.0  # SageMaker sends SIGKILL 30 s after SIGTERM


class _Unreadable(Exception):
    """A request that cannot be answered in order; the connection ends with this refusal."""

    def __init__(self, refusal: inference.Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


@dataclass
class _Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""


@dataclass
class Server:
    """One container: a model that is being loaded or there, and the connections to it."""

    place: Place
    load: Callable[[str], inference.Model] = inference.model_fn
    model: inference.Model | None = None
    draining: bool = False
    port: int = 0
    _connections: set[asyncio.Task[None]] = field(default_factory=set)
    _idle: set[asyncio.Task[None]] = field(default_factory=set)
    _generations: set[inference.Generation] = field(default_factory=set)

    async def run(self, until: asyncio.Event) -> None:
        """Serve until `until` is set, then drain. Raises `inference.NotServable` if the model does not load."""
        self._workers = futures.ThreadPoolExecutor(self.place.concurrency, "answer")
        self._pings = futures.ThreadPoolExecutor(1, "ping")
        listening = await self._listen()
        inference.report("listening", host=self.place.host, port=self.port)
        loading = asyncio.ensure_future(asyncio.to_thread(self.load, self.place.model_dir))
        stopping = asyncio.ensure_future(until.wait())
        try:
            await asyncio.wait({loading, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if loading.done():
                self.model = loading.result()
                await stopping
        finally:
            stopping.cancel()
            self.draining = True
            listening.close()
            await self._drain()
            # A load that is still under way cannot be interrupted; its child ends when this process does.
            if self.model is not None:
                await asyncio.to_thread(self.model.close)
            self._workers.shutdown(wait=False)
            self._pings.shutdown(wait=False)

    async def _listen(self) -> asyncio.AbstractServer:
        host, _, path = self.place.host.partition(":")
        if host == "unix":
            return await asyncio.start_unix_server(self._connected, path, limit=_LONGEST_HEAD)
        listening = await asyncio.start_server(self._connected, self.place.host, self.place.port, limit=_LONGEST_HEAD)
        self.port = listening.sockets[0].getsockname()[1]
        return listening

    async def _drain(self) -> None:
        for task in tuple(self._idle):
            task.cancel()
        if self._connections:
            inference.report("draining", answers=len(self._generations))
            _, late = await asyncio.wait(self._connections, timeout=self.place.drain_s)
            for generation in tuple(self._generations):
                generation.stop()  # its client gets an error event or a 503, and nobody waits for the rest
            if late:
                _, late = await asyncio.wait(late, timeout=2)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=2)

    # Connections

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 -- asyncio runs us in one
        self._connections.add(task)
        try:
            if len(self._connections) > _MOST_CONNECTIONS:
                await _answer(writer, _FULL, keep=False)
                return
            begun: bytes | None = b""
            while begun is not None and not self.draining:
                begun = await self._one(task, begun, reader, writer)
        except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError):
            pass  # the client is gone, or as good as gone
        except asyncio.CancelledError:
            if not self.draining:
                raise
        finally:
            self._connections.discard(task)
            writer.transport.abort() if writer.transport.get_write_buffer_size() else writer.close()

    async def _one(
        self, task: asyncio.Task[None], begun: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bytes | None:
        """Answer one request, of which `begun` has been read; what was read of the next, or None to end."""
        if not begun:
            self._idle.add(task)
            try:
                begun = await asyncio.wait_for(reader.read(1), _KEEP_ALIVE_S)
            finally:
                self._idle.discard(task)
            if not begun:
                return None
        try:
            request = await _read_request(begun, reader, writer)
        except _Unreadable as exc:
            await _answer(writer, exc.refusal, keep=False)
            return None
        keep = request.headers.get("connection", "").lower() != "close" and not self.draining
        if request.path in INVOCATIONS and request.method == "POST":
            return await self._invoke(request, reader, writer, keep=keep)
        if request.path == "/ping" and request.method in ("GET", "HEAD"):
            refusal = await self._ping()
        else:
            refusal = _METHOD if request.path in ("/ping", *INVOCATIONS) else _UNKNOWN
        await _answer(writer, refusal, keep=keep, bare=request.method == "HEAD")
        return b"" if keep else None

    async def _ping(self) -> inference.Refusal | None:
        """None if requests can be answered now: the engine is asked each time."""
        if self.draining:
            return _DRAINING
        if self.model is None:
            return _LOADING
        loop = asyncio.get_running_loop()
        return None if await loop.run_in_executor(self._pings, inference.healthy, self.model) else _UNHEALTHY

    async def _invoke(
        self, request: _Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, keep: bool
    ) -> bytes | None:
        data: inference.Ask | inference.Refusal | None = self._refusal()
        if data is None:
            data = await asyncio.to_thread(inference.input_fn, request.body, request.headers.get("content-type"))
        if not isinstance(data, inference.Refusal):
            data = self._refusal() or data  # others came while this one was being read
        if isinstance(data, inference.Refusal) or self.model is None:
            await _answer(writer, data if isinstance(data, inference.Refusal) else _LOADING, keep=keep)
            return b"" if keep else None
        began = time.monotonic()
        loop = asyncio.get_running_loop()
        answer = _Answer(inference.Generation(data, self.model), writer, loop, keep=keep)
        self._generations.add(answer.generation)
        making = loop.run_in_executor(self._workers, answer.make)
        # The client's end is seen while the answer is being made; what it sends instead is its next request's start.
        listening = asyncio.ensure_future(reader.read(1))
        either: set[asyncio.Future[Any]] = {making, listening}
        begun = b""
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if listening.done() and (listening.exception() or not listening.result()):
                answer.generation.stop()
            await making
        finally:
            answer.generation.stop()
            self._generations.discard(answer.generation)
            listening.cancel()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                begun = await listening
        inference.report(
            "answered", status=answer.status, streamed=data.streamed, ms=round((time.monotonic() - began) * 1000)
        )
        is_over = not keep or not answer.is_in_order or (listening.done() and not listening.cancelled() and not begun)
        return None if is_over else begun

    def _refusal(self) -> inference.Refusal | None:
        if self.draining:
            return _DRAINING
        if self.model is None:
            return _LOADING
        return _FULL if len(self._generations) >= self.place.concurrency else None


class _Answer:
    """One answer: made in a thread, written by the loop. The thread waits for each write, so nothing piles up."""

    def __init__(
        self,
        generation: inference.Generation,
        writer: asyncio.StreamWriter,
        loop: asyncio.AbstractEventLoop,
        *,
        keep: bool,
    ) -> None:
        self.generation = generation
        self.status = 0
        self.is_in_order = False
        self._writer = writer
        self._loop = loop
        self._keep = keep

    def make(self) -> None:
        """Runs in a thread, to the end of the answer or of the client."""
        try:
            prediction = self.generation.start()
            if isinstance(prediction, inference.Refusal):
                self.status = prediction.status
                self._write(_whole(prediction, keep=self._keep))
            elif isinstance(prediction, (dict, list)):
                self.status = 200
                body, content_type = inference.output_fn(prediction)
                self._write(_head(200, content_type, len(body), keep=self._keep) + body)
            else:
                self.status = 200
                self._write(_head(200, inference.STREAM_TYPE, None, keep=self._keep))
                for event in prediction:
                    self._write(b"%x\r\n%b\r\n" % (len(event), event))
                self._write(b"0\r\n\r\n")
            self.is_in_order = True
        except (OSError, asyncio.TimeoutError, futures.TimeoutError, futures.CancelledError):
            pass  # the client is gone
        except Exception as exc:  # noqa: BLE001 -- a thread's outermost line: asyncio would log the text of the error
            inference.report("internal_error", type=type(exc).__name__)
        finally:
            self.generation.stop()

    def _write(self, data: bytes) -> None:
        asyncio.run_coroutine_threadsafe(_written(self._writer, data), self._loop).result(_WRITE_S + 5)


# HTTP


async def _read_request(first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> _Request:
    try:
        head = first + await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _HEAD_S)
    except asyncio.TimeoutError:
        raise _Unreadable(_SLOW) from None
    except asyncio.LimitOverrunError:
        raise _Unreadable(_HEAD_TOO_LONG) from None
    request = _parse(head)
    coding = request.headers.get("transfer-encoding")
    length = request.headers.get("content-length", "0")
    if coding is not None and ("content-length" in request.headers or coding.lower() != "chunked"):
        raise _Unreadable(_NOT_HTTP)
    if not (length.isascii() and length.isdigit() and len(length) < 16):
        raise _Unreadable(_NOT_HTTP)
    if request.method == "POST" and coding is None and "content-length" not in request.headers:
        raise _Unreadable(_NO_LENGTH)
    most = inference.settings(os.environ).max_body_bytes
    too_long = inference.Refusal(413, "body_too_large", f"The request is longer than {most} bytes.")
    if int(length) > most:
        raise _Unreadable(too_long)
    if request.headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    try:
        if coding is None:
            request.body = await asyncio.wait_for(reader.readexactly(int(length)), _BODY_S)
        else:
            request.body = await asyncio.wait_for(_chunked(reader, most, too_long), _BODY_S)
    except asyncio.TimeoutError:
        raise _Unreadable(_SLOW) from None
    return request


def _parse(head: bytes) -> _Request:
    try:
        start, *lines = head.decode("ascii").split("\r\n")[:-2]
        method, target, version = start.split(" ")
    except ValueError:
        raise _Unreadable(_NOT_HTTP) from None
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        lowered = name.lower()
        is_sound = colon and name and not name[0].isspace() and name == name.strip() and "\n" not in line
        if not is_sound or (lowered in headers and lowered in ("content-length", "transfer-encoding")):
            raise _Unreadable(_NOT_HTTP)
        headers[lowered] = value.strip()
    if version not in ("HTTP/1.1", "HTTP/1.0") or "\n" in start:
        raise _Unreadable(_NOT_HTTP)
    if version == "HTTP/1.0":
        headers["connection"] = "close"
    return _Request(method, target.partition("?")[0], headers)


async def _chunked(reader: asyncio.StreamReader, most: int, too_long: inference.Refusal) -> bytes:
    body = bytearray()
    while True:
        try:
            line = await reader.readuntil(b"\r\n")
        except asyncio.LimitOverrunError:
            raise _Unreadable(_NOT_HTTP) from None
        digits = line.strip().partition(b";")[0]
        if not digits or len(digits) > 8 or digits.strip(b"0123456789abcdefABCDEF"):
            raise _Unreadable(_NOT_HTTP)
        size = int(digits, 16)
        if len(body) + size > most:
            raise _Unreadable(too_long)
        if size == 0:
            break
        body += await reader.readexactly(size)
        if await reader.readexactly(2) != b"\r\n":
            raise _Unreadable(_NOT_HTTP)
    if await reader.readexactly(2) != b"\r\n":  # trailers, which nobody needs here
        raise _Unreadable(_NOT_HTTP)
    return bytes(body)


def _head(status: int, content_type: str, length: int | None, *, keep: bool) -> bytes:
    lines = [f"HTTP/1.1 {status} {_PHRASES.get(status, 'Error')}", f"Content-Type: {content_type}"]
    lines.append("Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}")
    lines.append("Cache-Control: no-store")
    if status == 503:
        lines.append("Retry-After: 1")
    if not keep:
        lines.append("Connection: close")
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def _whole(refusal: inference.Refusal | None, *, keep: bool, bare: bool = False) -> bytes:
    """A refusal, or the empty answer that says that all is well."""
    if refusal is None:
        return _head(200, inference.JSON_TYPE, 0, keep=keep)
    body, content_type = inference.output_fn(refusal)
    return _head(refusal.status, content_type, len(body), keep=keep) + (b"" if bare else body)


async def _answer(
    writer: asyncio.StreamWriter, refusal: inference.Refusal | None, *, keep: bool, bare: bool = False
) -> None:
    await _written(writer, _whole(refusal, keep=keep, bare=bare))


async def _written(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await asyncio.wait_for(writer.drain(), _WRITE_S)


# The program


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; 1 if the model does not load."""
    place = _place(arguments)
    try:
        return asyncio.run(_main(place))
    except inference.NotServable as exc:
        inference.report("not_servable", reason=str(exc))
    except OSError as exc:
        inference.report("cannot_listen", host=place.host, port=place.port, errno=exc.errno)
    # A load that hangs in a thread would keep the interpreter from ending.
    os._exit(1)


async def _main(place: Place) -> int:
    until = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, until.set)
    server = Server(place)
    await server.run(until)
    inference.report("stopped")
    if server.model is None:
        os._exit(0)  # stopped while loading: the thread that loads would keep the interpreter from ending
    return 0


def _place(arguments: Sequence[str] | None) -> Place:
    parser = argparse.ArgumentParser(prog="server.py", description=__doc__)
    # Inside its container SageMaker demands every address: TIDEGATE_BIND_HOST=0.0.0.0 in the image or the model's
    # environment. Anywhere else loopback is what a developer wants.
    parser.add_argument("--host", default=os.environ.get("TIDEGATE_BIND_HOST", "127.0.0.1"))
    parser.add_argument("--port", type=int, default=int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080")))
    parser.add_argument("--model-dir", default=os.environ.get("SM_MODEL_DIR", "/opt/ml/model"))
    parser.add_argument("--concurrency", type=int, default=int(os.environ.get("TIDEGATE_CONCURRENCY", "64")))
    parser.add_argument("--drain-s", type=float, default=float(os.environ.get("TIDEGATE_DRAIN_S", "25")))
    chosen = parser.parse_args(arguments)
    return Place(chosen.host, chosen.port, chosen.model_dir, chosen.concurrency, chosen.drain_s)


if __name__ == "__main__":
    sys.exit(main())
