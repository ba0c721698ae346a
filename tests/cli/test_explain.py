"""`tidegate explain`: the whole story in either language, honest about what may have been sent."""

import asyncio
import json
from string import Formatter

import pytest
from msgspec.structs import replace

from gateway.cli.explain_words import SENTENCES
from gateway.cli.main import main
from gateway.core.decision import Allow, Deny, DenyCode, Mirror
from gateway.core.facts import RequestFacts
from gateway.core.findings import Coverage, Evidence, Finding, Tier, Unscanned
from gateway.core.labels import Label
from gateway.core.records import (
    Attempt,
    Cached,
    Ending,
    FullScan,
    Intent,
    Mirrored,
    ScanEnding,
    ScanReason,
    Stayed,
    Usage,
)
from gateway.detect.scanner import build_scanner, scanner_digest
from gateway.runtime.audit import AuditLog
from gateway.runtime.clock import SystemClock
from gateway.runtime.keyring import Keyring
from gateway.settings import load
from tests.cli.folder import ROOT, write_folder
from tests.core.audit_values import outcome

SSN = Finding("US_SSN", 0.95, "messages[0].content", 3, 14, "us.ssn", ("nfkc",))
COVERED = Coverage(frozenset({Tier.STRUCTURED}), (Unscanned("image", "messages[1].content[0]"),), 2, 100)
FACTS = RequestFacts(Label(2), Label(2), "default", Label(1), "chat")
HOME = Attempt("home", "onprem", "a", Ending.COMPLETED, 200, 11.0)
CLOUD = Attempt("burst", "cloud", "b", Ending.UPSTREAM_FAILED, None, 7.0)


def told(**changes):
    values = {
        "evidence": Evidence((SSN,), COVERED),
        "facts": FACTS,
        "decision": Allow(("home",), (), 10.0, "keep-home", Label(2)),
        "attempts": (HOME,),
        "usage": Usage(10, 5),
    }
    return outcome("0a1b", bundle="b" * 64, **(values | changes))


