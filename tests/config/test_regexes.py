"""A customer's expression runs on every request only if nothing about it is known to be dangerous."""

import re

import pytest

from gateway.config.regexes import fault_of, tokens_of

GOOD = [
    "AC-[0-9]{6}",
    r"\b[A-Z]{2}\d{4}\b",
    r"工号[:：]?\s*[A-Z]{2}\d{5}",
    r"(?<![0-9])(?:[ -]?\d{1,4}){3,5}(?![0-9])",
    r"(?P<v>a)+b*",
    r"(?i:secret) (?-i:X)",
    r"(?>ab+)c{2,}+",
    r"(?:\d{4}){2}",
    "a" * 400,
    r"(?:[0-9][ -]?){12,19}",
    r"(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}",
    r"[a-z0-9._%+-]+@[a-z0-9.-]+\.[a-z]{2,}",
    r"(?:\w{1,20}\.){1,5}com",
    r"(?:Anna|Bert|Carl|dora){1,40}",
]
BAD = [
    ("(", "is no regular expression of Python's (character 1)"),
    (r"(?<=a+)b", "is no regular expression of Python's."),
    (r"\p{Han}", "(character 1)"),
    ("a*", "matches an empty text"),
    ("(?=abc)", "matches an empty text"),
    ("^$", "matches an empty text"),
    ("a" * 401, "is longer than 400 characters"),
    ("a" * 1001, "is longer than 1000 characters"),
    (r"(a)\1", "refers back to a group"),
    (r"(a)?(?(1)b|cd)e", "refers back to a group"),
    (r"(?:(a)\1)", "refers back to a group"),
    ("(a+)+b", "repeats without an end what itself repeats"),
    (r"(?:\w+\.)*com", "repeats without an end what itself repeats"),
    ("(?:x|(?:ab{0,40})y){50,}z", "repeats without an end what itself repeats"),
    ("(?:(?>a+)b)+", "repeats without an end what itself repeats"),
    ("(?:(?=a+)b)+", "repeats without an end what itself repeats"),
    ("(a?){31}a{31}", "in more ways than anybody could try"),
    ("(?:a|a){0,40}b", "in more ways than anybody could try"),
    ("(?:[^a]|a|){0,40}b", "in more ways than anybody could try"),
    ("(?:[a-z]{1,30}){1,30}!", "in more ways than anybody could try"),
    (r"x(?:(?:\W|-)?){1,50}#", "in more ways than anybody could try"),
    ("a{99999999999999999999}", "is too deep, or repeats too often"),
    ("(" * 900 + "a" + ")" * 900, "is longer than"),
    ("(" * 490 + "a" + ")" * 490, "is too deep"),
]


@pytest.mark.parametrize("pattern", GOOD)
def test_an_expression_that_is_not_dangerous_may_be_tried(pattern: str) -> None:
    assert fault_of(pattern) is None
    assert tokens_of(pattern)


@pytest.mark.parametrize(("pattern", "sentence"), BAD)
def test_another_is_refused_with_a_sentence_that_does_not_quote_it(pattern: str, sentence: str) -> None:
    fault = fault_of(pattern)
    assert fault is not None
    assert sentence in fault.message
    assert fault.mend


def test_an_error_without_a_place_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise re.error("quotes a secret")

    monkeypatch.setattr(re, "compile", refuse)
    fault = fault_of("a")
    assert fault is not None
    assert fault.message == "This is no regular expression of Python's."
