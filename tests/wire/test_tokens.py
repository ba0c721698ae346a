"""A token is taken apart only as it is written, and what it says of its own key is refused."""

# ruff: noqa: E501  # a case per row

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.wire.tokens import LONGEST, read, unpadded


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(header: object, claims: object = None, signature: str = "c2ln") -> bytes:
    written = [b64(json.dumps(part).encode()) for part in (header, {"a": 1} if claims is None else claims)]
    return ".".join((*written, signature)).encode()


PLAIN = {"alg": "RS256", "kid": "k1", "typ": "JWT"}


def test_a_token_is_read() -> None:
    found = read(token(PLAIN))
    assert (found.algorithm, found.kid, found.claims, found.signature) == ("RS256", "k1", {"a": 1}, b"sig")
    assert found.signed == token(PLAIN).rpartition(b".")[0]
    assert read(token({"alg": "ES256"})).kid == ""
    assert read(token({"alg": "ES256", "typ": "at+jwt", "x5t": "thumb", "anything": [1]})) is not None


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"sk-tg-abc",
        b"a.b.c",
        b"..",
        token(PLAIN) + b".x",
        token(PLAIN) + b"=",
        token(PLAIN) + b" ",
        token(PLAIN).replace(b".", b"..", 1),
        token(PLAIN).rpartition(b".")[0] + b".",
        token([]),
        token("x"),
        token(PLAIN, []),
        token(PLAIN, 7),
        token({}),
        token({"alg": None}),
        token({"alg": ["RS256"]}),
        token(PLAIN | {"kid": 7}),
        token(PLAIN | {"kid": "k" * 257}),
        token(PLAIN | {"typ": "logout+jwt"}),
        token(PLAIN | {"typ": 7}),
        *(token(PLAIN | {name: "x"}) for name in ("jku", "jwk", "x5u", "x5c", "crit", "b64", "enc", "zip")),
        token(PLAIN, {"a": [[]] * 201}),
        token(PLAIN, {"a": "x" * LONGEST}),
        b64(b'{"alg":"RS256"').encode() + b".e30.c2ln",
        b64(b'{"alg":"RS256"}\xff').encode() + b".e30.c2ln",
        token(PLAIN, signature="c2lnA"),
        token(PLAIN, signature="c2x"),  # the last two bits could be any
    ],
)
def test_what_is_no_token_of_ours_is_none(text) -> None:
    assert read(text) is None


@pytest.mark.parametrize(("text", "data"), [(b"c2ln", b"sig"), (b"_-8", b"\xff\xef"), (b"c2x", None), (b"c", None), (b"a+b/", None)])  # fmt: skip
def test_base64_has_one_way_of_being_written(text, data) -> None:
    assert unpadded(text) == data


@settings(deadline=None)  # on a machine that has other things to do
@given(st.binary(max_size=100))
def test_what_is_written_so_is_read_back_and_anything_else_is_nothing(data: bytes) -> None:
    assert unpadded(b64(data).encode()) == data
    found = unpadded(data)
    assert found is None or b64(found).encode() == data
    assert read(data) is None
