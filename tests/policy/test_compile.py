"""A policy with a fault does not load; every fault is told at once, in place, with its mend."""

# ruff: noqa: E501  # one fault per row of the table
import pytest

from gateway.core.problems import Problems
from gateway.core.topology import Topology
from gateway.policy.compile import load

from .making import CLASSES, EXAMPLE, EXAMPLE_POOLS, INTERNAL, RESTRICTED, example, policy, pool, told

GOOD = EXAMPLE.splitlines()


def edited(old: str, new: str) -> str:
    assert EXAMPLE.count(old) == 1, old
    return EXAMPLE.replace(old, new)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        # Form
        ("apiVersion: tidegate/v1", "apiVersion: tidegate/v2", "1:13: `apiVersion` must be `tidegate/v1`. This build"),
        ("version: 42", "version: 0", "2:10: `version` must be a whole number from 1 to 1000000000000."),
        ("version: 42", "version: 42\nrestores: 42", "3:11: `restores` must name an earlier version than `version`."),
        ("version: 42\n", "", "1:1: The policy lacks the key `version`. Add it."),
        ("cloud_ceiling: internal", "cloud_cieling: internal", "4:1: The policy has no key `cloud_cieling`. Did you mean `cloud_ceiling`?"),
        ("[public, internal,", "[none, internal,", "3:10: A label cannot have this name. Choose another word."),
        ("labels: [public, internal, confidential, restricted]", "labels: []", "3:9: `labels` must not be empty."),
        ("  may_leave:", "  carriers: {imag: internal}\n  may_leave:", "9:14: The carrier `imag` does not exist. Did you mean `image`?"),
        ("  may_leave:", "  carriers: {image: [a]}\n  may_leave:", "9:21: The label of `image` must be a name."),
        ("  may_leave:", "  tiers: [struct]\n  may_leave:", "9:11: The tier `struct` does not exist."),
        ("min_score: 0.6", "min_score: 1.6", "12:56: `min_score` must be a number from 0 to 1."),
        ("any_of: [CN_MOBILE", "all_of: [EMAIL], any_of: [CN_MOBILE", "12:7: A label rule names exactly one kind of evidence."),
        ("- {all_of: [PERSON, HEALTH_CONTEXT], label", "- {label", "13:7: A label rule names exactly one kind of evidence."),
        ("{CN_MOBILE: 5}", "{CN_MOBILE: 0}", "14:27: The number of `CN_MOBILE` must be a whole number from 1 to 1000000."),
        ("{CN_MOBILE: 5}", "{}", "14:15: `count` must not be empty. Write `count: {CN_MOBILE: 5}`."),
        ("[内部, 机密, do not distribute]", "[内部], min_score: 0.5", "15:33: A marker is there or not: it has no score."),
        ("[内部, 机密, do not distribute]", "[内部, 内部]", "15:21: (a name with other characters) stands a second time in `marker`."),
        ("[内部, 机密, do not distribute]", f"[{'x' * 201}]", "15:17: A marker is longer than 200 characters. Shorten it."),
        *(
            ("[内部, 机密, do not distribute]", f"[内{chr(code)}部]", f"15:17: The marker holds the character U+{code:04X}")
            for code in (0x200B, 0x00AD, 0x2060, 0xFE0F, 0x3164, 0xE0041)
        ),
        ("[内部, 机密, do not distribute]", "[{a: b}]", "15:17: A marker must be a text that is not empty."),
        ("[10.0.0.0/8, 127.0.0.0/8]", "[10.0.0.1/8]", "17:23: This is not a network. Write `10.0.0.0/8`, `::1/128`,"),
        ("[10.0.0.0/8, 127.0.0.0/8]", "any", "17:22: The zone `onprem` cannot be `any` network."),
        *(
            ("[10.0.0.0/8, 127.0.0.0/8]", f'["{network}", 10.0.0.0/8]', "17:23: This is more of the Internet than anybody owns")
            for network in ("0.0.0.0/0", "128.0.0.0/1", "10.0.0.0/7", "::/0", "2000::/3")
        ),
        ("tls: required", "tls: always", "18:31: `tls` must be one of: required, optional."),
        ("chat-large: {pools: [gpu-large, burst]}", "chat-large: {pools: []}", "21:23: `pools` must not be empty."),
        ("queue: 20s", "queue: 20", "23:100: `queue` must be a time such as"),
        ("queue: 20s", "queue: 2h", "23:100: `queue` must be between 0s and 600s."),
        ("{id: simple, when: {complexity: simple}", "{when: {complexity: simple}", "25:5: A route lacks the key `id`. Add it."),
        ("{id: simple, ", "{id: rest, ", "26:10: `rest` stands a second time in the ids of `routes`."),
        ("to: [gpu-small], spill: [burst]", "to: [burst], spill: [burst]", "25:67: The pool `burst` stands in `to` and in `spill`."),
        ("to: [gpu-small], spill: [burst]", "spill: [burst]", "25:5: A route either lists pools or refuses."),
        ("to: [gpu-small], spill: [burst]", "to: [gpu-small], deny: no", "25:5: A route either lists pools or refuses."),
        ("to: [gpu-small], spill: [burst]", "deny: no, spill: [burst]", "25:5: A route that refuses has no pools and no queue."),
        ("to: [gpu-small], spill: [burst]", "to: [gpu-small], mask: [EMAIL]", "25:63: `mask` is reserved: this gateway cannot mask yet"),
        ("{complexity: simple}", "{mask: true}", "25:25: `mask` is reserved"),
        ("{complexity: simple}", "{time: night}", "25:31: A time window must be a group of keys."),
        ("{complexity: simple}", "{tenant: a}", "25:25: `when` has no key `tenant`. Did you mean `tenant_class`?"),
        ("{complexity: simple}", "{complexity: simpel}", "25:37: The complexity `simpel` does not exist. Did you mean `simple`?"),
        ("{complexity: simple}", "{complexity: []}", "25:37: `complexity` must not be empty."),
        ("{complexity: simple}", "simple", "25:24: `when` must be a group of keys."),
        ("spill: [burst]}\n  - {id: rest", "mirror: x}\n  - {id: rest", "25:71: `mirror` must be a group of keys."),
        ("- {id: simple, when: {complexity: simple}, to: [gpu-small], spill: [burst]}", "- simple", "25:5: A route must be a group of keys."),
        ("{capability: json_schema}", "{capability: json}", "24:35: The capability `json` does not exist."),
        ('when: {label: ">= confidential"}', "when: {label: confidential}", '23:35: A label is compared by >=, <=, ==, > or <. Write `label: ">= confidential"`'),
        ('when: {label: ">= confidential"}', "when: {label: '~ x'}", '23:35: A label is compared by >=, <=, ==, > or <. Write `label: ">= internal"`'),
        ("internal: 1h", "internal: 1w", "27:19: `cache.internal` must be a time such as"),
        ("total: true", "total: false", "32:21: `total` can only be `true`. Remove the invariant."),
        ("total: true", "total: yes", "32:21: `total` must be `true` or `false`."),
        ("reachable: all_routes", "reachable: some", "33:25: `reachable` must be one of: all_routes."),
        ("raising: label", "raising: [label, taints]", "31:42: `raising` must be one or more of: label, taint, coverage. Did you mean `taint`?"),
        ("{id: N4, total: true}", "{id: N4}", "32:5: An invariant states exactly one thing."),
        ("{id: N4, total: true}", "{total: true}", "32:5: An invariant lacks the key `id`. Add it."),
        ("{id: N4, total: true}", "N4", "32:5: An invariant must be a group of keys."),
        ("{id: N4, total", "{id: N3, total", "32:10: `N3` stands a second time in the ids of `invariants`."),
        ("tenant_class: hospital, zone: cloud", "tenant_class: hospital", "30:21: `never` names exactly one place."),
        ("tenant_class: hospital, zone: cloud", "time: night, zone: cloud", "30:28: A time window must be a group of keys."),
        ("never: {tenant_class: hospital, zone: cloud}", "never: cloud", "30:21: `never` must be a group of keys."),
        # Meaning
        ("cloud_ceiling: internal", "cloud_ceiling: intern", "4:16: The label `intern` does not exist. Did you mean `internal`?"),
        ("  default: internal", "  default: intern", "6:12: The label `intern` does not exist."),
        ("  unscanned: restricted", "  unscanned: internal", "7:14: `label.unscanned` must be the highest label, `restricted`: what nobody looked at counts as the worst. To let one kind of part through, name it in `label.carriers`."),
        ("  unmapped: restricted", "  unmapped: internal", "8:13: `label.unmapped` must be the highest label, `restricted`:"),
        ("  unmapped: restricted", "  unmapped: high", "8:13: The label `high` does not exist."),
        ("[ORG, URL, DATE, PERSON]", "[ORG, URI]", "9:20: The entity `URI` does not exist. Did you mean `URL`?"),
        ("US_SSN, CREDENTIAL", "US_SNN, CREDENTIAL", "11:44: The entity `US_SNN` does not exist. Did you mean `US_SSN`?"),
        ("[PERSON, HEALTH_CONTEXT]", "[PERSON, HEALTH]", "13:25: The entity `HEALTH` does not exist."),
        ("{CN_MOBILE: 5}", "{MOBILE: 5}", "14:16: The entity `MOBILE` does not exist. Did you mean `CN_MOBILE`?"),
        ("count: {CN_MOBILE: 5}, label: restricted", "count: {CN_MOBILE: 5}, label: top", "14:38: The label `top` does not exist."),
        ("  may_leave:", "  carriers: {image: low}\n  may_leave:", "9:21: The label `low` does not exist."),
        ("restricted: never", "secret: never", "27:42: The label `secret` does not exist."),
        ('when: {label: ">= confidential"}', 'when: {label: ">= secret"}', "23:35: The label `secret` does not exist."),
        ("{complexity: simple}", "{model: chat}", "25:32: The model `chat` does not exist. Did you mean `chat-auto`?"),
        ("{complexity: simple}", "{tenant_class: bank}", "25:39: The tenant class `bank` does not exist."),
        ("tenant_class: hospital, zone: cloud", "tenant_class: hospital, zone: clouds", "30:52: The zone `clouds` does not exist. Did you mean `cloud`?"),
        ("tenant_class: hospital, zone: cloud", "pool: brust", "30:28: The pool `brust` does not exist. Did you mean `burst`?"),
        ("chat-large: {pools: [gpu-large, burst]}", "chat-large: {pools: [gpu-larg, gpu-large]}", "21:24: The pool `gpu-larg` does not exist. Did you mean `gpu-large`?"),
        ("to: [gpu-small], spill: [burst]", "to: [gpu-small], spill: [brust]", "25:71: The pool `brust` does not exist."),
        ("id: rest, when: {}", "id: rest, when: {complexity: hard}", "26:5: The last route, `rest`, does not match everything. Add a last route"),
        ("{complexity: simple}", "{}", "25:5: Every request matches the route `simple`, so those after it are never used."),
        ("chat-large: {pools: [gpu-large, burst]}", "chat-large: {pools: [gpu-small, burst]}", "21:3: The model `chat-large` has no pool of the last route's `to`."),
    ],
)  # fmt: skip
def test_a_fault_is_told_in_place_with_its_mend(old: str, new: str, expected: str) -> None:
    found = told(edited(old, new), EXAMPLE_POOLS, CLASSES)
    assert any(one.startswith(expected) for one in found), found


