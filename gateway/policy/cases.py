"""Golden cases, run: what a policy decides is held against what people expect of it.

`run(compiled, cases, look)` takes the cases of `cases_file.read` (of as many files as you like, together) through the
live path's own `label` and `decide`. `look` turns a chat request into what the gateway would see of it; this room
does not scan. A `Report` has every failure as one sentence with its grounds, and the rows and label rules that no case
reaches; `lines` and `as_json` are for people and for programs.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from msgspec.structs import replace

from gateway.core.decision import Allow, Decision, Deny
from gateway.core.facts import TEXT_ONLY, Capability, Complexity, Modality, RequestFacts
from gateway.core.findings import Evidence
from gateway.core.labels import Label
from gateway.policy.cases_file import Case, Expected
from gateway.policy.cases_words import word
from gateway.policy.compiled import CompiledPolicy, LabelRule, Route
from gateway.policy.decide import Excluded, Kept, Matched, Skipped, Step, decide
from gateway.policy.explain import decision_as_json, facts_as_json
from gateway.policy.labelling import Cause, Reason, label, reasons
from gateway.policy.telling import Teller
from gateway.policy.words import Language

_MOST_REASONS: Final = 3
_NOBODY: Final[Mapping[str, Label]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Seen:
    """What the gateway sees of a chat request before the policy is asked. No `complexity` leaves the case's own."""

    evidence: Evidence
    capabilities: frozenset[Capability] = frozenset()
    modalities: frozenset[Modality] = TEXT_ONLY
    context_tokens: int = 0
    complexity: Complexity | None = None


