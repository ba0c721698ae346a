"""What a proof says to people, and the problems and notes of a file."""

# ruff: noqa: E501  # the sentences are whole
import json
import string
from collections.abc import Callable
from unittest.mock import patch

import pytest
from msgspec.structs import replace

from gateway.core.decision import Allow, Decision
from gateway.core.facts import RequestFacts
from gateway.core.findings import Tier
from gateway.core.reading import Reader
from gateway.core.topology import Topology
from gateway.core.written import parse
from gateway.policy import checks, given_facts, proof_words, shown_facts
from gateway.policy.compile import load
from gateway.policy.compiled import OTHER_CLASS, CompiledPolicy
from gateway.policy.decide import decide
from gateway.policy.proof_words import notes, problems, said
from gateway.policy.prove import prove
from gateway.policy.space import Space
from gateway.policy.words import Table

from .brute_force import small
from .making import CLASSES, EXAMPLE, EXAMPLE_POOLS, INTERNAL, PUBLIC, RESTRICTED, example, policy, pool, unproved
from .test_prove_brute_force import compiled

KEEP = '  - {id: keep, when: {label: ">= confidential"}, to: [home]}\n'
REST = "  - {id: rest, when: {}, to: [home], spill: [burst]}"
BOTH = "{chat: {pools: [home, burst]}, other: {pools: [home, burst]}}"


def told(policy: CompiledPolicy, most_nodes: int = 1 << 20) -> list[str]:
    return [str(one) for one in problems(prove(policy, most_nodes=most_nodes), policy, "p")]


def noted(policy: CompiledPolicy) -> list[str]:
    return [str(one) for one in notes(prove(policy), policy, "p")]


def gaps(sentence: str) -> set[str | None]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}


@pytest.mark.parametrize("table", [proof_words._WORDS, shown_facts._WORDS])
def test_each_sentence_is_there_in_both_languages_with_the_same_gaps(table: Table) -> None:
    for key, (english, chinese) in table.items():
        assert gaps(english) == gaps(chinese), key
        assert english.isascii(), key
        assert key == "claim_always" or key == "claim" or not chinese.isascii(), key


def test_a_proof_is_a_page_that_a_ticket_can_hold() -> None:
    text = EXAMPLE.replace("[ORG, URL, DATE, PERSON]", "[PERSON, CN_MOBILE, EMAIL, ADDRESS, HEALTH_CONTEXT]")
    good = load(text.encode(), "p", EXAMPLE_POOLS, CLASSES)
    proof = prove(good)
    assert said(proof, good, "en").splitlines() == [
        f"Proved: all 10 claims hold in every one of 5,376 states ({proof.nodes} steps).",
        "  ✓ No request labelled above internal has a way to the cloud.",
        "  ✓ No pool is sent a request above its clearance.",
        "  ✓ N1: Never: label >= confidential, zone cloud.",
        "  ✓ N2: Never: tenant_class hospital, zone cloud.",
        "  ✓ N3: A higher label, a taint or a scan that is not complete opens no way to the cloud.",
        "  ✓ N4: Every request is covered by a route.",
        "  ✓ N5: Every route is used by some request.",
        "  ✓ No model name opens a way to the cloud, and none puts the cloud first.",
        "  ✓ Every request has exactly one answer, and the running gateway gives it.",
        "  ✓ Everything that may leave is acknowledged by name.",
        "What is found alone and may still leave for the cloud:",
        "  · CN_MOBILE: score below 0.6, fewer than 5",
        "  · EMAIL: score below 0.6",
        "  · ADDRESS: score below 0.6",
        "  · PERSON: always",
        "  · HEALTH_CONTEXT: always",
        "Worth knowing:",
        "  · By the route `rest` some requests would reach a pool outside only because of the model that they name; the gateway takes such pools away.",
    ]
    assert (
        said(proof, good, "zh").splitlines()[0] == f"已证明：10 条结论在全部 5,376 种状态下都成立（{proof.nodes} 步）。"
    )
    assert problems(proof, good, "p") == ()


