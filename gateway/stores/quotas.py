"""Which store counts quotas for a worker: Redis where there is one for the state, otherwise its own memory."""

import secrets

from gateway.ports import Clock
from gateway.stores.memory_quota import MemoryQuotaStore
from gateway.stores.redis_connection import RedisConnection
from gateway.stores.redis_quota import RedisQuotaStore


def quota_store(
    redis: RedisConnection | None, clock: Clock, *, workers: int, replicas: int, number: int
) -> MemoryQuotaStore | RedisQuotaStore:
    """The store of the worker with this `number`, from 0, of `workers` in each of `replicas`."""
    parts = workers * replicas
    # Nobody knows which replica he is: the last numbers have the smallest parts, so that all together never have more.
    own = number % workers + (parts - workers)
    alone = MemoryQuotaStore(clock, parts=parts, number=own, is_stand_in=redis is not None)
    if redis is None:
        return alone
    return RedisQuotaStore(redis, alone, clock, holder=secrets.token_hex(6), workers=parts)
