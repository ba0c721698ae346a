"""What is written to the audit log is read back as it was, and what cannot be read says why without quoting it."""

import json

import pytest
from hypothesis import given

from gateway.core.approval import Fault
from gateway.core.audit_chain import START, seal
from gateway.core.audit_record import Activation, Header, Unreadable, read, read_seq, segment_name, starts_of, write
from gateway.core.decision import Allow, Deny, DenyCode
from gateway.core.facts import Capability, RequestFacts
from gateway.core.findings import Coverage, Evidence, Tier
from gateway.core.labels import Label
from gateway.core.records import Override, Refusal, RefusalCode
from tests.core.audit_values import KEY, entries, headers, intent, outcome


@given(entries | headers)
def test_every_entry_is_read_back_as_it_was_written(entry):
    line, _ = seal(START, 7, entry, KEY)
    assert read(line[:-1]) == entry
    assert read_seq(line[:-1]) == 7
    assert line.startswith(starts_of(7))
    json.loads(line)


@given(entries)
def test_an_entry_is_one_line_whatever_is_in_it(entry):
    assert write(0, entry).count(b"\n") == 0


def test_fields_at_their_defaults_are_left_out_of_an_outcome():
    assert b"usage" not in write(0, outcome())
    assert b"usage" not in write(0, outcome(error="overloaded"))


def test_a_line_of_the_version_before_is_read_with_defaults_for_what_it_did_not_have():
    facts = {"label_low": 1, "label_high": 2, "tenant_class": "bank", "ceiling": None, "model": "chat",
             "capabilities": ["tools"], "complexity": "medium"}  # fmt: skip
    coverage = {"tiers": ["structured"], "unscanned": [], "leaves": 1, "characters": 5, "failure": None}
    decision = {"route": "rest", "to": ["home"], "queue_s": 5.0, "label": 2}
    written = json.loads(write(1, outcome()) + b"}")
    written["v"] = 1
    written["outcome"] |= {"facts": facts, "evidence": {"findings": [], "coverage": coverage}, "decision": decision}
    found = read(json.dumps(written).encode())
    assert found == outcome(
        facts=RequestFacts(Label(1), Label(2), "bank", None, "chat", frozenset({Capability.TOOLS})),
        evidence=Evidence((), Coverage(frozenset({Tier.STRUCTURED}), (), 1, 5)),
        decision=Allow(("home",), (), 5.0, "rest", Label(2)),
    )
    activation = b'{"v":1,"seq":1,"activation":{"at":1.0,"bundle":"b","labels":["low"]}}'
    assert read(activation) == Activation(1.0, "b", ("low",), certificate="")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "not a JSON record"),
        (b"\xff\xfe", "not a JSON record"),
        (b'{"v":1}', "not a JSON record"),
        (b'{"v":"secret","seq":0}', "not a JSON record"),
        (b'{"v":5,"seq":0,"outcome":{}}', "version 5 of the record format; this build reads up to 4"),
        (b'{"v":0,"seq":0}', "version 0 of the record format; this build reads up to 4"),
        (b'{"v":1,"seq":0}', "a record of no known kind"),
        (b'{"v":1,"seq":0,"secret":{}}', "a record of no known kind"),
        (b'{"v":1,"seq":0,"intent":{"request_id":"secret"}}', "not a record of this version"),
        (b'{"v":1,"seq":0,"intent":"\xff"}', "not a record of this version"),
    ],
)
def test_what_cannot_be_read_says_why_and_quotes_nothing(line, reason):
    with pytest.raises(Unreadable) as caught:
        read(line)
    assert caught.value.reason == reason
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    "decision",
    [
        Allow(("home",), (), 5.0, "rest", Label(2)),
        Deny(DenyCode.UNMATCHED, "", ""),
        Deny(DenyCode.DENIED_BY_ROUTE, "secrets", "Not from here.", ("cloud",)),
    ],
)
def test_a_decision_is_read_back_as_it_was_written(decision):
    assert read(write(0, outcome(decision=decision)) + b"}") == outcome(decision=decision)


def test_a_decision_that_is_neither_allow_nor_deny_is_unreadable():
    line = write(0, outcome()) + b"}"
    broken = line.replace(b'"bytes_out":1024', b'"bytes_out":1024,"decision":{"route":"r"}')
    with pytest.raises(Unreadable, match="neither allow nor deny"):
        read(broken)


def test_the_kinds_are_told_apart():
    override = Override(1.0, "ops", "burst off", 61.0)
    refusal = Refusal(1.0, (RefusalCode.PROBLEMS,), 3, "f" * 64)
    header = Header("s", 0, "b", 0, 1.0, 2.0, "00")
    for entry in (intent(), Activation(1.0, "b", ("low", "high")), override, header, refusal):
        assert type(read(write(3, entry) + b"}")) is type(entry)


def test_every_fault_of_an_approval_has_a_code_of_its_own():
    assert {fault.value for fault in Fault} <= {code.value for code in RefusalCode}


def test_segments_of_one_boot_sort_by_part():
    listed = [segment_name(1_700_000_000.9, 3, "ab", part) for part in (0, 1, 2, 10, 9999)]
    assert listed[0] == "20231114T221320Z-w3-ab-0000"
    assert sorted(listed) == listed
