"""From the policy as written to a table that decides, or every problem at once.

`load` does it all; `settings.py` uses the steps, since the pools' and tenants' files need the policy's labels and
zones before the policy can be compiled against them. Compiled without topology a policy labels and checks names among
themselves, and decides nothing: no pool is known, so every request is refused.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import combinations
from types import MappingProxyType
from typing import Final

from gateway.core import written
from gateway.core.entities import ENTITIES
from gateway.core.facts import Capability, Complexity
from gateway.core.findings import MARKER_PREFIX
from gateway.core.labels import Label, LabelOrder
from gateway.core.problems import Problem, Problems, did_you_mean
from gateway.core.reading import Reader, Word, shown
from gateway.core.topology import Topology, Zone
from gateway.policy import form, reach
from gateway.policy.compiled import (
    ABOVE_CEILING,
    ALWAYS,
    NOWHERE,
    Alias,
    CompiledPolicy,
    CompiledPool,
    LabelRule,
    LabelRules,
    Layout,
    Route,
    Row,
    RuleKind,
    TenantClass,
)
from gateway.policy.document import NONE, Never, WrittenGuard, WrittenPolicy, WrittenRoute, WrittenRule

ANY_MODEL: Final = "*"


@dataclass(frozen=True, slots=True)
class Frame:
    """What the other files need of a policy. `order` is None if the labels could not be read."""

    order: LabelOrder | None
    zones: Mapping[str, Zone]
    ceiling: Label | None


def load(
    data: bytes, file: str, topology: Topology | None = None, classes: Mapping[str, Label | None] | None = None
) -> CompiledPolicy:
    """The policy in a file's bytes; raises Problems."""
    document = written.parse(data, file, end_marker=True)
    reader = Reader(document.problems)
    policy = form.read(document, reader)
    compiled = compile_policy(policy, frame(policy, reader), reader, topology, classes)
    reader.finish()
    # `finish` has raised if anything was reported, and nothing is missing without a report.
    assert compiled is not None  # noqa: S101
    return compiled


def frame(policy: WrittenPolicy, reader: Reader) -> Frame:
    """The label order, the zones and the cloud ceiling of `policy`."""
    if not policy.labels:
        return Frame(None, {}, None)
    order = LabelOrder(tuple(word.text for word in policy.labels))
    ceiling = policy.cloud_ceiling
    zones = MappingProxyType({zone.name: zone for zone, _ in policy.zones})
    if ceiling is None or ceiling.text == NONE:
        return Frame(order, zones, None)
    rank = _rank(reader, ceiling, "The label", order)
    # A ceiling that does not exist is reported; it must not make every class's ceiling look too high besides.
    return Frame(order, zones, rank if rank is not None else order.top)


def compile_policy(
    policy: WrittenPolicy,
    frame: Frame,
    reader: Reader,
    topology: Topology | None,
    classes: Mapping[str, Label | None] | None,
) -> CompiledPolicy | None:
    """The table for `policy`, or None once `reader` has problems."""
    if frame.order is None:
        return None
    compiler = _Compiler(policy, frame.order, frame, reader, topology, classes)
    compiler.check()
    if reader.problems:
        return None
    compiled = compiler.build()
    if topology is not None:
        problems, notes = reach.examine(compiled, policy.at)
        reader.problems += problems
        compiled = replace(compiled, notes=(*compiled.notes, *notes))
    return compiled if not reader.problems else None


def _rank(reader: Reader, word: Word | None, what: str, order: LabelOrder) -> Label | None:
    name = reader.reference(word, what, order.names)
    return order.rank(name) if name is not None else None


