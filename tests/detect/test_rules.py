"""Words of a context are found in any case, and a pattern without case finds them no differently."""

import re

import pytest

from gateway.detect.rules import Rule, folded, recognizer


def test_small_letters_find_in_folded_text_what_they_find_without_case():
    letters = re.compile("[a-z]", re.IGNORECASE)
    for character in map(chr, range(0x20000)):
        found = letters.match(character)
        assert bool(found) == bool(re.search("[a-z]", folded(character)))
        assert not found or re.fullmatch(folded(character), character, re.IGNORECASE)


@pytest.mark.parametrize(
    ("context", "is_folded"),
    [("tax id|身份证|आधार", True), ("(?i)passport", True), ("Tax", False), (r"tax\S", False), ("größe", False)],
)
def test_only_a_context_of_small_letters_is_sought_in_folded_text(context, is_folded):
    found = recognizer(Rule("r", "E", "[0-9]{4}", 0.9, context=context))
    assert found.is_folded == is_folded


@pytest.mark.parametrize("words", ["Tax ID", "TAX \u0130D", "tax id", "GRÖSSE tax \u0131d", "\u017fin", "ta\u212a"])
@pytest.mark.parametrize("context", ["tax id|sin|tak", "Tax id|sin|tak"])
def test_words_count_in_any_case(words, context):
    rule = Rule("r", "E", "[0-9]{4}", 0.9, context=context)
    assert recognizer(rule).find(f"{words}: 1234", "")
    assert not recognizer(rule).find("tux: 1234", "")
