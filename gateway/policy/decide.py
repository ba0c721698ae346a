"""The decision: from facts and a compiled policy to pools, or a refusal. Pure, in microseconds.

The first row that accepts the state wins; its pools, minus those that may not see the request, are the answer, in the
order written. A model name only narrows: it cannot bring in a cloud pool that the same facts would not reach without
it, nor put one first where home comes first. The trace is for `explain.py` and costs nothing unless asked for.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from gateway.core.decision import Allow, Decision, Deny, DenyCode
from gateway.core.facts import RequestFacts
from gateway.core.labels import Label
from gateway.policy.compiled import ABOVE_CEILING, ALWAYS, Alias, CompiledPolicy, CompiledPool, Route, Row


class Mismatch(StrEnum):
    """Why a row did not match."""

    MODEL = "model"
    LABEL = "label"
    COMPLEXITY = "complexity"
    TENANT_CLASS = "tenant_class"
    CAPABILITY = "capability"
    NO_POOL = "no_pool"  # none of the pools in `to` belongs to the model


class Exclusion(StrEnum):
    """Why a pool of the matching row may not have the request."""

    MODEL = "model"  # it is not among the model's pools
    CAPABILITY = "capability"
    CLEARANCE = "clearance"
    CLOUD_CEILING = "cloud_ceiling"
    TENANT_CEILING = "tenant_ceiling"
    SPILL_ALONE = "spill_alone"  # nothing of `to` is permitted, and spill never stands in for it
    STEERED = "steered"  # only the model's name would have brought it in, or brought it to the front


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row that did not match."""

    route: str
    because: Mismatch


