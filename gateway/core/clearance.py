"""The capability that opens the door: single-use, for exactly one message, one pool, one label and one epoch.

Minted by `runtime/mint.py`, verified by `runtime/forward.py`, known to nobody else (import-linter). It stops our own
mistakes: a message that was re-targeted, changed after it was scanned, sent twice, or cleared before something was
tightened. It is no defence against hostile code inside the process.
"""

import hmac
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from struct import Struct
from typing import Final

from gateway.core.labels import Label
from gateway.core.message import Message
from gateway.core.topology import Pool

LIFETIME_S: Final = 30.0
"""How long a clearance may wait for its connection: above every connect timeout, far below a policy change."""

_HEAD: Final = Struct("<qqqd6Q")
_PAIR: Final = Struct("<QQ")


class Refusal(StrEnum):
    """Why the door stayed shut."""

    FORGED = "forged"  # the MAC is not ours, or the message is not the one that was cleared
    RETARGETED = "retargeted"  # it is for another pool
    STALE = "stale"  # something was tightened since, or it lay about too long
    SPENT = "spent"  # it was used before
    ABOVE_CLEARANCE = "above clearance"  # its label is above what the pool may see
    OUTSIDE_ZONE = "outside zone"  # the peer is not inside the pool's zone


@dataclass(frozen=True, slots=True)
class Clearance:
    """What was cleared. `nonce` is unique per process, `expires_at` is monotonic seconds, `mac` covers all of it."""

    pool: str
    zone: str
    label: Label
    epoch: int
    nonce: int
    expires_at: float
    mac: bytes


def seal(
    key: bytes, message: Message, pool: Pool, *, label: Label, epoch: int, nonce: int, expires_at: float
) -> Clearance:
    """A clearance for `message` to `pool`. `key` is 16 to 64 secret bytes that live and die with the process."""
    mac = _mac(key, message, pool.name, pool.zone, label, epoch, nonce, expires_at)
    return Clearance(pool.name, pool.zone, label, epoch, nonce, expires_at, mac)


def examine(
    key: bytes, clearance: Clearance, message: Message, pool: Pool, *, epoch: int, now: float
) -> Refusal | None:
    """Why `clearance` does not clear `message` for `pool` at this moment; None if it does.

    Whether it was used before is the door's to know.
    """
    if clearance.pool != pool.name or clearance.zone != pool.zone:
        return Refusal.RETARGETED
    if clearance.epoch != epoch or now > clearance.expires_at:
        return Refusal.STALE
    if clearance.label > pool.clearance:
        return Refusal.ABOVE_CLEARANCE
    expected = _mac(
        key,
        message,
        clearance.pool,
        clearance.zone,
        clearance.label,
        clearance.epoch,
        clearance.nonce,
        clearance.expires_at,
    )
    return None if hmac.compare_digest(expected, clearance.mac) else Refusal.FORGED


def _mac(
    key: bytes, message: Message, pool: str, zone: str, label: Label, epoch: int, nonce: int, expires_at: float
) -> bytes:
    # Numbers and lengths come first, each of a fixed size, so that no two messages share one encoding.
    places = (pool.encode(), zone.encode(), message.method, message.target)
    head = _HEAD.pack(label, epoch, nonce, expires_at, *map(len, places), len(message.headers), len(message.body))
    names = [part for header in message.headers for part in (_PAIR.pack(len(header[0]), len(header[1])), *header)]
    return blake2b(b"".join((head, *places, *names, message.body)), key=key, digest_size=32).digest()
