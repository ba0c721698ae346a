"""The upstream client: pooled HTTP/1.1 connections to one pool's model servers, callbacks instead of futures.

It dials the permitted addresses of a name side by side, checks who answered, writes one request at a time and hands
the answer to a Receiver as it arrives. What a response is, is `wire/http1.py`'s; who may be dialled is the caller's
(`may_dial`); whether anything may be sent at all was decided at the door, before `start`. A connection serves again
only after a clean end (threats.md I12).
"""

import asyncio
import contextlib
import select
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast

from gateway.backends.name_lookup import NameLookup
from gateway.backends.racing import PACE_S, first_connected, in_turns
from gateway.backends.slots import Slots
from gateway.backends.tunnel import through_tunnel
from gateway.core.message import Headers, Message
from gateway.core.topology import Address, ClientCertificate, Endpoint, Peer, Proxy, address_of
from gateway.ports import STALE, Receiver, UpstreamFull, UpstreamUnreachable
from gateway.telemetry import EventLog
from gateway.wire.http1 import ResponseInvalid, ResponseReader, request_bytes, request_start

IDLE_S: Final = 4.0
"""How long an unused connection is kept: below the 5 s after which uvicorn and llama.cpp close theirs."""

MAX_IDLE: Final = 512
"""Unused connections kept per endpoint; beyond it they are closed when they come back."""

MAX_STARTS: Final = 1024
"""Heads of requests kept ready: there are a few for each endpoint."""


log = EventLog(__name__)

Sign = Callable[[Message, bytes, bytes], Headers]


@dataclass(frozen=True, slots=True)
class Http1Settings:
    """What a pool's connections share. `credential` is the bearer token itself; `ca_file` None means the system's.

    `sign` makes the headers of a server that wants something else than a fixed token, from a message, the host header
    and the path. `proxy` opens a tunnel to every endpoint with TLS; it then is whom we dial. `certificate` is what we
    show to endpoints that ask who we are. `max_connections` is how many each endpoint may have; None is no limit.
    """

    credential: bytes | None = None
    ca_file: str | None = None
    sign: Sign | None = None
    proxy: Proxy | None = None
    certificate: ClientCertificate | None = None
    max_connections: int | None = None

    def __repr__(self) -> str:
        return "Http1Settings(…)"


