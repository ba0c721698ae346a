"""What a policy answers to facts, in a form that two policies can be compared by.

A decision names pools; an answer says where they are, since a pool that moved to the cloud, or to another processor,
is another place under the same name.
"""

from dataclasses import dataclass

from gateway.core.decision import Allow, AuditLevel, Decision
from gateway.policy.compiled import CompiledPolicy, CompiledPool


@dataclass(frozen=True, slots=True)
class Destination:
    """A pool and where it is. Two that differ in anything but the name are different places."""

    pool: str
    zone: str
    is_cloud: bool
    processor: str | None = None
    residency: str | None = None
    agreement: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A refusal: by a route, or because nothing is there (`route` is empty)."""

    code: str
    route: str
    message: str


@dataclass(frozen=True, slots=True)
class Allowed:
    """Where facts lead, and on which terms. `canary` takes `percent` first, `mirror` gets a copy of `mirrored` percent;
    `weights` share out the first place among `to`."""

    route: str
    to: tuple[Destination, ...]
    spill: tuple[Destination, ...]
    canary: Destination | None
    percent: float
    queue_s: float
    cache_s: float
    audit: AuditLevel
    mirror: Destination | None = None
    mirrored: float = 0.0
    weights: tuple[float, ...] = ()

    @property
    def places(self) -> tuple[Destination, ...]:
        """Every place; one may stand there more than once."""
        return (*self.to, *self.spill, *(share for share in (self.canary, self.mirror) if share is not None))


Answer = Allowed | Refused


def cloud(answer: Answer) -> frozenset[Destination]:
    """The places outside the building that facts can get to."""
    if isinstance(answer, Refused):
        return frozenset()
    return frozenset(place for place in answer.places if place.is_cloud)


def destination(pool: CompiledPool) -> Destination:
    """Where `pool` is."""
    return Destination(pool.name, pool.zone, pool.is_cloud, pool.processor, pool.residency, pool.agreement)


class Places:
    """Where the pools of one policy are. Compiled without pools.yaml a policy does not know."""

    def __init__(self, compiled: CompiledPolicy) -> None:
        self._places = {pool.name: destination(pool) for pool in pools_of(compiled)}

    def answer(self, decision: Decision) -> Answer:
        """`decision` with the place of every pool in it."""
        if not isinstance(decision, Allow):
            return Refused(decision.code, decision.route, decision.message)
        canary, mirror = decision.canary, decision.mirror
        return Allowed(
            route=decision.route,
            to=tuple(self._places[name] for name in decision.to),
            spill=tuple(self._places[name] for name in decision.spill),
            canary=self._places[canary.pool] if canary is not None else None,
            percent=canary.percent if canary is not None else 0.0,
            queue_s=decision.queue_s,
            cache_s=decision.cache_s,
            audit=decision.audit,
            mirror=self._places[mirror.pool] if mirror is not None else None,
            mirrored=mirror.percent if mirror is not None else 0.0,
            weights=decision.weights,
        )


def pools_of(compiled: CompiledPolicy) -> tuple[CompiledPool, ...]:
    """Every pool that a row names, each once."""
    found: dict[str, CompiledPool] = {}
    for route in compiled.routes:
        for pool in route.pools:
            found.setdefault(pool.name, pool)
    return tuple(found.values())
