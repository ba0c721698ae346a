"""The scripted clients: they ask, leave early, read slowly, and write down every byte that they get."""

import asyncio
import json
import random
from dataclasses import dataclass, field

from tests.simulation.wire import Lane, Transport

# Valid by its checksum, so that whoever reads it knows it for what it is; the token beside it is what is looked for.
RESIDENT_ID = "11010519491231002X"


@dataclass
class Told:
    """One request and what its client got."""

    token: str
    is_secret: bool
    is_streamed: bool
    model: str
    asked_at: float
    raw: bytes = b""
    first_at: float | None = None  # of the answer's body
    ended_at: float | None = None
    left_at: float | None = None
    was_cut: bool = False

    @property
    def status(self) -> int:
        return int(self.raw[9:12]) if self.raw.startswith(b"HTTP/1.1 ") else 0

    @property
    def body(self) -> bytes:
        head, _, rest = self.raw.partition(b"\r\n\r\n")
        if b"transfer-encoding: chunked" not in head:
            return rest
        out = b""
        while rest:
            size, found, rest = rest.partition(b"\r\n")
            if not found or not int(size, 16):
                break
            length = int(size, 16)
            out, rest = out + rest[:length], rest[length + 2 :]
        return out

    @property
    def is_whole(self) -> bool:
        """Whether HTTP says that the answer is all there."""
        head, found, rest = self.raw.partition(b"\r\n\r\n")
        if not found:
            return False
        if b"transfer-encoding: chunked" in head:
            return self.raw.endswith(b"0\r\n\r\n")
        length = next(line.split(b":")[1] for line in head.split(b"\r\n") if line.startswith(b"content-length"))
        return len(rest) == int(length)

    @property
    def retry_after_s(self) -> float | None:
        head = self.raw.partition(b"\r\n\r\n")[0]
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"retry-after:"):
                return float(line.split(b":")[1])
        return None


@dataclass
class Client:
    """One request on one connection. Times are seconds after its start; `takes` bytes a second, None for all."""

    loop: asyncio.AbstractEventLoop
    key: str
    token: str
    is_secret: bool
    is_streamed: bool
    model: str = "chat"
    leaves_after: float | None = None
    takes: float | None = None
    told: Told = field(init=False)

    def request(self) -> bytes:
        text = f"Please answer {self.token}."
        if self.is_secret:
            text += f" The customer's identity number is {RESIDENT_ID}."
        body = json.dumps(
            {"model": self.model, "messages": [{"role": "user", "content": text}], "stream": self.is_streamed}
        ).encode()
        return (
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            b"authorization: Bearer %b\r\ncontent-length: %d\r\n\r\n%b" % (self.key.encode(), len(body), body)
        )

    async def run(self, connect, pair) -> Told:
        """Ask over a connection of `connect(transport)`, and stay until the answer has ended or patience has."""
        self.told = told = Told(self.token, self.is_secret, self.is_streamed, self.model, self.loop.time())
        transport = Transport(self.loop, ("127.0.0.1", 50000), pair=pair)
        over = asyncio.Event()
        queue = bytearray()
        is_full = False
        lane = Lane(self.loop)

        def carry(data: bytes) -> None:
            nonlocal is_full
            if self.takes is None:
                lane.later(take, data)
                return
            queue.extend(data)
            transport.unsent = len(queue)
            if len(queue) > 65536 and not is_full:
                is_full = True
                transport.protocol.pause_writing()

        def take(data: bytes) -> None:
            if told.left_at is not None:
                return
            told.raw += data
            if told.first_at is None and b"\r\n\r\n" in told.raw and told.body:
                told.first_at = self.loop.time()
            if told.is_whole:
                told.ended_at = self.loop.time()
                over.set()

        is_closed = False

        def closed(hard: bool) -> None:
            nonlocal is_closed
            is_closed = True
            if hard or not queue:  # what has been written is still sent before an end that is none of a reset
                lane.later(cut)

        def cut() -> None:
            if told.ended_at is None:
                told.was_cut = True
                told.ended_at = self.loop.time()
            over.set()

        async def sip() -> None:
            nonlocal is_full
            while not over.is_set():
                await asyncio.sleep(0.1)
                piece = bytes(queue[: int(self.takes * 0.1)])
                del queue[: len(piece)]
                transport.unsent = len(queue)
                if piece:
                    take(piece)
                if is_closed and not queue:
                    cut()
                if is_full and len(queue) < 16384:
                    is_full = False
                    transport.protocol.resume_writing()

        transport._carry, transport._closed = carry, closed
        protocol = transport.protocol = connect()
        protocol.connection_made(transport)
        sipping = self.loop.create_task(sip()) if self.takes is not None else None
        transport.arrive(self.request())
        try:
            async with asyncio.timeout(self.leaves_after):
                await over.wait()
        except TimeoutError:
            told.left_at = self.loop.time()
            transport.lose(ConnectionResetError())
        finally:
            if sipping is not None:
                sipping.cancel()
        transport.lose(None)
        await asyncio.sleep(0)
        return told


def token(dice: random.Random) -> str:
    return f"tok-{dice.getrandbits(48):012x}"
