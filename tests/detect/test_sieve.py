"""What the sieve keeps back holds nothing: with it, the same is found as in all runs of groups that there are."""

import re
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.detect.checksums import is_card_range, luhn
from gateway.detect.composed import GroupedRecognizer, composed
from gateway.detect.rules import NUMBER
from gateway.detect.runs import run_around, runs

GROUPED = next(found for found in composed() if isinstance(found, GroupedRecognizer))
EVERY_GROUP = re.compile(r"(?<![0-9A-Za-z])[0-9]")
UNSIEVED = replace(GROUPED, sieve=EVERY_GROUP)
NINE = re.compile(NUMBER)
ENDS = re.compile(f"(?={NUMBER})")

SIZES = (
    (3, 4, 4), (3, 8), (7, 4), (4, 4, 3), (3, 3, 5), (3, 3, 3, 2), (5, 6), (1,) * 11, (4, 4, 4, 4), (4, 4, 4, 4, 3),
    (4, 6, 5), (4, 6, 4), (4, 12), (4, 8, 4), (4, 4, 8), (6, 13), (6, 12), (6, 10), (8, 8), (3, 2, 4), (6, 8, 4),
    (1,) * 16, (1,) * 18, (2,) * 8, (3, 3, 3), (3, 3, 4), (2, 2, 2, 3), (5, 5, 5), (6, 6, 6), (8, 8, 2), (9, 9, 1),
    (9, 1), (12, 12, 1), (7, 7, 2), (1,) * 9, (2, 14), (13, 2), (5, 5, 4), (4, 4, 1), (17, 1), (8, 1),
)  # fmt: skip
ISSUED = (
    *(("4", 13), ("4", 16), ("4", 19), ("51", 16), ("2221", 16), ("27", 16), ("34", 15), ("36", 14), ("62", 19)),
    *(("81", 16), ("9", 18), ("50", 14), ("3528", 16), ("67", 15), ("1800", 15), ("2131", 15), ("62", 17)),
)
NO_MOBILE = ((3, 4, 4, 1),)
WHOLE = "".join
MARKS = " -./:_|,;\t\n、，：\u2013\u3000\xa0"

separators = st.one_of(st.sampled_from(MARKS), st.text(MARKS, min_size=1, max_size=5))
digits = st.text("0123456789", min_size=1, max_size=19)


def card(head, length, middle="1" * 18):
    body = (head + middle)[: length - 1]
    return next(body + check for check in "0123456789" if luhn(body + check))


def resident(body):
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    total = sum(weight * int(digit) for weight, digit in zip(weights, body, strict=True))
    return body + "10X98765432"[total % 11]


numbers = st.one_of(
    st.builds(
        lambda head, middle: card(*head, middle),
        st.sampled_from(ISSUED),
        st.text("0123456789", min_size=18, max_size=18),
    ),
    st.builds(
        lambda place, day, last: resident(place + day + last),
        st.sampled_from(("110101", "440305", "500101", "820000", "910000", "650102")),
        st.sampled_from(("19491231", "20010101", "18991130")),
        st.sampled_from(("001", "772", "018", "002")),
    ),
    st.builds(lambda rest: "138" + rest, st.text("0123456789", min_size=8, max_size=8)),
    st.sampled_from(("123456789", "943476591", "9434765919", "2025550123", "078051121", "13800138000")),
    digits,
)


@st.composite
def grouped(draw):
    """A number in groups, as people write it or in any other way."""
    number = draw(numbers)
    usual = [sizes for sizes in SIZES if sum(sizes) == len(number)]
    odd = st.lists(st.integers(1, 19), min_size=1, max_size=9)
    sizes = draw(st.one_of(st.sampled_from(usual or SIZES), st.sampled_from(SIZES), odd))
    groups, rest = [], number
    for size in sizes:
        groups.append(rest[:size])
        rest = rest[size:]
    groups = [group for group in (*groups, rest) if group]
    between = draw(separators)
    if draw(st.integers(0, 3)):
        return between.join(groups)
    return WHOLE(group + draw(separators) for group in groups)


WORDS = (
    *("", " ", "SSN ", "my phone: ", "卡号", "NHS number is ", "aadhaar ", "x", "X", " x ", "12", "\n", "电话：", "é"),
    *("v1.", "2024-06-26 12:59:40,642", " | ", "0.443276", "10.20.30.40", "978-7-4143-2269-0", "A1-", "ab12-"),
)
texts = st.lists(st.one_of(grouped(), grouped(), separators, st.sampled_from(WORDS)), min_size=1, max_size=7).map(WHOLE)


