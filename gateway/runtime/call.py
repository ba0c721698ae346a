"""One request in flight: what is known of it so far, the headers it answers with, the record it leaves behind.

A `Call` is filled in as the request moves through the pipeline, by one task only, and is read once at settlement.
"""

import secrets
from collections.abc import Callable
from typing import Final, NamedTuple

from gateway.core.access import Scope
from gateway.core.decision import Decision
from gateway.core.facts import RequestFacts, Tenant
from gateway.core.findings import Evidence, Unscanned
from gateway.core.labels import LabelOrder
from gateway.core.message import Headers
from gateway.core.prices import Prices
from gateway.core.records import Attempt, Cached, Ending, FullScan, Held, Outcome, Scored, Stayed, Usage
from gateway.core.topology import Endpoint, Pool
from gateway.errors import TidegateError
from gateway.ports import Inbound
from gateway.runtime.generation import Generation
from gateway.runtime.held import Quota
from gateway.runtime.provenance import Conversation
from gateway.runtime.stored import Stored
from gateway.wire.requests import Dialect, Request
from gateway.wire.token_demand import answers_written, prompt_tokens

_ID_BYTES: Final = 12
_DRAWN: Final = 256
_POOL: Final = 2 * _ID_BYTES * _DRAWN


class Ids:
    """Random request ids, 24 hex digits each, drawn many at a time: one system call for 256 requests."""

    __slots__ = ("_at", "_pool")

    def __init__(self) -> None:
        self._pool = ""
        self._at = _POOL

    def new(self) -> str:
        """The next id."""
        if self._at >= _POOL:
            self._pool, self._at = secrets.token_hex(_ID_BYTES * _DRAWN), 0
        start = self._at
        self._at = start + 2 * _ID_BYTES
        return self._pool[start : self._at]


_LEFT_WORKING: Final = frozenset({Ending.CLIENT_GONE, Ending.DEADLINE, Ending.SEND_FAILED, Ending.CANCELLED})


class Planted(NamedTuple):
    """A canary: a request of our own, of a tenant whose credential it did not come with (runtime/live_canary.py).

    Nothing that comes in over a connection is one, whatever is in it: only who calls the pipeline can say so.
    """

    request_id: str
    tenant: Tenant
    scopes: tuple[Scope, ...] = ()


def _ms(seconds: float) -> float:
    """Milliseconds with three decimals, at a third of what `round` takes."""
    return int(seconds * 1e6 + 0.5) / 1000


