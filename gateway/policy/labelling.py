"""From evidence to a label. Rules only raise; what was not looked at counts as the worst (threats.md I2, I3).

Replies that a request brings along count with the label of what produced them; where that cannot be known they are not
looked at. Only a class's attestation is below the policy's default, and only where nothing at all was found. `label`
is what is done and `reasons` what is explained: the first computes in two microseconds the highest of the second, which
a test of random policies and evidence holds them to.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateway.core.findings import Evidence, Finding, History, Tier
from gateway.core.labels import Label
from gateway.policy.compiled import CompiledPolicy, LabelRule, LabelRules, RuleKind
from gateway.policy.document import HistoryMode

# To reach a member through its class takes four times as long, and these are asked for every request.
_NONE: Final = History.NONE
_UNKNOWN: Final = History.UNKNOWN
_LOST: Final = History.LOST
_ALL_OF: Final = RuleKind.ALL_OF


class Cause(StrEnum):
    """What gave a label."""

    DEFAULT = "default"
    ATTESTED = "attested"  # the default that the tenant's class vouches for, where nothing at all was found
    RULE = "rule"
    UNMAPPED = "unmapped"  # a finding that no rule names
    UNSCANNED = "unscanned"  # a part that cannot be read, with the label for everything of that kind
    CARRIER = "carrier"  # a part that cannot be read, with the label that the policy gives that carrier
    FAILURE = "failure"  # the scan did not finish
    TAINT = "taint"  # a reply in the request's history was made from something of this label
    HISTORY = "history"  # a reply in the request's history is not on record, or the record is lost
    NOT_RUN = "not_run"  # a tier that the policy needs has not run yet


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that gave `label`: `findings` for rules and unmapped findings, `subject` and `path` for the rest."""

    label: Label
    cause: Cause
    rule: LabelRule | None = None
    findings: tuple[Finding, ...] = ()
    subject: str = ""
    path: str = ""


def label(compiled: CompiledPolicy, evidence: Evidence, attested: Label | None = None) -> tuple[Label, Label]:
    """The label of what was found, and that joined with the most that tiers not yet run could add.

    `attested` is what the tenant's class vouches for; it stands for the default where nothing at all was found.
    """
    rules = compiled.labels
    coverage = evidence.coverage
    findings, unscanned = evidence.findings, coverage.unscanned
    is_known = evidence.history is _NONE or _is_known(rules, evidence.history)
    low = rules.default
    if attested is not None and is_known and not findings and not unscanned and coverage.failure is None:
        low = attested
    if findings:
        low = _weighed(rules, findings, low)
    for part in unscanned:
        given = rules.carriers.get(part.carrier, rules.unscanned)
        if given > low:
            low = given
    taint = evidence.taint
    if taint is not None and taint > low:
        low = taint
    if (coverage.failure is not None or not is_known) and rules.unscanned > low:
        low = rules.unscanned
    if rules.unscanned > low and not rules.required <= coverage.tiers:
        return low, rules.unscanned
    return low, low


def _weighed(rules: LabelRules, findings: tuple[Finding, ...], low: Label) -> Label:
    """The highest of `low` and the labels that `findings` give."""
    weights = rules.weights
    best: dict[str, float] = {}
    for finding in findings:
        entity, score = finding.entity, finding.score
        if not 0.0 <= score <= 1.0:
            score = 1.0  # as in `_score`
        if entity not in best or score > best[entity]:
            best[entity] = score
    for entity, score in best.items():
        alone = weights.alone.get(entity)
        if alone is None:
            low = max(low, rules.unmapped)
            continue
        for least, given in alone:
            if given > low and score >= least:
                low = given
    found = best.keys()
    for entities, rule in weights.together:
        if rule.label > low:
            # Most of them are no question: what asks for all of several needs each of them, the others one.
            is_asked = entities <= found if rule.kind is _ALL_OF else not entities.isdisjoint(found)
            if is_asked and _is_met(rule, best, findings):
                low = rule.label
    return low


