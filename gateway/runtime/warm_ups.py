"""Warm-ups while a worker serves: the trend is watched, and what it asks for is paid, recorded and then begun.

What operations shut is also ended, whoever of this gateway's workers has begun it; what somebody else has begun stands.

One worker of a gateway does this, and of several gateways with one store one at a time. What is begun carries nothing
of anybody's: it raises a number at AWS. It obeys what the requests obey that it is begun for: no warm-up while
operations keep the pool shut, while data capture closes it, while nothing may leave, or without the money for all of
it, which is charged whether or not anybody comes. When one is wanted is `core/warm_up.py`'s.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.core import measures
from gateway.core.quota import Ask, Limits
from gateway.core.records import Override
from gateway.core.topology import Endpoint, Pool
from gateway.core.warm_up import Begun, Held, NotEnded, NotHeld, Trend, WarmRules, WarmUp, fullest_together
from gateway.errors import AuditUnavailable, BudgetSpent
from gateway.policy.compiled import CompiledPolicy
from gateway.ports import AuditSink, Clock, QuotaStore, Reservation, Warmer
from gateway.runtime.admission import Admission
from gateway.runtime.bundles import Bundle
from gateway.runtime.burst_budget import BudgetDesk
from gateway.runtime.endpoints import Endpoints
from gateway.runtime.instruments import Reading
from gateway.runtime.standing import State
from gateway.runtime.warm_up_book import WarmUpBook
from gateway.telemetry import EventLog

LOOK_EVERY_S: Final = 1.0
OURSELVES: Final = "tidegate"
ENDS_AGAIN_S: Final = 30.0
"""After which a warm-up that could not be ended is tried again."""

_ONE_AT_A_TIME: Final = Limits(requests_per_minute=1)
_SOUND: Final = (State.WELL, State.COLD, State.FULL)

log = EventLog(__name__)


@dataclass(slots=True, eq=False)
class Watched:
    """One pool that may be warmed up. `is_closed` says of an endpoint whether something but operations and money shuts
    it now."""

    pool: Pool
    rules: WarmRules
    warmer: Warmer
    is_closed: Callable[[Endpoint], bool]
    warm: WarmUp = field(init=False)
    trends: dict[str, Trend] = field(default_factory=dict)
    ahead: float | None = None

    def __post_init__(self) -> None:
        self.warm = WarmUp(self.rules.hold_s)


@dataclass(frozen=True, slots=True)
class Warmth:
    """What is told of a warm-up of ours. `error` is why it could not be ended, if it could not; it `is_ending` while
    operations keep its pool shut."""

    pool: str
    endpoint: str
    until: float
    is_ending: bool
    error: str


class WarmUps:
    """Keeps an eye on the pools at home of the `bundle` that governs, and has `watched` ones made ready in time."""

    def __init__(
        self,
        watched: Sequence[Watched],
        *,
        bundle: Callable[[], Bundle],
        admission: Admission,
        endpoints: Endpoints,
        budget: BudgetDesk,
        store: QuotaStore,
        audit: AuditSink,
        clock: Clock,
        book: WarmUpBook,
    ) -> None:
        self._watched = tuple(watched)
        self._bundle = bundle
        self._admission = admission
        self._endpoints = endpoints
        self._budget = budget
        self._store = store
        self._audit = audit
        self._clock = clock
        self._book = book
        self._standing: tuple[Begun, ...] = ()
        self._not_ended: dict[Begun, tuple[str, float]] = {}
        self._number = 0
        self._results: Counter[tuple[str, str]] = Counter()

    async def run(self, stop: asyncio.Event) -> None:
        """Look every second until `stop`; where nothing is to be warmed up there is nothing to look at."""
        if self._watched:
            self._standing = await asyncio.to_thread(self._book.standing, self._clock.wall())
        while self._watched and not stop.is_set():
            await self.look()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await stop.wait()

    async def look(self) -> None:
        """Look once, end what is no longer to be, and begin what is wanted."""
        for one in self._watched:
            if self._admission.is_kept_shut(one.pool.name):
                await self._end(one)
            if self._is_wanted(one) and self._may_begin(one):
                await self._begin(one)

    def told(self) -> tuple[Warmth, ...]:
        """The warm-ups of ours that hold, for operations."""
        now, pools = self._clock.wall(), {one.pool.name for one in self._watched}
        return tuple(
            Warmth(
                one.pool,
                one.endpoint,
                one.until,
                is_ending=self._admission.is_kept_shut(one.pool),
                error=self._not_ended.get(one, ("", 0.0))[0],
            )
            for one in self._standing
            if one.until > now and one.pool in pools
        )

    def readings(self) -> Iterator[Reading]:
        """What came of it so far, what holds, and what is expected."""
        now = self._clock.monotonic()
        for one in self._watched:
            labels = one.pool.zone, one.pool.name
            yield measures.WARM, labels, one.warm.until is not None and one.warm.until > now
            if one.ahead is not None:
                yield measures.WARM_AHEAD, labels, round(one.ahead, 3)
        for (pool, result), count in self._results.items():
            zone = next(one.pool.zone for one in self._watched if one.pool.name == pool)
            yield measures.WARM_UPS, (zone, pool, result), count

    # Inside

    def _is_wanted(self, one: Watched) -> bool:
        now, takes_s = self._clock.monotonic(), self._endpoints.start_s(one.pool.name)
        bundle = self._bundle()
        fillers, load = fillers_of(bundle, one.pool.name), self._admission.load()
        homes = {name for together in fillers for name in together}
        one.trends = {name: one.trends.get(name) or Trend(takes_s) for name in sorted(homes)}
        for name, trend in one.trends.items():
            trend.add(load[name].pressure / bundle.topology.pool(name).spill.usual.open_at, now)
        found = [
            (ahead, fullest_together(one.trends[name].level for name in together))
            for together in fillers
            if (ahead := fullest_together(one.trends[name].at(now + takes_s) for name in together)) is not None
        ]
        one.ahead, level = max(found, key=lambda pair: pair[0], default=(None, None))
        return one.warm.wants(now, level, one.ahead, takes_s)

    def _may_begin(self, one: Watched) -> bool:
        if self._admission.is_kept_shut(one.pool.name) or self._budget.is_spent:
            return False
        return not all(one.is_closed(endpoint) for endpoint in one.pool.endpoints)

    async def _begin(self, one: Watched) -> None:
        self._number += 1
        result = await self._begun(one)
        self._results[one.pool.name, result] += 1
        if result not in ("begun", "found"):
            one.warm.failed(self._clock.monotonic())

    async def _begun(self, one: Watched) -> str:
        """What came of trying to begin one, in a word."""
        name = one.pool.name
        turn = await self._store.reserve(f"warm:{name}", f"warm.{self._number}", Ask(), _ONE_AT_A_TIME)
        if not isinstance(turn, Reservation) or turn.is_degraded:
            return "elsewhere"
        refused = "no endpoint"
        for endpoint in self._in_turn(one):
            now = self._clock.wall()
            seen = await asyncio.to_thread(one.warmer.seen, endpoint, now)
            if isinstance(seen, NotHeld):
                refused = seen.error
                continue
            if seen is not None and seen.until - now > self._endpoints.start_s(name):
                self._holds(one, endpoint, seen)
                return "found"
            result = await self._paid(one, endpoint)
            if isinstance(result, str):
                return result
            if isinstance(result, Held):
                self._holds(one, endpoint, result)
                return "begun"
            refused = result.error
        log.warning("warm_up_refused", pool=name, reason=refused)
        return "refused"

    async def _paid(self, one: Watched, endpoint: Endpoint) -> Held | NotHeld | str:
        """Hold `endpoint`, once that is paid for and on record; a word of why not even that was."""
        rules, name = one.rules, one.pool.name
        try:
            money = await self._budget.set_aside(f"warm.{name}", rules.cost_micros)
        except BudgetSpent:
            log.warning("warm_up_unpaid", pool=name)
            return "unpaid"
        took = 0
        try:
            now = self._clock.wall()
            until = float(int(now + rules.hold_s))
            # On disk before it begins, as every cloud attempt is (threats.md I8).
            await self._audit.committed(Override(now, OURSELVES, f"warm {name} {rules.count}", until))
            if not self._may_begin(one) or one.is_closed(endpoint):
                # It was closed while that was written.
                await self._is_off(name)
                return "refused"
            begun = Begun(name, endpoint.name, until)
            await self._noted(self._book.begins, begun)
            took = rules.cost_micros
            result = await asyncio.to_thread(one.warmer.hold, endpoint, now, until)
            if isinstance(result, NotHeld) and not result.may_be:
                took = 0
                await self._noted(self._book.ended, begun)
                await self._is_off(name)
        except AuditUnavailable:
            log.error("warm_up_not_recorded", pool=name)
            return "unrecorded"
        finally:
            self._budget.charge(money, took)
        return result

    async def _end(self, one: Watched) -> None:
        """End what holds `one` by our doing. Of what AWS does not end it is told why, and it is tried again."""
        wall, now = self._clock.wall(), self._clock.monotonic()
        self._standing = await asyncio.to_thread(self._book.standing, wall)
        self._not_ended = {begun: seen for begun, seen in self._not_ended.items() if begun in self._standing}
        for begun in self._standing:
            if begun.pool != one.pool.name or now < self._not_ended.get(begun, ("", now))[1]:
                continue
            endpoint = next((found for found in one.pool.endpoints if found.name == begun.endpoint), None)
            if endpoint is None:
                # It is gone from the file, and AWS ends it.
                continue
            kept = await asyncio.to_thread(one.warmer.let_go, endpoint, wall, begun.until)
            if isinstance(kept, NotEnded):
                self._not_ended[begun] = kept.error, now + ENDS_AGAIN_S
                self._results[begun.pool, "not_ended"] += 1
                log.error("warm_up_not_ended", pool=begun.pool, endpoint=begun.endpoint, reason=kept.error)
                continue
            await self._noted(self._book.ended, begun)
            one.warm.ended(now)
            self._results[begun.pool, "ended"] += 1
            log.info("warm_up_ended", pool=begun.pool, endpoint=begun.endpoint, after_s=round(begun.until - wall))
            try:
                await self._is_off(begun.pool)
            except AuditUnavailable:
                log.error("warm_up_not_recorded", pool=begun.pool)

    async def _noted(self, note: Callable[[Begun, float], None], begun: Begun) -> None:
        now = self._clock.wall()
        await asyncio.to_thread(note, begun, now)
        self._standing = await asyncio.to_thread(self._book.standing, now)

    async def _is_off(self, name: str) -> None:
        """Nothing came of what was recorded before, or nothing more is to."""
        await self._audit.committed(Override(self._clock.wall(), OURSELVES, f"warm {name} off", None))

    def _holds(self, one: Watched, endpoint: Endpoint, held: Held) -> None:
        left_s = held.until - self._clock.wall()
        now = self._clock.monotonic()
        one.warm.began(now, now + left_s)
        event = "warm_up_begun" if held.is_ours else "warm_up_found"
        log.info(event, pool=one.pool.name, endpoint=endpoint.name, count=one.rules.count, after_s=round(left_s))

    def _in_turn(self, one: Watched) -> list[Endpoint]:
        """The endpoints that are open, in the order of the file, those first with which nothing is wrong."""
        states = {view.endpoint: view.state for view in self._endpoints.views() if view.pool == one.pool.name}
        found = [endpoint for endpoint in one.pool.endpoints if not one.is_closed(endpoint)]
        return sorted(found, key=lambda endpoint: states.get(endpoint.name) not in _SOUND)


def fillers_of(bundle: Bundle, pool: str) -> tuple[tuple[str, ...], ...]:
    """Which pools at home spill into `pool`: for each row that does, those that must all be full first.

    None, where nobody's ceiling lets anything out.
    """
    if not any(tenant.ceiling is not None for tenant in bundle.tenants.values()):
        return ()
    return tuple(dict.fromkeys(_fillers(bundle.policy, pool)))


def _fillers(policy: CompiledPolicy, pool: str) -> Iterator[tuple[str, ...]]:
    for route in policy.routes:
        is_spilled_into = any(one.name == pool for one in route.spill)
        if is_spilled_into and route.to and not any(one.is_cloud for one in route.to):
            yield tuple(one.name for one in route.to)
