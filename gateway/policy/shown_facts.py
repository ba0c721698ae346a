"""Facts for people: as clauses in both languages, and as the object that `--facts` and the cases take."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from gateway.core.facts import MINUTES_PER_WEEK, Budget, Complexity, Modality, RequestFacts
from gateway.policy import week_words
from gateway.policy.compiled import OTHER_CLASS, CompiledPolicy, Fact
from gateway.policy.document import NONE
from gateway.policy.fact_words import clause
from gateway.policy.keys import DAYS
from gateway.policy.week import MINUTES_PER_DAY
from gateway.policy.words import Language, Table, fill

_WORDS: Final[Table] = MappingProxyType(
    {
        "own_ceiling": ("the tenant's own ceiling {ceiling}", "租户自身的外发上限为 {ceiling}"),
        "context": ("a context of {tokens} tokens", "上下文长度为 {tokens} 个 token"),
        "time": ("on {minute} ({zone})", "时间为{minute}（{zone}）"),
    }
)


def clauses(compiled: CompiledPolicy, facts: RequestFacts, language: Language) -> Iterator[str]:
    """What kind of request it is: label, class and model where there is a choice, and everything unusual."""
    yield clause(Fact.LABEL, "", [compiled.order.name(facts.label_high)], language)
    if compiled.layout.classes:
        yield clause(Fact.TENANT_CLASS, "", [facts.tenant_class], language)
    models = list(compiled.aliases)
    if len(models) + (compiled.any_alias is not None) > 1 and facts.model in models[:1]:
        yield _model(facts, language)
    yield from unusual(compiled, facts, language)


def unusual(compiled: CompiledPolicy, facts: RequestFacts, language: Language) -> Iterator[str]:
    """What is out of the ordinary about a request, but for its label and class. The first model is ordinary."""
    if facts.model not in list(compiled.aliases)[:1]:
        yield _model(facts, language)
    if facts.ceiling != _ceiling_of_class(compiled, facts):
        yield fill(_WORDS, "own_ceiling", language, ceiling=_label(compiled, facts.ceiling))
    if facts.complexity is not Complexity.MEDIUM:
        yield clause(Fact.COMPLEXITY, "", [facts.complexity], language)
    for capability in sorted(facts.capabilities):
        yield clause(Fact.CAPABILITY, capability, ["yes"], language)
    for modality in sorted(facts.modalities - {Modality.TEXT}):
        yield clause(Fact.MODALITY, modality, ["yes"], language)
    if facts.context_tokens:
        yield fill(_WORDS, "context", language, tokens=facts.context_tokens)
    around = facts.surroundings
    if around.minute_of_week:
        offset = compiled.utc_offset_min
        minute = week_words.minute(around.minute_of_week, offset, language)
        yield fill(_WORDS, "time", language, minute=minute, zone=week_words.zone(offset))
    for zone, state in around.pressure:
        yield clause(Fact.PRESSURE, zone, [state], language)
    if around.budget is Budget.SPENT:
        yield clause(Fact.BUDGET, "", [around.budget], language)


def as_given(compiled: CompiledPolicy, facts: RequestFacts) -> Mapping[str, object]:
    """The object that `given_facts.read` makes the same facts of; a class that no file names gets a name."""
    given: dict[str, object] = {"label": compiled.order.name(facts.label_high), "model": facts.model}
    if facts.label_low != facts.label_high:
        given["label_low"] = compiled.order.name(facts.label_low)
    if facts.tenant_class != "default":
        given["tenant_class"] = "any-other-class" if facts.tenant_class == OTHER_CLASS else facts.tenant_class
    if facts.ceiling != compiled.class_ceilings.get(facts.tenant_class, compiled.ceiling):
        given["ceiling"] = _label(compiled, facts.ceiling)
    if facts.capabilities:
        given["capabilities"] = sorted(facts.capabilities)
    if facts.complexity is not Complexity.MEDIUM:
        given["complexity"] = str(facts.complexity)
    if facts.modalities != {Modality.TEXT}:
        given["modalities"] = sorted(facts.modalities - {Modality.TEXT})
    if facts.context_tokens:
        given["context"] = facts.context_tokens
    around = facts.surroundings
    if around.minute_of_week:
        given["time"] = _time((around.minute_of_week + compiled.utc_offset_min) % MINUTES_PER_WEEK)
    if around.pressure:
        given["pressure"] = {zone: str(state) for zone, state in around.pressure}
    if around.budget is not Budget.OK:
        given["budget"] = str(around.budget)
    return given


def _model(facts: RequestFacts, language: Language) -> str:
    return clause("model", "", [facts.model], language)


def _time(minute: int) -> str:
    day, of_day = divmod(minute, MINUTES_PER_DAY)
    return f"{DAYS[day]} {of_day // 60:02}:{of_day % 60:02}"


def _ceiling_of_class(compiled: CompiledPolicy, facts: RequestFacts) -> int | None:
    layout = compiled.layout
    ceiling = layout.classes.get(facts.tenant_class, layout.other_class).ceiling
    return ceiling if ceiling >= 0 else None


def _label(compiled: CompiledPolicy, ceiling: int | None) -> str:
    return compiled.order.names[ceiling] if ceiling is not None else NONE
