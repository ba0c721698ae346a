"""Where clearances are made: the last look at the decision before bytes may leave.

A clearance is minted per attempt, for the encoded message of one pool that the decision lists. The mint is handed the
decision and checks it again, so that no caller can clear a pool that policy did not name.
"""

import secrets
from collections.abc import Mapping

from gateway.core.clearance import LIFETIME_S, Clearance, seal
from gateway.core.decision import Allow
from gateway.core.keyed_hash import KeyedHash
from gateway.core.labels import Label
from gateway.core.message import Message
from gateway.core.topology import Pool, Zone
from gateway.errors import ClearanceRefused
from gateway.ports import Clock


def new_key() -> bytes:
    """A key for one process: the mint and the door of this worker share it, nobody else ever sees it."""
    return secrets.token_bytes(32)


class Mint:
    """Makes clearances under one process key."""

    def __init__(self, key: bytes, clock: Clock, zones: Mapping[str, Zone]) -> None:
        self._key = KeyedHash(key)
        self._clock = clock
        self._zones = zones
        self._nonce = 0

    def clear(self, allow: Allow, message: Message, pool: Pool, *, ceiling: Label | None, epoch: int) -> Clearance:
        """A clearance for `message` to `pool`.

        `ceiling` is the tenant's: the highest label that may leave for the cloud, None if nothing may. Raises
        ClearanceRefused if the decision does not list the pool or the label is above what the pool may see.
        """
        if pool.name not in allow.to and pool.name not in allow.pools:
            raise ClearanceRefused(detail=f"{pool.name}: not in the decision")
        if allow.label > pool.clearance:
            raise ClearanceRefused(detail=f"{pool.name}: label above the pool's clearance")
        if self._zones[pool.zone].is_cloud and (ceiling is None or allow.label > ceiling):
            raise ClearanceRefused(detail=f"{pool.name}: label above the tenant's ceiling")
        self._nonce += 1
        return seal(
            self._key,
            message,
            pool,
            label=allow.label,
            epoch=epoch,
            nonce=self._nonce,
            expires_at=self._clock.monotonic() + LIFETIME_S,
        )
