"""The shared record while commands are on their way: nothing is called lost that is not, and nothing whole that is."""

import asyncio
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from gateway.core.keyed_hash import KeyedHash
from gateway.ports import StoreUnavailable
from gateway.stores.redis_connection import Script
from gateway.stores.redis_taint import RedisTaintStore
from gateway.stores.sightings import Sightings
from gateway.wire.resp import Argument, Refused
from tests.fakes.clock import FakeClock
from tests.fakes.staged_redis import StagedRedis, StagedServer

TTL_S = 100.0
KEY = KeyedHash(b"k" * 32)
Result = TypeVar("Result")
A, B, C = (bytes([number]) * 16 for number in range(3))


class Worker:
    """One worker's record, and its connection, of which the test says when something is carried out and answered."""

    def __init__(self, server: StagedServer, clock: FakeClock, folder: Path, *, is_first: bool = False) -> None:
        folder.mkdir(exist_ok=True)
        self.clock = clock
        self.redis = StagedRedis(server)
        self.redis.arrive()
        self.store = RedisTaintStore(
            self.redis, KEY, clock, ttl_s=TTL_S, sightings=Sightings(folder), is_first=is_first
        )

    async def through(self, waiting: Awaitable[Result]) -> Result:
        """Its outcome, with everything carried out and answered as it comes."""
        task = asyncio.ensure_future(waiting)
        while not task.done():
            self.redis.lane.go_on()
            await asyncio.sleep(0)
        self.redis.lane.go_on()
        return task.result()

    async def look(self) -> None:
        await self.through(self.store.look())

    async def put(self, marks: Sequence[bytes], label: str) -> None:
        self.store.remember(marks, label)
        self.redis.lane.go_on()

    async def read(self, *marks: bytes) -> dict[bytes, set[str]] | None:
        found = await self.through(self.store.read(marks))
        return None if found is None else {mark: set(labels) for mark, labels in found.items()}

    def begin(self, waiting: Awaitable[Result]) -> "asyncio.Future[Result]":
        """It is asked, and nothing is carried out yet."""
        return asyncio.ensure_future(waiting)

    @property
    def era(self) -> object:
        """Which record it takes for the present one."""
        return self.store._era


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def server(clock: FakeClock) -> StagedServer:
    return StagedServer(clock)


@pytest.fixture
async def worker(server: StagedServer, clock: FakeClock, tmp_path: Path) -> Worker:
    """One of a record that is whole."""
    worker = Worker(server, clock, tmp_path / "disk", is_first=True)
    await worker.look()
    assert not worker.store.is_lost
    return worker


async def turns() -> None:
    """What was begun has been sent, or has taken its answer up."""
    for _ in range(5):
        await asyncio.sleep(0)


# While an answer is on its way


@pytest.mark.parametrize("is_known", [True, False])
async def test_a_reply_that_is_given_again_while_it_is_sought_is_not_missing(worker: Worker, is_known: bool) -> None:
    """Two requests that get the same answer, a common thing, and a third that quotes it."""
    if is_known:
        await worker.put([A], "restricted")
    reading = worker.begin(worker.store.read([A]))
    await turns()
    worker.store.remember([A], "public")
    assert await worker.through(reading) == ({A: {"restricted"}} if is_known else {})
    assert not worker.store.is_lost
    assert await worker.read(A) == {A: {"restricted", "public"} if is_known else {"public"}}


async def test_a_reply_that_is_given_again_during_a_look_is_not_missing(worker: Worker) -> None:
    await worker.put([A], "restricted")
    era, looking = worker.era, worker.begin(worker.store.look())
    await turns()
    worker.store.remember([A], "public")
    await worker.through(looking)
    assert (worker.era, worker.store.is_lost) == (era, False)


async def test_what_is_on_its_way_counts_at_once_for_whoever_sent_it(worker: Worker) -> None:
    """Whatever overtakes what: a reply that we gave has the label that we gave it."""
    worker.store.remember([A], "restricted")
    overtaken = worker.redis.lane.sent.popleft()
    reading = worker.begin(worker.store.read([A]))
    await turns()
    worker.redis.lane.sent.append(overtaken)
    assert await worker.through(reading) == {A: {"restricted"}}
    assert not worker.store.is_lost


async def test_what_was_asked_of_a_record_that_is_given_up_meanwhile_ends_no_other(
    worker: Worker, server: StagedServer
) -> None:
    await worker.put([A, B], "restricted")
    readings = [worker.begin(worker.store.read([mark])) for mark in (A, B, A, B)]
    await turns()
    server.fields.clear()
    worker.redis.lane.carry_out()
    worker.redis.lane.answer()
    await turns()
    lost = worker.era
    worker.clock.now += 1
    assert [await worker.through(reading) for reading in readings] == [None] * 4
    await worker.look()
    assert worker.era == lost
    assert worker.store.is_lost


# While Redis is down


@pytest.mark.parametrize("is_carried_out", [True, False])
@pytest.mark.parametrize("is_sent", [True, False])
async def test_a_second_label_that_could_not_be_saved_is_saved_and_not_missed(
    worker: Worker, is_sent: bool, is_carried_out: bool
) -> None:
    """The reply is on record under one label, and its other one is lost on the way, or is never sent."""
    await worker.put([A], "restricted")
    era = worker.era
    if is_sent:
        worker.store.remember([A], "public")
        if is_carried_out:
            worker.redis.lane.carry_out()
        worker.redis.lose()
    else:
        worker.redis.lose()
        worker.store.remember([A], "public")
    assert worker.store.is_lost
    assert worker.store.read_now([A]) is None
    worker.redis.arrive()
    assert worker.store.is_lost
    await worker.look()
    assert (worker.era, worker.store.is_lost) == (era, False)
    assert await worker.read(A) == {A: {"restricted", "public"}}