def test_places_are_exact() -> None:
    text = edited("to: [gpu-small], spill: [burst]", "to: [gpu-smal], spill: [brust]")
    line = next(number for number, row in enumerate(text.splitlines(), 1) if "gpu-smal]" in row)
    row = text.splitlines()[line - 1]
    assert [one.partition(" ")[0] for one in told(text, EXAMPLE_POOLS, CLASSES)] == [
        f"{line}:{row.index('gpu-smal') + 1}:",
        f"{line}:{row.index('brust') + 1}:",
    ]


def test_every_fault_is_told_at_once() -> None:
    text = (
        EXAMPLE.replace("version: 42", "version: old").replace("US_SSN", "SSN").replace("complexity: simple", "size: 1")
    )
    text = text.replace("spill: [burst]}\ncache", "spill: [brust]}\ncache").replace("queue: 20s", "queue: soon")
    lines = [int(one.partition(":")[0]) for one in told(text, EXAMPLE_POOLS, CLASSES)]
    assert len(lines) == 5
    assert lines == sorted(lines)


def test_a_file_cut_at_any_byte_never_loads() -> None:
    data = EXAMPLE.encode()
    whole = example().digest
    end = data.rindex(b"...") + 3
    for cut in range(len(data)):
        try:
            loaded = load(data[:cut], "p", EXAMPLE_POOLS, CLASSES)
        except Problems:
            continue
        # Nothing but white space is missing.
        assert cut >= end
        assert loaded.digest == whole


