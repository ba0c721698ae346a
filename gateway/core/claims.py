"""What a token says about its bearer, and whether that lets anybody in: issuer, audience, time, tenant and scopes.

Whether the token is genuine is not asked here. A claim counts exactly as it is written in a table of the operator's;
nobody gets in by a value that is not there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Generic, TypeVar

from gateway.core.access import Scope

ALGORITHMS: Final = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip
"""Everything that a token may be signed with: no shared secrets, and never nothing at all."""

LATEST: Final = 1e11
"""No date of a token is later than this, the year 5138: milliseconds in the place of seconds are a mistake."""

_LONGEST_SUBJECT: Final = 512

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ClaimTable(Generic[T]):
    """What the values of one claim mean. `path` leads to it through objects: `("realm_access", "roles")`."""

    path: tuple[str, ...]
    values: Mapping[str, T]


@dataclass(frozen=True, slots=True)
class Issuer:
    """One identity provider, by the `name` that the operator gave it. Whoever it calls one of `tenants` gets in.

    `scopes` are what its tokens reach: without a table everything that the tenant does, with one only what it grants.
    """

    name: str
    issuer: str
    audiences: frozenset[str]
    algorithms: frozenset[str]
    tenants: ClaimTable[str]
    scopes: ClaimTable[Scope] | None = None
    apps: ClaimTable[str] | None = None
    leeway_s: float = 30.0


class Fault(StrEnum):
    """Why claims let nobody in."""

    AUDIENCE = "audience"  # it is for somebody else
    TIME = "time"  # it has ended, has not begun, or does not say when
    TENANT = "tenant"  # no tenant of ours, or more than one
    SCOPE = "scope"  # it grants nothing that the operator has listed
    CLAIMS = "claims"  # a claim that must be there is not, or is of a wrong kind


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whom a token speaks for. `scopes` are alternatives; none limit nothing. It is believed until `ends_at`."""

    tenant: str
    subject: str
    scopes: tuple[Scope, ...]
    app: str
    ends_at: float


def bearer_of(claims: Mapping[str, object], issuer: Issuer, *, now: float) -> Bearer | Fault:
    """Whom `claims`, which are those of `issuer`, speak for at `now` in Unix seconds."""
    subject = claims.get("sub")
    # A token that is bound to its holder's own key proves nothing without the proof, which nobody asks for here.
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT or "cnf" in claims:
        return Fault.CLAIMS
    if issuer.audiences.isdisjoint(_texts(claims.get("aud"))):
        return Fault.AUDIENCE
    ends_at = _ends_at(claims, issuer.leeway_s, now)
    if ends_at is None:
        return Fault.TIME
    tenants = set(_meant(claims, issuer.tenants))
    if len(tenants) != 1:
        return Fault.TENANT
    scopes: tuple[Scope, ...] = ()
    if issuer.scopes is not None:
        scopes = _meant(claims, issuer.scopes, splits=True)
        if not scopes:
            return Fault.SCOPE
    apps = _meant(claims, issuer.apps) if issuer.apps is not None else ()
    return Bearer(tenants.pop(), subject, scopes, apps[0] if apps else "", ends_at)


def _ends_at(claims: Mapping[str, object], leeway_s: float, now: float) -> float | None:
    """When claims end that hold now; None if they do not."""
    if "exp" not in claims:
        return None
    for name in ("exp", "nbf", "iat"):
        at = claims.get(name, now)
        if isinstance(at, bool) or not isinstance(at, int | float) or not 0 <= at <= LATEST:
            return None
        if (at + leeway_s <= now) if name == "exp" else (at - leeway_s > now):
            return None
    ends = claims["exp"]
    assert isinstance(ends, int | float)  # noqa: S101 -- looked at above
    return ends + leeway_s


def _meant(claims: Mapping[str, object], table: ClaimTable[T], *, splits: bool = False) -> tuple[T, ...]:
    """What the claim's values mean, of those that are in the table. `splits`: a text may be several (RFC 8693, 4.2)."""
    found: object = claims
    for step in table.path:
        found = found.get(step) if isinstance(found, Mapping) else None
    texts = tuple(found.split(" ")) if splits and isinstance(found, str) else _texts(found)
    return tuple(table.values[text] for text in texts if text in table.values)


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    # A list in which anything is no text was not written by whoever wrote the others.
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    return ()
