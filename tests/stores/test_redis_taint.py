"""The shared record of replies: what workers see of each other's, and what somebody with Redis in hand can do to it."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.keyed_hash import KeyedHash
from gateway.core.taint_seals import Beat, TaintSeals
from gateway.ports import NOT_NOW, StoreUnavailable
from gateway.stores.memory import MemoryTaintStore, NoTaintStore
from gateway.stores.redis_taint import _PATIENCE, FRESH_S, RedisTaintStore
from gateway.stores.replies import reply_store
from gateway.stores.sightings import Sightings
from tests.fakes.clock import FakeClock
from tests.fakes.valkey import Valkey, running_valkey

TTL_S = 100.0
PATIENT_S = 0.5
"""Longer than a machine that is busy with other tests makes a Redis wait for a turn."""
KEY = KeyedHash(b"k" * 32)
A, B, C = (bytes([number]) * 16 for number in range(3))
RESTRICTED = {A: {"restricted"}}


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with running_valkey() as server:
        yield server


@pytest.fixture
def valkey(server: Valkey) -> Valkey:
    server.ask("FLUSHALL")
    return server


class Fleet:
    """Workers that share one Redis and one clock; each has a disk of its own unless it is given another's."""

    def __init__(self, valkey: Valkey, folder: Path, stack: contextlib.AsyncExitStack) -> None:
        self.valkey, self.clock = valkey, FakeClock()
        self._folder, self._stack = folder, stack
        self._count = 0

    async def worker(self, *, disk: str = "", is_first: bool = False, key: KeyedHash = KEY) -> RedisTaintStore:
        """A worker that has not looked yet."""
        self._count += 1
        folder = self._folder / (disk or f"disk-{self._count}")
        folder.mkdir(exist_ok=True)
        redis = await self._stack.enter_async_context(self.valkey.connection(timeout_s=PATIENT_S))
        return RedisTaintStore(redis, key, self.clock, ttl_s=TTL_S, sightings=Sightings(folder), is_first=is_first)

    async def pair(self) -> tuple[RedisTaintStore, RedisTaintStore]:
        """Two workers of a record that is whole."""
        one, other = await self.worker(is_first=True), await self.worker()
        await look(one)
        await look(other)
        assert not one.is_lost
        assert not other.is_lost
        return one, other


@pytest.fixture
async def fleet(valkey: Valkey, tmp_path: Path) -> AsyncIterator[Fleet]:
    async with contextlib.AsyncExitStack() as stack:
        yield Fleet(valkey, tmp_path, stack)


async def look(*stores: RedisTaintStore) -> None:
    """One after the other looks, and what it sent has arrived."""
    for store in stores:
        await store.look()
        await arrived(store)


async def put(store: RedisTaintStore, marks: Sequence[bytes], label: str) -> None:
    """Remembered, and it has arrived: another connection may be faster."""
    store.remember(marks, label)
    await arrived(store)


async def arrived(store: RedisTaintStore) -> None:
    with contextlib.suppress(StoreUnavailable):
        await store._redis.execute("PING")


def keys(valkey: Valkey) -> list[bytes]:
    """Every key that there is, without the answer's framing."""
    return [line for line in valkey.ask("KEYS", "*").split(b"\r\n") if line.startswith(b"tidegate:")]


# Several workers


async def test_a_reply_of_one_worker_is_found_by_another(fleet: Fleet) -> None:
    one, other = await fleet.pair()
    await put(one, [A], "restricted")
    await put(other, [A], "public")
    assert other.read_now([A]) is NOT_NOW
    assert await other.read([A, B]) == {A: {"restricted", "public"}}
    assert await one.read([A, B]) == {A: {"restricted", "public"}}


async def test_a_worker_that_comes_later_joins_what_is_whole(fleet: Fleet) -> None:
    one, _ = await fleet.pair()
    await put(one, [A], "restricted")
    late = await fleet.worker()
    assert late.is_lost
    assert await late.read([A]) is None
    await look(late)
    assert await late.read([A]) == RESTRICTED


