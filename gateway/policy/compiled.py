"""A policy ready to decide: every guard is one set of bits.

A request's state sets one bit per dimension: one for its label, one for its tenant class, one for each fact that
somebody asks about. A row or a pool holds the bits that it refuses. So whether a row matches is one `&`, and everything
that matters can be enumerated. Built by `compile.py` only.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from gateway.core.complexity import USUAL_BANDS, Bands
from gateway.core.decision import Allow, AuditLevel, Canary, Decision, Deny, DenyCode, Mirror
from gateway.core.entities import ENTITIES
from gateway.core.facts import Budget, Capability, Complexity, Modality, Pressure
from gateway.core.findings import Tier
from gateway.core.labels import Label, LabelOrder
from gateway.core.problems import Problem
from gateway.core.topology import Topology, Zone
from gateway.policy.document import HistoryMode, Invariant

ALWAYS: Final = 1
"""Set in every state: what refuses it never matches."""
ABOVE_CEILING: Final = 2
"""Set when the label is above what the tenant may let out."""
NOWHERE: Final = -1
"""A ceiling below every label."""
OTHER_CLASS: Final = "(any other class)"
"""Stands for every tenant class that no file names. No name can be written so."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What the other files need of a policy. `order` is None if the labels could not be read, `default` as well."""

    order: LabelOrder | None
    zones: Mapping[str, Zone]
    ceiling: Label | None
    default: Label | None = None


@dataclass(frozen=True, slots=True)
class Premises:
    """What a policy is compiled against: its own frame, and the other files. Each of those is None if not at hand.

    `own_entities` are those that a customer's recognizers report.
    """

    frame: Frame
    order: LabelOrder
    topology: Topology | None
    classes: Mapping[str, Label | None] | None
    own_entities: tuple[str, ...] = ()


class RuleKind(StrEnum):
    """What a label rule asks of the findings."""

    ANY_OF = "any_of"
    ALL_OF = "all_of"
    COUNT = "count"
    MARKER = "marker"


@dataclass(frozen=True, slots=True)
class LabelRule:
    """One rule. `entities` pairs each entity with the number of findings it takes; scores below `min_score` are not
    counted. `line` is where it is written."""

    kind: RuleKind
    entities: tuple[tuple[str, int], ...]
    min_score: float
    label: Label
    line: int


@dataclass(frozen=True, slots=True)
class Weights:
    """The rules turned round, so that a finding's label is looked up instead of every rule tried.

    `alone` holds, for each entity that a rule names, the scores from which one finding gives a label, with that label.
    `together` are the rules for which one finding is not enough, each with its entities.
    """

    alone: Mapping[str, tuple[tuple[float, Label], ...]]
    together: tuple[tuple[frozenset[str], LabelRule], ...]


def weights_of(rules: Sequence[LabelRule]) -> Weights:
    """The weights that say the same as `rules`."""
    alone: dict[str, list[tuple[float, Label]]] = {}
    together: list[tuple[frozenset[str], LabelRule]] = []
    for rule in rules:
        for entity, least in rule.entities:
            by_itself = alone.setdefault(entity, [])
            if least <= 1 and rule.kind is not RuleKind.ALL_OF:
                by_itself.append((rule.min_score, rule.label))
        if rule.kind is RuleKind.ALL_OF or any(least > 1 for _, least in rule.entities):
            together.append((frozenset(entity for entity, _ in rule.entities), rule))
    return Weights(MappingProxyType({entity: tuple(given) for entity, given in alone.items()}), tuple(together))


@dataclass(frozen=True, slots=True)
class LabelRules:
    """How evidence becomes a label. `weights` says the same as `rules`."""

    default: Label
    unscanned: Label
    unmapped: Label
    required: frozenset[Tier]
    carriers: Mapping[str, Label]
    rules: tuple[LabelRule, ...]
    named: frozenset[str]
    weights: Weights
    history: HistoryMode = HistoryMode.MARKED


@dataclass(frozen=True, slots=True)
class CompiledPool:
    """What the policy needs to know of a pool. `refused` are the bits of states that it may not see.

    `lacks_attribute` says that the row it stands in asks for a processor, residency or agreement that it has not.
    """

    name: str
    zone: str
    is_cloud: bool
    clearance: Label
    capabilities: frozenset[Capability]
    refused: int
    context_tokens: int | None = None
    processor: str | None = None
    residency: str | None = None
    agreement: str | None = None
    lacks_attribute: bool = False


