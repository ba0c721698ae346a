"""limits: in tenants.yaml: a tenant's over its class's, and every fault in its place."""

import pytest

from gateway.config.limits_block import limits as read_limits
from gateway.core.quota import Limits
from gateway.core.written import Group

from .reading import read

WHOLE = (
    "limits: {requests_per_minute: 600, tokens_per_minute: 200k, concurrency: 20, max_tokens: 4k,"
    " money: {per_hour: 5, per_day: 40.5, per_month: 600}}\n"
)
ALL = Limits(600, 204_800, 20, 5_000_000, 40_500_000, 600_000_000, 4096)


def told(text: str, usual: Limits | None = None, *, has_prices: bool = True) -> tuple[Limits | None, list[str]]:
    def block(root: object, reader: object) -> Limits | None:
        assert isinstance(root, Group)
        node = root.entries[0][1] if root.entries[0][0].text == "limits" else None
        return read_limits(reader, node, usual, has_prices=has_prices)  # type: ignore[arg-type]  # as `read` gives it

    return read(text, block)


@pytest.mark.parametrize(
    ("text", "usual", "expected"),
    [
        (WHOLE, None, ALL),
        ("other: 1\n", None, None),
        ("other: 1\n", ALL, ALL),
        ("limits: none\n", ALL, None),
        ("limits: {concurrency: 3}\n", None, Limits(concurrency=3)),
        ("limits: {concurrency: 3}\n", Limits(5, 6), Limits(5, 6, 3)),
        ("limits: {concurrency: none}\n", Limits(5, None, 2), Limits(5)),
        ("limits: {concurrency: none}\n", Limits(concurrency=2), None),
        ("limits: {money: none}\n", Limits(5, money_per_day=3), Limits(5)),
        ("limits: {money: {per_day: 0}}\n", Limits(5, money_per_hour=3), Limits(5, None, None, 3, 0)),
        ("limits: {money: {per_hour: none}}\n", Limits(5, money_per_hour=3), Limits(5)),
    ],
)
def test_what_a_tenant_does_not_say_is_as_its_class_says(text, usual, expected) -> None:
    assert told(text, usual) == (expected, [])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("limits: {requests: 5}\n", "1:10: `limits` has no key `requests`."),
        (
            "limits: {requests_per_minute: 0}\n",
            "1:31: `requests_per_minute` must be a whole number from 1 to 100000000.",
        ),
        ("limits: {tokens_per_minute: many}\n", "1:29: `tokens_per_minute` must be a whole number such as"),
        ("limits: {concurrency: -1}\n", "1:23: `concurrency` must be a whole number from 1 to 1000000."),
        ("limits: {money: {per_week: 5}}\n", "1:18: `limits.money` has no key `per_week`."),
        ("limits: {money: {per_day: lots}}\n", "1:27: `per_day` must be an amount of money"),
        ("limits: {tokens_per_minute: 4k, max_tokens: 4k}\n", "1:9: `max_tokens` must be below `tokens_per_minute`"),
    ],
)
def test_a_fault_is_told_with_its_place(text, problem) -> None:
    _, problems = told(text)
    assert len(problems) == 1
    assert problem in problems[0]


def test_money_without_prices_is_a_fault() -> None:
    _, problems = told("limits: {money: {per_day: 5}}\n", has_prices=False)
    assert len(problems) == 1
    assert "1:17: `limits.money` counts nothing" in problems[0]
