"""The connection to one Redis: a real server that goes, hangs, loads and comes back, and callers who leave."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.config.addresses import Tcp, Unix
from gateway.ports import StoreUnavailable
from gateway.stores.redis_connection import RedisConnection, Script
from gateway.stores.redis_settings import AtCluster, AtSentinels, AtServer, Login, RedisSettings, StoreTls
from tests.conftest import TlsFiles
from tests.fakes.valkey import Valkey, running_valkey

ECHO = Script("return ARGV[1]")
ONCE_S = 0.5
"""One wait of 50 ms and its grace, and what this machine does besides; two hundred waits would be ten seconds."""


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    with running_valkey() as server:
        yield server


@pytest.fixture
async def redis(valkey: Valkey) -> AsyncIterator[RedisConnection]:
    """One that waits longer than a machine that is busy with other tests makes it wait for a turn."""
    async with valkey.connection(timeout_s=1.0) as connection:
        yield connection


@pytest.fixture
async def hasty(valkey: Valkey) -> AsyncIterator[RedisConnection]:
    """One as it is in earnest."""
    async with valkey.connection() as connection:
        assert connection.settings.timeout_s == 0.05
        yield connection


async def reason_of(redis: RedisConnection, *command: str) -> str:
    with pytest.raises(StoreUnavailable) as raised:
        await redis.execute(*command)
    return raised.value.reason


async def until_up(redis: RedisConnection) -> None:
    async with asyncio.timeout(10):
        while not redis.is_up:  # noqa: ASYNC110 -- it comes back by itself, in a real server's time
            await asyncio.sleep(0.005)


async def test_commands_and_scripts_are_answered(redis: RedisConnection) -> None:
    assert await redis.execute("SET", "text", b"\x00\r\n\xff") == b"OK"
    assert await redis.execute("GET", "text") == b"\x00\r\n\xff"
    assert await redis.execute("GET", "missing") is None
    assert await redis.call(ECHO, ["k"], ["said"]) == b"said"
    assert await redis.call(ECHO, [], [7]) == b"7"


async def test_a_script_that_the_server_has_forgotten_is_sent_again(redis: RedisConnection) -> None:
    assert await redis.call(ECHO, [], ["one"]) == b"one"
    assert await redis.execute("SCRIPT", "FLUSH") == b"OK"
    assert await redis.call(ECHO, [], ["two"]) == b"two"
    assert redis.failures == {}


async def test_an_answer_belongs_to_whoever_asked(redis: RedisConnection) -> None:
    answers = await asyncio.gather(*(redis.call(ECHO, [], [number]) for number in range(500)))
    assert answers == [b"%d" % number for number in range(500)]


@pytest.mark.parametrize("is_open", [True, False])
@pytest.mark.parametrize("turns", range(14))
async def test_who_leaves_while_waiting_leaves_nobody_out_of_step(valkey: Valkey, turns: int, is_open: bool) -> None:
    """Cancelled after any number of turns of the loop: before the write, after it, while its answer is here."""
    async with valkey.connection(timeout_s=1.0) as redis:
        if is_open:
            await redis.open()
        others = [asyncio.ensure_future(redis.call(ECHO, [], [f"other {number}"])) for number in range(3)]
        leaving = [asyncio.ensure_future(redis.call(ECHO, [], [f"leaving {number}"])) for number in range(3)]
        after = [asyncio.ensure_future(redis.call(ECHO, [], [f"after {number}"])) for number in range(3)]
        for _ in range(turns):
            await asyncio.sleep(0)
        for task in leaving:
            task.cancel()
        await asyncio.gather(*leaving, return_exceptions=True)
        assert await asyncio.gather(*others) == [b"other 0", b"other 1", b"other 2"]
        assert await asyncio.gather(*after) == [b"after 0", b"after 1", b"after 2"]
        assert [await redis.call(ECHO, [], [number]) for number in range(20)] == [b"%d" % n for n in range(20)]
        assert redis.failures == {}


async def test_a_refusal_keeps_its_first_word_and_nothing_that_was_sent(redis: RedisConnection) -> None:
    await redis.execute("SET", "text", "secret")
    assert await reason_of(redis, "HGETALL", "text") == "WRONGTYPE"
    assert await reason_of(redis, "NO-SUCH-COMMAND", "secret") == "ERR"
    assert redis.is_up
    assert redis.failures == {"WRONGTYPE": 1, "ERR": 1}


async def test_a_server_that_hangs_costs_one_wait_and_no_more(valkey: Valkey, hasty: RedisConnection) -> None:
    await hasty.execute("SET", "here", "1")
    valkey.pause()
    try:
        began = time.monotonic()
        together = await asyncio.gather(*(hasty.execute("GET", "here") for _ in range(50)), return_exceptions=True)
        assert time.monotonic() - began < ONCE_S
        assert {type(answer) for answer in together} == {StoreUnavailable}
        began = time.monotonic()
        for _ in range(200):
            assert await reason_of(hasty, "GET", "here") == "timeout"
        assert time.monotonic() - began < ONCE_S
        assert not hasty.is_up
    finally:
        valkey.resume()
    await until_up(hasty)
    assert await hasty.execute("GET", "here") == b"1"


async def test_a_server_that_is_gone_costs_nothing_and_is_found_again(valkey: Valkey, hasty: RedisConnection) -> None:
    await hasty.execute("PING")
    valkey.kill()
    try:
        began = time.monotonic()
        for _ in range(20):
            await reason_of(hasty, "GET", "here")
        assert time.monotonic() - began < ONCE_S
    finally:
        valkey.start()
    await until_up(hasty)
    assert await hasty.execute("PING") == b"PONG"


async def test_a_connection_that_was_closed_for_its_age_is_dialled_anew(
    valkey: Valkey, redis: RedisConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.stores.redis_connection._YOUNG_S", 0.0)
    await redis.execute("PING")
    valkey.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    async with asyncio.timeout(5):
        while redis.is_up and redis._carrier is not None:  # noqa: ASYNC110 -- the same
            await asyncio.sleep(0)
    assert await redis.execute("PING") == b"PONG"
    assert redis.failures == {}


async def test_nothing_is_there_at_first(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = str(tmp_path_factory.mktemp("s") / "none.sock")
    redis = RedisConnection(RedisSettings(AtServer(Unix(path))))
    try:
        await redis.open()
        assert not redis.is_up
        assert await reason_of(redis, "PING") == "FileNotFoundError 2"
    finally:
        await redis.close()
    assert await reason_of(redis, "PING") == "FileNotFoundError 2"
    await redis.open()


async def test_a_closed_connection_refuses(valkey: Valkey) -> None:
    redis = RedisConnection(valkey.settings(timeout_s=1.0))
    await redis.execute("PING")
    valkey.pause()
    try:
        waiting = redis.start(("PING",))
        await redis.close()
    finally:
        valkey.resume()
    with pytest.raises(StoreUnavailable):
        await waiting
    assert await reason_of(redis, "PING") == "closed"
    assert not redis.is_up


async def test_who_we_are_is_said_first(valkey: Valkey) -> None:
    valkey.ask("ACL", "SETUSER", "gate", "on", ">a-password", "~*", "+@all")
    async with valkey.connection(login=Login("gate", "a-password"), timeout_s=1.0) as redis:
        assert await redis.execute("ACL", "WHOAMI") == b"gate"
    async with valkey.connection(login=Login("gate", "another"), timeout_s=1.0) as stranger:
        await stranger.open()
        assert await reason_of(stranger, "PING") == "WRONGPASS"


async def test_a_server_that_has_become_a_replica_is_left(valkey: Valkey, redis: RedisConnection) -> None:
    await redis.execute("PING")
    valkey.ask("REPLICAOF", "127.0.0.1", "1")
    try:
        assert await reason_of(redis, "SET", "a", "1") == "READONLY"
        assert not redis.is_up
    finally:
        valkey.ask("REPLICAOF", "NO", "ONE")
    await until_up(redis)
    assert await redis.execute("SET", "a", "1") == b"OK"


async def test_a_server_that_still_loads_is_not_there_yet() -> None:
    """A real one with a thousand keys, slowed down as its own tests do it."""
    with running_valkey() as valkey:
        for number in range(50):
            valkey.ask("MSET", *(word for one in range(20) for word in (f"key {number} {one}", "value")))
        assert valkey.ask("SAVE") == b"+OK\r\n"
        valkey.kill()
        slowly = Valkey(
            "--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024", folder=valkey.folder
        )
        async with slowly.connection(timeout_s=1.0) as redis:
            starting, seen = asyncio.create_task(asyncio.to_thread(slowly.start)), set[str]()
            try:
                async with asyncio.timeout(20):
                    while "LOADING" not in seen or not redis.is_up:
                        with contextlib.suppress(StoreUnavailable):
                            await redis.execute("GET", "key 1 1")
                        seen.add(redis.why_down)
                        await asyncio.sleep(0.005)
                assert await redis.execute("GET", "key 49 19") == b"value"
            finally:
                await starting
                slowly.kill()


async def test_out_of_memory_refuses_writes_and_costs_no_wait(valkey: Valkey, redis: RedisConnection) -> None:
    await redis.execute("SET", "a", "1")
    valkey.ask("CONFIG", "SET", "maxmemory", "1")
    try:
        assert await reason_of(redis, "SET", "a", "2") == "OOM"
        assert await redis.execute("GET", "a") == b"1"
        assert redis.is_up
    finally:
        valkey.ask("CONFIG", "SET", "maxmemory", "0")


class Scripted:
    """A server that says what it is told to say, whatever it is asked."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = list(answers)
        self.heard = b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(4096):
                self.heard += data
                if self._answers:
                    writer.write(self._answers.pop(0))
        writer.close()


