"""A comparison of two policies says exactly what changes, and never misses a way out."""

from dataclasses import replace
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from gateway.core.facts import RequestFacts
from gateway.core.findings import Coverage, Evidence, Finding, History, Tier, Unscanned
from gateway.core.labels import Label
from gateway.core.topology import Topology
from gateway.policy import diff_labels
from gateway.policy.answers import Places, cloud
from gateway.policy.compile import load
from gateway.policy.compiled import CompiledPolicy
from gateway.policy.decide import decide
from gateway.policy.diff import Change, Diff, diff
from gateway.policy.diff_labels import Circumstance, Combined, Found, Together
from gateway.policy.diff_tenants import Moved
from gateway.policy.diff_text import said
from gateway.policy.labelling import label
from gateway.policy.regions import boxes_of

from .changing import CLASSES, World, lies_in, requests, rows, worlds
from .making import INTERNAL, POOLS, PUBLIC, RESTRICTED, policy, pool, unproved

THOROUGH = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
NOBODY_ASKS: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
ENTITIES = ("PERSON", "EMAIL", "CN_MOBILE", "URL", "MARKER:secret", "SWIFT")


@st.composite
def pairs(draw: st.DrawFn) -> tuple[World, World]:
    """Two policies, often with the same rows but for one."""
    table = draw(rows())
    other = [row for row in table if row["id"] == "rest" or draw(st.integers(0, 3))]
    if draw(st.booleans()):
        other = draw(rows())
    return draw(worlds(table)), draw(worlds(other))


@st.composite
def evidences(draw: st.DrawFn) -> Evidence:
    """What a scan might find."""
    found: list[Finding] = []
    for entity in draw(st.lists(st.sampled_from(ENTITIES), max_size=3, unique=True)):
        for _ in range(draw(st.integers(1, 4))):
            found.append(Finding(entity, draw(st.sampled_from((0.0, 0.3, 0.4, 0.6, 0.7, 1.0))), "m", 0, 1, "t"))
    most = frozenset(Tier) - {Tier.NER}
    tiers = draw(st.sampled_from((frozenset(Tier), frozenset(Tier), most, frozenset({Tier.NAMES}))))
    unscanned = draw(st.sampled_from(((), (), (Unscanned("image", "m"),))))
    taint = draw(st.sampled_from((None, None, Label(2))))
    return Evidence(tuple(found), Coverage(tiers, unscanned), draw(st.sampled_from(History)), taint)


def told(changes: tuple[Change, ...], facts: RequestFacts, names: tuple[str, ...]) -> list[Change]:
    """The changes in whose regions `facts` lie."""
    return [change for change in changes if any(lies_in(region, facts, names) for region in change.regions)]


@THOROUGH
@given(st.data())
def test_every_request_is_decided_differently_exactly_where_it_says(data: st.DataObject) -> None:
    old, new = (world.compiled() for world in data.draw(pairs()))
    there, back = diff(old, new), diff(new, old)
    of_old, of_new = Places(old), Places(new)
    for _ in range(25):
        facts: RequestFacts = data.draw(requests())
        was, becomes = of_old.answer(decide(old, facts)), of_new.answer(decide(new, facts))
        found = told(there.changes, facts, old.order.names)
        assert [(change.was, change.becomes) for change in found] == ([(was, becomes)] if was != becomes else [])
        assert all(set(change.gained) == cloud(becomes) - cloud(was) for change in found)
        mirrored = told(back.changes, facts, old.order.names)
        assert [(change.becomes, change.was) for change in mirrored] == [
            (change.was, change.becomes) for change in found
        ]
        if found and found[0].gained:
            assert there.new_cloud_access


@THOROUGH
@given(st.data())
def test_a_policy_does_not_differ_from_itself(data: st.DataObject) -> None:
    world = data.draw(worlds())
    same = diff(world.compiled(), world.compiled())
    assert same.is_empty
    assert not same.new_cloud_access


