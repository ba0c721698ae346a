"""The shared record under every interleaving of what two workers do and what their connections suffer: it is never
called lost while nothing is, never whole while something is missing, and no label that was given is ever read past."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.ports import StoreUnavailable
from tests.fakes.clock import FakeClock
from tests.fakes.staged_redis import StagedServer
from tests.stores.test_redis_taint_order import TTL_S, A, B, C, Worker, turns

MARKS = st.sampled_from([A, B, C])
WHO = st.sampled_from([0, 1])
DEEDS = st.lists(
    st.one_of(
        st.tuples(st.just("remember"), WHO, MARKS, st.sampled_from(["public", "internal", "restricted"])),
        st.tuples(st.just("read"), WHO, MARKS),
        st.tuples(st.just("look"), WHO),
        st.tuples(st.just("carry out"), WHO),
        st.tuples(st.just("answer"), WHO),
        st.tuples(st.just("go on"), WHO),
        st.tuples(st.just("lose"), WHO),
        st.tuples(st.just("arrive"), WHO),
        st.tuples(st.just("fill"), WHO),
        st.tuples(st.just("empty"), WHO),
        st.tuples(st.just("wait"), WHO, st.sampled_from([1.0, TTL_S / 3, TTL_S * 0.95])),
    ),
    max_size=40,
)
OFTEN = settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


class Play:
    """Two workers of one record, whose deeds are done one after the other, and what each of them has given."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.server = StagedServer(self.clock)
        self.workers = [Worker(self.server, self.clock, folder / name, is_first=name == "a") for name in "ab"]
        self.given: list[dict[tuple[bytes, str], float]] = [{}, {}]
        self._under_way: list[asyncio.Future[None]] = []
        self._looking: list[asyncio.Future[None] | None] = [None, None]

    async def begin(self) -> list[object]:
        for worker in self.workers:
            await worker.look()
        await self.workers[0].look()
        assert not any(worker.store.is_lost for worker in self.workers)
        return [worker.era for worker in self.workers]

    async def do(self, deed: Sequence[object]) -> None:
        match deed:
            case ["remember", int(who), bytes(mark), str(label)]:
                for other in ("public", "internal", "restricted"):
                    if self._counts(who, mark, other):  # it lasts as long as its reply
                        self.given[who][mark, other] = self.clock.now
                self.given[who][mark, label] = self.clock.now
                self.workers[who].store.remember([mark], label)
            case ["read", int(who), bytes(mark)]:
                self._under_way.append(asyncio.ensure_future(self._read(who, mark)))
            case ["look", int(who)]:
                looking = self._looking[who]
                if looking is None or looking.done():
                    self._looking[who] = asyncio.ensure_future(self.workers[who].store.look())
            case ["carry out", int(who)]:
                self.workers[who].redis.lane.carry_out()
            case ["answer", int(who)]:
                self.workers[who].redis.lane.answer()
            case ["go on", int(who)]:
                self.workers[who].redis.lane.go_on()
            case ["lose", int(who)]:
                self.workers[who].redis.lose()
            case ["arrive", int(who)]:
                if not self.workers[who].redis.is_up:
                    self.workers[who].redis.arrive()
            case ["fill", _]:
                self.server.refuses = "OOM"
            case ["empty", _]:
                self.server.refuses = ""
            case ["wait", _, float(seconds)]:
                self.clock.now += seconds
        await turns()

    async def settle(self) -> None:
        """Everything that was begun ends, Redis is well, and both look."""
        self.server.refuses = ""
        for _ in range(3):
            for who, worker in enumerate(self.workers):
                await self.do(["arrive", who])
                worker.redis.lane.go_on()
                await turns()
        while self._under_way or any(looking is not None and not looking.done() for looking in self._looking):
            for worker in self.workers:
                worker.redis.lane.go_on()
            await turns()
            self._under_way = [await_ for await_ in self._under_way if not _ended(await_)]
        for _ in range(3):
            for worker in self.workers:
                await worker.look()

    def _counts(self, who: int, mark: bytes, label: str) -> bool:
        """Whether what was given is within the time for which whoever gave it answers for it."""
        return self.clock.now - self.given[who].get((mark, label), -TTL_S) < 0.9 * TTL_S

    def must_have(self, who: int, mark: bytes) -> set[str]:
        return {label for of, label in self.given[who] if of == mark and self._counts(who, mark, label)}

    async def _read(self, who: int, mark: bytes) -> None:
        before = self.must_have(who, mark)
        try:
            found = await self.workers[who].store.read([mark])
        except StoreUnavailable:  # it never says so
            raise AssertionError from None
        if found is not None:
            assert {label for label in before if self._counts(who, mark, label)} <= set(found.get(mark, ()))


def _ended(future: "asyncio.Future[None]") -> bool:
    if future.done():
        future.result()
        return True
    return False


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fleet")


@given(deeds=DEEDS)
@OFTEN
def test_while_nothing_is_lost_the_record_is_not_and_it_has_everything(
    folder: Path, deeds: list[Sequence[object]]
) -> None:
    async def play() -> None:
        fleet = Play(folder)
        eras = await fleet.begin()
        for deed in deeds:
            await fleet.do(deed)
        await fleet.settle()
        assert [worker.era for worker in fleet.workers] == eras
        assert not any(worker.store.is_lost for worker in fleet.workers)
        for worker in fleet.workers:
            found = await worker.read(A, B, C)
            assert found is not None
            for mark in (A, B, C):
                assert fleet.must_have(0, mark) | fleet.must_have(1, mark) <= found.get(mark, set())

    asyncio.run(play())


@given(deeds=DEEDS, mark=MARKS, label=st.sampled_from(["public", "restricted"]), who=WHO)
@OFTEN
def test_whatever_befell_it_before_what_is_missing_is_noticed_by_whoever_gave_it(
    folder: Path, deeds: list[Sequence[object]], mark: bytes, label: str, who: int
) -> None:
    async def play() -> None:
        fleet = Play(folder)
        await fleet.begin()
        for deed in deeds:
            await fleet.do(deed)
        await fleet.do(["remember", who, mark, label])
        await fleet.settle()
        worker = fleet.workers[who]
        assert not worker.store.is_lost
        _, fields = next(kept for key, kept in fleet.server.fields.items() if key.endswith(mark))
        del fields[label.encode()]
        await worker.look()
        assert worker.store.is_lost
        await fleet.workers[1 - who].look()
        assert fleet.workers[1 - who].store.is_lost

    asyncio.run(play())


@given(before=DEEDS, after=DEEDS)
@OFTEN
def test_what_comes_back_empty_is_whole_for_nobody(
    folder: Path, before: list[Sequence[object]], after: list[Sequence[object]]
) -> None:
    async def play() -> None:
        fleet = Play(folder)
        await fleet.begin()
        for deed in before:
            await fleet.do(deed)
        fleet.server.texts.clear()
        fleet.server.fields.clear()
        flushed = fleet.clock.now
        for deed in after:
            await fleet.do(deed)
        await fleet.settle()
        for worker in fleet.workers:
            if fleet.clock.now - flushed < TTL_S:
                assert worker.store.is_lost
                assert await worker.read(A) is None

    asyncio.run(play())
