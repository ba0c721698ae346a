"""One decided request finds its way to a model server: place, encoding, intent, clearance, door, and the next try.

It walks the pools of the decision and nothing else, as far as `choices.py` lets it, and never after the first content
byte (resilience.md). Each attempt has its own encoding, its own clearance and, for the cloud or where the policy asks
for it, its own intent on disk. Where a full scan could open more, and the request would otherwise leave first, wait, or
have nowhere left to go, it is decided a second time before that; `full_scan.py` says what is then true.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache, partial

from gateway.core.decision import Allow, AuditLevel, Decision, Deny
from gateway.core.facts import Tenant
from gateway.core.keyed_hash import KeyedHash
from gateway.core.labels import Label
from gateway.core.message import Message
from gateway.core.records import Ending, Intent, ScanReason
from gateway.core.topology import Endpoint, Pool, PrefixId, Topology, Zone
from gateway.errors import (
    AuditUnavailable,
    BudgetSpent,
    ClearanceStale,
    Overloaded,
    RescanAbove,
    RescanIncomplete,
    TidegateError,
    Unavailable,
    Unreachable,
)
from gateway.ports import AuditSink, Clock, UpstreamFull, UpstreamUnreachable
from gateway.runtime.admission import Admission, Place, Turn
from gateway.runtime.burst_budget import BudgetDesk
from gateway.runtime.call import Call
from gateway.runtime.choices import Choices
from gateway.runtime.endpoints import Endpoints, Trial
from gateway.runtime.forward import Forwarder
from gateway.runtime.full_scan import Decided, SecondDecision, refusal_of
from gateway.runtime.mint import Mint
from gateway.runtime.mirror import Mirrors
from gateway.runtime.relay import Relay
from gateway.runtime.walk import Later as Later
from gateway.runtime.walk import Walk
from gateway.wire.beginning import beginning_of
from gateway.wire.encode import encode
from gateway.wire.prefix_id import prefix_id
from gateway.wire.requests import Request


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
        epoch: Callable[[], int],
        draw: Callable[[], float],
        endpoints: Endpoints,
        prefix_key: KeyedHash,
        budget: BudgetDesk | None = None,
        mirrors: Mirrors | None = None,
    ) -> None:
        self._pools = {pool.name: pool for pool in topology.pools}
        self._zones = zones
        self._admission = admission
        self._mint = mint
        self._forwarder = forwarder
        self._audit = audit
        self._clock = clock
        self._salt_of = cache(salt_of)
        self._digest_of = digest_of
        self._epoch = epoch
        self._draw = draw
        self._endpoints = endpoints
        self._prefix_key = prefix_key
        self._budget = budget
        self._mirrors = mirrors
        # Whoever decides puts itself here: a request of which more was found on its way out is decided again, and so
        # is one since whose decision something was tightened or another bundle activated.
        self.decides_higher: Callable[[Call, Relay, Label], Decision] = _undecided
        self.decides_anew: Callable[[Call, Relay], Awaitable[Decision]] = _undecided_anew

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
        is_copy: bool = False,
    ) -> None:
        """Relay an answer to `request` from one of the pools of `allow`, or tell the client why there is none.

        At once where a place and a connection are free and nothing has to be on disk first; `later` gets what waits.
        `second` is the way to another decision, if a full scan could open more. What `is_copy` is nobody's: it is
        tried once, and no tenant's money pays for it, nor for a canary.
        """
        choices = Choices(self._endpoints, partial(self._prefix, request, tenant))
        asker = self._admission.asker(tenant, allow, is_undecided=second is not None and second.is_open)
        walk = Walk(call, relay, request, tenant, allow, later, choices, asker)
        walk.second = second
        walk.is_copy = is_copy
        if is_copy:
            choices.once()
        if allow.weights:
            walk.share_out(self._draw)
        if self._budget is not None and self._budget.has_spent(tenant.id):
            choices.refuse(self._admission.cloud)
            if not self._admission.cloud.isdisjoint(allow.pools):
                walk.refused = BudgetSpent()
        if allow.canary is not None:
            walk.canary = self._canary(walk)
        if second is not None and second.is_open and self._leaves_first(walk):
            later(partial(self._scan_and_walk, walk, second))
        elif not self._is_sent_now(walk):
            later(partial(self._walk, walk))

    def _leaves_first(self, walk: Walk) -> bool:
        """Whether the first place would be in the cloud if a full scan confirmed the lower label."""
        allow, asker = walk.allow, walk.asker
        if allow.leaves_first > walk.share(self._draw, allow.leaves_first):
            return True
        return any(self._admission.sends(name, asker) for name in allow.if_scanned)

    def _is_sent_now(self, walk: Walk) -> bool:
        """Send without waiting for anything; False, and nothing done, where something must be waited for."""
        allow, relay, epoch = walk.allow, walk.relay, walk.call.epoch
        if epoch != self._epoch():
            return False
        canary = walk.choices.left((walk.canary,)) if walk.canary is not None else ()
        name = self._admission.free(canary, (), walk.asker) if canary else None
        if name is None:
            walk.canary = None
            name = self._admission.free(*walk.left(), walk.asker)
        if name is None:
            return False
        pool = self._pools[name]
        endpoint = walk.choices.endpoint(name)
        if endpoint is None or _needs_intent(allow, self._zones[pool.zone]):
            return False
        connection = self._forwarder.idle(pool, endpoint)
        if connection is None:
            return False
        place = self._admission.take(name)
        try:
            message = self._encoded(walk, pool, endpoint)
            clearance = self._mint.clear(allow, message, pool, ceiling=walk.tenant.ceiling, epoch=epoch)
            trial = self._begin(walk, pool, endpoint)
            try:
                self._forwarder.send_now(clearance, message, pool, connection, relay, sending=walk.sending(pool, trial))
            except BaseException:
                trial.drop()
                raise
        except BaseException:
            connection.abort()
            place.leave()
            raise
        relay.attempt.when_over(partial(self._over, walk, place, pool, endpoint))
        return True

    def _begin(self, walk: Walk, pool: Pool, endpoint: Endpoint) -> Trial:
        now = self._clock.monotonic()
        walk.call.begin_attempt(pool, endpoint, now=now)
        if walk.allow.mirror is not None and self._mirrors is not None:
            self._mirror(walk, self._mirrors, pool)
        return self._endpoints.begin(pool.name, endpoint, is_first=not walk.choices.tries, now=now)

    def _mirror(self, walk: Walk, mirrors: Mirrors, pool: Pool) -> None:
        """Offer a copy, once for each request, and not to the pool that has the request itself."""
        mirror = walk.allow.mirror
        if mirror is not None and mirror.pool != pool.name and not walk.is_mirrored:
            walk.is_mirrored = True
            mirrors.offer(self.dispatch, walk.call, walk.request, walk.tenant, walk.allow)

    def _over(self, walk: Walk, place: Place, pool: Pool, endpoint: Endpoint, failed: TidegateError | None) -> None:
        place.leave()
        if failed is not None:
            walk.learn(pool, endpoint, failed)
            walk.later(partial(self._walk, walk))

    async def _scan_and_walk(self, walk: Walk, second: SecondDecision) -> None:
        """With the lower label the request would leave first: so it is looked at before it goes anywhere."""
        await self._decided_again(walk, second, ScanReason.LEAVES_FIRST)
        await self._walk(walk)

    async def _walk(self, walk: Walk) -> None:
        """Try one place after the other."""
        while (place := await self._entered(walk)) is not None:
            pool = self._pools[place.pool]
            try:
                if walk.call.epoch != self._epoch():
                    await self._renew(walk)
                    if not walk.lists(pool.name):
                        continue
                endpoint = walk.choices.endpoint(pool.name)
                if endpoint is None:
                    continue  # the last of them was given up while this request stood in line for a place
                failed = await self._attempt(walk, pool, endpoint)
            finally:
                place.leave()
            if failed is None:
                return
            if isinstance(failed, ClearanceStale):
                await self._renew(walk)
                continue
            walk.learn(pool, endpoint, failed)
            first = walk.second.withdraw() if isinstance(failed, RescanIncomplete) and walk.second is not None else None
            if first is not None:
                self._follow(walk, first)
            elif isinstance(failed, RescanAbove) and not walk.is_copy:
                walk.second = None
                # What it was taken for was refused. As what it is the pool may have it, if that is decided; and since
                # the label has risen, that cannot go on for ever.
                walk.choices.readmit(pool.name)
                self._follow(walk, self.decides_higher(walk.call, walk.relay, Label(failed.label)))
        walk.relay.give_up(walk.error or Unavailable())

    async def _renew(self, walk: Walk) -> None:
        """Something was tightened since, or another bundle activated: what is true now governs, and what was tried
        stays tried. Nothing will open more than it lists."""
        if walk.is_copy:
            raise Unavailable
        decision = await self.decides_anew(walk.call, walk.relay)
        if walk.call.tenant is not None:
            walk.tenant = walk.call.tenant
        walk.second = None
        self._follow(walk, decision)

    async def _entered(self, walk: Walk) -> Place | None:
        """The next place to try; None if there is none, and what went wrong before is what the caller can act upon."""
        to, spill = walk.left()
        second = walk.second
        if not walk.choices.is_over and second is not None and not to and not spill:
            await self._decided_again(walk, second, ScanReason.ALL_FAILED)
            to, spill = walk.left()
        if not to and not spill:
            to = walk.choices.resort(walk.allow.pools)
        if walk.choices.is_over or (not to and not spill):
            if walk.error is None:
                raise walk.refused or self._endpoints.unavailable(walk.allow.pools)
            return None
        began = self._clock.monotonic()
        try:
            # Nobody waits for a canary: where it has no place, the request goes where the others of its row go.
            canary = walk.choices.left((walk.canary,)) if walk.canary is not None else ()
            place = self._admission.try_enter(canary, (), walk.asker) if canary else None
            if place is not None:
                return place
            walk.canary = None
            return await self._place(walk, to, spill, began)
        except (Overloaded, Unavailable):
            if walk.error is None:
                raise
            return None
        finally:
            walk.call.queued_s += self._clock.monotonic() - began

    async def _place(self, walk: Walk, to: Sequence[str], spill: Sequence[str], began: float) -> Place:
        """A place in one of these pools, or in one that a full scan opens while the request waits for it."""
        second, opened = walk.second, walk.allow.if_scanned
        if second is None or not (second.is_open and any(self._admission.takes(name, walk.asker) for name in opened)):
            return await self._admission.enter(to, spill, wait_s=self._patience(walk, began), asker=walk.asker)
        place = self._admission.try_enter(to, spill, walk.asker)
        if place is not None:
            return place
        turn = Turn()
        scan = asyncio.create_task(self._scan_beside(walk, second, turn, began))
        try:
            wait_s = self._patience(walk, began)
            return await self._admission.enter(to, spill, wait_s=wait_s, asker=walk.asker, turn=turn)
        except (Overloaded, Unavailable):
            found = await scan
            if found is not None:
                self._follow(walk, second.adopt(found))
            place = self._admission.try_enter(*walk.left(), walk.asker)
            if place is not None:
                return place
            if found is None:
                raise
        finally:
            scan.cancel()
        to, spill = walk.left()
        return await self._admission.enter(to, spill, wait_s=self._patience(walk, began), asker=walk.asker)

    async def _scan_beside(self, walk: Walk, second: SecondDecision, turn: Turn, began: float) -> Decided | None:
        """Decide again while the request waits, and let the wait follow; what nobody waits for any more is returned."""
        found = await second.seek(ScanReason.NO_PLACE)
        if found is None:
            self._stays(walk)
        elif not turn.is_waiting:
            return found
        try:
            if found is not None:
                self._follow(walk, second.adopt(found))
        except TidegateError as refusal:
            turn.refuse(refusal)
        else:
            turn.change(*walk.left(), wait_s=self._patience(walk, began), asker=walk.asker)
        return None

    def _patience(self, walk: Walk, began: float) -> float:
        """How long a request may still wait, which has waited since `began` and perhaps before."""
        return walk.allow.queue_s - walk.call.queued_s - (self._clock.monotonic() - began)

    async def _attempt(self, walk: Walk, pool: Pool, endpoint: Endpoint) -> TidegateError | None:
        """Try one endpoint: None once the exchange is over; otherwise why the next may be tried."""
        if self._budget is None or not self._zones[pool.zone].is_cloud:
            return await self._paid_attempt(walk, pool, endpoint)
        # Before the intent: what there is no money for is not recorded as something that may have been sent.
        payer = "" if walk.is_copy or walk.call.planted is not None else walk.tenant.id
        try:
            hold = await self._budget.reserve(walk.call, pool, walk.request, payer)
        except BudgetSpent as error:
            return error
        walk.is_out = False
        try:
            return await self._paid_attempt(walk, pool, endpoint)
        finally:
            self._budget.settle(hold, walk.call, was_sent=walk.is_out)

    async def _paid_attempt(self, walk: Walk, pool: Pool, endpoint: Endpoint) -> TidegateError | None:
        epoch = walk.call.epoch
        message = self._encoded(walk, pool, endpoint)
        if _needs_intent(walk.allow, self._zones[pool.zone]):
            try:
                await self._audit.committed(self._intent(walk, pool, message, epoch))
            except AuditUnavailable as error:
                return error
        clearance = self._mint.clear(walk.allow, message, pool, ceiling=walk.tenant.ceiling, epoch=epoch)
        trial = self._begin(walk, pool, endpoint)
        sending = walk.sending(pool, trial)
        try:
            await self._forwarder.send(
                clearance,
                message,
                pool,
                endpoint,
                walk.relay,
                sending=sending if self._budget is None else partial(walk.leaves, sending),
                fresh=walk.choices.is_fresh,
                tenant=walk.tenant,
            )
        except (RescanIncomplete, RescanAbove, ClearanceStale) as error:
            walk.call.end_attempt(Ending.REFUSED, None, error.detail, now=self._clock.monotonic())
            trial.drop()
            return error
        except UpstreamUnreachable as exc:
            now = self._clock.monotonic()
            walk.call.end_attempt(Ending.UPSTREAM_FAILED, None, exc.reason, now=now)
            unreachable = Unreachable(detail=f"{endpoint.name}: {exc.reason}")
            if isinstance(exc, UpstreamFull):
                trial.drop()
            else:
                trial.failed(unreachable, now)
            return unreachable
        except BaseException:
            trial.drop()
            raise
        return await walk.relay.attempt.result()

    def _encoded(self, walk: Walk, pool: Pool, endpoint: Endpoint) -> Message:
        given_s, left_s = walk.relay.exchange.given_s, None
        if given_s < pool.timeouts.total_s:
            left_s = given_s - (self._clock.monotonic() - walk.call.inbound.received_at)
        zone, salt = self._zones[pool.zone], self._salt_of(walk.tenant.id)
        told = None
        if pool.sagemaker is not None and pool.sagemaker.prefix_id is not PrefixId.NONE:
            beginning = self._prefix(walk.request, walk.tenant)
            told = prefix_id(self._prefix_key, pool, walk.tenant.id, beginning, at=self._clock.wall())
        message = encode(walk.request, pool, zone, salt=salt, left_s=left_s, endpoint=endpoint.name, prefix_id=told)
        walk.relay.prepare(walk.request, private=(pool.model, endpoint.name))
        return message

    async def _decided_again(self, walk: Walk, second: SecondDecision, because: ScanReason) -> bool:
        """Follow the second decision from here on, if there is one; raises what the caller is told if it refuses."""
        found = await second.seek(because) if second.is_open else None
        if found is None:
            self._stays(walk)
            return False
        self._follow(walk, second.adopt(found))
        return True

    def _stays(self, walk: Walk) -> None:
        """Nothing will open more: what is kept for work that must stay is there for this request, too."""
        walk.asker = self._admission.asker(walk.tenant, walk.allow, walk.asker)

    def _follow(self, walk: Walk, decision: Decision) -> None:
        """`decision` governs from now on. What was tried before stays tried."""
        if isinstance(decision, Deny):
            raise refusal_of(decision)
        walk.allow = decision
        walk.asker = self._admission.asker(walk.tenant, decision, walk.asker)
        walk.share_out(self._draw)
        canary = self._canary(walk)
        walk.canary = canary if canary is not None and walk.choices.left((canary,)) else None

    def _canary(self, walk: Walk) -> str | None:
        """The pool to try first, if this request is one of the canary's share."""
        canary = walk.allow.canary
        return canary.pool if canary is not None and walk.share(self._draw, canary.percent) < canary.percent else None

    def _prefix(self, request: Request, tenant: Tenant) -> int | None:
        """What stands for the beginning of a request: the same in every gateway, and nobody outside can make it."""
        beginning = beginning_of(request)
        if not beginning:
            return None
        # The tenant's own: engines share nothing between tenants (`cache_salt`).
        text = f"{tenant.id}\n{beginning}".encode(errors="surrogatepass")
        return int.from_bytes(self._prefix_key.digest(text)[:8], "big")

    def _intent(self, walk: Walk, pool: Pool, message: Message, epoch: int) -> Intent:
        call = walk.call
        return Intent(
            request_id=call.id,
            at=self._clock.wall(),
            tenant=walk.tenant.id,
            pool=pool.name,
            zone=pool.zone,
            label=call.order.name(walk.allow.label),
            route=walk.allow.route,
            bundle=call.bundle,
            epoch=epoch,
            digest=self._digest_of(message),
            canary=call.planted is not None,
        )


def _undecided(call: Call, relay: Relay, label: Label) -> Decision:  # noqa: ARG001 -- what stands there has these
    raise Unavailable


async def _undecided_anew(call: Call, relay: Relay) -> Decision:  # noqa: ARG001 -- as above
    raise Unavailable


def _needs_intent(allow: Allow, zone: Zone) -> bool:
    """Whether an attempt must be on disk before it is made."""
    return zone.is_cloud or allow.audit is AuditLevel.STRICT
