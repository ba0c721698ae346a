"""The desk where money for the cloud is set aside: exact for all workers together, closed where nobody can count."""

import asyncio
import contextlib
import random
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core import measures
from gateway.core.burst_budget import SUBJECT, BurstBudget, Level
from gateway.core.labels import Label, LabelOrder
from gateway.core.prices import PoolPrice, Prices, Rate
from gateway.core.quota import HOUR_US, MICRO, Limits
from gateway.core.records import Ending, Usage
from gateway.core.topology import Endpoint, Pool
from gateway.errors import BudgetSpent
from gateway.ports import Inbound
from gateway.runtime.burst_budget import BudgetDesk
from gateway.runtime.call import Call, Ids
from gateway.runtime.kept_budget import KeptBudget
from gateway.stores.memory_quota import MemoryQuotaStore
from gateway.stores.quotas import quota_store
from gateway.wire.requests import Dialect, Request, parse
from gateway.wire.token_demand import text_tokens
from tests.fakes.clock import FakeClock
from tests.fakes.valkey import running_valkey

BURST = Pool("burst", "cloud", Label(1), "openai", "m", (Endpoint("b"),))
NARROW = Pool("burst", "cloud", Label(1), "openai", "m", (Endpoint("b"),), context_tokens=100)
PRICES = Prices("CNY", {"burst": PoolPrice(Rate(MICRO * MICRO, MICRO * MICRO))})
"""A token costs a unit."""
ORDER = LabelOrder(("public", "internal"))
IDS = Ids()


def asked(
    body: bytes = b'{"model":"m","messages":[{"role":"user","content":"x"}],"max_tokens":10}',
) -> tuple[Call, Request]:
    call = Call(IDS.new(), Inbound(b"POST", b"/v1/chat/completions", None, body, 1.0), path="chat", order=ORDER)
    request = call.request = parse(Dialect.CHAT, body)
    return call, request


def over(call: Call, *, usage: Usage | None = None, status: int | None = 200) -> None:
    """The attempt of `call` is over."""
    call.begin_attempt(BURST, BURST.endpoints[0], now=1.0)
    call.end_attempt(Ending.COMPLETED, status, "", now=2.0)
    call.usage = usage


class Scene:
    """A desk over a store of its own."""

    def __init__(self, budget: BurstBudget, *, kept=None, parts: int = 1):
        self.clock = FakeClock()
        self.store = MemoryQuotaStore(self.clock, parts=parts)
        self.closed: list[bool] = []
        self.desk = BudgetDesk(
            budget, PRICES, self.store, part_of=self.store.part_of, kept=kept, closed=self.closed.append
        )

    async def spend(self, units: int, tenant: str = "bank") -> None:
        call, request = asked()
        hold = await self.desk.reserve(call, BURST, request, tenant)
        over(call, usage=Usage(units, 0))
        self.desk.settle(hold, call, was_sent=True)

    async def spent(self, subject: str = SUBJECT) -> int:
        found = await self.store.spent(subject, Limits())
        assert found is not None
        return found[0] // MICRO


def hourly(units: int, **tenants: int) -> BurstBudget:
    own = {tenant: Limits(money_per_hour=most * MICRO) for tenant, most in tenants.items()}
    return BurstBudget(Limits(money_per_hour=units * MICRO), own)


async def test_what_is_set_aside_is_the_most_that_an_attempt_can_cost():
    scene = Scene(hourly(10_000))
    call, request = asked()
    await scene.desk.reserve(call, BURST, request, "bank")
    held = await scene.spent()
    assert 10 < held < 100
    more = b'{"model":"m","messages":[{"role":"user","content":"x"}]}'
    await scene.desk.reserve(*_for(more, BURST), "bank")
    assert await scene.spent() == held + (4096 + text_tokens(more) + 16)
    await scene.desk.reserve(*_for(more, NARROW), "bank")
    assert await scene.spent() == held + (4096 + text_tokens(more) + 16) + 100


def _for(body: bytes, pool: Pool) -> tuple[Call, Pool, Request]:
    call, request = asked(body)
    return call, pool, request


