"""Step 5 of the request path: what a tenant's limits allow is set aside before anything is sent, and settled after.

One reservation for the whole request, however many places are tried for it: the estimated prompt, the longest answer
that it asks for, and what both would cost in the dearest pool that it may be sent to. Settled with what the model
server counted; where it did not come to that, with what was counted here.
"""

from collections.abc import Mapping
from typing import Final

from gateway.core.decision import Allow
from gateway.core.facts import Tenant
from gateway.core.measures import QUOTA_DEGRADED, QUOTA_LIVE, QUOTA_REFUSED, QUOTA_TOKENS, QUOTA_UNSETTLED
from gateway.core.prices import Prices
from gateway.core.quota import MICRO, Ask, Limit, Limits, Refused, Standing
from gateway.core.records import Ending, Held
from gateway.errors import LimitReached, MoneySpent, TidegateError, TokensSpent, TooManyAtOnce
from gateway.ports import NotNow, QuotaStore, Reservation
from gateway.runtime.call import Call
from gateway.runtime.held import Quota
from gateway.runtime.instruments import Reading
from gateway.wire.rate_headers import headers_of
from gateway.wire.requests import Request
from gateway.wire.token_demand import answer_tokens, answers_written, capped, prompt_tokens

UNSAID_TOKENS: Final = 4096
"""What is set aside for an answer of which neither the client nor the limits say how long it may be."""

_NOTHING: Final = Ask(0, 0, 0)
_WORDS: Final[Mapping[Limit, str]] = {
    Limit.CONCURRENCY: "requests at the same time",
    Limit.REQUESTS: "requests per minute",
    Limit.TOKENS: "tokens per minute",
    Limit.HOUR: "money per hour",
    Limit.DAY: "money per day",
    Limit.MONTH: "money per month",
}
_ERRORS: Final[Mapping[Limit, type[LimitReached]]] = {
    Limit.CONCURRENCY: TooManyAtOnce,
    Limit.REQUESTS: LimitReached,
    Limit.TOKENS: TokensSpent,
    Limit.HOUR: MoneySpent,
    Limit.DAY: MoneySpent,
    Limit.MONTH: MoneySpent,
}


def subject_of(tenant: str) -> str:
    """Whose limits they are, in the store that counts. Other subjects have no colon."""
    return f"tenant:{tenant}"


