"""The explanation is the live decision told in words, in both languages, without a word of the request."""

# ruff: noqa: E501  # sentences, one per row of the tables
import json
import re
import string
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from gateway.core.facts import Capability, Complexity, Modality, RequestFacts
from gateway.core.findings import Coverage, Evidence, Finding, History, Tier, Unscanned
from gateway.core.labels import Label
from gateway.core.topology import Topology
from gateway.policy.decide import decide
from gateway.policy.explain import as_json, explain, explanation, lines
from gateway.policy.words import SENTENCES, Language

from . import changing
from .making import (
    BOTH,
    CONFIDENTIAL,
    INTERNAL,
    POOLS,
    PUBLIC,
    RESTRICTED,
    evidence,
    example,
    facts,
    policy,
    pool,
    reached,
    unproved,
)
from .oracle import states, worlds

JSON, TOOLS, VISION = Capability.JSON_SCHEMA, Capability.TOOLS, Capability.VISION


def gaps(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


@pytest.mark.parametrize("key", SENTENCES)
def test_every_sentence_stands_in_both_languages_with_the_same_gaps(key: str) -> None:
    english, chinese = SENTENCES[key]
    assert gaps(english) == gaps(chinese)
    assert not re.search(r"[一-鿿]", english)
    assert re.search(r"[一-鿿、，。]", chinese) or not re.search(r"[a-z]", re.sub(r"{[a-z_]*}", "", chinese))


def test_a_harmless_question_in_english() -> None:
    told = explain(example(), evidence(), facts(INTERNAL, "chat-auto", ceiling=INTERNAL), "en")
    assert (
        told
        == """\
Label: internal.
Nothing sensitive was found.
Request: model chat-auto, tenant class default, complexity medium, needs nothing special.
Nothing above internal may leave for the cloud for this tenant.
Routes, in order:
  ✗ keep-home: only for confidential, restricted.
  ✗ json: only for requests that need json_schema.
  ✗ simple: only for complexity simple.
  ✓ rest: matches.
Pools of that route:
  ✓ gpu-large (on premises): yes.
  ✓ burst (cloud): yes, but only when those before it have no room.
Result: gpu-large; if there is no room, burst. It waits at most 10 s for a free place.
Its answer may be reused for 1 h.
What would change it: with complexity simple instead of medium, it would go to gpu-small, burst."""
    )


def test_a_resident_id_in_chinese() -> None:
    finding = Finding("CN_RESIDENT_ID", 1.0, "messages[0].content", 3, 21, "test", ("nfkc", "base64"))
    found = Evidence((finding, Finding("CN_MOBILE", 0.7, "messages[0].content", 30, 41, "test")), Coverage(BOTH))
    told = explain(example(), found, facts(RESTRICTED, "chat-auto", ceiling=None, needs={VISION}), "zh")
    assert (
        told
        == """\
标签：restricted。
判定依据：
  · restricted：命中策略第 11 行的规则，检出 CN_RESIDENT_ID（位于 messages[0].content，置信度 1.00）（经 nfkc → base64 还原）。
  · confidential：命中策略第 12 行的规则，检出 CN_MOBILE（位于 messages[0].content，置信度 0.70）。
请求：模型 chat-auto，租户类别 default，复杂度 medium，所需能力：vision。
该租户的任何内容都不得发往云端。
路由匹配过程（自上而下）：
  ✓ keep-home：命中。
该路由的资源池：
  ✓ gpu-large（本地）：可用。
  ✗ gpu-small（本地）：不可用，缺少能力 vision。
结果：发往 gpu-large。排队最长 20 秒。
应答不缓存。
如何改变结果：若不需要 vision 能力，则将发往 gpu-large、gpu-small。"""
    )


def test_a_refusal_says_what_the_rest_of_the_scan_would_open() -> None:
    closed = unproved(
        policy('  - {id: no, when: {label: ">= restricted"}, deny: Ask us.}\n  - {id: rest, when: {}, to: [home]}')
    )
    asked = facts(RESTRICTED, low=INTERNAL)
    assert (
        "If the rest of the scan finds nothing more: home as well." in explain(closed, None, asked, "en").splitlines()
    )
    refused = as_json(explanation(closed, None, asked))["decision"]
    assert refused == {
        "action": "deny",
        "route": "no",
        "code": "denied_by_policy",
        "message": "Ask us.",
        "if_scanned": ["home"],
    }
    certain = as_json(explanation(closed, None, facts(RESTRICTED)))["decision"]
    assert certain == {"action": "deny", "route": "no", "code": "denied_by_policy", "message": "Ask us."}


def test_a_scan_that_is_not_finished_says_what_it_would_open() -> None:
    told = explain(example(), None, facts(RESTRICTED, "chat-auto", low=INTERNAL), "en")
    assert "Label: restricted governs. What was found so far gives internal;" in told
    assert "The evidence was not recorded." in told
    assert "If the rest of the scan finds nothing more: burst as well." in told


@pytest.mark.parametrize(
    ("asked", "sentences"),
    [
        (facts(INTERNAL, "tell me a secret\x1b[0m"), ["The policy has no model (a name that the policy does not have)."]),
        (facts(INTERNAL, "other", needs={JSON}), ["✗ a: only for the model chat.", "✓ d: matches.", "✗ burst (cloud): no, it lacks json_schema."]),
        (facts(INTERNAL, "chat"), ["✓ a: matches.", "✗ far (cloud): no, only the choice of the model chat would lead there"]),
        (facts(PUBLIC, "other", tenant_class="x"), ["Result: refused by the route b. The caller reads: Not for x."]),
        (facts(RESTRICTED, "other"), ["✗ b: only for the tenant class x.", "✗ lab (on premises): no, it may see nothing above confidential.", "✗ home (on premises): no, nothing of `to` may see it", "Result: refused. No pool in `to` of the route c"]),
        (facts(INTERNAL, "other", ceiling=None), ["✗ burst (cloud): no, it is above what this tenant may let out."]),
        (facts(INTERNAL, "third"), ["✗ d: none of its pools belongs to the model third.", "✗ home (on premises): no, the model third does not include it."]),
        (facts(INTERNAL, "third", complexity=Complexity.HARD), ["✗ d: only for complexity medium."]),
    ],
)  # fmt: skip
def test_every_way_to_pass_over_a_row_or_a_pool_has_its_sentence(asked: RequestFacts, sentences: list[str]) -> None:
    rows = """\
  - {id: a, when: {model: chat}, to: [home], spill: [far]}
  - {id: b, when: {tenant_class: x}, deny: Not for x.}
  - {id: c, when: {label: ">= confidential"}, to: [lab], spill: [home]}
  - {id: d, when: {complexity: medium}, to: [home], spill: [burst]}
  - {id: e, when: {}, to: [home, lab]}"""
    models = "{chat: {pools: [home, far]}, other: {pools: [home, lab, burst]}, third: {pools: [lab, burst]}}"
    pools = Topology((*POOLS.pools[:2], pool("burst", "cloud", INTERNAL, ()), POOLS.pools[3]))
    compiled = unproved(policy(rows, models), pools, {"default": INTERNAL, "x": INTERNAL})
    told = explain(compiled, evidence(), asked, "en")
    for sentence in sentences:
        assert sentence in told
    assert "secret" not in told


def test_a_ceiling_of_the_policy_is_told_from_one_of_the_tenant() -> None:
    rows = "  - {id: rest, when: {}, to: [home], spill: [far]}"
    compiled = unproved(policy(rows, "{chat: {pools: [home, far]}}", ceiling="none"))
    assert "no, the policy lets nothing above none leave." in explain(compiled, evidence(), facts(), "en")
    compiled = unproved(policy(rows, "{chat: {pools: [home, far]}}", ceiling="public"))
    assert "no, the policy lets nothing above public leave." in explain(compiled, evidence(), facts(), "en")


@pytest.mark.parametrize(
    ("asked", "change"),
    [
        (facts(RESTRICTED), "with the label confidential instead of restricted, it would go to home, lab."),
        (facts(PUBLIC, needs={VISION}), "without the need for vision, it would go to home, lab."),
        (facts(CONFIDENTIAL, "m2", needs={TOOLS}), "with the model chat, it would go to home, lab."),
        (facts(INTERNAL, needs={VISION}), "without the need for vision, it would go to home, lab."),
    ],
)
def test_the_smallest_change_is_one_fact(asked: RequestFacts, change: str) -> None:
    rows = """\
  - {id: no, when: {label: "== internal", capability: vision}, deny: No.}
  - {id: rest, when: {}, to: [home, lab]}"""
    compiled = unproved(policy(rows, "{chat: {pools: [home, lab]}, m2: {pools: [home]}}"))
    assert f"What would change it: {change}" in explain(compiled, None, asked, "en")


def test_sometimes_nothing_helps() -> None:
    compiled = unproved(policy("  - {id: rest, when: {}, to: [home]}", "{chat: {pools: [home]}}"))
    assert "Nothing would change it" in explain(compiled, None, facts(), "en")


@pytest.mark.parametrize(
    ("row", "asked", "change"),
    [
        ("complexity: hard", {}, "with complexity hard instead of medium, it would go to lab."),
        ("capability: tools", {}, "if it needed tools, it would go to lab."),
        ("modality: image", {}, "with pictures in it, it would go to lab."),
        ("modality: {only: [text]}", {"holds": {Modality.FILE}}, "without files, it would go to lab."),
        ('context: "> 32k"', {}, "with a context of 32769 tokens or more, it would go to lab."),
        ('context: "<= 100"', {"tokens": 200}, "with a context of at most 100 tokens, it would go to lab."),
        ('time: {days: [tue], from: "08:00"}', {}, "from Tue 08:00 on (UTC), it would go to lab."),
        ("pressure: {cloud: down}", {}, "if the zone cloud were down, it would go to lab."),
        ("budget: spent", {}, "if the burst budget were spent, it would go to lab."),
        ("tenant_class: bank", {}, "for the tenant class bank, it would go to lab."),
        ("model: big", {}, "with the model big, it would go to lab."),
        ('label: "<= public"', {}, "with the label public instead of internal (the tenant class would have to vouch"),
        (
            'label: "> internal", complexity: hard',
            {},
            "with complexity hard instead of medium and with the label confidential instead of internal, it would go",
        ),
    ],
)  # fmt: skip
def test_every_fact_is_tried(row: str, asked: dict[str, Any], change: str) -> None:
    rows = f"  - {{id: other, when: {{{row}}}, to: [lab]}}\n  - {{id: rest, when: {{}}, to: [home]}}"
    compiled = unproved(policy(rows, "{chat: {pools: [home, lab]}, big: {pools: [home, lab]}}"))
    assert change in explain(compiled, None, facts(**asked), "en")


def test_two_near_changes_are_better_than_one_that_nobody_would_think_of() -> None:
    rows = """\
  - {id: keep, when: {label: ">= confidential"}, to: [home]}
  - {id: nights, when: {time: {from: "20:00", to: "08:00"}}, to: [home]}
  - {id: rest, when: {}, to: [home], spill: [burst]}"""
    deaf = Topology((pool("home", capabilities={TOOLS, JSON, VISION}), *POOLS.pools[1:]))
    compiled = unproved(policy(rows, "{chat: {pools: [home, burst]}}"), deaf)
    told = explain(compiled, None, facts(CONFIDENTIAL, minute=0), "en")
    assert (
        "What would change it: with the label internal instead of confidential and from Mon 08:00 on (UTC), "
        "it would go to home, burst."
    ) in told


def test_a_change_can_lead_to_a_refusal() -> None:
    rows = "  - {id: no, when: {complexity: hard}, deny: No.}\n  - {id: rest, when: {}, to: [home]}"
    compiled = unproved(policy(rows, "{chat: {pools: [home]}}"))
    told = explain(compiled, None, facts(), "en")
    assert "What would change it: with complexity hard instead of medium, it would be refused." in told


def test_a_ceiling_is_the_last_thing_to_change() -> None:
    rows = "  - {id: rest, when: {}, to: [home], spill: [far]}"
    compiled = unproved(policy(rows, "{chat: {pools: [home, far]}}", ceiling="restricted"))
    told = explain(compiled, None, facts(PUBLIC, ceiling=None), "en")
    assert "if this tenant's ceiling were public, it would go to home, far." in told
    told = explain(compiled, None, facts(RESTRICTED), "en")
    assert "if nothing of this tenant could leave, it would go to home." in told


def test_a_flood_of_evidence_is_cut_off() -> None:
    found = evidence(*[f"NEW_{number}" for number in range(30)])
    told = explain(example(), found, facts(RESTRICTED, "chat-auto"), "en")
    assert told.count("which no rule of the policy names") == 12
    assert "and 18 more of the same kind" in told
    told = explain(example(), evidence(*["US_SSN"] * 30), facts(RESTRICTED, "chat-auto"), "en")
    assert "US_SSN (score 1.00) at messages[11].content, and 18 more of the same kind" in told
    same = Finding("US_SSN", 0.5, "messages[0].content", 0, 4, "test")
    twice = Evidence((same, Finding("US_SSN", 0.9, "messages[0].content", 8, 12, "test")), Coverage(BOTH))
    told = explain(example(), twice, facts(RESTRICTED, "chat-auto"), "en")
    assert "US_SSN (2 times, best score 0.90) at messages[0].content" in told


def test_what_could_not_be_read_is_told() -> None:
    found = evidence(unscanned=["file"], failure="timeout", tiers=frozenset())
    told = explain(example(), found, facts(RESTRICTED, "chat-auto"), "en")
    assert "restricted: the scan did not finish (timeout), so the highest label counts." in told
    assert "restricted: at messages[0].content[1] there is content that cannot be read (file)." in told
    assert "restricted: the scan `names`, which the policy requires, has not run" in told


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data(), st.sampled_from(("en", "zh")))
def test_it_explains_every_decision_and_names_every_pool_of_it(data: st.DataObject, language: Language) -> None:
    world = data.draw(worlds())
    asked = data.draw(states(world))
    compiled = unproved(world.text(), world.topology(), world.class_ceilings())
    told = explain(compiled, evidence(), asked, language).splitlines()
    kept = [line.split()[1].partition("（")[0] for line in told if line.startswith("  ✓")]
    assert {name for name in kept if name in world.pools} == set(reached(decide(compiled, asked)))


