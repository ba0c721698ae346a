"""The workers as their supervisor sees them: who is in which place, who is about to come, and what they inherit.

Values that change and one rule, how long a place stays empty after a death; what happens when is `supervisor.py`'s.
"""

import socket
import subprocess
from dataclasses import dataclass, field
from typing import Final

from gateway.runtime.upgrade import Prepared

QUICK_S: Final = 10.0
"""A worker that dies earlier than this after its start died quickly."""

SLOWEST_RESTART_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Fds:
    """What workers inherit beside a lifeline of their own."""

    data: int
    admin: int
    certificate: int
    figures: int


@dataclass(slots=True)
class Worker:
    """A running worker process, seen from here. `place` is where it tells its figures; `bundle` is what is to govern in
    it, and `is_active` whether it does."""

    number: int
    place: int
    process: subprocess.Popen[bytes]
    channel: socket.socket
    started_at: float
    is_ready: bool = False
    told_revision: tuple[int, int] = (-1, -1)
    bundle: str = ""
    is_active: bool = True
    kill_at: float | None = None


@dataclass(slots=True)
class Place:
    """The place of worker `number`: who is in it, and how often in a row someone died in it quickly."""

    number: int
    worker: Worker | None = None
    quick_deaths: int = 0
    restarts: int = 0
    start_at: float = field(default=0.0)

    def bury(self, worker: Worker, now: float) -> float:
        """`worker`, who was in this place, has died; how long it stays empty, in seconds."""
        self.quick_deaths = self.quick_deaths + 1 if now - worker.started_at < QUICK_S else 0
        self.restarts += 1
        after_s = restart_after(self.quick_deaths)
        self.start_at = now + after_s
        return after_s


@dataclass(slots=True)
class Next:
    """The workers of an upgrade while not all of them are ready; `certificate` is what they were handed."""

    prepared: Prepared
    certificate: int
    until: float
    workers: list[Worker] = field(default_factory=list)


def restart_after(quick_deaths: int) -> float:
    """How long to wait before the next start, in seconds: at once, then 0.1 s doubling to 30."""
    return min(SLOWEST_RESTART_S, 0.1 * 2 ** (quick_deaths - 1)) if quick_deaths else 0.0
