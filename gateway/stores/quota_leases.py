"""What one worker has taken of a subject's large limits at once, to spend without asking for each request.

A worker has two slices, so that the next can be on its way while the last is spent. What is left of a slice when it
ends, and what requests turn out not to have taken, goes back with the next question: only the store knows whether there
is room for it. Time is an argument; asking is somebody else's.
"""

from typing import Final

from gateway.core.quota import DEBT_MINUTES, LEASE_US, LEASED_PARTS, MICRO, Ask, Limits, Refused, Standing, capacity
from gateway.core.quota_book import Leased, Slice

REFUSED_S: Final = 0.02
"""For how long a refusal is repeated without asking: a flood that is over its limit must not reach the store."""

LEASE_S: Final = LEASE_US / MICRO


class _Part:
    """One of the two slices."""

    __slots__ = ("is_asked", "requests", "tokens", "until")

    def __init__(self) -> None:
        self.requests = self.tokens = 0
        self.until = 0.0
        self.is_asked = False


class Pot:
    """One worker's part of one subject's limits. Amounts are in millionths, times monotonic seconds."""

    __slots__ = (
        "_last",
        "_owed",
        "_parts",
        "_refused",
        "_refused_until",
        "_share",
        "_standing",
        "_wanted",
        "limits",
    )

    def __init__(self, limits: Limits, workers: int) -> None:
        self.limits = limits
        parts = LEASED_PARTS * workers
        self._share = Slice(
            capacity(limits.requests_per_minute or 0) // parts, capacity(limits.tokens_per_minute or 0) // parts
        )
        self._last = (0, 0)
        self._parts = (_Part(), _Part())
        self._owed = 0
        self._standing = Standing()
        self._refused: tuple[Refused, Ask] | None = None
        self._refused_until = 0.0
        self._wanted = Slice()

    def take(self, ask: Ask, now: float) -> Standing | Refused | None:
        """Spend what `ask` needs. None where the store must be asked first."""
        self._last = need_requests, need_tokens = self._need(ask)
        requests = tokens = 0
        for part in self._parts:
            if part.until > now:
                requests += part.requests
                tokens += part.tokens
        if requests >= need_requests and tokens >= need_tokens:
            self._spend(need_requests, need_tokens, now)
            known = self._standing
            return Standing(
                known.requests + (requests - need_requests) // MICRO,
                known.tokens + (tokens - need_tokens) // MICRO,
                known.requests_reset_us,
                known.tokens_reset_us,
            )
        if self._refused is not None and now < self._refused_until:
            refused, over = self._refused
            if ask.requests >= over.requests and ask.tokens >= over.tokens:
                return refused
        return None

    def _spend(self, requests: int, tokens: int, now: float) -> None:
        for part in self._parts:
            if part.until > now:
                if part.requests >= requests and part.tokens >= tokens:
                    part.requests -= requests
                    part.tokens -= tokens
                    return
                spent = min(part.requests, requests)
                part.requests -= spent
                requests -= spent
                spent = min(part.tokens, tokens)
                part.tokens -= spent
                tokens -= spent

    def runs_low(self, now: float) -> bool:
        """Whether the next slice should be on its way. Not where a slice is hardly more than one request takes."""
        share, (last_requests, last_tokens) = self._share, self._last
        if share.requests < 4 * last_requests or share.tokens < 4 * last_tokens:
            return False
        requests = tokens = 0
        for part in self._parts:
            if part.is_asked:
                return False
            if part.until > now:
                requests += part.requests
                tokens += part.tokens
        return 2 * requests < share.requests or 2 * tokens < share.tokens

    def must_return(self, now: float) -> int | None:
        """The slice, by its number, of which something has to go back although nobody needs the next."""
        for number, part in enumerate(self._parts):
            if not part.is_asked and part.until <= now and (part.requests or part.tokens or self._owed):
                return number
        return self.free() if abs(self._owed) > self._share.tokens else None

    def unspent(self) -> tuple[int, ...]:
        """The slices, by their numbers, of which something is left."""
        return tuple(
            number
            for number, part in enumerate(self._parts)
            if not part.is_asked and (part.requests or part.tokens or self._owed)
        )

    def free(self) -> int | None:
        """The slice, by its number, to ask for next: the older one. None while one is on its way."""
        if any(part.is_asked for part in self._parts):
            return None
        return min((0, 1), key=lambda number: self._parts[number].until)

    def ask(self, number: int, ask: Ask | None) -> tuple[Slice, Slice, Slice]:
        """What goes back, what is needed at least, and what is wanted. None asks for nothing: it only returns."""
        part = self._parts[number]
        # A debt beyond what is ever remembered would not be exact.
        most = DEBT_MINUTES * capacity(self.limits.tokens_per_minute or 0)
        back = Slice(part.requests, max(-most, min(most, part.tokens + self._owed)))
        part.requests = part.tokens = self._owed = 0
        part.until, part.is_asked = 0.0, True
        if ask is None:
            return back, Slice(), Slice()
        need = Slice(*self._need(ask))
        share = self._share
        return back, need, Slice(max(share.requests, self._wanted.requests), max(share.tokens, self._wanted.tokens))

    def answered(self, number: int, answer: Leased | Refused | None, ask: Ask | None, *, sent: float) -> None:
        """The store's answer to what was asked at `sent`; None if there was none."""
        part = self._parts[number]
        part.is_asked = False
        if isinstance(answer, Leased):
            # Counted from before it was asked, so that the store never takes it for over while it is spent.
            part.requests, part.tokens, part.until = answer.slice.requests, answer.slice.tokens, sent + LEASE_S
            self._standing = answer.standing
        elif answer is not None and ask is not None:
            wait_s = REFUSED_S if answer.wait_us is None else min(REFUSED_S, answer.wait_us / MICRO)
            self._refused, self._refused_until = (answer, ask), sent + wait_s
            self._standing = answer.standing

    def wait(self, ask: Ask, sign: int) -> None:
        """A request waits for what it asks, or no longer does."""
        requests, tokens = self._need(ask)
        self._wanted = Slice(self._wanted.requests + sign * requests, self._wanted.tokens + sign * tokens)

    def settle(self, held: Ask, took: Ask) -> None:
        """What a request has not taken goes back, and what it took too much is owed."""
        if self.limits.tokens_per_minute is not None:
            self._owed += (held.tokens - took.tokens) * MICRO

    def _need(self, ask: Ask) -> tuple[int, int]:
        return (
            ask.requests * MICRO if self.limits.requests_per_minute is not None else 0,
            ask.tokens * MICRO if self.limits.tokens_per_minute is not None else 0,
        )
