"""The budget of burst: when it is low, when it is spent, and when it opens again."""

import pytest

from gateway.core.burst_budget import UNASKED, BurstBudget, Level, longest_answer, shares, subject_of, used
from gateway.core.quota import Limits

HOUR = Limits(money_per_hour=100)
BUDGET = BurstBudget(HOUR)


@pytest.mark.parametrize(
    ("spent", "before", "is_refused", "expected"),
    [
        (0, Level.OK, False, Level.OK),
        (79, Level.OK, False, Level.OK),
        (80, Level.OK, False, Level.LOW),
        (99, Level.LOW, False, Level.LOW),
        (100, Level.LOW, False, Level.SPENT),
        # Whoever finds no room in it does not close it for those who cost less, while much of it is left.
        (94, Level.LOW, True, Level.LOW),
        (95, Level.LOW, True, Level.SPENT),
        # Once closed it stays so until a tenth is free again.
        (90, Level.SPENT, False, Level.SPENT),
        (89, Level.SPENT, False, Level.LOW),
        (0, Level.SPENT, False, Level.OK),
        (96, Level.LOST, False, Level.SPENT),
        (10, Level.LOST, False, Level.OK),
    ],
)
def test_a_budget_closes_when_it_is_spent_and_opens_when_there_is_room(spent, before, is_refused, expected):
    assert BUDGET.level(HOUR, (spent, spent, spent), before, is_refused=is_refused) is expected


def test_only_spent_and_lost_keep_work_at_home():
    assert [level for level in Level if level.is_closed] == [Level.SPENT, Level.LOST]


def test_the_window_that_is_fullest_counts():
    limits = Limits(money_per_hour=100, money_per_month=1000)
    assert shares(limits, (50, 70, 900)) == (0.5, None, 0.9)
    assert used(limits, (50, 70, 900)) == 0.9
    assert used(Limits(), (50, 70, 900)) == 0.0
    # A budget of nothing is spent before anybody has spent anything.
    assert used(Limits(money_per_day=0), (0, 0, 0)) == 1.0


@pytest.mark.parametrize(
    ("asked", "context", "prompt", "expected"),
    [
        (None, None, 10, UNASKED),
        (None, 1000, 10, 990),
        (None, 100_000, 10, UNASKED),
        (0, 1000, 10, 0),
        (50, None, 10, 50),
        (50, 1000, 10, 50),
        (5000, 1000, 10, 990),
        (50, 1000, 2000, 1),
    ],
)
def test_an_answer_is_reckoned_as_long_as_it_can_be(asked, context, prompt, expected):
    assert longest_answer(asked, context, prompt) == expected


def test_a_tenants_money_is_its_own():
    assert subject_of("bank") != subject_of("clinic")
