"""Whether a compiled policy keeps what it promises in every state, and if not, the most ordinary request that shows it.

The states are those of `space.py`, the rows those of `lines.py`, what is banned is `bans.py`'s and what the label rules
let out `leaving.py`'s; this file walks and judges. Over the node budget the answer is "not proved", never "proved".
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from gateway.core.decision import Allow, Canary, Decision, Deny, Mirror
from gateway.core.facts import RequestFacts
from gateway.core.labels import Label
from gateway.policy import leaving as leaving_rules
from gateway.policy.bans import DENY, Ban, Claim, Kind, always, bans, pools_of, stated_bans, vacuous
from gateway.policy.compiled import ABOVE_CEILING, ALWAYS, NOWHERE, CompiledPolicy, Route
from gateway.policy.decide import decide, state_of
from gateway.policy.document import Required
from gateway.policy.leaving import Leaving
from gateway.policy.lines import Guards, Lines, Reach, as_decided, as_written, not_steered, without_model
from gateway.policy.proof import Counterexample as Counterexample
from gateway.policy.proof import Outcome as Outcome
from gateway.policy.proof import Proof as Proof
from gateway.policy.proof import Shadowed as Shadowed
from gateway.policy.proof import Verdict as Verdict
from gateway.policy.proof import Worst
from gateway.policy.space import BudgetSpent, Region, Space, walk
from gateway.policy.unread import unasked, unread

PROVER_VERSION: Final = 2
"""2 looks at mirrors and weights besides."""
MOST_NODES: Final = 1_000_000


def prove(
    compiled: CompiledPolicy, *, most_nodes: int = MOST_NODES, progress: Callable[[int], None] | None = None
) -> Proof:
    """Look at every state of `compiled`. `progress` is told the number of nodes walked so far."""
    return _Prover(compiled, most_nodes, progress or (lambda _: None)).proof()


class _Prover:
    def __init__(self, compiled: CompiledPolicy, most_nodes: int, progress: Callable[[int], None]) -> None:
        self._compiled = compiled
        self._most_nodes = most_nodes
        self._progress = progress
        self._space = Space((compiled,))
        self._nodes = 0
        self._broken: dict[str, Worst] = {}
        self._matched: set[str] = set()
        self._dead: list[str] = []
        self._shadowed: list[Shadowed] = []
        # For each label that reaches the cloud, the most ordinary request that does.
        self._leavers: dict[Label, tuple[int, Counterexample]] = {}
        self._steered = Worst()
        # A pool that no row names counts as outside, should `decide` ever name one.
        self._homes = frozenset(pool.name for pool in pools_of(compiled) if not pool.is_cloud)

    def proof(self) -> Proof:
        is_understood, is_spent = _is_understood(self._space), False
        found: tuple[Leaving, ...] = ()
        try:
            self._class_ceilings()
            self._as_written()
            self._with_models()
            self._raising()
            self._unmatched()
            found = self._leaving()
        except BudgetSpent:
            is_spent, self._nodes = True, self._most_nodes
        is_known = is_understood and not is_spent
        return Proof(
            verdicts=tuple(self._verdict(claim, is_known=is_known) for claim in _claims(self._compiled)),
            states=self._space.states,
            nodes=self._nodes,
            is_spent=is_spent,
            dead=tuple(self._dead),
            shadowed=tuple(self._shadowed),
            leaving=found,
            idle=leaving_rules.idle(self._compiled, found) if found else (),
            steered=self._steered.examples,
            unread=unread(self._compiled.labels, max(self._leavers, default=None)),
            vacuous=tuple(vacuous(self._compiled)),
            unasked=unasked(self._compiled.labels, max(self._leavers, default=None)),
        )

    def _verdict(self, claim: Claim, *, is_known: bool) -> Verdict:
        is_its_own = claim.at is None or claim.kind in (Kind.NEVER, Kind.ONLY)
        broken = self._broken.get(claim.id if is_its_own else _id(claim.kind))
        if broken is not None:
            return Verdict(claim.id, claim.kind, Outcome.DISPROVED, claim.at, broken.examples)
        return Verdict(claim.id, claim.kind, Outcome.PROVED if is_known else Outcome.NOT_PROVED, claim.at)

    def _break(self, claim_id: str, cost: int, example: Counterexample | None) -> None:
        worst = self._broken.setdefault(claim_id, Worst())
        if example is not None:
            worst.add(cost, example)

    def _walk(self, space: Space, guards: Guards, keep: Callable[[int, int], int]) -> tuple[Region, ...]:
        before = self._nodes
        regions, nodes = walk(
            space,
            guards.refused,
            keep,
            most_nodes=self._most_nodes - before,
            progress=lambda nodes: self._progress(before + nodes),
        )
        self._nodes += nodes
        return regions

    # Ceilings

    def _class_ceilings(self) -> None:
        """A class may only lower the policy's ceiling. (The compiled table already holds the lower of the two.)"""
        compiled = self._compiled
        limit = compiled.ceiling if compiled.ceiling is not None else NOWHERE
        for tenant_class, ceiling in compiled.class_ceilings.items():
            if ceiling is not None and ceiling > limit:
                facts = RequestFacts(ceiling, ceiling, tenant_class, ceiling, self._space.models[0])
                self._break(_id(Kind.CEILING), 0, Counterexample(facts, decide(compiled, facts).route, ()))

    # The table as written

    def _as_written(self) -> None:
        """Ceiling, clearance, `never`, `only`, total, and which rows are ever used."""
        space, guards = self._space, Guards()
        lines = as_written(space, space.sides[0], guards)
        risks: dict[str, list[tuple[Ban, int]]] = {pool.name: [] for pool in pools_of(self._compiled)}
        for ban in bans(space):
            for name in ban.pools:
                risks[name].append((ban, guards.add(ban.refused)))
        risk = {name: _union(bit for _, bit in of_pool) for name, of_pool in risks.items()}

        def keep(place: int, alive: int) -> int:
            kept = 0
            for line in lines.open(place, alive):
                kept |= line.bit
                standing = [spot for spot in line.spots if alive & spot.bit]
                risky = alive & _union(risk[spot.pool.name] for spot in standing)
                if risky:
                    kept |= risky | _union(spot.bit for spot in standing)
            return kept

        for region in self._walk(space, guards, keep):
            line = lines.first(region.alive)
            if line is None:
                self._break(_id(Kind.TOTAL), region.cost, Counterexample(space.facts(region.path), "", ()))
                continue
            self._matched.add(line.route.id)
            for pool in lines.reach(region.alive).pools:
                for ban, bit in risks[pool.name]:
                    if region.alive & bit:
                        example = Counterexample(space.facts(region.path), line.route.id, (pool.name,))
                        self._break(ban.claim.id, region.cost, example)

    # What a model's name may do

    def _with_models(self) -> None:
        """No model's name leads out where the same facts without one stay home; and `decide` answers as proved."""
        space, guards = self._space, Guards()
        named = as_decided(space, space.sides[0], guards)
        unnamed = without_model(space, space.sides[0], guards)
        labels = [guards.add(_only_label(space, rank)) for rank in range(len(self._compiled.order.names))]

        def keep(place: int, alive: int) -> int:
            kept = _outward(named, place, alive)
            return kept | _home_too(unnamed, place, alive) | alive & _union(labels) if kept else 0

        for region in self._walk(space, guards, keep):
            facts = space.facts(region.path)
            free, without = named.reach(region.alive), unnamed.reach(region.alive)
            reach = not_steered(free, without)
            decision = decide(self._compiled, facts)
            self._compare(region.cost, facts, decision, reach)
            self._client(region.cost, facts, decision, without)
            taken_away = tuple(sorted(free.cloud - reach.cloud))
            if taken_away:
                self._steered.add(region.cost, Counterexample(facts, _route_id(free.route), taken_away))
            if reach.cloud:
                example = Counterexample(facts, _route_id(reach.route), tuple(sorted(reach.cloud)))
                known = self._leavers.get(facts.label_high)
                if known is None or region.cost < known[0]:
                    self._leavers[facts.label_high] = (region.cost, example)

    def _compare(self, cost: int, facts: RequestFacts, decision: Decision, reach: Reach) -> None:
        """The shipped `decide` must answer as the table was read here, or what is proved is not what is decided."""
        if reach.cloud:
            canary = Canary(reach.canary.pool.name, reach.canary.percent) if reach.canary is not None else None
            mirror = Mirror(reach.mirror.pool.name, reach.mirror.percent) if reach.mirror is not None else None
            to, spill = (tuple(pool.name for pool in pools) for pools in (reach.to, reach.spill))
            is_as_read = (
                isinstance(decision, Allow)
                and (decision.to, decision.spill) == (to, spill)
                and (decision.canary, decision.mirror) == (canary, mirror)
                and decision.weights == _weights(reach)
            )
        else:
            is_as_read = not isinstance(decision, Allow) or self._homes.issuperset(decision.reach)
        if not is_as_read:
            pools = decision.reach if isinstance(decision, Allow) else ()
            self._break(_id(Kind.DETERMINISTIC), cost, Counterexample(facts, decision.route, pools))

    def _client(self, cost: int, facts: RequestFacts, decision: Decision, without: Reach) -> None:
        """What `decide` gives for a model, against what the table gives for none."""
        if isinstance(decision, Deny):
            return
        added = [name for name in decision.reach if name not in self._homes | without.cloud]
        if without.leads_home:
            # Whatever has a share in the first place may come first, at any weight.
            first = decision.to if decision.weights else decision.to[:1]
            added += [name for name in first if name not in self._homes]
            canary = decision.canary
            if canary is not None and canary.pool not in self._homes and canary.percent > without.first_share_out:
                added.append(canary.pool)
            mirror = decision.mirror
            if mirror is not None and mirror.pool not in self._homes and mirror.percent > without.copied_share_out:
                added.append(mirror.pool)
        if added:
            example = Counterexample(facts, decision.route, tuple(dict.fromkeys(added)))
            self._break(_id(Kind.CLIENT), cost, example)

    # Two labels

    def _raising(self) -> None:
        """A higher label adds no cloud pool. Neighbours are enough: what a chain adds, one of its steps adds."""
        space, guards = Space((self._compiled, self._compiled), raised=(0, 1)), Guards()
        named = [as_decided(space, side, guards) for side in space.sides]
        unnamed = [without_model(space, side, guards) for side in space.sides]

        def keep(place: int, alive: int) -> int:
            kept = _outward(named[1], place, alive)
            if not kept:
                return 0
            kept |= _home_too(unnamed[1], place, alive)
            return kept | _home_too(named[0], place, alive) | _home_too(unnamed[0], place, alive)

        for region in self._walk(space, guards, keep):
            lower, higher = (
                not_steered(named[side].reach(region.alive), unnamed[side].reach(region.alive)) for side in (0, 1)
            )
            added = tuple(sorted(higher.cloud - lower.cloud))
            if added:
                first, second = (space.facts(region.path, side) for side in (0, 1))
                example = Counterexample(first, _route_id(higher.route), added, second, added)
                self._break(_id(Kind.MONOTONE), region.cost, example)

    # Rows that are never used

    def _unmatched(self) -> None:
        for place, route in enumerate(self._compiled.routes):
            if route.id not in self._matched:
                shadowed = self._shadow(place)
                if shadowed is None:
                    self._dead.append(route.id)
                else:
                    self._shadowed.append(shadowed)
                    if route.deny is not None:
                        self._break(DENY, 0, shadowed.example)
                self._break(_id(Kind.REACHABLE), place, shadowed.example if shadowed is not None else None)

    def _shadow(self, place: int) -> Shadowed | None:
        """Which rows take everything that the row at `place` accepts; None if it accepts nothing."""
        space, guards = self._space, Guards()
        rows = [replace(line, spots=()) for line in as_written(space, space.sides[0], Guards()).lines[: place + 1]]
        rows = [replace(line, bit=guards.add(line.refused)) for line in rows]
        row, before = rows[-1], Lines(space, rows[:-1])

        def keep(place: int, alive: int) -> int:
            return row.bit | _union(line.bit for line in before.open(place, alive)) if alive & row.bit else 0

        takers: dict[str, tuple[int, RequestFacts]] = {}
        for region in self._walk(space, guards, keep):
            taker = before.first(region.alive) if region.alive & row.bit else None
            if taker is not None and region.cost < takers.get(taker.route.id, (region.cost + 1, None))[0]:
                takers[taker.route.id] = (region.cost, space.facts(region.path))
        if not takers:
            return None
        by = tuple(route.id for route in self._compiled.routes if route.id in takers)
        taken, (_, facts) = min(takers.items(), key=lambda item: item[1][0])
        decision = decide(self._compiled, facts)
        pools = decision.pools if isinstance(decision, Allow) else ()
        return Shadowed(row.route.id, by, Counterexample(facts, taken, pools))

    # What may leave

    def _leaving(self) -> tuple[Leaving, ...]:
        found = leaving_rules.leaving(self._compiled, max(self._leavers, default=None))
        for one in found:
            if not one.acknowledged:
                cost, example = self._leavers.get(one.label, self._leavers[max(self._leavers)])
                self._break(_id(Kind.LEAVING), cost, example)
        return found


