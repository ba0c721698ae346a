"""Each tenant's own key for stored answers: random, wrapped by the root secret, in one file and nowhere else.

Destroying a tenant's key destroys what is stored for it, wherever that is: nobody can find or open it any more
(`tidegate cache purge`). The file is looked at a few times a second, so every worker of every replica that shares it
has let go of a destroyed key within that time; and while it cannot be read, there are no keys.
"""

import base64
import binascii
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.core.cache_key import framed
from gateway.core.keyed_hash import KeyedHash
from gateway.ports import Clock
from gateway.runtime.key_file import locked
from gateway.runtime.whole_file import replace_file
from gateway.telemetry import EventLog

FILE_VERSION: Final = 1
SECRET_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_ID_BYTES: Final = 8
_LARGEST: Final = 16 << 20

log = EventLog(__name__)


class Wrapped(msgspec.Struct, frozen=True):
    """One tenant's key as it stands in the file: opened only with the root secret's sub-key."""

    id: str
    made_at: float
    wrapped: str


class KeyFile(msgspec.Struct, frozen=True):
    """The whole file."""

    keys: dict[str, Wrapped]
    v: int = FILE_VERSION


class TenantKey:
    """What finds, seals and opens one tenant's answers."""

    __slots__ = ("_aead", "_id", "finder")

    def __init__(self, key_id: bytes, secret: bytes) -> None:
        parent = KeyedHash(secret)
        self.finder = KeyedHash(parent.digest(b"tidegate/v1 cache: finding"))
        self._aead = AESGCM(parent.digest(b"tidegate/v1 cache: sealing"))
        self._id = key_id

    def seal(self, data: bytes, bound_to: bytes) -> bytes:
        """`data`, to be opened by this key only, and only where it belongs."""
        nonce = os.urandom(_NONCE_BYTES)
        return self._id + nonce + self._aead.encrypt(nonce, data, bound_to)

    def open(self, sealed: bytes, bound_to: bytes) -> bytes | None:
        """What was sealed; None if it was sealed by another key, for another place, or changed since."""
        if sealed[:_ID_BYTES] != self._id:
            return None
        nonce = sealed[_ID_BYTES : _ID_BYTES + _NONCE_BYTES]
        try:
            return self._aead.decrypt(nonce, sealed[_ID_BYTES + _NONCE_BYTES :], bound_to)
        except (InvalidTag, ValueError):
            return None

    @staticmethod
    def mark_of(sealed: bytes) -> bytes:
        """What tells a sealed value from all others of this key: nobody else can make another that begins so."""
        return sealed[: _ID_BYTES + _NONCE_BYTES]

    def __repr__(self) -> str:
        return "TenantKey(…)"