async def test_two_that_begin_at_once_agree(fleet: Fleet) -> None:
    one, other = await fleet.worker(is_first=True), await fleet.worker(is_first=True)
    await asyncio.gather(look(one), look(other))
    await asyncio.gather(look(one), look(other))
    assert (one.is_lost, other.is_lost) == (False, False)
    await put(one, [A], "restricted")
    assert await other.read([A]) == RESTRICTED


async def test_whoever_is_not_the_first_waits_for_the_first_and_not_for_ever(fleet: Fleet) -> None:
    late = await fleet.worker()
    await look(late)
    assert keys(fleet.valkey) == []
    first = await fleet.worker(is_first=True)
    await look(first)
    await look(late)
    assert not late.is_lost
    fleet.valkey.ask("FLUSHALL")
    alone = await fleet.worker()
    for _ in range(_PATIENCE + 1):
        await look(alone)
    assert alone.is_lost
    fleet.clock.now += TTL_S
    assert await alone.read([A]) == {}


# What was there is gone


async def test_a_flushed_record_is_lost_for_everybody_until_nothing_of_it_could_be_left(fleet: Fleet) -> None:
    one, other = await fleet.pair()
    await put(one, [A], "restricted")
    fleet.valkey.ask("FLUSHALL")
    assert await other.read([A]) is None
    await arrived(other)
    await look(one)
    assert (one.is_lost, other.is_lost) == (True, True)
    fleet.clock.now += TTL_S - 1
    await look(one)
    assert await other.read([A]) is None
    fleet.clock.now += 1.5
    await look(one)
    await look(other)
    assert await other.read([A]) == {}


async def test_a_new_worker_does_not_make_a_flushed_record_whole(fleet: Fleet) -> None:
    one, _ = await fleet.pair()
    await put(one, [A], "restricted")
    fleet.valkey.ask("FLUSHALL")
    new = await fleet.worker(is_first=True)
    await look(new)
    assert not new.is_lost  # until somebody who knows better looks, a second later at the most
    await look(one)
    assert await new.read([A]) is None
    assert await new.read([A]) is None


@pytest.mark.parametrize("is_asked", [True, False])
async def test_a_reply_that_is_missing_is_noticed_by_whoever_gave_it(fleet: Fleet, is_asked: bool) -> None:
    one, other = await fleet.pair()
    await put(one, [A, B], "restricted")
    assert await one.read([A]) == RESTRICTED
    fleet.valkey.ask("DEL", next(key for key in keys(fleet.valkey) if A in key))
    if is_asked:
        assert await one.read([A]) is None
    else:
        await look(one)
    assert one.is_lost
    await arrived(one)
    assert await other.read([B]) is None


async def test_a_label_that_is_missing_from_a_reply_is_noticed_too(fleet: Fleet) -> None:
    one, _ = await fleet.pair()
    await put(one, [A], "restricted")
    await put(one, [A], "internal")
    assert await one.read([A]) == {A: {"restricted", "internal"}}
    fleet.valkey.ask("HDEL", next(key for key in keys(fleet.valkey) if A in key), "restricted")
    assert await one.read([A]) is None


async def test_a_reply_that_was_given_twice_under_two_labels_is_not_missing_when_the_first_would_have_expired(
    fleet: Fleet,
) -> None:
    one, other = await fleet.pair()
    await put(one, [A], "restricted")
    fleet.clock.now += TTL_S / 10
    await put(one, [A], "internal")
    fleet.clock.now += TTL_S * 0.95
    assert await one.read([A]) == {A: {"restricted", "internal"}}
    assert await other.read([A]) == {A: {"restricted", "internal"}}
    assert not one.is_lost


async def test_a_wall_clock_that_was_put_right_loses_nothing(fleet: Fleet) -> None:
    """What expires by Redis's account a little before it does by ours is not missing."""
    one, _ = await fleet.pair()
    await put(one, [A], "restricted")
    fleet.clock.ahead += 2.0
    fleet.clock.now += TTL_S - 1.0
    assert await one.read([A]) == {}
    assert not one.is_lost


