"""What was seen in texts that come again: a chat resends its history with every turn.

One bounded store per worker; each tenant reaches it through a handle with a key of its own, so that no tenant can ask
for what another has sent, nor tell by the time it takes (threats.md 17). Keys are keyed hashes, entries hold findings
by their place: there is no text here. What may be remembered, and when it is worth asking, is the scanner's business.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import Final

from gateway.core.findings import Remembered
from gateway.core.keyed_hash import KeyedHash

MAX_ENTRIES: Final = 20_000
MAX_BYTES: Final = 8 << 20
_ENTRY: Final = 300  # bytes of an entry, its key and their places, as measured; each thing seen adds to it
_SEEN: Final = 200
_PART: Final = 250
_KEY: Final = 16


class MemoStore:
    """The least recently used entries of all tenants. Scans in several threads share it."""

    __slots__ = ("_bytes", "_entries", "_lock", "_max_bytes", "_max_entries", "hits", "lookups")

    def __init__(self, *, max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        # The least recently used first. In a plain dict each look for the first passes over all that were forgotten.
        self._entries: OrderedDict[bytes, Remembered] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()
        self.lookups = self.hits = 0

    def recall(self, key: bytes) -> Remembered | None:
        """What was remembered under `key`, if it still is."""
        with self._lock:
            self.lookups += 1
            seen = self._entries.get(key)
            if seen is not None:
                self.hits += 1
                self._entries.move_to_end(key)
            return seen

    def remember(self, key: bytes, seen: Remembered) -> None:
        """Remember `seen`, and forget what has not been asked for the longest."""
        with self._lock:
            before = self._entries.pop(key, None)
            if before is not None:
                self._bytes -= _size(before)
            self._entries[key] = seen
            self._bytes += _size(seen)
            while len(self._entries) > self._max_entries or self._bytes > self._max_bytes:
                _, oldest = self._entries.popitem(last=False)
                self._bytes -= _size(oldest)

    @property
    def size(self) -> tuple[int, int]:
        """How many entries there are, and about how many bytes they take."""
        return len(self._entries), self._bytes


class TenantMemo:
    """One tenant's handle on the store. Behind `ports.Memo`."""

    __slots__ = ("_key", "recall", "remember")

    def __init__(self, store: MemoStore, key: bytes) -> None:
        self._key = key
        self.recall = store.recall
        self.remember = store.remember

    def key_of(self, text: str) -> bytes:
        """The key of one text."""
        return hashlib.blake2b(text.encode(), digest_size=_KEY, key=self._key).digest()

    def key_of_seam(self, keys: Sequence[bytes], form: bytes) -> bytes:
        """The key of texts that meet, by their own keys."""
        return hashlib.blake2b(b"".join(keys), digest_size=_KEY, key=self._key, person=form).digest()

    def keys_of_row(self, pieces: Sequence[bytes], form: bytes) -> list[bytes]:
        """The keys of the first of `pieces`, of the first two, and so on: of the bytes, wherever they are cut."""
        # Half the time of BLAKE2b where the processor knows it; only the digest is short enough not to care.
        row = hashlib.sha256()
        keys = []
        for piece in pieces:
            row.update(piece)
            keys.append(hashlib.blake2b(row.digest(), digest_size=_KEY, key=self._key, person=form).digest())
        return keys

    def __repr__(self) -> str:
        return "TenantMemo(…)"


class Memos:
    """The tenants' handles. What was found by another detector is never found again: its digest is part of the key."""

    __slots__ = ("_digest", "_hash", "_memos", "_store")

    def __init__(self, keyed_hash: KeyedHash, digest: str, store: MemoStore) -> None:
        self._hash = keyed_hash
        self._digest = digest
        self._store = store
        self._memos: dict[str, TenantMemo] = {}  # as many as there are tenants

    def of(self, tenant: str) -> TenantMemo:
        """The memo of the tenant with this id."""
        memo = self._memos.get(tenant)
        if memo is None:
            key = self._hash.digest(f"{self._digest}\n{tenant}".encode())
            memo = self._memos[tenant] = TenantMemo(self._store, key)
        return memo


def _size(seen: Remembered) -> int:
    size = _ENTRY + _SEEN * (len(seen.hits) + len(seen.marks))
    for _, hits, marks in seen.parts:
        size += _PART + _SEEN * (len(hits) + len(marks))
    return size
