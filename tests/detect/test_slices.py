"""A search in slices finds what one search finds, and looks at the clock on its way."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.detect import decode, slices
from gateway.detect.slices import is_in, matches

PATTERNS = [
    decode.decoder().encoded,
    re.compile("[0-9]+"),
    re.compile("(?<![a-z])[0-9]{1,9}(?![0-9])"),
    re.compile("(?:ab ){2,}|[a-z]{3,}"),
    re.compile("a|aab"),
]
UNITS = [
    "a",
    "ab ",
    "0",
    "123456789",
    "x" * 70,
    "%41",
    "&#49;",
    "=4D",
    "QUJD" * 20 + "\n",
    "\\u0041",
    "41 ",
    "=",
    "号",
    "\n",
]


class Ticks:
    def __init__(self):
        self.count = 0

    def __call__(self):
        self.count += 1


def spans(found):
    return [(match.span(), match.lastgroup, match.group()) for match in found]


@given(st.lists(st.tuples(st.sampled_from(UNITS), st.integers(1, 60)), max_size=12), st.sampled_from(PATTERNS))
def test_slices_find_what_one_search_finds(parts, pattern):
    text = "".join(unit * times for unit, times in parts)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(slices, "SLICE", 40)
        assert spans(matches(pattern, text, Ticks())) == spans(pattern.finditer(text))
        assert is_in(pattern, text, Ticks()) == bool(pattern.search(text))


@pytest.mark.parametrize("unit", ["a ", "%41", "123 ", " "])
def test_the_clock_is_looked_at_all_the_way_through(unit):
    text = unit * 40_000
    ticks = Ticks()
    for pattern in PATTERNS:
        ticks.count = 0
        for _ in matches(pattern, text, ticks):
            pass
        assert ticks.count >= len(text) / slices.SLICE


def test_no_time_left_ends_the_search():
    def tick():
        raise TimeoutError

    with pytest.raises(TimeoutError):
        is_in(re.compile("b"), "a" * 100, tick)
