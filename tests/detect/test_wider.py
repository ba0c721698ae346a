"""The prefilter's form of an expression triggers wherever the expression matches, whatever is in it."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config.regexes import FLAGS, fault_of
from gateway.detect.prefilter import HAS_HYPERSCAN, Entry, HyperscanPrefilter
from gateway.detect.wider import wider
from tests.detect.triggers import told

PATTERNS = [
    "AC-[0-9]{6}",
    r"\bkiss\b",
    "[k-s]+X",
    r"[^a-z]{3}7",
    r"[^\u4e00-\u9fff]\d",
    r"[\u2100-\u2200]Z",
    "straße|ÀÉ|ſ",
    r"工号[:：]?\s*[A-Z]{2}\d{2,5}",
    r"(?<![0-9])(?:[ -]?\d{1,4}){3,5}(?![0-9])",
    r"a.b",
    r"[^x]y",
    r"x(?:1|2|)y",
    r"(?>ab|a)c++",
    r"\w{2}\W\S\D",
    r"^a\Z|\Ab$",
    r"(?-i:K)a*?",
    r"q{10,20}",
    r"b{3}c{0,2}d?e",
    r"(?=a)a[|)(\]]",
    "\U0001f600!",
    r"\x00a",
    r"[İı]",
    r"(?:)a",
    r"[\s\S]z",
    r"[^\n]\t",
    r"(?i:ẞ)s",
]
CHARACTERS = "aAbBcCdDeEkKsSiIxyzZqQ0127 -_:：(|)]!\t\n\x00\u0085工号ſKİıßẞÀàÉé℃７😀"


def triggered(prefilter: HyperscanPrefilter, text: str) -> set[int]:
    return {index for _, seen in told(prefilter, [text]) for index in seen}


@pytest.fixture(scope="module")
def prefilter() -> HyperscanPrefilter:
    if not HAS_HYPERSCAN:
        pytest.skip("no Hyperscan on this machine")
    return HyperscanPrefilter([Entry(index, wider(pattern)) for index, pattern in enumerate(PATTERNS)], frozenset())


def matching(text: str) -> set[int]:
    return {index for index, pattern in enumerate(PATTERNS) if re.search(pattern, text, FLAGS)}


@given(text=st.text(st.sampled_from(CHARACTERS), max_size=30))
def test_nothing_that_matches_is_lost_in_any_text(prefilter: HyperscanPrefilter, text: str) -> None:
    assert matching(text) <= triggered(prefilter, text)


@pytest.mark.parametrize("index", range(len(PATTERNS)), ids=PATTERNS)
def test_nothing_that_matches_is_lost_in_texts_made_to_match(prefilter: HyperscanPrefilter, index: int) -> None:
    @settings(max_examples=30)
    @given(
        st.from_regex(re.compile(PATTERNS[index], FLAGS)),
        st.text(st.sampled_from(CHARACTERS), max_size=4),
        st.text(st.sampled_from(CHARACTERS), max_size=4),
    )
    def holds(text: str, before: str, after: str) -> None:
        for made in (text, before + text + after, text.swapcase()):
            # Hypothesis makes characters that are none, as JSON never does.
            made = made.encode(errors="ignore").decode()
            assert matching(made) <= triggered(prefilter, made)

    holds()


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_piece_of_an_expression_is_known(pattern: str) -> None:
    assert fault_of(pattern) is None or "refers back" in fault_of(pattern).message


def test_what_is_rare_stays_rare() -> None:
    # A text without what the expression begins with does not trigger it: else everything would be tried everywhere.
    if not HAS_HYPERSCAN:
        pytest.skip("no Hyperscan on this machine")
    prefilter = HyperscanPrefilter(
        [Entry(0, wider("AC-[0-9]{6}")), Entry(1, wider(r"\s*工号\d+")), Entry(2, wider("k9"))], frozenset()
    )
    assert triggered(prefilter, "The order 123456 from 北京, AC 123456, AC-12345; 工 号 5; kg 9") == frozenset()
    assert triggered(prefilter, "ac-123456 工号5 \u212a9") == {0, 1, 2}