Look = Callable[[bytes], Seen | None]
"""From a chat request as JSON to what is seen of it; None if the gateway would not read such a request."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that is not as expected. `expected` and `got` are names, lists or numbers; `sentence` says it."""

    key: str
    expected: object
    got: object


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one case. Without `decision` the gateway would not read its request."""

    case: Case
    facts: RequestFacts
    reasons: tuple[Reason, ...] = ()
    steps: tuple[Step, ...] = ()
    decision: Decision | None = None
    failures: tuple[Failure, ...] = ()

    @property
    def passes(self) -> bool:
        """Whether everything is as expected."""
        return not self.failures


@dataclass(frozen=True, slots=True)
class Report:
    """What became of all cases, and what none of them reaches."""

    compiled: CompiledPolicy
    results: tuple[Result, ...]
    routes: tuple[Route, ...]
    rules: tuple[LabelRule, ...]

    @property
    def failed(self) -> tuple[Result, ...]:
        """The cases that fail."""
        return tuple(result for result in self.results if not result.passes)

    @property
    def is_covered(self) -> bool:
        """Whether some case reaches every row and every label rule."""
        return not (self.routes or self.rules)


def run(compiled: CompiledPolicy, cases: Iterable[Case], look: Look, attested: Mapping[str, Label] = _NOBODY) -> Report:
    """Every case under `compiled`. `attested` is what the classes of tenants.yaml vouch for."""
    results = tuple(_result(compiled, case, look, attested) for case in cases)
    routes = {step.route for result in results for step in result.steps if isinstance(step, Matched)}
    rules = [reason.rule for result in results for reason in result.reasons if reason.rule is not None]
    return Report(
        compiled,
        results,
        tuple(route for route in compiled.routes if route.id not in routes),
        tuple(rule for rule in compiled.labels.rules if not any(rule is reached for reached in rules)),
    )


def _result(compiled: CompiledPolicy, case: Case, look: Look, attested: Mapping[str, Label]) -> Result:
    facts, found = case.facts, case.asked
    if isinstance(found, bytes):
        seen = look(found)
        if seen is None:
            return Result(case, facts, failures=(Failure("unreadable", None, None),))
        facts = replace(
            facts,
            capabilities=seen.capabilities,
            modalities=seen.modalities,
            context_tokens=seen.context_tokens,
            complexity=seen.complexity or facts.complexity,
        )
        found = seen.evidence
    given: tuple[Reason, ...] = ()
    if found is not None:
        history, taint = case.history or found.history, found.taint if case.taint is None else case.taint
        evidence = Evidence(found.findings, found.coverage, history, taint)
        vouched = attested.get(facts.tenant_class)
        low, high = label(compiled, evidence, vouched)
        facts = replace(facts, label_low=low, label_high=high)
        given = tuple(reasons(compiled, evidence, vouched))
    trace: list[Step] = []
    decision = decide(compiled, facts, trace)
    failures = tuple(_failures(compiled, case.expected, facts, decision))
    return Result(case, facts, given, tuple(trace), decision, failures)


def _failures(
    compiled: CompiledPolicy, expected: Expected, facts: RequestFacts, decision: Decision
) -> Iterator[Failure]:
    name = compiled.order.name
    if expected.label is not None and expected.label != facts.label_high:
        yield Failure("label", name(expected.label), name(facts.label_high))
    if expected.label_low is not None and expected.label_low != facts.label_low:
        yield Failure("label_low", name(expected.label_low), name(facts.label_low))
    if expected.route is not None and expected.route != decision.route:
        yield Failure("route", expected.route, decision.route)
    if isinstance(decision, Deny):
        yield from _not_refused(expected, decision)
    else:
        yield from _not_allowed(expected, decision)


def _not_refused(expected: Expected, decision: Deny) -> Iterator[Failure]:
    allowed = (expected.to, expected.spill, expected.canary, expected.mirror, expected.cache_s, expected.audit)
    if expected.action == "allow" or any(given is not None for given in allowed):
        yield Failure("action", "allow", "deny")
    elif expected.code is not None and expected.code != decision.code:
        yield Failure("code", expected.code, decision.code)


def _not_allowed(expected: Expected, decision: Allow) -> Iterator[Failure]:
    if expected.action == "deny" or expected.code is not None:
        yield Failure("action", "deny", "allow")
        return
    got: dict[str, tuple[object, object]] = {
        "to": (expected.to, decision.to),
        "spill": (expected.spill, decision.spill),
        "canary": (expected.canary, decision.canary.pool if decision.canary is not None else ""),
        "mirror": (expected.mirror, decision.mirror.pool if decision.mirror is not None else ""),
        "cache": (expected.cache_s, decision.cache_s),
        "audit": (expected.audit, decision.audit),
    }
    for key, (wanted, given) in got.items():
        if wanted is not None and wanted != given:
            yield Failure(key, wanted, given)


# In words


def lines(report: Report, language: Language) -> Iterator[str]:
    """The failures, what no case reaches, and the tally: one line each, the tally last."""
    for result in report.failed:
        for failure in result.failures:
            yield sentence(report.compiled, result, failure, language)
    for route in report.routes:
        yield word("unreached_route", language, route=route.id, line=route.line)
    for rule in report.rules:
        entities = word("list", language).join(entity for entity, _ in rule.entities)
        yield word("unreached_rule", language, line=rule.line, kind=rule.kind, entities=entities)
    total, failed = len(report.results), len(report.failed)
    rows, rules = len(report.compiled.routes), len(report.compiled.labels.rules)
    yield word("tally", language, passed=total - failed, total=total, failed=failed)
    yield word(
        "coverage",
        language,
        routes=rows - len(report.routes),
        all_routes=rows,
        rules=rules - len(report.rules),
        all_rules=rules,
    )


def sentence(compiled: CompiledPolicy, result: Result, failure: Failure, language: Language) -> str:
    """One failure: which case, what was expected, what came instead, and why."""
    teller = Teller(compiled, result.facts, language)
    at = result.case.at
    gaps = {
        "place": f"{at.file}:{at.line}",
        "name": result.case.name,
        "expected": _shown(failure.key, failure.expected, teller, language),
        "got": _shown(failure.key, failure.got, teller, language),
    }
    why = " ".join(_why(result, failure, teller, language))
    said = word(f"failed_{failure.key}", language, **gaps)
    return f"{said} {why}".rstrip() if language == "en" else f"{said}{why}"


def _shown(key: str, value: object, teller: Teller, language: Language) -> str:
    if isinstance(value, tuple):
        return teller.listed(str(one) for one in value)
    if isinstance(value, float):
        return teller.time(value) if value else word("never", language)
    if key == "action":
        return word(str(value), language)
    return str(value) or teller.say("none")


def _why(result: Result, failure: Failure, teller: Teller, language: Language) -> Iterator[str]:
    """The steps of the decision that answer why it is not as expected."""
    if failure.key in ("label", "label_low"):
        yield from _why_label(result, teller)
    elif failure.key == "route":
        yield from _why_route(result, str(failure.expected), teller, language)
    elif failure.key in ("to", "spill", "canary", "mirror"):
        yield from _why_pools(result, failure, teller, language)
    elif result.decision is not None and failure.key in ("action", "code"):
        yield teller.result(result.decision)


def _why_label(result: Result, teller: Teller) -> Iterator[str]:
    """What gave the label that it has; a label given as a fact has no grounds."""
    given = [reason for reason in result.reasons if reason.cause is not Cause.DEFAULT]
    if result.reasons and not given:
        yield teller.say("evidence_none")
    given.sort(key=lambda reason: -reason.label)
    for reason in given[:_MOST_REASONS]:
        yield teller.reason(reason)


def _why_route(result: Result, expected: str, teller: Teller, language: Language) -> Iterator[str]:
    for step in result.steps:
        if isinstance(step, Skipped) and step.route == expected:
            yield teller.row(step)
            return
        if isinstance(step, Matched):
            yield word("matched_before", language, route=step.route, expected=expected)


def _why_pools(result: Result, failure: Failure, teller: Teller, language: Language) -> Iterator[str]:
    """For every pool that is missing or too much, what the decision did with it."""
    expected, got = _pools(failure.expected), _pools(failure.got)
    route = result.decision.route if result.decision is not None else ""
    for pool in (*(one for one in expected if one not in got), *(one for one in got if one not in expected)):
        steps = [step for step in result.steps if isinstance(step, Kept | Excluded) and step.pool == pool]
        if steps:
            yield teller.pool(steps[0], route)
        else:
            yield word("not_in_route", language, pool=pool, route=route)


def _pools(value: object) -> Sequence[str]:
    if isinstance(value, tuple):
        return value
    return (str(value),) if value else ()


def as_json(report: Report, language: Language = "en") -> dict[str, object]:
    """The report as plain values, with a sentence for each failure."""
    compiled = report.compiled
    return {
        "passed": len(report.results) - len(report.failed),
        "failed": len(report.failed),
        "cases": [
            {
                "name": result.case.name,
                "file": result.case.at.file,
                "line": result.case.at.line,
                "passes": result.passes,
                "facts": facts_as_json(compiled, result.facts),
                "decision": decision_as_json(result.decision) if result.decision is not None else None,
                "failures": [
                    {
                        "key": failure.key,
                        "expected": failure.expected,
                        "got": failure.got,
                        "sentence": sentence(compiled, result, failure, language),
                    }
                    for failure in result.failures
                ],
            }
            for result in report.results
        ],
        "unreached": {
            "routes": [{"route": route.id, "line": route.line} for route in report.routes],
            "rules": [
                {"line": rule.line, "kind": rule.kind, "entities": [entity for entity, _ in rule.entities]}
                for rule in report.rules
            ],
        },
    }
