"""A comparison in words: new ways out first, few regions, both languages, and the same as values."""

# ruff: noqa: E501  # sentences and rows, one a line
import json
import re
import string
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.topology import Topology
from gateway.policy.diff import diff
from gateway.policy.diff_text import as_json, said
from gateway.policy.diff_words import SENTENCES
from gateway.policy.words import Language

from .changing import rows, worlds
from .making import CONFIDENTIAL, INTERNAL, POOLS, RESTRICTED, policy, pool, unproved

MODELS = "{chat: {pools: [home, lab, burst]}, big: {pools: [home]}}"
CLASSES = {"bank": INTERNAL, "press": INTERNAL}
ROWS = """\
  - {id: keep, when: {label: ">= confidential"}, to: [home]}
  - {id: spent, when: {budget: spent}, to: [home]}
  - {id: rest, when: {}, to: [home], spill: [burst]}"""
SMALL = Topology((POOLS.pools[0], POOLS.pools[1], pool("burst", "cloud", INTERNAL, ()), POOLS.pools[3]))


def text(old: bytes, new: bytes, language: Language = "en", pools: Topology = SMALL) -> str:
    return said(diff(unproved(old, pools, CLASSES), unproved(new, pools, CLASSES)), language)


@pytest.mark.parametrize("key", SENTENCES)
def test_every_sentence_stands_in_both_languages_with_the_same_gaps(key: str) -> None:
    english, chinese = ({name for _, name, _, _ in string.Formatter().parse(one) if name} for one in SENTENCES[key])
    assert english == chinese
    assert not re.search(r"[一-鿿]", SENTENCES[key][0])


def test_nothing_changed() -> None:
    told = text(policy(ROWS, MODELS), policy(ROWS, MODELS))
    assert told == "New cloud access: none.\nEvery request is decided as before."


def test_a_row_that_is_gone_in_english() -> None:
    fewer = ROWS.replace("  - {id: spent, when: {budget: spent}, to: [home]}\n", "")
    rules = "[{any_of: [EMAIL], min_score: 0.5, label: confidential}, {count: {EMAIL: 9}, label: confidential}]"
    looser = rules.replace("0.5", "0.8")
    told = text(policy(ROWS, MODELS, rules=rules), policy(fewer, MODELS, rules=looser))
    assert (
        told
        == """\
New cloud access: YES. Requests can get to places outside the building that they could not get to before.
May now leave for burst (in cloud), as far as that pool can take it:
  for  model chat, label public or internal, the burst budget is spent
  was  home (route spent)
  now  home; if there is no room, burst (route rest)
Evidence that gets another label:
  · EMAIL with a score from 0.5 to below 0.8, fewer than 9 of them: confidential → internal
    so it may now leave for burst (in cloud), as far as that pool can take it:
      for  model chat"""
    )


def test_a_row_that_is_new_in_chinese() -> None:
    rows = """\
  - {id: keep, when: {label: ">= confidential"}, to: [home]}
  - {id: night, when: {tenant_class: bank, time: {from: "20:00", to: "08:00"}, context: "> 32k"}, to: [home], spill: [burst]}
  - {id: rest, when: {}, to: [home]}"""
    before = rows.replace("to: [home], spill: [burst]}", "deny: No.}")
    zone = 'time_zone: "+08:00"'
    told = text(policy(before, MODELS, rest=zone), policy(rows, MODELS, rest=zone), "zh")
    assert (
        told
        == """\
新增云端访问：有。部分请求可以到达此前无法到达的外部位置。
新增外发去向 burst（区域 cloud），以该资源池可承接的请求为限：
  适用：模型为 chat，标签为 public 或 internal，租户类别为 bank，上下文长度超过 32768 个 token，时间为每天 20:00–次日 08:00（UTC+08:00）
  原为：拒绝：No.（路由 night）
  现为：home；容量不足时转往 burst（路由 night）
去向改变：
  适用：标签为 public 或 internal，租户类别为 bank，上下文长度超过 32768 个 token，时间为每天 20:00–次日 08:00（UTC+08:00）
  原为：拒绝：No.（路由 night）
  现为：home（路由 night）"""
    )