@THOROUGH
@given(st.data())
def test_no_evidence_and_no_request_gains_a_way_out_unsaid(data: st.DataObject) -> None:
    old, new = (world.compiled() for world in data.draw(pairs()))
    attested = ({"press": Label(0)} if data.draw(st.booleans()) else {}, {"bank": Label(0)})
    asking = data.draw(st.frozensets(st.sampled_from(CLASSES))), data.draw(st.frozensets(st.sampled_from(CLASSES)))
    found = diff(old, new, attested, full_scans=asking)
    of_old, of_new = Places(old), Places(new)
    for _ in range(15):
        evidence = data.draw(evidences())
        facts: RequestFacts = data.draw(requests())
        both = []
        for compiled, vouched, asks in zip((old, new), attested, asking, strict=True):
            known = {f"MARKER:{marker.casefold()}" for marker in compiled.markers}
            seen = tuple(one for one in evidence.findings if not one.entity.startswith("MARKER") or one.entity in known)
            scanned = Evidence(seen, evidence.coverage, evidence.history, evidence.taint)
            high = label(compiled, scanned, vouched.get(facts.tenant_class))[1]
            if facts.tenant_class in asks and Tier.NER not in scanned.coverage.tiers:
                high = compiled.order.top
            both.append(structs.replace(facts, label_low=high, label_high=high))
        gained = cloud(of_new.answer(decide(new, both[1]))) - cloud(of_old.answer(decide(old, both[0])))
        assert not gained or found.new_cloud_access
        if both[0].label_high != both[1].label_high:
            assert not found.is_empty


@THOROUGH
@given(st.data())
def test_no_tenant_that_moves_gains_a_way_out_unsaid(data: st.DataObject) -> None:
    old, new = (world.compiled() for world in data.draw(pairs()))
    of_old, of_new = Places(old), Places(new)
    for was in ("press", "bank", "nowhere"):
        for becomes in ("press", "bank"):
            found = diff(old, new, tenants=({"t": was}, {"t": becomes}))
            for _ in range(5):
                facts: RequestFacts = data.draw(requests())
                before = of_old.answer(decide(old, structs.replace(facts, tenant_class=was)))
                after = of_new.answer(decide(new, structs.replace(facts, tenant_class=becomes)))
                assert not cloud(after) - cloud(before) or found.new_cloud_access
                assert before == after or not found.is_empty


@THOROUGH
@given(st.data())
def test_one_entity_gets_another_label_exactly_where_it_says(data: st.DataObject) -> None:
    old, new = (world.compiled() for world in data.draw(pairs()))
    changes = [
        one for one in diff_labels.compare(old, new, ({}, {}), NOBODY_ASKS).changes if isinstance(one.grounds, Found)
    ]
    for entity in ENTITIES[:4]:
        score, count = data.draw(st.sampled_from((0.0, 0.39, 0.4, 0.7, 1.0))), data.draw(st.integers(1, 5))
        evidence = Evidence((Finding(entity, score, "", 0, 0, ""),) * count, Coverage(frozenset(Tier)))
        pair = label(old, evidence)[1], label(new, evidence)[1]
        inside = [
            one.pair
            for one in changes
            if isinstance(one.grounds, Found)
            and entity in one.grounds.entities
            and one.grounds.score[0] <= score
            and (one.grounds.score[1] is None or score < one.grounds.score[1])
            and one.grounds.count[0] <= count
            and (one.grounds.count[1] is None or count < one.grounds.count[1])
        ]
        named = entity in old.labels.named or entity in new.labels.named
        assert inside == ([pair] if pair[0] != pair[1] and named else [])


# Examples

ROWS = """\
  - {id: keep, when: {label: ">= confidential"}, to: [home]}
  - {id: rest, when: {}, to: [home], spill: [burst]}"""
MODELS = "{chat: {pools: [home, burst]}}"


def compiled(rows: str = ROWS, models: str = MODELS, **given: str) -> CompiledPolicy:
    return unproved(policy(rows, models, **given))


def changed(old: CompiledPolicy, new: CompiledPolicy) -> Diff:
    return diff(old, new)


