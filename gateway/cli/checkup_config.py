"""What `tidegate doctor` looks at in a configuration that loads: secrets, folders, ports, zones, engines.

What makes a configuration unusable is found when it is loaded; here is what loads and yet is not as it should be.
Nothing is changed, and no secret is shown.
"""

import asyncio
import os
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from gateway.backends.name_lookup import NameLookup
from gateway.cli.checkup import Check, live, missing, wrong
from gateway.cli.checkup_budget import of_budget
from gateway.cli.checkup_cache import of_cache
from gateway.cli.checkup_canary import of_canary
from gateway.cli.checkup_credentials import of_credentials
from gateway.cli.checkup_quotas import of_quotas
from gateway.cli.checkup_warm import of_warm_ups
from gateway.config.addresses import Listen, Tcp
from gateway.config.secret_source import SecretEnv
from gateway.core import controls
from gateway.core.topology import Pool, Zone, address_of
from gateway.detect.foreign import ForeignRecognizer
from gateway.detect.ner_models import are_installed
from gateway.runtime import certified
from gateway.runtime.control_book import FILE as CONTROLS_FILE
from gateway.runtime.keyring import Purpose
from gateway.settings import Settings

_FEWEST_VALUES: Final = 16  # of 32 random bytes, 15 or fewer differ once in 10¹² secrets
_SOON: Final = timedelta(days=14)
_LOOKUP_S: Final = 3.0
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_SALTED: Final = frozenset({"vllm"})

Addresses = Mapping[str, Sequence[str]]
"""What host names mean; none where nobody answers."""


def configuration(settings: Settings, digest: str, now: datetime, addresses: Addresses) -> Iterator[Check]:
    """Everything about a configuration whose bundle is called `digest`."""
    yield from of_root_secret(settings)
    yield from of_state(settings.state_dir)
    yield from of_overrides(settings.state_dir / CONTROLS_FILE, now)
    yield of_certificate(settings, digest)
    yield from of_ports(settings, now)
    yield from of_zones(settings.bundle.topology.pools, settings.bundle.policy.zones, addresses)
    yield from of_engines(settings)
    yield from of_recognizers(settings)
    yield from of_models(settings)
    yield of_history(settings.gateway.workers, is_shared=settings.stores.state is not None)
    yield from of_cache(settings)
    yield from of_quotas(settings)
    yield from of_budget(settings)
    yield from of_warm_ups(settings)
    yield from of_canary(settings, now)
    yield of_keys(len(settings.bundle.keys))
    yield from of_credentials(settings, now)


def of_root_secret(settings: Settings) -> Iterator[Check]:
    """Whether the secret that every key comes from was drawn by chance, and where it lies."""
    yield of_randomness(settings.root_secret.reveal())
    source = settings.gateway.root_secret
    if isinstance(source, SecretEnv):
        yield missing("root_in_environment", name=source.name)
    elif (settings.directory / source.path).stat().st_mode & stat.S_IRGRP:
        yield wrong("root_shared", file=source.path)


def of_randomness(text: str) -> Check:
    """Whether a secret looks as if chance had made it: many different bytes, in no order, and no words."""
    data = bytes.fromhex(text) if _is_hex(text) else text.encode()
    steps = {(after - before) % 256 for before, after in pairwise(data)}
    is_words = _is_hex(text) and data.isascii() and data.decode().isprintable()
    if len(set(data)) < _FEWEST_VALUES or len(steps) < _FEWEST_VALUES or is_words:
        return wrong("root_weak")
    return live("root_strong")


def _is_hex(text: str) -> bool:
    try:
        return bool(bytes.fromhex(text))
    except ValueError:
        return False


