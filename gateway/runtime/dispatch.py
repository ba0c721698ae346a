"""One decided request finds its way to a model server: place, encoding, intent, clearance, door, and the next try.

It walks the pools of the decision and nothing else, at most three tries, and none after the first content byte
(resilience.md). Each attempt has its own encoding, its own clearance and, for the cloud or where the policy asks for
it, its own intent on disk. Where a full scan could open more, and the request would otherwise leave first, wait, or
have nowhere left to go, it is decided a second time before that; `full_scan.py` says what is then true.
"""

import asyncio
import functools
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Final

from gateway.core.decision import Allow, AuditLevel, Decision, Deny
from gateway.core.facts import Tenant
from gateway.core.message import Message
from gateway.core.records import Ending, Intent, ScanReason
from gateway.core.topology import Endpoint, Pool, Topology, Zone
from gateway.errors import AuditUnavailable, Overloaded, RescanIncomplete, TidegateError, Unavailable
from gateway.ports import STALE, AuditSink, Clock, UpstreamConnection, UpstreamUnreachable
from gateway.runtime.admission import Admission, Place, Turn
from gateway.runtime.call import Call
from gateway.runtime.forward import Forwarder
from gateway.runtime.full_scan import Decided, SecondDecision, refusal_of
from gateway.runtime.mint import Mint
from gateway.runtime.relay import Relay
from gateway.wire.encode import encode
from gateway.wire.requests import Request

MAX_TRIES: Final = 3

Later = Callable[[Callable[[], Coroutine[None, None, None]]], None]
"""Takes what has to wait for something, to be run as a task of its request."""

_MISCONFIGURED: Final = frozenset({401, 403, 404})