@dataclass(frozen=True, slots=True)
class RouteShare:
    """A pool that `percent` of a row's requests try first, its canary, or of which it gets a copy, its mirror.

    At 0 it takes none, and is still a place that they may go.
    """

    pool: CompiledPool
    percent: float


@dataclass(frozen=True, slots=True)
class Route:
    """One row as written, before a model narrows it. `models` is None unless the row asks for a model.

    `weights` says of each pool of `to` how often it comes first, and is None where the first always does.
    """

    id: str
    line: int
    column: int
    refused: int
    to: tuple[CompiledPool, ...]
    spill: tuple[CompiledPool, ...]
    queue_s: float
    deny: str | None
    models: frozenset[str] | None
    cache_s: float | None = None
    audit: AuditLevel = AuditLevel.STANDARD
    canary: RouteShare | None = None
    mirror: RouteShare | None = None
    weights: Mapping[str, float] | None = None

    @property
    def pools(self) -> tuple[CompiledPool, ...]:
        """Every place that its requests or copies of them may go, as written; one may stand there more than once."""
        shares = [share.pool for share in (self.canary, self.mirror) if share is not None]
        return (*self.to, *self.spill, *shares)

    def answer(
        self,
        to: Sequence[CompiledPool],
        spill: Sequence[CompiledPool],
        canary: RouteShare | None,
        mirror: RouteShare | None,
        label: Label,
        usual_s: float,
    ) -> Decision:
        """The decision where these pools of the row are permitted. Without one in `to` it is a refusal.

        `usual_s` is how long an answer of this label may be reused; the row can only shorten it.
        """
        if not to:
            return Deny(DenyCode.NO_POOL_PERMITTED, self.id, "No model server may see this request under the policy.")
        return Allow(
            to=tuple([pool.name for pool in to]),
            spill=tuple([pool.name for pool in spill]),
            queue_s=self.queue_s,
            route=self.id,
            label=label,
            cache_s=usual_s if self.cache_s is None else min(usual_s, self.cache_s),
            audit=self.audit,
            canary=Canary(canary.pool.name, canary.percent) if canary is not None else None,
            mirror=Mirror(mirror.pool.name, mirror.percent) if mirror is not None else None,
            weights=tuple([self.weights[pool.name] for pool in to]) if self.weights and len(to) > 1 else (),
        )


Standing = tuple[list[CompiledPool], list[CompiledPool], RouteShare | None, RouteShare | None]
"""What of a row's `to`, `spill`, canary and mirror may have a request."""


@dataclass(frozen=True, slots=True)
class Row:
    """A route as one model sees it.

    `has_no_pool` says that none of the route's `to` belongs to the model. `answers` holds, for each label, the decision
    for those of `refused_by_pools` that the state has, where it is known beforehand: for a request with no special
    needs, below its tenant's ceiling and above it.
    """

    route: Route
    refused: int
    to: tuple[CompiledPool, ...]
    spill: tuple[CompiledPool, ...]
    has_no_pool: bool
    refused_by_pools: int
    canary: RouteShare | None = None
    mirror: RouteShare | None = None
    answers: tuple[Mapping[int, Decision], ...] = ()

    def permitted(self, state: int) -> Standing:
        """The pools of `to` and `spill` that do not refuse `state`, in the order written; canary and mirror if they do
        not."""
        to = [pool for pool in self.to if not state & pool.refused]
        spill = [pool for pool in self.spill if not state & pool.refused]
        canary = self.canary if self.canary is not None and not state & self.canary.pool.refused else None
        mirror = self.mirror if self.mirror is not None and not state & self.mirror.pool.refused else None
        return to, spill, canary, mirror

    def may_be_steered(self, to: Sequence[CompiledPool]) -> bool:
        """Whether the model's name can have brought in or to the front what is left in `to`."""
        return self.route.models is not None or (self.to is not self.route.to and bool(to) and to[0].is_cloud)


@dataclass(frozen=True, slots=True)
class Alias:
    """A model name that clients may use. `rows` pairs each row with the bits that it refuses."""

    name: str
    pools: frozenset[str]
    rows: tuple[tuple[int, Row], ...]


@dataclass(frozen=True, slots=True)
class TenantClass:
    """A class's bit, and the rank of the highest label that it may let out."""

    bit: int
    ceiling: int