class _Compiler:
    def __init__(
        self,
        policy: WrittenPolicy,
        order: LabelOrder,
        frame: Frame,
        reader: Reader,
        topology: Topology | None,
        classes: Mapping[str, Label | None] | None,
    ) -> None:
        self._policy = policy
        self._order = order
        self._frame = frame
        self._reader = reader
        self._topology = topology
        self._classes = classes
        self._notes: list[Problem] = []
        self._layout = _layout(policy, order, frame.ceiling, classes)
        self._pools = self._known_pools()

    # What must hold before there is a table

    def check(self) -> None:
        """Report every name that refers to nothing, and every rule that cannot be meant."""
        policy = self._policy
        self._check_label(policy.default, "The label")
        self._check_top(policy.unscanned, "unscanned", "To let one kind of part through, name it in `label.carriers`.")
        self._check_top(policy.unmapped, "unmapped", "To let one entity through, name it in a rule.")
        for entity in policy.may_leave:
            self._reader.reference(entity, "The entity", ENTITIES)
        for _, label in policy.carriers:
            self._check_label(label, "The label")
        for rule in policy.rules:
            self._check_label(rule.label, "The label")
            for entity in (*rule.any_of, *rule.all_of, *(entity for entity, _ in rule.counts)):
                self._reader.reference(entity, "The entity", ENTITIES)
        for label, _ in policy.cache:
            self._check_label(label, "The label")
        self._check_guards()
        self._check_pools()
        self._check_last_row()

    def _check_label(self, word: Word | None, what: str) -> None:
        _rank(self._reader, word, what, self._order)

    def _check_top(self, word: Word | None, key: str, mend: str) -> None:
        rank = _rank(self._reader, word, "The label", self._order)
        if word is not None and rank is not None and rank != self._order.top:
            top = self._order.name(self._order.top)
            message = f"`label.{key}` must be the highest label, `{top}`: what nobody looked at counts as the worst."
            self._reader.report(word.at, message, mend)

    def _check_guards(self) -> None:
        models = {alias.name.text for alias in self._policy.aliases}
        nevers = [stated for stated in self._policy.invariants if isinstance(stated, Never)]
        for guard in (*(route.guard for route in self._policy.routes), *(stated.guard for stated in nevers)):
            if guard.label is not None:
                self._check_label(guard.label[1], "The label")
            for word in guard.models:
                self._reader.reference(word, "The model", models)
            if self._classes is not None:
                for word in guard.tenant_classes:
                    self._reader.reference(word, "The tenant class", self._classes)
        for stated in nevers:
            self._reader.reference(stated.zone, "The zone", self._frame.zones)

    def _check_pools(self) -> None:
        policy, reader = self._policy, self._reader
        in_routes = [word for route in policy.routes for word in (*route.to, *route.spill)]
        in_models = [word for alias in policy.aliases for word in alias.pools]
        in_invariants = [stated.pool for stated in policy.invariants if isinstance(stated, Never) and stated.pool]
        if self._topology is not None:
            for word in (*in_models, *in_routes, *in_invariants):
                reader.reference(word, "The pool", self._pools)
        routed, offered = {word.text for word in in_routes}, {word.text for word in in_models}
        for word in (*in_models, *in_invariants):
            if word.text not in routed:
                self._lonely(word, f"No route sends anything to the pool {shown(word.text)}.", routed)
        for word in in_routes:
            if word.text not in offered:
                self._lonely(word, f"No model lists the pool {shown(word.text)}, so nothing can reach it.", offered)

    def _lonely(self, word: Word, message: str, others: Collection[str]) -> None:
        """Note a pool that is named on one side only; without pools.yaml a near miss is taken for a slip."""
        if self._topology is None and get_close_matches(word.text, others, n=1, cutoff=0.8):
            self._reader.report(word.at, message, did_you_mean(word.text, others))
        elif self._topology is None or word.text in self._pools:
            self._notes.append(word.at.problem(message))

    def _check_last_row(self) -> None:
        policy, reader = self._policy, self._reader
        if not policy.routes:
            return
        last = policy.routes[-1]
        if not last.guard.is_total:
            message = f"The last route, {shown(last.id.text)}, does not match everything."
            reader.report(last.at, message, "Add a last route with `when: {}`, or a `deny`.")
        for early in policy.routes[:-1]:
            if early.guard.is_total:
                message = f"Every request matches the route {shown(early.id.text)}, so those after it are never used."
                reader.report(early.at, message, "Move it to the end, or narrow its `when`.")
        if last.deny is not None:
            return
        to = {word.text for word in last.to}
        for alias in policy.aliases:
            if alias.pools and to.isdisjoint(word.text for word in alias.pools):
                message = f"The model {shown(alias.name.text)} has no pool of the last route's `to`."
                mend = "Requests that only that route matches would be refused: add one of its pools to the model."
                reader.report(alias.name.at, message, mend)

    # The table

    def build(self) -> CompiledPolicy:
        """The table; only after `check` found nothing."""
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
            notes=tuple(self._notes),
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
            zone = self._frame.zones.get(pool.zone)
            if zone is None:
                message = f"The pool {shown(pool.name)} lies in the zone {shown(pool.zone)}, which is not declared."
                self._reader.report(self._policy.at, message, did_you_mean(pool.zone, self._frame.zones))
                continue
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
        labels = reach.accepted_labels(guard, self._order.names)
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
    return Layout(
        labels=labels,
        complexities=MappingProxyType(complexities),
        capabilities=MappingProxyType(capabilities),
        classes=MappingProxyType({name: TenantClass(next(bits), given) for name, given in ceilings.items()}),
        # With tenants.yaml at hand there is no other class; should one turn up, nothing of it leaves.
        other_class=TenantClass(next(bits), NOWHERE if classes is not None else limit),
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


__all__ = ["ANY_MODEL", "Frame", "Problems", "compile_policy", "frame", "load"]
