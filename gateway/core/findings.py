"""What the scanner says about a request: findings, and an honest account of what was covered.

Evidence never holds text. Paths are schema paths: object keys that no schema knows appear as `{key}`, because a
client can put anything into a key. The policy turns evidence into a label; nothing here ranks anything.
"""

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from gateway.core.labels import Label

MARKER_PREFIX = "MARKER:"
"""The entity of a marker finding is this prefix and the marker as the policy writes it, case-folded."""


class Tier(StrEnum):
    """One stage of scanning. A pool below the top clearance needs every tier that its policy names."""

    STRUCTURED = "structured"  # identifiers and secrets: patterns, checksums, context
    NAMES = "names"  # names and addresses without a model
    NER = "ner"  # names by a model, in worker processes


class Finding(msgspec.Struct, frozen=True, gc=False):
    """One piece of evidence. A Struct: now and then hundreds are made for one request.

    `start` and `end` are code points of the original leaf at `path`; `transforms` name the views through which it
    was seen (empty: as written), for example `("nfkc", "base64")`. `score` is 0 to 1.
    """

    entity: str
    score: float
    path: str
    start: int
    end: int
    detector: str
    transforms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unscanned:
    """A part of the request that no recognizer can read: an image, a file id, an unknown field, a blob.

    `carrier` is a name that a policy may speak of: `image`, `audio`, `file`, `remote_url`, `unknown_part`,
    `unknown_field`, `token_ids`, `opaque_blob`, `control_tokens`.
    """

    carrier: str
    path: str


class Coverage(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Which tiers ran to the end over which text. `failure` names why scanning stopped, never with text in it."""

    tiers: frozenset[Tier]
    unscanned: tuple[Unscanned, ...] = ()
    leaves: int = 0
    characters: int = 0
    failure: str | None = None


Hit = tuple[int, str, float, int, int, str, tuple[str, ...]]
"""What was found in one text: how many views deep, entity, score, start, end, detector, transforms."""

Mark = tuple[int, str, int, int]
"""What nobody can read in one text: how many views deep, carrier, start, end."""


Part = tuple[tuple[int, int, int], tuple[Hit, ...], tuple[Mark, ...]]
"""What was seen in one of several texts, or where some of them meet: where that is (`detect/roots.py`), and what."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """All that a scan which came to its end saw in one text, without the text and without its place in a request.

    For texts that stand one behind the other it is in `parts`.
    """

    tiers: frozenset[Tier]
    hits: tuple[Hit, ...] = ()
    marks: tuple[Mark, ...] = ()
    parts: tuple[Part, ...] = ()


class History(StrEnum):
    """What is on record about the replies that a request brings along (threats.md 13)."""

    NONE = "none"  # no assistant, tool or previous turn
    ON_RECORD = "on_record"  # each of them is known, with its label
    UNKNOWN = "unknown"  # at least one is not on record
    LOST = "lost"  # the record cannot be read, was flushed, or is evicting


class Evidence(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Everything that is known about the sensitivity of one request. Made for every request, hence a Struct.

    `taint` is the highest label of what produced the replies found again in it, None if there is none.
    """

    findings: tuple[Finding, ...]
    coverage: Coverage
    history: History = History.NONE
    taint: Label | None = None


def nothing_covered(failure: str) -> Evidence:
    """The evidence of a scan that failed: no tier ran, so every policy labels it highest (threats.md I2)."""
    return Evidence((), Coverage(frozenset(), failure=failure))