@pytest.mark.parametrize(
    ("old", "new", "grounds"),
    [
        ("[{any_of: [EMAIL], label: confidential}]", "[{any_of: [EMAIL], min_score: 0.5, label: confidential}]",
         Found(("EMAIL",), (0.0, 0.5), (1, None))),
        ("[{any_of: [EMAIL], label: confidential}]",
         "[{any_of: [EMAIL], min_score: 0.8, label: confidential}, {any_of: [EMAIL], min_score: 0.4, label: internal}]",
         Found(("EMAIL",), (0.0, 0.8), (1, None))),
        ("[{any_of: [EMAIL, URL], label: confidential}]", "[{any_of: [EMAIL, URL], label: internal}]",
         Found(("EMAIL", "URL"), (0.0, None), (1, None))),
        ("[{count: {EMAIL: 3}, label: confidential}]", "[{count: {EMAIL: 5}, label: confidential}]",
         Found(("EMAIL",), (0.0, None), (3, 5))),
        ("[{any_of: [EMAIL, URL], label: internal}, {all_of: [EMAIL, URL], label: confidential}]",
         "[{any_of: [EMAIL, URL], label: internal}]",
         Together((("EMAIL", (0.0, None)), ("URL", (0.0, None))))),
        ("[{marker: [Secret], label: confidential}]", "[]", Found(("MARKER:secret",), (0.0, None), (1, None))),
    ],
)  # fmt: skip
def test_a_lowered_rule_is_new_cloud_access(old: str, new: str, grounds: Found | Together) -> None:
    found = changed(compiled(rules=old), compiled(rules=new))
    assert [(one.grounds, one.was, one.becomes, one.is_lower) for one in found.labels] == [
        (grounds, "confidential", "internal", True)
    ]
    assert [place.pool for change in found.labels[0].opens for place in change.gained] == ["burst"]
    assert found.new_cloud_access
    back = changed(compiled(rules=new), compiled(rules=old))
    assert [(one.was, one.becomes, one.is_lower, one.opens) for one in back.labels] == [
        ("internal", "confidential", False, ())
    ]
    assert not back.new_cloud_access


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ({}, {"label": ", carriers: {image: internal}"}, Circumstance("carrier", "image")),
        ({"label": ", tiers: [structured, names]"}, {"label": ", tiers: [structured]"}, Circumstance("tier", "names")),
        ({"label": ", history: known_clean"}, {}, Circumstance("history", "unknown")),
    ],
)
def test_what_is_not_looked_at_any_more_is_new_cloud_access(
    old: dict[str, str], new: dict[str, str], kind: Circumstance
) -> None:
    found = changed(compiled(**old), compiled(**new))
    assert [one.grounds for one in found.labels] == [kind]
    assert found.new_cloud_access
    assert not changed(compiled(**new), compiled(**old)).new_cloud_access


def test_a_class_that_vouches_for_less_is_seen() -> None:
    rows = """\
  - {id: free, when: {label: "== public"}, to: [home], spill: [burst]}
  - {id: rest, when: {}, to: [home]}"""
    plain = unproved(policy(rows, MODELS), POOLS, {"press": INTERNAL, "bank": INTERNAL})
    found = diff(plain, plain, ({}, {"press": PUBLIC}))
    assert [one.grounds for one in found.labels] == [Circumstance("attested", "press")]
    assert found.new_cloud_access
    assert not diff(plain, plain, ({"press": PUBLIC}, {"press": PUBLIC})).labels
    # Nothing of this class leaves, whatever it vouches for.
    home = unproved(policy(rows, MODELS), POOLS, {"press": None, "bank": INTERNAL})
    assert not diff(home, home, ({}, {"press": PUBLIC})).new_cloud_access


def test_a_class_that_is_not_read_always_any_more_is_seen() -> None:
    rows = "  - {id: rest, when: {}, to: [home], spill: [burst]}"
    plain = unproved(policy(rows, MODELS), POOLS, {"press": INTERNAL, "bank": INTERNAL})
    asks = frozenset({"press"})
    found = diff(plain, plain, full_scans=(asks, frozenset()))
    assert [one.grounds for one in found.labels] == [Circumstance("unread", "press")]
    assert found.new_cloud_access
    assert "a request of the class press that the models did not get through: restricted → internal" in said(
        found, "en"
    )
    assert not diff(plain, plain, full_scans=(frozenset(), asks)).new_cloud_access
    assert diff(plain, plain, full_scans=(asks, asks)).is_empty
    moves = ({"t": "press"}, {"t": "bank"})
    assert diff(plain, plain, tenants=moves, full_scans=(asks, asks)).new_cloud_access
    # Where the policy asks for the models of everybody, nobody is read less.
    strict = unproved(policy(rows, MODELS, label=", tiers: [structured, names, ner]"), POOLS, {"press": INTERNAL})
    assert diff(strict, strict, full_scans=(asks, frozenset())).is_empty


def test_what_the_class_vouches_for_that_a_tenant_comes_to_is_compared() -> None:
    rows = """\
  - {id: free, when: {label: public}, to: [burst]}
  - {id: rest, when: {}, to: [home]}""".replace("label: public", 'label: "<= public"')
    same = unproved(policy(rows, MODELS), POOLS, {"press": INTERNAL, "bank": INTERNAL})
    attested = ({"press": PUBLIC}, {"press": PUBLIC})
    found = diff(same, same, attested, ({"t": "bank", "u": "press"}, {"t": "press", "u": "press"}))
    assert found.moved == (Moved(("t",), "bank", "press"),)
    assert [one.grounds for one in found.labels] == [Circumstance("attested", "bank → press")]
    assert found.new_cloud_access
    assert not diff(same, same, attested, ({"t": "press"}, {"t": "bank"})).new_cloud_access
    assert not diff(same, same, attested, ({"t": "bank"}, {"u": "press"})).moved


