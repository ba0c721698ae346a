"""Whether the attempt of a relay that is under way is over, and who hears of it.

A relay makes one attempt after the other. Whoever chooses the places waits for the end of each, with a future or with a
call, and is told once: why it failed and another place may be tried, or that the exchange is over.
"""

import asyncio
from collections.abc import Callable

from gateway.errors import TidegateError

AttemptOver = Callable[[TidegateError | None], None]


class Attempt:
    """The attempt that was begun last; over until there is one."""

    __slots__ = ("_failed", "_is_over", "_tell")

    def __init__(self) -> None:
        self._is_over = True
        self._failed: TidegateError | None = None
        self._tell: AttemptOver | None = None

    def begins(self) -> None:
        """Another one is under way."""
        self._is_over = False
        self._failed = self._tell = None

    async def result(self) -> TidegateError | None:
        """Why it failed and another place may be tried; None once the exchange is over."""
        if self._is_over:
            return self._failed
        over: asyncio.Future[TidegateError | None] = asyncio.get_running_loop().create_future()
        self.when_over(lambda failed: None if over.done() else over.set_result(failed))
        return await over

    def when_over(self, tell: AttemptOver) -> None:
        """Call `tell` once with what `result` would return, as soon as it is over."""
        if self._is_over:
            tell(self._failed)
        else:
            self._tell = tell

    def ends(self, failed: TidegateError | None) -> None:
        """It has ended; only the first time counts."""
        if not self._is_over:
            self._is_over = True
            self._failed = failed
            # Whom it tells holds the relay: let go of, so that both are freed at once and not by a search for circles.
            tell, self._tell = self._tell, None
            if tell is not None:
                tell(failed)