class Quotas:
    """Holds tenants to their limits, and counts what that comes to."""

    def __init__(self, store: QuotaStore, prices: Prices) -> None:
        self._store = store
        self.prices = prices
        self._subjects: dict[str, str] = {}
        self.refused: dict[Limit, int] = {}
        self.degraded = 0
        self.reserved_tokens = self.settled_tokens = self.live = 0

    def prepare(self, call: Call, request: Request, tenant: Tenant, limits: Limits, allow: Allow) -> Request:
        """What `call` will ask for; returns the request, capped to the longest answer that the tenant may have."""
        if limits.max_tokens is not None:
            request = capped(request, limits.max_tokens)
            call.request = request
        if not limits.is_limited:
            return request
        prompt = completion = 0
        if limits.tokens_per_minute is not None or limits.has_money:
            prompt = prompt_tokens(request, call.inbound.body)
            answer = answer_tokens(request)
            if answer is None:
                answer = UNSAID_TOKENS
                if limits.tokens_per_minute is not None:
                    answer = min(answer, limits.tokens_per_minute // 4)
            completion = answer * answers_written(request)
        cost = 0
        if limits.has_money:
            pools = allow.pools if allow.canary is None else (*allow.pools, allow.canary.pool)
            cost = self.prices.dearest_micros(pools, prompt, completion, request.model)
        subject = self._subjects.get(tenant.id)
        if subject is None:
            subject = self._subjects[tenant.id] = subject_of(tenant.id)
        call.quota = Quota(subject, limits, prompt, completion, cost)
        return request

    def reserve_now(self, call: Call) -> bool:
        """Set aside what `call` needs; False where that has to be waited for. Raises what the client is told."""
        quota = call.quota
        if quota is None:
            return True
        answer = self._store.reserve_now(quota.subject, call.id, quota.ask, quota.limits)
        if isinstance(answer, NotNow):
            return False
        self._answered(call, quota, answer)
        return True

    async def reserve(self, call: Call) -> None:
        """The same, and wait for it."""
        quota = call.quota
        if quota is not None:
            answer = await self._store.reserve(quota.subject, call.id, quota.ask, quota.limits)
            self._answered(call, quota, answer)

    def settle(self, call: Call, ending: Ending) -> None:
        """Charge what `call` took. Neither waits nor raises."""
        quota = call.quota
        if quota is None or quota.reservation is None:
            return
        prompt, completion = self._took(call, quota, ending)
        pool, cost = call.pool, 0
        if quota.limits.has_money and pool is not None:
            cost = self.prices.cost_micros(pool, prompt, completion, call.request.model if call.request else "")
        reservation, quota.reservation = quota.reservation, None
        call.held = self._settled(reservation, Ask(prompt + completion, cost, 0))

    def hold_again(self, before: Quota, request_id: str) -> Reservation | None:
        """Set aside for another request what was set aside for one like it; None where that is not to be had at once.
        Refuses nobody: who would be refused asks once more, the usual way."""
        answer = self._store.reserve_now(before.subject, request_id, before.ask, before.limits)
        if isinstance(answer, NotNow | Refused):
            return None
        self.live += 1
        self.degraded += answer.is_degraded
        return answer

    def let_go(self, reservation: Reservation) -> Held:
        """The request that it was set aside for took nothing of a model server."""
        return self._settled(reservation, _NOTHING)

    def readings(self) -> tuple[Reading, ...]:
        """The figures."""
        return (
            *((QUOTA_REFUSED, (str(limit),), count) for limit, count in self.refused.items()),
            (QUOTA_DEGRADED, (), self.degraded),
            (QUOTA_TOKENS, ("reserved",), self.reserved_tokens),
            (QUOTA_TOKENS, ("settled",), self.settled_tokens),
            (QUOTA_LIVE, (), self.live),
            (QUOTA_UNSETTLED, (), self._store.unsettled),
        )

    # Inside

    def _settled(self, reservation: Reservation, took: Ask) -> Held:
        ask = reservation.ask
        self.live -= 1
        self._store.settle(reservation, took)
        self.reserved_tokens += ask.tokens
        self.settled_tokens += took.tokens
        return Held(ask.tokens, took.tokens, ask.cost_micros, took.cost_micros, reservation.is_degraded)

    def _answered(self, call: Call, quota: Quota, answer: Reservation | Refused) -> None:
        if isinstance(answer, Refused):
            self._tell(call, quota, answer.standing, is_degraded=self._store.is_degraded)
            self.refused[answer.limit] = self.refused.get(answer.limit, 0) + 1
            raise _refusal(answer)
        quota.reservation = answer
        self.live += 1
        self.degraded += answer.is_degraded
        self._tell(call, quota, answer.standing, is_degraded=answer.is_degraded)

    def _tell(self, call: Call, quota: Quota, standing: Standing, *, is_degraded: bool) -> None:
        call.said_of_quota = headers_of(quota.limits, standing, is_degraded=is_degraded)

    def _took(self, call: Call, quota: Quota, ending: Ending) -> tuple[int, int]:
        usage = call.usage
        if usage is not None:
            return usage.prompt_tokens, usage.completion_tokens
        if call.cached is not None or not call.attempts or not quota.ask.tokens:
            return 0, 0
        if ending is Ending.COMPLETED:
            # A server that does not count: what it said, as what it was asked was estimated.
            return quota.prompt, call.answered
        if call.said or ending in _LEFT_WORKING:
            return quota.prompt, call.said
        return 0, 0


_LEFT_WORKING: Final = frozenset({Ending.CLIENT_GONE, Ending.DEADLINE, Ending.SEND_FAILED, Ending.CANCELLED})
"""Endings at which a model server was still at work: it has read the prompt, whatever it has said."""


def _refusal(refused: Refused) -> TidegateError:
    kind, words = _ERRORS[refused.limit], _WORDS[refused.limit]
    if refused.wait_us is None:
        told = f"This request alone needs more than your limit of {words} allows. Ask for less in one request."
        return kind(told, detail=refused.limit)
    wait_s = refused.wait_us / MICRO
    told = f"You have reached your limit of {words}. Retry in {max(wait_s, 0.001):.3g} s."
    return kind(told, detail=refused.limit, retry_after_s=wait_s)