def test_every_new_ground_of_a_label_is_told() -> None:
    rows = "  - {id: rest, when: {}, to: [home], spill: [burst]}"
    compiled = unproved(policy(rows, "{chat: {pools: [home, burst]}}", label=", history: known_clean"))
    clean = Coverage(frozenset(Tier))
    told = explain(compiled, Evidence((), clean), facts(PUBLIC, tenant_class="press"), "en", PUBLIC)
    assert "public: nothing was found, and the tenant class press vouches for it." in told
    told = explain(compiled, Evidence((), clean, History.UNKNOWN, CONFIDENTIAL), facts(RESTRICTED), "en")
    assert "restricted: a reply in the history is not on record, so it counts as unscanned." in told
    assert "confidential: a reply in the history was made from something of this label." in told
    told = explain(compiled, Evidence((), clean, History.LOST), facts(RESTRICTED), "zh")
    assert "restricted：无法读取以往回答的记录，因此按最高标签处理。" in told


@pytest.mark.parametrize(
    ("row", "asked", "sentences"),
    [
        ("modality: image", {}, ["✗ x: only for requests with pictures."]),
        ("modality: {only: [text]}", {"holds": {Modality.FILE, Modality.AUDIO}}, ["✗ x: only for requests without pictures, without sound, without files.", "Besides: with sound, with files."]),
        ('context: "> 32k"', {"tokens": 9}, ["✗ x: only for a context above 32768 tokens.", "a context of 9 tokens at most"]),
        ('context: "< 100"', {"tokens": 100}, ["✗ x: only for a context below 100 tokens (or not known)."]),
        ("time: {days: [sat, sun]}", {}, ["✗ x: only Sat–Sun (UTC+08:00).", "Besides: Mon 08:00 (UTC+08:00)."]),
        ("pressure: {onprem: [saturated, down], cloud: free}", {}, ["✗ x: only while the zone cloud is free, the zone onprem is saturated or down.", "the zone cloud is free"]),
        ("budget: spent", {}, ["✗ x: only while the burst budget is spent.", "Besides: the burst budget is not spent."]),
        ("complexity: [simple, hard]", {}, ["✗ x: only for complexity simple, hard."]),
        ('context: "> 5"', {}, ["a context of unknown length"]),
    ],
)  # fmt: skip
def test_every_fact_that_a_row_asks_about_is_told(row: str, asked: dict[str, Any], sentences: list[str]) -> None:
    rows = f"  - {{id: x, when: {{{row}}}, to: [lab]}}\n  - {{id: rest, when: {{}}, to: [home]}}"
    data = policy(rows, "{chat: {pools: [home, lab]}}", rest='time_zone: "+08:00"')
    told = explain(unproved(data), None, facts(**asked), "en")
    for sentence in sentences:
        assert sentence in told
    assert explain(unproved(data), None, facts(**asked), "zh")


