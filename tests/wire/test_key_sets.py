"""A published key verifies what it is for, and only keys that are fit for it do."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.claims import ALGORITHMS
from gateway.wire.key_sets import LARGEST, MOST_KEYS, NotAKeySet, read
from tests.fakes.identity_provider import b64, jwk, private_key

RSA, EC, ED = private_key("RS256"), private_key("ES256"), private_key("EdDSA")
RSA_ALGORITHMS = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}


def published(*keys: object) -> bytes:
    return json.dumps({"keys": keys}).encode()


def rsa(kid: str | None = "r", **more) -> dict:
    return jwk(RSA, "RS256", kid, **more)


def ec(kid: str | None = "e", **more) -> dict:
    return jwk(EC, "ES256", kid, **more)


def ed(kid: str | None = "d", **more) -> dict:
    return jwk(ED, "EdDSA", kid, **more)


def test_each_kind_of_key_verifies_its_own_algorithms() -> None:
    found = read(
        published(rsa(), ec(), ed(), jwk(private_key("ES384"), "ES384", "e3"), jwk(private_key("ES512"), "ES512", "e5"))
    )
    by_kid = {kid: {alg for other, alg in found if other == kid} for kid, _ in found if kid}
    assert by_kid == {"r": RSA_ALGORITHMS, "e": {"ES256"}, "d": {"EdDSA"}, "e3": {"ES384"}, "e5": {"ES512"}}
    assert {alg for kid, alg in found if not kid} == set(ALGORITHMS)
    assert dict(found["e", "ES256"].fields) == {name: ec()[name] for name in ("kty", "crv", "x", "y")}


def test_a_key_that_says_what_it_is_for_is_for_nothing_else() -> None:
    assert set(read(published(rsa(alg="PS256")))) == {("r", "PS256"), ("", "PS256")}
    assert set(read(published(ed(alg="Ed25519")))) == {("d", "EdDSA"), ("", "EdDSA")}
    assert ("r", "RS256") in read(published(rsa(key_ops=["verify"])))


def test_a_name_or_no_name_leads_to_one_key_or_to_none() -> None:
    other = jwk(private_key("RS256"), "RS256", "r")
    assert {kid for kid, _ in read(published(rsa(), other, ec()))} == {"e", ""}
    # Two keys of one name for algorithms of their own are told apart by these.
    assert set(read(published(rsa("k", alg="RS256"), ec("k")))) == {
        ("k", "RS256"),
        ("", "RS256"),
        ("k", "ES256"),
        ("", "ES256"),
    }
    assert set(read(published(rsa(None), ec()))) == {("", alg) for alg in RSA_ALGORITHMS} | {
        ("e", "ES256"),
        ("", "ES256"),
    }
    assert ("", "RS256") not in read(published(rsa("a"), jwk(private_key("RS256"), "RS256", "b")))


def modulus(bits: int) -> str:
    return b64(((1 << bits - 1) + 1).to_bytes((bits + 7) // 8, "big"))


@pytest.mark.parametrize(
    "key",
    [
        rsa(use="enc"),
        rsa(key_ops=["encrypt"]),
        rsa(key_ops="verify"),
        {**rsa(), "kid": 7},
        {**rsa(), "kid": "k" * 257},
        {**rsa(), "n": modulus(1024)},
        {**rsa(), "n": modulus(16384)},
        {**rsa(), "n": "***"},
        {**rsa(), "n": "ｎ"},
        {**rsa(), "n": 7},
        {**rsa(), "e": "AQ"},
        {**rsa(), "e": "BA"},
        {**rsa(), "e": b64(b"\x01" + b"\0" * 4 + b"\x01")},
        rsa(alg="HS256"),
        rsa(alg="none"),
        rsa(alg="ES256"),
        rsa(alg=["RS256"]),
        {"kty": "oct", "k": b64(b"s" * 32), "kid": "h"},
        {"kty": "oct", "k": b64(b"s" * 32), "kid": "h", "alg": "HS256"},
        {**ec(), "crv": "secp256k1"},
        {**ec(), "crv": ["P-256"]},
        {**ec(), "crv": "P-384"},
        {**ec(), "x": "AA"},
        {**ec(), "y": None},
        {**ed(), "crv": "X25519"},
        {**ed(), "x": "AA"},
        {"kty": "EC2"},
        {},
        [],
        "key",
        None,
    ],
)  # fmt: skip
def test_a_key_that_is_not_fit_is_left_out(key) -> None:
    with pytest.raises(NotAKeySet):
        read(published(key))
    assert {kid for kid, _ in read(published(key, ed("good")))} == {"good", ""}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"keys": {}}',
        b'{"keys": []}',
        b"\xff",
        b"[" * 100_000,
        published(*[ed(str(number)) for number in range(MOST_KEYS + 1)]),
        published(ed()) + b" " * LARGEST,
    ],
)
def test_what_is_no_set_of_keys_is_refused(data) -> None:
    with pytest.raises(NotAKeySet):
        read(data)


@settings(deadline=None)  # on a machine that has other things to do
@given(st.binary(max_size=200))
def test_garbage_is_no_set_of_keys(data: bytes) -> None:
    with pytest.raises(NotAKeySet):
        read(data)
