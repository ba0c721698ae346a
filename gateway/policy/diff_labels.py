"""Which evidence two policies give different labels: facts alone would not show it, since a label is a fact.

Rules only raise, so a label is the highest of what single grounds give: one entity by score and count, the entities of
one `all_of` together, one part that cannot be read, one tier that did not run. Each is tried with the shipped `label`
on both sides, in every interval of scores and counts that either policy tells apart. The highest of every combination
then bounds every pair of labels that the same request can have.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from math import prod
from typing import Final, TypeVar

from gateway.core.findings import MARKER_PREFIX, Coverage, Evidence, Finding, History, Tier, Unscanned
from gateway.core.labels import Label
from gateway.policy.compiled import CompiledPolicy, LabelRule, RuleKind
from gateway.policy.document import CARRIERS
from gateway.policy.labelling import label
from gateway.policy.regions import merged

MOST_TOGETHER: Final = 4_096
"""Combinations of scores of the entities of one `all_of` that are tried."""
UNNAMED: Final = "UNNAMED"
_ALL_TIERS: Final = frozenset(Tier)

_Number = TypeVar("_Number", int, float)
Scores = tuple[float, float | None]
Counts = tuple[int, int | None]
Pair = tuple[Label, Label]


@dataclass(frozen=True, slots=True)
class Found:
    """Any one of `entities`, with a score and a number of findings from a bound to before another (None: no end)."""

    entities: tuple[str, ...]
    score: Scores
    count: Counts


@dataclass(frozen=True, slots=True)
class Together:
    """Entities that stand in one request, each with its score."""

    parts: tuple[tuple[str, Scores], ...]


@dataclass(frozen=True, slots=True)
class Circumstance:
    """Something else than findings: `kind` is nothing, unnamed, carrier, tier, failure, history, attested (by the
    tenant class `name`) or unread (by the models, of that class)."""

    kind: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Combined:
    """Grounds of which each alone was looked at, in one request."""


Grounds = Found | Together | Circumstance | Combined


@dataclass(frozen=True, slots=True)
class Relabelled:
    """Grounds on which the two policies give labels of different names."""

    grounds: Grounds
    pair: Pair


@dataclass(frozen=True, slots=True)
class Labelling:
    """Every difference, every pair of labels that one request can have under the two, and what was not tried.

    `pairs` hold for requests of every class; `of_class` adds, by class, those where nothing was found and the class
    vouches for the label, or where the models did not get through and the class asks for them.
    """

    changes: tuple[Relabelled, ...]
    pairs: frozenset[Pair]
    of_class: Mapping[str, frozenset[Pair]]
    untried: tuple[tuple[str, ...], ...]


Attested = Mapping[str, Label]
"""The label that each tenant class of tenants.yaml vouches for, if it does."""
FullScans = frozenset[str]
"""The tenant classes of tenants.yaml that ask for a full scan always."""


def compare(
    old: CompiledPolicy,
    new: CompiledPolicy,
    attested: tuple[Attested, Attested],
    full_scans: tuple[FullScans, FullScans],
) -> Labelling:
    """How `old` and `new` turn evidence into labels differently."""
    return _Comparison(old, new, attested, full_scans).labelling()


class _Comparison:
    def __init__(
        self,
        old: CompiledPolicy,
        new: CompiledPolicy,
        attested: tuple[Attested, Attested],
        full_scans: tuple[FullScans, FullScans],
    ) -> None:
        self._old, self._new = old, new
        self._attested = attested
        self._full_scans = full_scans
        self._rules = (*old.labels.rules, *new.labels.rules)
        self._pairs: set[Pair] = set()
        self._untried: list[tuple[str, ...]] = []

    def labelling(self) -> Labelling:
        changes = [*self._circumstances(), *self._entities(), *self._sets()]
        both = [name for name in self._old.order.names if name in self._new.order.names]
        # A reply on record brings its label along, by name, whatever else is found.
        shared = {(self._old.order.rank(name), self._new.order.rank(name)) for name in both}
        of_class: dict[str, set[Pair]] = {}
        for grounds, pair in self._classes():
            of_class.setdefault(grounds.name, set(shared)).add(pair)
            if self._differs(pair):
                changes.append(Relabelled(grounds, pair))
        closed = {name: _closed(pairs) for name, pairs in of_class.items()}
        return Labelling(tuple(changes), _closed(self._pairs | shared), closed, tuple(self._untried))

    def _classes(self) -> Iterator[tuple[Circumstance, Pair]]:
        """What is so for the requests of one class alone."""
        for name in dict.fromkeys((*self._attested[0], *self._attested[1])):
            yield Circumstance("attested", name), self._attests(name)
        was, becomes = self._full_scans
        for name in sorted(was ^ becomes):
            yield Circumstance("unread", name), self._unread(name)

    def _unread(self, tenant_class: str) -> Pair:
        """Where the models did not get through: the top label for a class that asks for them, the policy's for others.

        What the class vouches for stands as well.
        """
        evidence = Evidence((), Coverage(_ALL_TIERS - {Tier.NER}))
        old, new = (
            compiled.order.top if tenant_class in asks else label(compiled, evidence, attested.get(tenant_class))[1]
            for compiled, asks, attested in zip((self._old, self._new), self._full_scans, self._attested, strict=True)
        )
        return old, new

    def _attests(self, tenant_class: str) -> Pair:
        old, new = self._attested
        nothing = _evidence()
        return label(self._old, nothing, old.get(tenant_class))[1], label(self._new, nothing, new.get(tenant_class))[1]

    # What is tried

    def _circumstances(self) -> Iterator[Relabelled]:
        nothing = _evidence()
        tried = [
            (Circumstance("nothing"), nothing),
            (Circumstance("unnamed"), _evidence((UNNAMED, 1.0, 1))),
            (Circumstance("failure"), Evidence((), Coverage(_ALL_TIERS, failure="failure"))),
            *((Circumstance("carrier", one), Evidence((), Coverage(_ALL_TIERS, (_part(one),)))) for one in CARRIERS),
            *((Circumstance("tier", one), Evidence((), Coverage(_ALL_TIERS - {one}))) for one in Tier),
            *((Circumstance("history", one), Evidence((), Coverage(_ALL_TIERS), one)) for one in History),
        ]
        for grounds, evidence in tried:
            pair = self._pair(evidence)
            # What only repeats the default says nothing of its own.
            if self._differs(pair) and (grounds.kind == "nothing" or pair != self._pair(nothing)):
                yield Relabelled(grounds, pair)

    def _entities(self) -> Iterator[Relabelled]:
        by_change: dict[tuple[Scores, Counts, Pair], list[str]] = {}
        nothing = self._pair(_evidence())
        for entity in dict.fromkeys(entity for rule in self._rules for entity, _ in rule.entities):
            scores, counts = self._scores(entity), self._counts(entity)
            found: dict[Pair, list[tuple[int, ...]]] = {}
            for (row, (score, _)), (column, (count, _)) in product(enumerate(scores), enumerate(counts)):
                pair = self._pair(_evidence((entity, score, count)))
                if self._differs(pair) and pair != nothing:
                    found.setdefault(pair, []).append((1 << row, 1 << column))
            for pair, cells in found.items():
                for of_scores, of_counts in merged(cells):
                    for score_span, count_span in product(_spans(of_scores, scores), _spans(of_counts, counts)):
                        by_change.setdefault((score_span, count_span, pair), []).append(entity)
        for (score_span, count_span, pair), entities in by_change.items():
            yield Relabelled(Found(tuple(entities), score_span, count_span), pair)

    def _sets(self) -> Iterator[Relabelled]:
        sets = dict.fromkeys(
            tuple(entity for entity, _ in rule.entities) for rule in self._rules if rule.kind is RuleKind.ALL_OF
        )
        for entities in sets:
            scores = [self._scores(entity) for entity in entities]
            if prod(len(each) for each in scores) > MOST_TOGETHER:
                self._untried.append(entities)
                continue
            found: dict[Pair, list[tuple[int, ...]]] = {}
            for cells in product(*(range(len(each)) for each in scores)):
                least = [(entity, each[cell][0], 1) for entity, each, cell in zip(entities, scores, cells, strict=True)]
                pair = self._pair(_evidence(*least))
                apart = [self._pair(_evidence(one)) for one in least]
                if self._differs(pair) and pair != (max(was for was, _ in apart), max(is_ for _, is_ in apart)):
                    found.setdefault(pair, []).append(tuple(1 << cell for cell in cells))
            for pair, boxes in found.items():
                for masks in merged(boxes):
                    for spans in product(*(_spans(mask, each) for mask, each in zip(masks, scores, strict=True))):
                        yield Relabelled(Together(tuple(zip(entities, spans, strict=True))), pair)

    # How it is tried

    def _pair(self, evidence: Evidence) -> Pair:
        pair = (
            label(self._old, _as_scanned(self._old, evidence))[1],
            label(self._new, _as_scanned(self._new, evidence))[1],
        )
        self._pairs.add(pair)
        return pair

    def _differs(self, pair: Pair) -> bool:
        return self._old.order.name(pair[0]) != self._new.order.name(pair[1])

    def _scores(self, entity: str) -> Sequence[Scores]:
        bounds = sorted({0.0, *(rule.min_score for rule in self._rules if _names(rule, entity))})
        return [*pairwise(bounds), (bounds[-1], None)]

    def _counts(self, entity: str) -> Sequence[Counts]:
        bounds = sorted({1, *(least for rule in self._rules for one, least in rule.entities if one == entity)})
        return [*pairwise(bounds), (bounds[-1], None)]


def _names(rule: LabelRule, entity: str) -> bool:
    return any(one == entity for one, _ in rule.entities)


def _evidence(*found: tuple[str, float, int]) -> Evidence:
    findings = (
        finding for entity, score, count in found for finding in (Finding(entity, score, "", 0, 0, ""),) * count
    )
    return Evidence(tuple(findings), Coverage(_ALL_TIERS))


def _part(carrier: str) -> Unscanned:
    return Unscanned(carrier, "")


def _as_scanned(compiled: CompiledPolicy, evidence: Evidence) -> Evidence:
    """`evidence` without the markers that nobody looks for under `compiled`."""
    known = {MARKER_PREFIX + marker.casefold() for marker in compiled.markers}
    kept = tuple(one for one in evidence.findings if not one.entity.startswith(MARKER_PREFIX) or one.entity in known)
    return Evidence(kept, evidence.coverage, evidence.history, evidence.taint)


def _spans(mask: int, cells: Sequence[tuple[_Number, _Number | None]]) -> Sequence[tuple[_Number, _Number | None]]:
    """The cells in `mask`, those that follow one another as one."""
    spans: list[tuple[_Number, _Number | None]] = []
    for place, (start, end) in enumerate(cells):
        if not mask >> place & 1:
            continue
        if spans and spans[-1][1] == start:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    return spans


def _closed(pairs: Iterable[Pair]) -> frozenset[Pair]:
    """`pairs` with the highest of any of them together."""
    closed = set(pairs)
    fresh = list(closed)
    while fresh:
        one = fresh.pop()
        for other in tuple(closed):
            both = max(one[0], other[0]), max(one[1], other[1])
            if both not in closed:
                closed.add(both)
                fresh.append(both)
    return frozenset(closed)
