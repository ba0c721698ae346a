"""Sets of public keys as identity providers publish them (RFC 7517): which of them may verify what.

A key verifies only algorithms of its own kind, so that no public key can ever be taken for a shared secret. Keys that
are symmetric, too weak, too large to verify quickly or not for signatures are left out, as are two that answer to the
same name: nobody could say which is meant.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import msgspec

from gateway.wire.tokens import LONGEST_KID, unpadded

LARGEST: Final = 256 << 10
MOST_KEYS: Final = 64
LEAST_BITS: Final = 2048
MOST_BITS: Final = 8192

_RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_CURVES: Final[Mapping[str, tuple[str, int]]] = MappingProxyType(
    {"P-256": ("ES256", 32), "P-384": ("ES384", 48), "P-521": ("ES512", 66)}
)
_decode: Final = msgspec.json.Decoder().decode


class NotAKeySet(Exception):
    """These bytes are no set of keys, or one without any that could be used."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One key. `fields` are its public ones, as RFC 7518 names them; `kid` is empty where it has no name."""

    kid: str
    algorithms: frozenset[str]
    fields: Mapping[str, str]


def read(data: bytes) -> Mapping[tuple[str, str], PublicKey]:
    """The keys of a set by name and algorithm; by an empty name the one that is the only one for its algorithm.

    Raises NotAKeySet.
    """
    try:
        document = _decode(data) if len(data) <= LARGEST else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        document = None
    written = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(written, list) or len(written) > MOST_KEYS:
        raise NotAKeySet
    keys = [key for item in written if (key := _key(item)) is not None]
    names = Counter((key.kid, algorithm) for key in keys for algorithm in key.algorithms)
    users = Counter(algorithm for key in keys for algorithm in key.algorithms)
    found: dict[tuple[str, str], PublicKey] = {}
    for key in keys:
        for algorithm in key.algorithms:
            if key.kid and names[key.kid, algorithm] == 1:
                found[key.kid, algorithm] = key
            if users[algorithm] == 1:
                found["", algorithm] = key
    if not found:
        raise NotAKeySet
    return MappingProxyType(found)


def _key(item: Any) -> PublicKey | None:
    if not isinstance(item, dict) or item.get("use", "sig") != "sig":
        return None
    operations, kid = item.get("key_ops", ["verify"]), item.get("kid", "")
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    if not isinstance(kid, str) or len(kid) > LONGEST_KID:
        return None
    match item.get("kty"):
        case "RSA":
            algorithms, fields = _rsa(item)
        case "EC":
            algorithms, fields = _curve(item)
        case "OKP":
            algorithms, fields = _edwards(item)
        case _:
            return None
    # Where a key says what it is for, it is for nothing else. Newer sets call EdDSA by its curve (RFC 9864).
    if "alg" in item:
        named = "EdDSA" if item["alg"] == "Ed25519" else item["alg"]
        algorithms = tuple(algorithm for algorithm in algorithms if algorithm == named)
    return PublicKey(kid, frozenset(algorithms), MappingProxyType(dict(fields))) if algorithms else None


_NOTHING: Final[tuple[tuple[str, ...], Mapping[str, str]]] = ((), MappingProxyType({}))


def _rsa(item: Mapping[str, Any]) -> tuple[tuple[str, ...], Mapping[str, str]]:
    modulus, exponent = _number(item.get("n")), _number(item.get("e"))
    # An exponent of 1 makes everything its own signature.
    is_sound = LEAST_BITS <= modulus.bit_length() <= MOST_BITS and 3 <= exponent < 1 << 32 and exponent % 2 == 1
    return (_RSA, {"kty": "RSA", "n": item["n"], "e": item["e"]}) if is_sound else _NOTHING


def _curve(item: Mapping[str, Any]) -> tuple[tuple[str, ...], Mapping[str, str]]:
    crv = item.get("crv")
    algorithm, size = _CURVES.get(crv, ("", 0)) if isinstance(crv, str) else ("", 0)
    if not algorithm or not all(_has(item.get(name), size) for name in ("x", "y")):
        return _NOTHING
    return (algorithm,), {"kty": "EC", "crv": str(crv), "x": item["x"], "y": item["y"]}


def _edwards(item: Mapping[str, Any]) -> tuple[tuple[str, ...], Mapping[str, str]]:
    if item.get("crv") != "Ed25519" or not _has(item.get("x"), 32):
        return _NOTHING
    return ("EdDSA",), {"kty": "OKP", "crv": "Ed25519", "x": item["x"]}


def _number(value: Any) -> int:
    data = unpadded(value.encode()) if isinstance(value, str) and value.isascii() else None
    return int.from_bytes(data or b"", "big")


def _has(value: Any, size: int) -> bool:
    data = unpadded(value.encode()) if isinstance(value, str) and value.isascii() else None
    return data is not None and len(data) == size
