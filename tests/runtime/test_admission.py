"""Admission: limits hold, turns are in order, and no slot is ever lost."""

import asyncio
import random
from dataclasses import replace

import msgspec
import pytest

from gateway.core.burst import SpillRules, Thresholds
from gateway.core.decision import Allow, Canary
from gateway.core.facts import Tenant
from gateway.core.labels import Label
from gateway.core.topology import Endpoint, Pool
from gateway.core.waiting import Asker
from gateway.errors import Forbidden, Overloaded, Unavailable
from gateway.runtime.admission import Admission, Turn
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


# Decided again while waiting


async def waiting(gates: Admission, to: tuple[str, ...], spill: tuple[str, ...] = (), wait_s: float = 5.0):
    """A request that waits, and the handle on its wait."""
    turn = Turn()
    task = asyncio.create_task(gates.enter(to, spill, wait_s=wait_s, turn=turn))
    await settle()
    assert turn.is_waiting
    return task, turn


async def test_a_free_place_that_a_second_decision_opens_is_taken_at_once():
    gates = admission(pool("home"), pool("burst", limit=2))
    await gates.enter(("home",), (), wait_s=1)
    task, turn = await waiting(gates, ("home",))
    turn.change(("home",), ("burst",), wait_s=5)
    assert (await task).pool == "burst"
    assert not turn.is_waiting
    assert {name: (load.in_flight, load.waiting) for name, load in gates.load().items()} == {
        "home": (1, 0),
        "burst": (1, 0),
    }


async def test_a_wait_that_changes_keeps_its_place_in_line():
    gates = admission(pool("home"), pool("burst"))
    at_home, in_burst = await gates.enter(("home",), (), wait_s=1), await gates.enter(("burst",), (), wait_s=1)
    first, turn = await waiting(gates, ("home",))
    second, _ = await waiting(gates, ("home", "burst"))
    turn.change(("home",), ("burst",), wait_s=5)
    # In the queue that it was in it is still the first, in the one that it joined the last.
    in_burst.leave()
    assert (await second).pool == "burst"
    at_home.leave()
    assert (await first).pool == "home"


async def test_a_wait_that_changes_stands_where_a_place_comes_first():
    gates = admission(pool("home"), pool("burst"))
    await gates.enter(("home",), (), wait_s=1)
    in_burst = await gates.enter(("burst",), (), wait_s=1)
    task, turn = await waiting(gates, ("home",))
    turn.change(("home",), ("burst",), wait_s=5)
    in_burst.leave()
    assert (await task).pool == "burst"


async def test_a_wait_leaves_the_queues_that_a_second_decision_does_not_list():
    gates = admission(pool("home"), pool("other"), pool("burst"))
    places = {name: await gates.enter((name,), (), wait_s=1) for name in ("home", "other", "burst")}
    task, turn = await waiting(gates, ("home", "other"))
    turn.change(("other",), ("burst",), wait_s=5)
    places["home"].leave()
    await settle()
    assert not task.done()
    assert {name: load.waiting for name, load in gates.load().items()} == {"home": 0, "other": 1, "burst": 1}
    places["other"].leave()
    assert (await task).pool == "other"


async def test_a_second_decision_brings_its_own_patience():
    gates = admission(pool("home"))
    await gates.enter(("home",), (), wait_s=1)
    task, turn = await waiting(gates, ("home",), wait_s=60)
    turn.change(("home",), (), wait_s=0.01)
    with pytest.raises(Overloaded):
        await task
    assert gates.load()["home"].waiting == 0


async def test_a_second_decision_that_refuses_ends_the_wait():
    gates = admission(pool("home"), pool("burst"))
    place = await gates.enter(("home",), (), wait_s=1)
    task, turn = await waiting(gates, ("home",))
    turn.refuse(Forbidden())
    with pytest.raises(Forbidden):
        await task
    place.leave()
    assert {name: (load.in_flight, load.waiting) for name, load in gates.load().items()} == {
        "home": (0, 0),
        "burst": (0, 0),
    }