async def test_every_reply_is_looked_for_in_turn(fleet: Fleet) -> None:
    one, _ = await fleet.pair()
    marks = [bytes([number]) * 16 for number in range(120, 220)]
    await put(one, marks, "internal")
    await one.read([])
    for _ in range(10):
        await look(one)
    assert not one.is_lost
    fleet.valkey.ask("DEL", next(key for key in keys(fleet.valkey) if marks[50] in key))
    for _ in range(10):
        await look(one)
    assert one.is_lost


# An old copy


def saved(valkey: Valkey) -> Path:
    """A copy of everything, as a backup would have it."""
    assert valkey.ask("SAVE") == b"+OK\r\n"
    copy = valkey.folder / "copy.rdb"
    shutil.copy(valkey.folder / "dump.rdb", copy)
    return copy


def restored(valkey: Valkey, copy: Path) -> None:
    valkey.kill()
    shutil.copy(copy, valkey.folder / "dump.rdb")
    valkey.start()
    (valkey.folder / "dump.rdb").unlink()


async def until_up(*stores: RedisTaintStore) -> None:
    async with asyncio.timeout(15):
        while not all(store._redis.is_up for store in stores):  # noqa: ASYNC110 -- they come back by themselves
            await asyncio.sleep(0.01)


async def test_an_old_copy_is_noticed_by_those_who_were_there(fleet: Fleet) -> None:
    one, other = await fleet.pair()
    copy = saved(fleet.valkey)
    await put(one, [A], "restricted")
    assert await other.read([A]) == RESTRICTED
    restored(fleet.valkey, copy)
    await other.read([A])  # notices that the connection is gone
    await one.read([A])
    await until_up(one, other)
    await look(one)
    assert one.is_lost
    assert await other.read([A]) is None


@pytest.mark.parametrize(
    ("is_old", "is_noted", "is_lost"), [(True, True, True), (False, True, False), (False, False, True)]
)
async def test_an_old_copy_is_noticed_by_the_next_one_on_a_disk_that_remembers(
    fleet: Fleet, is_old: bool, is_noted: bool, is_lost: bool
) -> None:
    """Nobody was there: whole is what is as it was when the last one stopped in order."""
    one = await fleet.worker(is_first=True, disk="kept")
    await look(one)
    copy = saved(fleet.valkey)
    fleet.clock.now += FRESH_S / 2
    await put(one, [A], "restricted")
    await look(one)
    await one.read([A])
    if is_noted:
        one.close()
    if is_old:
        restored(fleet.valkey, copy)
    fleet.clock.now += FRESH_S + 1
    next_one = await fleet.worker(disk="kept")
    for _ in range(_PATIENCE + 1):
        await look(next_one)
    assert next_one.is_lost is is_lost
    if not is_lost:
        assert await next_one.read([A]) == RESTRICTED


async def test_an_older_era_does_not_end_a_later_one_before_its_time(fleet: Fleet) -> None:
    """Lost once, and again after a copy was made: what the first era would prove, the second does not yet."""
    one, other = await fleet.pair()
    era = next(key for key in keys(fleet.valkey) if key.endswith(b"era"))
    fleet.valkey.ask("FLUSHALL")
    await look(one, other)
    fleet.valkey.ask("COPY", era, "copy")
    fleet.clock.now += TTL_S / 2
    await put(one, [A], "restricted")
    fleet.valkey.ask("DEL", *(key for key in keys(fleet.valkey)))
    await look(one, other)
    fleet.valkey.ask("RENAME", "copy", era)
    await look(other, one, other)
    fleet.clock.now += TTL_S / 2 + 1
    await look(one, other)
    assert (one.is_lost, other.is_lost) == (True, True)
    assert await other.read([A]) is None


