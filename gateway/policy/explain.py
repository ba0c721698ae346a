"""Why a request went where it went, for the person who answers for the policy.

Runs the same `reasons` and the same `decide` as the live path, with the trace on, and says what they did: what raised
the label, which routes were passed over and why, which pools could not have it, and the smallest single change that
would have led elsewhere. Holds entities, scores and schema paths; never text of the request.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from gateway.core.decision import Allow, Decision, Deny
from gateway.core.facts import Complexity, RequestFacts
from gateway.core.findings import Evidence, Finding
from gateway.core.labels import Label
from gateway.policy.compiled import CompiledPolicy, CompiledPool, Route
from gateway.policy.decide import Excluded, Exclusion, Kept, Matched, Mismatch, Skipped, Step, decide
from gateway.policy.labelling import Cause, Reason, reasons
from gateway.policy.words import Language, say

_MOST_LINES: Final = 12


def explain(compiled: CompiledPolicy, evidence: Evidence | None, facts: RequestFacts, language: Language) -> str:
    """The whole story as lines of text."""
    trace: list[Step] = []
    decision = decide(compiled, facts, trace)
    return "\n".join(_Story(compiled, facts, language).lines(evidence, decision, trace))


class _Story:
    def __init__(self, compiled: CompiledPolicy, facts: RequestFacts, language: Language) -> None:
        self._compiled = compiled
        self._facts = facts
        self._language: Language = language
        self._routes = {route.id: route for route in compiled.routes}
        self._pools = {pool.name: pool for route in compiled.routes for pool in (*route.to, *route.spill)}
        # What the caller wrote is shown only if the policy has it: it can be any text.
        self._model = facts.model if facts.model in compiled.aliases else self._say("unnamed")

    def lines(self, evidence: Evidence | None, decision: Decision, trace: list[Step]) -> Iterator[str]:
        yield from self._evidence(evidence)
        yield from self._about()
        skips = [step for step in trace if isinstance(step, Skipped | Matched)]
        if skips:
            yield self._say("routes")
        for step in skips:
            yield f"  {'✓' if isinstance(step, Matched) else '✗'} {self._row(step)}"
        places = [step for step in trace if isinstance(step, Kept | Excluded)]
        if places:
            yield self._say("pools")
        for place in places:
            yield f"  {'✓' if isinstance(place, Kept) else '✗'} {self._pool(place)}"
        yield self._result(decision)
        if isinstance(decision, Allow) and decision.if_scanned:
            yield self._say("result_if_scanned", pools=self._list(decision.if_scanned))
        yield self._counterfactual(decision)

    def _say(self, key: str, **gaps: object) -> str:
        return say(key, self._language, **gaps)

    def _list(self, words: Iterable[str]) -> str:
        return self._say("and").join(words) or self._say("none")

    def _name(self, label: Label) -> str:
        return self._compiled.order.name(label)

    # The label

    def _evidence(self, evidence: Evidence | None) -> Iterator[str]:
        low, high = self._facts.label_low, self._facts.label_high
        if low == high:
            yield self._say("label", label=self._name(high))
        else:
            yield self._say("label_two", low=self._name(low), high=self._name(high))
        if evidence is None:
            yield self._say("evidence_unknown")
            return
        given = [reason for reason in reasons(self._compiled, evidence) if reason.cause is not Cause.DEFAULT]
        if not given:
            yield self._say("evidence_none")
            return
        given.sort(key=lambda reason: -reason.label)
        yield self._say("evidence")
        for reason in given[:_MOST_LINES]:
            yield f"  · {self._reason(reason)}"
        if len(given) > _MOST_LINES:
            yield f"  · {self._say('more', count=len(given) - _MOST_LINES)}"

    def _reason(self, reason: Reason) -> str:
        gaps = {"label": self._name(reason.label), "subject": reason.subject, "path": reason.path}
        line = reason.rule.line if reason.rule is not None else 0
        return self._say(f"cause_{reason.cause}", **gaps, line=line, findings=self._findings(reason.findings))

    def _findings(self, findings: tuple[Finding, ...]) -> str:
        grouped: dict[tuple[str, str], list[Finding]] = {}
        for finding in findings:
            grouped.setdefault((finding.entity, finding.path), []).append(finding)
        parts = [self._finding(group) for group in list(grouped.values())[:_MOST_LINES]]
        if len(grouped) > _MOST_LINES:
            parts.append(self._say("more", count=len(grouped) - _MOST_LINES))
        return self._list(parts)

    def _finding(self, group: list[Finding]) -> str:
        best = max(group, key=lambda finding: finding.score)
        key = "finding_many" if len(group) > 1 else "finding"
        said = self._say(key, entity=best.entity, count=len(group), score=f"{best.score:.2f}", path=best.path)
        return self._say("disguised", finding=said, views=" → ".join(best.transforms)) if best.transforms else said

    # The decision

    def _about(self) -> Iterator[str]:
        facts = self._facts
        needs = self._list(sorted(facts.capabilities)) if facts.capabilities else self._say("nothing")
        yield self._say(
            "facts",
            model=self._model,
            tenant_class=facts.tenant_class,
            complexity=facts.complexity,
            capabilities=needs,
        )
        if facts.ceiling is None:
            yield self._say("ceiling_none")
        else:
            yield self._say("ceiling", ceiling=self._name(facts.ceiling))

    def _row(self, step: Skipped | Matched) -> str:
        if isinstance(step, Matched):
            return self._say("matched", route=step.route)
        accepted = self._list(self._accepted(self._routes[step.route], step.because))
        return self._say(f"skip_{step.because}", route=step.route, accepted=accepted, model=self._model)

    def _accepted(self, route: Route, because: Mismatch) -> Iterator[str]:
        """What `route` asks for, in the dimension in which this request is something else."""
        layout = self._compiled.layout
        if because is Mismatch.LABEL:
            for rank, bit in enumerate(layout.labels):
                if not route.refused & bit:
                    yield self._name(Label(rank))
        elif because is Mismatch.COMPLEXITY:
            yield from (value for value, bit in layout.complexities.items() if not route.refused & bit)
        elif because is Mismatch.TENANT_CLASS:
            yield from (name for name, entry in layout.classes.items() if not route.refused & entry.bit)
        elif because is Mismatch.CAPABILITY:
            without = layout.capabilities[frozenset()]
            for needed, bits in layout.capabilities.items():
                if len(needed) == 1 and route.refused & without & ~bits:
                    yield from needed
        elif because is Mismatch.MODEL:
            yield from sorted(route.models or ())

    def _pool(self, step: Kept | Excluded) -> str:
        pool = self._pools[step.pool]
        place = self._say("cloud" if pool.is_cloud else "home")
        if isinstance(step, Kept):
            return self._say("kept_spill" if step.is_spill else "kept", pool=pool.name, place=place)
        return self._say(f"out_{step.because}", pool=pool.name, place=place, **self._why(step.because, pool))

    def _why(self, because: Exclusion, pool: CompiledPool) -> dict[str, str]:
        ceiling = self._compiled.ceiling
        missing = sorted(self._facts.capabilities - pool.capabilities)
        gaps = {
            Exclusion.CLEARANCE: {"clearance": self._name(pool.clearance)},
            Exclusion.CLOUD_CEILING: {"ceiling": self._name(ceiling) if ceiling is not None else self._say("none")},
            Exclusion.CAPABILITY: {"missing": self._list(missing)},
        }
        return {"model": self._model, **gaps.get(because, {})}

    def _result(self, decision: Decision) -> str:
        if isinstance(decision, Deny):
            gaps = {"route": decision.route, "model": self._model, "message": decision.message}
            return self._say(f"deny_{decision.code}", **gaps)
        key = "result_allow_spill" if decision.spill else "result_allow"
        to, spill = self._list(decision.to), self._list(decision.spill)
        return self._say(key, to=to, spill=spill, queue=f"{decision.queue_s:g}")

    # What would have led elsewhere

    def _counterfactual(self, decision: Decision) -> str:
        was = _places(decision)
        for change, facts in self._neighbours():
            other = decide(self._compiled, facts)
            if _places(other) != was:
                result = self._say("would_go", pools=self._list(_places(other)))
                return self._say(
                    "would", change=change, result=result if _places(other) else self._say("would_be_refused")
                )
        return self._say("would_nothing")

    def _neighbours(self) -> Iterator[tuple[str, RequestFacts]]:
        """Facts that differ in one thing, the likeliest first: a lower label, then a higher, then the rest."""
        facts, names = self._facts, self._compiled.order.names
        high = facts.label_high
        nearest = [*range(high - 1, -1, -1), *range(high + 1, len(names))]
        for rank in nearest:
            change = self._say("would_label", value=names[rank], now=names[high])
            yield change, replace(facts, label_low=Label(rank), label_high=Label(rank))
        for capability in sorted(facts.capabilities):
            change = self._say("would_capability", value=capability)
            yield change, replace(facts, capabilities=facts.capabilities - {capability})
        for model in self._compiled.aliases:
            if model != facts.model:
                yield self._say("would_model", value=model, now=self._model), replace(facts, model=model)
        for complexity in Complexity:
            if complexity is not facts.complexity:
                change = self._say("would_complexity", value=complexity, now=facts.complexity)
                yield change, replace(facts, complexity=complexity)
        ceiling = self._compiled.ceiling
        if ceiling is not None and facts.ceiling != ceiling:
            yield self._say("would_ceiling", value=self._name(ceiling)), replace(facts, ceiling=ceiling)


def _places(decision: Decision) -> tuple[str, ...]:
    return decision.pools if isinstance(decision, Allow) else ()
