"""The upstream client: pooled HTTP/1.1 connections to one pool's model servers, callbacks instead of futures.

It dials, checks who answered, writes one request at a time and hands the answer to a Receiver as it arrives. What a
response is, is `wire/http1.py`'s; who may be dialled is the caller's (`may_dial`); whether anything may be sent at
all was decided at the door, before `start`. A connection serves again only after a clean end (threats.md I12).
"""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, cast

from gateway.backends.tunnel import through_tunnel
from gateway.core.message import Headers, Message
from gateway.core.topology import Address, Endpoint, Peer, Proxy, address_of
from gateway.ports import STALE, Receiver, UpstreamUnreachable
from gateway.wire.http1 import ResponseInvalid, ResponseReader, request_bytes

IDLE_S: Final = 4.0
"""How long an unused connection is kept: below the 5 s after which uvicorn and llama.cpp close theirs."""

MAX_IDLE: Final = 512
"""Unused connections kept per endpoint; beyond it they are closed when they come back."""


Sign = Callable[[Message, bytes, bytes], Headers]


@dataclass(frozen=True, slots=True)
class Http1Settings:
    """What a pool's connections share. `credential` is the bearer token itself; `ca_file` None means the system's.

    `sign` makes the headers of a server that wants something else than a fixed token, from a message, the host header
    and the path. `proxy` opens a tunnel to every endpoint with TLS; it then is whom we dial.
    """

    credential: bytes | None = None
    ca_file: str | None = None
    sign: Sign | None = None
    proxy: Proxy | None = None

    def __repr__(self) -> str:
        return "Http1Settings(…)"


class Http1Backend:
    """Implements `ports.Backend` for every server that speaks OpenAI's dialect over HTTP/1.1."""

    def __init__(self, settings: Http1Settings) -> None:
        self._settings = settings
        self._idle: dict[Endpoint, list[_Connection]] = {}
        self._open: set[_Connection] = set()
        self._tls: ssl.SSLContext | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def connect(
        self, endpoint: Endpoint, *, timeout_s: float, may_dial: Callable[[Address | None], bool]
    ) -> "_Connection":
        """An idle connection to `endpoint` or a new one; UpstreamUnreachable with a reason that quotes nothing."""
        loop = self._loop = asyncio.get_running_loop()
        idle = self._idle.get(endpoint)
        oldest = loop.time() - IDLE_S
        while idle:
            connection = idle.pop()
            if connection.is_usable and connection.idle_since > oldest:
                connection.is_reused = True
                return connection
            connection.abort()
        try:
            async with asyncio.timeout(timeout_s):
                return await self._dial(loop, endpoint, may_dial)
        except TimeoutError as exc:
            raise UpstreamUnreachable("connect timeout") from exc
        except ssl.SSLError as exc:
            raise UpstreamUnreachable(f"TLS: {type(exc).__name__} {exc.reason or ''}".rstrip()) from exc
        except OSError as exc:
            raise UpstreamUnreachable(f"{type(exc).__name__} {exc.errno or ''}".rstrip()) from exc

    async def close(self) -> None:
        """Close every connection, busy ones included."""
        for connection in tuple(self._open):
            connection.abort()
        self._idle.clear()

    async def _dial(
        self, loop: asyncio.AbstractEventLoop, endpoint: Endpoint, may_dial: Callable[[Address | None], bool]
    ) -> "_Connection":
        def protocol() -> _Connection:
            return _Connection(loop, self, endpoint)

        if endpoint.unix is not None:
            _, connection = await loop.create_unix_connection(protocol, endpoint.unix)
            return connection
        context, name = (self._tls_context(), endpoint.host) if endpoint.is_tls else (None, None)
        proxy = self._settings.proxy
        refused: UpstreamUnreachable | OSError = UpstreamUnreachable("the name has no address inside the zone")
        for address in await _addresses(loop, proxy or endpoint):
            if not may_dial(address_of(address)):
                continue
            try:
                if proxy is not None:
                    return await through_tunnel(loop, protocol(), endpoint, address, proxy.port, context)
                _, connection = await loop.create_connection(
                    protocol, address, endpoint.port, ssl=context, server_hostname=name
                )
            except OSError as exc:
                refused = exc
            else:
                return connection
        raise refused

    def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context(cafile=self._settings.ca_file)
            self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        return self._tls

    # What a connection tells its owner

    def request_for(self, message: Message, endpoint: Endpoint) -> bytes:
        """The bytes of one request to `endpoint`, credential included."""
        host, base_path, sign = _host_header(endpoint), endpoint.base_path.encode(), self._settings.sign
        return request_bytes(
            message,
            host=host,
            base_path=base_path,
            credential=self._settings.credential,
            signature=sign(message, host, base_path + message.target) if sign is not None else (),
        )

    def opened(self, connection: "_Connection") -> None:
        """A connection stands."""
        self._open.add(connection)

    def lost(self, connection: "_Connection") -> None:
        """A connection is gone."""
        self._open.discard(connection)

    def returned(self, connection: "_Connection") -> None:
        """A connection ended its exchange cleanly and may serve again."""
        idle = self._idle.setdefault(connection.endpoint, [])
        if len(idle) < MAX_IDLE:
            idle.append(connection)
        else:
            connection.abort()


