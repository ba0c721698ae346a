"""What every record of replies must do, whatever keeps it. A new store is one more line in STORES."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ports import NOT_NOW, Clock, TaintStore
from gateway.stores.memory import MemoryTaintStore
from tests.fakes.clock import FakeClock

TTL_S = 100.0
MOST = 8

STORES: list[Callable[[Clock], TaintStore]] = [lambda clock: MemoryTaintStore(clock, ttl_s=TTL_S, most=MOST)]

A, B, C = (bytes([number]) * 16 for number in range(3))


def read(store: TaintStore, *marks: bytes) -> dict[bytes, set[str]] | None:
    found: Mapping[bytes, Collection[str]] | None = asyncio.run(store.read(marks))
    now = store.read_now(marks)
    assert now is NOT_NOW or now == found
    return None if found is None else {mark: set(labels) for mark, labels in found.items()}


@pytest.mark.parametrize("make", STORES)
class TestEveryStore:
    def test_what_was_remembered_is_read_back_and_nothing_else(self, make: Callable[[Clock], TaintStore]) -> None:
        store = make(FakeClock())
        store.remember([A, B], "restricted")
        assert read(store, A, C) == {A: {"restricted"}}

    def test_a_label_is_added_and_never_taken_away(self, make: Callable[[Clock], TaintStore]) -> None:
        store = make(FakeClock())
        store.remember([A], "restricted")
        store.remember([A], "public")
        assert read(store, A) == {A: {"restricted", "public"}}

    def test_a_mark_expires_and_is_kept_alive_by_being_remembered_again(
        self, make: Callable[[Clock], TaintStore]
    ) -> None:
        clock = FakeClock()
        store = make(clock)
        store.remember([A, B], "restricted")
        clock.now += 0.6 * TTL_S
        store.remember([B], "restricted")
        clock.now += 0.6 * TTL_S
        assert read(store, A, B) == {B: {"restricted"}}

    def test_having_to_forget_reads_as_lost_until_what_was_forgotten_would_have_expired(
        self, make: Callable[[Clock], TaintStore]
    ) -> None:
        clock = FakeClock()
        store = make(clock)
        store.remember([bytes([200 + number]) * 16 for number in range(MOST)], "internal")
        assert read(store, A) == {}
        store.remember([A], "internal")
        assert read(store, A) is None
        clock.now += TTL_S
        assert read(store, A) == {}

    def test_forgetting_what_has_expired_loses_nothing(self, make: Callable[[Clock], TaintStore]) -> None:
        clock = FakeClock()
        store = make(clock)
        store.remember([A], "internal")
        clock.now += TTL_S + 1
        store.remember([bytes([200 + number]) * 16 for number in range(MOST)], "internal")
        assert read(store, A) == {}

    @given(
        history=st.lists(
            st.tuples(st.sampled_from([A, B, C]), st.sampled_from(["public", "internal", "restricted"])), max_size=12
        )
    )
    def test_reading_returns_every_label_that_a_mark_was_ever_given(
        self, make: Callable[[Clock], TaintStore], history: Sequence[tuple[bytes, str]]
    ) -> None:
        store = make(FakeClock())
        expected: dict[bytes, set[str]] = {}
        for mark, label in history:
            store.remember([mark], label)
            expected.setdefault(mark, set()).add(label)
        assert read(store, A, B, C) == expected
