"""HMAC-SHA256 under one key, made ready once.

The two padded key blocks are hashed at construction and copied per message: 0.9 µs where `hmac.digest` takes 2.3 µs
with OpenSSL 3, and the hot path hashes a credential per request and a record per answer. `tests/core` compares it with
the standard library's `hmac` on every key and message length.
"""

import hashlib
from typing import Final

_BLOCK: Final = 64
_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))


class KeyedHash:
    """HMAC-SHA256 with a fixed key. The key cannot be read back, and `repr` does not show it."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        if not key:
            raise ValueError("A keyed hash needs a key.")
        short = key if len(key) <= _BLOCK else hashlib.sha256(key).digest()
        block = short.ljust(_BLOCK, b"\0")
        self._inner = hashlib.sha256(block.translate(_INNER))
        self._outer = hashlib.sha256(block.translate(_OUTER))

    def digest(self, message: bytes, more: bytes = b"") -> bytes:
        """The 32 bytes for `message` and `more`, one after the other."""
        inner = self._inner.copy()
        inner.update(message)
        if more:
            inner.update(more)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()

    def __repr__(self) -> str:
        return "KeyedHash(…)"
