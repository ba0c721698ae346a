"""What one line of the audit log says, as JSON: the only file that knows how records are written and read back.

What is written for every request is made of Structs, which are encoded as they are, without what is at its default.
Read back, an outcome has a form of its own (`_WrittenOutcome`): a decision is one of two types and JSON has no types.
Every line names its version; what an older one did not have is read at its default, and newer ones are refused. How
lines hang together is `core/audit_chain.py`.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import msgspec

from gateway.core.decision import Allow, AuditLevel, Canary, Decision, Deny, DenyCode, Mirror
from gateway.core.facts import RequestFacts
from gateway.core.findings import Evidence
from gateway.core.labels import LOWEST, Label
from gateway.core.records import (
    RECORD_VERSION,
    Attempt,
    Cached,
    Ending,
    FullScan,
    Held,
    Intent,
    Mirrored,
    Outcome,
    Override,
    Refusal,
    Scored,
    Stayed,
    Usage,
)


@dataclass(frozen=True, slots=True)
class Header:
    """The first line of a segment. `segment` is the file's name without its ending.

    `booted_at` is when the worker began, `opened_at` when this segment did. `part` counts the segments of one boot of
    one worker; `follows` is the seal of the last synced line of the parts before (zeros if there is none), and what
    this segment's chain starts from.
    """

    segment: str
    worker: int
    boot: str
    part: int
    booted_at: float
    opened_at: float
    follows: str


@dataclass(frozen=True, slots=True)
class SignedBy:
    """Whose signature let a bundle in. `key` is the beginning of the SHA-256 of that person's public key."""

    name: str
    key: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a bundle comes from, and what looks for what under it.

    `version` is the policy's, `build` the gateway's own; `build` is empty where nobody said anything. `signed_by` is in
    the order of the file of signatures. `scanner` and `models` are digests of what finds; `detectors` has for each
    entity the edition of whatever finds it (`detect/editions.py`). `recognizers` is the version that recognizers.yaml
    gives itself, 0 if it gives none or there is no such file.
    """

    version: int = 0
    build: str = ""
    signed_by: tuple[SignedBy, ...] = ()
    scanner: str = ""
    models: str = ""
    detectors: dict[str, str] = field(default_factory=dict)
    recognizers: int = 0


@dataclass(frozen=True, slots=True)
class Activation:
    """A bundle came into force. `labels` names its labels, lowest first, so that ranks can be read back later.

    `certificate` is the hash of the certificate that proves it, empty in records from before there were any. `previous`
    is the bundle that this process served until then, empty for its first one.
    """

    at: float
    bundle: str
    labels: tuple[str, ...]
    certificate: str = ""
    previous: str = ""
    origin: Origin = field(default_factory=Origin)


def segment_name(booted_at: float, worker: int, boot: str, part: int) -> str:
    """What a segment's file is called, without `.jsonl`.

    Named for the boot's time, not the part's: a clock that is set back must not put a boot's parts out of order.
    """
    stamp = datetime.fromtimestamp(int(booted_at), UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"{stamp}-w{worker}-{boot}-{part:04d}"


Entry = Header | Activation | Refusal | Override | Intent | Outcome | Mirrored


class Unreadable(Exception):
    """A line that this version cannot read. `reason` says why and quotes nothing of it."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


_encode: Final = msgspec.json.Encoder().encode
_KINDS: Final[dict[type[Entry], bytes]] = {
    Outcome: b"outcome",
    Mirrored: b"mirrored",
    Intent: b"intent",
    Activation: b"activation",
    Refusal: b"refusal",
    Override: b"override",
    Header: b"header",
}


def starts_of(seq: int) -> tuple[bytes, ...]:
    """How the line numbered `seq` may begin, whatever it says: one for each version that this build reads."""
    return tuple(b'{"v":%d,"seq":%d,"' % (version, seq) for version in range(RECORD_VERSION, 0, -1))


