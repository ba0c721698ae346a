"""One bit for every value of every fact that somebody asks about, and nothing for the rest."""

from collections.abc import Callable, Iterable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.facts import MINUTES_PER_WEEK, Budget, Capability, Complexity, Modality, Pressure, RequestFacts
from gateway.core.topology import Topology
from gateway.policy.compiled import ABOVE_CEILING, ALWAYS, CompiledPolicy, Cuts, Dimension, Fact
from gateway.policy.decide import decide, state_of

from .making import ALL, INTERNAL, facts, policy, pool, unproved

REST = "  - {id: rest, when: {}, to: [home], spill: [burst]}"
HOME = Topology((pool("home"), pool("burst", "cloud", INTERNAL)))
MODELS = "{chat: {pools: [home, burst]}}"


def asking(*guards: str, time_zone: str = "+00:00", topology: Topology = HOME, rest: str = "") -> CompiledPolicy:
    """A policy with a row for each guard, all of them for `home`."""
    rows = [f"  - {{id: r{number}, when: {guard}, to: [home]}}" for number, guard in enumerate(guards)]
    return unproved(
        policy("\n".join([*rows, REST]), MODELS, rest=f'time_zone: "{time_zone}"\n{rest}'),
        topology,
        {"default": INTERNAL},
    )


def kinds(compiled: CompiledPolicy) -> list[tuple[Fact, str]]:
    return [(dimension.fact, dimension.member) for dimension in compiled.layout.dimensions]


def dimension(compiled: CompiledPolicy, fact: Fact) -> Dimension:
    return next(one for one in compiled.layout.dimensions if one.fact is fact)


def test_a_fact_that_nobody_asks_about_has_no_bit() -> None:
    compiled = asking()
    layout = compiled.layout
    assert kinds(compiled) == [(Fact.LABEL, ""), (Fact.TENANT_CLASS, "")]
    assert [value.name for value in layout.dimensions[1].values] == ["default", "(any other class)"]
    assert set(layout.complexities.values()) == set(layout.capabilities.values()) == {0}
    assert (layout.modalities, layout.context, layout.week, layout.pressure, layout.budget) == (None,) * 5
    assert not layout.has_more
    odd = facts(needs=ALL, complexity=Complexity.HARD, holds=Modality, tokens=9**9, minute=77, budget=Budget.SPENT)
    assert state_of(compiled, odd, INTERNAL) == state_of(compiled, facts(), INTERNAL)


def test_each_fact_that_a_row_asks_about_has_a_dimension_after_label_and_class() -> None:
    guard = (
        "{complexity: hard, capability: tools, modality: image, context: '> 32k', time: {days: mon}, "
        "pressure: {onprem: down, cloud: free}, budget: spent}"
    )
    compiled = asking(guard)
    assert kinds(compiled) == [
        (Fact.LABEL, ""), (Fact.TENANT_CLASS, ""), (Fact.COMPLEXITY, ""), (Fact.CAPABILITY, "tools"),
        (Fact.MODALITY, "image"), (Fact.CONTEXT, ""), (Fact.TIME, ""), (Fact.PRESSURE, "cloud"),
        (Fact.PRESSURE, "onprem"), (Fact.BUDGET, ""),
    ]  # fmt: skip
    assert compiled.layout.has_more
    every = [one.bits for one in compiled.layout.dimensions]
    assert sum(every) & (ALWAYS | ABOVE_CEILING) == 0
    assert sum(every).bit_count() == sum(bits.bit_count() for bits in every)


def test_invariants_and_pools_ask_as_well() -> None:
    never = "invariants:\n  - {id: A, never: {budget: spent, tenant_class: default, zone: cloud}}"
    only = "\n  - {id: B, only: {modality: audio, residency: none}}"
    assert kinds(asking(rest=never + only))[2:] == [(Fact.MODALITY, "audio"), (Fact.BUDGET, "")]
    small = Topology((pool("home", capabilities={Capability.TOOLS}, context=8192), pool("burst", "cloud", INTERNAL)))
    compiled = asking(topology=small)
    assert kinds(compiled)[2:] == [
        *((Fact.CAPABILITY, one) for one in ("json_schema", "vision", "audio", "embeddings")), (Fact.CONTEXT, ""),
    ]  # fmt: skip
    unused = Topology((*HOME.pools, pool("spare", capabilities=(), context=1)))
    assert kinds(asking(topology=unused))[2:] == []


def test_what_may_be_there_besides_is_asked_of_everything_else() -> None:
    assert kinds(asking("{modality: {only: [text, image]}}"))[2:] == [
        (Fact.MODALITY, "audio"), (Fact.MODALITY, "file"),
    ]  # fmt: skip
    assert kinds(asking("{modality: {has: image, only: [text, image, audio, file]}}"))[2:] == [(Fact.MODALITY, "image")]


