"""How long a first token is waited for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.first_token import ENOUGH, KEPT, FirstToken, allowance_s


def after(*samples: float) -> FirstToken:
    first = FirstToken()
    for sample in samples:
        first.saw(sample)
    return first


def timeout(first: FirstToken) -> float:
    return first.timeout_s(most_s=60.0, body_bytes=1000)


def test_until_twenty_are_known_the_longest_time_is_given():
    assert timeout(FirstToken()) == 60.0
    assert timeout(after(*[0.1] * (ENOUGH - 1))) == 60.0
    assert timeout(after(*[0.1] * ENOUGH)) == 5.0


@pytest.mark.parametrize(("usual", "given_s"), [(0.01, 5.0), (1.25, 5.0), (2.0, 8.0), (14.0, 56.0), (100.0, 60.0)])
def test_four_times_what_is_usual_within_bounds(usual, given_s):
    assert timeout(after(*[usual] * 64)) == given_s


def test_the_slowest_hundredth_says_what_is_usual():
    # 256 samples: the third slowest is the first that is within 99 %.
    assert timeout(after(*[1.0] * (KEPT - 2), 9.0, 9.0)) == 5.0
    assert timeout(after(*[1.0] * (KEPT - 3), 9.0, 9.0, 9.0)) == 36.0


def test_an_endpoint_that_has_grown_slow_is_given_more_time_and_one_that_has_recovered_less():
    first = after(*[0.5] * KEPT)
    for _ in range(KEPT):
        first.saw(timeout(first))
    assert timeout(first) == 60.0
    for _ in range(KEPT):
        first.saw(0.5)
    assert timeout(first) == 5.0


@pytest.mark.parametrize(
    ("size", "more_s"), [(0, 0.0), (16 << 10, 0.0), (20 << 10, 1.0), (116 << 10, 25.0), (1 << 30, 300.0)]
)
def test_a_long_prompt_gets_more(size, more_s):
    assert allowance_s(size) == more_s
    assert FirstToken().timeout_s(most_s=60.0, body_bytes=size) == 60.0 + more_s


@given(st.lists(st.floats(0, 1e6), max_size=400), st.integers(0, 1 << 31), st.floats(0.1, 3600))
def test_it_is_never_shorter_than_five_seconds_unless_the_pool_says_so_and_never_much_longer_than_it_says(
    samples, size, most_s
):
    timeout_s = after(*samples).timeout_s(most_s=most_s, body_bytes=size)
    assert min(5.0, most_s) <= timeout_s <= most_s + 300.0