def _is_met(rule: LabelRule, best: Mapping[str, float], findings: tuple[Finding, ...]) -> bool:
    """Whether `findings`, of which `best` holds the highest score of each entity, are what `rule` asks for."""
    is_all = rule.kind is _ALL_OF
    for entity, least in rule.entities:
        if best.get(entity, -1.0) < rule.min_score:
            enough = False
        else:
            enough = least <= 1 or least <= _count(entity, rule.min_score, findings)
        if enough is not is_all:
            return enough
    return is_all


def _count(entity: str, min_score: float, findings: tuple[Finding, ...]) -> int:
    """How many of `findings` are of `entity`, with at least that score."""
    count = 0
    for finding in findings:
        if finding.entity == entity:
            score = finding.score
            if score >= min_score or not 0.0 <= score <= 1.0:  # as in `_score`: no rule asks for more than certainty
                count += 1
    return count


def reasons(compiled: CompiledPolicy, evidence: Evidence, attested: Label | None = None) -> Iterator[Reason]:
    """Everything in `evidence` that gives a label, the default first. Never empty."""
    rules = compiled.labels
    coverage = evidence.coverage
    is_known = _is_known(rules, evidence.history)
    # Before every tier has looked, this too is only what the lower label stands on: NOT_RUN gives the other.
    if attested is not None and is_known and _found_nothing(evidence):
        yield Reason(attested, Cause.ATTESTED)
    else:
        yield Reason(rules.default, Cause.DEFAULT)
    if coverage.failure is not None:
        yield Reason(rules.unscanned, Cause.FAILURE, subject=coverage.failure)
    if not is_known:
        yield Reason(rules.unscanned, Cause.HISTORY, subject=evidence.history)
    if evidence.taint is not None:
        yield Reason(evidence.taint, Cause.TAINT)
    for part in coverage.unscanned:
        given = rules.carriers.get(part.carrier)
        if given is None:
            yield Reason(rules.unscanned, Cause.UNSCANNED, subject=part.carrier, path=part.path)
        else:
            yield Reason(given, Cause.CARRIER, subject=part.carrier, path=part.path)
    if evidence.findings:
        yield from _from_findings(compiled, evidence.findings)
    if not rules.required <= coverage.tiers:
        for tier in Tier:
            if tier in rules.required and tier not in coverage.tiers:
                yield Reason(rules.unscanned, Cause.NOT_RUN, subject=tier)


def _is_known(rules: LabelRules, history: History) -> bool:
    if history is _UNKNOWN:
        return rules.history is not HistoryMode.KNOWN_CLEAN
    return history is not _LOST


def _found_nothing(evidence: Evidence) -> bool:
    coverage = evidence.coverage
    return not (evidence.findings or coverage.unscanned or coverage.failure is not None)


def _from_findings(compiled: CompiledPolicy, findings: tuple[Finding, ...]) -> Iterator[Reason]:
    by_entity: dict[str, list[Finding]] = {}
    for finding in findings:
        by_entity.setdefault(finding.entity, []).append(finding)
    for rule in compiled.labels.rules:
        grounds = _grounds(rule, by_entity)
        if grounds:
            yield Reason(rule.label, Cause.RULE, rule=rule, findings=grounds)
    for entity, found in by_entity.items():
        if entity not in compiled.labels.named:
            yield Reason(compiled.labels.unmapped, Cause.UNMAPPED, findings=tuple(found))


def _grounds(rule: LabelRule, by_entity: dict[str, list[Finding]]) -> tuple[Finding, ...]:
    """The findings that make `rule` match; empty if it does not."""
    grounds: list[Finding] = []
    for entity, least in rule.entities:
        found = by_entity.get(entity, ())
        # Most rules name entities of which nothing was found: those are passed over before anything is counted.
        counted = [finding for finding in found if _score(finding) >= rule.min_score] if found else []
        if len(counted) >= least:
            grounds += counted
        elif rule.kind is _ALL_OF:
            return ()
    return tuple(grounds)


def _score(finding: Finding) -> float:
    # A score that is none (NaN, out of range) is certain: it must not make a finding weaker.
    return finding.score if 0.0 <= finding.score <= 1.0 else 1.0
