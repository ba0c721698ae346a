"""One request on its way through the pools of its decision.

What is left to try, in which order for this request, and what went wrong so far; who takes which step, and when, is
`dispatch.py`'s.
"""

from collections.abc import Callable, Coroutine
from functools import partial

from gateway.core.decision import Allow
from gateway.core.facts import Tenant
from gateway.core.records import Stayed
from gateway.core.shares import in_turn
from gateway.core.topology import Endpoint, Pool
from gateway.core.waiting import Asker
from gateway.errors import BudgetSpent, TidegateError
from gateway.ports import STALE, UpstreamConnection
from gateway.runtime.call import Call
from gateway.runtime.choices import Choices
from gateway.runtime.endpoints import Trial
from gateway.runtime.full_scan import SecondDecision
from gateway.runtime.relay import Relay
from gateway.wire.requests import Request

Later = Callable[[Callable[[], Coroutine[None, None, None]]], None]
"""Takes what has to wait for something, to be run as a task of its request."""


class Walk:
    """One request on its way through the pools of its decision: what is left to try, and what went wrong so far.

    `canary` is the pool to try before the others, None once it has been tried or has no place.
    """

    __slots__ = (
        "_share",
        "_turn",
        "allow",
        "asker",
        "call",
        "canary",
        "choices",
        "error",
        "is_copy",
        "is_mirrored",
        "is_out",
        "later",
        "refused",
        "relay",
        "request",
        "second",
        "tenant",
        "to",
    )

    def __init__(
        self,
        call: Call,
        relay: Relay,
        request: Request,
        tenant: Tenant,
        allow: Allow,
        later: Later,
        choices: Choices,
        asker: Asker,
    ) -> None:
        self.call = call
        self.relay = relay
        self.request = request
        self.to = allow.to
        self.is_copy = self.is_mirrored = False
        self._turn: float | None = None
        self.tenant = tenant
        self.allow = allow
        self.later = later
        self.choices = choices
        self.asker = asker
        self.error: TidegateError | None = None
        self.refused: BudgetSpent | None = None
        self.is_out = False
        self.canary: str | None = None
        self.second: SecondDecision | None = None
        self._share: float | None = None

    def share(self, draw: Callable[[], float], percent: float) -> float:
        """This request's place among a hundred, the same for whoever asks; drawn once a `percent` depends on it."""
        if self._share is None and 0 < percent < 100:
            self._share = draw() * 100
        return self._share if self._share is not None else 0.0

    def share_out(self, draw: Callable[[], float]) -> None:
        """Put the pools of `to` in this request's order; whoever is decided again keeps its draw."""
        allow = self.allow
        self.to = allow.to
        if allow.weights:
            if self._turn is None:
                self._turn = draw()
            self.to = in_turn(allow.to, allow.weights, self._turn)

    def left(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The pools of `to` and of `spill` in which something is left to try."""
        choices, spill = self.choices, self.allow.spill
        left = choices.left(self.to), choices.left(spill) if spill else spill
        return choices.last_of(*left) if choices.tries else left

    def lists(self, pool: str) -> bool:
        """Whether `pool` is one of those that it may go to."""
        return pool in self.to or pool in self.allow.spill or pool == self.canary

    def sending(self, pool: Pool, trial: Trial) -> Callable[[UpstreamConnection], None]:
        """Who is told just before the first byte leaves for `pool`."""
        return partial(self.relay.sending, timeouts=pool.timeouts, trial=trial)

    def leaves(self, sending: Callable[[UpstreamConnection], None], connection: UpstreamConnection) -> None:
        """What is paid for is on its way from now on, however it ends."""
        self.is_out = True
        sending(connection)

    def learn(self, pool: Pool, endpoint: Endpoint, failed: TidegateError) -> None:
        """An attempt at `endpoint` of `pool` has failed."""
        if failed.detail == STALE:
            # It says nothing about the server, and goes there again.
            self.error = self.error or failed
        elif isinstance(failed, BudgetSpent):
            # Of the places at home it says nothing: told only to whom none is left.
            self.refused, self.canary = failed, None
            self.call.stayed = Stayed.BUDGET
        else:
            self.error, self.canary = failed, None
        self.choices.learn(pool.name, endpoint, failed, self.call.attempts[-1].status if self.call.attempts else None)
