"""A worker's connections to the stores that gateway.yaml names: made with it, opened before it serves, closed last."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

from gateway.stores.redis_connection import RedisConnection
from gateway.stores.redis_settings import RedisSettings, StoreSettings


@dataclass(frozen=True, slots=True)
class Connections:
    """Each is None where a store is this worker's memory."""

    state: RedisConnection | None = None
    cache: RedisConnection | None = None

    @classmethod
    def of(cls, settings: StoreSettings, meter: Callable[[str], Callable[[float], None]]) -> Self:
        """The connections that `settings` ask for; `meter` says who hears how long the commands to a store take."""

        def made(name: str, one: RedisSettings | None) -> RedisConnection | None:
            return RedisConnection(one, name=name, took=meter(name)) if one is not None else None

        return cls(made("state", settings.state), made("cache", settings.cache))

    @property
    def by_name(self) -> Mapping[str, RedisConnection]:
        """Those that there are."""
        both = (("state", self.state), ("cache", self.cache))
        return MappingProxyType({name: one for name, one in both if one is not None})

    def __iter__(self) -> Iterator[RedisConnection]:
        return iter(self.by_name.values())

    async def open(self) -> None:
        """Connect; a store that is not there is no reason not to serve."""
        for one in self:
            await one.open()

    async def close(self) -> None:
        """End them all."""
        for one in self:
            await one.close()