class Http1Backend:
    """Implements `ports.Backend` for every server that speaks OpenAI's dialect over HTTP/1.1."""

    def __init__(self, settings: Http1Settings) -> None:
        self._settings = settings
        # The oldest first.
        self._idle: dict[Endpoint, deque[_Connection]] = {}
        self._open: set[_Connection] = set()
        self._starts: dict[tuple[Endpoint, bytes, bytes, Headers], bytes] = {}
        self._names = NameLookup()
        self._slots = Slots(settings.max_connections)
        self._dialled = 0
        self._tls: ssl.SSLContext | None = None

    @property
    def connections(self) -> tuple[int, int, int]:
        """How many there are and how many of them are idle now, and how many were opened so far."""
        idle = sum(connection.is_usable for connections in self._idle.values() for connection in connections)
        return len(self._open), idle, self._dialled

    def idle(self, endpoint: Endpoint) -> "_Connection | None":
        """An idle connection to `endpoint`: quiet, and younger than what servers close."""
        idle = self._idle.get(endpoint)
        if not idle:
            return None
        while idle:
            connection = idle.pop()
            if connection.may_serve_again():
                connection.is_reused = True
                return connection
            connection.abort()
        return None

    async def connect(
        self,
        endpoint: Endpoint,
        *,
        timeout_s: float,
        may_dial: Callable[[Address | None], bool],
        fresh: bool = False,
    ) -> "_Connection":
        """An idle connection to `endpoint` or a new one; UpstreamUnreachable with a reason that quotes nothing.

        Where the endpoint has as many as it may, one of them is waited for; UpstreamFull if that takes too long.
        """
        if not fresh and (idle := self.idle(endpoint)) is not None:
            return idle
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        has_waited = False
        try:
            async with asyncio.timeout_at(deadline):
                while not self._slots.try_take(endpoint):
                    if fresh:
                        self._close_oldest(endpoint)
                    elif (idle := self.idle(endpoint)) is not None:
                        return idle
                    again, has_waited = has_waited, True
                    await self._slots.news(endpoint, again=again)
                connection = await self._dialled_in_slot(loop, endpoint, may_dial, deadline)
        except TimeoutError as exc:
            if has_waited:
                raise UpstreamFull("all connections that it may have are in use") from exc
            raise UpstreamUnreachable("connect timeout") from exc
        except ssl.SSLError as exc:
            raise UpstreamUnreachable(f"TLS: {type(exc).__name__} {exc.reason or ''}".rstrip()) from exc
        except OSError as exc:
            raise UpstreamUnreachable(f"{type(exc).__name__} {exc.errno or ''}".rstrip()) from exc
        return connection

    async def close(self) -> None:
        """Close every connection, busy ones included."""
        for connection in tuple(self._open):
            connection.abort()
        self._idle.clear()

    def _close_oldest(self, endpoint: Endpoint) -> None:
        """Let an idle connection go for a fresh one: it is told of when it is gone."""
        idle = self._idle.get(endpoint)
        if idle:
            idle.popleft().abort()

    async def _dialled_in_slot(
        self,
        loop: asyncio.AbstractEventLoop,
        endpoint: Endpoint,
        may_dial: Callable[[Address | None], bool],
        deadline: float,
    ) -> "_Connection":
        """A new connection, for which a slot has been taken: it keeps the slot until it is lost."""
        try:
            connection = await self._dial(loop, endpoint, may_dial, deadline)
        except BaseException:
            self._slots.give_back(endpoint)
            raise
        # Not as soon as it stands: uvloop never tells a connection whose dial was cancelled that it is lost.
        if connection.is_usable:
            self._dialled += 1
            self._open.add(connection)
        else:
            self._slots.give_back(endpoint)
        return connection

    async def _dial(
        self,
        loop: asyncio.AbstractEventLoop,
        endpoint: Endpoint,
        may_dial: Callable[[Address | None], bool],
        deadline: float,
    ) -> "_Connection":
        def protocol() -> _Connection:
            return _Connection(loop, self, endpoint)

        if endpoint.unix is not None:
            _, connection = await loop.create_unix_connection(protocol, endpoint.unix)
            return connection
        context, name = (self._tls_context(), endpoint.host) if endpoint.is_tls else (None, None)
        proxy = self._settings.proxy
        if endpoint.address is not None and proxy is None:
            found: tuple[str, ...] = (endpoint.address,)
        else:
            found = await self._names.addresses((proxy or endpoint).host)
        permitted = [address for address in found if may_dial(address_of(address))]
        if not permitted:
            raise UpstreamUnreachable("the name has no address inside the zone")

        async def dial(address: str) -> _Connection:
            if proxy is not None:
                return await through_tunnel(loop, protocol(), endpoint, address, proxy.port, context)
            _, connection = await loop.create_connection(
                protocol, address, endpoint.port, ssl=context, server_hostname=name
            )
            return connection

        # However little time there is, each has its turn.
        pace_s = min(PACE_S, (deadline - loop.time()) / (2 * len(permitted)))
        return await first_connected(in_turns(permitted), dial, pace_s=pace_s, discard=_Connection.abort)

    def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = _client_context(self._settings.ca_file, self._settings.certificate)
        return self._tls

    # What a connection tells its owner

    def request_for(self, message: Message, endpoint: Endpoint) -> bytes:
        """The bytes of one request to `endpoint`, credential included."""
        if self._settings.sign is not None:
            return request_bytes(self._start_of(message, endpoint), message.body)
        # Methods, targets and headers are the encoder's own few, so that there are few of these.
        kind = endpoint, message.method, message.target, message.headers
        start = self._starts.get(kind)
        if start is None:
            if len(self._starts) >= MAX_STARTS:
                # Names come to stand for other addresses: what is no longer asked must not stay for ever.
                self._starts.clear()
            start = self._starts[kind] = self._start_of(message, endpoint)
        return request_bytes(start, message.body)

    def _start_of(self, message: Message, endpoint: Endpoint) -> bytes:
        host, base_path, sign = _host_header(endpoint), endpoint.base_path.encode(), self._settings.sign
        return request_start(
            message,
            host=host,
            base_path=base_path,
            credential=self._settings.credential,
            signature=sign(message, host, base_path + message.target) if sign is not None else (),
        )

    def lost(self, connection: "_Connection") -> None:
        """A connection is gone; one that was idle leaves nothing behind, nor does the endpoint whose last it was."""
        if connection in self._open:
            self._open.discard(connection)
            self._slots.give_back(connection.endpoint)
        idle = self._idle.get(connection.endpoint)
        if idle is not None and not connection.is_busy:
            with contextlib.suppress(ValueError):
                idle.remove(connection)
            if not idle:
                del self._idle[connection.endpoint]

    def returned(self, connection: "_Connection") -> None:
        """A connection ended its exchange cleanly and may serve again."""
        idle = self._idle.setdefault(connection.endpoint, deque())
        # The last to come back is the first to serve again, so that those below it may never be taken.
        while idle and idle[0].idle_since <= connection.idle_since - IDLE_S:
            idle.popleft().abort()
        if len(idle) < MAX_IDLE:
            idle.append(connection)
            if self._slots.waiting:
                self._slots.tell(connection.endpoint)
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
        self.peer = Peer()
        """Who is at the other end; only `connection_made` says so."""

        self._poll: select.poll | None = None
        self._quiet: list[tuple[int, int]] = []

    @property
    def is_busy(self) -> bool:
        """Whether an exchange is under way."""
        return self._receiver is not None

    @property
    def is_usable(self) -> bool:
        """Whether a request may be written."""
        return self._transport is not None and not self._transport.is_closing()

    def may_serve_again(self) -> bool:
        """Whether another request may be written to a connection that is idle: it is open, younger than what servers
        close, and quiet.

        The socket holds nothing to read and takes what we write, asked of the system without waiting. While the loop
        was busy, bytes may have come that no callback has seen yet; the next request would take them for its answer. A
        socket that is full still has the last request to get rid of.
        """
        transport, poll = self._transport, self._poll
        if transport is None or poll is None or transport.is_closing():
            return False
        return self.idle_since > self._loop.time() - IDLE_S and poll.poll(0) == self._quiet

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # What create_connection hands to a Protocol; uvloop's is no subclass of asyncio's, so it cannot be asked.
        transport = cast(asyncio.Transport, transport)
        self._transport = transport
        self._poll = select.poll()
        number = transport.get_extra_info("socket").fileno()
        self._poll.register(number, select.POLLIN | select.POLLOUT)
        self._quiet = [(number, select.POLLOUT)]
        # The context verifies chain and host name, so that a finished handshake is a verified peer.
        verified = transport.get_extra_info("ssl_object") is not None
        name = transport.get_extra_info("peername")
        if self.endpoint.unix is not None:
            self.peer = Peer(is_unix=True)
        elif isinstance(name, tuple):
            self.peer = Peer(address_of(str(name[0])), is_verified_tls=verified)

    def start(self, message: Message, receiver: Receiver) -> None:
        """Write `message`; `receiver` hears the answer."""
        self._receiver = receiver
        self._reader = ResponseReader(self._reader.known)
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
        try:
            had_head = reader.head is not None
            body = reader.feed(data)
            if not had_head:
                head = reader.head
                if head is None:
                    return
                receiver.on_head(head.status, head.headers)
            # The receiver may have aborted us in any of these calls; then it hears no more.
            if body and self._receiver is receiver:
                receiver.on_data(body)
            if reader.is_done and self._receiver is receiver:
                self._end(receiver)
        except ResponseInvalid as exc:
            self._fail(f"invalid response: {exc.reason}")
        except Exception as exc:  # noqa: BLE001 -- whatever went wrong in the receiver, it must still hear of an end
            self._broken(receiver, exc)

    def _end(self, receiver: Receiver) -> None:
        self._receiver = None
        if self._is_paused:
            self.resume()
        # Bytes that are still to be sent belong to this request: the next would wait behind them.
        transport = self._transport
        if (
            self._reader.may_reuse
            and transport is not None
            and not transport.is_closing()
            and not transport.get_write_buffer_size()
        ):
            self.idle_since = self._loop.time()
            self._owner.returned(self)
        else:
            self.abort()
        receiver.on_end()

    def _broken(self, receiver: Receiver, exc: Exception) -> None:
        """A receiver's own fault. It is told, once, since whoever waits for it would wait for ever."""
        self.abort()
        log.crash("receiver_failed", exc)
        receiver.on_failure(f"fault in the receiver: {type(exc).__name__}")

    def connection_lost(self, exc: Exception | None) -> None:
        self._owner.lost(self)
        receiver, self._transport = self._receiver, None
        if receiver is None:
            return
        if self.is_reused and not self._reader.has_begun:
            self._fail(STALE)
            return
        if exc is not None:
            self._fail(f"connection lost: {type(exc).__name__}")
            return
        try:
            self._reader.end_of_file()
        except ResponseInvalid as invalid:
            self._fail(invalid.reason)
            return
        self._receiver = None
        try:
            receiver.on_end()
        except Exception as fault:  # noqa: BLE001 -- as in data_received
            self._broken(receiver, fault)

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


def _client_context(ca_file: str | None, certificate: ClientCertificate | None) -> ssl.SSLContext:
    # Not ssl.create_default_context: that writes every connection's secrets to the file that SSLKEYLOGFILE names.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    else:
        context.load_verify_locations(cafile=ca_file)
    if certificate is not None:
        # With a password, if an empty one: without, OpenSSL would ask for an encrypted key's on the terminal.
        context.load_cert_chain(certificate.chain, certificate.key, password="")
    return context


def _host_header(endpoint: Endpoint) -> bytes:
    if endpoint.unix is not None:
        return b"localhost"
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    # As in the address that a browser would show: a signature covers this header, and AWS expects it that way.
    usual = 443 if endpoint.is_tls else 80
    return (host if endpoint.port == usual else f"{host}:{endpoint.port}").encode()
