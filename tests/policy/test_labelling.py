"""Rules only raise, and what was not looked at counts as the worst (threats.md I2, I3)."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.findings import Coverage, Evidence, Finding, History, Tier, Unscanned, nothing_covered
from gateway.core.labels import Label
from gateway.policy.compile import load
from gateway.policy.compiled import CompiledPolicy, LabelRule, RuleKind, weights_of
from gateway.policy.document import CARRIERS, HistoryMode
from gateway.policy.labelling import Cause, label, reasons

from .making import BOTH, CONFIDENTIAL, EXAMPLE, INTERNAL, PUBLIC, RESTRICTED, evidence

TEXT = EXAMPLE.replace("  may_leave:", "  carriers: {image: confidential, audio: public}\n  may_leave:")
TEXT = TEXT.replace("{CN_MOBILE: 5}", "{CN_MOBILE: 5, EMAIL: 3}")


@pytest.fixture(scope="module")
def policy() -> CompiledPolicy:
    return load(TEXT.encode(), "p")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (evidence(), INTERNAL),
        (evidence("US_SSN"), RESTRICTED),
        (evidence(("US_SSN", 0.0)), RESTRICTED),
        (evidence(("EMAIL", 0.6)), CONFIDENTIAL),
        (evidence(("EMAIL", 0.59)), INTERNAL),
        (evidence(("EMAIL", float("nan"))), CONFIDENTIAL),
        (evidence(("EMAIL", -1.0)), CONFIDENTIAL),
        (evidence(("EMAIL", 7.0)), CONFIDENTIAL),
        (evidence("PERSON"), INTERNAL),
        (evidence("HEALTH_CONTEXT"), INTERNAL),
        (evidence("PERSON", "HEALTH_CONTEXT"), RESTRICTED),
        (evidence(*["CN_MOBILE"] * 4), CONFIDENTIAL),
        (evidence(*["CN_MOBILE"] * 5), RESTRICTED),
        (evidence(*["CN_MOBILE"] * 4, ("CN_MOBILE", -1.0)), RESTRICTED),
        (evidence(*["EMAIL"] * 2, *["CN_MOBILE"] * 4), CONFIDENTIAL),
        (evidence(*["EMAIL"] * 3), RESTRICTED),
        (evidence("MARKER:机密"), CONFIDENTIAL),
        (evidence("MARKER:do not distribute"), CONFIDENTIAL),
        (evidence("MARKER:elsewhere"), RESTRICTED),
        (evidence("ORG"), RESTRICTED),
        (evidence("SOMETHING_NEW"), RESTRICTED),
        (evidence(unscanned=["file"]), RESTRICTED),
        (evidence(unscanned=["something_new"]), RESTRICTED),
        (evidence(unscanned=["image"]), CONFIDENTIAL),
        (evidence(unscanned=["audio"]), INTERNAL),
        (evidence(unscanned=["image", "file"]), RESTRICTED),
        (evidence(failure="timeout"), RESTRICTED),
        (nothing_covered("budget"), RESTRICTED),
    ],
)
def test_evidence_gives_the_highest_label_that_applies(
    policy: CompiledPolicy, found: Evidence, expected: Label
) -> None:
    assert label(policy, found) == (expected, expected)


@pytest.mark.parametrize("tiers", [frozenset(), {Tier.STRUCTURED}, {Tier.NAMES}, {Tier.NER}])
def test_what_a_tier_that_has_not_run_could_add_is_the_most(policy: CompiledPolicy, tiers: set[Tier]) -> None:
    assert label(policy, evidence(tiers=frozenset(tiers))) == (INTERNAL, RESTRICTED)
    assert label(policy, evidence("EMAIL", tiers=frozenset(tiers))) == (CONFIDENTIAL, RESTRICTED)


def test_only_the_tiers_that_the_policy_names_are_needed() -> None:
    text = EXAMPLE.replace("  may_leave:", "  tiers: [structured]\n  may_leave:")
    assert label(load(text.encode(), "p"), evidence(tiers=frozenset({Tier.STRUCTURED}))) == (INTERNAL, INTERNAL)


def test_a_policy_that_needs_the_models_keeps_the_highest_label_until_they_have_run() -> None:
    text = EXAMPLE.replace("  may_leave:", "  tiers: [structured, names, ner]\n  may_leave:")
    compiled, every = load(text.encode(), "p"), frozenset(Tier)
    assert label(compiled, evidence()) == (INTERNAL, RESTRICTED)
    assert label(compiled, evidence("EMAIL")) == (CONFIDENTIAL, RESTRICTED)
    assert [(one.cause, one.subject) for one in reasons(compiled, evidence()) if one.cause is Cause.NOT_RUN] == [
        (Cause.NOT_RUN, "ner")
    ]
    assert label(compiled, evidence(tiers=every)) == (INTERNAL, INTERNAL)
    assert label(compiled, evidence("PERSON", "HEALTH_CONTEXT", tiers=every)) == (RESTRICTED, RESTRICTED)
    assert label(compiled, evidence(tiers=every), PUBLIC) == (PUBLIC, PUBLIC)


@given(st.data())
def test_more_evidence_never_lowers_a_label(policy: CompiledPolicy, data: st.DataObject) -> None:
    entities = ["US_SSN", "EMAIL", "CN_MOBILE", "PERSON", "HEALTH_CONTEXT", "ORG", "MARKER:内部", "NEW"]
    findings = st.builds(
        Finding, st.sampled_from(entities), st.floats(0, 1), st.just("p"), st.just(0), st.just(1), st.just("d")
    )
    some = data.draw(st.lists(findings, max_size=8))
    more = [*some, *data.draw(st.lists(findings, max_size=4))]
    taint = data.draw(st.none() | st.sampled_from((PUBLIC, CONFIDENTIAL)))
    attested = data.draw(st.none() | st.just(PUBLIC))
    raised = label(policy, Evidence(tuple(more), Coverage(BOTH), taint=taint), attested)
    assert raised >= label(policy, Evidence(tuple(some), Coverage(BOTH)), attested)
    low, high = label(policy, Evidence(tuple(some), Coverage(BOTH)))
    assert PUBLIC < low == high
    assert label(policy, Evidence(tuple(more), Coverage(BOTH)))[0] >= low
    assert label(policy, Evidence(tuple(some), Coverage(frozenset())))[1] >= high
    assert label(policy, Evidence(tuple(reversed(more)), Coverage(BOTH))) == label(
        policy, Evidence(tuple(more), Coverage(BOTH))
    )


ENTITIES = ("US_SSN", "EMAIL", "CN_MOBILE", "PERSON", "HEALTH_CONTEXT")


@st.composite
def label_rules(draw: st.DrawFn) -> tuple[LabelRule, ...]:
    scores, labels = st.sampled_from((0.0, 0.5, 1.0)), st.sampled_from((PUBLIC, INTERNAL, CONFIDENTIAL, RESTRICTED))
    kinds = st.sampled_from(tuple(RuleKind))
    counts = st.dictionaries(st.sampled_from(ENTITIES), st.sampled_from((1, 1, 2, 3)), min_size=1, max_size=3)
    # The first names every entity: what is unmapped has the highest label, and would hide all else.
    return (
        LabelRule(RuleKind.ANY_OF, tuple((entity, 1) for entity in ENTITIES), 1.0, PUBLIC, 1),
        *(
            LabelRule(draw(kinds), tuple(draw(counts).items()), draw(scores), draw(labels), 2 + line)
            for line in range(draw(st.integers(0, 3)))
        ),
    )


@settings(max_examples=250, deadline=None)
@given(st.data())
def test_what_is_done_is_the_highest_of_what_is_explained(policy: CompiledPolicy, data: st.DataObject) -> None:
    rules = data.draw(label_rules())
    compiled = replace(
        policy,
        labels=replace(
            policy.labels,
            default=data.draw(st.sampled_from((PUBLIC, INTERNAL))),
            rules=rules,
            weights=weights_of(rules),
            named=frozenset(entity for rule in rules for entity, _ in rule.entities),
            history=data.draw(st.sampled_from(HistoryMode)),
        ),
    )
    scores = st.sampled_from((0.0, 0.49, 0.5, 0.5, 1.0, -0.5, 1.5, float("nan")))
    few = st.sampled_from(data.draw(st.lists(st.sampled_from((*ENTITIES * 3, "NEW")), min_size=1, max_size=3)))
    findings = st.builds(Finding, few, scores, st.just("p"), st.just(0), st.just(1), st.just("d"))
    carriers = st.sampled_from(("image", "audio", "file")).map(lambda carrier: Unscanned(carrier, "p"))
    found = Evidence(
        tuple(data.draw(st.lists(findings, max_size=6))),
        Coverage(
            data.draw(st.sampled_from((BOTH, BOTH, frozenset(Tier), frozenset({Tier.NAMES})))),
            tuple(data.draw(st.just([]) | st.lists(carriers, max_size=2))),
            failure=data.draw(st.sampled_from((None, None, None, "deadline"))),
        ),
        data.draw(st.sampled_from((History.NONE, History.NONE, *History))),
        data.draw(st.sampled_from((None, None, PUBLIC, CONFIDENTIAL))),
    )
    attested = data.draw(st.sampled_from((None, PUBLIC)))
    given = list(reasons(compiled, found, attested))
    low = max(reason.label for reason in given if reason.cause is not Cause.NOT_RUN)
    assert label(compiled, found, attested) == (low, max(reason.label for reason in given))


@pytest.mark.parametrize(
    ("mode", "history", "expected"),
    [
        ("marked", History.NONE, INTERNAL),
        ("marked", History.ON_RECORD, INTERNAL),
        ("marked", History.UNKNOWN, INTERNAL),
        ("marked", History.LOST, RESTRICTED),
        ("known_clean", History.NONE, INTERNAL),
        ("known_clean", History.ON_RECORD, INTERNAL),
        ("known_clean", History.UNKNOWN, RESTRICTED),
        ("known_clean", History.LOST, RESTRICTED),
    ],
)
def test_a_reply_that_nobody_can_vouch_for_was_not_looked_at(mode: str, history: History, expected: Label) -> None:
    compiled = load(EXAMPLE.replace("  may_leave:", f"  history: {mode}\n  may_leave:").encode(), "p")
    found = evidence(history=history)
    assert label(compiled, found) == label(compiled, found, PUBLIC if expected > INTERNAL else None)
    assert label(compiled, found) == (expected, expected)
    causes = [(reason.cause, reason.subject) for reason in reasons(compiled, found)]
    assert ((Cause.HISTORY, history) in causes) is (expected is RESTRICTED)


def test_a_reply_counts_with_the_label_of_what_made_it(policy: CompiledPolicy) -> None:
    assert label(policy, evidence(taint=PUBLIC)) == (INTERNAL, INTERNAL)
    assert label(policy, evidence(taint=CONFIDENTIAL)) == (CONFIDENTIAL, CONFIDENTIAL)
    assert label(policy, evidence("US_SSN", taint=CONFIDENTIAL)) == (RESTRICTED, RESTRICTED)
    assert label(policy, evidence(taint=CONFIDENTIAL, tiers=frozenset())) == (CONFIDENTIAL, RESTRICTED)
    assert label(policy, evidence(taint=CONFIDENTIAL), PUBLIC) == (CONFIDENTIAL, CONFIDENTIAL)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (evidence(), PUBLIC),
        (evidence(history=History.ON_RECORD), PUBLIC),
        (evidence(history=History.UNKNOWN), PUBLIC),
        (evidence(taint=PUBLIC), PUBLIC),
        (evidence("PERSON"), INTERNAL),
        (evidence(("EMAIL", 0.1)), INTERNAL),
        (evidence(unscanned=["audio"]), INTERNAL),
        (evidence(history=History.LOST), RESTRICTED),
        (evidence(failure="timeout"), RESTRICTED),
    ],
)
def test_what_a_class_attests_stands_where_nothing_at_all_was_found(
    policy: CompiledPolicy, found: Evidence, expected: Label
) -> None:
    assert label(policy, found, PUBLIC) == (expected, expected)
    assert label(policy, found, PUBLIC) <= label(policy, found)


def test_before_every_tier_has_looked_what_is_attested_governs_nothing(policy: CompiledPolicy) -> None:
    assert label(policy, evidence(tiers=frozenset({Tier.NAMES})), PUBLIC) == (PUBLIC, RESTRICTED)
    assert [reason.cause for reason in reasons(policy, evidence(), PUBLIC)] == [Cause.ATTESTED]
    assert [reason.cause for reason in reasons(policy, evidence("PERSON"), PUBLIC)] == [Cause.DEFAULT]


def test_every_reason_names_what_it_stands_on(policy: CompiledPolicy) -> None:
    found = evidence(
        *("EMAIL", "ORG"),
        unscanned=["image", "file"],
        failure="timeout",
        tiers=frozenset({Tier.NAMES}),
        history=History.LOST,
        taint=CONFIDENTIAL,
    )
    given = [(reason.cause, reason.label, reason.subject) for reason in reasons(policy, found)]
    assert given == [
        (Cause.DEFAULT, INTERNAL, ""),
        (Cause.FAILURE, RESTRICTED, "timeout"),
        (Cause.HISTORY, RESTRICTED, "lost"),
        (Cause.TAINT, CONFIDENTIAL, ""),
        (Cause.CARRIER, CONFIDENTIAL, "image"),
        (Cause.UNSCANNED, RESTRICTED, "file"),
        (Cause.RULE, CONFIDENTIAL, ""),
        (Cause.UNMAPPED, RESTRICTED, ""),
        (Cause.NOT_RUN, RESTRICTED, "structured"),
    ]
    rule = next(reason for reason in reasons(policy, found) if reason.rule is not None)
    assert rule.rule is not None
    assert TEXT.splitlines()[rule.rule.line - 1].strip().startswith("- {any_of: [CN_MOBILE, EMAIL")
    assert [finding.entity for finding in rule.findings] == ["EMAIL"]


def test_every_carrier_can_be_spoken_of() -> None:
    listed = ", ".join(f"{name}: internal" for name in CARRIERS)
    compiled = load(EXAMPLE.replace("  may_leave:", f"  carriers: {{{listed}}}\n  may_leave:").encode(), "p")
    assert label(compiled, evidence(unscanned=CARRIERS)) == (INTERNAL, INTERNAL)