class _Connection(asyncio.Protocol):
    """One connection; carries one exchange at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, owner: Http1Backend, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.idle_since = 0.0
        self.is_reused = False
        self._loop = loop
        self._owner = owner
        self._transport: asyncio.Transport | None = None
        self._receiver: Receiver | None = None
        self._reader = ResponseReader()
        self._is_paused = False
        self._peer = Peer()

    @property
    def peer(self) -> Peer:
        """Who is at the other end."""
        return self._peer

    @property
    def is_usable(self) -> bool:
        """Whether a request may be written."""
        return self._transport is not None and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # What create_connection hands to a Protocol; uvloop's is no subclass of asyncio's, so it cannot be asked.
        transport = cast(asyncio.Transport, transport)
        self._transport = transport
        # The context verifies chain and host name, so that a finished handshake is a verified peer.
        verified = transport.get_extra_info("ssl_object") is not None
        name = transport.get_extra_info("peername")
        if self.endpoint.unix is not None:
            self._peer = Peer(is_unix=True)
        elif isinstance(name, tuple):
            self._peer = Peer(address_of(str(name[0])), is_verified_tls=verified)
        self._owner.opened(self)

    def start(self, message: Message, receiver: Receiver) -> None:
        """Write `message`; `receiver` hears the answer."""
        self._receiver = receiver
        self._reader = ResponseReader()
        if self._transport is None or self._transport.is_closing():
            self._loop.call_soon(self._fail, STALE if self.is_reused else "connection lost")
            return
        self._transport.write(self._owner.request_for(message, self.endpoint))

    def data_received(self, data: bytes) -> None:
        receiver = self._receiver
        if receiver is None:
            # Bytes that nobody asked for: whatever they are, they must never meet the next request.
            self.abort()
            return
        reader = self._reader
        had_head = reader.head is not None
        try:
            body = reader.feed(data)
        except ResponseInvalid as exc:
            self._fail(f"invalid response: {exc.reason}")
            return
        if not had_head:
            if reader.head is None:
                return
            receiver.on_head(reader.head.status, reader.head.headers)
        # The receiver may have aborted us in any of these calls; then it hears no more.
        if body and self._receiver is receiver:
            receiver.on_data(body)
        if reader.is_done and self._receiver is receiver:
            self._end(receiver)

    def _end(self, receiver: Receiver) -> None:
        self._receiver = None
        if self._is_paused:
            self.resume()
        if self._reader.may_reuse and self.is_usable:
            self.idle_since = self._loop.time()
            self._owner.returned(self)
        else:
            self.abort()
        receiver.on_end()

    def connection_lost(self, exc: Exception | None) -> None:
        self._owner.lost(self)
        receiver, self._transport = self._receiver, None
        if receiver is None:
            return
        if self._reader.head is None and exc is None and self.is_reused:
            self._fail(STALE)
            return
        if exc is not None:
            reason = STALE if self.is_reused and self._reader.head is None else f"connection lost: {type(exc).__name__}"
            self._fail(reason)
            return
        try:
            self._reader.end_of_file()
        except ResponseInvalid as invalid:
            self._fail(invalid.reason)
            return
        self._receiver = None
        receiver.on_end()

    def _fail(self, reason: str) -> None:
        receiver, self._receiver = self._receiver, None
        if self._transport is not None:
            self._transport.abort()
        if receiver is not None:
            receiver.on_failure(reason)

    def pause(self) -> None:
        """Stop reading: back-pressure."""
        if self._transport is not None and not self._is_paused and not self._transport.is_closing():
            self._is_paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._transport is not None and self._is_paused and not self._transport.is_closing():
            self._is_paused = False
            self._transport.resume_reading()

    def abort(self) -> None:
        """Close now, tell nobody."""
        self._receiver = None
        if self._transport is not None:
            self._transport.abort()


async def _addresses(loop: asyncio.AbstractEventLoop, server: Endpoint | Proxy) -> list[str]:
    try:
        ip_address(server.host)
    except ValueError:
        found = await loop.getaddrinfo(server.host, server.port, type=1)  # 1 is SOCK_STREAM
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))
    return [server.host]


def _host_header(endpoint: Endpoint) -> bytes:
    if endpoint.unix is not None:
        return b"localhost"
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    # As in the address that a browser would show: a signature covers this header, and AWS expects it that way.
    usual = 443 if endpoint.is_tls else 80
    return (host if endpoint.port == usual else f"{host}:{endpoint.port}").encode()
