"""The data plane of one worker: what is served at which path, which connections there are, and how it drains.

Two faces stand on it, `api/openai.py` with sockets of its own and `api/asgi.py` behind another server. Both hand it
whole requests, and it hands them to the pipeline; what a head alone tells against a request is said here, too.
"""

import asyncio
import contextlib
from collections.abc import Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol
from urllib.parse import unquote_to_bytes

from gateway.api.reading import JSON, Reading
from gateway.api.turn_share import TurnShare
from gateway.core.client import Client, TrustedProxies, told_address
from gateway.errors import (
    HeadersTooLarge,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    TidegateError,
    TooLarge,
    Unauthenticated,
    UnsupportedMediaType,
)
from gateway.pipeline import Pipeline
from gateway.ports import Downstream, Inbound
from gateway.runtime.again import Again
from gateway.wire.requests import PATHS

FLUSH_S: Final = 1.0
"""How long the last answers have to leave after a drain has run out of time."""

ARRIVE_S: Final = 5.0
"""How long a connection may take from being accepted to being known here: the handshake of TLS lies in between."""

MODELS: Final = b"/v1/models"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may send: sizes in bytes, times in seconds."""

    body: int = 8 << 20
    head: int = 32 << 10
    receive_s: float = 30.0
    keep_alive_s: float = 75.0


class Connected(Protocol):
    """A client connection as the plane sees it. `since` is when it last began or ended something."""

    since: float

    @property
    def is_idle(self) -> bool: ...
    @property
    def is_receiving(self) -> bool: ...
    def is_stuck(self, now: float) -> bool: ...
    def time_out(self) -> None: ...
    def close(self) -> None: ...
    def cut(self) -> None: ...


class DataPlane:
    """All client connections of one worker."""

    def __init__(
        self,
        pipeline: Pipeline,
        limits: Limits,
        proxies: TrustedProxies | None = None,
        share: TurnShare | None = None,
        again: Again | None = None,
    ) -> None:
        self.pipeline = pipeline
        self.again = again
        """What is known of the bytes of requests, while connections stay open behind their answers."""
        self.proxies = proxies
        self.limits = limits
        self.connections: set[Connected] = set()
        self.is_giving_way = False
        self.is_draining = False
        self._emptied = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._share = share or TurnShare()

    def objection(self, reading: Reading) -> TidegateError | None:
        """What is wrong with a request as far as its head tells; None if its body should be read and served."""
        if reading.head_size > self.limits.head:
            return HeadersTooLarge()
        path = reading.path
        if path not in PATHS:
            if path != MODELS and not path.startswith(MODELS + b"/"):
                return NotFound()
            return None if reading.method == b"GET" else MethodNotAllowed("Use GET for this path.")
        if reading.method != b"POST":
            return MethodNotAllowed("Use POST for this path.")
        if reading.content_type != JSON or reading.content_encoding not in (b"", b"identity"):
            return UnsupportedMediaType()
        if reading.length is not None and reading.length > self.limits.body:
            return self.too_large()
        if reading.is_timeout_wrong:
            return InvalidRequest("`x-tidegate-timeout` must be a number of seconds above 0, such as `30` or `2.5`.")
        if reading.is_large and not self.pipeline.is_known(reading.credential, reading.client):
            return Unauthenticated()
        return None

    def client_of(self, peer: Client, forwarded: bytes, *, is_unix: bool) -> Client:
        """Whose request it is that came over a connection of `peer`, where a proxy may have forwarded it."""
        if self.proxies is None:
            return peer
        return Client(told_address(peer.address, forwarded, self.proxies, is_unix=is_unix), peer.names)

    def peer_of(self, peer: Client, *, is_unix: bool) -> Client:
        """The same as far as it is known of a connection before any request: a proxy may tell another address."""
        if self.proxies is None or not self.proxies.believes(peer.address, is_unix=is_unix):
            return peer
        return Client(None, peer.names)

    def too_large(self) -> TooLarge:
        """The refusal of a body above the limit."""
        return TooLarge(f"The request body is larger than {self.limits.body} bytes, the limit of this gateway.")

    def serve(self, inbound: Inbound, downstream: Downstream, error: TidegateError | None) -> None:
        """Hand one request to the pipeline: now, or in one of the next turns if many begin in this one."""
        if self._share.is_left():
            self._begin(inbound, downstream, error)
        else:
            self._share.put_off(partial(self._take_up, inbound, downstream, error))

    def _take_up(self, inbound: Inbound, downstream: Downstream, error: TidegateError | None) -> None:
        """The turn has come of a request that was put off. Who left before is nobody's request: nothing was read."""
        if not downstream.is_gone:
            try:
                self._begin(inbound, downstream, error)
            except BaseException:
                # Its connection's reader is no longer there to be told.
                downstream.abort()
                raise

    def _begin(self, inbound: Inbound, downstream: Downstream, error: TidegateError | None) -> None:
        if error is not None:
            self.pipeline.refuse(inbound, downstream, error)
        elif inbound.path in PATHS:
            self.pipeline.serve(PATHS[inbound.path], inbound, downstream, self._spawn)
        else:
            self.pipeline.models(inbound, downstream, _model_of(inbound.path))

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """A task for what a request has to wait for; `drain` waits for all of them."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def left(self, connection: Connected) -> None:
        """`connection` is gone."""
        self.connections.discard(connection)
        if not self.connections:
            self._emptied.set()

    def sweep(self, now: float) -> None:
        """Look at every connection's clock; called about once a second, during a drain too."""
        for connection in tuple(self.connections):
            if connection.is_stuck(now):
                connection.cut()
            elif connection.is_receiving and now - connection.since > self.limits.receive_s:
                connection.time_out()
            elif connection.is_idle and now - connection.since > self.limits.keep_alive_s:
                connection.close()

    async def give_way(self, limit_s: float, unless: asyncio.Event) -> None:
        """Another worker serves in this one's place: leave the connections that there are to their clients.

        A client that is just sending its next request must not find its connection closed. So each is answered once
        more, told that this was the last time, and one without a request is closed when it would be anyway (`sweep`).
        Returns when nobody is left, after `limit_s` at most, or once `unless` is set.
        """
        self.is_giving_way, self.again = True, None
        await either(unless, within_s=min(ARRIVE_S, limit_s))
        if self.connections and not unless.is_set():
            self._emptied.clear()
            await either(self._emptied, unless, within_s=limit_s)

    async def drain(self, limit_s: float) -> None:
        """Answer what has begun and let it arrive, for up to `limit_s` seconds; then end the rest with an error event.

        A request still being received belongs to it: it has its own time limit, and `sweep` is still called.
        """
        self.is_draining, self.again = True, None
        for connection in tuple(self.connections):
            connection.close()
        await self._empty(limit_s)
        self._share.begin_all()
        await asyncio.sleep(0)
        self.pipeline.cancel_all()
        await self._empty(FLUSH_S)
        for connection in tuple(self.connections):
            connection.cut()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=FLUSH_S)

    async def _empty(self, limit_s: float) -> None:
        if self.connections:
            self._emptied.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._emptied.wait(), limit_s)


async def either(*events: asyncio.Event, within_s: float | None = None) -> None:
    """Return once one of `events` is set, or `within_s` is over."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


def _model_of(path: bytes) -> str | None:
    if path == MODELS:
        return None
    try:
        return unquote_to_bytes(path[len(MODELS) + 1 :]).decode()
    except UnicodeDecodeError:
        return ""