class CacheKeys:
    """The keys of one worker's tenants. `wrapping` is the root secret's sub-key for these keys."""

    def __init__(self, path: Path, wrapping: bytes, tenants: Iterable[str], clock: Clock) -> None:
        self._path = path
        self._wrapping = AESGCM(wrapping)
        self._tenants = frozenset(tenants)
        self._clock = clock
        self._keys: Mapping[str, TenantKey] = {}
        self._ids: Mapping[str, str] = {}
        self._seen: tuple[int, int, int] | None = None
        self._is_readable = True

    def of(self, tenant: str) -> TenantKey | None:
        """The tenant's key, as long as there is one."""
        return self._keys.get(tenant)

    @property
    def is_readable(self) -> bool:
        """Whether the file could be read when it was last looked at."""
        return self._is_readable

    def prepare(self) -> None:
        """Make the keys that are missing, and read them all. What goes wrong leaves tenants without a key."""
        self.make_for(self._tenants)
        self.look()

    def adopt(self, tenants: Iterable[str]) -> None:
        """From now on there are these `tenants`; at the next look the keys of others are let go."""
        self._tenants, self._seen = frozenset(tenants), None

    def make_for(self, tenants: Iterable[str]) -> None:
        """See to it that each of `tenants` has a key in the file, before they are adopted. Waits for the disk."""
        try:
            make_missing(self._path, self._wrapping, tenants, self._clock.wall())
        except (OSError, Unreadable) as exc:
            log.error("cache_keys_not_made", file=self._path.name, error=type(exc).__name__)

    def look(self) -> frozenset[str]:
        """Read the file if it has changed; the tenants whose key is another one now, or gone."""
        try:
            stat = self._path.stat()
            seen = stat.st_mtime_ns, stat.st_ino, stat.st_size
            if seen == self._seen:
                return frozenset()
            file = read_keys(self._path)
        except (OSError, Unreadable) as exc:
            if self._is_readable:
                log.error("cache_keys_unreadable", file=self._path.name, error=type(exc).__name__)
            self._is_readable, self._seen = False, None
            return self._hold({})
        self._is_readable, self._seen = True, seen
        return self._hold({name: key for name, key in file.keys.items() if name in self._tenants})

    def _hold(self, wrapped: Mapping[str, Wrapped]) -> frozenset[str]:
        before, keys = self._ids, {}
        for name, one in wrapped.items():
            if before.get(name) == one.id:
                keys[name] = self._keys[name]
                continue
            secret = _unwrapped(self._wrapping, name, one)
            if secret is None:
                log.error("cache_key_not_opened", tenant=name)
            else:
                keys[name] = TenantKey(bytes.fromhex(one.id), secret)
        self._keys, self._ids = keys, {name: wrapped[name].id for name in keys}
        changed = frozenset(name for name, key_id in before.items() if self._ids.get(name) != key_id)
        if changed:
            log.info("cache_keys_changed", count=len(changed))
        return changed


class Unreadable(Exception):
    """The file is not one that this version has written."""


def read_keys(path: Path) -> KeyFile:
    """What the file says; raises OSError and Unreadable."""
    with path.open("rb") as opened:
        data = opened.read(_LARGEST + 1)
    try:
        file = msgspec.json.decode(data, type=KeyFile)
        ids = [bytes.fromhex(one.id) for one in file.keys.values()]
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError):
        raise Unreadable from None
    if file.v != FILE_VERSION or any(len(one) != _ID_BYTES for one in ids):
        raise Unreadable
    return file


def make_missing(path: Path, wrapping: AESGCM, tenants: Iterable[str], now: float) -> None:
    """See to it that each of `tenants` has a key; raises OSError and Unreadable."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked(path):
        file = _read_or_new(path)
        missing = sorted(set(tenants) - set(file.keys))
        if missing:
            _write(path, {**file.keys, **{name: _new(wrapping, name, now) for name in missing}})


def destroy(path: Path, wrapping: bytes, tenant: str, now: float) -> bool:
    """Put a new key in the place of the tenant's; False if it had none. Raises OSError and Unreadable.

    What was stored under the old key is lost with it. Who has a copy of this file and the root secret has it still.
    """
    with locked(path):
        file = _read_or_new(path)
        if tenant not in file.keys:
            return False
        _write(path, {**file.keys, tenant: _new(AESGCM(wrapping), tenant, now)})
    return True


def _read_or_new(path: Path) -> KeyFile:
    try:
        return read_keys(path)
    except FileNotFoundError:
        return KeyFile({})


def _write(path: Path, keys: dict[str, Wrapped]) -> None:
    replace_file(path, msgspec.json.format(msgspec.json.encode(KeyFile(keys)), indent=1) + b"\n")


def _new(wrapping: AESGCM, tenant: str, now: float) -> Wrapped:
    key_id, nonce = secrets.token_hex(_ID_BYTES), os.urandom(_NONCE_BYTES)
    sealed = wrapping.encrypt(nonce, secrets.token_bytes(SECRET_BYTES), _whose(tenant, key_id))
    return Wrapped(key_id, now, base64.b64encode(nonce + sealed).decode())


def _unwrapped(wrapping: AESGCM, tenant: str, one: Wrapped) -> bytes | None:
    try:
        data = base64.b64decode(one.wrapped, validate=True)
        return wrapping.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], _whose(tenant, one.id))
    except (binascii.Error, InvalidTag, ValueError):
        return None


def _whose(tenant: str, key_id: str) -> bytes:
    return framed(b"tidegate/v1 cache key", tenant.encode(), key_id.encode())
