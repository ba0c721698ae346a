"""The root secret's children: one sub-key per purpose, by HKDF-SHA256.

Every sub-key is derived when the keyring is made and the root is forgotten, so that nothing that holds a keyring can
show the root, and a purpose that is not listed here has no key. Where the root comes from is not known here.
"""

import base64
import binascii
from enum import StrEnum
from typing import Final, Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.core.keyed_hash import KeyedHash

ROOT_BYTES: Final = 32
_HEX: Final = frozenset("0123456789abcdefABCDEF")


class Purpose(StrEnum):
    """What a sub-key is for. The value goes into its derivation: renaming one changes the key."""

    API_KEYS = "api_keys"  # hashes of API keys in keys.yaml
    AUDIT = "audit"  # the keyed hash on each audit record
    MESSAGES = "messages"  # digests of cleared messages, in intents: never the key that seals the records
    CLEARANCE = "clearance"  # mixed with this process's own randomness before use
    CACHE_SALT = "cache_salt"  # what keeps tenants' prefix caches apart
    MEMO = "memo"  # keys of the detector's memo
    TAINT = "taint"  # keys of remembered replies
    TAINT_STORE = "taint_store"  # seals on the record of replies where it is kept outside
    BALANCE = "balance"  # what stands for the beginning of a request when an endpoint is chosen
    CACHE_KEYS = "cache_keys"  # wraps the tenants' own keys for stored answers
    TOKENS = "tokens"  # what stands for the bearer of a token
    ACTIVATIONS = "activations"  # the seal on what has been in force
    CERTIFICATES = "certificates"  # the supervisor's seal on what a proof says


class Keyring:
    """Sub-keys of one root secret of at least 32 bytes."""

    __slots__ = ("_hashes", "_keys")

    def __init__(self, root: bytes) -> None:
        if len(root) < ROOT_BYTES:
            raise ValueError(
                f"The root secret must be at least {ROOT_BYTES} bytes; create one with `openssl rand -hex 32`."
            )
        self._keys = {purpose: _derive(root, purpose) for purpose in Purpose}
        self._hashes = {purpose: KeyedHash(key) for purpose, key in self._keys.items()}

    @classmethod
    def from_text(cls, text: str) -> Self:
        """The keyring of a root secret written as hex or base64, standard or URL-safe; outer white space is ignored."""
        return cls(_decode(text.strip()))

    def key(self, purpose: Purpose) -> bytes:
        """The 32 bytes for `purpose`."""
        return self._keys[purpose]

    def keyed_hash(self, purpose: Purpose) -> KeyedHash:
        """HMAC-SHA256 under the sub-key for `purpose`."""
        return self._hashes[purpose]

    def cache_salt(self, tenant: str) -> str:
        """What is sent to engines as `cache_salt`: equal for one tenant, unguessable, says nothing about the tenant."""
        return self._hashes[Purpose.CACHE_SALT].digest(tenant.encode()).hex()

    def __repr__(self) -> str:
        return "Keyring(…)"


def _derive(root: bytes, purpose: Purpose) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"tidegate/v1/{purpose}".encode()).derive(root)


def _decode(text: str) -> bytes:
    # 64 hex digits are also base64; hex is what the documentation shows, so it is read first.
    if len(text) % 2 == 0 and _HEX.issuperset(text):
        return bytes.fromhex(text)
    try:
        standard = text.translate({ord("-"): "+", ord("_"): "/"})
        return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except (binascii.Error, ValueError):
        # From None: a decoding error quotes its input, which is the secret.
        raise ValueError("The root secret is neither hex nor base64; create one with `openssl rand -hex 32`.") from None
