"""The gates of all pools: who gets a free place, who waits, who is turned away. A machine without clock or waiting.

Rules, in this order. A place is one slot in one pool. Work never gets a place in a pool that its decision does not
list, nor in one that operations have drained, nor in the cloud while the money for it is spent. The last `reserved`
places of a pool are only for work that must stay home. `spill` opens when every pool of `to` is under pressure or
takes nothing; into the cloud it opens as far as operations allow, and never above the cap on cloud work in flight.
After every call nobody waits who could have a place, so that a newcomer who finds one overtakes nobody.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from gateway.core.burst import SpillRules, Valve
from gateway.core.labels import Label
from gateway.core.waiting import Asker, Line, Waiter

SMOOTHING: Final = 0.1
SHORTEST_RETRY_S: Final = 1.0
LONGEST_RETRY_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class GateRules:
    """What is set for one pool: places, how many of them are kept for work that must stay, and how many may wait."""

    name: str
    limit: int
    max_queued: int
    is_cloud: bool = False
    reserved: int = 0
    spill: SpillRules = field(default_factory=SpillRules)


class Reason(StrEnum):
    """Why somebody waits no more, or cannot."""

    FULL = "full"  # the line is full
    SHUT = "shut"  # nothing that the decision lists takes work: drained, closed by operations, or no money for it


@dataclass(frozen=True, slots=True)
class Called:
    """`waiter` has got a place in the pool `to`, or waits in vain."""

    waiter: Waiter
    to: str | Reason


class _Gate:
    """One pool's places, its line, its valves, and how fast it drains."""

    __slots__ = (
        "_by_label",
        "_usual",
        "free_until",
        "full_since",
        "in_flight",
        "interval_s",
        "is_cloud",
        "is_drained",
        "is_shut",
        "is_spilling",
        "left_at",
        "limit",
        "line",
        "name",
        "room",
        "seen",
        "valves",
        "watched",
    )

    def __init__(self, rules: GateRules) -> None:
        self.name = rules.name
        self.limit = rules.limit
        self.room = rules.limit - rules.reserved
        self.is_cloud = rules.is_cloud
        self.line = Line(rules.max_queued)
        self.in_flight = 0
        self.seen = 0.0
        self.is_drained = False
        # Drained, or in the cloud while there is no money for it: nobody gets a place.
        self.is_shut = False
        self._usual = Valve(rules.spill.usual)
        self._by_label = {label: Valve(other) for label, other in rules.spill.by_label}
        self.valves = (self._usual, *self._by_label.values())
        self.is_spilling = False
        # From how many on, in flight and waiting, a valve may open: below it nobody need look at them.
        lowest = min(one.open_at for one in (rules.spill.usual, *(other for _, other in rules.spill.by_label)))
        self.watched = math.floor(lowest * self.room)
        # Up to here nobody need look at anything: no place runs out, and no valve opens.
        self.free_until = min(self.watched, self.room)
        self.full_since = self.left_at = 0.0
        self.interval_s: float | None = None

    @property
    def pressure(self) -> float:
        """1 when work that may leave finds no place; what the model servers say of themselves counts if it is more."""
        if not self.room:
            return math.inf
        return max((self.in_flight + self.line.length) / self.room, self.seen)

    def valve(self, label: Label) -> Valve:
        """The valve for work of this label."""
        return self._by_label.get(label, self._usual)

    def spilling(self) -> Mapping[Label | None, bool]:
        """Which valves are open, by label; None for the labels without one of their own."""
        return {None: self._usual.is_open} | {label: valve.is_open for label, valve in self._by_label.items()}

    def measure(self, now: float) -> None:
        """Somebody leaves while no place is free: only that says how fast places come free."""
        interval = now - max(self.left_at, self.full_since)
        known = self.interval_s
        self.interval_s = interval if known is None else known + SMOOTHING * (interval - known)
        self.left_at = now

    def wait_s(self, now: float) -> float | None:
        """How long whoever joins the line now will stand in it; None if nothing has been measured."""
        if self.interval_s is None:
            return None
        # A pool from which nobody has come for longer than usual drains no faster than that.
        since = now - max(self.left_at, self.full_since) if self.in_flight >= self.room else 0.0
        return (self.line.length + 1) * max(self.interval_s, since)


