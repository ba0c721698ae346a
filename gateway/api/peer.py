"""The other end of a client's connection, as the operating system and a verified certificate tell of it."""

import asyncio

from gateway.core.client import Client, names_in, peer_address


def client_at(transport: asyncio.BaseTransport) -> tuple[Client, bool]:
    """Who is at the other end, and whether that is the other end of a Unix socket.

    Names are those of a certificate that was verified; Python shows no other.
    """
    peer = transport.get_extra_info("peername")
    is_tcp = isinstance(peer, tuple) and bool(peer)
    shown = transport.get_extra_info("peercert")
    names = names_in(shown.get("subject", ()), shown.get("subjectAltName", ())) if shown else frozenset()
    return Client(peer_address(peer[0]) if is_tcp else None, names), not is_tcp