class Call:
    """What is known of one request. Times are monotonic seconds."""

    __slots__ = (
        "_attempt",
        "added_s",
        "app",
        "attempts",
        "bytes_out",
        "cache_said",
        "cached",
        "conversation",
        "cost_micros",
        "decision",
        "epoch",
        "evidence",
        "facts",
        "first_content_s",
        "flags",
        "full_scan",
        "generation",
        "held",
        "id",
        "inbound",
        "is_reserved",
        "key_id",
        "on_settled",
        "order",
        "path",
        "planted",
        "pool",
        "queued_s",
        "quota",
        "reckoned",
        "request",
        "said",
        "said_of_quota",
        "scopes",
        "scored",
        "status",
        "stayed",
        "stored",
        "tenant",
        "usage",
        "waited_s",
    )

    def __init__(
        self, request_id: str, inbound: Inbound, *, path: str, order: LabelOrder, generation: Generation | None = None
    ) -> None:
        self.id = request_id
        self.inbound = inbound
        self.path = path
        self.order = order
        # What it is decided with, and what had been tightened by then.
        self.generation = generation
        self.epoch = 0
        self.planted: Planted | None = None
        self.tenant: Tenant | None = None
        self.key_id = ""
        # What its credential reaches, as alternatives; none limit nothing.
        self.scopes: tuple[Scope, ...] = ()
        self.request: Request | None = None
        self.evidence: Evidence | None = None
        self.flags: tuple[Unscanned, ...] = ()
        self.facts: RequestFacts | None = None
        self.decision: Decision | None = None
        self.conversation: Conversation | None = None
        self.full_scan: FullScan | None = None
        self.pool: str | None = None
        self.attempts: list[Attempt] = []
        self.usage: Usage | None = None
        self.reckoned: Usage | None = None
        self.scored: Scored | None = None
        self.queued_s = self.added_s = self.first_content_s = 0.0
        self.status = 0
        self.bytes_out = 0
        self.is_reserved = False
        # What it holds of its tenant's limits, what the tenant is told of them, and what a stream has said so far.
        self.quota: Quota | None = None
        self.held: Held | None = None
        self.said_of_quota: Headers = ()
        self.said = 0
        self.app = ""
        self.cost_micros = 0
        self.stayed: Stayed | None = None
        # How long it waited for another request's answer, whether its own is a stored one, and what is to be told.
        self.waited_s = 0.0
        self.cached: Cached | None = None
        self.cache_said = b""
        # Where that is in this worker's memory, if it was found there by the usual path.
        self.stored: Stored | None = None
        self.on_settled: Callable[[Ending], None] | None = None
        self._attempt: tuple[str, str, str, float] | None = None

    def begin_attempt(self, pool: Pool, endpoint: Endpoint, *, now: float) -> None:
        """One more try, at `endpoint` of `pool`. All before the first was our own doing, but for a wait in a queue."""
        if not self.added_s:
            self.added_s = now - self.inbound.received_at - self.queued_s - self.waited_s
        self.pool = pool.name
        self._attempt = (pool.name, pool.zone, endpoint.name, now)

    def end_attempt(self, ending: Ending, status: int | None, detail: str, *, now: float) -> None:
        """The running try is over; nothing happens if none runs."""
        if self._attempt is not None:
            pool, zone, endpoint, began = self._attempt
            self._attempt = None
            self.attempts += (Attempt(pool, zone, endpoint, ending, status, _ms(now - began), detail),)

    def reckon(self, ending: Ending) -> None:
        """This call is over, and no model server has said what it took: reckon that, if one was at work on it."""
        request = self.request
        if self.usage is not None or self.cached is not None or not self.attempts or request is None:
            return
        if self.said or ending in _LEFT_WORKING:
            # Whoever is cut short has read the prompt, whatever it has said.
            self.reckoned = Usage(prompt_tokens(request, self.inbound.body), self.said)
        elif ending is Ending.COMPLETED:
            # A server that does not count: what it has sent is no gift.
            self.reckoned = Usage(prompt_tokens(request, self.inbound.body), self.answered)

    @property
    def bundle(self) -> str:
        """The digest of the bundle that it was decided under last."""
        return self.generation.digest if self.generation is not None else ""

    @property
    def answered(self) -> int:
        """About how many tokens a complete answer has that nobody has counted: rather too many where it is whole."""
        if self.request is None or self.request.dialect is Dialect.EMBEDDINGS:
            return 0
        told = self.said or self.bytes_out // 3
        return told * answers_written(self.request) // self.request.choices

    def cost(self, prices: Prices) -> int:
        """What the tokens of this call cost, in millionths of the currency; 0 while nobody has counted any."""
        usage, pool, request = self.usage or self.reckoned, self.pool, self.request
        if usage is None or pool is None:
            return 0
        model = request.model if request is not None else ""
        return prices.cost_micros(pool, usage.prompt_tokens, usage.completion_tokens, model)

    def headers(self, content: Headers, *, now: float) -> Headers:
        """The head of this call's answer: `content`, then who we are and what the tenant may see of the decision."""
        taken_s = now - self.inbound.received_at
        ms = b"%d" % (int(taken_s * 1000 + 0.5) if taken_s > 0 else 0)
        number = self.id.encode()
        own: Headers = (
            (b"x-request-id", b"req_" + number),
            (b"openai-processing-ms", ms),
            (b"x-tidegate-decision", b"dec_" + number),
        )
        if self.said_of_quota:
            own = own + self.said_of_quota
        tenant, facts = self.tenant, self.facts
        if tenant is None or facts is None or not tenant.sees:
            return content + own
        shown: list[tuple[bytes, bytes]] = []
        if "label" in tenant.sees:
            shown.append((b"x-tidegate-label", self.order.name(facts.label_high).encode()))
        if "route" in tenant.sees and self.decision is not None:
            shown.append((b"x-tidegate-route", self.decision.route.encode()))
        if "pool" in tenant.sees and self.pool is not None:
            shown.append((b"x-tidegate-pool", self.pool.encode()))
        if "cache" in tenant.sees and self.cache_said:
            shown.append((b"x-tidegate-cache", self.cache_said))
            if self.cached is not None:
                shown.append((b"age", b"%d" % self.cached.age_s))
        return (*content, *own, *shown)

    def outcome(self, ending: Ending, error: TidegateError | None, *, at: float, now: float) -> Outcome:
        """The audit record of this call, which is over: `at` in Unix time, `now` in monotonic seconds."""
        inbound, generation = self.inbound, self.generation
        # By position, since naming twenty fields costs as much again as all the rest.
        return Outcome(
            self.id,
            at,
            _ms(now - inbound.received_at),
            self.tenant.id if self.tenant is not None else "",
            self.path,
            self.status,
            ending,
            generation.digest if generation is not None else "",  # as `bundle`
            self.epoch,
            self.request is not None and self.request.streamed,
            len(inbound.body),
            self.bytes_out,
            self.evidence,
            self.facts,
            self.decision,
            tuple(self.attempts),
            self.usage,
            error.error_code if error is not None else None,
            _ms(self.queued_s) if self.queued_s else 0.0,
            self.full_scan,
            self.app,
            self.cost_micros,
            self.stayed,
            self.cached,
            self.held,
            self.reckoned,
            self.scored,
            self.planted is not None,
        )
