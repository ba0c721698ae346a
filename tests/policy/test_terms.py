"""What rises between two bundles: everything that takes a second person's signature."""

import itertools

import msgspec
import pytest
from msgspec.structs import replace

from gateway.core.facts import Tenant
from gateway.core.topology import Topology
from gateway.policy.terms import Kind, Raise, Terms, raised, terms_of
from tests.policy.making import CONFIDENTIAL, INTERNAL, POOLS, PUBLIC, policy, pool, unproved

OLD = Terms(
    labels=("public", "internal", "confidential", "restricted"),
    cloud_ceiling="internal",
    ceilings={"default": "internal", "hospital": "none"},
    clearances={"home": "restricted", "lab": "internal", "burst": "internal"},
    in_cloud=("burst",),
    may_leave=("EMAIL",),
    default="internal",
    unscanned="restricted",
    unmapped="restricted",
    carriers={"image": "restricted"},
    attested={"press": "internal"},
    tenants={"clinic": "hospital", "paper": "press", "shop": "default"},
    bands=(0.35, 0.75),
)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, ()),
        ({"cloud_ceiling": "confidential"}, (Raise(Kind.CLOUD_CEILING, "", "internal", "confidential"),)),
        ({"cloud_ceiling": "none"}, ()),
        ({"ceilings": {"default": "internal", "hospital": "public"}},
         (Raise(Kind.CLASS_CEILING, "hospital", "none", "public"),)),
        ({"ceilings": {"default": "public"}}, ()),
        ({"ceilings": {**OLD.ceilings, "new": "none"}}, ()),
        ({"ceilings": {**OLD.ceilings, "new": "public"}}, (Raise(Kind.CLASS_CEILING, "new", "none", "public"),)),
        ({"clearances": {**OLD.clearances, "burst": "confidential"}},
         (Raise(Kind.CLEARANCE, "burst", "internal", "confidential"),)),
        ({"clearances": {**OLD.clearances, "lab": "restricted"}},
         (Raise(Kind.CLEARANCE, "lab", "internal", "restricted"),)),
        ({"clearances": {**OLD.clearances, "lab": "public", "burst": "public"}}, ()),
        ({"clearances": {**OLD.clearances, "more": "restricted"}}, ()),  # at home
        ({"clearances": {**OLD.clearances, "far": "public"}, "in_cloud": ("burst", "far")},
         (Raise(Kind.CLEARANCE, "far", "none", "public"),)),
        ({"in_cloud": ("burst", "lab")}, (Raise(Kind.ZONE, "lab", "onprem", "cloud"),)),
        ({"in_cloud": ()}, ()),
        ({"may_leave": ("EMAIL", "PERSON")}, (Raise(Kind.MAY_LEAVE, "PERSON"),)),
        ({"may_leave": ()}, ()),
        ({"default": "public"}, (Raise(Kind.KNOWN_NOTHING, "default", "internal", "public"),)),
        ({"unscanned": "internal", "unmapped": "public"},
         (Raise(Kind.KNOWN_NOTHING, "unscanned", "restricted", "internal"),
          Raise(Kind.KNOWN_NOTHING, "unmapped", "restricted", "public"))),
        ({"default": "restricted"}, ()),
        ({"carriers": {"image": "public"}}, (Raise(Kind.CARRIER, "image", "restricted", "public"),)),
        ({"carriers": {"image": "restricted", "audio": "internal"}},
         (Raise(Kind.CARRIER, "audio", "restricted", "internal"),)),
        ({"carriers": {}}, ()),
        ({"attested": {"press": "public"}}, (Raise(Kind.ATTESTED, "press", "internal", "public"),)),
        ({"attested": {"press": "internal", "new": "public"}}, (Raise(Kind.ATTESTED, "new", "internal", "public"),)),
        ({"attested": {}}, ()),
        ({"tenants": {**OLD.tenants, "clinic": "default"}}, (Raise(Kind.TENANT, "clinic", "hospital", "default"),)),
        ({"tenants": {**OLD.tenants, "shop": "hospital"}}, ()),
        ({"tenants": {**OLD.tenants, "shop": "lax"}, "attested": {"press": "internal", "lax": "public"}},
         (Raise(Kind.ATTESTED, "lax", "internal", "public"), Raise(Kind.TENANT, "shop", "default", "lax"))),
        ({"tenants": {**OLD.tenants, "new": "default"}}, ()),
        ({"tenants": {}}, ()),
        ({"bands": (0.5, 0.75)}, (Raise(Kind.BANDS, "", "0.35, 0.75", "0.5, 0.75"),)),
        ({"bands": (0.2, 0.75)}, (Raise(Kind.BANDS, "", "0.35, 0.75", "0.2, 0.75"),)),
        ({"bands": ()}, ()),
        ({"labels": ("internal", "public", "confidential", "restricted"), "may_leave": ("X",)},
         (Raise(Kind.LABELS, "", "public < internal < confidential < restricted",
                "internal < public < confidential < restricted"),)),
    ],
)  # fmt: skip
def test_what_rises_is_told_and_what_falls_is_not(change, found):
    assert raised(OLD, replace(OLD, **change)) == found


def test_the_terms_of_a_bundle_are_by_name():
    compiled = unproved(
        policy(
            "  - {id: rest, when: {}, to: [home], spill: [burst]}",
            label=", may_leave: [EMAIL], carriers: {image: confidential}",
        ),
        POOLS,
        {"default": INTERNAL, "ward": None},
    )
    tenants = {
        "b": Tenant("b", "press", INTERNAL, attested=PUBLIC),
        "a": Tenant("a", "default", INTERNAL),
    }
    topology = Topology((pool("home"), pool("burst", "cloud", CONFIDENTIAL)))
    assert terms_of(compiled, topology, tenants) == Terms(
        labels=("public", "internal", "confidential", "restricted"),
        cloud_ceiling="internal",
        ceilings={"default": "internal", "ward": "none"},
        clearances={"home": "restricted", "burst": "confidential"},
        in_cloud=("burst",),
        may_leave=("EMAIL",),
        default="internal",
        unscanned="restricted",
        unmapped="restricted",
        carriers={"image": "confidential"},
        attested={"press": "public"},
        tenants={"a": "default", "b": "press"},
    )


def test_a_policy_that_lets_nothing_out_has_no_ceiling():
    compiled = unproved(policy("  - {id: rest, when: {}, to: [home]}", ceiling="none"), POOLS, {"default": None})
    terms = terms_of(compiled, POOLS, {})
    assert (terms.cloud_ceiling, terms.ceilings) == ("none", {"default": "none"})
    assert raised(terms, OLD)[0] == Raise(Kind.CLOUD_CEILING, "", "none", "internal")


def test_bands_are_terms_where_a_row_asks_for_complexity_and_rise_from_none():
    asks = (
        "  - {id: easy, when: {complexity: simple}, to: [home], spill: [burst]}\n  - {id: rest, when: {}, to: [home]}"
    )
    terms = [
        terms_of(unproved(policy(rows), POOLS, {}), POOLS, {}) for rows in (asks, "  - {id: r, when: {}, to: [home]}")
    ]
    assert [one.bands for one in terms] == [(0.35, 0.75), ()]
    assert all(raised(old, new) == () for old, new in itertools.permutations(terms))


def test_terms_that_were_written_before_anybody_asked_for_bands_are_read_and_nothing_rises():
    written = msgspec.json.encode(replace(OLD, bands=()))
    assert b"bands" not in written
    assert raised(msgspec.json.decode(written, type=Terms), OLD) == ()
