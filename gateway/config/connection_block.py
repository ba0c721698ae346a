"""What a pool's block in pools.yaml says of the connections to its endpoints: `tls` and `proxy`.

Paths are as written, from the configuration's folder. Whether the files are there is for whoever opens them to say.
"""

from dataclasses import dataclass

from gateway.config.addresses import is_literal, origin
from gateway.config.secret_source import SecretFile, secret_source
from gateway.core.reading import Reader, Word
from gateway.core.topology import Endpoint, Proxy, Zone, address_of
from gateway.core.written import Node


@dataclass(frozen=True, slots=True)
class ClientFiles:
    """Where a client certificate's chain and its key are."""

    chain: Word
    key: SecretFile


@dataclass(frozen=True, slots=True)
class TlsBlock:
    """Whom a pool trusts, if not whom the system does, and what it shows of itself."""

    ca: Word | None = None
    client: ClientFiles | None = None


def tls(reader: Reader, node: Node | None) -> TlsBlock:
    """`tls: {ca: certs/ca.pem, certificate: certs/gateway.pem, key: {file: secrets/gateway.key}}`."""
    fields = reader.fields(node, "`tls`", ("ca", "certificate", "key"))
    ca, chain = (reader.text(fields.get(name), f"`tls.{name}`") for name in ("ca", "certificate"))
    written_chain, written_key = fields.get("certificate"), fields.get("key")
    if node is not None and fields.get("ca") is None and written_chain is None and written_key is None:
        reader.report(node.at, "`tls` says nothing.", "Name a `ca`, or a `certificate` and its `key`.")
    if node is not None and (written_chain is None) != (written_key is None):
        reader.report(node.at, "In `tls`, `certificate` and `key` belong together.", "Name both or none.")
    key = secret_source(reader, written_key, "`tls.key`")
    if key is None or chain is None:
        return TlsBlock(ca)
    if not isinstance(key, SecretFile):
        reader.report(key.at, "`tls.key` must be a file.", "Write `{file: path}`.")
        return TlsBlock(ca)
    return TlsBlock(ca, ClientFiles(chain, key))


def proxy(reader: Reader, node: Node | None, what: str, zone: Zone | None) -> Proxy | None:
    """`proxy: http://proxy.bank:3128`. It is whom we dial, so that it must lie in the zone itself."""
    word = reader.text(node, what)
    address = origin(reader, word, what)
    if address is None or word is None:
        return None
    if address.is_tls:
        reader.report(word.at, "A proxy is spoken to in plain HTTP; TLS runs inside its tunnel.", "Write `http://`.")
    if zone is not None and is_literal(address.host) and not zone.holds(address_of(address.host)):
        message = f"The proxy lies outside the networks of the zone `{zone.name}`."
        reader.report(word.at, message, "Correct the address, or let the policy's owner extend the zone.")
    return Proxy(address.host, address.port)


def check_behind_proxy(reader: Reader, word: Word, endpoint: Endpoint, zone: Zone | None) -> None:
    """Report an endpoint that must not be reached through a proxy.

    Who answers there only the certificate says, and where a name is only the proxy knows: an address outside the zone
    would pass for one inside.
    """
    if not endpoint.is_tls:
        reader.report(word.at, "Through a proxy an endpoint is reached with TLS only.", "Write `https://`.")
    elif zone is not None and zone.networks is not None and not is_literal(endpoint.host):
        message = f"What a name means to a proxy cannot be checked, and the zone `{zone.name}` is made of networks."
        reader.report(word.at, message, "Write the address itself, or use a zone with `networks: any`.")
