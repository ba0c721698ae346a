"""The cache in memory keeps within its bounds, and nobody takes another's part of it."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.stores.memory_cache import OVERHEAD, MemoryCacheStore
from tests.fakes.clock import FakeClock

ROOM_FOR_TEN = 10 * (OVERHEAD + 100)


def store(clock: FakeClock | None = None, share: float = 1.0) -> MemoryCacheStore:
    return MemoryCacheStore(clock or FakeClock(), most=ROOM_FOR_TEN, share=share)


def key(number: int) -> bytes:
    return number.to_bytes(32, "big")


def put(kept: MemoryCacheStore, number: int, owner: str = "bank", size: int = 100, lives_s: float = 60.0) -> None:
    kept.write(key(number), bytes(size), lives_s=lives_s, owner=owner)


def held(kept: MemoryCacheStore, most: int = 50) -> list[int]:
    return [number for number in range(most) if kept.read_now(key(number)) is not None]


def test_what_was_not_used_for_longest_goes_first() -> None:
    kept = store()
    for number in range(10):
        put(kept, number)
    kept.read_now(key(0))
    put(kept, 10)
    put(kept, 11)
    assert held(kept) == [0, 3, 4, 5, 6, 7, 8, 9, 10, 11]


def test_whoever_has_the_most_makes_room() -> None:
    kept = store()
    for number in range(8):
        put(kept, number, "loud")
    put(kept, 20, "quiet")
    put(kept, 21, "quiet")
    for number in range(30, 34):
        put(kept, number, "loud")
    assert {20, 21} <= set(held(kept))
    assert kept.size == (10, ROOM_FOR_TEN)


def test_nobody_has_more_than_its_share() -> None:
    kept = store(share=0.3)
    for number in range(10):
        put(kept, number, "loud")
    assert held(kept) == [7, 8, 9]


@pytest.mark.parametrize("share", [0.3, 0.0])
def test_what_is_larger_than_a_share_is_not_kept(share: float) -> None:
    kept = store(share=share)
    put(kept, 1, size=3 * 500)
    assert kept.size == (0, 0)


def test_what_has_expired_is_gone_whether_or_not_anybody_asks() -> None:
    clock = FakeClock()
    kept = store(clock)
    put(kept, 1, lives_s=5.0)
    put(kept, 2, lives_s=50.0)
    put(kept, 3, lives_s=5.0)
    put(kept, 3, lives_s=50.0)
    clock.now += 5.0
    kept.sweep()
    assert kept.size[0] == 2
    assert held(kept) == [2, 3]


async def test_what_was_led_is_forgotten_when_its_time_is_over() -> None:
    clock = FakeClock()
    kept = store(clock)
    await kept.seek(key(1), b"me", 5.0)
    kept.sweep()
    assert kept._leads
    clock.now += 5.0
    kept.sweep()
    assert not kept._leads


def test_an_owner_is_forgotten_and_no_other() -> None:
    kept = store()
    put(kept, 1, "bank")
    put(kept, 2, "bank")
    put(kept, 3, "clinic")
    kept.forget("bank")
    kept.forget("nobody")
    assert held(kept) == [3]


def test_what_is_written_over_and_over_does_not_grow() -> None:
    kept = store()
    for number in range(5_000):
        put(kept, number % 3)
    assert kept.size == (3, 3 * 500)
    assert len(kept._due) < 1_100


owners = st.sampled_from(["bank", "clinic", "shop"])


@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("write"), st.integers(0, 12), owners, st.integers(0, 2_000)),
            st.tuples(st.sampled_from(["read", "sweep", "forget"]), st.integers(0, 12), owners, st.integers(0, 40)),
        ),
        max_size=40,
    ),
    share=st.sampled_from([0.25, 0.5, 1.0]),
)
def test_whatever_happens_it_stays_within_its_bounds(steps: list[tuple[str, int, str, int]], share: float) -> None:
    clock = FakeClock()
    kept = store(clock, share)
    for step, number, owner, size in steps:
        if step == "write":
            put(kept, number, owner, size, lives_s=30.0)
        elif step == "read":
            kept.read_now(key(number))
            clock.now += size
        elif step == "sweep":
            kept.sweep()
        else:
            kept.forget(owner)
        entries, size = kept.size
        by_owner = {owner: sum(entry.size for entry in shelf.values()) for owner, shelf in kept._shelves.items()}
        assert size == sum(by_owner.values()) <= ROOM_FOR_TEN
        assert by_owner == kept._sizes
        assert all(one <= share * ROOM_FOR_TEN for one in by_owner.values())
        assert entries == sum(len(shelf) for shelf in kept._shelves.values())


def test_an_entry_takes_about_what_is_counted_for_it() -> None:
    kept = MemoryCacheStore(FakeClock(), most=1 << 30)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(10_000):
            kept.write(key(number), bytes(1_000), lives_s=60.0 + number, owner="bank")
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    _, counted = kept.size
    assert 0.8 < (after - before) / counted < 1.2
