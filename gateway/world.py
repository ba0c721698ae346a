"""What a worker takes from outside besides its settings."""

import random
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field

from gateway.ports import Clock
from gateway.runtime.audit import AuditLog
from gateway.runtime.clock import SystemClock


@dataclass(frozen=True, slots=True)
class World:
    """Time, chance, threads, and where records go.

    None stands for the real thing. Whoever gives others decides what time it is, as the simulation in the tests does.
    """

    clock: Clock = field(default_factory=SystemClock)
    # A share of the traffic, a moment of waiting: no secrets.
    chance: Callable[[], float] = field(default_factory=lambda: random.Random().random)  # noqa: S311
    executor: Executor | None = None
    audit: AuditLog | None = None
