"""The least rights: they are what is sent, they are enough for every store, and `doctor` sees what is amiss."""

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import gateway.stores
from gateway.cli import checkup_stores
from gateway.cli.checkup import State
from gateway.cli.doctor_words import MENDS, SAYS
from gateway.config.addresses import Tcp, Unix
from gateway.core.keyed_hash import KeyedHash
from gateway.policy.words import Language, fill
from gateway.ports import StoreUnavailable
from gateway.stores.inspection import Seen, Unreachable, inspect
from gateway.stores.redis_cache import RedisCacheStore
from gateway.stores.redis_connection import RedisConnection
from gateway.stores.redis_settings import (
    AtCluster,
    AtSentinels,
    AtServer,
    Login,
    RedisSettings,
    StoreSettings,
    StoreTls,
)
from gateway.stores.redis_taint import RedisTaintStore
from gateway.stores.rights import RIGHTS, acl_line, rights_of
from gateway.stores.sightings import Sightings
from tests.fakes.clock import FakeClock
from tests.fakes.valkey import Valkey, running_valkey

FOLDER = Path(gateway.stores.__file__).parent
STATE_FILES = ("redis_taint.py", "redis_quota.py", "quota.lua", "quota_script.py", "redis_connection.py")
LOGIN = Login("gate", "a-password")
SEEN = Seen("Valkey", (9, 1, 2), "run", False, (), False)
HERE = RedisSettings(AtServer(Unix("/run/valkey.sock")))


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    with running_valkey() as server:
        yield server


def settings(valkey: Valkey, store: str) -> RedisSettings:
    """As a user who has exactly what the line for `store` gives him."""
    found = valkey.settings(login=LOGIN, timeout_s=1.0)
    line = acl_line(store, found).replace("PASSWORD", "a-password").split()
    valkey.ask("ACL", "DELUSER", "gate")
    assert valkey.ask(*line) == b"+OK\r\n"
    return found


@pytest.fixture
async def as_state(valkey: Valkey) -> AsyncIterator[RedisConnection]:
    redis = RedisConnection(settings(valkey, "state"))
    yield redis
    await redis.close()


def commands_in(*names: str) -> set[str]:
    text = "".join((FOLDER / name).read_text("utf-8") for name in names)
    inside = re.findall(r"redis\.call\(\s*['\"]([A-Za-z]+)['\"]", text)
    sent = re.findall(r"(?:execute|send|start)\(\(?\s*\"([A-Z]+)\"", text)
    return {command.lower() for command in (*inside, *sent)}


def test_the_rights_are_the_commands_that_are_sent() -> None:
    always = {"ping", "info", "eval", "evalsha"}
    assert commands_in(*STATE_FILES) | always == set(RIGHTS["state"])
    assert commands_in("redis_cache.py", "redis_connection.py") | always == set(RIGHTS["cache"])


async def test_the_record_of_replies_needs_no_more(as_state: RedisConnection, tmp_path: Path) -> None:
    clock, sightings = FakeClock(), Sightings(tmp_path)
    store = RedisTaintStore(as_state, KeyedHash(b"k" * 32), clock, ttl_s=100.0, sightings=sightings, is_first=True)
    await store.look()
    store.remember([b"m" * 16], "restricted")
    assert await store.read([b"m" * 16]) == {b"m" * 16: {"restricted"}}
    assert as_state.failures == {}


async def test_cached_answers_need_no_more(valkey: Valkey) -> None:
    redis = RedisConnection(settings(valkey, "cache"))
    try:
        store = RedisCacheStore(redis)
        store.write(b"key", b"value", lives_s=10.0, owner="tenant")
        assert await store.seek(b"key", b"token", 1.0) == b"value"
        assert redis.failures == {}
    finally:
        await redis.close()


async def test_beyond_the_prefix_there_is_nothing_for_us(as_state: RedisConnection, valkey: Valkey) -> None:
    valkey.ask("SET", "others", "secret")
    for command in (("MGET", "others"), ("SET", "others", "x"), ("CONFIG", "GET", "*"), ("KEYS", "*"), ("FLUSHALL",)):
        with pytest.raises(StoreUnavailable) as raised:
            await as_state.execute(*command)
        assert raised.value.reason == "NOPERM"


# What doctor sees


@pytest.mark.parametrize("store", ["state", "cache"])
async def test_a_user_with_the_least_rights_lacks_nothing_and_has_nothing_more(valkey: Valkey, store: str) -> None:
    seen = await inspect(store, settings(valkey, store))
    assert isinstance(seen, Seen)
    assert (seen.kind, seen.evicts, seen.lacking, seen.may_do_more) == ("Valkey", False, (), False)
    assert seen.version >= (9, 0)
    assert seen.run != ""


async def test_what_is_lacking_is_named(valkey: Valkey) -> None:
    found = settings(valkey, "state")
    valkey.ask("ACL", "SETUSER", "gate", "-zadd", "-info")
    seen = await inspect("state", found)
    assert isinstance(seen, Seen)
    assert (seen.lacking, seen.evicts) == (("info", "zadd"), None)


