"""An event loop whose clock is an account of waiting: when nothing is ready, it is at once the time of the next timer.

What it connects is a scripted network in the same process. Nothing real is waited for, so an hour takes as long as its
events take to handle, and the same seed gives the same run.
"""

import asyncio
import selectors
from collections.abc import Callable


class _Impatient:
    """A selector that never sleeps: what it was told to wait goes to the clock instead."""

    def __init__(self, advance: Callable[[float], None]) -> None:
        self._inner = selectors.SelectSelector()
        self._advance = advance

    def __getattr__(self, name: str):
        return getattr(self._inner, name)

    def select(self, timeout=None):
        ready = self._inner.select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            raise RuntimeError("nothing will ever happen again: somebody waits for what nobody does")
        self._advance(timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """`network` gives the other end of `create_connection` and `getaddrinfo`; see wire.py."""

    def __init__(self) -> None:
        self._virtual = 1000.0
        super().__init__(_Impatient(self._pass))
        self.network = None

    def _pass(self, seconds: float) -> None:
        self._virtual += max(seconds, 1e-6)

    def time(self) -> float:
        return self._virtual

    def run_in_executor(self, executor, func, *args):
        """At once: threads have a time of their own."""
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as exc:  # noqa: BLE001 -- handed to whoever awaits
            done.set_exception(exc)
        return done

    async def create_connection(self, protocol_factory, host=None, port=None, *, ssl=None, server_hostname=None, **_):
        return await self.network.connect(self, protocol_factory, host, port, is_tls=ssl is not None)

    async def getaddrinfo(self, host, port, **_):
        return await self.network.look_up(self, host, port)


class LoopClock:
    """`ports.Clock` over a loop. `skew` is what somebody has done to the wall clock."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.skew = 0.0

    def monotonic(self) -> float:
        return self._loop.time()

    def wall(self) -> float:
        return 1_790_000_000.0 + self._loop.time() + self.skew
