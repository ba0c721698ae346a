"""Letting work in: the futures and deadlines round `core/gates.py`, which says who gets a place and who waits.

Work never waits for a pool that its decision does not list, so a full house cannot push anything outward. A request
that is decided again while it waits gets the pools of the new decision and keeps its place in the queues that it stays
in. What operations say, which pools take no more work and how much may burst, holds at once, for those who wait too.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from gateway.core.burst import lot
from gateway.core.decision import Allow
from gateway.core.facts import Tenant
from gateway.core.gates import Called, GateRules, Gates, Reason
from gateway.core.topology import Pool, Zone
from gateway.core.waiting import Asker, Waiter
from gateway.errors import BudgetSpent, Overloaded, TidegateError, Unavailable
from gateway.ports import Clock


class Place:
    """One slot in one pool; `leave` gives it back, once."""

    __slots__ = ("_admission", "_is_left", "pool")

    def __init__(self, admission: "Admission", pool: str) -> None:
        self._admission = admission
        self._is_left = False
        self.pool = pool

    def leave(self) -> None:
        """Give the slot to whoever waits, or back to the pool."""
        if not self._is_left:
            self._is_left = True
            self._admission.left(self.pool)


@dataclass(slots=True, eq=False)
class _Wait:
    """One request that waits: what it stands in line with, and what wakes it."""

    waiter: Waiter
    turn: "asyncio.Future[str]"
    limit: asyncio.Timeout


class Turn:
    """One request's wait, for whoever may decide it again meanwhile. Nothing happens once the wait is over."""

    __slots__ = ("_admission", "_wait")

    def __init__(self) -> None:
        self._admission: Admission | None = None
        self._wait: _Wait | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether somebody waits, and has neither a place nor given up."""
        return self._wait is not None and not self._wait.turn.done()

    def change(self, to: Sequence[str], spill: Sequence[str], *, wait_s: float, asker: Asker | None = None) -> None:
        """Wait for these pools from now on, for up to `wait_s` more seconds; a free place among them is taken.

        `asker` is what the request is by its new decision.
        """
        if self._admission is not None and self._wait is not None and self.is_waiting:
            self._admission.change(self._wait, to, spill, wait_s=wait_s, asker=asker)

    def refuse(self, error: TidegateError) -> None:
        """Wait no more: the request may go nowhere."""
        if self._wait is not None and self.is_waiting:
            self._wait.turn.set_exception(error)

    def begin(self, admission: "Admission", wait: _Wait) -> None:
        """The wait begins."""
        self._admission, self._wait = admission, wait


@dataclass(frozen=True, slots=True)
class PoolLoad:
    """How busy a pool is at this moment. Pressure of 1 is as much as work that may leave can have of it.

    `is_spilling` says whether work may leave it for the next, for labels without thresholds of their own.
    """

    in_flight: int
    limit: int
    waiting: int
    reserved: int = 0
    pressure: float = 0.0
    is_spilling: bool = False
    is_drained: bool = False
    labels_spilling: Mapping[int, bool] = field(default_factory=dict)
    zone: str = ""


class Admission:
    """The gates of all pools of one worker. `most_in_cloud` is this worker's part of the cap on work in the cloud."""

    def __init__(self, pools: Collection[Pool], clock: Clock, *, most_in_cloud: int | None = None) -> None:
        self._clock = clock
        self._pools = {pool.name: pool for pool in pools}
        self._cloud = frozenset(pool.name for pool in pools if Zone(pool.zone, None).is_cloud)
        self._gates = Gates((self._rules(pool) for pool in pools), most_in_cloud=most_in_cloud)
        self._waits: dict[Waiter, _Wait] = {}
        self._number = 0

    def _rules(self, pool: Pool) -> GateRules:
        is_cloud = pool.name in self._cloud
        return GateRules(pool.name, pool.max_in_flight, pool.max_queued, is_cloud, pool.reserved, pool.spill)

    # What there is

    def load(self) -> Mapping[str, PoolLoad]:
        """Every pool's load."""
        return {name: self._load(pool) for name, pool in self._pools.items()}

    def _load(self, pool: Pool) -> PoolLoad:
        gates, spilling = self._gates, dict(self._gates.spilling(pool.name))
        return PoolLoad(
            gates.in_flight(pool.name),
            pool.max_in_flight,
            gates.waiting(pool.name),
            pool.reserved,
            round(min(gates.pressure(pool.name), 1e6), 3),
            spilling.pop(None),
            gates.is_drained(pool.name),
            {label: is_open for label, is_open in spilling.items() if label is not None},
            pool.zone,
        )

    @property
    def cloud(self) -> frozenset[str]:
        """The pools where work has left."""
        return self._cloud

    def is_kept_shut(self, pool: str) -> bool:
        """Whether operations keep all work from spilling into `pool`."""
        return self._gates.is_kept_shut(pool)

    @property
    def in_cloud(self) -> int:
        """How much work is in flight in the cloud."""
        return self._gates.in_cloud

    def has_place(self, pool: str) -> bool:
        """Whether `pool` has a free place that nobody waits for."""
        return self._gates.has_place(pool)

    def is_quiet(self, pool: str, *, beside: int = 0) -> bool:
        """Whether at least half of `pool` is free, `beside` places being as good as taken, and nobody waits for one."""
        taken = self._gates.in_flight(pool) + beside
        return taken * 2 < self._pools[pool].max_in_flight and not self._gates.waiting(pool)

    def is_awaited(self, pool: str) -> bool:
        """Whether somebody waits for a place in `pool`."""
        return bool(self._gates.waiting(pool))

    def is_drained(self, pool: str) -> bool:
        """Whether operations have drained `pool`."""
        return self._gates.is_drained(pool)

    def takes(self, pool: str, asker: Asker) -> bool:
        """Whether `pool` takes spill from `asker` at all, as operations have it."""
        return self._gates.takes(pool, asker)

    def sends(self, pool: str, asker: Asker) -> bool:
        """Whether operations send spill from `asker` to `pool` although there may be room elsewhere."""
        return self._gates.sends(pool, asker)

    # Who comes

    def asker(self, tenant: Tenant, allow: Allow, before: Asker | None = None, *, is_undecided: bool = False) -> Asker:
        """What a request is to the gates; if it was decided `before`, its lot stays the same.

        One that `is_undecided`, since a full scan may yet send it out, has no claim to what is kept for those who stay.
        """
        stays_out = self._cloud.isdisjoint
        may_leave = not stays_out(allow.to) or not (not allow.spill or stays_out(allow.spill))
        if allow.canary is not None and allow.canary.pool in self._cloud:
            may_leave = True
        if is_undecided and not stays_out(allow.if_scanned):
            may_leave = True
        if before is not None:
            drawn = before.lot
        else:
            self._number += 1
            drawn = lot(self._number)
        return Asker(tenant.id, tenant.priority, allow.label, may_leave, drawn)

    def free(self, to: Sequence[str], spill: Sequence[str] = (), asker: Asker | None = None) -> str | None:
        """The pool in which `asker` would have a place now."""
        return self._gates.first(asker or self._anybody(to, spill), to, spill)

    def try_enter(self, to: Sequence[str], spill: Sequence[str] = (), asker: Asker | None = None) -> Place | None:
        """A place in the pool that `free` names, if it names one."""
        name = self._gates.first(asker or self._anybody(to, spill), to, spill)
        return None if name is None else self.take(name)

    def take(self, pool: str) -> Place:
        """The place in `pool` that `free` has just named; nothing may come in between."""
        called = self._gates.enter(pool, self._clock.monotonic())
        if called:
            self._tell(called)
        return Place(self, pool)

    async def enter(
        self,
        to: Sequence[str],
        spill: Sequence[str],
        *,
        wait_s: float,
        asker: Asker | None = None,
        turn: Turn | None = None,
    ) -> Place:
        """A place in `to`, or in `spill` when that is open; waits up to `wait_s` seconds for either.

        `turn` is told when the wait begins, and may change it. Raises Overloaded when the queues of all pools of `to`
        are full or the wait is over, Unavailable when none of the pools takes work.
        """
        asker = asker or self._anybody(to, spill)
        place = self.try_enter(to, spill, asker)
        if place is not None:
            return place
        if not to and not spill:
            raise Unavailable
        if wait_s <= 0:
            raise self._overloaded(to or spill)
        return await self._wait(asker, to, spill, wait_s, turn)

    async def _wait(
        self, asker: Asker, to: Sequence[str], spill: Sequence[str], wait_s: float, turn: Turn | None
    ) -> Place:
        waiter, called = self._gates.wait(asker, to, spill, self._clock.monotonic())
        if not isinstance(waiter, Waiter):
            raise self._refusal(waiter, to or spill)
        limit = asyncio.timeout(wait_s)
        wait = self._waits[waiter] = _Wait(waiter, asyncio.get_running_loop().create_future(), limit)
        self._tell(called)
        try:
            async with limit:
                if turn is not None:
                    turn.begin(self, wait)
                await wait.turn
        except TimeoutError:
            if not _has_place(wait):
                raise self._overloaded(waiter.to or waiter.spill) from None
        except asyncio.CancelledError:
            # The turn may have come in the same moment: a slot that nobody will use goes to the next.
            if _has_place(wait):
                self._pass_on(wait.turn.result())
            raise
        finally:
            self._waits.pop(waiter, None)
            self._gates.forget(waiter)
        pool = wait.turn.result()
        if not self._is_open(waiter, pool):
            self._pass_on(pool)
            raise Unavailable
        return Place(self, pool)

    def _is_open(self, waiter: Waiter, pool: str) -> bool:
        """Whether operations have left `pool` open since the turn of `waiter` came: it hears of it a moment later."""
        if pool in waiter.to:
            return not self._gates.is_drained(pool)
        return self._gates.takes(pool, waiter.asker)

    def change(
        self, wait: _Wait, to: Sequence[str], spill: Sequence[str], *, wait_s: float, asker: Asker | None = None
    ) -> None:
        """`wait`, which is not over, is for these pools from now on."""
        if asker is None:
            may_leave = not self._cloud.isdisjoint((*to, *spill))
            asker = msgspec.structs.replace(wait.waiter.asker, may_leave=may_leave)
        wait.limit.reschedule(asyncio.get_running_loop().time() + wait_s)
        self._tell(self._gates.change(wait.waiter, asker, to, spill, self._clock.monotonic()))

    def left(self, pool: str) -> None:
        """A slot of `pool` is free again: hand it to whose turn it is."""
        called = self._gates.leave(pool, self._clock.monotonic())
        if called:
            self._tell(called)

    # What is said from outside

    def press(self, pool: str, pressure: float) -> None:
        """What the model servers of `pool` say of themselves: 1 is as much as they can take."""
        self._tell(self._gates.press(pool, pressure, self._clock.monotonic()))

    def control(self, share: float | None, drained: Collection[str]) -> None:
        """What operations say: the share from 0 to 1 of what may leave that does, None by pressure; and which pools
        take no more work."""
        self._tell(self._gates.control(share, drained, self._clock.monotonic()))

    def spend(self, is_spent: bool) -> None:
        """Whether the money for the cloud is spent: while it is, no pool there takes work, and who waits for one of
        them waits for the others."""
        if is_spent is not self._gates.is_spent:
            self._tell(self._gates.spend(is_spent, self._clock.monotonic()))

    def tick(self) -> None:
        """Look at the clock; called a few times a second."""
        self._tell(self._gates.tick(self._clock.monotonic()))

    def _tell(self, called: Iterable[Called]) -> None:
        for one in called:
            wait = self._waits.pop(one.waiter, None)
            is_over = wait is None or wait.turn.done()
            if isinstance(one.to, Reason):
                if wait is not None and not is_over:
                    wait.turn.set_exception(self._refusal(one.to, one.waiter.to or one.waiter.spill))
            elif wait is None or is_over:
                self._pass_on(one.to)
            else:
                wait.turn.set_result(one.to)

    def _pass_on(self, pool: str) -> None:
        self._tell(self._gates.leave(pool, self._clock.monotonic(), is_measured=False))

    def _refusal(self, reason: Reason, pools: Sequence[str]) -> TidegateError:
        if reason is Reason.FULL:
            return self._overloaded(pools)
        is_for_money = self._gates.is_spent and not self._cloud.isdisjoint(pools)
        return BudgetSpent() if is_for_money else Unavailable()

    def _overloaded(self, pools: Sequence[str]) -> Overloaded:
        return Overloaded(retry_after_s=self._gates.retry_after_s(pools, self._clock.monotonic()))

    def _anybody(self, to: Sequence[str], spill: Sequence[str]) -> Asker:
        return Asker(may_leave=not self._cloud.isdisjoint((*to, *spill)))


def _has_place(wait: _Wait) -> bool:
    return wait.turn.done() and not wait.turn.cancelled() and wait.turn.exception() is None
