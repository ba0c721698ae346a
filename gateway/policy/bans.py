"""What must never be reachable, as pairs of a guard and pools: ceiling, clearance, and the invariants of the policy.

Ceiling and clearance are banned whether a policy states them or not; `never` and `only` are what it states besides.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateway.core.written import Place
from gateway.policy.compiled import NOWHERE, CompiledPolicy, CompiledPool
from gateway.policy.document import Never, Only, WrittenGuard
from gateway.policy.meaning import accepted_labels, has_all, has_any, refused_bits
from gateway.policy.space import Space

DENY: Final = "(deny)"
"""The id of the claim that no row which refuses is hidden by those before it."""


class Kind(StrEnum):
    """What a claim is about."""

    CEILING = "ceiling"
    CLEARANCE = "clearance"
    NEVER = "never"
    ONLY = "only"
    MONOTONE = "monotone"
    CLIENT = "client"
    TOTAL = "total"
    REACHABLE = "reachable"
    DETERMINISTIC = "deterministic"
    LEAVING = "leaving"


@dataclass(frozen=True, slots=True)
class Claim:
    """Something to prove. What a policy does not state itself has an id in parentheses, as no name can be written."""

    id: str
    kind: Kind
    at: Place | None


@dataclass(frozen=True, slots=True)
class Ban:
    """`pools` must not be reachable in any state that a guard accepts; `refused` are the bits that it refuses."""

    claim: Claim
    refused: int
    pools: frozenset[str]


def always(kind: Kind) -> Claim:
    """The claim that is made of every policy."""
    return Claim(f"({kind})", kind, None)


def bans(space: Space) -> Iterator[Ban]:
    """Everything that must not be reachable on the first side of `space`."""
    compiled = space.sides[0].compiled
    pools = tuple(pools_of(compiled))
    labels = compiled.layout.labels
    shift = space.sides[0].shift

    def above(label: int) -> int:
        return sum(labels[: label + 1]) << shift

    ceiling = compiled.ceiling if compiled.ceiling is not None else NOWHERE
    yield Ban(always(Kind.CEILING), above(ceiling), _names(pool for pool in pools if pool.is_cloud))
    for clearance in sorted({pool.clearance for pool in pools}):
        cleared = _names(pool for pool in pools if pool.clearance == clearance)
        yield Ban(always(Kind.CLEARANCE), above(clearance), cleared)
    for stated in compiled.invariants:
        if isinstance(stated, Never):
            named = _names(pool for pool in pools if _is_named(stated, pool))
            yield Ban(_claim(stated), _refused(space, stated.guard), named)
        elif isinstance(stated, Only):
            others = _names(pool for pool in pools if not has_all(pool, stated.where))
            yield Ban(_claim(stated), _refused(space, stated.guard), others)


def stated_bans(compiled: CompiledPolicy) -> Iterator[Claim]:
    """What a policy itself says must not be reachable."""
    for stated in compiled.invariants:
        if isinstance(stated, Never | Only):
            yield _claim(stated)


def vacuous(compiled: CompiledPolicy) -> Iterator[str]:
    """The ids of what a policy states about labels that there are not, and so about no request at all."""
    for stated in compiled.invariants:
        if isinstance(stated, Never | Only) and not accepted_labels(stated.guard, compiled.order.names):
            yield stated.id


def _claim(stated: Never | Only) -> Claim:
    return Claim(stated.id, Kind.NEVER if isinstance(stated, Never) else Kind.ONLY, stated.guard.at)


def pools_of(compiled: CompiledPolicy) -> Iterable[CompiledPool]:
    """Every pool that a route names, once."""
    found: dict[str, CompiledPool] = {}
    for route in compiled.routes:
        for pool in route.pools:
            found.setdefault(pool.name, pool)
    return found.values()


def _names(pools: Iterable[CompiledPool]) -> frozenset[str]:
    return frozenset(pool.name for pool in pools)


def _is_named(stated: Never, pool: CompiledPool) -> bool:
    if stated.where is not None:
        return has_any(pool, stated.where)
    if stated.zone is not None:
        return pool.zone == stated.zone.text
    return stated.pool is not None and pool.name == stated.pool.text


def _refused(space: Space, guard: WrittenGuard) -> int:
    compiled = space.sides[0].compiled
    bits = refused_bits(compiled.layout, guard, compiled.order.names, compiled.utc_offset_min) << space.sides[0].shift
    if not guard.models:
        return bits
    named = {word.text for word in guard.models}
    # `*` means every model that has no name of its own, in an invariant as in a row.
    return bits | space.bits_of_models(model for model in space.models if model not in named)
