"""When a warm-up is asked for: early enough, once, and not for a moment's rush."""

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.warm_up import (
    RESTS_MOST_S,
    RESTS_S,
    STEADY_S,
    Trend,
    WarmRules,
    WarmUp,
    fullest_together,
)

TAKES_S = 300.0
HOLD_S = 1800.0


def seen(line, *, seconds=600, takes_s=TAKES_S, start=0.0) -> Trend:
    trend = Trend(takes_s)
    for second in range(seconds):
        trend.add(line(second), start + second)
    return trend


@pytest.mark.parametrize(
    ("line", "at", "expected"),
    [
        (lambda second: 0.5, 900.0, 0.5),
        (lambda second: second / 1000, 900.0, 0.9),
        (lambda second: 1 - second / 1000, 900.0, 0.1),
        (lambda second: 1 - second / 1000, 2000.0, 0.0),
    ],
)
def test_a_trend_goes_on_as_it_went_and_never_below_nothing(line, at, expected) -> None:
    assert seen(line).at(at) == pytest.approx(expected, abs=0.01)


def test_what_was_long_ago_says_nothing() -> None:
    assert seen(lambda second: 5.0 if second < 200 else 0.5).at(900.0) == pytest.approx(0.5, abs=0.001)


def test_until_enough_was_seen_nobody_knows() -> None:
    assert Trend(TAKES_S).at(1.0) is None
    assert seen(lambda second: 1.0, seconds=90).at(100.0) is None
    assert seen(lambda second: 1.0, seconds=90).level is None
    assert seen(lambda second: 1.0, seconds=130).at(200.0) == pytest.approx(1.0)
    assert seen(lambda second: float(second >= 270), seconds=301).level == pytest.approx(1.0)


def test_noise_is_not_taken_for_a_trend() -> None:
    chance = random.Random(7)
    trend = Trend(TAKES_S)
    for second in range(3600):
        trend.add(max(0.0, chance.gauss(0.5, 0.3)), second)
        ahead = trend.at(second + TAKES_S)
        assert ahead is None or ahead < 1.0


@given(st.lists(st.floats(0, 100), min_size=40, max_size=200), st.floats(1, 7200), st.floats(0, 1e6))
def test_whatever_is_seen_what_is_expected_is_a_number(values, takes_s, start) -> None:
    trend = Trend(takes_s)
    for number, value in enumerate(values):
        trend.add(value, start + number * 40.0)
        ahead = trend.at(start + number * 40.0 + takes_s)
        assert ahead is None or (math.isfinite(ahead) and ahead >= 0)


@pytest.mark.parametrize(
    ("expected", "together"), [((1.2,), 1.2), ((1.2, 0.5), 0.5), ((1.2, None), None), ((None,), None), ((), None)]
)
def test_work_leaves_only_once_all_of_its_pools_are_full(expected, together) -> None:
    assert fullest_together(expected) == together


def asks(warm: WarmUp, line, until_s: int, start: int = 0) -> list[int]:
    """The seconds at which one is asked for and begun."""
    trend, found = Trend(TAKES_S), []
    for now in range(start, until_s):
        trend.add(line(now), now)
        if warm.wants(now, trend.level, trend.at(now + TAKES_S), TAKES_S):
            warm.began(now, now + HOLD_S)
            found.append(now)
    return found


def rising(now: float) -> float:
    return now / 2000


def test_it_is_asked_for_a_start_before_the_pool_is_full() -> None:
    found = asks(WarmUp(HOLD_S), rising, 2000)
    assert len(found) == 1
    assert 2000 - TAKES_S <= found[0] <= 2000 - TAKES_S + 2 * STEADY_S


def test_a_pool_that_stays_full_is_kept_ready_without_a_gap() -> None:
    warm = WarmUp(HOLD_S)
    found = asks(warm, lambda now: min(1.2, rising(now)), 9000)
    gaps = [later - sooner for sooner, later in itertools.pairwise(found)]
    assert gaps == [HOLD_S - TAKES_S] * len(gaps)
    assert len(gaps) >= 4


def test_once_it_is_over_and_nobody_comes_none_is_asked_for() -> None:
    warm = WarmUp(HOLD_S)
    assert len(asks(warm, lambda now: rising(now) if now < 1900 else 0.1, 9000)) == 1
    assert warm.until is None


@pytest.mark.parametrize(
    "line",
    [
        lambda now: 0.3 + (now % 1000) / 10_000,
        lambda now: 3.0 if 1000 <= now < 1010 else 0.3,
        lambda now: 0.9 + 0.2 * math.sin(now),
        lambda now: 0.28 * (now > 1500),
    ],
    ids=["a saw", "ten seconds' rush", "nearly full for ever", "a step to a little"],
)
def test_what_will_not_fill_the_pool_starts_nothing(line) -> None:
    assert asks(WarmUp(HOLD_S), line, 4000) == []


def test_what_hovers_where_it_is_asked_for_is_not_asked_for_again_and_again() -> None:
    warm = WarmUp(HOLD_S)
    found = asks(warm, lambda now: 1.0 + 0.1 * math.sin(now / 40), 3000)
    assert len(found) <= 2


def test_after_a_refusal_it_rests_longer_each_time() -> None:
    warm, refused = WarmUp(HOLD_S), []
    for now in range(4000):
        if warm.wants(now, 1.0, 1.5, TAKES_S):
            warm.failed(now)
            refused.append(now)
    gaps = [later - sooner for sooner, later in itertools.pairwise(refused)]
    assert gaps[:5] == [RESTS_S, 2 * RESTS_S, 4 * RESTS_S, 8 * RESTS_S, RESTS_MOST_S]
    warm.began(4000, 4000 + HOLD_S)
    assert not warm.wants(4030, 1.0, 1.5, TAKES_S)
    assert warm.wants(4000 + HOLD_S - TAKES_S, 1.0, 1.5, TAKES_S)


def test_a_hold_that_is_hardly_longer_than_a_start_is_not_renewed_at_once() -> None:
    warm = WarmUp(400.0)
    warm.wants(0, 1.0, 1.5, TAKES_S)
    assert warm.wants(STEADY_S, 1.0, 1.5, TAKES_S)
    warm.began(STEADY_S, STEADY_S + 400.0)
    assert not warm.wants(STEADY_S + 199.0, 1.0, 1.5, TAKES_S)
    assert warm.wants(STEADY_S + 200.0, 1.0, 1.5, TAKES_S)


def test_one_that_was_ended_is_asked_for_again_after_a_rest() -> None:
    warm = WarmUp(HOLD_S)
    warm.wants(0, 1.0, 1.5, TAKES_S)
    warm.began(STEADY_S, STEADY_S + HOLD_S)
    ended = STEADY_S + 10
    warm.ended(ended)
    assert warm.until is None
    assert not warm.wants(ended + RESTS_S - 1, 1.0, 1.5, TAKES_S)
    assert warm.wants(ended + RESTS_S, 1.0, 1.5, TAKES_S)


def test_without_a_trend_nothing_is_wanted() -> None:
    warm = WarmUp(HOLD_S)
    assert not any(warm.wants(now, None, None, TAKES_S) for now in range(100))


@pytest.mark.parametrize(
    ("rules", "micros"),
    [
        (WarmRules(1_410_000), 705_000),
        (WarmRules(1_410_000, 2, 3600.0), 2_820_000),
        (WarmRules(1, 1, 1.0), 1),
        (WarmRules(0), 0),
    ],
)
def test_its_price_is_known_before_it_begins(rules, micros) -> None:
    assert rules.cost_micros == micros
