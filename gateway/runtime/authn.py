"""Who sent this: from the Authorization header and what is known of the client to a tenant, or Unauthenticated.

Keys are looked up by their keyed hash (HMAC-SHA256 under the `api_keys` sub-key), so neither this process's memory nor
keys.yaml holds one, and what a look-up's timing could tell is about a hash that nobody outside can compute. Whatever
the header looks like, exactly one hash, one look-up and one constant-time comparison are done; only what has the form
of a token, where issuers of tokens are known, is then read by `runtime/tokens.py`. Keys may be replaced while requests
come in. Why somebody was refused is counted and told to nobody.
"""

import hmac
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple, NoReturn, Protocol

from gateway.config.keys_file import KeyRecord, seconds_of
from gateway.core.access import UNLIMITED, Access, Networks, Scope, lies_in, reached
from gateway.core.client import Client
from gateway.core.facts import Tenant
from gateway.errors import Unauthenticated
from gateway.ports import Clock
from gateway.runtime.clock import SystemClock
from gateway.runtime.keyring import Keyring, Purpose

HASH_PREFIX: Final = "hmac-sha256:"
SHORTEST_KEY: Final = 7
GUESSABLE_BELOW: Final = 20
"""Keys that people bring may be short, since theirs are in use already; `keys create` warns below this length."""
LONGEST_KEY: Final = 256

_KEY: Final = re.compile(rb"[A-Za-z0-9._~+/=-]{7,256}")
# Exactly `Bearer`, one space, one key. A header that needs lenience to be read is read differently by somebody.
_PRESENTED: Final = re.compile(b"Bearer " + _KEY.pattern)
_PRESENTED_TOKEN: Final = re.compile(rb"Bearer [A-Za-z0-9._~+/=-]{7,8192}")
# What is hashed when the header holds no key: as long as our own keys are, and too odd to be one.
_NO_KEY: Final = b"\0" * 49


class Reason(StrEnum):
    """Why a credential was refused: for the operator's metrics, never for whoever sent it."""

    MISSING = "missing"  # there is no credential
    MALFORMED = "malformed"  # nothing that could be a key or a token
    UNKNOWN = "unknown"  # nobody's key, or one that was revoked
    EXPIRED = "expired"  # a key, or an entry for a certificate, that has ended
    ADDRESS = "address"  # used from somewhere else than it may be
    CERTIFICATE = "certificate"  # the client's certificate is nobody's, or of somebody else than the key
    TOKEN_FORM = "token_form"  # no token, or of a kind that is not taken
    TOKEN_ISSUER = "token_issuer"
    TOKEN_KEY = "token_key"  # signed with a key or an algorithm that is not the issuer's
    TOKEN_SIGNATURE = "token_signature"
    TOKEN_AUDIENCE = "token_audience"
    TOKEN_TIME = "token_time"
    TOKEN_TENANT = "token_tenant"
    TOKEN_SCOPE = "token_scope"
    TOKEN_CLAIMS = "token_claims"


@dataclass(frozen=True, slots=True)
class StoredKey:
    """One entry of keys.yaml. `hash` is `hmac-sha256:` and 64 hex digits, or empty where `certificate` names a client.

    `ends_at` is Unix seconds. `succeeds` is the first of the keys that it took the place of, if it did.
    """

    id: str
    tenant: str
    hash: str
    certificate: str = ""
    ends_at: float = math.inf
    access: Access = UNLIMITED
    app: str = ""
    succeeds: str = ""

    @classmethod
    def of(cls, record: KeyRecord) -> "StoredKey":
        """What counts of an entry of the file."""
        ends_at = seconds_of(record.expires)
        return cls(
            record.id,
            record.tenant,
            record.hash,
            certificate=record.certificate,
            ends_at=ends_at if ends_at is not None else math.inf,
            access=record.access,
            app=record.app,
            succeeds=record.succeeds,
        )


class Caller(NamedTuple):
    """Who sent a request: the tenant, which of its credentials was used, what that reaches, and the app it is for.

    A key that took the place of another goes by the id of that one, so that replies of before are found again
    (threats.md 13). `scopes` are alternatives; none limit nothing.
    """

    tenant: Tenant
    key_id: str
    scopes: tuple[Scope, ...] = ()
    app: str = ""


