"""The store of answers that all share, as one worker asks it: no longer than it is worth it.

A store may be slow, or in a hand that says of every answer that somebody else is just making it. How much of that
anybody pays for is `core/cache_trust.py`'s; here is who asks, who waits, and what is counted and said of it.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Final

from gateway.core.breaker import Ticket
from gateway.core.cache_trust import Promises, Promptness
from gateway.core.cached_reply import CachedReply
from gateway.ports import CacheStore, Clock, Sought, StoreUnavailable
from gateway.telemetry import EventLog

SLOW: Final = "slow"
LEAD: Final = "lead"

_LEAVES_S: Final = 1.0
"""Whoever goes after a longer wait than this has waited in vain, whatever the reason."""

_GRACE_S: Final = 0.001

_SLACK_S: Final = 0.5
"""Whoever waits asks every tenth of a second, and has to be heard."""

log = EventLog(__name__)


class FarAnswers:
    """Asks `store`, which is to answer within `prompt_s`. `passed` counts requests that did not wait, by why."""

    def __init__(self, store: CacheStore, clock: Clock, chance: Callable[[], float], *, prompt_s: float) -> None:
        self._store = store
        self._clock = clock
        self._chance = chance
        self._prompt_s = prompt_s
        self._promptness = Promptness()
        self.promises = Promises()
        self.passed = {SLOW: 0, LEAD: 0}
        self._was_prompt = self._were_kept = True

    def is_worth_asking(self, key: bytes) -> bool:
        """Whether to wait for what the store says of `key`; if not, it may be asked all the same, for nobody."""
        if self._promptness.is_good:
            return True
        self.passed[SLOW] += 1
        ticket = self._promptness.probe(self._clock.monotonic())
        if ticket is not None:
            lateness = Lateness(self._prompt_s)
            self._store.sound(key, partial(self._judge, ticket, lateness))
        return False

    async def seek(
        self,
        key: bytes,
        token: bytes,
        lease_s: float,
        *,
        anew: bool,
        read: Callable[[bytes], CachedReply | None],
    ) -> tuple[bytes, CachedReply] | Sought | None:
        """What the store has, sealed and as `read` reads it, or who is making it; None if it says nothing of use."""
        ticket = self._promptness.begin(self._clock.monotonic())
        if ticket is None:
            self.passed[SLOW] += 1
            return None
        lateness = Lateness(self._prompt_s)
        try:
            found = await self._store.seek(key, token, lease_s, anew=anew)
        except BaseException as error:
            self._judge(ticket, lateness, has_answered=False)
            if isinstance(error, StoreUnavailable):
                return None
            raise
        reply = read(found) if isinstance(found, bytes) else None
        if reply is not None:
            lateness.forgive()
        self._judge(ticket, lateness, has_answered=True)
        if isinstance(found, Sought):
            return found
        return (found, reply) if reply is not None else None

    def wait(self) -> "Wait":
        """One request's wait for what another is said to be making, should it come to that."""
        return Wait(self, self._clock, self._chance)

    def write(self, key: bytes, value: bytes, *, lives_s: float, owner: str, token: bytes) -> None:
        """As the store's."""
        self._store.write(key, value, lives_s=lives_s, owner=owner, token=token)

    def leave(self, key: bytes, token: bytes) -> None:
        """As the store's."""
        self._store.leave(key, token)

    def _judge(self, ticket: Ticket, lateness: "Lateness", has_answered: bool) -> None:
        lateness.stop()
        if lateness.is_late:
            self._promptness.late(ticket, self._clock.monotonic(), self._chance())
        elif has_answered:
            self._promptness.fine(ticket, self._clock.monotonic())
        else:
            self._promptness.left(ticket)
        is_prompt = self._promptness.is_good
        if is_prompt is not self._was_prompt:
            self._was_prompt = is_prompt
            if is_prompt:
                log.info("cache_store_prompt")
            else:
                log.warning("cache_store_slow")

    def tell_of_leads(self) -> None:
        """Say it if others are waited for again, or no longer."""
        are_kept = self.promises.are_good
        if are_kept is not self._were_kept:
            self._were_kept = are_kept
            if are_kept:
                log.info("cache_leads_awaited")
            else:
                log.warning("cache_leads_in_vain")


class Lateness:
    """Whether an answer takes longer than it may, as far as that is not the doing of this loop, which may be busy."""

    def __init__(self, after_s: float) -> None:
        self.is_late = False
        self._loop = asyncio.get_running_loop()
        self._next: asyncio.Handle = self._loop.call_later(after_s, self._due)

    def stop(self) -> None:
        """The answer has come, or nobody waits for it."""
        self._next.cancel()

    def forgive(self) -> None:
        """What came was worth it."""
        self.is_late = False

    def _due(self) -> None:
        # A timer may come before bytes that have been here for longer, and these before whoever waits for them.
        self._next = self._loop.call_later(_GRACE_S, self._read)

    def _read(self) -> None:
        self._next = self._loop.call_soon(self._late)

    def _late(self) -> None:
        self.is_late = True


class Wait:
    """The wait of one request for another's answer: whatever ends it, it is known whether it was in vain."""

    def __init__(self, far: FarAnswers, clock: Clock, chance: Callable[[], float]) -> None:
        self._far = far
        self._clock = clock
        self._chance = chance
        self._ticket: Ticket | None = None
        self._began = 0.0
        self._was_worth_it = False

    def begins(self) -> bool:
        """Whether the request may wait, or go on waiting."""
        if self._ticket is None:
            self._began = self._clock.monotonic()
            self._ticket = self._far.promises.begin(self._began)
            if self._ticket is None:
                self._far.passed[LEAD] += 1
        return self._ticket is not None

    def came(self, took_s: float) -> None:
        """The answer has come, which took so long to make: whoever waits much longer is being held up."""
        self._was_worth_it = self._clock.monotonic() - self._began <= took_s + _SLACK_S

    def __enter__(self) -> "Wait":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ticket, promises = self._ticket, self._far.promises
        if ticket is None:
            return
        now = self._clock.monotonic()
        if self._was_worth_it:
            promises.kept(ticket, now)
        elif kind is asyncio.CancelledError and now - self._began < _LEAVES_S:
            promises.left(ticket)
        else:
            promises.broken(ticket, now, self._chance())
        self._far.tell_of_leads()
