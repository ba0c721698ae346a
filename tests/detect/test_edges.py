"""What a match begins and ends with is among the characters that its pattern says, or nobody knows."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.detect.edges import characters, heads, tails
from gateway.detect.names import NAMES
from gateway.detect.patterns import NATIONAL
from gateway.detect.rules import GAP, recognizer
from gateway.detect.secrets import SECRETS
from gateway.detect.worldwide import WORLDWIDE

REGEXES = [recognizer(rule).regex for rule in (*NATIONAL, *WORLDWIDE, *NAMES, *SECRETS)]


@pytest.mark.parametrize(
    ("pattern", "first", "last"),
    [
        ("ab", "a", "bB"),
        ("a?b|[c-e]x{0,2}", "abcde", "bBcCdDeExX"),
        (r"(?<!z)(?=y)a(?!q)$", "a", "aA"),
        (r"(?P<v>a)\s?", "a", "aA"),
        (r"\sab ", None, "bB"),
        ("(?i:k)b", "kK\u212a", "bB"),
        ("a(?:b|c)??", "a", "abcABC"),
        ("a[^b]", "a", None),
        (".a", None, "aA"),
        ("a?", None, None),
        ("", None, None),
        (r"(a)\1", "a", None),
        (r"[0-9]a*+", "0123456789", None),
    ],
)
def test_the_edges_of_a_pattern(pattern, first, last):
    if first is None and pattern == r"\sab ":
        assert heads(re.compile(pattern)) == {one for one in map(chr, range(0x3001)) if one.isspace()}
    else:
        assert heads(re.compile(pattern)) == (first and set(first))
    assert tails(re.compile(pattern)) == (last and set(last))


def test_without_case_a_head_is_any_letter_that_python_takes_for_it():
    for letter in "abcdefghijklmnopqrstuvwxyz":
        regex = re.compile(letter, re.IGNORECASE)
        assert heads(regex) == {one for one in map(chr, range(0x110000)) if regex.match(one)}


def test_the_characters_of_a_gap_are_all_that_it_matches():
    told = characters(GAP)
    assert told is not None
    assert {" ", "\u3000", ":", "号", "n", "N", "."} <= told
    assert not told & set("0123456789线")
    assert characters("a.") is None


@pytest.mark.parametrize("regex", REGEXES, ids=[regex.pattern[:30] for regex in REGEXES])
@given(data=st.data())
def test_matches_begin_and_end_as_their_pattern_says(regex, data):
    first, last = heads(regex), tails(regex)
    match = regex.search(data.draw(st.from_regex(regex)))
    if match is None or not match[0].strip():
        return
    assert first is None or match[0][0] in first
    assert last is None or match[0].rstrip()[-1] in last
