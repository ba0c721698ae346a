"""One answer in the making, and who waits for it in this worker.

Whoever makes it tells all of them how it ended: with the answer, or so that one of them takes its place, or so that
each goes its own way.
"""

import asyncio
import secrets
from enum import Enum
from typing import Final

from gateway.core.cached_reply import CachedReply

_TOKEN_BYTES: Final = 16


class Over(Enum):
    """How a flight ends that brings no answer."""

    NEXT = "one of those who wait may take its place"
    ALONE = "everybody goes his own way"


class Flight:
    """One answer in the making, and who waits for it in this worker."""

    __slots__ = ("token", "waiting")

    def __init__(self) -> None:
        self.token = secrets.token_bytes(_TOKEN_BYTES)
        self.waiting: set[asyncio.Future[CachedReply | Over]] = set()

    def land(self, end: CachedReply | Over) -> None:
        """Tell all who wait."""
        for one in self.waiting:
            if not one.done():
                one.set_result(end)
        self.waiting.clear()
