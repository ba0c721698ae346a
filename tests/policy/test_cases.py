"""Golden cases: a strict file, the live path's own functions, failures that say why, and what no case reaches."""

# ruff: noqa: E501  # cases and sentences, one a line
import json
import re
import string

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.facts import Capability, Complexity, Modality
from gateway.core.findings import Coverage, Evidence, Finding, Tier
from gateway.core.problems import Problems
from gateway.policy.cases import Report, Seen, as_json, lines, run
from gateway.policy.cases_file import read
from gateway.policy.cases_words import SENTENCES
from gateway.policy.compiled import CompiledPolicy
from gateway.policy.words import Language

from .making import CONFIDENTIAL, INTERNAL, PUBLIC, RESTRICTED, policy, unproved

ROWS = """\
  - {id: keep, when: {label: ">= confidential"}, to: [home], on_full: {queue: 20s}, audit: strict}
  - {id: bank, when: {tenant_class: bank}, deny: Not for banks.}
  - {id: tools, when: {capability: tools}, to: [lab], spill: [home]}
  - {id: hard, when: {complexity: hard}, to: [home], canary: {pool: lab, percent: 5}}
  - {id: pictures, when: {modality: image}, to: [home, lab], mirror: {pool: burst, percent: 5}}
  - {id: long, when: {context: "> 32k"}, to: [lab, home]}
  - {id: rest, when: {}, to: [home], spill: [burst]}"""
RULES = "[{any_of: [US_SSN], label: restricted}, {any_of: [EMAIL], min_score: 0.5, label: confidential}, {all_of: [PERSON, DATE], label: confidential}, {marker: [Secret], label: restricted}]"
COMPILED = unproved(
    policy(
        ROWS,
        "{chat: {pools: [home, lab, burst]}, small: {pools: [home]}}",
        rules=RULES,
        label=", carriers: {image: internal}",
        rest="cache: {internal: 1h, confidential: 10m}",
    ),
    None,
    {"default": INTERNAL, "bank": INTERNAL, "press": INTERNAL},
)


def look(body: bytes) -> Seen | None:
    """Stands for parsing and scanning: finds e-mail addresses by their sign."""
    request = json.loads(body)
    if "messages" not in request:
        return None
    findings = (Finding("EMAIL", 0.9, "messages[0].content", 0, 1, "t"),) if b"@" in body else ()
    return Seen(
        Evidence(findings, Coverage(frozenset(Tier))),
        frozenset({Capability.TOOLS}) if "tools" in request else frozenset(),
        frozenset({Modality.TEXT, Modality.IMAGE}) if b"picture" in body else frozenset({Modality.TEXT}),
        40_000 if b"long" in body else 10,
        Complexity.HARD if b"why" in body else None,
    )


def file(*cases: str, facts: str = "{model: chat}") -> bytes:
    listed = "\n".join(f"  - {{name: case {number}, {case}}}" for number, case in enumerate(cases, 1))
    return f"apiVersion: tidegate/v1\nfacts: {facts}\ncases:\n{listed}\n".encode()


def ran(*cases: str, compiled: CompiledPolicy = COMPILED) -> Report:
    return run(compiled, read(file(*cases), "c.yaml", compiled), look)


def failures(case: str, language: Language = "en") -> list[str]:
    return list(lines(ran(case), language))[: -2 - len(ran(case).routes) - len(ran(case).rules)]


@pytest.mark.parametrize("key", SENTENCES)
def test_every_sentence_stands_in_both_languages_with_the_same_gaps(key: str) -> None:
    english, chinese = ({name for _, name, _, _ in string.Formatter().parse(one) if name} for one in SENTENCES[key])
    assert english == chinese
    assert not re.search(r"[一-鿿]", SENTENCES[key][0])


