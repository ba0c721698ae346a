"""Sealed answers in this process's memory, bounded in bytes: the level that needs no waiting.

What has not been used for longest goes first: of the owner that has more than its share, or else of whoever has most,
so that nobody can crowd out the others. What has expired is gone within a moment, used or not.
"""

import heapq
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

from gateway.ports import Clock, Sought

OVERHEAD: Final = 400
"""What an entry takes beside its value: measured with `tracemalloc` over 10,000 entries (tests/stores)."""

_MOST_STALE: Final = 1_000


class _Entry(NamedTuple):
    value: bytes
    until: float
    owner: str

    @property
    def size(self) -> int:
        return len(self.value) + OVERHEAD


class MemoryCacheStore:
    """Implements `ports.CacheStore`. No owner has more than `share` of the `most` bytes."""

    def __init__(self, clock: Clock, *, most: int, share: float = 1.0) -> None:
        self._clock = clock
        self._most = most
        self._most_each = int(most * share)
        # Each owner's entries, the one that was used last at the end.
        self._shelves: dict[str, OrderedDict[bytes, _Entry]] = {}
        self._sizes: dict[str, int] = {}
        self._owners: dict[bytes, str] = {}
        self._size = 0
        self._due: list[tuple[float, bytes]] = []
        self._leads: dict[bytes, tuple[bytes, float]] = {}

    def read_now(self, key: bytes) -> bytes | None:
        """The value under `key`."""
        owner = self._owners.get(key)
        if owner is None:
            return None
        shelf = self._shelves[owner]
        entry = shelf[key]
        if entry.until <= self._clock.monotonic():
            self._drop(key)
            return None
        shelf.move_to_end(key)
        return entry.value

    async def seek(self, key: bytes, token: bytes, lease_s: float, *, anew: bool = False) -> bytes | Sought:
        """The value under `key`, or who is making it."""
        value = self.read_now(key)
        if value is not None and not anew:
            return value
        now = self._clock.monotonic()
        held = self._leads.get(key)
        if held is not None and held[1] > now and held[0] != token:
            return value if value is not None else Sought.ANOTHERS
        if token:
            self._leads[key] = token, now + lease_s
        return Sought.OURS

    def write(self, key: bytes, value: bytes, *, lives_s: float, owner: str, token: bytes = b"") -> None:
        """Keep `value` for `lives_s` seconds."""
        self.leave(key, token)
        self._drop(key)
        entry = _Entry(value, self._clock.monotonic() + lives_s, owner)
        if entry.size > self._most_each or lives_s <= 0:
            return
        self._shelves.setdefault(owner, OrderedDict())[key] = entry
        self._owners[key] = owner
        self._count(owner, entry.size)
        heapq.heappush(self._due, (entry.until, key))
        while self._sizes[owner] > self._most_each:
            self._drop(next(iter(self._shelves[owner])))
        while self._size > self._most:
            largest = max(self._sizes, key=self._sizes.__getitem__)
            self._drop(next(iter(self._shelves[largest])))
        if len(self._due) > 2 * len(self._owners) + _MOST_STALE:
            self._due = [(self._shelves[owner][key].until, key) for key, owner in self._owners.items()]
            heapq.heapify(self._due)

    def leave(self, key: bytes, token: bytes) -> None:
        """Whoever leads with `token` will not write."""
        held = self._leads.get(key)
        if held is not None and held[0] == token:
            del self._leads[key]

    def sound(self, key: bytes, heard: Callable[[bool], None]) -> None:  # noqa: ARG002 -- the port's signature
        """There always is an answer."""
        heard(True)

    def sweep(self) -> None:
        """Drop what has expired; called about once a second."""
        now = self._clock.monotonic()
        while self._due and self._due[0][0] <= now:
            _, key = heapq.heappop(self._due)
            owner = self._owners.get(key)
            if owner is not None and self._shelves[owner][key].until <= now:
                self._drop(key)
        for key in [key for key, (_, until) in self._leads.items() if until <= now]:
            del self._leads[key]

    def forget(self, owner: str) -> None:
        """Drop all that is `owner`'s."""
        for key in tuple(self._shelves.get(owner, ())):
            self._drop(key)

    @property
    def size(self) -> tuple[int, int]:
        """How many entries there are, and about how many bytes they take."""
        return len(self._owners), self._size

    def _drop(self, key: bytes) -> None:
        owner = self._owners.pop(key, None)
        if owner is None:
            return
        entry = self._shelves[owner].pop(key)
        self._count(owner, -entry.size)
        if not self._shelves[owner]:
            del self._shelves[owner], self._sizes[owner]

    def _count(self, owner: str, size: int) -> None:
        self._sizes[owner] = self._sizes.get(owner, 0) + size
        self._size += size
