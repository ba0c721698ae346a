"""What only the record in memory does: it starts lost after a restart, and a flush is no secret."""

import asyncio

from gateway.stores.memory import MemoryTaintStore, NoTaintStore
from gateway.stores.sightings import claim_first
from tests.fakes.clock import FakeClock

A = b"a" * 16


def test_a_record_that_succeeds_a_lost_one_is_lost_until_that_would_have_expired() -> None:
    clock = FakeClock()
    store = MemoryTaintStore(clock, ttl_s=100.0, was_lost=True)
    store.remember([A], "restricted")
    assert store.is_lost
    assert asyncio.run(store.read([A])) is None
    clock.now += 100.0
    assert not store.is_lost


def test_a_flush_forgets_everything_and_reads_as_lost() -> None:
    clock = FakeClock()
    store = MemoryTaintStore(clock, ttl_s=100.0)
    store.remember([A], "restricted")
    store.flush()
    assert len(store) == 0
    assert asyncio.run(store.read([A])) is None
    clock.now += 100.0
    assert asyncio.run(store.read([A])) == {}


def test_it_never_holds_more_than_it_may() -> None:
    store = MemoryTaintStore(FakeClock(), ttl_s=100.0, most=10)
    store.remember([number.to_bytes(16, "big") for number in range(1000)], "internal")
    assert len(store) == 10


def test_only_the_first_record_of_a_folder_has_lost_nothing(tmp_path):
    assert claim_first(tmp_path / "state")
    assert not claim_first(tmp_path / "state")


def test_where_a_start_cannot_be_noted_it_is_not_the_first(tmp_path):
    (tmp_path / "state").write_text("a file where the folder should be")
    assert not claim_first(tmp_path / "state")


def test_a_store_that_keeps_nothing_reads_as_lost() -> None:
    store = NoTaintStore()
    store.remember([A], "restricted")
    assert store.read_now([A]) is None
    assert asyncio.run(store.read([A])) is None
