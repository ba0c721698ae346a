"""How every endpoint of one worker is doing, and which one gets the next attempt.

What the gateway sees itself is merged here with what model servers say of themselves. The rules are those of
`core/breaker.py`, `core/balance.py` and `core/first_token.py`; who asks the servers is `runtime/polling.py`. All of it
can only take endpoints away from a decision: what has none left is tried at home all the same, and never in the cloud.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final

from gateway.core.balance import pick_by_load, pick_by_prefix
from gateway.core.breaker import BreakerState, Ticket
from gateway.core.cold_start import ColdStart as Start
from gateway.core.records import Ending
from gateway.core.retry_budget import FLOOR, RetryBudget
from gateway.core.topology import Endpoint, Timeouts, Topology, Zone
from gateway.errors import ColdStart, Saturated, TidegateError, Unavailable, UpstreamTimeout
from gateway.ports import STALE, Clock
from gateway.runtime.standing import EndpointView, Standing
from gateway.telemetry import EventLog
from gateway.wire.metrics_text import ServerLoad

SATURATED_MOST_S: Final = 60.0
"""For how long a server's word that it is full is taken: its load may have gone long before the time it named."""

UNHEALTHY_AFTER: Final = 2
"""How many times in a row a server must fail to say that it is well: once may be a moment's business."""

# To reach a member through its class takes four times as long, and these are asked for every request.
_COMPLETED: Final = Ending.COMPLETED
_CLOSED: Final = BreakerState.CLOSED

log = EventLog(__name__)


class Trial:
    """One attempt at one endpoint, from before its connection to its end. Says its outcome once, whatever happens."""

    __slots__ = ("_began_at", "_endpoints", "_has_answered", "_is_over", "_standing", "_ticket")

    def __init__(self, endpoints: "Endpoints", standing: Standing, now: float) -> None:
        self._endpoints = endpoints
        self._standing = standing
        self._ticket: Ticket = standing.breaker.begin(now)
        self._began_at = now
        self._has_answered = False
        self._is_over = False
        standing.in_flight += 1

    def first_content_s(self, timeouts: Timeouts, body_bytes: int) -> float:
        """How long the first content of a streamed answer may take."""
        return self._standing.first_token.timeout_s(most_s=timeouts.first_content_s, body_bytes=body_bytes)

    def answers(self, now: float) -> None:
        """The first content of a streamed answer has come."""
        if not self._has_answered and not self._is_over:
            self._has_answered = True
            standing = self._standing
            standing.first_token.saw(now - self._began_at)
            if standing.cold is not None:
                self._endpoints.is_up(standing, standing.cold, now)
            self._heard(standing.breaker.answered, now)

    def failed(self, error: TidegateError, now: float) -> None:
        """The attempt is over before any content, and another place may be tried."""
        if self._end():
            standing = self._standing
            if isinstance(error, ColdStart) and standing.cold is not None:
                error.retry_after_s = self._endpoints.is_starting(standing, standing.cold, now)
                standing.breaker.dropped(self._ticket)
            elif isinstance(error, Saturated):
                self._endpoints.saturate(standing, now, error.retry_after_s)
                standing.breaker.dropped(self._ticket)
            elif error.detail == STALE:
                standing.breaker.dropped(self._ticket)
            else:
                if isinstance(error, UpstreamTimeout):
                    standing.first_token.saw(now - self._began_at)
                self._endpoints.failed(standing, self._ticket, now)

    def ended(self, ending: Ending, now: float) -> None:
        """The exchange is over, and the attempt with it."""
        if self._is_over:
            return
        self._is_over = True
        self._standing.in_flight -= 1
        breaker = self._standing.breaker
        if ending is _COMPLETED or ending is Ending.UPSTREAM_REJECTED:
            # A server that refuses a request has understood it: it is well.
            if self._standing.cold is not None:
                self._endpoints.is_up(self._standing, self._standing.cold, now)
            if self._has_answered:
                breaker.completed(self._ticket, now)
            elif breaker.state is _CLOSED:
                # What goes well leaves a closed one closed.
                breaker.succeeded(self._ticket, now)
            else:
                self._heard(breaker.succeeded, now)
        elif ending is Ending.UPSTREAM_FAILED:
            if self._has_answered:
                self._endpoints.broke_off(self._standing, self._ticket, now)
            else:
                self._endpoints.failed(self._standing, self._ticket, now)
        elif not self._has_answered:
            breaker.dropped(self._ticket)

    def drop(self) -> None:
        """Nothing was sent, or nothing that says anything about the endpoint came of it."""
        if self._end() and not self._has_answered:
            self._standing.breaker.dropped(self._ticket)

    def _end(self) -> bool:
        if self._is_over:
            return False
        self._is_over = True
        self._standing.in_flight -= 1
        return True

    def _heard(self, tell: Callable[[Ticket, float], None], now: float) -> None:
        breaker = self._standing.breaker
        before = breaker.state
        tell(self._ticket, now)
        if breaker.state is not before:
            self._endpoints.changed(self._standing)


