"""The line of those who wait for one pool: how long it may be, whose turn comes next, who makes room for whom.

Turns go by tenant. A tenant's claim is as old as the first of its requests that waits, or as its last turn if that was
later, so that a hundred requests of one tenant cannot stand before one of another; each step of priority makes it
`HEAD_START_S` seconds older. Since claims only grow older, everybody's turn comes, and comparing two of them needs no
clock. In a full line the longest queue for its priority makes room for a shorter one.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec

from gateway.core.labels import LOWEST, Label

LEAST_PRIORITY: Final = 0
USUAL_PRIORITY: Final = 5
MOST_PRIORITY: Final = 9
HEAD_START_S: Final = 1.0
"""All nine steps together are nine seconds: less than the ten that a request waits by default, so that the lowest class
still gets its turn while the highest floods."""


class Asker(msgspec.Struct, frozen=True, gc=False):
    """Who asks for a place. `may_leave`: one of the pools of its decision is in the cloud.

    `lot` is a number from 0 to below 1, drawn once per request: what it is compared with decides about shares.
    """

    tenant: str = ""
    priority: int = USUAL_PRIORITY
    label: Label = LOWEST
    may_leave: bool = False
    lot: float = 0.0


@dataclass(slots=True, eq=False)
class Waiter:
    """Somebody who waits for a place in `to`, or in `spill` when that is open; `number` counts in order of arrival."""

    asker: Asker
    to: tuple[str, ...]
    spill: tuple[str, ...]
    since: float
    number: int


@dataclass(slots=True)
class _Queue:
    """The waiters of one tenant, first come first; a dict, so that whoever gives up is out at once."""

    waiters: dict[Waiter, None] = field(default_factory=dict)
    last_turn: float = 0.0


class Line:
    """Those who wait for one pool, at most `most` of them; `length` is how many, for whoever looks at every request."""

    __slots__ = ("_most", "_queues", "length")

    def __init__(self, most: int) -> None:
        self._most = most
        self._queues: dict[str, _Queue] = {}
        self.length = 0

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[Waiter]:
        for queue in self._queues.values():
            yield from queue.waiters

    @property
    def is_full(self) -> bool:
        """Whether nobody more may wait here."""
        return self.length >= self._most

    def join(self, waiter: Waiter) -> None:
        """Stand at the end of the tenant's queue. The line is not full, and `waiter` does not stand in it."""
        self._queues.setdefault(waiter.asker.tenant, _Queue()).waiters[waiter] = None
        self.length += 1

    def leave(self, waiter: Waiter) -> None:
        """Wait no more; nothing happens if it does not stand here."""
        queue = self._queues.get(waiter.asker.tenant)
        if queue is None or waiter not in queue.waiters:
            return
        del queue.waiters[waiter]
        self.length -= 1
        if not queue.waiters:
            del self._queues[waiter.asker.tenant]

    def next(self, admits: Callable[[Waiter], bool]) -> Waiter | None:
        """Whose turn it is among those whom `admits` lets in."""
        chosen: Waiter | None = None
        oldest = (0.0, 0)
        for queue in self._queues.values():
            for waiter in queue.waiters:
                if admits(waiter):
                    claim = _claim(waiter, queue.last_turn)
                    if chosen is None or claim < oldest:
                        chosen, oldest = waiter, claim
                    break
        return chosen

    def served(self, waiter: Waiter, now: float) -> None:
        """`waiter` has got the turn that `next` said was its."""
        queue = self._queues[waiter.asker.tenant]
        queue.last_turn = now
        self.leave(waiter)

    def room_for(self, asker: Asker) -> Waiter | None:
        """Who makes room in a full line so that `asker` may wait; None if nobody does."""
        own = self._queues.get(asker.tenant)
        share = (len(own.waiters) + 1 if own is not None else 1) / _weight(asker)
        longest, newest = share, None
        for queue in self._queues.values():
            last = next(reversed(queue.waiters))
            length = len(queue.waiters) / _weight(last.asker)
            if length > longest or (newest is not None and length == longest and last.number > newest.number):
                longest, newest = length, last
        return newest


def _claim(waiter: Waiter, last_turn: float) -> tuple[float, int]:
    return max(waiter.since, last_turn) - waiter.asker.priority * HEAD_START_S, waiter.number


def _weight(asker: Asker) -> int:
    return asker.priority - LEAST_PRIORITY + 1
