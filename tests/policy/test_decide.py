"""What a decision is: first match, in the order written, minus whatever may not see the request."""

from dataclasses import replace

import pytest

from gateway.core.decision import Allow, Deny, DenyCode
from gateway.core.facts import Capability, Complexity
from gateway.core.labels import Label
from gateway.policy.compile import load
from gateway.policy.decide import Excluded, Exclusion, Kept, Matched, Mismatch, Skipped, Step, decide

from .making import (
    CLASSES,
    CONFIDENTIAL,
    EXAMPLE_POOLS,
    INTERNAL,
    PUBLIC,
    RESTRICTED,
    example,
    facts,
    policy,
    reached,
    unproved,
)

TOOLS, JSON, VISION = Capability.TOOLS, Capability.JSON_SCHEMA, Capability.VISION
REST = "  - {id: rest, when: {}, to: [home], spill: [burst]}"


@pytest.mark.parametrize(
    ("asked", "route", "to", "spill"),
    [
        (facts(PUBLIC, "chat-auto"), "rest", ("gpu-large",), ("burst",)),
        (facts(INTERNAL, "chat-auto"), "rest", ("gpu-large",), ("burst",)),
        (facts(CONFIDENTIAL, "chat-auto"), "keep-home", ("gpu-large", "gpu-small"), ()),
        (facts(RESTRICTED, "chat-auto"), "keep-home", ("gpu-large", "gpu-small"), ()),
        (facts(INTERNAL, "chat-auto", complexity=Complexity.SIMPLE), "simple", ("gpu-small",), ("burst",)),
        (facts(INTERNAL, "chat-large", complexity=Complexity.SIMPLE), "rest", ("gpu-large",), ("burst",)),
        (facts(INTERNAL, "chat-auto", needs={JSON}), "json", ("sglang", "gpu-large"), ("burst",)),
        (facts(INTERNAL, "chat-large", needs={JSON}), "json", ("gpu-large",), ("burst",)),
        (facts(INTERNAL, "chat-auto", needs={JSON, VISION}), "json", ("sglang", "gpu-large"), ()),
        (facts(RESTRICTED, "chat-auto", needs={TOOLS}), "keep-home", ("gpu-large",), ()),
        (facts(INTERNAL, "chat-auto", ceiling=None), "rest", ("gpu-large",), ()),
        (facts(INTERNAL, "chat-auto", ceiling=PUBLIC), "rest", ("gpu-large",), ()),
        (facts(PUBLIC, "chat-auto", ceiling=PUBLIC), "rest", ("gpu-large",), ("burst",)),
        (facts(INTERNAL, "chat-auto", tenant_class="hospital"), "rest", ("gpu-large",), ()),
        (facts(INTERNAL, "chat-auto", tenant_class="press"), "rest", ("gpu-large",), ()),
        (facts(PUBLIC, "chat-auto", tenant_class="press"), "rest", ("gpu-large",), ("burst",)),
        (facts(INTERNAL, "chat-auto", tenant_class="nobody-declared-it"), "rest", ("gpu-large",), ()),
    ],
)
def test_only_text_below_the_ceiling_may_leave_the_building(
    asked: object, route: str, to: tuple[str, ...], spill: tuple[str, ...]
) -> None:
    decision = decide(example(), asked)  # type: ignore[arg-type]
    assert isinstance(decision, Allow)
    assert (decision.route, decision.to, decision.spill) == (route, to, spill)
    assert decision.queue_s == (20.0 if route == "keep-home" else 10.0)


def test_the_higher_label_governs_and_the_lower_only_names_what_a_full_scan_would_add() -> None:
    decision = decide(example(), facts(RESTRICTED, "chat-auto", low=INTERNAL))
    assert decision == Allow(("gpu-large", "gpu-small"), (), 20.0, "keep-home", RESTRICTED, ("burst",))


@pytest.mark.parametrize(
    ("row", "if_scanned", "leaves_first"),
    [
        ("to: [home, burst]", ("burst",), 0.0),
        ("to: [burst, home]", ("burst",), 100.0),
        ("to: [home], spill: [burst]", ("burst",), 0.0),
        ("to: [home], canary: {pool: burst, percent: 5}", ("burst",), 5.0),
        ("to: [burst], canary: {pool: home, percent: 5}", ("burst",), 100.0),
        ("to: [lab, home]", ("lab",), 0.0),
        ("to: [lab], spill: [burst]", ("lab", "burst"), 0.0),
        ("to: [home], canary: {pool: lab, percent: 5}", ("lab",), 0.0),
    ],
)
def test_it_is_said_how_often_a_full_scan_comes_before_the_first_place(
    row: str, if_scanned: tuple[str, ...], leaves_first: float
) -> None:
    text = policy(
        f'  - {{id: keep-home, when: {{label: ">= confidential"}}, to: [home]}}\n  - {{id: r, when: {{}}, {row}}}'
    )
    decision = decide(unproved(text), facts(RESTRICTED, low=INTERNAL))
    assert isinstance(decision, Allow)
    assert (decision.to, decision.if_scanned, decision.leaves_first) == (("home",), if_scanned, leaves_first)


