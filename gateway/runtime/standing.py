"""What is known of one endpoint: its breaker, its load, its patience, and what its server says of itself.

Whose turn it is, and what follows from an outcome, is `runtime/endpoints.py`'s.
"""

from dataclasses import dataclass
from enum import StrEnum

from gateway.core.balance import seed_of
from gateway.core.breaker import Breaker, BreakerState
from gateway.core.cold_start import ColdStart
from gateway.core.first_token import FirstToken
from gateway.core.topology import Endpoint, Pool
from gateway.wire.metrics_text import ServerLoad


class State(StrEnum):
    """What an endpoint is to whoever counts: at most one of what may be wrong with it, the worst first."""

    UNWELL = "unwell"
    BROKEN = "broken"
    COLD = "cold"
    FULL = "full"
    WELL = "well"


@dataclass(frozen=True, slots=True)
class EndpointView:
    """How one endpoint is doing, for whoever shows or counts it. Durations are from now."""

    pool: str
    zone: str
    endpoint: str
    breaker: BreakerState
    is_healthy: bool
    in_flight: int
    saturated_s: float
    server: ServerLoad | None
    is_starting: bool = False
    start_s: float | None = None

    @property
    def state(self) -> State:
        """All of that in one word."""
        if not self.is_healthy:
            return State.UNWELL
        if self.breaker is not BreakerState.CLOSED:
            return State.BROKEN
        if self.is_starting:
            return State.COLD
        return State.FULL if self.saturated_s else State.WELL


class Standing:
    """One endpoint: `core.balance.Candidate`, and everything that is known of it."""

    __slots__ = (
        "_said_at_in_flight",
        "breaker",
        "cold",
        "endpoint",
        "first_token",
        "in_flight",
        "is_healthy",
        "pool",
        "resorted",
        "saturated_until",
        "seed",
        "server",
        "unwell",
        "was_unwell",
    )

    def __init__(self, pool: Pool, endpoint: Endpoint) -> None:
        self.pool = pool
        self.endpoint = endpoint
        self.seed = seed_of(endpoint.name)
        self.breaker = Breaker(pool.breaker)
        self.first_token = FirstToken()
        # Only SageMaker's endpoints are ever started from nothing while we look on.
        self.cold = ColdStart(pool.sagemaker.cold_start_s) if pool.sagemaker is not None else None
        self.in_flight = 0
        self.saturated_until = 0.0
        self.is_healthy = True
        self.unwell = 0
        self.was_unwell = False
        self.resorted = 0
        self.server: ServerLoad | None = None
        self._said_at_in_flight = 0

    @property
    def load(self) -> float:
        """Requests under way: our own now, and those of others as the server last counted them."""
        server = self.server
        if server is None:
            return self.in_flight
        return max(self.in_flight, server.running + server.waiting + self.in_flight - self._said_at_in_flight)

    def said(self, server: ServerLoad | None) -> None:
        self.server = server
        self._said_at_in_flight = self.in_flight

    def is_fine(self, now: float) -> bool:
        """Whether nothing speaks against it, and nothing will by itself."""
        return self.breaker.state is BreakerState.CLOSED and self.is_healthy and self.saturated_until <= now

    def admits(self, now: float) -> bool:
        return self.is_healthy and self.saturated_until <= now and self.breaker.admits(now)

    @property
    def is_starting(self) -> bool:
        """Whether it is being started from nothing."""
        return self.cold is not None and self.cold.since is not None

    @property
    def is_ejected(self) -> bool:
        """Whether it is believed to be broken; one that is merely full is not."""
        return not self.is_healthy or self.breaker.state is not BreakerState.CLOSED
