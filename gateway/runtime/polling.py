"""Asks model servers how they are, between requests: health, load, and what a pool's name stands for at the moment.

It sends fixed `GET` requests without a body, so that nothing of anybody's can leave by it, and only to connections that
the pool's zone admits, as the door does. What the answers mean is `runtime/endpoints.py`'s.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from gateway.core.burst import pressure_of_server
from gateway.core.message import Headers, Message
from gateway.core.topology import Endpoint, Pool, Zone, address_of
from gateway.ports import STALE, Backend, UpstreamConnection, UpstreamFull, UpstreamUnreachable
from gateway.runtime.endpoints import Endpoints
from gateway.telemetry import EventLog
from gateway.wire import metrics_text

MAX_PAGE: Final = 1 << 20
TIMEOUT_S: Final = 2.0
RESOLVE_EVERY_S: Final = 5.0
JITTER: Final = 0.2

_HEADERS: Final[Headers] = ((b"accept", b"*/*"),)

log = EventLog(__name__)

Resolve = Callable[[str], Awaitable[Sequence[str]]]
"""The addresses of a host name; OSError if there are none."""


class Poller:
    """Keeps an eye on the endpoints of one pool. `press` is told of a pool how much its servers have to do; `chance`
    gives numbers from 0 to below 1."""

    def __init__(
        self,
        pool: Pool,
        zone: Zone,
        backend: Backend,
        endpoints: Endpoints,
        *,
        resolve: Resolve,
        press: Callable[[str, float], None],
        chance: Callable[[], float],
    ) -> None:
        self._pool = pool
        self._zone = zone
        self._backend = backend
        self._endpoints = endpoints
        self._resolve = resolve
        self._press = press
        self._chance = chance
        # Of an endpoint that does not know the page it is asked for, no more is asked.
        self._has_no_health: set[Endpoint] = set()
        self._metrics_missed: dict[Endpoint, int] = {}

    async def prepare(self) -> None:
        """What must be known before anybody is served: a pool that goes by a name has no endpoint until then."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TIMEOUT_S):
                await self.resolve()

    async def run(self, stop: asyncio.Event) -> None:
        """Ask until `stop`."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._until(stop, self.poll, self._pool.polling.every_s))
            if self._pool.dns is not None:
                group.create_task(self._until(stop, self.resolve, RESOLVE_EVERY_S))

    async def _until(self, stop: asyncio.Event, act: Callable[[], Awaitable[None]], every_s: float) -> None:
        while not stop.is_set():
            # Jitter, since several workers and gateways are not to ask all at once.
            wait_s = every_s * (1 + JITTER * (2 * self._chance() - 1))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await stop.wait()
                    return
            await act()

    async def resolve(self) -> None:
        """Look up what the pool's name stands for."""
        template = self._pool.dns
        if template is None:
            return
        try:
            found = await self._resolve(template.host)
        except OSError as exc:
            log.warning("name_not_resolved", pool=self._pool.name, error=type(exc).__name__, errno=exc.errno)
            return
        inside = [text for text in found if self._zone.holds(address_of(text))]
        if len(inside) < len(found):
            log.warning("addresses_outside_zone", pool=self._pool.name, count=len(found) - len(inside))
        self._endpoints.resolved(self._pool.name, [_at(template, text) for text in inside])

    async def poll(self) -> None:
        """Ask every endpoint once, all at the same time."""
        endpoints = self._endpoints.endpoints_of(self._pool.name)
        self._has_no_health.intersection_update(endpoints)
        for gone in self._metrics_missed.keys() - set(endpoints):
            del self._metrics_missed[gone]
        async with asyncio.TaskGroup() as group:
            for endpoint in endpoints:
                group.create_task(self._ask(endpoint))
        if self._pool.polling.metrics is not None:
            load = self._endpoints.server_load(self._pool.name)
            pressure = pressure_of_server(load.running, load.waiting, load.cache_share) if load is not None else 0.0
            self._press(self._pool.name, pressure)

    async def _ask(self, endpoint: Endpoint) -> None:
        polling, pool = self._pool.polling, self._pool.name
        # Where requests have all the connections that there may be, nothing is learned, which says nothing.
        with contextlib.suppress(UpstreamFull):
            if polling.health is not None and endpoint not in self._has_no_health:
                await self._ask_health(endpoint, polling.health)
            elif self._endpoints.is_doubted(pool, endpoint):
                await self._knock(endpoint)
            if polling.metrics is not None:
                await self._ask_metrics(endpoint, polling.metrics)

    async def _ask_health(self, endpoint: Endpoint, path: str) -> None:
        answer = await self._get(endpoint, path)
        if isinstance(answer, str):
            self._endpoints.was_unwell(self._pool.name, endpoint, answer)
        elif answer.status in (404, 405, 501):
            self._has_no_health.add(endpoint)
            log.warning("endpoint_has_no_health", pool=self._pool.name, endpoint=endpoint.name, status=answer.status)
            self._endpoints.was_well(self._pool.name, endpoint)
        elif answer.status in (401, 403) or answer.status < 400:
            self._endpoints.was_well(self._pool.name, endpoint)
        else:
            self._endpoints.was_unwell(self._pool.name, endpoint, f"status {answer.status}")

    async def _knock(self, endpoint: Endpoint) -> None:
        """Whether it takes connections again, of one that nothing better can be asked: connect, and say nothing."""
        try:
            connection = await self._connected(endpoint, fresh=True)
        except UpstreamFull:
            raise
        except UpstreamUnreachable as exc:
            self._endpoints.was_unwell(self._pool.name, endpoint, exc.reason)
            return
        connection.abort()
        self._endpoints.was_well(self._pool.name, endpoint)

    async def _ask_metrics(self, endpoint: Endpoint, path: str) -> None:
        answer = await self._get(endpoint, path)
        load = metrics_text.read(answer.body) if not isinstance(answer, str) and answer.status == 200 else None
        if load is not None:
            self._metrics_missed.pop(endpoint, None)
            self._endpoints.said(self._pool.name, endpoint, load)
            return
        missed = self._metrics_missed[endpoint] = self._metrics_missed.get(endpoint, 0) + 1
        if missed == 2:
            # What it said last is too old to be believed.
            self._endpoints.said(self._pool.name, endpoint, None)

    async def _connected(self, endpoint: Endpoint, *, fresh: bool) -> UpstreamConnection:
        connection = await self._backend.connect(
            endpoint, timeout_s=min(self._pool.timeouts.connect_s, TIMEOUT_S), may_dial=self._zone.holds, fresh=fresh
        )
        if not self._zone.admits(connection.peer):
            connection.abort()
            raise UpstreamUnreachable("the peer is outside the zone")
        return connection

    async def _get(self, endpoint: Endpoint, path: str) -> "_Page | str":
        """The page at `path`, or why there is none."""
        answer = await self._get_over(endpoint, path, fresh=False)
        # A kept connection that the server closed says nothing about the server.
        return await self._get_over(endpoint, path, fresh=True) if answer == STALE else answer

    async def _get_over(self, endpoint: Endpoint, path: str, *, fresh: bool) -> "_Page | str":
        reading = _Reading()
        try:
            connection = await self._connected(endpoint, fresh=fresh)
        except UpstreamFull:
            raise
        except UpstreamUnreachable as exc:
            return exc.reason
        try:
            connection.start(Message(b"GET", path.encode(), _HEADERS, b""), reading)
            async with asyncio.timeout(TIMEOUT_S):
                return await reading.page
        except TimeoutError:
            return "no answer in time"
        finally:
            if not reading.is_whole:
                connection.abort()


class _Page(msgspec.Struct, frozen=True):
    status: int
    body: bytes


class _Reading:
    """`ports.Receiver` for one small page."""

    def __init__(self) -> None:
        self.page: asyncio.Future[_Page | str] = asyncio.get_running_loop().create_future()
        # Whether the connection has gone back to its pool.
        self.is_whole = False
        self._status = 0
        self._parts: list[bytes] = []
        self._size = 0

    def on_head(self, status: int, headers: Headers) -> None:  # noqa: ARG002 -- the port's signature
        self._status = status

    def on_data(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > MAX_PAGE:
            self._done("page too large")
        else:
            self._parts.append(data)

    def on_end(self) -> None:
        self.is_whole = True
        self._done(_Page(self._status, b"".join(self._parts)))

    def on_failure(self, reason: str) -> None:
        self._done(reason)

    def _done(self, result: "_Page | str") -> None:
        if not self.page.done():
            self.page.set_result(result)


def _at(template: Endpoint, address: str) -> Endpoint:
    shown = f"[{address}]" if ":" in address else address
    return msgspec.structs.replace(template, name=f"{shown}:{template.port}{template.base_path}", address=address)
