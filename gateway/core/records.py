"""What the audit log says: an intent before each cloud attempt, an outcome after every request.

Records hold facts, never content: schema paths, entities, scores, names of pools. They are what `explain` and
`replay` read back, so every shape carries a version and a reader accepts the version before its own. What is made for
every request is a Struct: it costs a tenth of a frozen dataclass, and is encoded three times as fast.
"""

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from gateway.core.decision import Decision
from gateway.core.facts import Complexity, RequestFacts
from gateway.core.findings import Evidence
from gateway.core.labels import Label

RECORD_VERSION = 4
"""2 added what a policy may ask about since, what it may order, the certificate of a bundle, full scans, overrides.

3 added what a request cost, for which app, why it waited at home instead of leaving, and what it held of limits;
how hard it looked, where the policy asks.

4 added refusals, what an activation says of who approved it and with which detectors, and who is a canary.
"""


class Ending(StrEnum):
    """How an exchange ended; exactly one per attempt."""

    COMPLETED = "completed"  # the model server finished its answer and said so
    CLIENT_GONE = "client_gone"  # the caller left; the upstream was closed
    UPSTREAM_FAILED = "upstream_failed"  # error, stall, reset, or an answer cut short
    UPSTREAM_REJECTED = "upstream_rejected"  # the model server refused the request itself
    DEADLINE = "deadline"  # the time ran out that the caller had given it; the upstream was closed
    SEND_FAILED = "send_failed"  # writing to the caller failed
    CANCELLED = "cancelled"  # the gateway stopped
    REFUSED = "refused"  # the gateway itself refused: credential, request, policy, or no free place in time