def test_nothing_is_added_where_a_full_scan_would_change_nothing_or_refuse() -> None:
    compiled = unproved(
        policy('  - {id: odd, when: {label: "== public"}, deny: no}\n  - {id: rest, when: {}, to: [home]}')
    )
    decision = decide(compiled, facts(RESTRICTED, low=PUBLIC))
    assert isinstance(decision, Allow)
    assert decision.if_scanned == ()
    decision = decide(example(), facts(INTERNAL, "chat-auto", low=PUBLIC))
    assert isinstance(decision, Allow)
    assert decision.if_scanned == ()
    assert isinstance(decide(compiled, facts(PUBLIC)), Deny)


def test_a_refusal_is_not_softened_by_a_lower_label_which_only_names_what_a_full_scan_would_open() -> None:
    compiled = unproved(policy('  - {id: no, when: {label: ">= restricted"}, deny: Ask us.}\n' + REST))
    refused = decide(compiled, facts(RESTRICTED, low=INTERNAL))
    lower = decide(compiled, facts(INTERNAL))
    assert isinstance(lower, Allow)
    assert refused == Deny(DenyCode.DENIED_BY_ROUTE, "no", "Ask us.", lower.pools)
    assert decide(compiled, facts(RESTRICTED)) == Deny(DenyCode.DENIED_BY_ROUTE, "no", "Ask us.")


def test_a_model_that_the_policy_does_not_have_is_refused_unless_any_name_will_do() -> None:
    decision = decide(example(), facts(model="gpt-9"))
    assert isinstance(decision, Deny)
    assert decision.code is DenyCode.MODEL_UNKNOWN
    named = "  - {id: named, when: {model: chat}, to: [lab]}\n"
    any_name = unproved(policy(named + REST, "{chat: {pools: [home, lab]}, '*': {pools: [home, burst]}}"))
    assert reached(decide(any_name, facts(model="gpt-9"))) == ("home", "burst")
    assert reached(decide(any_name, facts(model="*"))) == ("home", "burst")
    assert reached(decide(any_name, facts(model="chat"))) == ("lab",)


def test_spill_never_stands_in_for_to() -> None:
    compiled = unproved(policy("  - {id: rest, when: {}, to: [lab], spill: [home]}"))
    decision = decide(compiled, facts(RESTRICTED))
    assert isinstance(decision, Deny)
    assert (decision.code, decision.route) == (DenyCode.NO_POOL_PERMITTED, "rest")


def test_filtering_never_reorders() -> None:
    compiled = unproved(policy("  - {id: rest, when: {}, to: [far, lab, home, burst]}", ceiling="restricted"))
    assert reached(decide(compiled, facts(INTERNAL))) == ("far", "lab", "home", "burst")
    assert reached(decide(compiled, facts(CONFIDENTIAL))) == ("far", "lab", "home")
    assert reached(decide(compiled, facts(RESTRICTED))) == ("far", "home")
    assert reached(decide(compiled, facts(INTERNAL, ceiling=None))) == ("lab", "home")


@pytest.mark.parametrize(
    ("asks", "labels"),
    [
        ('">= confidential"', {CONFIDENTIAL, RESTRICTED}),
        ('"> confidential"', {RESTRICTED}),
        ('"<= internal"', {PUBLIC, INTERNAL}),
        ('"< internal"', {PUBLIC}),
        ('"== internal"', {INTERNAL}),
        ('"==internal"', {INTERNAL}),
        ('"> restricted"', set()),
    ],
)
def test_a_label_is_compared_in_the_declared_order(asks: str, labels: set[Label]) -> None:
    compiled = unproved(policy(f"  - {{id: asked, when: {{label: {asks}}}, to: [home]}}\n{REST}"))
    matching = {label for label in range(4) if decide(compiled, facts(Label(label))).route == "asked"}
    assert matching == labels


def test_everything_that_a_route_asks_must_hold_and_any_of_a_list_will_do() -> None:
    when = "{capability: [tools, vision], complexity: [hard, simple], tenant_class: [a, b]}"
    compiled = unproved(policy(f"  - {{id: asked, when: {when}, to: [home]}}\n{REST}"))

    def route(**given: object) -> str:
        asked = {"needs": {TOOLS, VISION}, "complexity": Complexity.HARD, "tenant_class": "a", **given}
        return decide(compiled, facts(**asked)).route  # type: ignore[arg-type]

    assert route() == route(tenant_class="b") == route(complexity=Complexity.SIMPLE) == "asked"
    assert route(needs={TOOLS, VISION, JSON}) == "asked"
    assert route(needs={TOOLS}) == route(needs=()) == "rest"
    assert route(tenant_class="c") == route(complexity=Complexity.MEDIUM) == "rest"


