"""One connection to one Redis server, shared by everybody who asks.

Commands are written as they come and answered in that order, so that a caller never owns the connection and cannot
leave it out of step by going away: its answer is read all the same, and dropped (threats.md I12). The first command
that is not answered in time, and the first byte that is no answer, end the connection for all who wait.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, cast

from gateway.wire.resp import Argument, OutOfStep, Refused, Replies, Reply, command

MOST_WAITING: Final = 20_000
"""Commands that may wait for an answer: a server that is that far behind does not answer in time."""

_GRACE_S: Final = 0.005
"""A timer may come before bytes that have been here for longer, after the loop was busy: those are read first. It is
part of a command's time, unless the loop was busy until that was over."""


@dataclass(frozen=True, slots=True)
class Lost:
    """There will be no answer, and nobody knows whether the command was carried out."""

    reason: str


Heard = Callable[[Reply | Lost], None]
"""Called once with what became of a command; must neither raise nor wait."""


class Carrier(Protocol):
    """Something that is connected and takes commands. `heard` is called once for each."""

    @property
    def is_lost(self) -> bool: ...
    def send(self, parts: Sequence[Argument], heard: Heard) -> None: ...
    def abort(self, reason: str) -> None: ...


class Lane(asyncio.Protocol):
    """The connection. `on_lost` hears once why it ended, after everybody who waited."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, timeout_s: float, on_lost: Callable[[str], None]) -> None:
        self._loop = loop
        self._timeout_s = timeout_s
        self._on_lost = on_lost
        self._replies = Replies()
        self._waiting: deque[tuple[float, Heard]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self._is_lost = False

    @property
    def is_lost(self) -> bool:
        """Whether it has ended."""
        return self._is_lost

    def send(self, parts: Sequence[Argument], heard: Heard) -> None:
        """Write a command; `heard` is called later, or now if the connection has ended."""
        transport = self._transport
        if self._is_lost or transport is None:
            heard(Lost("not connected"))
            return
        if len(self._waiting) >= MOST_WAITING:
            heard(Lost("too many commands wait"))
            return
        due = self._loop.time() + self._timeout_s
        self._waiting.append((due, heard))
        if self._timer is None:
            self._timer = self._loop.call_at(due - _GRACE_S, self._look)
        transport.write(command(parts))

    def abort(self, reason: str) -> None:
        """End the connection now."""
        if self._transport is not None:
            self._transport.abort()
        self._end(reason)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        # Not isinstance: uvloop's transports are of no class of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Answers, to whoever has waited the longest."""
        try:
            replies = self._replies.feed(data)
        except (OutOfStep, RecursionError):
            self.abort("out of step")
            return
        waiting = self._waiting
        for reply in replies:
            if not waiting:
                # Nobody asked: what follows would answer the wrong questions.
                self.abort("out of step")
                return
            waiting.popleft()[1](reply)

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side has gone."""
        self._end("closed" if exc is None else named(exc))

    def _look(self) -> None:
        """A deadline has come: is the longest wait too long?"""
        self._timer = None
        if not self._waiting or self._is_lost:
            return
        due = self._waiting[0][0]
        if self._loop.time() < due - _GRACE_S:
            self._timer = self._loop.call_at(due - _GRACE_S, self._look)
        else:
            self._timer = self._loop.call_later(_GRACE_S, self._give_up, due)

    def _give_up(self, due: float) -> None:
        self._timer = None
        if self._waiting and self._waiting[0][0] <= due:
            self.abort("timeout")
        else:
            self._look()

    def _end(self, reason: str) -> None:
        if self._is_lost:
            return
        self._is_lost = True
        if self._timer is not None:
            self._timer.cancel()
        lost = Lost(reason)
        while self._waiting:
            self._waiting.popleft()[1](lost)
        self._on_lost(reason)


async def asked(lane: Lane, *parts: Argument) -> Reply:
    """Ask on a lane that nobody else has yet; raises LaneRefused if it ends, or for an error."""
    future: asyncio.Future[Reply | Lost] = asyncio.get_running_loop().create_future()

    def heard(answer: Reply | Lost) -> None:
        if not future.done():
            future.set_result(answer)

    lane.send(parts, heard)
    answer = await future
    if isinstance(answer, Lost):
        raise LaneRefused(answer.reason)
    if isinstance(answer, Refused):
        raise LaneRefused(answer.code)
    return answer


class LaneRefused(Exception):
    """A server would not talk to us. `reason` is a word of Redis's own, or an exception's type and errno."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def named(error: BaseException) -> str:
    """An exception's type, and its errno if it has one; never its text."""
    number = error.errno if isinstance(error, OSError) else None
    return type(error).__name__ if number is None else f"{type(error).__name__} {number}"
