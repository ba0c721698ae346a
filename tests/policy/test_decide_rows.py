"""What a row can ask of the request, of the moment and of its pools, and what it can order besides."""

import pytest

from gateway.core.decision import Allow, AuditLevel, Canary, Deny, DenyCode, Mirror
from gateway.core.facts import Budget, Capability, Modality, Pressure
from gateway.core.problems import Problems
from gateway.core.topology import Topology
from gateway.policy.compiled import CompiledPolicy
from gateway.policy.decide import Excluded, Exclusion, Kept, Matched, Mismatch, Skipped, Step, decide

from .making import CONFIDENTIAL, INTERNAL, PUBLIC, RESTRICTED, facts, policy, pool, reached, unproved

REST = "  - {id: rest, when: {}, to: [home], spill: [burst]}"
IMAGE, AUDIO, FILE = Modality.IMAGE, Modality.AUDIO, Modality.FILE
POOLS = Topology(
    (
        pool("home", processor="own", residency="cn"),
        pool("lab", clearance=CONFIDENTIAL, context=8192, residency="cn", agreement="dpa-2026"),
        pool("burst", "cloud", INTERNAL, residency="us"),
        pool("far", "cloud", INTERNAL, processor="other", residency="cn"),
    )
)


def made(*rows: str, models: str = "{chat: {pools: [home, lab, burst, far]}}", rest: str = "") -> CompiledPolicy:
    return unproved(policy("\n".join(f"  - {row}" for row in rows), models, rest=rest), POOLS)


def asked(when: str, **given: object) -> bool:
    """Whether a row with this `when` takes the request."""
    compiled = made(f"{{id: asked, when: {when}, to: [home]}}", REST.strip().removeprefix("- "))
    return decide(compiled, facts(**given)).route == "asked"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("when", "given", "expected"),
    [
        ("{modality: image}", {"holds": {IMAGE}}, True),
        ("{modality: image}", {"holds": {IMAGE, FILE}}, True),
        ("{modality: image}", {"holds": {FILE}}, False),
        ("{modality: [image, audio]}", {"holds": {IMAGE}}, False),
        ("{modality: [image, audio]}", {"holds": {IMAGE, AUDIO}}, True),
        ("{modality: {only: text}}", {}, True),
        ("{modality: {only: text}}", {"holds": {FILE}}, False),
        ("{modality: {has: image, only: [text, image]}}", {"holds": {IMAGE}}, True),
        ("{modality: {has: image, only: [text, image]}}", {}, False),
        ("{modality: {has: image, only: [text, image]}}", {"holds": {IMAGE, AUDIO}}, False),
        ("{context: '> 32k'}", {"tokens": 32769}, True),
        ("{context: '> 32k'}", {"tokens": 32768}, False),
        ("{context: '>= 32K'}", {"tokens": 32768}, True),
        ("{context: '<= 100'}", {"tokens": 100}, True),
        ("{context: '< 100'}", {"tokens": 100}, False),
        ("{context: '> 1'}", {"tokens": 0}, False),
        ("{context: '< 1'}", {"tokens": 0}, True),
        ("{pressure: {onprem: [saturated, down]}}", {"pressure": {"onprem": Pressure.DOWN}}, True),
        ("{pressure: {onprem: [saturated, down]}}", {}, False),
        ("{pressure: {onprem: down, cloud: free}}", {"pressure": {"onprem": Pressure.DOWN}}, True),
        ("{pressure: {onprem: down, cloud: down}}", {"pressure": {"onprem": Pressure.DOWN}}, False),
        ("{budget: spent}", {"budget": Budget.SPENT}, True),
        ("{budget: spent}", {}, False),
        ("{budget: ok}", {}, True),
        ("{time: {days: [sat, sun]}}", {"minute": 5 * 1440}, True),
        ("{time: {days: [sat, sun]}}", {"minute": 0}, False),
        ("{time: {to: 08:00}}", {"minute": 479}, True),
        ("{time: {from: 20:00}}", {"minute": 479}, False),
        ("{time: [{to: 08:00}, {from: 20:00}]}", {"minute": 1200}, True),
        ("{time: {days: sun, from: 22:00, to: 06:00}}", {"minute": 359}, True),
        ("{label: '>= internal', modality: image, budget: ok}", {"holds": {IMAGE}}, True),
        ("{label: '>= confidential', modality: image, budget: ok}", {"holds": {IMAGE}}, False),
    ],
)
def test_a_row_asks_about_the_request_and_the_moment(when: str, given: dict[str, object], expected: bool) -> None:
    assert asked(when, **given) is expected


