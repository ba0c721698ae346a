"""Sub-keys: different for each purpose, the same after a restart, and never the root."""

import base64

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from gateway.runtime.keyring import Keyring, Purpose

ROOT = bytes(range(32))
OTHER = bytes(range(1, 33))


def test_each_purpose_has_its_own_key_and_a_restart_gives_the_same():
    keys = [Keyring(ROOT).key(purpose) for purpose in Purpose]
    assert len({*keys, ROOT}) == len(Purpose) + 1
    assert keys == [Keyring(ROOT).key(purpose) for purpose in Purpose]
    assert set(keys).isdisjoint(Keyring(OTHER).key(purpose) for purpose in Purpose)


def test_keys_are_hkdf_sha256_so_that_another_program_can_derive_them():
    expected = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"tidegate/v1/audit").derive(ROOT)
    assert Keyring(ROOT).key(Purpose.AUDIT) == expected


@given(st.binary(min_size=32, max_size=64))
def test_a_root_is_read_from_hex_and_from_either_base64(root):
    expected = Keyring(root).key(Purpose.MEMO)
    for text in (root.hex(), root.hex().upper(), base64.b64encode(root).decode()):
        # Base64 that happens to be all hex digits is read as hex: the documented form wins.
        if all(c in "0123456789abcdefABCDEF" for c in text) and text.lower() != root.hex():
            continue
        assert Keyring.from_text(f" {text}\n").key(Purpose.MEMO) == expected
    url_safe = base64.urlsafe_b64encode(root).decode().rstrip("=")
    if not all(c in "0123456789abcdefABCDEF" for c in url_safe):
        assert Keyring.from_text(url_safe).key(Purpose.MEMO) == expected


@pytest.mark.parametrize("text", ["", "00" * 31, "swordfish!" * 5, "é" * 40, base64.b64encode(b"short").decode()])
def test_a_root_that_is_short_or_unreadable_is_refused_without_being_quoted(text):
    with pytest.raises(ValueError, match="root secret") as caught:
        Keyring.from_text(text)
    assert not text or text not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_the_root_cannot_be_found_in_a_keyring():
    keyring = Keyring(ROOT)
    assert ROOT.hex() not in repr(keyring)
    assert ROOT not in [value for name in Keyring.__slots__ for value in getattr(keyring, name).values()]


def test_a_cache_salt_is_stable_per_tenant_and_differs_between_tenants_and_roots():
    keyring = Keyring(ROOT)
    assert keyring.cache_salt("bank") == Keyring(ROOT).cache_salt("bank")
    assert len({keyring.cache_salt("bank"), keyring.cache_salt("clinic"), Keyring(OTHER).cache_salt("bank")}) == 3
    assert "bank" not in keyring.cache_salt("bank")
