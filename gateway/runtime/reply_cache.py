"""Answers that are given again: what is looked up before a request goes to a model server, and stored when it has been.

A request has its answer from this worker's memory, at once; or from the store that all share; or from whoever is just
asking the same, in this worker or another; or it asks a model server, and those that ask the same meanwhile wait for
it. Whoever leads and fails, leaves or dies holds nobody up: the next takes its place, or all go their own way. What is
stored, and what opens, is in `cache_keys.py` and `core/`; a store that is down is one that has nothing, and one that is
slow or keeps everybody waiting is waited for by nobody (`far_answers.py`).
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final

from gateway.core import cached_reply
from gateway.core.cache_key import Scope, bound_to, key_of, scope_of
from gateway.core.cached_reply import CachedReply, is_drawn
from gateway.core.decision import Allow
from gateway.core.facts import Tenant
from gateway.core.labels import Label
from gateway.core.records import Cached, Ending, Usage
from gateway.errors import NotStored, TidegateError
from gateway.ports import Clock, Sought
from gateway.runtime.cache_keys import CacheKeys, TenantKey
from gateway.runtime.cache_rules import CacheRules, NearStore, Way
from gateway.runtime.call import Call
from gateway.runtime.far_answers import FarAnswers, Wait
from gateway.runtime.flights import Flight, Over
from gateway.runtime.relay import Relay
from gateway.runtime.stored import Stored, serves
from gateway.runtime.stored_answers import StoredAnswers
from gateway.wire.cache_control import CacheControl, cache_control_of
from gateway.wire.cacheable import canonical, is_cacheable
from gateway.wire.replies import id_of
from gateway.wire.requests import Request

LARGEST_REQUEST: Final = 256 << 10
"""Requests above this size, in bytes, are not looked up: writing one in its one form would hold up all others."""

_LEAST_PAUSE_S: Final = 0.01
_MOST_PAUSE_S: Final = 0.1
_MOST_SCOPES: Final = 4_096
_SERVER_FAULT: Final = 500
_TOO_MANY: Final = 429

# How a leader ends of whom nothing bad is known of the answer itself: the next may try at once.
_LEFT: Final = frozenset((Ending.CLIENT_GONE, Ending.DEADLINE, Ending.SEND_FAILED, Ending.CANCELLED))

_NOTHING: Final = Usage(0, 0)

Later = Callable[[Callable[[], Coroutine[None, None, None]]], None]


@dataclass(slots=True)
class _Asked:
    """One request that may be answered from here."""

    call: Call
    relay: Relay
    tenant: str
    own: TenantKey
    scope: Scope
    key: bytes
    lives_s: float
    is_shared: bool
    control: CacheControl
    later: Later
    go_on: Callable[[], None]
    flight: Flight | None = None
    standby: CachedReply | None = None
    leads_far: bool = False
    is_waiting: bool = False


class ReplyCache:
    """One worker's. `draw` gives numbers from 0 to below 1; `pause` waits."""

    def __init__(
        self,
        *,
        near: NearStore,
        far: FarAnswers | None,
        keys: CacheKeys,
        label_name: Callable[[Label], str],
        rules: CacheRules,
        clock: Clock,
        draw: Callable[[], float],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._near = near
        self._far = far
        self._keys = keys
        self._label_name = label_name
        self._rules = rules
        self._clock = clock
        self._draw = draw
        self._pause = pause
        self._flights: dict[bytes, Flight] = {}
        self.counts = dict.fromkeys(Way, 0)
        self.stored = StoredAnswers(near, keys, clock)
        self.waiting = 0
        self.passed = far.passed if far is not None else {}

        @functools.lru_cache(maxsize=_MOST_SCOPES)
        def scope(bundle: str, tenant: str, label: Label, route: str, pools: tuple[str, ...]) -> Scope:
            return scope_of(tenant=tenant, bundle=bundle, label=label_name(label), route=route, pools=pools)

        self._scope = scope

    def answer(
        self,
        call: Call,
        relay: Relay,
        request: Request,
        tenant: Tenant,
        allow: Allow,
        *,
        later: Later,
        go_on: Callable[[], None],
    ) -> None:
        """Answer from what is stored, or `go_on` to a model server; `later` gets what must wait. Raises NotStored."""
        control = cache_control_of(call.inbound.cache_control)
        own = self._keys.of(tenant.id) if len(call.inbound.body) <= LARGEST_REQUEST else None
        if not allow.cache_s or own is None or not control.stores or not is_cacheable(request, control):
            self._note(call, Way.BYPASS)
            if control.only_stored:
                raise NotStored
            go_on()
            return
        scope = self._scope(call.bundle, tenant.id, allow.label, allow.route, allow.pools)
        asked = _Asked(
            call,
            relay,
            tenant.id,
            own,
            scope,
            key_of(scope, str(request.dialect), canonical(request), own.finder),
            allow.cache_s,
            self._far is not None and allow.label <= self._rules.clearance,
            control,
            later,
            go_on,
        )
        if control.reads:
            reply = self._held_near(asked)
            if reply is not None and not self._is_drawn(asked, reply):
                call.stored = Stored(tenant.id, own, scope, asked.key, allow.cache_s, control)
                self._give(call, relay, reply, Way.NEAR)
                return
        if control.only_stored:
            self._look_only(asked)
        elif not control.reads:
            self._ask_alone(asked)
        else:
            self._join(asked)

    def given_again(self) -> None:
        """Count an answer that was given from this worker's memory."""
        self.counts[Way.NEAR] += 1

    def told(self, call: Call, reply: CachedReply, age_s: float, way: Way = Way.NEAR) -> bytes:
        """What the client of `call` is sent of `reply`, and its record says of it."""
        self._note(call, way)
        usage = reply.usage
        prompt, completion = (usage.prompt_tokens, usage.completion_tokens) if usage is not None else (0, 0)
        call.cached = Cached(round(age_s, 3), prompt, completion)
        # No model server has counted anything for this request.
        call.usage = _NOTHING
        return reply.as_reply(_id(call))

    def open(self) -> None:
        """See to it that every tenant has a key. What goes wrong leaves some without stored answers."""
        self._keys.prepare()

    @property
    def unopened(self) -> int:
        """How many stored answers did not open, or were none."""
        return self.stored.unopened

    @property
    def size(self) -> tuple[int, int]:
        """How many answers this worker has in memory, and about how many bytes they take."""
        return self._near.size

    def make_keys(self, tenants: Iterable[str]) -> None:
        """See to it that each of `tenants` has a key, before they are adopted. Waits for the disk."""
        self._keys.make_for(tenants)

    def adopt(self, tenants: Iterable[str]) -> None:
        """From now on there are these `tenants`."""
        self._keys.adopt(tenants)

    def tick(self) -> None:
        """Look whether keys have changed, and drop what has expired; called a few times a second."""
        for tenant in self._keys.look():
            self._near.forget(tenant)
        self._near.sweep()

    # What is stored

    def _held_near(self, asked: _Asked) -> CachedReply | None:
        sealed = self._near.read_now(asked.key)
        reply = self._opened(asked, sealed) if sealed is not None else None
        return reply if reply is not None and self._serves(asked, reply) else None

    def _opened(self, asked: _Asked, sealed: bytes) -> CachedReply | None:
        return self.stored.read(asked.own, asked.scope, asked.key, sealed)

    def _serves(self, asked: _Asked, reply: CachedReply) -> bool:
        """Whether `reply` may still be used, and is what the client takes."""
        return serves(asked.control, asked.lives_s, *reply.age_and_left_s(self._clock.wall()))

    def _is_drawn(self, asked: _Asked, reply: CachedReply) -> bool:
        """Whether this request is to make the answer anew, although there is one; nobody else is, then."""
        if asked.control.only_stored or asked.key in self._flights:
            return False
        if not is_drawn(reply.left_s(self._clock.wall()), reply.took_s, self._draw()):
            return False
        asked.standby = reply
        return True

    def _give(self, call: Call, relay: Relay, reply: CachedReply, way: Way) -> None:
        """Answer with `reply`."""
        relay.answer(self.told(call, reply, reply.age_s(self._clock.wall()), way))

    def _keep(self, asked: _Asked, body: bytes) -> None:
        """The answer is complete: store it, and give it to all who wait for it."""
        call = asked.call
        decision = call.decision
        if not isinstance(decision, Allow) or not decision.cache_s or len(body) > self._rules.largest:
            return
        if self._keys.of(asked.tenant) is not asked.own:
            return  # destroyed meanwhile: it must not come to open anything new
        lives_s = min(asked.lives_s, decision.cache_s)
        took_s = self._clock.monotonic() - call.inbound.received_at
        reply = CachedReply(cached_reply.VERSION, self._clock.wall(), lives_s, took_s, _id(call), call.usage, body)
        sealed = asked.own.seal(cached_reply.write(reply), bound_to(asked.scope, asked.key))
        self._near.write(asked.key, sealed, lives_s=lives_s, owner=asked.tenant)
        if self._far is not None and asked.is_shared:
            token = asked.flight.token if asked.flight is not None and asked.leads_far else b""
            self._far.write(asked.key, sealed, lives_s=lives_s, owner=asked.tenant, token=token)
            asked.leads_far = False
        self._land(asked, reply)

    # Who asks

    def _look_only(self, asked: _Asked) -> None:
        if asked.control.reads and self._asks_far(asked):
            asked.later(partial(self._look_far, asked))
        else:
            self._note(asked.call, Way.MISS)
            raise NotStored

    async def _look_far(self, asked: _Asked) -> None:
        found = await self._sought(asked, b"")
        reply = found[1] if isinstance(found, tuple) else None
        if reply is None:
            self._note(asked.call, Way.MISS)
            raise NotStored
        self._give(asked.call, asked.relay, reply, Way.FAR)

    def _ask_alone(self, asked: _Asked) -> None:
        """Ask a model server, for nobody else; what comes of it may be for others later."""
        self._note(asked.call, Way.MISS)
        asked.relay.keep(partial(self._keep, asked))
        asked.go_on()

    def _join(self, asked: _Asked) -> None:
        """Wait for whoever is asking the same, or be the one to ask."""
        flight = self._flights.get(asked.key)
        if flight is None:
            self._lead(asked)
            if self._asks_far(asked):
                asked.later(partial(self._seek, asked))
            else:
                self._ask(asked)
        elif self.waiting < self._rules.most_waiting:
            # Counted now and not when its task runs: many may come before that.
            asked.is_waiting = True
            self.waiting += 1
            asked.call.on_settled = partial(self._settled, asked)
            asked.later(partial(self._follow, asked))
        else:
            self._ask_alone(asked)

    def _lead(self, asked: _Asked) -> None:
        self._flights[asked.key] = asked.flight = Flight()
        asked.call.on_settled = partial(self._settled, asked)

    async def _follow(self, asked: _Asked) -> None:
        """Wait for an answer in the making, and for the one after it if its leader leaves."""
        began = self._clock.monotonic()
        end = await self._awaited(asked, began)
        self._waits_no_more(asked)
        asked.call.waited_s += self._clock.monotonic() - began
        if isinstance(end, CachedReply) and self._serves(asked, end):
            self._give(asked.call, asked.relay, end, Way.WAITED)
        elif end is Over.NEXT:
            await self._seek(asked)
        else:
            self._ask_alone(asked)

    async def _awaited(self, asked: _Asked, began: float) -> CachedReply | Over:
        """What comes of the flights; NEXT once this request leads one itself."""
        while True:
            flight = self._flights.get(asked.key)
            if flight is None:
                self._lead(asked)
                return Over.NEXT
            end: asyncio.Future[CachedReply | Over] = asyncio.get_running_loop().create_future()
            flight.waiting.add(end)
            try:
                async with asyncio.timeout(self._rules.wait_s - (self._clock.monotonic() - began)):
                    landed = await end
            except TimeoutError:
                return Over.ALONE
            finally:
                flight.waiting.discard(end)
            if landed is not Over.NEXT:
                return landed

    async def _seek(self, asked: _Asked) -> None:
        """Ask the store that all share, and wait for whoever leads elsewhere; then ask a model server."""
        if self._far is None or not self._asks_far(asked):
            self._ask(asked)
            return
        with self._far.wait() as wait:
            is_given = await self._found(asked, wait)
        if not is_given:
            self._ask(asked)

    async def _found(self, asked: _Asked, wait: Wait) -> bool:
        """Answer with what the store has, or another says meanwhile; False if the request has to ask for itself."""
        assert asked.flight is not None  # noqa: S101 -- `_lead` comes before
        began, pause_s = self._clock.monotonic(), _LEAST_PAUSE_S
        while True:
            # Until the store says otherwise: whoever leaves meanwhile may have taken the lead there all the same.
            asked.leads_far = True
            found = await self._sought(asked, asked.flight.token)
            asked.leads_far = found is Sought.OURS
            if isinstance(found, tuple):
                sealed, reply = found
                wait.came(reply.took_s)
                if asked.standby is None and self._is_drawn_far(asked, reply):
                    continue
                lives_s = reply.left_s(self._clock.wall())
                self._near.write(asked.key, sealed, lives_s=lives_s, owner=asked.tenant)
                self._land(asked, reply)
                self._give(asked.call, asked.relay, reply, Way.FAR)
                return True
            if found is not Sought.ANOTHERS:
                return False
            if asked.standby is not None and self._serves(asked, asked.standby):
                self._land(asked, asked.standby)
                self._give(asked.call, asked.relay, asked.standby, Way.NEAR)
                return True
            waited_s = self._clock.monotonic() - began
            if waited_s >= self._rules.wait_s or not wait.begins():
                return False
            await self._pause(pause_s)
            asked.call.waited_s += pause_s
            pause_s = min(2 * pause_s, _MOST_PAUSE_S)

    def _is_drawn_far(self, asked: _Asked, reply: CachedReply) -> bool:
        if is_drawn(reply.left_s(self._clock.wall()), reply.took_s, self._draw()):
            asked.standby = reply
        return asked.standby is not None

    def _asks_far(self, asked: _Asked) -> bool:
        """Whether to wait for what the store that all share has to say."""
        return self._far is not None and asked.is_shared and self._far.is_worth_asking(asked.key)

    async def _sought(self, asked: _Asked, token: bytes) -> tuple[bytes, CachedReply] | Sought | None:
        """What the store says; None if that is nothing of use."""
        assert self._far is not None  # noqa: S101 -- `_asks_far` comes before
        read = partial(self._read_far, asked)
        return await self._far.seek(asked.key, token, self._lease_s, anew=asked.standby is not None, read=read)

    def _read_far(self, asked: _Asked, sealed: bytes) -> CachedReply | None:
        reply = self._opened(asked, sealed)
        return reply if reply is not None and self._serves(asked, reply) else None

    @property
    def _lease_s(self) -> float:
        # Nobody waits longer for one who leads: longer, and a leader who died would be in the way of the next.
        return max(self._rules.wait_s, 1.0)

    def _ask(self, asked: _Asked) -> None:
        """Ask a model server, for all who wait."""
        self._note(asked.call, Way.MISS)
        asked.relay.keep(partial(self._keep, asked))
        if asked.standby is not None:
            asked.relay.standby = partial(self._stand_by, asked, asked.standby)
        asked.go_on()

    def _stand_by(self, asked: _Asked, reply: CachedReply, error: TidegateError) -> bool:
        """The answer could not be made anew: the old one will do, if it still may be used and that was no refusal."""
        status = error.http_status
        is_refusal = status < _SERVER_FAULT and status != _TOO_MANY
        if is_refusal or asked.relay.exchange.is_over or not self._serves(asked, reply):
            return False
        asked.relay.standby = None
        self._land(asked, reply)
        self._give(asked.call, asked.relay, reply, Way.OLD)
        return True

    def _land(self, asked: _Asked, end: CachedReply | Over) -> None:
        flight = asked.flight
        if flight is not None and self._flights.get(asked.key) is flight:
            del self._flights[asked.key]
            flight.land(end)

    def _settled(self, asked: _Asked, ending: Ending) -> None:
        """The request is over: if it led, whoever still waits is told that nothing came of it."""
        self._waits_no_more(asked)
        self._land(asked, Over.NEXT if ending in _LEFT else Over.ALONE)
        if asked.leads_far and self._far is not None and asked.flight is not None:
            asked.leads_far = False
            self._far.leave(asked.key, asked.flight.token)

    def _waits_no_more(self, asked: _Asked) -> None:
        if asked.is_waiting:
            asked.is_waiting = False
            self.waiting -= 1

    def _note(self, call: Call, way: Way) -> None:
        self.counts[way] += 1
        call.cache_said = b"miss" if way is Way.MISS else b"bypass" if way is Way.BYPASS else b"hit"


def _id(call: Call) -> str:
    return id_of(call.request.dialect, call.id) if call.request is not None else ""