@contextlib.asynccontextmanager
async def scripted(path: str, *answers: bytes) -> AsyncIterator[RedisConnection]:
    server = await asyncio.start_unix_server(Scripted(*answers).serve, path)
    redis = RedisConnection(RedisSettings(AtServer(Unix(path))))
    try:
        yield redis
    finally:
        await redis.close()
        server.close()


PONG = b"+PONG\r\n"


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ((b"-LOADING Valkey is loading the dataset in memory\r\n",), "LOADING"),
        ((b"-NOAUTH Authentication required.\r\n",), "NOAUTH"),
        ((b"HTTP/1.1 400 Bad Request\r\n\r\n",), "out of step"),
        ((PONG, b"-LOADING again\r\n"), "LOADING"),
        ((PONG, b"+one\r\n+two\r\n"), "out of step"),
        ((PONG, b"$3\r\nabcdef\r\n"), "out of step"),
        ((PONG, b"$100\r\ncut short"), "timeout"),
        ((), "TimeoutError"),
    ],
)
async def test_who_is_no_redis_or_not_ready_is_left(
    tmp_path_factory: pytest.TempPathFactory, answers: tuple[bytes, ...], reason: str
) -> None:
    async with scripted(str(tmp_path_factory.mktemp("s") / "s"), *answers) as redis:
        with contextlib.suppress(StoreUnavailable):
            await redis.execute("GET", "a")
        assert not redis.is_up
        assert redis.why_down == reason


