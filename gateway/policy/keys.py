"""The keys of a policy file: which group has which, and the words with a fixed meaning.

`form*.py` read by these tables and `schema.py` is made from them, so that neither knows a key that the other lacks.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

COMPARISONS: Final = (">=", "<=", "==", ">", "<")
LIMITS: Final = (">=", "<=", ">", "<")
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EVIDENCE_KINDS: Final = ("any_of", "all_of", "count", "marker")
INVARIANT_KINDS: Final = ("never", "only", "monotone", "total", "reachable", "client")
RAISED: Final = ("label", "taint", "coverage")

WHEN: Final = (
    *("label", "complexity", "tenant_class", "capability", "model", "modality", "context", "time", "pressure"),
    "budget",
)
ATTRIBUTES: Final = ("processor", "residency", "agreement")
DESTINATIONS: Final = ("to", "spill", "on_full", "only", "canary", "mirror", "cache", "audit")
"""What a route says of where its requests go, and how; a route that refuses says none of it."""

KEYS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "policy": (
            *("apiVersion", "version", "restores", "time_zone", "labels", "cloud_ceiling", "label", "zones", "models"),
            *("complexity", "routes", "cache", "invariants"),
        ),
        "label": ("default", "unscanned", "unmapped", "history", "may_leave", "rules", "carriers", "tiers"),
        "rule": (*EVIDENCE_KINDS, "min_score", "label"),
        "zone": ("networks", "tls"),
        "model": ("pools",),
        "complexity": ("simple_below", "hard_from"),
        "route": ("id", "when", *DESTINATIONS, "deny"),
        "when": WHEN,
        "modality": ("has", "only"),
        "time": ("days", "from", "to"),
        "on_full": ("queue",),
        "attributes": ATTRIBUTES,
        "weighted": ("pool", "weight"),
        "canary": ("pool", "percent"),
        "mirror": ("pool", "percent"),
        "invariant": ("id", *INVARIANT_KINDS),
        "never": (*WHEN, "zone", "pool", *ATTRIBUTES),
        "only": (*WHEN, *ATTRIBUTES),
        "monotone": ("raising", "may_not_add"),
    }
)
"""The keys of each group."""

REQUIRED: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "policy": ("apiVersion", "version", "labels", "cloud_ceiling", "label", "zones", "models", "routes"),
        "label": ("default", "unscanned", "unmapped", "rules"),
        "rule": ("label",),
        "zone": ("networks",),
        "model": ("pools",),
        "complexity": (),
        "route": ("id", "when"),
        "when": (),
        "modality": (),
        "time": (),
        "on_full": ("queue",),
        "attributes": (),
        "weighted": ("pool", "weight"),
        "canary": ("pool", "percent"),
        "mirror": ("pool", "percent"),
        "invariant": ("id",),
        "never": (),
        "only": (),
        "monotone": ("raising", "may_not_add"),
    }
)

MASK_RESERVED: Final = (
    "`mask` is reserved: this gateway cannot mask yet, and a policy that counts on it would let text out unmasked."
)
