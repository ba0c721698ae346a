"""The result of a policy: `Allow` a closed, ordered list of pools, or `Deny` with a reason that may be shown.

A decision is not a permission to send; that is a clearance, minted per attempt (`core/clearance.py`).
"""

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from gateway.core.labels import Label


class DenyCode(StrEnum):
    """Why a request is refused by policy; becomes the `code` of the OpenAI error."""

    MODEL_UNKNOWN = "model_not_found"
    NO_POOL_PERMITTED = "no_pool_permitted"
    DENIED_BY_ROUTE = "denied_by_policy"
    UNMATCHED = "no_route_matches"


class AuditLevel(StrEnum):
    """How much is on disk before bytes move. `STRICT` asks for a durable intent before an attempt at home, too."""

    STANDARD = "standard"
    STRICT = "strict"


@dataclass(frozen=True, slots=True)
class Canary:
    """A pool that takes `percent` (0 to 100) of a row's requests first. It has passed every filter that `to` has."""

    pool: str
    percent: float


@dataclass(frozen=True, slots=True)
class Mirror:
    """A pool that gets a copy of `percent` (0 to 100) of a row's requests. It has passed every filter that `to` has,
    and no answer of it ever reaches a client."""

    pool: str
    percent: float


class Allow(msgspec.Struct, frozen=True, omit_defaults=True):
    """Pools that may see this request, in order. Failover, retry and spill walk these lists and nothing else.

    `to` is never empty. `spill` opens only under pressure, on drain, or when `to` has no healthy endpoint.
    `label` is the label that governs: the request's `label_high`. `queue_s` bounds the wait for a place, in seconds.
    `if_scanned` names pools that would be permitted as well if a full scan confirmed the lower label; `leaves_first` is
    the share of such requests, 0 to 100 percent, of which the first place would then be one of those and in the cloud.
    `cache_s` is how long an answer may be reused, in seconds; 0 is never. `weights` says how often each pool of `to`
    comes first, as parts of their sum; without them the first always does.
    """

    to: tuple[str, ...]
    spill: tuple[str, ...]
    queue_s: float
    route: str
    label: Label
    if_scanned: tuple[str, ...] = ()
    cache_s: float = 0.0
    audit: AuditLevel = AuditLevel.STANDARD
    canary: Canary | None = None
    leaves_first: float = 0.0
    mirror: Mirror | None = None
    weights: tuple[float, ...] = ()

    def copied(self) -> "Allow":
        """The decision on a copy for the mirror: its pool alone, and no waiting for it."""
        assert self.mirror is not None  # noqa: S101  # there is no copy without a mirror
        pool = self.mirror.pool
        return Allow((pool,), (), 0.0, self.route, self.label, audit=self.audit)

    @property
    def reach(self) -> tuple[str, ...]:
        """Every place that this request or a copy of it may ever go, each once: `pools`, then the mirror."""
        pools, mirror = self.pools, self.mirror
        return pools if mirror is None or mirror.pool in pools else (*pools, mirror.pool)

    @property
    def pools(self) -> tuple[str, ...]:
        """The canary, `to`, then `spill`: every place that may ever answer this request, each once."""
        if self.canary is None or self.canary.pool in self.to:
            return self.to + self.spill
        return (self.canary.pool, *self.to, *(pool for pool in self.spill if pool != self.canary.pool))


class Deny(msgspec.Struct, frozen=True, omit_defaults=True):
    """A refusal. `message` may be shown to the tenant. `if_scanned` is as in `Allow`."""

    code: DenyCode
    route: str
    message: str
    if_scanned: tuple[str, ...] = ()


Decision = Allow | Deny