def test_a_pool_whose_model_takes_less_than_the_request_needs_is_left_out() -> None:
    compiled = made("{id: rest, when: {}, to: [lab, home]}")
    assert reached(decide(compiled, facts(tokens=8192))) == ("lab", "home")
    assert reached(decide(compiled, facts(tokens=8193))) == ("home",)
    assert reached(decide(compiled, facts(tokens=0))) == ("lab", "home")


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        ("{residency: cn}", ("home", "lab", "far")),
        ("{residency: [cn, us]}", ("home", "lab", "burst", "far")),
        ("{residency: cn, processor: own}", ("home",)),
        ("{processor: [own, none]}", ("home", "lab", "burst")),
        ("{agreement: dpa-2026}", ("lab",)),
        ("{agreement: none, residency: us}", ("burst",)),
    ],
)
def test_a_row_can_ask_who_runs_its_pools_and_where(only: str, expected: tuple[str, ...]) -> None:
    compiled = made(f"{{id: rest, when: {{}}, to: [home, lab, burst, far], only: {only}}}")
    assert reached(decide(compiled, facts())) == expected


def test_a_row_that_none_of_its_pools_suits_still_matches() -> None:
    compiled = made(
        "{id: ours, when: {label: '>= internal'}, to: [lab, burst], spill: [home], only: {processor: own}}", REST[4:]
    )
    trace: list[Step] = []
    decision = decide(compiled, facts(), trace)
    assert isinstance(decision, Deny)
    assert (decision.code, decision.route) == (DenyCode.NO_POOL_PERMITTED, "ours")
    assert trace == [
        Matched("ours"),
        Excluded("lab", Exclusion.ATTRIBUTE),
        Excluded("burst", Exclusion.ATTRIBUTE),
        Excluded("home", Exclusion.SPILL_ALONE),
    ]
    assert decide(compiled, facts(PUBLIC)).route == "rest"


def test_the_trace_names_the_first_fact_that_is_otherwise() -> None:
    compiled = made(
        "{id: a, when: {modality: image, budget: spent}, to: [home]}",
        "{id: b, when: {context: '> 8k', time: {days: sun}}, to: [home]}",
        "{id: c, when: {time: {days: sun}, budget: spent}, to: [home]}",
        "{id: d, when: {pressure: {onprem: down}, budget: spent}, to: [home]}",
        "{id: e, when: {budget: spent}, to: [home]}",
        "{id: f, when: {model: other, budget: ok}, to: [home]}",
        "{id: rest, when: {}, to: [lab, home]}",
        models="{chat: {pools: [home, lab]}, other: {pools: [home]}}",
    )
    trace: list[Step] = []
    decide(compiled, facts(tokens=8193, needs={Capability.TOOLS}), trace)
    assert trace == [
        Skipped("a", Mismatch.MODALITY),
        Skipped("b", Mismatch.TIME),
        Skipped("c", Mismatch.TIME),
        Skipped("d", Mismatch.PRESSURE),
        Skipped("e", Mismatch.BUDGET),
        Skipped("f", Mismatch.MODEL),
        Matched("rest"),
        Excluded("lab", Exclusion.CONTEXT),
        Kept("home", is_spill=False),
    ]
    trace = []
    decide(compiled, facts(), trace)
    assert trace[1] == Skipped("b", Mismatch.CONTEXT)


def test_a_canary_takes_its_share_first_and_is_a_place_that_the_request_may_go() -> None:
    compiled = made("{id: rest, when: {}, to: [home], spill: [burst], canary: {pool: lab, percent: 2.5}}")
    decision = decide(compiled, facts())
    assert isinstance(decision, Allow)
    assert decision.canary == Canary("lab", 2.5)
    assert decision.pools == ("lab", "home", "burst")
    trace: list[Step] = []
    assert decide(compiled, facts(), trace) == decision
    assert trace[:2] == [Matched("rest"), Kept("lab", is_spill=False, is_canary=True)]


