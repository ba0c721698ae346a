"""Addresses as people write them: where to listen, and where a model server is.

Read by hand, since what is written here is four forms and everything else is an error: no user names, queries,
fragments or schemes that a URL parser would let through.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from gateway.core.reading import Reader, Word
from gateway.core.topology import Endpoint

_LISTEN: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]{1,253})):([0-9]{1,5})")
_URL: Final = re.compile(
    r"(https?)://(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9][A-Za-z0-9.-]{0,252}))(?::([0-9]{1,5}))?(/[A-Za-z0-9._~/-]*)?"
)
_SOCKET: Final = re.compile(r"unix:(/[A-Za-z0-9._~/@+-]{1,100})")
_DOTTED: Final = re.compile(r"[0-9.]+")


@dataclass(frozen=True, slots=True)
class Tcp:
    """Listen on an address. Port 0 takes a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Unix:
    """Listen on a socket file."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


Listen = Tcp | Unix


def listen(reader: Reader, word: Word | None, what: str) -> Listen | None:
    """`127.0.0.1:8080`, `[::1]:8080` or `unix:/path`."""
    if word is None:
        return None
    socket = _SOCKET.fullmatch(word.text)
    if socket is not None:
        return Unix(socket[1])
    found = _LISTEN.fullmatch(word.text)
    if found is not None and int(found[3]) <= 65535 and _is_host(found[1], found[2]):
        return Tcp(found[1] or found[2], int(found[3]))
    reader.report(word.at, f"{what} must be an address.", "Write `127.0.0.1:8080`, `[::1]:8080` or `unix:/path`.")
    return None


def endpoint(reader: Reader, word: Word | None, name: str | None) -> Endpoint | None:
    """`http(s)://host[:port][/base]` or `unix:/path`, under `name` or its own address."""
    if word is None:
        return None
    socket = _SOCKET.fullmatch(word.text)
    if socket is not None:
        return Endpoint(name or socket[1], unix=socket[1])
    found = _URL.fullmatch(word.text)
    if found is None or not _is_host(found[2], found[3]):
        mend = "Write `http://host:port`, `https://host:port/base` or `unix:/path`."
        reader.report(word.at, "This is not the address of a model server.", mend)
        return None
    return _at(reader, word, found, name)


def origin(reader: Reader, word: Word | None, what: str) -> Endpoint | None:
    """`http(s)://host[:port]` and nothing after it."""
    if word is None:
        return None
    found = _URL.fullmatch(word.text)
    if found is None or found[5] or not _is_host(found[2], found[3]):
        reader.report(word.at, f"{what} must be an address without a path.", "Write `http://host:port`.")
        return None
    return _at(reader, word, found, None)


def _at(reader: Reader, word: Word, found: re.Match[str], name: str | None) -> Endpoint | None:
    is_tls = found[1] == "https"
    port = int(found[4]) if found[4] is not None else 443 if is_tls else 80
    if not 1 <= port <= 65535:
        reader.report(word.at, "A port is a number from 1 to 65535.")
        return None
    host = (found[2] or found[3]).lower()
    base = (found[5] or "").rstrip("/")
    shown = f"[{host}]:{port}" if found[2] else f"{host}:{port}"
    return Endpoint(name or shown + base, host, port, is_tls, None, base)


def is_literal(host: str) -> bool:
    """Whether `host` is an IP address and no name."""
    return ":" in host or _DOTTED.fullmatch(host) is not None


def _is_host(v6: str | None, other: str | None) -> bool:
    try:
        if v6 is not None:
            IPv6Address(v6)
        elif other is not None and is_literal(other):
            # `010.1` and `127.1` are addresses to some programs and not to others.
            IPv4Address(other)
    except ValueError:
        return False
    return True
