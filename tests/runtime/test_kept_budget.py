"""Workers that share one part of the budget: what they spend is one sum, whoever starts, drains or dies meanwhile."""

import asyncio
import contextlib
import fcntl
import subprocess
import sys
import uuid
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.quota import MICRO, Ask, Limits
from gateway.runtime import kept_budget
from gateway.runtime.kept_budget import KeptBudget
from gateway.stores.memory_quota import MemoryQuotaStore
from tests.fakes.clock import FakeClock
from tests.runtime import spender

LIMITS = Limits(money_per_hour=10**9, money_per_day=10**9, money_per_month=10**9)
WHO = "burst"


class Spender:
    """A worker that shares the part in `path`."""

    def __init__(self, path: Path, clock: FakeClock) -> None:
        self.store = MemoryQuotaStore(clock)
        self.kept = KeptBudget(path, self.store, clock)
        self.kept.recall()
        self._number = 0

    async def hold(self, amount: int):
        self._number += 1
        return await self.store.reserve(WHO, f"{id(self)}.{self._number}", Ask(cost_micros=amount, requests=0), LIMITS)

    async def spend(self, amount: int) -> None:
        self.store.settle(await self.hold(amount), Ask(cost_micros=amount, requests=0))

    async def spent(self) -> tuple[int, int, int]:
        found = await self.store.spent(WHO, LIMITS)
        assert found is not None
        return found

    async def look(self) -> None:
        now, own = self.kept.now(), self.kept.own({WHO: await self.spent()})
        total = self.kept.add(own, now)
        if total is not None:
            self.kept.hear(total, own)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "budget-w0.json"


async def test_one_that_drains_and_the_one_in_its_place_share_one_part(path, clock):
    old = Spender(path, clock)
    await old.spend(600)
    await old.look()
    new = Spender(path, clock)
    assert (await new.spent())[0] == 600
    await old.spend(50)
    await new.spend(7)
    await old.look()
    await new.look()
    await old.look()
    assert [(await one.spent())[0] for one in (old, new)] == [657, 657]
    assert await Spender(path, clock).spent() == (657, 657, 657)


async def test_what_was_set_aside_and_is_free_again_is_nobodys_expense(path, clock):
    one, other = Spender(path, clock), Spender(path, clock)
    hold = await one.hold(500)
    await one.look()
    await other.look()
    one.store.settle(hold, Ask(cost_micros=20, requests=0))
    for _ in range(2):
        await one.look()
        await other.look()
    assert (await Spender(path, clock).spent())[0] == 20
    # What has been heard of others is not taken back, but what they spend next is not counted on top of it.
    assert (await other.spent())[0] == 500
    await one.spend(480)
    await one.look()
    await other.look()
    assert (await other.spent())[0] == 500
    assert (await Spender(path, clock).spent())[0] == 500


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["spend", "look", "start", "die", "hour"]), st.integers(0, 5), st.integers(1, 9)),
        max_size=40,
    )
)
async def test_the_sum_is_what_all_have_spent_that_was_written_down(tmp_path, steps):
    clock, path = FakeClock(), tmp_path / f"{uuid.uuid4()}.json"
    live, unwritten = [Spender(path, clock)], {0: 0}
    total = day = 0
    for step, which, amount in steps:
        one = live[which % len(live)]
        if step == "spend":
            await one.spend(amount)
            unwritten[id(one)] = unwritten.get(id(one), 0) + amount
        elif step == "look":
            await one.look()
            written = unwritten.pop(id(one), 0)
            total, day = total + written, day + written
        elif step == "start":
            live.append(Spender(path, clock))
        elif step == "die" and len(live) > 1:
            live.remove(one)
            unwritten.pop(id(one), None)
        elif step == "hour":
            for each in live:
                await each.look()
            day += sum(unwritten.values())
            unwritten.clear()
            clock.ahead += 3600
            total = 0
        assert (await Spender(path, clock).spent())[0] == total
    for one in live:
        await one.look()
        assert (await one.spent())[0] >= total


