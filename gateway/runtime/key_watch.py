"""Watches keys.yaml while a worker serves: a key that was revoked, or made, counts within a second.

Only when the file is another one is it read, beside the loop. One that cannot be read, is half-written or gone changes
nothing and is said: the keys of before still count. Whatever takes something away raises the epoch, so that the door
refuses what was cleared before.
"""

import asyncio
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from gateway.config.keys_file import KeyRecord
from gateway.core.facts import Tenant
from gateway.core.problems import Problems
from gateway.runtime.authn import Authenticator, StoredKey
from gateway.runtime.file_mark import Mark, mark_of
from gateway.runtime.key_file import read_keys
from gateway.telemetry import EventLog

LOOK_EVERY_S: Final = 0.5

log = EventLog(__name__)


class KeyWatch:
    """Tells `authenticator` what stands in `path`. `keys` are those that it knows already.

    A key of somebody who is not among `tenants` lets nobody in, and keeps no other key from being revoked.
    """

    def __init__(
        self, path: Path, authenticator: Authenticator, keys: tuple[StoredKey, ...], tenants: Collection[str]
    ) -> None:
        self._path = path
        self._authenticator = authenticator
        self._tenants = tenants
        self._keys = keys
        # What the file says, whoever's it is: other tenants may come.
        self._records: tuple[KeyRecord, ...] | None = None
        # Nothing yet: what was written between the start's reading and now is read once more.
        self._seen: Mark | int = -1
        self.epoch = 0
        """A number that rises whenever a key is taken away or may do less."""

        self.is_stale = False
        """Whether the file cannot be read as it is now."""

    def adopt(self, tenants: Mapping[str, Tenant]) -> None:
        """From now on there are these `tenants`. The keys of those that are gone let nobody in any more."""
        self._tenants = tenants
        keys = self._keys if self._records is None else tuple(map(StoredKey.of, self._records))
        self._keys = tuple(key for key in keys if key.tenant in tenants)
        self._authenticator.replace(self._keys, tenants)

    @property
    def count(self) -> int:
        """How many keys count."""
        return len(self._keys)

    async def run(self, stop: asyncio.Event) -> None:
        """Look until `stop`."""
        while not stop.is_set():
            await self.look()
            try:
                async with asyncio.timeout(LOOK_EVERY_S):
                    await stop.wait()
            except TimeoutError:
                continue

    async def look(self) -> None:
        """Read the file if it is another one than before."""
        mark = mark_of(self._path)
        if mark == self._seen:
            return
        try:
            records = await asyncio.to_thread(read_keys, self._path) if mark is not None else None
        except Problems as found:
            self._cannot(f"{len(found.problems)} problems: see `tidegate config check`")
        except OSError as exc:
            self._cannot(f"{type(exc).__name__} {exc.errno}")
        else:
            if records is None:
                self._cannot("the file is gone")
            else:
                self._take(records)
        # As it was before it was read: should it have changed meanwhile, it is read again.
        self._seen = mark

    def _take(self, records: tuple[KeyRecord, ...]) -> None:
        self.is_stale = False
        self._records = records
        keys = tuple(StoredKey.of(record) for record in records if record.tenant in self._tenants)
        if keys == self._keys:
            return
        before, self._keys = self._keys, keys
        self._authenticator.replace(keys)
        # An entry that is another one in anything may do less: not worth telling apart.
        taken = len(set(before) - set(keys))
        self.epoch += taken > 0
        log.info("keys_changed", count=len(keys), epoch=self.epoch)

    def _cannot(self, reason: str) -> None:
        # A gateway that never had the file has no keys to lose by it.
        if self._keys or reason != "the file is gone":
            self.is_stale = True
            log.error("keys_unreadable", reason=reason)
