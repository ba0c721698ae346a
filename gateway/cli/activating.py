"""A worker's part when another bundle is to govern: loaded beside the loop, then in force from one turn to the next.

What the supervisor says is a state, not an event: whatever was missed on the way, the last word counts. A worker that
cannot take the bundle says so and serves what it has, for the supervisor to replace it; one that is leaving and could
not take it asks those who still wait to come again, where something may have been taken away.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gateway.assemble import Worker
from gateway.cli import loaded
from gateway.cli.loaded import Loaded
from gateway.core.problems import Problems
from gateway.runtime.certified import Unproved
from gateway.runtime.lifeline import Lifeline, Told
from gateway.telemetry import EventLog

DEEPER: Final = "it takes a worker of its own"
AGAIN_AFTER_S: Final = 1.0

log = EventLog(__name__)


class Activating:
    """Keeps `worker`, which serves `current`, at the bundle that the supervisor names."""

    def __init__(
        self, worker: Worker, current: Loaded, lifeline: Lifeline, directory: Path, environ: Mapping[str, str]
    ) -> None:
        self._worker = worker
        self._current = current
        self._lifeline = lifeline
        self._directory = directory
        self._environ = environ
        self._wanted = current.bundle.digest
        self._task: asyncio.Task[None] | None = None

    def told(self, told: Told) -> None:
        """The supervisor says what stands, and what governs."""
        self._worker.told(told)
        if told.in_force is None or not told.in_force.bundle:
            return
        self._wanted = told.in_force.bundle
        if self._task is None and self._wanted != self._worker.bundle:
            self._task = asyncio.get_running_loop().create_task(self._follow())
            self._task.add_done_callback(self._followed)

    def _followed(self, task: "asyncio.Task[None]") -> None:
        self._task = None
        if not task.cancelled() and (failure := task.exception()) is not None:
            log.error("activation_failed", error=type(failure).__name__, bundle=self._wanted)
            self._lifeline.not_activated(self._wanted, "the worker failed at it")

    async def _follow(self) -> None:
        """Take what is wanted, and what is wanted by then."""
        told = ""
        while (wanted := self._wanted) != self._worker.bundle:
            reason = await self._take(wanted)
            if reason:
                if told != wanted:
                    told = wanted
                    log.warning("bundle_not_activated", bundle=wanted, reason=reason)
                    self._lifeline.not_activated(wanted, reason)
                if reason == DEEPER:
                    return
                # A file of keys or of secrets may be about to be written: a worker must not stay shut for that.
                await asyncio.sleep(AGAIN_AFTER_S)
        self._lifeline.activated(self._wanted)

    async def _take(self, wanted: str) -> str:
        """Let `wanted` govern; why not, if it does not."""
        try:
            found = await asyncio.to_thread(loaded.activated, self._directory, self._environ, wanted, self._current)
        except (Problems, Unproved, OSError) as failure:
            self._worker.supersede()
            return loaded.why(failure)
        if found.foundation != self._current.foundation:
            if not self._current.bundle.is_kept_by(found.bundle):
                self._worker.supersede()
            return DEEPER
        await asyncio.to_thread(self._worker.make_ready, found.bundle)
        self._worker.activate(found.bundle, found.scanner, found.certificate)
        self._current = found
        return ""
