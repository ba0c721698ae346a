"""A clock that stands still until it is told."""

from dataclasses import dataclass


@dataclass
class FakeClock:
    now: float = 1000.0
    ahead: float = 0.0  # what the wall clock was put forward

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return 1_795_000_000.0 + self.ahead + self.now