def of_state(state_dir: Path) -> Iterator[Check]:
    """Whether the folder of the audit log is ours alone, and takes writing."""
    if not state_dir.exists():
        parent = next(place for place in state_dir.absolute().parents if place.exists())
        yield live("state_new", folder=state_dir) if _takes_files(parent) else wrong("state_shut", folder=parent)
        return
    found = state_dir.stat()
    if found.st_uid != os.geteuid():
        yield wrong("state_of_another", folder=state_dir)
    elif found.st_mode & _OTHERS_WRITE:
        yield wrong("state_open", folder=state_dir)
    else:
        yield live("state", folder=state_dir)
    audit = state_dir / "audit"
    folder = audit if audit.exists() else state_dir
    yield live("audit", folder=audit) if _takes_files(folder) else wrong("audit_shut", folder=folder)


def of_overrides(path: Path, now: datetime) -> Iterator[Check]:
    """What operations have set and has not ended; a file of them that cannot be read closes burst at every start."""
    try:
        kept = controls.read(path.read_bytes())
    except FileNotFoundError:
        return
    except OSError:
        kept = None
    if kept is None:
        yield wrong("overrides_unreadable", file=path)
        return
    found = controls.standing(kept, now.timestamp())
    if found.burst is not None:
        yield _override(f"burst {controls.share_words(found.burst.share)}", found.burst.until, found.burst.by)
    for one in found.drained:
        yield _override(f"pool drain {one.pool}", one.until, one.by)


def _override(words: str, until: float, by: str) -> Check:
    return live("override", words=words, until=f"{datetime.fromtimestamp(until, UTC):%Y-%m-%d %H:%M} UTC", by=by)


def _takes_files(folder: Path) -> bool:
    try:
        # Leaves nothing behind, and is what asks the file system: permissions alone do not tell of a read-only one.
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def of_certificate(settings: Settings, digest: str) -> Check:
    """Whether these files, which were just proved, are those that the gateway last started with."""
    kept = settings.state_dir / certified.FOLDER / f"{digest}.json"
    try:
        sealed = kept.read_bytes()
    except OSError:
        return live("proved", bundle=digest[:12])
    try:
        certified.check(sealed, settings.keyring().keyed_hash(Purpose.CERTIFICATES), digest)
    except certified.Unproved as unproved:
        return wrong("certificate_bad", file=kept, reason=unproved.reason)
    return live("proved_and_kept", bundle=digest[:12])


def of_ports(settings: Settings, now: datetime) -> Iterator[Check]:
    """Whether keys and texts cross a network in the clear."""
    gateway = settings.gateway
    if settings.tls is not None:
        yield from of_tls(*settings.tls, now)
    elif is_loopback(gateway.listen):
        yield live("tls_not_needed", listen=gateway.listen)
    else:
        yield wrong("tls_off", listen=gateway.listen)
    if is_loopback(gateway.admin.listen):
        yield live("admin_at_home", listen=gateway.admin.listen)
    else:
        yield wrong("admin_open", listen=gateway.admin.listen)


def is_loopback(listen: Listen) -> bool:
    """Whether only this machine can reach it."""
    if not isinstance(listen, Tcp):
        return True
    try:
        return ip_address(listen.host).is_loopback
    except ValueError:
        return listen.host == "localhost"


def of_tls(certificate: Path, key: Path, now: datetime) -> Iterator[Check]:
    """Whether the certificate is in force, and the key is its own."""
    try:
        chain = x509.load_pem_x509_certificates(certificate.read_bytes())
        public = chain[0].public_key()
        own = load_pem_private_key(key.read_bytes(), None).public_key()
    except (OSError, ValueError, TypeError) as error:
        yield wrong("tls_unreadable", file=certificate, error=type(error).__name__)
        return
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if public.public_bytes(*form) != own.public_bytes(*form):
        yield wrong("tls_mismatch", file=certificate)
    ends = min(one.not_valid_after_utc for one in chain)
    day = ends.date().isoformat()
    if not chain[0].not_valid_before_utc <= now <= ends:
        yield wrong("tls_expired", file=certificate, day=day)
    elif ends - now < _SOON:
        yield wrong("tls_expires", file=certificate, day=day)
    else:
        yield live("tls", day=day)


