"""A command takes its time and no longer, and what has come while the loop was busy is read before it is given up."""

import heapq
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from gateway.stores.redis_lane import Lane, Lost

TIMEOUT_S = 0.05


class Loop:
    """A loop whose time passes when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._due: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._count = 0

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, call: Callable[..., None], *arguments: Any) -> SimpleNamespace:
        self._count += 1
        heapq.heappush(self._due, (when, self._count, call, arguments))
        return SimpleNamespace(cancel=lambda: None)

    def call_later(self, delay: float, call: Callable[..., None], *arguments: Any) -> SimpleNamespace:
        return self.call_at(self.now + delay, call, *arguments)

    def run(self, until: float) -> None:
        """Let time pass, and call what is due."""
        while self._due and self._due[0][0] <= until:
            when, _, call, arguments = heapq.heappop(self._due)
            self.now = max(self.now, when)
            call(*arguments)
        self.now = until


def lane(loop: Loop) -> tuple[Lane, list[str]]:
    ended: list[str] = []
    of_ours: Any = loop
    made = Lane(of_ours, timeout_s=TIMEOUT_S, on_lost=ended.append)
    transport: Any = SimpleNamespace(write=lambda _: None, abort=lambda: None)
    made.connection_made(transport)
    return made, ended


def test_a_command_that_is_not_answered_is_given_up_when_its_time_is_up_and_not_later() -> None:
    loop = Loop()
    made, ended = lane(loop)
    heard: list[object] = []
    made.send(("PING",), heard.append)
    loop.run(1000.0 + TIMEOUT_S - 0.001)
    assert heard == []
    loop.run(1000.0 + TIMEOUT_S + 1e-9)
    assert heard == [Lost("timeout")]
    assert ended == ["timeout"]


def test_an_answer_that_came_while_the_loop_was_busy_is_read_first() -> None:
    loop = Loop()
    made, ended = lane(loop)
    heard: list[object] = []
    made.send(("PING",), heard.append)
    loop.now += 3 * TIMEOUT_S
    loop.run(loop.now)
    assert heard == []
    made.data_received(b"+PONG\r\n")
    loop.run(loop.now + 1.0)
    assert heard == [b"PONG"]
    assert ended == []


def test_each_command_has_its_own_time() -> None:
    loop = Loop()
    made, ended = lane(loop)
    heard: list[object] = []
    made.send(("PING",), heard.append)
    loop.run(1000.0 + TIMEOUT_S / 2)
    made.send(("PING",), heard.append)
    made.data_received(b"+PONG\r\n")
    loop.run(1000.0 + 1.4 * TIMEOUT_S)
    assert (heard, ended) == ([b"PONG"], [])
    loop.run(1000.0 + 1.5 * TIMEOUT_S + 1e-6)
    assert (heard, ended) == ([b"PONG", Lost("timeout")], ["timeout"])