class Gates:
    """Every pool's gate. `now` is monotonic seconds. Calls that change something say who is `Called` by it."""

    def __init__(self, rules: Iterable[GateRules], *, most_in_cloud: int | None = None) -> None:
        self._gates = {one.name: _Gate(one) for one in rules}
        self._most_in_cloud = most_in_cloud
        self._in_cloud = 0
        self._share: float | None = None
        self._is_spent = False
        self._number = 0
        # Gates whose line may hold somebody who could go in; in order, so that the same calls give the same turns.
        self._changed: dict[str, None] = {}

    # What is asked of it

    def first(self, asker: Asker, to: Sequence[str], spill: Sequence[str]) -> str | None:
        """The pool in which `asker` would have a place now."""
        if spill and asker.may_leave and self._share is not None and asker.lot < self._share:
            sent = self._free(asker, [name for name in spill if self._gates[name].is_cloud])
            if sent is not None:
                return sent
        stayed = None
        for name in to:
            gate = self._gates[name]
            # Most pools are at home and far from full: what `_has_place` says of them, without asking it.
            is_free = not gate.is_cloud and not gate.is_shut and gate.in_flight < gate.room
            if not is_free and not self._has_place(gate, asker):
                continue
            if not (gate.is_spilling and asker.may_leave and spill):
                return name
            if not gate.valve(asker.label).turns_away(gate.pressure):
                return name
            stayed = stayed or name
        if spill and self._is_open(asker, to):
            left = self._free(asker, [name for name in spill if self._may_spill(self._gates[name], asker)])
            if left is not None:
                return left
        return stayed

    def enter(self, pool: str, now: float) -> tuple[Called, ...]:
        """Take the place in `pool` that `first` has named."""
        gate = self._gates[pool]
        if gate.is_cloud or gate.is_spilling or gate.in_flight + 1 >= gate.free_until - gate.line.length:
            self._take(gate, now)
        else:
            # Far from full: what `_take` does then, without asking it.
            gate.in_flight += 1
        return self._settle(now) if self._changed else ()

    def wait(
        self, asker: Asker, to: Sequence[str], spill: Sequence[str], now: float
    ) -> tuple[Waiter | Reason, tuple[Called, ...]]:
        """Stand in line for whatever place comes first; who has to make room for that, or is let in by it, is called.

        To be asked when `first` has named none.
        """
        home = self._open(asker, to, ()) or self._open(asker, (), spill)
        if not home:
            return Reason.SHUT, ()
        called: list[Called] = []
        if all(self._gates[name].line.is_full for name in home):
            last = self._gates[home[0]].line.room_for(asker)
            if last is None:
                return Reason.FULL, ()
            self.forget(last)
            called.append(Called(last, Reason.FULL))
        self._number += 1
        waiter = Waiter(asker, tuple(to), tuple(spill), now, self._number)
        self._join(waiter, (*to, *spill), now)
        return waiter, (*called, *self._settle(now))

    def change(
        self, waiter: Waiter, asker: Asker, to: Sequence[str], spill: Sequence[str], now: float
    ) -> tuple[Called, ...]:
        """`waiter` was decided again: it waits for these pools, and keeps its place in the lines it stays in.

        `asker` is what it is now; its tenant is the same.
        """
        stood = (*waiter.to, *waiter.spill)
        waiter.asker, waiter.to, waiter.spill = asker, tuple(to), tuple(spill)
        pools = (*waiter.to, *waiter.spill)
        for name in stood:
            if name not in pools:
                self._gates[name].line.leave(waiter)
        if not self._open(asker, to, spill):
            self.forget(waiter)
            return (Called(waiter, Reason.SHUT),)
        free = self.first(asker, to, spill)
        if free is not None:
            self.forget(waiter)
            return (Called(waiter, free), *self.enter(free, now))
        self._join(waiter, [name for name in pools if name not in stood], now)
        return self._settle(now)

    def forget(self, waiter: Waiter) -> None:
        """`waiter` waits no more; nothing happens if it does not wait."""
        for name in (*waiter.to, *waiter.spill):
            self._gates[name].line.leave(waiter)

    def leave(self, pool: str, now: float, *, is_measured: bool = True) -> tuple[Called, ...]:
        """A place in `pool` is free again. A place that nobody has used says nothing about how fast they come free."""
        gate = self._gates[pool]
        if is_measured and gate.in_flight >= gate.room:
            gate.measure(now)
        gate.in_flight -= 1
        if gate.is_spilling:
            self._feel(gate, now)
        if gate.line.length:
            self._changed[pool] = None
        if gate.is_cloud:
            self._in_cloud -= 1
            if self._most_in_cloud is not None:
                self._look_at(name for name, other in self._gates.items() if other.is_cloud)
        return self._settle(now) if self._changed else ()

    def press(self, pool: str, pressure: float, now: float) -> tuple[Called, ...]:
        """What the model servers of `pool` say of themselves: 1 is as much as they can take."""
        gate = self._gates[pool]
        gate.seen = pressure
        self._feel(gate, now)
        return self._settle(now)

    def tick(self, now: float) -> tuple[Called, ...]:
        """Time has passed: what was open long enough may close."""
        for gate in self._gates.values():
            self._feel(gate, now)
        return self._settle(now)

    def control(self, share: float | None, drained: Collection[str], now: float) -> tuple[Called, ...]:
        """What operations say: which share of what may leave does, None by pressure; which pools take no more work."""
        self._share = share
        for name, gate in self._gates.items():
            gate.is_drained = name in drained
        return self._shut(now)

    def spend(self, is_spent: bool, now: float) -> tuple[Called, ...]:
        """Whether the money for the cloud is spent: while it is, no pool there takes work."""
        self._is_spent = is_spent
        return self._shut(now)

    def _shut(self, now: float) -> tuple[Called, ...]:
        for gate in self._gates.values():
            gate.is_shut = gate.is_drained or (gate.is_cloud and self._is_spent)
        shut: dict[Waiter, None] = {}
        for gate in self._gates.values():
            shut |= {one: None for one in gate.line if not self._open(one.asker, one.to, one.spill)}
        for waiter in shut:
            self.forget(waiter)
        self._look_at(self._gates)
        return (*(Called(waiter, Reason.SHUT) for waiter in shut), *self._settle(now))

    # What it knows

    @property
    def names(self) -> Collection[str]:
        """Every pool."""
        return self._gates.keys()

    @property
    def in_cloud(self) -> int:
        """How much work is in flight in the cloud."""
        return self._in_cloud

    def is_cloud(self, pool: str) -> bool:
        """Whether work in `pool` has left."""
        return self._gates[pool].is_cloud

    def is_drained(self, pool: str) -> bool:
        """Whether operations have drained `pool`."""
        return self._gates[pool].is_drained

    def is_kept_shut(self, pool: str) -> bool:
        """Whether operations keep all work from spilling into `pool`."""
        gate = self._gates[pool]
        return gate.is_drained or (gate.is_cloud and self._share == 0.0)

    @property
    def is_spent(self) -> bool:
        """Whether the money for the cloud is spent."""
        return self._is_spent

    def has_place(self, pool: str) -> bool:
        """Whether `pool` has a free place that nobody waits for."""
        gate = self._gates[pool]
        return gate.in_flight < gate.limit and not gate.line and not gate.is_shut

    def takes(self, pool: str, asker: Asker) -> bool:
        """Whether `pool` takes such spill at all, as operations have it."""
        gate = self._gates[pool]
        return not gate.is_shut and self._may_spill(gate, asker)

    def sends(self, pool: str, asker: Asker) -> bool:
        """Whether operations send such spill to `pool` although there may be room elsewhere."""
        gate = self._gates[pool]
        return gate.is_cloud and self._share is not None and asker.lot < self._share and not gate.is_shut

    def in_flight(self, pool: str) -> int:
        """How many places of `pool` are taken."""
        return self._gates[pool].in_flight

    def waiting(self, pool: str) -> int:
        """How many wait for `pool`."""
        return len(self._gates[pool].line)

    def pressure(self, pool: str) -> float:
        """The pressure on `pool`."""
        return self._gates[pool].pressure

    def spilling(self, pool: str) -> Mapping[Label | None, bool]:
        """Whether work may leave `pool`, by label where a label has thresholds of its own, None for the others."""
        return self._gates[pool].spilling()

    def retry_after_s(self, pools: Iterable[str], now: float) -> float:
        """When to come again: how long the shortest of these lines takes at the rate at which it drains."""
        waits = [wait for name in pools if (wait := self._gates[name].wait_s(now)) is not None]
        return min(max(min(waits, default=SHORTEST_RETRY_S), SHORTEST_RETRY_S), LONGEST_RETRY_S)

    # The rules

    def _has_place(self, gate: _Gate, asker: Asker) -> bool:
        if gate.in_flight >= (gate.room if asker.may_leave else gate.limit) or gate.is_shut:
            return False
        return not gate.is_cloud or self._most_in_cloud is None or self._in_cloud < self._most_in_cloud

    def _may_spill(self, gate: _Gate, asker: Asker) -> bool:
        """Whether operations leave `gate` open for spill of this request."""
        return not gate.is_cloud or self._share is None or asker.lot < self._share

    def _is_open(self, asker: Asker, to: Sequence[str]) -> bool:
        """Whether `to` is under so much pressure that its work may leave it."""
        for name in to:
            gate = self._gates[name]
            if not (gate.is_shut or gate.valve(asker.label).is_open):
                return False
        return True

    def _open(self, asker: Asker, to: Sequence[str], spill: Sequence[str]) -> list[str]:
        """The pools that will take this request sooner or later, as things stand."""
        gates = self._gates
        open_to = [name for name in to if not gates[name].is_shut]
        return open_to + [name for name in spill if not gates[name].is_shut and self._may_spill(gates[name], asker)]

    def _free(self, asker: Asker, pools: Iterable[str]) -> str | None:
        return next((name for name in pools if self._has_place(self._gates[name], asker)), None)

    def _admits(self, gate: _Gate, waiter: Waiter) -> bool:
        asker = waiter.asker
        if not self._has_place(gate, asker):
            return False
        if gate.name in waiter.to:
            return True
        is_sent = gate.is_cloud and self._share is not None and asker.lot < self._share
        return is_sent or (self._is_open(asker, waiter.to) and self._may_spill(gate, asker))

    # What changes

    def _join(self, waiter: Waiter, pools: Iterable[str], now: float) -> None:
        for name in pools:
            gate = self._gates[name]
            if not gate.line.is_full:
                gate.line.join(waiter)
                self._feel(gate, now)

    def _take(self, gate: _Gate, now: float) -> None:
        gate.in_flight += 1
        if gate.in_flight == gate.room:
            gate.full_since = now
        if gate.is_cloud:
            self._in_cloud += 1
        if gate.is_spilling or gate.in_flight + gate.line.length >= gate.watched:
            self._feel(gate, now)

    def _feel(self, gate: _Gate, now: float) -> None:
        pressure, is_spilling = gate.pressure, False
        for valve in gate.valves:
            if valve.feel(pressure, now):
                self._look_at(self._gates)
            is_spilling = is_spilling or valve.is_open
        gate.is_spilling = is_spilling

    def _look_at(self, names: Iterable[str]) -> None:
        for name in names:
            if self._gates[name].line.length:
                self._changed[name] = None

    def _settle(self, now: float) -> tuple[Called, ...]:
        """Let in whoever could go in."""
        called: list[Called] = []
        while self._changed:
            gate = self._gates[next(iter(self._changed))]
            del self._changed[gate.name]
            while gate.line and (waiter := gate.line.next(lambda one: self._admits(gate, one))) is not None:  # noqa: B023
                gate.line.served(waiter, now)
                self.forget(waiter)
                self._take(gate, now)
                called.append(Called(waiter, gate.name))
        return tuple(called)