def of_zones(pools: Sequence[Pool], zones: Mapping[str, Zone], addresses: Addresses) -> Iterator[Check]:
    """Whether what endpoints are called means addresses of their zone here and now; written ones were checked."""
    for pool in pools:
        zone = zones[pool.zone]
        found = []
        for name, host in _hosts(pool):
            gaps = {"pool": pool.name, "endpoint": name, "zone": zone.name}
            known = addresses.get(host, ())
            if not known:
                found.append(wrong("endpoint_unknown", **gaps))
            elif not all(zone.holds(address_of(address)) for address in known):
                found.append(wrong("endpoint_outside", **gaps))
        yield from found or [live("zone", pool=pool.name, zone=zone.name)]


def _hosts(pool: Pool) -> Iterator[tuple[str, str]]:
    """Whom connections of this pool are dialled to by a name: each endpoint, or the proxy before all of them."""
    proxy = pool.sagemaker.proxy if pool.sagemaker is not None else pool.proxy
    if proxy is not None:
        dialled = [(proxy.host, proxy.host)]
    else:
        endpoints = pool.endpoints if pool.dns is None else (pool.dns,)
        dialled = [(endpoint.name, endpoint.host) for endpoint in endpoints if endpoint.unix is None]
    yield from ((name, host) for name, host in dialled if address_of(host) is None)


def of_engines(settings: Settings) -> Iterator[Check]:
    """Whether an engine's prefix cache can tell one tenant what another has asked (threats.md 17)."""
    tenants = len(settings.bundle.tenants)
    for pool in settings.bundle.topology.pools:
        if pool.backend in _SALTED:
            yield live("salted", pool=pool.name)
        elif not settings.bundle.policy.zones[pool.zone].is_cloud and tenants > 1:
            yield wrong("unsalted", pool=pool.name, backend=pool.backend, tenants=tenants)


def of_recognizers(settings: Settings) -> Iterator[Check]:
    """What finds something besides our own recognizers, and whether code of others is called for every text."""
    own = settings.bundle.recognizers
    code = sorted({one.name for one in own if isinstance(one, ForeignRecognizer)})
    if own:
        yield live("own_recognizers", count=len({one.name for one in own}))
    if code:
        yield live("own_code", names=", ".join(code))


def of_models(settings: Settings) -> Iterator[Check]:
    """Whether models read what would leave; nothing where there are none to read it."""
    if settings.bundle.models_digest:
        yield live("ner_asked", workers=settings.gateway.ner.workers)
    elif are_installed():
        yield missing("ner_unasked")


def of_history(workers: int, *, is_shared: bool = False) -> Check:
    """Whether replies are remembered, so that a conversation can be told to be harmless (threats.md 13)."""
    if is_shared:
        return live("history_shared")
    return live("history") if workers == 1 else wrong("history_lost", workers=workers)


def of_keys(count: int) -> Check:
    """Whether anybody can call."""
    return live("keys", count=count) if count else missing("no_keys")


# Names


def hosts_of(settings: Settings) -> frozenset[str]:
    """Every name that is dialled."""
    return frozenset(host for pool in settings.bundle.topology.pools for _, host in _hosts(pool))


def looked_up(hosts: frozenset[str], lookup: Callable[[], NameLookup] = NameLookup) -> Addresses:
    """What each name means to this machine now."""

    async def one(names: NameLookup, host: str) -> Sequence[str]:
        try:
            async with asyncio.timeout(_LOOKUP_S):
                return await names.addresses(host)
        except OSError:  # TimeoutError is one
            return ()

    async def every() -> Addresses:
        names = lookup()
        found = await asyncio.gather(*(one(names, host) for host in sorted(hosts)))
        return MappingProxyType(dict(zip(sorted(hosts), found, strict=True)))

    return asyncio.run(every()) if hosts else MappingProxyType({})
