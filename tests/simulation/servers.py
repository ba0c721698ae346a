"""The scripted model servers: they answer with what only they could say, and fail in the ways of resilience.md.

An answer holds the token of the request that it answers, so that whose answer somebody got can be seen from its bytes.
"""

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.simulation.wire import Peer

TOKEN = re.compile(rb"tok-[0-9a-f]{12}")

DIAL_FAULTS = ("refused", "black hole", "tls", "dns")
ANSWER_FAULTS = (
    "slow first byte",
    "silence",
    "stall",
    "clean end",
    "truncated chunk",
    "bad chunk size",
    "invalid json",
    "html",
    "429",
    "503",
    "500",
    "429 for long",
    "reset before",
    "reset after",
    "long line",
    "error event",
    "done without finish",
    "two answers",
    "endless 1xx",
    "wrong length",
)
FAULTS = DIAL_FAULTS + ANSWER_FAULTS


def answer_to(token: str) -> str:
    return f"answer-to-{token}"


@dataclass
class Served:
    """What a server did with one request."""

    at: float
    address: tuple[str, int]
    token: str
    fault: str | None
    is_complete: bool = False
    began: bool = False


@dataclass
class Server:
    """One endpoint. `fault` gives the fault of this moment; `speed` the seconds from one event to the next."""

    loop: asyncio.AbstractEventLoop
    fault: Callable[[], str | None]
    first_s: float = 0.02
    between_s: float = 0.01
    events: int = 6
    most: int = 1 << 30  # at once: beyond it the server queues, as engines do
    served: list[Served] = field(default_factory=list)
    running: int = 0
    _turn: asyncio.Condition | None = None

    def dial(self) -> str | None:
        fault = self.fault()
        return fault if fault in DIAL_FAULTS else None

    async def script(self, peer: Peer) -> None:
        if self._turn is None:
            self._turn = asyncio.Condition()
        while (request := await peer.request()) is not None:
            _, body = request
            found = TOKEN.search(body)
            token = found[0].decode() if found else ""
            record = Served(self.loop.time(), peer.address, token, self.fault())
            self.served.append(record)
            async with self._turn:
                await self._turn.wait_for(lambda: self.running < self.most)
                self.running += 1
            try:
                if not await self._answer(peer, json.loads(body), record):
                    return
            finally:
                async with self._turn:
                    self.running -= 1
                    self._turn.notify()

    async def _pause(self, peer: Peer, seconds: float) -> bool:
        """Compute for `seconds`; False if the gateway has closed meanwhile, as an engine that aborts would notice."""
        try:
            async with asyncio.timeout(seconds):
                await peer.until_gone()
        except TimeoutError:
            return True
        return False

    async def _answer(self, peer: Peer, asked: dict, record: Served) -> bool:
        fault = record.fault if record.fault in ANSWER_FAULTS else None
        if fault == "silence":
            await peer.until_gone()
            return False
        if not await self._pause(peer, 8.0 if fault == "slow first byte" else self.first_s):
            return False
        if fault in ("429", "503", "500", "429 for long", "html", "reset before", "endless 1xx"):
            return await self._refuse(peer, fault)
        if asked.get("stream"):
            return await self._stream(peer, record, fault, wants_usage=bool(asked.get("stream_options")))
        return await self._whole(peer, record, fault)

    async def _refuse(self, peer: Peer, fault: str) -> bool:
        match fault:
            case "html":
                self._send(peer, 200, b"<html><body>Welcome to nginx!</body></html>", b"content-type: text/html")
            case "429":
                self._send(peer, 429, b'{"error":{"message":"busy"}}', b"retry-after: 1")
            case "429 for long":
                self._send(peer, 429, b'{"error":{"message":"busy"}}', b"retry-after: 120")
            case "503":
                self._send(peer, 503, b'{"detail":"loading"}', b"retry-after: 2")
            case "500":
                self._send(peer, 500, b'{"error":"boom"}')
            case "reset before":
                peer.reset()
                return False
            case "endless 1xx":
                for _ in range(2000):
                    if peer.is_gone:
                        return False
                    peer.send(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n")
                    await asyncio.sleep(0.001)
                return False
        return True

    def _send(self, peer: Peer, status: int, body: bytes, *headers: bytes) -> None:
        lines = [b"HTTP/1.1 %d X" % status, b"content-length: %d" % len(body), *headers]
        if not any(line.startswith(b"content-type") for line in headers):
            lines.append(b"content-type: application/json")
        peer.send(b"\r\n".join(lines) + b"\r\n\r\n" + body)

    async def _whole(self, peer: Peer, record: Served, fault: str | None) -> bool:
        if not await self._pause(peer, self.between_s * self.events):
            return False
        message = {"role": "assistant", "content": answer_to(record.token)}
        body = json.dumps(
            {
                "id": "x",
                "object": "chat.completion",
                "created": 1,
                "model": "m",
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
            }
        ).encode()
        match fault:
            case "invalid json":
                self._send(peer, 200, body[:-9])
                return True
            case "stall":
                peer.send(
                    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
                )
                peer.send(body[:40])
                await peer.until_gone()
                return False
            case "clean end" | "wrong length" | "truncated chunk":
                peer.send(
                    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % (len(body) + 9)
                )
                peer.send(body)
                peer.close()
                return False
            case "bad chunk size":
                peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n" + body)
                return False
            case "reset after":
                peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n" + body[:40])
                peer.reset()
                return False
            case "two answers":
                record.is_complete = True
                self._send(peer, 200, body)
                self._send(peer, 200, body.replace(record.token.encode(), b"tok-000000000000"))
                return True
        record.is_complete = True
        self._send(peer, 200, body)
        return True

    async def _stream(self, peer: Peer, record: Served, fault: str | None, *, wants_usage: bool) -> bool:
        def event(data: bytes) -> None:
            line = b"data: " + data + b"\n\n"
            peer.send(b"%x\r\n%b\r\n" % (len(line), line))

        def delta(content: str | None, finish: str | None = None) -> bytes:
            choice = {"index": 0, "delta": {"content": content} if content else {}, "finish_reason": finish}
            return json.dumps(
                {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
            ).encode()

        peer.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        if fault == "invalid json":
            event(b"{not json")
        if fault == "long line":
            peer.send(b"200000\r\ndata: " + b"x" * 0x200000 + b"\r\n")
            await peer.until_gone()
            return False
        for number in range(self.events):
            if not await self._pause(peer, self.between_s):
                return False
            record.began = True
            event(delta(answer_to(record.token) + " " if number == 0 else f"word{number} "))
            if number != self.events // 2:
                continue
            match fault:
                case "stall":
                    await peer.until_gone()
                    return False
                case "clean end":
                    peer.send(b"0\r\n\r\n")
                    return True
                case "truncated chunk" | "wrong length":
                    peer.send(b"400\r\ndata: {")
                    peer.close()
                    return False
                case "bad chunk size":
                    peer.send(b"-1\r\n")
                    return False
                case "reset after":
                    peer.reset()
                    return False
                case "error event":
                    event(b'{"error":{"message":"EngineDeadError","type":"InternalServerError","code":500}}')
                    event(b"[DONE]")
                    peer.send(b"0\r\n\r\n")
                    return True
        if fault != "done without finish":
            event(delta(None, "stop"))
        if wants_usage:
            event(
                json.dumps(
                    {
                        "id": "x",
                        "object": "chat.completion.chunk",
                        "created": 1,
                        "model": "m",
                        "choices": [],
                        "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
                    }
                ).encode()
            )
        record.is_complete = fault not in ("done without finish", "invalid json")
        event(b"[DONE]")
        peer.send(b"0\r\n\r\n")
        if fault == "two answers":
            self._send(peer, 200, answer_to("tok-000000000000").encode())
        return True
