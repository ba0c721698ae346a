"""How a record of replies is written down where others could change it: sealed, so that a forgery is seen.

Each value names its own version and what it belongs to, under a MAC that only gateways with the same root secret can
make: a label cannot be lowered, moved to another reply or outlive its time, and the record's era cannot be made to
look older or whole. What this cannot show is that something is no longer there; `stores/redis_taint.py` looks for it.
"""

from typing import Final

import msgspec

from gateway.core.keyed_hash import KeyedHash

_VERSION: Final = b"1"
_MAC_BYTES: Final = 16
_TIME_BYTES: Final = 8
_LATEST_MS: Final = (1 << 62) - 1

ERA_BYTES: Final = 8


class Era(msgspec.Struct, frozen=True, gc=False):
    """One record, from its birth to when something of it is lost: `trusted_from` is when what it lacks proves again
    that it never was. Times are milliseconds of Unix time."""

    id: bytes
    trusted_from: int


class Beat(msgspec.Struct, frozen=True, gc=False):
    """When somebody last saw the record of `era` whole. Milliseconds of Unix time."""

    era: bytes
    at: int


class TaintSeals:
    """Writes and reads the sealed values under one key."""

    def __init__(self, key: KeyedHash) -> None:
        self._key = key

    def era(self, era: Era) -> bytes:
        """An era, written down."""
        return self._sealed(b"era", b"", era.id + _time(era.trusted_from))

    def read_era(self, value: object) -> Era | None:
        """The era that was written down, or None if this is none of ours."""
        body = self._opened(b"era", b"", value)
        if body is None or len(body) != ERA_BYTES + _TIME_BYTES:
            return None
        return Era(body[:ERA_BYTES], int.from_bytes(body[ERA_BYTES:], "big"))

    def beat(self, beat: Beat) -> bytes:
        """A sign of life, written down."""
        return self._sealed(b"beat", b"", beat.era + _time(beat.at))

    def read_beat(self, value: object) -> Beat | None:
        """The sign of life, or None if this is none of ours."""
        body = self._opened(b"beat", b"", value)
        if body is None or len(body) != ERA_BYTES + _TIME_BYTES:
            return None
        return Beat(body[:ERA_BYTES], int.from_bytes(body[ERA_BYTES:], "big"))

    def label(self, mark: bytes, label: str, expires_at: int) -> bytes:
        """That the reply `mark` has `label` until a time."""
        return self._sealed(b"label", _bound(mark, label), _time(expires_at))

    def read_label(self, mark: bytes, label: str, value: object) -> int | None:
        """Until when the reply has the label, or None if nobody of us said so."""
        body = self._opened(b"label", _bound(mark, label), value)
        return int.from_bytes(body, "big") if body is not None and len(body) == _TIME_BYTES else None

    def _sealed(self, kind: bytes, bound: bytes, body: bytes) -> bytes:
        return _VERSION + body + self._mac(kind, bound, body)

    def _opened(self, kind: bytes, bound: bytes, value: object) -> bytes | None:
        if not isinstance(value, bytes) or len(value) <= len(_VERSION) + _MAC_BYTES or not value.startswith(_VERSION):
            return None
        body, mac = value[len(_VERSION) : -_MAC_BYTES], value[-_MAC_BYTES:]
        # Compared as a whole and not in constant time: whoever could try values one by one already holds the store.
        return body if mac == self._mac(kind, bound, body) else None

    def _mac(self, kind: bytes, bound: bytes, body: bytes) -> bytes:
        # Lengths first, so that no two lists of parts share one encoding.
        head = b"%b%b:%d:%d:" % (_VERSION, kind, len(bound), len(body))
        return self._key.digest(head + bound, body)[:_MAC_BYTES]


def _bound(mark: bytes, label: str) -> bytes:
    return b"%d:%b%b" % (len(mark), mark, label.encode())


def _time(ms: int) -> bytes:
    return max(0, min(ms, _LATEST_MS)).to_bytes(_TIME_BYTES, "big")
