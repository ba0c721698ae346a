"""The rows of a policy as guards of a `Space`: which of them may still match, and the pools that stand in them.

Two readings. *As written*, a pool stands unless it lacks what the request needs, does not belong to the model, or a
class or tenant has a lower ceiling than the policy; clearance and the policy's own ceiling are not asked, since those
are what is proved. *As decided*, they are asked as well, and the model's name leads nowhere that the same facts would
not reach without it: the same answer as `decide`, found another way.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from gateway.policy.bans import pools_of
from gateway.policy.compiled import ABOVE_CEILING, ALWAYS, CompiledPolicy, CompiledPool, Route, RouteShare
from gateway.policy.space import Side, Space


class Role(StrEnum):
    """Where in its row a pool stands."""

    CANARY = "canary"
    TO = "to"
    SPILL = "spill"
    MIRROR = "mirror"


@dataclass(frozen=True, slots=True)
class Spot:
    """A pool in a row. `bit` is that of its guard."""

    pool: CompiledPool
    role: Role
    bit: int


@dataclass(frozen=True, slots=True)
class Line:
    """A row. `bit` is that of its guard, `refused` the guard itself; a row that refuses requests has no spots."""

    route: Route
    bit: int
    refused: int
    spots: tuple[Spot, ...]


@dataclass(frozen=True, slots=True)
class Reach:
    """Where the requests of a region go: the pools of their row that stand. `to` is never empty unless all is."""

    route: Route | None = None
    canary: RouteShare | None = None
    to: tuple[CompiledPool, ...] = ()
    spill: tuple[CompiledPool, ...] = ()
    mirror: RouteShare | None = None

    @property
    def pools(self) -> tuple[CompiledPool, ...]:
        """Every place, each once."""
        shares = [share.pool for share in (self.canary, self.mirror) if share is not None]
        return tuple({pool.name: pool for pool in (*self.to, *self.spill, *shares)}.values())

    @property
    def cloud(self) -> frozenset[str]:
        """The places outside the building."""
        return frozenset(pool.name for pool in self.pools if pool.is_cloud)

    @property
    def leads_home(self) -> bool:
        """Whether something at home comes first."""
        return bool(self.to) and not self.to[0].is_cloud

    @property
    def first_share_out(self) -> float:
        """The percentage of requests that a canary takes out of the building before anything else is tried."""
        return _share_out(self.canary)

    @property
    def copied_share_out(self) -> float:
        """The percentage of requests of which a copy leaves the building."""
        return _share_out(self.mirror)


class Guards:
    """The guards of one walk, each once."""

    def __init__(self) -> None:
        self._bits: dict[int, int] = {}

    def add(self, refused: int) -> int:
        """The bit of the guard that refuses `refused`."""
        return self._bits.setdefault(refused, 1 << len(self._bits))

    @property
    def refused(self) -> tuple[int, ...]:
        """What `walk` takes."""
        return tuple(self._bits)


class Lines:
    """All rows that can match on one side of a space, in order."""

    def __init__(self, space: Space, lines: Iterable[Line]) -> None:
        self._later = space.later
        self.lines: tuple[Line, ...] = tuple(lines)
        self._rows = 0
        for line in self.lines:
            self._rows |= line.bit
        self._open: dict[tuple[int, int], tuple[Line, ...]] = {}

    def open(self, place: int, alive: int) -> tuple[Line, ...]:
        """The lines of which one may still be the first to match, when the axes up to `place` have been walked."""
        key = (place, alive & self._rows)
        found = self._open.get(key)
        if found is None:
            found = self._open[key] = tuple(self._until_certain(place, alive))
        return found

    def _until_certain(self, place: int, alive: int) -> Iterator[Line]:
        for line in self.lines:
            if alive & line.bit:
                yield line
                if not line.refused & self._later[place]:
                    # No later axis can refuse it, so nothing after it is the first to match.
                    return

    def first(self, alive: int) -> Line | None:
        """The line that matches where the walk is over."""
        return next((line for line in self.lines if alive & line.bit), None)

    def reach(self, alive: int) -> Reach:
        """Where the line that matches leads."""
        line = self.first(alive)
        if line is None:
            return Reach()
        by_role: dict[Role, list[CompiledPool]] = {role: [] for role in Role}
        for spot in line.spots:
            if alive & spot.bit:
                by_role[spot.role].append(spot.pool)
        to = tuple(by_role[Role.TO])
        if not to:
            return Reach(line.route)
        canary = line.route.canary if by_role[Role.CANARY] else None
        mirror = line.route.mirror if by_role[Role.MIRROR] else None
        return Reach(line.route, canary, to, tuple(by_role[Role.SPILL]), mirror)


def as_written(space: Space, side: Side, guards: Guards) -> Lines:
    """The rows as each model sees them, as written."""
    free = side.compiled.layout.label_bits | ABOVE_CEILING
    return Lines(space, _lines(space, side, guards, free))


def as_decided(space: Space, side: Side, guards: Guards) -> Lines:
    """The rows as each model sees them, with every filter but that against steering."""
    return Lines(space, _lines(space, side, guards, 0))


def without_model(space: Space, side: Side, guards: Guards) -> Lines:
    """The rows as decided for a request that names no model."""
    routes = [route for route in side.compiled.routes if route.models is None]
    everywhere = {pool.name: 0 for pool in pools_of(side.compiled)}
    return Lines(space, (_line(side, guards, route, 0, everywhere, 0) for route in routes))


def not_steered(reach: Reach, without: Reach) -> Reach:
    """`reach` without the cloud pools that only the choice of a model brings in, or to the front (threats.md I4)."""
    to = tuple(pool for pool in reach.to if not pool.is_cloud or pool.name in without.cloud)
    if to and to[0].is_cloud and without.leads_home:
        to = tuple(pool for pool in to if not pool.is_cloud)
    if not to:
        return Reach(reach.route)
    spill = tuple(pool for pool in reach.spill if not pool.is_cloud or pool.name in without.cloud)
    canary, mirror = reach.canary, reach.mirror
    if canary is not None and canary.pool.is_cloud:
        is_more = without.leads_home and canary.percent > without.first_share_out
        if is_more or canary.pool.name not in without.cloud:
            canary = None
    if mirror is not None and mirror.pool.is_cloud:
        is_more = without.leads_home and mirror.percent > without.copied_share_out
        if is_more or mirror.pool.name not in without.cloud:
            mirror = None
    return Reach(reach.route, canary, to, spill, mirror)


def _share_out(share: RouteShare | None) -> float:
    return share.percent if share is not None and share.pool.is_cloud else 0.0


def _lines(space: Space, side: Side, guards: Guards, free: int) -> Iterator[Line]:
    compiled = side.compiled
    outside = {
        pool.name: space.bits_of_models(model for model in space.models if not _is_among(compiled, model, pool))
        for pool in pools_of(compiled)
    }
    for place, route in enumerate(compiled.routes):
        closed = space.bits_of_models(model for model in space.models if not _is_open(compiled, model, place))
        yield _line(side, guards, route, free, outside, closed)


def _line(side: Side, guards: Guards, route: Route, free: int, outside: dict[str, int], closed: int) -> Line:
    refused = route.refused << side.shift | closed
    spots = []
    for role, pools in _by_role(route):
        for pool in pools:
            of_pool = (pool.refused & ~free) << side.shift | outside[pool.name]
            if free and pool.is_cloud:
                of_pool |= side.lowered
            spots.append(Spot(pool, role, guards.add(of_pool)))
    return Line(route, guards.add(refused), refused, tuple(spots) if route.deny is None else ())


def _is_open(compiled: CompiledPolicy, model: str, place: int) -> bool:
    """Whether the route at `place` can match for `model`."""
    alias = compiled.alias(model)
    if alias is None:
        return False
    refused, row = alias.rows[place]
    return not refused & ALWAYS and not row.has_no_pool


def _is_among(compiled: CompiledPolicy, model: str, pool: CompiledPool) -> bool:
    alias = compiled.alias(model)
    return alias is not None and pool.name in alias.pools


def _by_role(route: Route) -> tuple[tuple[Role, tuple[CompiledPool, ...]], ...]:
    canary, mirror = ((share.pool,) if share is not None else () for share in (route.canary, route.mirror))
    return (Role.CANARY, canary), (Role.TO, route.to), (Role.SPILL, route.spill), (Role.MIRROR, mirror)
