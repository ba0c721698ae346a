"""What `tidegate doctor` looks at of credentials: keys that end soon, that ended, that nobody uses; issuers' keys."""

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta
from math import inf
from typing import Final

from gateway.cli.checkup import Check, live, missing, wrong
from gateway.config.keys_file import KeyRecord, seconds_of
from gateway.config.oidc_block import OidcIssuer
from gateway.core.problems import Problems
from gateway.runtime.issuer_keys import Unfetched
from gateway.runtime.key_fetch import fetch_keys
from gateway.runtime.key_file import read_keys
from gateway.runtime.key_use import last_used
from gateway.settings import Settings
from gateway.wire import key_sets
from gateway.wire.key_sets import NotAKeySet

_SOON: Final = timedelta(days=14)
_UNUSED: Final = timedelta(days=90)


def of_credentials(settings: Settings, now: datetime) -> Iterator[Check]:
    """Keys that want looking at, and whether each issuer's keys can be had."""
    try:
        records = read_keys(settings.directory / settings.gateway.files.keys)
    except (OSError, Problems):
        records = ()  # there are none, or they were changed while we looked
    yield from _of_ends(records, now)
    used = last_used(settings.state_dir)
    idle = [record.id for record in records if _idle_since(record, used.get(record.id)) < (now - _UNUSED).timestamp()]
    if used and idle:
        yield missing("keys_unused", keys=", ".join(idle), days=_UNUSED.days)
    for issuer in settings.gateway.oidc:
        yield asyncio.run(_of_issuer(issuer, settings))


def _of_ends(records: tuple[KeyRecord, ...], now: datetime) -> Iterator[Check]:
    ends = {record.id: seconds_of(record.expires) or inf for record in records}
    over = [id for id, at in ends.items() if at <= now.timestamp()]
    soon = [id for id, at in ends.items() if now.timestamp() < at <= (now + _SOON).timestamp()]
    if over:
        yield missing("keys_ended", keys=", ".join(over))
    if soon:
        yield missing("keys_end_soon", keys=", ".join(soon), days=_SOON.days)


def _idle_since(record: KeyRecord, used: int | None) -> float:
    return used if used is not None else seconds_of(record.created) or inf


async def _of_issuer(issuer: OidcIssuer, settings: Settings) -> Check:
    name = issuer.rules.name
    try:
        found = key_sets.read(await fetch_keys(issuer.keys, settings.directory))
    except Unfetched as exc:
        return wrong("issuer_silent", issuer=name, reason=exc.reason)
    except NotAKeySet:
        return wrong("issuer_without_keys", issuer=name)
    usable = {algorithm for _, algorithm in found} & issuer.rules.algorithms
    if not usable:
        return wrong("issuer_without_keys", issuer=name)
    return live("issuer", issuer=name, algorithms=", ".join(sorted(usable)))
