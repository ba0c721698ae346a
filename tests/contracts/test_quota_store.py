"""What every store of quotas must do, wherever it counts. A new store is one more line in STORES."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from gateway.core.quota import Ask, Limit, Limits, Refused
from gateway.ports import NOT_NOW, QuotaStore, Reservation
from gateway.runtime.clock import SystemClock
from gateway.stores.memory_quota import MemoryQuotaStore
from gateway.stores.redis_quota import RedisQuotaStore
from tests.fakes.valkey import Valkey, running_valkey

Opened = contextlib.AbstractAsyncContextManager[QuotaStore]


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    with running_valkey() as server:
        yield server


@contextlib.asynccontextmanager
async def in_memory(_: Valkey) -> AsyncIterator[QuotaStore]:
    yield MemoryQuotaStore(SystemClock())


@contextlib.asynccontextmanager
async def in_redis(valkey: Valkey, *, is_leasing: bool = True) -> AsyncIterator[RedisQuotaStore]:
    clock = SystemClock()
    stand_in = MemoryQuotaStore(clock, is_stand_in=True)
    async with valkey.connection(timeout_s=5.0) as redis:
        yield RedisQuotaStore(redis, stand_in, clock, holder=secrets.token_hex(4), workers=1, is_leasing=is_leasing)


@contextlib.asynccontextmanager
async def in_redis_one_by_one(valkey: Valkey) -> AsyncIterator[QuotaStore]:
    async with in_redis(valkey, is_leasing=False) as store:
        yield store


STORES: list[Callable[[Valkey], Opened]] = [in_memory, in_redis, in_redis_one_by_one]

SMALL = Limits(requests_per_minute=3, tokens_per_minute=60, concurrency=2, money_per_hour=100)
LARGE = Limits(requests_per_minute=1000, tokens_per_minute=100_000)


def in_store(make: Callable[[Valkey], Opened], valkey: Valkey, story) -> None:
    valkey.ask("FLUSHALL")

    async def tell() -> None:
        async with make(valkey) as store:
            await story(store)

    asyncio.run(tell())


async def reserve(store: QuotaStore, key: str, ask: Ask, limits: Limits, subject: str = "t:a"):
    now = store.reserve_now(subject, key, ask, limits)
    return await store.reserve(subject, key, ask, limits) if now is NOT_NOW else now


async def held(store: QuotaStore, key: str, ask: Ask, limits: Limits, subject: str = "t:a") -> Reservation:
    answer = await reserve(store, key, ask, limits, subject)
    assert isinstance(answer, Reservation), answer
    return answer


async def refusal(store: QuotaStore, key: str, ask: Ask, limits: Limits, subject: str = "t:a") -> Limit:
    answer = await reserve(store, key, ask, limits, subject)
    assert isinstance(answer, Refused)
    return answer.limit


@pytest.mark.parametrize("make", STORES)
class TestEveryStore:
    def test_all_is_held_or_nothing(self, make: Callable[[Valkey], Opened], valkey: Valkey) -> None:
        async def story(store: QuotaStore) -> None:
            await held(store, "1", Ask(tokens=50, cost_micros=10), SMALL)
            assert await refusal(store, "2", Ask(tokens=20, cost_micros=10), SMALL) is Limit.TOKENS
            assert await refusal(store, "2", Ask(tokens=1, cost_micros=91), SMALL) is Limit.HOUR
            await held(store, "2", Ask(tokens=10, cost_micros=90), SMALL)
            assert await refusal(store, "3", Ask(), Limits(concurrency=2)) is Limit.CONCURRENCY

        in_store(make, valkey, story)

    def test_subjects_have_nothing_in_common(self, make: Callable[[Valkey], Opened], valkey: Valkey) -> None:
        async def story(store: QuotaStore) -> None:
            await held(store, "1", Ask(tokens=60, cost_micros=100), SMALL)
            await held(store, "1", Ask(tokens=60, cost_micros=100), SMALL, "burst")

        in_store(make, valkey, story)

    def test_settling_gives_back_what_was_not_taken(self, make: Callable[[Valkey], Opened], valkey: Valkey) -> None:
        async def story(store: QuotaStore) -> None:
            store.settle(await held(store, "1", Ask(tokens=60, cost_micros=100), SMALL), Ask(tokens=5, cost_micros=30))
            await held(store, "2", Ask(tokens=55, cost_micros=70), SMALL)
            assert await store.spent("t:a", SMALL) == (100, 0, 0)

        in_store(make, valkey, story)

    def test_only_the_first_settlement_counts(self, make: Callable[[Valkey], Opened], valkey: Valkey) -> None:
        async def story(store: QuotaStore) -> None:
            reservation = await held(store, "1", Ask(tokens=10, cost_micros=100), SMALL)
            for _ in range(3):
                store.settle(reservation, Ask(cost_micros=60))
            assert await store.spent("t:a", SMALL) == (60, 0, 0)
            await held(store, "2", Ask(tokens=60), SMALL)

        in_store(make, valkey, story)

    def test_a_debt_blocks_the_next(self, make: Callable[[Valkey], Opened], valkey: Valkey) -> None:
        async def story(store: QuotaStore) -> None:
            store.settle(await held(store, "1", Ask(tokens=10), SMALL), Ask(tokens=90))
            assert await refusal(store, "2", Ask(tokens=1), SMALL) is Limit.TOKENS

        in_store(make, valkey, story)

    def test_a_large_limit_is_used_up_to_the_last_request_and_no_further(
        self, make: Callable[[Valkey], Opened], valkey: Valkey
    ) -> None:
        async def story(store: QuotaStore) -> None:
            limits = Limits(requests_per_minute=1000)
            answers = await asyncio.gather(
                *(reserve(store, str(number), Ask(), limits) for number in range(1500)),
            )
            granted = sum(isinstance(answer, Reservation) for answer in answers)
            # While this ran, some seventeen of them a second came back.
            assert 1000 <= granted <= 1000 + 17 * 5

        in_store(make, valkey, story)

    def test_large_limits_stand_in_the_answer(self, make: Callable[[Valkey], Opened], valkey: Valkey) -> None:
        async def story(store: QuotaStore) -> None:
            first = await held(store, "1", Ask(tokens=500), LARGE)
            second = await held(store, "2", Ask(tokens=500), LARGE)
            assert first.standing.requests == 999
            assert second.standing.requests == 998
            assert second.standing.tokens >= 99_000 - 4_000
            assert not second.is_degraded
            assert not store.is_degraded

        in_store(make, valkey, story)

    def test_it_can_be_told_that_time_passes(self, make: Callable[[Valkey], Opened], valkey: Valkey) -> None:
        async def story(store: QuotaStore) -> None:
            await held(store, "1", Ask(tokens=5), LARGE)
            store.tick()
            await held(store, "2", Ask(tokens=5), LARGE)

        in_store(make, valkey, story)
