"""What the label rules let out: for each entity, below which score and count its findings may still reach the cloud.

Rules only raise, so an entity that stays home alone stays home in company, and each entity is looked at by itself.
Markers are the policy writer's own words and are not listed.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import Final

from gateway.core.labels import Label, join
from gateway.policy.compiled import CompiledPolicy, LabelRule, LabelRules, RuleKind


@dataclass(frozen=True, slots=True)
class Leaving:
    """Findings of `entity` may reach a cloud pool while each scores below `below_score` and there are fewer than
    `below_count` of them; None is no limit. `label` is the highest that they then have, `line` that of the rule that
    says most about the entity (0: none names it)."""

    entity: str
    below_score: float | None
    below_count: int | None
    label: Label
    line: int
    acknowledged: bool


def leaving(compiled: CompiledPolicy, highest: Label | None) -> tuple[Leaving, ...]:
    """Everything that may leave, if no label above `highest` reaches a cloud pool (None: no label does)."""
    if highest is None:
        return ()
    return tuple(found for entity in compiled.entities for found in _of_entity(compiled, entity, highest))


def idle(compiled: CompiledPolicy, found: Collection[Leaving]) -> tuple[str, ...]:
    """The entities that `may_leave` acknowledges although they cannot leave."""
    able = {one.entity for one in found}
    return tuple(entity for entity in compiled.may_leave if entity not in able)


def label_of(rules: LabelRules, entity: str, score: float, count: int) -> Label:
    """The label of `count` findings of `entity` with `score`, and of nothing else."""
    if entity not in rules.named:
        return join((rules.default, rules.unmapped))
    matched = (rule.label for rule in rules.rules if score >= rule.min_score and count >= _least(rule, entity))
    return join((rules.default, *matched))


def _of_entity(compiled: CompiledPolicy, entity: str, highest: Label) -> Iterator[Leaving]:
    rules = compiled.labels
    of_entity = [rule for rule in rules.rules if any(name == entity for name, _ in rule.entities)]
    line = max(of_entity, key=lambda rule: rule.label).line if of_entity else 0
    # Between two constants that the rules name nothing changes, so the lower end of each interval stands for it.
    scores = sorted({0.0, *(rule.min_score for rule in of_entity)})
    counts = sorted({1, *(_least(rule, entity) for rule in of_entity)} - {_NEVER})
    before: tuple[Label, ...] = ()
    boxes: list[Leaving] = []
    for score, below_score in [*pairwise(scores), (scores[-1], None)]:
        given = (label_of(rules, entity, score, count) for count in counts)
        able = tuple(takewhile(lambda label: label <= highest, given))
        if not able:
            break
        if len(able) == len(before):
            # As many may leave with a higher score: one line says both.
            boxes.pop()
        before = able
        below_count = counts[len(able)] if len(able) < len(counts) else None
        boxes.append(Leaving(entity, below_score, below_count, join(able), line, entity in compiled.may_leave))
    yield from boxes


_NEVER: Final = 1 << 62


def _least(rule: LabelRule, entity: str) -> int:
    """How many findings of `entity` alone make `rule` match."""
    if rule.kind is RuleKind.ALL_OF and len(rule.entities) > 1:
        return _NEVER
    return next((least for name, least in rule.entities if name == entity), _NEVER)
