"""Whose a token is: read, verified with a key of the issuer that it names, and judged by that issuer's tables.

Everything that has the form of a token costs one verification, even where it is already lost, so that time tells
nothing about which part was wrong. What was verified is remembered by a keyed hash until it ends, for five minutes at
most, and no longer than its issuer's keys stay what they are.
"""

import hmac
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from gateway.core.access import UNLIMITED, Scope
from gateway.core.claims import Bearer, Fault, Issuer, bearer_of
from gateway.core.facts import Tenant
from gateway.core.keyed_hash import KeyedHash
from gateway.ports import Clock
from gateway.runtime.authn import Holder, Reason, holder_for
from gateway.runtime.issuer_keys import IssuerKeys
from gateway.wire.tokens import Token, read

REMEMBERED: Final = 10_000
REMEMBERED_S: Final = 300.0

_ID_BYTES: Final = 8
_FAULTS: Final = MappingProxyType(
    {
        Fault.AUDIENCE: Reason.TOKEN_AUDIENCE,
        Fault.TIME: Reason.TOKEN_TIME,
        Fault.TENANT: Reason.TOKEN_TENANT,
        Fault.SCOPE: Reason.TOKEN_SCOPE,
        Fault.CLAIMS: Reason.TOKEN_CLAIMS,
    }
)
# Of the length that RSA with 2048 bits has, and a number that every key can try.
_NO_SIGNATURE: Final = b"\x01" * 256


@dataclass(frozen=True, slots=True)
class TrustedIssuer:
    """An issuer's tables, and its keys."""

    rules: Issuer
    keys: IssuerKeys


class Tokens:
    """Reads tokens of `issuers`; implements `TokenReader`. A tenant that does not exist lets nobody in."""

    def __init__(
        self, issuers: Iterable[TrustedIssuer], tenants: Mapping[str, Tenant], key: KeyedHash, clock: Clock
    ) -> None:
        self._issuers = {one.rules.issuer: one for one in issuers}
        self._tenants = tenants
        self._key = key
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[bytes, float, Holder]] = OrderedDict()
        for one in self._issuers.values():
            one.keys.changed = self._known.clear

    def adopt(self, tenants: Mapping[str, Tenant]) -> None:
        """From now on there are these `tenants`; what was found out before is forgotten."""
        self._tenants = tenants
        self._known.clear()

    def holder_of(self, token: bytes, digest: bytes) -> Holder | Reason:
        """Whose `token` is, or why it is nobody's."""
        now = self._clock.wall()
        known = self._known.get(digest)
        if known is not None and hmac.compare_digest(known[0], digest) and now < known[1]:
            return known[2]
        found = self._judged(read(token), now)
        if isinstance(found, Reason):
            self._known.pop(digest, None)
            return found
        if len(self._known) >= REMEMBERED:
            self._known.popitem(last=False)
        self._known[digest] = digest, min(found.ends_at, now + REMEMBERED_S), found
        return found

    def _judged(self, token: Token | None, now: float) -> Holder | Reason:
        named = token.claims.get("iss") if token is not None else None
        issuer = self._issuers.get(named) if isinstance(named, str) else None
        if token is None or issuer is None:
            self._spend()
            return Reason.TOKEN_FORM if token is None else Reason.TOKEN_ISSUER
        # Judged before anybody knows whether it is genuine, and whatever comes of that: always the same work.
        bearer = bearer_of(token.claims, issuer.rules, now=now)
        is_allowed = token.algorithm in issuer.rules.algorithms
        verify = issuer.keys.find(token.kid, token.algorithm) if is_allowed else None
        if verify is None:
            self._spend()
            return Reason.TOKEN_KEY
        if not verify(token.signed, token.signature):
            return Reason.TOKEN_SIGNATURE
        if isinstance(bearer, Fault):
            return _FAULTS[bearer]
        tenant = self._tenants.get(bearer.tenant)
        return self._holder(tenant, bearer, issuer.rules) if tenant is not None else Reason.TOKEN_TENANT

    def _holder(self, tenant: Tenant, bearer: Bearer, issuer: Issuer) -> Holder:
        # Whose it is may be somebody's e-mail address: only a keyed hash of it is ever seen by anybody.
        whose = self._key.digest(issuer.name.encode() + b"\0", bearer.subject.encode("utf-8", "surrogatepass"))
        scopes = bearer.scopes or (Scope(),)
        return holder_for(tenant, f"tok_{whose[:_ID_BYTES].hex()}", scopes, UNLIMITED, bearer.app, bearer.ends_at)

    def _spend(self) -> None:
        for one in self._issuers.values():
            verify = one.keys.any()
            if verify is not None:
                verify(b"", _NO_SIGNATURE)
                return
