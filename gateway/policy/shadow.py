"""What a candidate would have made of a request that the policy in force has just decided. Nobody acts on it.

From the same evidence and the same facts, read in the candidate's own words: its labels, its tenants, its bands. What
is said of a request is which way it would go, by the vocabulary of `replay.py`; who counts that, and where what only
the candidate asks for comes from, is `runtime/shadow.py`'s. Pure, in microseconds.
"""

from collections.abc import Mapping
from enum import StrEnum

import msgspec
from msgspec.structs import replace

from gateway.core.decision import Allow, Decision
from gateway.core.facts import Complexity, RequestFacts, Surroundings, Tenant
from gateway.core.findings import MARKER_PREFIX, Evidence, History
from gateway.core.labels import Label
from gateway.policy.compiled import CompiledPolicy, Layout
from gateway.policy.decide import decide
from gateway.policy.document import HistoryMode
from gateway.policy.labelling import label
from gateway.policy.replay import Gap, gained_in_cloud, place_of


class Direction(StrEnum):
    """Which way a candidate would send a request, the gravest first where more than one is true."""

    UNDECIDABLE = "undecidable"  # what it asks about was not known: counts as new access
    NEW_CLOUD = "new_cloud"  # to a place in the cloud that it may not go to now, or there first where home is
    REFUSED = "refused"  # it would get no answer any more
    ALLOWED = "allowed"  # it is refused now, and would be answered
    TO_HOME = "to_home"  # away from a place in the cloud, or there no longer first
    MOVED = "moved"  # elsewhere, in any other way
    SAME = "same"  # the same places in the same order, or refused as before


class Compared(msgspec.Struct, frozen=True, gc=False):
    """One request under the candidate. `route` and `label` are what it would have had, empty and None where that cannot
    be told; `gained` are the places in the cloud, `gap` is what was not known. A Struct: one for each request."""

    direction: Direction
    route: str = ""
    label: Label | None = None
    gained: tuple[str, ...] = ()
    gap: Gap | None = None


class Candidate:
    """`policy` beside `live`, with the tenants as `policy` reads them."""

    def __init__(self, live: CompiledPolicy, policy: CompiledPolicy, tenants: Mapping[str, Tenant]) -> None:
        self.policy = policy
        self._tenants = tenants
        ranks = {name: Label(rank) for rank, name in enumerate(policy.order.names)}
        self._ranks = tuple(ranks.get(name) for name in live.order.names)
        # The scanner looks for the markers of the policy in force: those that the candidate lacks it would not see.
        self._foreign = _markers_of(live) - _markers_of(policy)
        is_known = live.labels.history is HistoryMode.KNOWN_CLEAN
        self._guesses_history = policy.labels.history is HistoryMode.KNOWN_CLEAN and not is_known
        self._reads_score = policy.asks_complexity and not (live.asks_complexity and live.bands == policy.bands)
        self.needs_score = policy.asks_complexity and not live.asks_complexity
        """Whether requests have to be scored for it, since nobody else asks."""

        self.needs_outlook = not _tells(live.layout, policy.layout)
        """Whether somebody has to look around for it: it asks about more than the policy in force does."""

    def compare(
        self,
        tenant: str,
        evidence: Evidence,
        facts: RequestFacts,
        decision: Decision,
        *,
        score: float | None,
        around: Surroundings,
    ) -> Compared:
        """Where a request of `tenant` would have gone that went as `decision` says. `score` is how hard it looks, None
        if nobody asked or nothing is asked in words."""
        own = self._tenants.get(tenant)
        if own is None:
            return _unknown(Gap.TENANT)
        taint = evidence.taint
        if taint is not None:
            rank = self._ranks[taint]
            if rank is None:
                return _unknown(Gap.LABELS)
            evidence = replace(evidence, taint=rank)
        if self._foreign and evidence.findings:
            evidence = self._without_foreign(evidence)
        complexity = facts.complexity
        if self._reads_score:
            complexity = Complexity.MEDIUM if score is None else self.policy.bands.of(score)
        after, high = self._decided(own, evidence, facts, complexity, around)
        if self._guesses_history and evidence.history is History.UNKNOWN:
            # Clean replies are on record only where somebody asks for it: this one may have been.
            clean = replace(evidence, history=History.ON_RECORD)
            if place_of(self._decided(own, clean, facts, complexity, around)[0]) != place_of(after):
                return _unknown(Gap.HISTORY)
        direction, gained = direction_of(decision, after, self.policy.cloud_pools)
        return Compared(direction, after.route, high, gained)

    def _decided(
        self, tenant: Tenant, evidence: Evidence, facts: RequestFacts, complexity: Complexity, around: Surroundings
    ) -> tuple[Decision, Label]:
        low, high = label(self.policy, evidence, tenant.attested)
        # Written out: `replace` takes as long as the decision.
        meant = RequestFacts(
            low,
            high,
            tenant.tenant_class,
            tenant.ceiling,
            facts.model,
            facts.capabilities,
            complexity,
            facts.modalities,
            facts.context_tokens,
            around,
        )
        return decide(self.policy, meant), high

    def _without_foreign(self, evidence: Evidence) -> Evidence:
        kept = tuple([one for one in evidence.findings if one.entity not in self._foreign])
        return evidence if len(kept) == len(evidence.findings) else replace(evidence, findings=kept)


def direction_of(before: Decision, after: Decision, cloud: frozenset[str]) -> tuple[Direction, tuple[str, ...]]:
    """Which way a request goes, decided as `before` and now as `after`, and the places in the cloud that it gains."""
    if place_of(before) == place_of(after):
        return Direction.SAME, ()
    gained = gained_in_cloud(before, after, cloud)
    if gained:
        return Direction.NEW_CLOUD, gained
    if isinstance(before, Allow) is not isinstance(after, Allow):
        return (Direction.ALLOWED if isinstance(after, Allow) else Direction.REFUSED), ()
    # What it gains the other way round is what it loses.
    return (Direction.TO_HOME if gained_in_cloud(after, before, cloud) else Direction.MOVED), ()


def unseen_markers(live: CompiledPolicy, policy: CompiledPolicy) -> int:
    """How many markers of a candidate nobody looks for while `live` is in force, so that they find nothing."""
    return len(_markers_of(policy) - _markers_of(live))


def _unknown(gap: Gap) -> Compared:
    return Compared(Direction.UNDECIDABLE, gap=gap)


def _markers_of(policy: CompiledPolicy) -> frozenset[str]:
    return frozenset(MARKER_PREFIX + marker.casefold() for marker in policy.markers)


def _tells(live: Layout, other: Layout) -> bool:
    """Whether what is looked up for `live` answers everything that `other` asks about the moment."""
    return (
        (other.week is None or live.week is not None)
        and (other.budget is None or live.budget is not None)
        and set(other.pressure or ()) <= set(live.pressure or ())
    )
