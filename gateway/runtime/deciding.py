"""Where a request is decided: first, again when more was found of it, and anew when something has changed meanwhile.

Label and decision are pure (`policy/`); here is what they are asked about, under which generation and in which epoch.
What is decided governs as a whole: evidence, facts and decision together, the generation that they are of, and what is
put on record of the reply.
"""

from collections.abc import Callable
from functools import partial

import msgspec
from msgspec.structs import replace

from gateway.core.decision import Decision
from gateway.core.facts import Complexity, RequestFacts, Tenant
from gateway.core.findings import Evidence
from gateway.core.labels import Label
from gateway.core.taint import NOTHING, Provenance
from gateway.errors import Superseded, Unavailable
from gateway.policy.decide import decide
from gateway.policy.labelling import label
from gateway.runtime.authn import Authenticator
from gateway.runtime.call import Call
from gateway.runtime.full_scan import Decided
from gateway.runtime.generation import Generation
from gateway.runtime.provenance import Conversation
from gateway.runtime.reach import check_reach
from gateway.runtime.relay import Relay
from gateway.wire.requests import Request


class Deciding:
    """Decides requests of one worker. `epoch` rises whenever something is tightened or another bundle activated."""

    __slots__ = ("_authenticator", "_epoch", "generation", "is_superseded")

    def __init__(self, generation: Generation, epoch: Callable[[], int], authenticator: Authenticator) -> None:
        self.generation = generation
        self._epoch = epoch
        self._authenticator = authenticator
        self.is_superseded = False
        """Whether something governs elsewhere that takes away what is permitted here."""

    def take(self, generation: Generation) -> None:
        """`generation` is what whoever comes in from now on is decided with."""
        self.generation, self.is_superseded = generation, False

    def decided(
        self, generation: Generation, call: Call, request: Request, tenant: Tenant, evidence: Evidence, epoch: int
    ) -> Decided:
        """What `generation` decides on `evidence`, in the `epoch` of the moment when it was taken."""
        low, high = label(generation.policy, evidence, tenant.attested)
        scored = call.scored = None if generation.scoring is None else generation.scoring.of(request)
        facts = RequestFacts(
            low,
            high,
            tenant.tenant_class,
            tenant.ceiling,
            request.model,
            request.capabilities,
            Complexity.MEDIUM if scored is None else scored.band,
            modalities=request.modalities,
            context_tokens=request.context_tokens,
            surroundings=generation.outlook.now(),
        )
        return Decided(evidence, facts, decide(generation.policy, facts), generation, epoch)

    def act_on(self, call: Call, relay: Relay, conversation: Conversation, decided: Decided) -> None:
        """`decided` governs from now on."""
        call.evidence, call.facts, call.decision = decided.evidence, decided.facts, decided.decision
        call.conversation = conversation
        call.generation, call.epoch = decided.generation, decided.epoch
        high, replies = decided.facts.label_high, decided.generation.replies
        # What a canary is answered is nobody's, and no one can bring it along.
        is_kept = call.planted is None and replies.wants(high)
        relay.remember(partial(replies.remember, conversation, high) if is_kept else None)

    async def anew(self, call: Call, relay: Relay) -> Decision:
        """Something was tightened since `call` was decided, or another bundle activated: everything that it was decided
        on is asked again, and what is true now governs. Raises what its client is told if it may not be served now."""
        request, evidence, before = call.request, call.evidence, call.generation
        if request is None or evidence is None:
            raise Unavailable
        if self.is_superseded:
            raise Superseded
        # Before anything that waits: should there be a third, this is decided once more.
        generation, epoch = self.generation, self._epoch()
        tenant = caller_of(call, self._authenticator)
        if call.scopes:
            check_reach(call.scopes, request.dialect, request.model)
        conversation = generation.replies.conversation(tenant.id, call.key_id, request)
        if generation is not before:
            evidence = await generation.classifier.classify(
                request.dialect, request.document, size=len(call.inbound.body), flags=call.flags, tenant=tenant.id
            )
            if tenant.full_scan:
                evidence = await generation.classifier.complete(request.dialect, request.document, evidence, tenant)
            found = await generation.replies.provenance(conversation)
            if found is not NOTHING:
                evidence = with_history(evidence, found)
            # What was to be stored was to be stored under the bundle of before.
            relay.keep(None)
            relay.standby = None
        call.tenant, call.order = tenant, generation.order
        decided = self.decided(generation, call, request, tenant, evidence, epoch)
        self.act_on(call, relay, conversation, decided)
        return decided.decision

    def higher(self, call: Call, relay: Relay, label: Label) -> Decision:
        """What was about to leave is of `label`, above what was decided on: decide again, and let that govern."""
        facts, evidence, conversation = call.facts, call.evidence, call.conversation
        if facts is None or evidence is None or conversation is None:
            raise Unavailable
        low, high = max(facts.label_low, label), max(facts.label_high, label)
        facts = replace(facts, label_low=low, label_high=high)
        generation = generation_of(call)
        decided = Decided(evidence, facts, decide(generation.policy, facts), generation, call.epoch)
        # What was to be stored was to be stored as something lower, and what is stored was.
        relay.keep(None)
        relay.standby = None
        self.act_on(call, relay, conversation, decided)
        return decided.decision

    async def scan_fully(
        self, request: Request, tenant: Tenant, first: Decided, generation: Generation
    ) -> Decided | None:
        """What is decided when every tier has looked; None if the slow ones did not come to their end."""
        evidence = await generation.classifier.complete(request.dialect, request.document, first.evidence, tenant)
        if evidence is first.evidence:
            return None
        low, high = label(generation.policy, evidence, tenant.attested)
        facts = replace(first.facts, label_low=low, label_high=high)
        return Decided(evidence, facts, decide(generation.policy, facts), generation, first.epoch)


def caller_of(call: Call, authenticator: Authenticator) -> Tenant:
    """Whose credential `call` came with; raises Unauthenticated."""
    if call.planted is not None:
        call.scopes = call.planted.scopes
        return call.planted.tenant
    inbound = call.inbound
    caller = authenticator.identify(inbound.authorization, inbound.client)
    tenant, call.key_id, call.scopes, call.app = caller
    return tenant


def generation_of(call: Call) -> Generation:
    """What `call` is decided with: a call of a pipeline always has one."""
    generation = call.generation
    if generation is None:
        raise Unavailable
    return generation


def with_history(evidence: Evidence, found: Provenance) -> Evidence:
    """`evidence`, and what the record says of the texts that it is of."""
    return msgspec.structs.replace(evidence, history=found.history, taint=found.taint)
