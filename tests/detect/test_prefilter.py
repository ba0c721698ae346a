"""The prefilter saves work and never a finding."""

import json
import re
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.detect import evaluation  # noqa: F401  # isort: skip

from corpus.build import examples

from gateway.detect import prefilter
from gateway.detect.prefilter import Entry, Everything, Prefilter, build_prefilter, expressions, translated
from gateway.detect.rules import PatternRecognizer
from gateway.detect.scanner import RequestScanner, catalogue
from tests.detect.samples import IN_CONTEXT, NEGATIVE, POSITIVE
from tests.detect.triggers import told

SHARED = Path(__file__).parents[3] / "shared" / "data" / "pii" / "en_dev.jsonl"
CATALOGUE = catalogue(("内部", "机密", "Do Not Distribute"))
needs_hyperscan = pytest.mark.skipif(not prefilter.HAS_HYPERSCAN, reason="no Hyperscan on this platform")


def triggered(built, text):
    """All that is seen in one text."""
    return {index for _, seen in told(built, [text]) for index in seen}


def everything(entries, always):
    return Everything(always.union(entry.index for entry in entries))


@pytest.fixture(scope="module")
def exhaustive() -> RequestScanner:
    return RequestScanner(CATALOGUE, clock=lambda: 0.0, build=everything)


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
# Longer than windows, than what is looked at around a seam, and than a chunk.
LONG = ["and so on " * 9, "，好的" * 70, "The weather is fine. " * 40, "一" * 1_580]


@needs_hyperscan
@given(st.lists(st.sampled_from(SAMPLES + FILLER), min_size=1, max_size=6).map("".join))
def test_no_finding_is_lost_against_running_everything(scanner, exhaustive, text):
    assert scanner.scan_text(text) == exhaustive.scan_text(text)


@needs_hyperscan
@given(st.text(st.characters(codec="utf-8"), max_size=60), st.sampled_from(SAMPLES), st.text(max_size=20))
def test_no_finding_is_lost_in_any_surroundings(scanner, exhaustive, before, sample, after):
    assert scanner.scan_text(before + sample + after) == exhaustive.scan_text(before + sample + after)


@needs_hyperscan
@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from(SAMPLES + FILLER) | st.sampled_from(LONG), max_size=6).map("".join),
        min_size=2,
        max_size=5,
    )
)
def test_no_finding_is_lost_where_texts_meet_and_where_they_are_cut(scanner, exhaustive, texts):
    document = {"messages": [{"role": "user", "content": text} for text in texts]}
    evidence, every = scanner.scan("chat", document), exhaustive.scan("chat", document)
    assert set(evidence.findings) == set(every.findings)
    assert evidence.coverage == every.coverage


@needs_hyperscan
@given(st.lists(st.lists(st.sampled_from(SAMPLES + FILLER), max_size=4).map("".join), max_size=6))
def test_joined_texts_tell_what_each_tells_by_itself(built, texts):
    together = dict(told(built, texts))
    for number, text in enumerate(texts):
        assert set(dict(told(built, [text])).get(0, {})) <= set(together.get(number, {}))


@needs_hyperscan
def test_places_are_told_in_characters_and_in_order():
    entries = [Entry(0, "[a-z]号"), Entry(1, "号|x"), Entry(2, "y", is_common=True)]
    built = build_prefilter(entries, frozenset())
    assert told(built, ["", "é号x 号a号", "no", "x"]) == [(1, {1: [2, 3, 5, 7], 0: [7]}), (3, {1: [1]})]
    # What is common is looked for in each text by itself: it is told once in each, and only that it is there.
    assert [(number, sorted(seen)) for number, seen in told(built, ["x", "yyy", "号", "y"])] == [
        (0, [1]),
        (1, [2]),
        (2, [1]),
        (3, [2]),
    ]


@needs_hyperscan
def test_no_finding_is_lost_on_public_data(scanner, exhaustive):
    if not SHARED.exists():
        pytest.skip("the shared development data is not here")
    texts = [json.loads(line)["text"] for line in SHARED.read_text().splitlines()]
    evidence = [scanner.scan_text(text) for text in texts]
    assert sum(len(found.findings) for found in evidence) > 500
    assert [text for text, found in zip(texts, evidence, strict=True) if found != exhaustive.scan_text(text)] == []


@needs_hyperscan
@pytest.mark.parametrize("language", ["zh", "en"])
def test_no_finding_is_lost_in_requests_as_people_write_and_disguise_them(scanner, exhaustive, language):
    made = [example for example in examples(3, 250, languages=(language,)) if example.length == "as written"]
    evidence = [scanner.scan(example.dialect, example.request) for example in made]
    assert sum(len(found.findings) for found in evidence) > 150
    assert len({finding.entity for found in evidence for finding in found.findings}) > 25
    lost = [
        example.id
        for example, found in zip(made, evidence, strict=True)
        if found != exhaustive.scan(example.dialect, example.request)
    ]
    assert lost == []