async def test_a_new_hour_begins_with_nothing_and_the_day_goes_on(path, clock):
    one, other = Spender(path, clock), Spender(path, clock)
    for each in (one, other):
        await each.spend(10)
        await each.look()
    clock.ahead += 3600
    await one.spend(3)
    for each in (one, other, one):
        await each.look()
    assert await one.spent() == (3, 23, 23)
    assert await other.spent() == (3, 23, 23)
    assert await Spender(path, clock).spent() == (3, 23, 23)


async def test_a_worker_of_the_build_before_that_still_drains_overwrites_nothing(path, clock):
    """It writes what it thinks is the sum: what it knew when it started, and what it has spent since."""
    before = Spender(path, clock)

    def writes(amount: int) -> None:
        path.write_bytes(msgspec.json.encode({"windows": before.kept.now(), "spent": {WHO: (amount,) * 3}, "v": 1}))

    writes(100)
    new = Spender(path, clock)
    assert (await new.spent())[0] == 100
    await new.spend(5)
    await new.look()
    assert (await Spender(path, clock).spent())[0] == 105
    writes(130)
    await new.look()
    assert (await new.spent())[0] == 135
    assert (await Spender(path, clock).spent())[0] == 135


async def test_a_file_that_is_taken_away_or_damaged_is_written_again_as_it_was(path, clock):
    one = Spender(path, clock)
    await one.spend(9)
    await one.look()
    for damage in (path.unlink, lambda: path.write_text("{")):
        damage()
        await one.spend(1)
        await one.look()
    assert (await Spender(path, clock).spent())[0] == 11


async def test_what_cannot_be_written_because_another_holds_the_lock_is_written_later(path, clock, monkeypatch, caplog):
    monkeypatch.setattr(kept_budget, "_PAUSE_S", 0.001)
    one = Spender(path, clock)
    await one.spend(9)
    with path.with_suffix(".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        await one.look()
        assert not path.exists()
    assert "budget_not_kept" in caplog.text
    await one.look()
    assert (await Spender(path, clock).spent())[0] == 9


# Processes


@contextlib.contextmanager
def process(path: Path, units: int):
    command = [sys.executable, "-m", spender.__name__, str(path), str(units)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        try:
            yield running
        finally:
            running.kill()


def sum_in(path: Path) -> int:
    return msgspec.json.decode(path.read_bytes())["spent"][spender.WHO][2] // MICRO


def test_two_processes_that_spend_at_the_same_time_count_every_unit_once(path):
    with process(path, 60) as one, process(path, 60) as other:
        for running in (one, other):
            said, _ = running.communicate(timeout=60)
            assert said.split()[-1] == "60"
    assert sum_in(path) == 120


def test_nothing_is_lost_or_counted_twice_when_they_are_killed_at_any_moment(path):
    kept = uncertain = 0
    with process(path, 10**6) as survivor:
        for number in range(3):
            with process(path, 10**6) as victim:
                assert victim.stdout is not None
                for _ in range(5 * number + 1):
                    last = int(victim.stdout.readline())
                victim.kill()
                rest = [int(line) for line in victim.stdout.read().split()]
            kept += rest[-1] if rest else last
            uncertain += 1  # what was written as it died, and not told any more
        survivor.kill()
        assert survivor.stdout is not None
        kept += int(survivor.stdout.read().split()[-1])
    assert kept <= sum_in(path) <= kept + uncertain + 1


def test_they_hear_of_each_other(path):
    with process(path, 10**6) as one:
        assert one.stdout is not None
        one.stdout.readline()

        async def heard() -> int:
            clock = spender.SystemClock()
            other = Spender.__new__(Spender)
            other.store = MemoryQuotaStore(clock)
            other.kept = KeptBudget(path, other.store, clock)
            other.kept.recall()
            first = (await other.spent())[2]
            assert one.stdout is not None
            for _ in range(20):
                one.stdout.readline()
            await other.look()
            return (await other.spent())[2] - first

        assert asyncio.run(heard()) >= 19 * MICRO
