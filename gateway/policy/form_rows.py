"""The rows of a policy, and what must hold for them: `routes` and `invariants`, as written.

Reads lists into `WrittenRoute` and `Invariant` and reports faults of form; what a row asks is `form_guard.py`'s.
"""

from typing import Final

from gateway.core.decision import AuditLevel
from gateway.core.problems import did_you_mean
from gateway.core.reading import Fields, Reader, Word, shown
from gateway.core.written import Group, Listing, Node, Place, Scalar
from gateway.policy import form_guard
from gateway.policy.document import (
    DEFAULT_QUEUE_S,
    Invariant,
    Never,
    Only,
    Required,
    WrittenRoute,
    WrittenShare,
)
from gateway.policy.keys import ATTRIBUTES, DESTINATIONS, INVARIANT_KINDS, RAISED

MOST_WEIGHT: Final = 1_000_000.0


def routes(reader: Reader, node: Node | None) -> tuple[WrittenRoute, ...]:
    """The rows, in order; what has no id is left out."""
    found = [_route(reader, item) for item in reader.items(node, "`routes`")]
    reader.each_once([route.id for route in found if route is not None], "the ids of `routes`")
    return tuple(route for route in found if route is not None)


def invariants(reader: Reader, node: Node | None) -> tuple[Invariant, ...]:
    """What is to be proved."""
    items = reader.items(node, "`invariants`", least=0)
    ids: list[Word] = []
    found = [invariant for item in items if (invariant := _invariant(reader, item, ids)) is not None]
    reader.each_once(ids, "the ids of `invariants`")
    return tuple(found)


def cached_for(reader: Reader, node: Node | None, what: str) -> float | None:
    """How long an answer may be reused, in seconds; `never` is 0."""
    if isinstance(node, Scalar) and node.text == "never":
        return 0.0
    return reader.duration(node, what, least=1.0, most=86_400.0)


def _route(reader: Reader, node: Node) -> WrittenRoute | None:
    row = form_guard.group(reader, node, "A route", "route")
    id = reader.name(row.get("id"), "The id of a route")
    guard = form_guard.guard(reader, row.get("when"), "`when`")
    to, weights = _weighted(reader, row.get("to"))
    spill = reader.names(row.get("spill"), "`spill`", least=0)
    for word in spill:
        if any(word.text == other.text for other in to):
            reader.report(word.at, f"The pool {shown(word.text)} stands in `to` and in `spill`.", "Keep one.")
    on_full = form_guard.group(reader, row.get("on_full"), "`on_full`", "on_full")
    queue_s = reader.duration(on_full.get("queue"), "`queue`", least=0.0, most=600.0)
    only = form_guard.attributes(reader, row.get("only"), "`only`")
    audit = reader.one_of(row.get("audit"), "`audit`", tuple(AuditLevel))
    message = reader.text(row.get("deny"), "`deny`")
    _check_kind(reader, row)
    canary, mirror = (_share(reader, row.get(key), key) for key in ("canary", "mirror"))
    cache_s = cached_for(reader, row.get("cache"), "`cache`")
    if id is None:
        return None
    return WrittenRoute(
        id=id,
        guard=guard,
        at=row.at,
        to=to,
        spill=spill,
        queue_s=queue_s if queue_s is not None else DEFAULT_QUEUE_S,
        deny=message.text if message is not None else None,
        only=only,
        cache_s=cache_s,
        audit=AuditLevel(audit) if audit is not None else AuditLevel.STANDARD,
        canary=canary,
        mirror=mirror,
        weights=weights,
    )


def _check_kind(reader: Reader, row: Fields) -> None:
    if row.nodes and ("to" in row) == ("deny" in row):
        fault = "A route either lists pools or refuses."
        reader.report(row.at, fault, "Write `to: [pool]`, or `deny: a message for the caller`.")
    idle = [f"`{key}`" for key in DESTINATIONS if key in row and key != "to"]
    if "deny" in row and idle:
        fault = "A route that refuses has no pools and no queue."
        reader.report(row.at, fault, f"Remove {', '.join(idle)}.")


