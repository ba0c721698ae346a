"""Who sent this: from the Authorization header to a tenant, or Unauthenticated.

Keys are looked up by their keyed hash (HMAC-SHA256 under the `api_keys` sub-key), so neither this process's memory nor
keys.yaml holds one, and what a look-up's timing could tell is about a hash that nobody outside can compute. Whatever
the header looks like, exactly one hash, one look-up and one constant-time comparison are done.
"""

import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from gateway.core.facts import Tenant
from gateway.errors import Unauthenticated
from gateway.runtime.keyring import Keyring, Purpose

HASH_PREFIX: Final = "hmac-sha256:"
SHORTEST_KEY: Final = 7
GUESSABLE_BELOW: Final = 20
"""Keys that people bring may be short, since theirs are in use already; `keys create` warns below this length."""
LONGEST_KEY: Final = 256

_KEY: Final = re.compile(rb"[A-Za-z0-9._~+/=-]{7,256}")
# Exactly `Bearer`, one space, one key. A header that needs lenience to be read is read differently by somebody.
_PRESENTED: Final = re.compile(b"Bearer " + _KEY.pattern)
# What is hashed when the header holds no key: as long as our own keys are, and too odd to be one.
_NO_KEY: Final = b"\0" * 49
_NOBODY: Final = b"\0" * 32


@dataclass(frozen=True, slots=True)
class StoredKey:
    """One entry of keys.yaml. `hash` is `hmac-sha256:` and 64 hex digits."""

    id: str
    tenant: str
    hash: str


class Caller(NamedTuple):
    """Who sent a request: the tenant, and which of its keys was used."""

    tenant: Tenant
    key_id: str


class Authenticator:
    """Finds the tenant of a credential among `keys`; a key whose tenant does not exist is an error at construction."""

    __slots__ = ("_hash", "_holders")

    def __init__(self, keys: Iterable[StoredKey], tenants: Mapping[str, Tenant], keyring: Keyring) -> None:
        self._hash = keyring.keyed_hash(Purpose.API_KEYS)
        self._holders = {
            (digest := _digest_of(key)): (digest, Caller(_tenant_of(key, tenants), key.id)) for key in keys
        }

    def identify(self, authorization: bytes | None) -> Caller:
        """Whose key the Authorization header carries; raises Unauthenticated for anything else."""
        presented = _NO_KEY
        if authorization is not None and _PRESENTED.fullmatch(authorization):
            presented = authorization[7:]
        digest = self._hash.digest(presented)
        stored, caller = self._holders.get(digest, (_NOBODY, None))
        if not hmac.compare_digest(stored, digest) or caller is None:
            raise Unauthenticated
        return caller


def is_well_formed(key: str) -> bool:
    """Whether `key` could be presented as a credential: 7 to 256 characters that a header may hold."""
    return key.isascii() and _KEY.fullmatch(key.encode()) is not None


def hash_of(key: str, keyring: Keyring) -> str:
    """What keys.yaml stores of `key`."""
    return HASH_PREFIX + keyring.keyed_hash(Purpose.API_KEYS).digest(key.encode()).hex()


def _digest_of(key: StoredKey) -> bytes:
    digits = key.hash.removeprefix(HASH_PREFIX)
    if digits == key.hash or not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise ValueError(f"Key {key.id}: its hash is not `{HASH_PREFIX}` and 64 hex digits.")
    return bytes.fromhex(digits)


def _tenant_of(key: StoredKey, tenants: Mapping[str, Tenant]) -> Tenant:
    if key.tenant not in tenants:
        raise ValueError(f"Key {key.id} belongs to the tenant {key.tenant!r}, which tenants.yaml does not have.")
    return tenants[key.tenant]
