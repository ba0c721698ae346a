"""Which record of replies a worker has: the one that all share, its own, or none that could be trusted."""

from pathlib import Path

from gateway.core.keyed_hash import KeyedHash
from gateway.ports import Clock
from gateway.stores.memory import MemoryTaintStore, NoTaintStore
from gateway.stores.redis_connection import RedisConnection
from gateway.stores.redis_taint import RedisTaintStore
from gateway.stores.sightings import Sightings, claim_first

ReplyStore = MemoryTaintStore | NoTaintStore | RedisTaintStore


def reply_store(
    redis: RedisConnection | None, key: KeyedHash, clock: Clock, *, folder: Path, ttl_s: float, workers: int
) -> ReplyStore:
    """The record for one of `workers`, whose own disk is at `folder`."""
    if redis is not None:
        is_first, sightings = claim_first(folder), Sightings(folder)
        return RedisTaintStore(redis, key, clock, ttl_s=ttl_s, sightings=sightings, is_first=is_first)
    if workers > 1:
        # Each would have a part of the record, and what a part does not know proves nothing.
        return NoTaintStore()
    return MemoryTaintStore(clock, ttl_s=ttl_s, was_lost=not claim_first(folder))
