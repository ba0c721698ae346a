"""What the prover says of a policy, and when it must say that it does not know."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.cli import policy_files
from gateway.core.decision import Allow, Canary, Decision, Mirror
from gateway.core.facts import Complexity, RequestFacts
from gateway.core.labels import Label
from gateway.core.topology import Topology
from gateway.policy import prove as prover
from gateway.policy.bans import Kind
from gateway.policy.compile import load
from gateway.policy.compiled import CompiledPolicy, Fact
from gateway.policy.decide import decide
from gateway.policy.lines import Guards, Reach, as_decided, not_steered, without_model
from gateway.policy.proof import Outcome, Proof, Verdict
from gateway.policy.prove import prove
from gateway.policy.space import Space, walk

from .brute_force import small
from .making import CLASSES, EXAMPLE, EXAMPLE_POOLS, INTERNAL, PUBLIC, RESTRICTED, example, policy, pool, unproved
from .test_prove_brute_force import compiled

KEEP = '  - {id: keep, when: {label: ">= confidential"}, to: [home]}\n'
REST = "  - {id: rest, when: {}, to: [home], spill: [burst]}"
BOTH = "{chat: {pools: [home, burst]}, other: {pools: [home, burst]}}"


def verdict(proof: Proof, kind: Kind) -> Verdict:
    return next(one for one in proof.verdicts if one.kind is kind)


def outcomes(proof: Proof) -> dict[str, Outcome]:
    return {one.id: one.outcome for one in proof.verdicts}


def test_what_is_always_proved_and_what_a_policy_states_besides() -> None:
    plain = prove(unproved(policy(KEEP + REST, BOTH)))
    assert outcomes(plain) == dict.fromkeys(
        ("(ceiling)", "(clearance)", "(total)", "(monotone)", "(client)", "(deterministic)", "(leaving)"),
        Outcome.PROVED,
    )
    assert plain.is_proved
    rest = """\