@pytest.mark.parametrize(
    "case",
    [
        "text: hello, expect: {label: internal, label_low: internal, action: allow, route: rest, to: [home], spill: [burst], cache: 1h, audit: standard, canary: none}",
        "text: a@b.c, expect: {label: confidential, route: keep, to: [home], spill: [], cache: 10m, audit: strict}",
        "text: a picture, expect: {route: pictures}",
        "text: a long story, expect: {route: long}",
        "text: why, expect: {route: hard, canary: lab}",
        "text: why not, facts: {complexity: simple}, expect: {route: hard}",
        "text: hello, facts: {complexity: hard}, expect: {route: hard}",
        "text: hello, facts: {tenant_class: bank}, expect: {action: deny, route: bank, code: denied_by_policy}",
        "request: {model: chat, tools: [], messages: []}, expect: {route: tools, to: [lab], spill: [home]}",
        "request: {model: small, messages: []}, expect: {route: rest, spill: []}",
        "request: {messages: []}, expect: {route: rest}",
        "findings: [US_SSN], expect: {label: restricted, cache: never}",
        "findings: [{entity: EMAIL, score: 0.4, count: 3}], expect: {label: internal}",
        "findings: [PERSON, {entity: DATE}], expect: {label: confidential}",
        "findings: [{marker: SECRET}], expect: {label: restricted}",
        "findings: [], unscanned: [image], expect: {label: internal}",
        "unscanned: [audio], expect: {label: restricted}",
        "failure: timeout, expect: {label: restricted}",
        "tiers: [names], expect: {label: restricted, label_low: internal}",
        "findings: [], history: lost, expect: {label: restricted}",
        "text: hello, taint: confidential, expect: {label: confidential}",
        "findings: [], facts: {capabilities: [tools]}, expect: {route: tools}",
        "facts: {label: public}, expect: {label: public, route: rest}",
        "facts: {label: public, model: other}, expect: {action: deny, code: model_not_found}",
        "facts: {label: restricted, model: chat, capabilities: [vision]}, expect: {to: [home]}",
    ],
)  # fmt: skip
def test_a_case_holds_what_is_decided_against_what_is_expected(case: str) -> None:
    assert failures(case) == []
    assert ran(case).results[0].passes


@pytest.mark.parametrize(
    ("case", "sentence"),
    [
        ("text: a@b.c, expect: {label: public}", "expected the label public, got confidential. confidential: the rule on line 5 matches EMAIL (score 0.90) at messages[0].content."),
        ("text: hello, expect: {label: restricted}", "expected the label restricted, got internal. Nothing sensitive was found."),
        ("facts: {label: public}, expect: {label: internal}", "expected the label internal, got public."),
        ("tiers: [], expect: {label_low: public}", "expected what was found to give public, got internal. restricted: the scan `structured`, which the policy requires, has not run, so the highest label counts. restricted: the scan `names`, which the policy requires, has not run, so the highest label counts."),
        ("text: hello, expect: {route: keep}", "expected the route keep, got rest. keep: only for confidential, restricted."),
        ("text: a@b.c, expect: {route: rest}", "expected the route rest, got keep. keep matches and stands before rest."),
        ("facts: {label: public, model: other}, expect: {route: rest}", "expected the route rest, got none."),
        ("text: hello, expect: {to: [lab]}", "expected `to` to be lab, got home. The route rest does not name lab there. home (on premises): yes."),
        ("request: {model: small, messages: []}, expect: {spill: [burst]}", "expected `spill` to be burst, got none. burst (cloud): no, the model small does not include it."),
        ("text: why, expect: {canary: none}", "expected the canary none, got lab. lab (on premises): yes, as the canary: 5 % of the requests try it first."),
        ("text: hello, expect: {canary: lab}", "expected the canary lab, got none. The route rest does not name lab there."),
        ("text: hello, expect: {mirror: lab}", "expected the mirror lab, got none. The route rest does not name lab there."),
        ("text: picture, expect: {mirror: none}", "expected the mirror none, got burst. burst (cloud): yes, as the mirror: it gets a copy of 5 % of the requests, and never answers."),
        ("text: hello, expect: {cache: never}", "expected answers to be kept: never; got: 1 h."),
        ("text: hello, expect: {audit: strict}", "expected strict audit, got standard."),
        ("text: hello, expect: {action: deny}", "expected it to be refused, it is allowed. Result: home; if there is no room, burst. It waits at most 10 s for a free place."),
        ("text: hello, expect: {code: denied_by_policy}", "expected it to be refused, it is allowed. Result: home;"),
        ("text: hello, facts: {tenant_class: bank}, expect: {to: [home]}", "expected it to be allowed, it is refused. Result: refused by the route bank. The caller reads: Not for banks."),
        ("text: hello, facts: {tenant_class: bank}, expect: {code: no_pool_permitted}", "expected the refusal no_pool_permitted, got denied_by_policy. Result: refused by the route bank."),
        ("request: {model: chat}, expect: {action: allow}", "the gateway would not read this as a chat request."),
    ],
)  # fmt: skip
def test_a_failure_is_one_sentence_with_its_grounds(case: str, sentence: str) -> None:
    told = failures(case)
    assert len(told) == 1
    assert told[0].startswith(f"c.yaml:4: case 1: {sentence}")
    assert failures(case, "zh")[0].startswith("c.yaml:4：case 1：")
    shown = as_json(ran(case))
    assert json.loads(json.dumps(shown))["cases"][0]["failures"][0]["sentence"] == told[0]


