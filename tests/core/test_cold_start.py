"""Endpoints that start from nothing: how long that takes, and when to ask again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.cold_start import LONGEST_S, SHORTEST_S, USUAL_S, ColdStart


def test_until_a_start_was_seen_it_is_taken_to_last_some_minutes() -> None:
    start = ColdStart()
    assert (start.since, start.left_s(0.0)) == (None, 0.0)
    assert start.refused(100.0)
    assert start.left_s(100.0) == USUAL_S
    assert start.left_s(160.0) == USUAL_S - 60.0


def test_what_a_start_took_is_expected_of_the_next() -> None:
    start = ColdStart(300.0)
    start.refused(0.0)
    for at in range(15, 100, 15):
        assert not start.refused(at)
    assert start.answered(100.0) == 100.0
    assert (start.took_s, start.expected_s, start.since) == (100.0, 200.0, None)
    start.refused(1000.0)
    assert start.left_s(1000.0) == 200.0


def test_a_start_that_takes_longer_than_expected_is_asked_for_as_often_as_ever() -> None:
    start = ColdStart(60.0)
    start.refused(0.0)
    assert start.ask_again_s == 3.0
    assert start.left_s(500.0) == 3.0


@pytest.mark.parametrize(
    ("expected_s", "again_s"), [(5.0, 2.0), (40.0, 2.0), (100.0, 5.0), (300.0, 15.0), (3600.0, 15.0)]
)
def test_whoever_is_starting_is_asked_now_and_then(expected_s: float, again_s: float) -> None:
    assert ColdStart(expected_s).ask_again_s == again_s


def test_hours_in_which_nobody_asked_are_no_start() -> None:
    start = ColdStart(60.0)
    start.refused(0.0)
    assert start.answered(20_000.0) == 20_000.0
    assert (start.took_s, start.expected_s) == (None, 60.0)
    start.refused(30_000.0)
    assert start.refused(50_000.0), "another one: it went down again meanwhile"
    assert start.since == 50_000.0


def test_an_answer_without_a_start_changes_nothing() -> None:
    start = ColdStart(60.0)
    assert start.answered(500.0) == 0.0
    assert start.expected_s == 60.0


@given(st.lists(st.tuples(st.floats(0, 7200), st.booleans()), max_size=40))
def test_what_is_expected_stays_within_reason(steps: list[tuple[float, bool]]) -> None:
    start, now = ColdStart(), 0.0
    for wait, answers in steps:
        now += wait
        if answers:
            start.answered(now)
        else:
            start.refused(now)
        assert SHORTEST_S <= start.expected_s <= LONGEST_S
        assert start.left_s(now) <= LONGEST_S
