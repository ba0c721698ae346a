"""What a canary should meet with under a policy, and the verdict on what the log says of it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.access import Access, Scope
from gateway.core.facts import RequestFacts, Tenant
from gateway.core.labels import Label
from gateway.core.quota import Limits
from gateway.core.records import Attempt, Ending, Mirrored
from gateway.core.topology import Topology
from gateway.policy.compile import load
from gateway.policy.compiled import CompiledPolicy
from gateway.policy.live_canary import (
    ANY_MODEL,
    Bait,
    Records,
    Skipped,
    Verdict,
    baits,
    homes,
    judge,
    next_turn,
    plan,
)
from tests.core.audit_values import intent, outcome

from .making import CLASSES, CONFIDENTIAL, EXAMPLE, INTERNAL, RESTRICTED, pool

POOLS = Topology(
    (
        pool("gpu-small", clearance=INTERNAL),
        pool("gpu-large"),
        pool("sglang"),
        pool("burst", "cloud", INTERNAL),
    )
)
SCORES = {"CN_RESIDENT_ID": 0.95, "EMAIL": 0.7}
BANK = Tenant("bank", "default", INTERNAL, sees=frozenset({"label"}), limits=Limits())
CLINIC = Tenant("clinic", "hospital", None)


@pytest.fixture(scope="module")
def policy() -> CompiledPolicy:
    return compiled()


def compiled(text: str = EXAMPLE, classes=CLASSES) -> CompiledPolicy:
    return load(text.encode(), "p", POOLS, classes)


# What it is made of


@pytest.mark.parametrize(
    ("scores", "ceiling", "expected"),
    [
        (SCORES, INTERNAL, (Bait("CN_RESIDENT_ID", RESTRICTED),)),
        (SCORES, None, (Bait("CN_RESIDENT_ID", RESTRICTED),)),
        ({"EMAIL": 0.7, "ADDRESS": 0.9}, INTERNAL, (Bait("EMAIL", CONFIDENTIAL), Bait("ADDRESS", CONFIDENTIAL))),
        ({"EMAIL": 0.5, "ADDRESS": 0.9}, INTERNAL, (Bait("ADDRESS", CONFIDENTIAL),)),  # a score below the rule's
        ({"EMAIL": 0.5}, INTERNAL, ()),
        ({"PERSON": 0.9}, INTERNAL, ()),
        ({"PERSON": 0.9}, None, (Bait("PERSON", INTERNAL),)),  # of a class of which nothing leaves
        ({"UNHEARD_OF": 0.9}, INTERNAL, (Bait("UNHEARD_OF", RESTRICTED),)),
    ],
)
def test_a_bait_has_the_highest_label_there_is_and_must_not_leave(policy, scores, ceiling, expected):
    assert baits(policy, ceiling, scores) == expected


def test_classes_without_tenants_models_or_anything_to_hold_back_are_named(policy):
    tenants = [CLINIC, replace(BANK, access=Access(Scope(apis=frozenset({"embeddings"}))))]
    found = plan(policy, tenants, SCORES, None)
    assert list(found.asked) == ["hospital"]
    assert found.skipped == {"default": Skipped.NO_MODEL, "press": Skipped.NO_TENANTS}
    assert plan(policy, [BANK], {"PERSON": 0.9}, None).skipped["default"] is Skipped.MAY_LEAVE


def test_a_canary_has_no_limits_and_is_told_nothing_of_decisions(policy):
    (guise,) = plan(policy, [BANK], SCORES, None).asked["default"].guises
    assert guise.tenant == replace(BANK, limits=None, sees=frozenset())
    assert guise.models == ("chat-auto", "chat-large")
    assert guise.scopes == ()


def test_a_canary_reaches_no_more_than_its_tenant(policy):
    narrow = replace(BANK, access=Access(Scope(models=frozenset({"chat-large"}))))
    for model, expected in ((None, ("chat-large",)), ("chat-large", ("chat-large",))):
        (guise,) = plan(policy, [narrow], SCORES, model).asked["default"].guises
        assert guise.models == expected
        assert guise.scopes == (Scope(models=frozenset({"chat-large"})),)
    assert plan(policy, [narrow], SCORES, "chat-auto").skipped["default"] is Skipped.NO_MODEL


def test_where_any_model_may_be_called_it_has_a_name_of_its_own():
    text = EXAMPLE.replace(
        "  chat-auto: {pools: [gpu-small, gpu-large, sglang, burst]}\n", "  '*': {pools: [gpu-large]}\n"
    )
    text = text.replace("  chat-large: {pools: [gpu-large, burst]}\n", "")
    only_any = replace(compiled(), aliases=load(text.encode(), "p").aliases)
    (guise,) = plan(only_any, [BANK], SCORES, None).asked["default"].guises
    assert guise.models == (ANY_MODEL,)


def test_a_tenant_of_a_class_that_the_policy_was_compiled_without_is_asked_too():
    assert list(plan(compiled(classes=None), [CLINIC], SCORES, None).asked) == ["hospital"]


def test_home_is_where_the_label_may_be_seen_and_never_the_cloud(policy):
    assert homes(policy, POOLS, RESTRICTED) == {"gpu-large", "sglang"}
    assert homes(policy, POOLS, INTERNAL) == {"gpu-small", "gpu-large", "sglang"}


def test_the_cloud_is_no_home_whatever_its_clearance(policy):
    assert homes(policy, Topology((pool("far", "cloud"), pool("near"))), RESTRICTED) == {"near"}


# The verdict

HOME = frozenset({"home", "home-b"})


def attempt(place: str) -> Attempt:
    return Attempt(place, "any", "e", Ending.COMPLETED, 200, 5.0)


def ended(*places: str, low: Label = RESTRICTED, ending: Ending = Ending.COMPLETED, has_facts: bool = True) -> Records:
    facts = RequestFacts(low, RESTRICTED, "default", INTERNAL, "chat") if has_facts else None
    return Records(outcome(facts=facts, ending=ending, attempts=tuple(map(attempt, places)), canary=True))


def copied(place: str) -> Mirrored:
    return Mirrored("m", "r", 1.0, 1.0, "t", "restricted", "r", place, Ending.COMPLETED, "b", 0, (attempt(place),))


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        (ended("home"), Verdict.HELD),
        (ended("home", "home-b"), Verdict.HELD),
        (ended(ending=Ending.REFUSED), Verdict.HELD),
        (replace(ended("home"), intents=(intent(pool="home-b"),), copies=(copied("home-b"),)), Verdict.HELD),
        (ended("burst"), Verdict.LEFT),
        (ended("burst", ending=Ending.UPSTREAM_FAILED), Verdict.LEFT),
        (ended("home", "burst"), Verdict.LEFT),
        (ended("nobody-knows"), Verdict.LEFT),
        (ended("burst", low=INTERNAL), Verdict.LEFT),
        (replace(ended("home"), intents=(intent(pool="burst"),)), Verdict.LEFT),
        (Records(intents=(intent(pool="burst"),)), Verdict.LEFT),
        (replace(ended("home"), copies=(copied("burst"),)), Verdict.LEFT),
        (Records(), Verdict.UNSEEN),
        (Records(copies=(copied("home"),)), Verdict.UNSEEN),
        (ended("home", low=CONFIDENTIAL), Verdict.UNLABELLED),
        (ended(ending=Ending.REFUSED, low=INTERNAL), Verdict.UNLABELLED),
        (ended("home", ending=Ending.UPSTREAM_FAILED, low=INTERNAL), Verdict.UNLABELLED),
        (ended("home", ending=Ending.UPSTREAM_FAILED), Verdict.FAILED),
        (ended("home", ending=Ending.CLIENT_GONE), Verdict.FAILED),
        (ended(ending=Ending.DEADLINE), Verdict.FAILED),
        (ended(ending=Ending.REFUSED, has_facts=False), Verdict.FAILED),
    ],
)
def test_the_verdict_is_what_the_records_say(records, expected):
    assert judge(records, RESTRICTED, HOME) is expected


@given(
    st.lists(st.sampled_from(("home", "home-b", "burst", "far")), max_size=4),
    st.sampled_from(Ending),
    st.integers(0, 3).map(Label),
    st.booleans(),
)
def test_whatever_else_is_true_one_place_abroad_is_enough(places, ending, low, has_facts):
    verdict = judge(ended(*places, ending=ending, low=low, has_facts=has_facts), RESTRICTED, HOME)
    assert (verdict is Verdict.LEFT) is not HOME.issuperset(places)


# Whose turn it is


@given(st.floats(0, 4e9), st.sampled_from((1.0, 60.0, 3600.0, 86_400.0)), st.integers(1, 40))
def test_turns_are_spread_evenly_and_lie_by_the_clock(now, every_s, classes):
    step_s = every_s / classes
    then = next_turn(now, every_s, classes)
    assert step_s / 10 - 1e-5 <= then - now <= step_s * 1.1 + 1e-5
    # Whenever somebody begins in the same stretch, the next turn is the same; and who wakes for it has the one after.
    assert next_turn(then - step_s / 2, every_s, classes) == pytest.approx(then, abs=1e-5)
    for late in (-step_s / 20, 0.0, step_s / 2):
        assert next_turn(then + late, every_s, classes) == pytest.approx(then + step_s, abs=1e-5)
