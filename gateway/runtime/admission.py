"""Letting work in: an in-flight limit and a first-come queue for each pool.

A place is one slot in one pool. Free places are taken at once, `to` before `spill`; when there is none, the request
waits its turn for any pool that its decision lists, no longer than the policy allows. Work never waits for a pool
that its decision does not list, so a full house cannot push anything outward. A request that is decided again while it
waits gets the pools of the new decision and keeps its place in the queues that it stays in.
"""

import asyncio
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.core.topology import Pool
from gateway.errors import Overloaded, TidegateError, Unavailable
from gateway.ports import Clock

_SMOOTHING: Final = 0.1


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


@dataclass(slots=True)
class _Gate:
    limit: int
    max_queued: int
    in_flight: int = 0
    queue: deque["_Waiter"] = field(default_factory=deque)
    # Seconds between two departures, smoothed: what an honest Retry-After is made of.
    interval_s: float | None = None
    last_left_at: float = 0.0


@dataclass(slots=True, eq=False)
class _Waiter:
    turn: asyncio.Future[str]
    pools: tuple[str, ...]
    home: Sequence[str]
    limit: asyncio.Timeout


class Turn:
    """One request's wait, for whoever may decide it again meanwhile. Nothing happens once the wait is over."""

    __slots__ = ("_admission", "_waiter")

    def __init__(self) -> None:
        self._admission: Admission | None = None
        self._waiter: _Waiter | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether somebody waits, and has neither a place nor given up."""
        return self._waiter is not None and not self._waiter.turn.done()

    def change(self, to: Sequence[str], spill: Sequence[str], *, wait_s: float) -> None:
        """Wait for these pools from now on, for up to `wait_s` more seconds; a free place among them is taken."""
        if self._admission is not None and self._waiter is not None and self.is_waiting:
            self._admission.change(self._waiter, to, spill, wait_s=wait_s)

    def refuse(self, error: TidegateError) -> None:
        """Wait no more: the request may go nowhere."""
        if self._waiter is not None and self.is_waiting:
            self._waiter.turn.set_exception(error)

    def begin(self, admission: "Admission", waiter: "_Waiter") -> None:
        """The wait begins."""
        self._admission, self._waiter = admission, waiter


@dataclass(frozen=True, slots=True)
class PoolLoad:
    """How busy a pool is at this moment."""

    in_flight: int
    limit: int
    waiting: int


class Admission:
    """The gates of all pools of one worker."""

    def __init__(self, pools: Collection[Pool], clock: Clock) -> None:
        self._clock = clock
        self._gates = {pool.name: _Gate(pool.max_in_flight, pool.max_queued) for pool in pools}

    def load(self) -> Mapping[str, PoolLoad]:
        """Every pool's load."""
        return {name: PoolLoad(gate.in_flight, gate.limit, len(gate.queue)) for name, gate in self._gates.items()}

    def has_place(self, pool: str) -> bool:
        """Whether `pool` has a free place that nobody waits for."""
        gate = self._gates[pool]
        return gate.in_flight < gate.limit and not gate.queue

    def try_enter(self, pools: Sequence[str]) -> Place | None:
        """A free place in the first of `pools` that has one and that nobody waits for."""
        name = self.free(pools)
        if name is None:
            return None
        self._gates[name].in_flight += 1
        return Place(self, name)

    def free(self, pools: Sequence[str]) -> str | None:
        """The first of `pools` in which `try_enter` would find a place now."""
        for name in pools:
            gate = self._gates[name]
            if gate.in_flight < gate.limit and not gate.queue:
                return name
        return None

    async def enter(self, to: Sequence[str], spill: Sequence[str], *, wait_s: float, turn: Turn | None = None) -> Place:
        """A place in `to`, or in `spill` when `to` is full; waits up to `wait_s` seconds for either.

        `turn` is told when the wait begins, and may change it. Raises Overloaded when the queues of all pools of `to`
        are full or the wait is over.
        """
        place = self.try_enter(to) or self.try_enter(spill)
        if place is not None:
            return place
        if not to and not spill:
            raise Unavailable
        home = to or spill
        if wait_s <= 0 or all(self._is_queue_full(name) for name in home):
            raise self._overloaded(home)
        return await self._wait((*to, *spill), home, wait_s, turn)

    async def _wait(self, pools: tuple[str, ...], home: Sequence[str], wait_s: float, turn: Turn | None) -> Place:
        limit = asyncio.timeout(wait_s)
        waiter = _Waiter(asyncio.get_running_loop().create_future(), pools, home, limit)
        for name in pools:
            self._gates[name].queue.append(waiter)
        try:
            async with limit:
                if turn is not None:
                    turn.begin(self, waiter)
                await waiter.turn
        except TimeoutError:
            if not _has_turn(waiter):
                raise self._overloaded(waiter.home) from None
        except asyncio.CancelledError:
            # The turn may have come in the same moment: a slot that nobody will use goes to the next.
            if _has_turn(waiter):
                self.left(waiter.turn.result())
            raise
        finally:
            self._forget(waiter)
        return Place(self, waiter.turn.result())

    def change(self, waiter: _Waiter, to: Sequence[str], spill: Sequence[str], *, wait_s: float) -> None:
        """`waiter`, which still waits, waits for these pools from now on."""
        pools = (*to, *spill)
        for name in waiter.pools:
            if name not in pools:
                self._gates[name].queue.remove(waiter)
        joined = [name for name in pools if name not in waiter.pools]
        waiter.pools = tuple(name for name in pools if name not in joined)
        waiter.home = to or spill
        # In the others it stands in line already, so that nothing is free there.
        free = self.free(joined)
        if free is not None:
            self._gates[free].in_flight += 1
            self._forget(waiter)
            waiter.turn.set_result(free)
            return
        for name in joined:
            self._gates[name].queue.append(waiter)
        waiter.pools = pools
        waiter.limit.reschedule(asyncio.get_running_loop().time() + wait_s)

    def _forget(self, waiter: _Waiter) -> None:
        for name in waiter.pools:
            self._gates[name].queue.remove(waiter)
        waiter.pools = ()

    def left(self, pool: str) -> None:
        """A slot of `pool` is free again: hand it to the first who waits for it."""
        gate = self._gates[pool]
        now = self._clock.monotonic()
        if gate.last_left_at:
            interval = now - gate.last_left_at
            known = gate.interval_s
            gate.interval_s = interval if known is None else known + _SMOOTHING * (interval - known)
        gate.last_left_at = now
        while gate.queue:
            waiter = gate.queue[0]
            # Out of every queue at once: a waiter that has its turn must not keep others from a free slot elsewhere.
            self._forget(waiter)
            if not waiter.turn.done():
                waiter.turn.set_result(pool)
                return
        gate.in_flight -= 1

    def _overloaded(self, pools: Sequence[str]) -> Overloaded:
        waits = [
            (len(gate.queue) + 1) * gate.interval_s
            for gate in (self._gates[name] for name in pools)
            if gate.interval_s is not None
        ]
        return Overloaded(retry_after_s=min(max(min(waits, default=1.0), 1.0), 60.0))

    def _is_queue_full(self, pool: str) -> bool:
        gate = self._gates[pool]
        return len(gate.queue) >= gate.max_queued


def _has_turn(waiter: _Waiter) -> bool:
    return waiter.turn.done() and not waiter.turn.cancelled() and waiter.turn.exception() is None