@pytest.mark.parametrize(
    ("usage", "reckoned", "status", "was_sent", "expected"),
    [
        (Usage(5, 2), None, 200, True, 7),
        (None, Usage(30, 4), 200, True, 34),
        (None, None, 500, True, 0),
        (None, None, None, False, 0),
        (None, None, None, True, None),  # it may have read the prompt
        (None, None, 200, True, None),
    ],
)
async def test_what_is_charged_is_what_it_took(usage, reckoned, status, was_sent, expected):
    scene = Scene(hourly(10_000))
    call, request = asked()
    hold = await scene.desk.reserve(call, BURST, request, "bank")
    over(call, usage=usage, status=status)
    call.reckoned = reckoned
    scene.desk.settle(hold, call, was_sent=was_sent)
    assert await scene.spent() == (expected if expected is not None else hold.prompt_tokens)


async def test_a_tenant_that_may_not_spend_leaves_nothing_set_aside():
    scene = Scene(hourly(10_000, bank=5))
    with pytest.raises(BudgetSpent) as refused:
        await scene.spend(1)
    assert "burst:bank" in refused.value.detail
    assert await scene.spent() == 0
    await scene.spend(7, tenant="clinic")
    assert await scene.spent() == 7
    assert scene.desk.refused == 1


async def test_levels_follow_what_is_spent_and_are_told_once():
    scene = Scene(hourly(1000))
    for units, level in ((100, Level.OK), (750, Level.LOW), (150, Level.SPENT)):
        await scene.spend(units)
        await scene.desk.look()
        assert scene.desk.level is level
    assert scene.closed == [True]
    with pytest.raises(BudgetSpent) as refused:
        await scene.spend(1)
    assert 0 < (refused.value.retry_after_s or 0) <= 3600
    scene.clock.now += HOUR_US / MICRO
    await scene.desk.look()
    assert (scene.desk.level, scene.closed) == (Level.OK, [True, False])
    told = scene.desk.told()
    assert told is not None
    assert told.shares == (0.0, None, None)


async def test_one_tenants_budget_closes_for_that_tenant_alone():
    scene = Scene(BurstBudget(tenants={"bank": Limits(money_per_hour=100 * MICRO)}))
    await scene.spend(100)
    await scene.desk.look()
    assert scene.desk.has_spent("bank")
    assert not scene.desk.has_spent("clinic")
    assert (scene.desk.is_spent, scene.desk.told(), scene.closed) == (False, None, [])
    await scene.spend(100, tenant="clinic")


async def test_figures_say_how_the_money_stands():
    scene = Scene(hourly(1000))
    await scene.spend(500)
    await scene.desk.look()
    assert list(scene.desk.readings()) == [
        (measures.BUDGET_USED, ("hour",), 0.5),
        (measures.BUDGET_CLOSED, (), False),
        (measures.BUDGET_REFUSED, (), 0),
    ]
    assert scene.desk.currency == "CNY"


class Lost:
    """A store that counts for all workers and is gone: what stands in for it is this worker's part."""

    def __init__(self, stand_in):
        self._stand_in = stand_in
        self.is_degraded = True

    async def reserve(self, subject, key, ask, limits):
        return self._stand_in.reserve_now(subject, key, ask, limits)

    def settle(self, reservation, took):
        self._stand_in.settle(reservation, took)

    async def spent(self, subject, limits):
        return None


async def test_a_store_that_is_lost_counts_as_spent_and_opens_when_it_is_back():
    clock = FakeClock()
    stand_in, closed = MemoryQuotaStore(clock, is_stand_in=True), []
    desk = BudgetDesk(hourly(1000), PRICES, Lost(stand_in), closed=closed.append)
    call, request = asked()
    with pytest.raises(BudgetSpent):
        await desk.reserve(call, BURST, request, "bank")
    assert (desk.level, closed) == (Level.LOST, [True])
    assert await stand_in.spent(SUBJECT, Limits()) == (0, 0, 0)
    await desk.look()
    assert desk.level is Level.LOST
    desk._store = MemoryQuotaStore(clock)
    await desk.look()
    assert (desk.level, closed) == (Level.OK, [True, False])


async def test_the_look_goes_on_until_it_is_told_to_stop():
    scene, stop = Scene(hourly(1000)), asyncio.Event()
    task = asyncio.create_task(scene.desk.run(stop))
    await asyncio.sleep(0)
    stop.set()
    await asyncio.wait_for(task, 5)


