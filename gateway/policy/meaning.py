"""What a written question means: which states a guard refuses, and which pools have an attribute.

Guards of routes and of invariants are read by the same functions, so that what is proved is what is decided.
"""

from collections.abc import Iterable
from typing import Final, Protocol

from gateway.core.facts import MINUTES_PER_WEEK, Modality
from gateway.core.reading import Word
from gateway.policy.compiled import Cuts, Layout
from gateway.policy.document import NONE, Window, WrittenAttributes, WrittenGuard
from gateway.policy.week import holds

ENDLESS: Final = 1 << 62
"""Above every number of tokens."""


class Attributed(Protocol):
    """Something that has the attributes of a pool."""

    @property
    def processor(self) -> str | None: ...
    @property
    def residency(self) -> str | None: ...
    @property
    def agreement(self) -> str | None: ...


def refused_bits(layout: Layout, guard: WrittenGuard, names: tuple[str, ...], utc_offset_min: int = 0) -> int:
    """The bits of the states that `guard` refuses; `names` are those of the labels. A model is no bit: see `Alias`."""
    labels = accepted_labels(guard, names)
    refused = sum(bit for rank, bit in enumerate(layout.labels) if rank not in labels)
    if guard.complexities:
        refused |= sum(bit for value, bit in layout.complexities.items() if value not in guard.complexities)
    if guard.tenant_classes:
        refused |= layout.class_bits & ~sum(layout.classes[word.text].bit for word in guard.tenant_classes)
    # A request that lacks a capability has its "lacks" bit set: the bits of the empty set, for those asked for.
    for capability in guard.capabilities:
        refused |= layout.capabilities[frozenset()] & ~layout.capabilities[frozenset({capability})]
    return refused | _refused_by_content(layout, guard) | _refused_by_surroundings(layout, guard, utc_offset_min)


def accepted_labels(guard: WrittenGuard, names: tuple[str, ...]) -> frozenset[int]:
    """The ranks that a guard's comparison accepts; all of them if it asks nothing."""
    ranks = range(len(names))
    if guard.label is None:
        return frozenset(ranks)
    sign, word = guard.label
    bound = names.index(word.text)
    accepted = {
        ">=": range(bound, len(names)),
        ">": range(bound + 1, len(names)),
        "<=": range(bound + 1),
        "<": range(bound),
        "==": range(bound, bound + 1),
    }
    return frozenset(accepted[sign])


def accepted_tokens(comparison: tuple[str, int]) -> range:
    """The numbers of tokens that a comparison accepts. 0 stands for a number that is not known."""
    sign, number = comparison
    accepted = {
        ">=": range(number, ENDLESS),
        ">": range(number + 1, ENDLESS),
        "<=": range(number + 1),
        "<": range(number),
    }
    return accepted[sign]


def has_all(pool: Attributed, where: WrittenAttributes) -> bool:
    """Whether `pool` has, of each attribute that `where` names, one of the values given."""
    return all(_is_one(value, words) for value, words in _paired(pool, where) if words)


def has_any(pool: Attributed, where: WrittenAttributes) -> bool:
    """Whether `pool` has one of the values given of at least one attribute that `where` names."""
    return any(_is_one(value, words) for value, words in _paired(pool, where) if words)


def _refused_by_content(layout: Layout, guard: WrittenGuard) -> int:
    refused = 0
    if layout.modalities is not None:
        nothing, everything = layout.modalities[frozenset()], layout.modalities[frozenset(Modality)]
        for modality in guard.modalities:
            refused |= nothing & ~layout.modalities[frozenset({modality})]
        if guard.only_modalities:
            refused |= everything & ~layout.modalities[frozenset(guard.only_modalities)]
    if layout.context is not None and guard.context is not None:
        refused |= _refused_tokens(layout.context, accepted_tokens(guard.context))
    return refused


def _refused_by_surroundings(layout: Layout, guard: WrittenGuard, utc_offset_min: int) -> int:
    refused = 0
    if layout.week is not None and guard.windows:
        refused |= _refused_times(layout.week, guard.windows, utc_offset_min)
    for zone, states in guard.pressure:
        bits = (layout.pressure or {}).get(zone.text, {})
        refused |= sum(bit for state, bit in bits.items() if state not in states)
    if layout.budget is not None and guard.budget is not None:
        refused |= sum(bit for state, bit in layout.budget.items() if state is not guard.budget)
    return refused


def _refused_tokens(cuts: Cuts, accepted: range) -> int:
    """The bits of the intervals outside `accepted`, whose ends are cuts."""
    return sum(bit for bound, bit in zip(cuts.bounds, cuts.bits, strict=True) if bound not in accepted)


def _refused_times(week: Cuts, windows: Iterable[Window], utc_offset_min: int) -> int:
    refused = 0
    for bound, bit in zip(week.bounds, week.bits, strict=True):
        if not any(holds(window, (bound + utc_offset_min) % MINUTES_PER_WEEK) for window in windows):
            refused |= bit
    return refused


def _paired(pool: Attributed, where: WrittenAttributes) -> tuple[tuple[str | None, tuple[Word, ...]], ...]:
    return (
        (pool.processor, where.processors),
        (pool.residency, where.residencies),
        (pool.agreement, where.agreements),
    )


def _is_one(value: str | None, words: tuple[Word, ...]) -> bool:
    return any(word.text == (value if value is not None else NONE) for word in words)
