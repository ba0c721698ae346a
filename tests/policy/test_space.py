"""Walking every state without looking at each: nothing is dropped, nothing counted twice, witnesses ordinary."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.core.facts import Budget, Capability, Complexity, Modality, Pressure
from gateway.core.labels import Label
from gateway.policy.compiled import ABOVE_CEILING, OTHER_CLASS, CompiledPolicy, Fact
from gateway.policy.decide import state_of
from gateway.policy.lines import Guards, as_decided
from gateway.policy.space import BudgetSpent, Space, Who, walk

from .making import CLASSES, POOLS, example, policy, unproved

ROWS = """\
  - {id: night, when: {time: {from: "22:00", to: "06:00"}, modality: image}, to: [home]}
  - {id: full, when: {pressure: {onprem: down}, budget: spent, context: "> 4k"}, to: [home]}
  - {id: rest, when: {}, to: [home], spill: [burst]}"""
MODELS = "{chat: {pools: [home, burst]}, '*': {pools: [home]}}"


def rich() -> CompiledPolicy:
    return unproved(policy(ROWS, MODELS), classes=CLASSES)


def test_the_axes_hold_everything_that_a_policy_tells_apart() -> None:
    space = Space((rich(),))
    sizes = {(axis.fact, axis.member): len(axis.cells) for axis in space.axes}
    # default (internal) has three ceilings, press (public) two, hospital and every other class one; by four labels
    assert sizes == {
        (None, ""): 2, (Fact.LABEL, ""): 4 * (3 + 2 + 1 + 1), (Fact.MODALITY, "image"): 2, (Fact.CONTEXT, ""): 2,
        (Fact.TIME, ""): 2, (Fact.PRESSURE, "onprem"): 3, (Fact.BUDGET, ""): 2,
    }  # fmt: skip
    assert space.states == 2 * 28 * 2 * 2 * 2 * 3 * 2


def test_a_path_becomes_facts_and_the_facts_set_its_bits() -> None:
    compiled = rich()
    space = Space((compiled,))
    last = tuple(len(axis.cells) - 1 for axis in space.axes)
    facts = space.facts(last)
    assert (facts.model, facts.tenant_class, facts.ceiling) == ("*", OTHER_CLASS, None)
    assert facts.modalities == {Modality.TEXT, Modality.IMAGE}
    assert facts.context_tokens == 4097
    assert facts.surroundings.pressure == (("onprem", Pressure.DOWN),)
    assert facts.surroundings.budget is Budget.SPENT
    bits = 0
    for axis, cell in zip(space.axes, last, strict=True):
        bits |= axis.cells[cell].bits
    side = space.sides[0]
    assert state_of(compiled, facts, facts.label_high) == (bits & ~side.lowered) >> side.shift
    first = space.facts(tuple(0 for _ in space.axes))
    assert first.complexity is Complexity.MEDIUM
    assert first.capabilities == frozenset()
    needy = Space((example(),))
    most = needy.facts(tuple(len(axis.cells) - 1 for axis in needy.axes))
    assert (most.complexity, most.capabilities) == (Complexity.HARD, frozenset(Capability))


def test_what_is_above_a_ceiling_is_a_relation_of_label_class_and_tenant() -> None:
    space = Space((rich(),))
    side = space.sides[0]
    above = {
        (who.label, who.tenant_class, who.ceiling): (
            bool(cell.bits >> side.shift & ABOVE_CEILING), bool(cell.bits & side.lowered),
        )
        for cell in space.axes[1].cells
        if isinstance(who := cell.sample, Who)
    }  # fmt: skip
    assert above["internal", "default", "internal"] == (False, False)
    # Above what the policy itself allows: not what a class or a tenant lowered.
    assert above["confidential", "default", "internal"] == (True, False)
    assert above["internal", "default", "public"] == (True, True)
    assert above["internal", "press", "public"] == (True, True)
    assert above["public", "hospital", None] == (True, True)
    assert above["public", OTHER_CLASS, None] == (True, True)
    assert ("internal", "press", "internal") not in above


def test_an_ordinary_request_is_preferred() -> None:
    regions, _ = walk(Space((rich(),)), (), most_nodes=100)
    facts = Space((rich(),)).facts(regions[0].path)
    assert len(regions) == 1
    assert facts == replace(facts, label_low=Label(0), label_high=Label(0), tenant_class="default", ceiling=Label(1))
    assert (facts.model, facts.modalities, facts.context_tokens) == ("chat", {Modality.TEXT}, 0)
    assert facts.surroundings.pressure == ()


def test_every_state_is_in_one_region() -> None:
    space = Space((rich(),))
    compiled = space.sides[0].compiled
    guards = [route.refused << space.sides[0].shift for route in compiled.routes]
    told: list[int] = []
    regions, nodes = walk(space, guards, most_nodes=10_000, progress=told.append)
    assert sum(region.states for region in regions) == space.states
    assert len({region.alive for region in regions}) == len(regions)
    assert told[-1] == nodes
    for region in regions:
        facts = space.facts(region.path)
        state = state_of(compiled, facts, facts.label_high)
        accepting = [place for place, route in enumerate(compiled.routes) if not state & route.refused]
        assert region.alive == sum(1 << place for place in accepting)


def test_a_walk_that_would_take_too_long_says_nothing() -> None:
    space = Space((rich(),))
    guards = [route.refused << space.sides[0].shift for route in space.sides[0].compiled.routes]
    _, nodes = walk(space, guards, most_nodes=10_000)
    walk(space, guards, most_nodes=nodes)
    with pytest.raises(BudgetSpent):
        walk(space, guards, most_nodes=nodes - 1)


def test_a_long_walk_tells_how_far_it_is_within_an_axis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.policy.space._TELL_EVERY", 1)
    told: list[int] = []
    space = Space((rich(),))
    guards = [route.refused << space.sides[0].shift for route in space.sides[0].compiled.routes]
    walk(space, guards, most_nodes=10_000, progress=told.append)
    assert len(told) > len(space.axes)
    assert told == sorted(told)


def test_two_policies_share_a_space_by_the_names_of_their_values() -> None:
    other = (
        policy("  - {id: rest, when: {}, to: [home]}", "{talk: {pools: [home]}}")
        .replace(b"labels: [public, internal, confidential, restricted]", b"labels: [public, internal, secret]")
        .replace(b"unscanned: restricted, unmapped: restricted", b"unscanned: secret, unmapped: secret")
    )
    new = unproved(other, classes={"press": Label(0)})
    space = Space((rich(), new))
    assert space.models == ("chat", "talk", "*")
    assert {who.label for cell in space.axes[1].cells if isinstance(who := cell.sample, Who)} == {"public", "internal"}
    assert {who.tenant_class for cell in space.axes[1].cells if isinstance(who := cell.sample, Who)} == {
        "default", "hospital", "press", OTHER_CLASS,
    }  # fmt: skip
    # What only the first policy tells apart is an axis all the same.
    assert [axis.member for axis in space.axes if axis.fact is Fact.MODALITY] == ["image"]
    assert [side.shift for side in space.sides][1] > space.sides[0].lowered.bit_length() - 1
    for place, compiled in enumerate((rich(), new)):
        last = tuple(len(axis.cells) - 1 for axis in space.axes)
        facts = space.facts(last, place)
        bits = 0
        for axis, cell in zip(space.axes, last, strict=True):
            bits |= axis.cells[cell].bits
        side = space.sides[place]
        width = side.lowered.bit_length() - 1 - side.shift
        assert state_of(compiled, facts, facts.label_high) == bits >> side.shift & ((1 << width) - 1)


def test_a_ceiling_that_the_first_policy_does_not_know_is_none_to_it() -> None:
    first = unproved(policy("  - {id: rest, when: {}, to: [home]}", "{chat: {pools: [home]}}"))
    other = (
        policy("  - {id: rest, when: {}, to: [home]}", "{chat: {pools: [home]}}", ceiling="secret")
        .replace(b"labels: [public, internal, confidential, restricted]", b"labels: [public, secret, restricted]")
        .replace(b"default: internal", b"default: public")
    )
    space = Space((unproved(other), first))
    ceilings = [who.ceiling for cell in space.axes[1].cells if isinstance(who := cell.sample, Who)]
    assert ceilings == ["secret", "secret", "public", "public", None, None]
    side = space.sides[1]
    by_ceiling = {who: cell.bits for cell in space.axes[1].cells if isinstance(who := cell.sample, Who)}
    assert by_ceiling[Who("public", OTHER_CLASS, "secret")] >> side.shift & ABOVE_CEILING


def test_the_second_side_can_stand_one_label_higher() -> None:
    compiled = rich()
    space = Space((compiled, compiled), raised=(0, 1))
    path = tuple(0 for _ in space.axes)
    assert (space.facts(path, 0).label_high, space.facts(path, 1).label_high) == (0, 1)
    assert {who.label for cell in space.axes[1].cells if isinstance(who := cell.sample, Who)} == {
        "public", "internal", "confidential",
    }  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.integers(0, (1 << 40) - 1), max_size=6, unique=True))
def test_any_guards_part_the_states_into_regions(guards: list[int]) -> None:
    space = Space((rich(),))
    regions, _ = walk(space, guards, most_nodes=1 << 20)
    assert sum(region.states for region in regions) == space.states
    for region in regions:
        bits = 0
        for axis, cell in zip(space.axes, region.path, strict=True):
            bits |= axis.cells[cell].bits
        assert region.alive == sum(1 << place for place, guard in enumerate(guards) if not guard & bits)


def test_facts_that_nobody_asks_about_have_no_axis() -> None:
    quiet = unproved(policy("  - {id: rest, when: {}, to: [home]}", "{chat: {pools: [home]}}"), topology=POOLS)
    assert [axis.fact for axis in Space((quiet,)).axes] == [None, Fact.LABEL]


def test_a_model_that_a_policy_does_not_have_matches_none_of_its_rows() -> None:
    plain = "  - {id: rest, when: {}, to: [home]}"
    one, two = (unproved(policy(plain, f"{{{name}: {{pools: [home]}}}}")) for name in ("chat", "talk"))
    space = Space((one, two))
    guards = Guards()
    lines = [as_decided(space, side, guards) for side in space.sides]
    regions, _ = walk(space, guards.refused, most_nodes=100)
    found = {
        space.facts(region.path).model: [[pool.name for pool in side.reach(region.alive).pools] for side in lines]
        for region in regions
    }
    assert found == {"chat": [["home"], []], "talk": [[], ["home"]]}
