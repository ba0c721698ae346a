"""The policy as written: typed, with the place of everything, before any of it means something.

Types only: `form.py` reads a file into them and reports faults of form; whether names refer to something and whether
the whole makes sense is `compile.py`'s.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from gateway.core.facts import Capability, Complexity
from gateway.core.findings import Tier
from gateway.core.reading import Word
from gateway.core.topology import Zone
from gateway.core.written import Place

CARRIERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "image": "pictures",
        "audio": "sound",
        "file": "files and documents sent as data or by id",
        "remote_url": "addresses that a model server would fetch",
        "unknown_part": "content parts of a kind that nobody has described",
        "unknown_field": "fields that no schema knows",
        "token_ids": "prompts given as numbers instead of text",
        "opaque_blob": "encoded text that does not decode",
        "control_tokens": "chat-template control tokens in user text",
    }
)
"""Parts of a request that cannot be scanned; a policy may give each a label of its own."""

NONE: Final = "none"
DEFAULT_QUEUE_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class WrittenRule:
    """One label rule. Exactly one of the four kinds of evidence is given; `counts` pairs entity and least number."""

    label: Word | None
    at: Place
    any_of: tuple[Word, ...] = ()
    all_of: tuple[Word, ...] = ()
    counts: tuple[tuple[Word, int], ...] = ()
    markers: tuple[Word, ...] = ()
    min_score: float = 0.0


@dataclass(frozen=True, slots=True)
class WrittenGuard:
    """What a route (or an invariant) asks of the facts. What is empty asks nothing; all that is given must hold.

    `is_total` says that `{}` was written. A guard whose every key is at fault asks nothing either, and is not total.
    """

    at: Place
    label: tuple[str, Word] | None = None
    complexities: tuple[Complexity, ...] = ()
    tenant_classes: tuple[Word, ...] = ()
    capabilities: tuple[Capability, ...] = ()
    models: tuple[Word, ...] = ()
    is_total: bool = False


@dataclass(frozen=True, slots=True)
class WrittenRoute:
    """One row. `deny` is the message of a row that refuses, and then there are no pools."""

    id: Word
    guard: WrittenGuard
    at: Place
    to: tuple[Word, ...] = ()
    spill: tuple[Word, ...] = ()
    queue_s: float = DEFAULT_QUEUE_S
    deny: str | None = None


@dataclass(frozen=True, slots=True)
class WrittenAlias:
    """A model name that clients may use, and the pools behind it."""

    name: Word
    pools: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Never:
    """What must never be reachable: `zone` or `pool` in any state that `guard` matches."""

    id: str
    guard: WrittenGuard
    zone: Word | None
    pool: Word | None


@dataclass(frozen=True, slots=True)
class Required:
    """An invariant without parameters: `monotone`, `total` or `reachable`."""

    id: str
    kind: str
    at: Place


Invariant = Never | Required


@dataclass(frozen=True, slots=True)
class WrittenPolicy:
    """The whole file. What could not be read is empty or None, and was reported."""

    at: Place
    digest_of: str
    version: int | None
    restores: int | None
    labels: tuple[Word, ...]
    cloud_ceiling: Word | None
    default: Word | None
    unscanned: Word | None
    unmapped: Word | None
    may_leave: tuple[Word, ...]
    carriers: tuple[tuple[Word, Word], ...]
    tiers: tuple[Tier, ...]
    rules: tuple[WrittenRule, ...]
    zones: tuple[tuple[Zone, Word], ...]
    aliases: tuple[WrittenAlias, ...]
    routes: tuple[WrittenRoute, ...]
    cache: tuple[tuple[Word, float], ...]
    invariants: tuple[Invariant, ...]
