"""The building of the table: a policy without faults, pools and classes become sets of bits.

Nothing is reported here but notes: `compile.py` has checked that every name refers to something. Whoever wants to know
what a bit means reads `Layout` in `compiled.py`.
"""

import hashlib
from collections.abc import Iterable, Mapping
from itertools import combinations
from types import MappingProxyType
from typing import Final

from gateway.core.facts import Capability, Complexity
from gateway.core.findings import MARKER_PREFIX
from gateway.core.labels import Label, LabelOrder
from gateway.core.problems import Problem
from gateway.core.reading import Word, shown
from gateway.core.topology import Topology
from gateway.policy.compiled import (
    ABOVE_CEILING,
    ALWAYS,
    NOWHERE,
    OTHER_CLASS,
    Alias,
    CompiledPolicy,
    CompiledPool,
    Dimension,
    Fact,
    Frame,
    LabelRule,
    LabelRules,
    Layout,
    Route,
    Row,
    RuleKind,
    TenantClass,
    Value,
)
from gateway.policy.document import Never, WrittenGuard, WrittenPolicy, WrittenRoute, WrittenRule
from gateway.policy.reach import accepted_labels

ANY_MODEL: Final = "*"


def build(
    policy: WrittenPolicy,
    frame: Frame,
    topology: Topology | None,
    classes: Mapping[str, Label | None] | None,
    notes: Iterable[Problem],
) -> CompiledPolicy:
    """The table for `policy`, which has no faults."""
    assert frame.order is not None  # noqa: S101  # without labels there is a fault
    return _Builder(policy, frame, frame.order, topology, classes).table(notes)


class _Builder:
    def __init__(
        self,
        policy: WrittenPolicy,
        frame: Frame,
        order: LabelOrder,
        topology: Topology | None,
        classes: Mapping[str, Label | None] | None,
    ) -> None:
        self._policy = policy
        self._order = order
        self._frame = frame
        self._topology = topology
        self._classes = classes
        self._notes: list[Problem] = []
        self._layout = _layout(policy, order, frame.ceiling, classes)
        self._pools = self._known_pools()

    def table(self, notes: Iterable[Problem]) -> CompiledPolicy:
        """Everything together; `notes` are kept beside what is found here."""
        policy = self._policy
        assert policy.version is not None  # noqa: S101  # the form demands it
        routes = tuple(self._route(route) for route in policy.routes)
        aliases = {
            alias.name.text: self._alias(alias.name, frozenset(word.text for word in alias.pools), routes)
            for alias in policy.aliases
        }
        any_alias = aliases.pop(ANY_MODEL, None)
        return CompiledPolicy(
            version=policy.version,
            order=self._order,
            ceiling=self._frame.ceiling,
            labels=self._label_rules(),
            markers=tuple(_markers(policy.rules)),
            zones=self._frame.zones,
            routes=routes,
            aliases=MappingProxyType(aliases),
            any_alias=any_alias,
            class_ceilings=MappingProxyType(dict(self._classes or {})),
            cache=MappingProxyType({self._order.rank(label.text): seconds for label, seconds in policy.cache}),
            may_leave=tuple(word.text for word in policy.may_leave),
            invariants=policy.invariants,
            digest=hashlib.sha256(policy.digest_of.encode()).hexdigest(),
            layout=self._layout,
            notes=(*notes, *self._notes),
        )

    def _label_rules(self) -> LabelRules:
        policy, rank = self._policy, self._order.rank
        assert policy.default is not None  # noqa: S101  # the form demands it
        rules = tuple(_label_rule(rule, self._order) for rule in policy.rules)
        return LabelRules(
            default=rank(policy.default.text),
            unscanned=self._order.top,
            unmapped=self._order.top,
            required=frozenset(policy.tiers),
            carriers=MappingProxyType({carrier.text: rank(label.text) for carrier, label in policy.carriers}),
            rules=rules,
            named=frozenset(entity for rule in rules for entity, _ in rule.entities),
        )

    def _known_pools(self) -> Mapping[str, CompiledPool]:
        found: dict[str, CompiledPool] = {}
        for pool in self._topology.pools if self._topology is not None else ():
            zone = self._frame.zones[pool.zone]
            lacks = self._layout.capabilities[frozenset(Capability) - pool.capabilities]
            refused = lacks & ~self._layout.capabilities[frozenset()]
            for rank, bit in enumerate(self._layout.labels):
                is_above = self._frame.ceiling is None or rank > self._frame.ceiling
                if rank > pool.clearance or (zone.is_cloud and is_above):
                    refused |= bit
            if zone.is_cloud:
                refused |= ABOVE_CEILING
            found[pool.name] = CompiledPool(
                pool.name, pool.zone, zone.is_cloud, pool.clearance, pool.capabilities, refused
            )
        return found

    def _route(self, route: WrittenRoute) -> Route:
        return Route(
            id=route.id.text,
            line=route.at.line,
            column=route.at.column,
            refused=self._refused(route.guard),
            to=self._compiled_pools(route.to),
            spill=self._compiled_pools(route.spill),
            queue_s=route.queue_s,
            deny=route.deny,
            models=frozenset(word.text for word in route.guard.models) or None,
        )

    def _compiled_pools(self, words: Iterable[Word]) -> tuple[CompiledPool, ...]:
        return tuple(self._pools.get(word.text) or _unknown(word.text) for word in words)

    def _refused(self, guard: WrittenGuard) -> int:
        layout = self._layout
        labels = accepted_labels(guard, self._order.names)
        refused = sum(bit for rank, bit in enumerate(layout.labels) if rank not in labels)
        if guard.complexities:
            refused |= sum(bit for value, bit in layout.complexities.items() if value not in guard.complexities)
        if guard.tenant_classes:
            refused |= layout.class_bits & ~sum(layout.classes[word.text].bit for word in guard.tenant_classes)
        # A request that lacks a capability has its "lacks" bit set: the bits of the empty set, for those asked for.
        for capability in guard.capabilities:
            refused |= layout.capabilities[frozenset()] & ~layout.capabilities[frozenset({capability})]
        return refused

    def _alias(self, name: Word, pools: frozenset[str], routes: tuple[Route, ...]) -> Alias:
        rows = []
        for route in routes:
            to = _among(route.to, pools)
            is_for_us = route.models is None or name.text in route.models
            has_no_pool = route.deny is None and not to
            if is_for_us and has_no_pool:
                message = (
                    f"The route `{route.id}` never matches for the model {shown(name.text)}: none of its `to` is there."
                )
                self._notes.append(name.at.problem(message))
            refused = route.refused if is_for_us else route.refused | ALWAYS
            rows.append(
                (refused, _row(route, to, _among(route.spill, pools), refused=refused, has_no_pool=has_no_pool))
            )
        return Alias(name.text, pools, tuple(rows))


