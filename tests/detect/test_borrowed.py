"""A rule sees words and a value that do not stand beside each other, and answers for the value only."""

import pytest

from gateway.detect.borrowed import borrower, found_beside
from gateway.detect.rules import GAP, LEFT, RIGHT, Rule

TICKET = Rule("ticket", "QQ", LEFT + r"[0-9]{6}" + RIGHT, 0.8, context="ticket|票", bare=0.5, after=6)
CODE = Rule("code", "WECHAT", r"(?:code|码)" + GAP + r"(?P<v>[a-z]{4})", 0.7)
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