async def test_more_answers_than_questions_are_never_given_to_anybody(tmp_path_factory: pytest.TempPathFactory) -> None:
    """One who slips in an answer ahead of time is found out before the next question is answered with it."""
    async with scripted(str(tmp_path_factory.mktemp("s") / "s"), PONG, b"+mine\r\n+yours\r\n", b"+x\r\n") as redis:
        assert await redis.execute("GET", "mine") == b"mine"
        assert await reason_of(redis, "GET", "yours") == "out of step"


async def test_reasons_are_counted_apart_only_as_far_as_that_is_bounded(redis: RedisConnection) -> None:
    for number in range(100):
        redis._failed(f"reason {number}")
    assert len(redis.failures) == 33
    assert redis.failures["other"] == 68


@contextlib.asynccontextmanager
async def behind_tls(valkey: Valkey, context: ssl.SSLContext) -> AsyncIterator[int]:
    """A port on which TLS is spoken, and behind it the real server, whose wheel speaks none."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inside, outside = await asyncio.open_unix_connection(valkey.socket)

        async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                while data := await source.read(1 << 16):
                    target.write(data)
            target.close()

        await asyncio.gather(copy(reader, outside), copy(inside, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.mark.parametrize(
    ("trusts", "shows", "is_served"), [(True, True, True), (False, True, False), (True, False, False)]
)
async def test_behind_tls_both_sides_know_each_other(
    valkey: Valkey, tls_files: TlsFiles, trusts: bool, shows: bool, is_served: bool
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(tls_files.ca))
    context.load_cert_chain(tls_files.certificate, tls_files.key)
    context.verify_mode = ssl.CERT_REQUIRED
    own = (tls_files.certificate, tls_files.key) if shows else None
    tls = StoreTls(tls_files.ca if trusts else None, own)
    async with behind_tls(valkey, context) as port:
        redis = RedisConnection(RedisSettings(AtServer(Tcp("localhost", port)), tls=tls, timeout_s=1.0))
        try:
            if is_served:
                assert await redis.execute("PING") == b"PONG"
            else:
                assert await reason_of(redis, "PING") != ""
                assert not redis.is_up
        finally:
            await redis.close()


async def test_a_certificate_that_cannot_be_read_is_no_reason_to_fall_over(valkey: Valkey, tmp_path: Path) -> None:
    tls = StoreTls(tmp_path / "nowhere.pem")
    redis = RedisConnection(RedisSettings(AtServer(Tcp("localhost", 1)), tls=tls))
    try:
        assert await reason_of(redis, "PING") == "FileNotFoundError 2"
    finally:
        await redis.close()


# Somebody who names addresses


@contextlib.asynccontextmanager
async def says(answer: bytes) -> AsyncIterator[Tcp]:
    """Something that knows one answer to whatever asks for an address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(4096):
            writer.write(answer if b"SENTINEL" in data or b"SLOTS" in data else b"+PONG\r\n")

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield Tcp("127.0.0.1", server.sockets[0].getsockname()[1])


