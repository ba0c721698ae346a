"""The decision: from facts and a compiled policy to pools, or a refusal. Pure, in microseconds.

The first row that accepts the state wins; its pools, minus those that may not see the request, are the answer, in the
order written; its canary and its mirror pass the same filters. A model name only narrows: it cannot bring in a cloud
pool that the same facts would not reach without it, nor put one first where home comes first. The trace is for
`explain.py` and costs nothing unless asked for.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateway.core.decision import Allow, Decision, Deny, DenyCode
from gateway.core.facts import Pressure, RequestFacts
from gateway.core.labels import Label
from gateway.policy.compiled import (
    ABOVE_CEILING,
    ALWAYS,
    Alias,
    CompiledPolicy,
    CompiledPool,
    Layout,
    Route,
    RouteShare,
    Row,
    Standing,
)

ALL: Final = 100.0
"""Every request, in percent."""


class Mismatch(StrEnum):
    """Why a row did not match: the model, or the first fact that it asks about and finds otherwise."""

    MODEL = "model"
    LABEL = "label"
    COMPLEXITY = "complexity"
    TENANT_CLASS = "tenant_class"
    CAPABILITY = "capability"
    MODALITY = "modality"
    CONTEXT = "context"
    TIME = "time"
    PRESSURE = "pressure"
    BUDGET = "budget"
    NO_POOL = "no_pool"  # none of the pools in `to` belongs to the model


class Exclusion(StrEnum):
    """Why a pool of the matching row may not have the request."""

    MODEL = "model"  # it is not among the model's pools
    ATTRIBUTE = "attribute"  # the row asks for a processor, residency or agreement that it has not
    CAPABILITY = "capability"
    CONTEXT = "context"  # its model takes less than the request needs
    CLEARANCE = "clearance"
    CLOUD_CEILING = "cloud_ceiling"
    TENANT_CEILING = "tenant_ceiling"
    SPILL_ALONE = (
        "spill_alone"  # nothing of `to` is permitted, and neither spill nor canary nor mirror stands in for it
    )
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
    """A pool that may have the request: one of `to`, of `spill` (when the others cannot take it), or the canary; or a
    copy of it, the mirror.

    A canary's or mirror's pool is named for that, and again if it stands in `to` or `spill` besides.
    """

    pool: str
    is_spill: bool
    is_canary: bool = False
    is_mirror: bool = False


@dataclass(frozen=True, slots=True)
class Excluded:
    """A pool of the matching row that may not have the request."""

    pool: str
    because: Exclusion
    is_canary: bool = False
    is_mirror: bool = False


Step = Skipped | Matched | Kept | Excluded


def decide(compiled: CompiledPolicy, facts: RequestFacts, trace: list[Step] | None = None) -> Decision:
    """Where the request may go. `label_high` governs; what `label_low` would add is named in `if_scanned`."""
    decision = _decide(compiled, facts, facts.label_high, trace)
    if facts.label_low < facts.label_high:
        lower = _decide(compiled, facts, facts.label_low, None)
        if isinstance(lower, Allow):
            listed = decision.pools if isinstance(decision, Allow) else ()
            added = tuple([pool for pool in lower.pools if pool not in listed])
            if added:
                return _with_more(decision, added, _leaves_first(compiled, lower, added))
    return decision


def _leaves_first(compiled: CompiledPolicy, lower: Allow, added: tuple[str, ...]) -> float:
    """The share of requests that `lower` sends first to a cloud pool which is among those `added`."""
    if lower.to[0] in added and lower.to[0] in compiled.cloud_pools:
        return 100.0
    canary = lower.canary
    return (
        canary.percent if canary is not None and canary.pool in added and canary.pool in compiled.cloud_pools else 0.0
    )


def _with_more(decision: Decision, added: tuple[str, ...], leaves_first: float) -> Decision:
    # Written out: `replace` takes as long as both decisions together.
    if isinstance(decision, Deny):
        return Deny(decision.code, decision.route, decision.message, added)
    allow = decision
    return Allow(
        to=allow.to,
        spill=allow.spill,
        queue_s=allow.queue_s,
        route=allow.route,
        label=allow.label,
        if_scanned=added,
        cache_s=allow.cache_s,
        audit=allow.audit,
        canary=allow.canary,
        leaves_first=leaves_first,
        mirror=allow.mirror,
        weights=allow.weights,
    )


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
    if not is_narrowed and trace is None and row.answers:
        answer = row.answers[label].get(state & row.refused_by_pools)
        if answer is not None:
            return answer
    if route.deny is not None:
        return Deny(DenyCode.DENIED_BY_ROUTE, route.id, route.deny)
    standing = row.permitted(state)
    if is_narrowed or row.may_be_steered(standing[0]):
        standing = _not_steered(compiled, state, standing)
    if trace is not None:
        _trace_pools(compiled, facts, alias, row, label, standing, trace)
    return route.answer(*standing, label, compiled.cache.get(label, 0.0))


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
    if layout.has_more:
        state |= _more_of(layout, facts)
    if facts.ceiling is None or label > facts.ceiling or label > tenant_class.ceiling:
        return state | ABOVE_CEILING
    return state


def _more_of(layout: Layout, facts: RequestFacts) -> int:
    """The bits of the facts that few policies ask about."""
    around, state = facts.surroundings, 0
    if layout.modalities is not None:
        state |= layout.modalities[facts.modalities]
    if layout.context is not None:
        state |= layout.context.at(facts.context_tokens)
    if layout.week is not None:
        state |= layout.week.at(around.minute_of_week)
    if layout.pressure is not None:
        told = dict(around.pressure)
        for zone, bits in layout.pressure.items():
            state |= bits[told.get(zone, Pressure.FREE)]
    if layout.budget is not None:
        state |= layout.budget[around.budget]
    return state


def _not_steered(compiled: CompiledPolicy, state: int, standing: Standing) -> Standing:
    """`standing` without the cloud pools that only the choice of a model brings in or to the front (I4).

    A canary at home does not make its row one that leads home: it is a share that the policy's writer set aside, and a
    model that is not in it goes where the rest of the row goes. A copy is held to what is copied without the model, as
    what goes first is to what goes first: more of it would be text that leaves because a client chose a name.
    """
    route = _without_model(compiled, state)
    home = [pool for pool in route.to if not state & pool.refused] if route is not None else []
    # Without something permitted in `to` the request would be refused, and no cloud pool reached at all.
    reached = {pool.name for pool in home}
    leads_home = bool(home) and not home[0].is_cloud
    first = copied = 0.0
    if route is not None and home:
        reached |= {pool.name for pool in route.pools[len(route.to) :] if not state & pool.refused}
        first, copied = (_share_out(share, state) for share in (route.canary, route.mirror))
    to, spill, canary, mirror = standing
    to = [pool for pool in to if not pool.is_cloud or pool.name in reached]
    if to and to[0].is_cloud and leads_home:
        to = [pool for pool in to if not pool.is_cloud]
    spill = [pool for pool in spill if not pool.is_cloud or pool.name in reached]
    canary = _kept_share(canary, reached, first if leads_home else ALL)
    mirror = _kept_share(mirror, reached, copied if leads_home else ALL)
    return to, spill, canary, mirror


def _share_out(share: RouteShare | None, state: int) -> float:
    """The percentage of requests that `share` takes out of the building in `state`."""
    return share.percent if share is not None and share.pool.is_cloud and not state & share.pool.refused else 0.0


def _kept_share(share: RouteShare | None, reached: Collection[str], most: float) -> RouteShare | None:
    """`share`, unless it is in the cloud and none of those `reached`, or takes more than `most` percent there."""
    if share is None or not share.pool.is_cloud:
        return share
    return share if share.pool.name in reached and share.percent <= most else None


def _without_model(compiled: CompiledPolicy, state: int) -> Route | None:
    for route in compiled.routes:
        if route.models is None and not state & route.refused:
            return route
    return None


def _mismatch(compiled: CompiledPolicy, row: Row, state: int) -> Mismatch:
    refused = state & row.refused
    for dimension in compiled.layout.dimensions:
        if refused & dimension.bits:
            return Mismatch(dimension.fact)
    return Mismatch.MODEL


def _trace_pools(
    compiled: CompiledPolicy,
    facts: RequestFacts,
    alias: Alias,
    row: Row,
    label: Label,
    standing: Standing,
    trace: list[Step],
) -> None:
    to, spill, *shares = standing
    for written, kept, is_mirror in zip((row.route.canary, row.route.mirror), shares, (False, True), strict=True):
        if written is None:
            continue
        name = written.pool.name
        if kept is not None and to:
            trace.append(Kept(name, is_spill=False, is_canary=not is_mirror, is_mirror=is_mirror))
        else:
            because = Exclusion.SPILL_ALONE if kept else _exclusion(compiled, facts, alias, written.pool, label)
            trace.append(Excluded(name, because, is_canary=not is_mirror, is_mirror=is_mirror))
    for is_spill, listed, left in ((False, row.route.to, to), (True, row.route.spill, spill)):
        for pool in listed:
            if pool in left and not to:
                trace.append(Excluded(pool.name, Exclusion.SPILL_ALONE))
            elif pool in left:
                trace.append(Kept(pool.name, is_spill))
            else:
                trace.append(Excluded(pool.name, _exclusion(compiled, facts, alias, pool, label)))


def _exclusion(
    compiled: CompiledPolicy, facts: RequestFacts, alias: Alias, pool: CompiledPool, label: Label
) -> Exclusion:
    if pool.name not in alias.pools:
        return Exclusion.MODEL
    if pool.lacks_attribute:
        return Exclusion.ATTRIBUTE
    if label > pool.clearance:
        return Exclusion.CLEARANCE
    if pool.is_cloud and (compiled.ceiling is None or label > compiled.ceiling):
        return Exclusion.CLOUD_CEILING
    if state_of(compiled, facts, label) & pool.refused & ABOVE_CEILING:
        return Exclusion.TENANT_CEILING
    if not facts.capabilities <= pool.capabilities:
        return Exclusion.CAPABILITY
    if pool.context_tokens is not None and facts.context_tokens > pool.context_tokens:
        return Exclusion.CONTEXT
    return Exclusion.STEERED
