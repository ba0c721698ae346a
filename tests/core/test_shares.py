"""Who comes first among pools that share out the first place."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.shares import in_turn


@pytest.mark.parametrize(
    ("weights", "draw", "expected"),
    [
        ((90, 10), 0.0, ("a", "b")),
        ((90, 10), 0.899, ("a", "b")),
        ((90, 10), 0.9, ("b", "a")),
        ((0, 1), 0.0, ("b", "a")),
        ((1, 0), 0.999999, ("a", "b")),
        ((1, 1, 2), 0.5, ("c", "a", "b")),
        ((1, 1, 2), 0.25, ("b", "a", "c")),
        ((0, 0), 0.7, ("a", "b")),
    ],
)
def test_the_one_comes_first_whose_share_was_drawn(
    weights: tuple[float, ...], draw: float, expected: tuple[str, ...]
) -> None:
    assert in_turn("abc"[: len(weights)], weights, draw) == expected


def test_over_all_draws_each_has_its_share() -> None:
    seen = Counter(in_turn("abcd", (1, 0, 4, 5), number / 1000)[0] for number in range(1000))
    assert seen == {"a": 100, "c": 400, "d": 500}


@given(
    st.lists(st.floats(0, 1e6), min_size=1, max_size=6),
    st.floats(0, 1, exclude_max=True),
)
def test_every_pool_stays_and_none_without_a_share_comes_first(weights: list[float], draw: float) -> None:
    pools = [str(place) for place in range(len(weights))]
    found = in_turn(pools, weights, draw)
    assert sorted(found) == sorted(pools)
    assert list(found[1:]) == [one for one in pools if one != found[0]]
    if any(weights):
        assert weights[int(found[0])] > 0