def test_the_choice_of_a_model_brings_in_no_cloud_pool() -> None:
    rows = "  - {id: home-only, when: {}, to: [home]}"
    by_name = "  - {id: named, when: {model: steer}, to: [lab], spill: [burst]}\n"
    compiled = unproved(policy(by_name + rows, "{chat: {pools: [home]}, steer: {pools: [home, lab, burst]}}"))
    assert reached(decide(compiled, facts(model="steer"))) == ("lab",)
    trace: list[Step] = []
    decide(compiled, facts(model="steer"), trace)
    assert trace == [Matched("named"), Kept("lab", is_spill=False), Excluded("burst", Exclusion.STEERED)]


def test_the_choice_of_a_model_brings_in_no_cloud_pool_behind_a_home_pool_either() -> None:
    rows = "  - {id: named, when: {model: steer}, to: [lab, burst]}\n  - {id: rest, when: {}, to: [home, far]}"
    models = "{chat: {pools: [home, far]}, steer: {pools: [home, lab, burst, far]}}"
    compiled = unproved(policy(rows, models, ceiling="restricted"))
    assert reached(decide(compiled, facts(model="chat"))) == ("home", "far")
    assert reached(decide(compiled, facts(model="steer"))) == ("lab",)


def test_a_cloud_pool_refuses_what_is_above_the_ceiling_whatever_the_tenant_may() -> None:
    compiled = unproved(policy("  - {id: rest, when: {}, to: [home], spill: [far]}", "{chat: {pools: [home, far]}}"))
    layout = compiled.layout
    generous = replace(layout, classes={}, other_class=replace(layout.other_class, ceiling=RESTRICTED))
    trusting = replace(compiled, layout=generous)
    assert reached(decide(trusting, facts(INTERNAL))) == ("home", "far")
    assert reached(decide(trusting, facts(CONFIDENTIAL))) == ("home",)


def test_a_row_that_a_model_skips_leads_to_no_cloud_pool_that_it_did_not_list() -> None:
    rows = (
        '  - {id: first, when: {label: "== internal"}, to: [home]}\n  - {id: rest, when: {}, to: [lab], spill: [burst]}'
    )
    compiled = unproved(policy(rows, "{chat: {pools: [home, lab, burst]}, narrow: {pools: [lab, burst]}}"))
    assert reached(decide(compiled, facts(model="narrow"))) == ("lab",)
    assert reached(decide(compiled, facts(PUBLIC, model="narrow"))) == ("lab", "burst")
    skipping = policy("  - {id: first, when: {}, to: [home], spill: [burst]}", "{chat: {pools: [home, burst]}}")
    assert reached(decide(unproved(skipping), facts())) == ("home", "burst")


def test_no_cloud_pool_is_reached_by_a_model_where_the_request_itself_would_be_refused() -> None:
    rows = (
        '  - {id: no, when: {label: "== internal"}, to: [nowhere], spill: [burst]}\n'
        "  - {id: rest, when: {}, to: [home], spill: [burst]}"
    )
    models = "{chat: {pools: [nowhere, home, burst]}, narrow: {pools: [home, burst]}}"
    compiled = unproved(policy(rows.replace("nowhere", "lab"), models.replace("nowhere", "lab")))
    asked = {"needs": {JSON}}
    assert isinstance(decide(compiled, facts(INTERNAL, "chat", **asked)), Deny)  # type: ignore[arg-type]
    assert reached(decide(compiled, facts(INTERNAL, "narrow", **asked))) == ("home",)  # type: ignore[arg-type]


def test_a_model_puts_no_cloud_pool_first_where_home_comes_first() -> None:
    rows = "  - {id: rest, when: {}, to: [home, burst, lab]}"
    compiled = unproved(policy(rows, "{chat: {pools: [home, burst, lab]}, out: {pools: [burst, lab]}}"))
    assert reached(decide(compiled, facts(model="chat"))) == ("home", "burst", "lab")
    assert reached(decide(compiled, facts(model="out"))) == ("lab",)
    cloudy = unproved(policy("  - {id: rest, when: {}, to: [far, burst, home]}", "{chat: {pools: [burst, far, home]}}"))
    assert reached(decide(cloudy, facts())) == ("far", "burst", "home")
    narrowed = "{all: {pools: [far, home]}, chat: {pools: [burst, home]}}"
    cloudy = unproved(policy("  - {id: rest, when: {}, to: [far, burst, home]}", narrowed))
    assert reached(decide(cloudy, facts())) == ("burst", "home")


