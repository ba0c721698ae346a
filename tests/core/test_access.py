"""Limits only add up, and one that is not there limits nothing."""

# ruff: noqa: E501  # a case per row

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.access import (
    APIS,
    Access,
    Scope,
    allows,
    lies_in,
    narrowed,
    reached,
    reaches_api,
    reaches_model,
)
from gateway.wire.requests import Dialect

names = st.none() | st.frozensets(st.sampled_from("abc"))
scopes = st.builds(Scope, names, names)


def nets(*texts: str):
    return tuple(map(ip_network, texts))


def test_a_scope_may_name_every_interface_that_takes_text() -> None:
    assert set(APIS) == set(Dialect)


@pytest.mark.parametrize(
    ("scopes", "api", "model", "expected"),
    [
        ((), "chat", "m", True),
        ((Scope(frozenset({"chat"})),), "chat", "m", True),
        ((Scope(frozenset({"chat"})),), "embeddings", "m", False),
        ((Scope(None, frozenset({"m"})),), "chat", "m", True),
        ((Scope(None, frozenset({"m"})),), "chat", "n", False),
        # Alternatives are not mixed: the interface of one with the model of another reaches nothing.
        ((Scope(frozenset({"chat"}), frozenset({"m"})), Scope(frozenset({"embeddings"}), frozenset({"e"}))), "chat", "e", False),
        ((Scope(frozenset({"chat"}), frozenset({"m"})), Scope(frozenset({"embeddings"}), frozenset({"e"}))), "embeddings", "e", True),
    ],
)  # fmt: skip
def test_a_scope_reaches_models_by_interfaces(scopes, api, model, expected) -> None:
    assert allows(scopes, api, model) is expected


@settings(deadline=None)  # on a machine that has other things to do
@given(scopes, scopes, st.sampled_from("abc"), st.sampled_from("abc"))
def test_what_is_narrowed_reaches_what_both_reach(first: Scope, second: Scope, api: str, model: str) -> None:
    both = allows((first,), api, model) and allows((second,), api, model)
    assert allows((narrowed(first, second),), api, model) is both
    assert allows(reached((first,), second), api, model) is both


@settings(deadline=None)  # on a machine that has other things to do
@given(st.lists(scopes, min_size=1, max_size=4), scopes, st.sampled_from("abc"), st.sampled_from("abc"))
def test_of_alternatives_one_is_enough_and_none_reaches_beyond_the_tenant(many, tenant, api, model) -> None:
    found = reached(many, tenant)
    expected = any(allows((one,), api, model) for one in many) and allows((tenant,), api, model)
    assert allows(found, api, model) is expected
    if expected:
        assert reaches_api(found, api)
        assert reaches_model(found, model)


def test_what_an_interface_or_a_model_is_reached_by_is_told_apart() -> None:
    only = (Scope(frozenset({"chat"}), frozenset({"m"})),)
    assert (reaches_api(only, "chat"), reaches_api(only, "embeddings")) == (True, False)
    assert (reaches_model(only, "m"), reaches_model(only, "n")) == (True, False)
    assert reaches_api((), "chat")
    assert reaches_model((), "m")


@pytest.mark.parametrize(
    ("address", "demanded", "expected"),
    [
        ("10.1.2.3", (), True),
        (None, (), True),
        ("10.1.2.3", (nets("10.0.0.0/8"),), True),
        ("10.1.2.3", (nets("192.0.2.0/24", "10.0.0.0/8"),), True),
        ("10.1.2.3", (nets("10.0.0.0/8"), nets("10.1.0.0/16")), True),
        ("10.9.2.3", (nets("10.0.0.0/8"), nets("10.1.0.0/16")), False),
        ("::1", (nets("10.0.0.0/8"),), False),
        (None, (nets("0.0.0.0/0", "::/0"),), False),
        ("10.1.2.3", ((),), False),
    ],
)
def test_an_address_must_lie_in_each_list(address, demanded, expected) -> None:
    assert lies_in(ip_address(address) if address else None, demanded) is expected


def test_nothing_is_limited_unless_it_is_said() -> None:
    assert Access() == Access(Scope(None, None), None)