def test_a_label_under_another_name_hides_nothing() -> None:
    old = compiled()
    data = policy(ROWS, MODELS).replace(b"internal", b"inside").replace(b"confidential", b"secret")
    renamed = unproved(data)
    found = changed(old, renamed)
    assert (found.only_old, found.only_new) == (("internal", "confidential"), ("inside", "secret"))
    assert [(one.was, one.becomes, one.is_lower) for one in found.labels] == [("internal", "inside", None)]
    assert not found.new_cloud_access
    wider = unproved(
        data.replace(b'">= secret"', b'"> secret"').replace(b"cloud_ceiling: inside", b"cloud_ceiling: secret")
    )
    rules = "[{any_of: [EMAIL], label: confidential}]"
    renamed_rules = (
        policy(ROWS, MODELS, rules=rules).replace(b"internal", b"inside").replace(b"confidential", b"secret")
    )
    wide = unproved(
        renamed_rules.replace(b'">= secret"', b'"> secret"').replace(b"ceiling: inside", b"ceiling: secret"),
        Topology((*POOLS.pools[:2], pool("burst", "cloud", RESTRICTED), POOLS.pools[3])),
    )
    assert changed(compiled(rules=rules), wide).new_cloud_access
    assert wider.version == 1


def test_labels_in_another_order_are_not_the_same() -> None:
    data = policy(ROWS, MODELS).replace(b"[public, internal,", b"[internal, public,")
    found = changed(compiled(), unproved(data.replace(b"cloud_ceiling: internal", b"cloud_ceiling: public")))
    assert found.is_reordered
    assert not found.is_empty


def test_a_pool_that_is_elsewhere_is_another_place() -> None:
    moved = Topology((pool("home", "cloud"), *POOLS.pools[1:]))
    found = diff(compiled(), unproved(policy(ROWS, MODELS), moved))
    assert [(one.was.pool, one.was.zone, one.becomes.zone) for one in found.places] == [("home", "onprem", "cloud")]
    assert found.new_cloud_access
    theirs = Topology((*POOLS.pools[:2], replace(POOLS.pools[2], processor="somebody-else"), POOLS.pools[3]))
    assert diff(compiled(), unproved(policy(ROWS, MODELS), theirs)).new_cloud_access
    assert not diff(compiled(), unproved(policy(ROWS, MODELS), POOLS)).places


@pytest.mark.parametrize(
    ("old", "new", "is_wider"),
    [
        ("unix", "[unix, 10.0.0.0/8]", True),
        ("[unix, 10.0.0.0/8]", "[unix, 10.1.0.0/16]", False),
        ("[unix, 10.0.0.0/16]", "[unix, 10.0.0.0/8]", True),
        ("10.0.0.0/8", "[10.0.0.0/8, unix]", True),
        ("[unix, 10.0.0.0/8]", '[unix, "fc00::/7"]', True),
    ],
)
def test_a_zone_that_lets_in_more_counts_as_new_access(old: str, new: str, is_wider: bool) -> None:
    data = policy(ROWS, MODELS)
    found = changed(*(unproved(data.replace(b"networks: [unix]", f"networks: {one}".encode())) for one in (old, new)))
    assert [(zone.zone, zone.is_wider) for zone in found.zones] == [("onprem", is_wider)]
    assert found.new_cloud_access is is_wider
    assert not found.is_empty


@pytest.mark.parametrize(
    ("old", "new", "is_wider"),
    [
        ("networks: any", "networks: any, tls: optional", True),
        ("networks: any, tls: optional", "networks: any", False),
        ("networks: any", "networks: 10.0.0.0/8", False),
        ("networks: 10.0.0.0/8", "networks: any", True),
    ],
)
def test_a_cloud_zone_that_lets_in_more_counts_as_new_access(old: str, new: str, is_wider: bool) -> None:
    data = policy(ROWS, MODELS)
    found = changed(*(unproved(data.replace(b"networks: any", one.encode())) for one in (old, new)))
    assert [(zone.zone, zone.is_wider) for zone in found.zones] == [("cloud", is_wider)]


def test_a_canary_at_nothing_is_a_way_out() -> None:
    canary = ROWS.replace("to: [home], spill: [burst]", "to: [home], canary: {pool: burst, percent: 0}")
    home = ROWS.replace(", spill: [burst]", "")
    found = changed(compiled(home), compiled(canary))
    assert [place.pool for change in found.changes for place in change.gained] == ["burst"]


