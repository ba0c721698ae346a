"""Quotas in Redis: exact over workers and replicas, on Redis's own clock, and counted here while Redis is lost.

What every request needs is one call of a script (`quota.lua`); of large limits a worker takes slices, and most requests
need no call at all. A reservation is renewed while its request is under way, and settled once: what cannot be said to
Redis now is said later, and what can never be said ends there by itself.
"""

import asyncio
import contextlib
from collections import deque
from functools import partial
from typing import Final

from gateway.core.quota import Ask, Limits, Refused
from gateway.core.quota_book import Leased
from gateway.ports import NOT_NOW, Clock, Holder, NotNow, Reservation, StoreUnavailable
from gateway.stores.memory_quota import MemoryQuotaStore
from gateway.stores.quota_leases import Pot
from gateway.stores.quota_script import (
    Garbled,
    answer_of,
    keys_of,
    lease_of,
    limits_of,
    quota_script,
    spent_of,
    to_lease,
    to_reserve,
    to_settle,
)
from gateway.stores.redis_connection import RedisConnection
from gateway.stores.redis_lane import Lost
from gateway.wire.resp import Argument, Reply
from gateway.wire.resp import Refused as Declined

RENEW_S: Final = 20.0
"""A third of what a reservation stands unrenewed: two renewals may be lost."""

MOST_UNSAID: Final = 10_000
"""Settlements that are kept for when Redis is back. Beyond them the oldest are lost: their reservations end by time."""

_AT_ONCE: Final = 500

_Unsaid = tuple[str, Limits, str, Ask]