def test_what_a_row_orders_is_told() -> None:
    rows = """\
  - {id: new, when: {complexity: hard}, to: [home], canary: {pool: lab, percent: 2.5}, audit: strict, cache: 5m}
  - {id: alone, when: {complexity: simple}, to: [lab], canary: {pool: home, percent: 5}, spill: [home]}
  - {id: rest, when: {}, to: [home, burst], only: {residency: [cn]}}"""
    here = replace(POOLS.pools[0], residency="cn")
    small = replace(POOLS.pools[1], context_tokens=1000)
    data = policy(rows, "{chat: {pools: [home, lab, burst]}}", rest="cache: {internal: 1h}")
    compiled = unproved(data, Topology((here, small, *POOLS.pools[2:])))
    told = explain(compiled, None, facts(complexity=Complexity.HARD, tokens=10), "en")
    assert "✓ lab (on premises): yes, as the canary: 2.5 % of the requests try it first." in told
    assert "2.5 % of such requests try lab first." in told
    assert "Its answer may be reused for 5 min." in told
    assert "Each attempt is on record before anything is sent, at home too." in told
    told = explain(compiled, None, facts(complexity=Complexity.HARD, tokens=5000), "en")
    assert "✗ As the canary, lab (on premises): no, its model takes 1000 tokens, and the request may need 5000." in told
    told = explain(compiled, None, facts(complexity=Complexity.SIMPLE, tokens=5000), "en")
    assert "✗ As the canary, home (on premises): no, nothing of `to` may see it" in told
    told = explain(compiled, None, facts(), "en")
    assert (
        "✗ burst (cloud): no, it is not what the route asks for (processor none, residency none, agreement none)."
        in told
    )


