"""What a subject may use, what is asked for, and the arithmetic of a bucket: all in whole numbers, time included.

A limit of so many a minute is a bucket that holds as many and gets a sixtieth of them back every second; what is taken
is never more than it holds. Amounts in buckets are millionths and times millionths of a second, so that Python and the
script in Redis (`stores/quota.lua`), which knows floating point only, come to the same number: nothing here is ever
above 2**53. What is true of one subject over time is `quota_book.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec

MICRO: Final = 1_000_000
"""Millionths in one; and microseconds in a second."""

MINUTE_US: Final = 60 * MICRO
HOUR_US: Final = 60 * MINUTE_US
DAY_US: Final = 24 * HOUR_US

HOLD_US: Final = 60 * MICRO
"""How long a reservation stands that nobody renews: its gateway is gone, and its share is free again."""

LEASE_US: Final = MICRO
"""How long a worker may spend what it took at once."""

MOST_PER_MINUTE: Final = 100_000_000
"""The highest limit of requests or tokens: with a higher one a minute of it would not be exact in floating point."""

MOST_MONEY: Final = 10**15
"""The highest limit of money, in millionths of a unit: a thousand million units."""

MOST_TOKENS: Final = 10**9
"""What a single request can be charged at the most, whatever a model server says that it took."""

MOST_COST: Final = 10**12
"""The same in money: a million units."""

DEBT_MINUTES: Final = 60
"""A debt is forgiven beyond what an hour brings back: a server that counts nonsense closes nobody out for ever."""

TRY_AGAIN_US: Final = MICRO
"""After how long a place may be free: nobody knows when one of the requests that are under way will end."""


class Limit(StrEnum):
    """What can refuse a request. `OF_NUMBER` has them in the order in which stores number them."""

    CONCURRENCY = "concurrency"
    REQUESTS = "requests"
    TOKENS = "tokens"
    HOUR = "money_per_hour"
    DAY = "money_per_day"
    MONTH = "money_per_month"


OF_NUMBER: Final = tuple(Limit)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one subject may use; None is no limit. Money is in millionths of a unit, and by the calendar in UTC.

    `max_tokens` is no limit over time but the longest answer that one request may ask for.
    """

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrency: int | None = None
    money_per_hour: int | None = None
    money_per_day: int | None = None
    money_per_month: int | None = None
    max_tokens: int | None = None

    @property
    def has_money(self) -> bool:
        """Whether any of them is about money."""
        return self.money_per_hour is not None or self.money_per_day is not None or self.money_per_month is not None

    @property
    def is_limited(self) -> bool:
        """Whether anything has to be counted."""
        return self.requests_per_minute is not None or self.settles

    @property
    def settles(self) -> bool:
        """Whether a request holds something that it gives back or pays for later."""
        return self.tokens_per_minute is not None or self.concurrency is not None or self.has_money

    def may_lease(self, workers: int) -> bool:
        """Whether workers may hold a part of it: never of places or money, and never of what is soon used up."""
        least = LEAST_LEASED * workers
        return (
            self.concurrency is None
            and not self.has_money
            and (self.requests_per_minute is None or self.requests_per_minute >= least)
            and (self.tokens_per_minute is None or self.tokens_per_minute >= least)
        )

    def part(self, parts: int, number: int) -> "Limits":
        """The part with this `number`, from 0, where nobody can count for all of them together.

        Together they are the whole, but where it has less than one for each: shut out by chance is worse than that.
        """

        def of(whole: int | None) -> int | None:
            return None if whole is None else max(1, (whole + parts - 1 - number) // parts) if whole else 0

        return Limits(
            of(self.requests_per_minute),
            of(self.tokens_per_minute),
            of(self.concurrency),
            of(self.money_per_hour),
            of(self.money_per_day),
            of(self.money_per_month),
            self.max_tokens,
        )


UNLIMITED: Final = Limits()

LEAST_LEASED: Final = 100
"""A limit is leased from this many for each worker on; a lease is a twenty-fifth of a worker's share, 4 % in all."""

LEASED_PARTS: Final = 25


class Ask(msgspec.Struct, frozen=True, gc=False):
    """What one request wants to hold; or, once it is over, what it took: then `requests` says nothing."""

    tokens: int = 0
    cost_micros: int = 0
    requests: int = 1


class Standing(msgspec.Struct, frozen=True, gc=False):
    """How a subject stands: what is left of requests and tokens, and when the buckets are full again.

    Of what is not limited, as if it were used up.
    """

    requests: int = 0
    tokens: int = 0
    requests_reset_us: int = 0
    tokens_reset_us: int = 0


UNKNOWN: Final = Standing()


class Granted(msgspec.Struct, frozen=True, gc=False):
    """It is held, all of it."""

    standing: Standing = UNKNOWN


class Refused(msgspec.Struct, frozen=True, gc=False):
    """Nothing is held. `limit` is what has to be waited for longest; `wait_us` is None if waiting does not help."""

    limit: Limit
    wait_us: int | None
    standing: Standing = UNKNOWN


Answer = Granted | Refused


def capacity(limit: int) -> int:
    """What a bucket holds, in millionths."""
    return limit * MICRO


def refilled(level: int, limit: int, elapsed_us: int, room: int) -> int:
    """A bucket after a time; never above `room`, which is its capacity without what is out on lease."""
    # Asked several times for every request: without a call of a function for what is a comparison.
    if elapsed_us >= MINUTE_US:
        minutes, elapsed_us = divmod(elapsed_us, MINUTE_US)
        level += limit * MICRO * (minutes if minutes <= DEBT_MINUTES else DEBT_MINUTES + 1)
    if elapsed_us > 0:
        level += limit * elapsed_us // 60
    return level if level < room else room


def changed(level: int, by: int, limit: int, room: int) -> int:
    """A bucket after something was given back, or taken although it is empty."""
    level += by
    if level > room:
        return room
    least = -DEBT_MINUTES * MICRO * limit
    return level if level > least else least


def fills_in(missing: int, limit: int) -> int:
    """After how many microseconds as much as `missing` will have come back."""
    if missing <= 0:
        return 0
    most = limit * MICRO
    if missing < most:
        return -(-missing * 60 // limit)
    minutes, rest = divmod(missing, most)
    return minutes * MINUTE_US + -(-rest * 60 // limit)


def wait_for(need: int, level: int, limit: int) -> int | None:
    """0 if a bucket has what is needed; otherwise after how long it will, None if it never holds as much."""
    if level >= need:
        return 0
    return None if need > capacity(limit) else fills_in(need - level, limit)


def longest(waits: Sequence[tuple[Limit, int | None]]) -> tuple[Limit, int | None] | None:
    """What has to be waited for longest, the first of equals; None if nothing has."""
    worst: tuple[Limit, int | None] | None = None
    for limit, wait_us in waits:
        if wait_us is None:
            return limit, None
        if wait_us > 0 and (worst is None or wait_us > (worst[1] or 0)):
            worst = limit, wait_us
    return worst


# The calendar, without a clock: Redis has none of its own, and both must agree.

_DAYS_PER_ERA: Final = 146_097


def month_of(day: int) -> int:
    """The number of the month, 12 for each year since the year 0, in which the `day`-th day since 1970 lies."""
    era, day_of_era = divmod(day + 719_468, _DAYS_PER_ERA)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    # Counted from March, so that a leap day is the last of its year.
    return (era * 400 + year_of_era) * 12 + (5 * day_of_year + 2) // 153 + 2


def first_day(month: int) -> int:
    """The first day of a month, in days since 1970."""
    year, from_march = divmod(month - 2, 12)
    era, year_of_era = divmod(year, 400)
    day_of_year = (153 * from_march + 2) // 5
    return era * _DAYS_PER_ERA + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719_468


def windows(now_us: int) -> tuple[int, int, int]:
    """The numbers of the hour, the day and the month that it is."""
    day = now_us // DAY_US
    return now_us // HOUR_US, day, month_of(day)


def ends_in(now_us: int) -> tuple[int, int, int]:
    """After how long the hour, the day and the month are over."""
    hour, day, month = windows(now_us)
    return (
        (hour + 1) * HOUR_US - now_us,
        (day + 1) * DAY_US - now_us,
        first_day(month + 1) * DAY_US - now_us,
    )
