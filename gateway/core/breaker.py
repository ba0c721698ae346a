"""Circuit breaker for one endpoint.

Every rule that changes a breaker's state is in this file. Callers supply the time and the chance; nothing here waits,
logs or knows what an endpoint is. An attempt has two outcomes, one when its answer begins and one when it ends, and
each kind has a window of its own: a long answer that breaks off must not hide among many that have only begun.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateway.core.tally import Tally


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """When a breaker opens, for how long, and what closes it; the defaults are those of resilience.md.

    It opens after `in_a_row` failures, or when of `least` or more outcomes within `within_s` seconds a `share` failed.
    It stays open for `open_s`, twice as long each time in a row up to `longest_s`, give or take `jitter` of it.
    """

    in_a_row: int = 5
    share: float = 0.5
    least: int = 20
    within_s: float = 30.0
    open_s: float = 5.0
    longest_s: float = 60.0
    jitter: float = 0.2
    closes_after: int = 3


class BreakerState(StrEnum):
    """What a breaker lets through: everything, nothing, or one attempt at a time."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


# To reach a member through its class takes four times as long, and these are asked for every request.
_CLOSED: Final = BreakerState.CLOSED
_OPEN: Final = BreakerState.OPEN
_HALF_OPEN: Final = BreakerState.HALF_OPEN


@dataclass(frozen=True, slots=True)
class Ticket:
    """What an attempt shows with its outcome. `era` is how often the breaker had opened when the attempt began."""

    era: int
    is_probe: bool = False


class Breaker:
    """One endpoint's breaker. `now` is monotonic seconds; `chance` is from 0 to below 1.

    Of each attempt it hears one of `answered`, `failed` and `dropped`, and after `answered` at most one of `completed`
    and `broke_off`. `until` says from when on a probe may go.
    """

    __slots__ = (
        "_closed_at",
        "_ends",
        "_has_probe",
        "_openings",
        "_passed",
        "_rules",
        "_starts",
        "_ticket",
        "state",
        "until",
    )

    def __init__(self, rules: BreakerRules) -> None:
        self.state: BreakerState = _CLOSED
        self.until = 0.0
        self._rules = rules
        self._starts = _Record(rules)
        self._ends = _Record(rules)
        self._ticket = Ticket(0)
        self._has_probe = False
        self._passed = 0
        self._openings = 0
        self._closed_at = -math.inf

    def admits(self, now: float) -> bool:
        """Whether an attempt may begin."""
        if self.state is _CLOSED:
            return True
        return not self._has_probe and (self.state is _HALF_OPEN or now >= self.until)

    def begin(self, now: float) -> Ticket:
        """An attempt begins: one that `admits` let in, or one that has nowhere else to go."""
        if self.state is _CLOSED or not self.admits(now):
            return self._ticket
        self.state = _HALF_OPEN
        self._has_probe = True
        return Ticket(self._ticket.era, is_probe=True)

    def answered(self, ticket: Ticket, now: float) -> None:
        """The answer has begun."""
        if self.state is _CLOSED:
            if ticket.era == self._ticket.era:
                self._starts.good(now)
        elif self._is_of_now(ticket):
            # An attempt with nowhere else to go may answer while the breaker is open: as good as a probe.
            self.state = _HALF_OPEN
            self._passed += 1
            if self._passed >= self._rules.closes_after:
                self.state = _CLOSED
                self._closed_at = now

    def failed(self, ticket: Ticket, now: float, chance: float) -> None:
        """No answer has begun, and none will."""
        if self.state is _CLOSED:
            if ticket.era == self._ticket.era and self._starts.is_too_bad(now):
                self._open(now, chance)
        elif self._is_of_now(ticket) and self.state is _HALF_OPEN:
            self._open(now, chance)

    def completed(self, ticket: Ticket, now: float) -> None:
        """The answer has come to its end."""
        if self.state is _CLOSED and ticket.era == self._ticket.era:
            self._ends.good(now)

    def succeeded(self, ticket: Ticket, now: float) -> None:
        """The answer has come as a whole: `answered` and `completed` in one."""
        if self.state is _CLOSED and ticket is self._ticket:
            starts, ends = self._starts, self._ends
            starts.in_a_row = ends.in_a_row = 0
            starts.tally.add_good(now)
            ends.tally.add_good(now)
        else:
            self.answered(ticket, now)
            self.completed(ticket, now)

    def broke_off(self, ticket: Ticket, now: float, chance: float) -> None:
        """The answer had begun and did not come to its end."""
        if ticket.era != self._ticket.era:
            return
        if self.state is _HALF_OPEN or (self.state is _CLOSED and self._ends.is_too_bad(now)):
            self._open(now, chance)

    def dropped(self, ticket: Ticket) -> None:
        """The attempt ended before its answer began, for a reason that says nothing about the endpoint."""
        self._is_of_now(ticket)

    def may_probe_from(self, now: float) -> None:
        """The endpoint was seen to recover: do not sit out the rest of the time."""
        self.until = min(self.until, now)

    def _is_of_now(self, ticket: Ticket) -> bool:
        """Whether `ticket` is from after the last opening; gives back the probe's place if it had it."""
        if ticket.era != self._ticket.era:
            return False
        if ticket.is_probe:
            self._has_probe = False
        return True

    def _open(self, now: float, chance: float) -> None:
        rules = self._rules
        # One that closes and opens again at once goes on where it was: the doubling is over after a quiet while.
        calm = self.state is _CLOSED and now - self._closed_at >= rules.within_s
        self._openings = 1 if calm else self._openings + 1
        open_s = min(rules.open_s * 2.0 ** min(self._openings - 1, 16), rules.longest_s)
        self.state = _OPEN
        self.until = now + open_s * (1 + rules.jitter * (2 * chance - 1))
        self._ticket = Ticket(self._ticket.era + 1)
        self._has_probe = False
        self._passed = 0
        self._starts.clear()
        self._ends.clear()


class _Record:
    """One kind of outcome while the breaker is closed."""

    __slots__ = ("_rules", "in_a_row", "tally")

    def __init__(self, rules: BreakerRules) -> None:
        self._rules = rules
        self.tally = Tally(rules.within_s)
        self.in_a_row = 0

    def good(self, now: float) -> None:
        self.in_a_row = 0
        self.tally.add_good(now)

    def is_too_bad(self, now: float) -> bool:
        """Count a failure; whether it is one too many."""
        rules, tally = self._rules, self.tally
        self.in_a_row += 1
        tally.add_bad(now)
        total = tally.good + tally.bad
        return self.in_a_row >= rules.in_a_row or (total >= rules.least and tally.bad >= rules.share * total)

    def clear(self) -> None:
        self.in_a_row = 0
        self.tally.clear()