@dataclass(frozen=True, slots=True)
class Matched:
    """The row that matched."""

    route: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A pool that may have the request. `is_spill` pools only when the others cannot take it."""

    pool: str
    is_spill: bool


@dataclass(frozen=True, slots=True)
class Excluded:
    """A pool of the matching row that may not have the request."""

    pool: str
    because: Exclusion


Step = Skipped | Matched | Kept | Excluded


def decide(compiled: CompiledPolicy, facts: RequestFacts, trace: list[Step] | None = None) -> Decision:
    """Where the request may go. `label_high` governs; what `label_low` would add is named in `if_scanned`."""
    decision = _decide(compiled, facts, facts.label_high, trace)
    if facts.label_low < facts.label_high and isinstance(decision, Allow):
        lower = _decide(compiled, facts, facts.label_low, None)
        if isinstance(lower, Allow):
            listed = decision.pools
            return replace(decision, if_scanned=tuple(pool for pool in lower.pools if pool not in listed))
    return decision


def _decide(compiled: CompiledPolicy, facts: RequestFacts, label: Label, trace: list[Step] | None) -> Decision:
    alias = compiled.aliases.get(facts.model) or compiled.any_alias
    if alias is None:
        return Deny(DenyCode.MODEL_UNKNOWN, "", "The model does not exist, or this policy does not offer it.")
    state = state_of(compiled, facts, label)
    is_narrowed = False
    for refused, row in alias.rows:
        if state & refused:
            if trace is not None:
                trace.append(Skipped(row.route.id, _mismatch(compiled, row, state)))
            continue
        if row.has_no_pool:
            is_narrowed = True
            if trace is not None:
                trace.append(Skipped(row.route.id, Mismatch.NO_POOL))
            continue
        break
    else:
        return Deny(DenyCode.UNMATCHED, "", "No rule of the policy covers this request.")
    route = row.route
    if trace is not None:
        trace.append(Matched(route.id))
    if route.deny is not None:
        return Deny(DenyCode.DENIED_BY_ROUTE, route.id, route.deny)
    if row.is_plain and not is_narrowed and trace is None and not state & row.refused_by_pools:
        return Allow(row.to_names, row.spill_names, route.queue_s, route.id, label)
    to = [pool for pool in row.to if not state & pool.refused]
    spill = [pool for pool in row.spill if not state & pool.refused]
    if is_narrowed or route.models is not None or (row.to is not route.to and to and to[0].is_cloud):
        to, spill = _not_steered(compiled, state, to, spill)
    if trace is not None:
        _trace_pools(compiled, facts, alias, row, label, (to, spill), trace)
    if not to:
        return Deny(DenyCode.NO_POOL_PERMITTED, route.id, "No model server may see this request under the policy.")
    return Allow(
        tuple([pool.name for pool in to]), tuple([pool.name for pool in spill]), route.queue_s, route.id, label
    )


def state_of(compiled: CompiledPolicy, facts: RequestFacts, label: Label) -> int:
    """The bits of `facts` under `label`."""
    layout = compiled.layout
    tenant_class = layout.classes.get(facts.tenant_class, layout.other_class)
    state = (
        ALWAYS
        | layout.labels[label]
        | layout.complexities[facts.complexity]
        | layout.capabilities[facts.capabilities]
        | tenant_class.bit
    )
    if facts.ceiling is None or label > facts.ceiling or label > tenant_class.ceiling:
        return state | ABOVE_CEILING
    return state


def _not_steered(
    compiled: CompiledPolicy, state: int, to: list[CompiledPool], spill: list[CompiledPool]
) -> tuple[list[CompiledPool], list[CompiledPool]]:
    """`to` and `spill` without the cloud pools that only the choice of a model brings in or to the front (I4)."""
    route = _without_model(compiled, state)
    home = [pool for pool in route.to if not state & pool.refused] if route is not None else []
    # Without something permitted in `to` the request would be refused, and no cloud pool reached at all.
    reached = {pool.name for pool in (*home, *route.spill)} if route is not None and home else set()
    leads_home = bool(home) and not home[0].is_cloud
    to = [pool for pool in to if not pool.is_cloud or pool.name in reached]
    if to and to[0].is_cloud and leads_home:
        to = [pool for pool in to if not pool.is_cloud]
    return to, [pool for pool in spill if not pool.is_cloud or pool.name in reached]


def _without_model(compiled: CompiledPolicy, state: int) -> Route | None:
    for route in compiled.routes:
        if route.models is None and not state & route.refused:
            return route
    return None


def _mismatch(compiled: CompiledPolicy, row: Row, state: int) -> Mismatch:
    refused, layout = state & row.refused, compiled.layout
    if refused & ALWAYS:
        return Mismatch.MODEL
    if refused & layout.label_bits:
        return Mismatch.LABEL
    if refused & layout.class_bits:
        return Mismatch.TENANT_CLASS
    if refused & layout.complexity_bits:
        return Mismatch.COMPLEXITY
    return Mismatch.CAPABILITY


def _trace_pools(
    compiled: CompiledPolicy,
    facts: RequestFacts,
    alias: Alias,
    row: Row,
    label: Label,
    kept: tuple[list[CompiledPool], list[CompiledPool]],
    trace: list[Step],
) -> None:
    for is_spill, written in ((False, row.route.to), (True, row.route.spill)):
        for pool in written:
            if pool in kept[is_spill] and not kept[False]:
                trace.append(Excluded(pool.name, Exclusion.SPILL_ALONE))
            elif pool in kept[is_spill]:
                trace.append(Kept(pool.name, is_spill))
            else:
                trace.append(Excluded(pool.name, _exclusion(compiled, facts, alias, pool, label)))


def _exclusion(
    compiled: CompiledPolicy, facts: RequestFacts, alias: Alias, pool: CompiledPool, label: Label
) -> Exclusion:
    if pool.name not in alias.pools:
        return Exclusion.MODEL
    if label > pool.clearance:
        return Exclusion.CLEARANCE
    if pool.is_cloud and (compiled.ceiling is None or label > compiled.ceiling):
        return Exclusion.CLOUD_CEILING
    if state_of(compiled, facts, label) & pool.refused & ABOVE_CEILING:
        return Exclusion.TENANT_CEILING
    if not facts.capabilities <= pool.capabilities:
        return Exclusion.CAPABILITY
    return Exclusion.STEERED
