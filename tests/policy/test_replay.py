"""Recorded requests under a new policy: what stays, what moves, what gets out, and what nobody can tell."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.core.decision import Allow, Deny, DenyCode
from gateway.core.facts import Budget, Complexity, Pressure, RequestFacts, Surroundings, Tenant
from gateway.core.findings import Coverage, Evidence, Finding, History, Tier
from gateway.core.labels import Label
from gateway.core.records import Ending, Outcome, Scored
from gateway.policy.compiled import CompiledPolicy
from gateway.policy.decide import decide
from gateway.policy.labelling import label
from gateway.policy.replay import Fate, Gap, Replay, Tally
from gateway.policy.replay_text import as_json, said
from tests.policy.making import BOTH, CONFIDENTIAL, INTERNAL, POOLS, PUBLIC, RESTRICTED, policy, unproved

NAMES = ("public", "internal", "confidential", "restricted")
HOME = policy("  - {id: rest, when: {}, to: [home]}")
NO_CHAT = policy("  - {id: rest, when: {}, to: [home]}", "{other: {pools: [home]}}")
BURST = policy("  - {id: rest, when: {}, to: [home], spill: [burst]}")
MONDAY_NOON = 1_795_435_200.0  # Monday, 2026-11-23 12:00 UTC


def compiled(data: bytes, classes=None) -> CompiledPolicy:
    return unproved(data, POOLS, classes or {"default": INTERNAL})


def evidence(*entities: str, history: History = History.NONE, taint: Label | None = None) -> Evidence:
    found = tuple(Finding(entity, 0.9, "messages[0].content", 0, 9, "d") for entity in entities)
    return Evidence(found, Coverage(BOTH, (), 1, 9), history, taint)


def facts(**given) -> RequestFacts:
    return RequestFacts(INTERNAL, INTERNAL, "default", INTERNAL, "chat", **given)


def record(old: CompiledPolicy, seen: Evidence, known: RequestFacts, **given) -> Outcome:
    """What the log holds of a request that `old` decided."""
    low, high = label(old, seen)
    known = replace(known, label_low=low, label_high=high)
    fields = {"at": MONDAY_NOON, "ms": 500.0, "request_id": "r1", "tenant": "t"} | given
    return Outcome(
        path="chat", status=200, ending=Ending.COMPLETED, bundle="b", epoch=0, streamed=False, bytes_in=1, bytes_out=1,
        evidence=seen, facts=known, decision=decide(old, known), **fields,
    )  # fmt: skip


def fate(old: bytes, new: bytes, seen: Evidence, known: RequestFacts | None = None, **given):
    found = Replay(compiled(new)).again(record(compiled(old), seen, known or facts(), **given), NAMES)
    assert found is not None
    return found


RULES = "[{any_of: [EMAIL], label: confidential}]"
LEAVES = ", may_leave: [EMAIL]"


@pytest.mark.parametrize(
    ("old", "new", "expected", "gained"),
    [
        (BURST, BURST, Fate.SAME, ()),
        (BURST, HOME, Fate.MOVED, ()),
        (HOME, BURST, Fate.NEW_CLOUD, ("burst",)),
        (HOME, policy("  - {id: other, when: {}, to: [home]}"), Fate.SAME, ()),  # a name is no place
        (HOME, policy("  - {id: rest, when: {}, to: [lab]}"), Fate.MOVED, ()),
        (BURST, policy("  - {id: rest, when: {}, to: [burst, home]}"), Fate.NEW_CLOUD, ("burst",)),  # there first
        (HOME, policy("  - {id: no, when: {}, deny: Not today.}"), Fate.MOVED, ()),
        (policy("  - {id: no, when: {}, deny: Not today.}"), HOME, Fate.MOVED, ()),
        (policy("  - {id: no, when: {}, deny: Not today.}"), BURST, Fate.NEW_CLOUD, ("burst",)),
        (HOME, policy("  - {id: rest, when: {}, to: [home], canary: {pool: burst, percent: 0}}"), Fate.NEW_CLOUD,
         ("burst",)),
    ],
)  # fmt: skip
def test_a_request_stays_moves_or_gets_out(old, new, expected, gained):
    found = fate(old, new, evidence())
    assert (found.fate, found.gained) == (expected, gained)


def test_labels_are_those_of_the_new_rules():
    strict = policy("  - {id: rest, when: {}, to: [home], spill: [burst]}", rules=RULES)
    plain = policy("  - {id: rest, when: {}, to: [home], spill: [burst]}", rules="[{any_of: [EMAIL], label: internal}]",
                   label=LEAVES)  # fmt: skip
    assert fate(plain, strict, evidence("EMAIL")).fate is Fate.MOVED
    back = fate(strict, plain, evidence("EMAIL"))
    assert (back.fate, back.gained) == (Fate.NEW_CLOUD, ("burst",))


def test_what_a_full_scan_would_open_counts_as_open():
    lazy = policy("  - {id: rest, when: {}, to: [home], spill: [burst]}", label=", tiers: [structured, names, ner]")
    found = fate(HOME, lazy, evidence())
    assert (found.fate, found.gained) == (Fate.NEW_CLOUD, ("burst",))
    assert fate(lazy, HOME, evidence()).fate is Fate.MOVED


def test_a_request_that_was_never_decided_says_nothing():
    refused = replace(record(compiled(HOME), evidence(), facts()), evidence=None, facts=None, decision=None)
    assert Replay(compiled(BURST)).again(refused, NAMES) is None


@pytest.mark.parametrize(
    ("seen", "known", "names", "gap"),
    [
        (evidence(taint=CONFIDENTIAL), facts(), None, Gap.LABELS),
        (evidence(taint=CONFIDENTIAL), facts(), NAMES[:2], Gap.LABELS),
        (evidence(taint=INTERNAL), facts(), ("public", "intern"), Gap.LABELS),
        (evidence(), facts(), None, Gap.LABELS),  # the ceiling
    ],
)
def test_labels_that_nobody_can_name_cannot_be_decided(seen, known, names, gap):
    found = Replay(compiled(HOME)).again(record(compiled(HOME), seen, known), names)
    assert found is not None
    assert (found.fate, found.gaps) == (Fate.UNDECIDABLE, (gap,))


def test_labels_are_read_by_their_names_and_not_by_their_ranks():
    found = Replay(compiled(HOME)).again(
        record(compiled(HOME), evidence(taint=PUBLIC), facts()), ("restricted", "public", "internal")
    )
    assert found is not None
    assert found.fate is Fate.SAME
    assert isinstance(found.after, Allow)
    assert found.after.label == RESTRICTED


def test_a_request_without_a_ceiling_needs_no_names():
    known = replace(facts(), ceiling=None)
    found = Replay(compiled(BURST)).again(record(compiled(HOME), evidence(), known), None)
    assert found is not None
    assert found.fate is Fate.SAME


def test_tenants_are_those_of_the_new_files():
    tenants = {
        "t": Tenant("t", "default", None),
        "u": Tenant("u", "default", INTERNAL),
        "v": Tenant("v", "default", INTERNAL, attested=PUBLIC),
    }
    public = policy(
        "  - {id: p, when: {label: '== public'}, to: [lab]}\n  - {id: rest, when: {}, to: [home], spill: [burst]}"
    )
    replay = Replay(compiled(public), tenants)
    fates = {}
    for tenant in ("t", "u", "v", "w"):
        found = replay.again(record(compiled(HOME), evidence(), facts(), tenant=tenant), None)
        assert found is not None
        fates[tenant] = (found.fate, found.gaps, found.after.to if isinstance(found.after, Allow) else None)
    assert fates == {
        "t": (Fate.SAME, (), ("home",)),
        "u": (Fate.NEW_CLOUD, (), ("home",)),
        "v": (Fate.MOVED, (), ("lab",)),
        "w": (Fate.UNDECIDABLE, (Gap.TENANT,), None),
    }


COMPLEX = policy("  - {id: simple, when: {complexity: simple}, to: [lab]}\n  - {id: rest, when: {}, to: [home]}")
SPENT = policy("  - {id: spent, when: {budget: spent}, to: [lab]}\n  - {id: rest, when: {}, to: [home]}")
BUSY = policy(
    "  - {id: busy, when: {pressure: {onprem: saturated}}, to: [burst]}\n  - {id: rest, when: {}, to: [home]}"
)
CLEAN = policy("  - {id: rest, when: {}, to: [home], spill: [burst]}", label=", history: known_clean")
NOON = policy(
    "  - {id: day, when: {time: {days: [mon], from: '11:00', to: '13:00'}}, to: [lab]}\n"
    "  - {id: rest, when: {}, to: [home]}",
    rest="time_zone: '+00:00'",
)


@pytest.mark.parametrize(
    ("new", "known", "seen", "expected", "gaps"),
    [
        (COMPLEX, facts(complexity=Complexity.MEDIUM), evidence(), Fate.UNDECIDABLE, (Gap.COMPLEXITY,)),
        (COMPLEX, facts(complexity=Complexity.SIMPLE), evidence(), Fate.MOVED, ()),
        (COMPLEX, facts(complexity=Complexity.HARD), evidence(), Fate.SAME, ()),
        (SPENT, facts(), evidence(), Fate.UNDECIDABLE, (Gap.BUDGET,)),
        (SPENT, facts(surroundings=Surroundings(budget=Budget.SPENT)), evidence(), Fate.MOVED, ()),
        (BUSY, facts(), evidence(), Fate.UNDECIDABLE, (Gap.PRESSURE,)),
        (BUSY, facts(surroundings=Surroundings(pressure=(("onprem", Pressure.FREE),))), evidence(), Fate.SAME, ()),
        (BUSY, facts(surroundings=Surroundings(pressure=(("onprem", Pressure.SATURATED),))), evidence(),
         Fate.NEW_CLOUD, ()),
        (CLEAN, facts(), evidence(history=History.UNKNOWN), Fate.UNDECIDABLE, (Gap.HISTORY,)),
        (CLEAN, facts(), evidence(history=History.ON_RECORD), Fate.NEW_CLOUD, ()),
        (CLEAN, facts(), evidence(history=History.LOST), Fate.SAME, ()),
        (HOME, facts(), evidence(history=History.UNKNOWN), Fate.SAME, ()),
    ],
)  # fmt: skip
def test_what_the_record_does_not_say_is_tried_every_way(new, known, seen, expected, gaps):
    found = fate(HOME, new, seen, known)
    assert (found.fate, found.gaps) == (expected, gaps)


@pytest.mark.parametrize(("score", "expected"), [(0.2, Fate.MOVED), (0.36, Fate.SAME), (0.9, Fate.SAME)])
def test_a_score_on_record_is_read_by_the_bands_of_the_new_policy(score, expected):
    scored = Scored(score, Complexity.SIMPLE, ())
    found = fate(HOME, COMPLEX, evidence(), facts(complexity=Complexity.SIMPLE), scored=scored)
    assert (found.fate, found.gaps) == (expected, ())
    moved = COMPLEX.replace(b"routes:", b"complexity: {simple_below: 0.95, hard_from: 1}\nroutes:", 1)
    assert fate(HOME, moved, evidence(), facts(complexity=Complexity.SIMPLE), scored=scored).fate is Fate.MOVED


def test_a_gap_that_makes_no_difference_is_none():
    both = policy("  - {id: simple, when: {complexity: simple}, to: [home]}\n  - {id: rest, when: {}, to: [home]}")
    assert fate(HOME, both, evidence()).fate is Fate.SAME


@pytest.mark.parametrize(
    ("new", "known", "seen"),
    [
        (COMPLEX, facts(complexity=Complexity.MEDIUM), evidence()),
        (SPENT, facts(), evidence()),
        (CLEAN, facts(), evidence(history=History.UNKNOWN)),
    ],
)
def test_what_the_policy_of_then_asked_about_is_known_in_its_records_alone(new, known, seen):
    done = record(compiled(HOME), seen, known)
    replay = Replay(compiled(new), None, {"b": compiled(new), "c": compiled(HOME)})
    for bundle, is_known in (("b", True), ("c", False), ("d", False)):
        found = replay.again(replace(done, bundle=bundle), NAMES)
        assert found is not None
        assert (found.fate is Fate.SAME) == is_known


def test_what_may_get_out_one_way_is_named_though_it_cannot_be_decided():
    assert fate(HOME, BUSY, evidence()).gained == ("burst",)


def test_the_time_is_when_the_request_came():
    assert fate(HOME, NOON, evidence()).fate is Fate.MOVED
    assert fate(HOME, NOON, evidence(), at=MONDAY_NOON + 3600.4, ms=300.0).fate is Fate.SAME
    assert fate(HOME, NOON, evidence(), at=MONDAY_NOON + 3600.4, ms=500.0).fate is Fate.MOVED


ROUTES = [
    "to: [home]", "to: [home], spill: [burst]", "to: [lab, home], spill: [burst, far]", "to: [burst, home]",
    "deny: No.", "to: [home], canary: {pool: burst, percent: 5}",
]  # fmt: skip


@given(st.sampled_from(ROUTES), st.sampled_from(ROUTES), st.sampled_from(list(Complexity)), st.booleans())
def test_new_access_is_never_missed(old_route, new_route, complexity, is_found):
    old = compiled(policy(f"  - {{id: a, when: {{}}, {old_route}}}", rules=RULES))
    new = compiled(policy(f"  - {{id: a, when: {{}}, {new_route}}}", rules=RULES))
    done = record(old, evidence("EMAIL") if is_found else evidence(), facts(complexity=complexity))
    found = Replay(new).again(done, NAMES)
    assert found is not None
    assert done.facts is not None
    after = decide(new, done.facts)

    def cloud(decision):
        places = decision.reach if isinstance(decision, Allow) else ()
        return {place for place in places if place in ("burst", "far")}

    assert (found.fate is Fate.SAME) == (
        (after == done.decision) or (isinstance(after, Deny) and isinstance(done.decision, Deny))
    )
    if cloud(after) - cloud(done.decision):
        assert found.fate is Fate.NEW_CLOUD


def test_a_tally_counts_names_and_judges():
    tally = Tally()
    assert not tally.has_new_access
    done = record(compiled(HOME), evidence(), facts())
    tally.take(done, None)
    for number in range(7):
        at = MONDAY_NOON - number
        one = replace(done, request_id=f"r{number}", at=at)
        tally.take(one, Replay(compiled(BURST)).again(one, NAMES))
    tally.take(done, Replay(compiled(HOME)).again(done, NAMES))
    assert (tally.decided, tally.undecided, tally.fates[Fate.NEW_CLOUD], tally.fates[Fate.SAME]) == (8, 1, 7, 1)
    assert tally.named[Fate.NEW_CLOUD] == ["r0", "r1", "r2", "r3", "r4"]
    assert (tally.first_at, tally.last_at) == (MONDAY_NOON - 6, MONDAY_NOON)
    assert tally.gained == {"burst": 7}
    assert tally.has_new_access
    assert as_json(tally)["moves"] == [{"before": "rest", "after": "rest", "fate": "new_cloud", "count": 7}]


def tallied(*, unreadable: int = 0, fates: tuple[tuple[bytes, bytes], ...] = ()) -> Tally:
    tally = Tally(unreadable=unreadable)
    for old, new in fates:
        done = record(compiled(old), evidence(), facts())
        tally.take(done, Replay(compiled(new)).again(done, NAMES))
    return tally


@pytest.mark.parametrize(
    ("tally", "lines"),
    [
        (tallied(), ["No request in these records was decided, so nothing can be said."]),
        (tallied(fates=((HOME, HOME),)), ["New cloud access: none in these records.", "Of 1 requests, 0 would move"]),
        (
            tallied(fates=((HOME, BURST), (BURST, HOME))),
            ["New cloud access: YES. Requests would get to burst", "Of 2 requests, 2 would move, 1 of them",
             "✗ 1 × rest → rest, towards the cloud", "1 × rest → rest", "Towards the cloud, for example: r1"],
        ),
        (
            tallied(fates=((HOME, COMPLEX),)),
            ["New cloud access: CANNOT BE RULED OUT", "✗ 1 × rest → cannot be decided",
             "1: the new policy asks for the complexity", "Not to be decided, for example: r1"],
        ),
        (
            tallied(unreadable=2, fates=((HOME, NO_CHAT),)),
            ["CANNOT BE RULED OUT", "1 × rest → (no route)", "✗ 2 lines cannot be read"],
        ),
    ],
)  # fmt: skip
def test_the_answer_of_the_gate_comes_first(tally, lines):
    text = said(tally, "en")
    assert text.startswith(lines[0]) or lines[0] in text.split("\n")[0]
    for line in lines:
        assert line in text
    assert said(tally, "zh") != text


def test_requests_that_were_never_decided_are_told_apart():
    tally = tallied(fates=((HOME, HOME),))
    tally.take(record(compiled(HOME), evidence(), facts()), None)
    assert "1 more records are of requests that ended before they were decided" in said(tally, "en")


def test_a_refusal_by_another_rule_is_no_move():
    other = policy("  - {id: no, when: {}, deny: Otherwise.}")
    done = replace(record(compiled(HOME), evidence(), facts()), decision=Deny(DenyCode.UNMATCHED, "", "No."))
    found = Replay(compiled(other)).again(done, NAMES)
    assert found is not None
    assert found.fate is Fate.SAME


def test_tiers_that_ran_are_part_of_the_record():
    lazy = policy("  - {id: rest, when: {}, to: [home], spill: [burst]}", label=", tiers: [structured, names, ner]")
    done = replace(evidence(), coverage=Coverage(BOTH | {Tier.NER}, (), 1, 9))
    assert fate(BURST, lazy, done).fate is Fate.SAME
    assert fate(BURST, lazy, evidence()).fate is Fate.MOVED
