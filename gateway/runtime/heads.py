"""How far the audit segments of all workers are on disk, until the supervisor has signed it.

Once a second what came in is signed together. What cannot be written stays and is tried again; workers go on.
"""

import contextlib
from typing import Final

from gateway.core.audit_chain import Head
from gateway.runtime.checkpoints import Checkpoints
from gateway.telemetry import EventLog

SIGN_EVERY_S: Final = 1.0

log = EventLog(__name__)


class Heads:
    """The newest head of each segment that is not signed yet. Times are monotonic seconds."""

    def __init__(self, checkpoints: Checkpoints, now: float) -> None:
        self._checkpoints = checkpoints
        self._heads: dict[str, Head] = {}
        self.sign_at = now
        """When the next are signed."""

    @property
    def are_waiting(self) -> bool:
        """Whether there is something to sign."""
        return bool(self._heads)

    def told(self, head: Head) -> None:
        """A worker says how far its segment is."""
        self._heads[head.segment] = head

    def sign(self, now: float, *, is_last: bool = False) -> None:
        """Sign what waits, if it is time to, or the last time."""
        if not self._heads or (now < self.sign_at and not is_last):
            return
        self.sign_at = now + SIGN_EVERY_S
        try:
            for segment in sorted(self._heads):
                self._checkpoints.sign(self._heads[segment])
                del self._heads[segment]
        except OSError as exc:
            log.error("checkpoint_failed", error=type(exc).__name__, errno=exc.errno)
            with contextlib.suppress(OSError):
                self._checkpoints.repair()
