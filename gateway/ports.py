"""The Protocols between rooms: what the runtime asks of backends, recognizers, audit sinks and clients.

A port is a Protocol plus frozen records. Implementations keep the same signatures, so that no caller needs to know
which one it has.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from enum import Enum
from typing import Final, Protocol

import msgspec

from gateway.core.client import Client
from gateway.core.findings import Evidence, Finding, Remembered, Tier
from gateway.core.message import Headers, Message
from gateway.core.quota import Ask, Limits, Refused, Standing
from gateway.core.records import Intent, Mirrored, Outcome, Override
from gateway.core.topology import Address, Endpoint, Peer
from gateway.core.warm_up import Held, NotEnded, NotHeld


class Inbound(msgspec.Struct, frozen=True, gc=False):
    """One request as it came in, before anybody has looked at it. `received_at` is monotonic seconds.

    `path` is the path without its query; `authorization` the header's raw value, if there was exactly one.
    `cache_control` is that header's value, of several lines all of them behind commas. `client` is who the other end is
    apart from its credential, where the face knows that. `timeout_s` is how long the client gives the request, and
    `answer_within_s` how long if its answer comes whole; None if it has not said.
    """

    method: bytes
    path: bytes
    authorization: bytes | None
    body: bytes
    received_at: float
    cache_control: bytes = b""
    client: Client | None = None
    timeout_s: float | None = None
    answer_within_s: float | None = None


class Clock(Protocol):
    """Time as an argument. `monotonic` orders and measures; `wall` is Unix time for records; both in seconds."""

    def monotonic(self) -> float: ...
    def wall(self) -> float: ...


class Recognizer(Protocol):
    """Finds one or more entities in one view of one text. Pure; must not keep state between calls.

    `entities` are the names it may report. `tier` says in which stage it runs. `patterns` are regular expressions of
    which at least one matches wherever `find` could report anything; the prefilter compiles them together and calls
    `find` only on what they trigger. An empty tuple means "always run".
    """

    @property
    def name(self) -> str: ...
    @property
    def entities(self) -> frozenset[str]: ...
    @property
    def tier(self) -> Tier: ...
    @property
    def patterns(self) -> tuple[str, ...]: ...
    def find(self, text: str, path: str) -> Sequence[Finding]: ...


class Memo(Protocol):
    """What one tenant's earlier scans saw, by keys that nobody else can make (threats.md 17).

    `key_of` is the key of one text, `key_of_seam` that of texts which meet, by their own keys and the `form` in which
    they meet. `keys_of_row` are those of the first of `pieces`, of the first two and so on, whatever is cut where. Only
    scans that came to their end are remembered. Bounded: anything may be forgotten at any time.
    """

    def key_of(self, text: str) -> bytes: ...
    def keys_of_row(self, pieces: Sequence[bytes], form: bytes) -> list[bytes]: ...
    def key_of_seam(self, keys: Sequence[bytes], form: bytes) -> bytes: ...
    def recall(self, key: bytes) -> Remembered | None: ...
    def remember(self, key: bytes, seen: Remembered) -> None: ...


class Scanner(Protocol):
    """Scans a whole request. Never raises: a failure is evidence that nothing was covered (threats.md I2).

    A `memo` saves work and changes nothing of the evidence.
    """

    @property
    def digest(self) -> str: ...
    def scan(self, dialect: str, document: object, memo: Memo | None = None) -> Evidence: ...


class FullScanner(Protocol):
    """Runs the tiers that are too slow for every request. Never raises: what did not come to its end changes nothing.

    `complete` returns `evidence` with what these tiers have found and with them in its coverage; the very same object
    if one of them failed, ran out of time, had too much to read or no free place. A `memo` saves work, as in a scan.
    """

    @property
    def digest(self) -> str: ...
    async def complete(
        self, dialect: str, document: object, evidence: Evidence, memo: Memo | None = None
    ) -> Evidence: ...


class AuditSink(Protocol):
    """Where records go. `reserve` happens at admission, so that the outcome always has a place.

    `reserve` raises AuditUnavailable when the buffer is full; strangers, whom nobody identified, fill half of it at
    most. `committed` returns once the record is on disk, and raises AuditUnavailable if it cannot get there. `record`
    never waits and never raises; it uses up one reservation. `release` gives back a reservation that turned out not to
    be needed.
    """

    def reserve(self, *, for_stranger: bool = False) -> None: ...
    def release(self) -> None: ...
    def record(self, outcome: Outcome | Mirrored) -> None: ...
    async def committed(self, record: Intent | Override) -> None: ...


class NotNow(Enum):
    """What a store answers at once when it cannot tell without waiting."""

    NOT_NOW = "ask, and wait for the answer"


NOT_NOW: Final = NotNow.NOT_NOW


class TaintStore(Protocol):
    """The record of replies: which labels the work had that produced them, by a keyed hash of each.

    `read` returns the labels, by name, of those `marks` that are on record; None if the record was lost, was flushed or
    had to forget something that had not expired, so that what is missing proves nothing. `read_now` returns the same
    where it can be told without waiting, and NOT_NOW where `read` must be asked. `remember` adds a label and never
    takes one away; it neither waits nor raises, and a store that cannot keep a mark reads as lost from then on.
    """

    def read_now(self, marks: Sequence[bytes]) -> Mapping[bytes, Collection[str]] | NotNow | None: ...
    async def read(self, marks: Sequence[bytes]) -> Mapping[bytes, Collection[str]] | None: ...
    def remember(self, marks: Iterable[bytes], label: str) -> None: ...


class Receiver(Protocol):
    """Who listens to one upstream answer. Called synchronously from the connection, in order, never after an end.

    Exactly one of `on_end` and `on_failure` comes last. Interim (1xx) responses are not reported.
    """

    def on_head(self, status: int, headers: Headers) -> None: ...
    def on_data(self, data: bytes) -> None: ...
    def on_end(self) -> None: ...
    def on_failure(self, reason: str) -> None: ...


STALE = "closed before answering on a reused connection"
"""The reason of the one failure that says nothing about the model server: an idle connection closed as we wrote."""


class UpstreamConnection(Protocol):
    """One connection to one endpoint, checked out for one exchange.

    `start` writes the request at once. After `on_end` the connection goes back to its pool by itself if the answer
    was complete, framed and without a surplus byte (threats.md I12); otherwise it is closed. `abort` closes it now.
    """

    @property
    def peer(self) -> Peer: ...
    def start(self, message: Message, receiver: Receiver) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def abort(self) -> None: ...


class Backend(Protocol):
    """The protocol adapter that reaches an endpoint.

    `idle` returns a connection that is ready for a request now, None if there is none. `connect` returns an idle
    connection, unless it is to be `fresh`, or dials a new one within `timeout_s` seconds; it dials only addresses for
    which `may_dial` holds, and raises UpstreamUnreachable otherwise. Each connection adds credentials and
    framing itself.
    """

    def idle(self, endpoint: Endpoint) -> UpstreamConnection | None: ...
    async def connect(
        self,
        endpoint: Endpoint,
        *,
        timeout_s: float,
        may_dial: Callable[[Address | None], bool],
        fresh: bool = False,
    ) -> UpstreamConnection: ...
    async def close(self) -> None: ...


class UpstreamUnreachable(Exception):
    """No connection could be had. `reason` names the exception's type and errno, or what the zone refused."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class UpstreamFull(UpstreamUnreachable):
    """Every connection that we may have to the endpoint is in use: our own limit, which says nothing about it."""


