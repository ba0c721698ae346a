"""A request that comes again in the very bytes that were answered before, head and all: answered before it is parsed.

What a parser makes of bytes is a function of the bytes, as long as they are all that there is: one whole request on a
connection on which nothing else is under way. So these are known by a keyed hash, beside what `repeats.py` knows of the
request; everything that is asked again there is asked again here, and a little more of the connection. Whatever is not
exactly as it was takes the usual way, from its first byte.
"""

import hashlib
import secrets
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from msgspec.structs import replace

from gateway.core.client import Client
from gateway.core.message import Headers
from gateway.core.records import Cached, Ending
from gateway.errors import AuditUnavailable
from gateway.ports import NOT_NOW, AuditSink, Clock
from gateway.runtime.authn import Authenticator
from gateway.runtime.call import Ids
from gateway.runtime.deciding import Deciding
from gateway.runtime.instruments import Instruments
from gateway.runtime.quotas import Quotas
from gateway.runtime.relay import JSON_HEAD, STREAM_HEAD
from gateway.runtime.repeats import KEY_BYTES, LARGEST, OnRecord, Repeats, Wire
from gateway.runtime.reply_cache import ReplyCache
from gateway.runtime.shadow import Shadow
from gateway.runtime.stored import Opened
from gateway.telemetry import EventLog
from gateway.wire.rate_headers import headers_of
from gateway.wire.replies import id_of

LARGEST_WIRE: Final = LARGEST + (4 << 10)
"""What comes in more bytes than this, head and all, is not looked for."""

_DECISION: Final = b"dec_%b"
_HOLES: Final[Mapping[bytes, bytes]] = {
    b"x-request-id": b"req_%b",
    b"openai-processing-ms": b"%d",
    b"x-tidegate-decision": _DECISION,
    b"age": b"%d",
}

log = EventLog(__name__)

Framed = Callable[[Headers, int, bool], tuple[bytes, bytes]]
"""What stands before and behind the body of an answer with these headers, of so many bytes, which may be events."""


class Line(Protocol):
    """The connection, as far as it is asked."""

    def send(self, data: bytes) -> None: ...
    def cut(self) -> None: ...


