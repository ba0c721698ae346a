"""What has been in force here: kept on disk under this gateway's seal, so that versions only rise, after a restart too.

A book that was changed, or written under another root secret, is no book: then nothing comes into force until somebody
has looked. Deleting it takes the memory away and is told in the log; whoever can delete it can replace the gateway.
"""

import hmac
from pathlib import Path
from typing import Final

import msgspec

from gateway.core.approval import Memory
from gateway.core.keyed_hash import KeyedHash
from gateway.policy.terms import Terms
from gateway.runtime.whole_file import replace_file

FILE: Final = "activations.json"
BOOK_VERSION: Final = 1
MOST_BODIES: Final = 1_000
"""Versions that can be restored."""


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last bundle in force and what is remembered of those before it."""

    memory: Memory
    terms: Terms


class BadBook(Exception):
    """The book is there and cannot be believed. `reason` says why in fixed words."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class _Sealed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    v: int
    entry: msgspec.Raw
    mac: str


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(_Sealed).decode
_decode_entry: Final = msgspec.json.Decoder(Entry).decode


def recall(state_dir: Path, key: KeyedHash) -> Entry | None:
    """What the book says; None if there is none yet. Raises BadBook, and OSError if it cannot be read."""
    try:
        data = (state_dir / FILE).read_bytes()
    except FileNotFoundError:
        return None
    try:
        sealed = _decode(data)
        entry = bytes(sealed.entry)
        if sealed.v != BOOK_VERSION:
            raise BadBook("it is of another version of the gateway")
        if not hmac.compare_digest(key.digest(entry).hex().encode(), sealed.mac.encode()):
            raise BadBook("its seal is not ours")
        return _decode_entry(entry)
    except (msgspec.DecodeError, UnicodeError):
        raise BadBook("it cannot be read") from None


def keep(state_dir: Path, entry: Entry, key: KeyedHash) -> None:
    """Write the book, whole or not at all. Raises OSError."""
    data = _encode(entry)
    replace_file(state_dir / FILE, _encode(_Sealed(BOOK_VERSION, msgspec.Raw(data), key.digest(data).hex())))