def test_a_broken_claim_is_shown_by_a_request_in_words_and_as_facts() -> None:
    rows = (
        "  - {id: hard, when: {complexity: hard, pressure: {onprem: down}}, to: [home], spill: [burst]}\n" + KEEP + REST
    )
    bad = unproved(policy(rows, BOTH), classes=CLASSES)
    english = said(prove(bad), bad, "en")
    assert "  ✗ No request labelled above internal has a way to the cloud.\n" in english
    assert (
        "      For example, a request with: label confidential, tenant class default, model chat, complexity hard, the zone onprem is down.\n"
        "      The route `hard` (line 9) lists `burst` for it.\n"
        '      As facts: {"label": "confidential", "model": "chat", "complexity": "hard", "pressure": {"onprem": "down"}}\n'
        "  ✗ No pool is sent a request above its clearance.\n"
        "      A request shown above breaks this, too.\n"
    ) in english
    chinese = said(prove(bad), bad, "zh")
    assert (
        "例如这样的请求：标签为 confidential，租户类别为 default，模型为 chat，复杂度为 hard，区域 onprem 不可用。"
        in chinese
    )
    assert "上文的例子也违反这一条。" in chinese


def test_more_than_a_few_examples_are_counted() -> None:
    rows = "".join(f'  - {{id: r{number}, when: {{context: "> {9 - number}k"}}, to: [burst]}}\n' for number in range(5))
    bad = unproved(policy(rows + REST, BOTH))
    assert "and 3 more like it" in said(prove(bad), bad, "en")


LOW = '  - {id: low, when: {label: "== public"}, to: [home]}\n'
NO = '  - {id: no, when: {label: ">= confidential"}, deny: "No."}\n'
DEAD = '  - {id: never, when: {label: "< public"}, to: [home]}\n'
REACHABLE = "invariants: [{id: R, reachable: all_routes}]"


def partial(rows: str) -> CompiledPolicy:
    """A policy that is not total, which the compiler would refuse."""
    with patch.object(checks._Checker, "_last_row"):
        return unproved(policy(rows, BOTH))


@pytest.mark.parametrize(
    ("bad", "line"),
    [
        (lambda: partial(KEEP), "No route matches it."),
        (lambda: unproved(policy(KEEP + KEEP.replace("keep", "same") + REST, BOTH, rest=REACHABLE)), "The route `keep` (line 9) lists `home` for it."),
        (lambda: unproved(policy(KEEP + REST, BOTH), classes={"bad": RESTRICTED}), "The ceiling of its tenant class is above that of the policy."),
        (lambda: unproved(policy(NO + NO.replace("no,", "no2,") + REST, BOTH)), "The route `no` (line 9) matches it."),
        (lambda: unproved(policy(LOW + KEEP + REST, BOTH)), "It does not reach `burst`. With the label internal it does, by the route `rest` (line 11)."),
    ],
)  # fmt: skip
def test_every_kind_of_counterexample_has_its_sentence(bad: Callable[[], CompiledPolicy], line: str) -> None:
    spoilt = bad()
    assert line in said(prove(spoilt), spoilt, "en")


def test_what_is_not_known_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    good = unproved(policy(KEEP + REST, BOTH))
    spent = said(prove(good, most_nodes=5), good, "en")
    assert spent.splitlines()[:2] == [
        "Not proved: 24 states are too many for the 5 steps that were allowed.",
        "  ? No request labelled above internal has a way to the cloud.",
    ]
    assert "leave for the cloud" not in spent
    assert told(good, most_nodes=5) == [
        "p: This policy distinguishes 24 states, too many for 5 steps: not proved. Ask for fewer different things in `when` and `invariants`, or split the policy."
    ]
    monkeypatch.setattr("gateway.policy.prove._is_understood", lambda _: False)
    assert said(prove(good), good, "en").startswith("Not proved: the compiled table asks for facts that its own layout")
    assert told(good) == [
        "p: The compiled table asks for facts that its layout does not list, so it is not proved. This is a fault of this build: use another, and report it."
    ]


