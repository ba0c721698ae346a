"""budgets: in tenants.yaml: money by the hour, day and month, and no budget over a pool that has no price."""

# ruff: noqa: E501  # one fault per row of the table
import pytest

from gateway.config.budgets_block import burst_budget
from gateway.core.burst_budget import BurstBudget
from gateway.core.labels import Label
from gateway.core.prices import FREE, PoolPrice, Prices
from gateway.core.quota import Limits
from gateway.core.reading import Reader
from gateway.core.topology import Endpoint, Pool, Topology
from gateway.core.written import Group, Node

from .reading import read

WHOLE = """\
budgets:
  burst: {per_hour: 40, per_day: 300.5, low_at: 70%, tenants: {bank: {per_month: 50}}}
"""
CLOUD = Topology(
    (
        Pool("home", "onprem", Label(3), "vllm", "m", (Endpoint("e"),)),
        Pool("burst", "cloud", Label(1), "openai", "m", (Endpoint("e"),)),
    )
)
PRICED = Prices("CNY", {"burst": PoolPrice(FREE)})


def told(text: str, prices: Prices = PRICED, topology: Topology | None = CLOUD) -> tuple[BurstBudget | None, list[str]]:
    def block(root: Node, reader: Reader) -> BurstBudget | None:
        assert isinstance(root, Group)
        return burst_budget(reader, root.entries[0][1], ("bank", "clinic"), prices, topology)

    return read(text, block)


def test_a_budget_is_read_to_the_millionth() -> None:
    budget, problems = told(WHOLE)
    assert problems == []
    assert budget == BurstBudget(
        Limits(money_per_hour=40_000_000, money_per_day=300_500_000),
        {"bank": Limits(money_per_month=50_000_000)},
        0.7,
    )


def test_where_nothing_is_said_there_is_no_budget() -> None:
    assert burst_budget(Reader(), None, (), PRICED, CLOUD) is None
    budget, problems = told("budgets: {burst: {per_day: 1}}")
    assert (problems, budget) == ([], BurstBudget(Limits(money_per_day=1_000_000)))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("per_hour: 40", "per_hour: lots", "2:21: `per_hour` must be an amount of money such as `14` or `0.25`. Seven digits and six decimals at most."),
        ("per_hour: 40", "per_our: 40", "2:11: `budgets.burst` has no key `per_our`. Did you mean `per_hour`?"),
        ("70%", "170%", "2:49: `low_at` must be a percentage from `0%` to `100%`."),
        ("bank:", "bnak:", "2:64: The tenant `bnak` does not exist. Did you mean `bank`?"),
        ("{per_hour: 40, per_day: 300.5, low_at: 70%, tenants: {bank: {per_month: 50}}}", "{low_at: 70%}", "2:10: `budgets.burst` says nothing. Write `per_hour`, `per_day` or `per_month`, or `tenants`."),
        ("burst:", "brust:", "2:3: `budgets` lacks the key `burst`. Add it."),
    ],
)  # fmt: skip
def test_a_fault_is_told_in_place(old: str, new: str, expected: str) -> None:
    assert expected in told(WHOLE.replace(old, new))[1]


def test_a_pool_in_the_cloud_without_a_price_cannot_be_counted() -> None:
    expected = "2:3: The pool `burst` in the cloud has no price, so that no budget can count it. Add it to `prices.pools` with `prompt` and `completion`; `0` is a price."
    assert told(WHOLE, Prices("CNY", {"burst": PoolPrice(per_hour_micros=1)}))[1] == [expected]
    assert told(WHOLE, Prices(), None)[1] == []
