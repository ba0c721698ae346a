"""Buckets hold what their limit says and fill at its rate; waits end when they say; the calendar is the calendar."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.quota import (
    DAY_US,
    DEBT_MINUTES,
    HOUR_US,
    MICRO,
    MINUTE_US,
    MOST_PER_MINUTE,
    MOST_TOKENS,
    Limit,
    Limits,
    capacity,
    changed,
    ends_in,
    fills_in,
    first_day,
    longest,
    month_of,
    refilled,
    wait_for,
    windows,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
limit_values = st.integers(1, MOST_PER_MINUTE)


@given(st.integers(0, 200_000))
def test_days_have_the_month_that_the_calendar_says(day: int) -> None:
    date = EPOCH + timedelta(days=day)
    assert divmod(month_of(day), 12) == (date.year, date.month - 1)
    assert first_day(month_of(day)) == day - date.day + 1


@given(st.integers(0, 200_000 * DAY_US))
def test_an_hour_a_day_and_a_month_end_when_the_next_begins(now_us: int) -> None:
    for index, left_us in enumerate(ends_in(now_us)):
        assert windows(now_us + left_us - 1)[index] == windows(now_us)[index]
        assert windows(now_us + left_us)[index] == windows(now_us)[index] + 1


@given(limit_values, st.data())
def test_a_wait_ends_when_the_bucket_has_enough_and_no_sooner(limit: int, data: st.DataObject) -> None:
    most = capacity(limit)
    level = data.draw(st.integers(-DEBT_MINUTES * most, most))
    need = data.draw(st.integers(0, most))
    wait_us = wait_for(need, level, limit)
    assert wait_us is not None
    if wait_us:
        assert refilled(level, limit, wait_us, most) >= need
        assert refilled(level, limit, wait_us - 1, most) < need
    else:
        assert level >= need


@given(limit_values, st.lists(st.integers(0, 10 * MINUTE_US), min_size=1, max_size=6))
def test_a_bucket_looked_at_often_never_holds_more_than_one_that_was_left_alone(limit: int, pauses: list[int]) -> None:
    level = start = -capacity(limit)
    for pause in pauses:
        level = refilled(level, limit, pause, capacity(limit))
    alone = refilled(start, limit, sum(pauses), capacity(limit))
    assert alone - len(pauses) <= level <= alone


@given(limit_values, st.integers(-MOST_TOKENS, MOST_TOKENS), st.data())
def test_no_number_is_beyond_what_floating_point_can_hold_exactly(limit: int, tokens: int, data: st.DataObject) -> None:
    most = capacity(limit)
    level = changed(data.draw(st.integers(-DEBT_MINUTES * most, most)), tokens * MICRO, limit, most)
    assert -DEBT_MINUTES * most <= level <= most
    largest = (level - MOST_TOKENS * MICRO, limit * MINUTE_US, most * (DEBT_MINUTES + 1) + limit * MICRO, most * 60)
    assert max(map(abs, largest)) < 2**53


def test_time_that_runs_backwards_fills_nothing() -> None:
    assert refilled(5, 60, -HOUR_US, capacity(60)) == 5


def test_who_needs_more_than_a_bucket_holds_waits_in_vain() -> None:
    assert wait_for(capacity(60) + 1, capacity(60), 60) is None
    assert fills_in(0, 60) == 0


@pytest.mark.parametrize(
    ("waits", "worst"),
    [
        ([], None),
        ([(Limit.REQUESTS, 0)], None),
        ([(Limit.REQUESTS, 3), (Limit.TOKENS, 5)], (Limit.TOKENS, 5)),
        ([(Limit.CONCURRENCY, 5), (Limit.TOKENS, 5)], (Limit.CONCURRENCY, 5)),
        ([(Limit.REQUESTS, 9), (Limit.TOKENS, None), (Limit.DAY, 50)], (Limit.TOKENS, None)),
    ],
)
def test_the_longest_wait_is_what_is_told(waits, worst) -> None:
    assert longest(waits) == worst


@pytest.mark.parametrize(
    ("limits", "is_limited", "settles", "may_lease"),
    [
        (Limits(), False, False, True),
        (Limits(max_tokens=5), False, False, True),
        (Limits(requests_per_minute=400), True, False, True),
        (Limits(requests_per_minute=399), True, False, False),
        (Limits(tokens_per_minute=400), True, True, True),
        (Limits(tokens_per_minute=399), True, True, False),
        (Limits(requests_per_minute=4000, concurrency=9), True, True, False),
        (Limits(requests_per_minute=4000, money_per_hour=9), True, True, False),
        (Limits(money_per_day=9), True, True, False),
        (Limits(money_per_month=9), True, True, False),
    ],
)
def test_only_what_is_large_and_no_place_or_money_is_leased(limits, is_limited, settles, may_lease) -> None:
    assert (limits.is_limited, limits.settles, limits.may_lease(4)) == (is_limited, settles, may_lease)


def test_parts_are_the_whole_together_and_never_nothing() -> None:
    whole = Limits(10, 1000, 2, 100, None, 0, 512)
    parts = [whole.part(4, number) for number in range(4)]
    assert [part.requests_per_minute for part in parts] == [3, 3, 2, 2]
    assert sum(part.tokens_per_minute or 0 for part in parts) == 1000
    assert [part.concurrency for part in parts] == [1, 1, 1, 1]
    assert {(part.money_per_hour, part.money_per_day, part.money_per_month) for part in parts} == {(25, None, 0)}
    assert {part.max_tokens for part in parts} == {512}
