"""Everything that a policy may look at, as values. Never text.

`decide` sees `RequestFacts` and the compiled policy, nothing else; so whatever is not here cannot steer a request.
"""

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from gateway.core.access import UNLIMITED, Access
from gateway.core.labels import Label
from gateway.core.quota import Limits
from gateway.core.waiting import USUAL_PRIORITY


class Capability(StrEnum):
    """What a request needs of a model server. Read from content, so a client cannot ask for less than it sends."""

    TOOLS = "tools"
    JSON_SCHEMA = "json_schema"
    VISION = "vision"
    AUDIO = "audio"
    EMBEDDINGS = "embeddings"


class Modality(StrEnum):
    """What the content of a request is made of. Every request holds text; the others are said when they are there."""

    TEXT = "text"
    IMAGE = "image"
    AUDIO = "audio"
    FILE = "file"


class Pressure(StrEnum):
    """How a zone is doing, all its pools together: no more is said, so that no pool's state can steer a request."""

    FREE = "free"
    SATURATED = "saturated"
    DOWN = "down"


class Budget(StrEnum):
    """Whether the money set aside for burst is spent."""

    OK = "ok"
    SPENT = "spent"


MINUTES_PER_WEEK = 7 * 24 * 60


class Complexity(StrEnum):
    """How hard the request looks. `MEDIUM` stands for not yet scored."""

    SIMPLE = "simple"
    MEDIUM = "medium"
    HARD = "hard"


@dataclass(frozen=True, slots=True)
class Tenant:
    """Who is billed and governed, found from the credential.

    `ceiling` is the highest label of this tenant's work that may leave for the cloud; `None` keeps everything home.
    `sees` lists what its callers may be told about a decision: `label`, `route`, `pool`. `attested` is the label that
    its class vouches for where nothing was found; None is the policy's own default. `full_scan` says that its class
    asks for the tiers that are too slow for every request, always; what they did not get through was not scanned.
    `priority` is its class's, in the queue of a pool. `access` is what all of its credentials are limited to,
    `limits` how much it may use; None is as much as it likes.
    """

    id: str
    tenant_class: str
    ceiling: Label | None
    sees: frozenset[str] = frozenset()
    attested: Label | None = None
    full_scan: bool = False
    priority: int = USUAL_PRIORITY
    access: Access = UNLIMITED
    limits: Limits | None = None


class Surroundings(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What is true of the gateway rather than of a request, at the moment of a decision; shared by all requests in it.

    `minute_of_week` counts from Monday 00:00 UTC. `pressure` pairs a zone with its state; a zone that is not named is
    free.
    """

    minute_of_week: int = 0
    pressure: tuple[tuple[str, Pressure], ...] = ()
    budget: Budget = Budget.OK


QUIET = Surroundings()
TEXT_ONLY = frozenset({Modality.TEXT})


class RequestFacts(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What is known of one request when it is decided. A Struct, since one is made and written for every request.

    `label_low` is what was found; `label_high` joins it with the most that tiers not yet run could add. Everything
    but a pool whose clearance is the top label is governed by `label_high` (policy.md). `context_tokens` is an
    estimate, rather high, of what prompt and answer take together; 0 is not known, and passes every limit.
    """

    label_low: Label
    label_high: Label
    tenant_class: str
    ceiling: Label | None
    model: str
    capabilities: frozenset[Capability] = frozenset()
    complexity: Complexity = Complexity.MEDIUM
    modalities: frozenset[Modality] = TEXT_ONLY
    context_tokens: int = 0
    surroundings: Surroundings = QUIET