def sent(pool="burst", request_id="0a1b", bundle="b" * 64):
    return Intent(request_id, 1_700_000_000.0, "bank", pool, "cloud", "internal", "rest", bundle, 1, "00")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("LC_ALL", "LC_MESSAGES", "LANG", "TIDEGATE_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    return write_folder(tmp_path / "config")


@pytest.fixture
def explain(folder, capsys):
    def run(records, *options, id="req_0a1b", labels=("public", "internal", "restricted")):
        log = AuditLog(folder / "state" / "audit", 0, Keyring(ROOT), SystemClock())
        log.open()
        if labels:
            log.activated("b" * 64, labels)
        for record in records:
            if isinstance(record, Intent):
                asyncio.run(log.committed(record))
            else:
                log.record(record)
        assert log.flush_and_close()
        status = main(["explain", id, "--config", str(folder), *options])
        return status, capsys.readouterr()

    return run


@pytest.mark.parametrize("id", ["0a1b", "req_0a1b", "dec_0a1b"])
def test_every_form_of_the_id_finds_the_record(explain, id):
    status, shown = explain([told()], id=id)
    assert status == 0
    assert "Request 0a1b" in shown.out


def test_a_stored_answer_is_told_as_one_and_nothing_was_sent_for_it(explain):
    record = told(attempts=(), usage=Usage(0, 0), cached=Cached(12.3, 10, 5))
    _, shown = explain([record])
    assert "It was sent nowhere." in shown.out
    assert "a stored one, 12 s old; making it had taken 10 tokens in and 5 out" in shown.out
    assert "Tokens: " not in shown.out


@pytest.mark.parametrize(("canary", "language"), [(False, "en"), (True, "en"), (True, "zh")])
def test_a_canary_is_told_as_one(explain, canary, language):
    _, shown = explain([told(canary=canary)], "--language", language)
    assert (("It is a canary" in shown.out) or ("这是金丝雀" in shown.out)) is canary


def test_a_changed_configuration_tells_what_was_recorded_and_says_so(explain):
    _, shown = explain([told(queued_ms=40.0)])
    lines = shown.out.splitlines()
    assert lines[0].endswith("tenant demo, /v1/chat/completions: status 200 after 12 ms.")
    assert "has changed since" in lines[1]
    assert lines[2:] == [
        "Label: restricted.",
        "  found US_SSN, score 0.95, at messages[0].content, by us.ssn, seen through nfkc",
        "  could not be read: image at messages[1].content[0]",
        "Route keep-home: home.",
        "It waited 40 ms for a free place.",
        "What happened:",
        "  1. home (onprem), endpoint a: completed, status 200, 11 ms",
        "It stayed at home.",
        "Tokens: 10 in, 5 out.",
        "End: completed.",
    ]


def test_the_live_policy_is_asked_again_when_it_is_the_one_of_then(explain, folder):
    bundle = load(folder, {}).bundle
    digest = bundle.with_scanner(scanner_digest(bundle.policy.markers)).digest
    record = outcome("0a1b", bundle=digest, evidence=Evidence((SSN,), COVERED), facts=FACTS, attempts=(HOME,))
    for language, words in {
        "en": ("in force", "keep-home"),
        "zh": ("当前策略", "keep-home", "数据没有离开本地"),
    }.items():
        _, shown = explain([record], "--language", language)
        assert all(word in shown.out for word in words)


def test_the_scanner_is_known_without_being_compiled():
    assert scanner_digest(("机密",)) == build_scanner(("机密",)).digest != scanner_digest(())


@pytest.mark.parametrize(("language", "words"), [("en", "may have been sent"), ("zh", "可能已发送")])
def test_an_intent_without_an_outcome_may_have_been_sent(explain, language, words):
    status, shown = explain([sent()], "--language", language)
    assert status == 0
    assert words in shown.out
    assert "burst" in shown.out


def test_an_intent_that_no_attempt_names_may_have_been_sent(explain):
    _, shown = explain([sent(), told(attempts=(HOME,))])
    assert "To burst (cloud), label internal, by the route rest: may have been sent." in shown.out
    assert "stayed at home" not in shown.out


def test_what_went_to_the_cloud_is_said(explain):
    answered = replace(CLOUD, status=500)
    allow = Allow(("burst",), ("home",), 1.0, "r", Label(1))
    _, shown = explain([sent(), told(attempts=(answered, HOME), decision=allow)])
    assert "It was sent to the cloud: burst." in shown.out
    assert "may have been sent" not in shown.out
    assert "1. burst (cloud), endpoint b: the model server failed, status 500, 7 ms" in shown.out
    assert "Route r: burst; under pressure also home." in shown.out


def test_a_cloud_attempt_without_an_answer_may_have_been_sent(explain):
    _, shown = explain([sent(), told(attempts=(CLOUD, HOME))])
    assert "may have been sent" in shown.out
    assert "stayed at home" not in shown.out
    assert "1. burst (cloud), endpoint b: the model server failed, 7 ms" in shown.out


def test_a_refusal_and_a_scan_that_failed_are_told(explain):
    facts = RequestFacts(Label(1), Label(2), "default", None, "chat")
    _, shown = explain(
        [
            told(
                evidence=Evidence((), Coverage(frozenset(), failure="timeout")),
                facts=facts,
                decision=Deny(DenyCode.DENIED_BY_ROUTE, "closed", "Not here."),
                attempts=(),
                error="denied_by_policy",
            )
        ]
    )
    for line in (
        "Label: restricted governs; what was found gives internal.",
        "  the scan did not finish: timeout",
        "Refused by closed: Not here.",
        "It was sent nowhere.",
        "It was answered with the error `denied_by_policy`.",
    ):
        assert line in shown.out.splitlines()


LOWER = RequestFacts(Label(1), Label(1), "default", Label(1), "chat")


def scanned(because=ScanReason.NO_PLACE, ending=ScanEnding.COMPLETED, **changes):
    given = {"facts": LOWER, "decision": Allow(("home",), ("burst",), 1.0, "rest", Label(1)), **changes}
    before = (None, None) if because is ScanReason.ALWAYS else (Label(1), Label(2))
    return told(full_scan=FullScan(because, ending, 38.4, *before), **given)


@pytest.mark.parametrize(
    ("because", "said"),
    [
        (ScanReason.LEAVES_FIRST, "The models read it before it went anywhere, since it would have left first: 38 ms."),
        (ScanReason.NO_PLACE, "The models read it while no permitted pool had a free place: 38 ms."),
        (ScanReason.ALL_FAILED, "The models read it after every permitted pool had failed: 38 ms."),
        (ScanReason.REFUSED, "The models read it since it would have been refused otherwise: 38 ms."),
    ],
)
def test_a_full_scan_is_told_with_its_reason_and_what_it_changed(explain, because, said):
    _, shown = explain([scanned(because)])
    lines = shown.out.splitlines()
    assert lines[lines.index(said) + 1] == "The label was restricted and became internal."


@pytest.mark.parametrize(
    ("because", "ending", "said"),
    [
        (ScanReason.NO_PLACE, ScanEnding.INCOMPLETE, "They did not get through it: what was decided before stood."),
        (ScanReason.NO_PLACE, ScanEnding.OVERTAKEN, "It was not waited for to the end: what was decided before stood."),
        (
            ScanReason.NO_PLACE,
            ScanEnding.UNCONFIRMED,
            "The bytes about to leave could not be read to the end: what was decided before stood.",
        ),
        (
            ScanReason.ALWAYS,
            ScanEnding.INCOMPLETE,
            "They did not get through it, which counts as the highest label.",
        ),
    ],
)
def test_a_full_scan_that_came_to_nothing_is_told_as_such(explain, because, ending, said):
    _, shown = explain([scanned(because, ending)])
    assert said in shown.out.splitlines()
    assert "The label was" not in shown.out


def test_a_class_that_has_everything_read_has_no_label_before(explain):
    _, shown = explain([scanned(ScanReason.ALWAYS)])
    assert "as its tenant's class asks for every request: 38 ms." in shown.out
    assert "The label was" not in shown.out


@pytest.mark.parametrize(
    ("facts", "decision", "said"),
    [
        (LOWER, Allow(("home",), ("burst",), 1.0, "rest", Label(1)), ["That opened burst."]),
        (LOWER, Deny(DenyCode.DENIED_BY_ROUTE, "closed", "Not here."), ["That closed home."]),
        (
            RequestFacts(Label(2), Label(2), "default", Label(1), "chat"),
            Allow(("home",), (), 1.0, "keep-home", Label(2)),
            ["The label stayed label number 2.", "Where it could go stayed the same."],
        ),
    ],
)
def test_under_the_policy_of_then_it_is_told_which_pools_a_full_scan_opened(explain, folder, facts, decision, said):
    bundle = load(folder, {}).bundle
    digest = bundle.with_scanner(scanner_digest(bundle.policy.markers)).digest
    scan = FullScan(ScanReason.NO_PLACE, ScanEnding.COMPLETED, 38.4, Label(1), Label(2))
    record = replace(told(facts=facts, decision=decision, full_scan=scan), bundle=digest)
    _, shown = explain([record], labels=bundle.policy.order.names)
    assert [line for line in shown.out.splitlines() if line in said] == said


def test_every_reason_and_end_of_a_full_scan_has_words():
    keys = {*ScanReason, *(ending for ending in ScanEnding if ending is not ScanEnding.COMPLETED)}
    assert {f"scan_{key}" for key in keys} <= SENTENCES.keys()


def test_nothing_found_is_said(explain):
    _, shown = explain([told(evidence=Evidence((), Coverage(frozenset(Tier))))])
    assert "nothing sensitive was found" in shown.out


def test_a_request_that_ended_before_the_policy_is_told(explain):
    _, shown = explain([outcome("0a1b", tenant="", status=401, error="invalid_api_key")])
    assert "tenant nobody (no valid key)" in shown.out
    assert "before the policy was asked" in shown.out


def test_labels_that_the_log_does_not_name_are_numbers(explain):
    _, shown = explain([told()], labels=())
    assert "Label: label number 2." in shown.out


def test_json_holds_the_records_and_the_story(explain):
    _, shown = explain([sent(), told()], "--json", "--language", "zh")
    found = json.loads(shown.out)
    assert found["outcome"]["request_id"] == found["intents"][0]["request_id"] == "0a1b"
    assert found["labels"] == ["public", "internal", "restricted"]
    assert any("标签" in line for line in found["explanation"])


@pytest.mark.parametrize("id", ["req_ffff", "", "dec_", "../../etc", '0a1b"', "结果"])
def test_an_id_without_a_record_is_an_error(explain, id):
    status, shown = explain([told()], id=id)
    assert status == 1
    assert "no record" in shown.err


def test_a_record_in_two_segments_is_told_once(explain):
    explain([sent(), told()])
    _, shown = explain([sent(), told()], "--json")
    assert len(json.loads(shown.out)["intents"]) == 1


def test_the_language_is_that_of_the_locale(explain, monkeypatch):
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    _, shown = explain([told()])
    assert "数据没有离开本地" in shown.out


def test_both_languages_say_everything_with_the_same_gaps():
    for key, sentences in SENTENCES.items():
        gaps = [{name for _, name, _, _ in Formatter().parse(sentence) if name} for sentence in sentences]
        assert gaps[0] == gaps[1], key
        assert sentences[0] != sentences[1] or key == "list", key


@pytest.mark.parametrize("ending", Ending)
def test_every_ending_has_words(ending):
    assert f"ending_{ending}" in SENTENCES


@pytest.mark.parametrize(
    ("stayed", "said"),
    [
        (Stayed.LABEL, "its label keeps it home"),
        (Stayed.POLICY, "its route or its tenant class keeps it home"),
        (Stayed.BUDGET, "the burst budget was spent"),
        (Stayed.OPERATIONS, "operations had closed the way"),
    ],
)
def test_what_kept_a_request_that_waited_is_told(explain, stayed, said):
    _, shown = explain([told(queued_ms=1200.0, stayed=stayed)])
    assert said in shown.out


def test_what_a_request_cost_is_told_and_that_its_tokens_were_reckoned(explain):
    _, shown = explain([told(usage=None, reckoned=Usage(30, 4), cost_micros=1_250_000)])
    assert "reckoned here since no model server counted them: 30 in, 4 out" in shown.out
    assert "Cost: 1.250000." in shown.out


def test_a_model_that_was_being_started_is_told_apart_from_one_that_failed(explain):
    cold = replace(CLOUD, status=503, detail="cold start: upstream status 503 ModelNotReadyException")
    _, shown = explain([sent(), told(attempts=(cold, replace(CLOUD, status=503, detail="upstream status 503"), HOME))])
    assert shown.out.count("its model was being started from nothing") == 1
    _, shown = explain([sent(), told(attempts=(cold, HOME))], "--language", "zh")
    assert "模型正从零启动" in shown.out


# Copies for a mirror


def copied(request_id="c0p1", attempts=(HOME,), **changes):
    values = {"ending": Ending.COMPLETED, "bundle": "b" * 64, "epoch": 1, "attempts": attempts}
    named = {"tenant": "demo", "label": "internal", "route": "rest", "pool": "burst"}
    return Mirrored(request_id, "0a1b", 1_700_000_001.0, 21.0, **(named | values | changes))


ASKED = Allow(("home",), (), 10.0, "rest", Label(1), mirror=Mirror("burst", 5.0))
THERE = replace(CLOUD, status=200, ending=Ending.COMPLETED)


def test_a_copy_is_told_after_its_request_with_what_allowed_it_and_where_it_went(explain):
    copy = copied(attempts=(THERE,), usage=Usage(10, 4), cost_micros=1_500_000)
    _, shown = explain([told(decision=ASKED), sent(request_id="c0p1"), copy])
    lines = shown.out.splitlines()
    assert "A copy of 5 % of such requests goes to burst; what it answers is thrown away." in lines
    assert "It stayed at home." not in lines
    assert "It stayed at home itself; of its copy the same cannot be said, see below." in lines
    assert lines[lines.index("End: completed.") + 1 :] == [
        "A copy of it, c0p1, was made for burst, the mirror of the route rest; nobody got an answer. 21 ms.",
        "  Allowed by a decision of its own: burst and nothing else, label internal.",
        "    1. burst (cloud), endpoint b: completed, status 200, 7 ms",
        "  The copy was sent to the cloud: burst.",
        "  Tokens that count as nobody's: 10 in, 4 out.",
        "  Cost: 1.500000.",
        "  End: completed.",
    ]


@pytest.mark.parametrize(
    ("copy", "intents", "said"),
    [
        (copied(), [], "  The copy stayed at home."),
        (copied(attempts=(CLOUD,)), [sent(request_id="c0p1")], "by the route rest: may have been sent."),
        (copied(attempts=(), error="no_place", ending=Ending.REFUSED), [], "  The copy was sent nowhere."),
        (copied(attempts=(), error="no_place", ending=Ending.REFUSED), [], "given up with the error `no_place`."),
        (copied(ending=Ending.DEADLINE), [], "  End: it took longer than a copy may."),
        (copied(ending=Ending.CANCELLED), [], "  End: it gave way to work that waited, or the gateway stopped."),
    ],
)
def test_however_a_copy_ended_it_is_told(explain, copy, intents, said):
    _, shown = explain([told(), *intents, copy])
    lines = shown.out.splitlines()
    assert any(line.endswith(said) for line in lines[lines.index("End: completed.") + 1 :])
    assert ("It stayed at home." in lines) is not bool(intents)


def test_a_copy_that_left_is_told_where_the_request_itself_went_nowhere(explain):
    _, shown = explain([told(attempts=()), sent(request_id="c0p1"), copied(attempts=(THERE,))])
    assert "It was sent nowhere itself; for its copy see below." in shown.out
    assert "It was sent nowhere." not in shown.out


def test_under_the_policy_of_then_the_clearance_of_a_copys_pool_is_told(explain, folder):
    bundle = load(folder, {}).bundle
    digest = bundle.with_scanner(scanner_digest(bundle.policy.markers)).digest
    copies = [copied(bundle=digest), copied("c0p2", bundle=digest, pool="gone")]
    _, shown = explain([replace(told(), bundle=digest), *copies])
    assert "burst and nothing else, label internal; that pool may see up to internal." in shown.out
    assert "gone and nothing else, label internal.\n" in shown.out


@pytest.mark.parametrize(
    ("records", "is_said"),
    [
        ([told(decision=ASKED)], True),
        ([told(decision=ASKED), copied()], False),
        ([told(attempts=(), decision=ASKED)], False),
        ([told()], False),
    ],
)
def test_that_no_copy_is_on_record_is_said_where_one_could_have_been_made(explain, records, is_said):
    _, shown = explain(records)
    assert ("No copy for the mirror burst is on record" in shown.out) is is_said


def test_the_id_of_a_copy_finds_its_request(explain):
    status, shown = explain([told(), copied(), copied("c0p2")], id="req_c0p2")
    assert status == 0
    lines = shown.out.splitlines()
    assert (
        lines[0] == "c0p2 is a copy that was made for a mirror; this is the story of the request that it is a copy of."
    )
    assert lines[1].startswith("Request 0a1b, ")
    assert sum(line.startswith("A copy of it, ") for line in lines) == 2


@pytest.mark.parametrize("id", ["0a1b", "c0p1"])
def test_a_copy_without_its_request_is_told_as_such(explain, id):
    status, shown = explain([sent(request_id="c0p1"), copied(attempts=(CLOUD,))], id=id)
    assert status == 0
    assert "Request 0a1b: the log holds a copy of it that was made for a mirror, and no outcome." in shown.out
    assert "may have been sent" in shown.out


def test_copies_are_told_in_chinese_and_to_programs(explain):
    records = [told(decision=ASKED), sent(request_id="c0p1"), copied(attempts=(THERE,))]
    _, shown = explain(records, "--language", "zh")
    assert "为路由 rest 的镜像 burst 制作了副本 c0p1" in shown.out
    assert "副本已发往云端：burst。" in shown.out
    assert "原请求没有离开本地" in shown.out
    (copy,) = json.loads(explain(records, "--json")[1].out)["copies"]
    assert copy["record"]["copy_of"] == "0a1b"
    assert [intent["pool"] for intent in copy["intents"]] == ["burst"]
