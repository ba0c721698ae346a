"""What `tidegate doctor` looks at in the stores that gateway.yaml names: do they answer, may we do what we must."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Final

from gateway.cli.checkup import Check, live, missing, wrong
from gateway.cli.checkup_config import is_loopback
from gateway.config.addresses import Tcp
from gateway.stores.inspection import Seen, Unreachable, inspect
from gateway.stores.redis_settings import AtServer, RedisSettings, StoreSettings
from gateway.stores.rights import acl_line

OLDEST: Final = {"Redis": (6, 2), "Valkey": (7, 2)}
"""Before these a user's rights cannot be said as narrowly as we say them."""

Found = Mapping[str, Seen | Unreachable]


async def looked_at(settings: StoreSettings) -> Found:
    """What is at each store that is named."""
    named = _named(settings)
    found = await asyncio.gather(*(inspect(name, one) for name, one in named.items()))
    return dict(zip(named, found, strict=True))


def of_stores(settings: StoreSettings, found: Found) -> Iterator[Check]:
    """Each store by itself, and whether they are apart."""
    for name, one in _named(settings).items():
        yield from of_store(name, one, found[name])
    if settings.state is not None and settings.cache is not None:
        runs = [one.run for one in found.values() if isinstance(one, Seen) and one.run]
        if settings.state.place == settings.cache.place or len(set(runs)) < len(runs):
            yield missing("store_shared")


def of_store(name: str, settings: RedisSettings, found: Seen | Unreachable) -> Iterator[Check]:
    """One store."""
    where = settings.where
    if is_in_the_clear(settings):
        yield wrong("store_in_clear", store=name, where=where)
    if isinstance(found, Unreachable):
        yield wrong("store_gone", store=name, where=where, reason=found.reason)
        return
    version = ".".join(map(str, found.version))
    if found.version and found.version[:2] < OLDEST[found.kind]:
        yield wrong("store_old", store=name, kind=found.kind, version=version)
    if found.lacking:
        acl = acl_line(name, settings)
        yield wrong("store_lacks", store=name, commands=", ".join(found.lacking), acl=acl)
    elif found.may_do_more:
        yield missing("store_open", store=name, acl=acl_line(name, settings))
    if name == "state" and found.evicts is not False:
        yield wrong("store_evicts" if found.evicts else "store_mute", store=name)
    yield live("store", store=name, where=where, kind=found.kind, version=version or "?")


def is_in_the_clear(settings: RedisSettings) -> bool:
    """Whether a password, and who is how busy, cross a network without TLS."""
    place = settings.place
    addresses = (place.address,) if isinstance(place, AtServer) else place.addresses
    return settings.tls is None and any(isinstance(one, Tcp) and not is_loopback(one) for one in addresses)


def _named(settings: StoreSettings) -> Mapping[str, RedisSettings]:
    both = (("state", settings.state), ("cache", settings.cache))
    return {name: one for name, one in both if one is not None}
