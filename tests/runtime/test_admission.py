"""Admission: limits hold, turns are in order, and no slot is ever lost."""

import asyncio
import random

import pytest

from gateway.core.labels import Label
from gateway.core.topology import Endpoint, Pool
from gateway.errors import Overloaded, Unavailable
from gateway.runtime.admission import Admission
from tests.fakes.clock import FakeClock


def pool(name: str, limit: int = 1, queue: int = 8) -> Pool:
    return Pool(name, "onprem", Label(0), "vllm", "m", (Endpoint(name),), max_in_flight=limit, max_queued=queue)


def admission(*pools: Pool) -> Admission:
    return Admission(pools, FakeClock())


async def settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_free_places_are_taken_in_the_order_of_the_decision():
    gates = admission(pool("a"), pool("b"), pool("burst"))
    taken = [(await gates.enter(("a", "b"), ("burst",), wait_s=1)).pool for _ in range(3)]
    assert taken == ["a", "b", "burst"]


async def test_work_that_may_not_spill_waits_its_turn_at_home():
    gates = admission(pool("home"), pool("burst", limit=5))
    first = await gates.enter(("home",), (), wait_s=1)
    sensitive = asyncio.create_task(gates.enter(("home",), (), wait_s=5))
    await settle()
    assert not sensitive.done()
    assert gates.load()["home"].waiting == 1
    assert (await gates.enter(("home",), ("burst",), wait_s=1)).pool == "burst"
    first.leave()
    assert (await sensitive).pool == "home"
    assert gates.load()["burst"].in_flight == 1


async def test_turns_are_first_come_first_served_and_newcomers_do_not_overtake():
    gates = admission(pool("home"))
    place = await gates.enter(("home",), (), wait_s=1)
    order: list[int] = []

    async def take(number: int) -> None:
        mine = await gates.enter(("home",), (), wait_s=5)
        order.append(number)
        mine.leave()

    waiting = [asyncio.create_task(take(number)) for number in range(4)]
    await settle()
    place.leave()
    assert gates.try_enter(("home",)) is None
    await asyncio.gather(*waiting)
    assert order == [0, 1, 2, 3]
    assert gates.load()["home"].in_flight == 0


async def test_a_place_is_given_back_once():
    gates = admission(pool("home", limit=2))
    one, _two = await gates.enter(("home",), (), wait_s=1), await gates.enter(("home",), (), wait_s=1)
    one.leave()
    one.leave()
    assert gates.load()["home"].in_flight == 1


async def test_a_full_queue_and_a_wait_that_is_over_are_overload_with_an_honest_retry_after():
    clock = FakeClock()
    gates = Admission([pool("home", queue=1)], clock)
    for _ in range(3):
        place = await gates.enter(("home",), (), wait_s=1)
        clock.now += 4.0
        place.leave()
    await gates.enter(("home",), (), wait_s=1)
    with pytest.raises(Overloaded) as no_wait:
        await gates.enter(("home",), (), wait_s=0)
    assert no_wait.value.retry_after_s == 4.0
    waiting = asyncio.create_task(gates.enter(("home",), (), wait_s=0.02))
    await settle()
    with pytest.raises(Overloaded) as full:
        await gates.enter(("home",), (), wait_s=5)
    assert full.value.retry_after_s == 8.0
    with pytest.raises(Overloaded):
        await waiting
    assert gates.load()["home"].waiting == 0


async def test_nothing_to_wait_for_is_unavailable():
    with pytest.raises(Unavailable):
        await admission(pool("home")).enter((), (), wait_s=1)


async def test_a_waiter_that_is_cancelled_as_its_turn_comes_passes_it_on():
    gates = admission(pool("home"))
    place = await gates.enter(("home",), (), wait_s=1)
    first = asyncio.create_task(gates.enter(("home",), (), wait_s=5))
    second = asyncio.create_task(gates.enter(("home",), (), wait_s=5))
    await settle()
    place.leave()
    first.cancel()
    assert (await second).pool == "home"
    with pytest.raises(asyncio.CancelledError):
        await first
    assert gates.load()["home"].in_flight == 1


async def test_a_turn_in_one_pool_frees_the_others_for_newcomers_at_once():
    gates = admission(pool("a"), pool("b"))
    in_a, in_b = await gates.enter(("a",), (), wait_s=1), await gates.enter(("b",), (), wait_s=1)
    either = asyncio.create_task(gates.enter(("a", "b"), (), wait_s=5))
    await settle()
    in_a.leave()
    in_b.leave()
    assert gates.try_enter(("b",)) is not None
    assert (await either).pool == "a"


@pytest.mark.parametrize("seed", range(20))
async def test_no_slot_is_lost_or_lent_twice_whatever_is_cancelled(seed):
    chance = random.Random(seed)
    limits = {"a": 2, "b": 3, "c": 1}
    gates = admission(*(pool(name, limit) for name, limit in limits.items()))
    held = dict.fromkeys(limits, 0)

    async def work() -> None:
        names = chance.sample(sorted(limits), k=chance.randint(1, 3))
        try:
            place = await gates.enter(names[:1], names[1:], wait_s=chance.choice([0.001, 5]))
        except Overloaded:
            return
        held[place.pool] += 1
        assert held[place.pool] <= limits[place.pool]
        try:
            await asyncio.sleep(0)
        finally:
            held[place.pool] -= 1
            place.leave()

    tasks = [asyncio.create_task(work()) for _ in range(60)]
    for _ in range(40):
        await asyncio.sleep(0)
        chance.choice(tasks).cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert {name: load.in_flight for name, load in gates.load().items()} == dict.fromkeys(limits, 0)
    assert all(load.waiting == 0 for load in gates.load().values())
