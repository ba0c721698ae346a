"""Everything about credentials that lives as long as a worker: who is let in, and what keeps that current.

Puts together the authenticator, the watch over keys.yaml, the keys of issuers and the notes of which key was used.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

from gateway.config.oidc_block import KeysAt, KeysIn, OidcIssuer
from gateway.core import measures
from gateway.ports import Clock
from gateway.runtime.authn import Authenticator, StoredKey
from gateway.runtime.bundles import Bundle
from gateway.runtime.instruments import Reading
from gateway.runtime.issuer_keys import IssuerKeys
from gateway.runtime.key_use import EVERY_S, KeyUse
from gateway.runtime.key_watch import KeyWatch
from gateway.runtime.keyring import Keyring, Purpose
from gateway.runtime.tokens import Tokens, TrustedIssuer

Fetch = Callable[[KeysAt | KeysIn], Awaitable[bytes]]


class Credentials:
    """One worker's. `read_keys` reads keys.yaml, which is `keys_file`, once more; `fetch` gets an issuer's keys."""

    def __init__(
        self,
        bundle: Bundle,
        keyring: Keyring,
        clock: Clock,
        *,
        state_dir: Path,
        keys_file: Path,
        read_keys: Callable[[], tuple[StoredKey, ...]],
        issuers: tuple[OidcIssuer, ...] = (),
        fetch: Fetch | None = None,
    ) -> None:
        self._clock = clock
        self._issuers = tuple(_trusted(issuer, fetch, clock) for issuer in issuers if fetch is not None)
        tokens = Tokens(self._issuers, bundle.tenants, keyring.keyed_hash(Purpose.TOKENS), clock)
        self._use = KeyUse(state_dir)
        self.authenticator = Authenticator(
            bundle.keys, bundle.tenants, keyring, clock, tokens if self._issuers else None, used=self._use.note
        )
        self._watch = KeyWatch(keys_file, read_keys, self.authenticator, bundle.keys)

    @property
    def epoch(self) -> int:
        """A number that rises whenever a key is taken away."""
        return self._watch.epoch

    async def prepare(self) -> None:
        """Fetch issuers' keys for the first time."""
        await asyncio.gather(*(one.keys.prepare() for one in self._issuers))

    async def run(self, stop: asyncio.Event) -> None:
        """Keep all of it current until `stop`."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch.run(stop))
            group.create_task(self._keep_use(stop))
            for one in self._issuers:
                group.create_task(one.keys.run(stop))

    def readings(self) -> Iterator[Reading]:
        """What is counted of credentials."""
        for reason, count in self.authenticator.refused.items():
            yield measures.CREDENTIALS_REFUSED, (str(reason),), count
        yield measures.KEYS_KNOWN, (), self._watch.count
        yield measures.KEYS_STALE, (), self._watch.is_stale
        for one in self._issuers:
            yield measures.ISSUER_KEYS, (one.keys.name,), one.keys.count
            yield measures.ISSUER_KEYS_STALE, (one.keys.name,), one.keys.is_stale

    async def _keep_use(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EVERY_S):
                    await stop.wait()
            await asyncio.to_thread(self._use.keep, self._clock.wall(), self.authenticator.key_ids)


def _trusted(issuer: OidcIssuer, fetch: Fetch, clock: Clock) -> TrustedIssuer:
    name = issuer.rules.name
    keys = IssuerKeys(name, partial(fetch, issuer.keys), clock, refresh_s=issuer.refresh_s, keep_s=issuer.keep_s)
    return TrustedIssuer(issuer.rules, keys)
