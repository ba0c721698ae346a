"""Only a live key, presented as `Bearer <key>`, is somebody."""

import contextlib
import logging

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.core.facts import Tenant
from gateway.errors import Unauthenticated
from gateway.runtime.authn import Authenticator, StoredKey, hash_of, is_well_formed
from gateway.runtime.keyring import Keyring

KEYRING = Keyring(bytes(range(32)))
BANK = Tenant("bank", "default", None)
CLINIC = Tenant("clinic", "hospital", None)
KEY_BANK = "sk-tg-" + "b" * 43
KEY_CLINIC = "sk-tg-" + "c" * 43
AUTHENTICATOR = Authenticator(
    [
        StoredKey("key_1", "bank", hash_of(KEY_BANK, KEYRING)),
        StoredKey("key_2", "clinic", hash_of(KEY_CLINIC, KEYRING)),
    ],
    {"bank": BANK, "clinic": CLINIC},
    KEYRING,
)


@pytest.mark.parametrize(("key", "tenant"), [(KEY_BANK, BANK), (KEY_CLINIC, CLINIC)])
def test_a_live_key_is_its_tenant(key, tenant):
    assert AUTHENTICATOR.identify(f"Bearer {key}".encode()).tenant is tenant


@pytest.mark.parametrize(
    "header",
    [
        None,
        b"",
        b"Bearer",
        b"Bearer ",
        f"Bearer  {KEY_BANK}".encode(),
        f"Bearer {KEY_BANK} ".encode(),
        f" Bearer {KEY_BANK}".encode(),
        f"Bearer\t{KEY_BANK}".encode(),
        f"bearer {KEY_BANK}".encode(),
        f"BEARER {KEY_BANK}".encode(),
        f"Basic {KEY_BANK}".encode(),
        KEY_BANK.encode(),
        f"Bearer {KEY_BANK}, Bearer {KEY_BANK}".encode(),
        f"Bearer {KEY_BANK}\n".encode(),
        f"Bearer {KEY_BANK[:-1]}".encode(),
        f"Bearer {KEY_BANK}b".encode(),
        f"Bearer {KEY_BANK.upper()}".encode(),
        "Bearer ｓｋ-tg-…".encode(),
        b"Bearer \xff\xfe" + b"b" * 43,
        b"Bearer " + b"\0" * 49,
        b"Bearer " + b"b" * 8192,
    ],
)
def test_odd_headers_are_nobody(header):
    with pytest.raises(Unauthenticated):
        AUTHENTICATOR.identify(header)


class _Watch(logging.Handler):
    def __init__(self):
        super().__init__(0)
        self.records = []

    def emit(self, record):
        self.records.append(record)


@given(st.one_of(st.none(), st.binary(max_size=200), st.binary(max_size=100).map(lambda tail: b"Bearer " + tail)))
@example(f"Bearer {KEY_BANK}x".encode())
def test_whatever_is_not_a_live_key_is_401_and_nothing_is_logged(header):
    watch = _Watch()
    root = logging.getLogger()
    root.addHandler(watch)
    try:
        with pytest.raises(Unauthenticated) as caught:
            AUTHENTICATOR.identify(header)
    finally:
        root.removeHandler(watch)
    assert caught.value.http_status == 401
    assert caught.value.detail == ""
    assert watch.records == []


def test_exactly_one_hash_is_computed_whatever_the_header():
    class Counting:
        def __init__(self):
            self.count = 0

        def digest(self, message):
            self.count += 1
            return KEYRING.keyed_hash("api_keys").digest(message)

    for header in (None, b"Basic x", b"Bearer " + b"b" * 8192, f"Bearer {KEY_BANK}".encode(), b"Bearer " + b"x" * 49):
        authenticator = Authenticator([StoredKey("k", "bank", hash_of(KEY_BANK, KEYRING))], {"bank": BANK}, KEYRING)
        counting = Counting()
        authenticator._hash = counting
        with contextlib.suppress(Unauthenticated):
            authenticator.identify(header)
        assert counting.count == 1


def test_a_key_under_another_root_is_nobody():
    other = Keyring(bytes(range(1, 33)))
    authenticator = Authenticator([StoredKey("k", "bank", hash_of(KEY_BANK, other))], {"bank": BANK}, KEYRING)
    with pytest.raises(Unauthenticated):
        authenticator.identify(f"Bearer {KEY_BANK}".encode())


def test_a_gateway_without_keys_lets_nobody_in():
    with pytest.raises(Unauthenticated):
        Authenticator([], {}, KEYRING).identify(f"Bearer {KEY_BANK}".encode())


@pytest.mark.parametrize("stored", ["", "hmac-sha256:", "sha256:" + "0" * 64, "hmac-sha256:" + "G" * 64, "0" * 64])
def test_a_hash_of_another_form_is_refused_at_construction(stored):
    with pytest.raises(ValueError, match="key_9"):
        Authenticator([StoredKey("key_9", "bank", stored)], {"bank": BANK}, KEYRING)


def test_a_key_of_an_unknown_tenant_is_refused_at_construction():
    with pytest.raises(ValueError, match=r"tenants\.yaml"):
        Authenticator([StoredKey("key_9", "bonk", hash_of(KEY_BANK, KEYRING))], {"bank": BANK}, KEYRING)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (KEY_BANK, True),
        ("sk-test", True),
        ("x" * 6, False),
        ("x" * 257, False),
        ("schlüssel" * 3, False),
        ("a b" * 9, False),
    ],
)
def test_what_may_be_a_key(key, expected):
    assert is_well_formed(key) is expected
