"""What holds for every policy and every request (threats.md I1, I4), on random policies, against a second opinion."""

from dataclasses import replace

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from msgspec import structs

from gateway.core.decision import Allow, Decision, Deny
from gateway.core.labels import Label
from gateway.core.problems import Problems
from gateway.policy.compile import load
from gateway.policy.compiled import CompiledPolicy
from gateway.policy.decide import Kept, Step, decide

from .making import reached, unproved
from .oracle import Outcome, World, states, worlds

THOROUGH = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


def compiled(world: World) -> CompiledPolicy:
    return unproved(world.text(), world.topology(), world.class_ceilings())


def outcome(decision: Decision) -> Outcome:
    match decision:
        case Allow(to=to, spill=spill, route=route, canary=canary, mirror=mirror):
            first, copied = ((one.pool, one.percent) if one is not None else None for one in (canary, mirror))
            return f"route {route}", list(to), list(spill), first, copied
        case Deny(code=code):
            return ("denied" if code == "denied_by_policy" else str(code)), [], [], None, None


@THOROUGH
@given(st.data())
def test_it_decides_what_the_description_says(data: st.DataObject) -> None:
    world = data.draw(worlds())
    policy = compiled(world)
    for _ in range(4):
        facts = data.draw(states(world))
        decision = decide(policy, facts)
        assert outcome(decision) == world.pools_of(facts, facts.label_high)
        _, to, spill, canary, _ = world.pools_of(facts, facts.label_low)
        first = canary[:1] if canary is not None and canary[0] not in to else ()
        listed = dict.fromkeys((*first, *to, *spill))
        permitted = decision.pools if isinstance(decision, Allow) else ()
        assert list(decision.if_scanned) == [one for one in listed if one not in permitted]
        if isinstance(decision, Allow):
            assert decision.leaves_first == leaves_first(world, decision, to, canary)


def leaves_first(world: World, decision: Allow, to: list[str], canary: tuple[str, float] | None) -> float:
    """The share of requests that the lower label sends first to a cloud pool that the decision does not list."""

    def opens(name: str) -> bool:
        return name in decision.if_scanned and world.is_cloud(name)

    if to and opens(to[0]):
        return 100.0
    return canary[1] if canary is not None and opens(canary[0]) else 0.0


@THOROUGH
@given(st.data())
def test_a_full_scan_opens_what_was_named_and_nothing_that_its_own_label_would_not(data: st.DataObject) -> None:
    world = data.draw(worlds())
    policy = compiled(world)
    facts = data.draw(states(world))
    first = decide(policy, facts)
    # `label_low` alone never adds a pool: only a decision for the label that a completed scan gave does.
    assert reached(first) == reached(decide(policy, structs.replace(facts, label_low=facts.label_high)))
    for rank in range(facts.label_low, facts.label_high + 1):
        second = decide(policy, structs.replace(facts, label_low=Label(rank), label_high=Label(rank)))
        limit = world.limit(facts)
        for name in reached(second):
            zone, clearance, _ = world.pools[name]
            assert rank <= clearance
            assert zone == "onprem" or rank <= limit
        if rank == facts.label_low:
            assert set(getattr(second, "pools", ())) <= set(reached(first)) | set(first.if_scanned)


@THOROUGH
@given(st.data())
def test_no_decision_names_a_place_above_the_label(data: st.DataObject) -> None:
    world = data.draw(worlds())
    facts = data.draw(states(world))
    decision = decide(compiled(world), facts)
    limit = world.limit(facts)
    for name in reached(decision):
        zone, clearance, _ = world.pools[name]
        assert facts.label_high <= clearance
        assert zone == "onprem" or facts.label_high <= limit
    for name in decision.if_scanned:
        zone, clearance, _ = world.pools[name]
        assert facts.label_low <= clearance
        assert zone == "onprem" or facts.label_low <= limit


@THOROUGH
@given(st.data())
def test_no_model_adds_a_cloud_pool_or_puts_one_first(data: st.DataObject) -> None:
    world = data.draw(worlds())
    facts = data.draw(states(world))
    policy = compiled(world)
    allowed, first_is_home, usual, copied = world.without_model(facts, facts.label_high)
    for model in ("m", "n", "anything"):
        decision = decide(policy, structs.replace(facts, model=model))
        assert {name for name in reached(decision) if world.is_cloud(name)} <= allowed
        if isinstance(decision, Allow) and first_is_home:
            assert not world.is_cloud(decision.to[0])
            if decision.canary is not None and world.is_cloud(decision.canary.pool):
                assert usual is not None
                assert world.is_cloud(usual[0])
                assert decision.canary.percent <= usual[1]
            if decision.mirror is not None and world.is_cloud(decision.mirror.pool):
                assert copied is not None
                assert world.is_cloud(copied[0])
                assert decision.mirror.percent <= copied[1]


@THOROUGH
@given(st.data())
def test_a_model_that_takes_nothing_away_changes_nothing(data: st.DataObject) -> None:
    world = data.draw(worlds())
    rows = [row for row in world.routes if "model" not in row["when"]]  # type: ignore[operator]
    world = replace(world, models={"m": ("a", "b", "c", "d")}, routes=tuple(rows))
    facts = structs.replace(data.draw(states(world)), model="m")
    names = reached(decide(compiled(world), facts))
    reachable, *_ = world.without_model(facts, facts.label_high)
    assert {name for name in names if world.is_cloud(name)} == reachable


@THOROUGH
@given(st.data())
def test_in_a_policy_that_loads_raising_the_label_never_adds_a_cloud_pool(data: st.DataObject) -> None:
    world = data.draw(worlds(stays_home=True))
    try:
        policy = load(world.text(), "p", world.topology(), world.class_ceilings())
    except Problems:
        assume(False)
        return
    facts = data.draw(states(world))
    below: set[str] | None = None
    for rank in range(4):
        names = reached(decide(policy, structs.replace(facts, label_low=Label(rank), label_high=Label(rank))))
        cloud = {name for name in names if world.is_cloud(name)}
        assert below is None or cloud <= below
        below = cloud


@THOROUGH
@given(st.data())
def test_looking_on_changes_nothing(data: st.DataObject) -> None:
    world = data.draw(worlds())
    facts = data.draw(states(world))
    policy = compiled(world)
    trace: list[Step] = []
    decision = decide(policy, facts, trace)
    assert decision == decide(policy, facts)
    kept = [(step.pool, step.is_spill, step.is_canary, step.is_mirror) for step in trace if isinstance(step, Kept)]
    if isinstance(decision, Allow):
        canary = [(decision.canary.pool, False, True, False)] if decision.canary is not None else []
        mirror = [(decision.mirror.pool, False, False, True)] if decision.mirror is not None else []
        listed = [
            (pool, is_spill, False, False)
            for is_spill in (False, True)
            for pool in (decision.to, decision.spill)[is_spill]
        ]
        assert kept == canary + mirror + listed
    else:
        assert kept == []
