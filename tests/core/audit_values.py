"""Records, segments and checkpoints for the audit tests, by hand and by hypothesis."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import strategies as st

from gateway.core.audit_chain import (
    NO_CHECKPOINT,
    START,
    Checkpoint,
    Head,
    line_hash,
    seal,
    sign_off,
    to_be_signed,
    write_checkpoint,
)
from gateway.core.audit_record import Activation, Header, Origin, SignedBy
from gateway.core.decision import Allow, AuditLevel, Canary, Deny, DenyCode, Mirror
from gateway.core.facts import Budget, Capability, Complexity, Modality, Pressure, RequestFacts, Surroundings
from gateway.core.findings import Coverage, Evidence, Finding, History, Tier, Unscanned
from gateway.core.keyed_hash import KeyedHash
from gateway.core.labels import Label
from gateway.core.records import (
    Attempt,
    Cached,
    Ending,
    FullScan,
    Held,
    Intent,
    Outcome,
    Override,
    Refusal,
    RefusalCode,
    ScanEnding,
    ScanReason,
    Stayed,
    Usage,
)

KEY = KeyedHash(b"audit key of the tests")
SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
BOOT = "1a2b3c4d5e6f7081"

text = st.text(max_size=12)
number = st.integers(0, 2**40)
seconds = st.floats(0, 1e10, allow_nan=False)
label = st.integers(0, 5).map(Label)
names = st.lists(text, max_size=3).map(tuple)

findings = st.builds(Finding, text, st.floats(0, 1), text, number, number, text, names)
coverage = st.builds(
    Coverage,
    st.frozensets(st.sampled_from(Tier)),
    st.lists(st.builds(Unscanned, text, text), max_size=2).map(tuple),
    number,
    number,
    st.none() | text,
)
evidence = st.builds(
    Evidence, st.lists(findings, max_size=2).map(tuple), coverage, st.sampled_from(History), st.none() | label
)
surroundings = st.builds(
    Surroundings,
    number,
    st.lists(st.tuples(text, st.sampled_from(Pressure)), max_size=2).map(tuple),
    st.sampled_from(Budget),
)
facts = st.builds(
    RequestFacts,
    label,
    label,
    text,
    st.none() | label,
    text,
    st.frozensets(st.sampled_from(Capability)),
    st.sampled_from(Complexity),
    st.frozensets(st.sampled_from(Modality)),
    number,
    surroundings,
)
canaries = st.builds(Canary, text, st.floats(0, 100))
mirrors = st.builds(Mirror, text, st.floats(0, 100))
allows = st.builds(
    Allow,
    names,
    names,
    seconds,
    text,
    label,
    names,
    seconds,
    st.sampled_from(AuditLevel),
    st.none() | canaries,
    st.floats(0, 100),
    st.none() | mirrors,
    st.lists(st.floats(0, 100), max_size=3).map(tuple),
)
decisions = allows | st.builds(Deny, st.sampled_from(DenyCode), text, text, names)
full_scans = st.builds(
    FullScan,
    st.sampled_from(ScanReason),
    st.sampled_from(ScanEnding),
    seconds,
    st.none() | label,
    st.none() | label,
)
attempts = st.builds(
    Attempt, text, text, text, st.sampled_from(Ending), st.none() | st.integers(100, 599), seconds, text
)
outcomes = st.builds(
    Outcome,
    request_id=text,
    at=seconds,
    ms=seconds,
    tenant=text,
    path=text,
    status=st.integers(100, 599),
    ending=st.sampled_from(Ending),
    bundle=text,
    epoch=number,
    streamed=st.booleans(),
    bytes_in=number,
    bytes_out=number,
    evidence=st.none() | evidence,
    facts=st.none() | facts,
    decision=st.none() | decisions,
    attempts=st.lists(attempts, max_size=2).map(tuple),
    usage=st.none() | st.builds(Usage, number, number),
    error=st.none() | text,
    queued_ms=seconds,
    full_scan=st.none() | full_scans,
    app=text,
    cost_micros=number,
    stayed=st.none() | st.sampled_from(Stayed),
    cached=st.none() | st.builds(Cached, seconds, number, number),
    held=st.none() | st.builds(Held, number, number, number, number, st.booleans()),
    reckoned=st.none() | st.builds(Usage, number, number),
    canary=st.booleans(),
)
intents = st.builds(Intent, text, seconds, text, text, text, text, text, text, number, text, st.booleans())
origins = st.builds(
    Origin,
    number,
    text,
    st.lists(st.builds(SignedBy, text, text), max_size=2).map(tuple),
    text,
    text,
    st.dictionaries(text, text, max_size=3),
    number,
)
activations = st.builds(Activation, seconds, text, names, text, text, origins)
overrides = st.builds(Override, seconds, text, text, st.none() | seconds)
headers = st.builds(Header, text, number, text, number, seconds, seconds, text)
refusals = st.builds(
    Refusal,
    seconds,
    st.lists(st.sampled_from(RefusalCode), min_size=1, max_size=3).map(tuple),
    number,
    text,
    text,
    number,
    text,
    text,
)
entries = outcomes | intents | activations | overrides | refusals


def outcome(request_id="req_1", **changes):
    values = {
        "request_id": request_id,
        "at": 1_700_000_000.0,
        "ms": 12.5,
        "tenant": "demo",
        "path": "/v1/chat/completions",
        "status": 200,
        "ending": Ending.COMPLETED,
        "bundle": "sha256:b",
        "epoch": 1,
        "streamed": False,
        "bytes_in": 1300,
        "bytes_out": 1024,
    }
    return Outcome(**(values | changes))


def intent(request_id="req_1", pool="burst"):
    return Intent(request_id, 1_700_000_000.0, "demo", pool, "cloud", "internal", "rest", "sha256:b", 1, "00" * 32)


def segment(written, *, part=0, follows=START, worker=0, boot=BOOT, key=KEY):
    """(name, bytes, heads after each line) of a segment that holds `written`."""
    name = f"20261121T100000Z-w{worker}-{boot}-{part:04d}"
    data, heads, end = b"", [], follows
    for seq, entry in enumerate([Header(name, worker, boot, part, 1.0, 2.0, follows.hex()), *written]):
        line, end = seal(end, seq, entry, key)
        data += line
        heads.append(Head(name, seq, end.hex(), len(data)))
    return name, data, heads


def checkpoints(heads, *, signer=SIGNER, start=0, previous=NO_CHECKPOINT):
    """checkpoints.jsonl that signs `heads`, in order."""
    data = b""
    for number, head in enumerate(heads, start):
        body = write_checkpoint(Checkpoint(number, 3.0, head, previous))
        line = sign_off(body, signer.sign(to_be_signed(body)))
        previous = line_hash(line)
        data += line
    return data