def test_without_its_pools_a_policy_refuses_everything() -> None:
    compiled = unproved(policy(REST, "{chat: {pools: [home, burst]}}"), classes=CLASSES)
    assert reached(decide(compiled, facts())) == ("home", "burst")
    alone = load(policy(REST, "{chat: {pools: [home, burst]}}"), "p")
    decision = decide(alone, facts())
    assert isinstance(decision, Deny)
    assert decision.code is DenyCode.NO_POOL_PERMITTED


def test_the_trace_names_every_row_and_pool_with_its_reason() -> None:
    rows = """\
  - {id: by-model, when: {model: other}, to: [home]}
  - {id: by-label, when: {label: "== public"}, to: [home]}
  - {id: by-class, when: {tenant_class: x}, to: [home]}
  - {id: by-complexity, when: {complexity: hard}, to: [home]}
  - {id: by-need, when: {capability: vision}, to: [home]}
  - {id: no-pool, when: {}, to: [fifth]}"""
    models = "{chat: {pools: [home, lab, burst]}, other: {pools: [fifth, home, far]}}"
    rows = rows.replace("{}", "{complexity: medium}")
    last = "\n  - {id: rest, when: {}, to: [home, lab, far], spill: [burst]}"
    compiled = unproved(
        policy((rows + last).replace("fifth", "far"), models.replace("fifth, ", "")),
        classes={"default": None, "x": None},
    )
    trace: list[Step] = []
    decide(compiled, facts(INTERNAL, needs={JSON}), trace)
    assert trace == [
        Skipped("by-model", Mismatch.MODEL),
        Skipped("by-label", Mismatch.LABEL),
        Skipped("by-class", Mismatch.TENANT_CLASS),
        Skipped("by-complexity", Mismatch.COMPLEXITY),
        Skipped("by-need", Mismatch.CAPABILITY),
        Skipped("no-pool", Mismatch.NO_POOL),
        Matched("rest"),
        Kept("home", is_spill=False),
        Excluded("lab", Exclusion.CAPABILITY),
        Excluded("far", Exclusion.MODEL),
        Excluded("burst", Exclusion.TENANT_CEILING),
    ]


@pytest.mark.parametrize(
    ("label", "ceiling", "because"),
    [
        (RESTRICTED, "internal", Exclusion.CLEARANCE),
        (INTERNAL, "public", Exclusion.CLOUD_CEILING),
        (INTERNAL, "none", Exclusion.CLOUD_CEILING),
    ],
)
def test_the_trace_tells_clearance_from_ceiling(label: Label, ceiling: str, because: Exclusion) -> None:
    compiled = unproved(policy(REST, "{chat: {pools: [home, burst]}}", ceiling=ceiling))
    trace: list[Step] = []
    decide(compiled, facts(label), trace)
    assert trace[-1] == Excluded("burst", because)


def test_the_trace_ends_at_a_refusal() -> None:
    trace: list[Step] = []
    decide(unproved(policy("  - {id: no, when: {}, deny: Not here.}", rest="")), facts(), trace)
    assert trace == [Matched("no")]
    trace = []
    decide(example(), facts(model="gpt-9"), trace)
    assert trace == []


def test_a_table_without_a_last_row_refuses_what_it_does_not_cover() -> None:
    # No file gives such a table; `decide` must be total all the same.
    compiled = example()
    alias = compiled.aliases["chat-auto"]
    cut = replace(compiled, aliases={"chat-auto": replace(alias, rows=alias.rows[:1])}, routes=compiled.routes[:1])
    assert decide(cut, facts(INTERNAL, "chat-auto")) == Deny(
        DenyCode.UNMATCHED, "", "No rule of the policy covers this request."
    )
    without = {"a": replace(alias, rows=((0, replace(alias.rows[0][1], has_no_pool=True)), alias.rows[3]))}
    assert reached(decide(replace(cut, aliases=without), facts(INTERNAL, "a"))) == ("gpu-large",)


def test_the_example_of_the_design_is_what_it_says() -> None:
    compiled = example()
    assert [pool.name for pool in EXAMPLE_POOLS.pools] == ["gpu-small", "gpu-large", "sglang", "burst"]
    assert [note.message for note in compiled.notes] == [
        "The route `simple` never matches for the model `chat-large`: none of its `to` is there."
    ]
    assert compiled.cache == {INTERNAL: 3600.0, CONFIDENTIAL: 600.0, RESTRICTED: 0.0}
    assert compiled.markers == ("内部", "机密", "do not distribute")
    assert compiled.ceiling == INTERNAL
    assert compiled.class_ceilings == CLASSES
