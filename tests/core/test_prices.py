"""Prices: whole millionths, rounded up once, and nothing known is not the same as free."""

from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.prices import FREE, MICROS, UNPRICED, PoolPrice, Prices, Rate, money

PRICES = Prices(
    "CNY",
    {
        "burst": PoolPrice(Rate(2 * MICROS, 8 * MICROS), {"large": Rate(4 * MICROS, 16 * MICROS)}),
        "home": PoolPrice(per_hour_micros=14_500_000),
        "gift": PoolPrice(FREE),
    },
)


@pytest.mark.parametrize(
    ("pool", "model", "tokens", "expected"),
    [
        ("burst", "", (1_000_000, 0), 2 * MICROS),
        ("burst", "chat", (1000, 500), 6000),
        ("burst", "large", (1000, 500), 12_000),
        ("burst", "chat", (0, 0), 0),
        ("home", "chat", (1000, 500), 0),
        ("gift", "chat", (1000, 500), 0),
        ("nowhere", "chat", (1000, 500), 0),
    ],
)
def test_tokens_cost_what_their_pool_says(pool: str, model: str, tokens: tuple[int, int], expected: int) -> None:
    assert PRICES.cost_micros(pool, *tokens, model) == expected


def test_what_has_no_price_is_told_from_what_costs_nothing() -> None:
    assert PRICES.rate("gift") == FREE
    assert PRICES.rate("home") is None
    assert UNPRICED.rate("burst") is None


def test_what_is_reserved_is_what_the_dearest_pool_would_cost() -> None:
    assert PRICES.dearest_micros(("home", "burst", "gift"), 1000, 500, "large") == 12_000
    assert PRICES.dearest_micros((), 1000, 500) == 0


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**8), st.integers(0, 10**8))
def test_a_cost_is_the_exact_one_rounded_up(prompt_price: int, completion_price: int, read: int, written: int) -> None:
    exact = Fraction(prompt_price * read + completion_price * written, MICROS)
    assert Rate(prompt_price, completion_price).cost_micros(read, written) == ceil(exact)


@given(st.integers(0, 10**9), st.lists(st.integers(0, 10**6), max_size=8))
def test_rounding_adds_less_than_a_millionth_for_each_request(price: int, requests: list[int]) -> None:
    rate = Rate(price, price)
    apart = sum(rate.cost_micros(tokens, 0) for tokens in requests)
    together = rate.cost_micros(sum(requests), 0)
    assert together <= apart < together + max(1, len(requests))


@pytest.mark.parametrize(
    ("micros", "decimals", "expected"),
    [
        (0, 2, "0.00"),
        (1, 2, "0.00"),
        (5_000, 2, "0.01"),
        (-5_000, 2, "-0.01"),
        (-1, 2, "0.00"),
        (1_234_567_890, 2, "1,234.57"),
        (-2_500_000, 0, "-3"),
        (2_400_000, 0, "2"),
        (12, 6, "0.000012"),
    ],
)
def test_money_is_written_as_people_write_it(micros: int, decimals: int, expected: str) -> None:
    assert money(micros, decimals) == expected