def _row(
    route: Route, to: tuple[CompiledPool, ...], spill: tuple[CompiledPool, ...], *, refused: int, has_no_pool: bool
) -> Row:
    refused_by_pools = 0
    for pool in (*to, *spill):
        refused_by_pools |= pool.refused
    return Row(
        route=route,
        refused=refused,
        to=to,
        spill=spill,
        has_no_pool=has_no_pool,
        is_plain=to is route.to and spill is route.spill and route.models is None,
        refused_by_pools=refused_by_pools,
        to_names=tuple(pool.name for pool in to),
        spill_names=tuple(pool.name for pool in spill),
    )


def _among(pools: tuple[CompiledPool, ...], names: frozenset[str]) -> tuple[CompiledPool, ...]:
    kept = tuple(pool for pool in pools if pool.name in names)
    # The same tuple when nothing was taken away: `decide` tells by identity that the model did not narrow this row.
    return pools if len(kept) == len(pools) else kept


def _unknown(name: str) -> CompiledPool:
    return CompiledPool(name, "", True, Label(0), frozenset(), ALWAYS)


def _layout(
    policy: WrittenPolicy, order: LabelOrder, ceiling: Label | None, classes: Mapping[str, Label | None] | None
) -> Layout:
    bits = (1 << position for position in range(2, 1 << 30))
    labels = tuple(next(bits) for _ in order.names)
    complexities = {complexity: next(bits) for complexity in Complexity}
    has = {capability: next(bits) for capability in Capability}
    lacks = {capability: next(bits) for capability in Capability}
    capabilities = {
        frozenset(chosen): sum(has[one] if one in chosen else lacks[one] for one in Capability)
        for size in range(len(Capability) + 1)
        for chosen in combinations(Capability, size)
    }
    limit = _limit(ceiling)
    named = {word.text for route in policy.routes for word in route.guard.tenant_classes}
    named |= {
        word.text for stated in policy.invariants if isinstance(stated, Never) for word in stated.guard.tenant_classes
    }
    ceilings = dict.fromkeys(sorted(named), limit)
    ceilings |= {name: min(limit, _limit(given)) for name, given in (classes or {}).items()}
    known = {name: TenantClass(next(bits), given) for name, given in ceilings.items()}
    # With tenants.yaml at hand there is no other class; should one turn up, nothing of it leaves.
    other = TenantClass(next(bits), NOWHERE if classes is not None else limit)
    dimensions = (
        Dimension(
            Fact.LABEL,
            "",
            tuple(
                Value(name, bit, Label(rank)) for rank, (name, bit) in enumerate(zip(order.names, labels, strict=True))
            ),
        ),
        Dimension(
            Fact.TENANT_CLASS,
            "",
            (
                *(Value(name, entry.bit, name) for name, entry in known.items()),
                Value(OTHER_CLASS, other.bit, OTHER_CLASS),
            ),
        ),
        Dimension(Fact.COMPLEXITY, "", tuple(Value(value.value, bit, value) for value, bit in complexities.items())),
        *(
            Dimension(Fact.CAPABILITY, one.value, (Value("no", lacks[one], False), Value("yes", has[one], True)))
            for one in Capability
        ),
    )
    return Layout(
        dimensions=dimensions,
        labels=labels,
        complexities=MappingProxyType(complexities),
        capabilities=MappingProxyType(capabilities),
        classes=MappingProxyType(known),
        other_class=other,
    )


def _limit(ceiling: Label | None) -> int:
    return ceiling if ceiling is not None else NOWHERE


def _label_rule(rule: WrittenRule, order: LabelOrder) -> LabelRule:
    assert rule.label is not None  # noqa: S101  # the form demands it
    if rule.any_of:
        kind, entities = RuleKind.ANY_OF, tuple((word.text, 1) for word in rule.any_of)
    elif rule.all_of:
        kind, entities = RuleKind.ALL_OF, tuple((word.text, 1) for word in rule.all_of)
    elif rule.counts:
        kind, entities = RuleKind.COUNT, tuple((word.text, least) for word, least in rule.counts)
    else:
        kind, entities = RuleKind.MARKER, tuple((MARKER_PREFIX + word.text.casefold(), 1) for word in rule.markers)
    return LabelRule(kind, entities, rule.min_score, order.rank(rule.label.text), rule.at.line)


def _markers(rules: Iterable[WrittenRule]) -> Iterable[str]:
    folded: dict[str, str] = {}
    for rule in rules:
        for word in rule.markers:
            folded.setdefault(word.text.casefold(), word.text)
    return folded.values()
