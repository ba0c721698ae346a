"""Counts: how much was found, missed and flagged for nothing, and how sure that is. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt

from corpus.build import Example
from corpus.transforms import Mark

from gateway.core.findings import Evidence, Finding
from gateway.core.labels import Label
from gateway.detect.leaves import walk

# Found without a number or a form: a name, a place. The rest are structured identifiers.
UNSTRUCTURED = frozenset({"PERSON", "ADDRESS", "ORG"})
_CONTEXT = frozenset({"HEALTH_CONTEXT", "FINANCE_CONTEXT", "ORG", "DATE", "URL", "PERSON", "OBFUSCATION"})
_LEAST_SCORE = 0.5  # what the default policy asks for


@dataclass(frozen=True, slots=True)
class Rate:
    """So many of so many."""

    hits: int
    of: int

    @property
    def share(self) -> float:
        """The rate itself; 0 of none."""
        return self.hits / self.of if self.of else 0.0

    def interval(self) -> tuple[float, float]:
        """Wilson's interval, 95 %."""
        if not self.of:
            return 0.0, 1.0
        z, share = 1.959964, self.share
        middle = share + z * z / (2 * self.of)
        width = z * sqrt(share * (1 - share) / self.of + z * z / (4 * self.of * self.of))
        scale = 1 + z * z / self.of
        return max(0.0, (middle - width) / scale), min(1.0, (middle + width) / scale)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one detector made of one request."""

    detector: str
    language: str
    kind: str
    transform: str
    length: str
    carrier: str
    is_sensitive: bool
    stayed: bool
    values: tuple[tuple[str, bool], ...]  # entity, whether it was found
    correct: int  # findings of identifiers that touch a labelled value
    false: tuple[tuple[str, str], ...]  # of those that touch none: the entity, and the made-up text around
    example: Example | None  # kept for what went wrong


@dataclass(frozen=True, slots=True)
class Judge:
    """Compares evidence with the truth, under one policy's order of labels."""

    ceiling: Label
    alone: Mapping[str, Label]  # the label of each entity by itself
    default: Label

    def outcome(self, detector: str, example: Example, evidence: Evidence, label: Label) -> Outcome:
        """What `detector` made of `example`."""
        shifts = _places(example)
        findings = [found for found in evidence.findings if found.score >= _LEAST_SCORE]
        values = tuple(
            (mark.entity, any(self._shows(found, mark, shifts) for found in findings))
            for mark in example.spans
            if mark.entity != "ORG"
        )
        located = [
            found for found in findings
            if found.path in shifts and found.entity not in _CONTEXT and not found.entity.startswith("MARKER:")
        ]  # fmt: skip
        false = tuple(
            (found.entity, _around(example, found, shifts))
            for found in located
            if not any(_touches(found, mark, shifts) for mark in example.spans)
        )
        stayed = label > self.ceiling
        is_wrong = bool(false) or stayed != example.is_sensitive or not all(hit for _, hit in values)
        return Outcome(
            detector,
            example.language,
            example.kind,
            example.transform,
            example.length,
            example.carrier,
            example.is_sensitive,
            stayed,
            values,
            len(located) - len(false),
            false,
            example if is_wrong else None,
        )

    def _shows(self, found: Finding, mark: Mark, shifts: Mapping[str, int]) -> bool:
        """Whether a finding shows a value for what it is, or for something at least as sensitive."""
        wanted = self.alone[mark.entity]
        if found.entity != mark.entity and (
            wanted == self.default or self.alone.get(found.entity, self.default) < wanted
        ):
            return False
        return _touches(found, mark, shifts) if shifts else True


def _touches(found: Finding, mark: Mark, shifts: Mapping[str, int]) -> bool:
    shift = shifts.get(found.path)
    return shift is not None and found.start < mark.end + shift and mark.start + shift < found.end


def _around(example: Example, found: Finding, shifts: Mapping[str, int]) -> str:
    start, end = found.start - shifts[found.path], found.end - shifts[found.path]
    return (
        f"{example.text[max(0, start - 16) : start]}⟦{example.text[max(0, start) : end]}⟧{example.text[end : end + 8]}"
    )


def _places(example: Example) -> Mapping[str, int]:
    """The leaves that hold the text, and where in them it begins; none if the carrier splits or rewrites it."""
    walked = walk(example.dialect, example.request)
    if walked is None:
        return {}
    return {leaf.path: place for leaf in walked.leaves if (place := leaf.text.find(example.text)) >= 0}


@dataclass(slots=True)
class Tally:
    """The counts of one group of requests by one detector."""

    found: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    false: Counter[str] = field(default_factory=Counter)
    correct: int = 0
    sensitive: int = 0
    sensitive_stayed: int = 0
    harmless: int = 0
    harmless_stayed: int = 0

    def add(self, outcome: Outcome) -> None:
        """Count one request."""
        for entity, hit in outcome.values:
            (self.found if hit else self.missed)[entity] += 1
        self.false.update(entity for entity, _ in outcome.false)
        self.correct += outcome.correct
        if outcome.is_sensitive:
            self.sensitive += 1
            self.sensitive_stayed += outcome.stayed
        else:
            self.harmless += 1
            self.harmless_stayed += outcome.stayed

    def recall(self, entities: Iterable[str] | None = None) -> Rate:
        """How many labelled values were found; of all structured identifiers if no entity is named."""
        if entities is None:
            entities = (self.found.keys() | self.missed.keys()) - UNSTRUCTURED
        chosen = list(entities)
        hits = sum(self.found[entity] for entity in chosen)
        return Rate(hits, hits + sum(self.missed[entity] for entity in chosen))

    @property
    def precision(self) -> Rate:
        """How many findings of identifiers touch a labelled value."""
        return Rate(self.correct, self.correct + self.false.total())

    @property
    def leaks(self) -> Rate:
        """How many sensitive requests the default policy would let out."""
        return Rate(self.sensitive - self.sensitive_stayed, self.sensitive)

    @property
    def request_precision(self) -> Rate:
        """How many of the requests that stayed had to."""
        return Rate(self.sensitive_stayed, self.sensitive_stayed + self.harmless_stayed)

    @property
    def over_restriction(self) -> Rate:
        """How many harmless requests stayed."""
        return Rate(self.harmless_stayed, self.harmless)


def tally(outcomes: Iterable[Outcome]) -> Tally:
    """The counts of `outcomes`."""
    counted = Tally()
    for outcome in outcomes:
        counted.add(outcome)
    return counted


def ordered(names: Iterable[str], first: Sequence[str] = ()) -> list[str]:
    """`names` once each: those of `first` in its order, then the others by name."""
    unique = set(names)
    return [name for name in first if name in unique] + sorted(unique.difference(first))
