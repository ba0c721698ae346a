"""What one bundle decides with, made once when it is activated: whoever scans, labels, scores and looks around for it.

A request takes the generation of the moment when it comes in, and keeps it until it is over or decided again; so it
sees one bundle from start to finish, whatever is activated meanwhile. What lives longer than a bundle, places and
connections, stores and records, is not here.
"""

from dataclasses import dataclass

from gateway.core.labels import LabelOrder
from gateway.core.prices import Prices
from gateway.policy.compiled import CompiledPolicy
from gateway.runtime.bundles import Bundle
from gateway.runtime.classify import Classifier
from gateway.runtime.provenance import ReplyRecord
from gateway.runtime.scoring import Scoring
from gateway.runtime.surroundings import Outlook


@dataclass(frozen=True, eq=False)
class Generation:
    """One bundle at work. `certificate` is the hash of what proves it; `epoch` that of the moment it was activated."""

    bundle: Bundle
    digest: str
    policy: CompiledPolicy
    order: LabelOrder
    classifier: Classifier
    replies: ReplyRecord
    outlook: Outlook
    scoring: Scoring | None
    prices: Prices | None
    certificate: str = ""
