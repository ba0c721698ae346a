"""What every store of sealed answers must do, whatever keeps them. A new store is one more line in STORES."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.ports import NOT_NOW, CacheStore, Sought
from gateway.stores.memory_cache import MemoryCacheStore
from gateway.stores.redis_cache import RedisCacheStore
from tests.fakes.clock import FakeClock
from tests.fakes.valkey import Valkey, running_valkey

A, B = b"a" * 32, b"b" * 32
ME, YOU = b"me", b"you"
MOMENT_S = 0.05
LONG_S = 60.0


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    with running_valkey() as server:
        yield server


@dataclass
class Kept:
    """A store, and how a moment passes for it."""

    store: CacheStore
    a_moment_later: Callable[[], Awaitable[None]]

    async def seek(self, key: bytes = A, token: bytes = ME, lease_s: float = LONG_S, **more: bool) -> bytes | Sought:
        return await self.store.seek(key, token, lease_s, **more)

    async def look(self, key: bytes = A) -> bytes | Sought:
        """What there is, told at once where it can be."""
        found = await self.store.seek(key, b"", LONG_S)
        now = self.store.read_now(key)
        assert now is NOT_NOW or now == (found if isinstance(found, bytes) else None)
        return found

    def write(self, value: bytes, key: bytes = A, token: bytes = b"", lives_s: float = LONG_S) -> None:
        self.store.write(key, value, lives_s=lives_s, owner="bank", token=token)


@contextlib.asynccontextmanager
async def in_memory(_: Valkey) -> AsyncIterator[Kept]:
    clock = FakeClock()

    async def later() -> None:
        clock.now += 1.1 * MOMENT_S

    yield Kept(MemoryCacheStore(clock, most=1 << 20), later)


@contextlib.asynccontextmanager
async def in_redis(valkey: Valkey) -> AsyncIterator[Kept]:
    valkey.ask("FLUSHALL")
    async with valkey.connection() as redis:
        # A script that the server does not know is sent again, and what was sent after it overtakes it.
        store = RedisCacheStore(redis)
        store.write(B, b"first", lives_s=LONG_S, owner="bank")
        store.leave(B, YOU)
        while await store.seek(B, b"", LONG_S) != b"first":
            pass
        await redis.execute("DEL", *re.findall(rb"tidegate:cache:\S+", valkey.ask("KEYS", "*")))
        # The server's own clock: a moment of it has to pass.
        yield Kept(store, lambda: asyncio.sleep(1.2 * MOMENT_S))


Stores = Callable[[Valkey], contextlib.AbstractAsyncContextManager[Kept]]
STORES: list[Stores] = [in_memory, in_redis]


@pytest.mark.parametrize("made", STORES)
class TestEveryStore:
    async def test_what_was_written_is_read_back_and_nothing_else(self, made: Stores, valkey: Valkey) -> None:
        async with made(valkey) as kept:
            kept.write(b"\0sealed\r\n\xff")
            assert await kept.look(A) == b"\0sealed\r\n\xff"
            assert await kept.look(B) is Sought.OURS

    async def test_what_is_written_again_is_the_new_one(self, made: Stores, valkey: Valkey) -> None:
        async with made(valkey) as kept:
            kept.write(b"old")
            kept.write(b"new")
            assert await kept.look() == b"new"

    async def test_a_value_lives_as_long_as_it_was_said_to(self, made: Stores, valkey: Valkey) -> None:
        async with made(valkey) as kept:
            kept.write(b"brief", lives_s=MOMENT_S)
            kept.write(b"long", key=B)
            await kept.a_moment_later()
            assert await kept.look(A) is Sought.OURS
            assert await kept.look(B) == b"long"

    async def test_whoever_only_wants_to_know_whether_it_answers_takes_no_lead(
        self, made: Stores, valkey: Valkey
    ) -> None:
        async with made(valkey) as kept:
            heard: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            kept.store.sound(A, heard.set_result)
            assert await heard
            assert await kept.seek(token=YOU) is Sought.OURS

    async def test_what_has_no_time_to_live_is_not_kept(self, made: Stores, valkey: Valkey) -> None:
        async with made(valkey) as kept:
            kept.write(b"dead", lives_s=0.0)
            assert await kept.look() is Sought.OURS

    async def test_one_leads_until_it_has_written(self, made: Stores, valkey: Valkey) -> None:
        async with made(valkey) as kept:
            assert await kept.seek(token=ME) is Sought.OURS
            assert await kept.seek(token=ME) is Sought.OURS
            assert await kept.seek(token=YOU) is Sought.ANOTHERS
            assert await kept.look() is Sought.ANOTHERS
            assert await kept.seek(B, YOU) is Sought.OURS
            kept.write(b"made", token=ME)
            assert await kept.seek(token=YOU) == b"made"
            assert await kept.seek(token=YOU, anew=True) is Sought.OURS

    async def test_one_who_leaves_makes_room_for_the_next_and_only_one_who_leads_can(
        self, made: Stores, valkey: Valkey
    ) -> None:
        async with made(valkey) as kept:
            assert await kept.seek(token=ME) is Sought.OURS
            kept.store.leave(A, YOU)
            kept.store.leave(A, b"")
            kept.write(b"other", key=B, token=ME)
            assert await kept.seek(token=YOU) is Sought.ANOTHERS
            kept.store.leave(A, ME)
            assert await kept.seek(token=YOU) is Sought.OURS

    async def test_one_who_dies_leads_no_longer_than_its_lease(self, made: Stores, valkey: Valkey) -> None:
        async with made(valkey) as kept:
            assert await kept.seek(token=ME, lease_s=MOMENT_S) is Sought.OURS
            await kept.a_moment_later()
            assert await kept.seek(token=YOU) is Sought.OURS
            kept.write(b"late", token=ME)
            assert await kept.seek(token=ME, anew=True) == b"late"  # the lead is still the other's

    async def test_a_value_is_made_anew_by_one_while_the_others_have_the_old_one(
        self, made: Stores, valkey: Valkey
    ) -> None:
        async with made(valkey) as kept:
            kept.write(b"old")
            assert await kept.seek(token=ME, anew=True) is Sought.OURS
            assert await kept.seek(token=YOU, anew=True) == b"old"
            assert await kept.seek(token=YOU) == b"old"
            kept.write(b"new", token=ME)
            assert await kept.look() == b"new"

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        history=st.lists(
            st.tuples(
                st.sampled_from(["seek", "anew", "write", "leave", "look"]),
                st.sampled_from([A, B]),
                st.sampled_from([ME, YOU]),
            ),
            max_size=12,
        )
    )
    async def test_every_history_reads_as_a_table_of_values_and_leads_would(
        self, made: Stores, valkey: Valkey, history: list[tuple[str, bytes, bytes]]
    ) -> None:
        values: dict[bytes, bytes] = {}
        leads: dict[bytes, bytes] = {}
        async with made(valkey) as kept:
            for number, (step, key, token) in enumerate(history):
                value, lead = values.get(key), leads.get(key)
                if step == "write":
                    values[key] = b"%d" % number
                    kept.write(values[key], key=key, token=token)
                elif step == "leave":
                    kept.store.leave(key, token)
                if step in ("write", "leave"):
                    if lead == token:
                        del leads[key]
                    continue
                if step == "look":
                    none = Sought.OURS if lead is None else Sought.ANOTHERS
                    assert await kept.look(key) == (value if value is not None else none)
                    continue
                found = await kept.seek(key, token, anew=step == "anew")
                if value is not None and step == "seek":
                    assert found == value
                elif lead in (None, token):
                    assert found is Sought.OURS
                    leads[key] = token
                else:
                    assert found == (value if value is not None else Sought.ANOTHERS)
