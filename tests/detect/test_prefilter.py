"""The prefilter saves work and never a finding."""

import json
import re
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.detect import prefilter
from gateway.detect.prefilter import Entry, Everything, build_prefilter, translated
from gateway.detect.scanner import RequestScanner, catalogue
from tests.detect.samples import IN_CONTEXT, NEGATIVE, POSITIVE

SHARED = Path(__file__).parents[3] / "shared" / "data" / "pii" / "en_dev.jsonl"
needs_hyperscan = pytest.mark.skipif(not prefilter.HAS_HYPERSCAN, reason="no Hyperscan on this platform")


def everything(entries, always):
    return Everything(always.union(entry.index for entry in entries))


@pytest.fixture(scope="module")
def exhaustive() -> RequestScanner:
    return RequestScanner(catalogue(("内部", "机密", "Do Not Distribute")), clock=lambda: 0.0, build=everything)


SAMPLES = [text for _, text in (*POSITIVE, *IN_CONTEXT, *NEGATIVE)]
FILLER = [
    "你好，",
    "请看",
    "hello ",
    " and ",
    "。",
    "\n",
    "2024年",
    "一二三",
    ": ",
    "=",
    "\u3000",
    "\x1d",
    "K",
    "ſ",
    "é",
    "，",
    "x",
    "％",
]


@needs_hyperscan
@given(st.lists(st.sampled_from(SAMPLES + FILLER), min_size=1, max_size=6).map("".join))
def test_no_finding_is_lost_against_running_everything(scanner, exhaustive, text):
    assert scanner.scan_text(text) == exhaustive.scan_text(text)


@needs_hyperscan
@given(st.text(st.characters(codec="utf-8"), max_size=60), st.sampled_from(SAMPLES), st.text(max_size=20))
def test_no_finding_is_lost_in_any_surroundings(scanner, exhaustive, before, sample, after):
    assert scanner.scan_text(before + sample + after) == exhaustive.scan_text(before + sample + after)


@needs_hyperscan
def test_no_finding_is_lost_on_public_data(scanner, exhaustive):
    if not SHARED.exists():
        pytest.skip("the shared development data is not here")
    texts = [json.loads(line)["text"] for line in SHARED.read_text().splitlines()[:250]]
    assert [text for text in texts if scanner.scan_text(text) != exhaustive.scan_text(text)] == []


@needs_hyperscan
@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"(?<![0-9A-Za-z])[0-9]{3}(?![0-9A-Za-z])", "x 123"),
        (r"(?<![0-9A-Za-z])[0-9]{3}(?![0-9A-Za-z])", "号123号"),
        (r"(?<![0-9])a|b", "9b"),
        (r"(?i)(?<![a-z])mrn", "see MRN"),
        (r"a\sb", "a\u3000b"),
        (r"a\sb", "a\x1cb"),
        (r"[\s-]b", "\u00a0b"),
        (r"\d{2}", "１２"),
        (r"\w号", "é号"),
        (r"[\W_]x", "号。x"),
        (r"(?P<v>[\u4e00-\u9fff]{2})\Z", "好的"),
        (r"\U0001f600", "😀"),
        (r"[(\[|]a", "[a"),
    ],
)
def test_a_pattern_triggers_where_it_matches(pattern, text):
    assert re.search(pattern, text)
    assert build_prefilter([Entry(0, pattern)], frozenset()).triggered(text) == {0}


@needs_hyperscan
def test_clean_text_triggers_nothing_but_what_always_runs(scanner):
    built = build_prefilter([Entry(0, "[0-9]{9}"), Entry(1, "密码")], frozenset((7,)))
    assert built.triggered("hello") == {7}
    assert built.triggered("你好") == {7}
    assert built.triggered("密码 123456789") == {0, 1, 7}


def test_a_look_around_at_the_edge_becomes_an_edge():
    pattern = translated(r"(?<![0-9])a(?![0-9])", is_ascii=False)
    assert pattern == r"(?:^|[^0-9])a(?:\z|[^0-9])"
    assert translated(r"(?<![0-9])a|b", is_ascii=False) == r"(?<![0-9])a|b"
    assert translated(r"(?<![0-9])(?:a|[|])\|", is_ascii=False) == r"(?:^|[^0-9])(?:a|[|])\|"
    assert translated("号[^，]", is_ascii=True) == r"\xff[^\xff]"


def test_without_hyperscan_everything_triggers(monkeypatch):
    monkeypatch.setattr(prefilter, "HAS_HYPERSCAN", False)
    built = build_prefilter([Entry(0, "a"), Entry(3, "b")], frozenset((5,)))
    assert built.triggered("") == {0, 3, 5}


@needs_hyperscan
def test_threads_scan_at_once_and_agree(scanner):
    texts = [f"第{i}号 1381234{i:04d} 和 bob{i}@corp.internal " * 20 for i in range(8)]
    expected = [scanner.scan_text(text) for text in texts]
    results: list[object] = [None] * len(texts)
    gate = threading.Barrier(len(texts))

    def work(index: int) -> None:
        gate.wait()
        results[index] = [scanner.scan_text(texts[index]) for _ in range(10)]

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(texts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[evidence] * 10 for evidence in expected]
