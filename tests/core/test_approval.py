"""Whose signatures let a bundle come into force, and which versions may."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.core.approval import (
    Content,
    Fault,
    Memory,
    Objection,
    Signature,
    objections,
    of_version,
    remembered,
    signed_by,
    to_be_signed,
)

KEYS = {name: Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number, name in enumerate("abc", 1)}
PUBLIC = {name: key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw) for name, key in KEYS.items()}
SIGNERS = {name: PUBLIC[name] for name in "ab"}
CONTENT = Content(5, None, "policy", "body", "pools", "tenants", "", "signers")
BEFORE = Memory(replace(CONTENT, version=4, policy="old", body="older"), {2: "two", 3: "body", 4: "older"}, SIGNERS)


def signatures(*names: str, over: Content = CONTENT) -> tuple[Signature, ...]:
    return tuple(Signature(name, KEYS[name].sign(to_be_signed(over))) for name in names)


def faults(
    names: str, *, is_raised: bool = False, memory: Memory | None = BEFORE, content: Content = CONTENT, over=None
):
    signed = signatures(*names, over=over or content)
    return [one.fault for one in objections(content, signed, SIGNERS, memory, is_raised=is_raised)]


@pytest.mark.parametrize(
    ("names", "is_raised", "found"),
    [
        ("a", False, []),
        ("ab", False, []),
        ("ab", True, []),
        ("a", True, [Fault.ALONE]),
        ("", False, [Fault.UNSIGNED]),
        ("c", False, [Fault.STRANGER]),
        ("ac", True, [Fault.STRANGER, Fault.ALONE]),
        ("abc", True, [Fault.STRANGER]),
    ],
)
def test_one_person_lets_a_change_in_and_two_what_rises(names, is_raised, found):
    assert faults(names, is_raised=is_raised) == found


def test_a_signature_over_anything_else_is_none():
    for field in ("policy", "body", "pools", "tenants", "recognizers", "signers"):
        assert faults("ab", over=replace(CONTENT, **{field: "other"}), is_raised=True) == [Fault.INVALID, Fault.INVALID]
    assert faults("a", over=replace(CONTENT, version=6)) == [Fault.INVALID]
    assert faults("a", over=replace(CONTENT, restores=3)) == [Fault.INVALID]


def test_nobody_signs_in_the_name_of_another():
    forged = (Signature("b", signatures("a")[0].signature), *signatures("a"))
    found = objections(CONTENT, forged, SIGNERS, BEFORE, is_raised=True)
    assert [one.fault for one in found] == [Fault.INVALID, Fault.ALONE]


def test_a_key_that_is_none_verifies_nothing():
    assert signed_by(CONTENT, signatures("a"), {"a": b"short"}) == frozenset()


def test_who_could_sign_before_says_who_signs_now():
    # The files name the stranger; what is remembered does not.
    ours = {**SIGNERS, "c": PUBLIC["c"]}
    found = objections(CONTENT, signatures("c", "a"), ours, BEFORE, is_raised=False)
    assert [one.fault for one in found] == [Fault.STRANGER]
    assert not objections(CONTENT, signatures("c"), ours, replace(BEFORE, signers={}), is_raised=False)


def test_a_change_of_the_signers_takes_two_of_them():
    changed = replace(CONTENT, signers="others")
    assert faults("a", content=changed) == [Fault.ALONE]
    assert faults("ab", content=changed) == []


def test_the_first_bundle_of_all_takes_two():
    assert faults("a", memory=None) == [Fault.ALONE]
    assert faults("ab", memory=None, is_raised=True) == []


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (CONTENT, ()),
        (BEFORE.content, ()),  # the same again, as after a restart
        (replace(BEFORE.content, pools="other"), (Objection(Fault.VERSION_TAKEN, "4", 4),)),
        (replace(CONTENT, version=3), (Objection(Fault.VERSION_BELOW, "3", 4),)),
        (replace(CONTENT, restores=3), ()),
        (replace(CONTENT, restores=2), (Objection(Fault.RESTORES_OTHER, "2"),)),
        (replace(CONTENT, restores=1), (Objection(Fault.RESTORES_UNKNOWN, "1"),)),
        (replace(CONTENT, version=2, restores=1),
         (Objection(Fault.VERSION_BELOW, "2", 4), Objection(Fault.RESTORES_UNKNOWN, "1"))),
    ],
)  # fmt: skip
def test_versions_only_rise_and_what_is_restored_is_what_was(content, found):
    assert of_version(content, BEFORE) == found
    assert of_version(content, None) == ()


def test_an_old_bundle_with_its_good_signatures_stays_out():
    old = replace(CONTENT, version=2, body="two")
    assert faults("ab", content=old) == [Fault.VERSION_BELOW]


def test_what_was_in_force_is_remembered_and_the_oldest_forgotten():
    first = remembered(CONTENT, SIGNERS, None, most=2)
    assert first == Memory(CONTENT, {5: "body"}, SIGNERS)
    second = remembered(replace(CONTENT, version=7, body="seven"), SIGNERS, first, most=2)
    third = remembered(replace(CONTENT, version=9, body="nine"), SIGNERS, second, most=2)
    assert third.bodies == {7: "seven", 9: "nine"}
    assert (first.highest, third.highest) == (5, 9)
    # A book that was cut short still knows its last.
    assert replace(third, bodies={}).highest == 9


@given(st.binary(max_size=80), st.text(max_size=5))
def test_no_bytes_are_a_signature(data, by):
    assert signed_by(CONTENT, (Signature(by, data), Signature("a", data)), SIGNERS) == frozenset()


def test_what_is_signed_says_everything_once():
    seen = {to_be_signed(CONTENT)}
    for field in Content.__struct_fields__:
        value = 8 if field in ("version", "restores") else "z"
        seen.add(to_be_signed(replace(CONTENT, **{field: value})))
    assert len(seen) == 1 + len(Content.__struct_fields__)