def _weighted(reader: Reader, node: Node | None) -> tuple[tuple[Word, ...], tuple[float, ...]]:
    """The pools of `to`, and how the first place is shared out among them if each is written with its weight."""
    if not isinstance(node, Listing) or not any(isinstance(item, Group) for item in node.items):
        return reader.names(node, "`to`"), ()
    pools: list[Word | None] = []
    weights: list[float] = []
    for item in node.items:
        if isinstance(item, Scalar):
            pools.append(reader.name(item, "Each of `to`"))
            reader.report(item.at, "Either every pool of `to` has a weight, or none.", "Write `{pool: …, weight: 0}`.")
            continue
        fields = form_guard.group(reader, item, "A pool with its weight", "weighted")
        pools.append(reader.name(fields.get("pool"), "Each of `to`"))
        weight = reader.number(fields.get("weight"), "`weight`", least=0.0, most=MOST_WEIGHT)
        weights.append(weight if weight is not None else 1.0)
    if weights and not any(weights):
        reader.report(
            node.at, "No pool of `to` has a weight above 0.", "Give one of them a share, or write plain names."
        )
    return reader.each_once(pools, "`to`"), tuple(weights)


def _share(reader: Reader, node: Node | None, key: str) -> WrittenShare | None:
    fields = form_guard.group(reader, node, f"`{key}`", key)
    pool = reader.name(fields.get("pool"), f"The pool of `{key}`")
    percent = reader.number(fields.get("percent"), "`percent`", least=0.0, most=100.0)
    return WrittenShare(pool, percent) if pool is not None and percent is not None else None


def _invariant(reader: Reader, node: Node, ids: list[Word]) -> Invariant | None:
    fields = form_guard.group(reader, node, "An invariant", "invariant")
    id = reader.name(fields.get("id"), "The id of an invariant")
    given = [kind for kind in INVARIANT_KINDS if kind in fields]
    if len(given) != 1 and fields.nodes:
        message = "An invariant states exactly one thing."
        reader.report(fields.at, message, f"Write one of: {', '.join(INVARIANT_KINDS)}.")
    if id is None or len(given) != 1:
        return None
    ids.append(id)
    kind, value = given[0], fields.get(given[0])
    if kind == "never":
        return _never(reader, id.text, value)
    if kind == "only":
        return _only(reader, id.text, value)
    _stated(reader, kind, value)
    return Required(id.text, kind, fields.at)


def _never(reader: Reader, id: str, node: Node | None) -> Never | None:
    fields = form_guard.group(reader, node, "`never`", "never")
    kept_out = form_guard.where(reader, fields)
    if ("zone" in fields) + ("pool" in fields) + (kept_out is not None) != 1:
        mend = f"Write `zone: cloud` or `pool: …`, or what a pool must not be: {', '.join(ATTRIBUTES)}."
        reader.report(fields.at, "`never` names exactly one place.", mend)
        return None
    zone = reader.name(fields.get("zone"), "`zone`")
    pool = reader.name(fields.get("pool"), "`pool`")
    return Never(id, form_guard.asked(reader, fields), zone, pool, kept_out)


def _only(reader: Reader, id: str, node: Node | None) -> Only | None:
    fields = form_guard.group(reader, node, "`only`", "only")
    demanded = form_guard.where(reader, fields)
    if demanded is None:
        mend = f"Write one or more of: {', '.join(ATTRIBUTES)}."
        reader.report(fields.at, "`only` says what every pool must be.", mend)
        return None
    return Only(id, form_guard.asked(reader, fields), demanded)


def _stated(reader: Reader, kind: str, node: Node | None) -> None:
    if kind == "total" and reader.flag(node, "`total`") is False:
        reader.report(_at(node), "`total` can only be `true`.", "Remove the invariant.")
    elif kind == "reachable":
        reader.one_of(node, "`reachable`", ("all_routes",))
    elif kind == "client":
        reader.one_of(node, "`client`", ("may_not_steer",))
    elif kind == "monotone":
        stated = form_guard.group(reader, node, "`monotone`", "monotone")
        for word in form_guard.one_or_more(reader, stated.get("raising"), "`raising`"):
            if word.text not in RAISED:
                known = ", ".join(RAISED)
                reader.report(word.at, f"`raising` must be one or more of: {known}.", did_you_mean(word.text, RAISED))
        reader.one_of(stated.get("may_not_add"), "`may_not_add`", ("cloud",))


def _at(node: Node | None) -> Place:
    return node.at if node is not None else Place("")
