"""What is left to try for one request: endpoints of the pools of its decision, without those that have failed it.

Which of them is best is `runtime/endpoints.py`'s; here is what a failure means for the next try. Nothing in here adds
a pool: it is asked about those of the decision, and names some of them.
"""

from collections.abc import Callable, Iterable
from typing import Final

from gateway.core.topology import Endpoint
from gateway.errors import (
    AuditUnavailable,
    BudgetSpent,
    RescanAbove,
    RescanIncomplete,
    Saturated,
    TidegateError,
    Unreachable,
)
from gateway.ports import STALE
from gateway.runtime.endpoints import Endpoints

MAX_TRIES: Final = 3

_MISCONFIGURED: Final = frozenset({401, 403, 404})


class Choices:
    """One request's. `prefix` makes what stands for its beginning, and is called only where there is a choice."""

    __slots__ = (
        "_again",
        "_endpoints",
        "_failed",
        "_has_prefix",
        "_make_prefix",
        "_prefix",
        "_refused",
        "_tried",
        "is_fresh",
        "tries",
    )

    def __init__(self, endpoints: Endpoints, prefix: Callable[[], int | None]) -> None:
        self.tries = 0
        self.is_fresh = False
        self._endpoints = endpoints
        self._make_prefix = prefix
        self._prefix: int | None = None
        self._has_prefix = False
        self._tried: tuple[Endpoint, ...] = ()
        self._failed: frozenset[str] = frozenset()
        self._refused: frozenset[str] = frozenset()
        # Where in its pool the next try goes, whatever else there is.
        self._again: tuple[str, Endpoint] | None = None

    def last_of(self, to: tuple[str, ...], spill: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What of these pools the next try may go to, if it is the last: first to one that has not failed this request.

        Only then to `spill` instead of `to`, and only where at least half of the endpoints of `to` have failed it:
        most of a pool that is down is no reason to spend the last try on the rest of it, and two servers of many that
        are just being restarted are none to leave the building.
        """
        if self.tries != MAX_TRIES - 1 or not self._tried or self._again is not None:
            return to, spill
        fresh = tuple([name for name in to if name not in self._failed])
        if fresh:
            return (*fresh, *[name for name in to if name in self._failed]), spill
        open_spill = tuple([name for name in spill if name not in self._failed])
        if open_spill and 2 * len(self._tried) >= sum(len(self._endpoints.endpoints_of(name)) for name in to):
            return (), open_spill
        return to, spill

    @property
    def is_over(self) -> bool:
        """Whether there may be no further try, whatever is left."""
        return self.tries >= MAX_TRIES

    def left(self, pools: tuple[str, ...]) -> tuple[str, ...]:
        """Those of `pools` in which something is left to try."""
        endpoints = self._endpoints
        if endpoints.is_calm and not self._tried and not self._refused:
            return pools
        again = self._again[0] if self._again is not None else None
        refused, tried = self._refused, self._tried
        return tuple(
            [name for name in pools if name == again or (name not in refused and endpoints.has_choice(name, tried))]
        )

    def endpoint(self, pool: str) -> Endpoint | None:
        """Where in `pool` to try next; None if nothing is left there."""
        if self._again is not None and self._again[0] == pool:
            return self._again[1]
        if pool in self._refused:
            return None
        if not self._has_prefix and not self._endpoints.is_alone(pool):
            self._prefix, self._has_prefix = self._make_prefix(), True
        return self._endpoints.choose(pool, self._prefix, self._tried)

    def once(self) -> None:
        """There is one try, and nothing is risked for it."""
        self.tries = MAX_TRIES - 1

    def refuse(self, pools: Iterable[str]) -> None:
        """None of `pools` may be tried."""
        self._refused |= frozenset(pools)

    def readmit(self, pool: str) -> None:
        """What `pool` was refused for is no longer so."""
        self._refused -= {pool}

    def resort(self, pools: Iterable[str]) -> tuple[str, ...]:
        """The pool to try although nothing is left, because all at home is believed broken; once, and before others."""
        if self.tries or self._refused or self._again is not None:
            return ()
        self._again = self._endpoints.last_resort(pools)
        return (self._again[0],) if self._again is not None else ()

    def learn(self, pool: str, endpoint: Endpoint, failed: TidegateError, status: int | None) -> None:
        """An attempt at `endpoint` of `pool` has failed, with `status` if it answered."""
        if isinstance(failed, AuditUnavailable | RescanIncomplete | RescanAbove | BudgetSpent):
            self._again = None
            self._refused |= {pool}
            return
        self.tries += 1
        if failed.detail == STALE:
            # A kept connection that the server closed as we wrote says nothing about the server: same place again.
            # Whether it has read the request is unknown, so once, and on a connection of its own.
            self._again, self.is_fresh = (pool, endpoint), True
            return
        self._again = None
        self._tried = (*self._tried, endpoint)
        self._failed |= {pool}
        if status in _MISCONFIGURED:
            # A pool that refuses our credential, path or model name refuses them at each of its endpoints; another
            # pool has its own, and may serve (resilience.md: never again on a 4xx, which the request would be).
            self._refused |= {pool}
        # What nobody has worked on costs nobody anything, and a server that is full is asked no more for a while.
        is_free = isinstance(failed, Unreachable | Saturated)
        if not is_free and not self.is_over and not self._endpoints.may_try_again(pool):
            self.tries = MAX_TRIES
