"""Every figure that the gateway exports: its name, kind, labels and meaning, in one table.

Labels are bounded by the files that operators write and by our own enumerations; there is no tenant, no key, no
address of a client and no word of a request among them (threats.md I6). docs/metrics.md is held equal to this table.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from gateway.core.figures import Family, Kind

NONE: Final = "none"
"""The value of a label that does not apply: no tenant was identified, no label given, no pool reached."""

OTHER: Final = "other"
"""The value of a label for whatever is not on its list."""

_WHOLE_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
_FIRST_S: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0)
_WAIT_S: Final = (0.0, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_OWN_S: Final = (
    0.00005, 0.0001, 0.0002, 0.0003, 0.0005, 0.00075, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0,
)  # fmt: skip
_LATE_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


def _counter(name: str, labels: str, says: str) -> Family:
    return Family(f"tidegate_{name}_total", Kind.COUNTER, tuple(labels.split()), says)


def _state(name: str, labels: str, says: str) -> Family:
    return Family(f"tidegate_{name}", Kind.STATE, tuple(labels.split()), says)


def _most(name: str, labels: str, says: str) -> Family:
    return Family(f"tidegate_{name}", Kind.MOST, tuple(labels.split()), says)


def _spread(name: str, labels: str, bounds: tuple[float, ...], says: str) -> Family:
    return Family(f"tidegate_{name}_seconds", Kind.SPREAD, tuple(labels.split()), says, bounds)


# Requests, counted when they settle.
REQUESTS: Final = _counter(
    "requests",
    "api tenant_class label zone pool ending",
    "Finished requests by interface, tenant class, label, the last pool that was tried, and how they ended.",
)
DECISIONS: Final = _counter("decisions", "route result", "Policy decisions by route: allow or deny.")
SCORED: Final = _counter(
    "scored_requests", "band", "Requests by how hard they looked: simple, medium or hard; only where the policy asks."
)
REFUSALS: Final = _counter("refusals", "code", "Requests that ended with an error of ours, by its code.")
SPILLED: Final = _counter(
    "spilled_requests", "label zone pool", "Requests that went to a pool which their route lists under `spill`."
)
MIRRORED: Final = _counter(
    "mirrored_requests",
    "zone pool ending",
    "Copies of requests for a mirror by how they ended; `dropped`: none was made, since the pool was busy.",
)
TOKENS: Final = _counter(
    "tokens", "tenant_class zone pool kind", "Tokens as model servers counted them: prompt or completion."
)
COST: Final = _counter(
    "cost", "tenant_class zone pool currency", "What tokens cost at the prices of their time, in units of the currency."
)
STAYED: Final = _counter(
    "stayed_requests",
    "label because",
    "Requests that waited at home, or were turned away there, and could not leave, by what kept them: their label, "
    "policy, budget or operations.",
)
ATTEMPTS: Final = _counter("attempts", "zone pool ending", "Tries at a model server by how they ended.")
FAILOVERS: Final = _counter("failovers", "zone pool", "Tries at a pool that failed and were followed by another try.")
DURATION: Final = _spread(
    "request_duration",
    "zone pool streamed",
    _WHOLE_S,
    "From the whole request to the end of its answer, by the last pool that was tried.",
)
FIRST_TOKEN: Final = _spread(
    "first_token", "zone pool", _FIRST_S, "From the whole request to the first content of a streamed answer."
)
QUEUE_WAIT: Final = _spread(
    "queue_wait", "tenant_class", _WAIT_S, "Time that permitted requests waited for a place in a pool; most wait 0."
)
ADDED: Final = _spread(
    "added",
    "zone",
    _OWN_S,
    "The gateway's own time before the first try: from the whole request, without its time in a queue.",
)

# What detection sees and takes.
SCAN: Final = _spread(
    "scan", "scan", _OWN_S, "Time of one scan: of a `request`, of final bytes at the `door`, by `models`."
)
FINDINGS: Final = _counter("findings", "entity", "Findings in requests by entity; all markers count as MARKER.")
UNSCANNED: Final = _counter("unscanned", "carrier", "Parts of requests that nothing can read, by what they are.")
SCAN_FAILURES: Final = _counter(
    "scan_failures", "reason", "Scans that did not come to their end, so that the highest label counted."
)
FULL_SCANS: Final = _counter(
    "full_scans", "because ending", "Runs of the models before a request may leave, by why and what came of them."
)
MEMO: Final = _counter("memo_lookups", "result", "Texts that were looked up in the memo of earlier scans: hit or miss.")
MEMO_ENTRIES: Final = _state("memo_entries", "", "Texts of which the memo remembers what was seen.")
MEMO_BYTES: Final = _state("memo_bytes", "", "About how many bytes the memo takes.")
CANARIES: Final = _counter(
    "canary",
    "tenant_class verdict",
    "Canaries by what became of them: held, left, unlabelled, unseen or failed; requests count no canary.",
)
CANARY_HELD: Final = _most(
    "canary_held_timestamp_seconds",
    "tenant_class",
    "When a canary of a class was last held, in Unix time; until the first, since when they are sent.",
)

# Pools and what is behind them.
IN_FLIGHT: Final = _state("pool_in_flight", "zone pool", "Requests that have a place in a pool now.")
LIMIT: Final = _state("pool_limit", "zone pool", "Places of a pool, over all workers.")
QUEUED: Final = _state("pool_queued", "zone pool", "Requests that wait for a place in a pool now.")
CLOSED: Final = _most("pool_closed", "zone pool", "1 while a pool is known to take nothing.")
RESERVED: Final = _state("pool_reserved", "zone pool", "Places of a pool that only work which must stay home may take.")
PRESSURE: Final = _most(
    "pool_pressure", "zone pool", "How much of what work that may leave can have of a pool is taken: 1 is all of it."
)
SPILLING: Final = _state(
    "pool_spilling",
    "zone pool label",
    "Workers in which work of a label may leave a pool for the next; `any` is the rest.",
)
DRAINED: Final = _most("pool_drained", "zone pool", "1 while operations have drained a pool.")
BURST_SHARE: Final = _most(
    "burst_share", "", "The share of what may leave that operations send away; none while pressure decides."
)
BUDGET_USED: Final = _most(
    "burst_budget_used",
    "window",
    "The share of the burst budget that is spent, of the hour's, day's or month's money; without a shared store, of "
    "the part of the worker that has spent most of its own.",
)
BUDGET_CLOSED: Final = _most(
    "burst_budget_closed", "", "1 while the burst budget keeps work at home: it is spent, or nobody can say what is."
)
BUDGET_REFUSED: Final = _counter(
    "burst_budget_refused", "", "Attempts in the cloud for which there was no money, so that they were not made."
)
ENDPOINTS: Final = _state(
    "endpoints", "zone pool endpoint state", "Workers by how they see an endpoint: well, full, cold, broken or unwell."
)
ENDPOINT_IN_FLIGHT: Final = _state("endpoint_in_flight", "zone pool endpoint", "Requests under way at an endpoint.")
BREAKERS_OPENED: Final = _counter("breakers_opened", "zone pool", "Times that the breaker of a pool's server opened.")
SAID_FULL: Final = _counter("said_full", "zone pool", "Answers of model servers that they are full.")
SAID_COLD: Final = _counter(
    "said_cold", "zone pool", "Answers of SageMaker that a model is being started, or has no copy that could be."
)
COLD_START: Final = _most(
    "cold_start_seconds", "zone pool endpoint", "How long the last start of a model took that was seen to its end."
)
WARM_UPS: Final = _counter(
    "warm_ups",
    "zone pool result",
    "Warm-ups of SageMaker pools by what came of them: `begun`, `found` (one held already), `unpaid`, `unrecorded`, "
    "`refused` (by AWS) or `elsewhere` (another gateway is at it); `ended` since operations shut the pool, `not_ended` "
    "where AWS would not.",
)
WARM: Final = _most("warm", "zone pool", "1 while a pool is held ready by a warm-up.")
WARM_AHEAD: Final = _most(
    "warm_ahead",
    "zone pool",
    "How full the pools at home that spill into a pool will be by the time that a start would be over: 1 is where they "
    "begin to.",
)
SERVER_REQUESTS: Final = _most(
    "server_requests",
    "zone pool endpoint state",
    "Requests that a model server counts itself, those of others included: running or waiting.",
)
SERVER_CACHE: Final = _most(
    "server_cache_share", "zone pool endpoint", "The share of its KV cache that a model server says is in use."
)
CONNECTIONS: Final = _state("upstream_connections", "zone pool state", "Connections to model servers: busy or idle.")
DIALLED: Final = _counter("upstream_connections_opened", "zone pool", "Connections that were opened to model servers.")

# The records that the gateway depends on.
AUDIT_USED: Final = _state("audit_buffer_used", "", "Places in the audit buffers that are taken.")
AUDIT_LIMIT: Final = _state("audit_buffer_limit", "", "Places in the audit buffers.")
AUDIT_WRITABLE: Final = _state("audit_writable_workers", "", "Workers whose audit log can be written.")
AUDIT_LOST: Final = _counter("audit_records_lost", "", "Audit records that found no place: there should be none.")
QUOTA_REFUSED: Final = _counter(
    "quota_refusals", "limit", "Requests refused because their tenant had used up a limit, by the limit."
)
QUOTA_DEGRADED: Final = _counter(
    "quota_degraded",
    "",
    "Requests that a worker counted for its part of the limits, because the store that counts for all did not answer.",
)
QUOTA_TOKENS: Final = _counter(
    "quota_tokens", "kind", "Tokens of tenants with limits: `reserved` before a request, `settled` after it."
)
QUOTA_LIVE: Final = _state("quota_reservations", "", "Requests under way that hold something of a limit.")
QUOTA_UNSETTLED: Final = _state(
    "quota_unsettled", "", "Settlements that the store which counts for all has not heard of yet."
)
REPLIES: Final = _state("replies_on_record", "", "Replies whose labels are on record.")
CACHE: Final = _counter(
    "cache_requests",
    "result",
    "Requests by where their answer came from: `near` (this worker), `far` (the shared store), `waited` (another "
    "request for the same), `old` (it could not be made anew), `miss` or `bypass`.",
)
CACHE_ENTRIES: Final = _state("cache_entries", "", "Stored answers in the workers' memory.")
CACHE_BYTES: Final = _state("cache_bytes", "", "About how many bytes these answers take.")
CACHE_WAITING: Final = _state("cache_waiting", "", "Requests that wait for another's answer to the same.")
CACHE_UNOPENED: Final = _counter(
    "cache_unopened", "", "Stored values that did not open where they were found: changed, misplaced, or another's."
)
CACHE_PASSED: Final = _counter(
    "cache_passed",
    "why",
    "Requests that did not wait for the shared store of answers: `slow` (it answers late), `lead` (what others were "
    "said to be making has not come).",
)
REPLIES_LOST: Final = _most(
    "reply_record_lost", "", "1 while the record of replies proves nothing, so that requests with a history stay home."
)
STORE: Final = _spread("store", "store", _OWN_S, "Time until a store outside answered a command: `state` or `cache`.")
STORE_FAILURES: Final = _counter(
    "store_failures", "store reason", "Commands that a store outside did not answer, or refused, by why."
)
STORE_DOWN: Final = _state("store_down_workers", "store", "Workers whose commands to a store fail at once, for now.")

# A candidate beside the policy.
SHADOW: Final = _counter(
    "shadow_requests",
    "candidate bundle route new_route new_label direction",
    "Requests that a candidate would have sent: by the route that they took, the candidate's own route and label, and "
    "which way that goes; `same` is none.",
)
SHADOW_GAINED: Final = _counter(
    "shadow_gained_requests", "candidate bundle pool", "Requests for which a candidate opens a pool in the cloud."
)
SHADOW_UNDECIDED: Final = _counter(
    "shadow_undecided_requests",
    "candidate bundle gap",
    "Requests of which nobody knows where a candidate would send them, by what is not known.",
)
SHADOW_WORKERS: Final = _state(
    "shadow_workers", "candidate bundle state", "Workers by how they stand to the candidate's file."
)
SHADOW_SINCE: Final = _most(
    "shadow_since_seconds", "candidate version", "Since when a candidate stands beside the policy, in Unix time."
)

# Credentials.
CREDENTIALS_REFUSED: Final = _counter(
    "credentials_refused", "reason", "Requests that were refused for their credential, by what was wrong with it."
)
KEYS_KNOWN: Final = _most("keys", "", "Entries of keys.yaml that the workers know.")
KEYS_STALE: Final = _most(
    "keys_stale", "", "1 while keys.yaml cannot be read, so that what it said before still counts."
)
ISSUER_KEYS: Final = _most("issuer_keys", "issuer", "Public keys of an issuer of tokens, by name and algorithm.")
ISSUER_KEYS_STALE: Final = _most(
    "issuer_keys_stale", "issuer", "1 while the public keys of an issuer of tokens could not be fetched anew."
)

# The processes.
WORKERS: Final = _state("workers", "", "Worker processes that have told of themselves in the last five seconds.")
STARTS: Final = _counter("worker_starts", "", "Worker processes that were started, restarts included.")
UNDER_WAY: Final = _state("requests_in_flight", "", "Requests that are under way.")
CLIENTS: Final = _state("client_connections", "", "Connections of clients.")
CPU: Final = _counter("worker_cpu_seconds", "", "Processor time of the workers.")
RESIDENT: Final = _state("worker_resident_bytes", "", "Resident memory of the workers.")
LATENESS: Final = _spread("loop_delay", "", _LATE_S, "How late a timer of a worker's loop came, 4 times a second.")
BUNDLE: Final = _state("bundle", "version bundle", "Workers by the version and the bundle that they serve.")
BUNDLE_SINCE: Final = _most("bundle_since_seconds", "", "When the bundle that governs came into force, in Unix time.")
FILES_REFUSED: Final = _most("files_refused", "", "Files that did not come into force since the supervisor started.")
FILES_STALE: Final = _most("files_stale", "", "1 while the files are such that they do not come into force.")
EPOCH: Final = _most("epoch", "", "A number that rises whenever something is tightened.")


def _table(families: Iterable[object]) -> Mapping[str, Family]:
    return MappingProxyType({family.name: family for family in families if isinstance(family, Family)})


FAMILIES: Final = _table(tuple(vars().values()))
"""Every family by its name, in the order of this file."""
