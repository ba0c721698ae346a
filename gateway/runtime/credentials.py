"""Everything about credentials that lives as long as a worker: who is let in, and what keeps that current.

Puts together the authenticator, the watch over keys.yaml, the keys of issuers and the notes of which key was used.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from gateway.config.gateway_file import GatewayFile
from gateway.config.oidc_block import KeysAt, KeysIn, OidcIssuer
from gateway.core import measures
from gateway.core.reading import Reader
from gateway.ports import Clock
from gateway.runtime.authn import Authenticator
from gateway.runtime.bundles import Bundle
from gateway.runtime.instruments import Reading
from gateway.runtime.issuer_keys import IssuerKeys
from gateway.runtime.key_fetch import fetch_keys
from gateway.runtime.key_use import EVERY_S, KeyUse
from gateway.runtime.key_watch import KeyWatch
from gateway.runtime.keyring import Keyring, Purpose
from gateway.runtime.tokens import Tokens, TrustedIssuer

Fetch = Callable[[KeysAt | KeysIn, Path], Awaitable[bytes]]


class Credentials:
    """One worker's: the keys of `bundle`, and whatever `gateway` says of tokens. Paths start at `directory`."""

    def __init__(
        self,
        bundle: Bundle,
        keyring: Keyring,
        clock: Clock,
        gateway: GatewayFile,
        directory: Path,
        *,
        fetch: Fetch = fetch_keys,
    ) -> None:
        self._clock = clock
        self._issuers = tuple(_trusted(issuer, fetch, directory, clock) for issuer in gateway.oidc)
        token_key = keyring.keyed_hash(Purpose.TOKENS)
        self._tokens = Tokens(self._issuers, bundle.tenants, token_key, clock) if self._issuers else None
        self._use = KeyUse(directory / gateway.state_dir)
        self.authenticator = Authenticator(
            bundle.keys, bundle.tenants, keyring, clock, self._tokens, used=self._use.note
        )
        # Its `epoch` rises whenever a key is taken away.
        self.watch = KeyWatch(directory / gateway.files.keys, self.authenticator, bundle.keys, bundle.tenants)

    def adopt(self, bundle: Bundle) -> None:
        """Let in who has a credential of a tenant of `bundle` from now on, as that tenant is there."""
        self.watch.adopt(bundle.tenants)
        if self._tokens is not None:
            self._tokens.adopt(bundle.tenants)

    async def prepare(self) -> None:
        """Fetch issuers' keys for the first time."""
        await asyncio.gather(*(one.keys.prepare() for one in self._issuers))

    async def run(self, stop: asyncio.Event) -> None:
        """Keep all of it current until `stop`."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.watch.run(stop))
            group.create_task(self._keep_use(stop))
            for one in self._issuers:
                group.create_task(one.keys.run(stop))

    def readings(self) -> Iterator[Reading]:
        """What is counted of credentials."""
        for reason, count in self.authenticator.refused.items():
            yield measures.CREDENTIALS_REFUSED, (str(reason),), count
        yield measures.KEYS_KNOWN, (), self.watch.count
        yield measures.KEYS_STALE, (), self.watch.is_stale
        for one in self._issuers:
            yield measures.ISSUER_KEYS, (one.keys.name,), one.keys.count
            yield measures.ISSUER_KEYS_STALE, (one.keys.name,), one.keys.is_stale

    async def _keep_use(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EVERY_S):
                    await stop.wait()
            await asyncio.to_thread(self._use.keep, self._clock.wall(), self.authenticator.key_ids)


def check(reader: Reader, gateway: GatewayFile, directory: Path, tenants: Collection[str] | None) -> None:
    """Report what `gateway` asks of clients that cannot be: files that are not there, tenants that do not exist,
    packages that are not installed. Without `tenants` it is not checked who they are."""
    files = [gateway.clients.ca]
    for issuer in gateway.oidc:
        files.append(issuer.keys.file if isinstance(issuer.keys, KeysIn) else issuer.keys.ca)
        for word in issuer.tenants if tenants is not None else ():
            reader.reference(word, "The tenant", tenants or ())
        if any(find_spec(package) is None for package in ("jwt", "httpx")):
            message = "Tokens of an issuer need packages that are not installed."
            reader.report(issuer.at, message, "Run `pip install 'tidegate[oidc]'`.")
    for file in files:
        if file is not None and not (directory / file.text).is_file():
            reader.report(file.at, "This file does not exist.", "Correct the path; it starts at this folder.")


def _trusted(issuer: OidcIssuer, fetch: Fetch, directory: Path, clock: Clock) -> TrustedIssuer:
    get = partial(fetch, issuer.keys, directory)
    keys = IssuerKeys(issuer.rules.name, get, clock, refresh_s=issuer.refresh_s, keep_s=issuer.keep_s)
    return TrustedIssuer(issuer.rules, keys)
