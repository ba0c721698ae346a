"""Which endpoint of a pool gets a request: the one that has probably read its beginning before, unless it is busy.

Rendezvous hashing gives every beginning an order of the endpoints that depends on nothing else, so that any number of
gateways agree without talking. Load bounds it: above its share the first in that order is passed over for the less
busy of the next two that are within theirs. All of it is a function of its arguments.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

_MASK: Final = (1 << 64) - 1
_ODD: Final = 0x9E3779B97F4A7C15
_FACTOR: Final = 0xBF58476D1CE4E5B9


class Candidate(Protocol):
    """An endpoint that may be picked. `seed` is `seed_of` its name; `load` its requests under way, queued ones too."""

    @property
    def seed(self) -> int: ...
    @property
    def load(self) -> float: ...


C = TypeVar("C", bound=Candidate)


@dataclass(frozen=True, slots=True)
class BalanceRules:
    """`by_prefix` says whether beginnings matter. An endpoint takes what belongs to it up to `bound` times the mean
    load (at least once) and `slack` requests more: with a handful of requests under way the mean says little."""

    by_prefix: bool = True
    bound: float = 1.25
    slack: float = 4.0


def seed_of(name: str) -> int:
    """What stands for an endpoint in `rank`; the same in every process."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big")


def rank(seed: int, prefix: int) -> int:
    """How well an endpoint suits a beginning: the highest is first."""
    mixed = ((seed ^ prefix) * _ODD) & _MASK
    mixed = ((mixed ^ (mixed >> 29)) * _FACTOR) & _MASK
    return mixed ^ (mixed >> 32)


def pick_by_prefix(candidates: Sequence[C], prefix: int, rules: BalanceRules) -> C:
    """The first of `candidates`, at least one, in the order of `prefix` that is within its share of the load."""
    if len(candidates) == 1:
        return candidates[0]
    total = 0.0
    first, best = candidates[0], -1
    for candidate in candidates:
        total += candidate.load
        score = rank(candidate.seed, prefix)
        if score > best:
            first, best = candidate, score
    share = rules.bound * (total / len(candidates)) + rules.slack
    if first.load < share:
        return first
    # One beginning that everybody shares takes as many endpoints as it needs, none above its share.
    # There is another within its share: not all are above the mean.
    return _less_busy_of_two([one for one in candidates if one.load < share], prefix)


def pick_by_load(candidates: Sequence[C], chance: int) -> C:
    """The less busy of two of `candidates`, at least one, that `chance` (64 bits) names: power of two choices."""
    return candidates[0] if len(candidates) == 1 else _less_busy_of_two(candidates, chance)


def _less_busy_of_two(candidates: Sequence[C], prefix: int) -> C:
    # Two and not all: every gateway knows the same loads a moment late, and all would run to the same least one.
    ordered = sorted(candidates, key=lambda one: rank(one.seed, prefix), reverse=True)
    return min(ordered[:2], key=lambda one: one.load)
