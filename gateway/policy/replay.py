"""Deciding again what was decided before: recorded facts under a new policy, and what would have become of them.

The record holds facts and findings, never text. What it does not say (a complexity that nobody scored, a budget that
nobody asked about, whether a reply was on record as clean) is tried both ways; where that makes a difference the record
cannot be decided, and counts as new access. Findings are those of the detector of then: one that finds more since can
only raise a label. Pure.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import product
from typing import Final

from msgspec.structs import replace

from gateway.core.decision import Allow, Decision
from gateway.core.facts import MINUTES_PER_WEEK, Budget, Complexity, Pressure, RequestFacts, Tenant
from gateway.core.findings import Evidence, History
from gateway.core.labels import Label
from gateway.core.records import Outcome
from gateway.policy.compiled import CompiledPolicy
from gateway.policy.decide import decide
from gateway.policy.document import HistoryMode
from gateway.policy.labelling import label

EXAMPLES: Final = 5
"""Requests of each kind that are named."""
_THURSDAY: Final = 3 * 24 * 60  # Unix time began on one


class Fate(StrEnum):
    """What a new policy makes of a request that an old one decided."""

    SAME = "same"  # the same places in the same order, or refused as before
    MOVED = "moved"  # elsewhere, and nowhere in the cloud that it could not go before
    NEW_CLOUD = "new_cloud"  # to a place in the cloud that it could not go to, or there first where home was
    UNDECIDABLE = "undecidable"  # the record does not say enough


class Gap(StrEnum):
    """What a record lacks that the new policy asks for."""

    LABELS = "labels"  # the names of the labels of then, or one of them in the new policy
    TENANT = "tenant"  # the tenant is in none of the new files
    COMPLEXITY = "complexity"  # it was not scored
    BUDGET = "budget"  # nobody had asked whether it was spent
    HISTORY = "history"  # whether the replies in it were on record as clean
    PRESSURE = "pressure"  # how a zone did that the new policy asks about


@dataclass(frozen=True, slots=True)
class Replayed:
    """One record, decided again. `gaps` are what made a difference and is not known; `gained` places in the cloud."""

    fate: Fate
    before: Decision
    after: Decision | None
    gaps: tuple[Gap, ...] = ()
    gained: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Asks:
    """What of the facts that a record may not know a policy asks about. `pressure` are the zones that it names."""

    complexity: bool
    budget: bool
    clean: bool
    week: bool
    pressure: tuple[str, ...]


_NOTHING: Final = _Asks(complexity=False, budget=False, clean=False, week=False, pressure=())


class Replay:
    """Decides records again under `policy`. `tenants` are those of the new files, None where none are given: then each
    has the class and the ceiling that it had. `olds` are policies of then, by the digests of their bundles: what one of
    them asked about is known in its records."""

    def __init__(
        self,
        policy: CompiledPolicy,
        tenants: Mapping[str, Tenant] | None = None,
        olds: Mapping[str, CompiledPolicy] | None = None,
    ) -> None:
        self._policy = policy
        self._tenants = tenants
        self._asks = _asks(policy)
        self._known = {digest: _asks(old) for digest, old in (olds or {}).items()}
        self._ranks = {name: Label(rank) for rank, name in enumerate(policy.order.names)}

    def again(self, record: Outcome, names: tuple[str, ...] | None) -> Replayed | None:
        """What becomes of `record`; None if it was never decided. `names` are the labels of its bundle, lowest first,
        if the log says them."""
        facts, evidence, before = record.facts, record.evidence, record.decision
        if facts is None or evidence is None or before is None:
            return None
        found = self._in_new_words(record, facts, evidence, names)
        if isinstance(found, Gap):
            return Replayed(Fate.UNDECIDABLE, before, None, (found,))
        facts, evidence, attested = found
        gaps = self._gaps(record, facts, evidence)
        if not gaps:
            return self._told(before, self._decided(facts, evidence, attested))
        first, *others = [self._told(before, after) for after in self._readings(gaps, facts, evidence, attested)]
        if all(place_of(one.after) == place_of(first.after) for one in others):
            return first
        gained = tuple(sorted({pool for one in (first, *others) for pool in one.gained}))
        return Replayed(Fate.UNDECIDABLE, before, None, gaps, gained)

    def _in_new_words(
        self, record: Outcome, facts: RequestFacts, evidence: Evidence, names: tuple[str, ...] | None
    ) -> tuple[RequestFacts, Evidence, Label | None] | Gap:
        """Facts and evidence with the ranks and the tenant of the new files, and what the tenant's class attests."""

        def rank(old: Label) -> Label | None:
            return self._ranks.get(names[old]) if names is not None and old < len(names) else None

        if evidence.taint is not None:
            taint = rank(evidence.taint)
            if taint is None:
                return Gap.LABELS
            evidence = replace(evidence, taint=taint)
        attested = None
        if self._tenants is not None:
            tenant = self._tenants.get(record.tenant)
            if tenant is None:
                return Gap.TENANT
            facts = replace(facts, tenant_class=tenant.tenant_class, ceiling=tenant.ceiling)
            attested = tenant.attested
        elif facts.ceiling is not None:
            ceiling = rank(facts.ceiling)
            if ceiling is None:
                return Gap.LABELS
            facts = replace(facts, ceiling=ceiling)
        if record.scored is not None:
            facts = replace(facts, complexity=self._policy.bands.of(record.scored.score))
        if self._asks.week:
            minute = (int(record.at - record.ms / 1000) // 60 + _THURSDAY) % MINUTES_PER_WEEK
            facts = replace(facts, surroundings=replace(facts.surroundings, minute_of_week=minute))
        return facts, evidence, attested

    def _gaps(self, record: Outcome, facts: RequestFacts, evidence: Evidence) -> tuple[Gap, ...]:
        """What the policy asks and the record does not say for certain."""
        asks, known, around = self._asks, self._known.get(record.bundle, _NOTHING), facts.surroundings
        gaps: tuple[Gap, ...] = ()
        is_scored = known.complexity or record.scored is not None
        if asks.complexity and not is_scored and facts.complexity is Complexity.MEDIUM:
            gaps += (Gap.COMPLEXITY,)
        if asks.budget and not known.budget and around.budget is Budget.OK:
            gaps += (Gap.BUDGET,)
        if asks.clean and not known.clean and evidence.history is History.UNKNOWN:
            gaps += (Gap.HISTORY,)
        # A zone that was looked at is named, however it did.
        if asks.pressure and not {zone for zone, _ in around.pressure}.issuperset(asks.pressure):
            gaps += (Gap.PRESSURE,)
        return gaps

    def _readings(
        self, gaps: tuple[Gap, ...], facts: RequestFacts, evidence: Evidence, attested: Label | None
    ) -> Iterator[Decision]:
        """What is decided for everything that the record may mean, the likeliest first."""
        around = facts.surroundings
        told = dict(around.pressure)
        zones = [zone for zone in self._asks.pressure if zone not in told]
        complexities = (Complexity.MEDIUM, Complexity.SIMPLE, Complexity.HARD)
        arounds = [
            replace(around, budget=budget, pressure=(*told.items(), *zip(zones, pressures, strict=True)))
            for budget in (Budget if Gap.BUDGET in gaps else (around.budget,))
            for pressures in product(Pressure, repeat=len(zones))
        ]
        for history in (History.UNKNOWN, History.ON_RECORD) if Gap.HISTORY in gaps else (evidence.history,):
            low, high = label(self._policy, replace(evidence, history=history), attested)
            for complexity in complexities if Gap.COMPLEXITY in gaps else (facts.complexity,):
                for one in arounds:
                    meant = replace(facts, label_low=low, label_high=high, complexity=complexity, surroundings=one)
                    yield decide(self._policy, meant)

    def _decided(self, facts: RequestFacts, evidence: Evidence, attested: Label | None) -> Decision:
        low, high = label(self._policy, evidence, attested)
        return decide(self._policy, replace(facts, label_low=low, label_high=high))

    def _told(self, before: Decision, after: Decision) -> Replayed:
        if place_of(before) == place_of(after):
            return Replayed(Fate.SAME, before, after)
        gained = gained_in_cloud(before, after, self._policy.cloud_pools)
        return Replayed(Fate.NEW_CLOUD if gained else Fate.MOVED, before, after, (), gained)


def _asks(policy: CompiledPolicy) -> _Asks:
    layout = policy.layout
    return _Asks(
        complexity=len(set(layout.complexities.values())) > 1,
        budget=layout.budget is not None,
        clean=policy.labels.history is HistoryMode.KNOWN_CLEAN,
        week=layout.week is not None,
        pressure=tuple(layout.pressure or ()),
    )


def place_of(decision: Decision | None) -> object:
    """Where a request may go, in order and by which share; a refusal is one place."""
    if not isinstance(decision, Allow):
        return None if decision is None else decision.if_scanned
    return decision.to, decision.spill, decision.canary, decision.mirror, decision.weights, decision.if_scanned


def gained_in_cloud(before: Decision, after: Decision, cloud: frozenset[str]) -> tuple[str, ...]:
    """The places in the cloud that `after` opens and `before` did not: to go to, or to go to first where home was."""
    gained = sorted((_reach(after) - _reach(before)) & cloud)
    first = _first(after)
    if first in cloud and _first(before) not in cloud and first not in gained:
        gained.append(first)
    return tuple(gained)


def _reach(decision: Decision) -> frozenset[str]:
    """Every place that a request or a copy of it may ever go, once all tiers have looked at it too."""
    return frozenset((*decision.reach, *decision.if_scanned) if isinstance(decision, Allow) else decision.if_scanned)


def _first(decision: Decision) -> str:
    return decision.to[0] if isinstance(decision, Allow) else ""


@dataclass(slots=True)
class Tally:
    """What became of all records. `moves` counts by the routes of before and after (empty: none matched, or nobody
    can tell) and by fate; `named` are the ids of a few requests of each fate."""

    fates: dict[Fate, int] = field(default_factory=lambda: dict.fromkeys(Fate, 0))
    moves: dict[tuple[str, str, Fate], int] = field(default_factory=dict)
    gaps: dict[Gap, int] = field(default_factory=dict)
    gained: dict[str, int] = field(default_factory=dict)
    named: dict[Fate, list[str]] = field(default_factory=dict)
    undecided: int = 0
    unreadable: int = 0
    first_at: float = 0.0
    last_at: float = 0.0

    @property
    def decided(self) -> int:
        """How many records were requests that a policy had decided."""
        return sum(self.fates.values())

    @property
    def has_new_access(self) -> bool:
        """Whether anything may go to the cloud that did not: what cannot be decided or read counts as that."""
        return bool(self.fates[Fate.NEW_CLOUD] or self.fates[Fate.UNDECIDABLE] or self.unreadable)

    def take(self, record: Outcome, found: Replayed | None) -> None:
        """Count one record."""
        self.first_at = min(self.first_at or record.at, record.at)
        self.last_at = max(self.last_at, record.at)
        if found is None:
            self.undecided += 1
            return
        self.fates[found.fate] += 1
        if found.fate is Fate.SAME:
            return
        move = (found.before.route, found.after.route if found.after is not None else "", found.fate)
        self.moves[move] = self.moves.get(move, 0) + 1
        for gap in found.gaps:
            self.gaps[gap] = self.gaps.get(gap, 0) + 1
        for pool in found.gained:
            self.gained[pool] = self.gained.get(pool, 0) + 1
        named = self.named.setdefault(found.fate, [])
        if len(named) < EXAMPLES:
            named.append(record.request_id)
