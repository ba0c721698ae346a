"""Fetching the public keys of an issuer over the network, or reading them from a file: bounded, and never of content.

Only what the operator wrote is asked: no redirect, no proxy from the environment, no cookie, and nothing of a client's.
"""

import asyncio
import ssl
from pathlib import Path
from typing import Final

from gateway.config.oidc_block import KeysAt, KeysIn
from gateway.runtime.issuer_keys import Unfetched
from gateway.wire.key_sets import LARGEST

WITHIN_S: Final = 5.0
_HEADERS: Final = (("accept", "application/json"), ("accept-encoding", "identity"))


async def fetch_keys(source: KeysAt | KeysIn, directory: Path) -> bytes:
    """What is published at `source`, relative to `directory`; raises Unfetched."""
    if isinstance(source, KeysIn):
        return await asyncio.to_thread(_read, directory / source.file.text)
    import httpx

    try:
        tls = await asyncio.to_thread(_tls, directory / source.ca.text if source.ca is not None else None)
        async with (
            asyncio.timeout(WITHIN_S),
            httpx.AsyncClient(verify=tls, trust_env=False, proxy=source.proxy, timeout=WITHIN_S) as client,
            client.stream("GET", source.url, headers=list(_HEADERS)) as response,
        ):
            if response.status_code != 200:
                raise Unfetched(f"status {response.status_code}")
            data = b""
            # As it comes: what is packed could unpack to anything.
            async for piece in response.aiter_raw():
                data += piece
                if len(data) > LARGEST:
                    raise Unfetched("too large")
            return data
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as exc:
        raise Unfetched(type(exc).__name__) from None


def _tls(ca: Path | None) -> ssl.SSLContext:
    # Not ssl.create_default_context: that writes every connection's secrets to the file that SSLKEYLOGFILE names.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    else:
        context.load_verify_locations(ca)
    return context


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(LARGEST + 1)
    except OSError as exc:
        raise Unfetched(f"{type(exc).__name__} {exc.errno}") from None
