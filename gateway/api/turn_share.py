"""How much of a turn of the loop goes to requests that begin, so that no stream is silent because others do.

One turn reads every socket that has something, and what is passed on leaves at its end. So the requests of a burst
begin while the turn's share lasts; the rest wait, first come first served, and a share of them begins in each turn that
follows, with the chunks of streams in between. What beginning means, and for whom, is the caller's.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from math import inf
from typing import Final

SHARE_S: Final = 0.008
"""How long requests may go on beginning in one turn: about twenty of 1.3 KB on one core."""


class TurnShare:
    """Who may begin now, and who waits. `now` is a clock that only rises.

    Each connection has one request under way at most, so as many wait here as there are connections.
    """

    __slots__ = ("_is_turn_known", "_now", "_spent_at", "_waiting")

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._spent_at = -inf
        """When the share under way is spent; the earliest of times while anybody waits, so that nobody overtakes."""
        self._is_turn_known = False
        """Whether the share under way was opened in this very turn, and is not opened again before the next."""
        self._waiting: deque[Callable[[], None]] = deque()

    def is_left(self) -> bool:
        """Whether something of the share is left, for whoever asks to begin at once."""
        now = self._now()
        if now < self._spent_at:
            return True
        if self._waiting or self._is_turn_known:
            return False
        self._open(now)
        return True

    def put_off(self, begin: Callable[[], None]) -> None:
        """Call `begin` in one of the next turns, after those that were put off before."""
        if not self._waiting:
            self._spent_at = -inf
            asyncio.get_running_loop().call_soon(self._go_on)
        self._waiting.append(begin)

    def begin_all(self) -> None:
        """Let everybody who waits begin in the next turn, whatever it takes: nothing comes after it."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            loop.call_soon(self._waiting.popleft())

    def _open(self, since: float) -> None:
        # No loop says which turn it is in, but what is called soon is called in the next. Asked for once a share and
        # not once a turn: requests that come one by one cost hardly more, and a turn has two shares at the most.
        self._spent_at = since + SHARE_S
        self._is_turn_known = True
        asyncio.get_running_loop().call_soon(self._turn_over)

    def _turn_over(self) -> None:
        self._is_turn_known = False

    def _go_on(self) -> None:
        """A turn's share for those who wait, one of them at the least."""
        began = now = self._now()
        try:
            while self._waiting and now < began + SHARE_S:
                self._waiting.popleft()()
                now = self._now()
        finally:
            # Also behind one that failed: the others must not wait for a request that may never come.
            if self._waiting:
                asyncio.get_running_loop().call_soon(self._go_on)
            else:
                self._open(began)