def test_without_labels_the_rest_is_still_read() -> None:
    found = told(EXAMPLE.replace("labels: [public, internal, confidential, restricted]\n", "").replace("42", "x"))
    assert [one.split(": ", 1)[1] for one in found] == [
        "The policy lacks the key `labels`. Add it.",
        "`version` must be a whole number from 1 to 1000000000000.",
    ]


def test_without_routes_the_missing_key_is_all_that_is_told() -> None:
    text = EXAMPLE[: EXAMPLE.index("routes:")] + "...\n"
    assert [one.split(": ", 1)[1] for one in told(text)] == ["The policy lacks the key `routes`. Add it."]
    assert any("`models` must not be empty" in one for one in told(policy("  - {id: a, when: {}, to: [home]}", "{}")))


def test_alone_a_policy_is_checked_for_what_it_says_itself() -> None:
    assert told(EXAMPLE) == []
    slip = edited("to: [gpu-small], spill: [burst]", "to: [gpu-smal], spill: [burst]")
    assert [one.split(": ", 1)[1] for one in told(slip)] == [
        "No model lists the pool `gpu-smal`, so nothing can reach it. Did you mean `gpu-small`?",
    ]
    loaded = load(policy("  - {id: rest, when: {}, to: [home], spill: [extra]}", "{chat: {pools: [home, spare]}}"), "p")
    assert [note.message for note in loaded.notes] == [
        "No route sends anything to the pool `spare`.",
        "No model lists the pool `extra`, so nothing can reach it.",
    ]