async def test_a_user_who_may_do_everything_is_said_to(valkey: Valkey) -> None:
    seen = await inspect("state", valkey.settings())
    assert isinstance(seen, Seen)
    assert seen.may_do_more


async def test_nothing_is_left_behind(valkey: Valkey) -> None:
    await inspect("state", settings(valkey, "state"))
    left = int(valkey.ask("PTTL", "tidegate:{doctor}:1:probe")[1:])
    assert left == -2 or 0 < left <= 1000


async def test_one_that_is_not_there_says_why(tmp_path: Path) -> None:
    found = await inspect("state", RedisSettings(AtServer(Unix(str(tmp_path / "none")))))
    assert found == Unreachable("FileNotFoundError 2")


@pytest.mark.parametrize(
    ("place", "more"),
    [
        (AtServer(Tcp("r", 1)), ()),
        (AtSentinels("m", (Tcp("s", 1),)), ("role",)),
        (AtCluster((Tcp("c", 1),)), ("cluster|slots", "asking")),
    ],
)
def test_sentinels_and_clusters_need_a_little_more(
    place: AtServer | AtSentinels | AtCluster, more: tuple[str, ...]
) -> None:
    assert rights_of("state", RedisSettings(place))[len(RIGHTS["state"]) :] == more
    assert acl_line("state", RedisSettings(place)).startswith("ACL SETUSER tidegate on >PASSWORD resetkeys ~tidegate:*")


def told(name: str, settings: RedisSettings, found: Seen | Unreachable) -> list[tuple[State, str]]:
    return [(check.state, check.key) for check in checkup_stores.of_store(name, settings, found)]


@pytest.mark.parametrize(
    ("name", "found", "expected"),
    [
        ("state", SEEN, [(State.LIVE, "store")]),
        ("state", Unreachable("TimeoutError"), [(State.WRONG, "store_gone")]),
        ("state", replace(SEEN, evicts=True), [(State.WRONG, "store_evicts"), (State.LIVE, "store")]),
        ("state", replace(SEEN, evicts=None), [(State.WRONG, "store_mute"), (State.LIVE, "store")]),
        ("cache", replace(SEEN, evicts=True), [(State.LIVE, "store")]),
        ("state", replace(SEEN, lacking=("zadd",)), [(State.WRONG, "store_lacks"), (State.LIVE, "store")]),
        ("state", replace(SEEN, may_do_more=True), [(State.MISSING, "store_open"), (State.LIVE, "store")]),
        ("state", replace(SEEN, kind="Redis", version=(6, 0)), [(State.WRONG, "store_old"), (State.LIVE, "store")]),
        ("state", replace(SEEN, version=()), [(State.LIVE, "store")]),
    ],
)
def test_each_thing_that_is_amiss_is_said(
    name: str, found: Seen | Unreachable, expected: list[tuple[State, str]]
) -> None:
    assert told(name, HERE, found) == expected


@pytest.mark.parametrize(
    ("place", "tls", "is_open"),
    [
        (AtServer(Tcp("127.0.0.1", 6379)), None, False),
        (AtServer(Tcp("10.0.0.1", 6379)), None, True),
        (AtServer(Tcp("10.0.0.1", 6379)), StoreTls(), False),
        (AtSentinels("m", (Tcp("127.0.0.1", 1), Tcp("10.0.0.1", 1))), None, True),
        (AtCluster((Tcp("::1", 1),)), None, False),
    ],
)
def test_a_network_without_tls_is_said(
    place: AtServer | AtSentinels | AtCluster, tls: StoreTls | None, is_open: bool
) -> None:
    keys = [key for _, key in told("cache", RedisSettings(place, tls=tls), SEEN)]
    assert ("store_in_clear" in keys) is is_open
    assert RedisSettings(place).where != ""


def test_state_and_cache_in_one_redis_is_said() -> None:
    other = RedisSettings(AtServer(Unix("/run/other.sock")))

    def shared(cache: RedisSettings, seen: Seen | Unreachable) -> bool:
        found = {"state": SEEN, "cache": seen}
        return "store_shared" in [check.key for check in checkup_stores.of_stores(StoreSettings(HERE, cache), found)]

    assert shared(HERE, Unreachable("x"))
    assert shared(other, SEEN)
    assert not shared(other, replace(SEEN, run="another"))


@pytest.mark.parametrize("key", [key for key in SAYS if key.startswith("store")])
def test_every_sentence_has_its_words_in_both_languages(key: str) -> None:
    gaps = dict.fromkeys(("store", "where", "kind", "version", "reason", "commands", "acl"), "x")
    for language in Language:
        assert fill(SAYS, key, language, **gaps)
        assert key == "store" or fill(MENDS, key, language, **gaps)


async def test_both_stores_are_looked_at(valkey: Valkey) -> None:
    found = await checkup_stores.looked_at(StoreSettings(valkey.settings(), HERE))
    assert isinstance(found["state"], Seen)
    assert isinstance(found["cache"], Unreachable)
