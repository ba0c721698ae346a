"""What gateway.yaml says of clients: whose certificates count, and whose word about an address."""

from ipaddress import ip_network

import pytest

from gateway.config.clients_block import Clients, clients
from gateway.core.client import TrustedProxies

from .reading import read


def told(text: str, *, has_tls: bool = True) -> tuple[Clients, list[str]]:
    return read(text, lambda root, reader: clients(reader, root, has_tls=has_tls))


def test_nothing_said_asks_nobody_and_believes_nobody() -> None:
    found, problems = told("{}\n")
    assert (found, problems) == (Clients(), [])
    assert (found.ca, found.must_certify, found.proxies) == (None, False, None)


def test_everything_can_be_said() -> None:
    found, problems = told("ca: c.pem\ncertificates: optional\ntrusted_proxies: [10.0.0.0/8, unix]\n")
    assert problems == []
    assert (found.ca.text if found.ca else None, found.must_certify) == ("c.pem", False)
    assert found.proxies == TrustedProxies((ip_network("10.0.0.0/8"),), unix=True)
    assert told("trusted_proxies: [10.0.0.0/8]\n")[0].proxies == TrustedProxies((ip_network("10.0.0.0/8"),))


@pytest.mark.parametrize("text", ["ca: c.pem\n", "ca: c.pem\ncertificates: required\n"])
def test_who_names_an_issuer_of_certificates_demands_them_unless_it_is_said_otherwise(text: str) -> None:
    found, problems = told(text)
    assert (found.must_certify, problems) == (True, [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("certificates: required", "1:1: `clients.certificates` needs a `ca`. Name the file of who issues them."),
        ("ca: c.pem\ncertificates: maybe", "2:15: `clients.certificates` must be one of: required, optional."),
        ("trusted_proxies: [10.0.0.1/8]", "1:19: This is not a network."),
        ("trusted_proxies: []", "1:18: `trusted_proxies` must not be empty."),
        ("trusted_proxies: [[]]", "1:19: Each of `trusted_proxies` must be a text"),
        ("proxies: []", "1:1: `clients` has no key `proxies`."),
    ],
)
def test_a_fault_is_told_in_place(text: str, expected: str) -> None:
    _, problems = told(text + "\n")
    assert len(problems) == 1
    assert problems[0].startswith(expected)


def test_certificates_need_tls() -> None:
    _, problems = told("ca: c.pem\n", has_tls=False)
    assert problems == ["1:5: Clients show certificates only over TLS. Add `tls`, or leave `clients.ca` out."]
