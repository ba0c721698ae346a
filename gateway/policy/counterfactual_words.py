"""What would change an answer, in one sentence: `If the label were internal rather than restricted, …`.

Conditions are clauses of one sentence in either language, so that two of them can stand together.
"""

from collections.abc import Iterable, Iterator
from types import MappingProxyType
from typing import Final

from gateway.core.decision import Allow
from gateway.core.facts import RequestFacts
from gateway.policy import fact_words, week_words
from gateway.policy.compiled import CompiledPolicy, Fact
from gateway.policy.counterfactual import CEILING, Changed, Counterfactual
from gateway.policy.labelling import Cause, Reason
from gateway.policy.words import Language, Table, fill

_WORDS: Final[Table] = MappingProxyType(
    {
        "would": ("What would change it: {changes}, {result}.", "如何改变结果：若{changes}，则{result}。"),
        "nothing": (
            "Nothing would change it: no other value of any one or two facts leads elsewhere.",
            "如何改变结果：任何一项或两项事实发生变化，都不会改变去向。",
        ),
        "and": (" and ", "，且"),
        "list": (", ", "、"),
        "go": ("it would go to {pools}", "将发往 {pools}"),
        "refused": ("it would be refused", "将被拒绝"),
        "label": ("with the label {value} instead of {now}", "标签为 {value} 而非 {now}"),
        "label_without": (
            "with the label {value} instead of {now} (without {entities})",
            "标签为 {value} 而非 {now}（即不含 {entities}）",
        ),
        "label_vouched": (
            "with the label {value} instead of {now} (the tenant class would have to vouch for it)",
            "标签为 {value} 而非 {now}（需由租户类别作出声明）",
        ),
        "model": ("with the model {value}", "模型改为 {value}"),
        "tenant_class": ("for the tenant class {value}", "租户类别为 {value}"),
        "complexity": ("with complexity {value} instead of {now}", "复杂度为 {value} 而非 {now}"),
        "capability_no": ("without the need for {value}", "不需要 {value} 能力"),
        "capability_yes": ("if it needed {value}", "还需要 {value} 能力"),
        "modality_no": ("without {value}", "不含{value}"),
        "modality_yes": ("with {value} in it", "含有{value}"),
        "context_less": ("with a context of at most {value} tokens", "上下文不超过 {value} 个 token"),
        "context_more": ("with a context of {value} tokens or more", "上下文达到 {value} 个 token"),
        "time": ("from {value} on ({zone})", "等到{value}（{zone}）"),
        "pressure": ("if the zone {member} were {value}", "区域 {member} {value}"),
        "budget": ("if the burst budget were {value}", "云端预算{value}"),
        "ceiling": ("if this tenant's ceiling were {value}", "该租户的外发上限为 {value}"),
        "ceiling_none": ("if nothing of this tenant could leave", "该租户的任何内容都不得外发"),
    }
)


def said(
    compiled: CompiledPolicy,
    facts: RequestFacts,
    reasons: Iterable[Reason] | None,
    instead: Counterfactual | None,
    language: Language,
) -> str:
    """`instead` as one sentence. `reasons` say what would have to be left out for a lower label."""
    if instead is None:
        return fill(_WORDS, "nothing", language)
    changes = [_change(compiled, facts, tuple(reasons or ()), changed, language) for changed in instead.changes]
    if isinstance(instead.decision, Allow):
        pools = fill(_WORDS, "list", language).join(instead.decision.pools)
        result = fill(_WORDS, "go", language, pools=pools)
    else:
        result = fill(_WORDS, "refused", language)
    joined = fill(_WORDS, "and", language).join(changes)
    return fill(_WORDS, "would", language, changes=joined, result=result)


def _change(
    compiled: CompiledPolicy, facts: RequestFacts, reasons: tuple[Reason, ...], changed: Changed, language: Language
) -> str:
    value, member = changed.value, changed.member
    if changed.fact == Fact.LABEL:
        return _label(compiled, facts, reasons, str(value), language)
    if changed.fact in (Fact.CAPABILITY, Fact.MODALITY):
        named = fact_words.value(changed.fact, member, language)
        return fill(_WORDS, f"{changed.fact}_{value}", language, value=named)
    if changed.fact == Fact.CONTEXT:
        tokens = int(value or 0)
        return fill(_WORDS, "context_less" if tokens < facts.context_tokens else "context_more", language, value=tokens)
    if changed.fact == Fact.TIME:
        offset = compiled.utc_offset_min
        minute = week_words.minute(int(value or 0), offset, language)
        return fill(_WORDS, "time", language, value=minute, zone=week_words.zone(offset))
    if changed.fact == CEILING and value is None:
        return fill(_WORDS, "ceiling_none", language)
    named = fact_words.value(changed.fact, str(value), language)
    return fill(_WORDS, changed.fact, language, value=named, member=member, now=facts.complexity)


def _label(
    compiled: CompiledPolicy, facts: RequestFacts, reasons: tuple[Reason, ...], value: str, language: Language
) -> str:
    rank, now = compiled.order.rank(value), compiled.order.name(facts.label_high)
    if rank < compiled.labels.default and rank < facts.label_high:
        return fill(_WORDS, "label_vouched", language, value=value, now=now)
    above = list(dict.fromkeys(_entities(reason for reason in reasons if reason.label > rank)))
    if above:
        entities = fill(_WORDS, "list", language).join(above)
        return fill(_WORDS, "label_without", language, value=value, now=now, entities=entities)
    return fill(_WORDS, "label", language, value=value, now=now)


def _entities(reasons: Iterable[Reason]) -> Iterator[str]:
    """What somebody could leave out: entities, and parts that cannot be read."""
    for reason in reasons:
        yield from (finding.entity for finding in reason.findings)
        if reason.cause in (Cause.UNSCANNED, Cause.CARRIER):
            yield reason.subject
