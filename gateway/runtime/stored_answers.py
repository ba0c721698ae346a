"""What lies in this worker's memory for requests that are known: found, opened, and given again.

Whether a request may have a stored answer has been decided before; here is only whether this one is still there, is of
the same sealing, opens for its tenant and is young enough.
"""

from typing import Final

from gateway.core import cached_reply
from gateway.core.cache_key import Scope, bound_to
from gateway.core.cached_reply import CachedReply, may_be_drawn, usable_until
from gateway.core.records import Usage
from gateway.ports import Clock
from gateway.runtime.cache_keys import CacheKeys, TenantKey
from gateway.runtime.cache_rules import NearStore
from gateway.runtime.stored import Opened, Stored, serves

_NOTHING: Final = Usage(0, 0)


class StoredAnswers:
    """One worker's. `unopened` counts what did not open, or was no answer."""

    def __init__(self, near: NearStore, keys: CacheKeys, clock: Clock) -> None:
        self._near = near
        self._keys = keys
        self._clock = clock
        self.unopened = 0

    def held(self, stored: Stored) -> tuple[CachedReply, float] | None:
        """The answer that is there for a request that is known, and its age; None where there is more to look at."""
        if self._keys.of(stored.tenant) is not stored.own:
            return None
        sealed = self._near.read_now(stored.key)
        reply = self.read(stored.own, stored.scope, stored.key, sealed) if sealed is not None else None
        if reply is None:
            return None
        age_s, left_s = reply.age_and_left_s(self._clock.wall())
        if not serves(stored.control, stored.lives_s, age_s, left_s) or may_be_drawn(left_s, reply.took_s):
            return None
        return reply, age_s

    def opened(self, stored: Stored) -> Opened | None:
        """What is to be known of the answer that is there, to give it again by `open_again`; None if it is gone."""
        sealed = self._near.read_now(stored.key)
        reply = self.read(stored.own, stored.scope, stored.key, sealed) if sealed is not None else None
        if reply is None or sealed is None:
            return None
        usage, control, bound = reply.usage or _NOTHING, stored.control, bound_to(stored.scope, stored.key)
        return Opened(
            stored,
            bound,
            stored.own.mark_of(sealed),
            reply.stored_at,
            usable_until(reply, stored.lives_s, control.max_age_s, control.min_fresh_s),
            # The body is the last of what is written.
            len(cached_reply.write(reply)) - len(reply.body),
            len(reply.body),
            reply.reply_id.encode(),
            usage.prompt_tokens,
            usage.completion_tokens,
        )

    def open_again(self, opened: Opened, now: float) -> bytes | None:
        """The body of this very answer, under the id that it was stored with; None where there is more to look at."""
        stored = opened.stored
        own = stored.own
        if not opened.since <= now < opened.until or self._keys.of(stored.tenant) is not own:
            return None
        sealed = self._near.read_now(stored.key)
        if sealed is None or not sealed.startswith(opened.mark):
            return None
        data = own.open(sealed, opened.bound_to)
        return None if data is None else data[opened.begins :]

    def read(self, own: TenantKey, scope: Scope, key: bytes, sealed: bytes) -> CachedReply | None:
        """The answer that is `sealed`, if it is one and opens."""
        data = own.open(sealed, bound_to(scope, key))
        reply = cached_reply.read(data) if data is not None else None
        if reply is None:
            self.unopened += 1
        return reply