def test_a_prefilter_that_loses_a_recognizer_is_seen_to_lose_findings(exhaustive):
    lost = [found.name for found in CATALOGUE].index("cn-mobile")

    def losing(entries, always):
        return Everything(everything(entries, always).indexes - {lost})

    text = "请打13812345678。"
    assert exhaustive.scan_text(text).findings
    assert not RequestScanner(CATALOGUE, clock=lambda: 0.0, build=losing).scan_text(text).findings


@pytest.fixture(scope="module")
def built() -> Prefilter:
    """The prefilter over all recognizers of this build."""
    spied: list[Prefilter] = []

    def build(entries, always):
        spied.append(build_prefilter(entries, always))
        return everything(entries, always)

    RequestScanner(CATALOGUE, clock=lambda: 0.0, build=build)
    return spied[0]


@needs_hyperscan
@pytest.mark.parametrize("index", range(len(CATALOGUE)), ids=[found.name for found in CATALOGUE])
@settings(max_examples=8)
@given(data=st.data())
def test_whatever_a_recognizer_can_report_triggers_it(built, index, data):
    recognizer = CATALOGUE[index]
    candidates = st.sampled_from([text for text in SAMPLES if recognizer.find(text, "")] or [""])
    edges = st.sampled_from(["", *FILLER])
    before = edges
    if isinstance(recognizer, PatternRecognizer):
        # What the pattern and its context can look like, which is more than any sample does. A checksum is not asked:
        # generated texts rarely have one. Only an IPv6 address has its form from its check.
        candidates |= st.from_regex(recognizer.regex, fullmatch=True)
        if recognizer.context is not None:
            before |= st.from_regex(recognizer.context, fullmatch=True)
        if recognizer.name != "ipv6":
            recognizer = replace(recognizer, rule=replace(recognizer.rule, check=None))
    text = data.draw(before) + data.draw(candidates) + data.draw(edges)
    if recognizer.find(text, ""):
        assert index in triggered(built, text)


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
    assert triggered(build_prefilter([Entry(0, pattern)], frozenset()), text) == {0}


@needs_hyperscan
def test_clean_text_triggers_nothing_but_what_always_runs(scanner):
    built = build_prefilter([Entry(0, "[0-9]{9}"), Entry(1, "密码")], frozenset((7,)))
    assert triggered(built, "hello") == {7}
    assert triggered(built, "你好") == {7}
    assert triggered(built, "密码 123456789") == {0, 1, 7}


@pytest.mark.parametrize(
    ("pattern", "for_ascii", "for_others"),
    [
        ("(?i)a|b", ["(?i)a", "(?i)b"], ["(?i)a", "(?i)b"]),
        (r"(?<![0-9])a|b", ["(?:^|[^0-9])a", "b"], ["(?:^|[^0-9])a", "b"]),
        (r"a[|]b\|(?:c|d)", [r"a[|]b\|(?:c|d)"], [r"a[|]b\|(?:c|d)"]),
        ("密码|token", ["token"], ["密码", "token"]),
        ("(?:密码|口令)[:：]", [], ["(?:密码|口令)[:：]"]),
        ("(?:密码|pin)[:：]", [r"(?:\xff\xff|pin)[:\xff]"], ["(?:密码|pin)[:：]"]),
        ("(?:密码)?pin", [r"(?:\xff\xff)?pin"], ["(?:密码)?pin"]),
        ("号?[-–]x", [r"\xff?[-\xff]x"], ["号?[-–]x"]),
        ("[一二]x", [], ["[一二]x"]),
        ("[^一]x", [r"[^\xff]x"], ["[^一]x"]),
        ("(?!一)x", [r"(?!\xff)x"], ["(?!一)x"]),
        (r"\[一", [], [r"\[一"]),
    ],
)
def test_each_alternative_is_an_expression_and_none_that_a_text_of_ascii_cannot_match(pattern, for_ascii, for_others):
    assert expressions(pattern, is_ascii=True) == for_ascii
    assert expressions(pattern, is_ascii=False) == for_others


def test_a_look_around_at_the_edge_becomes_an_edge():
    pattern = translated(r"(?<![0-9])a(?![0-9])", is_ascii=False)
    assert pattern == r"(?:^|[^0-9])a(?:\z|[^0-9])"
    assert translated(r"(?<![0-9])a|b", is_ascii=False) == r"(?<![0-9])a|b"
    assert translated(r"(?<![0-9])(?:a|[|])\|", is_ascii=False) == r"(?:^|[^0-9])(?:a|[|])\|"
    assert translated("号[^，]", is_ascii=True) == r"\xff[^\xff]"


def test_without_hyperscan_everything_triggers(monkeypatch):
    monkeypatch.setattr(prefilter, "HAS_HYPERSCAN", False)
    built = build_prefilter([Entry(0, "a"), Entry(3, "b")], frozenset((5,)))
    assert triggered(built, "") == {0, 3, 5}


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