class Downstream(Protocol):
    """The client's side of one exchange, whichever server it came in through.

    `start` sends the head, `write` sends body bytes (framing is the implementation's), `finish` ends a complete
    answer, `abort` drops the connection so that the client cannot take the answer for complete. `watch` registers
    what to call when the client leaves, when its socket fills, and when it drains; after `on_gone` nothing is sent.
    """

    @property
    def is_gone(self) -> bool: ...
    def start(self, status: int, headers: Headers, *, length: int | None) -> None: ...
    def write(self, data: bytes) -> None: ...
    def finish(self) -> None: ...
    def abort(self) -> None: ...
    def watch(
        self, on_gone: Callable[[], None], on_full: Callable[[], None], on_drained: Callable[[], None]
    ) -> None: ...


class StoreUnavailable(Exception):
    """A store outside this process did not answer. `reason` is a word of Redis's own, or an exception's type and
    errno."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Sought(Enum):
    """What a cache says of an answer that it does not have."""

    OURS = "nobody is making it, or whoever asks is"
    ANOTHERS = "somebody else is making it"


class CacheStore(Protocol):
    """Where sealed answers are kept, by keys that say nothing. It may lose any of them at any time.

    `read_now` returns the value under a key where it can be told without waiting, and NOT_NOW where `seek` must be
    asked. `seek` returns the value, or takes the lead in making it for `lease_s` seconds, in the name of `token`: OURS
    if it has been taken, ANOTHERS if somebody else has it. With an empty token it only looks; to make a value `anew`,
    it takes the lead although there is one, and returns that only if somebody else leads. It raises StoreUnavailable if
    it cannot tell. `write` keeps a value for `lives_s` seconds as part of what `owner` may have, and `leave` says that
    there will be none: both end the lead of `token`, neither wait nor raise. `sound` asks for the value under a key
    without waiting: `heard` is told whether there was an answer, perhaps at once.
    """

    def read_now(self, key: bytes) -> bytes | NotNow | None: ...
    async def seek(self, key: bytes, token: bytes, lease_s: float, *, anew: bool = False) -> bytes | Sought: ...
    def write(self, key: bytes, value: bytes, *, lives_s: float, owner: str, token: bytes = b"") -> None: ...
    def leave(self, key: bytes, token: bytes) -> None: ...
    def sound(self, key: bytes, heard: Callable[[bool], None]) -> None: ...


class Holder(Enum):
    """Who counts what a reservation holds."""

    STORE = "the store that everybody shares"
    LEASE = "a slice of a limit that this worker has taken"
    LOCAL = "this worker alone, for its part of a limit"


class Reservation(msgspec.Struct, frozen=True, gc=False):
    """What is held of a subject's limits until it is settled. `is_degraded` says that the store could not be asked."""

    subject: str
    key: str
    ask: Ask
    limits: Limits
    standing: Standing
    holder: Holder
    is_degraded: bool = False


