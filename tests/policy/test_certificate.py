"""A certificate is one string of bytes for one proof, and nothing else is taken for one."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.bans import Kind
from gateway.policy.certificate import (
    CERTIFICATE_VERSION,
    LARGEST_CERTIFICATE,
    Certificate,
    Certified,
    NotACertificate,
    NotProved,
)
from gateway.policy.proof import Outcome, Proof, Verdict
from gateway.policy.prove import PROVER_VERSION, prove

from .making import example, policy, unproved

GOOD = policy("  - {id: keep, when: {label: '>= confidential'}, to: [home]}\n  - {id: rest, when: {}, to: [home, lab]}")


def certificate() -> Certificate:
    return Certificate.of(prove(unproved(GOOD)), "d1")


def test_it_says_what_was_proved_of_what() -> None:
    written = json.loads(certificate().to_bytes())
    assert written["certificate"] == "tidegate policy proof"
    assert (written["version"], written["prover"]) == (CERTIFICATE_VERSION, PROVER_VERSION)
    assert (written["bundle"], written["states"]) == ("d1", "192")
    assert ["(ceiling)", "ceiling", "proved"] in written["verdicts"]
    assert all(outcome == "proved" for _, _, outcome in written["verdicts"])


def test_it_is_read_again() -> None:
    assert Certificate.read(certificate().to_bytes()) == certificate()
    huge = Certificate("d", 10**40, (Certified("N1", Kind.NEVER),))
    assert Certificate.read(huge.to_bytes()) == huge


@pytest.mark.parametrize("outcome", [Outcome.DISPROVED, Outcome.NOT_PROVED])
def test_there_is_none_for_what_is_not_proved(outcome: Outcome) -> None:
    verdicts = tuple(Verdict(id, Kind.TOTAL, one, None) for id, one in (("a", Outcome.PROVED), ("b", outcome)))
    with pytest.raises(NotProved):
        Certificate.of(Proof(verdicts, 1, 1), "d")
    with pytest.raises(NotProved):
        Certificate.of(prove(example()), "d")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"", b" "),
        (b'"version":1', b'"version":2'),
        (b'"prover":2', b'"prover":1'),
        (b'"states":"192"', b'"states":"0192"'),
        (b'"states":"192"', b'"states":"1_92"'),
        (b'"states":"192"', b'"states":"many"'),
        (b'"states":"192"', b'"states":192'),
        (b'"proved"]', b'"disproved"]'),
        (b'"proved"]', b'"not_proved"]'),
        (b'"proved"]', b'"fine"]'),
        (b'"total","', b'"totals","'),
        (b'"version":1,', b'"version":1,"more":1,'),
        (b'"version":1,', b'"version":1,"version":1,'),
        (b'"certificate":"tidegate policy proof"', b'"certificate":"a poem"'),
        (b'"d1"', b'"d\xff"'),
        (b'"d1"', b'"\\u00641"'),
    ],
)
def test_nothing_else_is_one(old: bytes, new: bytes) -> None:
    data = certificate().to_bytes()
    changed = data + new if not old else data.replace(old, new, 1)
    assert changed != data
    with pytest.raises(NotACertificate):
        Certificate.read(changed)


def test_a_certificate_cut_short_or_too_long_is_none() -> None:
    data = certificate().to_bytes()
    for end in range(len(data)):
        with pytest.raises(NotACertificate):
            Certificate.read(data[:end])
    with pytest.raises(NotACertificate):
        Certificate.read(data + b" " * LARGEST_CERTIFICATE)


@given(st.binary(max_size=60))
def test_bytes_are_no_certificate(data: bytes) -> None:
    with pytest.raises(NotACertificate):
        Certificate.read(data)