@pytest.mark.parametrize(
    ("dialect", "body", "said", "ending", "completion"),
    [
        (Dialect.CHAT, b'{"model":"m","messages":[{"role":"user","content":"x"}]}', 0, Ending.COMPLETED, 1000),
        (Dialect.CHAT, b'{"model":"m","messages":[{"role":"user","content":"x"}]}', 9, Ending.COMPLETED, 9),
        (Dialect.CHAT, b'{"model":"m","messages":[{"role":"user","content":"x"}]}', 9, Ending.CLIENT_GONE, 9),
        (Dialect.CHAT, b'{"model":"m","messages":[{"role":"user","content":"x"}]}', 0, Ending.UPSTREAM_FAILED, None),
        (Dialect.EMBEDDINGS, b'{"model":"m","input":"x"}', 0, Ending.COMPLETED, 0),  # numbers, and no tokens
    ],
)
async def test_an_answer_that_no_server_counted_is_no_gift(dialect, body, said, ending, completion):
    scene = Scene(hourly(10_000))
    call, _ = asked()
    call.request = request = parse(dialect, body)
    hold = await scene.desk.reserve(call, BURST, request, "bank")
    over(call)
    call.said, call.bytes_out = said, 3000
    call.reckon(ending)
    assert (None if call.reckoned is None else call.reckoned.completion_tokens) == completion
    scene.desk.settle(hold, call, was_sent=True)
    assert await scene.spent() == hold.prompt_tokens + (completion or 0)


# A restart


