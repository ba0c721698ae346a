"""What a fact can be, in words: `label internal or public`, `needs tools`, `Mon–Fri 08:00–20:00 (UTC+08:00)`.

Used wherever a set of facts is said: in explanations, in what would change them, in the regions of a comparison. Each
clause stands on its own, in English and in Chinese.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from gateway.policy import week_words
from gateway.policy.compiled import OTHER_CLASS, Fact
from gateway.policy.space import ANY_MODEL
from gateway.policy.words import Language, Table, fill

_WORDS: Final[Table] = MappingProxyType(
    {
        "label": ("label {values}", "标签为 {values}"),
        "model": ("model {values}", "模型为 {values}"),
        "tenant_class": ("tenant class {values}", "租户类别为 {values}"),
        "complexity": ("complexity {values}", "复杂度为 {values}"),
        "capability_yes": ("needs {member}", "需要 {member} 能力"),
        "capability_no": ("does not need {member}", "不需要 {member} 能力"),
        "modality_yes": ("with {member}", "含{member}"),
        "modality_no": ("without {member}", "不含{member}"),
        "context": ("context {values}", "上下文长度{values}"),
        "time": ("{values}", "时间为{values}"),
        "pressure": ("the zone {member} is {values}", "区域 {member} {values}"),
        "budget": ("the burst budget is {values}", "云端预算{values}"),
        "own_ceiling_yes": ("the tenant's own ceiling is below that label", "租户自身的外发上限低于该标签"),
        "own_ceiling_no": ("the tenant's own ceiling allows that label", "租户自身的外发上限允许该标签"),
        "pressure_free": ("free", "空闲"),
        "pressure_saturated": ("saturated", "已饱和"),
        "pressure_down": ("down", "不可用"),
        "budget_ok": ("not spent", "未用完"),
        "budget_spent": ("spent", "已用完"),
        "modality_text": ("text", "文本"),
        "modality_image": ("pictures", "图片"),
        "modality_audio": ("sound", "音频"),
        "modality_file": ("files", "文件"),
        "tokens_above": ("above {low} tokens", "超过 {low} 个 token"),
        "tokens_from": ("of {low} tokens or more", "不少于 {low} 个 token"),
        "tokens_to": ("of at most {high} tokens (or not known)", "不超过 {high} 个 token（或未知）"),
        "tokens_below": ("below {high} tokens (or not known)", "少于 {high} 个 token（或未知）"),
        "tokens_above_to": ("above {low} and up to {high} tokens", "超过 {low} 且不超过 {high} 个 token"),
        "tokens_above_below": ("above {low} and below {high} tokens", "超过 {low} 且少于 {high} 个 token"),
        "tokens_from_to": ("of {low} to {high} tokens", "{low} 至 {high} 个 token"),
        "tokens_from_below": ("of {low} to below {high} tokens", "不少于 {low} 且少于 {high} 个 token"),
        "other_class": ("(any other class)", "（其他任何类别）"),
        "other_model": ("(any other name)", "（其他任何名称）"),
        "or": (" or ", " 或 "),
        "comma": (", ", "、"),
        "clauses": (", ", "，"),
        "everything": ("every request", "所有请求"),
    }
)


def word(key: str, language: Language, **gaps: object) -> str:
    """One of the words here."""
    return fill(_WORDS, key, language, **gaps)


def value(fact: str, name: str, language: Language) -> str:
    """One value of a fact as people call it: `down` of `pressure`, a class, a label."""
    if name in (OTHER_CLASS, ANY_MODEL):
        return word("other_class" if name == OTHER_CLASS else "other_model", language)
    key = f"{fact}_{name}"
    return word(key, language) if key in _WORDS and fact in _TRANSLATED else name


_TRANSLATED: Final[Mapping[str, None]] = MappingProxyType(dict.fromkeys((Fact.PRESSURE, Fact.BUDGET, Fact.MODALITY)))


def either(names: Sequence[str], language: Language) -> str:
    """`a, b or c`."""
    if len(names) < 2:
        return "".join(names)
    return word("comma", language).join(names[:-1]) + word("or", language) + names[-1]


def together(clauses: Sequence[str], language: Language) -> str:
    """Clauses that all hold, as one; `every request` if there is none."""
    return word("clauses", language).join(clauses) or word("everything", language)


def clause(fact: str, member: str, names: Sequence[str], language: Language) -> str:
    """That `fact` (of `member`, for capability, modality and pressure) is one of `names`: not for context and time."""
    if fact in (Fact.CAPABILITY, Fact.MODALITY, "own_ceiling"):
        return word(f"{fact}_{names[0]}", language, member=value(fact, member, language))
    values = either([value(fact, name, language) for name in names], language)
    # The names in brackets bring their own space.
    return word(fact, language, member=member, values=values).replace(" （", "（")


def tokens(low: int, high: int | None, language: Language) -> str:
    """A context from `low` to before `high` tokens. The limits of a model are written 32k: 32769 is above 32768."""
    above, at_most = low % 1024 == 1, high is not None and high % 1024 == 1
    start, end = "above" if above else "from", "to" if at_most else "below"
    if high is None:
        return word(f"tokens_{start}", language, low=low - above)
    if not low:
        return word(f"tokens_{end}", language, high=high - at_most)
    return word(f"tokens_{start}_{end}", language, low=low - above, high=high - at_most)


def context(spans: Iterable[tuple[int, int | None]], language: Language) -> str:
    """That the context lies in one of `spans`, each from a number of tokens to before another (None: no end)."""
    said = [tokens(low, high, language) for low, high in spans]
    return word("context", language, values=either(said, language))


def time(spans: Iterable[tuple[int, int]], offset_min: int, language: Language) -> str:
    """That it is within one of `spans` of the week, in minutes UTC, said in the policy's time zone."""
    return word("time", language, values=week_words.spans(spans, offset_min, language))
