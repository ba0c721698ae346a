"""What the records of a month add up to, and what a manifest says."""

import hashlib
import json

import pytest
from msgspec.structs import replace

from gateway.core.audit_record import Activation, Header, Origin, SignedBy
from gateway.core.decision import Allow, Deny, DenyCode
from gateway.core.evidence import Month, manifest_bytes, month_of, to_be_signed
from gateway.core.facts import RequestFacts
from gateway.core.labels import Label
from gateway.core.records import Attempt, Ending, Mirrored, Override, Refusal, RefusalCode
from tests.core.audit_values import intent, outcome

SINCE, UNTIL = month_of("2026-11") or (0.0, 0.0)
NOW = SINCE + 5.0


@pytest.mark.parametrize(
    ("text", "days"),
    [("2026-11", 30), ("2026-12", 31), ("2028-02", 29), ("2026-13", None), ("november", None), ("2026-11-01", None)],
)
def test_a_month_is_as_long_as_it_is(text, days):
    span = month_of(text)
    assert (None if span is None else (span[1] - span[0]) / 86_400) == days


def facts(high: int) -> RequestFacts:
    return RequestFacts(Label(0), Label(high), "default", None, "m")


def attempt(zone: str) -> Attempt:
    return Attempt("p", zone, "e", Ending.COMPLETED, 200, 5.0)


ORIGIN = Origin(7, "1.2", (SignedBy("chen", "00"),), "s", "", {"EMAIL": "e"})


def test_records_add_up():
    month = Month(SINCE, UNTIL)
    allow = Allow(("p",), (), 0.0, "r", Label(1))
    for entry in (
        Activation(SINCE - 9.0, "old", ("low", "top")),
        Activation(NOW, "b", ("low", "mid", "top"), "cert"),
        Activation(NOW + 1, "b", ("low", "mid", "top"), "cert", "a", ORIGIN),
        Activation(NOW + 1, "b", ("low", "mid", "top"), "cert", "a", ORIGIN),  # as the next segment begins
        Refusal(NOW, (RefusalCode.ALONE,), 1, "f", "c", 8, "cert", "b"),
        Refusal(NOW, (RefusalCode.ALONE,), 1, "f", "c", 8, "cert", "b"),
        Refusal(SINCE - 1.0, (RefusalCode.PROBLEMS,)),
        Override(NOW, "ops", "burst off", None),
        Override(SINCE - 1.0, "ops", "burst on", None),
        Header("s", 0, "b", 0, 1.0, 2.0, "00"),
        None,
        replace(intent("lost"), at=NOW),
        replace(intent("one"), at=NOW),
        replace(intent("early"), at=SINCE - 1.0),
        replace(intent("copy"), at=NOW),
        Mirrored("copy", "one", NOW, 2.0, "demo", "low", "r", "p", Ending.COMPLETED, "b", 0),
        outcome("one", at=NOW, bundle="b", facts=facts(1), decision=allow, attempts=(attempt("cloud"),)),
        outcome("two", at=NOW, bundle="b", facts=facts(2), decision=allow,
                attempts=(attempt("onprem"), attempt("onprem"))),
        outcome("who", at=NOW, bundle="gone", facts=facts(1), decision=allow, attempts=(attempt("onprem"),)),
        outcome("bad", at=NOW, bundle="b", ending=Ending.REFUSED),
        outcome("no", at=NOW, bundle="b", facts=facts(0), decision=Deny(DenyCode.UNMATCHED, "", "")),
        outcome("ours", at=NOW, bundle="b", facts=facts(2), decision=allow, attempts=(attempt("onprem"),), canary=True),
        replace(intent("ours"), at=NOW, canary=True),
        outcome("late", at=UNTIL, bundle="b"),
        outcome("before", at=SINCE - 1.0, bundle="b"),
    ):  # fmt: skip
        month.take(entry)
    told = json.loads(month.as_json())
    assert told == {
        "requests": 5,
        "refused": 2,
        "attempts": {"cloud": {"mid": 1}, "onprem": {"top": 2, "-": 1}},
        "canaries": 1,
        "canary_attempts": {"onprem": {"top": 1}},
        "intents": 3,
        "intents_without_outcome": 1,
        "unreadable_lines": 1,
        "activations": [
            {"at": NOW, "bundle": "b", "certificate": "cert"},
            {
                "at": NOW + 1,
                "bundle": "b",
                "certificate": "cert",
                "version": 7,
                "build": "1.2",
                "previous": "a",
                "signed_by": [{"name": "chen", "key": "00"}],
            },
        ],
        "refusals": [
            {
                "at": NOW,
                "codes": ["alone"],
                "problems": 1,
                "files": "f",
                "bundle": "c",
                "version": 8,
                "certificate": "cert",
                "in_force": "b",
            }
        ],
        "overrides": [{"at": NOW, "by": "ops", "change": "burst off", "until": None}],
    }
    assert month.bundles == ("old", "b")


@pytest.mark.parametrize(
    ("activations", "bundles"),
    [
        ([], ()),
        ([(SINCE - 9.0, "a")], ("a",)),  # a gateway that was started before the month and ran through it
        ([(SINCE - 5.0, "b"), (SINCE - 9.0, "a")], ("b",)),  # as segments of two workers are read
        ([(SINCE - 9.0, "a"), (NOW, "a"), (NOW + 1, "b")], ("a", "b")),
        ([(UNTIL, "a")], ()),
    ],
)
def test_what_was_in_force_when_the_month_began_belongs_to_it(activations, bundles):
    month = Month(SINCE, UNTIL)
    for at, bundle in activations:
        month.take(Activation(at, bundle, ("low", "top")))
    assert month.bundles == bundles


def test_an_attempt_without_facts_has_no_label():
    month = Month(SINCE, UNTIL)
    month.take(Activation(NOW, "b", ("low",)))
    month.take(outcome("x", at=NOW, bundle="b", attempts=(attempt("cloud"),), decision=None))
    assert json.loads(month.as_json())["attempts"] == {"cloud": {"-": 1}}


def test_a_manifest_names_every_file_by_its_digest():
    manifest = manifest_bytes("2026-11", (SINCE, UNTIL), 9.0, "0.1", {"b": b"2", "a": b"1"})
    told = json.loads(manifest)
    assert told["files"] == {"a": hashlib.sha256(b"1").hexdigest(), "b": hashlib.sha256(b"2").hexdigest()}
    assert (told["v"], told["month"], told["since"], told["until"]) == (1, "2026-11", SINCE, UNTIL)
    assert to_be_signed(manifest) == b"tidegate/v1 evidence\n" + manifest