@pytest.mark.parametrize(
    ("canary", "asking", "because"),
    [
        ("{pool: lab, percent: 5}", {"label": RESTRICTED}, Exclusion.CLEARANCE),
        ("{pool: far, percent: 0}", {"label": CONFIDENTIAL}, Exclusion.CLEARANCE),
        ("{pool: far, percent: 5}", {"ceiling": None}, Exclusion.TENANT_CEILING),
        ("{pool: lab, percent: 5}", {"tokens": 8193}, Exclusion.CONTEXT),
        ("{pool: burst, percent: 5}, only: {residency: cn}", {}, Exclusion.ATTRIBUTE),
        ("{pool: far, percent: 5}", {"model": "narrow"}, Exclusion.MODEL),
    ],
)
def test_a_canary_passes_every_filter_that_other_pools_pass(
    canary: str, asking: dict[str, object], because: Exclusion
) -> None:
    compiled = made(
        f"{{id: rest, when: {{}}, to: [home], canary: {canary}}}",
        models="{chat: {pools: [home, lab, burst, far]}, narrow: {pools: [home]}}",
    )
    trace: list[Step] = []
    decision = decide(compiled, facts(**asking), trace)  # type: ignore[arg-type]
    assert isinstance(decision, Allow)
    assert decision.canary is None
    assert decide(compiled, facts(**asking)) == decision  # type: ignore[arg-type]
    excluded = [step for step in trace if isinstance(step, Excluded)]
    assert [(step.because, step.is_canary) for step in excluded] == [(because, True)]


def test_a_canary_never_stands_in_for_to() -> None:
    compiled = made("{id: rest, when: {}, to: [lab], canary: {pool: home, percent: 100}}")
    trace: list[Step] = []
    decision = decide(compiled, facts(RESTRICTED), trace)
    assert isinstance(decision, Deny)
    assert decision.code is DenyCode.NO_POOL_PERMITTED
    assert trace[1] == Excluded("home", Exclusion.SPILL_ALONE, is_canary=True)


MODELS = "{chat: {pools: [home, burst, far]}, steer: {pools: [home, lab, burst, far]}}"


@pytest.mark.parametrize(
    ("canary", "rest", "expected"),
    [
        # Nothing of the cloud without the model: none with it.
        ("{pool: far, percent: 1}", "to: [home]", None),
        ("{pool: far, percent: 1}", "to: [burst, home]", None),
        ("{pool: far, percent: 1}", "to: [home], canary: {pool: burst, percent: 5}", None),
        # Reached as spill, so never first.
        ("{pool: far, percent: 1}", "to: [home], spill: [far]", None),
        # A larger share than without the model, and one that is no larger.
        ("{pool: far, percent: 6}", "to: [home], canary: {pool: far, percent: 5}", None),
        ("{pool: far, percent: 5}", "to: [home], canary: {pool: far, percent: 5}", Canary("far", 5)),
        # Where the cloud leads anyway.
        ("{pool: far, percent: 5}", "to: [far, home]", Canary("far", 5)),
        # The share of another cloud pool is no larger, and the pool itself is reached.
        ("{pool: far, percent: 5}", "to: [home], spill: [far], canary: {pool: burst, percent: 5}", Canary("far", 5)),
        # The other's canary stays at home, so nothing of the cloud comes first there.
        ("{pool: far, percent: 5}", "to: [home], spill: [far], canary: {pool: lab, percent: 5}", None),
        # The other's canary does not suit its row.
        ("{pool: far, percent: 5}", "to: [home], canary: {pool: far, percent: 5}, only: {processor: own}", None),
        (
            "{pool: far, percent: 5}",
            "to: [home], spill: [far], canary: {pool: burst, percent: 5}, only: {residency: cn}",
            None,
        ),
        # A canary at home steers nothing outward.
        ("{pool: lab, percent: 50}", "to: [home]", Canary("lab", 50)),
    ],
)
def test_the_choice_of_a_model_brings_in_no_cloud_canary(canary: str, rest: str, expected: Canary | None) -> None:
    named = f"{{id: named, when: {{model: steer}}, to: [home], canary: {canary}}}"
    decision = decide(made(named, f"{{id: rest, when: {{}}, {rest}}}", models=MODELS), facts(model="steer"))
    assert isinstance(decision, Allow)
    assert (decision.route, decision.canary) == ("named", expected)