async def test_who_starts_alone_does_not_take_an_old_copy_of_a_lost_record_for_a_whole_one(fleet: Fleet) -> None:
    one, _ = await fleet.pair()
    fleet.valkey.ask("FLUSHALL")
    await look(one)
    fleet.clock.now += TTL_S - FRESH_S - 5
    await put(one, [A], "restricted")
    # Everything dies, and what comes back has not seen the reply.
    fleet.valkey.ask("DEL", next(key for key in keys(fleet.valkey) if A in key))
    fleet.clock.now += FRESH_S + 1
    late = await fleet.worker()
    for _ in range(_PATIENCE + 1):
        await look(late)
    fleet.clock.now += FRESH_S
    await look(late)
    assert late.is_lost
    assert await late.read([A]) is None


async def test_a_note_is_gone_while_anybody_runs(fleet: Fleet, tmp_path: Path) -> None:
    sightings = Sightings(tmp_path / "kept")
    one = await fleet.worker(is_first=True, disk="kept")
    await look(one)
    one.close()
    assert sightings.read() != b""
    await look(one)
    assert sightings.read() == b""
    sightings.forget()


def test_a_disk_that_takes_no_note_has_none(tmp_path: Path) -> None:
    sightings = Sightings(tmp_path / "no" / "folder")
    sightings.note(b"x")
    assert sightings.read() == b""


# Redis in a hostile hand


