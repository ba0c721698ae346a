"""From a policy's tree to `document.WrittenPolicy`: keys, shapes, numbers and words with a fixed meaning.

Every fault of form is reported here, with what belongs to the language but not yet to this build. Whether names refer
to something and whether the whole makes sense is `compile.py`'s.
"""

from collections.abc import Mapping
from ipaddress import ip_network
from types import MappingProxyType
from typing import Final

from gateway.core.facts import Capability, Complexity
from gateway.core.findings import Tier
from gateway.core.reading import Fields, Reader, Word, shown
from gateway.core.topology import Network, Tls, Zone
from gateway.core.written import Document, Group, Listing, Node, Place, Scalar, canonical
from gateway.policy.document import (
    CARRIERS,
    DEFAULT_QUEUE_S,
    NONE,
    Invariant,
    Never,
    Required,
    WrittenAlias,
    WrittenGuard,
    WrittenPolicy,
    WrittenRoute,
    WrittenRule,
)

COMPARISONS: Final = (">=", "<=", "==", ">", "<")
WHEN: Final = ("label", "complexity", "tenant_class", "capability", "model")
WHEN_LATER: Final = frozenset({"modality", "time", "context", "pressure", "budget", "history", "taint"})
EVIDENCE_KINDS: Final = ("any_of", "all_of", "count", "marker")
INVARIANT_KINDS: Final = ("never", "monotone", "total", "reachable")
KEYS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "policy": (
            *("apiVersion", "version", "restores", "labels", "cloud_ceiling", "label", "zones", "models", "routes"),
            *("cache", "invariants"),
        ),
        "label": ("default", "unscanned", "unmapped", "may_leave", "rules", "carriers", "tiers"),
        "rule": (*EVIDENCE_KINDS, "min_score", "label"),
        "zone": ("networks", "tls"),
        "model": ("pools",),
        "route": ("id", "when", "to", "spill", "on_full", "deny"),
        "when": WHEN,
        "on_full": ("queue",),
        "invariant": ("id", *INVARIANT_KINDS),
        "never": (*WHEN, "zone", "pool"),
        "monotone": ("raising", "may_not_add"),
    }
)
"""The keys of each group. `schema.py` is made from the same table."""

REQUIRED: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "policy": ("apiVersion", "version", "labels", "cloud_ceiling", "label", "zones", "models", "routes"),
        "label": ("default", "unscanned", "unmapped", "rules"),
        "rule": ("label",),
        "zone": ("networks",),
        "model": ("pools",),
        "route": ("id", "when"),
        "when": (),
        "on_full": ("queue",),
        "invariant": ("id",),
        "never": (),
        "monotone": ("raising", "may_not_add"),
    }
)
ROUTE_LATER: Final = frozenset({"cache", "audit", "mirror", "canary", "processor", "residency", "agreement"})
MASK_RESERVED: Final = (
    "`mask` is reserved: this gateway cannot mask yet, and a policy that counts on it would let text out unmasked."
)


def read(document: Document, reader: Reader) -> WrittenPolicy:
    """The policy in `document`; everything that is wrong with its form goes to `reader`."""
    return _PolicyReader(reader).policy(document.root)


