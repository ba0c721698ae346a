"""What `tidegate doctor` looks at of stored answers: whether any are, for whom, and whether their keys are in order."""

import stat
from collections.abc import Iterator
from typing import Final

from gateway.cli.checkup import Check, live, missing, wrong
from gateway.parts import cache_keys_file
from gateway.runtime.cache_keys import Unreadable, read_keys
from gateway.settings import Settings

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def of_cache(settings: Settings) -> Iterator[Check]:
    """Whether what the policy lets be stored is stored, and under keys that are nobody else's."""
    block, policy = settings.gateway.cache, settings.bundle.policy
    stored = [label for label, seconds in sorted(policy.cache.items()) if seconds]
    is_shared = settings.stores.cache is not None
    if block is None:
        if stored or is_shared:
            yield missing("cache_off")
        return
    if not stored:
        yield missing("cache_unused")
        return
    yield live("cache_shared" if is_shared else "cache")
    if not is_shared and settings.gateway.workers > 1:
        yield missing("cache_apart", workers=settings.gateway.workers)
    inside = [policy.order.name(label) for label in stored if label > block.ceiling(policy.order)]
    if is_shared and inside:
        yield live("cache_inside", labels=", ".join(inside))
    if is_shared and settings.gateway.replicas > 1 and block.keys is None:
        yield wrong("cache_keys_apart", replicas=settings.gateway.replicas)
    yield from _of_keys(settings)


def _of_keys(settings: Settings) -> Iterator[Check]:
    path = cache_keys_file(settings)
    try:
        keys = read_keys(path)
        is_open = path.stat().st_mode & _OTHERS
    except FileNotFoundError:
        return  # made at the first start
    except (OSError, Unreadable):
        yield wrong("cache_keys_unreadable", file=path)
        return
    if is_open:
        yield wrong("cache_keys_open", file=path)
    gone = sorted(set(keys.keys) - set(settings.bundle.tenants))
    if gone:
        yield missing("cache_keys_left", tenants=", ".join(gone))
