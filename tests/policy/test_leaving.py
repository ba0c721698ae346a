"""What the label rules let out, against the labels that the shipped rules give."""

import random

import pytest

from gateway.core.entities import ENTITIES
from gateway.core.findings import Coverage, Evidence, Finding
from gateway.core.labels import Label
from gateway.policy.labelling import label
from gateway.policy.leaving import Leaving, idle, label_of, leaving

from .brute_force import small
from .making import BOTH, INTERNAL, PUBLIC, RESTRICTED, policy, unproved
from .test_prove_brute_force import compiled

ROWS = "  - {id: rest, when: {}, to: [home, lab, burst, far]}"


Limits = dict[str, list[tuple[float | None, int | None]]]


def found(rules: str, highest: Label | None = INTERNAL) -> Limits:
    """The limits under which each entity leaves."""
    limits: Limits = {}
    for one in leaving(unproved(policy(ROWS, rules=rules)), highest):
        limits.setdefault(one.entity, []).append((one.below_score, one.below_count))
    return limits


@pytest.mark.parametrize(
    ("rules", "limits"),
    [
        # What no rule names is the highest label.
        ("[]", {}),
        ("[{any_of: [EMAIL], label: internal}]", {"EMAIL": [(None, None)]}),
        ("[{any_of: [EMAIL], label: confidential}]", {}),
        ("[{any_of: [EMAIL], min_score: 0.5, label: confidential}]", {"EMAIL": [(0.5, None)]}),
        ("[{count: {EMAIL: 5}, label: confidential}]", {"EMAIL": [(None, 5)]}),
        ("[{count: {EMAIL: 1}, label: confidential}]", {}),
        # Alone it does not have what `all_of` asks for; with itself alone it does.
        ("[{all_of: [EMAIL, PERSON], label: restricted}]", {"EMAIL": [(None, None)], "PERSON": [(None, None)]}),
        ("[{all_of: [EMAIL], label: restricted}]", {}),
        (
            "[{any_of: [EMAIL], min_score: 0.5, label: confidential}, {count: {EMAIL: 5}, label: restricted}]",
            {"EMAIL": [(0.5, 5)]},
        ),
        # Two lines: sure findings while they are few, and any number of those that are not.
        ("[{count: {EMAIL: 5}, min_score: 0.5, label: restricted}]", {"EMAIL": [(0.5, None), (None, 5)]}),
        # One line where a rule changes nothing.
        (
            "[{any_of: [EMAIL], min_score: 0.5, label: public}, {any_of: [EMAIL], min_score: 0.7, label: restricted}]",
            {"EMAIL": [(0.7, None)]},
        ),
        ("[{any_of: [EMAIL], min_score: 0.3, label: restricted}, {any_of: [EMAIL], label: restricted}]", {}),
    ],
)  # fmt: skip
def test_it_says_below_which_score_and_count(rules: str, limits: Limits) -> None:
    assert found(rules) == limits


def test_nothing_leaves_where_no_label_reaches_the_cloud() -> None:
    rules = "[{any_of: [EMAIL], label: internal}]"
    assert found(rules, None) == {}
    assert found(rules, PUBLIC) == {}
    assert set(found(rules, RESTRICTED)) == set(ENTITIES)


def test_each_is_acknowledged_by_name_and_says_which_rule_says_most_about_it() -> None:
    rules = (
        "[{any_of: [EMAIL], label: internal}, {count: {EMAIL: 3}, label: restricted}, {any_of: [ORG], label: public}]"
    )
    data = policy(ROWS, rules=rules, label=", may_leave: [EMAIL, URL]")
    compiled = unproved(data)
    leaves = leaving(compiled, INTERNAL)
    assert leaves == (
        Leaving("EMAIL", None, 3, INTERNAL, 5, acknowledged=True),
        Leaving("ORG", None, None, INTERNAL, 5, acknowledged=False),
    )
    assert idle(compiled, leaves) == ("URL",)
    assert idle(compiled, ()) == ("EMAIL", "URL")
    everything = leaving(compiled, RESTRICTED)
    assert next(one for one in everything if one.entity == "IBAN").line == 0


@pytest.mark.parametrize("seed", range(60))
def test_the_labels_are_those_that_the_scan_would_give(seed: int) -> None:
    rules = compiled(small(seed, 500))
    chance = random.Random(seed)
    for entity in ("EMAIL", "PERSON", "IBAN"):
        score, count = chance.choice((0.0, 0.25, 0.4, 0.5, 1.0)), chance.randint(1, 7)
        findings = tuple(Finding(entity, score, "p", 0, 1, "test") for _ in range(count))
        low, _ = label(rules, Evidence(findings, Coverage(BOTH)))
        assert label_of(rules.labels, entity, score, count) == low
    assert label_of(rules.labels, "NEVER_HEARD_OF", 0.0, 1) == rules.order.top