async def test_what_is_lost_again_while_it_is_saved_is_saved_once_more(worker: Worker) -> None:
    await worker.put([A], "restricted")
    era = worker.era
    worker.redis.lose()
    worker.store.remember([A], "public")
    worker.store.remember([B], "restricted")
    worker.redis.arrive()
    looking = worker.begin(worker.store.look())
    await turns()
    worker.redis.lane.carry_out()
    worker.redis.lose()
    await looking
    assert worker.store.is_lost
    worker.redis.arrive()
    await worker.look()
    assert (worker.era, worker.store.is_lost) == (era, False)
    assert await worker.read(A, B) == {A: {"restricted", "public"}, B: {"restricted"}}


async def test_a_full_redis_loses_nothing_that_it_had(worker: Worker, server: StagedServer) -> None:
    await worker.put([A], "restricted")
    era = worker.era
    server.refuses = "OOM"
    await worker.put([A], "public")
    assert await worker.read(A) is None
    await worker.look()
    assert worker.store.is_lost
    server.refuses = ""
    await worker.look()
    assert (worker.era, worker.store.is_lost) == (era, False)


@pytest.mark.parametrize("word", ["OOM", "READONLY", "MISCONF"])
async def test_one_who_has_nothing_to_save_hears_that_others_could_not(
    worker: Worker, server: StagedServer, clock: FakeClock, tmp_path: Path, word: str
) -> None:
    """Reading goes on, but what others gave is not there."""
    other = Worker(server, clock, tmp_path / "other")
    await other.look()
    server.refuses = word
    await worker.put([A], "restricted")
    await other.look()
    assert other.store.is_lost
    assert await other.read(A) is None
    server.refuses = ""
    for one in (worker, other):
        one.redis.arrive()
        await one.look()
    assert await other.read(A) == {A: {"restricted"}}


# Time


async def test_a_reply_that_comes_again_after_its_time_has_only_its_new_label(worker: Worker) -> None:
    await worker.put([A], "restricted")
    worker.clock.now += TTL_S + 1
    await worker.put([A], "public")
    await worker.look()
    assert not worker.store.is_lost
    assert await worker.read(A) == {A: {"public"}}


async def test_a_machine_that_slept_misses_nothing_that_has_expired_meanwhile(worker: Worker) -> None:
    """The wall clock went on, and the other did not."""
    await worker.put([A], "restricted")
    worker.clock.ahead += 2 * TTL_S
    await worker.look()
    assert not worker.store.is_lost
    assert await worker.read(A) == {}


async def test_a_machine_that_slept_while_it_waited_for_an_answer_takes_nothing_from_it(worker: Worker) -> None:
    await worker.put([A], "restricted")
    reading = worker.begin(worker.store.read([A]))
    await turns()
    worker.clock.ahead += 2 * TTL_S
    assert await worker.through(reading) is None
    assert not worker.store.is_lost


async def test_one_who_remembers_more_than_is_kept_still_notices_what_is_missing(
    worker: Worker, server: StagedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker.store._own, "_most", 2)
    for mark in (A, B, C):
        await worker.put([mark], "restricted")
    assert await worker.read(A, B, C) == {mark: {"restricted"} for mark in (A, B, C)}
    server.fields = {key: kept for key, kept in server.fields.items() if C not in key}
    assert await worker.read(C) is None
    assert worker.store.is_lost


# Scripts

LONG, ORDERED = Script("return 1"), Script("return 2", keeps_order=True)


def names_of(worker: Worker) -> list[Argument]:
    return [parts[0] for parts, _ in worker.redis.lane.sent]


async def test_a_script_is_sent_by_its_name_once_its_text_was_sent_on_this_connection(worker: Worker) -> None:
    for _ in range(2):
        worker.redis.start_call(LONG, [], [])
        worker.redis.start_call(ORDERED, [], [])
    assert names_of(worker) == ["EVAL", "EVAL", "EVALSHA", "EVAL"]


async def test_a_script_that_nobody_has_sent_is_not_known(worker: Worker) -> None:
    worker.redis.lose()
    with pytest.raises(StoreUnavailable):
        await worker.redis.call(LONG, [], [])
    worker.redis.arrive()
    worker.redis.start_call(LONG, [], [])
    assert names_of(worker) == ["EVAL"]


async def test_a_script_that_was_lost_or_refused_is_sent_with_its_text_again(
    worker: Worker, server: StagedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.redis.start_call(LONG, [], []).add_done_callback(asyncio.Future.exception)
    monkeypatch.setattr(server, "carry_out", lambda _: Refused("BUSY"))
    worker.redis.lane.go_on()
    worker.redis.start_call(LONG, [], []).add_done_callback(asyncio.Future.exception)
    assert names_of(worker) == ["EVAL"]
    worker.redis.lose()
    worker.redis.arrive()
    worker.redis.start_call(LONG, [], []).add_done_callback(asyncio.Future.exception)
    assert names_of(worker) == ["EVAL"]


async def test_scripts_that_wait_for_the_first_connection_keep_their_order(server: StagedServer) -> None:
    redis = StagedRedis(server)
    waiting = [redis.start_call(LONG, [], []) for _ in range(3)]
    redis.arrive()
    assert [parts[0] for parts, _ in redis.lane.sent] == ["EVAL"] * 3
    redis.lane.go_on()
    assert [await one for one in waiting] == [b"another script"] * 3


async def test_a_server_that_has_forgotten_its_scripts_forgets_no_reply(worker: Worker, server: StagedServer) -> None:
    await worker.put([A], "restricted")
    server.scripts.clear()
    worker.store.remember([A], "public")
    assert await worker.read(A) == {A: {"restricted", "public"}}
    assert not worker.store.is_lost
