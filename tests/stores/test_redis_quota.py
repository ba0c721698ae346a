"""Quotas in a real Valkey: nothing leaks when callers leave, Redis goes, or a gateway dies."""

# ruff: noqa: ASYNC110  # what is waited for happens in another process
import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest

from gateway.core.quota import Ask, Limits, Refused
from gateway.ports import NOT_NOW, Holder, Reservation
from gateway.runtime.clock import SystemClock
from gateway.stores import redis_quota
from gateway.stores.memory_quota import MemoryQuotaStore
from gateway.stores.quotas import quota_store
from gateway.stores.redis_quota import RedisQuotaStore
from tests.fakes.clock import FakeClock
from tests.fakes.valkey import Valkey, running_valkey

A = "tenant:a"
PLACES = Limits(tokens_per_minute=1000, concurrency=3)
LARGE = Limits(requests_per_minute=1000)


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with running_valkey() as server:
        yield server


@contextlib.asynccontextmanager
async def opened(
    valkey: Valkey, *, holder: str = "w", clock=None, timeout_s: float = 1.0
) -> AsyncIterator[RedisQuotaStore]:
    clock = clock or SystemClock()
    async with valkey.connection(timeout_s=timeout_s) as redis:
        await redis.open()
        yield RedisQuotaStore(
            redis, MemoryQuotaStore(clock, parts=2, is_stand_in=True), clock, holder=holder, workers=1
        )


def live(valkey: Valkey) -> int:
    return int(valkey.ask("ZCARD", f"tidegate:q1:{{{A}}}:live")[1:-2])


async def held(store: RedisQuotaStore, key: str, limits: Limits = PLACES, ask: Ask | None = None) -> Reservation:
    answer = await store.reserve(A, key, ask or Ask(tokens=10), limits)
    assert isinstance(answer, Reservation)
    return answer


@pytest.mark.parametrize("steps", range(6))
async def test_who_leaves_while_he_waits_holds_nothing(valkey, steps: int) -> None:
    """Cancelled after any number of turns of the loop."""
    async with opened(valkey) as store:
        for number in range(20):
            task = asyncio.create_task(store.reserve(A, f"{number}", Ask(tokens=10), PLACES))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                answer = await task
                if isinstance(answer, Reservation):
                    store.settle(answer, Ask())
        await store.finish()
        assert live(valkey) == 0
        assert len(store) == 0
        assert (await held(store, "last", ask=Ask(tokens=1000))).standing.tokens == 0


@pytest.mark.parametrize("steps", range(6))
async def test_who_leaves_while_a_slice_is_on_its_way_takes_none_of_it(valkey, steps: int) -> None:
    async with opened(valkey) as store:
        task = asyncio.create_task(store.reserve(A, "1", Ask(), LARGE))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await asyncio.sleep(0.05)
        standing = (await held(store, "2", LARGE)).standing
        assert standing.requests >= 998


async def test_a_request_needs_no_round_trip_while_there_is_a_slice(valkey) -> None:
    async with opened(valkey) as store:
        assert store.reserve_now(A, "0", Ask(), LARGE) is NOT_NOW
        first = await held(store, "0", LARGE)
        assert first.holder is Holder.LEASE
        for number in range(15):
            answer = store.reserve_now(A, f"{number}", Ask(), LARGE)
            assert isinstance(answer, Reservation)


async def test_a_flood_over_the_limit_does_not_reach_redis(valkey) -> None:
    async with opened(valkey) as store:
        limits = Limits(requests_per_minute=100)
        while isinstance(await store.reserve(A, "x", Ask(), limits), Reservation):
            pass
        answers = [store.reserve_now(A, "x", Ask(), limits) for _ in range(50)]
        assert all(isinstance(answer, Refused) for answer in answers)


@pytest.mark.parametrize("limits", [PLACES, LARGE])
async def test_while_redis_is_lost_this_worker_counts_for_its_part(valkey, limits: Limits) -> None:
    async with opened(valkey, timeout_s=0.05) as store:
        await held(store, "1", limits)
        valkey.kill()
        answers = []
        while not store.is_degraded:
            answers.append(await store.reserve(A, f"{len(answers)}", Ask(), limits))
        lost = store.reserve_now(A, "2", Ask(), limits)
        assert isinstance(lost, Reservation)
        assert (lost.holder, lost.is_degraded) == (Holder.LOCAL, True)
        assert await store.spent(A, limits) is None
        refused = 0
        for number in range(3, 2000):
            refused += isinstance(store.reserve_now(A, f"{number}", Ask(), limits), Refused)
        assert refused > 400
        store.settle(lost, Ask(tokens=1))
        store.tick()


