"""What every record of replies must do, whatever keeps it. A new store is one more line in STORES."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.keyed_hash import KeyedHash
from gateway.ports import NOT_NOW, TaintStore
from gateway.stores.memory import MemoryTaintStore
from gateway.stores.redis_connection import RedisConnection
from gateway.stores.redis_taint import RedisTaintStore
from gateway.stores.sightings import Sightings
from tests.fakes.clock import FakeClock
from tests.fakes.valkey import Valkey, running_valkey

TTL_S = 100.0
MOST = 8

A, B, C = (bytes([number]) * 16 for number in range(3))


class Record:
    """One store, driven from outside its loop."""

    def __init__(self, runner: asyncio.Runner, make: Callable[[FakeClock], Awaitable[TaintStore]]) -> None:
        self._runner = runner
        self.clock = FakeClock()
        self.store: TaintStore = runner.run(_made(make, self.clock))

    def remember(self, marks: Sequence[bytes], label: str) -> None:
        async def remember() -> None:
            self.store.remember(marks, label)

        self._runner.run(remember())

    def read(self, *marks: bytes) -> dict[bytes, set[str]] | None:
        now = self.store.read_now(marks)
        found: Mapping[bytes, Collection[str]] | None = self._runner.run(_read(self.store, marks))
        assert now is NOT_NOW or now == found
        return None if found is None else {mark: set(labels) for mark, labels in found.items()}


async def _made(make: Callable[[FakeClock], Awaitable[TaintStore]], clock: FakeClock) -> TaintStore:
    return await make(clock)


async def _read(store: TaintStore, marks: Sequence[bytes]) -> Mapping[bytes, Collection[str]] | None:
    return await store.read(marks)


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    with running_valkey() as server:
        yield server


@pytest.fixture(params=["memory", "redis"])
def new_record(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Record]]:
    """Makes a record that is empty and whole."""
    with asyncio.Runner() as runner:
        if request.param == "memory":

            async def memory(clock: FakeClock) -> TaintStore:
                return MemoryTaintStore(clock, ttl_s=TTL_S, most=MOST)

            yield lambda: Record(runner, memory)
            return
        valkey: Valkey = request.getfixturevalue("valkey")
        opened: list[RedisConnection] = []

        async def in_redis(clock: FakeClock) -> TaintStore:
            valkey.ask("FLUSHALL")
            for old in opened:
                await old.close()
            opened.append(RedisConnection(valkey.settings(timeout_s=1.0)))
            key, sightings = KeyedHash(b"k" * 32), Sightings(tmp_path)
            store = RedisTaintStore(opened[-1], key, clock, ttl_s=TTL_S, sightings=sightings, is_first=True)
            await store.look()
            return store

        yield lambda: Record(runner, in_redis)
        for old in opened:
            runner.run(old.close())


def test_what_was_remembered_is_read_back_and_nothing_else(new_record: Callable[[], Record]) -> None:
    record = new_record()
    record.remember([A, B], "restricted")
    assert record.read(A, C) == {A: {"restricted"}}


def test_nothing_sought_is_nothing_found(new_record: Callable[[], Record]) -> None:
    record = new_record()
    record.remember([A, B], "restricted")
    assert record.read() == {}


def test_a_label_is_added_and_never_taken_away(new_record: Callable[[], Record]) -> None:
    record = new_record()
    record.remember([A], "restricted")
    record.remember([A], "public")
    assert record.read(A) == {A: {"restricted", "public"}}


def test_a_mark_expires_and_is_kept_alive_by_being_remembered_again(new_record: Callable[[], Record]) -> None:
    record = new_record()
    record.remember([A, B], "restricted")
    record.clock.now += 0.6 * TTL_S
    record.remember([B], "restricted")
    record.clock.now += 0.6 * TTL_S
    assert record.read(A, B) == {B: {"restricted"}}


def test_forgetting_what_has_expired_loses_nothing(new_record: Callable[[], Record]) -> None:
    record = new_record()
    record.remember([A], "internal")
    record.clock.now += TTL_S + 1
    record.remember([bytes([200 + number]) * 16 for number in range(MOST)], "internal")
    assert record.read(A) == {}


@given(
    history=st.lists(
        st.tuples(st.sampled_from([A, B, C]), st.sampled_from(["public", "internal", "restricted"])), max_size=12
    )
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_reading_returns_every_label_that_a_mark_was_ever_given(
    new_record: Callable[[], Record], history: Sequence[tuple[bytes, str]]
) -> None:
    record = new_record()
    expected: dict[bytes, set[str]] = {}
    for mark, label in history:
        record.remember([mark], label)
        expected.setdefault(mark, set()).add(label)
    assert record.read(A, B, C) == expected


def test_having_to_forget_reads_as_lost_until_what_was_forgotten_would_have_expired() -> None:
    """Only where there is a bound: Redis refuses what it has no room for, which `tests/stores` looks at."""
    clock = FakeClock()
    store = MemoryTaintStore(clock, ttl_s=TTL_S, most=MOST)
    store.remember([bytes([200 + number]) * 16 for number in range(MOST)], "internal")
    assert store.read_now([A]) == {}
    store.remember([A], "internal")
    assert store.read_now([A]) is None
    clock.now += TTL_S
    assert store.read_now([A]) == {}
