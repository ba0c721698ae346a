"""The connection to one Redis, wherever it is: what stores ask, and what they hear when it cannot be asked.

A command is ours from the moment it is written: whoever asked may go away, and its answer is still read in its turn
(threats.md I12). While the breaker is open every command fails at once, and coming back is tried beside the requests,
so that a lost Redis costs one wait of `timeout_s` and no more. How a server is found is `redis_places`' business.
"""

import asyncio
import hashlib
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.core.breaker import Breaker, BreakerRules
from gateway.ports import StoreUnavailable
from gateway.stores.redis_lane import Carrier, Heard, LaneRefused, Lost, named
from gateway.stores.redis_places import connect
from gateway.stores.redis_settings import RedisSettings
from gateway.telemetry import EventLog
from gateway.wire.resp import Argument, Refused, Reply

log = EventLog(__name__)

RULES: Final = BreakerRules(in_a_row=1, open_s=0.5, longest_s=5.0, closes_after=1)
"""One lost wait is enough: the next request must not pay for it again."""

_SICK: Final = frozenset(("READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "NOAUTH", "NOREPLICAS"))
"""Answers which say that this server cannot serve us now, so that another, or a later one, must."""

_PATIENT_S: Final = 1.0
"""How long connecting may take while nobody waits for it."""

_YOUNG_S: Final = 1.0
"""A connection that ends sooner was not well. An older one may have been closed for its age, and is dialled anew."""


_MOST_REASONS: Final = 32
"""Reasons that are counted apart: whoever answers in Redis's place could think of more."""


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script. Redis keeps it under `sha`, so that its text is sent once.

    Redis may forget it, and who has to send a command a second time has been overtaken by what it sent meanwhile. A
    short one that must not be overtaken, or overtake, `keeps_order`: its text is sent every time.
    """

    source: str
    keeps_order: bool = False
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        # Not a secret and not our choice: it is the name by which Redis knows a script.
        digest = hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()
        object.__setattr__(self, "sha", digest)


def _unheard(_: object) -> None:
    """Nobody wants to know."""


class RedisConnection:
    """Commands to one Redis. It connects at the first of them, or at `open`.

    `took` hears how long each answered command took, in seconds; `failures` counts the others by their reasons.
    """

    def __init__(
        self,
        settings: RedisSettings,
        *,
        name: str = "redis",
        chance: Callable[[], float] = random.random,
        took: Callable[[float], None] = _unheard,
    ) -> None:
        self.settings = settings
        self._name = name
        self._chance = chance
        self._took = took
        self.failures: dict[str, int] = {}
        self._breaker = Breaker(RULES)
        self._carrier: Carrier | None = None
        self._connected_at = 0.0
        self._known: set[str] = set()
        # Commands that came while the first attempt was under way: they wait for it, and for none after it.
        self._early: deque[tuple[Sequence[Argument], Heard]] = deque()
        self._coming: asyncio.Task[None] | None = None
        self._is_down = False
        self._is_closed = False
        self.why_down = ""

    @property
    def prefix(self) -> str:
        """What every key of ours begins with."""
        return self.settings.prefix

    @property
    def is_up(self) -> bool:
        """Whether a command would be sent now, rather than fail at once."""
        return not self._is_down and not self._is_closed

    async def open(self) -> None:
        """Connect now, so that no request has to wait for it. What goes wrong is found out by whoever asks."""
        if self._carrier is None and not self._is_closed:
            task = self._come()
            await asyncio.wait([task], timeout=2 * self.settings.timeout_s)

    async def execute(self, *command: Argument) -> Reply:
        """The answer to a command; raises StoreUnavailable if there is none, or it was refused."""
        return await self.start(command)

    async def call(self, script: Script, keys: Sequence[Argument], arguments: Sequence[Argument]) -> Reply:
        """What a script returns; raises StoreUnavailable."""
        return await self.start_call(script, keys, arguments)

    def start(self, command: Sequence[Argument]) -> "asyncio.Future[Reply]":
        """The same as `execute`, sent before anybody waits: the future may be dropped or cancelled at any time."""
        future, heard = self._future()
        self.send(command, heard)
        return future

    def start_call(
        self, script: Script, keys: Sequence[Argument], arguments: Sequence[Argument]
    ) -> "asyncio.Future[Reply]":
        """The same as `call`, sent before anybody waits."""
        future, heard = self._future()
        self.send_call(script, keys, arguments, heard)
        return future

    def send(self, command: Sequence[Argument], heard: Heard) -> None:
        """Send without waiting. `heard` gets the reply, a refusal or that it was lost, perhaps before this returns."""
        loop = asyncio.get_running_loop()
        began = loop.time()

        def counted(answer: Reply | Lost) -> None:
            if isinstance(answer, Lost):
                self._failed(answer.reason)
            else:
                self._took(loop.time() - began)
                if isinstance(answer, Refused) and answer.code != "NOSCRIPT":
                    self._failed(answer.code)
                    if answer.code in _SICK:
                        self._leave(answer.code)
            heard(answer)

        carrier = self._carrier
        if carrier is not None:
            carrier.send(command, counted)
        elif self._is_down or self._is_closed:
            counted(Lost(self.why_down or "closed"))
        else:
            self._early.append((command, counted))
            self._come()

    def send_call(self, script: Script, keys: Sequence[Argument], arguments: Sequence[Argument], heard: Heard) -> None:
        """As `send`, for a script: with its text where the server may not know it yet, and by its name from then on."""
        rest = (len(keys), *keys, *arguments)
        known, sha = self._known, script.sha

        def with_text(answer: Reply | Lost) -> None:
            if isinstance(answer, Refused) and answer.code == "NOSCRIPT":
                self.send(("EVAL", script.source, *rest), heard)
            else:
                heard(answer)

        def is_known(answer: Reply | Lost) -> None:
            if isinstance(answer, Lost | Refused):
                known.discard(sha)
            heard(answer)

        if script.keeps_order or self._carrier is None:
            # Without a connection it is refused, or waits for one to a server of which nothing is known.
            self.send(("EVAL", script.source, *rest), heard)
        elif sha in known:
            self.send(("EVALSHA", sha, *rest), with_text)
        else:
            # What is sent behind it comes after it, so that its name will do.
            known.add(sha)
            self.send(("EVAL", script.source, *rest), is_known)

    async def close(self) -> None:
        """End the connection; every command from now on fails."""
        self._is_closed = True
        if self._coming is not None:
            self._coming.cancel()
            await asyncio.wait([self._coming])
        if self._carrier is not None:
            self._carrier.abort("closed")
        self._refuse_early("closed")

    def _future(self) -> "tuple[asyncio.Future[Reply], Heard]":
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

        def heard(answer: Reply | Lost) -> None:
            if future.done():
                return
            if isinstance(answer, Lost):
                future.set_exception(StoreUnavailable(answer.reason))
            elif isinstance(answer, Refused):
                future.set_exception(StoreUnavailable(answer.code))
            else:
                future.set_result(answer)

        return future, heard

    def _failed(self, reason: str) -> None:
        if reason not in self.failures and len(self.failures) >= _MOST_REASONS:
            reason = "other"
        self.failures[reason] = self.failures.get(reason, 0) + 1

    # Coming and going

    def _come(self) -> asyncio.Task[None]:
        if self._coming is None or self._coming.done():
            self._coming = asyncio.get_running_loop().create_task(self._come_back())
        return self._coming

    async def _come_back(self) -> None:
        """Connect, as often as it takes; the first attempt at once, if nothing has failed yet."""
        loop = asyncio.get_running_loop()
        while self._carrier is None:
            if self._is_down:
                await asyncio.sleep(max(0.0, self._breaker.until - loop.time()))
            ticket = self._breaker.begin(loop.time())
            try:
                carrier = await self._connected()
            except Exception as error:  # noqa: BLE001 -- whatever came of a foreign address, nobody may wait for ever
                self._breaker.failed(ticket, loop.time(), self._chance())
                self._went_down(error.reason if isinstance(error, LaneRefused) else named(error))
            else:
                self._breaker.succeeded(ticket, loop.time())
                self._carrier, self._connected_at = carrier, loop.time()
                if self._is_down:
                    log.info("store_up", backend=self._name)
                self._is_down, self.why_down = False, ""
        self._send_early()

    async def _connected(self) -> Carrier:
        # Requests wait for the first attempt; for those that are made while everything fails at once nobody does.
        within_s = _PATIENT_S if self._is_down else self.settings.timeout_s
        async with asyncio.timeout(within_s):
            carrier = await connect(self.settings, self._lost, within_s)
        if carrier.is_lost:  # between its last answer and now
            raise LaneRefused("closed")
        return carrier

    def _send_early(self) -> None:
        while self._early and self._carrier is not None:
            command, heard = self._early.popleft()
            self._carrier.send(command, heard)

    def _refuse_early(self, reason: str) -> None:
        while self._early:
            self._early.popleft()[1](Lost(reason))

    def _lost(self, reason: str) -> None:
        """The carrier says that it has ended."""
        now = asyncio.get_running_loop().time()
        had, self._carrier = self._carrier, None
        self._known.clear()
        if self._is_closed or had is None:
            return
        if reason == "timeout" or reason in _SICK or now - self._connected_at < _YOUNG_S:
            self._breaker.failed(self._breaker.begin(now), now, self._chance())
            self._went_down(reason)
        self._come()

    def _leave(self, code: str) -> None:
        if self._carrier is not None:
            self._carrier.abort(code)

    def _went_down(self, reason: str) -> None:
        if not self._is_down:
            log.warning("store_down", backend=self._name, reason=reason)
        self._is_down, self.why_down = True, reason
        self._refuse_early(reason)
