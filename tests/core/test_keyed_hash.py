"""The ready-made keyed hash is HMAC-SHA256, and keeps its key to itself."""

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.keyed_hash import KeyedHash


@given(st.binary(min_size=1, max_size=130), st.binary(max_size=300))
def test_it_is_hmac_sha256_for_every_key_and_message(key, message):
    assert KeyedHash(key).digest(message) == hmac.digest(key, message, "sha256")


def test_one_object_serves_many_messages():
    keyed = KeyedHash(b"k")
    assert [keyed.digest(b"a"), keyed.digest(b"b"), keyed.digest(b"a")] == [
        hmac.digest(b"k", message, "sha256") for message in (b"a", b"b", b"a")
    ]


def test_an_empty_key_is_refused():
    with pytest.raises(ValueError, match="needs a key"):
        KeyedHash(b"")


def test_the_key_is_not_shown():
    assert "sesame" not in repr(KeyedHash(b"sesame"))