async def test_what_the_last_requests_took_is_kept_beside_the_loop(tmp_path):
    class Heard(KeptBudget):
        def add(self, own, now):
            heard.append((own[SUBJECT][0] // MICRO, threading.get_ident()))
            loop.call_soon_threadsafe(kept.set)

    heard: list[tuple[int, int]] = []
    stop, kept, loop = asyncio.Event(), asyncio.Event(), asyncio.get_running_loop()
    scene = Scene(hourly(1000), kept=Heard(tmp_path / "b.json", MemoryQuotaStore(FakeClock()), FakeClock()))
    task = asyncio.create_task(scene.desk.run(stop))
    async with asyncio.timeout(5):
        await kept.wait()
        await scene.spend(7)
        stop.set()
        await task
    assert [spent for spent, _ in heard] == [0, 7]
    assert threading.get_ident() not in {thread for _, thread in heard}


async def test_what_was_spent_is_remembered_over_a_restart_as_long_as_its_hour_lasts(tmp_path):
    path = tmp_path / "budget.json"

    def started(now: float) -> Scene:
        scene = Scene.__new__(Scene)
        scene.clock, scene.closed = FakeClock(), []
        scene.clock.now = now
        scene.store = MemoryQuotaStore(scene.clock, parts=4)
        kept = KeptBudget(path, scene.store, scene.clock)
        both = BurstBudget(Limits(money_per_hour=4000 * MICRO, money_per_day=8000 * MICRO))
        scene.desk = BudgetDesk(
            both, PRICES, scene.store, part_of=scene.store.part_of, kept=kept, closed=scene.closed.append
        )
        return scene

    first = started(1000.0)
    await first.spend(600)
    await first.desk.look()
    written = path.stat().st_mtime_ns
    await first.desk.look()
    assert path.stat().st_mtime_ns == written
    again = started(1100.0)
    assert await again.store.spent(SUBJECT, Limits()) == (600 * MICRO, 600 * MICRO, 0)
    later = started(1000.0 + 3600)
    assert await later.store.spent(SUBJECT, Limits()) == (0, 600 * MICRO, 0)


async def test_a_file_that_says_nothing_is_passed_over_and_one_that_cannot_be_written_is_told(tmp_path, caplog):
    path = tmp_path / "budget.json"
    path.write_text("{")
    kept = KeptBudget(path, MemoryQuotaStore(FakeClock()), FakeClock())
    Scene(hourly(10), kept=kept)
    assert "budget_unreadable" in caplog.text
    path.unlink()
    path.mkdir()
    assert kept.add({SUBJECT: (1, 2, 3)}, kept.now()) is None
    assert "budget_not_kept" in caplog.text


def test_much_money_is_remembered_whole(tmp_path):
    clock = FakeClock()
    path, spent = tmp_path / "b.json", 3 * 10**12 + 7
    kept = KeptBudget(path, MemoryQuotaStore(clock), clock)
    kept.add({SUBJECT: (spent, 0, 0)}, kept.now())
    store = MemoryQuotaStore(clock)
    KeptBudget(path, store, clock).recall()
    assert asyncio.run(store.spent(SUBJECT, Limits())) == (spent, 0, 0)


# Many at once


@settings(max_examples=40, deadline=None)
@given(st.integers(50, 2000), st.lists(st.tuples(st.integers(0, 40), st.booleans()), min_size=1, max_size=60))
def test_in_whatever_order_they_come_and_end_no_more_is_held_than_there_is(most, works):
    async def run() -> None:
        scene = Scene(hourly(most))
        charged = 0

        async def work(units: int, is_long: bool) -> None:
            nonlocal charged
            call, request = asked()
            with contextlib.suppress(BudgetSpent):
                hold = await scene.desk.reserve(call, BURST, request, "bank")
                assert await scene.spent() <= most
                for _ in range(3 if is_long else 0):
                    await asyncio.sleep(0)
                over(call, usage=Usage(units, 0))
                scene.desk.settle(hold, call, was_sent=True)
                charged += units

        await asyncio.gather(*(work(units, is_long) for units, is_long in works))
        assert await scene.spent() == charged <= most

    asyncio.run(run())


@pytest.fixture(scope="module")
def valkey():
    with running_valkey() as server:
        yield server


@contextlib.asynccontextmanager
async def shared(server, count: int, budget: BurstBudget):
    """Desks of several workers that count in one Valkey."""
    async with contextlib.AsyncExitStack() as stack:
        desks, closed = [], []
        for number in range(count):
            redis = await stack.enter_async_context(server.connection(timeout_s=5.0))
            store = quota_store(redis, FakeClock(), workers=count, replicas=1, number=number)
            desks.append(BudgetDesk(budget, PRICES, store, closed=closed.append))
        yield desks, closed


async def test_workers_that_share_a_store_spend_no_more_together_than_there_is(valkey):
    valkey.ask("FLUSHALL")
    chance, left, most = random.Random(7), 0, 3000
    async with shared(valkey, 4, hourly(most)) as (desks, _):

        async def work(desk: BudgetDesk) -> None:
            nonlocal left
            call, request = asked()
            try:
                hold = await desk.reserve(call, BURST, request, "bank")
            except BudgetSpent:
                return
            await asyncio.sleep(chance.random() / 100)
            over(call, usage=Usage(chance.randint(0, 20), 0))
            assert call.usage is not None
            left += call.usage.prompt_tokens
            desk.settle(hold, call, was_sent=True)

        for _ in range(8):
            await asyncio.gather(*(work(desk) for desk in desks for _ in range(25)))
            for desk in desks:
                await desk._store.finish()
            spent = await desks[0]._store.spent(SUBJECT, hourly(most).whole)
            assert spent is not None
            assert spent[0] <= most * MICRO
        for desk in desks:
            await desk.look()
    assert spent[0] == left * MICRO <= most * MICRO
    assert left > most / 3
    levels = {desk.level for desk in desks}
    assert len(levels) == 1


async def test_a_valkey_that_is_killed_closes_the_cloud_within_moments_and_opens_it_when_it_is_back(valkey):
    valkey.ask("FLUSHALL")
    async with shared(valkey, 1, hourly(1000)) as ((desk,), closed):
        call, request = asked()
        desk.settle(await desk.reserve(call, BURST, request, "bank"), call, was_sent=False)
        valkey.kill()
        began = time.monotonic()
        with pytest.raises(BudgetSpent):
            await desk.reserve(call, BURST, request, "bank")
        assert time.monotonic() - began < 1.0
        await desk.look()
        assert (desk.level, closed) == (Level.LOST, [True])
        valkey.start()
        async with asyncio.timeout(20):
            while desk.level is Level.LOST:
                await asyncio.sleep(0.05)
                await desk.look()
        assert closed == [True, False]
        desk.settle(await desk.reserve(call, BURST, request, "bank"), call, was_sent=False)


async def test_whoever_leaves_while_money_is_set_aside_leaves_none_behind(valkey):
    valkey.ask("FLUSHALL")
    async with shared(valkey, 1, hourly(1000, bank=1000)) as ((desk,), _):
        for turns in range(8):
            call, request = asked()
            task = asyncio.create_task(desk.reserve(call, BURST, request, "bank"))
            for _ in range(turns):
                await asyncio.sleep(0)
            if task.cancel():
                with contextlib.suppress(asyncio.CancelledError):
                    desk.settle(await task, call, was_sent=False)
            else:
                desk.settle(task.result(), call, was_sent=False)
        assert await desk._store.spent(SUBJECT, hourly(1000).whole) == (0, 0, 0)
        assert await desk._store.spent("burst:bank", hourly(1000).whole) == (0, 0, 0)
