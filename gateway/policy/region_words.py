"""Regions of facts in words: clauses that all hold, without what says nothing to the reader.

A region is exact; what is said of it leaves out tenants that no configuration has, and what follows from what the
pools at hand can take.
"""

from collections.abc import Collection, Iterable
from typing import Final

from gateway.core.facts import MINUTES_PER_WEEK
from gateway.policy import fact_words
from gateway.policy.compiled import OTHER_CLASS, CompiledPool, Fact
from gateway.policy.regions import MODEL, OWN_CEILING, Part, Region
from gateway.policy.words import Language

_ORDER: Final = {fact: place for place, fact in enumerate((MODEL, *Fact, OWN_CEILING))}


def of_usual_tenants(region: Region) -> Region | None:
    """`region` for tenants of a class that a file names, under that class's ceiling; None if it holds none of them."""
    parts = []
    for part in region.parts:
        if part.axis.fact == OWN_CEILING:
            if part.names == ("yes",):
                return None
            continue
        if part.axis.fact == Fact.TENANT_CLASS:
            other = part.axis.mask_of(OTHER_CLASS)
            if part.mask == other:
                return None
            if part.mask | other == part.axis.full:
                continue
            part = Part(part.axis, part.mask & ~other)
        parts.append(part)
    return Region(tuple(parts))


def region_said(region: Region, utc_offset_min: int, language: Language, limits: Collection[CompiledPool] = ()) -> str:
    """A set of facts as clauses that all hold. What only repeats that none of the pools in `limits` can take the rest
    is left out."""
    parts = sorted(region.parts, key=lambda part: _ORDER[part.axis.fact])
    clauses = [_clause(part, utc_offset_min, language) for part in parts if not (limits and _follows(part, limits))]
    return fact_words.together(clauses, language)


def _follows(part: Part, limits: Iterable[CompiledPool]) -> bool:
    """Whether no pool in `limits` can take what `part` leaves out."""
    axis, left_out = part.axis, part.left_out
    if axis.fact == Fact.CAPABILITY and left_out.names == ("yes",):
        return all(axis.member not in pool.capabilities for pool in limits)
    if axis.fact == Fact.CONTEXT:
        least = left_out.spans[0][0]
        return all(pool.context_tokens is not None and least > pool.context_tokens for pool in limits)
    return False


def _clause(part: Part, utc_offset_min: int, language: Language) -> str:
    axis = part.axis
    if axis.fact == Fact.CONTEXT:
        return fact_words.context(part.spans, language)
    if axis.fact == Fact.TIME:
        spans = [(start, MINUTES_PER_WEEK if end is None else end) for start, end in part.spans]
        return fact_words.time(spans, utc_offset_min, language)
    return fact_words.clause(axis.fact, axis.member, part.names, language)