def write(seq: int, entry: Entry) -> bytes:
    """The line for `entry` without its end, `,"seal":…}`, which the chain adds."""
    return b'{"v":%d,"seq":%d,"%b":%b' % (RECORD_VERSION, seq, _KINDS[type(entry)], _encode(entry))


class _WrittenDecision(msgspec.Struct, frozen=True):
    """Either type of decision as it is read back: only `Allow` has `to`."""

    route: str
    to: tuple[str, ...] | None = None
    spill: tuple[str, ...] = ()
    queue_s: float = 0.0
    label: Label = LOWEST
    if_scanned: tuple[str, ...] = ()
    code: DenyCode | None = None
    message: str = ""
    cache_s: float = 0.0
    audit: AuditLevel = AuditLevel.STANDARD
    canary: Canary | None = None
    leaves_first: float = 0.0
    mirror: Mirror | None = None
    weights: tuple[float, ...] = ()


class _WrittenOutcome(msgspec.Struct, frozen=True):
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
    decision: _WrittenDecision | None = None
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


class _Line(msgspec.Struct, frozen=True):
    v: int
    seq: int
    header: Header | None = None
    activation: Activation | None = None
    refusal: Refusal | None = None
    override: Override | None = None
    intent: Intent | None = None
    outcome: _WrittenOutcome | None = None
    mirrored: Mirrored | None = None


class _Frame(msgspec.Struct, frozen=True):
    v: int
    seq: int


_decode_line: Final = msgspec.json.Decoder(_Line).decode
_decode_frame: Final = msgspec.json.Decoder(_Frame).decode


def read_seq(line: bytes) -> int:
    """The number of a line, without reading the rest of it; raises Unreadable."""
    try:
        frame = _decode_frame(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unreadable("not a JSON record") from None
    if not 1 <= frame.v <= RECORD_VERSION:
        raise Unreadable(f"version {frame.v} of the record format; this build reads up to {RECORD_VERSION}")
    return frame.seq


def read(line: bytes) -> Entry:
    """What a whole line says; raises Unreadable."""
    read_seq(line)
    try:
        parsed = _decode_line(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unreadable("not a record of this version") from None
    if parsed.outcome is not None:
        return _outcome(parsed.outcome)
    entry = parsed.intent or parsed.activation or parsed.override or parsed.header or parsed.mirrored or parsed.refusal
    if entry is None:
        raise Unreadable("a record of no known kind")
    return entry


def _outcome(written: _WrittenOutcome) -> Outcome:
    return Outcome(
        request_id=written.request_id,
        at=written.at,
        ms=written.ms,
        tenant=written.tenant,
        path=written.path,
        status=written.status,
        ending=written.ending,
        bundle=written.bundle,
        epoch=written.epoch,
        streamed=written.streamed,
        bytes_in=written.bytes_in,
        bytes_out=written.bytes_out,
        evidence=written.evidence,
        facts=written.facts,
        decision=None if written.decision is None else _decision(written.decision),
        attempts=written.attempts,
        usage=written.usage,
        error=written.error,
        queued_ms=written.queued_ms,
        full_scan=written.full_scan,
        app=written.app,
        cost_micros=written.cost_micros,
        stayed=written.stayed,
        cached=written.cached,
        held=written.held,
        reckoned=written.reckoned,
        scored=written.scored,
        canary=written.canary,
    )


def _decision(written: _WrittenDecision) -> Decision:
    if written.to is not None:
        return Allow(
            to=written.to,
            spill=written.spill,
            queue_s=written.queue_s,
            route=written.route,
            label=written.label,
            if_scanned=written.if_scanned,
            cache_s=written.cache_s,
            audit=written.audit,
            canary=written.canary,
            leaves_first=written.leaves_first,
            mirror=written.mirror,
            weights=written.weights,
        )
    if written.code is None:
        raise Unreadable("a decision that is neither allow nor deny")
    return Deny(code=written.code, route=written.route, message=written.message, if_scanned=written.if_scanned)
