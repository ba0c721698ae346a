"""The scripted network: connections in memory, with latency, whose every byte is written down.

A `Wire` knows which script answers at which address. What passes over it, and which names were asked for, is all that
the oracle needs to know of the gateway's doings.
"""

import asyncio
import errno
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

LATENCY_S = 0.0004


class Lane:
    """One direction of a connection: what sets out first arrives first, which timers of the same moment do not keep."""

    def __init__(self, loop) -> None:
        self._loop = loop
        self._last = 0.0

    def later(self, call: Callable, *args) -> None:
        self._last = max(self._loop.time() + LATENCY_S, self._last + 1e-7)
        self._loop.call_at(self._last, call, *args)


class Transport:
    """One end's transport, as far as either protocol of the gateway asks. `_carry` takes what is written."""

    def __init__(self, loop, peername, *, pair: tuple[socket.socket, socket.socket]) -> None:
        self._loop = loop
        self._peername = peername
        self._pair = pair  # quiet for ever: `is_quiet` polls it
        self._carry: Callable[[bytes], None] = lambda data: None
        self._closed: Callable[[bool], None] = lambda hard: None
        self.protocol = None
        self.is_reading = True
        self._is_closing = False
        self._held: list[bytes] = []
        self.unsent = 0

    def get_extra_info(self, name, default=None):
        return {"peername": self._peername, "socket": self._pair[0]}.get(name, default)

    def set_write_buffer_limits(self, high=None, low=None): ...
    def get_write_buffer_size(self):
        return self.unsent

    def is_closing(self):
        return self._is_closing

    def can_write_eof(self):
        return False

    def write(self, data):
        if not self._is_closing:
            self._carry(bytes(data))

    def pause_reading(self):
        self.is_reading = False

    def resume_reading(self):
        self.is_reading = True
        self._loop.call_soon(self._hand_over)

    def _hand_over(self):
        while self._held and self.is_reading and not self._is_closing:
            self.protocol.data_received(self._held.pop(0))

    def close(self):
        self._end(hard=False, exc=None)

    def abort(self):
        self._end(hard=True, exc=None)

    def _end(self, *, hard, exc):
        if self._is_closing:
            return
        self._is_closing = True
        self._closed(hard)
        self._loop.call_soon(self.protocol.connection_lost, exc)

    # The other end's doings

    def arrive(self, data: bytes) -> None:
        if self._is_closing:
            return
        if not self.is_reading or self._held:
            self._held.append(data)
        else:
            self.protocol.data_received(data)

    def lose(self, exc: Exception | None) -> None:
        """The other end closed (None) or reset."""
        if self._is_closing:
            return
        if exc is None and self._held:  # what has arrived is read first
            self._loop.call_later(0.05, self.lose, None)
            return
        if exc is None and self.protocol.eof_received():
            return
        self._is_closing = True
        self._loop.call_soon(self.protocol.connection_lost, exc)


class Peer:
    """The model server's end of one connection, as its script uses it."""

    def __init__(self, wire: "Wire", loop, transport: Transport, address: tuple[str, int]) -> None:
        self.wire = wire
        self.address = address
        self._loop = loop
        self._transport = transport
        self._received = bytearray()
        self._news = asyncio.Event()
        self.is_gone = False
        self.gone_at: float | None = None
        self._to_us, self._to_them = Lane(loop), Lane(loop)
        transport._carry = self._carried
        transport._closed = self._left

    def _carried(self, data: bytes) -> None:
        self.wire.carried.append((self._loop.time(), self.address, data))
        self._to_us.later(self._take, data)

    def _take(self, data: bytes) -> None:
        self._received += data
        self._news.set()

    def _left(self, hard: bool) -> None:
        self.is_gone = True
        self.gone_at = self._loop.time()
        self._to_us.later(self._news.set)

    async def request(self) -> tuple[bytes, bytes] | None:
        """Head and body of the next request; None once the gateway has closed."""
        while True:
            head, found, rest = bytes(self._received).partition(b"\r\n\r\n")
            if found:
                length = next(
                    int(line.split(b":")[1])
                    for line in head.split(b"\r\n")
                    if line.lower().startswith(b"content-length")
                )
                if len(rest) >= length:
                    self._received = bytearray(rest[length:])
                    return head, rest[:length]
            if self.is_gone:
                return None
            self._news.clear()
            await self._news.wait()

    def send(self, data: bytes) -> None:
        self._to_them.later(self._transport.arrive, data)

    def close(self) -> None:
        self._to_them.later(self._transport.lose, None)

    def reset(self) -> None:
        self._to_them.later(self._transport.lose, ConnectionResetError(errno.ECONNRESET, "reset"))

    async def until_gone(self) -> None:
        while not self.is_gone:
            self._news.clear()
            await self._news.wait()


Script = Callable[[Peer], Awaitable[None]]


@dataclass
class Place:
    """One address. `dial` says what befalls who connects: None to get through, the name of a fault, or how many
    seconds it takes."""

    script: Script
    dial: Callable[[], str | float | None] = lambda: None


@dataclass
class Wire:
    """All addresses, and what has passed. A name stands for one address or several."""

    places: dict[tuple[str, int], Place] = field(default_factory=dict)
    names: dict[str, str | tuple[str, ...]] = field(default_factory=dict)
    name_faults: Callable[[str], str | None] = lambda name: None
    carried: list[tuple[float, tuple[str, int], bytes]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    dialled: list[tuple[float, tuple[str, int]]] = field(default_factory=list)
    tasks: set[asyncio.Task] = field(default_factory=set)
    pair: tuple[socket.socket, socket.socket] = field(default_factory=socket.socketpair)

    async def connect(self, loop, protocol_factory, host, port, *, is_tls):
        address = (host, port)
        self.dialled.append((loop.time(), address))
        place = self.places[address]
        await asyncio.sleep(LATENCY_S)
        match place.dial():
            case "refused":
                raise ConnectionRefusedError(errno.ECONNREFUSED, "refused")
            case "black hole":
                await asyncio.sleep(3600)
            case "tls":
                failed = ssl.SSLError(1, "[SSL: CERTIFICATE_VERIFY_FAILED]")
                failed.reason = "CERTIFICATE_VERIFY_FAILED"
                raise failed
            case float(seconds):
                await asyncio.sleep(seconds)
        transport = Transport(loop, (host, port), pair=self.pair)
        protocol = transport.protocol = protocol_factory()
        peer = Peer(self, loop, transport, address)
        protocol.connection_made(transport)
        task = loop.create_task(place.script(peer))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return transport, protocol

    async def look_up(self, loop, host, port):
        self.asked.append(host)
        match self.name_faults(host):
            case "dns":
                await asyncio.sleep(0.01)
                raise socket.gaierror(-3, "Temporary failure in name resolution")
        found = self.names[host]
        return [
            (socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port or 0))
            for address in ((found,) if isinstance(found, str) else found)
        ]

    def close(self) -> None:
        for one in self.pair:
            one.close()
