"""What gateway.yaml says under `stores`: which Redis keeps the state, and which the cached answers.

A store that is not named stays in each worker's memory. Paths are as written, from the configuration's folder; the
secrets themselves are for whoever reads files to find.
"""

import re
from dataclasses import dataclass
from typing import Final

from gateway.config import connection_block
from gateway.config.addresses import Listen, Tcp, listen
from gateway.config.connection_block import TlsBlock
from gateway.config.secret_source import SecretSource, secret_source
from gateway.core.reading import Fields, Reader
from gateway.core.written import Node, Scalar

PREFIX: Final = "tidegate"
TIMEOUT_S: Final = 0.05
"""How long a command may take: a store in the same building answers in less than one of these fifty milliseconds."""

_PREFIX: Final = re.compile(r"[A-Za-z0-9._:-]{1,40}")
_KNOWN: Final = ("address", "sentinel", "cluster", "tls", "username", "password", "prefix", "timeout")
_PLACES: Final = ("address", "sentinel", "cluster")
_WRITE_ONE: Final = "Write `address: host:6379`, `address: unix:/path`, `sentinel: {…}` or `cluster: [host:6379]`."


@dataclass(frozen=True, slots=True)
class Server:
    """One server, or a name behind which there always is one."""

    address: Listen


@dataclass(frozen=True, slots=True)
class SentinelGroup:
    """Whoever the sentinels at `addresses` say is the primary of `master`."""

    master: str
    addresses: tuple[Tcp, ...]
    username: str | None = None
    password: SecretSource | None = None


@dataclass(frozen=True, slots=True)
class ClusterNodes:
    """A cluster, some nodes of which are at `addresses`."""

    addresses: tuple[Tcp, ...]


StorePlace = Server | SentinelGroup | ClusterNodes


@dataclass(frozen=True, slots=True)
class StoreBlock:
    """One Redis. `tls` is None without TLS; in it, `ca` is None for the authorities that the system trusts."""

    place: StorePlace
    tls: TlsBlock | None = None
    username: str | None = None
    password: SecretSource | None = None
    prefix: str = PREFIX
    timeout_s: float = TIMEOUT_S


@dataclass(frozen=True, slots=True)
class Stores:
    """Where the state is kept and where cached answers are; None is each worker's memory."""

    state: StoreBlock | None = None
    cache: StoreBlock | None = None


def read(reader: Reader, node: Node | None) -> Stores:
    """`stores: {state: {address: 127.0.0.1:6379}}`."""
    fields = reader.fields(node, "`stores`", ("state", "cache"))
    return Stores(_store(reader, fields, "state"), _store(reader, fields, "cache"))


def _store(reader: Reader, stores: Fields, name: str) -> StoreBlock | None:
    node, what = stores.get(name), f"stores.{name}"
    if node is None:
        return None
    fields = reader.fields(node, f"`{what}`", _KNOWN)
    place = _place(reader, fields, what)
    username = reader.text(fields.get("username"), f"`{what}.username`")
    password = _password(reader, fields, what)
    prefix = reader.text(fields.get("prefix"), f"`{what}.prefix`")
    if prefix is not None and not _PREFIX.fullmatch(prefix.text):
        # Braces would decide on which node of a cluster a key is.
        message = f"`{what}.prefix` must be letters, digits and `. _ : -`, at most 40 of them."
        reader.report(prefix.at, message, f"Leave it out for `{PREFIX}`.")
    timeout_s = reader.duration(fields.get("timeout"), f"`{what}.timeout`", least=0.01, most=1.0)
    tls = _tls(reader, fields.get("tls"))
    if username is not None and "password" not in fields:
        reader.report(username.at, f"`{what}` has a user without a password.", "Add `password: {file: path}`.")
    if place is None:
        return None
    return StoreBlock(
        place,
        tls,
        username.text if username is not None else None,
        password,
        prefix.text if prefix is not None else PREFIX,
        timeout_s if timeout_s is not None else TIMEOUT_S,
    )


def _place(reader: Reader, fields: Fields, what: str) -> StorePlace | None:
    named = [name for name in _PLACES if name in fields]
    if len(named) != 1:
        reader.report(fields.at, f"`{what}` must be in exactly one place.", _WRITE_ONE)
        return None
    if named[0] == "address":
        address = _address(reader, fields.get("address"), f"`{what}.address`")
        return Server(address) if address is not None else None
    if named[0] == "cluster":
        nodes = _addresses(reader, fields.get("cluster"), f"`{what}.cluster`")
        return ClusterNodes(nodes) if nodes else None
    return _sentinel(reader, fields.get("sentinel"), f"{what}.sentinel")


def _sentinel(reader: Reader, node: Node | None, what: str) -> SentinelGroup | None:
    known = ("master", "addresses", "username", "password")
    fields = reader.fields(node, f"`{what}`", known, ("master", "addresses"))
    master = reader.name(fields.get("master"), f"`{what}.master`")
    addresses = _addresses(reader, fields.get("addresses"), f"`{what}.addresses`")
    username = reader.text(fields.get("username"), f"`{what}.username`")
    password = _password(reader, fields, what)
    if master is None or not addresses:
        return None
    return SentinelGroup(master.text, addresses, username.text if username is not None else None, password)


def _password(reader: Reader, fields: Fields, what: str) -> SecretSource | None:
    return secret_source(reader, fields.get("password"), f"The password of `{what}`")


def _addresses(reader: Reader, node: Node | None, what: str) -> tuple[Tcp, ...]:
    found = []
    for item in reader.items(node, what):
        address = _address(reader, item, f"Each of {what}")
        if isinstance(address, Tcp):
            found.append(address)
        elif address is not None:
            reader.report(
                item.at, f"Each of {what} must be `host:port`.", "A socket file has no other nodes beside it."
            )
    return tuple(found)


def _address(reader: Reader, node: Node | None, what: str) -> Listen | None:
    word = reader.text(node, what)
    address = listen(reader, word, what)
    if word is not None and isinstance(address, Tcp) and address.port == 0:
        reader.report(word.at, f"{what} needs the port on which the server listens.", "Redis's own is 6379.")
        return None
    return address


def _tls(reader: Reader, node: Node | None) -> TlsBlock | None:
    if not isinstance(node, Scalar):
        return connection_block.tls(reader, node) if node is not None else None
    if node.text != "system":
        reader.report(node.at, "`tls` must say whom we trust.", "Write `tls: system`, or `tls: {ca: file.pem}`.")
    return TlsBlock()
