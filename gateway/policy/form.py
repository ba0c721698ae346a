"""From a policy's tree to `document.WrittenPolicy`: keys, shapes, numbers and words with a fixed meaning.

The whole file and what it says of labels, zones and models; routes and invariants are `form_rows.py`'s, what they ask
`form_guard.py`'s. Every fault of form is reported, with what belongs to the language but not yet to this build. Whether
names refer to something and whether the whole makes sense is `compile.py`'s.
"""

import re
import unicodedata
from ipaddress import ip_network
from types import MappingProxyType
from typing import Final
from unicodedata import normalize

from gateway.core.complexity import USUAL_BANDS, Bands
from gateway.core.findings import Tier
from gateway.core.reading import Fields, Reader, Word, shown
from gateway.core.topology import Network, Tls, Zone
from gateway.core.written import Document, Group, Listing, Node, Place, Scalar, exact
from gateway.policy import form_guard, form_rows
from gateway.policy.document import (
    CARRIERS,
    NONE,
    HistoryMode,
    WrittenAlias,
    WrittenPolicy,
    WrittenRule,
)
from gateway.policy.keys import EVIDENCE_KINDS

# Besides Unicode's format characters: what is drawn as nothing, and what only changes how its neighbour is drawn.
_UNSEEN: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)
# The shortest prefix that somebody can have at home: 10.0.0.0/8 and fc00::/7.
_WIDEST_HOME: Final = MappingProxyType({4: 8, 6: 7})
_OFFSET: Final = re.compile(r"([+-])(0[0-9]|1[0-4]):([0-5][0-9])")


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
            place = form_guard.place(top, "restores")
            reader.report(place, "`restores` must name an earlier version than `version`.", "Raise `version`.")
        labels = reader.names(top.get("labels"), "`labels`")
        for label in labels:
            if label.text == NONE:
                reader.report(label.at, "A label cannot have this name.", "Choose another word.")
        evidence = self._fields(top.get("label"), "`label`", "label")
        history = reader.one_of(evidence.get("history"), "`label.history`", tuple(HistoryMode))
        return WrittenPolicy(
            at=root.at,
            digest_of=exact(root),
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
            routes=form_rows.routes(reader, top.get("routes")),
            cache=self._cache(top.get("cache")),
            invariants=form_rows.invariants(reader, top.get("invariants")),
            history=HistoryMode(history) if history is not None else HistoryMode.MARKED,
            utc_offset_min=self._utc_offset(top.get("time_zone")),
            models_at=_place_of(evidence.get("tiers"), Tier.NER),
            bands=self._bands(top.get("complexity")),
        )

    def _fields(self, node: Node | None, what: str, group: str) -> Fields:
        return form_guard.group(self._reader, node, what, group)

    def _utc_offset(self, node: Node | None) -> int:
        word = self._reader.text(node, "`time_zone`")
        found = _OFFSET.fullmatch(word.text) if word is not None else None
        if found is not None:
            minutes = int(found[2]) * 60 + int(found[3])
            return minutes if found[1] == "+" else -minutes
        if word is not None:
            message = "`time_zone` must be a fixed distance from UTC."
            mend = (
                'Write `time_zone: "+08:00"`; a clock that is put forward in summer takes two versions of the policy.'
            )
            self._reader.report(word.at, message, mend)
        return 0

    def _bands(self, node: Node | None) -> Bands:
        if node is None:
            return USUAL_BANDS
        reader = self._reader
        fields = self._fields(node, "`complexity`", "complexity")
        simple = reader.number(fields.get("simple_below"), "`simple_below`", least=0.0, most=1.0)
        hard = reader.number(fields.get("hard_from"), "`hard_from`", least=0.0, most=1.0)
        bands = Bands(
            simple if simple is not None else USUAL_BANDS.simple, hard if hard is not None else USUAL_BANDS.hard
        )
        if bands.hard < bands.simple:
            message = f"`hard_from` ({bands.hard:g}) is below `simple_below` ({bands.simple:g})."
            reader.report(fields.at, message, "Between the two is medium: raise `hard_from` or lower `simple_below`.")
        return bands

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
            if self._reader.reference(item, "The tier", tuple(Tier)) is not None:
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
                form_guard.place(rule, "min_score"), "A marker is there or not: it has no score.", "Remove `min_score`."
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
            elif word is not None and (unseen := _unseen(word.text)):
                # The scanner takes them out of what it reads, so that such a marker would match next to nothing.
                message = f"The marker holds the character U+{ord(unseen):04X}, which nobody can see."
                self._reader.report(word.at, message, "Type the marker anew, without it.")
            elif word is not None:
                # As the scanner reads text: full-width, ligatures and combining marks are what they stand for.
                found.append(Word(" ".join(normalize("NFKC", word.text).split()), word.at))
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
            if is_home and network.prefixlen < _WIDEST_HOME[network.version]:
                message = "This is more of the Internet than anybody owns: it cannot be in the zone `onprem`."
                reader.report(word.at, message, "List the networks that are yours.")
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

    # The rest

    def _cache(self, node: Node | None) -> tuple[tuple[Word, float], ...]:
        found = []
        for label, value in self._reader.entries(node, "`cache`"):
            seconds = form_rows.cached_for(self._reader, value, f"`cache.{label.text}`")
            if seconds is not None:
                found.append((label, seconds))
        return tuple(found)


def _place_of(node: Node | None, tier: Tier) -> Place | None:
    """Where `tier` is named, if it is."""
    items = node.items if isinstance(node, Listing) else ()
    return next((item.at for item in items if isinstance(item, Scalar) and item.text == tier), None)


def _unseen(text: str) -> str:
    """The first character of `text` that nobody can see; empty if there is none."""
    return next((one for one in text if unicodedata.category(one) == "Cf" or _UNSEEN.match(one)), "")