def test_a_pool_that_only_another_row_would_send_to_is_not_reached_by_a_model() -> None:
    # Without the model the row asks for `cn` alone, so `burst` is not reached as its spill.
    rows = (
        "{id: named, when: {model: steer}, to: [lab], spill: [burst]}",
        "{id: rest, when: {}, to: [home], spill: [burst], only: {residency: cn}}",
    )
    compiled = made(*rows, models=MODELS)
    assert reached(decide(compiled, facts(model="steer"))) == ("lab",)
    assert reached(decide(compiled, facts())) == ("home",)


def test_an_answer_is_kept_as_long_as_label_and_row_both_allow() -> None:
    cache = "cache: {public: 2h, internal: 1h, confidential: 10m}"
    compiled = made(
        "{id: a, when: {modality: image}, to: [lab, home], cache: never}",
        "{id: b, when: {modality: audio}, to: [lab, home], cache: 30m, audit: strict}",
        "{id: c, when: {}, to: [home]}",
        rest=cache,
    )

    def kept(**given: object) -> float:
        decision = decide(compiled, facts(**given))  # type: ignore[arg-type]
        assert isinstance(decision, Allow)
        return decision.cache_s

    assert kept(label=PUBLIC) == 7200.0
    assert kept(label=INTERNAL) == 3600.0
    assert kept(label=RESTRICTED) == 0.0
    assert kept(label=PUBLIC, holds={AUDIO}) == 1800.0
    assert kept(label=CONFIDENTIAL, holds={AUDIO}) == 600.0
    assert kept(label=CONFIDENTIAL, holds={AUDIO}, tokens=9000) == 600.0
    assert kept(label=PUBLIC, holds={IMAGE}) == 0.0
    assert kept(label=PUBLIC, holds={IMAGE}, tokens=9000) == 0.0
    # The label that governs is the higher one.
    assert kept(label=CONFIDENTIAL, low=PUBLIC) == 600.0


def test_a_row_says_how_much_is_on_disk_before_bytes_move() -> None:
    compiled = made("{id: a, when: {modality: audio}, to: [lab, home], audit: strict}", "{id: b, when: {}, to: [home]}")
    assert getattr(decide(compiled, facts()), "audit", None) is AuditLevel.STANDARD
    assert getattr(decide(compiled, facts(holds={AUDIO})), "audit", None) is AuditLevel.STRICT
    assert getattr(decide(compiled, facts(holds={AUDIO}, tokens=9000)), "audit", None) is AuditLevel.STRICT


# Mirrors


def test_a_mirror_gets_copies_and_answers_nobody() -> None:
    compiled = made("{id: rest, when: {}, to: [home], spill: [burst], mirror: {pool: lab, percent: 2.5}}")
    decision = decide(compiled, facts())
    assert isinstance(decision, Allow)
    assert decision.mirror == Mirror("lab", 2.5)
    assert decision.pools == ("home", "burst")
    assert decision.reach == ("home", "burst", "lab")
    trace: list[Step] = []
    assert decide(compiled, facts(), trace) == decision
    assert trace[:2] == [Matched("rest"), Kept("lab", is_spill=False, is_mirror=True)]


def test_a_mirror_that_may_answer_as_well_is_one_place() -> None:
    decision = decide(made("{id: rest, when: {}, to: [home, lab], mirror: {pool: lab, percent: 5}}"), facts())
    assert isinstance(decision, Allow)
    assert decision.reach == decision.pools == ("home", "lab")


