"""What was decided for a request that comes again byte for byte, of the same credential: looked up before it is read.

The usual path reads, scans and decides a request before it finds a stored answer (`reply_cache.py`). All of that is a
function of the bytes, the caller and a few things around them; here it is remembered, and those few are asked again
each time. No text and no answer is kept, and nothing is decided: whatever is not exactly as it was takes the usual
path, from its beginning. What is known ends with the generation that decided it, and with its epoch.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from typing import Final

import msgspec

from gateway.core.access import Scope
from gateway.core.cached_reply import CachedReply
from gateway.core.decision import Decision
from gateway.core.facts import RequestFacts, Tenant
from gateway.core.findings import Evidence
from gateway.core.records import Ending, Outcome, Scored
from gateway.core.taint import Provenance, Sought, Turn
from gateway.runtime.authn import Holder
from gateway.runtime.call import Call
from gateway.runtime.generation import Generation
from gateway.runtime.held import Quota
from gateway.runtime.provenance import Conversation
from gateway.runtime.quotas import Quotas
from gateway.runtime.reply_cache import ReplyCache
from gateway.runtime.shadow import Shadow
from gateway.runtime.stored import Opened, Stored
from gateway.wire.requests import Request

MOST: Final = 2_048
"""Requests of one worker that are known."""

MOST_EACH: Final = 512
"""… of one tenant."""

MOST_PARTS: Final = 32
"""Findings, marks and turns that a request may have: each is kept."""

MOST_WIRES: Final = 4
"""Ways to write the same request, as clients differ in their heads, that are known at a time."""

LARGEST: Final = 64 << 10
"""Requests above this size, in bytes, are not known: their hash would cost all others of their tenant too much."""

KEY_BYTES: Final = 64

Key = tuple[str, str, bytes, bytes]


class Known(msgspec.Struct, gc=False):
    """What came of a request the last time that it took the usual path. `request` is without its document.

    `last_wire` is the hash of the bytes that it came in last, `wires` are those in `Repeats.wires`.
    """

    tenant: Tenant
    scopes: tuple[Scope, ...]
    app: str
    request: Request
    evidence: Evidence
    facts: RequestFacts
    decision: Decision
    scored: Scored | None
    conversation: Conversation
    found: Provenance
    quota: Quota | None
    stored: Stored
    on_record: "OnRecord | None"
    last_wire: int | None = None
    wires: tuple[int, ...] = ()


class OnRecord(msgspec.Struct, frozen=True, gc=False):
    """What is put on record of one answer, made at that time under that id, whenever it is given."""

    stored_at: float
    reply_id: str
    marks: tuple[bytes, ...]


class Wire(msgspec.Struct, gc=False):
    """What is known of the bytes in which a request came, head and all, and of its answer: `again.py` does the rest.

    `digest` is theirs under a key of this process. Of the head of the answer there are `head`, in which the numbers of
    this one have still to be put, and `tail`, which ends it. `record` is what all records of it have in common.
    """

    digest: bytes
    shelf: "OrderedDict[Key, Known]"
    key: Key
    known: Known
    entry: tuple[bytes, Holder]
    marks: tuple[bytes, ...] | None
    recorded: Mapping[bytes, Collection[str]] | None
    opened: Opened
    reply_prefix: bytes
    head: bytes
    tail: bytes
    shows_age: bool
    record: Outcome
    count: Callable[[float, Ending], None]


class Repeats:
    """One worker's. `key` is random: what is looked up says nothing to anybody without it."""

    def __init__(self, cache: ReplyCache, quotas: Quotas | None, shadow: Shadow | None, key: bytes) -> None:
        self._cache = cache
        self._quotas = quotas
        self._shadow = shadow
        # Twice as fast as BLAKE2b where the processor knows SHA-256. The key fills a block, and is hashed once.
        self._hash = hashlib.sha256(key)
        self.generation: Generation | None = None
        self.epoch = 0
        """What is known is of these."""
        # Each tenant's, the one that came last at the end.
        self._shelves: dict[str, OrderedDict[Key, Known]] = {}
        self._size = 0
        self.wires: dict[int, Wire] = {}
        """What is known of the very bytes of some of them, by their hash."""
        self.is_listened_to = False
        self.latest: tuple[Call, Key, Known] | None = None
        """What was answered last while somebody listened, until he takes it from here."""
        self.given = 0

    def answer(self, call: Call, tenant: Tenant, epoch: int) -> bytes | None:
        """What `call` is answered from this worker's memory, if it is known and all is as it was; raises what limits
        say."""
        generation = call.generation
        # What a canary is sent for is the whole way, and a candidate has to see every decision.
        is_watched = call.planted is not None or (self._shadow is not None and self._shadow.is_comparing)
        if generation is None or is_watched or len(call.inbound.body) > LARGEST:
            return None
        if generation is not self.generation or epoch != self.epoch:
            self.generation, self.epoch = generation, epoch
            self._shelves.clear()
            self.wires.clear()
            self._size = 0
            return None
        shelf = self._shelves.get(tenant.id)
        if shelf is None:
            return None
        key = self._key_of(call)
        known = shelf.get(key)
        if known is None or not _is_as_it_was(call, tenant, generation, known):
            return None
        held, on_record = self._cache.stored.held(known.stored), known.on_record
        if held is None or (on_record is not None and not _is_of(held[0], on_record)):
            return None
        shelf.move_to_end(key)
        call.request, call.evidence, call.facts = known.request, known.evidence, known.facts
        call.decision, call.scored, call.epoch = known.decision, known.scored, epoch
        if not self._is_set_aside(call, known):
            return None
        self.given += 1
        if self.is_listened_to:
            self.latest = call, key, known
        if on_record is not None:
            generation.replies.put(on_record.marks, known.facts.label_high)
        return self._cache.told(call, *held)

    def learn(self, call: Call) -> None:
        """Remember what was decided for `call`, which has just had its answer from this worker's memory."""
        tenant, stored, request, evidence = call.tenant, call.stored, call.request, call.evidence
        facts, decision, conversation, generation = call.facts, call.decision, call.conversation, call.generation
        if tenant is None or stored is None or request is None or evidence is None or generation is None:
            return
        if facts is None or decision is None or conversation is None:
            return
        if generation is not self.generation or call.epoch != self.epoch or len(call.inbound.body) > LARGEST:
            return
        # A scan that failed may come to its end the next time.
        if evidence.coverage.failure is not None or call.full_scan is not None:
            return
        parts = len(evidence.findings) + len(evidence.coverage.unscanned)
        if parts + len(conversation.turns) + len(conversation.marked) > MOST_PARTS:
            return
        on_record = None
        if generation.replies.wants(facts.label_high):
            held = self._cache.stored.held(stored)
            if held is None:
                return
            marks = generation.replies.marks_of(conversation, held[0].body)
            on_record = OnRecord(held[0].stored_at, held[0].reply_id, marks)
        known = Known(
            tenant,
            call.scopes,
            call.app,
            msgspec.structs.replace(request, document={}),
            evidence,
            facts,
            decision,
            call.scored,
            _without_texts(conversation),
            Provenance(evidence.history, evidence.taint),
            call.quota,
            stored,
            on_record,
        )
        self._keep(self._key_of(call), tenant.id, known)

    def learn_wire(self, place: int, wire: Wire) -> None:
        """Remember what is known of the bytes whose hash is `place`."""
        known = wire.known
        if place not in known.wires:
            if len(known.wires) == MOST_WIRES:
                self.wires.pop(known.wires[0], None)
            known.wires = (*known.wires[1 - MOST_WIRES :], place)
        self.wires[place] = wire

    def shelf_of(self, tenant: str) -> "OrderedDict[Key, Known]":
        """What is known of this tenant's requests."""
        return self._shelves[tenant]

    @property
    def size(self) -> int:
        """How many requests are known."""
        return self._size

    # Inside

    def _key_of(self, call: Call) -> Key:
        inbound = call.inbound
        hashed = self._hash.copy()
        hashed.update(inbound.body)
        digest = hashed.digest()
        return call.key_id, call.path, inbound.cache_control, digest

    def _is_set_aside(self, call: Call, known: Known) -> bool:
        """Whether the tenant's limits allow it, as far as that can be said at once; raises what the client is told."""
        quotas, before = self._quotas, known.quota
        if quotas is None or before is None:
            return True
        call.quota = Quota(before.subject, before.limits, before.prompt, before.completion, before.ask.cost_micros)
        if quotas.reserve_now(call):
            return True
        call.quota = None
        return False

    def _keep(self, key: Key, tenant: str, known: Known) -> None:
        shelf = self._shelves.setdefault(tenant, OrderedDict())
        before = shelf.get(key)
        if before is None:
            self._size += 1
        else:
            self._let_go(before)
        shelf[key] = known
        shelf.move_to_end(key)
        if len(shelf) > MOST_EACH:
            self._forget_one(tenant)
        elif self._size > MOST:
            self._forget_one(max(self._shelves, key=lambda one: len(self._shelves[one])))

    def _forget_one(self, tenant: str) -> None:
        _, known = self._shelves[tenant].popitem(last=False)
        self._let_go(known)
        self._size -= 1

    def _let_go(self, known: Known) -> None:
        for place in known.wires:
            self.wires.pop(place, None)


def _is_as_it_was(call: Call, tenant: Tenant, generation: Generation, known: Known) -> bool:
    """Whether what a decision depends on, apart from its generation and the bytes of the request, is what it was."""
    return (
        tenant is known.tenant
        and call.scopes == known.scopes
        and call.app == known.app
        and generation.outlook.now() == known.facts.surroundings
        # What is on record grows: a text of this request may have turned out to be a reply since.
        and generation.replies.provenance_now(known.conversation) == known.found
    )


def _without_texts(conversation: Conversation) -> Conversation:
    """As much of it as the record is asked by: who spoke, and the marks."""
    return Conversation(
        conversation.tenant,
        conversation.credential,
        tuple(Turn(turn.speaker, ()) for turn in conversation.turns),
        conversation.is_streamed,
        tuple((Sought(b"", one.is_reply), mark) for one, mark in conversation.marked),
    )


def _is_of(reply: CachedReply, on_record: OnRecord) -> bool:
    """Whether it is this very answer, and not one that was made since."""
    return reply.stored_at == on_record.stored_at and reply.reply_id == on_record.reply_id
