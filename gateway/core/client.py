"""Who a client is before it has shown a credential: its address, and the names that its certificate vouches for.

A forwarded address is believed only of proxies that the operator has listed, from the right, one hop at a time:
whatever stands to the left of the first one who is not listed was written by a stranger.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Final

from gateway.core.access import Networks
from gateway.core.topology import Address, address_of

MOST_HOPS: Final = 32
"""Proxies that a forwarded header may name: more of them are nobody's network."""

_HOP: Final = re.compile(
    r"(?:\[([0-9A-Fa-f:.]{2,45})\](?::[0-9]{1,5})?|([0-9]{1,3}(?:\.[0-9]{1,3}){3})(?::[0-9]{1,5})?)"
)
_SAN_KINDS: Final[Mapping[str, str]] = {"DNS": "dns", "URI": "uri", "email": "email"}


@dataclass(frozen=True, slots=True)
class Client:
    """The other end of a client's connection, or of the one that a trusted proxy has told of.

    `names` are those of its verified certificate, as `dns:…`, `uri:…`, `email:…` or `cn:…`; empty without one.
    `address` is None for a Unix socket and for what nobody could tell.
    """

    address: Address | None = None
    names: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """Whose word about a client's address counts. `unix`: also of whoever comes over a Unix socket."""

    networks: Networks = ()
    unix: bool = False

    def believes(self, address: Address | None, *, is_unix: bool) -> bool:
        """Whether the peer at `address`, or at the other end of a Unix socket, is one of them."""
        return self.unix if is_unix else address is not None and any(address in network for network in self.networks)


def told_address(
    peer: Address | None, forwarded: bytes, proxies: TrustedProxies, *, is_unix: bool = False
) -> Address | None:
    """Where a request comes from whose peer is `peer` and whose `X-Forwarded-For` lines say `forwarded`.

    None where a trusted proxy says something that is no address: then nobody knows.
    """
    if not proxies.believes(peer, is_unix=is_unix):
        return peer
    if not forwarded.strip():
        # A proxy that tells nothing speaks for itself, and one behind a Unix socket has no address.
        return peer
    hops = forwarded.split(b",")
    if len(hops) > MOST_HOPS:
        return None
    address: Address | None = None
    for hop in reversed(hops):
        address = _hop(hop)
        if address is None or not proxies.believes(address, is_unix=False):
            return address
    return address


def peer_address(host: str) -> Address | None:
    """The address of a peer as the system writes it; one of IPv4 in IPv6's clothes is one of IPv4."""
    return _plain(address_of(host))


def names_in(subject: Iterable[Iterable[tuple[str, str]]], alternatives: Iterable[tuple[str, str]]) -> frozenset[str]:
    """The names of a verified certificate, from `subject` and `subjectAltName` as Python's ssl module gives them.

    A common name counts only if there is exactly one: with two, everybody would read another.
    """
    common = [value for part in subject for kind, value in part if kind == "commonName"]
    found = {f"{_SAN_KINDS[kind]}:{value}" for kind, value in alternatives if kind in _SAN_KINDS}
    return frozenset(found | {f"cn:{value}" for value in common if len(common) == 1})


def _hop(text: bytes) -> Address | None:
    try:
        written = text.strip(b" \t").decode("ascii")
    except UnicodeDecodeError:
        return None
    found = _HOP.fullmatch(written)
    return _plain(address_of(written if found is None else found[1] or found[2])) if "%" not in written else None


def _plain(address: Address | None) -> Address | None:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped if mapped is not None else address
