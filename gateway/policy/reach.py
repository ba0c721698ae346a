"""Where requests can get to under a policy as written, state by state.

`decide` filters by clearance and by the cloud ceiling besides; a policy that only those filters save says something
that its writer did not mean, and is refused with the route, the pool and the label. This is plain enumeration under a
budget; over the budget the answer is "not proved", which is a problem, never "proved".
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, product
from typing import Final

from gateway.core.decision import Allow
from gateway.core.facts import Capability, Complexity, RequestFacts
from gateway.core.labels import Label
from gateway.core.problems import Problem
from gateway.core.written import Place
from gateway.policy.compiled import NOWHERE, OTHER_CLASS, Alias, CompiledPolicy, CompiledPool, Route
from gateway.policy.decide import decide, state_of
from gateway.policy.document import Never, Required, WrittenGuard

MOST_STATES: Final = 400_000


@dataclass(frozen=True, slots=True)
class Reached:
    """One state, the row that it matches, and every place that the row as written sends it to."""

    facts: RequestFacts
    alias: Alias
    route: Route
    pools: tuple[CompiledPool, ...]


def examine(compiled: CompiledPolicy, at: Place) -> tuple[tuple[Problem, ...], tuple[Problem, ...]]:
    """What is wrong with where requests can get to, and notes on rows that no request reaches."""
    states = _Dimensions(compiled)
    if states.count > MOST_STATES:
        message = f"This policy distinguishes {states.count} states: too many to check, so it is not proved."
        return (at.problem(message, "Ask for fewer capabilities, classes or models in `when`."),), ()
    found: dict[tuple[str, str, str], Problem] = {}
    matched: set[str] = set()
    for reached in _walk(compiled, states):
        matched.add(reached.route.id)
        for kind, pool, problem in _faults(compiled, reached, at):
            found.setdefault((kind, reached.route.id, pool), problem)
    found.update(_not_monotone(compiled, states, at) if not found else {})
    unreached = tuple(
        Problem(at.file, route.line, route.column, f"No request ever matches the route `{route.id}`.", "Remove it.")
        for route in compiled.routes
        if route.id not in matched
    )
    if any(isinstance(stated, Required) and stated.kind == "reachable" for stated in compiled.invariants):
        return (*found.values(), *unreached), ()
    return tuple(found.values()), unreached


class _Dimensions:
    """The values of each fact that this policy tells apart."""

    def __init__(self, compiled: CompiledPolicy) -> None:
        layout = compiled.layout
        asked = 0
        for route in compiled.routes:
            asked |= route.refused
            for pool in (*route.to, *route.spill):
                asked |= pool.refused
        for stated in compiled.invariants:
            if isinstance(stated, Never):
                for capability in stated.guard.capabilities:
                    asked |= layout.capabilities[frozenset({capability})] & ~layout.capabilities[frozenset()]
                if stated.guard.complexities:
                    asked |= layout.complexity_bits
        self.labels = tuple(Label(rank) for rank in range(len(compiled.order.names)))
        self.complexities = tuple(Complexity) if asked & layout.complexity_bits else (Complexity.MEDIUM,)
        without = layout.capabilities[frozenset()]
        told_apart = [
            capability for capability in Capability if asked & (layout.capabilities[frozenset({capability})] ^ without)
        ]
        self.capabilities = tuple(
            frozenset(chosen) for size in range(len(told_apart) + 1) for chosen in combinations(told_apart, size)
        )
        self.classes = (*layout.classes, OTHER_CLASS)
        self.aliases = _distinct(compiled)

    @property
    def count(self) -> int:
        sizes = (self.labels, self.complexities, self.capabilities, self.classes, self.aliases)
        total = 1
        for values in sizes:
            total *= len(values)
        return total


def _distinct(compiled: CompiledPolicy) -> tuple[Alias, ...]:
    every = [*compiled.aliases.values(), *([compiled.any_alias] if compiled.any_alias is not None else [])]
    named = {name for stated in compiled.invariants if isinstance(stated, Never) for name in _models(stated.guard)}
    kept: dict[object, Alias] = {}
    for alias in every:
        same = alias.name if alias.name in named else alias.rows
        kept.setdefault(same, alias)
    return tuple(kept.values())


def _models(guard: WrittenGuard) -> tuple[str, ...]:
    return tuple(word.text for word in guard.models)


def _walk(compiled: CompiledPolicy, states: _Dimensions) -> Iterator[Reached]:
    for tenant_class, alias in product(states.classes, states.aliases):
        for label, complexity, capabilities in product(states.labels, states.complexities, states.capabilities):
            facts = _facts(compiled, label, tenant_class, alias, capabilities, complexity)
            state = state_of(compiled, facts, label)
            # The last row matches everything and has a pool of every model: `compile.py` saw to that.
            row = next(row for refused, row in alias.rows if not state & refused and not row.has_no_pool)
            limit = _limit_as_written(compiled, tenant_class)
            pools = tuple(
                pool
                for pool in (*row.to, *row.spill)
                if capabilities <= pool.capabilities and not (pool.is_cloud and label > limit)
            )
            yield Reached(facts, alias, row.route, pools)


def _limit_as_written(compiled: CompiledPolicy, tenant_class: str) -> int:
    """A class that lowers the ceiling is part of the table; the policy's own ceiling is what is examined."""
    ceiling = compiled.layout.classes.get(tenant_class, compiled.layout.other_class).ceiling
    lowers = ceiling < (compiled.ceiling if compiled.ceiling is not None else NOWHERE)
    return ceiling if lowers else compiled.order.top