def test_a_failure_in_chinese() -> None:
    assert failures("text: a@b.c, expect: {label: internal}", "zh") == [
        "c.yaml:4：case 1：期望标签 internal，实际为 confidential。confidential：命中策略第 5 行的规则，检出 EMAIL（位于 messages[0].content，置信度 0.90）。"
    ]


def test_what_no_case_reaches_is_said_by_line() -> None:
    report = ran("text: hello, expect: {action: allow}", "findings: [US_SSN], expect: {label: public}")
    assert [route.id for route in report.routes] == ["bank", "tools", "hard", "pictures", "long"]
    assert not report.is_covered
    told = list(lines(report, "en"))
    assert "No case reaches the route bank (line 10)." in told
    assert "No case reaches the label rule on line 5 (all_of: PERSON, DATE)." in told
    assert told[-2:] == ["Cases: 1 of 2 pass, 1 fail.", "Reached: 2 of 7 routes, 1 of 4 label rules."]
    shown = as_json(report, "zh")
    assert shown["passed"] == 1
    unreached = shown["unreached"]
    assert isinstance(unreached, dict)
    assert len(unreached["routes"]) == 5


def test_a_policy_whose_every_row_and_rule_is_reached_is_covered() -> None:
    compiled = unproved(policy("  - {id: rest, when: {}, to: [home]}", "{chat: {pools: [home]}}"))
    assert run(compiled, read(file("text: hi, expect: {route: rest}"), "c", compiled), look).is_covered


def test_what_a_class_vouches_for_counts() -> None:
    cases = read(file("text: hello, facts: {tenant_class: press}, expect: {label: public}"), "c", COMPILED)
    assert run(COMPILED, cases, look, {"press": PUBLIC}).results[0].passes
    assert not run(COMPILED, cases, look, {"bank": PUBLIC}).results[0].passes


def test_a_case_overrides_what_is_usual_for_its_file() -> None:
    usual = "{model: small, tenant_class: bank, capabilities: [tools], label: restricted}"
    cases = "text: hi, expect: {route: bank}", "facts: {label: public, tenant_class: x}, expect: {label: public}"
    read_cases = read(file(*cases, facts=usual), "c", COMPILED)
    first, second = run(COMPILED, read_cases, look).results
    assert (first.facts.model, first.facts.tenant_class, first.facts.capabilities) == ("small", "bank", frozenset())
    assert (second.facts.label_high, second.facts.tenant_class, len(second.facts.capabilities)) == (PUBLIC, "x", 1)
    assert (first.facts.label_high, CONFIDENTIAL, RESTRICTED) == (INTERNAL, 2, 3)


