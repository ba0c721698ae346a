"""The block `limits:` of a class or a tenant in tenants.yaml: how much may be used, over time and at once.

    limits: {requests_per_minute: 600, tokens_per_minute: 200k, concurrency: 20, max_tokens: 4k,
             money: {per_hour: 5, per_day: 40, per_month: 600}}

What a tenant does not say is as its class says; `none` takes a limit of its class away. What is nowhere said is not
limited.
"""

from collections.abc import Callable
from typing import Final

from gateway.config.prices_block import amount
from gateway.core.quota import MOST_PER_MINUTE, Limits
from gateway.core.reading import Fields, Reader
from gateway.core.written import Node, Scalar

NONE: Final = "none"
_KNOWN: Final = ("requests_per_minute", "tokens_per_minute", "concurrency", "max_tokens", "money")
_WINDOWS: Final = ("per_hour", "per_day", "per_month")
_MOST_AT_ONCE: Final = 1_000_000


def limits(reader: Reader, node: Node | None, usual: Limits | None, *, has_prices: bool) -> Limits | None:
    """The limits that could be read, where `usual` are those of the class; None if nothing is limited.

    Money can be counted only where something has a price.
    """
    if node is None or (isinstance(node, Scalar) and node.text == NONE):
        return usual if node is None else None
    fields = reader.fields(node, "`limits`", _KNOWN)
    before = usual or Limits()
    money = _money(reader, fields.get("money"), before, has_prices=has_prices)
    found = Limits(
        _one(fields, "requests_per_minute", before.requests_per_minute, _count(reader, MOST_PER_MINUTE)),
        _one(fields, "tokens_per_minute", before.tokens_per_minute, reader.tokens),
        _one(fields, "concurrency", before.concurrency, _count(reader, _MOST_AT_ONCE)),
        *money,
        _one(fields, "max_tokens", before.max_tokens, reader.tokens),
    )
    most, a_minute = found.max_tokens, found.tokens_per_minute
    if most is not None and a_minute is not None and most >= a_minute:
        message = "`max_tokens` must be below `tokens_per_minute`, or the longest answer is never granted."
        reader.report(fields.at, message, "Raise `tokens_per_minute`, or lower `max_tokens`.")
    return found if found != Limits() else None


def _money(
    reader: Reader, node: Node | None, before: Limits, *, has_prices: bool
) -> tuple[int | None, int | None, int | None]:
    was = before.money_per_hour, before.money_per_day, before.money_per_month
    if node is None:
        return was
    if isinstance(node, Scalar) and node.text == NONE:
        return None, None, None
    fields = reader.fields(node, "`limits.money`", _WINDOWS)
    hour, day, month = (
        _one(fields, key, old, lambda found, what: amount(reader, found, what))
        for key, old in zip(_WINDOWS, was, strict=True)
    )
    if not has_prices:
        reader.report(node.at, "`limits.money` counts nothing where nothing has a price.", "Add `prices` to this file.")
    return hour, day, month


def _one(fields: Fields, key: str, before: int | None, read: Callable[[Node, str], int | None]) -> int | None:
    node = fields.get(key)
    if node is None:
        return before
    return None if isinstance(node, Scalar) and node.text == NONE else read(node, f"`{key}`")


def _count(reader: Reader, most: int) -> Callable[[Node, str], int | None]:
    return lambda node, what: reader.integer(node, what, least=1, most=most)