def bulk(data: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(data), data)


@pytest.mark.parametrize("is_cluster", [True, False])
@pytest.mark.parametrize(
    ("host", "port"),
    [(b"127.0.0.1", 99_999), (b"a" * 70, 6379), (b"a..b", 6379), (b"\xff", 6379), (b"a\0b", 6379), (b"a", 10**18)],
)
async def test_an_address_that_is_none_makes_nobody_wait_for_ever(host: bytes, port: int, is_cluster: bool) -> None:
    node = b"*2\r\n%b:%d\r\n" % (bulk(host), port)
    slots = b"*1\r\n*3\r\n:0\r\n:16383\r\n" + node
    primary = b"*2\r\n" + bulk(host) + bulk(b"%d" % port)
    async with says(slots if is_cluster else primary) as there:
        place = AtCluster((there,)) if is_cluster else AtSentinels("primary", (there,))
        redis = RedisConnection(RedisSettings(place, timeout_s=0.5))
        try:
            async with asyncio.timeout(10):
                assert await reason_of(redis, "PING") != ""
            assert not redis.is_up
        finally:
            await redis.close()


async def test_a_sentinel_that_names_a_number_without_end_is_one_that_does_not_answer() -> None:
    async with says(b"*2\r\n" + bulk(b"127.0.0.1") + bulk(b"9" * 5000)) as there:
        redis = RedisConnection(RedisSettings(AtSentinels("primary", (there,)), timeout_s=0.5))
        try:
            async with asyncio.timeout(10):
                assert await reason_of(redis, "PING") == "ValueError"
        finally:
            await redis.close()
