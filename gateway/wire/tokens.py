"""Signed tokens in their compact form (RFC 7515, 7519), taken apart as strictly as they are written.

What a token says of its own key is refused: where keys come from is the operator's to say. Nothing is verified here.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

LONGEST: Final = 8192
"""Characters of a token: beyond that somebody has put all groups of a company into it, and a request's head is full."""

LONGEST_KID: Final = 256
_COMPACT: Final = re.compile(rb"([A-Za-z0-9_-]{2,})\.([A-Za-z0-9_-]{2,})\.([A-Za-z0-9_-]{2,})")
_TYPES: Final = frozenset({"jwt", "at+jwt", "application/at+jwt"})
# Keys, and where to get them, in the hands of whoever wants to be believed; and rules that we do not know.
_REFUSED: Final = frozenset({"jku", "jwk", "x5u", "x5c", "crit", "b64", "enc", "zip"})
_MOST_CONTAINERS: Final = 200
_decode: Final = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it was presented. `signed` is what `signature` is for; `kid` is empty where it names no key."""

    algorithm: str
    kid: str
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes


def read(text: bytes) -> Token | None:
    """The token that `text` is; None if it is none, or one of a kind that we do not take."""
    parts = _COMPACT.fullmatch(text) if len(text) <= LONGEST else None
    if parts is None:
        return None
    header, claims = _object(parts[1]), _object(parts[2])
    signature = unpadded(parts[3])
    if header is None or claims is None or signature is None or not _REFUSED.isdisjoint(header):
        return None
    algorithm, kid, kind = header.get("alg"), header.get("kid", ""), header.get("typ", "jwt")
    if not isinstance(algorithm, str) or not isinstance(kid, str) or len(kid) > LONGEST_KID:
        return None
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        return None
    return Token(algorithm, kid, claims, parts[1] + b"." + parts[2], signature)


def unpadded(text: bytes) -> bytes | None:
    """What `text`, base64 for URLs without padding, stands for; None if it is not written in the one way it can be."""
    try:
        data = base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    # Bits that are left over can be anything to a lenient reader: one token would be several.
    return data if base64.urlsafe_b64encode(data).rstrip(b"=") == text else None


def _object(part: bytes) -> Mapping[str, Any] | None:
    data = unpadded(part)
    if data is None or data.count(b"{") + data.count(b"[") > _MOST_CONTAINERS:
        return None
    try:
        found = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