@pytest.mark.parametrize(
    ("new", "sentences"),
    [
        (ROWS.replace("id: spent", "id: poor"), ["Decided alike, by another route:", "was  home (route spent)"]),
        (
            ROWS.replace("spent}, to: [home]}", "spent}, to: [home], on_full: {queue: 2m}, audit: strict}"),
            ["other terms:", "home (route spent, waits 10 s, standard audit)", "(route spent, waits 2 min, strict audit)"],
        ),
        (
            ROWS.replace("spent}, to: [home]}", "spent}, to: [home], canary: {pool: lab, percent: 2.5}}"),
            ["Goes elsewhere:", "for  model chat, label public or internal", "2.5 % to lab first"],
        ),
        (
            ROWS.replace("spent}, to: [home]}", "spent}, to: [home], mirror: {pool: lab, percent: 2.5}}"),
            ["Goes elsewhere:", "home (route spent, copies of 2.5 % to lab)"],
        ),
        (
            ROWS.replace("spent}, to: [home]}", "spent}, to: [{pool: home, weight: 9}, {pool: lab, weight: 1}]}"),
            ["Goes elsewhere:", "home, lab (route spent, shared out 9 : 1)"],
        ),
        (ROWS.replace("spent}, to: [home]}", "spent}, deny: No money.}"), ["now  refused: No money. (route spent)"]),
    ],
)  # fmt: skip
def test_other_changes_have_their_sentences(new: str, sentences: list[str]) -> None:
    told = text(policy(ROWS, MODELS), policy(new, MODELS))
    assert told.startswith("New cloud access: none.")
    for sentence in sentences:
        assert sentence in told


def test_what_may_be_kept_and_for_how_long_is_told() -> None:
    told = text(
        policy(ROWS, MODELS, rest="cache: {internal: 1h, public: 90s}"),
        policy(ROWS, MODELS, rest="cache: {internal: never, public: 5m}"),
    )
    for term in ("answers kept 1 h)", "answers not kept)", "answers kept 90 s)", "answers kept 5 min)"):
        assert f"(route rest, {term}" in told
    assert "for  label internal, the burst budget is not spent" in told


def test_grounds_of_every_kind_are_told() -> None:
    old = "[{any_of: [EMAIL], min_score: 0.3, label: internal}, {count: {EMAIL: 3, URL: 4}, min_score: 0.3, label: confidential}, {all_of: [PERSON, DATE], min_score: 0.2, label: confidential}, {any_of: [PERSON, DATE, SWIFT], label: internal}]"
    new = "[{any_of: [EMAIL], min_score: 0.3, label: internal}, {count: {EMAIL: 5, URL: 4}, min_score: 0.3, label: internal}, {count: {EMAIL: 4}, min_score: 0.3, label: confidential}, {all_of: [PERSON, DATE], min_score: 0.2, label: internal}, {any_of: [PERSON, DATE], label: internal}]"
    plain = policy(ROWS, MODELS, rules=old, label=", history: known_clean")
    loose = policy(ROWS, MODELS, rules=new, label=", carriers: {image: internal}, tiers: [structured]")
    told = text(plain, loose)
    for sentence in (
        "· EMAIL with a score of 0.3 or more, exactly 3 of them: confidential → internal",
        "· URL with a score of 0.3 or more, 4 or more of them: confidential → internal",
        "· PERSON with a score of 0.2 or more and DATE with a score of 0.2 or more in one request: confidential → internal",
        "· SWIFT: internal → restricted",
        "· content that cannot be read (image): restricted → internal",
        "· a request for which the scan `names` has not run: restricted → internal",
        "· a history whose replies are unknown: restricted → internal",
    ):
        assert sentence in told
    assert "同一请求中同时出现 PERSON（置信度不低于 0.2）、DATE（置信度不低于 0.2）" in text(plain, loose, "zh")