async def test_what_could_not_be_settled_is_settled_when_redis_is_back(valkey) -> None:
    async with opened(valkey, timeout_s=0.05) as store:
        reservations = [await held(store, f"{number}") for number in range(3)]
        valkey.pause()
        for reservation in reservations:
            store.settle(reservation, Ask(tokens=100))
        while store.unsettled < 3:
            await asyncio.sleep(0.01)
        valkey.resume()
        while store.is_degraded or store.unsettled:
            await asyncio.sleep(0.02)
            store.tick()
        await store.finish()
        assert live(valkey) == 0
        # Perhaps it had been done when nobody heard of it: done twice it counts once.
        assert 700 <= (await held(store, "next", ask=Ask())).standing.tokens <= 730


async def test_only_so_many_settlements_are_kept_for_later(valkey, monkeypatch) -> None:
    monkeypatch.setattr(redis_quota, "MOST_UNSAID", 2)
    async with opened(valkey, timeout_s=0.05) as store:
        store._unsaid = type(store._unsaid)(maxlen=2)
        reservations = [await held(store, f"{number}") for number in range(3)]
        valkey.kill()
        while not store.is_degraded:
            await store.reserve(A, "x", Ask(), PLACES)
        before = store.unsettled
        for reservation in reservations:
            store.settle(reservation, Ask())
        assert store.unsettled == 2
        assert store.unsaid_lost == before + 1


async def test_a_reservation_is_renewed_while_it_is_under_way(valkey) -> None:
    clock = FakeClock()
    async with opened(valkey, clock=clock) as store:
        reservation = await held(store, "long")
        key = f"tidegate:q1:{{{A}}}:live"
        before = float(valkey.ask("ZSCORE", key, "long").split(b"\r\n")[1])
        clock.now += redis_quota.RENEW_S
        store.tick()
        await store.finish()
        assert float(valkey.ask("ZSCORE", key, "long").split(b"\r\n")[1]) > before
        store.settle(reservation, Ask())
        clock.now += redis_quota.RENEW_S
        store.tick()
        await store.finish()
        assert live(valkey) == 0


async def test_who_waits_for_a_slice_gets_it_also_while_another_goes_back(valkey) -> None:
    clock = FakeClock()
    async with opened(valkey, clock=clock) as store:
        await held(store, "1", LARGE)
        clock.now += 2
        waiting = asyncio.create_task(held(store, "2", LARGE))
        await asyncio.sleep(0)
        store.tick()
        async with asyncio.timeout(10):
            await waiting


async def test_what_a_worker_has_not_spent_goes_back(valkey) -> None:
    async with opened(valkey, holder="a") as first, opened(valkey, holder="b") as second:
        await held(first, "1", LARGE)
        await first.finish()
        standing = (await held(second, "2", LARGE)).standing
        assert standing.requests == 998


async def test_an_answer_that_redis_never_gives_is_no_grant(valkey) -> None:
    """Whoever controls Redis can refuse, and can let this worker count for its part; nothing more."""
    async with opened(valkey) as store:
        valkey.ask("SET", f"tidegate:q1:{{{A}}}:state", "nonsense")
        for limits in (PLACES, LARGE):
            answer = await store.reserve(A, "1", Ask(tokens=10), limits)
            assert isinstance(answer, Reservation)
            assert answer.is_degraded
        assert await store.spent(A, PLACES) is None


async def test_subjects_that_hold_nothing_are_not_kept(valkey) -> None:
    async with opened(valkey) as store:
        reservation = await held(store, "1", Limits(requests_per_minute=50))
        assert len(store) == 0
        store.settle(reservation, Ask())
        assert store.unsettled == 0


def test_without_redis_each_worker_has_its_part(valkey) -> None:
    clock = FakeClock()
    stores = [quota_store(None, clock, workers=2, replicas=2, number=number) for number in range(2)]
    granted = 0
    for store in (*stores, *stores):
        limits = Limits(requests_per_minute=10)
        for number in range(10):
            granted += isinstance(store.reserve_now(A, f"{granted}-{number}", Ask(), limits), Reservation)
    assert granted <= 10
    assert not stores[0].is_degraded
