"""Spill opens at one pressure and closes at another, not before its time; shares are what they say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.burst import Thresholds, Valve, lot, part_of, pressure_of_server

RULES = Thresholds(open_at=1.0, close_at=0.5, dwell_s=10.0)


def felt(*moments):
    """What a valve is after each (pressure, now)."""
    valve, states = Valve(RULES), []
    for pressure, now in moments:
        valve.feel(pressure, now)
        states.append(valve.is_open)
    return states


@pytest.mark.parametrize(
    ("moments", "states"),
    [
        ([(0.99, 0.0)], [False]),
        ([(1.0, 0.0)], [True]),
        ([(1.0, 0.0), (0.6, 60.0)], [True, True]),  # between the thresholds it stays as it is
        ([(0.6, 0.0)], [False]),
        ([(1.0, 0.0), (0.5, 9.9), (0.5, 10.0)], [True, True, False]),  # not before its time
        ([(1.0, 0.0), (0.5, 10.0), (1.0, 10.1)], [True, False, True]),  # a full pool need not wait to open it again
    ],
)
def test_a_valve_has_two_thresholds_and_a_dwell(moments, states):
    assert felt(*moments) == states


def test_opening_is_told_once():
    valve = Valve(RULES)
    assert [valve.feel(pressure, now) for pressure, now in ((0.1, 0.0), (1.2, 1.0), (1.3, 2.0), (0.1, 60.0))] == [
        False,
        True,
        False,
        False,
    ]


def test_an_open_valve_turns_work_away_until_the_pool_has_calmed_down():
    valve = Valve(RULES)
    assert not valve.turns_away(0.9)
    valve.feel(1.0, 0.0)
    assert valve.turns_away(0.51)
    assert not valve.turns_away(0.5)


@given(st.lists(st.tuples(st.floats(0.0, 2.0), st.floats(0.0, 5.0)), max_size=60))
def test_a_valve_never_flaps(felt_after):
    valve, now, changes, is_open = Valve(RULES), 0.0, [], False
    for pressure, passed in felt_after:
        now += passed
        valve.feel(pressure, now)
        if valve.is_open != is_open:
            is_open = valve.is_open
            assert pressure >= RULES.open_at if is_open else pressure <= RULES.close_at
            if not is_open:
                assert now - changes[-1] >= RULES.dwell_s
            changes.append(now)


@pytest.mark.parametrize(
    ("running", "waiting", "cache_share", "pressure"),
    [
        (0, 0, None, 0.0),
        (32, 0, 0.4, 0.4),
        (32, 1, 0.4, 0.4),  # somebody is always on the way in
        (32, 8, 0.4, 1.0),
        (32, 16, None, 2.0),
        (1, 1, None, 1.0),
        (0, 2, 0.0, 2.0),
    ],
)
def test_what_a_model_server_says_of_itself_is_a_pressure(running, waiting, cache_share, pressure):
    assert pressure_of_server(running, waiting, cache_share) == pressure


@given(st.integers(0, 1000), st.integers(1, 64))
def test_parts_are_as_equal_as_can_be_and_together_the_whole(whole, parts):
    shares = [part_of(whole, parts, number) for number in range(parts)]
    assert sum(shares) == whole
    assert max(shares) - min(shares) <= 1


@given(st.integers(0, 10**9), st.integers(1, 3000), st.floats(0.0, 1.0))
def test_a_share_of_any_run_of_requests_is_what_it_says(start, count, share):
    chosen = sum(lot(number) < share for number in range(start, start + count))
    assert abs(chosen - share * count) <= 4


def test_nothing_is_below_zero_and_everything_below_one():
    lots = [lot(number) for number in range(10_000)]
    assert min(lots) >= 0.0
    assert max(lots) < 1.0


@pytest.mark.parametrize(("whole", "parts", "shares"), [(7, 3, [3, 2, 2]), (2, 4, [1, 1, 0, 0]), (0, 2, [0, 0])])
def test_a_whole_is_shared_out_as_equally_as_can_be(whole, parts, shares):
    assert [part_of(whole, parts, number) for number in range(parts)] == shares
