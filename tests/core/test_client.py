"""Where a client is, whom one believes about it, and what its certificate calls it."""

# a case per row

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.client import MOST_HOPS, TrustedProxies, names_in, peer_address, told_address

PROXIES = TrustedProxies((ip_network("10.0.0.0/8"), ip_network("fd00::/8")))
NEAR = TrustedProxies(unix=True)


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("203.0.113.1", "10.1.1.1", "203.0.113.1"),  # nobody's word
        ("10.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", " \t", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1, 203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "198.51.100.1, 203.0.113.7 ,\t10.0.0.2", "203.0.113.7"),
        ("10.0.0.1", "10.0.0.3,10.0.0.2", "10.0.0.3"),  # everybody is ours: the first of them asked
        ("10.0.0.1", "203.0.113.7:4711", "203.0.113.7"),
        ("10.0.0.1", "2001:db8::7", "2001:db8::7"),
        ("10.0.0.1", "[2001:db8::7]:443", "2001:db8::7"),
        ("10.0.0.1", "[2001:db8::7]", "2001:db8::7"),
        ("10.0.0.1", "::ffff:203.0.113.7", "203.0.113.7"),
        ("fd00::1", "203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "unknown", None),
        ("10.0.0.1", "203.0.113.7,", None),
        ("10.0.0.1", "203.0.113.7, nonsense", None),
        ("10.0.0.1", "nonsense, 203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "fe80::1%eth0", None),
        ("10.0.0.1", "999.0.0.1", None),
        ("10.0.0.1", "１２.0.0.1", None),
        ("10.0.0.1", ",".join(["10.0.0.2"] * (MOST_HOPS + 1)), None),
    ],
)
def test_only_trusted_proxies_are_believed_from_the_right(peer, forwarded, expected) -> None:
    found = told_address(ip_address(peer), forwarded.encode(), PROXIES)
    assert found == (ip_address(expected) if expected else None)


def test_a_proxy_over_a_unix_socket_is_believed_if_that_is_said() -> None:
    assert told_address(None, b"203.0.113.7", NEAR, is_unix=True) == ip_address("203.0.113.7")
    assert told_address(None, b"203.0.113.7", PROXIES, is_unix=True) is None
    assert told_address(None, b"203.0.113.7", NEAR) is None
    assert told_address(None, b"", NEAR, is_unix=True) is None


@settings(deadline=None)  # on a machine that has other things to do
@given(st.binary(max_size=200))
def test_whatever_is_forwarded_is_an_address_or_nothing(forwarded: bytes) -> None:
    found = told_address(ip_address("10.0.0.1"), forwarded, PROXIES)
    assert found is None or str(found).encode() in forwarded.lower() or b":" in forwarded or not forwarded.strip()


def test_an_address_of_ipv4_in_ipv6s_clothes_is_one_of_ipv4() -> None:
    assert peer_address("::ffff:10.0.0.1") == ip_address("10.0.0.1")
    assert peer_address("fe80::1%eth0") == ip_address("fe80::1")
    assert peer_address("") is None


@pytest.mark.parametrize(
    ("subject", "alternatives", "expected"),
    [
        ((), (), set()),
        (((("commonName", "bank"),),), (), {"cn:bank"}),
        (((("commonName", "bank"),), (("commonName", "clinic"),)), (), set()),
        (((("commonName", "bank"), ("commonName", "clinic")),), (), set()),
        (((("organizationName", "bank"),),), (("DNS", "a.example"), ("URI", "spiffe://a/b")), {"dns:a.example", "uri:spiffe://a/b"}),
        ((), (("email", "a@b"), ("IP Address", "10.0.0.1"), ("DirName", "x")), {"email:a@b"}),
    ],
)  # fmt: skip
def test_names_are_those_that_can_be_told_apart(subject, alternatives, expected) -> None:
    assert names_in(subject, alternatives) == expected
