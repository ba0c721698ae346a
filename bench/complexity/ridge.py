"""Least squares with a penalty on every weight and, where a sign is known, none but that sign.

Plain Python on sums of products, which are made once for each fold: leaving a fold out is then a subtraction, and no
library is needed for forty columns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, starmap
from operator import mul, sub

_ROUNDS = 300
_ENOUGH = 1e-9


@dataclass(frozen=True, slots=True)
class Sums:
    """Of a set of rows: how many, the sums of each column and of the target, and of their products."""

    count: int
    columns: tuple[float, ...]
    target: float
    products: tuple[tuple[float, ...], ...]
    with_target: tuple[float, ...]

    def without(self, other: "Sums") -> "Sums":
        """The sums of the rows that are not in `other`."""
        return Sums(
            self.count - other.count,
            tuple(map(sub, self.columns, other.columns)),
            self.target - other.target,
            tuple(tuple(map(sub, mine, theirs)) for mine, theirs in zip(self.products, other.products, strict=True)),
            tuple(map(sub, self.with_target, other.with_target)),
        )


def sums(rows: Sequence[Sequence[float]], target: Sequence[float]) -> Sums:
    """The sums of `rows`."""
    columns = list(zip(*rows, strict=True))
    return Sums(
        len(rows),
        tuple(map(sum, columns)),
        sum(target),
        tuple(tuple(sum(map(mul, one, other)) for other in columns) for one in columns),
        tuple(sum(map(mul, one, target)) for one in columns),
    )


@dataclass(frozen=True, slots=True)
class Line:
    """A fitted sum: `base` and a weight for each column. `mean` is the average of the rows that it was fitted to."""

    base: float
    weights: tuple[float, ...]
    mean: float

    def at(self, row: Sequence[float]) -> float:
        """Its value for a row."""
        return self.base + sum(map(mul, self.weights, row))

    def beyond_mean(self, row: Sequence[float]) -> float:
        """Its value for a row, as far as it is not the average's.

        Scores of several folds are put in one order by this: a fold that is left out moves the average of the others
        the other way, so that values with it would order whole folds wrongly.
        """
        return self.at(row) - self.mean


def fit(given: Sums, penalty: float, signs: Mapping[int, int]) -> Line:
    """The weights; `penalty` is in rows, on columns scaled to a variance of one. `signs` is 1, -1 or 0 (left out)."""
    count = given.count
    means = [total / count for total in given.columns]
    mean = given.target / count
    size = range(len(means))
    covariance = [[given.products[i][j] / count - means[i] * means[j] for j in size] for i in size]
    scales = [max(covariance[i][i], 0.0) ** 0.5 for i in size]
    used = [i for i in size if scales[i] > _ENOUGH and signs.get(i, 2) != 0]
    pulled = [(given.with_target[i] / count - means[i] * mean) / (scales[i] or 1.0) for i in size]
    shared = [[covariance[i][j] / ((scales[i] * scales[j]) or 1.0) for j in size] for i in size]
    weights = [0.0] * len(means)
    for _ in range(_ROUNDS):
        moved = 0.0
        for i in used:
            others = sum(map(mul, shared[i], weights)) - weights[i]
            found = (pulled[i] - others) / (1.0 + penalty / count)
            sign = signs.get(i, 2)
            if sign in (1, -1) and found * sign < 0:
                found = 0.0
            moved = max(moved, abs(found - weights[i]))
            weights[i] = found
        if moved < _ENOUGH:
            break
    scaled = tuple(weight / scale if scale > _ENOUGH else 0.0 for weight, scale in zip(weights, scales, strict=True))
    return Line(mean - sum(map(mul, scaled, means)), scaled, mean)


def area(points: Sequence[tuple[float, float]]) -> float:
    """The area under a line through `points`, which are in order."""
    return sum(starmap(lambda one, other: (other[0] - one[0]) * (one[1] + other[1]) / 2, pairwise(points)))