def test_nothing_that_is_found_may_leave_where_nothing_does() -> None:
    home = unproved(policy("  - {id: rest, when: {}, to: [home]}", "{chat: {pools: [home]}}", ceiling="none"))
    report = said(prove(home), home, "en")
    assert "✓ No request has a way to the cloud." in report
    assert report.endswith("Nothing that was found may leave for the cloud.")


def test_what_may_leave_without_having_been_read_is_told() -> None:
    rows = "  - {id: rest, when: {}, to: [%s]}"
    label = ", tiers: [names], carriers: {opaque_blob: public, image: internal, audio: confidential}"
    out = unproved(policy(rows % "burst", label=label))
    proof = prove(out)
    assert (proof.unread, proof.unasked) == (("opaque_blob", "image"), (Tier.STRUCTURED,))
    assert said(proof, out, "en").partition("Worth knowing:\n")[2].splitlines() == [
        "  · Content that nobody can read may leave, too, since `carriers` says so: `opaque_blob`, `image`.",
        "  · Requests may leave before the scan `structured` has run: `tiers` does not ask for it.",
    ]
    assert "  · 无法扫描的内容也可能外发，因为 `carriers` 允许：`opaque_blob`、`image`。" in said(proof, out, "zh")
    home = prove(unproved(policy(rows % "home", label=label)))
    assert (home.unread, home.unasked) == ((), ())


def test_an_invariant_about_no_label_at_all_is_told() -> None:
    rows = "  - {id: rest, when: {}, to: [home]}"
    stated = """invariants:
  - {id: slip, never: {label: "> restricted", zone: cloud}}
  - {id: worse, only: {label: "< public", residency: cn}}
  - {id: meant, never: {label: ">= restricted", zone: cloud}}"""
    one = unproved(policy(rows, rest=stated))
    proof = prove(one)
    assert proof.vacuous == ("slip", "worse")
    assert "  · `slip`, `worse` holds of nothing: no request has such a label." in said(proof, one, "en")


def test_what_is_worth_knowing_is_told_in_both() -> None:
    rows = KEEP + KEEP.replace("keep", "same") + DEAD
    rows += "  - {id: named, when: {model: other}, to: [burst]}\n  - {id: rest, when: {}, to: [home], spill: [burst]}"
    data = policy(rows, BOTH, rules="[{any_of: [EMAIL], label: internal}]", label=", may_leave: [EMAIL, IBAN]")
    odd = unproved(data)
    report = said(prove(odd), odd, "en")
    assert report.partition("Worth knowing:\n")[2].splitlines() == [
        "  · No request can match the route `never`.",
        "  · The route `same` is never used: everything that it accepts is taken by `keep`.",
        "  · By the route `named` some requests would reach a pool outside only because of the model that they name; the gateway takes such pools away.",
        "  · `may_leave` names `IBAN`, which cannot leave.",
    ]
    assert noted(odd) == [
        "p:11:5: No request ever matches the route `never`. Remove it.",
        "p:10:5: No request ever matches the route `same`: the route `keep` takes everything that it accepts. Move it up, or remove it.",
        "p:12:5: By the route `named` some requests would reach a pool outside only because of the model that they name (for example: model other); the gateway takes such pools away. Let the same requests reach them without a model's name, or leave it so.",
        "p: `may_leave` names `IBAN`, which cannot leave. Remove what is not needed, so that the list says what is true.",
    ]
    assert noted(unproved(policy(KEEP + REST, BOTH))) == []
    stated = unproved(policy(rows, BOTH, rest=REACHABLE))
    assert [one.partition(":")[2] for one in told(stated)] == [
        "11:5: No request ever matches the route `never`. Remove it.",
        "10:5: No request ever matches the route `same`: the route `keep` takes everything that it accepts. Move it up, or remove it.",
    ]
    assert not any("No request ever" in one for one in noted(stated))