class QuotaStore(Protocol):
    """Counts what subjects use: a tenant, or the money for burst.

    `reserve_now` holds all of `ask` under `key` or nothing, where that can be told without waiting, and answers NOT_NOW
    where `reserve` must be asked. Neither raises: a store that cannot be reached is stood in for by this worker's part
    of the limits, and `is_degraded` says so. `settle` replaces what is held by what was taken; it neither waits nor
    raises, and only the first counts. `spent` is the money of this hour, day and month, None if nobody knows. `tick` is
    called a few times a second, `finish` once at the end. `unsettled` settlements have not been heard of yet.
    """

    @property
    def is_degraded(self) -> bool: ...
    @property
    def unsettled(self) -> int: ...
    def reserve_now(self, subject: str, key: str, ask: Ask, limits: Limits) -> Reservation | Refused | NotNow: ...
    async def reserve(self, subject: str, key: str, ask: Ask, limits: Limits) -> Reservation | Refused: ...
    def settle(self, reservation: Reservation, took: Ask) -> None: ...
    async def spent(self, subject: str, limits: Limits) -> tuple[int, int, int] | None: ...
    def tick(self) -> None: ...
    async def finish(self) -> None: ...


class Warmer(Protocol):
    """Holds a cloud endpoint ready for a while. No method raises; all block, and are called in a thread.

    `seen` says what holds it already, whoever asked for that, None if nothing does. `hold` does it until `until`, whole
    seconds of Unix time: its end is arranged for before it begins, so that nobody has to be there for it. `let_go` ends
    now what was to end at `until`; what ends at any other time is somebody else's, and stands.
    """

    def seen(self, endpoint: Endpoint, now: float) -> Held | NotHeld | None: ...
    def hold(self, endpoint: Endpoint, now: float, until: float) -> Held | NotHeld: ...
    def let_go(self, endpoint: Endpoint, now: float, until: float) -> NotEnded | None: ...
