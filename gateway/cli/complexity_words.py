"""How a score of complexity is told: the score, its band, and what weighed most in it."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from gateway.core.records import Scored
from gateway.policy.words import Language, Table, fill

_MOST: Final = 6

PARTS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "length": ("length", "长度"),
        "length_over_120": ("length beyond 120 bytes", "超过 120 字节的长度"),
        "sentences": ("sentences", "句数"),
        "commas": ("commas", "逗号"),
        "ands": ("joined clauses", "并列分句"),
        "decimals": ("decimals", "小数"),
        "condition": ("conditions", "条件"),
        "relation": ("relations of size", "大小关系"),
        "sequence": ("order of events", "先后顺序"),
        "sharing": ("shares and totals", "分配与合计"),
        "people": ("people", "人称"),
        "past": ("things that happened", "叙事"),
        "judging": ("statements to judge", "待判断的陈述"),
        "numbers": ("numbers", "数字"),
        "names": ("names", "名称"),
        "proof": ("a proof", "证明"),
        "reasoning": ("reasons asked for", "要求说明理由"),
        "code": ("code", "代码"),
        "building": ("something to build or rebuild", "构建或重构"),
        "weighing": ("weighing one against another", "比较与权衡"),
        "law": ("law", "法律"),
        "mathematics": ("mathematics", "数学"),
        "steps": ("several steps", "多个步骤"),
        "writing": ("writing", "写作"),
        "code_block": ("a block of code", "代码块"),
        "conversation": ("the conversation before", "之前的对话"),
        "options_repeat": ("answers that repeat words", "选项用词重复"),
        "options_repeat_half": ("answers of the same few words", "选项只有几个词"),
        "options_length": ("length of the answers", "选项长度"),
        "options_numeric": ("answers that are numbers", "选项是数字"),
        "options_commas": ("answers with several parts", "选项含多个部分"),
        "option_word_length": ("long words in the answers", "选项用词长度"),
        "numeric_of_numbers": ("numbers from numbers", "由数字求数字"),
        "word_length": ("long words", "用词长度"),
        "question_mark": ("a plain question", "直接提问"),
        "vignette": ("a case that is told", "案例描述"),
        "symbols": ("formulas", "公式"),
        "statements": ("several statements at once", "同时判断多条陈述"),
    }
)
"""Each count of core/complexity in words."""


def said(scored: Scored, language: Language) -> Iterator[str]:
    """The score, and the counts that weighed most."""
    which = 0 if language == "en" else 1
    band = fill(_WORDS, f"band_{scored.band}", language)
    yield fill(_WORDS, "score", language, band=band, score=f"{scored.score:.2f}")
    known = [(PARTS[name][which], adds) for name, adds in scored.parts if name in PARTS]
    known.sort(key=lambda one: -abs(one[1]))
    if known:
        shown = fill(_WORDS, "and", language).join(f"{name} {adds:+.3f}" for name, adds in known[:_MOST])
        yield "  · " + fill(_WORDS, "parts", language, parts=shown)


_WORDS: Final[Table] = MappingProxyType(
    {
        "score": ("Complexity: {band}, score {score}.", "复杂度：{band}，评分 {score}。"),
        "parts": ("What weighs most: {parts}.", "主要因素：{parts}。"),
        "and": (", ", "，"),
        "band_simple": ("simple", "简单"),
        "band_medium": ("medium", "中等"),
        "band_hard": ("hard", "困难"),
    }
)