def test_a_mirror_at_nothing_is_a_way_out() -> None:
    mirror = ROWS.replace("to: [home], spill: [burst]", "to: [home], mirror: {pool: burst, percent: 0}")
    home = ROWS.replace(", spill: [burst]", "")
    found = changed(compiled(home), compiled(mirror))
    assert [place.pool for change in found.changes for place in change.gained] == ["burst"]


def test_a_model_that_anybody_may_name_is_compared() -> None:
    found = changed(compiled(), compiled(models="{chat: {pools: [home, burst]}, '*': {pools: [home, burst]}}"))
    assert [place.pool for change in found.changes for place in change.gained] == ["burst"]


def test_invariants_that_are_gone_are_named() -> None:
    kept = compiled(rest="invariants: [{id: N1, total: true}, {id: N2, total: true}]")
    assert changed(kept, compiled(rest="invariants: [{id: N2, total: true}]")).dropped == ("N1",)


def test_what_cannot_be_told_counts_as_new_access() -> None:
    known, blind = compiled(), load(policy(ROWS, MODELS), "policy.yaml")
    assert [one.reason for one in diff(blind, known).unknown] == ["no_pools_old"]
    assert [one.reason for one in diff(known, blind).unknown] == ["no_pools_new"]
    assert [one.reason for one in diff(known, compiled(ROWS.replace("keep", "k")), most_nodes=3).unknown] == [
        "too_large"
    ]
    assert diff(known, blind).new_cloud_access


def test_more_differences_than_can_be_listed_count_as_new_access(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.policy.diff_walk.boxes_of", partial(boxes_of, most=0))
    other = compiled(ROWS.replace("rest", "other"))
    found = changed(compiled(), other)
    assert [one.reason for one in found.unknown] == ["cut"]


def test_scores_that_are_too_many_to_try_count_as_new_access() -> None:
    entities = ("PERSON", "EMAIL", "CN_MOBILE", "URL", "SWIFT", "DATE")
    rules = [f"{{any_of: [{', '.join(entities)}], min_score: 0.{place}, label: internal}}" for place in range(1, 6)]
    both = f"[{', '.join(rules)}, {{all_of: [{', '.join(entities)}], label: confidential}}]"
    found = changed(compiled(rules=both), compiled(rules=both))
    assert [(one.reason, one.subject) for one in found.unknown] == [("untried", ", ".join(entities))]
    assert found.new_cloud_access


BANDED = """\
  - {id: keep, when: {label: ">= confidential"}, to: [home]}
  - {id: hard, when: {complexity: hard}, to: [home], spill: [burst]}
  - {id: rest, when: {}, to: [home]}"""


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ((BANDED, 0.9), (BANDED, 0.5), ["0.35, 0.9 → 0.35, 0.5"]),
        ((BANDED, 0.75), (BANDED, 0.9), ["0.35, 0.75 → 0.35, 0.9"]),
        ((BANDED, 0.9), (BANDED, 0.9), []),
        # Where nobody asks, nothing is scored; and whoever begins to ask is compared band by band.
        ((ROWS, 0.9), (ROWS, 0.5), []),
        ((ROWS, 0.9), (BANDED, 0.5), []),
        ((BANDED, 0.9), (ROWS, 0.5), []),
    ],
)
def test_bands_that_have_moved_count_as_new_access(
    old: tuple[str, float], new: tuple[str, float], told: list[str]
) -> None:
    was, becomes = (compiled(rows, rest=f"complexity: {{hard_from: {hard}}}") for rows, hard in (old, new))
    found = changed(was, becomes)
    assert [(one.reason, one.subject) for one in found.unknown] == [("bands", one) for one in told]
    if told:
        assert found.new_cloud_access
        assert not found.is_empty
        assert f"({told[0]})" in said(found, "en")


def test_what_only_a_combination_opens_is_told_as_one() -> None:
    rows = """\
  - {id: free, when: {label: "== confidential"}, to: [home], spill: [far]}
  - {id: rest, when: {}, to: [home]}"""
    models = "{chat: {pools: [home, far]}}"
    # EMAIL alone leads nowhere either way, and URL leads out either way. Together they stayed home, and now do not.
    old = "[{any_of: [EMAIL], label: restricted}, {any_of: [URL], label: confidential}]"
    new = "[{any_of: [EMAIL], label: internal}, {any_of: [URL], label: confidential}]"
    found = changed(
        compiled(rows, models, rules=old, ceiling="confidential"),
        compiled(rows, models, rules=new, ceiling="confidential"),
    )
    assert [(one.grounds, one.was, one.becomes) for one in found.labels if one.opens] == [
        (Combined(), "restricted", "confidential")
    ]
    assert found.new_cloud_access
    assert "several of these in one request: restricted → confidential" in said(found, "en")