@given(texts)
@example("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1")
@example("1|1|0|1|0|5|1|9|4|9|1|2|3|1|0|0|2|X")
@example("11010519491231002 X")
@example("1 101011949120101360 ")
@example("1800-12345678-907")
def test_nothing_is_found_where_the_sieve_lets_nothing_through(text):
    expected = UNSIEVED.find(text, "")
    assert GROUPED.find(text, "") == expected


@given(st.lists(texts, min_size=1, max_size=4), st.booleans())
@example(["see 138", "12345678"], False)
@example(["138 0000 0000400 0000 0000 06 ::::", "2131000000000-01 "], False)
def test_across_joins_the_same_is_found_where_it_is_known_what_ends_where(pieces, is_behind):
    text = WHOLE(pieces)
    joins = [len(WHOLE(pieces[:index])) for index in range(1, len(pieces))]
    # Where a number ends, or with the character behind it: Hyperscan tells the latter.
    places = {match.start() + len(NINE.match(text, match.start())[0]) for match in ENDS.finditer(text)}
    ends = sorted({min(len(text), end + is_behind) for end in places})
    every = UNSIEVED.find(text, "")
    found = GROUPED.find_across(text, joins)
    assert found == UNSIEVED.find_across(text, joins)
    assert found == [one for one in every if one in found]
    assert all(one in found for one in every if any(one.start < join < one.end for join in joins))
    assert not ends or GROUPED.find_across(text, joins, ends) == found


@pytest.mark.parametrize("first", [f"{first:02}" for first in range(100)])
def test_the_sieve_knows_the_first_digits_of_every_issuer(first):
    for issuer in (first + rest for rest in ("00", "21", "31", "50", "99")):
        for length in range(12, 20):
            number = card(issuer, length)
            if is_card_range(number):
                text = f"{number[:-2]}-{number[-2:]}"
                assert GROUPED.find(text, "") == UNSIEVED.find(text, "")
                assert length < 14 or UNSIEVED.find(text, "")


def cut(number, sizes, between):
    places = [sum(sizes[:index]) for index in range(len(sizes) + 1)]
    return between.join(number[first:last] for first, last in pairwise(places))


@pytest.mark.parametrize("between", ["-", " ", "   \xa0", "_", "\u3000", ". "])
@pytest.mark.parametrize(
    ("entity", "number", "sizes"),
    [
        *(("CN_MOBILE", "13812345678", sizes) for sizes in SIZES if sum(sizes) == 11 and sizes not in NO_MOBILE),
        *(("BANK_CARD", card("4", 16), sizes) for sizes in SIZES if sum(sizes) == 16),
        *(("BANK_CARD", card("62", 19), sizes) for sizes in SIZES if sum(sizes) == 19 and len(sizes) > 1),
        ("BANK_CARD", card("37", 15), (4, 6, 5)),
        ("BANK_CARD", card("36", 14), (4, 6, 4)),
        ("BANK_CARD", card("1800", 15), (5, 10)),
        ("US_SSN", "536904399", (3, 2, 4)),
        ("CN_RESIDENT_ID", "11010519491231002X", (6, 8, 4)),
        ("CN_RESIDENT_ID", "11010519491231002X", (17, 1)),
        ("CN_RESIDENT_ID", "11010519491231002X", (1,) * 18),
    ],
)
def test_what_is_written_in_groups_gets_through(entity, number, sizes, between):
    text = "see " + cut(number, sizes, between) + " here"
    assert [(found.entity, found.start, found.end) for found in GROUPED.find(text, "")] == [(entity, 4, len(text) - 5)]


@given(texts)
def test_a_run_around_a_group_is_the_one_of_the_whole_text(text):
    every = {start: run for run in runs(text) for start in run.starts}
    done = 0
    for match in EVERY_GROUP.finditer(text):
        run = run_around(text, match.start(), done)
        assert run == every.get(match.start())
        if run is not None:
            done = max(done, run.starts[0])
            assert run_around(text, match.start(), done) == run


@pytest.mark.parametrize(
    "text",
    [
        "2024-06-26 12:59:40,642",
        "0.88972465735",
        "128.151163, 0.443276, 1725564641491, 8",
        "192.168.1.1 and 10.20.30.4",
        "pages 12-34 of 567, 1,234.50 in 2024",
        "1719383976,0",
        "81 | 38,569,119.89 | 0.443276 | 1725564641491",
    ],
)
def test_dates_times_decimals_and_cells_do_not_get_through(text):
    assert GROUPED.sieve.search(text) is None
