"""The processes that read with models: how many questions wait for them, how long each may take, who starts them anew.

A worker answers one question at a time. One that does not answer in time, answers what cannot be, or dies is ended and
started again, ever more slowly if it keeps dying; its question goes unanswered, and so does one that finds no free
place. The process gets nothing of our environment and dies with us. What it runs is `cli/ner_worker.py`.
"""

import asyncio
import contextlib
import os
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from gateway.detect import ner_frames
from gateway.detect.ner_frames import Frames, Loaded, Nonsense
from gateway.detect.ner_text import Piece
from gateway.detect.ner_worth import Named
from gateway.telemetry import EventLog

COMMAND: Final = (sys.executable, "-P", "-m", "gateway.cli.ner_worker")
_LEAVING_S: Final = 0.5
_INHERITED: Final = ("PATH", "LANG", "LD_LIBRARY_PATH")

log = EventLog(__name__)


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How many workers, how many questions may wait besides those being answered, and times in seconds.

    `deadline_s` is for one question from when it is asked; `digest` is what a worker must have loaded.
    """

    digest: str
    workers: int = 1
    queue: int = 2
    deadline_s: float = 2.0
    start_s: float = 60.0
    stop_s: float = 2.0
    first_backoff_s: float = 0.5
    longest_backoff_s: float = 30.0
    command: tuple[str, ...] = COMMAND


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """A question that somebody waits for until `deadline`, by the loop's clock."""

    asked: Sequence[Piece]
    deadline: float
    answer: "asyncio.Future[list[list[Named]] | None]"

    def settle(self, answer: list[list[Named]] | None) -> None:
        """Tell whoever still waits."""
        if not self.answer.done():
            self.answer.set_result(answer)


class NameWorkers:
    """Behind `ner.Readers`. `run` keeps the workers running until it is told to stop; without them nothing is read."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._waiting: deque[_Job] = deque()
        self._children: set[_Child] = set()  # those that have their models
        self._started_ones: set[_Child] = set()  # those whose process may still run
        self.restarts = 0

    @property
    def live(self) -> int:
        """How many workers can be asked."""
        return len(self.pids)

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes of the workers that can be asked."""
        return tuple(child.pid for child in self._children if not child.gone.is_set())

    async def read(self, asked: Sequence[Piece]) -> Sequence[Sequence[Named]] | None:
        """What is in each piece; None if no worker could say so in time."""
        idle = sum(child.is_free for child in self._children)
        if not self.live or len(self._waiting) >= idle + self._settings.queue:
            return None
        loop = asyncio.get_running_loop()
        job = _Job(asked, loop.time() + self._settings.deadline_s, loop.create_future())
        self._waiting.append(job)
        self._hand_out()
        try:
            async with asyncio.timeout_at(job.deadline):
                return await job.answer
        except TimeoutError:
            return None
        finally:
            # Nobody waits any more. A worker that is at it goes on: it is ended only when its time is over.
            with contextlib.suppress(ValueError):
                self._waiting.remove(job)

    async def run(self, stop: asyncio.Event) -> None:
        """Keep the workers running until `stop` is set, then end them."""
        try:
            async with asyncio.TaskGroup() as group:
                keeping = [group.create_task(self._keep(number)) for number in range(self._settings.workers)]
                await stop.wait()
                for task in keeping:
                    task.cancel()
        finally:
            # Here, where nobody cancels any more: who kept one may have been stopped as he waited for its end.
            for child in tuple(self._started_ones):
                await self._ended(child)

    def _hand_out(self) -> None:
        for child in self._children:
            if not self._waiting:
                return
            if child.is_free:
                child.ask(self._waiting.popleft())

    async def _keep(self, number: int) -> None:
        settings = self._settings
        wait_s = settings.first_backoff_s / 2
        while True:
            child = await self._started()
            if child is not None:
                log.info("ner_worker_ready", worker=number, pid=child.pid)
                await self._served(child)
                log.error("ner_worker_lost", worker=number, pid=child.pid, reason=child.reason)
            self.restarts += 1
            has_served = child is not None and child.has_answered
            wait_s = settings.first_backoff_s if has_served else min(2 * wait_s, settings.longest_backoff_s)
            await asyncio.sleep(wait_s)

    async def _served(self, child: "_Child") -> None:
        self._children.add(child)
        self._hand_out()
        try:
            await child.gone.wait()
        finally:
            self._children.discard(child)
        await self._ended(child)

    async def _started(self) -> "_Child | None":
        """A worker that has its models; None if it does not come to that."""
        loop = asyncio.get_running_loop()
        settings = self._settings
        child = _Child(settings, self._hand_out)
        self._started_ones.add(child)
        try:
            await loop.subprocess_exec(
                lambda: child,
                *settings.command,
                stderr=None if sys.flags.dev_mode else asyncio.subprocess.DEVNULL,
                env=_environment(),
                # A session of its own: Ctrl-C at the terminal is for us, who then end it in order.
                start_new_session=True,
            )
        except OSError as error:
            self._started_ones.discard(child)
            log.error("ner_worker_not_started", error=type(error).__name__, errno=error.errno)
            return None
        try:
            async with asyncio.timeout(settings.start_s):
                await child.ready.wait()
        except TimeoutError:
            child.lose("did not start in time")
        if not child.gone.is_set():
            return child
        await self._ended(child)
        log.error("ner_worker_not_started", reason=child.reason)
        return None

    async def _ended(self, child: "_Child") -> None:
        await child.end()
        self._started_ones.discard(child)


