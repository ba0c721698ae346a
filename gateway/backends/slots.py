"""How many connections an endpoint may have at once, and who waits for one.

A slot is taken before dialling and given back when the connection is gone; an idle connection keeps its slot. Who
waits is told when it is worth looking again, the longest waiting first, and looks for itself.
"""

import asyncio
from collections import deque

from gateway.core.topology import Endpoint


class Slots:
    """The slots of one pool's endpoints, `most` for each; None is no limit."""

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._taken: dict[Endpoint, int] = {}
        self.waiting: dict[Endpoint, deque[asyncio.Future[None]]] = {}
        """Who waits, the longest first: nobody where there are none."""

    def taken(self, endpoint: Endpoint) -> int:
        """How many are taken."""
        return self._taken.get(endpoint, 0)

    def try_take(self, endpoint: Endpoint) -> bool:
        """Take one, if there is one."""
        taken = self.taken(endpoint)
        if self._most is not None and taken >= self._most:
            return False
        self._taken[endpoint] = taken + 1
        return True

    def give_back(self, endpoint: Endpoint) -> None:
        """The connection, or the attempt at one, is gone."""
        left = self._taken[endpoint] - 1
        if left:
            self._taken[endpoint] = left
        else:
            del self._taken[endpoint]
        self.tell(endpoint)

    def tell(self, endpoint: Endpoint) -> None:
        """Something has come free at `endpoint`, a slot or a connection: one who waits may look."""
        for waiter in self.waiting.get(endpoint, ()):
            if not waiter.done():
                waiter.set_result(None)
                return

    async def news(self, endpoint: Endpoint, *, again: bool) -> None:
        """Wait until it is worth looking; `again` keeps the place of who looked too late."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue = self.waiting.setdefault(endpoint, deque())
        if again:
            queue.appendleft(waiter)
        else:
            queue.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            # Told and called off in the same moment: what came free is the next one's.
            if not waiter.cancelled():
                self.tell(endpoint)
            raise
        finally:
            queue.remove(waiter)
            if not queue:
                del self.waiting[endpoint]
