"""The public keys of one issuer of tokens: fetched off the request path, again and again, and kept while that fails.

A key that nobody knows makes us ask again at once, but no more often than every ten seconds, since anybody can make up
a name. What was fetched last counts until it is too old to be believed; then nobody gets in by this issuer, and the
log says so. A set replaces the one before as a whole: a key that is published no more verifies nothing.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from gateway.ports import Clock
from gateway.runtime.signatures import Unusable, Verify, verifier_of
from gateway.telemetry import EventLog
from gateway.wire import key_sets
from gateway.wire.key_sets import NotAKeySet

AT_MOST_EVERY_S: Final = 10.0
AFTER_FAILURE_S: Final = 5.0
AT_START_S: Final = 5.0
"""How long a worker waits for keys before it serves without them."""

log = EventLog(__name__)

Keys = Mapping[tuple[str, str], Verify]


class Unfetched(Exception):
    """Keys could not be had. `reason` is a type of an exception, a status or words of ours."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class IssuerKeys:
    """The keys of the issuer called `name`. `changed` is called whenever they are others than before."""

    def __init__(
        self,
        name: str,
        fetch: Callable[[], Awaitable[bytes]],
        clock: Clock,
        *,
        refresh_s: float,
        keep_s: float,
    ) -> None:
        self.name = name
        self.changed: Callable[[], None] = lambda: None
        self._fetch = fetch
        self._clock = clock
        self._refresh_s = refresh_s
        self._keep_s = keep_s
        self._published: bytes | None = None
        self._keys: Keys = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._failures = 0
        self._wanted = asyncio.Event()

    def find(self, kid: str, algorithm: str) -> Verify | None:
        """The key called `kid` for `algorithm`; None if there is none, and then it is soon asked for."""
        found = self._keys.get((kid, algorithm))
        if found is None and (self._tried_at is None or self._clock.monotonic() - self._tried_at >= AT_MOST_EVERY_S):
            self._wanted.set()
        return found

    def any(self) -> Verify | None:
        """Some key, for whoever has to spend the time that a verification takes."""
        return next(iter(self._keys.values()), None)

    @property
    def is_stale(self) -> bool:
        """Whether the keys could not be fetched when they last should have been, or never."""
        return self._failures > 0 or self._fetched_at is None

    @property
    def count(self) -> int:
        """How many keys there are, by name and algorithm."""
        return len(self._keys)

    async def prepare(self) -> None:
        """Fetch for the first time; returns without keys if that takes too long."""
        try:
            async with asyncio.timeout(AT_START_S):
                await self.refresh()
        except TimeoutError:
            self._failed("no answer in time")

    async def run(self, stop: asyncio.Event) -> None:
        """Fetch again and again until `stop`."""
        stopped = asyncio.ensure_future(stop.wait())
        try:
            while not stop.is_set():
                wanted = asyncio.ensure_future(self._wanted.wait())
                await asyncio.wait((stopped, wanted), timeout=self._due_s(), return_when=asyncio.FIRST_COMPLETED)
                wanted.cancel()
                if not stop.is_set():
                    await self.refresh()
        finally:
            stopped.cancel()

    async def refresh(self) -> None:
        """Fetch now. What cannot be had or used changes nothing, until what there is has become too old."""
        self._wanted.clear()
        self._tried_at = self._clock.monotonic()
        try:
            self._take(await self._fetch())
        except Unfetched as exc:
            self._failed(exc.reason)
        except NotAKeySet:
            self._failed("no set of usable keys")

    def _take(self, data: bytes) -> None:
        if data != self._published or not self._keys:
            keys = _ready(data)
            self._published, self._keys = data, keys
            log.info("issuer_keys_changed", issuer=self.name, count=len(keys))
            self.changed()
        self._fetched_at, self._failures = self._clock.monotonic(), 0

    def _failed(self, reason: str) -> None:
        self._failures += 1
        if self._failures == 1:
            log.warning("issuer_keys_unfetched", issuer=self.name, reason=reason)
        self.forget_old()

    def forget_old(self) -> None:
        """Believe no key any more that was last published too long ago."""
        is_old = self._fetched_at is None or self._clock.monotonic() - self._fetched_at > self._keep_s
        if self._keys and is_old:
            self._keys = {}
            log.error("issuer_keys_too_old", issuer=self.name)
            self.changed()

    def _due_s(self) -> float:
        if not self._failures:
            return self._refresh_s
        wait_s = min(self._refresh_s, AFTER_FAILURE_S * 2.0 ** min(self._failures - 1, 10))
        if self._keys and self._fetched_at is not None:
            # Not later than what there is becomes too old.
            left_s = self._fetched_at + self._keep_s - self._clock.monotonic()
            return max(0.1, min(wait_s, left_s + 0.1))
        return wait_s


def _ready(data: bytes) -> Keys:
    """Keys that can verify, from a set as it was published; raises NotAKeySet."""
    found: dict[tuple[str, str], Verify] = {}
    for (kid, algorithm), key in key_sets.read(data).items():
        with contextlib.suppress(Unusable):
            found[kid, algorithm] = verifier_of(key, algorithm)
    if not found:
        raise NotAKeySet
    return found