class _Child(asyncio.SubprocessProtocol):
    """One worker process. `ready` is set when it has its models, and with `gone` when it has not and never will."""

    def __init__(self, settings: WorkerSettings, when_free: Callable[[], None]) -> None:
        self.ready = asyncio.Event()
        self.gone = asyncio.Event()
        self.reason = "ended"
        self.job: _Job | None = None
        self.has_answered = False
        self.pid = 0
        self._settings = settings
        self._when_free = when_free
        self._frames = Frames()
        self._number = 0
        self._is_leaving = False
        self._is_killed = False
        self._exited = asyncio.Event()
        self._late: asyncio.TimerHandle | None = None
        self._transport: asyncio.SubprocessTransport | None = None

    @property
    def is_free(self) -> bool:
        """Whether it can be asked now."""
        return self.job is None and not self.gone.is_set()

    def ask(self, job: _Job) -> None:
        """Have the worker answer `job`; it must be free."""
        self.job = job
        self._number += 1
        self._late = asyncio.get_running_loop().call_at(job.deadline, self.lose, "did not answer in time")
        assert self._transport is not None  # noqa: S101 -- a worker that said it is ready has one
        pipe = cast(asyncio.WriteTransport, self._transport.get_pipe_transport(0))
        pipe.write(ner_frames.question(self._number, job.asked))

    def lose(self, reason: str) -> None:
        """This worker is of no more use: its question goes unanswered. Who keeps it ends it."""
        if not self.gone.is_set():
            self.reason = reason
            job = self.job
            self._free()
            self.gone.set()
            self.ready.set()
            if job is not None:
                job.settle(None)

    async def end(self) -> None:
        """Kill the process, and wait until it has ended."""
        self.lose(self.reason)
        if self._transport is None:
            return
        if self._is_leaving:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LEAVING_S):
                    await self._exited.wait()
        # Once, and not where it ends by itself: asyncio loses its status if it is asked for at the same moment.
        if not self._exited.is_set() and not self._is_killed:
            self._is_killed = True
            with contextlib.suppress(ProcessLookupError):
                self._transport.kill()
        await self._exited.wait()
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The process runs."""
        self._transport = cast(asyncio.SubprocessTransport, transport)
        self.pid = self._transport.get_pid() or 0

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """The process said something."""
        if fd != 1 or self.gone.is_set():
            return
        try:
            for said in self._frames.fed(data):
                self._heard(said)
        except Nonsense as nonsense:
            self.lose(f"answered nonsense: {nonsense}")

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:  # noqa: ARG002 -- asyncio's signature
        """The process closed a pipe, mostly because it ends; without it there is no talking to it."""
        self._is_leaving = True
        self.lose(self.reason)

    def process_exited(self) -> None:
        """The process is gone."""
        self._exited.set()
        self.lose(self.reason)

    def _heard(self, data: bytes) -> None:
        said = ner_frames.read_said(data)
        if isinstance(said, Loaded):
            if self.ready.is_set() or said.digest != self._settings.digest:
                raise Nonsense("other models")
            self.ready.set()
            return
        job = self.job
        if job is None:
            raise Nonsense("an answer that nobody waits for")
        answer = ner_frames.believed(said, self._number, job.asked)
        self.has_answered = True
        self._free()
        job.settle(answer)
        self._when_free()

    def _free(self) -> None:
        self.job = None
        if self._late is not None:
            self._late.cancel()
            self._late = None


def _environment() -> dict[str, str]:
    """Nothing of ours but what Python needs: our environment may hold secrets."""
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    # The worker must be of the same gateway, also in a checkout that is not installed.
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    return environment