def _id(kind: Kind) -> str:
    return always(kind).id


def _claims(compiled: CompiledPolicy) -> Iterable[Claim]:
    """Everything that is claimed of `compiled`: what always is, unless it states the same, and what it states."""
    stated = [Claim(one.id, Kind(one.kind), one.at) for one in compiled.invariants if isinstance(one, Required)]
    kinds = {claim.kind for claim in stated}
    yield from (always(kind) for kind in (Kind.CEILING, Kind.CLEARANCE))
    yield from dict.fromkeys(claim for claim in stated_bans(compiled))
    yield from stated
    yield from (
        always(kind)
        for kind in (Kind.TOTAL, Kind.MONOTONE, Kind.CLIENT, Kind.DETERMINISTIC, Kind.LEAVING)
        if kind not in kinds
    )
    if any(route.deny is not None for route in compiled.routes):
        yield Claim(DENY, Kind.REACHABLE, None)


def _is_understood(space: Space) -> bool:
    """Whether the layout says all that the table asks, and `decide` reads facts as the layout says."""
    side = space.sides[0]
    compiled = side.compiled
    known = ALWAYS | ABOVE_CEILING
    for dimension in compiled.layout.dimensions:
        for value in dimension.values:
            if known & value.bits:
                return False
            known |= value.bits
    asked = _union(route.refused for route in compiled.routes) | _union(pool.refused for pool in pools_of(compiled))
    if asked & ~known:
        return False
    usual = [min(range(len(axis.cells)), key=lambda place: axis.cells[place].cost) for axis in space.axes]
    for place, axis in enumerate(space.axes):
        for cell in range(len(axis.cells)):
            path = (*usual[:place], cell, *usual[place + 1 :])
            facts = space.facts(path)
            bits = _union(axis.cells[cell].bits for axis, cell in zip(space.axes, path, strict=True))
            if state_of(compiled, facts, facts.label_high) != (bits & ~side.lowered) >> side.shift:
                return False
    return True


