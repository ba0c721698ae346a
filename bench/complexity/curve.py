"""What a router earns: how much of the gap between two models it closes with how many calls of the strong one.

APGR and CPT as RouteLLM defines them, over every possible threshold; questions with the same score are sent together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from random import Random

from ridge import area

Points = tuple[tuple[float, float], ...]


def curve(scores: Sequence[float], gains: Sequence[float]) -> Points:
    """The share of calls that go to the strong model, and of the gap that this closes, the hardest first."""
    order = sorted(zip(scores, gains, strict=True), key=lambda one: -one[0])
    gap, count = sum(gains), len(order)
    points, sent, closed = [(0.0, 0.0)], 0, 0.0
    for _, same in groupby(order, key=lambda one: one[0]):
        for _, gain in same:
            sent += 1
            closed += gain
        points.append((sent / count, closed / gap))
    return tuple(points)


def apgr(scores: Sequence[float], gains: Sequence[float]) -> float:
    """The area under the curve: 0.5 by chance."""
    return area(curve(scores, gains))


def cpt(points: Points, share: float) -> float:
    """The share of calls to the strong model from which on so much of the gap is closed for the first time."""
    for (x0, y0), (x1, y1) in pairwise(points):
        if y1 >= share:
            return x1 if y1 == y0 else x0 + (x1 - x0) * (share - y0) / (y1 - y0)
    return 1.0


@dataclass(frozen=True, slots=True)
class Interval:
    """Where 90 of 100 resampled values lie."""

    low: float
    high: float


def interval(scores: Sequence[float], gains: Sequence[float], *, times: int = 300, seed: int = 1) -> Interval:
    """How much an APGR would differ with other questions of the same kind."""
    chance = Random(seed)
    pairs = list(zip(scores, gains, strict=True))
    found = sorted(apgr(*zip(*chance.choices(pairs, k=len(pairs)), strict=True)) for _ in range(times))
    return Interval(found[round(times * 0.05)], found[round(times * 0.95) - 1])
