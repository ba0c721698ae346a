"""What a live canary should have met with, and what its records say that it did.

A canary is a request of ours with an identifier in it that must stay home. Here is which identifiers a policy keeps
home for a tenant, where such a request may go, and the verdict on what the audit log holds of it. The text is
`detect/synthetic.py`'s, sending and reading back `runtime/live_canary.py`'s. Pure.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from gateway.core.access import Scope, allows, reached
from gateway.core.facts import Tenant
from gateway.core.findings import Coverage, Evidence, Finding, Tier
from gateway.core.labels import Label
from gateway.core.records import Ending, Intent, Mirrored, Outcome
from gateway.core.topology import Topology
from gateway.policy.compiled import CompiledPolicy
from gateway.policy.labelling import label


class Verdict(StrEnum):
    """What became of one canary."""

    HELD = "held"  # labelled as it should be, and nowhere but where that may be seen; or refused, or turned away
    LEFT = "left"  # it went, or may have gone, where it must not be seen
    UNLABELLED = "unlabelled"  # its label is below the one that the policy gives what was in it
    UNSEEN = "unseen"  # the audit log has no record of it
    FAILED = "failed"  # nobody could answer, so that little was tried; nothing was let out


ALARMS: Final = frozenset((Verdict.LEFT, Verdict.UNLABELLED, Verdict.UNSEEN))
"""The verdicts that somebody must be woken for."""


@dataclass(frozen=True, slots=True)
class Bait:
    """An identifier that must stay home: which kind, and the label that one of them gives a request."""

    entity: str
    label: Label


@dataclass(frozen=True, slots=True)
class Records:
    """What the audit log holds of one canary: how it ended, the attempts in the cloud that it announced, and the copies
    that were made of it."""

    outcome: Outcome | None = None
    intents: tuple[Intent, ...] = ()
    copies: tuple[Mirrored, ...] = ()

    @property
    def places(self) -> Iterator[str]:
        """Every pool that it was sent to, or may have been."""
        for intent in self.intents:
            yield intent.pool
        for sent in (self.outcome, *self.copies):
            if sent is not None:
                for attempt in sent.attempts:
                    yield attempt.pool


class Skipped(StrEnum):
    """Why a class of tenants has no canary."""

    NO_TENANTS = "no_tenants"  # nobody is of that class
    NO_MODEL = "no_model"  # nobody of that class may chat with a model that canaries ask for
    MAY_LEAVE = "may_leave"  # the policy lets everything leave that a canary could hold


@dataclass(frozen=True, slots=True)
class Guise:
    """A tenant in whose name a canary may be sent: which models it may chat with, and how far its credentials reach."""

    tenant: Tenant
    models: tuple[str, ...]
    scopes: tuple[Scope, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the canaries of one class are made of."""

    guises: tuple[Guise, ...]
    baits: tuple[Bait, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The classes that have canaries, in the order of their names, and those that have none."""

    asked: Mapping[str, Asked]
    skipped: Mapping[str, Skipped]


def plan(policy: CompiledPolicy, tenants: Iterable[Tenant], scores: Mapping[str, float], model: str | None) -> Plan:
    """Who is asked for what: `model`, or any that a tenant may call. `scores` are those of `baits`."""
    of_class: dict[str, list[Tenant]] = {name: [] for name in policy.class_ceilings}
    for tenant in tenants:
        of_class.setdefault(tenant.tenant_class, []).append(tenant)
    models = (model,) if model is not None else tuple(policy.aliases) or (ANY_MODEL,)
    asked: dict[str, Asked] = {}
    skipped: dict[str, Skipped] = {}
    for name in sorted(of_class):
        members = of_class[name]
        guises = tuple(guise for guise in (_guise(tenant, models) for tenant in members) if guise.models)
        found = baits(policy, members[0].ceiling, scores) if members else ()
        if not members:
            skipped[name] = Skipped.NO_TENANTS
        elif not guises:
            skipped[name] = Skipped.NO_MODEL
        elif not found:
            skipped[name] = Skipped.MAY_LEAVE
        else:
            asked[name] = Asked(guises, found)
    return Plan(asked, skipped)


def baits(policy: CompiledPolicy, ceiling: Label | None, scores: Mapping[str, float]) -> tuple[Bait, ...]:
    """Of the entities in `scores`, found with those scores, the ones with the highest label; none if even that one may
    leave under the `ceiling` of a class. What a class attests is said of texts in which nothing is found."""
    found = tuple(Bait(entity, _label_of(policy, entity, score)) for entity, score in scores.items())
    highest = max(bait.label for bait in found)
    if ceiling is not None and highest <= ceiling:
        return ()
    return tuple(bait for bait in found if bait.label == highest)


def homes(policy: CompiledPolicy, topology: Topology, highest: Label) -> frozenset[str]:
    """The pools that may see what has the label `highest`, none of them in the cloud whatever its clearance."""
    return frozenset(
        pool.name for pool in topology.pools if pool.clearance >= highest and not policy.zones[pool.zone].is_cloud
    )


def judge(records: Records, expected: Label, may_see: Iterable[str]) -> Verdict:
    """The verdict on a canary of the label `expected`, which the pools `may_see` and no others."""
    allowed = frozenset(may_see)
    if not allowed.issuperset(records.places):
        return Verdict.LEFT
    outcome = records.outcome
    if outcome is None:
        return Verdict.UNSEEN
    if outcome.facts is None:
        return Verdict.FAILED
    # What was found, not what tiers that have not run yet might add: that is high where nothing was found, too.
    if outcome.facts.label_low < expected:
        return Verdict.UNLABELLED
    return Verdict.HELD if outcome.ending in _KEPT else Verdict.FAILED


def next_turn(now: float, every_s: float, classes: int) -> float:
    """When the next canary is due after `now` (Unix time), so that each of `classes` has one every `every_s`.

    Turns lie by the clock and not by when somebody began, so that a gateway which is started again keeps them. One that
    is closer than a tenth of the time between two is this one: who waits for it may wake a moment early.
    """
    step_s = every_s / classes
    return ((now + step_s / 10) // step_s + 1) * step_s


ANY_MODEL: Final = "canary"
"""What is asked for where the policy names no model and takes any."""

_KEPT: Final = frozenset((Ending.COMPLETED, Ending.REFUSED))
_SCANNED: Final = Coverage(frozenset(Tier))


def _guise(tenant: Tenant, models: tuple[str, ...]) -> Guise:
    """The tenant with all that it may ask for. What it asks for is no longer a matter of limits and of what it sees."""
    scopes = reached((Scope(),), tenant.access.scope)
    reach = tuple(model for model in models if allows(scopes, "chat", model))
    return Guise(replace(tenant, limits=None, sees=frozenset()), reach, scopes)


def _label_of(policy: CompiledPolicy, entity: str, score: float) -> Label:
    finding = Finding(entity, score, "messages[0].content", 0, 1, "canary")
    return label(policy, Evidence((finding,), _SCANNED))[0]
