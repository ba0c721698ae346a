"""What one subject has used and holds: its buckets, what was spent of its money, reservations and leases.

Whoever keeps a `Book` gives it the time and the limits that hold now. `stores/quota.lua` is the same in Redis, line by
line; `tests/stores/test_quota_script.py` holds the two together over random histories.

A reservation is made all or nothing and settled once, by its id. One that is not renewed for `HOLD_US` is undone, as
its gateway is gone; should that gateway turn up after all, what it settles is charged in full, and once.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from gateway.core.quota import (
    HOLD_US,
    LEASE_US,
    MICRO,
    MOST_COST,
    MOST_TOKENS,
    OF_NUMBER,
    TRY_AGAIN_US,
    Answer,
    Ask,
    Granted,
    Limit,
    Limits,
    Refused,
    Standing,
    changed,
    ends_in,
    fills_in,
    longest,
    refilled,
    wait_for,
    windows,
)

UNDONE_US: Final = 600 * MICRO
"""How long is remembered that a reservation was undone, for its gateway may only have been asleep."""

UNDONE_AT_ONCE: Final = 256
"""How many are undone in one step: more would hold up everybody who shares the store."""

_MONEY: Final = OF_NUMBER[3:]


class Held(msgspec.Struct, frozen=True, gc=False):
    """One reservation: what it holds, and when it was made."""

    tokens: int
    cost_micros: int
    at_us: int


class Slice(msgspec.Struct, frozen=True, gc=False):
    """A part of both buckets, in millionths; less than nothing is a debt."""

    requests: int = 0
    tokens: int = 0


class Leased(msgspec.Struct, frozen=True, gc=False):
    """A slice that may be spent for `LEASE_US` without asking again."""

    slice: Slice
    standing: Standing


class _Lease(msgspec.Struct, frozen=True, gc=False):
    until_us: int
    slice: Slice


class Book:
    """One subject's. `hold_us` is how long a reservation stands that is not renewed; None where nobody else could."""

    __slots__ = ("_at_us", "_hold_us", "_leases", "_requests", "_spent", "_tokens", "_undone", "_until", "live")

    def __init__(self, hold_us: int | None = HOLD_US) -> None:
        self._hold_us = hold_us
        self._at_us = 0
        # What is in the buckets, in millionths; None until there is such a limit.
        self._requests: int | None = None
        self._tokens: int | None = None
        # For the hour, the day and the month: its number, and what was spent in it.
        self._spent: list[tuple[int, int]] = [(0, 0)] * len(_MONEY)
        self.live: dict[str, Held] = {}
        self._until: dict[str, int] = {}
        self._undone: dict[str, int] = {}
        self._leases: dict[str, _Lease] = {}

    def reserve(self, key: str, ask: Ask, limits: Limits, *, now_us: int) -> Answer:
        """Hold all of `ask` under `key`, or nothing. Who asks again for what it holds, holds it."""
        self._advance(limits, now_us)
        if key in self.live:
            return Granted(self._standing(limits))
        tokens, cost = min(ask.tokens, MOST_TOKENS), min(ask.cost_micros, MOST_COST)
        need = Slice(ask.requests * MICRO, tokens * MICRO)
        waits: list[tuple[Limit, int | None]] = []
        if limits.concurrency is not None and len(self.live) >= limits.concurrency:
            waits.append((Limit.CONCURRENCY, TRY_AGAIN_US))
        waits += self._bucket_waits(need, limits)
        if cost:
            waits += self._money_waits(cost, limits, now_us)
        worst = longest(waits)
        if worst is not None:
            return Refused(*worst, self._standing(limits))
        self._take(need)
        if cost:
            self._spend(cost, limits, now_us)
        if limits.settles:
            self.live[key] = Held(tokens, cost, now_us)
            if self._hold_us is not None:
                self._until[key] = now_us + self._hold_us
        return Granted(self._standing(limits))

    def settle(self, key: str, took: Ask, limits: Limits, *, now_us: int) -> bool:
        """Replace what `key` holds by what it took. False, and nothing done, if that has happened already."""
        self._advance(limits, now_us)
        held = self.live.pop(key, None)
        if held is not None:
            self._until.pop(key, None)
        elif self._undone.pop(key, None) is not None:
            held = Held(0, 0, now_us)
        else:
            return False
        tokens, cost = min(took.tokens, MOST_TOKENS), min(took.cost_micros, MOST_COST)
        self._replace(held, tokens, cost, limits, now_us)
        return True

    def renew(self, keys: Iterable[str], limits: Limits, *, now_us: int) -> None:
        """These reservations are still under way."""
        self._advance(limits, now_us)
        for key in keys:
            if key in self._until:
                self._until[key] = now_us + (self._hold_us or 0)

    def lease(
        self, holder: str, back: Slice, need: Slice, want: Slice, limits: Limits, *, now_us: int
    ) -> Leased | Refused:
        """Take back what `holder` has left of its last slice, and give it the next: `want`, or less, or `need` at
        least. Where there is less than that it gets nothing."""
        self._advance(limits, now_us)
        self._leases.pop(holder, None)
        self._change(back, limits)
        worst = longest(self._bucket_waits(need, limits))
        if worst is not None:
            return Refused(*worst, self._standing(limits))
        given = Slice(
            _between(need.requests, want.requests, self._requests), _between(need.tokens, want.tokens, self._tokens)
        )
        self._take(given)
        self._leases[holder] = _Lease(now_us + LEASE_US, given)
        return Leased(given, self._standing(limits))

    def spent(self, *, now_us: int) -> tuple[int, int, int]:
        """What was spent in this hour, on this day and in this month, of those that are limited."""
        hour, day, month = self._spent_now(now_us)
        return hour, day, month

    # Inside

    def _advance(self, limits: Limits, now_us: int) -> None:
        """Time has passed: leases end, buckets fill, and reservations that nobody renewed are undone."""
        elapsed_us, self._at_us = now_us - self._at_us, now_us
        if self._leases:
            self._leases = {holder: lease for holder, lease in self._leases.items() if lease.until_us > now_us}
        rpm, tpm = limits.requests_per_minute, limits.tokens_per_minute
        out = self._out()
        # A bucket that is there from now on is full, and one that is no limit any more is gone.
        if rpm is None:
            self._requests = None
        else:
            level = self._requests if self._requests is not None else rpm * MICRO
            self._requests = refilled(level, rpm, elapsed_us, rpm * MICRO - out.requests)
        if tpm is None:
            self._tokens = None
        else:
            level = self._tokens if self._tokens is not None else tpm * MICRO
            self._tokens = refilled(level, tpm, elapsed_us, tpm * MICRO - out.tokens)
        if self._until:
            for key in _due(self._until, now_us):
                del self._until[key]
                self._replace(self.live.pop(key), 0, 0, limits, now_us)
                self._undone[key] = now_us + UNDONE_US
        if self._undone:
            for key in _due(self._undone, now_us):
                del self._undone[key]

    def _out(self) -> Slice:
        """What is out on lease: it may still be spent, so there is no room for it in the buckets."""
        if not self._leases:
            return _NOTHING
        slices = [lease.slice for lease in self._leases.values()]
        return Slice(sum(each.requests for each in slices), sum(each.tokens for each in slices))

    def _bucket_waits(self, need: Slice, limits: Limits) -> list[tuple[Limit, int | None]]:
        waits: list[tuple[Limit, int | None]] = []
        if self._requests is not None and limits.requests_per_minute is not None:
            waits.append((Limit.REQUESTS, wait_for(need.requests, self._requests, limits.requests_per_minute)))
        if self._tokens is not None and limits.tokens_per_minute is not None:
            waits.append((Limit.TOKENS, wait_for(need.tokens, self._tokens, limits.tokens_per_minute)))
        return waits

    def _money_waits(self, cost: int, limits: Limits, now_us: int) -> list[tuple[Limit, int | None]]:
        waits: list[tuple[Limit, int | None]] = []
        spent = self._spent_now(now_us)
        for limit, most, amount, left_us in zip(_MONEY, _money(limits), spent, ends_in(now_us), strict=True):
            if most is not None and amount + cost > most:
                waits.append((limit, None if cost > most else left_us))
        return waits

    def _spent_now(self, now_us: int) -> list[int]:
        current = windows(now_us)
        return [amount if number == now else 0 for (number, amount), now in zip(self._spent, current, strict=True)]

    def _spend(self, cost: int, limits: Limits, now_us: int) -> None:
        current, spent = windows(now_us), self._spent_now(now_us)
        for index, most in enumerate(_money(limits)):
            if most is not None:
                self._spent[index] = current[index], spent[index] + cost

    def _replace(self, held: Held, tokens: int, cost: int, limits: Limits, now_us: int) -> None:
        """What `held` holds becomes what was taken."""
        self._change(Slice(0, (held.tokens - tokens) * MICRO), limits)
        by = cost - held.cost_micros
        if not by or not limits.has_money:
            return
        current, made, spent = windows(now_us), windows(held.at_us), self._spent_now(now_us)
        for index, most in enumerate(_money(limits)):
            # What was held in an hour that is over is not given back to this one; what was taken beyond it is charged.
            if most is not None and (by > 0 or made[index] == current[index]):
                self._spent[index] = current[index], max(0, spent[index] + by)

    def _take(self, what: Slice) -> None:
        if self._requests is not None:
            self._requests -= what.requests
        if self._tokens is not None:
            self._tokens -= what.tokens

    def _change(self, by: Slice, limits: Limits) -> None:
        rpm, tpm, out = limits.requests_per_minute, limits.tokens_per_minute, self._out()
        if self._requests is not None and rpm is not None:
            self._requests = changed(self._requests, by.requests, rpm, rpm * MICRO - out.requests)
        if self._tokens is not None and tpm is not None:
            self._tokens = changed(self._tokens, by.tokens, tpm, tpm * MICRO - out.tokens)

    def _standing(self, limits: Limits) -> Standing:
        left, tokens_left = self._requests, self._tokens
        rpm, tpm = limits.requests_per_minute, limits.tokens_per_minute
        return Standing(
            0 if left is None else max(0, left // MICRO),
            0 if tokens_left is None else max(0, tokens_left // MICRO),
            0 if left is None or rpm is None else fills_in(rpm * MICRO - left, rpm),
            0 if tokens_left is None or tpm is None else fills_in(tpm * MICRO - tokens_left, tpm),
        )


_NOTHING: Final = Slice()


def _due(until: dict[str, int], now_us: int) -> list[str]:
    due = sorted((until_us, key) for key, until_us in until.items() if until_us <= now_us)
    return [key for _, key in due[:UNDONE_AT_ONCE]]


def _between(need: int, want: int, level: int | None) -> int:
    return max(need, min(want, level)) if level is not None else 0


def _money(limits: Limits) -> Sequence[int | None]:
    return limits.money_per_hour, limits.money_per_day, limits.money_per_month
