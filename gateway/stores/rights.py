"""The least that a Redis user of ours must be allowed, for each store; a test holds it equal to what is sent."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gateway.stores.redis_settings import AtCluster, AtSentinels, RedisSettings

_STATE: Final = (
    "eval evalsha ping info set mget hgetall hset hdel hget hmget pexpire time zadd zcard zrangebyscore zrem zscore"
)
_CACHE: Final = "eval evalsha ping info get set del exists"

RIGHTS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"state": tuple(_STATE.split()), "cache": tuple(_CACHE.split())}
)
"""The commands of each store, those inside its scripts included."""


def rights_of(store: str, settings: RedisSettings) -> tuple[str, ...]:
    """The commands of a store where it is."""
    match settings.place:
        case AtSentinels():
            return (*RIGHTS[store], "role")
        case AtCluster():
            return (*RIGHTS[store], "cluster|slots", "asking")
        case _:
            return RIGHTS[store]


def acl_line(store: str, settings: RedisSettings) -> str:
    """What an operator runs to make the user; the password is his to fill in."""
    name = settings.login.username or "tidegate"
    rights = " ".join(f"+{command}" for command in rights_of(store, settings))
    return f"ACL SETUSER {name} on >PASSWORD resetkeys ~{settings.prefix}:* resetchannels -@all {rights}"