@pytest.mark.parametrize(
    ("mirror", "asking", "because"),
    [
        ("{pool: lab, percent: 5}", {"label": RESTRICTED}, Exclusion.CLEARANCE),
        ("{pool: far, percent: 0}", {"label": CONFIDENTIAL}, Exclusion.CLEARANCE),
        ("{pool: far, percent: 5}", {"ceiling": None}, Exclusion.TENANT_CEILING),
        ("{pool: lab, percent: 5}", {"tokens": 8193}, Exclusion.CONTEXT),
        ("{pool: burst, percent: 5}, only: {residency: cn}", {}, Exclusion.ATTRIBUTE),
        ("{pool: far, percent: 5}", {"model": "narrow"}, Exclusion.MODEL),
    ],
)
def test_a_mirror_passes_every_filter_that_other_pools_pass(
    mirror: str, asking: dict[str, object], because: Exclusion
) -> None:
    compiled = made(
        f"{{id: rest, when: {{}}, to: [home], mirror: {mirror}}}",
        models="{chat: {pools: [home, lab, burst, far]}, narrow: {pools: [home]}}",
    )
    trace: list[Step] = []
    decision = decide(compiled, facts(**asking), trace)  # type: ignore[arg-type]
    assert isinstance(decision, Allow)
    assert decision.mirror is None
    assert decide(compiled, facts(**asking)) == decision  # type: ignore[arg-type]
    excluded = [step for step in trace if isinstance(step, Excluded)]
    assert [(step.because, step.is_mirror, step.is_canary) for step in excluded] == [(because, True, False)]


def test_nothing_is_mirrored_of_what_is_refused() -> None:
    compiled = made("{id: rest, when: {}, to: [lab], mirror: {pool: home, percent: 100}}")
    trace: list[Step] = []
    assert isinstance(decide(compiled, facts(RESTRICTED), trace), Deny)
    assert trace[1] == Excluded("home", Exclusion.SPILL_ALONE, is_mirror=True)


@pytest.mark.parametrize(
    ("mirror", "rest", "expected"),
    [
        ("{pool: far, percent: 1}", "to: [home]", None),
        # Reached under pressure only, or first for a few: a copy of more than is copied anyway is text that leaves.
        ("{pool: far, percent: 1}", "to: [home], spill: [far]", None),
        ("{pool: far, percent: 1}", "to: [home], canary: {pool: far, percent: 5}", None),
        ("{pool: far, percent: 6}", "to: [home], mirror: {pool: far, percent: 5}", None),
        ("{pool: far, percent: 5}", "to: [home], mirror: {pool: far, percent: 5}", Mirror("far", 5)),
        ("{pool: far, percent: 5}", "to: [home], mirror: {pool: far, percent: 5}, only: {processor: own}", None),
        (
            "{pool: far, percent: 5}",
            "to: [home], spill: [far], mirror: {pool: burst, percent: 5}, only: {residency: cn}",
            None,
        ),
        ("{pool: far, percent: 5}", "to: [home], spill: [far], mirror: {pool: lab, percent: 5}", None),
        # Where the cloud leads anyway.
        ("{pool: far, percent: 5}", "to: [far, home]", Mirror("far", 5)),
        ("{pool: lab, percent: 50}", "to: [home]", Mirror("lab", 50)),
    ],
)
def test_the_choice_of_a_model_brings_in_no_cloud_mirror(mirror: str, rest: str, expected: Mirror | None) -> None:
    named = f"{{id: named, when: {{model: steer}}, to: [home], mirror: {mirror}}}"
    decision = decide(made(named, f"{{id: rest, when: {{}}, {rest}}}", models=MODELS), facts(model="steer"))
    assert isinstance(decision, Allow)
    assert (decision.route, decision.mirror) == ("named", expected)


# Weights


def test_weights_stand_beside_the_pools_that_are_left() -> None:
    to = "[{pool: home, weight: 70}, {pool: lab, weight: 30}]"
    compiled = made(f"{{id: rest, when: {{}}, to: {to}}}")
    decision = decide(compiled, facts())
    assert isinstance(decision, Allow)
    assert (decision.to, decision.weights) == (("home", "lab"), (70.0, 30.0))
    # The other may not see it: there is nothing to share out.
    alone = decide(compiled, facts(RESTRICTED))
    assert isinstance(alone, Allow)
    assert (alone.to, alone.weights) == (("home",), ())


def test_a_row_without_weights_has_none() -> None:
    decision = decide(made("{id: rest, when: {}, to: [home, lab]}"), facts())
    assert isinstance(decision, Allow)
    assert decision.weights == ()


def test_those_that_share_the_first_place_lie_in_one_zone() -> None:
    with pytest.raises(Problems) as caught:
        made("{id: rest, when: {}, to: [{pool: home, weight: 1}, {pool: burst, weight: 0}]}")
    assert "share out the first place lie in several zones" in str(caught.value)