def test_mirrors_and_weights_are_told() -> None:
    rows = """\
  - {id: new, when: {complexity: hard}, to: [{pool: home, weight: 9}, {pool: lab, weight: 1}], mirror: {pool: burst, percent: 5}}
  - {id: rest, when: {}, to: [home], mirror: {pool: lab, percent: 0}}"""
    compiled = unproved(policy(rows, "{chat: {pools: [home, lab, burst]}}"))
    told = explain(compiled, None, facts(complexity=Complexity.HARD), "en")
    assert "✓ burst (cloud): yes, as the mirror: it gets a copy of 5 % of the requests, and never answers." in told
    assert "A copy of 5 % of such requests goes to burst; what it answers is thrown away." in told
    assert "The first place is shared out among home, lab as 9 : 1." in told
    assert "镜像" in explain(compiled, None, facts(complexity=Complexity.HARD), "zh")
    told = explain(compiled, None, facts(RESTRICTED), "en")
    assert "✗ As the mirror, lab (on premises): no, it may see nothing above" in told
    shown = as_json(explanation(compiled, None, facts(complexity=Complexity.HARD)))["decision"]
    assert isinstance(shown, dict)
    assert (shown["mirror"], shown["weights"]) == ({"pool": "burst", "percent": 5.0}, [9.0, 1.0])


