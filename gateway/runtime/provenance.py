"""Where the texts of a request come from: which of them are replies of ours, and what label those had.

Makes the marks under each tenant's own key, asks the store before a request is labelled, and puts a reply on record
before its last byte leaves, so that no follow-up can be faster than the record (threats.md 13).
"""

import functools
from dataclasses import dataclass
from typing import Final

from gateway.core.findings import History
from gateway.core.keyed_hash import KeyedHash
from gateway.core.labels import Label
from gateway.core.taint import Provenance, Sought, Turn, has_history, judged, of_reply, sought_in
from gateway.policy.compiled import CompiledPolicy
from gateway.policy.document import HistoryMode
from gateway.ports import TaintStore
from gateway.wire.requests import Request
from gateway.wire.turns import texts_of_answer, texts_of_stream, turns_of

MARK_BYTES: Final = 16
"""Marks are cut to 128 bits: among 10⁹ replies the chance that two share one is below 10⁻²⁰."""

NOTHING: Final = Provenance(History.NONE, None)


@dataclass(frozen=True, slots=True)
class Conversation:
    """One request's turns, for one credential of one tenant."""

    tenant: str
    credential: str
    turns: tuple[Turn, ...]


class ReplyRecord:
    """Finds replies again, and remembers them. `key` is the sub-key from which each tenant's own is made."""

    def __init__(self, store: TaintStore, key: KeyedHash, policy: CompiledPolicy) -> None:
        self._store = store
        self._order = policy.order
        self._keeps_clean = policy.labels.history is HistoryMode.KNOWN_CLEAN
        self._default = policy.labels.default
        # One per tenant, of which tenants.yaml has a bounded number.
        self._key_of = functools.cache(lambda tenant: KeyedHash(key.digest(tenant.encode())))

    def conversation(self, tenant: str, credential: str, request: Request) -> Conversation:
        """What of `request` matters here."""
        return Conversation(tenant, credential, turns_of(request))

    async def provenance(self, conversation: Conversation) -> Provenance:
        """What the record says about the conversation; cheap where there is nothing to look up."""
        turns = conversation.turns
        sought = sought_in(conversation.credential, turns)
        if not sought and not has_history(turns):
            return NOTHING
        marked: list[tuple[Sought, bytes]] = [(one, self._mark(conversation.tenant, one.material)) for one in sought]
        recorded = await self._store.read([mark for _, mark in marked])
        return judged(turns, marked, recorded, self._order)

    def wants(self, label: Label) -> bool:
        """Whether a reply to work of this label must be remembered. Asked before its stream begins."""
        return self._keeps_clean or label > self._default

    def remember_answer(self, conversation: Conversation, label: Label, body: bytes) -> None:
        """Put a whole answer on record."""
        self._remember(conversation, label, texts_of_answer(body))

    def remember_stream(self, conversation: Conversation, label: Label, events: bytes) -> None:
        """Put a streamed answer on record, from all of its events."""
        self._remember(conversation, label, texts_of_stream(events))

    def _remember(self, conversation: Conversation, label: Label, texts: tuple[str, ...]) -> None:
        materials = of_reply(conversation.credential, texts, conversation.turns)
        self._store.remember([self._mark(conversation.tenant, one) for one in materials], self._order.name(label))

    def _mark(self, tenant: str, material: bytes) -> bytes:
        return self._key_of(tenant).digest(material)[:MARK_BYTES]