class Fact(StrEnum):
    """What a guard can ask about: one kind of dimension each."""

    LABEL = "label"
    COMPLEXITY = "complexity"
    TENANT_CLASS = "tenant_class"
    CAPABILITY = "capability"
    MODALITY = "modality"
    CONTEXT = "context"
    TIME = "time"
    PRESSURE = "pressure"
    BUDGET = "budget"


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a dimension: `bits` are set in its states, `sample` is a fact that has it.

    Samples: a Label, a Complexity, a class's name (OTHER_CLASS for any that no file names), for a capability or a
    modality whether it is there, tokens, a minute of the week in UTC, a Pressure, a Budget. `name` is what people read.
    """

    name: str
    bits: int
    sample: Label | Complexity | Pressure | Budget | str | bool | int


@dataclass(frozen=True, slots=True)
class Dimension:
    """Everything that one fact can be. `member` is the capability, the modality or the zone, and empty for the rest."""

    fact: Fact
    member: str
    values: tuple[Value, ...]

    @property
    def bits(self) -> int:
        """The bits of all its values."""
        return sum(value.bits for value in self.values)


@dataclass(frozen=True, slots=True)
class Cuts:
    """A number split where a policy names it: `bits[i]` is set from `bounds[i]` (the first is 0) to below the next."""

    bounds: tuple[int, ...]
    bits: tuple[int, ...]

    def at(self, number: int) -> int:
        """The bit of `number`, which is not negative."""
        return self.bits[bisect_right(self.bounds, number) - 1]


@dataclass(frozen=True, slots=True)
class Layout:
    """Which bit means what. `capabilities` and `modalities` hold the bits of every set of them there can be.

    `dimensions` says the same for whoever enumerates: one value of each, together with ALWAYS and perhaps
    ABOVE_CEILING, makes a state, and the bits of two dimensions never overlap. A fact that no row, pool or invariant
    asks about has no dimension but for label and tenant class, which are always there, in this order, first; it has no
    bits either, and is None where it can be. `has_more` says that one of those that can be None is not.
    """

    labels: tuple[int, ...]
    complexities: Mapping[Complexity, int]
    capabilities: Mapping[frozenset[Capability], int]
    classes: Mapping[str, TenantClass]
    other_class: TenantClass
    dimensions: tuple[Dimension, ...]
    modalities: Mapping[frozenset[Modality], int] | None = None
    context: Cuts | None = None
    week: Cuts | None = None
    pressure: Mapping[str, Mapping[Pressure, int]] | None = None
    budget: Mapping[Budget, int] | None = None
    has_more: bool = False

    @property
    def label_bits(self) -> int:
        """The bits of all labels."""
        return sum(self.labels)

    @property
    def class_bits(self) -> int:
        """The bits of all tenant classes."""
        return self.other_class.bit | sum(entry.bit for entry in self.classes.values())


@dataclass(frozen=True, slots=True)
class CompiledPolicy:
    """A policy that loads.

    `ceiling` is the highest label that may leave for the cloud, None if nothing may. `class_ceilings` are those of
    tenants.yaml and empty if the policy was compiled without it. `digest` covers the written policy. `notes` are worth
    knowing and no fault. `utc_offset_min` is how far the clock of its time windows is ahead of UTC; `bands` is where
    scores of complexity part.
    `own_entities` are those of a customer's recognizers, which rules may name besides ours. `cloud_pools` are the names
    of all pools that are not at home.
    """

    version: int
    order: LabelOrder
    ceiling: Label | None
    labels: LabelRules
    markers: tuple[str, ...]
    zones: Mapping[str, Zone]
    routes: tuple[Route, ...]
    aliases: Mapping[str, Alias]
    any_alias: Alias | None
    class_ceilings: Mapping[str, Label | None]
    cache: Mapping[Label, float]
    may_leave: tuple[str, ...]
    invariants: tuple[Invariant, ...]
    digest: str
    layout: Layout
    notes: tuple[Problem, ...] = field(default=())
    utc_offset_min: int = 0
    bands: Bands = USUAL_BANDS
    own_entities: tuple[str, ...] = ()
    cloud_pools: frozenset[str] = frozenset()

    @property
    def asks_complexity(self) -> bool:
        """Whether any row, or anything that is to be proved, asks how hard a request looks."""
        return any(self.layout.complexities.values())

    @property
    def entities(self) -> tuple[str, ...]:
        """Every entity that rules may name, ours first."""
        return tuple(dict.fromkeys((*ENTITIES, *self.own_entities)))

    def alias(self, model: str) -> Alias | None:
        """What the client's `model` means, if anything."""
        return self.aliases.get(model) or self.any_alias
