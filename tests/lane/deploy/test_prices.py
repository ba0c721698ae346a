"""What an hour costs, as far as anybody knows."""

from pathlib import Path

import pytest

from gateway.core.deployment import Cost, Lane
from gateway.core.problems import Problems
from gateway.lane.deploy.prices import Price, is_above_budget, price_of, price_table

SHIPPED = Path(__file__).resolve().parents[3] / "sagemaker" / "prices.yaml"


def lane(region: str = "us-east-1", instance: str = "ml.g5.xlarge", **cost: float) -> Lane:
    return Lane("a", region, "p", "b", "i", instance, cost=Cost(**cost))


def table():
    return price_table(SHIPPED.read_bytes(), "prices.yaml")


def test_the_table_that_ships_says_of_when_and_from_where_it_is():
    assert table().as_of
    assert "AWS" in table().source
    assert price_of(lane(), table()) == Price(1.408, "USD", table().as_of)


@pytest.mark.parametrize(("region", "instance"), [("eu-central-1", "ml.g5.xlarge"), ("us-east-1", "ml.z9.xlarge")])
def test_what_is_not_in_the_table_has_no_price_and_not_another_regions(region: str, instance: str):
    assert price_of(lane(region, instance), table()) is None
    assert price_of(lane(region, instance, instance_hour=2.5), table()) == Price(2.5, "USD")


@pytest.mark.parametrize(
    ("cost", "price", "count", "is_above"),
    [
        ({}, None, 100, False),
        ({"most_per_hour": 10.0}, None, 1, True),
        ({"most_per_hour": 10.0}, Price(1.0, "USD"), 10, False),
        ({"most_per_hour": 10.0}, Price(1.0, "USD"), 11, True),
    ],
)
def test_with_a_limit_an_unknown_price_is_above_it(cost, price, count, is_above):
    assert is_above_budget(lane(**cost), price, count) is is_above


def test_a_table_that_is_wrong_is_told_with_its_place():
    text = b"apiVersion: tidegate/v1\nas_of: x\nsource: y\ncurrency: USD\nregions:\n  us-east-1:\n    ml.a: free\n"
    with pytest.raises(Problems, match=r"prices.yaml:7:11: `us-east-1.ml.a` must be a number"):
        price_table(text, "prices.yaml")
