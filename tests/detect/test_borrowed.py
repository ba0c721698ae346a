"""A rule sees words and a value that do not stand beside each other, and answers for the value only."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.detect.borrowed import LONGEST, borrower, found_beside
from gateway.detect.patterns import NATIONAL
from gateway.detect.rules import GAP, LEFT, RIGHT, Rule
from gateway.detect.worldwide import WORLDWIDE

TICKET = Rule("ticket", "QQ", LEFT + r"[0-9]{6}" + RIGHT, 0.8, context="ticket|票", bare=0.5, after=6)
CODE = Rule("code", "WECHAT", r"(?:code|码)" + GAP + r"(?P<v>[a-z]{4}|[0-9]{5})", 0.7)
PLAIN = Rule("plain", "EMAIL", r"[0-9]{3}", 0.9)
RULES = borrower((TICKET, CODE, PLAIN))


def names(words):
    return [rule.name for rule in RULES.called(words)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("my Ticket", ["ticket"]),
        ("票", ["ticket"]),
        ("code of", ["code"]),
        ("ticket code", ["ticket", "code"]),
        ("", []),
    ],
)
def test_words_call_for_the_rules_that_ask_for_them(words, expected):
    assert names(words) == expected


def test_words_in_any_case_call_for_the_rules_that_may_find_the_whole_number():
    ticket = [("ticket: ", "123456"), ("My TICKET no. ", "123456"), ("\u017fee Ticket ", "123456")]
    assert [[rule.name for rule in RULES.called_whole(before, digits, "")] for before, digits in ticket] == [
        ["ticket"]
    ] * 3
    assert [rule.name for rule in RULES.called_whole("ticket code: ", "12345", "")] == ["code"]
    assert RULES.called_whole("", "123456", "") == []


@pytest.mark.parametrize(
    ("before", "value", "whole", "expected"),
    [
        ("ticket: ", "123456", False, [("QQ", 0.8, 0, 6)]),
        ("票", "123456", True, [("QQ", 0.8, 0, 6)]),
        ("ticket: ", "x 123456", False, [("QQ", 0.8, 2, 8)]),
        ("ticket: ", "x 123456", True, []),
        ("ticket 654321: ", "x", False, []),
        ("number: ", "123456", False, []),
        ("code: ", "abcd", True, [("WECHAT", 0.7, 0, 4)]),
    ],
)
def test_only_what_lies_in_the_value_counts_and_only_at_its_full_score(before, value, whole, expected):
    assert list(found_beside(RULES.called(before), before, value, whole=whole)) == expected


def test_words_behind_a_value_count_too():
    assert list(found_beside(RULES.called("票 "), "no. ", "123456", " 票")) == [("QQ", 0.8, 0, 6)]


EVERY = borrower((*NATIONAL, *WORLDWIDE))
WORDS = st.one_of(*(st.from_regex(cue, fullmatch=True) for cue, _ in EVERY.rules))
GAPS = st.one_of(
    st.from_regex(GAP, fullmatch=True),
    st.sampled_from(("", " ", ": ", " number is ", "号码：", " (", " +", "线", " of 12-", "\n\n", "\u017f ", " no. ")),
)
NUMBERS = st.one_of(
    st.text("0123456789", min_size=9, max_size=LONGEST),
    st.sampled_from(
        ("9434765919", "536904399", "2025550123", "01088886666", "900700001", "234123412346", "8613812345678")
    ),
)
AFTER = st.sampled_from(("", ".", " 是他的身份证", ", my phone", "-ab"))


@given(WORDS, GAPS, NUMBERS, AFTER)
@example("PHON\u0130", " +", "2025550123", "")
@example("telephone", " +", "2025550123", "")
@example("my phone", " is (", "01088886666", "")
def test_no_rule_that_finds_a_whole_number_goes_without_being_called(words, gap, digits, after):
    before = (words + gap)[-48:]
    if before[-1:].isascii() and before[-1:].isalnum():
        before = before[:-1] + " "
    everything = [found for cue, found in EVERY.rules if cue.search(before.casefold())]
    expected = list(found_beside(everything, before, digits, after, whole=True))
    assert list(found_beside(EVERY.called_whole(before, digits, after), before, digits, after, whole=True)) == expected