def _outward(lines: Lines, place: int, alive: int) -> int:
    """The bits of the open lines and of what stands in those that lead out; 0 if none of them does."""
    kept, leads_out = 0, False
    for line in lines.open(place, alive):
        kept |= line.bit
        if any(spot.pool.is_cloud and alive & spot.bit for spot in line.spots):
            leads_out = True
            kept |= alive & _union(spot.bit for spot in line.spots)
    return kept if leads_out else 0


def _home_too(lines: Lines, place: int, alive: int) -> int:
    """The bits of the open lines and of all that stands in them."""
    return _union(line.bit | alive & _union(spot.bit for spot in line.spots) for line in lines.open(place, alive))


def _only_label(space: Space, rank: int) -> int:
    labels = space.sides[0].compiled.layout.labels
    return _union(bit for other, bit in enumerate(labels) if other != rank) << space.sides[0].shift


def _weights(reach: Reach) -> tuple[float, ...]:
    weights = reach.route.weights if reach.route is not None and len(reach.to) > 1 else None
    return tuple(weights[pool.name] for pool in reach.to) if weights else ()


def _route_id(route: Route | None) -> str:
    return route.id if route is not None else ""


def _union(bits: Iterable[int]) -> int:
    found = 0
    for one in bits:
        found |= one
    return found
