"""Why a request went where it went, for the person who answers for the policy.

Runs the same `reasons` and the same `decide` as the live path, with the trace on, and says what they did: what raised
the label, which routes were passed over and why, which pools could not have it, and the smallest change that would
have led elsewhere. Holds entities, scores and schema paths; never text of the request.

`explain` gives lines of text in English or Chinese, `explanation` the same as values, `as_json` those for programs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.core.decision import Allow, Decision
from gateway.core.facts import RequestFacts
from gateway.core.findings import Evidence
from gateway.core.labels import Label
from gateway.policy.answers import pools_of
from gateway.policy.compiled import CompiledPolicy
from gateway.policy.counterfactual import Counterfactual, smallest_change
from gateway.policy.counterfactual_words import said
from gateway.policy.decide import Excluded, Kept, Matched, Skipped, Step, decide
from gateway.policy.labelling import Cause, Reason, reasons
from gateway.policy.telling import MOST_LINES, Teller
from gateway.policy.words import Language

_MARKS: Final[Mapping[type[Step], str]] = {Matched: "✓", Kept: "✓", Skipped: "✗", Excluded: "✗"}


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that an explanation says. `reasons` are None if the evidence was not recorded, highest label first."""

    compiled: CompiledPolicy
    facts: RequestFacts
    reasons: tuple[Reason, ...] | None
    steps: tuple[Step, ...]
    decision: Decision
    instead: Counterfactual | None


def explanation(
    compiled: CompiledPolicy, evidence: Evidence | None, facts: RequestFacts, attested: Label | None = None
) -> Explanation:
    """What `compiled` does with `facts`, and why. `attested` is the label that the tenant's class vouches for."""
    trace: list[Step] = []
    decision = decide(compiled, facts, trace)
    found: tuple[Reason, ...] | None = None
    if evidence is not None:
        found = tuple(sorted(reasons(compiled, evidence, attested), key=lambda reason: -reason.label))
    return Explanation(compiled, facts, found, tuple(trace), decision, smallest_change(compiled, facts))


def explain(
    compiled: CompiledPolicy,
    evidence: Evidence | None,
    facts: RequestFacts,
    language: Language,
    attested: Label | None = None,
) -> str:
    """The whole story as lines of text."""
    return "\n".join(lines(explanation(compiled, evidence, facts, attested), language))


def lines(explained: Explanation, language: Language) -> Iterator[str]:
    """The whole story, line by line."""
    teller = Teller(explained.compiled, explained.facts, language)
    yield from _label(explained, teller)
    yield from teller.request()
    rows = [step for step in explained.steps if isinstance(step, Skipped | Matched)]
    if rows:
        yield teller.say("routes")
    for row in rows:
        yield f"  {_MARKS[type(row)]} {teller.row(row)}"
    pools = [step for step in explained.steps if isinstance(step, Kept | Excluded)]
    if pools:
        yield teller.say("pools")
    for pool in pools:
        yield f"  {_MARKS[type(pool)]} {teller.pool(pool, explained.decision.route)}"
    yield teller.result(explained.decision)
    if explained.decision.if_scanned:
        yield teller.say("result_if_scanned", pools=teller.listed(explained.decision.if_scanned))
    if isinstance(explained.decision, Allow):
        yield from teller.terms(explained.decision)
    yield said(explained.compiled, explained.facts, explained.reasons, explained.instead, language)


def _label(explained: Explanation, teller: Teller) -> Iterator[str]:
    low, high = explained.facts.label_low, explained.facts.label_high
    if low == high:
        yield teller.say("label", label=teller.name(high))
    else:
        yield teller.say("label_two", low=teller.name(low), high=teller.name(high))
    if explained.reasons is None:
        yield teller.say("evidence_unknown")
        return
    given = [reason for reason in explained.reasons if reason.cause is not Cause.DEFAULT]
    if not given:
        yield teller.say("evidence_none")
        return
    yield teller.say("evidence")
    for reason in given[:MOST_LINES]:
        yield f"  · {teller.reason(reason)}"
    if len(given) > MOST_LINES:
        yield f"  · {teller.say('more', count=len(given) - MOST_LINES)}"


