"""Copies of requests for a pool that is being tried out: sent like any other request, and answered to nobody.

A copy is decided, encoded, put on record, cleared and sent by the same dispatcher and through the same door as the
request itself, under a decision that lists its pool alone. It gets a place only in a pool that has half of its places
free, is tried once, gives way to whoever waits, and ends with the worker; its client does not know of it, and its
tokens are nobody's usage.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Final, Protocol

from gateway.core import measures
from gateway.core.decision import Allow
from gateway.core.exchange import Exchange, Patience
from gateway.core.facts import Tenant
from gateway.core.message import Headers
from gateway.core.prices import UNPRICED
from gateway.core.records import Ending, Mirrored
from gateway.core.topology import Topology
from gateway.errors import AuditUnavailable, TidegateError
from gateway.ports import AuditSink, Clock
from gateway.runtime.admission import Admission
from gateway.runtime.call import Call, Ids
from gateway.runtime.instruments import Reading
from gateway.runtime.relay import Relay
from gateway.telemetry import EventLog
from gateway.wire.requests import Request

MOST: Final = 32
"""Copies that one worker has under way."""
LONGEST_S: Final = 120.0
"""How long a copy may take: whoever tries out a pool learns no more from one that takes longer."""
DROPPED: Final = "dropped"
"""What is counted instead of an ending where no copy was made."""

log = EventLog(__name__)


class Send(Protocol):
    """`Dispatcher.dispatch`, as far as copies need it."""

    def __call__(
        self,
        call: Call,
        relay: Relay,
        request: Request,
        tenant: Tenant,
        allow: Allow,
        *,
        later: Callable[[Callable[[], Coroutine[None, None, None]]], None],
        is_copy: bool,
    ) -> None: ...


class Nobody:
    """The client of a copy: takes everything, and never leaves. Implements `ports.Downstream`."""

    is_gone: Final = False

    def start(self, status: int, headers: Headers, *, length: int | None) -> None:
        """The answer begins."""

    def write(self, data: bytes) -> None:
        """Part of it."""

    def finish(self) -> None:
        """It is complete."""

    def abort(self) -> None:
        """It is not."""

    def watch(self, on_gone: Callable[[], None], on_full: Callable[[], None], on_drained: Callable[[], None]) -> None:
        """Nothing to watch."""


class Mirrors:
    """One worker's copies. None is made before `run` runs, and none is left when it returns. `draw` gives numbers from
    0 to below 1. A copy is made, and put on record, under what its request was decided by."""

    def __init__(
        self,
        topology: Topology,
        admission: Admission,
        audit: AuditSink,
        clock: Clock,
        draw: Callable[[], float],
    ) -> None:
        self._zones = {pool.name: pool.zone for pool in topology.pools}
        self._admission = admission
        self._audit = audit
        self._clock = clock
        self._draw = draw
        self._ids = Ids()
        self._patience = Patience()
        self._group: asyncio.TaskGroup | None = None
        self._live: dict[Call, Relay] = {}
        self._ended: dict[tuple[str, str], int] = {}

    @property
    def under_way(self) -> int:
        """How many copies are under way."""
        return len(self._live)

    async def run(self, stop: asyncio.Event) -> None:
        """Make copies until `stop`; what is then under way is broken off and put on record."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                await stop.wait()
            finally:
                self._group = None
            for relay in tuple(self._live.values()):
                relay.cancel()

    def tick(self) -> None:
        """Look at the clock, and give way to those who wait for a place; called a few times a second."""
        now = self._clock.monotonic()
        for call, relay in tuple(self._live.items()):
            if call.pool is not None and self._admission.is_awaited(call.pool):
                relay.cancel()
            else:
                relay.tick(now)

    def offer(self, send: Send, call: Call, request: Request, tenant: Tenant, allow: Allow) -> None:
        """Send a copy of `request`, which `call` is about, if it is one of the mirror's share and the pool has room."""
        mirror, group = allow.mirror, self._group
        if mirror is None or group is None or mirror.percent <= self._draw() * 100:
            return
        copied = allow.copied()
        if len(self._live) >= MOST or not self._has_room(mirror.pool, tenant, copied) or not self._is_on_record():
            self._count(mirror.pool, DROPPED)
            return
        now = self._clock.monotonic()
        copy = Call(self._ids.new(), call.inbound, path=call.path, order=call.order, generation=call.generation)
        copy.epoch, copy.planted = call.epoch, call.planted
        copy.tenant, copy.key_id, copy.request, copy.decision = tenant, call.key_id, request, copied
        exchange = Exchange(streamed=request.streamed, now=now, patience=self._patience)
        # As a client's own time: that it was too short says nothing of the server, which others are served by.
        exchange.limit(LONGEST_S)
        settled = partial(self._settle, copy, call.id, copied, tenant, now)
        relay = self._live[copy] = Relay(copy, Nobody(), exchange, clock=self._clock, settled=settled)
        later = partial(self._later, copy, relay, group)

        async def begin() -> None:
            send(copy, relay, request, tenant, copied, later=later, is_copy=True)

        later(begin)

    def readings(self) -> Iterator[Reading]:
        """How copies ended so far."""
        for (pool, ending), count in self._ended.items():
            yield measures.MIRRORED, (self._zones[pool], pool, ending), count

    # Inside

    def _has_room(self, pool: str, tenant: Tenant, copied: Allow) -> bool:
        asker = self._admission.asker(tenant, copied)
        # A copy leaves as spill leaves: not where operations keep it from leaving.
        begun = sum(1 for call in self._live if call.pool is None)
        return self._admission.is_quiet(pool, beside=begun) and self._admission.takes(pool, asker)

    def _is_on_record(self) -> bool:
        try:
            self._audit.reserve()
        except AuditUnavailable:
            return False
        return True

    def _later(
        self,
        call: Call,
        relay: Relay,
        group: asyncio.TaskGroup,
        work: Callable[[], Coroutine[None, None, None]],
    ) -> None:
        relay.runs_in(group.create_task(self._guarded(call, relay, work)))

    async def _guarded(self, call: Call, relay: Relay, work: Callable[[], Coroutine[None, None, None]]) -> None:
        try:
            await work()
        except asyncio.CancelledError:
            if not relay.exchange.is_over:
                relay.cancel()
                raise
        except TidegateError as error:
            relay.give_up(error, ending=Ending.REFUSED)
        except Exception as exc:  # noqa: BLE001 -- whatever goes wrong with a copy, nobody else hears of it
            log.crash("mirror_failed", exc, request_id=call.id)
            relay.abandon(TidegateError(detail=type(exc).__name__))

    def _settle(
        self,
        call: Call,
        copy_of: str,
        allow: Allow,
        tenant: Tenant,
        began: float,
        ending: Ending,
        error: TidegateError | None,
    ) -> None:
        self._live.pop(call, None)
        prices = call.generation.bundle.prices if call.generation is not None else UNPRICED
        call.reckon(ending)
        self._count(allow.to[0], str(ending))
        self._audit.record(
            Mirrored(
                request_id=call.id,
                copy_of=copy_of,
                at=self._clock.wall(),
                ms=round((self._clock.monotonic() - began) * 1000, 3),
                tenant=tenant.id,
                label=call.order.name(allow.label),
                route=allow.route,
                pool=allow.to[0],
                ending=ending,
                bundle=call.bundle,
                epoch=call.epoch,
                attempts=tuple(call.attempts),
                usage=call.usage,
                error=error.error_code if error is not None else None,
                cost_micros=call.cost(prices),
                canary=call.planted is not None,
            )
        )

    def _count(self, pool: str, ending: str) -> None:
        self._ended[pool, ending] = self._ended.get((pool, ending), 0) + 1
