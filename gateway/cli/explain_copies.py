"""What `tidegate explain` says of the copies of a request that were made for mirrors.

A copy was decided, recorded and sent on its own, and answered nobody; where it went is as much part of where the text
went as the request itself. What was found in both stands with the request.
"""

from collections.abc import Iterator, Sequence

from gateway.cli import explain_attempts
from gateway.cli.explain_words import say
from gateway.core.decision import Allow
from gateway.core.labels import LabelOrder
from gateway.core.prices import money
from gateway.core.records import Outcome
from gateway.core.topology import Topology
from gateway.policy.words import Language
from gateway.runtime.audit_folder import Copy

_OF = "copy_"


def lines(copy: Copy, language: Language, *, currency: str, clearance: str | None) -> Iterator[str]:
    """The story of one copy. `clearance` is what its pool may see, if that is known to be as it was."""
    record = copy.record
    yield say("copy", language, id=record.request_id, pool=record.pool, route=record.route, ms=f"{record.ms:.0f}")
    key = "copy_allowed" if clearance is None else "copy_allowed_clearance"
    yield say(key, language, label=record.label, pool=record.pool, clearance=clearance)
    for line in explain_attempts.told(record.attempts, language, of=_OF):
        yield f"  {line}"
    left = explain_attempts.answered(record.attempts)
    unsure = explain_attempts.unsure(record.attempts, copy.intents)
    if left:
        yield f"  {say('copy_left', language, pools=say('list', language).join(left))}"
    for intent in unsure:
        yield f"  {explain_attempts.may_have_been_sent(intent, language)}"
    if not left and not unsure:
        yield f"  {say('copy_stayed' if record.attempts else 'copy_no_attempt', language)}"
    if record.usage is not None:
        usage = {"prompt": record.usage.prompt_tokens, "completion": record.usage.completion_tokens}
        yield f"  {say('copy_usage', language, **usage)}"
    if record.cost_micros:
        yield f"  {say('cost', language, money=f'{money(record.cost_micros, 6)} {currency}'.rstrip())}"
    if record.error is not None:
        yield f"  {say('copy_error', language, error=record.error)}"
    yield f"  {say('ending', language, ending=explain_attempts.ended(record.ending, language, of=_OF))}"


def none_made(outcome: Outcome, copies: Sequence[Copy]) -> str | None:
    """The mirror of which `outcome`'s decision speaks, if no copy for it is on record."""
    decision = outcome.decision
    if copies or not outcome.attempts or not isinstance(decision, Allow) or decision.mirror is None:
        return None
    return decision.mirror.pool


def clearance_of(copy: Copy, topology: Topology, order: LabelOrder) -> str | None:
    """The label up to which the copy's pool may see text; None if there is no such pool."""
    return next((order.name(pool.clearance) for pool in topology.pools if pool.name == copy.record.pool), None)


def may_have_left(copies: Sequence[Copy]) -> bool:
    """Whether one of them left for the cloud, or may have."""
    return any(copy.intents or explain_attempts.answered(copy.record.attempts) for copy in copies)