class Dispatcher:
    """Sends decided requests of one bundle. `draw` gives numbers from 0 to below 1, for canaries."""

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
        draw: Callable[[], float],
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
        self._draw = draw
        self._turn = 0

    def dispatch(
        self,
        call: Call,
        relay: Relay,
        request: Request,
        tenant: Tenant,
        allow: Allow,
        *,
        later: Later,
        second: SecondDecision | None = None,
    ) -> None:
        """Relay an answer to `request` from one of the pools of `allow`, or tell the client why there is none.

        At once where a place and a connection are free and nothing has to be on disk first; `later` gets what waits.
        `second` is the way to another decision, if a full scan could open more.
        """
        untried = {name: self._rotated(name) for name in allow.pools}
        walk = _Walk(call, relay, request, tenant, allow, later, untried)
        walk.second = second
        walk.canary = self._canary(walk)
        if second is not None and second.is_open and allow.leaves_first > walk.share(self._draw, allow.leaves_first):
            later(partial(self._scan_and_walk, walk, second))
        elif not self._is_sent_now(walk):
            later(partial(self._walk, walk))

    def _is_sent_now(self, walk: "_Walk") -> bool:
        """Send without waiting for anything; False, and nothing done, where something must be waited for."""
        allow, relay = walk.allow, walk.relay
        canary = (walk.canary,) if walk.canary is not None else ()
        name = self._admission.free((*canary, *allow.to)) or self._admission.free(allow.spill)
        if name != walk.canary:
            walk.canary = None
        if name is None:
            return False
        pool = self._pools[name]
        endpoint = walk.untried[name][0]
        connection = None if _needs_intent(allow, self._zones[pool.zone]) else self._forwarder.idle(pool, endpoint)
        place = None if connection is None else self._admission.try_enter((name,))
        if connection is None or place is None:
            return False
        try:
            epoch = self._epoch()
            message = self._encoded(walk, pool, endpoint)
            clearance = self._mint.clear(allow, message, pool, ceiling=walk.tenant.ceiling, epoch=epoch)
            walk.call.begin_attempt(pool, endpoint, now=self._clock.monotonic())
            self._forwarder.send_now(clearance, message, pool, connection, relay, sending=walk.sending(pool))
        except BaseException:
            connection.abort()
            place.leave()
            raise
        relay.when_over(partial(self._over, walk, place, pool))
        return True

    def _over(self, walk: "_Walk", place: Place, pool: Pool, failed: TidegateError | None) -> None:
        place.leave()
        if failed is not None:
            walk.learn(pool, failed)
            walk.later(partial(self._walk, walk))

    async def _scan_and_walk(self, walk: "_Walk", second: SecondDecision) -> None:
        """With the lower label the request would leave first: so it is looked at before it goes anywhere."""
        await self._decided_again(walk, second, ScanReason.LEAVES_FIRST)
        await self._walk(walk)

    async def _walk(self, walk: "_Walk") -> None:
        """Try one place after the other."""
        while (place := await self._entered(walk)) is not None:
            pool = self._pools[place.pool]
            try:
                failed = await self._attempt(walk, pool, walk.untried[pool.name][0])
            finally:
                place.leave()
            if failed is None:
                return
            walk.learn(pool, failed)
            first = walk.second.withdraw() if isinstance(failed, RescanIncomplete) and walk.second is not None else None
            if first is not None:
                self._follow(walk, first)
        walk.relay.give_up(walk.error or Unavailable())

    async def _entered(self, walk: "_Walk") -> Place | None:
        """The next place to try; None if there is none, and what went wrong before is what the caller can act upon."""
        to, spill = walk.left()
        second = walk.second
        if walk.tries < MAX_TRIES and second is not None and not to and not spill:
            await self._decided_again(walk, second, ScanReason.ALL_FAILED)
            to, spill = walk.left()
        if walk.tries == MAX_TRIES or (not to and not spill):
            return None
        began = self._clock.monotonic()
        try:
            # Nobody waits for a canary: where it has no place, the request goes where the others of its row go.
            canary = self._admission.try_enter((walk.canary,)) if walk.canary is not None else None
            if canary is not None:
                return canary
            walk.canary = None
            return await self._place(walk, to, spill, began)
        except (Overloaded, Unavailable):
            if walk.error is None:
                raise
            return None
        finally:
            walk.call.queued_s += self._clock.monotonic() - began

    async def _place(self, walk: "_Walk", to: Sequence[str], spill: Sequence[str], began: float) -> Place:
        """A place in one of these pools, or in one that a full scan opens while the request waits for it."""
        second = walk.second
        if second is None or not second.is_open:
            return await self._admission.enter(to, spill, wait_s=self._patience(walk, began))
        place = self._admission.try_enter(to) or self._admission.try_enter(spill)
        if place is not None:
            return place
        turn = Turn()
        scan = asyncio.create_task(self._scan_beside(walk, second, turn, began))
        try:
            wait_s = self._patience(walk, began)
            return await self._admission.enter(to, spill, wait_s=wait_s, turn=turn)
        except (Overloaded, Unavailable):
            found = await scan
            if found is None:
                raise
            self._follow(walk, second.adopt(found))
        finally:
            scan.cancel()
        to, spill = walk.left()
        return await self._admission.enter(to, spill, wait_s=self._patience(walk, began))

    async def _scan_beside(self, walk: "_Walk", second: SecondDecision, turn: Turn, began: float) -> Decided | None:
        """Decide again while the request waits, and let the wait follow; what nobody waits for any more is returned."""
        found = await second.seek(ScanReason.NO_PLACE)
        if found is None or not turn.is_waiting:
            return found
        try:
            self._follow(walk, second.adopt(found))
        except TidegateError as refusal:
            turn.refuse(refusal)
        else:
            turn.change(*walk.left(), wait_s=self._patience(walk, began))
        return None

    def _patience(self, walk: "_Walk", began: float) -> float:
        """How long a request may still wait, which has waited since `began` and perhaps before."""
        return walk.allow.queue_s - walk.call.queued_s - (self._clock.monotonic() - began)

    async def _attempt(self, walk: "_Walk", pool: Pool, endpoint: Endpoint) -> TidegateError | None:
        """Try one endpoint: None once the exchange is over; otherwise why the next may be tried."""
        epoch = self._epoch()
        message = self._encoded(walk, pool, endpoint)
        if _needs_intent(walk.allow, self._zones[pool.zone]):
            try:
                await self._audit.committed(self._intent(walk, pool, message, epoch))
            except AuditUnavailable as error:
                return error
        clearance = self._mint.clear(walk.allow, message, pool, ceiling=walk.tenant.ceiling, epoch=epoch)
        walk.call.begin_attempt(pool, endpoint, now=self._clock.monotonic())
        try:
            await self._forwarder.send(
                clearance,
                message,
                pool,
                endpoint,
                walk.relay,
                sending=walk.sending(pool),
                fresh=walk.is_fresh,
                tenant=walk.tenant,
            )
        except RescanIncomplete as error:
            walk.call.end_attempt(Ending.REFUSED, None, error.detail, now=self._clock.monotonic())
            return error
        except UpstreamUnreachable as exc:
            walk.call.end_attempt(Ending.UPSTREAM_FAILED, None, exc.reason, now=self._clock.monotonic())
            return Unavailable(detail=f"{endpoint.name}: {exc.reason}")
        return await walk.relay.result()

    def _encoded(self, walk: "_Walk", pool: Pool, endpoint: Endpoint) -> Message:
        message = encode(walk.request, pool, self._zones[pool.zone], salt=self._salt_of(walk.tenant.id))
        walk.relay.prepare(walk.request, private=(pool.model, endpoint.name))
        return message

    async def _decided_again(self, walk: "_Walk", second: SecondDecision, because: ScanReason) -> bool:
        """Follow the second decision from here on, if there is one; raises what the caller is told if it refuses."""
        found = await second.seek(because) if second.is_open else None
        if found is None:
            return False
        self._follow(walk, second.adopt(found))
        return True

    def _follow(self, walk: "_Walk", decision: Decision) -> None:
        """`decision` governs from now on. What was tried before stays tried."""
        if isinstance(decision, Deny):
            raise refusal_of(decision)
        walk.allow = decision
        for name in decision.pools:
            if name not in walk.untried:
                walk.untried[name] = self._rotated(name)
        canary = self._canary(walk)
        walk.canary = canary if canary is not None and walk.untried[canary] else None

    def _canary(self, walk: "_Walk") -> str | None:
        """The pool to try first, if this request is one of the canary's share."""
        canary = walk.allow.canary
        return canary.pool if canary is not None and walk.share(self._draw, canary.percent) < canary.percent else None

    def _rotated(self, pool: str) -> tuple[Endpoint, ...]:
        # Plain turns; balancing by load and prefix is part E's.
        endpoints = self._pools[pool].endpoints
        self._turn += 1
        start = self._turn % len(endpoints)
        return endpoints[start:] + endpoints[:start]

    def _intent(self, walk: "_Walk", pool: Pool, message: Message, epoch: int) -> Intent:
        call = walk.call
        return Intent(
            request_id=call.id,
            at=self._clock.wall(),
            tenant=walk.tenant.id,
            pool=pool.name,
            zone=pool.zone,
            label=call.order.name(walk.allow.label),
            route=walk.allow.route,
            bundle=self._bundle,
            epoch=epoch,
            digest=self._digest_of(message),
        )