def test_a_hint_never_names_what_may_itself_be_the_slip() -> None:
    # Each of the two is named on one side only, so either can be the one that is misspelt.
    rows = "  - {id: rest, when: {}, to: [home], spill: [brust]}"
    found = told(policy(rows, "{chat: {pools: [home, burst]}}"))
    assert [one.split(": ", 1)[1] for one in found] == [
        "No route sends anything to the pool `burst`. Something like it stands elsewhere: write both alike.",
        "No model lists the pool `brust`, so nothing can reach it. Something like it stands elsewhere: write both alike.",
    ]
    # A name that stands on both sides is meant, and two that are like it are not offered for one another.
    rows = "  - {id: rest, when: {}, to: [burst, brust]}"
    found = told(policy(rows, "{chat: {pools: [burst, bursst]}}"))
    assert [one.partition(". ")[2] for one in found] == ["Did you mean `burst`?"] * 2


def test_with_its_pools_a_pool_that_nothing_uses_is_worth_a_note() -> None:
    pools = Topology((pool("home"), pool("spare"), pool("extra")))
    data = policy("  - {id: rest, when: {}, to: [home], spill: [extra]}", "{chat: {pools: [home, spare]}}")
    assert len(load(data, "p", pools).notes) == 2


def test_a_pool_in_a_zone_that_is_not_declared_is_told() -> None:
    found = told(
        policy("  - {id: rest, when: {}, to: [home]}", "{chat: {pools: [home]}}"), Topology((pool("home", "onprm"),))
    )
    assert found[0] == "1:1: The pool `home` lies in the zone `onprm`, which is not declared. Did you mean `onprem`?"


def test_the_last_route_may_refuse_and_a_ceiling_may_be_none() -> None:
    data = policy("  - {id: no, when: {}, deny: Closed.}", "{chat: {pools: [home]}}", ceiling="none")
    assert load(data, "p", Topology((pool("home"),))).ceiling is None


def test_comments_layout_and_the_order_of_keys_do_not_change_the_digest() -> None:
    other = EXAMPLE.replace("version: 42\n", "").replace("labels:", "# reviewed\nversion: 42\nlabels:")
    assert load(other.encode(), "p").digest == example().digest
    assert load(EXAMPLE.replace("42", "43").encode(), "p").digest != example().digest


def test_zones_say_what_they_hold() -> None:
    text = EXAMPLE.replace("[10.0.0.0/8, 127.0.0.0/8]", "[10.0.0.0/8, unix]").replace(", tls: required", "")
    zones = load(text.encode(), "p").zones
    assert (zones["onprem"].unix, zones["onprem"].tls) == (True, "optional")
    assert (zones["cloud"].unix, zones["cloud"].networks, zones["cloud"].tls) == (False, None, "required")
    single = load(EXAMPLE.replace("networks: any", "networks: 192.0.2.0/24").encode(), "p").zones["cloud"]
    assert str(single.networks) == "(IPv4Network('192.0.2.0/24'),)"


def test_tiers_carriers_and_markers_are_kept() -> None:
    text = EXAMPLE.replace("  may_leave:", "  tiers: [structured]\n  carriers: {image: internal}\n  may_leave:")
    text = text.replace("[内部, 机密, do not distribute]", "[Do Not  Distribute, DO NOT DISTRIBUTE]")
    compiled = load(text.encode(), "p")
    assert compiled.labels.required == {"structured"}
    assert compiled.labels.carriers == {"image": INTERNAL}
    assert compiled.labels.unmapped == compiled.labels.unscanned == RESTRICTED
    assert compiled.markers == ("Do Not Distribute",)
    assert compiled.alias("chat-auto") is compiled.aliases["chat-auto"]
    assert compiled.alias("nobody") is None


def test_pools_whose_names_are_one_number_are_told_apart_by_the_digest() -> None:
    # Or a certificate for one policy would let another serve.
    json_row = "to: [sglang, gpu-large], spill: [burst]"
    home, away = (EXAMPLE.replace(json_row, f"to: [gpu-large], spill: [{name}]").encode() for name in ("1.0", "1.00"))
    assert load(home, "p").digest != load(away, "p").digest