def test_a_fault_is_told_once_where_it_stands() -> None:
    found = told(
        load(EXAMPLE.replace('>= confidential"}, to', '>= restricted"}, to').encode(), "p", EXAMPLE_POOLS, CLASSES)
    )
    assert found[:2] == [
        'p:26:5: The route `rest` sends requests labelled `confidential` to the pool `burst` in the zone `cloud`, above the cloud ceiling `internal`. Put a route with `when: {label: ">= confidential"}` before it that stays home, or lower `when`.',
        'p:25:5: The route `simple` sends requests labelled `confidential` to the pool `burst` in the zone `cloud`, above the cloud ceiling `internal` (for example: complexity simple). Put a route with `when: {label: ">= confidential"}` before it that stays home, or lower `when`.',
    ]
    above = [one for one in found if "above the cloud ceiling" in one]
    assert sorted(one.split(":")[1] for one in above) == ["24", "25", "26"]
    assert not any("whose clearance" in one for one in found)
    assert sum("which the invariant `N1` forbids" in one for one in found) == 3


@pytest.mark.parametrize(
    ("bad", "sentences"),
    [
        (lambda: partial(KEEP), ["p:9:5: No route matches requests labelled `public`. Add a last route with `when: {}`, or a `deny`."]),
        (
            lambda: unproved(policy(KEEP + REST, BOTH, ceiling="none"), classes={"bad": PUBLIC, "default": None}),
            [
                "p: The tenant class `bad` has the ceiling `public`, above the policy's cloud ceiling `none`. A class may only lower the ceiling: lower it in tenants.yaml.",
                "p:10:5: The route `rest` sends requests labelled `public` to the pool `burst` in the zone `cloud`, above the cloud ceiling `none`. Put a route with `when: {label: \">= public\"}` before it that stays home, or lower `when`.",
            ],
        ),
        (
            lambda: unproved(policy(LOW.replace(", to: [home]", ", to: [lab]") + "  - {id: rest, when: {}, to: [home, lab]}", "{chat: {pools: [home, lab]}}"), LOW_LAB),
            ["p:10:5: The route `rest` sends requests labelled `confidential` to the pool `lab`, whose clearance is only `internal`. Take the pool out of the route, or lower `when`."],
        ),
        (
            lambda: unproved(policy(NO + NO.replace("no,", "no2,") + KEEP + DEAD + REST, BOTH)),
            ["p:10:5: The route `no2` refuses nothing: the route `no` takes everything that it is for. Move it up, or remove it."],
        ),
        (
            lambda: unproved(policy(LOW + KEEP + REST, BOTH)),
            ["p:11:5: Raising the label from `public` to `internal` adds the pool `burst` outside the building, by the route `rest`. Let the route for `public` list the pool as well, or keep it out of this one."],
        ),
        (
            lambda: unproved(policy(KEEP + REST, BOTH, rules="[{count: {EMAIL: 5}, label: restricted}, {all_of: [ORG], label: public}]")),
            [
                "p:5:1: Findings of `EMAIL`, fewer than 5, may still leave for the cloud, unacknowledged. Add `EMAIL` to `label.may_leave`, or raise its label by a rule.",
                "p:5:1: Findings of `ORG` may still leave for the cloud, unacknowledged. Add `ORG` to `label.may_leave`, or raise its label by a rule.",
            ],
        ),
    ],
)  # fmt: skip
def test_every_kind_of_fault_has_its_problem(bad: Callable[[], CompiledPolicy], sentences: list[str]) -> None:
    assert told(bad()) == sentences


LOW_LAB = Topology((pool("home"), pool("lab", clearance=INTERNAL)))


