"""How far others are waited for on the way to a stored answer: what a store or a leader may cost whom it does not help.

A store that answers late, and helps nobody by it, is soon not waited for any more; how it does is then found out
beside the requests. What another is said to be making is waited for by few at first, by more with each answer that
came, and by nobody for a while after one that did not. Callers supply the time and the chance.
"""

from typing import Final

from gateway.core.breaker import Breaker, BreakerRules, BreakerState, Ticket

LOOKS: Final = BreakerRules(in_a_row=5, share=0.1, least=50, within_s=30.0, open_s=5.0, longest_s=60.0, closes_after=3)
"""A tenth that is late is what a neighbour on the same machine may cause; more is the store's own doing."""

LEADS: Final = BreakerRules(in_a_row=1, within_s=600.0, open_s=5.0, longest_s=300.0, closes_after=1)
"""One wait in vain takes as long as a request may wait at all: a second one is not risked for a while."""

FEW: Final = 8
MOST: Final = 128


class Promptness:
    """Whether a store answers soon enough to be waited for. Of each ticket it hears one of `fine`, `late`, `left`."""

    def __init__(self) -> None:
        self._breaker = Breaker(LOOKS)

    @property
    def is_good(self) -> bool:
        """Whether requests wait for it."""
        return self._breaker.state is BreakerState.CLOSED

    def begin(self, now: float) -> Ticket | None:
        """A request would wait for an answer; None if it must not."""
        return self._breaker.begin(now) if self.is_good else None

    def probe(self, now: float) -> Ticket | None:
        """Somebody would ask, for whom nobody waits; None if it is not time."""
        return self._breaker.begin(now) if not self.is_good and self._breaker.admits(now) else None

    def fine(self, ticket: Ticket, now: float) -> None:
        """It has answered in time, or with something of use."""
        self._breaker.succeeded(ticket, now)

    def late(self, ticket: Ticket, now: float, chance: float) -> None:
        """It has not, although it had its time."""
        self._breaker.failed(ticket, now, chance)

    def left(self, ticket: Ticket) -> None:
        """Before that could be said nobody waited any more."""
        self._breaker.dropped(ticket)


class Promises:
    """Whether what another is said to be making is waited for, and by how many at the same time."""

    def __init__(self) -> None:
        self._breaker = Breaker(LEADS)
        self._waiting = 0
        self._most = FEW

    @property
    def are_good(self) -> bool:
        """Whether requests wait for others."""
        return self._breaker.state is BreakerState.CLOSED

    def begin(self, now: float) -> Ticket | None:
        """A request would wait; None if it must not."""
        if self._waiting >= self._most or not self._breaker.admits(now):
            return None
        self._waiting += 1
        return self._breaker.begin(now)

    def kept(self, ticket: Ticket, now: float) -> None:
        """The answer has come."""
        self._waiting -= 1
        self._breaker.succeeded(ticket, now)
        if self.are_good:
            self._most = min(2 * self._most, MOST)

    def broken(self, ticket: Ticket, now: float, chance: float) -> None:
        """It was waited for in vain."""
        self._waiting -= 1
        self._most = FEW
        self._breaker.failed(ticket, now, chance)

    def left(self, ticket: Ticket) -> None:
        """Whoever waited has gone before that could be said."""
        self._waiting -= 1
        self._breaker.dropped(ticket)