class Attempt(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One try at one endpoint. `ms` from dialling to its end; `detail` names, never quotes."""

    pool: str
    zone: str
    endpoint: str
    ending: Ending
    status: int | None
    ms: float
    detail: str = ""


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Tokens as the model server counted them."""

    prompt_tokens: int
    completion_tokens: int


class Stayed(StrEnum):
    """Why work that had to wait at home, or found no place there, did not leave for the cloud instead."""

    LABEL = "label"  # its label: with the lowest one, it might have left
    POLICY = "policy"  # whatever its label, its row or its class keeps it home
    BUDGET = "budget"  # it might have left, and the money for that was spent
    OPERATIONS = "operations"  # it might have left, and operations had closed the way


class ScanReason(StrEnum):
    """Why the tiers ran that are too slow for every request."""

    LEAVES_FIRST = "leaves_first"  # with the lower label its first place is in the cloud
    NO_PLACE = "no_place"  # no pool of the first decision had a free place
    ALL_FAILED = "all_failed"  # every pool of the first decision was tried, and none answered
    REFUSED = "refused"  # the first decision refused it
    ALWAYS = "always"  # the tenant's class asks for it


class ScanEnding(StrEnum):
    """What came of a full scan."""

    COMPLETED = "completed"  # it came to its end, and the request was decided again
    INCOMPLETE = "incomplete"  # it did not: what was decided before stands
    OVERTAKEN = "overtaken"  # a place of the first decision was free sooner, or the caller left
    UNCONFIRMED = (
        "unconfirmed"  # the bytes about to leave could not be scanned as fully: what was decided before stands
    )


class Cached(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The answer was a stored one, `age_s` old. The tokens are those that its making took, and this request did not."""

    age_s: float
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Held(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What was set aside of the tenant's limits, and what was charged in the end: tokens, and money in millionths.

    `is_degraded` says that one worker counted, since the store that counts for all could not be asked.
    """

    reserved_tokens: int = 0
    settled_tokens: int = 0
    reserved_micros: int = 0
    settled_micros: int = 0
    is_degraded: bool = False


class Scored(msgspec.Struct, frozen=True, gc=False):
    """How hard a request looked, and what each count added to that before it was put on its scale (core/complexity)."""

    score: float
    band: Complexity
    parts: tuple[tuple[str, float], ...]


class FullScan(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One run of those tiers. `label_low` and `label_high` are those of the decision before it, None if there was none;
    so `decide` can be asked again what that was."""

    because: ScanReason
    ending: ScanEnding
    ms: float
    label_low: Label | None = None
    label_high: Label | None = None


class Intent(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Written and synced before bytes may leave for a cloud pool (threats.md I8).

    An intent without an outcome reads "may have been sent". `digest` is a keyed hash of the message that was cleared.
    `canary` says of this and of other records that they are of a request of our own (policy/live_canary.py).
    """

    request_id: str
    at: float
    tenant: str
    pool: str
    zone: str
    label: str
    route: str
    bundle: str
    epoch: int
    digest: str
    canary: bool = False


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One finished request, however it ended. `at` is Unix time in seconds; `ms` the whole duration.

    `evidence`, `facts` and `decision` are `None` when the request ended before they existed (a 401 has no facts).
    `tenant` is empty when nobody was identified, `app` where the key names none. `cost_micros` is what its tokens cost
    at the prices of that moment, in millionths of the currency. `stayed` is said of requests that waited or were turned
    away for want of a place, if no place in the cloud could be theirs. `cached` is said of stored answers; no model
    server was asked for one, so that `usage` is 0. `held` is said of tenants with limits. `reckoned` stands in
    for `usage` where an answer was broken off before its server counted: the estimated prompt, and what had come.
    `scored` is there where the policy asks for complexity.
    """

    request_id: str
    at: float
    ms: float
    tenant: str
    path: str
    status: int
    ending: Ending
    bundle: str
    epoch: int
    streamed: bool
    bytes_in: int
    bytes_out: int
    evidence: Evidence | None = None
    facts: RequestFacts | None = None
    decision: Decision | None = None
    attempts: tuple[Attempt, ...] = ()
    usage: Usage | None = None
    error: str | None = None
    queued_ms: float = 0.0
    full_scan: FullScan | None = None
    app: str = ""
    cost_micros: int = 0
    stayed: Stayed | None = None
    cached: Cached | None = None
    held: Held | None = None
    reckoned: Usage | None = None
    scored: Scored | None = None
    canary: bool = False


class Mirrored(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One copy of a request for a mirror, however it ended. What was found and decided stands in the outcome of the
    request, `copy_of`; `request_id` is the copy's own, as in its intent. `usage` is what it took, `cost_micros` what
    that cost, and nobody's."""

    request_id: str
    copy_of: str
    at: float
    ms: float
    tenant: str
    label: str
    route: str
    pool: str
    ending: Ending
    bundle: str
    epoch: int
    attempts: tuple[Attempt, ...] = ()
    usage: Usage | None = None
    error: str | None = None
    cost_micros: int = 0
    canary: bool = False


@dataclass(frozen=True, slots=True)
class Override:
    """Operations changed what a running gateway may do. `change` is the command's words, `until` Unix time in seconds.

    `by` is what whoever held the admin token called himself. An override that is taken back has no end.
    """

    at: float
    by: str
    change: str
    until: float | None = None


class RefusalCode(StrEnum):
    """Why files did not come into force. Those after `CHANGED` and before `BOOK` are `core/approval.Fault`'s."""

    UNREADABLE = "unreadable"  # one of the files is not there, or is not what can be read as one
    PROBLEMS = "problems"  # something in them cannot be meant
    NOT_PROVED = "not_proved"  # something does not hold, or could not be shown to
    CHANGED = "changed"  # they changed while they were read
    UNSIGNED = "unsigned"
    STRANGER = "stranger"
    INVALID = "invalid"
    ALONE = "alone"  # what lets more out takes two signatures, and there is one
    VERSION_BELOW = "version_below"
    VERSION_TAKEN = "version_taken"
    RESTORES_UNKNOWN = "restores_unknown"
    RESTORES_OTHER = "restores_other"
    BOOK = "book"  # what was in force before cannot be believed
    STATE = "state"  # the state folder cannot be written
    FAILED = "failed"  # whoever was to load them ended otherwise, or said nothing that can be read
    LATE = "late"  # whoever was to load them took too long
    RESTART = "restart"  # they change what is the supervisor's for life
    TOO_MANY = "too_many"  # more workers than there are places for
    WORKER = "worker"  # a worker would not take them, or was not ready in time


@dataclass(frozen=True, slots=True)
class Refusal:
    """Files did not come into force, and what was in force before stays so. Nothing of the files is here.

    `files` is a digest of them as they were; `bundle`, `version` and `certificate`, the hash of one, are there if it
    got so far. `problems` counts what was wrong. `in_force` is the bundle that stays, empty where nothing was served.
    """

    at: float
    codes: tuple[RefusalCode, ...]
    problems: int = 0
    files: str = ""
    bundle: str = ""
    version: int = 0
    certificate: str = ""
    in_force: str = ""


Record = Intent | Outcome