class Holder(NamedTuple):
    """A caller, until when, and from which networks: the address must lie in each of the lists. `id` is the entry's."""

    caller: Caller | None
    ends_at: float = math.inf
    networks: tuple[Networks, ...] = ()
    id: str = ""


class TokenReader(Protocol):
    """Finds out whose a token is. `digest` is its keyed hash, for whoever wants to remember what came of it."""

    def holder_of(self, token: bytes, digest: bytes) -> Holder | Reason: ...


_NOBODY: Final = (b"\0" * 32, Holder(None))
_NO_CLIENT: Final = Client()


class Authenticator:
    """Finds the tenant of a credential among `keys`; a key whose tenant does not exist is an error at construction."""

    __slots__ = (
        "_clock",
        "_hash",
        "_holders",
        "_most",
        "_named",
        "_presented",
        "_tenants",
        "_tokens",
        "_used",
        "refused",
    )

    def __init__(
        self,
        keys: Iterable[StoredKey],
        tenants: Mapping[str, Tenant],
        keyring: Keyring,
        clock: Clock | None = None,
        tokens: TokenReader | None = None,
        used: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._hash = keyring.keyed_hash(Purpose.API_KEYS)
        self._tenants = tenants
        self._clock = clock or SystemClock()
        self._tokens = tokens
        self._used = used
        self._presented = _PRESENTED if tokens is None else _PRESENTED_TOKEN
        self._holders: dict[bytes, tuple[bytes, Holder]] = {}
        self._named: dict[str, Holder] = {}
        self._most: tuple[Networks, ...] = ()
        self.refused: Counter[Reason] = Counter()
        self.replace(keys)

    def replace(self, keys: Iterable[StoredKey], tenants: Mapping[str, Tenant] | None = None) -> None:
        """Let in whoever has one of `keys` from now on, and nobody else; raises ValueError and changes nothing.

        `tenants` are those that there are from now on, if they are others than before.
        """
        found = tuple(keys)
        tenants = self._tenants if tenants is None else tenants
        holders = {
            (digest := _digest_of(key)): (digest, _holder_of(key, tenants)) for key in found if not key.certificate
        }
        named = {key.certificate: _holder_of(key, tenants) for key in found if key.certificate}
        self._tenants = tenants
        # As much as any key has to look at: looked at for all others, too.
        self._most = max((holder.networks for _, holder in holders.values()), key=_size, default=())
        self._holders, self._named = holders, named

    @property
    def key_ids(self) -> frozenset[str]:
        """The ids of all keys that are let in."""
        held = (holder for _, holder in self._holders.values())
        return frozenset(holder.id for holder in (*held, *self._named.values()))

    def identify(self, authorization: bytes | None, client: Client | None = None) -> Caller:
        """Whose key the Authorization header carries; raises Unauthenticated for anything else.

        Without a header it is whose certificate the client has shown; with both, they must be of one tenant.
        """
        presented = _NO_KEY
        if authorization is not None and self._presented.fullmatch(authorization):
            presented = authorization[7:]
        digest = self._hash.digest(presented)
        stored, holder = self._holders.get(digest, _NOBODY)
        caller = holder.caller if hmac.compare_digest(stored, digest) else None
        if (
            caller is not None
            and holder.ends_at == math.inf
            and not holder.networks
            and (client is None or not client.names)
        ):
            self._used(holder.id)
            return caller
        # Asked of nobody's key as well, so that time does not tell a key that may not be used from one that is none.
        fault = self._fault_of(holder, client)
        if caller is None:
            holder = self._otherwise(authorization, presented, digest, client)
            caller, fault = holder.caller, self._fault_of(holder, client)
        if fault is not None or caller is None:
            self._refuse(fault or Reason.UNKNOWN)
        if client is not None and client.names and self._named:
            own = self._certified(client).caller
            if own is None or own.tenant.id != caller.tenant.id:
                self._refuse(Reason.CERTIFICATE)
        self._used(holder.id)
        return caller

    def entry_of(self, authorization: bytes | None) -> tuple[bytes, Holder] | None:
        """The entry of the key that the header carries, for `lets_in_again`; None for everything that is no key."""
        if authorization is None or not self._presented.fullmatch(authorization):
            return None
        return self._holders.get(self._hash.digest(authorization[7:]))

    def lets_in_again(self, entry: tuple[bytes, Holder], client: Client, now: float) -> bool:
        """Whether who was let in by `entry` would be now, in Unix time, and from there; False as well where that takes
        a closer look. It counts as a use of the key."""
        holder = entry[1]
        if (
            self._holders.get(entry[0]) is not entry
            or holder.ends_at <= now
            or client.names
            or (holder.networks and not lies_in(client.address, holder.networks))
        ):
            return False
        self._used(holder.id)
        return True

    def _otherwise(self, authorization: bytes | None, presented: bytes, digest: bytes, client: Client | None) -> Holder:
        """Whose credential it is that is no key of ours: a certificate without a header, or a token."""
        if presented is _NO_KEY:
            if authorization is None and client is not None and client.names:
                return self._certified(client)
            self._refuse(Reason.MISSING if authorization is None else Reason.MALFORMED)
        return self._token_holder(presented, digest)

    def _token_holder(self, presented: bytes, digest: bytes) -> Holder:
        if self._tokens is None or presented.count(b".") != 2:
            self._refuse(Reason.UNKNOWN)
        found = self._tokens.holder_of(presented, digest)
        if isinstance(found, Reason):
            self._refuse(found)
        return found

    def _certified(self, client: Client) -> Holder:
        """The one entry that the client's certificate is named in. With two nobody could say which is meant."""
        found = [self._named[name] for name in client.names if name in self._named]
        if len(found) != 1:
            self._refuse(Reason.CERTIFICATE)
        return found[0]

    def _fault_of(self, holder: Holder, client: Client | None) -> Reason | None:
        """Why a credential that is somebody's may not be used now, or from there."""
        is_over = holder.ends_at <= self._clock.wall()
        is_away = not lies_in((client or _NO_CLIENT).address, holder.networks or self._most) and bool(holder.networks)
        if is_over:
            return Reason.EXPIRED
        return Reason.ADDRESS if is_away else None

    def _refuse(self, reason: Reason) -> NoReturn:
        self.refused[reason] += 1
        raise Unauthenticated


def holder_for(
    tenant: Tenant, key_id: str, scopes: Iterable[Scope], access: Access, app: str, ends_at: float
) -> Holder:
    """Whoever has a credential of `tenant` that is limited by one of `scopes` and by `access`, as the tenant is."""
    limits = (tenant.access.networks, access.networks)
    networks = tuple(listed for listed in limits if listed is not None)
    return Holder(Caller(tenant, key_id, reached(scopes, tenant.access.scope), app), ends_at, networks)


def _size(networks: tuple[Networks, ...]) -> int:
    return sum(len(listed) for listed in networks)


def is_well_formed(key: str) -> bool:
    """Whether `key` could be presented as a credential: 7 to 256 characters that a header may hold."""
    return key.isascii() and _KEY.fullmatch(key.encode()) is not None


def hash_of(key: str, keyring: Keyring) -> str:
    """What keys.yaml stores of `key`."""
    return HASH_PREFIX + keyring.keyed_hash(Purpose.API_KEYS).digest(key.encode()).hex()


def _holder_of(key: StoredKey, tenants: Mapping[str, Tenant]) -> Holder:
    tenant = _tenant_of(key, tenants)
    found = holder_for(tenant, key.succeeds or key.id, (key.access.scope,), key.access, key.app, key.ends_at)
    return found._replace(id=key.id)


def _digest_of(key: StoredKey) -> bytes:
    digits = key.hash.removeprefix(HASH_PREFIX)
    if digits == key.hash or not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise ValueError(f"Key {key.id}: its hash is not `{HASH_PREFIX}` and 64 hex digits.")
    return bytes.fromhex(digits)


def _tenant_of(key: StoredKey, tenants: Mapping[str, Tenant]) -> Tenant:
    if key.tenant not in tenants:
        raise ValueError(f"Key {key.id} belongs to the tenant {key.tenant!r}, which tenants.yaml does not have.")
    return tenants[key.tenant]