@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_is_written_over_the_record_only_tightens(
    valkey: Valkey, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Every key of the record replaced, swapped or given others' fields: what is read is at least the label."""

    async def play() -> None:
        valkey.ask("FLUSHALL")
        async with contextlib.AsyncExitStack() as stack:
            fleet = Fleet(valkey, tmp_path_factory.mktemp("fleet"), stack)
            one, other = await fleet.pair()
            await put(one, [A], "restricted")
            await put(one, [B], "public")
            await one.read([A])
            names = [key for key in keys(valkey) if not key.endswith(b"beat")]
            low = next(key for key in names if B in key)
            victim = data.draw(st.sampled_from(names))
            for command in data.draw(
                st.lists(
                    st.one_of(
                        st.tuples(st.just("SET"), st.just(victim), st.binary(max_size=40)),
                        st.tuples(st.just("COPY"), st.sampled_from(names), st.just(victim), st.just("REPLACE")),
                        st.tuples(st.just("HSET"), st.just(victim), st.just("public"), st.binary(max_size=30)),
                        st.tuples(st.just("HSET"), st.just(victim), st.binary(max_size=8), st.just(b"1" + b"x" * 24)),
                        st.tuples(st.just("PERSIST"), st.just(victim)),
                        st.tuples(st.just("RENAME"), st.just(low), st.just(victim)),
                    ),
                    min_size=1,
                    max_size=3,
                )
            ):
                valkey.ask(*command)
            for worker in (one, other):
                found = await worker.read([A])
                assert found is None or "restricted" in found[A]

    asyncio.run(play())


async def test_a_forged_label_is_seen_by_one_who_did_not_write_the_true_one(fleet: Fleet) -> None:
    one, other = await fleet.pair()
    await put(one, [A], "restricted")
    key = next(key for key in keys(fleet.valkey) if A in key)
    fleet.valkey.ask("HSET", key, "restricted", b"1" + b"x" * 24)
    assert await other.read([A]) is None
    assert other.is_lost


async def test_a_record_of_another_root_secret_is_none_of_ours(fleet: Fleet) -> None:
    one, _ = await fleet.pair()
    await put(one, [A], "restricted")
    await one.read([A])
    stranger = await fleet.worker(key=KeyedHash(b"o" * 32))
    await look(stranger)
    assert stranger.is_lost
    assert await one.read([A]) is None


async def test_signs_of_life_of_another_era_count_for_nothing(fleet: Fleet) -> None:
    one, _ = await fleet.pair()
    beat = TaintSeals(KEY).beat(Beat(b"another!", int(fleet.clock.wall() * 1000)))
    fleet.valkey.ask("SET", next(key for key in keys(fleet.valkey) if key.endswith(b"beat")), beat)
    late = await fleet.worker()
    await look(late)
    assert late.is_lost
    await look(one)
    await look(late)
    assert not late.is_lost


# A Redis that does not keep


async def test_while_redis_is_gone_the_record_proves_nothing_and_afterwards_it_is_whole_again(fleet: Fleet) -> None:
    one, other = await fleet.pair()
    fleet.valkey.pause()
    try:
        await put(one, [A], "restricted")
        assert await one.read([A]) is None
        assert one.read_now([A]) is None
        await look(one)
    finally:
        fleet.valkey.resume()
    await until_up(one)
    assert one.read_now([A]) is None  # what could not be saved is not yet there
    await look(one)
    assert await one.read([A]) == RESTRICTED
    assert await other.read([A]) == RESTRICTED


async def test_what_does_not_fit_keeps_requests_home_until_it_does(fleet: Fleet) -> None:
    one, other = await fleet.pair()
    fleet.valkey.ask("CONFIG", "SET", "maxmemory", "1")
    try:
        await put(one, [A], "restricted")
        assert await one.read([A]) is None
        assert one.is_lost
    finally:
        fleet.valkey.ask("CONFIG", "SET", "maxmemory", "0")
    await look(one)
    assert await other.read([A]) == RESTRICTED


async def test_more_than_can_be_kept_for_later_begins_the_record_anew(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.stores.redis_taint._MOST_UNSAVED", 2)
    one, other = await fleet.pair()
    fleet.valkey.ask("CONFIG", "SET", "maxmemory", "1")
    try:
        await put(one, [A, B, C], "restricted")
        assert await one.read([A]) is None
    finally:
        fleet.valkey.ask("CONFIG", "SET", "maxmemory", "0")
    await look(one)
    assert await other.read([A]) is None
    assert (one.is_lost, other.is_lost) == (True, True)


@pytest.mark.parametrize(
    ("policy", "most", "is_lost"),
    [
        ("noeviction", "1gb", False),
        ("volatile-lru", "1gb", True),
        ("allkeys-lru", "1gb", True),
        ("allkeys-lru", "0", False),
    ],
)
async def test_a_redis_that_may_throw_keys_away_is_not_believed(
    fleet: Fleet, policy: str, most: str, is_lost: bool
) -> None:
    fleet.valkey.ask("CONFIG", "SET", "maxmemory-policy", policy, "maxmemory", most)
    try:
        one = await fleet.worker(is_first=True)
        await look(one)
        assert one.is_lost is is_lost
    finally:
        fleet.valkey.ask("CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", "0")


async def test_a_worker_looks_until_it_is_stopped_and_leaves_a_note(fleet: Fleet, tmp_path: Path) -> None:
    one, stop = await fleet.worker(is_first=True, disk="kept"), asyncio.Event()
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(one.run(stop))
        while one.is_lost:  # noqa: ASYNC110 -- its first look
            await asyncio.sleep(0)
        stop.set()
    assert Sightings(tmp_path / "kept").read() != b""


async def test_a_store_that_answers_nonsense_is_not_believed(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    one, _ = await fleet.pair()
    for nonsense in (b"text", [], [[None, None]], [[], []], [7, []]):

        async def answer(*_: object, said: object = nonsense) -> object:
            return said

        monkeypatch.setattr(one._redis, "call", answer)
        assert await one.read([A]) is None


# Which record a worker has


@pytest.mark.parametrize(
    ("has_redis", "workers", "kind"),
    [(False, 1, MemoryTaintStore), (False, 2, NoTaintStore), (True, 1, RedisTaintStore), (True, 8, RedisTaintStore)],
)
async def test_several_workers_need_a_shared_record(
    valkey: Valkey, tmp_path: Path, has_redis: bool, workers: int, kind: Callable[..., object]
) -> None:
    async with valkey.connection(timeout_s=PATIENT_S) as redis:
        store = reply_store(
            redis if has_redis else None, KEY, FakeClock(), folder=tmp_path, ttl_s=TTL_S, workers=workers
        )
        assert type(store) is kind
        assert len(store) == 0