async def test_a_wait_that_is_over_changes_no_more():
    gates = admission(pool("home"), pool("burst"))
    place = await gates.enter(("home",), (), wait_s=1)
    never = Turn()
    never.change(("burst",), (), wait_s=1)
    never.refuse(Forbidden())
    assert not never.is_waiting
    task, turn = await waiting(gates, ("home",))
    place.leave()
    # Its turn has come, and it has not noticed yet.
    turn.change(("burst",), (), wait_s=1)
    turn.refuse(Forbidden())
    assert (await task).pool == "home"
    assert gates.load()["burst"].in_flight == 0


async def test_a_refused_waiter_that_is_cancelled_in_the_same_moment_has_no_slot_to_give_back():
    gates = admission(pool("home"))
    await gates.enter(("home",), (), wait_s=1)
    task, turn = await waiting(gates, ("home",))
    turn.refuse(Forbidden())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert gates.load()["home"].in_flight == 1


@pytest.mark.parametrize("seed", range(20))
async def test_no_slot_is_lost_or_lent_twice_whatever_is_cancelled(seed):
    chance = random.Random(seed)
    limits = {"a": 2, "b": 3, "c": 1}
    gates = Admission(
        [cloud(name, limit) if name == "b" else pool(name, limit, queue=6) for name, limit in limits.items()],
        FakeClock(),
        most_in_cloud=2,
    )
    held = dict.fromkeys(limits, 0)
    turns: list[Turn] = []

    async def work() -> None:
        names = chance.sample(sorted(limits), k=chance.randint(1, 3))
        turns.append(turn := Turn())
        try:
            place = await gates.enter(names[:1], names[1:], wait_s=chance.choice([0.001, 5]), turn=turn)
        except (Overloaded, Forbidden, Unavailable):
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
        for turn in chance.sample(turns, k=min(3, len(turns))):
            names = chance.sample(sorted(limits), k=chance.randint(1, 3))
            turn.change(names[:1], names[1:], wait_s=chance.choice([0.001, 5]))
        if turns and chance.random() < 0.2:
            chance.choice(turns).refuse(Forbidden())
        if chance.random() < 0.3:
            drained = chance.sample(sorted(limits), k=chance.randint(0, 2))
            gates.control(chance.choice([None, 0.0, 0.5, 1.0]), drained)
    gates.control(None, ())
    await asyncio.gather(*tasks, return_exceptions=True)
    assert {name: load.in_flight for name, load in gates.load().items()} == dict.fromkeys(limits, 0)
    assert all(load.waiting == 0 for load in gates.load().values())


# Who asks, and what operations say

TENANT = Tenant("bank", "default", Label(1))


def allow(to: tuple[str, ...], spill: tuple[str, ...] = ()) -> Allow:
    return Allow(to, spill, 5.0, "rest", Label(1))


def cloud(name: str = "burst", limit: int = 1) -> Pool:
    return Pool(name, "cloud", Label(1), "openai", "m", (Endpoint(name),), max_in_flight=limit)


def test_a_request_may_leave_if_its_decision_lists_a_pool_in_the_cloud():
    gates = admission(pool("home"), cloud())
    decisions = [allow(("home",)), allow(("home",), ("burst",)), allow(("burst",))]
    decisions += [msgspec.structs.replace(decisions[0], canary=Canary("burst", 5))]
    askers = [gates.asker(TENANT, decision) for decision in decisions]
    assert [asker.may_leave for asker in askers] == [False, True, True, True]
    assert len({asker.lot for asker in askers}) == 4
    assert {(asker.tenant, asker.priority, asker.label) for asker in askers} == {("bank", TENANT.priority, Label(1))}


def test_a_request_that_is_decided_again_keeps_its_lot():
    gates = admission(pool("home"), cloud())
    first = gates.asker(TENANT, allow(("home",)))
    second = gates.asker(TENANT, allow(("home",), ("burst",)), first)
    assert (second.lot, second.may_leave) == (first.lot, True)


async def test_work_that_may_leave_finds_no_place_among_those_that_are_kept():
    gates = admission(replace(pool("home", limit=2), reserved=1), cloud(limit=0))
    assert gates.try_enter(("home",), ("burst",)) is not None
    assert gates.free(("home",), ("burst",)) is None
    assert gates.free(("home",)) == "home"
    load = gates.load()["home"]
    assert (load.reserved, load.pressure, load.is_spilling) == (1, 1.0, True)


