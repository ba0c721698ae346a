"""Processes with models: whatever one of them does, the question goes unanswered and the next one is answered."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.detect.ner_text import Language, Piece
from gateway.detect.ner_workers import NameWorkers, WorkerSettings
from gateway.detect.ner_worth import Kind, Named

PROCESS = str(Path(__file__).parents[1] / "fakes" / "ner_process.py")
FOUND = [[Named(Kind.PERSON, 0, 4)]]


def settings(says: str = "models", **other: object) -> WorkerSettings:
    usual = {"digest": says, "first_backoff_s": 0.01, "command": (sys.executable, "-P", PROCESS, says)}
    return WorkerSettings(**{**usual, **other})  # type: ignore[arg-type]


def asked(text: str = "John writes") -> list[Piece]:
    return [Piece(Language.EN, 0, text)]


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(100):
        while not is_so():  # noqa: ASYNC110 -- processes set no events of ours
            await asyncio.sleep(0.005)


@asynccontextmanager
async def running(given: WorkerSettings, *, live: int = 1) -> AsyncIterator[NameWorkers]:
    workers, stop = NameWorkers(given), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(workers.run(stop))
        try:
            await until(lambda: workers.live == live)
            yield workers
        finally:
            stop.set()


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_worker_answers_one_question_after_another() -> None:
    async with running(settings()) as workers:
        for _ in range(3):
            assert await workers.read(asked()) == FOUND
        assert await workers.read([*asked(), *asked("Al is here")]) == [*FOUND, [Named(Kind.PERSON, 0, 2)]]
    assert workers.live == 0


async def test_nothing_is_read_before_a_worker_runs() -> None:
    assert await NameWorkers(settings()).read(asked()) is None


@pytest.mark.parametrize(
    "does",
    [
        "DIE", "RAISE", "EARLIER", "TWICE", "OUTSIDE", "BACKWARDS", "NEGATIVE", "ELSEWHERE", "FEWER", "MORE",
        "MANY", "ENDLESS", "GARBAGE", "AGAIN",
    ],
)  # fmt: skip
async def test_a_worker_that_misbehaves_is_replaced_and_the_next_question_answered(does: str) -> None:
    async with running(settings(deadline_s=20.0)) as workers:
        answer = await workers.read(asked(f"{does} now"))
        # The first of two answers was a good one; the second is what nobody asked for.
        assert answer is None or (does == "TWICE" and answer == [[]])
        await until(lambda: workers.restarts == 1 and workers.live == 1)
        assert await workers.read(asked()) == FOUND


async def test_a_worker_that_is_gone_is_asked_no_more() -> None:
    async with running(settings(deadline_s=20.0)) as workers:
        assert await workers.read(asked("ENDLESS talk")) is None
        assert await workers.read(asked()) is None  # at once: nobody has noticed yet but the worker itself
        assert workers.live == 0


@pytest.mark.parametrize("does", ["HANG", "CLOSE"])  # not every loop notices that a pipe is closed
async def test_a_worker_that_does_not_answer_in_time_is_ended(does: str) -> None:
    async with running(settings(deadline_s=0.2)) as workers:
        (child,) = workers._children
        assert await workers.read(asked(f"{does} please")) is None
        await until(lambda: workers.restarts == 1 and workers.live == 1)
        assert not is_running(child.pid)


async def test_more_questions_than_may_wait_are_refused_at_once_and_those_that_wait_are_answered() -> None:
    async with running(settings(queue=2, deadline_s=20.0)) as workers, asyncio.TaskGroup() as group:
        waiting = [group.create_task(workers.read(asked())) for _ in range(3)]
        await asyncio.sleep(0)
        assert len(workers._waiting) == 2
        assert await workers.read(asked()) is None
        assert [await one for one in waiting] == [FOUND] * 3


async def test_a_question_that_waits_too_long_goes_unanswered_without_a_worker_being_blamed() -> None:
    async with running(settings(queue=1, deadline_s=0.2)) as workers:
        first, second = await asyncio.gather(workers.read(asked("HANG")), workers.read(asked()))
        assert (first, second) == (None, None)
        await until(lambda: workers.live == 1)
        assert workers.restarts == 1
        assert not workers._waiting


async def test_who_stops_waiting_frees_the_place_and_harms_nobody() -> None:
    async with running(settings(queue=1, deadline_s=20.0)) as workers, asyncio.TaskGroup() as group:
        busy = group.create_task(workers.read(asked()))
        waits = group.create_task(workers.read(asked()))
        await asyncio.sleep(0)
        busy.cancel()
        waits.cancel()
        await asyncio.sleep(0)
        assert not workers._waiting
        assert await workers.read(asked()) == FOUND
        assert workers.restarts == 0


async def test_each_worker_gets_a_question() -> None:
    async with running(settings(workers=2, queue=0, deadline_s=20.0), live=2) as workers:
        assert await asyncio.gather(workers.read(asked()), workers.read(asked())) == [FOUND, FOUND]


@pytest.mark.parametrize("says", ["exits", "babbles", "never-ready"])
async def test_a_worker_that_never_has_its_models_is_tried_again_and_never_asked(says: str) -> None:
    workers, stop = NameWorkers(settings(says, start_s=0.3)), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(workers.run(stop))
        await until(lambda: workers.restarts >= 2)
        assert workers.live == 0
        assert await workers.read(asked()) is None
        stop.set()


async def test_a_worker_with_other_models_than_those_of_the_bundle_is_never_asked() -> None:
    workers, stop = NameWorkers(settings("theirs", digest="ours")), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(workers.run(stop))
        await until(lambda: workers.restarts >= 1)
        assert workers.live == 0
        stop.set()


async def test_a_program_that_cannot_be_started_is_no_crash() -> None:
    workers, stop = NameWorkers(settings(command=("/nowhere/python",))), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(workers.run(stop))
        await until(lambda: workers.restarts >= 2)
        stop.set()


async def test_a_worker_gets_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_ROOT_SECRET", "0123456789abcdef")
    allowed = {"PATH", "LANG", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "LC_CTYPE"}
    here = {name for name in ("PATH", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
    names = {*here, "PYTHONPATH", "PYTHONDONTWRITEBYTECODE"}
    given = [settings("environment", digest=",".join(sorted(found))) for found in (names, names | {"LC_CTYPE"})]
    assert names <= allowed
    async with asyncio.TaskGroup() as group:
        stop = asyncio.Event()
        both = [NameWorkers(one) for one in given]
        for workers in both:
            group.create_task(workers.run(stop))
        # Python itself adds LC_CTYPE where no language is set.
        await until(lambda: any(workers.live for workers in both))
        stop.set()


@pytest.mark.parametrize("does", ["John writes", "DIE now", "ENDLESS talk"])
async def test_who_stops_us_while_a_worker_ends_waits_for_its_end(does: str) -> None:
    async with running(settings(deadline_s=20.0)) as workers:
        (child,) = workers._children
        await workers.read(asked(does))
    assert not is_running(child.pid)
    assert not workers._started_ones


async def test_no_worker_is_left_behind_when_we_are_cancelled() -> None:
    workers = NameWorkers(settings(workers=2))
    running_workers = asyncio.ensure_future(workers.run(asyncio.Event()))
    await until(lambda: workers.live == 2)
    pids = [child.pid for child in workers._children]
    running_workers.cancel()
    await asyncio.wait([running_workers])
    assert [is_running(pid) for pid in pids] == [False, False]
