"""Everything that a policy may look at, as values. Never text.

`decide` sees `RequestFacts` and the compiled policy, nothing else; so whatever is not here cannot steer a request.
"""

from dataclasses import dataclass
from enum import StrEnum

from gateway.core.labels import Label


class Capability(StrEnum):
    """What a request needs of a model server. Read from content, so a client cannot ask for less than it sends."""

    TOOLS = "tools"
    JSON_SCHEMA = "json_schema"
    VISION = "vision"
    AUDIO = "audio"
    EMBEDDINGS = "embeddings"


class Complexity(StrEnum):
    """How hard the request looks. `MEDIUM` stands for not yet scored."""

    SIMPLE = "simple"
    MEDIUM = "medium"
    HARD = "hard"


@dataclass(frozen=True, slots=True)
class Tenant:
    """Who is billed and governed, found from the credential.

    `ceiling` is the highest label of this tenant's work that may leave for the cloud; `None` keeps everything home.
    `sees` lists what its callers may be told about a decision: `label`, `route`, `pool`.
    """

    id: str
    tenant_class: str
    ceiling: Label | None
    sees: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """What is known of one request when it is decided.

    `label_low` is what was found; `label_high` joins it with the most that tiers not yet run could add. Everything
    but a pool whose clearance is the top label is governed by `label_high` (policy.md).
    """

    label_low: Label
    label_high: Label
    tenant_class: str
    ceiling: Label | None
    model: str
    capabilities: frozenset[Capability] = frozenset()
    complexity: Complexity = Complexity.MEDIUM
