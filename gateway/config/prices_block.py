"""The block `prices:` of tenants.yaml: what tokens cost in each pool, and what a pool costs by the hour.

    prices:
      currency: CNY
      pools:
        burst: {prompt: 2, completion: 8, models: {large: {prompt: 4, completion: 16}}}
        home: {per_hour: 14.50}

Amounts are decimals with at most six places and are never a float on their way to `core/prices.py`.
"""

import re
from collections.abc import Collection
from types import MappingProxyType
from typing import Final

from gateway.core.prices import MICROS, UNPRICED, PoolPrice, Prices, Rate
from gateway.core.reading import Fields, Reader, shown
from gateway.core.written import Node, Scalar, Unreadable

_AMOUNT: Final = re.compile(r"([0-9]{1,7})(?:\.([0-9]{1,6}))?")
_CURRENCY: Final = re.compile("[A-Z]{3}")


def prices(
    reader: Reader, node: Node | None, pools: Collection[str] | None, aliases: Collection[str] | None = None
) -> Prices:
    """The prices that could be read. Without `pools` or `aliases` what names them is not checked."""
    if node is None:
        return UNPRICED
    fields = reader.fields(node, "`prices`", ("currency", "pools"), ("currency", "pools"))
    currency = reader.text(fields.get("currency"), "`prices.currency`")
    if currency is not None and not _CURRENCY.fullmatch(currency.text):
        reader.report(currency.at, "`prices.currency` must be a code of three letters.", "Write `CNY`, `USD`, `EUR` …")
    found: dict[str, PoolPrice] = {}
    for name, value in reader.entries(fields.get("pools"), "`prices.pools`"):
        if pools is None or reader.reference(name, "The pool", pools) is not None:
            found[name.text] = _pool(reader, value, f"The price of {shown(name.text)}", aliases)
    return Prices(currency.text if currency is not None else "", MappingProxyType(found))


def amount(reader: Reader, node: Node | None, what: str) -> int | None:
    """An amount of money such as `14.50`, in millionths."""
    if node is None or isinstance(node, Unreadable):
        return None
    found = _AMOUNT.fullmatch(node.text) if isinstance(node, Scalar) else None
    if found is None:
        mend = "Seven digits and six decimals at most."
        reader.report(node.at, f"{what} must be an amount of money such as `14` or `0.25`.", mend)
        return None
    return int(found[1]) * MICROS + int((found[2] or "").ljust(6, "0"))


def _pool(reader: Reader, node: Node, what: str, aliases: Collection[str] | None) -> PoolPrice:
    fields = reader.fields(node, what, ("prompt", "completion", "models", "per_hour"))
    models: dict[str, Rate] = {}
    for name, value in reader.entries(fields.get("models"), "`models`"):
        if aliases is None or reader.reference(name, "The model", aliases) is not None:
            own = reader.fields(value, what, ("prompt", "completion"), ("prompt", "completion"))
            rate = _rate(reader, own)
            if rate is not None:
                models[name.text] = rate
    is_by_tokens = "prompt" in fields or "completion" in fields or "models" in fields
    if is_by_tokens:
        for key in ("prompt", "completion"):
            if key not in fields:
                reader.report(fields.at, f"{what} lacks the key `{key}`.", "Add it; `0` if it costs nothing.")
    elif "per_hour" not in fields:
        reader.report(fields.at, f"{what} says nothing.", "Write `prompt` and `completion`, or `per_hour`, or both.")
    per_hour = amount(reader, fields.get("per_hour"), "`per_hour`")
    return PoolPrice(_rate(reader, fields), MappingProxyType(models), per_hour or 0)


def _rate(reader: Reader, fields: Fields) -> Rate | None:
    prompt = amount(reader, fields.get("prompt"), "`prompt`")
    completion = amount(reader, fields.get("completion"), "`completion`")
    return Rate(prompt, completion) if prompt is not None and completion is not None else None
