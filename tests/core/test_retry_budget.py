"""A fifth of the requests of ten seconds may be tried again, and three in any case."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.retry_budget import RetryBudget


@pytest.mark.parametrize(("requests", "tries"), [(0, 3), (1, 3), (15, 3), (20, 4), (100, 20)])
def test_a_fifth_and_no_fewer_than_three(requests, tries):
    budget = RetryBudget()
    for _ in range(requests):
        budget.asked(1.0)
    assert [budget.spend(2.0) for _ in range(tries + 2)] == [True] * tries + [False, False]


def test_a_pool_may_have_a_higher_floor():
    budget = RetryBudget(5)
    assert [budget.spend(0.0) for _ in range(6)] == [True] * 5 + [False]


def test_what_was_spent_comes_back_after_ten_seconds():
    budget = RetryBudget()
    for _ in range(3):
        assert budget.spend(0.0)
    assert not budget.spend(5.0)
    assert budget.spend(11.0)


@given(st.lists(st.floats(0, 0.5), min_size=1, max_size=300))
def test_when_everything_fails_there_are_at_most_a_fifth_more_calls_and_a_few(waits):
    budget, now, requests, retries = RetryBudget(), 0.0, 0, 0
    for wait in waits:
        now += wait
        budget.asked(now)
        requests += 1
        retries += budget.spend(now)
    assert retries <= 0.2 * requests + 3 * (1 + now / 9)
