"""Patterns and words of a customer's are found in both languages, with context, and through every view."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.recognizers_file import Declared, Pattern
from gateway.core.written import Place
from gateway.detect.declared import one_of, recognizers_of
from gateway.detect.scanner import build_scanner, scanner_digest

AT = Place("r")
BADGE = Declared("badges", "ACME_BADGE", (Pattern("AC-[0-9]{6}", 0.3, AT),), ("badge", "工牌"), (), 1.0, AT)
NAMES = Declared(
    "code names", "ACME_PROJECT", (), (), ("Bluebird", "Blue Bird Two", "蓝鸟计划", "C++", "Blue"), 0.8, AT
)
EVERY = (*recognizers_of(BADGE), *recognizers_of(NAMES))


@pytest.fixture(scope="module")
def scanner():
    return build_scanner((), EVERY, clock=lambda: 0.0)


def seen(scanner, text: str) -> list[tuple[str, float]]:
    found = scanner.scan_text(text).findings
    return [
        (text[one.start : one.end], round(one.score, 2)) for one in found if one.detector in ("badges", "code names")
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("AC-123456", [("AC-123456", 0.3)]),
        ("ac-123456", [("ac-123456", 0.3)]),
        ("my badge: AC-123456", [("AC-123456", 0.65)]),
        ("AC-123456 是我的工牌", [("AC-123456", 0.65)]),
        ("badge" + " " * 80 + "AC-123456", [("AC-123456", 0.3)]),
        ("AC-12345", []),
        ("问Bluebird的事", [("Bluebird", 0.8)]),
        ("BLUEBIRD, bluebirds, abluebird", [("BLUEBIRD", 0.8)]),
        ("蓝鸟计划书", [("蓝鸟计划", 0.8)]),
        ("blue\n bird   two", [("blue\n bird   two", 0.8)]),
        ("blue bird", [("blue", 0.8)]),
        ("C++ and c++11", [("C++", 0.8), ("c++", 0.8)]),
        ("Ａ\u200bＣ-１２３４５６", [("Ａ\u200bＣ-１２３４５６", 0.3)]),
        ("QUMtMTIzNDU2IGlzIG1pbmU=", [("QUMtMTIzNDU2IGlzIG1pbmU=", 0.3)]),
    ],
)
def test_what_is_declared_is_found(scanner, text: str, found: list[tuple[str, float]]) -> None:
    assert seen(scanner, text) == found


def test_what_is_split_over_two_messages_is_found(scanner) -> None:
    messages = [{"role": "user", "content": "badge AC-12"}, {"role": "user", "content": "3456"}]
    found = scanner.scan("chat", {"model": "m", "messages": messages}).findings
    assert "ACME_BADGE" in {one.entity for one in found}


@pytest.mark.parametrize(
    ("score", "bare", "near"), [(0.01, 0.01, 0.4), (0.5, 0.5, 0.85), (0.9, 0.9, 1.0), (1.0, 1.0, 1.0)]
)
def test_context_makes_surer_by_as_much_as_in_presidio(score: float, bare: float, near: float) -> None:
    (one,) = recognizers_of(Declared("n", "E", (Pattern("X1", score, AT),), ("word",), (), 1.0, AT))
    assert [round(found.score, 2) for found in one.find("X1", "")] == [bare]
    assert [round(found.score, 2) for found in one.find("Word X1", "")] == [near]


def test_a_list_without_context_has_its_score_everywhere() -> None:
    (one,) = recognizers_of(Declared("n", "E", (), (), ("a b",), 0.3, AT))
    assert one.find("A  B", "")[0].score == 0.3
    (one,) = recognizers_of(Declared("n", "E", (), ("near",), ("ab",), 0.3, AT))
    assert one.find("near ab", "")[0].score == pytest.approx(0.65)


@given(st.lists(st.text("abAB中文 -", min_size=1, max_size=6).filter(str.strip), min_size=1, max_size=12), st.data())
def test_every_word_of_a_list_is_found_and_as_the_longest_that_stands_there(words: list[str], data) -> None:
    import re

    words = [" ".join(word.split()) for word in words]
    regex = re.compile(f"(?i:{one_of(words)})")
    for word in words:
        assert regex.fullmatch(word)
    word = data.draw(st.sampled_from(words))
    found = regex.search(f"，{word}，")
    assert found is not None
    assert found.end() - found.start() >= 1


def test_a_list_of_thousands_is_one_expression_that_shares_beginnings() -> None:
    words = [f"project-{number:04d}" for number in range(2000)]
    assert len(one_of(words)) < sum(map(len, words))


def test_what_is_declared_otherwise_is_another_scanner() -> None:
    def digest(declared: Declared) -> str:
        return scanner_digest((), tuple(recognizers_of(declared)))

    others = [
        BADGE,
        Declared(
            "other", *[getattr(BADGE, name) for name in ("entity", "patterns", "context", "words", "words_score", "at")]
        ),
        Declared("badges", "B", BADGE.patterns, BADGE.context, (), 1.0, AT),
        Declared("badges", "ACME_BADGE", (Pattern("AC-[0-9]{7}", 0.3, AT),), BADGE.context, (), 1.0, AT),
        Declared("badges", "ACME_BADGE", (Pattern("AC-[0-9]{6}", 0.4, AT),), BADGE.context, (), 1.0, AT),
        Declared("badges", "ACME_BADGE", BADGE.patterns, ("badge",), (), 1.0, AT),
        Declared("badges", "ACME_BADGE", BADGE.patterns, BADGE.context, ("word",), 1.0, AT),
        Declared("badges", "ACME_BADGE", BADGE.patterns, BADGE.context, ("word",), 0.9, AT),
        Declared("badges", "ACME_BADGE", BADGE.patterns, BADGE.context, ("world",), 1.0, AT),
    ]
    assert len({digest(one) for one in others}) == len(others)
    assert digest(BADGE) == digest(BADGE) != scanner_digest(())
