"""The building of the table: a policy without faults, pools and classes become sets of bits.

Nothing is reported here but notes: `compile.py` has checked that every name refers to something. Whoever wants to know
what a bit means reads `Layout` in `compiled.py`, which `layout.py` lays out.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from gateway.core.decision import Decision
from gateway.core.facts import Capability
from gateway.core.findings import MARKER_PREFIX
from gateway.core.labels import Label, LabelOrder
from gateway.core.problems import Problem
from gateway.core.reading import Word, shown
from gateway.policy.compiled import (
    ABOVE_CEILING,
    ALWAYS,
    Alias,
    CompiledPolicy,
    CompiledPool,
    LabelRule,
    LabelRules,
    Premises,
    Route,
    RouteShare,
    Row,
    RuleKind,
    weights_of,
)
from gateway.policy.document import WrittenAttributes, WrittenPolicy, WrittenRoute, WrittenRule, WrittenShare
from gateway.policy.layout import layout_of
from gateway.policy.meaning import has_all, refused_bits

ANY_MODEL: Final = "*"


def build(policy: WrittenPolicy, premises: Premises, notes: Iterable[Problem]) -> CompiledPolicy:
    """The table for `policy`, which has no faults."""
    return _Builder(policy, premises).table(notes)


class _Builder:
    def __init__(self, policy: WrittenPolicy, premises: Premises) -> None:
        self._policy = policy
        self._premises = premises
        self._order = premises.order
        self._cache = MappingProxyType({self._order.rank(label.text): seconds for label, seconds in policy.cache})
        self._notes: list[Problem] = []
        self._layout = layout_of(policy, premises)
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
            ceiling=self._premises.frame.ceiling,
            labels=self._label_rules(),
            markers=tuple(_markers(policy.rules)),
            zones=self._premises.frame.zones,
            routes=routes,
            aliases=MappingProxyType(aliases),
            any_alias=any_alias,
            class_ceilings=MappingProxyType(dict(self._premises.classes or {})),
            cache=self._cache,
            may_leave=tuple(word.text for word in policy.may_leave),
            invariants=policy.invariants,
            digest=hashlib.sha256(policy.digest_of.encode()).hexdigest(),
            layout=self._layout,
            notes=(*notes, *self._notes),
            utc_offset_min=policy.utc_offset_min,
            bands=policy.bands,
            own_entities=self._premises.own_entities,
            cloud_pools=frozenset(pool.name for pool in self._pools.values() if pool.is_cloud),
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
            weights=weights_of(rules),
            history=policy.history,
        )

    def _known_pools(self) -> Mapping[str, CompiledPool]:
        frame, topology, layout = self._premises.frame, self._premises.topology, self._layout
        found: dict[str, CompiledPool] = {}
        for pool in topology.pools if topology is not None else ():
            zone = frame.zones[pool.zone]
            lacks = layout.capabilities[frozenset(Capability) - pool.capabilities]
            refused = lacks & ~layout.capabilities[frozenset()]
            for rank, bit in enumerate(layout.labels):
                is_above = frame.ceiling is None or rank > frame.ceiling
                if rank > pool.clearance or (zone.is_cloud and is_above):
                    refused |= bit
            if zone.is_cloud:
                refused |= ABOVE_CEILING
            # A need that is not known is in the first interval, which no pool refuses: its end is at least 2.
            if pool.context_tokens is not None and layout.context is not None:
                bounds, bits = layout.context.bounds, layout.context.bits
                refused |= sum(bit for bound, bit in zip(bounds, bits, strict=True) if bound > pool.context_tokens)
            found[pool.name] = CompiledPool(
                name=pool.name,
                zone=pool.zone,
                is_cloud=zone.is_cloud,
                clearance=pool.clearance,
                capabilities=pool.capabilities,
                refused=refused,
                context_tokens=pool.context_tokens,
                processor=pool.processor,
                residency=pool.residency,
                agreement=pool.agreement,
            )
        return found

    def _route(self, route: WrittenRoute) -> Route:
        return Route(
            id=route.id.text,
            line=route.at.line,
            column=route.at.column,
            refused=refused_bits(self._layout, route.guard, self._order.names, self._policy.utc_offset_min),
            to=self._row_pools(route.to, route.only),
            spill=self._row_pools(route.spill, route.only),
            queue_s=route.queue_s,
            deny=route.deny,
            models=frozenset(word.text for word in route.guard.models) or None,
            cache_s=route.cache_s,
            audit=route.audit,
            canary=self._share(route.canary, route.only),
            mirror=self._share(route.mirror, route.only),
            weights=MappingProxyType(_weights(route)) if route.weights else None,
        )

    def _share(self, written: WrittenShare | None, only: WrittenAttributes | None) -> RouteShare | None:
        return RouteShare(self._row_pools((written.pool,), only)[0], written.percent) if written is not None else None

    def _row_pools(self, words: Iterable[Word], only: WrittenAttributes | None) -> tuple[CompiledPool, ...]:
        pools = (self._pools.get(word.text) or _unknown(word.text) for word in words)
        return tuple(_with_attributes(pool, only) for pool in pools)

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
            rows.append((refused, self._row(route, refused, to, _among(route.spill, pools), pools)))
        return Alias(name.text, pools, tuple(rows))

    def _row(
        self,
        route: Route,
        refused: int,
        to: tuple[CompiledPool, ...],
        spill: tuple[CompiledPool, ...],
        pools: frozenset[str],
    ) -> Row:
        canary, mirror = (
            share if share is not None and share.pool.name in pools else None for share in (route.canary, route.mirror)
        )
        refused_by_pools = 0
        for pool in (*to, *spill, *(share.pool for share in (canary, mirror) if share is not None)):
            refused_by_pools |= pool.refused
        row = Row(
            route=route,
            refused=refused,
            to=to,
            spill=spill,
            has_no_pool=route.deny is None and not to,
            refused_by_pools=refused_by_pools,
            canary=canary,
            mirror=mirror,
        )
        if not to or route.models is not None:
            return row
        return replace(row, answers=tuple(self._answers(row, Label(rank)) for rank in range(len(self._order.names))))

    def _answers(self, row: Row, label: Label) -> Mapping[int, Decision]:
        """The decisions that need no second look, by the bits of the state that some pool refuses."""
        found: dict[int, Decision] = {}
        usual_s = self._cache.get(label, 0.0)
        for above in (0, ABOVE_CEILING):
            state = ALWAYS | self._layout.labels[label] | above
            to, spill, canary, mirror = row.permitted(state)
            if not row.may_be_steered(to):
                found[state & row.refused_by_pools] = row.route.answer(to, spill, canary, mirror, label, usual_s)
        return MappingProxyType(found)


def _weights(route: WrittenRoute) -> dict[str, float]:
    return {word.text: weight for word, weight in zip(route.to, route.weights, strict=True)}


def _with_attributes(pool: CompiledPool, only: WrittenAttributes | None) -> CompiledPool:
    """`pool`, or one that refuses everything if it is not as the row asks; so the row still matches."""
    if only is None or has_all(pool, only):
        return pool
    return replace(pool, refused=pool.refused | ALWAYS, lacks_attribute=True)


def _among(pools: tuple[CompiledPool, ...], names: frozenset[str]) -> tuple[CompiledPool, ...]:
    kept = tuple(pool for pool in pools if pool.name in names)
    # The same tuple when nothing was taken away: `decide` tells by identity that the model did not narrow this row.
    return pools if len(kept) == len(pools) else kept


def _unknown(name: str) -> CompiledPool:
    return CompiledPool(name, "", True, Label(0), frozenset(), ALWAYS)


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
