"""Stored answers are found by whoever may have them, and by nobody else."""

import dataclasses
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.cache_key import Scope, bound_to, framed, key_of, scope_of
from gateway.core.keyed_hash import KeyedHash

KEY = KeyedHash(b"k" * 32)
words = st.text(max_size=6)


@dataclass(frozen=True)
class Asked:
    tenant: str = "bank"
    bundle: str = "b1"
    label: str = "internal"
    route: str = "rest"
    pools: tuple[str, ...] = ("home", "burst")
    dialect: str = "chat"
    request: bytes = b"{}"

    @property
    def scope(self) -> Scope:
        return scope_of(tenant=self.tenant, bundle=self.bundle, label=self.label, route=self.route, pools=self.pools)

    @property
    def key(self) -> bytes:
        return key_of(self.scope, self.dialect, self.request, KEY)


asked = st.builds(
    Asked,
    tenant=words,
    bundle=words,
    label=words,
    route=words,
    pools=st.lists(words, max_size=3).map(tuple),
    dialect=st.sampled_from(["chat", "completions"]),
    request=st.binary(max_size=12),
)


@given(one=asked, other=asked)
def test_two_requests_have_one_key_only_if_everything_is_the_same(one: Asked, other: Asked) -> None:
    assert (one.key == other.key) == (one == other)


@given(one=asked)
def test_the_order_of_the_pools_is_part_of_the_key(one: Asked) -> None:
    turned = dataclasses.replace(one, pools=one.pools[::-1])
    assert (turned.key == one.key) == (turned.pools == one.pools)


def test_nobody_makes_a_tenants_key_without_its_secret() -> None:
    one = Asked()
    assert one.key != key_of(one.scope, one.dialect, one.request, KeyedHash(b"another" * 5))


@given(one=asked, other=asked)
def test_a_value_is_bound_to_its_key_tenant_bundle_and_label(one: Asked, other: Asked) -> None:
    same = (one.tenant, one.bundle, one.label) == (other.tenant, other.bundle, other.label)
    assert (bound_to(one.scope, one.key) == bound_to(other.scope, one.key)) == same
    assert (bound_to(one.scope, one.key) == bound_to(one.scope, other.key)) == (one.key == other.key)


@given(st.lists(st.binary(max_size=4), max_size=4), st.lists(st.binary(max_size=4), max_size=4))
def test_framed_parts_can_be_told_apart(one: list[bytes], other: list[bytes]) -> None:
    assert (framed(*one) == framed(*other)) == (one == other)
