"""What pools.yaml says of overflow: `reserve_for_home` and `spill` of a pool, and the cap on all work in the cloud.

Shares are written as percentages, since a pool's places are changed more often than what they are for.
"""

import re
from typing import Final

from gateway.core.burst import SpillRules, Thresholds
from gateway.core.labels import Label, LabelOrder
from gateway.core.reading import Fields, Reader
from gateway.core.topology import Zone
from gateway.core.written import Node, Scalar

USUALLY_RESERVED: Final = 0.1
"""A tenth, rounded down: a pool of nine places or fewer keeps none unless its file says so."""

_PERCENT: Final = re.compile(r"([0-9]{1,4})%")
_MOST_PERCENT: Final = 1000


def percent(reader: Reader, node: Node | None, what: str, *, most: int = _MOST_PERCENT) -> float | None:
    """A share such as `80%`, as 0.8."""
    found = _PERCENT.fullmatch(node.text) if isinstance(node, Scalar) else None
    if found is not None and int(found[1]) <= most:
        return int(found[1]) / 100
    if node is not None:
        reader.report(node.at, f"{what} must be a percentage from `0%` to `{most}%`.")
    return None


def reserved(reader: Reader, node: Node | None, limit: int, zone: Zone | None) -> int:
    """How many of a pool's `limit` places are for work that must stay: `10%` or a number of them."""
    if zone is not None and zone.is_cloud:
        if node is not None:
            reader.report(node.at, "A pool in the cloud keeps no places for what must stay home.", "Remove the key.")
        return 0
    if isinstance(node, Scalar) and isinstance(node.value, int) and not isinstance(node.value, bool):
        return reader.integer(node, "`reserve_for_home`", least=0, most=limit) or 0
    share = percent(reader, node, "`reserve_for_home`", most=100)
    return int(limit * (share if share is not None else USUALLY_RESERVED))


def spill(reader: Reader, node: Node | None, order: LabelOrder | None) -> SpillRules:
    """`spill: {open_at: 100%, close_at: 80%, dwell: 10s, labels: {public: {open_at: 70%, close_at: 50%}}}`."""
    fields = reader.fields(node, "`spill`", ("open_at", "close_at", "dwell", "labels"))
    usual = _thresholds(reader, fields, Thresholds())
    by_label: list[tuple[Label, Thresholds]] = []
    for name, value in reader.entries(fields.get("labels"), "`spill.labels`"):
        own = reader.fields(value, f"`spill.labels.{name.text}`", ("open_at", "close_at", "dwell"))
        if order is not None and reader.reference(name, "The label", order.names) is not None:
            by_label.append((order.rank(name.text), _thresholds(reader, own, usual)))
    return SpillRules(usual, tuple(by_label))


def most_in_cloud(reader: Reader, node: Node | None) -> int | None:
    """`burst: {max_in_flight: 64}`: how much work may be in flight in all cloud pools together."""
    if node is None:
        return None
    fields = reader.fields(node, "`burst`", ("max_in_flight",), ("max_in_flight",))
    return reader.integer(fields.get("max_in_flight"), "`burst.max_in_flight`", least=0, most=1_000_000)


def _thresholds(reader: Reader, fields: Fields, usual: Thresholds) -> Thresholds:
    open_at = percent(reader, fields.get("open_at"), "`open_at`")
    close_at = percent(reader, fields.get("close_at"), "`close_at`")
    dwell_s = reader.duration(fields.get("dwell"), "`dwell`", least=0.0, most=3600.0)
    found = Thresholds(
        open_at if open_at is not None else usual.open_at,
        close_at if close_at is not None else usual.close_at,
        dwell_s if dwell_s is not None else usual.dwell_s,
    )
    if found.close_at >= found.open_at:
        mend = f"Write both; `close_at` is {usual.close_at:.0%} where it is left out."
        reader.report(fields.at, "Spill must close at a lower pressure than it opens at.", mend)
        return usual
    return found
