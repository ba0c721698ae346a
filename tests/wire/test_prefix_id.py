"""What an endpoint that routes by prefix is told: keyed, of one tenant, pool and day, and never what anybody wrote."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.keyed_hash import KeyedHash
from gateway.core.labels import Label
from gateway.core.topology import Endpoint, Pool, PrefixId, SageMakerPlace, SageMakerTarget, Zone
from gateway.wire.encode import encode
from gateway.wire.prefix_id import prefix_id
from gateway.wire.requests import Dialect, parse

KEY = KeyedHash(b"k" * 32)
DAY = 86_400.0
HEADER = b"x-amzn-sagemaker-prefix-aware-id"


def pool(asked: PrefixId, name: str = "burst", **more) -> Pool:
    target = SageMakerTarget("eu-central-1", prefix_id=asked, **more)
    return Pool(name, "cloud", Label(1), "sagemaker", "m", (Endpoint("e"), Endpoint("f")), sagemaker=target)


def told(asked=PrefixId.BEGINNING, tenant="bank", beginning: int | None = 7, *, at=0.0, name="burst", key=KEY):
    return prefix_id(key, pool(asked, name), tenant, beginning, at=at)


def test_a_pool_that_does_not_ask_for_it_is_told_nothing():
    assert told(PrefixId.NONE) is None
    assert prefix_id(KEY, Pool("home", "onprem", Label(1), "vllm", "m", ()), "bank", 7, at=0.0) is None
    assert told(beginning=None) is None
    assert told(PrefixId.TENANT, beginning=None) is not None


@given(st.text(), st.text(), st.integers(0, 2**64 - 1), st.floats(0, 4e9))
def test_it_is_what_botocore_takes_and_another_for_each_tenant(one, other, beginning, at):
    mine, theirs = (told(PrefixId.BEGINNING, who, beginning, at=at) for who in (one, other))
    assert re.fullmatch(rb"[0-9a-f]{32}", mine)
    assert (mine == theirs) is (one == other)


@pytest.mark.parametrize(
    "other",
    [
        {"tenant": "clinic"},
        {"beginning": 8},
        {"at": DAY},
        {"name": "burst-b"},
        {"key": KeyedHash(b"l" * 32)},
        {"asked": PrefixId.TENANT},
    ],
)
def test_whatever_it_depends_on_makes_it_another(other):
    assert told(**other) != told()


def test_a_tenants_own_is_the_same_however_its_requests_begin():
    assert told(PrefixId.TENANT, beginning=1) == told(PrefixId.TENANT, beginning=2, at=DAY - 1)


def test_it_is_no_plain_digest_of_what_the_balance_goes_by():
    assert told(PrefixId.TENANT)[:32] != KEY.digest(b"bank\n").hex()[:32].encode()


def test_the_message_carries_it_and_the_component_of_its_endpoint():
    places = (("f", SageMakerPlace("eu-west-1", None, "western")),)
    there = pool(PrefixId.TENANT, places=places, inference_component="usual")
    request = parse(Dialect.CHAT, json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]}).encode())
    for endpoint, component in (("e", b"usual"), ("f", b"western")):
        message = encode(request, there, Zone("cloud", None), salt=None, endpoint=endpoint, prefix_id=b"abc")
        headers = dict(message.headers)
        assert headers[HEADER] == b"abc"
        assert headers[b"x-amzn-sagemaker-inference-component"] == component
    assert HEADER not in dict(encode(request, there, Zone("cloud", None), salt=None).headers)
