"""One decision's steps in sentences: what gave the label, why a row was passed over, why a pool was left out.

Whoever tells of a decision tells it with these: `explain.py` all of it, `cases.py` what a failed case needs to know.
Nothing of the request's text can get in: a model's name is said only if the policy has it, paths are schema paths.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from gateway.core.decision import Allow, AuditLevel, Decision, Deny
from gateway.core.facts import MINUTES_PER_WEEK, RequestFacts
from gateway.core.findings import Finding, History
from gateway.core.labels import Label
from gateway.policy import fact_words, week_words
from gateway.policy.answers import pools_of
from gateway.policy.compiled import CompiledPolicy, CompiledPool, Cuts, Dimension, Fact, Route
from gateway.policy.decide import Excluded, Exclusion, Kept, Matched, Mismatch, Skipped
from gateway.policy.labelling import Cause, Reason
from gateway.policy.words import Language, say

MOST_LINES: Final = 12


class Teller:
    """Tells of one request under one policy, in one language."""

    def __init__(self, compiled: CompiledPolicy, facts: RequestFacts, language: Language) -> None:
        self._compiled = compiled
        self._facts = facts
        self._language: Language = language
        self._routes = {route.id: route for route in compiled.routes}
        self._pools = {pool.name: pool for pool in pools_of(compiled)}
        # What the caller wrote is shown only if the policy has it: it can be any text.
        self.model = facts.model if facts.model in compiled.aliases else self.say("unnamed")

    def say(self, key: str, **gaps: object) -> str:
        """The sentence `key`."""
        return say(key, self._language, **gaps)

    def listed(self, words: Iterable[str]) -> str:
        """`a, b`, or `none`."""
        return self.say("and").join(words) or self.say("none")

    def name(self, label: Label) -> str:
        """What a label is called."""
        return self._compiled.order.name(label)

    def time(self, seconds: float) -> str:
        """`10 s`, `5 min`, `2 h`."""
        for key, unit in (("hours", 3600), ("minutes", 60)):
            if seconds and not seconds % unit:
                return self.say(key, count=f"{seconds / unit:g}")
        return self.say("seconds", count=f"{seconds:g}")

    # The label

    def reason(self, reason: Reason) -> str:
        """What gave a label."""
        key = f"cause_{reason.cause}"
        if reason.cause is Cause.HISTORY:
            key = f"{key}_{'unknown' if reason.subject == History.UNKNOWN else 'lost'}"
        return self.say(
            key,
            label=self.name(reason.label),
            subject=reason.subject,
            path=reason.path,
            line=reason.rule.line if reason.rule is not None else 0,
            findings=self._findings(reason.findings),
            tenant_class=self._facts.tenant_class,
        )

    def _findings(self, findings: tuple[Finding, ...]) -> str:
        grouped: dict[tuple[str, str], list[Finding]] = {}
        for finding in findings:
            grouped.setdefault((finding.entity, finding.path), []).append(finding)
        parts = [self._finding(group) for group in list(grouped.values())[:MOST_LINES]]
        if len(grouped) > MOST_LINES:
            parts.append(self.say("more", count=len(grouped) - MOST_LINES))
        return self.listed(parts)

    def _finding(self, group: list[Finding]) -> str:
        best = max(group, key=lambda finding: finding.score)
        key = "finding_many" if len(group) > 1 else "finding"
        said = self.say(key, entity=best.entity, count=len(group), score=f"{best.score:.2f}", path=best.path)
        return self.say("disguised", finding=said, views=" → ".join(best.transforms)) if best.transforms else said

    # The request

    def request(self) -> Iterator[str]:
        """What is known of the request, and what its tenant may let out."""
        facts = self._facts
        needs = self.listed(sorted(facts.capabilities)) if facts.capabilities else self.say("nothing")
        yield self.say(
            "facts",
            model=self.model,
            tenant_class=facts.tenant_class,
            complexity=fact_words.value(Fact.COMPLEXITY, facts.complexity, self._language),
            capabilities=needs,
        )
        beside = list(self._beside())
        if beside:
            yield self.say("beside", clauses=fact_words.together(beside, self._language))
        if facts.ceiling is None:
            yield self.say("ceiling_none")
        else:
            yield self.say("ceiling", ceiling=self.name(facts.ceiling))

    def _beside(self) -> Iterator[str]:
        """The facts that only some policies ask about, if this one does."""
        facts, around, language = self._facts, self._facts.surroundings, self._language
        pressure = dict(around.pressure)
        for dimension in self._compiled.layout.dimensions:
            member = dimension.member
            if dimension.fact is Fact.MODALITY and member in facts.modalities:
                yield fact_words.clause(Fact.MODALITY, member, ("yes",), language)
            elif dimension.fact is Fact.CONTEXT and facts.context_tokens:
                yield self.say("context_need", tokens=facts.context_tokens)
            elif dimension.fact is Fact.CONTEXT:
                yield self.say("context_unknown")
            elif dimension.fact is Fact.TIME:
                offset = self._compiled.utc_offset_min
                minute = week_words.minute(around.minute_of_week, offset, language)
                yield self.say("at_minute", minute=minute, zone=week_words.zone(offset))
            elif dimension.fact is Fact.PRESSURE:
                yield fact_words.clause(Fact.PRESSURE, member, (pressure.get(member, "free"),), language)
            elif dimension.fact is Fact.BUDGET:
                yield fact_words.clause(Fact.BUDGET, "", (around.budget,), language)

    # Rows and pools

    def row(self, step: Skipped | Matched) -> str:
        """Why a row matched or was passed over."""
        if isinstance(step, Matched):
            return self.say("matched", route=step.route)
        accepted = self._accepted(self._routes[step.route], step.because)
        return self.say(f"skip_{step.because}", route=step.route, accepted=accepted, model=self.model)

    def _accepted(self, route: Route, because: Mismatch) -> str:
        """What `route` asks for, in the fact in which this request is something else."""
        if because is Mismatch.MODEL:
            return self.listed(sorted(route.models or ()))
        if because is Mismatch.NO_POOL:
            return ""
        layout, language = self._compiled.layout, self._language
        if because is Mismatch.CONTEXT and layout.context is not None:
            return fact_words.context(_spans(layout.context, route.refused), language)
        if because is Mismatch.TIME and layout.week is not None:
            spans = ((start, end or MINUTES_PER_WEEK) for start, end in _spans(layout.week, route.refused))
            return week_words.spans(spans, self._compiled.utc_offset_min, language)
        asked = [
            (dimension, [value.name for value in dimension.values if not value.bits & route.refused])
            for dimension in layout.dimensions
            if dimension.fact.value == because.value and dimension.bits & route.refused
        ]
        return self.listed(self._clauses(asked))

    def _clauses(self, asked: Iterable[tuple[Dimension, list[str]]]) -> Iterator[str]:
        for dimension, names in asked:
            if dimension.fact is Fact.CAPABILITY:
                yield dimension.member
            elif dimension.fact in (Fact.MODALITY, Fact.PRESSURE, Fact.BUDGET):
                yield fact_words.clause(dimension.fact, dimension.member, names, self._language)
            else:
                yield from (fact_words.value(dimension.fact, name, self._language) for name in names)

    def pool(self, step: Kept | Excluded, route: str) -> str:
        """Why a pool of the row `route` may or may not have the request."""
        pool = self._pools[step.pool]
        place = self.say("cloud" if pool.is_cloud else "home")
        if isinstance(step, Excluded):
            said = self.say(f"out_{step.because}", pool=pool.name, place=place, **self._why(step.because, pool))
            if step.is_canary or step.is_mirror:
                return self.say("as_canary" if step.is_canary else "as_mirror", sentence=said)
            return said
        if step.is_canary or step.is_mirror:
            row = self._routes[route]
            share = row.canary if step.is_canary else row.mirror
            percent = share.percent if share is not None else 0
            key = "kept_canary" if step.is_canary else "kept_mirror"
            return self.say(key, pool=pool.name, place=place, percent=f"{percent:g}")
        return self.say("kept_spill" if step.is_spill else "kept", pool=pool.name, place=place)

    def _why(self, because: Exclusion, pool: CompiledPool) -> dict[str, object]:
        ceiling, nobody = self._compiled.ceiling, self.say("none")
        gaps: dict[Exclusion, dict[str, object]] = {
            Exclusion.CLEARANCE: {"clearance": self.name(pool.clearance)},
            Exclusion.CLOUD_CEILING: {"ceiling": self.name(ceiling) if ceiling is not None else nobody},
            Exclusion.CAPABILITY: {"missing": self.listed(sorted(self._facts.capabilities - pool.capabilities))},
            Exclusion.CONTEXT: {"limit": pool.context_tokens, "tokens": self._facts.context_tokens},
            Exclusion.ATTRIBUTE: {
                "processor": pool.processor or nobody,
                "residency": pool.residency or nobody,
                "agreement": pool.agreement or nobody,
            },
        }
        return {"model": self.model, **gaps.get(because, {})}

    # The result

    def result(self, decision: Decision) -> str:
        """What was decided, in one sentence."""
        if isinstance(decision, Deny):
            gaps = {"route": decision.route, "model": self.model, "message": decision.message}
            return self.say(f"deny_{decision.code}", **gaps)
        key = "result_allow_spill" if decision.spill else "result_allow"
        return self.say(
            key, to=self.listed(decision.to), spill=self.listed(decision.spill), queue=self.time(decision.queue_s)
        )

    def terms(self, decision: Allow) -> Iterator[str]:
        """On which terms a request is allowed."""
        if decision.canary is not None:
            yield self.say("result_canary", pool=decision.canary.pool, percent=f"{decision.canary.percent:g}")
        if decision.mirror is not None:
            yield self.say("result_mirror", pool=decision.mirror.pool, percent=f"{decision.mirror.percent:g}")
        if decision.weights:
            weights = " : ".join(f"{weight:g}" for weight in decision.weights)
            yield self.say("result_weights", pools=self.listed(decision.to), weights=weights)
        if decision.cache_s:
            yield self.say("result_cache", time=self.time(decision.cache_s))
        else:
            yield self.say("result_no_cache")
        if decision.audit is AuditLevel.STRICT:
            yield self.say("result_strict")


def _spans(cuts: Cuts, refused: int) -> list[tuple[int, int | None]]:
    """The intervals whose bits are not refused, those that touch as one."""
    spans: list[tuple[int, int | None]] = []
    for place, (bound, bit) in enumerate(zip(cuts.bounds, cuts.bits, strict=True)):
        if bit & refused:
            continue
        end = cuts.bounds[place + 1] if place + 1 < len(cuts.bounds) else None
        if spans and spans[-1][1] == bound:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((bound, end))
    return spans