@pytest.mark.parametrize(
    ("old", "new", "count"),
    [
        ((1, 3), (4, 3), "fewer than 3 of them"),
        ((2, 9), (4, 9), "2 to 3 of them"),
        ((2, 9), (3, 9), "exactly 2 of them"),
        ((5, 5), (99, 99), "5 to 98 of them"),
    ],
)
def test_counts_are_told_as_people_count(old: tuple[int, int], new: tuple[int, int], count: str) -> None:
    rules = "[{{count: {{EMAIL: {}}}, label: confidential}}, {{count: {{EMAIL: {}}}, label: restricted}}]"
    told = text(policy(ROWS, MODELS, rules=rules.format(*old)), policy(ROWS, MODELS, rules=rules.format(*new)))
    assert f"EMAIL, {count}: " in told


def test_labels_pools_zones_and_invariants_that_differ_are_listed() -> None:
    old = policy(ROWS, MODELS, rest="invariants: [{id: N1, total: true}]")
    new = policy(ROWS, MODELS).replace(b"public, internal", b"open, public, internal")
    new = new.replace(b"networks: any", b"networks: 10.0.0.0/8").replace(b"[unix]", b"[unix, 10.0.0.0/8]")
    others = Topology((pool("home", clearance=RESTRICTED), *POOLS.pools[1:3], pool("far", "cloud", CONFIDENTIAL)))
    told = said(diff(unproved(old), unproved(new, others)), "en")
    assert "Labels that are new: open." in told
    assert "Invariants that are gone, and so not proved any more: N1." in told
    assert "· cloud: lets in nobody new" in told
    assert "· onprem: lets in peers that it did not" in told
    assert "Labels that are gone: open." in said(diff(unproved(new, others), unproved(old)), "en")
    swapped = policy(ROWS, MODELS).replace(b"public, internal", b"internal, public")
    swapped = swapped.replace(b"cloud_ceiling: internal", b"cloud_ceiling: public")
    assert "The labels stand in another order." in said(diff(unproved(old), unproved(swapped)), "en")


def test_a_pool_that_moves_is_listed() -> None:
    rows = "  - {id: rest, when: {}, to: [home], spill: [far]}"
    moved = Topology((pool("home", "cloud"), *POOLS.pools[1:]))
    told = said(diff(unproved(policy(ROWS, MODELS)), unproved(policy(rows, MODELS), moved)), "en")
    home = "zone {}, processor none, residency none, agreement none"
    assert f"· home: {home.format('onprem')} → {home.format('cloud')}" in told
    assert "May now leave for home (in cloud)" in told


def test_what_cannot_be_told_is_said() -> None:
    known = unproved(policy(ROWS, MODELS))
    told = said(diff(known, unproved(policy(ROWS.replace("spent,", "other,"), MODELS)), most_nodes=1), "en")
    assert told.startswith("New cloud access: CANNOT BE RULED OUT")
    assert "facts were not compared" in told


def test_without_tenants_every_other_class_is_said() -> None:
    rows = """\
  - {id: ours, when: {tenant_class: bank}, to: [home]}
  - {id: rest, when: {}, to: [home], spill: [burst]}"""
    fewer = rows.replace(", spill: [burst]", "")
    told = said(diff(unproved(policy(fewer, MODELS)), unproved(policy(rows, MODELS))), "en")
    assert "tenant class (any other class)" in told
    told = said(
        diff(unproved(policy(fewer, MODELS), None, CLASSES), unproved(policy(rows, MODELS), None, CLASSES)), "en"
    )
    assert "tenant class press" in told


