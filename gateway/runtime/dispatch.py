"""One decided request finds its way to a model server: place, encoding, intent, clearance, door, and the next try.

It walks the pools of the decision and nothing else, at most three tries, and none after the first content byte
(resilience.md). Each attempt has its own encoding, its own clearance and, for the cloud, its own intent on disk.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Final

from gateway.core.decision import Allow
from gateway.core.facts import Tenant
from gateway.core.message import Message
from gateway.core.records import Ending, Intent
from gateway.core.topology import Endpoint, Pool, Topology, Zone
from gateway.errors import AuditUnavailable, Overloaded, TidegateError, Unavailable
from gateway.ports import STALE, AuditSink, Clock, UpstreamUnreachable
from gateway.runtime.admission import Admission
from gateway.runtime.call import Call
from gateway.runtime.forward import Forwarder
from gateway.runtime.mint import Mint
from gateway.runtime.relay import Relay
from gateway.wire.encode import encode
from gateway.wire.requests import Request

MAX_TRIES: Final = 3

_MISCONFIGURED: Final = frozenset({401, 403, 404})


class Dispatcher:
    """Sends decided requests of one bundle."""

    def __init__(
        self,
        *,
        topology: Topology,
        zones: Mapping[str, Zone],
        admission: Admission,
        mint: Mint,
        forwarder: Forwarder,
        audit: AuditSink,
        clock: Clock,
        salt_of: Callable[[str], str],
        digest_of: Callable[[Message], str],
        bundle: str,
        epoch: Callable[[], int],
    ) -> None:
        self._pools = {pool.name: pool for pool in topology.pools}
        self._zones = zones
        self._admission = admission
        self._mint = mint
        self._forwarder = forwarder
        self._audit = audit
        self._clock = clock
        self._salt_of = functools.cache(salt_of)
        self._digest_of = digest_of
        self._bundle = bundle
        self._epoch = epoch
        self._turn = 0

    async def dispatch(self, call: Call, relay: Relay, request: Request, tenant: Tenant, allow: Allow) -> None:
        """Relay an answer to `request` from one of the pools of `allow`, or tell the client why there is none."""
        untried = {name: self._rotated(name) for name in allow.pools}
        error: TidegateError | None = None
        tries, fresh = 0, False
        while tries < MAX_TRIES:
            to = tuple(name for name in allow.to if untried[name])
            spill = tuple(name for name in allow.spill if untried[name])
            if not to and not spill:
                break
            began = self._clock.monotonic()
            try:
                place = await self._admission.enter(to, spill, wait_s=allow.queue_s - call.queued_s)
            except (Overloaded, Unavailable):
                # A second turn that does not come: what went wrong in the first is what the caller can act upon.
                if error is None:
                    raise
                break
            finally:
                call.queued_s += self._clock.monotonic() - began
            try:
                pool = self._pools[place.pool]
                endpoint = untried[pool.name][0]
                failed = await self._attempt(call, relay, request, tenant, allow, pool, endpoint, fresh=fresh)
            finally:
                place.leave()
            if failed is None:
                return
            if isinstance(failed, AuditUnavailable):
                error = failed
                untried[pool.name] = ()
                continue
            tries += 1
            if failed.detail == STALE:
                # A kept connection that the server closed as we wrote says nothing about the server: same place
                # again. Whether it has read the request is unknown, so once, and on a connection of its own.
                error, fresh = error or failed, True
                continue
            error = failed
            # A pool that refuses our credential, path or model name refuses them at each of its endpoints; another
            # pool has its own, and may serve (resilience.md: never again on a 4xx, which the request would be).
            is_misconfigured = call.attempts[-1].status in _MISCONFIGURED
            untried[pool.name] = () if is_misconfigured else untried[pool.name][1:]
        relay.give_up(error or Unavailable())

    async def _attempt(
        self,
        call: Call,
        relay: Relay,
        request: Request,
        tenant: Tenant,
        allow: Allow,
        pool: Pool,
        endpoint: Endpoint,
        *,
        fresh: bool,
    ) -> TidegateError | None:
        """Try one endpoint, on a `fresh` connection or any.

        None once the exchange is over; otherwise why the next may be tried.
        """
        zone = self._zones[pool.zone]
        epoch = self._epoch()
        message = encode(request, pool, zone, salt=self._salt_of(tenant.id))
        relay.prepare(request, private=(pool.model, endpoint.name))
        if zone.is_cloud:
            try:
                await self._audit.committed(self._intent(call, tenant, allow, pool, message, epoch))
            except AuditUnavailable as error:
                return error
        clearance = self._mint.clear(allow, message, pool, ceiling=tenant.ceiling, epoch=epoch)
        call.begin_attempt(pool, endpoint, now=self._clock.monotonic())
        try:
            await self._forwarder.send(
                clearance,
                message,
                pool,
                endpoint,
                relay,
                sending=lambda connection: relay.sending(connection, pool.timeouts),
                fresh=fresh,
            )
        except UpstreamUnreachable as exc:
            call.end_attempt(Ending.UPSTREAM_FAILED, None, exc.reason, now=self._clock.monotonic())
            return Unavailable(detail=f"{endpoint.name}: {exc.reason}")
        return await relay.result()

    def _rotated(self, pool: str) -> tuple[Endpoint, ...]:
        # Plain turns; balancing by load and prefix is part E's.
        endpoints = self._pools[pool].endpoints
        self._turn += 1
        start = self._turn % len(endpoints)
        return endpoints[start:] + endpoints[:start]

    def _intent(self, call: Call, tenant: Tenant, allow: Allow, pool: Pool, message: Message, epoch: int) -> Intent:
        return Intent(
            request_id=call.id,
            at=self._clock.wall(),
            tenant=tenant.id,
            pool=pool.name,
            zone=pool.zone,
            label=call.order.name(allow.label),
            route=allow.route,
            bundle=self._bundle,
            epoch=epoch,
            digest=self._digest_of(message),
        )
