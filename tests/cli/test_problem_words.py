"""Every sentence that a problem can say has its Chinese, and only those; what stands in its gaps comes through."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli import approval_words, problem_words, problem_words_phrases, shadow_words
from gateway.cli.problem_words import Chinese, line_of, told
from gateway.core.approval import Fault, Objection
from gateway.core.facts import Budget, Complexity, Modality, RequestFacts, Surroundings
from gateway.core.problems import Problem
from gateway.policy import compile as policy_compile
from gateway.policy import shown_facts, terms
from gateway.policy.fact_words import together
from tests.cli.folder import POLICY
from tests.cli.problem_sources import GAP, ProblemSources
from tests.cli.source_index import SourceIndex

SOURCE = Path(problem_words.__file__).parents[1]
SENTENCES = {english: chinese for table in problem_words.TABLES for english, chinese in table.items()}
PHRASES = {english: chinese for table in problem_words.PHRASES for english, chinese in table.items()}
HAN = re.compile(r"[\u4e00-\u9fff]")
ODD = ("`x`", "{0}", "{}", "秘密", "it's", 'say "no"', "a.*b", "%s", "\\1", "two words", "a, b", "3")

EXPLAINED = "deny: a message for the caller"
"""The one example whose value is prose, and so is Chinese in Chinese."""

# What stands nowhere as it is told: `approval_words` and `shadow_words` have it in both languages, and what a running
# gateway answers is held below against the words that it has.
KNOWN_ELSEWHERE = {
    ("gateway.cli.signed_files", "sentence"),
    ("gateway.cli.policy_shadow", "*lacks.sentences('en')"),
    ("gateway.policy.words", "(chinese if language == 'zh' else english).format(**gaps)"),
    ("gateway.cli.overrides", "refused.error.message"),
}


@cache
def made() -> ProblemSources:
    """What the source makes problems say."""
    sources = ProblemSources(SourceIndex(SOURCE))
    sources.follow_class("gateway.core.problems", "Problem", "message", "mend")
    return sources


@cache
def chinese() -> Chinese:
    return Chinese()


def filled(template: str, gaps: Iterator[str]) -> str:
    first, *rest = template.split(GAP)
    return first + "".join(next(gaps) + part for part in rest)


def answers() -> frozenset[str]:
    """What the API says of requests that it refuses."""
    sources = ProblemSources(made().index)
    for node in sources.index.modules["gateway.errors"].tree.body:
        if isinstance(node, ast.ClassDef):
            constructor = sources.index.constructor("gateway.errors", node)
            if constructor is not None and "message" in constructor.parameters:
                sources.follow_class("gateway.errors", node.name, "message")
    return frozenset(sources.sentences)


# The tables against the source


def test_every_sentence_that_the_source_makes_has_its_chinese() -> None:
    missing = {text: sorted(places) for text, places in made().sentences.items() if text not in SENTENCES}
    assert not missing


def test_every_phrase_that_the_source_puts_into_a_gap_has_its_chinese() -> None:
    missing = {text: sorted(places) for text, places in made().phrases.items() if text not in PHRASES}
    assert not missing


def test_no_table_has_what_no_source_makes() -> None:
    answered = next(table for table in problem_words.TABLES if "There is no pool with this name." in table)
    assert [text for text in SENTENCES if text not in made().sentences and text not in answered] == []
    assert [text for text in problem_words_phrases.PHRASES if text not in made().phrases] == []


def test_what_a_running_gateway_answers_is_what_the_api_says() -> None:
    answered = next(table for table in problem_words.TABLES if "There is no pool with this name." in table)
    assert set(answered) <= answers()


def test_nothing_is_handed_to_a_problem_that_cannot_be_followed() -> None:
    assert made().unfollowed == KNOWN_ELSEWHERE


def test_following_finds_what_helpers_tables_branches_and_callers_say() -> None:
    sentences = made().sentences
    assert {
        "Did you mean `{}`?",  # a helper's answer
        "A second `: ` stands on one line.",  # a table of sentences
        "This certificate is there already.",  # a branch
        "This secret must be at least 32 bytes as hex or base64.",  # a parameter's callers
        "This expression matches an empty text.",  # a field of what a function returns
        "This link leads nowhere.",  # a tuple that is handed on with a star
        "What was in force here cannot be believed: its seal is not ours.",  # a field of an exception
    } <= set(sentences)


def test_no_sentence_stands_in_two_tables() -> None:
    assert len(SENTENCES) == sum(map(len, problem_words.TABLES))
    assert len(PHRASES) == sum(map(len, problem_words.PHRASES))


# Each sentence


@pytest.mark.parametrize("table", [SENTENCES, PHRASES], ids=["sentences", "phrases"])
def test_each_gap_comes_through_exactly_once(table: dict[str, str]) -> None:
    for english, translated in table.items():
        gaps = re.findall(r"\{(\d?)\}", translated)
        count = english.count(GAP)
        assert len(gaps) == count, english
        assert gaps in ([""] * count,) or sorted(gaps) == [str(number) for number in range(count)], english


@pytest.mark.parametrize("table", [SENTENCES, PHRASES], ids=["sentences", "phrases"])
def test_what_stands_in_backticks_is_the_same_in_both_languages(table: dict[str, str]) -> None:
    for english, translated in table.items():
        quoted, kept = (re.sub(r"\{\d?\}", GAP, text).split("`")[1::2] for text in (english, translated))
        assert {one for one in quoted if one != EXPLAINED} <= set(kept), english


def test_each_is_chinese_and_ends_as_chinese_does() -> None:
    for english, translated in SENTENCES.items():
        if english.startswith("pip install"):
            assert translated == english
            continue
        assert HAN.search(translated), english
        assert translated.endswith(("。", "？")) or english.endswith(GAP), english
        assert not re.search(r"[\u4e00-\u9fff][,;:?!]", translated), english


@pytest.mark.parametrize("odd", ODD)
def test_what_stands_in_a_gap_survives_in_both_languages(odd: str) -> None:
    for english in (*SENTENCES, *PHRASES):
        count = english.count(GAP)
        message = filled(english, (f"{odd}{number}" for number in range(count)))
        translated = chinese().told(message) if english in SENTENCES else chinese()._filled(message)
        for number in range(count):
            assert f"{odd}{number}" in message
            assert f"{odd}{number}" in translated.replace("、", ", "), english


def test_no_other_sentence_claims_what_one_says() -> None:
    for english, translated in SENTENCES.items():
        message = filled(english, (f"`n{number}`" for number in range(english.count(GAP))))
        numbers = (int(one) if one else at for at, one in enumerate(re.findall(r"\{(\d?)\}", translated)))
        expected = re.sub(r"\{\d?\}", GAP, translated)
        assert chinese().told(message) == filled(expected, (f"`n{number}`" for number in numbers)), english


@given(st.text(), st.text())
def test_a_sentence_that_no_table_has_stays_as_it_is(message: str, mend: str) -> None:
    problem = Problem("f", 1, 2, f"Nobody says {message}", mend)
    assert f"f:1:2: Nobody says {message}" in chinese().shown(problem)
    assert mend in chinese().shown(problem)


# A problem as a whole


@pytest.mark.parametrize(
    ("problem", "line"),
    [
        (Problem("p", 3, 5, "`x` has no key `at`.", "Did you mean `to`?"), "p:3:5: `x` 没有键 `at`。是否想写 `to`？"),
        (Problem("p", 0, 0, "The file is empty."), "p: 文件是空的。"),
        (Problem("p", 1, 1, "Each of `models` must be a name."), "p:1:1: `models` 的每一项必须是名称。"),
        (Problem("p", 1, 1, "Nobody knows this.", "Add it."), "p:1:1: Nobody knows this. 请补上。"),
        (Problem("p", 1, 1, "The ceiling of The class `a` must be a name."), "p:1:1: 类别 `a` 的上限必须是名称。"),
        (Problem("p", 1, 1, "The tenant class `a` does not exist."), "p:1:1: 租户类别 `a` 不存在。"),
        (Problem("p", 1, 1, "The zone `a` does not exist.", "Known: x, y."), "p:1:1: 区域 `a` 不存在。已有：x、y。"),
        (
            Problem("p", 1, 1, "The tenant class (a name with other characters) does not exist."),
            "p:1:1: 租户类别不存在（名称含有其他字符）。",
        ),
        (
            Problem("lane.yaml", 0, 0, "tg-role: There is a role of this name that Tidegate did not make."),
            "lane.yaml: tg-role：已有同名角色，不是 Tidegate 创建的。",
        ),
        (Problem("the weights", 0, 0, "The path is absolute."), "权重: 路径是绝对路径。"),
    ],
)  # fmt: skip
def test_a_problem_is_told_with_its_place(problem: Problem, line: str) -> None:
    assert line_of(problem, "zh") == line
    assert line_of(problem, "en") == str(problem)


def test_english_is_as_it_was() -> None:
    assert told("The file is empty.", "en") == "The file is empty."


def test_places_that_are_no_files_are_those_of_a_package() -> None:
    source = (SOURCE / "core" / "parcel.py").read_text(encoding="utf-8")
    assert all(f'Problem("{place}"' in source for place in problem_words_phrases.PLACES)


# What other tables have in both languages


@pytest.mark.parametrize("fault", Fault)
def test_what_signatures_lack_is_told_as_approval_words_has_it(fault: Fault) -> None:
    objection = Objection(fault, subject="ann", highest=7)
    assert told(approval_words.of_objection(objection, "en"), "zh") == approval_words.of_objection(objection, "zh")


@pytest.mark.parametrize("kind", terms.Kind)
def test_what_is_raised_is_told_as_approval_words_has_it(kind: terms.Kind) -> None:
    one = terms.Raise(kind, "ward", "internal", "public")
    assert told(approval_words.of_raise(one, "en"), "zh") == approval_words.of_raise(one, "zh")


def test_that_nothing_was_promoted_is_told_as_shadow_words_has_it() -> None:
    assert told(shadow_words.say("not_signed", "en"), "zh") == shadow_words.say("not_signed", "zh")


@pytest.mark.parametrize(
    "given_facts",
    [
        {"complexity": Complexity.HARD},
        {"capabilities": frozenset({"tools", "json"})},
        {"modalities": frozenset(Modality)},
        {"context_tokens": 4096},
        {"model": "other"},
        {"ceiling": 0},
        {"surroundings": Surroundings(minute_of_week=61)},
        {"surroundings": Surroundings(minute_of_week=9 * 1440 // 2)},
        {"surroundings": Surroundings(budget=Budget.SPENT)},
    ],
)  # fmt: skip
def test_an_unusual_request_is_told_as_it_is_in_explanations(given_facts: dict[str, object]) -> None:
    compiled = policy_compile.load(POLICY.encode(), "policy.yaml")
    usual = {"label_low": 0, "label_high": 0, "tenant_class": "default", "ceiling": 1, "model": "chat"}
    facts = RequestFacts(**usual | given_facts)  # type: ignore[arg-type]
    english, translated = (together([*shown_facts.unusual(compiled, facts, to)], to) for to in ("en", "zh"))
    message = f"No route matches requests labelled `a` (for example: {english})."
    assert told(message, "zh") == f"没有路由匹配标签为 `a` 的请求（例如：{translated}）。"


def test_a_day_of_the_week_is_known_by_each_of_its_names() -> None:
    days = chain.from_iterable(re.findall(r"^(\w{3}) \{\}$", text) for text in problem_words_phrases.CLAUSES)
    assert list(days) == ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
