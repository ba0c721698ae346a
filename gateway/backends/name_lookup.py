"""What a model server's host name means: one look-up per name at a time, shared by all who wait for it.

The system's resolver cannot be interrupted and occupies a thread until it answers. Asked once per request, a dead
name server would take all threads from everybody; asked like this it takes one per name.
"""

import asyncio
from ipaddress import ip_address
from typing import Final

KEPT_S: Final = 1.0
"""How long an answer is good for: long enough for a burst of new connections, short enough for a failover by DNS."""


class NameLookup:
    """The names that one backend dials."""

    def __init__(self) -> None:
        self._running: dict[str, asyncio.Task[tuple[str, ...]]] = {}
        self._known: dict[str, tuple[float, tuple[str, ...]]] = {}

    async def addresses(self, host: str) -> tuple[str, ...]:
        """The addresses of `host`, in the resolver's order. OSError if there are none.

        A caller that is cancelled leaves the look-up running for the others and for the next.
        """
        try:
            ip_address(host)
        except ValueError:
            pass
        else:
            return (host,)
        loop = asyncio.get_running_loop()
        since, known = self._known.get(host, (0.0, ()))
        if known and loop.time() - since < KEPT_S:
            return known
        task = self._running.get(host)
        if task is None:
            task = self._running[host] = loop.create_task(self._ask(loop, host))
            task.add_done_callback(_heard)
        return await asyncio.shield(task)

    async def _ask(self, loop: asyncio.AbstractEventLoop, host: str) -> tuple[str, ...]:
        try:
            found = await loop.getaddrinfo(host, None, type=1)  # 1 is SOCK_STREAM
        finally:
            del self._running[host]
        addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
        self._known[host] = (loop.time(), addresses)
        return addresses


def _heard(task: asyncio.Task[tuple[str, ...]]) -> None:
    # If every caller has gone, nobody else asks how it ended, and asyncio would complain about that.
    if not task.cancelled():
        task.exception()