class RedisQuotaStore:
    """Implements `ports.QuotaStore`. `holder` is this worker's own name among `workers` over all replicas; `stand_in`
    counts while Redis is lost. `is_leasing` is off where every request must be counted one by one."""

    def __init__(
        self,
        redis: RedisConnection,
        stand_in: MemoryQuotaStore,
        clock: Clock,
        *,
        holder: str,
        workers: int,
        is_leasing: bool = True,
    ) -> None:
        self._redis = redis
        self._stand_in = stand_in
        self._clock = clock
        self._holders = f"{holder}:0", f"{holder}:1"
        self._workers = workers
        self._is_leasing = is_leasing
        self._script = quota_script()
        # What is said of a subject with every command, as it is sent: its keys, and its limits.
        self._said: dict[tuple[str, Limits], tuple[tuple[bytes, ...], tuple[bytes, ...]]] = {}
        self._pots: dict[str, Pot] = {}
        self._asking: dict[tuple[str, int], asyncio.Future[Leased | Refused | None]] = {}
        # Reservations that Redis holds for this worker; and those of them for which it has not heard what they took.
        self._live: dict[tuple[str, str], Limits] = {}
        self._unsaid: deque[_Unsaid] = deque(maxlen=MOST_UNSAID)
        self._renewed_at = clock.monotonic()
        self.degraded = 0
        """Requests that were counted here and should have been counted in Redis."""
        self.unsaid_lost = 0
        """Settlements that Redis will never hear of."""

    @property
    def is_degraded(self) -> bool:
        """Whether requests are counted here for now."""
        return not self._redis.is_up

    @property
    def unsettled(self) -> int:
        """Settlements that Redis has not heard of yet."""
        return len(self._unsaid)

    def __len__(self) -> int:
        return len(self._live)

    def reserve_now(self, subject: str, key: str, ask: Ask, limits: Limits) -> Reservation | Refused | NotNow:
        """Hold all of `ask`, where this worker has a slice to hold it of, or Redis is lost."""
        if not self._redis.is_up:
            return self._without(subject, key, ask, limits)
        pot = self._pot(subject, limits)
        if pot is None:
            return NOT_NOW
        return self._from(pot, subject, key, ask) or NOT_NOW

    async def reserve(self, subject: str, key: str, ask: Ask, limits: Limits) -> Reservation | Refused:
        """Hold all of `ask` under `key`, or nothing."""
        if not self._redis.is_up:
            return self._without(subject, key, ask, limits)
        pot = self._pot(subject, limits)
        if pot is not None:
            return await self._leased(pot, subject, key, ask)
        try:
            reply = await self._call(subject, limits, b"reserve", to_reserve(key, ask))
            answer = answer_of(reply)
        except (StoreUnavailable, Garbled):
            # Perhaps it was done all the same.
            self._say_later(subject, limits, key)
            return self._without(subject, key, ask, limits)
        except asyncio.CancelledError:
            # It is on its way: what follows on the same connection is done after it.
            self._say(subject, limits, [(key, Ask())])
            raise
        if isinstance(answer, Refused):
            return answer
        if limits.settles:
            self._live[subject, key] = limits
        return Reservation(subject, key, ask, limits, answer.standing, Holder.STORE)

    def settle(self, reservation: Reservation, took: Ask) -> None:
        """Replace what is held by what was taken, once."""
        subject, key, limits = reservation.subject, reservation.key, reservation.limits
        if reservation.holder is Holder.LOCAL:
            self._stand_in.settle(reservation, took)
        elif reservation.holder is Holder.LEASE:
            pot = self._pots.get(subject)
            if pot is not None:
                pot.settle(reservation.ask, took)
        elif self._live.pop((subject, key), None) is not None:
            self._say(subject, limits, [(key, took)])

    async def spent(self, subject: str, limits: Limits) -> tuple[int, int, int] | None:
        """What was spent in this hour, on this day and in this month; None while nobody can tell."""
        try:
            return spent_of(await self._call(subject, limits, b"renew", ()))
        except (StoreUnavailable, Garbled):
            return None

    def tick(self) -> None:
        """Say again what was not heard, renew what is under way, give back what nobody spends."""
        if not self._redis.is_up:
            return
        for _ in range(min(len(self._unsaid), _AT_ONCE)):
            subject, limits, key, took = self._unsaid.popleft()
            self._say(subject, limits, [(key, took)])
        now = self._clock.monotonic()
        if now - self._renewed_at >= RENEW_S:
            self._renewed_at = now
            self._renew()
        for subject, pot in self._pots.items():
            number = pot.must_return(now)
            if number is not None:
                self._ask(pot, subject, number, None)

    async def finish(self) -> None:
        """Say what was not heard, and give back every slice; what was sent before is done before this returns."""
        self.tick()
        for subject, pot in self._pots.items():
            for number in pot.unspent():
                self._ask(pot, subject, number, None)
        with contextlib.suppress(StoreUnavailable):
            await self._redis.execute("PING")

    # Without leases

    def _call(self, subject: str, limits: Limits, what: bytes, own: tuple[Argument, ...]) -> "asyncio.Future[Reply]":
        keys, about = self._about(subject, limits)
        return self._redis.start_call(self._script, keys, (what, *about, *own))

    def _say(self, subject: str, limits: Limits, settled: list[tuple[str, Ask]]) -> None:
        def heard(answer: Reply | Lost) -> None:
            if isinstance(answer, Lost | Declined):
                for key, took in settled:
                    self._say_later(subject, limits, key, took)

        keys, about = self._about(subject, limits)
        self._redis.send_call(self._script, keys, (b"settle", *about, *to_settle(settled)), heard)

    def _say_later(self, subject: str, limits: Limits, key: str, took: Ask | None = None) -> None:
        self.unsaid_lost += len(self._unsaid) == MOST_UNSAID
        self._unsaid.append((subject, limits, key, took or Ask()))

    def _renew(self) -> None:
        by_subject: dict[tuple[str, Limits], list[str]] = {}
        for (subject, key), limits in self._live.items():
            by_subject.setdefault((subject, limits), []).append(key)
        for (subject, limits), keys in by_subject.items():
            for start in range(0, len(keys), _AT_ONCE):
                names, about = self._about(subject, limits)
                arguments: tuple[Argument, ...] = (b"renew", *about, *keys[start : start + _AT_ONCE])
                self._redis.send_call(self._script, names, arguments, _whatever)

    def _without(self, subject: str, key: str, ask: Ask, limits: Limits) -> Reservation | Refused:
        self.degraded += 1
        return self._stand_in.reserve_now(subject, key, ask, limits)

    def _about(self, subject: str, limits: Limits) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
        said = self._said.get((subject, limits))
        if said is None:
            said = self._said[subject, limits] = keys_of(self._redis.prefix, subject), limits_of(limits)
        return said

    # With leases

    def _pot(self, subject: str, limits: Limits) -> Pot | None:
        pot = self._pots.get(subject)
        if pot is not None and (pot.limits is limits or pot.limits == limits):
            return pot
        if not self._is_leasing or not limits.may_lease(self._workers):
            return None
        pot = self._pots[subject] = Pot(limits, self._workers)
        return pot

    def _from(self, pot: Pot, subject: str, key: str, ask: Ask) -> Reservation | Refused | None:
        now = self._clock.monotonic()
        taken = pot.take(ask, now)
        if taken is None or isinstance(taken, Refused):
            return taken
        if pot.runs_low(now):
            number = pot.free()
            if number is not None:
                self._ask(pot, subject, number, Ask(requests=0))
        return Reservation(subject, key, ask, pot.limits, taken, Holder.LEASE)

    async def _leased(self, pot: Pot, subject: str, key: str, ask: Ask) -> Reservation | Refused:
        pot.wait(ask, 1)
        try:
            while self._redis.is_up:
                answer = self._from(pot, subject, key, ask)
                if answer is not None:
                    return answer
                number = pot.free()
                if number is not None:
                    self._ask(pot, subject, number, ask)
                    asking = self._asking.get((subject, number))
                else:
                    # Both may be on their way: one of them only takes something back.
                    asking = self._asking.get((subject, 0)) or self._asking.get((subject, 1))
                heard = await asyncio.shield(asking) if asking is not None else None
                if heard is None:
                    break
                if number is not None and isinstance(heard, Refused):
                    return heard
        finally:
            pot.wait(ask, -1)
        return self._without(subject, key, ask, pot.limits)

    def _ask(self, pot: Pot, subject: str, number: int, ask: Ask | None) -> None:
        sent = self._clock.monotonic()
        keys, about = self._about(subject, pot.limits)
        arguments = (b"lease", *about, *to_lease(self._holders[number], *pot.ask(number, ask)))
        self._asking[subject, number] = asyncio.get_running_loop().create_future()
        heard = partial(self._heard_of_lease, pot, subject, number, ask, sent)
        self._redis.send_call(self._script, keys, arguments, heard)

    def _heard_of_lease(
        self, pot: Pot, subject: str, number: int, ask: Ask | None, sent: float, reply: Reply | Lost
    ) -> None:
        answer: Leased | Refused | None = None
        if not isinstance(reply, Lost | Declined):
            try:
                answer = lease_of(reply)
            except Garbled:
                answer = None
        pot.answered(number, answer, ask, sent=sent)
        asking = self._asking.pop((subject, number), None)
        if asking is not None and not asking.done():
            asking.set_result(answer)


def _whatever(_: Reply | Lost) -> None:
    """Renewed or not: the next time will tell."""