def test_numbers_are_cut_where_they_are_named() -> None:
    large = Topology((pool("home", context=65536), pool("burst", "cloud", INTERNAL)))
    compiled = asking(
        "{context: '> 32k'}", "{context: '>= 100'}", "{context: '< 100'}", "{context: '<= 32768'}", topology=large
    )
    asked = dimension(compiled, Fact.CONTEXT)
    assert [(value.name, value.sample) for value in asked.values] == [
        ("<= 99", 0), ("100-32768", 100), ("32769-65536", 32769), ("> 65536", 65537),
    ]  # fmt: skip
    cuts = compiled.layout.context
    assert cuts is not None
    assert [cuts.at(number) for number in (0, 99, 100, 32768, 32769, 65536, 65537, 10**9)] == [
        cuts.bits[place] for place in (0, 0, 1, 1, 2, 2, 3, 3)
    ]


def test_times_with_the_same_answers_share_a_bit() -> None:
    window = "{time: {days: [mon, tue, wed, thu, fri], from: '08:00', to: '20:00'}}"
    compiled = asking(window, time_zone="+08:00")
    asked = dimension(compiled, Fact.TIME)
    assert {value.name for value in asked.values} == {
        "mon tue wed thu fri 08:00-20:00",
        "mon tue wed thu fri 00:00-08:00 20:00-24:00, sat sun 00:00-24:00",
    }
    # Monday 08:00 in Shanghai is Monday 00:00 in London.
    assert [decide(compiled, facts(minute=minute)).route for minute in (0, 719, 720, 10079)] == [
        "r0", "r0", "rest", "rest",
    ]  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sets(st.sampled_from(("mon", "wed", "sun")), min_size=1), st.integers(0, 23), st.integers(1, 24)
        ).filter(lambda given: given[1] != given[2]),
        min_size=1,
        max_size=3,
    ),
    st.sampled_from(("+00:00", "+08:00", "-05:30", "+14:00")),
)
def test_every_minute_of_the_week_is_in_the_row_whose_window_it_is_in(
    windows: list[tuple[set[str], int, int]], time_zone: str
) -> None:
    written = [f"{{days: {sorted(days)}, from: '{start:02}:00', to: '{end:02}:00'}}" for days, start, end in windows]
    compiled = asking(*(f"{{time: {one}}}" for one in written), time_zone=time_zone)
    week, layout = compiled.layout.week, compiled.layout
    assert week is not None
    sign, hours, minutes = time_zone[0], int(time_zone[1:3]), int(time_zone[4:])
    offset = (hours * 60 + minutes) * (1 if sign == "+" else -1)
    for minute in range(0, MINUTES_PER_WEEK, 30):
        local = (minute + offset) % MINUTES_PER_WEEK
        for route, (days, start, end) in zip(compiled.routes, windows, strict=False):
            accepted = not week.at(minute) & route.refused
            assert accepted is in_window(local, days, start, end)
    assert {value.bits for value in dimension(compiled, Fact.TIME).values} == set(
        layout.week.bits if layout.week else ()
    )


def in_window(local: int, days: Iterable[str], start: int, end: int) -> bool:
    """By walking the window's own hours from the midnight of each of its days."""
    numbers = [("mon", "tue", "wed", "thu", "fri", "sat", "sun").index(day) for day in days]
    last = end if end > start else end + 24
    return any(
        (local - day * 1440) % MINUTES_PER_WEEK in range(start * 60, last * 60)
        or (local - day * 1440) % MINUTES_PER_WEEK + MINUTES_PER_WEEK in range(start * 60, last * 60)
        for day in numbers
    )


def test_every_sample_has_the_bits_of_its_value() -> None:
    compiled = asking(
        "{complexity: hard, capability: tools, modality: image, context: '> 1k', budget: ok, pressure: {onprem: free}}",
        "{time: {from: '22:00', to: '06:00'}}",
        time_zone="-03:00",
    )
    for one in compiled.layout.dimensions:
        for value in one.values:
            asked = sampled(one, value.sample)
            assert state_of(compiled, asked, asked.label_high) & one.bits == value.bits


def sampled(one: Dimension, sample: Any) -> RequestFacts:
    given: dict[Fact, Callable[[], RequestFacts]] = {
        Fact.LABEL: lambda: facts(sample),
        Fact.TENANT_CLASS: lambda: facts(tenant_class=sample),
        Fact.COMPLEXITY: lambda: facts(complexity=sample),
        Fact.CAPABILITY: lambda: facts(needs={Capability(one.member)} if sample else ()),
        Fact.MODALITY: lambda: facts(holds={Modality(one.member)} if sample else ()),
        Fact.CONTEXT: lambda: facts(tokens=sample),
        Fact.TIME: lambda: facts(minute=sample),
        Fact.PRESSURE: lambda: facts(pressure={one.member: sample}),
        Fact.BUDGET: lambda: facts(budget=sample),
    }
    return given[one.fact]()


def test_a_zone_that_is_not_told_is_free() -> None:
    compiled = asking("{pressure: {onprem: free}}")
    assert decide(compiled, facts()).route == "r0"
    assert decide(compiled, facts(pressure={"cloud": Pressure.DOWN})).route == "r0"
    assert decide(compiled, facts(pressure={"onprem": Pressure.SATURATED})).route == "rest"


def test_cuts_find_the_interval_of_a_number() -> None:
    cuts = Cuts((0, 5, 9), (1, 2, 4))
    assert [cuts.at(number) for number in (0, 4, 5, 8, 9, 100)] == [1, 1, 2, 2, 4, 4]
