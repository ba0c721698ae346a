"""What an hour costs: an instance's price, from the file or from the table that ships, times how many there may be.

Only instances are counted, which is nearly all of it; storage, traffic and logs come on top. A price that nobody
knows is said to be unknown, never taken to be nothing.
"""

from dataclasses import dataclass

from gateway.core.deployment import Lane
from gateway.core.reading import Reader
from gateway.core.written import Group, parse


@dataclass(frozen=True, slots=True)
class PriceTable:
    """Prices by region and instance, and what they are worth."""

    as_of: str
    source: str
    currency: str
    prices: tuple[tuple[str, str, float], ...]


@dataclass(frozen=True, slots=True)
class Price:
    """The price of an instance-hour, and where it is from; the operator's own if `as_of` is empty."""

    amount: float
    currency: str
    as_of: str = ""


def price_table(data: bytes, file: str) -> PriceTable:
    """The table in a file; raises Problems."""
    document = parse(data, file)
    reader = Reader(document.problems)
    known = ("apiVersion", "as_of", "source", "currency", "regions")
    fields = reader.fields(document.root, "The price table", known, known)
    words = (reader.text(fields.get(key), f"`{key}`") for key in known[1:4])
    as_of, source, currency = (word.text if word is not None else "" for word in words)
    prices = []
    for region, instances in reader.entries(fields.get("regions"), "`regions`"):
        entries = instances.entries if isinstance(instances, Group) else ()
        for instance, written in entries:
            amount = reader.number(written, f"`{region.text}.{instance.text}`", least=0.0001, most=10_000)
            if amount is not None:
                prices.append((region.text, instance.text, amount))
    reader.finish()
    return PriceTable(as_of, source, currency, tuple(prices))


def price_of(lane: Lane, table: PriceTable) -> Price | None:
    """What one instance costs per hour; None if nobody says."""
    if lane.cost.instance_hour is not None:
        return Price(lane.cost.instance_hour, table.currency)
    for region, instance, amount in table.prices:
        if (region, instance) == (lane.region, lane.instance):
            return Price(amount, table.currency, table.as_of)
    return None


def is_above_budget(lane: Lane, price: Price | None, instances: int) -> bool:
    """Whether so many instances may cost more than the file allows. With a limit, an unknown price is above it."""
    limit = lane.cost.most_per_hour
    return limit is not None and (price is None or price.amount * instances > limit)