def _facts(
    compiled: CompiledPolicy,
    label: Label,
    tenant_class: str,
    alias: Alias,
    capabilities: frozenset[Capability],
    complexity: Complexity,
) -> RequestFacts:
    return RequestFacts(label, label, tenant_class, compiled.ceiling, alias.name, capabilities, complexity)


def _faults(compiled: CompiledPolicy, reached: Reached, at: Place) -> Iterator[tuple[str, str, Problem]]:
    route, label = reached.route, reached.facts.label_high
    name = compiled.order.name(label)
    for pool in reached.pools:
        sends = f"The route `{route.id}` sends requests labelled `{name}` to the pool `{pool.name}`"
        here = Place(at.file, route.line, route.column)
        if pool.is_cloud and (compiled.ceiling is None or label > compiled.ceiling):
            ceiling = compiled.order.name(compiled.ceiling) if compiled.ceiling is not None else "none"
            message = f"{sends} in the zone `{pool.zone}`, above the cloud ceiling `{ceiling}`."
            mend = f'Put a route with `when: {{label: ">= {name}"}}` before it that stays home, or lower `when`.'
            yield "ceiling", pool.name, here.problem(message, mend)
        elif label > pool.clearance:
            clearance = compiled.order.name(pool.clearance)
            message = f"{sends}, whose clearance is only `{clearance}`."
            yield "clearance", pool.name, here.problem(message, "Take the pool out of the route, or lower `when`.")
        for stated in compiled.invariants:
            if isinstance(stated, Never) and _forbids(compiled, stated, reached, pool):
                message = f"{sends} in the zone `{pool.zone}`, which the invariant `{stated.id}` forbids."
                yield f"never {stated.id}", pool.name, here.problem(message, "Change the route or the invariant.")


def _forbids(compiled: CompiledPolicy, stated: Never, reached: Reached, pool: CompiledPool) -> bool:
    guard, facts = stated.guard, reached.facts
    place = pool.zone if stated.zone is not None else pool.name
    named = stated.zone or stated.pool
    return (
        named is not None
        and named.text == place
        and (guard.label is None or facts.label_high in accepted_labels(guard, compiled.order.names))
        and (not guard.complexities or facts.complexity in guard.complexities)
        and (not guard.tenant_classes or facts.tenant_class in {word.text for word in guard.tenant_classes})
        and facts.capabilities.issuperset(guard.capabilities)
        and (not guard.models or reached.alias.name in _models(guard))
    )


def accepted_labels(guard: WrittenGuard, names: tuple[str, ...]) -> frozenset[int]:
    """The ranks that a guard's comparison accepts; all of them if it asks nothing."""
    ranks = range(len(names))
    if guard.label is None:
        return frozenset(ranks)
    sign, word = guard.label
    bound = names.index(word.text)
    accepted = {
        ">=": range(bound, len(names)),
        ">": range(bound + 1, len(names)),
        "<=": range(bound + 1),
        "<": range(bound),
        "==": range(bound, bound + 1),
    }
    return frozenset(accepted[sign])


def _not_monotone(compiled: CompiledPolicy, states: _Dimensions, at: Place) -> dict[tuple[str, str, str], Problem]:
    cloud = {pool.name for route in compiled.routes for pool in (*route.to, *route.spill) if pool.is_cloud}
    found: dict[tuple[str, str, str], Problem] = {}
    for tenant_class, alias in product(states.classes, states.aliases):
        for complexity, capabilities in product(states.complexities, states.capabilities):
            below: set[str] | None = None
            for label in states.labels:
                facts = _facts(compiled, label, tenant_class, alias, capabilities, complexity)
                decision = decide(compiled, facts)
                reached = cloud.intersection(decision.pools) if isinstance(decision, Allow) else set()
                if below is not None and not reached <= below:
                    pool = min(reached - below)
                    problem = _raised(compiled, facts, decision.route, pool, at)
                    found.setdefault(("monotone", decision.route, pool), problem)
                below = reached
    return found


def _raised(compiled: CompiledPolicy, facts: RequestFacts, route_id: str, pool: str, at: Place) -> Problem:
    route = next(route for route in compiled.routes if route.id == route_id)
    name, lower = (compiled.order.name(Label(facts.label_high - step)) for step in (0, 1))
    message = (
        f"Raising the label from `{lower}` to `{name}` adds the pool `{pool}` outside the building, "
        f"by the route `{route.id}`."
    )
    mend = f"Let the route for `{lower}` list the pool as well, or keep it out of this one."
    return Problem(at.file, route.line, route.column, message, mend)
