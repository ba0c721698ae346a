"""prices: in tenants.yaml: exact decimals, and every fault in its place."""

# ruff: noqa: E501  # one fault per row of the table
import pytest

from gateway.config.prices_block import prices as read_prices
from gateway.core.prices import PoolPrice, Prices, Rate
from gateway.core.written import Group

from .reading import read

WHOLE = """\
prices:
  currency: CNY
  pools:
    burst: {prompt: 2, completion: 8.000001, models: {large: {prompt: 4.25, completion: 0.1}}}
    home: {per_hour: 14.50}
"""
POOLS, ALIASES = ("home", "burst"), ("large", "chat")


def told(text: str, pools: tuple[str, ...] | None = POOLS) -> tuple[Prices, list[str]]:
    def block(root: object, reader: object) -> Prices:
        assert isinstance(root, Group)
        return read_prices(reader, root.entries[0][1], pools, ALIASES if pools else None)  # type: ignore[arg-type]  # as `read` gives it

    return read(text, block)


def test_prices_are_read_to_the_millionth() -> None:
    prices, problems = told(WHOLE)
    assert problems == []
    assert prices == Prices(
        "CNY",
        {
            "burst": PoolPrice(Rate(2_000_000, 8_000_001), {"large": Rate(4_250_000, 100_000)}),
            "home": PoolPrice(per_hour_micros=14_500_000),
        },
    )


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("CNY", "yuan", "2:13: `prices.currency` must be a code of three letters. Write `CNY`, `USD`, `EUR` …"),
        ("  currency: CNY\n", "", "2:3: `prices` lacks the key `currency`. Add it."),
        ("home:", "hom:", "5:5: The pool `hom` does not exist. Did you mean `home`?"),
        ("large:", "larg:", "4:55: The model `larg` does not exist. Did you mean `large`?"),
        ("prompt: 2,", "prompt: 2e1,", "4:21: `prompt` must be an amount of money such as `14` or `0.25`. Seven digits and six decimals at most."),
        ("prompt: 2,", "prompt: -1,", "4:21: `prompt` must be an amount of money such as `14` or `0.25`. Seven digits and six decimals at most."),
        ("prompt: 2,", "prompt: [1],", "4:21: `prompt` must be an amount of money such as `14` or `0.25`. Seven digits and six decimals at most."),
        ("prompt: 2, ", "", "4:12: The price of `burst` lacks the key `prompt`. Add it; `0` if it costs nothing."),
        ("{prompt: 4.25, completion: 0.1}", "{prompt: 4.25}", "4:62: The price of `burst` lacks the key `completion`. Add it."),
        ("{per_hour: 14.50}", "{}", "5:11: The price of `home` says nothing. Write `prompt` and `completion`, or `per_hour`, or both."),
        ("{per_hour: 14.50}", "{hour: 14.50}", "5:12: The price of `home` has no key `hour`. Did you mean `per_hour`?"),
    ],
)  # fmt: skip
def test_a_fault_is_told_in_place(old: str, new: str, expected: str) -> None:
    assert expected in told(WHOLE.replace(old, new))[1]


def test_what_cannot_be_checked_yet_is_not() -> None:
    text = WHOLE.replace("home:", "anywhere:").replace("large:", "anything:")
    assert told(text, None)[1] == []


def test_a_price_that_cannot_be_read_is_reported_once() -> None:
    _, problems = told(WHOLE.replace("prompt: 2,", "prompt: *x,"))
    assert len(problems) == 1
    _, problems = told("prices:\n")
    assert problems == ["1:8: `prices` must be a group of keys. Write one or more of: currency, pools."]
