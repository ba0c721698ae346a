"""What a bundle lets out, as the few values that need a second pair of eyes when one of them rises.

Ceilings, clearances, what findings may leave, and the labels that stand where nothing is known. By their names, so that
two bundles with different orders of labels can be compared; an order that changed is told as such. Pure.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum

import msgspec

from gateway.core.facts import Tenant
from gateway.core.topology import Topology, Zone
from gateway.policy.compiled import CompiledPolicy

NONE = "none"
"""Below every label: nothing leaves."""


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`ceilings` of tenant classes, `clearances` of pools in the cloud and at home, `attested` by class. `labels` are
    lowest first; a ceiling of `none` lets nothing out. `tenants` are the classes of all tenants, empty in what was
    written before anybody asked. `bands` is where scores of complexity part, empty where no row asks for complexity,
    and in what was written before anybody asked."""

    labels: tuple[str, ...]
    cloud_ceiling: str
    ceilings: dict[str, str]
    clearances: dict[str, str]
    in_cloud: tuple[str, ...]
    may_leave: tuple[str, ...]
    default: str
    unscanned: str
    unmapped: str
    carriers: dict[str, str]
    attested: dict[str, str]
    tenants: dict[str, str] = {}
    bands: tuple[float, ...] = ()


class Kind(StrEnum):
    """What rose."""

    LABELS = "labels"  # the order of the labels is another, so nothing else can be compared
    CLOUD_CEILING = "cloud_ceiling"
    CLASS_CEILING = "class_ceiling"
    CLEARANCE = "clearance"
    ZONE = "zone"  # a pool that was at home is in the cloud
    MAY_LEAVE = "may_leave"
    KNOWN_NOTHING = "known_nothing"  # what counts where nothing was found, scanned or named is lower
    CARRIER = "carrier"  # a kind of part that nobody can read counts as less
    ATTESTED = "attested"  # a class vouches for a lower label
    BANDS = "bands"  # scores of complexity part elsewhere, and rows ask for it: nobody can say which requests move
    TENANT = "tenant"  # a tenant is of another class, with a higher ceiling or one that vouches for a lower label


class Raise(msgspec.Struct, frozen=True):
    """One thing that rose: what, of whom, from and to."""

    kind: Kind
    subject: str = ""
    before: str = ""
    after: str = ""


def terms_of(policy: CompiledPolicy, topology: Topology, tenants: Mapping[str, Tenant]) -> Terms:
    """The terms of a bundle."""
    name, rules = policy.order.name, policy.labels
    return Terms(
        labels=policy.order.names,
        cloud_ceiling=NONE if policy.ceiling is None else name(policy.ceiling),
        ceilings={
            kind: NONE if ceiling is None else name(ceiling) for kind, ceiling in sorted(policy.class_ceilings.items())
        },
        clearances={pool.name: name(pool.clearance) for pool in topology.pools},
        in_cloud=tuple(pool.name for pool in topology.pools if Zone(pool.zone, None).is_cloud),
        may_leave=policy.may_leave,
        default=name(rules.default),
        unscanned=name(rules.unscanned),
        unmapped=name(rules.unmapped),
        carriers={carrier: name(given) for carrier, given in sorted(rules.carriers.items())},
        attested={
            tenant.tenant_class: name(tenant.attested)
            for tenant in sorted(tenants.values(), key=lambda tenant: tenant.id)
            if tenant.attested is not None
        },
        tenants={tenant.id: tenant.tenant_class for tenant in sorted(tenants.values(), key=lambda tenant: tenant.id)},
        bands=(policy.bands.simple, policy.bands.hard) if policy.asks_complexity else (),
    )


def raised(old: Terms, new: Terms) -> tuple[Raise, ...]:
    """Everything that `new` lets out and `old` did not, as far as these terms say it."""
    if old.labels != new.labels:
        return (Raise(Kind.LABELS, before=" < ".join(old.labels), after=" < ".join(new.labels)),)
    return tuple(_raised(old, new))


def _raised(old: Terms, new: Terms) -> Iterator[Raise]:
    rank = {name: at for at, name in enumerate((NONE, *new.labels))}
    if rank[new.cloud_ceiling] > rank[old.cloud_ceiling]:
        yield Raise(Kind.CLOUD_CEILING, before=old.cloud_ceiling, after=new.cloud_ceiling)
    for subject, after in new.ceilings.items():
        # A class that is new had nothing to let out.
        before = old.ceilings.get(subject, NONE)
        if rank[after] > rank[before]:
            yield Raise(Kind.CLASS_CEILING, subject, before, after)
    for subject, after in new.clearances.items():
        before, is_in_cloud = old.clearances.get(subject, NONE), subject in new.in_cloud
        # A pool that is new at home takes nothing out.
        if rank[after] > rank[before] and (is_in_cloud or before != NONE):
            yield Raise(Kind.CLEARANCE, subject, before, after)
        elif is_in_cloud and subject not in old.in_cloud:
            yield Raise(Kind.ZONE, subject, "onprem", "cloud")
    if old.bands and new.bands and old.bands != new.bands:
        before, after = (", ".join(f"{bound:g}" for bound in bands) for bands in (old.bands, new.bands))
        yield Raise(Kind.BANDS, before=before, after=after)
    for entity in new.may_leave:
        if entity not in old.may_leave:
            yield Raise(Kind.MAY_LEAVE, entity)
    for what in ("default", "unscanned", "unmapped"):
        before, after = getattr(old, what), getattr(new, what)
        if rank[after] < rank[before]:
            yield Raise(Kind.KNOWN_NOTHING, what, before, after)
    for carrier, after in new.carriers.items():
        # What no policy names counts as what was not scanned.
        before = old.carriers.get(carrier, old.unscanned)
        if rank[after] < rank[before]:
            yield Raise(Kind.CARRIER, carrier, before, after)
    for subject, after in new.attested.items():
        before = old.attested.get(subject, old.default)
        if rank[after] < rank[before]:
            yield Raise(Kind.ATTESTED, subject, before, after)
    for subject, kind in new.tenants.items():
        # One that is new had nothing to let out; what its class lets out has been signed.
        was = old.tenants.get(subject, kind)
        rises = rank[new.ceilings.get(kind, NONE)] > rank[old.ceilings.get(was, NONE)]
        if was != kind and (
            rises or rank[new.attested.get(kind, new.default)] < rank[old.attested.get(was, old.default)]
        ):
            yield Raise(Kind.TENANT, subject, was, kind)
