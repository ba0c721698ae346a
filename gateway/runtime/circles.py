"""When Python looks for circles of objects that nobody else holds, and among which: a search stops everything else.

What ends here is freed when it ends; a search finds next to nothing. But it walks all that is alive, and with thousands
of streams under way that is a silence in each of them. So what was walked once to the end is left alone, and is walked
again when nobody is being served.
"""

import asyncio
import gc
from collections.abc import Callable, Mapping
from typing import Final

FIRST, SECOND, WHOLE = 700, 5, 2
"""After how many new objects, searches among new ones, and searches among those that were left, Python looks at all
that is not left alone: about seven thousand. Each is walked as often as with larger numbers, but fewer in one go."""

LOOK_S: Final = 1.0
WALK_S: Final = 300.0
"""How long after a walk of everything there is another, if something was left alone since and nobody is served."""
OVERGROWN: Final = 4.0
"""How much more than after the last walk there may be where there is always somebody: then they wait once, and memory
is bounded."""


class Circles:
    """Decides how far one process looks for circles; `is_quiet` says whether nobody waits for anything."""

    def __init__(self, is_quiet: Callable[[], bool]) -> None:
        self._is_quiet = is_quiet
        self._was_left = self._is_uncounted = False
        self._after_walk = 0
        self._walked_at = 0.0
        self._before = gc.get_threshold()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Walk everything there is, leave it alone from here on, and look about once a second whether to again."""
        gc.set_threshold(FIRST, SECOND, WHOLE)
        gc.callbacks.append(self._searched)
        loop = asyncio.get_running_loop()
        self._walk(loop.time())
        self._look_on(loop)

    def end(self) -> None:
        """Let Python look as it did."""
        if self._timer is not None:
            self._timer.cancel()
        gc.callbacks.remove(self._searched)
        gc.set_threshold(*self._before)

    def look(self, now: float) -> None:
        """Walk everything if that is due and hurts nobody, or must be."""
        if not self._was_left:
            return
        if (now - self._walked_at >= WALK_S and self._is_quiet()) or self._is_overgrown():
            self._walk(now)

    def _is_overgrown(self) -> bool:
        # Counting is a walk, too, if a short one.
        was_uncounted, self._is_uncounted = self._is_uncounted, False
        return was_uncounted and gc.get_freeze_count() > OVERGROWN * self._after_walk

    def _look_on(self, loop: asyncio.AbstractEventLoop) -> None:
        self.look(loop.time())
        self._timer = loop.call_later(LOOK_S, self._look_on, loop)

    def _walk(self, now: float) -> None:
        gc.unfreeze()
        gc.collect()
        self._after_walk, self._walked_at = gc.get_freeze_count(), now
        self._was_left = self._is_uncounted = False

    def _searched(self, phase: str, found: Mapping[str, int]) -> None:
        # Still freed when the last who holds it lets go of it, like everything else.
        if phase == "stop" and found["generation"] == 2:
            gc.freeze()
            self._was_left = self._is_uncounted = True