def test_more_regions_than_anybody_reads_are_counted() -> None:
    facts = ("complexity: hard", "capability: tools", "modality: image", 'context: "> 100"', "budget: spent")
    moments = ("pressure: {onprem: down}", "pressure: {cloud: down}", "tenant_class: bank", "capability: vision")
    asked = [*facts, *moments, "time: {days: [sun]}", "model: big"]
    old = "  - {id: rest, when: {}, to: [home]}"
    # One row cannot say `or`, so each asks for one of them, and all lead to the row that is like the old one.
    rows = [f"  - {{id: r{place}, when: {{{one}}}, to: [home, lab]}}" for place, one in enumerate(asked)]
    new = policy("\n".join([*rows, old]), MODELS)
    found = diff(unproved(policy(old, MODELS), SMALL, CLASSES), unproved(new, SMALL, CLASSES))
    every = [region for change in found.changes for region in change.regions]
    shown = said(replace(found, changes=(replace(found.changes[0], regions=tuple(every)),)), "en")
    assert re.search(r"\n  and [0-9]+ more\n", shown)


def test_a_comparison_is_for_programs_too() -> None:
    rows = ROWS.replace("spent}, to: [home]}", 'spent, context: "> 32k"}, to: [home], canary: {pool: lab, percent: 0}}')
    rules = "[{any_of: [EMAIL], label: confidential}]"
    lower = rules.replace("confidential", "internal")
    found = diff(unproved(policy(ROWS, MODELS, rules=rules)), unproved(policy(rows, MODELS, rules=lower)))
    shown = json.loads(json.dumps(as_json(found)))
    assert shown["new_cloud_access"] is True
    gains = next(one for one in shown["changes"] if one["gained"])
    assert gains["becomes"]["spill"][0]["pool"] == "burst"
    assert {"fact": "budget", "member": None, "values": ["spent"]} in gains["regions"][0]["facts"]
    assert any(part.get("spans") for one in shown["changes"] for region in one["regions"] for part in region["facts"])
    assert any(one["becomes"]["canary"] for one in shown["changes"])
    copied = rows.replace("canary: {pool: lab, percent: 0}", "mirror: {pool: lab, percent: 5}")
    shown_copies = json.loads(
        json.dumps(as_json(diff(unproved(policy(ROWS, MODELS)), unproved(policy(copied, MODELS)))))
    )
    assert {(one["becomes"]["mirror"] or {"pool": None})["pool"] for one in shown_copies["changes"]} >= {"lab"}
    assert 5.0 in {one["becomes"]["mirrored"] for one in shown_copies["changes"]}
    assert shown["labels"][0]["grounds"] == "EMAIL"
    assert shown["labels"][0]["opens"][0]["gained"] == ["burst"]
    denied = diff(unproved(policy(ROWS, MODELS)), unproved(policy(ROWS.replace("to: [home]}", "deny: No.}"), MODELS)))
    assert any(one["becomes"]["action"] == "deny" for one in json.loads(json.dumps(as_json(denied)))["changes"])


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data(), st.sampled_from(("en", "zh")))
def test_every_comparison_can_be_told_and_written_as_json(data: st.DataObject, language: Language) -> None:
    old, new = data.draw(worlds(data.draw(rows()))), data.draw(worlds(data.draw(rows())))
    found = diff(old.compiled(), new.compiled(), ({}, {"bank": INTERNAL}))
    assert said(found, language)
    shown = json.loads(json.dumps(as_json(found, language)))
    assert shown["new_cloud_access"] is found.new_cloud_access
    assert len(shown["changes"]) == len(found.changes)


@pytest.mark.parametrize(("language", "sentence"), [("en", "  · t, u: bank → press"), ("zh", "  · t、u：bank → press")])
def test_tenants_that_change_their_class_are_told(language: Language, sentence: str) -> None:
    same = unproved(policy(ROWS, MODELS), SMALL, CLASSES)
    was, becomes = {"t": "bank", "u": "bank", "v": "bank"}, {"t": "press", "u": "press", "v": "bank"}
    found = diff(same, same, ({}, {}), (was, becomes))
    assert sentence in said(found, language)