class Again:
    """One worker's."""

    def __init__(
        self,
        repeats: Repeats,
        cache: ReplyCache,
        quotas: Quotas | None,
        shadow: Shadow | None,
        *,
        deciding: Deciding,
        epoch: Callable[[], int],
        authenticator: Authenticator,
        audit: AuditSink,
        instruments: Instruments,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._repeats = repeats
        self._cache = cache
        self._quotas = quotas
        self._shadow = shadow
        self._deciding = deciding
        self._epoch = epoch
        self._authenticator = authenticator
        self._audit = audit
        self._instruments = instruments
        self._clock = clock
        self._ids = ids
        # As in `repeats.py`, and with another key.
        self._hash = hashlib.sha256(secrets.token_bytes(KEY_BYTES))
        self.given = 0

    def answer(self, data: bytes, client: Client, since: float, line: Line) -> bool:
        """Answer what `data` asks, if it is known and all is as it was. False, and nothing done, if not.

        `client` is who is at the other end, without an address where a proxy may say another; `since` is when the bytes
        came, in monotonic seconds.
        """
        if len(data) > LARGEST_WIRE:
            return False
        # Nearly all that is new ends here: the hash of bytes is five times as fast as one that proves anything.
        wire = self._repeats.wires.get(hash(data))
        if wire is None or self._digest(data) != wire.digest:
            return False
        at = self._clock.wall()
        if not self._is_as_it_was(wire, client, at):
            return False
        body = self._cache.stored.open_again(wire.opened, at)
        if body is None:
            return False
        try:
            self._audit.reserve()
        except AuditUnavailable:
            return False
        return self._give(wire, body, at, since, line)

    def listen(self) -> None:
        """The next bytes are about to be read the usual way."""
        self._repeats.is_listened_to = True

    def learn(self, data: bytes, framed: Framed) -> None:
        """They were read, and are `data` if that was one request whole: remember it if it was answered by `repeats`,
        and not for the first time."""
        latest, self._repeats.latest = self._repeats.latest, None
        self._repeats.is_listened_to = False
        if latest is None or not 0 < len(data) <= LARGEST_WIRE:
            return
        call, key, known = latest
        entry = self._authenticator.entry_of(call.inbound.authorization)
        request, generation = call.request, call.generation
        if entry is None or request is None or generation is None:
            return
        place = hash(data)
        if known.last_wire != place:
            # Heads may differ from request to request: those that never come again are not worth it.
            known.last_wire = place
            return
        opened, on_record = self._cache.stored.opened(known.stored), known.on_record
        if opened is None or (on_record is not None and not _is_of(opened, on_record)):
            return
        prefix = id_of(request.dialect, "").encode()
        if opened.reply_id and len(opened.reply_id) != len(prefix) + len(call.id):
            return
        call.said_of_quota = ()
        headers = call.headers(STREAM_HEAD if request.streamed else JSON_HEAD, now=call.inbound.received_at)
        head, tail = framed(tuple([_with_hole(*header) for header in headers]), opened.size, request.streamed)
        # What is told of limits stands behind the decision.
        head = head.replace(_DECISION + b"\r\n", _DECISION + b"\r\n%b")
        marks = generation.replies.asked_of(known.conversation)
        recorded = None if marks is None else generation.replies.recorded_now(marks)
        if recorded is NOT_NOW:
            return
        self._repeats.learn_wire(
            place,
            Wire(
                digest=self._digest(data),
                shelf=self._repeats.shelf_of(known.tenant.id),
                key=key,
                known=known,
                entry=entry,
                marks=marks,
                recorded=recorded,
                opened=opened,
                reply_prefix=prefix,
                head=head,
                tail=tail,
                shows_age=any(name == b"age" for name, _ in headers),
                record=call.outcome(Ending.COMPLETED, None, at=0.0, now=call.inbound.received_at),
                count=self._instruments.again(call),
            ),
        )

    # Inside

    def _digest(self, data: bytes) -> bytes:
        hashed = self._hash.copy()
        hashed.update(data)
        return hashed.digest()

    def _is_as_it_was(self, wire: Wire, client: Client, at: float) -> bool:
        """Whether what an answer depends on, apart from the bytes and what is stored, is what it was."""
        repeats, deciding = self._repeats, self._deciding
        generation = deciding.generation
        if generation is not repeats.generation or self._epoch() != repeats.epoch or deciding.is_superseded:
            return False
        if self._shadow is not None and self._shadow.is_comparing:
            return False
        return (
            self._authenticator.lets_in_again(wire.entry, client, at)
            and generation.outlook.now() == wire.known.facts.surroundings
            # What is on record grows, as in `repeats.py`.
            and (wire.marks is None or generation.replies.recorded_now(wire.marks) == wire.recorded)
        )

    def _give(self, wire: Wire, body: bytes, at: float, since: float, line: Line) -> bool:
        """Answer with `body`, if the tenant's limits allow it at once; its place in the audit log is kept."""
        known, opened, request_id = wire.known, wire.opened, self._ids.new()
        quotas, quota, reservation, said_of_quota = self._quotas, known.quota, None, b""
        try:
            if quotas is not None and quota is not None:
                reservation = quotas.hold_again(quota, request_id)
                if reservation is None:
                    self._audit.release()
                    return False
                told = headers_of(quota.limits, reservation.standing, is_degraded=reservation.is_degraded)
                said_of_quota = b"".join([b"%b: %b\r\n" % header for header in told])
            number = request_id.encode()
            if opened.reply_id:
                body = body.replace(opened.reply_id, wire.reply_prefix + number)
            age_s = round(at - opened.since, 3)
            taken_s = self._clock.monotonic() - since
            ms = int(taken_s * 1000 + 0.5) if taken_s > 0 else 0
            told_of_it = (number, ms, number, said_of_quota)
            answer = wire.head % (told_of_it if not wire.shows_age else (*told_of_it, age_s)) + body + wire.tail
            wire.shelf.move_to_end(wire.key)
            if known.on_record is not None:
                # Before its last byte leaves, so that no follow-up can be faster than the record.
                self._deciding.generation.replies.put(known.on_record.marks, known.facts.label_high)
        except Exception as exc:  # noqa: BLE001 -- nothing has been sent: the usual way finds out what its client is told
            log.crash("request_failed", exc, request_id=request_id)
            self._audit.release()
            if quotas is not None and reservation is not None:
                quotas.let_go(reservation)
            return False
        record = wire.record
        try:
            line.send(answer)
        except Exception as exc:  # noqa: BLE001 -- whatever a connection raises, the request ends, and once
            log.crash("send_failed", exc, request_id=request_id)
            record = replace(record, ending=Ending.SEND_FAILED)
            line.cut()
        taken_s, held = self._clock.monotonic() - since, None
        try:
            if quotas is not None and reservation is not None:
                held = quotas.let_go(reservation)
            self.given += 1
            self._repeats.given += 1
            self._cache.given_again()
            wire.count(taken_s, record.ending)
        except Exception as exc:  # noqa: BLE001 -- it is put on record all the same
            log.crash("settling_failed", exc, request_id=request_id)
        cached = Cached(age_s, opened.prompt_tokens, opened.completion_tokens)
        in_ms = int(taken_s * 1e6 + 0.5) / 1000
        self._audit.record(replace(record, request_id=request_id, at=at, ms=in_ms, cached=cached, held=held))
        return True


def _is_of(opened: Opened, on_record: OnRecord) -> bool:
    """As in `repeats.py`: whether it is this very answer that is on record."""
    return opened.since == on_record.stored_at and opened.reply_id == on_record.reply_id.encode()


def _with_hole(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """A header of an answer, with a hole for what every answer has of its own."""
    return name, _HOLES.get(name) or value.replace(b"%", b"%%")
