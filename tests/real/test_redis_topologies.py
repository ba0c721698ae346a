"""A real cluster of three primaries and a replica, and real sentinels: found, lost, and found again."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from gateway.config.addresses import Tcp
from gateway.core.keyed_hash import KeyedHash
from gateway.ports import StoreUnavailable
from gateway.stores.inspection import Seen, inspect
from gateway.stores.redis_cluster import SLOTS, key_of, slot_of
from gateway.stores.redis_connection import RedisConnection, Script
from gateway.stores.redis_settings import AtCluster, AtSentinels, Login, RedisSettings
from gateway.stores.redis_taint import RedisTaintStore
from gateway.stores.rights import acl_line
from gateway.stores.sightings import Sightings
from tests.fakes.clock import FakeClock
from tests.fakes.valkey import Valkey, running_valkey

pytestmark = pytest.mark.real

ECHO = Script("return {KEYS[1], ARGV[1]}")
MARK = b"m" * 16


def free_port() -> int:
    """One whose neighbour 10,000 above, where nodes of a cluster talk to each other, is free as well."""
    while True:
        with socket.socket() as one, socket.socket() as bus:
            one.bind(("127.0.0.1", 0))
            port: int = one.getsockname()[1]
            if port > 55_000:
                continue
            with contextlib.suppress(OSError):
                bus.bind(("127.0.0.1", port + 10_000))
                return port


class Node:
    """One server that listens on a port."""

    def __init__(self, stack: contextlib.ExitStack, *options: str) -> None:
        self.port = free_port()
        self.address = Tcp("127.0.0.1", self.port)
        self.server: Valkey = stack.enter_context(
            running_valkey("--port", str(self.port), "--bind", "127.0.0.1", *options)
        )

    def ask(self, *command: str) -> bytes:
        return self.server.ask(*command)


async def until(true: Callable[[], bool]) -> None:
    """Until a real server has come round to something."""
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 -- other processes
            await asyncio.sleep(0.02)


async def until_answered(redis: RedisConnection, *command: str | bytes) -> object:
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(StoreUnavailable):
                return await redis.execute(*command)
            await asyncio.sleep(0.02)


# A cluster


SHARES = ((0, 5460), (5461, 10922), (10923, 16383))
"""The slots of each primary; the first has the record of replies, and a replica."""


class Cluster:
    def __init__(self, stack: contextlib.ExitStack) -> None:
        options = (
            "--cluster-enabled",
            "yes",
            "--cluster-node-timeout",
            "400",
            "--cluster-replica-validity-factor",
            "0",
        )
        self.nodes = [Node(stack, *options) for _ in range(4)]
        self.primaries, self.replica = self.nodes[:3], self.nodes[3]

    async def form(self) -> None:
        first, *others = self.nodes
        for node, (low, high) in zip(self.primaries, SHARES, strict=True):
            assert node.ask("CLUSTER", "ADDSLOTSRANGE", str(low), str(high)) == b"+OK\r\n"
        for other in others:
            first.ask("CLUSTER", "MEET", "127.0.0.1", str(other.port))
        await until(lambda: all(b"cluster_known_nodes:4" in node.ask("CLUSTER", "INFO") for node in self.nodes))
        self.replica.ask("CLUSTER", "REPLICATE", self.id_of(self.primaries[0]))
        await until(lambda: all(b"cluster_state:ok" in node.ask("CLUSTER", "INFO") for node in self.nodes))
        await until(lambda: b"master_link_status:up" in self.replica.ask("INFO", "replication"))

    def id_of(self, node: Node) -> str:
        return node.ask("CLUSTER", "MYID").split(b"\r\n")[1].decode()

    def primary_of(self, key: bytes) -> Node:
        return next(
            node for node, (low, high) in zip(self.primaries, SHARES, strict=True) if low <= slot_of(key) <= high
        )

    def settings(self, **more: object) -> RedisSettings:
        # Of two, the first is not there: any that is will do.
        places = AtCluster((Tcp("127.0.0.1", 1), self.primaries[1].address))
        return RedisSettings(places, timeout_s=0.2, **more)  # type: ignore[arg-type]


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    with contextlib.ExitStack() as stack:
        cluster = Cluster(stack)
        await cluster.form()
        yield cluster


async def test_a_cluster_of_three(cluster: Cluster, tmp_path: Path) -> None:
    redis = RedisConnection(cluster.settings())
    try:
        # Every node has some of these keys, scripts are sent to each that does not know them.
        for number in range(60):
            assert await redis.execute("SET", f"k{number}", number) == b"OK"
        for number in range(60):
            assert await redis.execute("GET", f"k{number}") == b"%d" % number
            assert await redis.call(ECHO, [f"k{number}"], [number]) == [b"k%d" % number, b"%d" % number]
        sizes = [int(node.ask("DBSIZE")[1:]) for node in cluster.primaries]
        assert min(sizes) > 0
        assert sum(sizes) == 60
        assert redis.failures == {}
        await _lets_a_user_with_the_least_rights_in(cluster)
        await _moves(cluster, redis)
        await _fails_over(cluster, redis, tmp_path)
        await _is_not_there_with_a_node_less(cluster)
    finally:
        await redis.close()


async def _moves(cluster: Cluster, redis: RedisConnection) -> None:
    """A slot on its way to another node, and there: asked for once here and once there, and then known."""
    here, there = cluster.primaries[1], cluster.primaries[2]
    key = next(key for key in (f"m{number}" for number in range(1000)) if cluster.primary_of(key.encode()) is here)
    slot = str(slot_of(key.encode()))
    await redis.execute("SET", key, "value")
    there.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", cluster.id_of(here))
    here.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", cluster.id_of(there))
    assert await redis.execute("GET", key) == b"value"
    here.ask("MIGRATE", "127.0.0.1", str(there.port), key, "0", "5000")
    assert await redis.execute("GET", key) == b"value"  # asked there, with ASKING
    for node in (there, here, cluster.primaries[0]):
        node.ask("CLUSTER", "SETSLOT", slot, "NODE", cluster.id_of(there))
    assert await redis.execute("GET", key) == b"value"  # moved
    assert await redis.call(ECHO, [key], ["x"]) == [key.encode(), b"x"]


async def _fails_over(cluster: Cluster, redis: RedisConnection, tmp_path: Path) -> None:
    """A primary that has the record of replies dies: nobody waits twice, and its replica has everything."""
    dying = cluster.primaries[0]
    assert cluster.primary_of(b"{replies}") is dying
    store = RedisTaintStore(
        redis, KeyedHash(b"k" * 32), FakeClock(), ttl_s=1000.0, sightings=Sightings(tmp_path), is_first=True
    )
    await store.look()
    store.remember([MARK], "restricted")
    assert await store.read([MARK]) == {MARK: {"restricted"}}
    await until(lambda: b"slave_repl_offset" in cluster.replica.ask("INFO", "replication"))
    loop = asyncio.get_running_loop()
    dying.server.kill()
    began = loop.time()
    for number in range(200):
        with contextlib.suppress(StoreUnavailable):
            await redis.execute("GET", f"k{number}")
    assert loop.time() - began < 2.0
    assert await store.read([MARK]) in (None, {MARK: {"restricted"}})
    await until_answered(redis, "SET", "k1", "again")
    await until(lambda: redis.is_up)
    assert b"role:master" in cluster.replica.ask("INFO", "replication")
    await store.look()
    assert await store.read([MARK]) in (None, {MARK: {"restricted"}})


async def _lets_a_user_with_the_least_rights_in(cluster: Cluster) -> None:
    found = cluster.settings(login=Login("gate", "a-password"))
    for node in cluster.nodes:
        assert node.ask(*acl_line("state", found).replace("PASSWORD", "a-password").split()) == b"+OK\r\n"
    seen = await inspect("state", found)
    assert isinstance(seen, Seen)
    assert (seen.lacking, seen.evicts, seen.may_do_more) == ((), False, False)


async def _is_not_there_with_a_node_less(cluster: Cluster) -> None:
    cluster.primaries[2].server.kill()
    redis = RedisConnection(cluster.settings())
    try:
        await redis.open()
        assert not redis.is_up
        with pytest.raises(StoreUnavailable):
            await redis.execute("GET", "a")
    finally:
        await redis.close()


@pytest.mark.parametrize(
    ("parts", "key"),
    [
        (("GET", "a"), b"a"),
        (("EVAL", "return 1", 1, b"k"), b"k"),
        (("EVALSHA", "sha", 0), None),
        (("eval", "return 1", 1, 7), b"7"),
        (("PING",), None),
        (("INFO", "memory"), None),
    ],
)
def test_the_key_of_a_command(parts: tuple[str | bytes | int, ...], key: bytes | None) -> None:
    assert key_of(parts) == key


@pytest.mark.parametrize(
    ("key", "like"),
    [(b"a{tag}b", b"tag"), (b"{tag}", b"tag"), (b"{}a", b"{}a"), (b"a{b", b"a{b"), (b"a}b{c}", b"c")],
)
def test_a_hash_tag_decides(key: bytes, like: bytes) -> None:
    assert slot_of(key) == slot_of(like) < SLOTS
    assert slot_of(b"123456789") == 12739  # the cluster's own example


# Sentinels


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[tuple[Node, Node, Tcp]]:
    with contextlib.ExitStack() as stack:
        primary = Node(stack)
        replica = Node(stack, "--replicaof", f"127.0.0.1 {primary.port}")
        port = free_port()
        conf = tmp_path / "sentinel.conf"
        conf.write_text(
            f"port {port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {primary.port} 1\n"
            "sentinel down-after-milliseconds main 300\nsentinel failover-timeout main 2000\n"
        )
        sentinel = Valkey(folder=tmp_path)
        stack.callback(sentinel.kill)
        sentinel.start_as(str(conf), "--sentinel", "--unixsocket", sentinel.socket)
        yield primary, replica, Tcp("127.0.0.1", port)


async def test_sentinels_say_who_is_the_primary(sentinels: tuple[Node, Node, Tcp]) -> None:
    primary, replica, sentinel = sentinels
    await until(lambda: b"master_link_status:up" in replica.ask("INFO", "replication"))
    redis = RedisConnection(RedisSettings(AtSentinels("main", (Tcp("127.0.0.1", 1), sentinel)), timeout_s=0.2))
    try:
        assert await until_answered(redis, "SET", "a", "1") == b"OK"
        await until(lambda: b"1" in replica.ask("GET", "a"))
        primary.server.kill()
        began = asyncio.get_running_loop().time()
        for _ in range(100):
            with pytest.raises(StoreUnavailable):
                await redis.execute("GET", "a")
        assert asyncio.get_running_loop().time() - began < 0.5
        assert await until_answered(redis, "GET", "a") == b"1"
        assert b"role:master" in replica.ask("INFO", "replication")
        assert await redis.execute("SET", "a", "2") == b"OK"
    finally:
        await redis.close()


async def test_a_name_that_no_sentinel_knows_is_nobody(sentinels: tuple[Node, Node, Tcp]) -> None:
    redis = RedisConnection(RedisSettings(AtSentinels("other", (sentinels[2],)), timeout_s=0.2))
    try:
        await redis.open()
        assert redis.why_down == "the sentinel knows no such primary"
    finally:
        await redis.close()