invariants:
  - {id: A, never: {label: "> internal", zone: cloud}}
  - {id: B, only: {label: "== restricted", residency: none}}
  - {id: C, total: true}
  - {id: D, reachable: all_routes}
  - {id: E, client: may_not_steer}"""
    stated = prove(unproved(policy(KEEP + REST, BOTH, rest=rest)))
    assert list(outcomes(stated)) == [
        "(ceiling)", "(clearance)", "A", "B", "C", "D", "E", "(monotone)", "(deterministic)", "(leaving)",
    ]  # fmt: skip
    assert stated.is_proved
    assert [one.at is None for one in stated.verdicts] == [one.id.startswith("(") for one in stated.verdicts]


def test_the_counterexample_is_the_most_ordinary_request() -> None:
    rows = "  - {id: hard, when: {complexity: hard}, to: [burst]}\n  - {id: all, when: {}, to: [home], spill: [burst]}"
    proof = prove(unproved(policy(rows, BOTH), classes=CLASSES))
    found = verdict(proof, Kind.CEILING)
    # One for each route and pool; the request that is not hard is the more ordinary one.
    assert [(one.route, one.pools) for one in found.counterexamples] == [("all", ("burst",)), ("hard", ("burst",))]
    first = found.counterexample
    assert first is not None
    assert first.facts == RequestFacts(Label(2), Label(2), "default", INTERNAL, "chat")
    assert found.counterexamples[1].facts.complexity is Complexity.HARD


def test_pools_that_the_same_request_reaches_are_told_together() -> None:
    rows = "  - {id: rest, when: {}, to: [home], spill: [burst, far]}"
    found = verdict(prove(unproved(policy(rows))), Kind.CEILING)
    assert [one.pools for one in found.counterexamples] == [("burst", "far")]


def test_a_class_that_stays_home_is_part_of_the_table() -> None:
    rest = "invariants: [{id: H, never: {tenant_class: hospital, zone: cloud}}]"
    data = policy(KEEP + REST, BOTH, rest=rest)
    assert prove(unproved(data, classes=CLASSES)).is_proved
    found = verdict(prove(unproved(data, classes={**CLASSES, "hospital": PUBLIC})), Kind.NEVER)
    assert found.counterexample is not None
    assert (found.counterexample.facts.tenant_class, found.counterexample.facts.label_high) == ("hospital", PUBLIC)


@pytest.mark.parametrize(
    ("never", "is_broken"),
    [
        ("{pool: burst}", True),
        ("{pool: burst, label: '> internal'}", False),
        ("{pool: burst, complexity: hard}", True),
        ("{pool: burst, complexity: simple}", False),
        ("{pool: burst, capability: [tools, vision]}", True),
        ("{pool: burst, capability: audio}", False),
        ("{pool: burst, model: chat}", True),
        ("{pool: burst, model: other}", False),
        ("{pool: burst, tenant_class: [a, b]}", True),
        ("{pool: burst, pressure: {onprem: free}}", False),
        ("{pool: burst, budget: spent, modality: image, context: '> 8k', time: {days: [sun]}}", True),
        ("{zone: cloud, label: '== public'}", True),
        ("{zone: onprem, label: '== restricted'}", True),
        ("{zone: elsewhere, label: '== restricted'}", False),
        ("{residency: us}", True),
        ("{residency: [cn, none]}", True),
        ("{residency: cn, processor: own}", False),
        ("{processor: own, residency: us}", True),
    ],
)  # fmt: skip
def test_what_must_never_be_is_looked_for_in_every_state(never: str, *, is_broken: bool) -> None:
    rows = (
        KEEP + "  - {id: easy, when: {complexity: simple}, to: [home]}\n"
        "  - {id: rest, when: {pressure: {onprem: [saturated, down]}}, to: [home], spill: [burst]}\n"
        "  - {id: idle, when: {}, to: [home]}"
    )
    models = "{chat: {pools: [home, burst]}, same: {pools: [home, burst]}, other: {pools: [home]}}"
    data = policy(rows, models, rest=f"invariants: [{{id: X, never: {never}}}]")
    data = data.replace(b"cloud: {networks: any}", b"cloud: {networks: any}, elsewhere: {networks: any}")
    able = {"tools", "vision"}
    capable = [one for one in pool("x").capabilities if one in able]
    pools = Topology((pool("home"), pool("burst", "cloud", RESTRICTED, capable, residency="us")))
    outcome = verdict(prove(unproved(data, pools)), Kind.NEVER).outcome
    assert (outcome is Outcome.DISPROVED) == is_broken


def test_only_the_pools_with_an_attribute_may_be_reachable() -> None:
    data = policy(KEEP + REST, BOTH, rest="invariants: [{id: X, only: {label: '<= internal', residency: [cn]}}]")
    for residency, outcome in (("cn", Outcome.PROVED), ("us", Outcome.DISPROVED), (None, Outcome.DISPROVED)):
        pools = Topology((pool("home", residency="cn"), pool("burst", "cloud", INTERNAL, residency=residency)))
        assert verdict(prove(unproved(data, pools)), Kind.ONLY).outcome is outcome


def test_a_row_none_of_whose_to_can_serve_reaches_nothing() -> None:
    # Nothing of `to` takes pictures, so `spill` never opens for them, whatever it lists.
    rows = "  - {id: rest, when: {modality: image, capability: vision}, to: [lab], spill: [burst]}\n" + KEEP.replace(
        "keep", "other"
    ).replace('label: ">= confidential"', "")
    pools = Topology((pool("home"), pool("lab", capabilities=()), pool("burst", "cloud", INTERNAL)))
    assert prove(unproved(policy(rows, "{chat: {pools: [home, lab, burst]}}"), pools)).is_proved


def test_rows_that_no_request_uses_are_named_with_those_that_take_theirs() -> None:
    rows = (
        KEEP
        + '  - {id: never, when: {label: "< public"}, to: [lab]}\n'
        + '  - {id: dead, when: {label: "== restricted"}, to: [lab]}\n'
        + '  - {id: free, when: {budget: ok, label: "== internal"}, to: [home]}\n'
        + "  - {id: poor, when: {budget: spent}, to: [home]}\n"
        + '  - {id: hidden, when: {label: ">= internal"}, to: [lab]}\n'
        + "  - {id: rest, when: {}, to: [home, lab]}"
    )
    proof = prove(unproved(policy(rows, "{chat: {pools: [home, lab]}}")))
    assert proof.dead == ("never",)
    assert [(one.route, one.by) for one in proof.shadowed] == [
        ("dead", ("keep",)), ("hidden", ("keep", "free", "poor")),
    ]  # fmt: skip
    assert proof.shadowed[1].example.facts.label_high == INTERNAL
    assert (proof.shadowed[1].example.route, proof.shadowed[1].example.pools) == ("free", ("home",))
    assert proof.is_proved
    stated = policy(rows, "{chat: {pools: [home, lab]}}", rest="invariants: [{id: R, reachable: all_routes}]")
    found = verdict(prove(unproved(stated)), Kind.REACHABLE)
    assert found.outcome is Outcome.DISPROVED
    assert {one.route for one in found.counterexamples} == {"keep", "free"}
    only_dead = policy(rows.replace('  - {id: dead, when: {label: "== restricted"}, to: [lab]}\n', "").replace(
        '  - {id: hidden, when: {label: ">= internal"}, to: [lab]}\n', ""
    ), "{chat: {pools: [home, lab]}}", rest="invariants: [{id: R, reachable: all_routes}]")  # fmt: skip
    found = verdict(prove(unproved(only_dead)), Kind.REACHABLE)
    assert (found.outcome, found.counterexamples, found.counterexample) == (Outcome.DISPROVED, (), None)


def test_a_refusal_that_is_reached_now_and_then_is_not_hidden() -> None:
    rows = KEEP + '  - {id: no, when: {label: ">= internal"}, deny: "No."}\n' + REST
    assert prove(unproved(policy(rows, BOTH))).is_proved
    hidden = prove(unproved(policy(rows.replace(">= internal", ">= confidential"), BOTH)))
    assert [one.id for one in hidden.verdicts if one.outcome is Outcome.DISPROVED] == ["(deny)"]


def test_what_only_a_models_name_would_reach_is_told_and_taken_away() -> None:
    rows = KEEP + "  - {id: out, when: {model: other}, to: [burst]}\n  - {id: rest, when: {}, to: [home]}"
    proof = prove(unproved(policy(rows, BOTH)))
    assert proof.is_proved
    assert [(one.route, one.pools, one.facts.model) for one in proof.steered] == [("out", ("burst",), "other")]


def test_without_enough_nodes_nothing_is_proved_but_what_is_broken_stays_broken() -> None:
    good, bad = unproved(policy(KEEP + REST, BOTH)), unproved(policy(REST, BOTH))
    spent = prove(good, most_nodes=3)
    assert spent.is_spent
    assert not spent.is_proved
    assert set(outcomes(spent).values()) == {Outcome.NOT_PROVED}
    needed = prove(bad).nodes
    assert not prove(bad, most_nodes=needed).is_spent
    for most in range(1, needed):
        proof = prove(bad, most_nodes=most)
        assert proof.is_spent
        assert Outcome.PROVED not in outcomes(proof).values()
    assert outcomes(prove(bad, most_nodes=needed - 1))["(ceiling)"] is Outcome.DISPROVED


def test_progress_is_told_and_only_rises() -> None:
    told: list[int] = []
    proof = prove(example(), progress=told.append)
    assert told == sorted(told)
    assert told[-1] == proof.nodes


# The prover does not trust the table's own account of itself


def without_dimension(compiled: CompiledPolicy, fact: Fact) -> CompiledPolicy:
    kept = tuple(one for one in compiled.layout.dimensions if one.fact is not fact)
    return replace(compiled, layout=replace(compiled.layout, dimensions=kept))


def with_an_unknown_bit(compiled: CompiledPolicy) -> CompiledPolicy:
    first = replace(compiled.routes[0], refused=compiled.routes[0].refused | 1 << 200)
    return replace(compiled, routes=(first, *compiled.routes[1:]))


def with_shared_bits(compiled: CompiledPolicy) -> CompiledPolicy:
    *others, last = compiled.layout.dimensions
    return replace(compiled, layout=replace(compiled.layout, dimensions=(*others, last, replace(last, member="again"))))


def with_lying_samples(compiled: CompiledPolicy) -> CompiledPolicy:
    changed = []
    for one in compiled.layout.dimensions:
        if one.fact is Fact.COMPLEXITY:
            first, second, *rest = one.values
            one = replace(one, values=(replace(first, bits=second.bits), replace(second, bits=first.bits), *rest))
        changed.append(one)
    return replace(compiled, layout=replace(compiled.layout, dimensions=tuple(changed)))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda compiled: without_dimension(compiled, Fact.COMPLEXITY), with_an_unknown_bit, with_shared_bits,
        with_lying_samples,
    ],
)  # fmt: skip
def test_a_layout_that_does_not_say_everything_proves_nothing(
    spoil: Callable[[CompiledPolicy], CompiledPolicy],
) -> None:
    good = load(EXAMPLE.replace("[ORG, URL, DATE, PERSON]", ALL).encode(), "p", EXAMPLE_POOLS, CLASSES)
    assert prove(good).is_proved
    proof = prove(spoil(good))
    assert not proof.is_spent
    assert Outcome.PROVED not in outcomes(proof).values()


ALL = "[ORG, URL, DATE, PERSON, CN_MOBILE, EMAIL, ADDRESS, HEALTH_CONTEXT]"


def also_burst(_: CompiledPolicy, facts: RequestFacts) -> Decision:
    return Allow(("home",), ("burst",), 1.0, "rest", facts.label_high)


def burst_first(_: CompiledPolicy, facts: RequestFacts) -> Decision:
    return Allow(("burst", "home"), (), 1.0, "rest", facts.label_high)


def more_canary(_: CompiledPolicy, facts: RequestFacts) -> Decision:
    return Allow(("home",), ("burst",), 1.0, "rest", facts.label_high, canary=Canary("burst", 50.0))


def more_mirror(_: CompiledPolicy, facts: RequestFacts) -> Decision:
    return Allow(("home",), ("burst",), 1.0, "rest", facts.label_high, mirror=Mirror("burst", 50.0))


def shared_out(_: CompiledPolicy, facts: RequestFacts) -> Decision:
    return Allow(("home", "burst"), (), 1.0, "rest", facts.label_high, weights=(1.0, 1.0))


@pytest.mark.parametrize(
    ("wrong", "rows", "broken"),
    [
        (more_mirror, KEEP + REST, {"(deterministic)", "(client)"}),
        (shared_out, KEEP + REST, {"(deterministic)", "(client)"}),
        (also_burst, "  - {id: rest, when: {}, to: [home]}", {"(deterministic)", "(client)"}),
        (burst_first, KEEP + REST, {"(deterministic)", "(client)"}),
        (more_canary, KEEP + REST, {"(deterministic)", "(client)"}),
    ],
)
def test_a_decision_that_is_not_as_proved_disproves_it(
    monkeypatch: pytest.MonkeyPatch,
    wrong: Callable[[CompiledPolicy, RequestFacts], Decision],
    rows: str,
    broken: set[str],
) -> None:
    good = unproved(policy(rows, BOTH))
    assert prove(good).is_proved
    monkeypatch.setattr(prover, "decide", wrong)
    assert {one.id for one in prove(good).verdicts if one.outcome is Outcome.DISPROVED} == broken


# What is proved is what is decided


def as_read(space: Space) -> list[tuple[RequestFacts, Reach]]:
    """One witness for every region of the whole table, with nothing left out, and where it goes as it was read."""
    guards = Guards()
    named, unnamed = as_decided(space, space.sides[0], guards), without_model(space, space.sides[0], guards)
    regions, _ = walk(space, guards.refused, most_nodes=1 << 20)
    return [(space.facts(one.path), not_steered(named.reach(one.alive), unnamed.reach(one.alive))) for one in regions]


def same(compiled: CompiledPolicy) -> int:
    found = as_read(Space((compiled,)))
    for facts, reach in found:
        decision = decide(compiled, facts)
        assert decision.route == (reach.route.id if reach.route is not None else "")
        to, spill = (tuple(one.name for one in pools) for pools in (reach.to, reach.spill))
        canary = Canary(reach.canary.pool.name, reach.canary.percent) if reach.canary is not None else None
        mirror = Mirror(reach.mirror.pool.name, reach.mirror.percent) if reach.mirror is not None else None
        if isinstance(decision, Allow):
            assert (decision.to, decision.spill, decision.canary, decision.mirror) == (to, spill, canary, mirror)
        else:
            assert reach.pools == ()
    return len(found)


def test_the_shipped_decision_gives_every_region_what_was_proved_of_it() -> None:
    assert same(example()) > 40
    assert sum(same(compiled(small(seed, 2_000))) for seed in range(120)) > 1_000


@pytest.mark.parametrize("name", ["default", "examples/bank", "examples/hospital", "examples/startup"])
def test_what_is_shipped_is_decided_as_it_is_proved(name: str) -> None:
    folder = Path(__file__).parents[2] / "policies"

    files = policy_files.PolicyFiles(
        folder / f"{name}.yaml", folder / name / "pools.yaml", folder / name / "tenants.yaml"
    )
    shipped = policy_files.load(files).policy
    proof = prove(shipped)
    assert [one for one in proof.verdicts if one.outcome is not Outcome.PROVED] == []
    assert proof.idle == ()
    assert proof.dead == ()
    assert proof.shadowed == ()
    assert same(shipped) > 1
