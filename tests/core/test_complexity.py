"""How hard requests look: the golden set, what may not change a score, and what may only raise it."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.complexity import (
    CHOICE_PARTS,
    HEAD,
    OPEN_PARTS,
    TAIL,
    USUAL_BANDS,
    Bands,
    Measured,
    Question,
    Scorer,
)
from gateway.core.complexity_weights import CHOICE, OPEN, QUANTILES
from gateway.core.complexity_words import FITTED, JUDGED
from gateway.core.facts import Complexity
from tests.core.complexity_golden import GOLDEN, Golden

SCORER = Scorer()
TEXT = st.text(st.characters(), max_size=300) | st.text("AB. ,?\n$1的证明。，é\ud800", max_size=300)
OPTIONS = "\nA. True, True\nB. False, False\nC. True, False\nD. False, True\nAnswer:"


def score(text: str, before: int = 0) -> float:
    return SCORER.score(Question(text, before))


def counts(text: str, before: int = 0) -> dict[str, float]:
    measured = SCORER.measure(Question(text, before))
    names = CHOICE_PARTS if measured.has_options else OPEN_PARTS
    return dict(zip(names, measured.values, strict=True))


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden.text[:30])
def test_a_chat_request_gets_the_band_that_a_person_would_give_it(golden: Golden) -> None:
    assert USUAL_BANDS.of(score(golden.text)) == golden.band, golden.why


def test_every_band_of_the_golden_set_is_there_in_both_languages() -> None:
    assert {(golden.band, golden.text.isascii()) for golden in GOLDEN} == {
        (band, ascii_) for band in Complexity for ascii_ in (True, False)
    }


@given(TEXT, st.integers(0, 10**9))
def test_every_text_has_a_score_between_0_and_1_and_always_the_same(text: str, before: int) -> None:
    question = Question(text, before)
    assert 0 < SCORER.score(question) < 1
    assert SCORER.score(question) == Scorer().score(question)


@given(TEXT)
def test_the_parts_are_what_the_score_is_made_of(text: str) -> None:
    measured = SCORER.measure(Question(text))
    parts = SCORER.parts(measured)
    base = CHOICE["base"] if measured.has_options else OPEN["base"]
    names = CHOICE_PARTS if measured.has_options else OPEN_PARTS
    assert len(measured.values) == len(names)
    alone = Measured(measured.has_options, tuple(0.0 for _ in names))
    adds = sum(part.adds for part in parts)
    assert (SCORER.weigh(measured) >= SCORER.weigh(alone)) == (adds >= 0) or abs(adds) < 1e-9
    assert base + adds == pytest.approx(
        base + sum({part.name: part.adds for part in parts}.get(name, 0.0) for name in names)
    )
    assert dict(SCORER.adds(measured)) == {part.name: round(part.adds, 4) for part in parts}
    assert [abs(part.adds) for part in parts] == sorted((abs(part.adds) for part in parts), reverse=True)


@given(st.lists(st.floats(-1, 2), min_size=2, max_size=6))
def test_a_larger_sum_never_has_a_lower_score(sums: list[float]) -> None:
    scorer = Scorer({}, {"length": 1.0}, QUANTILES)
    zeros = [0.0] * (len(OPEN_PARTS) - 1)
    scores = [scorer.weigh(Measured(False, (value, *zeros))) for value in sorted(sums)]
    assert scores == sorted(scores)
    assert scores[0] > 0
    assert scores[-1] < 1


def test_where_there_is_no_choice_of_answers_only_decimals_can_lower_a_score() -> None:
    assert {name for name, weight in OPEN.items() if weight < 0 and name != "base"} == {"decimals"}
    assert all(cue.judged is not None and cue.judged > 0 for cue in JUDGED)


@pytest.mark.parametrize(
    "more",
    [
        "Then prove that it is the only one.", "Explain why.", "Refactor the other module, too.",
        "And what if it rains?", "然后证明它是唯一的。", "请比较两者的利弊。", "```\nprint(1)\n```",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "text", ["Find the largest number of the list.", "A man has three dogs and buys two more.", "请介绍这家公司。"]
)
def test_one_more_thing_that_is_asked_makes_nothing_easier(text: str, more: str) -> None:
    assert score(f"{text} {more}") >= score(text)


@given(st.integers(0, 20_000), st.integers(0, 20_000))
def test_a_longer_conversation_before_makes_nothing_easier(one: int, other: int) -> None:
    assert score("And why?", max(one, other)) >= score("And why?", min(one, other))


@pytest.mark.parametrize(
    "words",
    [
        " Thanks!",
        " Thank you very much in advance.",
        "\n\nBest regards,\nMartin",
        " Please answer in English.",
        " Thank you. Many thanks!",
        " 谢谢！",
    ],
)
@pytest.mark.parametrize(
    "text",
    ["Why is the sky blue?", "Compare both laws.", "A man has three dogs. How many legs are there?", "合同有效吗？"],
)
def test_courtesy_changes_no_score(text: str, words: str) -> None:
    assert score(text + words) == score(text)


@pytest.mark.parametrize("text", ["Thanks", "谢谢", "Best regards", "", "\n", "Thank you. Thanks. Cheers."])
def test_a_text_of_nothing_but_courtesy_is_simple(text: str) -> None:
    assert USUAL_BANDS.of(score(text)) is Complexity.SIMPLE


def test_a_thanks_in_a_long_last_sentence_is_part_of_what_is_asked() -> None:
    long = "Say when it comes. Write to the customer so that she is told that we are so very grateful to"
    assert counts(long)["length"] == counts(long.replace("grateful", "pleased!"))["length"]


@pytest.mark.parametrize(
    ("text", "cue", "expected"),
    [
        ("Prove it.", "proof", 1),
        ("PROVE it", "proof", 1),
        ("Prove, derive, deduce: a proof and a theorem by induction", "proof", 3),
        ("improve it", "proof", 0),
        ("请证明它。", "proof", 1),
        ("我想说明", "proof", 0),
        ("3个苹果和15元", "numbers", 3),
        ("He pays $5, then 7% more", "numbers", 2),
        ("每人两个", "sharing", 1),
        ("他走了", "people", 1),
        ("Pay 1.50 or 2.75", "decimals", 2),
        ("v1.1 1.2 1.3 1.4 1.5", "decimals", 3),
        ("Run this:\n```\nx\n```", "code_block", 1),
        ("Translate: ```x``` and prove the theorem", "code_block", 0),
        ("Translate: prove the theorem", "proof", 0),
        ("润色：证明该定理", "proof", 0),
        ("Ask Anna and Tom and Ben", "names", 3),
    ],
)
def test_cues_are_found_as_words_in_english_and_as_phrases_in_chinese(text: str, cue: str, expected: float) -> None:
    assert counts(text)[cue] == expected


def test_no_word_belongs_to_two_cues() -> None:
    words = [word for cue in (*FITTED, *JUDGED) for word in (*cue.words, *cue.phrases)]
    assert len(words) == len(set(words))
    starts = [phrase[:2] for cue in (*FITTED, *JUDGED) for phrase in cue.phrases]
    assert len(starts) == len(set(starts))


@pytest.mark.parametrize("mark", [". ", ") ", "、"])
def test_answers_to_choose_from_are_told_from_the_question(mark: str) -> None:
    text = f"Which is right?\nA{mark}one\nB{mark}two\nC{mark}three"
    assert SCORER.measure(Question(text)).has_options
    assert SCORER.measure(Question("合同有效吗？" + text[15:])).has_options


@pytest.mark.parametrize("text", ["B. two", "x\nB. two", "\nA. one\nBut why?", "A. one\nB. two"])
def test_what_only_looks_like_an_answer_to_choose_is_part_of_the_question(text: str) -> None:
    assert not SCORER.measure(Question(text)).has_options


def test_answers_that_only_combine_the_same_words_ask_for_several_judgements() -> None:
    asked = "Statement 1 | All groups are rings. Statement 2 | All rings are groups."
    apart = "\nA. Both hold always\nB. Neither is ever so\nC. First only\nD. Second only\nAnswer:"
    assert score(asked + OPTIONS) > score(asked + apart)
    assert counts(asked + OPTIONS)["statements"] == 1
    assert counts("Which?\nA. \nB. ")["options_repeat"] == 0


def test_of_a_long_text_the_beginning_and_the_end_are_read_and_the_length_counts() -> None:
    filler = "and so on " * 1000
    assert counts(f"Prove it. {filler}")["proof"] == 1
    assert counts(f"{filler} Prove it.")["proof"] == 1
    assert counts("x " * HEAD + "Prove it. " + "x " * (2 * TAIL))["proof"] == 0
    assert counts(filler)["length"] > counts(filler[: HEAD + TAIL])["length"]
    assert counts("无关的话" * 1000 + "请证明")["proof"] == 1


def test_chinese_is_as_long_as_it_is_in_bytes() -> None:
    assert counts("合同" * 30)["length"] == pytest.approx(counts("x" * 180)["length"], abs=0.01)
    # A sign here and there makes no text Chinese.
    assert counts("“" + "x" * 178 + "”")["length"] == pytest.approx(counts("x" * 180)["length"], abs=0.01)


@pytest.mark.parametrize(
    ("bands", "expected"),
    [
        (Bands(), ("simple", "medium", "medium", "hard", "hard")),
        (Bands(0.0, 0.9), ("medium", "medium", "medium", "medium", "hard")),
        (Bands(1.0, 1.0), ("simple", "simple", "simple", "simple", "simple")),
    ],
)
def test_bands_part_where_they_are_told_to(bands: Bands, expected: tuple[str, ...]) -> None:
    assert tuple(bands.of(score) for score in (0.349, 0.35, 0.749, 0.75, 0.99)) == expected


def test_the_quantiles_rise() -> None:
    assert len(QUANTILES) == 101
    assert all(one < other for one, other in pairwise(QUANTILES))


def test_a_question_with_options_tells_what_its_counts_add_by_weights_of_its_own() -> None:
    measured = SCORER.measure(Question("Which of these is a prime number?\nA. 4\nB. 6\nC. 7\nD. 9"))
    assert measured.has_options
    adds = dict(SCORER.adds(measured))
    assert adds
    assert set(adds) <= set(CHOICE_PARTS)
    assert adds == {part.name: round(part.adds, 4) for part in SCORER.parts(measured) if part.name in adds}