class Endpoints:
    """The endpoints of all pools. `chance` gives numbers from 0 to below 1; `shut` says of some pools whether they
    are closed for a reason of their own."""

    def __init__(
        self,
        topology: Topology,
        zones: Mapping[str, Zone],
        clock: Clock,
        *,
        chance: Callable[[], float],
        shut: Mapping[str, Callable[[], bool]] | None = None,
    ) -> None:
        self._clock = clock
        self._chance = chance
        self._shut = shut or {}
        self._pools = {pool.name: pool for pool in topology.pools}
        # As many as it takes to open a breaker: one dead endpoint then costs no client an answer that others can give.
        self._budgets = {pool.name: RetryBudget(max(FLOOR, pool.breaker.in_a_row)) for pool in topology.pools}
        self._is_home = {pool.name: not zones[pool.zone].is_cloud for pool in topology.pools}
        self._standings: dict[str, tuple[Standing, ...]] = {
            pool.name: tuple(Standing(pool, endpoint) for endpoint in pool.endpoints) for pool in topology.pools
        }
        self._resorts = 0
        # Per pool: breakers opened, servers that said they are full, or that they are being started.
        self.opened = dict.fromkeys(self._pools, 0)
        self.said_cold = dict.fromkeys(self._pools, 0)
        self.said_full = dict.fromkeys(self._pools, 0)
        # Those against which something may speak; a pool without endpoints stands here by its name.
        self._troubled: set[Standing | str] = {name for name, found in self._standings.items() if not found}
        # Whether nothing speaks against any endpoint of any pool, so that nobody needs to ask.
        self.is_calm = not self._troubled and not self._shut
        # Of the pools of one endpoint, that one: there is nothing to choose from.
        self._alone = {name: found[0] for name, found in self._standings.items() if len(found) == 1}

    # Choosing

    def is_closed(self, pool: str) -> bool:
        """Whether `pool` is known to take nothing now: no endpoint of it admits an attempt."""
        return not self.has_choice(pool)

    def has_choice(self, pool: str, tried: Collection[Endpoint] = ()) -> bool:
        """Whether `choose` would find an endpoint."""
        if self.is_calm and not tried:
            return True
        if self._is_shut(pool):
            return False
        now = self._clock.monotonic()
        return any(one.admits(now) and one.endpoint not in tried for one in self._standings[pool])

    def is_alone(self, pool: str) -> bool:
        """Whether there is nothing to choose from, so that `choose` needs no prefix."""
        return pool in self._alone

    def choose(self, pool: str, prefix: int | None, tried: Collection[Endpoint] = ()) -> Endpoint | None:
        """The endpoint of `pool` for the next attempt at a request whose beginning is `prefix`, None for no matter."""
        if self.is_calm and not tried and pool in self._alone:
            return self._alone[pool].endpoint
        standings = self._standings[pool]
        if tried or not self.is_calm:
            standings = self._left(pool, standings, tried)
            if not standings:
                return None
        if len(standings) == 1:
            return standings[0].endpoint
        rules = self._pools[pool].balance
        if prefix is None or not rules.by_prefix:
            return pick_by_load(standings, int(self._chance() * (1 << 64))).endpoint
        return pick_by_prefix(standings, prefix, rules).endpoint

    def _left(self, pool: str, standings: tuple[Standing, ...], tried: Collection[Endpoint]) -> tuple[Standing, ...]:
        if self._is_shut(pool):
            return ()
        now = self._clock.monotonic()
        for one in standings:
            if one in self._troubled and one.is_fine(now):
                self._no_trouble(one)
        return tuple([one for one in standings if one.endpoint not in tried and one.admits(now)])

    def last_resort(self, pools: Iterable[str]) -> tuple[str, Endpoint] | None:
        """Where to try although it is believed broken, because nothing at home among `pools` is not: the last healthy
        endpoint at home is never ejected. None if one there is well and merely full, and never one in the cloud."""
        found: Standing | None = None
        for pool in pools:
            if not self._is_home[pool] or self._is_shut(pool):
                continue
            for one in self._standings[pool]:
                if not one.is_ejected:
                    return None
                if found is None or one.resorted < found.resorted:
                    found = one
        if found is None:
            return None
        # In turns: one of them may have recovered, and the others would hide it.
        self._resorts += 1
        found.resorted = self._resorts
        return found.pool.name, found.endpoint

    def start_s(self, pool: str) -> float:
        """How long an endpoint of `pool` takes from nothing to its first answer, as far as is known."""
        return max((one.cold.expected_s for one in self._standings[pool] if one.cold is not None), default=0.0)

    def retry_after_s(self, pools: Iterable[str]) -> float:
        """When to ask again, if none of `pools` admits anything now: in a second at least, and in a minute at most if
        none of them is being started."""
        now = self._clock.monotonic()
        waits = [self._wait_s(one, now) for pool in pools for one in self._standings[pool]]
        return max(min(waits, default=1.0), 1.0)

    def _wait_s(self, one: Standing, now: float) -> float:
        open_s = one.breaker.until - now if one.breaker.state is not BreakerState.CLOSED else 0.0
        wait_s = min(max(one.saturated_until - now, open_s), SATURATED_MOST_S)
        return wait_s if one.cold is None else max(wait_s, one.cold.left_s(now))

    def unavailable(self, pools: Collection[str]) -> Unavailable:
        """Why none of `pools` admits anything now, and when to ask again: where all that is left of them is being
        started, that."""
        found = [one for pool in pools for one in self._standings[pool]]
        is_starting = bool(found) and all(one.is_starting for one in found)
        return (ColdStart if is_starting else Unavailable)(retry_after_s=self.retry_after_s(pools))

    def _is_shut(self, pool: str) -> bool:
        shut = self._shut.get(pool)
        return shut is not None and shut()

    # Attempts

    def begin(self, pool: str, endpoint: Endpoint, *, is_first: bool, now: float) -> Trial:
        """An attempt at `endpoint` begins, the first of its request or another."""
        if is_first:
            self._budgets[pool].asked(now)
        if pool in self._alone and self._alone[pool].endpoint is endpoint:
            return Trial(self, self._alone[pool], now)
        return Trial(self, self._standing(pool, endpoint), now)

    def may_try_again(self, pool: str) -> bool:
        """Take a second try from the budget of `pool`, where the one before failed; False if there is none left."""
        return self._budgets[pool].spend(self._clock.monotonic())

    def _standing(self, pool: str, endpoint: Endpoint) -> Standing:
        for one in self._standings[pool]:
            if one.endpoint is endpoint or one.endpoint == endpoint:
                return one
        # Its name has lost this address since it was chosen: what becomes of the attempt matters to nobody else.
        return Standing(self._pools[pool], endpoint)

    def saturate(self, one: Standing, now: float, seconds: float | None) -> None:
        """The server said that it is full, and perhaps for how long."""
        self.said_full[one.pool.name] += 1
        until = now + min(seconds if seconds else 1.0, SATURATED_MOST_S)
        one.saturated_until = max(one.saturated_until, until)
        self._trouble(one)

    def is_starting(self, one: Standing, cold: Start, now: float) -> float:
        """The server said that it is being started; how long that may still take. Until it is asked again it counts as
        full: it has not failed, and its breaker hears nothing of it."""
        self.said_cold[one.pool.name] += 1
        if cold.refused(now):
            left_s = round(cold.left_s(now), 1)
            log.info("endpoint_cold", pool=one.pool.name, endpoint=one.endpoint.name, after_s=left_s)
        one.saturated_until = max(one.saturated_until, now + cold.ask_again_s)
        self._trouble(one)
        return cold.left_s(now)

    def is_up(self, one: Standing, cold: Start, now: float) -> None:
        """The server has answered."""
        if cold.since is not None:
            took_s = round(cold.answered(now), 1)
            one.saturated_until = min(one.saturated_until, now)
            log.info("endpoint_up", pool=one.pool.name, endpoint=one.endpoint.name, after_s=took_s)

    def failed(self, one: Standing, ticket: Ticket, now: float) -> None:
        """An attempt failed before its answer began."""
        before = one.breaker.until, one.breaker.state
        one.breaker.failed(ticket, now, self._chance())
        if before != (one.breaker.until, one.breaker.state):
            self.changed(one)

    def broke_off(self, one: Standing, ticket: Ticket, now: float) -> None:
        """An attempt failed after its answer had begun."""
        before = one.breaker.until, one.breaker.state
        one.breaker.broke_off(ticket, now, self._chance())
        if before != (one.breaker.until, one.breaker.state):
            self.changed(one)

    def changed(self, one: Standing) -> None:
        """A breaker is in another state than before."""
        state = one.breaker.state
        if state is BreakerState.OPEN:
            one.was_unwell = False
            self.opened[one.pool.name] += 1
            after_s = round(one.breaker.until - self._clock.monotonic(), 1)
            log.warning("breaker_opened", pool=one.pool.name, endpoint=one.endpoint.name, after_s=after_s)
        elif state is BreakerState.CLOSED:
            log.info("breaker_closed", pool=one.pool.name, endpoint=one.endpoint.name)
        self._trouble(one)

    def _trouble(self, one: Standing) -> None:
        if any(one is known for known in self._standings[one.pool.name]):
            self._troubled.add(one)
            self.is_calm = False

    def _no_trouble(self, what: Standing | str) -> None:
        self._troubled.discard(what)
        self.is_calm = not self._troubled and not self._shut

    # What the servers say

    def endpoints_of(self, pool: str) -> Sequence[Endpoint]:
        """The endpoints that `pool` has at the moment."""
        return [one.endpoint for one in self._standings[pool]]

    def is_doubted(self, pool: str, endpoint: Endpoint) -> bool:
        """Whether it would help to know that `endpoint` is well."""
        return self._standing(pool, endpoint).is_ejected

    def was_well(self, pool: str, endpoint: Endpoint) -> None:
        """The server said that it is well."""
        one = self._standing(pool, endpoint)
        if not one.is_healthy:
            log.info("endpoint_healthy", pool=pool, endpoint=endpoint.name)
        one.is_healthy = True
        one.unwell = 0
        if one.was_unwell:
            # Only what was seen to be unwell can be seen to recover: many a server says it is well while it is not.
            one.was_unwell = False
            one.breaker.may_probe_from(self._clock.monotonic())

    def was_unwell(self, pool: str, endpoint: Endpoint, reason: str) -> None:
        """The server did not say that it is well."""
        one = self._standing(pool, endpoint)
        one.unwell += 1
        one.was_unwell = True
        if one.unwell >= UNHEALTHY_AFTER and one.is_healthy:
            one.is_healthy = False
            log.warning("endpoint_unhealthy", pool=pool, endpoint=endpoint.name, reason=reason)
            self._trouble(one)

    def said(self, pool: str, endpoint: Endpoint, load: ServerLoad | None) -> None:
        """What the server counts at the moment; None if it did not say."""
        self._standing(pool, endpoint).said(load)

    def server_load(self, pool: str) -> ServerLoad | None:
        """What the servers of `pool` count, all together; None if none of them says anything."""
        told = [one.server for one in self._standings[pool] if one.server is not None]
        if not told:
            return None
        caches = [load.cache_share for load in told if load.cache_share is not None]
        return ServerLoad(
            sum(load.running for load in told),
            sum(load.waiting for load in told),
            sum(caches) / len(caches) if caches else None,
        )

    def resolved(self, pool: str, endpoints: Collection[Endpoint]) -> None:
        """The endpoints that the name of `pool` stands for from now on; what is known of those that stay is kept."""
        known = {one.endpoint: one for one in self._standings[pool]}
        if not endpoints or known.keys() == set(endpoints):
            # A name server that knows nothing is no reason to forget what was there.
            return
        for gone in known.keys() - set(endpoints):
            self._no_trouble(known[gone])
        ordered = sorted(endpoints, key=lambda endpoint: endpoint.name)
        self._standings[pool] = tuple(
            known[endpoint] if endpoint in known else Standing(self._pools[pool], endpoint) for endpoint in ordered
        )
        self._alone.pop(pool, None)
        if len(ordered) == 1:
            self._alone[pool] = self._standings[pool][0]
        self._no_trouble(pool)
        log.info("endpoints_resolved", pool=pool, count=len(ordered))

    def views(self) -> tuple[EndpointView, ...]:
        """How every endpoint is doing."""
        now = self._clock.monotonic()
        return tuple(
            EndpointView(
                pool=one.pool.name,
                zone=one.pool.zone,
                endpoint=one.endpoint.name,
                breaker=one.breaker.state,
                is_healthy=one.is_healthy,
                in_flight=one.in_flight,
                saturated_s=max(0.0, round(one.saturated_until - now, 3)),
                is_starting=one.is_starting,
                start_s=one.cold.took_s if one.cold is not None else None,
                server=one.server,
            )
            for standings in self._standings.values()
            for one in standings
        )
