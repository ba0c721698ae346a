"""What a new policy changes: the facts that are decided differently, the evidence that gets another label, the places.

`diff(old, new)` compares two policies that were compiled with their pools and tenants; `Diff.new_cloud_access` is for
a gate: it is true if any request could now get to a place outside the building that it could not get to before, and
also wherever that cannot be told. Facts are compared under the same label name; where the same evidence gets labels of
different names, the two labels are compared as well, so that a lowered rule or a renamed label hides nothing; and a
tenant in another class is compared across the two classes.
`diff_text.said` and `diff_text.as_json` put the result into words.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from gateway.core.topology import Network, Tls, Zone
from gateway.policy import diff_labels
from gateway.policy.answers import Allowed, Answer, Destination, cloud, destination, pools_of
from gateway.policy.compiled import CompiledPolicy, CompiledPool, Fact
from gateway.policy.diff_labels import Attested, Circumstance, Combined, FullScans, Grounds, Labelling, Pair
from gateway.policy.diff_tenants import NOBODY, Moved, TenantClasses, moved, with_asking, with_attested, with_classes
from gateway.policy.diff_walk import MOST_NODES, Shared, TooLarge, Walked, shared_labels, walk
from gateway.policy.regions import Region, region_of

NO_ONE: Final[Attested] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Change:
    """Facts that were answered one way and become answered another. `gained` are places outside the building."""

    was: Answer
    becomes: Answer
    regions: tuple[Region, ...]

    @property
    def gained(self) -> tuple[Destination, ...]:
        """The places outside the building that these facts now get to."""
        return _sorted(cloud(self.becomes) - cloud(self.was))

    @property
    def moves(self) -> bool:
        """Whether other pools are named, or in another order; if not, only terms differ, such as the queue."""
        return _places(self.was) != _places(self.becomes)


@dataclass(frozen=True, slots=True)
class LabelChange:
    """Evidence that gets another label, by name. `opens` are changes that follow from it and gain a place outside."""

    grounds: Grounds
    was: str
    becomes: str
    is_lower: bool | None
    opens: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class PlaceChange:
    """A pool of both policies that is somewhere else than it was, or in other hands."""

    was: Destination
    becomes: Destination


@dataclass(frozen=True, slots=True)
class ZoneChange:
    """A zone whose networks or TLS differ. `is_wider` says that it lets in peers that it did not."""

    zone: str
    is_wider: bool


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something that cannot be told, and so counts as new access. `subject` is what the sentence is about."""

    reason: str
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Diff:
    """Everything that differs.

    `only_old` and `only_new` are labels, `dropped` the invariants that are gone, `moved` the tenants in another class;
    what becomes of them stands in `changes` and `labels` under that move's own class. `pools` are those of both, as the
    new policy has them; `utc_offset_min` is that of its time windows. `knows_classes` says that both were compiled with
    tenants.yaml, so that there is no other class.
    """

    changes: tuple[Change, ...]
    labels: tuple[LabelChange, ...]
    places: tuple[PlaceChange, ...]
    zones: tuple[ZoneChange, ...]
    only_old: tuple[str, ...]
    only_new: tuple[str, ...]
    dropped: tuple[str, ...]
    is_reordered: bool
    unknown: tuple[Unknown, ...]
    pools: tuple[CompiledPool, ...]
    knows_classes: bool
    utc_offset_min: int
    moved: tuple[Moved, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether every request is decided as before."""
        return not (self.changes or self.labels or self.zones or self.unknown or self.is_reordered)

    @property
    def new_cloud_access(self) -> bool:
        """Whether any request may get to a place outside the building that it could not get to; in doubt, yes."""
        return (
            bool(self.unknown)
            or any(change.gained for change in self.changes)
            or any(change.opens for change in self.labels)
            or any(zone.is_wider for zone in self.zones)
        )


def diff(
    old: CompiledPolicy,
    new: CompiledPolicy,
    attested: tuple[Attested, Attested] = (NO_ONE, NO_ONE),
    tenants: tuple[TenantClasses, TenantClasses] = (NOBODY, NOBODY),
    full_scans: tuple[FullScans, FullScans] = (frozenset(), frozenset()),
    *,
    most_nodes: int = MOST_NODES,
) -> Diff:
    """How `new` differs from `old`. `attested` is what the classes of either tenants.yaml vouch for, `tenants` who is
    in them, `full_scans` which of them ask for the models always."""
    moves = moved(*tenants)
    left, come_to = {move.name: move.was for move in moves}, {move.name: move.becomes for move in moves}
    old, new = with_classes(old, left), with_classes(new, come_to)
    attested = with_attested(attested[0], left), with_attested(attested[1], come_to)
    unknown = [*_unplaced("old", old), *_unplaced("new", new)]
    asking = with_asking(full_scans[0], left), with_asking(full_scans[1], come_to)
    labelling = diff_labels.compare(old, new, attested, asking)
    unknown += [Unknown("untried", ", ".join(entities)) for entities in labelling.untried]
    unknown += _moved_bands(old, new)
    try:
        walked = walk(old, new, shared_labels(old, new), most_nodes=most_nodes)
        changes = _changes(walked)
        opened = _opened(old, new, labelling, most_nodes)
    except TooLarge:
        changes, opened = (), _Opened()
        unknown.append(Unknown("too_large"))
    else:
        unknown += [Unknown("cut")] if walked.is_cut or opened.is_cut else []
    both = [name for name in old.order.names if name in new.order.names]
    return Diff(
        changes=changes,
        labels=_label_changes(old, new, labelling, opened),
        places=_place_changes(old, new),
        zones=_zone_changes(old.zones, new.zones),
        only_old=tuple(name for name in old.order.names if name not in new.order.names),
        only_new=tuple(name for name in new.order.names if name not in old.order.names),
        dropped=tuple(sorted({stated.id for stated in old.invariants} - {stated.id for stated in new.invariants})),
        is_reordered=both != [name for name in new.order.names if name in old.order.names],
        unknown=tuple(unknown),
        pools=tuple({pool.name: pool for pool in (*pools_of(old), *pools_of(new))}.values()),
        knows_classes=bool(old.class_ceilings and new.class_ceilings),
        utc_offset_min=new.utc_offset_min,
        moved=moves,
    )


def _unplaced(which: str, compiled: CompiledPolicy) -> Iterable[Unknown]:
    """Compiled without pools.yaml a policy refuses everything: nothing can be learnt from that."""
    if any(not pool.zone for pool in pools_of(compiled)):
        yield Unknown(f"no_pools_{which}")


def _moved_bands(old: CompiledPolicy, new: CompiledPolicy) -> Iterable[Unknown]:
    """The same request may be of another band now, and rows are compared within one band: nobody can say which."""
    if old.bands != new.bands and old.asks_complexity and new.asks_complexity:
        was, becomes = (f"{bands.simple:g}, {bands.hard:g}" for bands in (old.bands, new.bands))
        yield Unknown("bands", f"{was} → {becomes}")


# Facts


def _changes(walked: Walked) -> tuple[Change, ...]:
    """The differences with their regions, those that open something first, then those that move something."""
    regions: dict[int, list[Region]] = {}
    for box in walked.boxes:
        regions.setdefault(box.kind, []).append(region_of(walked.axes, box))
    changes = [Change(*walked.differences[kind], tuple(found)) for kind, found in regions.items()]
    return tuple(sorted(changes, key=lambda change: (not change.gained, not change.moves)))


def _places(answer: Answer) -> tuple[tuple[Destination, ...], ...]:
    if isinstance(answer, Allowed):
        shares = [(share,) if share is not None else () for share in (answer.canary, answer.mirror)]
        return answer.to, answer.spill, *shares
    return ()


# Labels


@dataclass(frozen=True, slots=True)
class _Opening:
    """Facts that gain a place outside the building if their label differs as `pair` says."""

    pair: Pair
    tenant_classes: frozenset[str]
    was: Answer
    becomes: Answer
    region: Region


@dataclass(frozen=True, slots=True)
class _Opened:
    """Every opening."""

    openings: tuple[_Opening, ...] = ()
    is_cut: bool = False

    def changes(self, pair: Pair, tenant_class: str | None = None) -> tuple[Change, ...]:
        """What `pair` opens, for one tenant class if it is given."""
        found: dict[tuple[Answer, Answer], list[Region]] = {}
        for opening in self.openings:
            if opening.pair == pair and (tenant_class is None or tenant_class in opening.tenant_classes):
                found.setdefault((opening.was, opening.becomes), []).append(opening.region)
        return tuple(Change(was, becomes, tuple(regions)) for (was, becomes), regions in found.items())


def _opened(old: CompiledPolicy, new: CompiledPolicy, labelling: Labelling, most_nodes: int) -> _Opened:
    every = labelling.pairs.union(*labelling.of_class.values())
    pairs = [pair for pair in sorted(every) if old.order.name(pair[0]) != new.order.name(pair[1])]
    labels = [Shared(f"{old.order.name(was)} {new.order.name(becomes)}", was, becomes) for was, becomes in pairs]
    walked = walk(old, new, labels, most_nodes=most_nodes)
    place = {axis.fact: index for index, axis in enumerate(walked.axes) if axis.fact in (Fact.LABEL, Fact.TENANT_CLASS)}
    of_class, of_label = place[Fact.TENANT_CLASS], place[Fact.LABEL]
    openings = []
    for box in walked.boxes:
        was, becomes = walked.differences[box.kind]
        if not cloud(becomes) - cloud(was):
            continue
        # The label is said apart from the region.
        whole = replace(box, masks=(*box.masks[:of_label], walked.axes[of_label].full, *box.masks[of_label + 1 :]))
        classes = frozenset(walked.axes[of_class].chosen(box.masks[of_class]))
        for index, pair in enumerate(pairs):
            if box.masks[of_label] >> index & 1:
                openings.append(_Opening(pair, classes, was, becomes, region_of(walked.axes, whole)))
    return _Opened(tuple(openings), walked.is_cut)


def _label_changes(
    old: CompiledPolicy, new: CompiledPolicy, labelling: Labelling, opened: _Opened
) -> tuple[LabelChange, ...]:
    found: list[tuple[Grounds, Pair, tuple[Change, ...]]] = []
    for change in labelling.changes:
        match change.grounds:
            case Circumstance(kind="attested" | "unread", name=tenant_class):
                found.append((change.grounds, change.pair, opened.changes(change.pair, tenant_class)))
            case grounds:
                found.append((grounds, change.pair, opened.changes(change.pair)))
    shown = {place for _, _, changes in found for change in changes for place in change.gained}
    # Only what no ground alone explains is said of combinations.
    combined: list[tuple[Pair, str | None]] = [(pair, None) for pair in sorted(labelling.pairs)]
    combined += [(pair, name) for name, pairs in labelling.of_class.items() for pair in sorted(pairs)]
    for pair, name in combined:
        changes = opened.changes(pair, name)
        if not {place for change in changes for place in change.gained} <= shown:
            found.append((Combined(), pair, changes))
    said = [_label_change(old, new, *one) for one in found]
    return tuple(sorted(said, key=lambda change: (not change.opens, not change.is_lower)))


def _label_change(
    old: CompiledPolicy, new: CompiledPolicy, grounds: Grounds, pair: Pair, opens: tuple[Change, ...]
) -> LabelChange:
    was, becomes = old.order.name(pair[0]), new.order.name(pair[1])
    is_known = was in new.order.names and becomes in old.order.names
    is_lower = new.order.rank(becomes) < new.order.rank(was) if is_known else None
    return LabelChange(grounds, was, becomes, is_lower, opens)


# Places


def _place_changes(old: CompiledPolicy, new: CompiledPolicy) -> tuple[PlaceChange, ...]:
    before = {pool.name: destination(pool) for pool in pools_of(old)}
    after = [destination(pool) for pool in pools_of(new)]
    return tuple(
        PlaceChange(before[place.pool], place)
        for place in after
        if place.pool in before and before[place.pool] != place
    )


def _zone_changes(old: Mapping[str, Zone], new: Mapping[str, Zone]) -> tuple[ZoneChange, ...]:
    return tuple(
        ZoneChange(name, _is_wider(zone, new[name])) for name, zone in old.items() if name in new and new[name] != zone
    )


def _is_wider(old: Zone, new: Zone) -> bool:
    loosens_tls = old.tls is Tls.REQUIRED and new.tls is not Tls.REQUIRED
    if loosens_tls or (new.unix and not old.unix) or old.networks is None:
        return loosens_tls or (new.unix and not old.unix)
    if new.networks is None:
        return True
    return any(not any(_is_within(network, other) for other in old.networks) for network in new.networks)


def _is_within(network: Network, other: Network) -> bool:
    return (
        network.version == other.version
        and int(other.network_address) <= int(network.network_address)
        and int(network.broadcast_address) <= int(other.broadcast_address)
    )


def _sorted(places: Iterable[Destination]) -> tuple[Destination, ...]:
    return tuple(sorted(places, key=lambda place: place.pool))
