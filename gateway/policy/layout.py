"""Which bit means what: one bit for every value of every fact that a policy asks about.

A fact that no row, pool or invariant asks about gets no bit and no dimension, so that it costs nothing to decide and
nothing to enumerate. Numbers are cut where somebody names them; times with the same answers share a bit.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations, pairwise
from types import MappingProxyType
from typing import TypeVar

from gateway.core.facts import MINUTES_PER_WEEK, Budget, Capability, Complexity, Modality, Pressure
from gateway.core.labels import Label
from gateway.core.reading import Word
from gateway.core.topology import Pool
from gateway.policy.compiled import (
    NOWHERE,
    OTHER_CLASS,
    Cuts,
    Dimension,
    Fact,
    Layout,
    Premises,
    TenantClass,
    Value,
)
from gateway.policy.document import Never, Only, Window, WrittenGuard, WrittenPolicy, WrittenRoute
from gateway.policy.meaning import ENDLESS, accepted_tokens
from gateway.policy.week import edges, holds, named

_Member = TypeVar("_Member", Capability, Modality)


def layout_of(policy: WrittenPolicy, premises: Premises) -> Layout:
    """The bits and dimensions for everything that `policy` asks about."""
    return _Layout(policy, premises).build()


def guards_of(policy: WrittenPolicy) -> Iterator[WrittenGuard]:
    """Every guard in the file: of rows and of invariants."""
    for route in policy.routes:
        yield route.guard
    for stated in policy.invariants:
        if isinstance(stated, Never | Only):
            yield stated.guard


def pools_of(route: WrittenRoute) -> tuple[Word, ...]:
    """Every pool that a row names: in `to`, in `spill`, as its canary, as its mirror."""
    shares = [share.pool for share in (route.canary, route.mirror) if share is not None]
    return (*route.to, *route.spill, *shares)


def limit_of(ceiling: Label | None) -> int:
    """A ceiling as a rank."""
    return ceiling if ceiling is not None else NOWHERE


class _Layout:
    def __init__(self, policy: WrittenPolicy, premises: Premises) -> None:
        self._premises = premises
        self._utc_offset_min = policy.utc_offset_min
        self._guards = tuple(guards_of(policy))
        routed = {word.text for route in policy.routes for word in pools_of(route)}
        pools = premises.topology.pools if premises.topology is not None else ()
        self._pools: tuple[Pool, ...] = tuple(pool for pool in pools if pool.name in routed)
        # 1 and 2 are ALWAYS and ABOVE_CEILING.
        self._free: Iterator[int] = (1 << position for position in range(2, 1 << 30))
        self._dimensions: list[Dimension] = []

    def build(self) -> Layout:
        labels = self._labels()
        classes, other_class = self._classes()
        complexities = self._complexities()
        capabilities = self._members(Fact.CAPABILITY, tuple(Capability), self._asked_capabilities())
        asked = self._asked_modalities()
        modalities = self._members(Fact.MODALITY, tuple(Modality), asked) if asked else None
        context, week, pressure, budget = self._context(), self._week(), self._pressure(), self._budget()
        return Layout(
            labels=labels,
            complexities=complexities,
            capabilities=capabilities,
            classes=classes,
            other_class=other_class,
            dimensions=tuple(self._dimensions),
            modalities=modalities,
            context=context,
            week=week,
            pressure=pressure,
            budget=budget,
            has_more=any(bits is not None for bits in (modalities, context, week, pressure, budget)),
        )

    def _add(self, fact: Fact, values: Iterable[Value], member: str = "") -> None:
        self._dimensions.append(Dimension(fact, member, tuple(values)))

    # Who asks

    def _labels(self) -> tuple[int, ...]:
        names = self._premises.order.names
        labels = tuple(next(self._free) for _ in names)
        self._add(
            Fact.LABEL,
            (Value(name, bit, Label(rank)) for rank, (name, bit) in enumerate(zip(names, labels, strict=True))),
        )
        return labels

    def _classes(self) -> tuple[Mapping[str, TenantClass], TenantClass]:
        given = self._premises.classes
        limit = limit_of(self._premises.frame.ceiling)
        asked = {word.text for guard in self._guards for word in guard.tenant_classes}
        ceilings = dict.fromkeys(sorted(asked), limit)
        ceilings |= {name: min(limit, limit_of(ceiling)) for name, ceiling in (given or {}).items()}
        known = {name: TenantClass(next(self._free), ceiling) for name, ceiling in ceilings.items()}
        # With tenants.yaml at hand there is no other class; should one turn up, nothing of it leaves.
        other = TenantClass(next(self._free), NOWHERE if given is not None else limit)
        values = (Value(name, entry.bit, name) for name, entry in known.items())
        self._add(Fact.TENANT_CLASS, (*values, Value(OTHER_CLASS, other.bit, OTHER_CLASS)))
        return MappingProxyType(known), other

    # What

    def _complexities(self) -> Mapping[Complexity, int]:
        if not any(guard.complexities for guard in self._guards):
            return MappingProxyType(dict.fromkeys(Complexity, 0))
        bits = {complexity: next(self._free) for complexity in Complexity}
        self._add(Fact.COMPLEXITY, (Value(value.value, bit, value) for value, bit in bits.items()))
        return MappingProxyType(bits)

    def _asked_capabilities(self) -> frozenset[Capability]:
        asked = {one for guard in self._guards for one in guard.capabilities}
        return frozenset(asked.union(*(frozenset(Capability) - pool.capabilities for pool in self._pools)))

    def _asked_modalities(self) -> frozenset[Modality]:
        asked = {one for guard in self._guards for one in guard.modalities}
        for guard in self._guards:
            if guard.only_modalities:
                asked |= frozenset(Modality).difference(guard.only_modalities)
        # Text is always there: no answer depends on it.
        return frozenset(asked - {Modality.TEXT})

    def _members(
        self, fact: Fact, members: tuple[_Member, ...], asked: frozenset[_Member]
    ) -> Mapping[frozenset[_Member], int]:
        """The bits of every set of `members`: of each that is asked about, whether it is in the set."""
        has = {one: next(self._free) for one in members if one in asked}
        lacks = {one: next(self._free) for one in has}
        for one in has:
            self._add(fact, (Value("no", lacks[one], False), Value("yes", has[one], True)), one.value)
        return MappingProxyType(
            {
                frozenset(chosen): sum(has[one] if one in chosen else lacks[one] for one in has)
                for size in range(len(members) + 1)
                for chosen in combinations(members, size)
            }
        )

    def _context(self) -> Cuts | None:
        bounds = {0}
        for guard in self._guards:
            if guard.context is not None:
                accepted = accepted_tokens(guard.context)
                bounds |= {accepted.start, accepted.stop}
        bounds |= {pool.context_tokens + 1 for pool in self._pools if pool.context_tokens is not None}
        inner = sorted(bound for bound in bounds if bound < ENDLESS)
        if len(inner) == 1:
            return None
        cuts = Cuts(tuple(inner), tuple(next(self._free) for _ in inner))
        names = [
            f"<= {inner[1] - 1}",
            *(f"{low}-{high - 1}" for low, high in pairwise(inner[1:])),
            f"> {inner[-1] - 1}",
        ]
        self._add(Fact.CONTEXT, map(Value, names, cuts.bits, cuts.bounds))
        return cuts

    # When, and how things are

    def _week(self) -> Cuts | None:
        guards = [guard.windows for guard in self._guards if guard.windows]
        if not guards:
            return None
        offset = self._utc_offset_min
        inner = {
            (edge - offset) % MINUTES_PER_WEEK for windows in guards for window in windows for edge in edges(window)
        }
        bounds = tuple(sorted({0, *inner}))
        bits: dict[tuple[bool, ...], int] = {}
        spans: dict[int, list[tuple[int, int]]] = {}
        for start, end in pairwise((*bounds, MINUTES_PER_WEEK)):
            answers = tuple(_any_holds(windows, (start + offset) % MINUTES_PER_WEEK) for windows in guards)
            if answers not in bits:
                bits[answers] = next(self._free)
            spans.setdefault(bits[answers], []).append((start, end))
        self._add(Fact.TIME, (Value(named(_shifted(given, offset)), bit, given[0][0]) for bit, given in spans.items()))
        bit_of = {start: bit for bit, given in spans.items() for start, _ in given}
        return Cuts(bounds, tuple(bit_of[bound] for bound in bounds))

    def _pressure(self) -> Mapping[str, Mapping[Pressure, int]] | None:
        zones = sorted({zone.text for guard in self._guards for zone, _ in guard.pressure})
        found: dict[str, Mapping[Pressure, int]] = {}
        for zone in zones:
            bits = {state: next(self._free) for state in Pressure}
            self._add(Fact.PRESSURE, (Value(state.value, bit, state) for state, bit in bits.items()), zone)
            found[zone] = MappingProxyType(bits)
        return MappingProxyType(found) if found else None

    def _budget(self) -> Mapping[Budget, int] | None:
        if all(guard.budget is None for guard in self._guards):
            return None
        bits = {state: next(self._free) for state in Budget}
        self._add(Fact.BUDGET, (Value(state.value, bit, state) for state, bit in bits.items()))
        return MappingProxyType(bits)


def _any_holds(windows: Iterable[Window], minute: int) -> bool:
    return any(holds(window, minute) for window in windows)


def _shifted(spans: Iterable[tuple[int, int]], offset: int) -> list[tuple[int, int]]:
    """Spans of the week in UTC as they are in the policy's time zone; one over the week's end becomes two."""
    found = []
    for start, end in spans:
        first = (start + offset) % MINUTES_PER_WEEK
        last = first + end - start
        found.append((first, min(last, MINUTES_PER_WEEK)))
        found.append((0, max(0, last - MINUTES_PER_WEEK)))
    return found