@pytest.mark.parametrize(
    ("case", "problem"),
    [
        ("text: hi", "4:5: A case lacks the key `expect`."),
        ("text: hi, expect: {}", "`expect` must not be empty."),
        ("text: hi, expect: {labl: public}", "`expect` has no key `labl`. Did you mean `label`?"),
        ("text: hi, expect: {label: publc}", "The label `publc` does not exist. Did you mean `public`?"),
        ("text: hi, expect: {route: resd}", "The route `resd` does not exist. Did you mean `rest`?"),
        ("text: hi, expect: {to: [hme]}", "No route of the policy names the pool `hme`. Did you mean `home`?"),
        ("text: hi, expect: {to: home}", "`to` must be a list."),
        ("text: hi, expect: {canary: far}", "No route of the policy names the pool `far`."),
        ("text: hi, expect: {canary: [far]}", "`canary` must be a name."),
        ("text: hi, expect: {action: drop}", "`action` must be one of: allow, deny."),
        ("text: hi, expect: {action: deny, to: [home]}", "A refusal has no `to`."),
        ("text: hi, expect: {code: denied_by_policy, cache: never}", "A refusal has no `cache`."),
        ("text: hi, expect: {action: allow, code: denied_by_policy}", "`code` is that of a refusal."),
        ("text: hi, expect: {cache: long}", "`cache` must be a time"),
        ("text: hi, expect: {audit: some}", "`audit` must be one of: standard, strict."),
        ("text: '', expect: {action: allow}", "`text` must be a text that is not empty."),
        ("text: hi, findings: [], expect: {action: allow}", "A case says in one way what was asked."),
        ("request: hi, expect: {action: allow}", "`request` must be a chat request."),
        ("request: {model: chat}, facts: {model: small}, expect: {action: allow}", "The request names its model, and `facts` names one again."),
        ("text: hi, facts: {label: public}, expect: {action: allow}", "`label` follows from what this case asks."),
        ("text: hi, facts: {context: 3}, expect: {action: allow}", "`context` follows from what this case asks."),
        ("findings: [], facts: {label_low: public}, expect: {action: allow}", "`label_low` follows from what this case asks."),
        ("facts: {label: public}, taint: public, expect: {action: allow}", "`history` and `taint` give a label by what was asked, and nothing was."),
        ("facts: {}, expect: {action: allow}", "The facts lacks the key `label`."),
        ("expect: {action: allow}", "The facts lacks the key `label`."),
        ("facts: [], expect: {action: allow}", "The facts must be a group of keys."),
        ("findings: [EMAL], expect: {action: allow}", "The entity `EMAL` does not exist. Did you mean `EMAIL`?"),
        ("findings: [{entity: EMAIL, marker: Secret}], expect: {action: allow}", "A finding is an entity or a marker."),
        ("findings: [{score: 1}], expect: {action: allow}", "A finding is an entity or a marker."),
        ("findings: [[]], expect: {action: allow}", "A finding must be a group of keys."),
        ("findings: [{marker: hush}], expect: {action: allow}", "No rule of the policy names this marker"),
        ("findings: [{entity: EMAIL, score: 2}], expect: {action: allow}", "`score` must be a number from 0 to 1."),
        ("findings: [{entity: EMAIL, count: 0}], expect: {action: allow}", "`count` must be a whole number"),
        ("unscanned: [imag], expect: {action: allow}", "The carrier `imag` does not exist. Did you mean `image`?"),
        ("tiers: [name], expect: {action: allow}", "The tier `name` does not exist. Did you mean `names`?"),
        ("findings: [], history: lst, expect: {action: allow}", "`history` must be one of"),
        ("findings: [], taint: lst, expect: {action: allow}", "The label `lst` does not exist."),
        ("text: hi, expects: {action: allow}", "A case has no key `expects`. Did you mean `expect`?"),
    ],
)  # fmt: skip
def test_a_slip_is_told_with_its_place(case: str, problem: str) -> None:
    with pytest.raises(Problems) as found:
        read(file(case), "c.yaml", COMPILED)
    assert any(problem in str(one) for one in found.value.problems)
    assert all(one.line for one in found.value.problems)


def test_every_slip_of_a_file_is_told_at_once_and_once() -> None:
    data = file("text: hi, expect: {}", "text: hi, expect: {route: x}", facts="{model: chat, tenant: bank}")
    with pytest.raises(Problems) as found:
        read(
            data
            + b"  - {name: case 1, text: hi, expect: {action: allow}}\n  - {name: [], text: a, expect: {action: deny}}\n",
            "c",
            COMPILED,
        )
    assert [str(one).split(" Known")[0].split(" Did")[0] for one in found.value.problems] == [
        "c:2:22: The facts has no key `tenant`.",
        "c:4:38: `expect` must not be empty. Write `expect: {action: allow, to: [home]}`.",
        "c:5:46: The route `x` does not exist.",
        "c:6:12: A case of the same name stands on line 4. Give each its own, so that a failure names one of them.",
        "c:7:12: The name of a case must be a text that is not empty.",
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"cases: 3",
        b"- a",
        b"apiVersion: v9\ncases: []",
        b"\xff",
        b"facts: 3\ncases: [{name: a, text: b, expect: {action: deny}}]",
    ],
)
def test_a_file_that_is_none_says_so(data: bytes) -> None:
    with pytest.raises(Problems):
        read(data, "c.yaml", COMPILED)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_file_cut_anywhere_is_read_or_told(data: st.DataObject) -> None:
    whole = file(
        "text: a@b.c, expect: {label: confidential, to: [home]}", "findings: [{entity: EMAIL}], expect: {action: deny}"
    )
    cut = whole[: data.draw(st.integers(0, len(whole)))]
    try:
        report = run(COMPILED, read(cut, "c", COMPILED), look)
    except Problems as found:
        said = found.problems
    else:
        said = report.results
    assert said