def test_a_build_that_decides_something_else_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(_: CompiledPolicy, facts: RequestFacts) -> Decision:
        return Allow(("elsewhere",), (), 1.0, "rest", facts.label_high)

    good = unproved(policy(KEEP + REST, BOTH))
    monkeypatch.setattr("gateway.policy.prove.decide", wrong)
    found = told(good)
    assert (
        "p:10:5: Naming a model leads requests to `elsewhere` by the route `rest`. This is a fault of this build: use another, and report it."
        in found
    )
    assert (
        "p:10:5: What the route `rest` does is not what was proved. This is a fault of this build: use another, and report it."
        in found
    )


def test_an_invariant_is_told_in_the_words_of_the_file() -> None:
    rest = """\
invariants:
  - {id: A, never: {label: "== public", complexity: [simple, hard], tenant_class: c, capability: tools, model: chat, pool: burst}}
  - {id: B, never: {modality: {has: [image], only: [text, image]}, context: "> 32k", budget: spent, residency: us, agreement: [a, b]}}
  - {id: C, only: {time: {days: [sun, mon], from: "08:00", to: "20:30"}, pressure: {onprem: [saturated, down]}, processor: own}}"""
    stated = unproved(policy(KEEP + REST, BOTH, rest=rest))
    report = said(prove(stated), stated, "en")
    assert (
        "A: Never: label == public, complexity simple hard, tenant_class c, capability tools, model chat, pool burst."
        in report
    )
    assert (
        "B: Never: modality image, no modality but text image, context > 32768, budget spent, residency us, agreement a b."
        in report
    )
    assert "C: Only: time mon sun 08:00-20:30, pressure onprem saturated down, processor own." in report


def test_facts_shown_are_facts_that_can_be_given() -> None:
    policies = [example(), *(compiled(small(seed, 3_000)) for seed in range(40))]
    count = 0
    for one in policies:
        space = Space((one,))
        for axis in range(len(space.axes)):
            for cell in range(len(space.axes[axis].cells)):
                path = [0] * len(space.axes)
                path[axis] = cell
                facts = space.facts(path)
                reader = Reader()
                written = parse(json.dumps(shown_facts.as_given(one, facts)).encode(), "--facts")
                given = given_facts.read(written.root, reader, one)
                reader.finish()
                assert given is not None
                # A class that no file names cannot be written as it is called here; any other name does.
                known = given if facts.tenant_class != OTHER_CLASS else replace(given, tenant_class=OTHER_CLASS)
                assert known == facts
                assert decide(one, given) == decide(one, facts)
                count += 1
    assert count > 500
    low = replace(space.facts([0] * len(space.axes)), label_high=one.order.top)
    assert shown_facts.as_given(one, low)["label_low"] == one.order.name(low.label_low)


def test_every_unusual_fact_is_said() -> None:
    rows = """\
  - {id: a, when: {time: {from: "08:00", to: "20:00"}, modality: image, context: "> 4k", budget: spent}, to: [home]}
  - {id: b, when: {pressure: {cloud: down}, capability: tools, complexity: hard}, to: [home]}
  - {id: c, when: {}, to: [home]}"""
    data = policy(rows, "{chat: {pools: [home]}, '*': {pools: [home]}}").replace(
        b"cloud_ceiling", b'time_zone: "+08:00"\ncloud_ceiling'
    )
    odd = unproved(data, classes=CLASSES)
    space = Space((odd,))
    facts = replace(space.facts([len(axis.cells) - 1 for axis in space.axes]), tenant_class="press", ceiling=None)
    assert list(shown_facts.clauses(odd, facts, "en")) == [
        "label restricted", "tenant class press", "model (any other name)", "the tenant's own ceiling none",
        "complexity hard", "needs tools", "with pictures", "a context of 4097 tokens", "on Mon 20:00 (UTC+08:00)",
        "the zone cloud is down", "the burst budget is spent",
    ]  # fmt: skip
