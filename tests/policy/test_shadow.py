"""A candidate beside the policy in force: which way it would send a request, read in the candidate's own words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.core.decision import Allow
from gateway.core.facts import QUIET, Budget, Complexity, Pressure, RequestFacts, Surroundings, Tenant
from gateway.core.findings import Evidence, History
from gateway.core.labels import Label
from gateway.policy.compiled import CompiledPolicy
from gateway.policy.decide import decide
from gateway.policy.labelling import label
from gateway.policy.replay import Gap
from gateway.policy.shadow import Candidate, Compared, Direction, unseen_markers
from tests.policy.changing import worlds
from tests.policy.making import CONFIDENTIAL, INTERNAL, POOLS, PUBLIC, RESTRICTED, evidence, facts, policy, unproved

HOME = policy("  - {id: rest, when: {}, to: [home]}")
LAB = policy("  - {id: rest, when: {}, to: [lab]}")
BURST = policy("  - {id: rest, when: {}, to: [home], spill: [burst]}")
BURST_FIRST = policy("  - {id: rest, when: {}, to: [burst, home]}")
NO = policy("  - {id: no, when: {}, deny: Not today.}")
OTHER_NO = policy("  - {id: other, when: {}, deny: Tomorrow.}")
CANARY = policy("  - {id: rest, when: {}, to: [home], canary: {pool: burst, percent: 0}}")
LAZY = policy("  - {id: rest, when: {}, to: [home], spill: [burst]}", label=", tiers: [structured, names, ner]")
OPEN = policy("  - {id: rest, when: {label: '>= confidential'}, to: [home]}\n  - {id: any, when: {}, to: [burst]}")


def compiled(data: bytes) -> CompiledPolicy:
    return unproved(data, POOLS, {"default": INTERNAL})


def seen(
    live: bytes,
    candidate: bytes,
    found: Evidence | None = None,
    *,
    known: RequestFacts | None = None,
    tenant: Tenant | None = None,
    score: float | None = None,
    around: Surroundings = QUIET,
) -> Compared:
    """What is said of one request of the tenant `t`."""
    before, after = compiled(live), compiled(candidate)
    found = evidence() if found is None else found
    low, high = label(before, found)
    known = replace(known or facts(ceiling=INTERNAL), label_low=low, label_high=high)
    tenants = {"t": tenant or Tenant("t", "default", INTERNAL)}
    return Candidate(before, after, tenants).compare(
        "t", found, known, decide(before, known), score=score, around=around
    )


@pytest.mark.parametrize(
    ("live", "candidate", "direction", "gained"),
    [
        (BURST, BURST, Direction.SAME, ()),
        (HOME, BURST, Direction.NEW_CLOUD, ("burst",)),
        (BURST, BURST_FIRST, Direction.NEW_CLOUD, ("burst",)),
        (HOME, CANARY, Direction.NEW_CLOUD, ("burst",)),
        (HOME, LAZY, Direction.NEW_CLOUD, ("burst",)),  # once the models have read it
        (NO, BURST, Direction.NEW_CLOUD, ("burst",)),
        (BURST, NO, Direction.REFUSED, ()),
        (NO, HOME, Direction.ALLOWED, ()),
        (NO, OTHER_NO, Direction.SAME, ()),
        (BURST, HOME, Direction.TO_HOME, ()),
        (BURST_FIRST, BURST, Direction.TO_HOME, ()),
        (OPEN, LAZY, Direction.TO_HOME, ()),  # until the models have read it
        (HOME, LAB, Direction.MOVED, ()),
    ],
)
def test_a_request_goes_one_way_and_the_gravest_is_said(live, candidate, direction, gained):
    found = seen(live, candidate)
    assert (found.direction, found.gained, found.gap) == (direction, gained, None)


def test_route_and_label_are_those_of_the_candidate():
    strict = policy("  - {id: new, when: {}, to: [home]}", rules="[{any_of: [EMAIL], label: restricted}]")
    found = seen(BURST, strict, evidence("EMAIL"))
    assert (found.route, found.label) == ("new", RESTRICTED)


# In the candidate's own words


FOUR, THREE = "labels: [public, internal, confidential, restricted]", "labels: [internal, confidential, restricted]"


@pytest.mark.parametrize(("taint", "expected"), [(INTERNAL, 0), (CONFIDENTIAL, 1), (RESTRICTED, 2)])
def test_labels_are_read_by_their_names_and_not_by_their_ranks(taint, expected):
    found = seen(HOME, HOME.replace(FOUR.encode(), THREE.encode()), evidence(taint=taint))
    assert found.label == Label(expected)


def test_a_label_that_the_candidate_lacks_cannot_be_decided():
    found = seen(HOME, HOME.replace(FOUR.encode(), THREE.encode()), evidence(taint=PUBLIC))
    assert found == Compared(Direction.UNDECIDABLE, gap=Gap.LABELS)


def test_a_tenant_that_the_candidate_does_not_know_cannot_be_decided():
    beside = Candidate(compiled(HOME), compiled(HOME), {})
    known = facts()
    found = beside.compare("t", evidence(), known, decide(compiled(HOME), known), score=None, around=QUIET)
    assert found == Compared(Direction.UNDECIDABLE, gap=Gap.TENANT)


@pytest.mark.parametrize(
    ("tenant", "direction", "high"),
    [
        (Tenant("t", "default", INTERNAL), Direction.NEW_CLOUD, INTERNAL),
        (Tenant("t", "default", None), Direction.SAME, INTERNAL),
        (Tenant("t", "default", INTERNAL, attested=PUBLIC), Direction.NEW_CLOUD, PUBLIC),
    ],
)
def test_ceiling_and_attestation_are_what_the_tenants_file_says_to_the_candidate(tenant, direction, high):
    found = seen(HOME, BURST, tenant=tenant)
    assert (found.direction, found.label) == (direction, high)


MARKED = "[{marker: [Titan], label: restricted}]"


def test_a_marker_that_only_the_policy_in_force_looks_for_would_not_be_found():
    live, found = policy("  - {id: rest, when: {}, to: [home]}", rules=MARKED), evidence("MARKER:titan", "EMAIL")
    plain = policy("  - {id: rest, when: {}, to: [home]}", rules="[{any_of: [EMAIL], label: confidential}]")
    assert seen(live, plain, found).label == CONFIDENTIAL
    assert seen(live, live, found).label == RESTRICTED
    # Without one there is nothing to leave out.
    assert seen(live, plain, evidence("EMAIL")).label == CONFIDENTIAL
    assert seen(live, plain).label == INTERNAL


def test_markers_that_only_the_candidate_has_are_counted_since_nobody_looks_for_them():
    marked = compiled(policy("  - {id: rest, when: {}, to: [home]}", rules=MARKED))
    assert (unseen_markers(compiled(HOME), marked), unseen_markers(marked, compiled(HOME))) == (1, 0)


# What only the candidate asks for


COMPLEX = policy("  - {id: simple, when: {complexity: simple}, to: [lab]}\n  - {id: rest, when: {}, to: [home]}")
WIDER = COMPLEX.replace(b"routes:", b"complexity: {simple_below: 0.9, hard_from: 1}\nroutes:", 1)


@pytest.mark.parametrize(
    ("live", "candidate", "complexity", "score", "direction"),
    [
        (HOME, COMPLEX, Complexity.MEDIUM, 0.2, Direction.MOVED),
        (HOME, COMPLEX, Complexity.MEDIUM, 0.5, Direction.SAME),
        (HOME, COMPLEX, Complexity.MEDIUM, None, Direction.SAME),  # nothing was asked in words
        (COMPLEX, COMPLEX, Complexity.SIMPLE, 0.35, Direction.SAME),  # rounded, and by the same bands
        (COMPLEX, WIDER, Complexity.MEDIUM, 0.5, Direction.MOVED),
        (COMPLEX, WIDER, Complexity.HARD, 0.95, Direction.SAME),
        (COMPLEX, HOME, Complexity.SIMPLE, 0.2, Direction.MOVED),
    ],
)
def test_a_score_is_read_by_the_bands_of_the_candidate(live, candidate, complexity, score, direction):
    known = facts(complexity=complexity, ceiling=INTERNAL)
    assert seen(live, candidate, known=known, score=score).direction is direction


@pytest.mark.parametrize(
    ("live", "candidate", "expected"), [(HOME, COMPLEX, True), (COMPLEX, WIDER, False), (COMPLEX, HOME, False)]
)
def test_requests_are_scored_for_it_only_where_nobody_else_asks(live, candidate, expected):
    assert Candidate(compiled(live), compiled(candidate), {}).needs_score is expected


SPENT = policy("  - {id: spent, when: {budget: spent}, to: [lab]}\n  - {id: rest, when: {}, to: [home]}")
BUSY = policy("  - {id: b, when: {pressure: {onprem: saturated}}, to: [lab]}\n  - {id: rest, when: {}, to: [home]}")
FAR = policy("  - {id: b, when: {pressure: {cloud: down}}, to: [lab]}\n  - {id: rest, when: {}, to: [home]}")
NOON = policy(
    "  - {id: d, when: {time: {from: '11:00', to: '13:00'}}, to: [lab]}\n  - {id: rest, when: {}, to: [home]}",
    rest="time_zone: '+00:00'",
)


@pytest.mark.parametrize(
    ("live", "candidate", "expected"),
    [
        (HOME, HOME, False),
        (HOME, SPENT, True),
        (SPENT, SPENT, False),
        (SPENT, HOME, False),
        (SPENT, BUSY, True),
        (BUSY, BUSY, False),
        (BUSY, FAR, True),
        (HOME, NOON, True),
        (NOON, NOON, False),
    ],
)
def test_somebody_looks_around_for_it_only_where_nobody_else_does(live, candidate, expected):
    assert Candidate(compiled(live), compiled(candidate), {}).needs_outlook is expected


@pytest.mark.parametrize(
    ("candidate", "around"),
    [
        (SPENT, Surroundings(budget=Budget.SPENT)),
        (BUSY, Surroundings(pressure=(("onprem", Pressure.SATURATED),))),
        (NOON, Surroundings(12 * 60)),
    ],
)
def test_what_is_around_counts_as_it_is_given(candidate, around):
    assert seen(HOME, candidate, around=around).direction is Direction.MOVED
    assert seen(HOME, candidate).direction is Direction.SAME


CLEAN = policy("  - {id: rest, when: {}, to: [home], spill: [burst]}", label=", history: known_clean")
CLEAN_HOME = policy("  - {id: rest, when: {}, to: [home]}", label=", history: known_clean")


@pytest.mark.parametrize(
    ("live", "candidate", "history", "direction", "gap"),
    [
        (HOME, CLEAN, History.UNKNOWN, Direction.UNDECIDABLE, Gap.HISTORY),
        (HOME, CLEAN_HOME, History.UNKNOWN, Direction.SAME, None),  # home either way
        (HOME, CLEAN, History.ON_RECORD, Direction.NEW_CLOUD, None),
        (HOME, CLEAN, History.NONE, Direction.NEW_CLOUD, None),
        (HOME, CLEAN, History.LOST, Direction.SAME, None),
        (CLEAN_HOME, CLEAN, History.UNKNOWN, Direction.SAME, None),  # it was asked, and is not on record
        (CLEAN, BURST, History.UNKNOWN, Direction.NEW_CLOUD, None),
    ],
)
def test_a_reply_that_nobody_put_on_record_may_have_been_clean(live, candidate, history, direction, gap):
    found = seen(live, candidate, evidence(history=history))
    assert (found.direction, found.gap) == (direction, gap)


# For every policy


ENTITIES = st.lists(st.sampled_from(("PERSON", "EMAIL", "CN_MOBILE", "URL", "MARKER:secret")), max_size=4)


@st.composite
def _requests(draw: st.DrawFn) -> tuple[Evidence, RequestFacts]:
    found = evidence(
        *draw(ENTITIES),
        unscanned=draw(st.lists(st.sampled_from(("image", "file")), max_size=1)),
        history=draw(st.sampled_from(list(History))),
        taint=draw(st.sampled_from((None, Label(0), Label(2)))),
    )
    ceiling = draw(st.sampled_from((None, Label(0), Label(1))))
    known = facts(
        model=draw(st.sampled_from(("chat", "big", "none"))),
        tenant_class=draw(st.sampled_from(("bank", "press"))),
        ceiling=ceiling,
        complexity=draw(st.sampled_from(list(Complexity))),
        tokens=draw(st.sampled_from((0, 50_000))),
        minute=draw(st.integers(0, 10_079)),
        pressure=draw(st.dictionaries(st.sampled_from(("onprem", "cloud")), st.sampled_from(list(Pressure)))),
        budget=draw(st.sampled_from(list(Budget))),
    )
    return found, known


def _decided(by: CompiledPolicy, found: Evidence, known: RequestFacts):
    low, high = label(by, found)
    known = replace(known, label_low=low, label_high=high)
    return known, decide(by, known)


@given(worlds(), _requests())
def test_a_candidate_that_says_the_same_changes_nothing(world, request_):
    found, known = request_
    one = world.compiled()
    known, decision = _decided(one, found, known)
    tenants = {"t": Tenant("t", known.tenant_class, known.ceiling)}
    said = Candidate(one, one, tenants).compare("t", found, known, decision, score=None, around=known.surroundings)
    assert said == Compared(Direction.SAME, decision.route, known.label_high)


@given(worlds(), worlds(), _requests())
def test_what_is_said_is_what_the_candidate_decides_and_new_access_is_never_missed(old, new, request_):
    found, known = request_
    before, after = old.compiled(), new.compiled()
    if "secret" not in before.markers:  # nobody looked for it
        found = replace(found, findings=tuple(one for one in found.findings if one.entity != "MARKER:secret"))
    known, decision = _decided(before, found, known)
    beside = Candidate(before, after, {"t": Tenant("t", known.tenant_class, known.ceiling)})
    # The same bands everywhere: a score in the middle of the request's own.
    score = {Complexity.SIMPLE: 0.1, Complexity.MEDIUM: 0.5, Complexity.HARD: 0.9}[known.complexity]
    said = beside.compare("t", found, known, decision, score=score, around=known.surroundings)
    kept = tuple(one for one in found.findings if one.entity != "MARKER:secret" or "secret" in after.markers)
    meant, expected = _decided(after, replace(found, findings=kept), known)
    assert (said.route, said.label) == (expected.route, meant.label_high)

    def cloud(one):
        pools = (*one.reach, *one.if_scanned) if isinstance(one, Allow) else one.if_scanned
        return {pool for pool in pools if pool in after.cloud_pools}

    if cloud(expected) - cloud(decision):
        assert said.direction is Direction.NEW_CLOUD
    if said.direction is Direction.SAME:
        assert cloud(expected) == cloud(decision)
        assert isinstance(expected, Allow) is isinstance(decision, Allow)