class _Walk:
    """One request on its way through the pools of its decision: what is left to try, and what went wrong so far.

    `canary` is the pool to try before the others, None once it has been tried or has no place.
    """

    __slots__ = (
        "_share",
        "allow",
        "call",
        "canary",
        "error",
        "is_fresh",
        "later",
        "relay",
        "request",
        "second",
        "tenant",
        "tries",
        "untried",
    )

    def __init__(
        self,
        call: Call,
        relay: Relay,
        request: Request,
        tenant: Tenant,
        allow: Allow,
        later: Later,
        untried: dict[str, tuple[Endpoint, ...]],
    ) -> None:
        self.call = call
        self.relay = relay
        self.request = request
        self.tenant = tenant
        self.allow = allow
        self.later = later
        self.untried = untried
        self.error: TidegateError | None = None
        self.canary: str | None = None
        self.second: SecondDecision | None = None
        self._share: float | None = None
        self.tries = 0
        self.is_fresh = False

    def share(self, draw: Callable[[], float], percent: float) -> float:
        """This request's place among a hundred, the same for whoever asks; drawn once a `percent` depends on it."""
        if self._share is None and 0 < percent < 100:
            self._share = draw() * 100
        return self._share if self._share is not None else 0.0

    def left(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The pools of `to` and of `spill` in which something is left to try."""
        return tuple(filter(self.untried.get, self.allow.to)), tuple(filter(self.untried.get, self.allow.spill))

    def sending(self, pool: Pool) -> Callable[[UpstreamConnection], None]:
        """Who is told just before the first byte leaves for `pool`."""
        relay, timeouts = self.relay, pool.timeouts
        return lambda connection: relay.sending(connection, timeouts)

    def learn(self, pool: Pool, failed: TidegateError) -> None:
        """An attempt at the first untried endpoint of `pool` has failed."""
        if isinstance(failed, AuditUnavailable | RescanIncomplete):
            self.error, self.canary = failed, None
            self.untried[pool.name] = ()
            return
        self.tries += 1
        if failed.detail == STALE:
            # A kept connection that the server closed as we wrote says nothing about the server: same place again.
            # Whether it has read the request is unknown, so once, and on a connection of its own.
            self.error, self.is_fresh = self.error or failed, True
            return
        self.error, self.canary = failed, None
        # A pool that refuses our credential, path or model name refuses them at each of its endpoints; another pool
        # has its own, and may serve (resilience.md: never again on a 4xx, which the request would be).
        is_misconfigured = self.call.attempts[-1].status in _MISCONFIGURED
        self.untried[pool.name] = () if is_misconfigured else self.untried[pool.name][1:]


def _needs_intent(allow: Allow, zone: Zone) -> bool:
    """Whether an attempt must be on disk before it is made."""
    return zone.is_cloud or allow.audit is AuditLevel.STRICT
