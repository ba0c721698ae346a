"""A rule that knows which runs of digits it needs finds around them what it finds in the whole text."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.detect import patterns, worldwide
from gateway.detect.rules import AROUND, recognizer, windows_around
from gateway.detect.runs import digit_runs
from tests.detect.samples import IN_CONTEXT, NEGATIVE, POSITIVE

NEAR = [recognizer(rule) for rule in (*patterns.NATIONAL, *worldwide.WORLDWIDE) if rule.runs]
NUMBERS = [text for _, text in (*POSITIVE, *IN_CONTEXT, *NEGATIVE) if any(c.isdigit() for c in text)]
BETWEEN = ["", " ", "-", ".", "x", "X", "A", "号", "(", "+", "86", "7", "0", "phone ", "ssn ", " - " * 20, "9" * 90]


def unchecked(near, windows, text):
    """Every match, whatever its digits are worth."""
    return [match.span() for match in near.matches_near(windows, text)]


@pytest.mark.parametrize("near", NEAR, ids=[near.name for near in NEAR])
@settings(max_examples=25)
@given(data=st.data())
def test_around_its_runs_a_rule_finds_what_it_finds_in_the_whole_text(near, data):
    piece = st.sampled_from(NUMBERS) | st.sampled_from(BETWEEN) | st.from_regex(near.regex, fullmatch=True)
    text = "".join(data.draw(st.lists(piece, max_size=9)))
    runs = digit_runs(text)
    own = [span for length, spans in runs.items() if length in near.rule.runs for span in spans]
    # Around its own runs, and around those of all rules together.
    for spans in (own, [span for found in runs.values() for span in found]):
        assert list(near.find_near(windows_around(spans), text, "p")) == list(near.find(text, "p"))
        assert list(unchecked(near, windows_around(spans), text)) == [
            match.span() for match in near.regex.finditer(text)
        ]


@pytest.mark.parametrize("near", NEAR, ids=[near.name for near in NEAR])
def test_no_match_reaches_from_its_run_to_the_end_of_a_window(near):
    _, widest = re._parser.parse(near.rule.pattern).getwidth()
    assert widest - min(near.rule.runs) + 10 < AROUND


def test_runs_of_digits_are_told_by_their_length():
    assert digit_runs("a1234b 123 0987x12345") == {4: [(1, 5), (11, 15)], 5: [(16, 21)]}