def test_an_explanation_is_for_programs_too() -> None:
    disguised = Finding("US_SSN", 0.987654, "messages[0].content", 3, 21, "test", ("nfkc",))
    found = Evidence((disguised,), Coverage(BOTH, (Unscanned("image", "messages[1]"),)))
    told = as_json(explanation(example(), found, facts(RESTRICTED, "chat-auto", needs={VISION})))
    shown = json.loads(json.dumps(told))
    assert shown["label"] == "restricted"
    assert shown["reasons"][0] == {
        "label": "restricted",
        "cause": "unscanned",
        "subject": "image",
        "path": "messages[1]",
    }
    assert shown["reasons"][1]["findings"] == [
        {"entity": "US_SSN", "score": 0.988, "path": "messages[0].content", "transforms": ["nfkc"]}
    ]
    assert shown["reasons"][1]["line"] == 11
    assert shown["routes"] == [{"route": "keep-home", "because": None}]
    assert [(one["pool"], one["because"]) for one in shown["pools"]] == [
        ("gpu-large", None),
        ("gpu-small", "capability"),
    ]
    assert shown["decision"]["to"] == ["gpu-large"]
    assert shown["counterfactual"]["changes"] == [{"fact": "capability", "member": "vision", "value": "no"}]
    told = as_json(explanation(example(), None, facts(RESTRICTED, "my secret model", ceiling=None)))
    shown = json.dumps(told)
    assert "secret" not in shown
    assert told["reasons"] is None
    assert told["decision"] == {
        "action": "deny",
        "route": "",
        "code": "model_not_found",
        "message": "The model does not exist, or this policy does not offer it.",
    }
    stuck = unproved(policy("  - {id: rest, when: {}, to: [home]}", "{chat: {pools: [home]}}"))
    assert as_json(explanation(stuck, None, facts()))["counterfactual"] is None
    rows = "  - {id: rest, when: {}, to: [home], canary: {pool: lab, percent: 0}}"
    canary = unproved(policy(rows, "{chat: {pools: [home, lab]}}"))
    decision = as_json(explanation(canary, None, facts()))["decision"]
    assert isinstance(decision, dict)
    assert decision["canary"] == {"pool": "lab", "percent": 0.0}


