"""Where the texts of a request come from: which of them are replies of ours, and what label those had.

Makes the marks under each tenant's own key, asks the store before a request is labelled, and puts a reply on record
before its last byte leaves, so that no follow-up can be faster than the record (threats.md 13).
"""

import functools
import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import msgspec

from gateway.core.keyed_hash import KeyedHash
from gateway.core.labels import Label
from gateway.core.taint import NOTHING, Provenance, Sought, Turn, has_history, judged, of_reply, sought_in
from gateway.policy.compiled import CompiledPolicy
from gateway.policy.document import HistoryMode
from gateway.ports import NOT_NOW, NotNow, TaintStore
from gateway.wire.requests import Request
from gateway.wire.turns import texts_of_answer, texts_of_stream, turns_of

MARK_BYTES: Final = 16
"""Marks have 128 bits: among 10⁹ replies the chance that two share one is below 10⁻²⁰."""


class Conversation(msgspec.Struct, frozen=True, gc=False):
    """One request's turns, for one credential of one tenant. `marked` are what of it may be on record, and where."""

    tenant: str
    credential: str
    turns: tuple[Turn, ...]
    is_streamed: bool
    marked: tuple[tuple[Sought, bytes], ...]


class ReplyRecord:
    """Finds replies again, and remembers them. `key` is the sub-key from which each tenant's own is made."""

    def __init__(self, store: TaintStore, key: KeyedHash, policy: CompiledPolicy) -> None:
        self._store = store
        self._order = policy.order
        self._keeps_clean = policy.labels.history is HistoryMode.KNOWN_CLEAN
        self._default = policy.labels.default
        # One per tenant, of which tenants.yaml has a bounded number.
        self._key_of = functools.cache(lambda tenant: key.digest(tenant.encode()))

    def conversation(self, tenant: str, credential: str, request: Request) -> Conversation:
        """What of `request` matters here."""
        turns = turns_of(request)
        key = self._key_of(tenant)
        # A loop, as below: most requests have one long text or none, and a comprehension is a call.
        marked: list[tuple[Sought, bytes]] = []
        for one in sought_in(credential, turns):
            marked += ((one, _mark(key, one.material)),)
        return Conversation(tenant, credential, turns, request.streamed, tuple(marked))

    async def provenance(self, conversation: Conversation) -> Provenance:
        """What the record says about the conversation."""
        marked = conversation.marked
        recorded = await self._store.read([mark for _, mark in marked])
        return judged(conversation.turns, marked, recorded, self._order)

    def provenance_now(self, conversation: Conversation) -> Provenance | None:
        """The same where it can be told without waiting; None where `provenance` must be asked."""
        marked = conversation.marked
        if not marked and not has_history(conversation.turns):
            return NOTHING
        marks: list[bytes] = []
        for _, mark in marked:
            marks += (mark,)
        recorded = self._store.read_now(marks)
        return None if recorded is NOT_NOW else judged(conversation.turns, marked, recorded, self._order)

    def asked_of(self, conversation: Conversation) -> tuple[bytes, ...] | None:
        """The marks that the record is asked of a conversation; None where there is nothing to ask."""
        marked = conversation.marked
        return tuple([mark for _, mark in marked]) if marked or has_history(conversation.turns) else None

    def recorded_now(self, marks: Sequence[bytes]) -> Mapping[bytes, Collection[str]] | NotNow | None:
        """What the record says of them, to be compared with what it says later: of the same, the same is judged."""
        return self._store.read_now(marks)

    def wants(self, label: Label) -> bool:
        """Whether a reply to work of this label must be remembered. Asked before its stream begins."""
        return self._keeps_clean or label > self._default

    def remember(self, conversation: Conversation, label: Label, answer: bytes) -> None:
        """Put an answer on record: the body of a whole one, or all events of a streamed one."""
        self.put(self.marks_of(conversation, answer), label)

    def marks_of(self, conversation: Conversation, answer: bytes) -> tuple[bytes, ...]:
        """What of an answer is put on record."""
        texts = texts_of_stream(answer) if conversation.is_streamed else texts_of_answer(answer)
        materials = of_reply(conversation.credential, texts, conversation.turns)
        key = self._key_of(conversation.tenant)
        return tuple([_mark(key, one) for one in materials])

    def put(self, marks: Sequence[bytes], label: Label) -> None:
        """Put on record what `marks_of` has told."""
        self._store.remember(marks, self._order.name(label))


def _mark(key: bytes, material: bytes) -> bytes:
    # As the memo's keys: BLAKE2b takes a key by itself, and is one hash where HMAC is two.
    return hashlib.blake2b(material, digest_size=MARK_BYTES, key=key).digest()
