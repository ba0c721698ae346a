"""The race by itself: ties, mistakes, and being called off. When whom it dials is tests/simulation/test_racing.py's."""

import asyncio

import pytest

from gateway.backends.racing import first_connected, in_turns
from gateway.ports import UpstreamUnreachable


@pytest.mark.parametrize(
    ("found", "order"),
    [
        (["1"], "1"),
        (["1", "2"], "1 2"),
        (["a:", "b:", "1", "2"], "a: 1 b: 2"),
        (["1", "2", "3", "a:"], "1 a: 2 3"),
        (["1", "a:", "2"], "1 a: 2"),
    ],
)
def test_families_take_turns_beginning_with_the_first(found, order):
    assert " ".join(in_turns(found)) == order


class Track:
    """Dials that end when they are told to, and what was discarded."""

    def __init__(self) -> None:
        self.ends: dict[str, asyncio.Future] = {}
        self.discarded: list[str] = []

    async def dial(self, address):
        self.ends[address] = asyncio.get_running_loop().create_future()
        return await self.ends[address]

    def race(self, *addresses):
        return asyncio.create_task(
            first_connected(addresses, self.dial, pace_s=0, discard=self.discarded.append), name="race"
        )

    async def until_dialled(self, *addresses):
        while set(self.ends) != set(addresses):  # noqa: ASYNC110 -- a few turns of the loop
            await asyncio.sleep(0)


async def settled():
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.parametrize("order", ["ab", "ba"])
async def test_of_two_in_the_same_moment_the_earlier_address_wins_and_the_other_is_discarded(order):
    track = Track()
    race = track.race("a", "b")
    await track.until_dialled("a", "b")
    for address in order:
        track.ends[address].set_result(address)
    assert await race == "a"
    await settled()
    assert track.discarded == ["b"]


async def test_a_loser_is_cancelled():
    track = Track()
    race = track.race("a", "b", "c")
    await track.until_dialled("a", "b", "c")
    track.ends["b"].set_result("b")
    assert await race == "b"
    await settled()
    assert track.ends["a"].cancelled()
    assert track.ends["c"].cancelled()
    assert track.discarded == []


async def test_a_race_called_off_as_one_connects_discards_it_and_cancels_the_rest():
    track = Track()
    race = track.race("a", "b")
    await track.until_dialled("a", "b")
    track.ends["a"].set_result("a")
    await asyncio.sleep(0)  # the dial has ended, the race has not yet heard of it
    race.cancel()
    with pytest.raises(asyncio.CancelledError):
        await race
    await settled()
    assert track.discarded == ["a"]
    assert track.ends["b"].cancelled()


@pytest.mark.parametrize("last", [ConnectionRefusedError(), UpstreamUnreachable("the proxy answered 403")])
async def test_if_all_fail_the_last_to_fail_says_why(last):
    track = Track()
    race = track.race("a", "b")
    await track.until_dialled("a", "b")
    track.ends["b"].set_exception(OSError(113, "no route"))
    await settled()
    assert not race.done()
    track.ends["a"].set_exception(last)
    with pytest.raises(type(last)):
        await race


async def test_a_mistake_in_the_dialling_ends_the_race_at_once():
    track = Track()
    race = track.race("a", "b")
    await track.until_dialled("a", "b")
    track.ends["a"].set_exception(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        await race
    await settled()
    assert track.ends["b"].cancelled()


async def test_an_only_address_is_dialled_without_a_race():
    track = Track()
    race = track.race("a")
    await track.until_dialled("a")
    assert [task.get_name() for task in asyncio.all_tasks() - {asyncio.current_task()}] == ["race"]
    track.ends["a"].set_result("a")
    assert await race == "a"
