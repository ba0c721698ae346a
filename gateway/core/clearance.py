"""The capability that opens the door: single-use, for exactly one message, one pool, one label and one epoch.

Minted by `runtime/mint.py`, verified by `runtime/forward.py`, known to nobody else (import-linter). It stops our own
mistakes: a message that was re-targeted, changed after it was scanned, sent twice, or cleared before something was
tightened. It is no defence against hostile code inside the process.
"""

import hmac
from enum import StrEnum
from typing import Final

import msgspec

from gateway.core.keyed_hash import KeyedHash
from gateway.core.labels import Label
from gateway.core.message import Message
from gateway.core.topology import Pool

LIFETIME_S: Final = 30.0
"""How long a clearance may wait for its connection: above every connect timeout, far below a policy change."""

_encode: Final = msgspec.msgpack.Encoder().encode


class Refusal(StrEnum):
    """Why the door stayed shut."""

    FORGED = "forged"  # the MAC is not ours, or the message is not the one that was cleared
    RETARGETED = "retargeted"  # it is for another pool
    STALE = "stale"  # something was tightened since, or it lay about too long
    SPENT = "spent"  # it was used before
    ABOVE_CLEARANCE = "above clearance"  # its label is above what the pool may see
    OUTSIDE_ZONE = "outside zone"  # the peer is not inside the pool's zone


class Clearance(msgspec.Struct, frozen=True, gc=False):
    """What was cleared. `nonce` is unique per process, `expires_at` is monotonic seconds, `mac` covers all of it."""

    pool: str
    zone: str
    label: Label
    epoch: int
    nonce: int
    expires_at: float
    mac: bytes


def seal(
    key: KeyedHash, message: Message, pool: Pool, *, label: Label, epoch: int, nonce: int, expires_at: float
) -> Clearance:
    """A clearance for `message` to `pool`. `key` lives and dies with the process."""
    mac = _mac(key, message, pool.name, pool.zone, label, epoch, nonce, expires_at)
    return Clearance(pool.name, pool.zone, label, epoch, nonce, expires_at, mac)


def examine(
    key: KeyedHash, clearance: Clearance, message: Message, pool: Pool, *, epoch: int, now: float
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
    key: KeyedHash, message: Message, pool: str, zone: str, label: Label, epoch: int, nonce: int, expires_at: float
) -> bytes:
    # MessagePack says type and length before each value, so that no two messages share one encoding.
    head = _encode(
        (
            pool,
            zone,
            label,
            epoch,
            nonce,
            expires_at,
            message.method,
            message.target,
            message.headers,
            len(message.body),
        )
    )
    return key.digest(head, message.body)
