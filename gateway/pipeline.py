"""The request path, one named step per line, and the one place where a request's fate is settled.

Each step lives in its own room; here is only their order, and what happens when one of them says no. Whatever
happens, the exchange settles exactly once, synchronously, and its record goes into the place reserved for it.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from functools import partial
from typing import Final

from gateway.core.access import reaches_model
from gateway.core.client import Client
from gateway.core.decision import Allow, Deny
from gateway.core.exchange import Exchange, Patience
from gateway.core.facts import Tenant
from gateway.core.findings import Evidence, Unscanned
from gateway.core.records import Ending, FullScan, ScanEnding, ScanReason
from gateway.core.taint import NOTHING, Provenance
from gateway.errors import AuditUnavailable, Superseded, TidegateError, Unauthenticated
from gateway.ports import AuditSink, Clock, Downstream, Inbound
from gateway.runtime.again import Again
from gateway.runtime.at_once import send_whole
from gateway.runtime.authn import Authenticator
from gateway.runtime.call import Call, Ids, Planted
from gateway.runtime.deciding import Deciding, caller_of, generation_of, with_history
from gateway.runtime.dispatch import Dispatcher, Later
from gateway.runtime.full_scan import SecondDecision, refusal_of
from gateway.runtime.generation import Generation
from gateway.runtime.instruments import Instruments
from gateway.runtime.provenance import Conversation, ReplyRecord
from gateway.runtime.quotas import Quotas
from gateway.runtime.reach import check_reach, no_such_model
from gateway.runtime.relay import Relay
from gateway.runtime.repeats import KEY_BYTES, Repeats
from gateway.runtime.reply_cache import ReplyCache
from gateway.runtime.settlement import Settlement
from gateway.runtime.shadow import Shadow
from gateway.runtime.staying import Staying
from gateway.telemetry import EventLog
from gateway.wire.control_tokens import strip_control_tokens
from gateway.wire.replies import model_entry, models_list
from gateway.wire.requests import Dialect, Request, parse

log = EventLog(__name__)

READ_INLINE: Final = 256 << 10
"""Bodies above this size are decoded in a thread, so that one large request does not hold up all others."""

Work = Callable[[], Coroutine[None, None, None]]
Spawn = Callable[[Coroutine[None, None, None]], "asyncio.Task[None]"]
"""Makes a task of what a request has to wait for; whoever gave it awaits the task before the process ends."""

STRIPPED: Final = (Unscanned("control_tokens", ""),)


class Pipeline:
    """Serves requests, each under the generation of the moment when it came in. `epoch` rises whenever something is
    tightened or another bundle activated."""

    def __init__(
        self,
        *,
        generation: Generation,
        epoch: Callable[[], int],
        authenticator: Authenticator,
        dispatcher: Dispatcher,
        audit: AuditSink,
        clock: Clock,
        executor: Executor,
        patience: Patience,
        instruments: Instruments,
        staying: Staying,
        quotas: Quotas | None = None,
        cache: ReplyCache | None = None,
        shadow: Shadow | None = None,
        started_at: int,
    ) -> None:
        self.deciding = Deciding(generation, epoch, authenticator)
        self._epoch = epoch
        self._authenticator = authenticator
        self._dispatcher = dispatcher
        dispatcher.decides_higher = self.deciding.higher
        dispatcher.decides_anew = self.deciding.anew
        self._audit = audit
        self._clock = clock
        self._executor = executor
        self._patience = patience
        self._instruments = instruments
        self._quotas = quotas
        self._cache = cache
        self._shadow = shadow
        self._repeats = None if cache is None else Repeats(cache, quotas, shadow, secrets.token_bytes(KEY_BYTES))
        self._settlement = Settlement(quotas, staying, self._repeats, instruments, audit, clock)
        self._started_at = started_at
        self._live: dict[Call, Relay] = {}
        self._ids = Ids()
        self.again: Again | None = None
        if cache is not None and self._repeats is not None:
            self.again = Again(
                self._repeats,
                cache,
                quotas,
                shadow,
                deciding=self.deciding,
                epoch=epoch,
                authenticator=authenticator,
                audit=audit,
                instruments=instruments,
                clock=clock,
                ids=self._ids,
            )

    @property
    def generation(self) -> Generation:
        """What whoever comes in now is decided with."""
        return self.deciding.generation

    def serve(
        self,
        dialect: Dialect,
        inbound: Inbound,
        downstream: Downstream,
        spawn: Spawn,
        planted: Planted | None = None,
    ) -> None:
        """Answer one request for a model: at once as far as nothing has to be waited for, the rest in one task.

        Who it is of stands in its credential; but a canary, which has none, is `planted`.
        """
        generation = self.deciding.generation
        call = Call(self._ids.new(), inbound, path=str(dialect), order=generation.order, generation=generation)
        # Before anything that waits: what changes from here on has it decided again.
        call.epoch = self._epoch()
        if planted is not None:
            call.id, call.planted = planted.request_id, planted
        if self._repeats is not None and not downstream.is_gone and self._is_answered_again(call, downstream):
            return
        relay = self._relay(call, downstream)
        self._live[call] = relay
        later = partial(self._later, call, relay, spawn)
        try:
            relay.watch()
            if relay.exchange.is_over:
                return
            if self.deciding.is_superseded:
                raise Superseded
            call.tenant = tenant = call.tenant or self._identify(call)
            size = len(inbound.body)
            if size > READ_INLINE:
                later(partial(self._serve_beside, call, relay, dialect, tenant, later))
                return
            request = self._take(call, relay, _read(dialect, inbound.body))
            call.evidence = generation.classifier.classify_now(
                dialect, request.document, size=size, flags=call.flags, tenant=tenant.id
            )
            if call.evidence is None:
                later(partial(self._classify_beside, call, relay, request, tenant, later))
            elif tenant.full_scan:
                self._answer(call, relay, request, tenant, call.evidence, later)
            else:
                self._look_back(call, relay, request, tenant, call.evidence, later)
        except Exception as exc:  # noqa: BLE001 -- the outermost mapping, as in `_guarded`
            self._fail(call, relay, exc)

    def _is_answered_again(self, call: Call, downstream: Downstream) -> bool:
        """Answer a request that comes again as it was answered before: it is over at once, and no exchange is begun."""
        if self._repeats is None or self.deciding.is_superseded:
            return False
        try:
            tenant = call.tenant = self._identify(call)
            body = self._repeats.answer(call, tenant, call.epoch)
        except Exception as exc:  # noqa: BLE001 -- the outermost mapping, as in `_guarded`
            self._fail(call, self._relay(call, downstream), exc)
            return True
        if body is not None:
            ending = send_whole(call, downstream, body, now=self._clock.monotonic())
            self._settle(call, ending, None)
            if ending is not Ending.COMPLETED:
                downstream.abort()
        return body is not None

    def _later(self, call: Call, relay: Relay, spawn: Spawn, work: Work) -> None:
        relay.runs_in(spawn(self._guarded(call, relay, work)))

    async def _guarded(self, call: Call, relay: Relay, work: Work) -> None:
        try:
            await work()
        except asyncio.CancelledError:
            if not relay.exchange.is_over:
                relay.cancel()
                raise
        except Exception as exc:  # noqa: BLE001 -- the outermost mapping: a fault of ours becomes a plain 500
            self._fail(call, relay, exc)

    def _fail(self, call: Call, relay: Relay, exc: Exception) -> None:
        if isinstance(exc, TidegateError):
            relay.give_up(exc, ending=Ending.REFUSED)
        else:
            log.crash("request_failed", exc, request_id=call.id)
            relay.abandon(TidegateError(detail=type(exc).__name__))

    async def _serve_beside(self, call: Call, relay: Relay, dialect: Dialect, tenant: Tenant, later: Later) -> None:
        """A large body is decoded in a thread, so that it does not hold up all others."""
        loop = asyncio.get_running_loop()
        read = await loop.run_in_executor(self._executor, _read, dialect, call.inbound.body)
        await self._classify_beside(call, relay, self._take(call, relay, read), tenant, later)

    async def _classify_beside(self, call: Call, relay: Relay, request: Request, tenant: Tenant, later: Later) -> None:
        call.evidence = evidence = await generation_of(call).classifier.classify(
            request.dialect, request.document, size=len(call.inbound.body), flags=call.flags, tenant=tenant.id
        )
        self._answer(call, relay, request, tenant, evidence, later)

    def _take(self, call: Call, relay: Relay, read: tuple[Request, tuple[Unscanned, ...]]) -> Request:
        request, call.flags = read
        call.request = request
        if call.scopes:
            check_reach(call.scopes, request.dialect, request.model)
        if request.streamed:
            relay.exchange.expect_stream()
        inbound = call.inbound
        given_s = inbound.timeout_s if request.streamed else inbound.answer_within_s
        if given_s is not None:
            relay.exchange.limit(given_s)
        return request

    def _answer(
        self, call: Call, relay: Relay, request: Request, tenant: Tenant, evidence: Evidence, later: Later
    ) -> None:
        if tenant.full_scan:
            later(partial(self._answer_fully_scanned, call, relay, request, tenant, evidence, later))
        else:
            self._look_back(call, relay, request, tenant, evidence, later)

    async def _answer_fully_scanned(
        self, call: Call, relay: Relay, request: Request, tenant: Tenant, evidence: Evidence, later: Later
    ) -> None:
        """The tenant's class asks for every tier, always."""
        began = self._clock.monotonic()
        call.evidence = done = await generation_of(call).classifier.complete(
            request.dialect, request.document, evidence, tenant
        )
        ending = ScanEnding.COMPLETED if done.coverage.failure is None else ScanEnding.INCOMPLETE
        call.full_scan = FullScan(ScanReason.ALWAYS, ending, round((self._clock.monotonic() - began) * 1000, 3))
        self._look_back(call, relay, request, tenant, done, later)

    def _look_back(
        self, call: Call, relay: Relay, request: Request, tenant: Tenant, evidence: Evidence, later: Later
    ) -> None:
        generation = generation_of(call)
        replies = generation.replies
        conversation = replies.conversation(tenant.id, call.key_id, request)
        found = replies.provenance_now(conversation)
        if found is None:
            go_on = partial(self._decide, generation, call, relay, request, tenant, conversation, evidence, later)
            later(partial(_ask_record, replies, conversation, go_on))
        else:
            self._decide(generation, call, relay, request, tenant, conversation, evidence, later, found)

    def _decide(
        self,
        generation: Generation,
        call: Call,
        relay: Relay,
        request: Request,
        tenant: Tenant,
        conversation: Conversation,
        evidence: Evidence,
        later: Later,
        found: Provenance,
    ) -> None:
        if found is not NOTHING:
            evidence = with_history(evidence, found)
        deciding = self.deciding
        first, second = deciding.decided(generation, call, request, tenant, evidence, call.epoch), None
        decision = first.decision
        if self._shadow is not None and self._shadow.is_comparing and call.planted is None:
            self._shadow.see(generation.bundle, tenant, request, first, call.scored)
        deciding.act_on(call, relay, conversation, first)
        if decision.if_scanned:
            again = partial(deciding.scan_fully, request, tenant, first, generation)
            act_on = partial(deciding.act_on, call, relay, conversation)
            second = SecondDecision(call, first, again, act_on, self._clock)
        match decision:
            case Deny() if second is not None:
                later(partial(self._refuse_or_scan, call, relay, request, tenant, second, decision, later))
            case Deny():
                relay.give_up(refusal_of(decision), ending=Ending.REFUSED)
            case Allow() if tenant.limits is None:
                self._send(call, relay, request, tenant, decision, later, second)
            case Allow():
                self._reserve(call, relay, request, tenant, decision, later, second)

    async def _refuse_or_scan(
        self,
        call: Call,
        relay: Relay,
        request: Request,
        tenant: Tenant,
        second: SecondDecision,
        deny: Deny,
        later: Later,
    ) -> None:
        """A refusal that a full scan may lift."""
        found = await second.seek(ScanReason.REFUSED)
        decision = deny if found is None else second.adopt(found)
        if isinstance(decision, Deny):
            relay.give_up(refusal_of(decision), ending=Ending.REFUSED)
        else:
            self._reserve(call, relay, request, tenant, decision, later, second)

    def _reserve(
        self,
        call: Call,
        relay: Relay,
        request: Request,
        tenant: Tenant,
        allow: Allow,
        later: Later,
        second: SecondDecision | None,
    ) -> None:
        """Set aside what the tenant's limits allow, for all attempts together."""
        quotas, limits = self._quotas, tenant.limits
        if quotas is None or limits is None:
            self._send(call, relay, request, tenant, allow, later, second)
            return
        request = quotas.prepare(call, request, tenant, limits, allow)
        go_on = partial(self._send, call, relay, request, tenant, allow, later, second)
        if quotas.reserve_now(call):
            go_on()
        else:
            later(partial(self._reserve_beside, quotas, call, go_on))

    async def _reserve_beside(self, quotas: Quotas, call: Call, go_on: Callable[[], None]) -> None:
        await quotas.reserve(call)
        go_on()

    def _send(
        self,
        call: Call,
        relay: Relay,
        request: Request,
        tenant: Tenant,
        allow: Allow,
        later: Later,
        second: SecondDecision | None,
    ) -> None:
        """To what is stored first, then to a model server."""
        dispatch = self._dispatcher.dispatch
        if self._cache is None or call.planted is not None:
            dispatch(call, relay, request, tenant, allow, later=later, second=second)
        else:
            go_on = partial(dispatch, call, relay, request, tenant, allow, later=later, second=second)
            self._cache.answer(call, relay, request, tenant, allow, later=later, go_on=go_on)

    def models(self, inbound: Inbound, downstream: Downstream, model: str | None) -> None:
        """Answer `GET /v1/models`, or `/v1/models/{id}` for one `model`."""
        generation = self.deciding.generation
        call = Call(self._ids.new(), inbound, path="models", order=generation.order, generation=generation)
        aliases: tuple[str, ...] = ()
        try:
            call.tenant = self._identify(call)
            named = (alias for alias in generation.policy.aliases if alias != "*")
            aliases = tuple(alias for alias in named if reaches_model(call.scopes, alias))
            if model is not None and model not in aliases:
                raise no_such_model()
        except TidegateError as error:
            self._relay(call, downstream).give_up(error, ending=Ending.REFUSED)
            return
        at = self._started_at
        body = models_list(aliases, at) if model is None else model_entry(model, at)
        self._relay(call, downstream).answer(body)

    def refuse(self, inbound: Inbound, downstream: Downstream, error: TidegateError) -> None:
        """Answer a request that is no request for us: an unknown path, a wrong method, a body that cannot be."""
        generation = self.deciding.generation
        call = Call(self._ids.new(), inbound, path="", order=generation.order, generation=generation)
        self._relay(call, downstream).give_up(error, ending=Ending.REFUSED)

    def is_known(self, authorization: bytes | None, client: Client | None = None) -> bool:
        """Whether a credential is one of ours: asked before a large body is read."""
        try:
            self._authenticator.identify(authorization, client)
        except Unauthenticated:
            return False
        return True

    def tick(self) -> None:
        """Look at every exchange's clock; called a few times a second."""
        now = self._clock.monotonic()
        for relay in tuple(self._live.values()):
            relay.tick(now)

    def cancel_all(self) -> None:
        """Stop waiting for answers; what has begun ends with an error event."""
        for relay in tuple(self._live.values()):
            relay.cancel()

    @property
    def in_flight(self) -> int:
        """How many exchanges are under way."""
        return len(self._live)

    def _relay(self, call: Call, downstream: Downstream) -> Relay:
        exchange = Exchange(streamed=False, now=call.inbound.received_at, patience=self._patience)
        return Relay(call, downstream, exchange, clock=self._clock, settled=partial(self._settle, call))

    def _identify(self, call: Call) -> Tenant:
        try:
            tenant = caller_of(call, self._authenticator)
        except Unauthenticated:
            # Recorded if there is room: a flood of wrong keys must not be able to shut the door for right ones.
            with contextlib.suppress(AuditUnavailable):
                self._audit.reserve(for_stranger=True)
                call.is_reserved = True
            raise
        self._audit.reserve()
        call.is_reserved = True
        return tenant

    def _settle(self, call: Call, ending: Ending, error: TidegateError | None) -> None:
        self._live.pop(call, None)
        self._settlement.settle(call, ending, error)


async def _ask_record(replies: ReplyRecord, conversation: Conversation, go_on: Callable[[Provenance], None]) -> None:
    go_on(await replies.provenance(conversation))


def _read(dialect: Dialect, body: bytes) -> tuple[Request, tuple[Unscanned, ...]]:
    written = parse(dialect, body)
    request = strip_control_tokens(written, body)
    return request, (() if request is written else STRIPPED)