class _PolicyReader:
    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def policy(self, root: Node) -> WrittenPolicy:
        reader = self._reader
        top = self._fields(root, "The policy", "policy")
        reader.api_version(top)
        version = reader.integer(top.get("version"), "`version`", least=1, most=10**12)
        restores = reader.integer(top.get("restores"), "`restores`", least=1, most=10**12)
        if version is not None and restores is not None and restores >= version:
            place = _place(top, "restores")
            reader.report(place, "`restores` must name an earlier version than `version`.", "Raise `version`.")
        labels = reader.names(top.get("labels"), "`labels`")
        for label in labels:
            if label.text == NONE:
                reader.report(label.at, "A label cannot have this name.", "Choose another word.")
        evidence = self._fields(top.get("label"), "`label`", "label")
        return WrittenPolicy(
            at=root.at,
            digest_of=canonical(root),
            version=version,
            restores=restores,
            labels=labels,
            cloud_ceiling=reader.name(top.get("cloud_ceiling"), "`cloud_ceiling`"),
            default=reader.name(evidence.get("default"), "`label.default`"),
            unscanned=reader.name(evidence.get("unscanned"), "`label.unscanned`"),
            unmapped=reader.name(evidence.get("unmapped"), "`label.unmapped`"),
            may_leave=reader.names(evidence.get("may_leave"), "`label.may_leave`", least=0),
            carriers=self._carriers(evidence.get("carriers")),
            tiers=self._tiers(evidence.get("tiers")),
            rules=tuple(self._rule(node) for node in reader.items(evidence.get("rules"), "`label.rules`", least=0)),
            zones=self._zones(top.get("zones")),
            aliases=self._aliases(top.get("models")),
            routes=self._routes(top.get("routes")),
            cache=self._cache(top.get("cache")),
            invariants=self._invariants(top.get("invariants")),
        )

    def _fields(self, node: Node | None, what: str, group: str) -> Fields:
        return self._reader.fields(node, what, KEYS[group], REQUIRED[group])

    # Evidence

    def _carriers(self, node: Node | None) -> tuple[tuple[Word, Word], ...]:
        found = []
        for carrier, value in self._reader.entries(node, "`label.carriers`"):
            self._reader.reference(carrier, "The carrier", CARRIERS)
            label = self._reader.name(value, f"The label of {shown(carrier.text)}")
            if label is not None:
                found.append((carrier, label))
        return tuple(found)

    def _tiers(self, node: Node | None) -> tuple[Tier, ...]:
        if node is None:
            return (Tier.STRUCTURED, Tier.NAMES)
        found = []
        for item in self._reader.names(node, "`label.tiers`"):
            if item.text == Tier.NER:
                message = "The tier `ner` cannot be required: this build has none, so nothing could ever leave."
                self._reader.report(item.at, message, "Remove it until the model tier is there.")
            elif self._reader.reference(item, "The tier", tuple(Tier)) is not None:
                found.append(Tier(item.text))
        return tuple(found)

    def _rule(self, node: Node) -> WrittenRule:
        reader = self._reader
        rule = self._fields(node, "A label rule", "rule")
        given = [kind for kind in EVIDENCE_KINDS if kind in rule]
        if len(given) != 1 and rule.nodes:
            message = "A label rule names exactly one kind of evidence."
            reader.report(
                rule.at, message, f"Write one of: {', '.join(EVIDENCE_KINDS)}; split the rule if it needs two."
            )
        if "marker" in rule and "min_score" in rule:
            reader.report(
                _place(rule, "min_score"), "A marker is there or not: it has no score.", "Remove `min_score`."
            )
        score = reader.number(rule.get("min_score"), "`min_score`", least=0.0, most=1.0)
        return WrittenRule(
            label=reader.name(rule.get("label"), "The label of a rule"),
            at=rule.at,
            any_of=reader.names(rule.get("any_of"), "`any_of`"),
            all_of=reader.names(rule.get("all_of"), "`all_of`"),
            counts=self._counts(rule.get("count")),
            markers=self._markers(rule.get("marker")),
            min_score=score if score is not None else 0.0,
        )

    def _counts(self, node: Node | None) -> tuple[tuple[Word, int], ...]:
        found = []
        for entity, value in self._reader.entries(node, "`count`"):
            least = self._reader.integer(value, f"The number of {shown(entity.text)}", least=1, most=1_000_000)
            if least is not None:
                found.append((entity, least))
        if isinstance(node, Group) and not node.entries:
            self._reader.report(node.at, "`count` must not be empty.", "Write `count: {CN_MOBILE: 5}`.")
        return tuple(found)

    def _markers(self, node: Node | None) -> tuple[Word, ...]:
        found = []
        for item in self._reader.items(node, "`marker`"):
            word = self._reader.text(item, "A marker")
            if word is not None and len(word.text) > 200:
                self._reader.report(word.at, "A marker is longer than 200 characters.", "Shorten it.")
            elif word is not None:
                found.append(Word(" ".join(word.text.split()), word.at))
        return self._reader.each_once(found, "`marker`")

    # Places

    def _zones(self, node: Node | None) -> tuple[tuple[Zone, Word], ...]:
        reader = self._reader
        found = []
        for name, value in reader.entries(node, "`zones`"):
            zone = self._fields(value, f"The zone {shown(name.text)}", "zone")
            is_home = name.text == "onprem"
            networks, unix = self._networks(zone.get("networks"), is_home=is_home)
            tls = reader.one_of(zone.get("tls"), "`tls`", tuple(Tls))
            default = Tls.OPTIONAL if is_home else Tls.REQUIRED
            found.append((Zone(name.text, networks, Tls(tls) if tls is not None else default, unix), name))
        return tuple(found)

    def _networks(self, node: Node | None, *, is_home: bool) -> tuple[tuple[Network, ...] | None, bool]:
        reader = self._reader
        nodes = reader.items(node, "`networks`") if isinstance(node, Listing) else (node,) if node is not None else ()
        words = [word for item in nodes if (word := reader.text(item, "A network")) is not None]
        networks: list[Network] = []
        for word in words:
            if word.text in ("any", "unix"):
                continue
            try:
                network = ip_network(word.text)
            except ValueError:
                message = "This is not a network."
                reader.report(word.at, message, "Write `10.0.0.0/8`, `::1/128`, `unix`, or `any`; host bits must be 0.")
                continue
            networks.append(network)
            if is_home and network.prefixlen == 0:
                reader.report(word.at, "The zone `onprem` cannot be every address there is.", "List its networks.")
        is_any = next((word for word in words if word.text == "any"), None)
        if is_any is not None and is_home:
            reader.report(is_any.at, "The zone `onprem` cannot be `any` network.", "List the networks that are yours.")
        return None if is_any is not None else tuple(networks), any(word.text == "unix" for word in words)

    def _aliases(self, node: Node | None) -> tuple[WrittenAlias, ...]:
        found = []
        for name, value in self._reader.entries(node, "`models`", wildcard=True):
            alias = self._fields(value, f"The model {shown(name.text)}", "model")
            found.append(WrittenAlias(name, self._reader.names(alias.get("pools"), "`pools`")))
        if isinstance(node, Group) and not node.entries:
            self._reader.report(node.at, "`models` must not be empty.", "Write `chat: {pools: [home]}`.")
        return tuple(found)

    # Routes

    def _routes(self, node: Node | None) -> tuple[WrittenRoute, ...]:
        routes = [self._route(item) for item in self._reader.items(node, "`routes`")]
        self._reader.each_once([route.id for route in routes if route is not None], "the ids of `routes`")
        return tuple(route for route in routes if route is not None)

    def _route(self, node: Node) -> WrittenRoute | None:
        reader = self._reader
        row = self._fields(self._supported(node, ROUTE_LATER, "A route"), "A route", "route")
        id = reader.name(row.get("id"), "The id of a route")
        guard = self._guard(row.get("when"), "`when`")
        to = reader.names(row.get("to"), "`to`")
        spill = reader.names(row.get("spill"), "`spill`", least=0)
        for word in spill:
            if any(word.text == other.text for other in to):
                reader.report(word.at, f"The pool {shown(word.text)} stands in `to` and in `spill`.", "Keep one.")
        on_full = self._fields(row.get("on_full"), "`on_full`", "on_full")
        queue_s = reader.duration(on_full.get("queue"), "`queue`", least=0.0, most=600.0)
        message = reader.text(row.get("deny"), "`deny`")
        if row.nodes and ("to" in row) == ("deny" in row):
            fault = "A route either lists pools or refuses."
            reader.report(row.at, fault, "Write `to: [pool]`, or `deny: a message for the caller`.")
        if "deny" in row and ("spill" in row or "on_full" in row):
            reader.report(row.at, "A route that refuses has no pools and no queue.", "Remove `spill` and `on_full`.")
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
        )

    def _supported(self, node: Node | None, later: frozenset[str], what: str) -> Node | None:
        """`node` without the keys that belong to the language and not yet to this build; those are reported."""
        if not isinstance(node, Group):
            return node
        kept = []
        for key, value in node.entries:
            if key.text == "mask":
                self._reader.report(key.at, MASK_RESERVED, "Remove it.")
            elif key.text in later:
                message = f"{what} with `{key.text}` is not supported by this build yet."
                self._reader.report(key.at, message, "Remove it, or use a build that lists it.")
            else:
                kept.append((key, value))
        return Group(tuple(kept), node.at)

    def _guard(self, node: Node | None, what: str) -> WrittenGuard:
        reader = self._reader
        guard = self._fields(self._supported(node, WHEN_LATER, what), what, "when")
        return WrittenGuard(
            at=guard.at,
            label=self._comparison(guard.get("label")),
            complexities=tuple(
                Complexity(word.text)
                for word in self._one_or_more(guard.get("complexity"), "`complexity`")
                if reader.reference(word, "The complexity", tuple(Complexity)) is not None
            ),
            tenant_classes=self._one_or_more(guard.get("tenant_class"), "`tenant_class`"),
            capabilities=tuple(
                Capability(word.text)
                for word in self._one_or_more(guard.get("capability"), "`capability`")
                if reader.reference(word, "The capability", tuple(Capability)) is not None
            ),
            models=self._one_or_more(guard.get("model"), "`model`", wildcard=True),
            is_total=isinstance(node, Group) and not node.entries,
        )

    def _one_or_more(self, node: Node | None, what: str, *, wildcard: bool = False) -> tuple[Word, ...]:
        if isinstance(node, Listing):
            return self._reader.names(node, what, wildcard=wildcard)
        word = self._reader.name(node, what, wildcard=wildcard)
        return (word,) if word is not None else ()

    def _comparison(self, node: Node | None) -> tuple[str, Word] | None:
        word = self._reader.text(node, "`label`")
        if word is None:
            return None
        for sign in COMPARISONS:
            if word.text.startswith(sign):
                return sign, Word(word.text.removeprefix(sign).strip(), word.at)
        mend = (
            f'Write `label: ">= {word.text}"`' if shown(word.text).startswith("`") else 'Write `label: ">= internal"`'
        )
        self._reader.report(word.at, "A label is compared by >=, <=, ==, > or <.", f"{mend}, for example.")
        return None

    # The rest

    def _cache(self, node: Node | None) -> tuple[tuple[Word, float], ...]:
        found = []
        for label, value in self._reader.entries(node, "`cache`"):
            if isinstance(value, Scalar) and value.text == "never":
                found.append((label, 0.0))
                continue
            seconds = self._reader.duration(value, f"`cache.{label.text}`", least=1.0, most=86_400.0)
            if seconds is not None:
                found.append((label, seconds))
        return tuple(found)

    def _invariants(self, node: Node | None) -> tuple[Invariant, ...]:
        items = self._reader.items(node, "`invariants`", least=0)
        ids: list[Word] = []
        found = [invariant for item in items if (invariant := self._invariant(item, ids)) is not None]
        self._reader.each_once(ids, "the ids of `invariants`")
        return tuple(found)

    def _invariant(self, node: Node, ids: list[Word]) -> Invariant | None:
        reader = self._reader
        fields = self._fields(node, "An invariant", "invariant")
        id = reader.name(fields.get("id"), "The id of an invariant")
        given = [kind for kind in INVARIANT_KINDS if kind in fields]
        if len(given) != 1 and fields.nodes:
            reader.report(
                fields.at, "An invariant states exactly one thing.", f"Write one of: {', '.join(INVARIANT_KINDS)}."
            )
        if id is None or len(given) != 1:
            return None
        ids.append(id)
        value = fields.get(given[0])
        if given[0] == "never":
            return self._never(id.text, value)
        self._stated(given[0], value)
        return Required(id.text, given[0], fields.at)

    def _never(self, id: str, node: Node | None) -> Never | None:
        reader = self._reader
        fields = self._fields(self._supported(node, WHEN_LATER, "`never`"), "`never`", "never")
        if ("zone" in fields) == ("pool" in fields):
            reader.report(fields.at, "`never` names exactly one place.", "Write `zone: cloud` or `pool: …`.")
            return None
        guarding = Group(tuple(entry for entry in _entries(node) if entry[0].text in WHEN), fields.at)
        guard = self._guard(guarding, "`never`")
        return Never(id, guard, reader.name(fields.get("zone"), "`zone`"), reader.name(fields.get("pool"), "`pool`"))

    def _stated(self, kind: str, node: Node | None) -> None:
        reader = self._reader
        if kind == "total" and reader.flag(node, "`total`") is False:
            reader.report(_at(node), "`total` can only be `true`.", "Remove the invariant.")
        elif kind == "reachable":
            reader.one_of(node, "`reachable`", ("all_routes",))
        elif kind == "monotone":
            stated = self._fields(node, "`monotone`", "monotone")
            reader.one_of(stated.get("raising"), "`raising`", ("label",))
            reader.one_of(stated.get("may_not_add"), "`may_not_add`", ("cloud",))


def _place(fields: Fields, key: str) -> Place:
    node = fields.get(key)
    return node.at if node is not None else fields.at


def _at(node: Node | None) -> Place:
    return node.at if node is not None else Place("")


def _entries(node: Node | None) -> tuple[tuple[Scalar, Node], ...]:
    return node.entries if isinstance(node, Group) else ()
