"""Stored answers in a real cluster of three: a value and its lead are on one node, whichever it is."""

import contextlib

import pytest

from gateway.core.keyed_hash import KeyedHash
from gateway.ports import Sought
from gateway.stores.redis_cache import RedisCacheStore
from gateway.stores.redis_connection import RedisConnection
from tests.real.test_redis_topologies import Cluster, until

pytestmark = pytest.mark.real

KEYS = [KeyedHash(b"k" * 32).digest(b"%d" % number) for number in range(60)]


async def test_answers_are_shared_out_over_the_nodes_and_led_there() -> None:
    with contextlib.ExitStack() as stack:
        cluster = Cluster(stack)
        await cluster.form()
        redis = RedisConnection(cluster.settings())
        try:
            store = RedisCacheStore(redis)
            await _every_node_knows_the_scripts(cluster, store)
            for key in KEYS:
                assert await store.seek(key, b"me", 60.0) is Sought.OURS
                assert await store.seek(key, b"you", 60.0) is Sought.ANOTHERS
                store.write(key, b"sealed", lives_s=60.0, owner="bank", token=b"me")
                assert await store.seek(key, b"you", 60.0) == b"sealed"
                assert await store.seek(key, b"you", 60.0, anew=True) is Sought.OURS
                store.leave(key, b"you")
                assert await store.seek(key, b"me", 60.0, anew=True) is Sought.OURS
                store.leave(key, b"me")
            # The last lead is given up without anybody waiting for it.
            await until(lambda: sum(sizes(cluster)) == len(KEYS))
            assert min(sizes(cluster)) > 0
            assert redis.failures == {}
        finally:
            await redis.close()


async def _every_node_knows_the_scripts(cluster: Cluster, store: RedisCacheStore) -> None:
    """Where one is not known its text is sent again, and what was sent after it overtakes it: once for each node."""
    for key in KEYS:
        store.write(key, b"first", lives_s=60.0, owner="bank")
        store.leave(key, b"nobody")
        await store.seek(key, b"", 60.0)
    await until(lambda: sum(sizes(cluster)) == len(KEYS))
    for node in cluster.primaries:
        node.ask("FLUSHALL")


def sizes(cluster: Cluster) -> list[int]:
    return [int(node.ask("DBSIZE")[1:]) for node in cluster.primaries]