async def test_a_drained_pool_sends_away_who_waits_for_it_alone():
    gates = admission(pool("home"), pool("other"), cloud())
    for name in ("home", "other", "burst"):
        await gates.enter((name,), (), wait_s=1)
    alone, _ = await waiting(gates, ("home",))
    either, _ = await waiting(gates, ("home", "other"))
    gates.control(None, {"home"})
    assert gates.is_drained("home")
    assert gates.load()["home"].is_drained
    with pytest.raises(Unavailable):
        await alone
    assert not either.done()
    with pytest.raises(Unavailable):
        await gates.enter(("home",), (), wait_s=1)
    gates.left("other")
    assert (await either).pool == "other"


async def test_burst_that_is_closed_leaves_the_cloud_to_nobody_and_opens_for_who_waits():
    gates = admission(pool("home"), cloud())
    await gates.enter(("home",), (), wait_s=1)
    gates.control(0.0, ())
    task, _ = await waiting(gates, ("home",), ("burst",))
    assert gates.in_cloud == 0
    gates.control(None, ())
    assert (await task).pool == "burst"
    assert gates.in_cloud == 1


async def test_a_model_server_that_is_under_pressure_lets_go_who_may_leave():
    spill = SpillRules(Thresholds(open_at=3.0), ((Label(1), Thresholds(open_at=4.0)),))
    gates = admission(replace(pool("home"), spill=spill), cloud())
    await gates.enter(("home",), (), wait_s=1)
    task, _ = await waiting(gates, ("home",), ("burst",))
    gates.tick()
    assert not task.done()
    gates.press("home", 3.0)
    assert (await task).pool == "burst"
    load = gates.load()["home"]
    assert (load.is_spilling, load.labels_spilling) == (True, {1: False})


async def test_there_is_a_cap_on_all_work_in_the_cloud():
    gates = Admission([cloud("burst"), cloud("burst-b")], FakeClock(), most_in_cloud=1)
    place = await gates.enter(("burst",), (), wait_s=1)
    task, _ = await waiting(gates, ("burst-b",))
    place.leave()
    assert (await task).pool == "burst-b"


async def test_whoever_makes_room_for_a_shorter_queue_is_told_when_to_come_again():
    gates = admission(pool("home", queue=2))
    await gates.enter(("home",), (), wait_s=1)
    tasks = [asyncio.create_task(gates.enter(("home",), (), wait_s=5, asker=Asker("many"))) for _ in range(2)]
    await settle()
    few = asyncio.create_task(gates.enter(("home",), (), wait_s=5, asker=Asker("few")))
    with pytest.raises(Overloaded) as refused:
        await tasks[1]
    assert refused.value.retry_after_s == 1.0
    gates.left("home")
    assert (await tasks[0]).pool == "home"
    gates.left("home")
    assert (await few).pool == "home"


async def test_a_waiter_that_is_refused_and_called_in_the_same_moment_passes_its_place_on():
    gates = admission(pool("home"))
    place = await gates.enter(("home",), (), wait_s=1)
    first, turn = await waiting(gates, ("home",))
    second, _ = await waiting(gates, ("home",))
    turn.refuse(Forbidden())
    place.leave()
    assert (await second).pool == "home"
    with pytest.raises(Forbidden):
        await first
    third, turn = await waiting(gates, ("home",))
    turn.refuse(Forbidden())
    gates.control(None, {"home"})
    with pytest.raises(Forbidden):
        await third


@pytest.mark.parametrize(("share", "drained"), [(None, {"home", "burst"}), (0.0, {"home"})])
async def test_a_turn_that_came_in_the_moment_its_pool_was_closed_is_no_place_there(share, drained):
    gates = admission(pool("home"), replace(pool("burst"), zone="cloud"))
    at_home = await gates.enter(("home",), (), wait_s=1)
    gone = await gates.enter((), ("burst",), wait_s=1)
    one = asyncio.create_task(gates.enter(("home",), (), wait_s=5))
    other = asyncio.create_task(gates.enter(("home",), ("burst",), wait_s=5))
    await settle()
    gone.leave()
    at_home.leave()
    gates.control(share, drained)
    for waiting in (one, other):
        with pytest.raises(Unavailable):
            await waiting
    assert [load.in_flight for load in gates.load().values()] == [0, 0]
