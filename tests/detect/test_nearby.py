"""Around what triggered it, a recognizer finds what it finds in the whole text."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.detect import prefilter
from gateway.detect.nearby import AroundEnds, AtHeads, Everywhere, way_of, windows
from gateway.detect.prefilter import Everything, Prefilter, build_prefilter
from gateway.detect.rules import PatternRecognizer, Rule, recognizer
from gateway.detect.scanner import RequestScanner, catalogue
from tests.detect.samples import IN_CONTEXT, NEGATIVE, POSITIVE
from tests.detect.triggers import told

CATALOGUE = catalogue(("内部", "Do Not Distribute"))
WAYS = [way_of(found) for found in CATALOGUE]
NEAR = [index for index, way in enumerate(WAYS) if not isinstance(way, Everywhere)]
SAMPLES = [text for _, text in (*POSITIVE, *IN_CONTEXT, *NEGATIVE)]
BETWEEN = [
    "",
    " ",
    "-",
    ".",
    "x",
    "A",
    "号",
    "(",
    "+86",
    "7",
    ", ",
    "phone ",
    "ssn ",
    "Dear ",
    "name ",
    "John ",
    "\n",
    "ſ",
]
# Wider and narrower than windows, so that these end between the pieces and within them.
GAPS = [" - " * 20, "9" * 90, "and so on " * 9, "，好的" * 30, "patient " * 12, "John " * 9]
needs_hyperscan = pytest.mark.skipif(not prefilter.HAS_HYPERSCAN, reason="no Hyperscan on this platform")


@pytest.fixture(scope="module")
def built() -> Prefilter:
    """The prefilter over all recognizers of this build."""
    spied: list[Prefilter] = []

    def build(entries, always):
        spied.append(build_prefilter(entries, always))
        return Everything(frozenset())

    RequestScanner(CATALOGUE, clock=lambda: 0.0, build=build)
    return spied[0]


def shown(index, candidate):
    """What an expression can look like, and all that a rule finds if no check is asked."""
    if not isinstance(candidate, PatternRecognizer) or candidate.name == "ipv6":  # which has its form from its check
        return candidate, WAYS[index], st.nothing()
    unchecked = replace(candidate, rule=replace(candidate.rule, check=None))
    looks = st.from_regex(candidate.regex, fullmatch=True)
    if candidate.context is not None:
        looks |= st.from_regex(candidate.context, fullmatch=True)
    return unchecked, replace(WAYS[index], recognizer=unchecked), looks


@needs_hyperscan
@pytest.mark.parametrize("index", NEAR, ids=[CATALOGUE[index].name for index in NEAR])
@settings(max_examples=20)
@given(data=st.data())
def test_a_recognizer_finds_near_its_trigger_what_it_finds_in_the_whole_text(built, index, data):
    candidate, way, looks = shown(index, CATALOGUE[index])
    own = [text for text in SAMPLES if CATALOGUE[index].find(text, "")] or [""]
    piece = st.sampled_from(own) | looks | st.sampled_from(SAMPLES) | st.sampled_from(BETWEEN) | st.sampled_from(GAPS)
    text = "".join(data.draw(st.lists(piece, min_size=1, max_size=9)))
    seen = dict(told(built, [text])).get(0, {})
    found = list(way.find(text, seen[index])) if index in seen else []
    assert found == list(candidate.find(text, ""))
    # Where nobody says where, everywhere.
    assert list(way.find(text, ())) == found


@needs_hyperscan
@given(address=st.ip_addresses(v=6), is_short=st.booleans(), around=st.sampled_from(["", " ", "，", ".", "x", ":"]))
def test_an_ipv6_address_is_looked_for_in_either_form(built, address, is_short, around):
    (index,) = [at for at, found in enumerate(CATALOGUE) if found.name == "ipv6"]
    text = around + (address.compressed if is_short else address.exploded.upper()) + around
    seen = dict(told(built, [text])).get(0, {})
    found = list(WAYS[index].find(text, seen[index])) if index in seen else []
    assert found == list(CATALOGUE[index].find(text, ""))


def test_what_reaches_far_or_is_common_is_tried_everywhere():
    rule = Rule("r", "E", "ab?c", 0.5)
    assert isinstance(way_of(recognizer(rule)), AroundEnds)
    assert isinstance(way_of(recognizer(replace(rule, head="a"))), AtHeads)
    assert isinstance(way_of(recognizer(replace(rule, is_common=True))), Everywhere)
    assert isinstance(way_of(recognizer(replace(rule, pattern="ab{0,500}c"))), Everywhere)


def test_a_window_reaches_as_far_as_a_match_and_the_words_that_it_needs():
    far = Rule("r", "E", "[0-9]{5}", 0.5, context="cue", reach=30, after=20, trigger="cue")
    way = way_of(recognizer(far))
    for text in ("cue" + "." * 27 + "12345", "12345" + "." * 17 + "cue"):
        ends = [text.index("cue") + 3]
        assert [(found.start, found.end) for found in way.find(text, ends)] == [(text.index("1"), text.index("5") + 1)]
        assert ends[0] - way.left <= 0
        assert ends[0] + way.right >= len(text)


def test_windows_that_touch_are_one():
    assert list(windows([4], 9, 2)) == [(0, 6)]
    assert list(windows([4, 4, 12, 25], 6, 2)) == [(0, 14), (19, 27)]
    assert list(windows([20, 28, 37], 6, 2)) == [(14, 30), (31, 39)]


_TO = [
    *("deposit", "wire", "transfer", "refund", "payout", "salary", "paycheck", "payment", "pay", "paid", "credit"),
    *("debit", "remit", "withdraw"),
]
_OF = ["account", "accounts", "acct", "a/c", "beneficiary", "payee", "routing"]


_LONGEST = "paychecks " + "transporting " * 4 + "into " + "-" * 34


@needs_hyperscan
@pytest.mark.parametrize("write", [str, str.upper, str.title, lambda words: words.replace("s", "\u017f")])
@pytest.mark.parametrize(
    "words",
    [
        *_OF,
        *(f"{verb} it to" for verb in _TO),
        *("bank details", "banking information", "sort code", "direct deposit", _LONGEST),
    ],
)
def test_every_word_that_announces_a_bank_account_is_looked_for(built, words, write):
    (index,) = [at for at, found in enumerate(CATALOGUE) if found.name == "bank-account-near"]
    text = f"Please, {write(words)} 1234567890, now"
    found = WAYS[index].find(text, dict(told(built, [text]))[0][index])
    assert [text[one.start : one.end] for one in found] == ["1234567890"]
    assert list(found) == list(CATALOGUE[index].find(text, ""))