SECRET = "my SECRET text"


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data(), st.sampled_from(("en", "zh")))
def test_it_never_raises_nor_repeats_the_caller_and_its_change_really_changes(
    data: st.DataObject, language: Language
) -> None:
    compiled = data.draw(changing.worlds()).compiled()
    asked = data.draw(changing.requests())
    low = Label(data.draw(st.integers(0, asked.label_high)))
    asked = structs.replace(asked, label_low=low, model=data.draw(st.sampled_from((asked.model, SECRET))))
    found = data.draw(st.sampled_from((None, evidence("EMAIL", ("SWIFT", 0.2), unscanned=["image"]))))
    explained = explanation(compiled, found, asked)
    told = "\n".join(lines(explained, language))
    assert told == explain(compiled, found, asked, language)
    assert SECRET not in told + json.dumps(as_json(explained))
    assert explained.decision == decide(compiled, asked)
    instead = explained.instead
    if instead is None:
        for other in ("chat", "big"):
            assert reached(decide(compiled, structs.replace(asked, model=other))) == reached(explained.decision)
        for label in range(3):
            moved = structs.replace(asked, label_low=Label(label), label_high=Label(label))
            assert reached(decide(compiled, moved)) == reached(explained.decision)
    else:
        assert 1 <= len(instead.changes) <= 2
        assert decide(compiled, instead.facts) == instead.decision
        assert reached(instead.decision) != reached(explained.decision)
