"""The block `budgets:` of tenants.yaml: how much money may be spent in the cloud, by the calendar in UTC.

    budgets:
      burst: {per_hour: 40, per_day: 300, low_at: 80%, tenants: {bank: {per_day: 50}}}

A budget counts only what has a price, so every pool in the cloud needs one where there is a budget.
"""

from collections.abc import Collection
from types import MappingProxyType
from typing import Final

from gateway.config.overflow_block import percent
from gateway.config.prices_block import amount
from gateway.core.burst_budget import USUALLY_LOW_AT, BurstBudget
from gateway.core.prices import Prices
from gateway.core.quota import Limits
from gateway.core.reading import Fields, Reader, shown
from gateway.core.topology import Topology, Zone
from gateway.core.written import Node

_WINDOWS: Final = ("per_hour", "per_day", "per_month")


def burst_budget(
    reader: Reader, node: Node | None, tenants: Collection[str], prices: Prices, topology: Topology | None
) -> BurstBudget | None:
    """The budget of burst, None if there is none. Without `topology` it is not checked whether the cloud has prices."""
    if node is None:
        return None
    top = reader.fields(node, "`budgets`", ("burst",), ("burst",))
    what = "`budgets.burst`"
    fields = reader.fields(top.get("burst"), what, (*_WINDOWS, "low_at", "tenants"))
    low_at = percent(reader, fields.get("low_at"), "`low_at`", most=100)
    own: dict[str, Limits] = {}
    for name, value in reader.entries(fields.get("tenants"), "`tenants`"):
        limits = _limits(reader, reader.fields(value, f"The budget of {shown(name.text)}", _WINDOWS))
        if reader.reference(name, "The tenant", tenants) is not None:
            own[name.text] = limits
    whole = _limits(reader, fields)
    if not whole.has_money and not own and top.get("burst") is not None:
        reader.report(fields.at, f"{what} says nothing.", "Write `per_hour`, `per_day` or `per_month`, or `tenants`.")
    for pool in topology.pools if topology is not None else ():
        if Zone(pool.zone, None).is_cloud and prices.rate(pool.name) is None:
            message = f"The pool {shown(pool.name)} in the cloud has no price, so that no budget can count it."
            reader.report(node.at, message, "Add it to `prices.pools` with `prompt` and `completion`; `0` is a price.")
    return BurstBudget(whole, MappingProxyType(own), low_at if low_at is not None else USUALLY_LOW_AT)


def _limits(reader: Reader, fields: Fields) -> Limits:
    hour, day, month = (amount(reader, fields.get(key), f"`{key}`") for key in _WINDOWS)
    return Limits(money_per_hour=hour, money_per_day=day, money_per_month=month)
