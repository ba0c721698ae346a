"""`clients` in gateway.yaml: whose certificates vouch for clients, and which proxies say where clients are.

Without it nobody is asked for a certificate, and the address of a client is that of its connection.
"""

from dataclasses import dataclass
from typing import Final

from gateway.config.access_block import networks
from gateway.core.client import TrustedProxies
from gateway.core.reading import Reader, Word
from gateway.core.written import Node

REQUIRED: Final = "required"
OPTIONAL: Final = "optional"
_UNIX: Final = "unix"


@dataclass(frozen=True, slots=True)
class Clients:
    """`ca` is the file of those who issue clients' certificates; `must_certify` says that there is no way in without.

    `proxies` of None: nobody's word about an address counts.
    """

    ca: Word | None = None
    must_certify: bool = False
    proxies: TrustedProxies | None = None


def clients(reader: Reader, node: Node | None, *, has_tls: bool) -> Clients:
    """`{ca: certs/clients.pem, certificates: optional, trusted_proxies: [10.0.0.0/8, unix]}`."""
    fields = reader.fields(node, "`clients`", ("ca", "certificates", "trusted_proxies"))
    ca = reader.text(fields.get("ca"), "`clients.ca`")
    choice = reader.one_of(fields.get("certificates"), "`clients.certificates`", (REQUIRED, OPTIONAL))
    if ca is not None and not has_tls:
        reader.report(ca.at, "Clients show certificates only over TLS.", "Add `tls`, or leave `clients.ca` out.")
    if ca is None and choice is not None:
        reader.report(fields.at, "`clients.certificates` needs a `ca`.", "Name the file of who issues them.")
    proxies = None
    written = fields.get("trusted_proxies")
    if written is not None:
        words = [reader.text(item, "Each of `trusted_proxies`") for item in reader.items(written, "`trusted_proxies`")]
        named = tuple(word for word in words if word is not None and word.text != _UNIX)
        proxies = TrustedProxies(
            networks(reader, named), any(word is not None and word.text == _UNIX for word in words)
        )
    return Clients(ca, ca is not None and choice != OPTIONAL, proxies)