# For programs

_Json = dict[str, object]


def as_json(explained: Explanation) -> _Json:
    """The explanation as plain values. What a caller wrote as the model is left out unless the policy has it."""
    order, instead = explained.compiled.order, explained.instead
    found = explained.reasons
    return {
        "label": order.name(explained.facts.label_high),
        "label_low": order.name(explained.facts.label_low),
        "reasons": [_reason(order.name(reason.label), reason) for reason in found] if found is not None else None,
        "facts": facts_as_json(explained.compiled, explained.facts),
        "routes": [_row(step) for step in explained.steps if isinstance(step, Skipped | Matched)],
        "pools": list(_pools(explained)),
        "decision": decision_as_json(explained.decision),
        "counterfactual": None
        if instead is None
        else {
            "changes": [
                {"fact": changed.fact, "member": changed.member or None, "value": changed.value}
                for changed in instead.changes
            ],
            "decision": decision_as_json(instead.decision),
        },
    }


def facts_as_json(compiled: CompiledPolicy, facts: RequestFacts) -> _Json:
    """Facts as plain values, by the keys under which people give them."""
    around, order = facts.surroundings, compiled.order
    return {
        "label": order.name(facts.label_high),
        "label_low": order.name(facts.label_low),
        "model": facts.model if facts.model in compiled.aliases else None,
        "tenant_class": facts.tenant_class,
        "ceiling": order.name(facts.ceiling) if facts.ceiling is not None else "none",
        "capabilities": sorted(facts.capabilities),
        "complexity": facts.complexity,
        "modalities": sorted(facts.modalities),
        "context": facts.context_tokens,
        "minute_of_week_utc": around.minute_of_week,
        "pressure": dict(around.pressure),
        "budget": around.budget,
    }


def decision_as_json(decision: Decision) -> _Json:
    """A decision as plain values."""
    if not isinstance(decision, Allow):
        refused: _Json = {"action": "deny", "route": decision.route, "code": decision.code, "message": decision.message}
        return {**refused, "if_scanned": list(decision.if_scanned)} if decision.if_scanned else refused
    canary, mirror = decision.canary, decision.mirror
    return {
        "action": "allow",
        "route": decision.route,
        "to": list(decision.to),
        "spill": list(decision.spill),
        "canary": {"pool": canary.pool, "percent": canary.percent} if canary is not None else None,
        "mirror": {"pool": mirror.pool, "percent": mirror.percent} if mirror is not None else None,
        "weights": list(decision.weights),
        "if_scanned": list(decision.if_scanned),
        "queue_s": decision.queue_s,
        "cache_s": decision.cache_s,
        "audit": decision.audit,
    }


def _reason(label: str, reason: Reason) -> _Json:
    shown: _Json = {"label": label, "cause": reason.cause}
    if reason.rule is not None:
        shown["line"] = reason.rule.line
    if reason.subject:
        shown["subject"] = reason.subject
    if reason.path:
        shown["path"] = reason.path
    if reason.findings:
        shown["findings"] = [
            {"entity": one.entity, "score": round(one.score, 3), "path": one.path, "transforms": list(one.transforms)}
            for one in reason.findings
        ]
    return shown


def _row(step: Skipped | Matched) -> _Json:
    return {"route": step.route, "because": step.because if isinstance(step, Skipped) else None}


def _pools(explained: Explanation) -> Iterator[_Json]:
    """Every pool of the matching row, as what it stands there, and why it was left out (None: it was not)."""
    places = {pool.name: pool for pool in pools_of(explained.compiled)}
    for step in explained.steps:
        if isinstance(step, Kept | Excluded):
            pool = places[step.pool]
            yield {
                "pool": pool.name,
                "zone": pool.zone,
                "is_cloud": pool.is_cloud,
                "is_canary": step.is_canary,
                "is_mirror": step.is_mirror,
                "because": step.because if isinstance(step, Excluded) else None,
            }
