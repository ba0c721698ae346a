"""Sealed answers in Redis, for all workers and replicas: keys that say nothing, values that only we can open.

What Redis holds here may be lost, changed or turned round at any time: a value that does not open is none. Who makes
an answer that many ask for is a lead with a token and an end, so that one who dies holds nobody up. Looking and taking
the lead is one script; writing an answer gives the lead back.
"""

from collections.abc import Callable
from typing import Final

from gateway.core.cache_key import VERSION
from gateway.ports import NOT_NOW, NotNow, Sought
from gateway.stores.redis_connection import RedisConnection, Script
from gateway.stores.redis_lane import Lost
from gateway.wire.resp import Refused, Reply

_SEEK: Final = Script("""
local value = redis.call('GET', KEYS[1])
if value and ARGV[3] == '0' then return value end
if ARGV[1] == '' then return value or redis.call('EXISTS', KEYS[2]) end
if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return 0 end
if redis.call('GET', KEYS[2]) == ARGV[1] then return 0 end
return value or 1
""")
_WRITE: Final = Script("""
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if ARGV[3] ~= '' and redis.call('GET', KEYS[2]) == ARGV[3] then redis.call('DEL', KEYS[2]) end
return 1
""")
_LEAVE: Final = Script("""
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
""")

_OURS: Final = 0


class RedisCacheStore:
    """Implements `ports.CacheStore`. It raises StoreUnavailable where Redis does not answer."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self._prefix = f"{connection.prefix}:cache:{VERSION}:".encode()

    def read_now(self, key: bytes) -> NotNow:  # noqa: ARG002 -- the port's signature
        """NOT_NOW: Redis must be asked."""
        return NOT_NOW

    async def seek(self, key: bytes, token: bytes, lease_s: float, *, anew: bool = False) -> bytes | Sought:
        """The value under `key`, or who is making it; raises StoreUnavailable."""
        lease_ms = max(1, int(lease_s * 1000))
        found = await self._connection.call(_SEEK, self._keys(key), (token, lease_ms, int(anew)))
        if isinstance(found, bytes):
            return found
        return Sought.OURS if found == _OURS else Sought.ANOTHERS

    def write(self, key: bytes, value: bytes, *, lives_s: float, owner: str, token: bytes = b"") -> None:  # noqa: ARG002
        """Keep `value` for `lives_s` seconds; sent and not waited for."""
        lives_ms = int(lives_s * 1000)
        if lives_ms > 0:
            self._connection.send_call(_WRITE, self._keys(key), (value, lives_ms, token), _unheard)

    def leave(self, key: bytes, token: bytes) -> None:
        """Whoever leads with `token` will not write; sent and not waited for."""
        if token:
            self._connection.send_call(_LEAVE, self._keys(key)[1:], (token,), _unheard)

    def sound(self, key: bytes, heard: Callable[[bool], None]) -> None:
        """Look under `key`; sent and not waited for."""
        self._connection.send_call(
            _SEEK, self._keys(key), (b"", 1, 0), lambda reply: heard(not isinstance(reply, Lost | Refused))
        )

    def _keys(self, key: bytes) -> tuple[bytes, bytes]:
        # In braces, so that both are on one node of a cluster.
        name = b"%b{%b}" % (self._prefix, key.hex().encode())
        return name + b":v", name + b":l"


def _unheard(_: Reply | Lost) -> None:
    """What becomes of it is counted by the connection, and nobody waits for it."""
