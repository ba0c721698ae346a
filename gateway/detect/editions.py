"""Which edition of its detectors an entity has: what the audit log keeps of each bundle, so that one can be told later
from the one that came after a mend.

An edition is a digest of what the recognizers of that entity look for, and of the models where they report it, too. It
changes with every pattern, score and word, and with the file of a customer's own code; it does not change with our own
code around them, for which the log has the gateway's version.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

from gateway.core.findings import MARKER_PREFIX
from gateway.detect.ner_worth import REPORTED
from gateway.detect.scanner import catalogue, identity
from gateway.ports import Recognizer

LENGTH: Final = 16
MOST_ENTITIES: Final = 1_000
MARKER: Final = MARKER_PREFIX.rstrip(":")
"""Stands for all markers of a policy together: their names are its words."""


def editions(markers: Sequence[str], recognizers: Sequence[Recognizer] = (), models: str = "") -> Mapping[str, str]:
    """The edition of every entity that a scanner with `markers` and `recognizers` can report; nothing if there are more
    than a record should hold. `models` is the digest of the models, if they run."""
    by_entity: dict[str, set[str]] = {}
    for recognizer in catalogue(markers, recognizers):
        known_by = identity(recognizer)
        for entity in recognizer.entities:
            by_entity.setdefault(MARKER if entity.startswith(MARKER_PREFIX) else entity, set()).add(known_by)
    if models:
        for entity in REPORTED:
            by_entity.setdefault(entity, set()).add(f"models {models}")
    if len(by_entity) > MOST_ENTITIES:
        return {}
    return {entity: _edition(parts) for entity, parts in sorted(by_entity.items())}


def _edition(parts: set[str]) -> str:
    whole = "\n".join(("tidegate/v1 edition", *sorted(parts)))
    return hashlib.sha256(whole.encode()).hexdigest()[:LENGTH]
