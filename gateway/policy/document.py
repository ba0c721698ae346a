"""The policy as written: typed, with the place of everything, before any of it means something.

Types only: `form.py` reads a file into them and reports faults of form; whether names refer to something and whether
the whole makes sense is `compile.py`'s.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from gateway.core.complexity import USUAL_BANDS, Bands
from gateway.core.decision import AuditLevel
from gateway.core.facts import Budget, Capability, Complexity, Modality, Pressure
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


class HistoryMode(StrEnum):
    """How replies in a request's history count. `KNOWN_CLEAN` takes one that is not on record for unscanned."""

    MARKED = "marked"
    KNOWN_CLEAN = "known_clean"


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
class Window:
    """Part of a week in the policy's time zone: `days` (0 is Monday), from `start` to before `end`, in minutes of the
    day. An `end` that is not after `start` is on the next day."""

    days: frozenset[int]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class WrittenGuard:
    """What a route (or an invariant) asks of the facts. What is empty asks nothing; all that is given must hold.

    `is_total` says that `{}` was written. A guard whose every key is at fault asks nothing either, and is not total.
    All of `capabilities` and of `modalities` must be there; `only_modalities` allows no other. `context` compares the
    tokens that a request needs. `pressure` pairs a zone with the states that match.
    """

    at: Place
    label: tuple[str, Word] | None = None
    complexities: tuple[Complexity, ...] = ()
    tenant_classes: tuple[Word, ...] = ()
    capabilities: tuple[Capability, ...] = ()
    models: tuple[Word, ...] = ()
    modalities: tuple[Modality, ...] = ()
    only_modalities: tuple[Modality, ...] = ()
    context: tuple[str, int] | None = None
    windows: tuple[Window, ...] = ()
    pressure: tuple[tuple[Word, tuple[Pressure, ...]], ...] = ()
    budget: Budget | None = None
    is_total: bool = False


@dataclass(frozen=True, slots=True)
class WrittenAttributes:
    """What a pool must be: one of the names given, for each attribute given. `none` stands for not vouched for."""

    at: Place
    processors: tuple[Word, ...] = ()
    residencies: tuple[Word, ...] = ()
    agreements: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class WrittenShare:
    """A share of a row's requests, 0 to 100 percent, for `pool`: that goes there first, or of which it gets a copy."""

    pool: Word
    percent: float


@dataclass(frozen=True, slots=True)
class WrittenRoute:
    """One row. `deny` is the message of a row that refuses, and then there are no pools. `only` takes away the pools
    that are not so. `cache_s` shortens the label's, None leaves it; 0 is never.
    `weights` are those of `to`, one for each, or none at all."""

    id: Word
    guard: WrittenGuard
    at: Place
    to: tuple[Word, ...] = ()
    spill: tuple[Word, ...] = ()
    queue_s: float = DEFAULT_QUEUE_S
    deny: str | None = None
    only: WrittenAttributes | None = None
    cache_s: float | None = None
    audit: AuditLevel = AuditLevel.STANDARD
    canary: WrittenShare | None = None
    mirror: WrittenShare | None = None
    weights: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class WrittenAlias:
    """A model name that clients may use, and the pools behind it."""

    name: Word
    pools: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Never:
    """What must never be reachable in any state that `guard` matches: a `zone`, a `pool`, or whatever has one of the
    attributes in `where`. Exactly one of the three is given."""

    id: str
    guard: WrittenGuard
    zone: Word | None
    pool: Word | None
    where: WrittenAttributes | None = None


@dataclass(frozen=True, slots=True)
class Only:
    """What alone may be reachable in every state that `guard` matches: pools with all the attributes in `where`."""

    id: str
    guard: WrittenGuard
    where: WrittenAttributes


@dataclass(frozen=True, slots=True)
class Required:
    """An invariant without parameters: `monotone`, `total`, `reachable` or `client`."""

    id: str
    kind: str
    at: Place


Invariant = Never | Only | Required


@dataclass(frozen=True, slots=True)
class WrittenPolicy:
    """The whole file. What could not be read is empty or None, and was reported. `models_at` is where the tier is
    named that needs models, if it is."""

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
    history: HistoryMode = HistoryMode.MARKED
    utc_offset_min: int = 0
    models_at: Place | None = None
    bands: Bands = USUAL_BANDS
