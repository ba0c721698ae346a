"""Every entity is found where it stands, however it is carried, and what only looks like it is left alone."""

import pytest

from gateway.core.entities import ENTITIES
from gateway.core.findings import MARKER_PREFIX
from gateway.detect.scanner import RequestScanner, catalogue
from tests.detect.samples import IN_CONTEXT, NEGATIVE, POSITIVE


def entities(scanner: RequestScanner, text: str) -> set[str]:
    evidence = scanner.scan_text(text)
    assert evidence.coverage.failure is None
    return {finding.entity for finding in evidence.findings}


@pytest.mark.parametrize(("entity", "value"), POSITIVE)
@pytest.mark.parametrize(
    "frame",
    ["{}", "看看{}这个", "see {} there", "（{}）", '"{}"', "a\n{}\nb", "值：{}。", "{},"],
    ids=["bare", "han", "spaces", "full-width brackets", "quotes", "lines", "colon", "comma"],
)
def test_an_identifier_is_found_whatever_touches_it(scanner, entity, value, frame):
    text = frame.format(value)
    found = [f for f in scanner.scan_text(text).findings if f.entity == entity]
    assert found
    assert any(text[f.start : f.end].strip(" ") in value or value in text[f.start : f.end] for f in found)


@pytest.mark.parametrize(("entity", "text"), IN_CONTEXT)
@pytest.mark.parametrize("frame", ["{}", "你好，{}。谢谢", "Hello. {} Thanks"], ids=["bare", "han", "english"])
def test_an_identifier_is_found_by_the_words_around_it(scanner, entity, text, frame):
    assert entity in entities(scanner, frame.format(text))


@pytest.mark.parametrize(("entity", "text"), NEGATIVE)
def test_what_only_looks_like_an_identifier_is_left_alone(scanner, entity, text):
    assert entity not in entities(scanner, text)


@pytest.mark.parametrize(("entity", "value"), [(e, v) for e, v in POSITIVE if any(c.isdigit() for c in v)])
def test_full_width_writing_is_seen_through(scanner, entity, value):
    wide = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in value)
    assert entity in entities(scanner, f"号码{wide}。")


@pytest.mark.parametrize(("entity", "value"), POSITIVE)
@pytest.mark.parametrize("invisible", ["\u200b", "\u00ad", "\ufeff", "\U000e0041", "\ufe0f"])
def test_invisible_characters_are_seen_through(scanner, entity, value, invisible):
    assert entity in entities(scanner, "x " + invisible.join(value) + " y")


@pytest.mark.parametrize("separator", [" ", "-", ".", "/", ", ", "\n", "😀", " · ", "、"])
def test_an_identifier_split_into_single_digits_is_found(scanner, separator):
    assert "CN_RESIDENT_ID" in entities(scanner, separator.join("11010519491231002X"))
    assert "CN_MOBILE" in entities(scanner, separator.join("13812345678"))
    assert "BANK_CARD" in entities(scanner, separator.join("4111111111111111"))


@pytest.mark.parametrize(
    ("entity", "text"),
    [
        ("CN_MOBILE", "138 1234 5678"),
        ("CN_MOBILE", "138-12345678"),
        ("BANK_CARD", "4111 1111 1111 1111"),
        ("BANK_CARD", "4111-1111-1111-1111"),
        ("BANK_CARD", "3782 822463 10005"),
        ("BANK_CARD", "6222 0212 3456 7890 128"),
        ("US_SSN", "078 05 1120"),
        ("CN_RESIDENT_ID", "110105 19491231 002X"),
        ("CN_RESIDENT_ID", "110105-1949/1231.002X"),
        ("IN_AADHAAR", "2341 2341 2346"),
    ],
)
def test_an_identifier_in_the_usual_groups_is_found(scanner, entity, text):
    assert entity in entities(scanner, f"号码{text}，")


@pytest.mark.parametrize(
    ("entity", "text"),
    [
        ("CN_MOBILE", "一三八一二三四五六七八"),
        ("CN_MOBILE", "幺三八幺二三四五六七八"),
        ("CN_MOBILE", "壹叁捌壹贰叁肆伍陆柒捌"),
        ("CN_MOBILE", "138一二三四5678"),
        ("CN_MOBILE", "1381234567八"),
        ("CN_MOBILE", "one three eight one two three four five six seven eight"),
        ("CN_MOBILE", "१३८१२३४५६७८"),
        ("CN_MOBILE", "①③⑧①②③④⑤⑥⑦⑧"),
        ("CN_MOBILE", "𝟏𝟑𝟖𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖"),
        ("CN_MOBILE", "1️⃣3️⃣8️⃣1️⃣2️⃣3️⃣4️⃣5️⃣6️⃣7️⃣8️⃣"),
        ("CREDENTIAL", "раssword: hunter2"),
        ("EMAIL", "bоb@corp.internal"),
    ],
)
def test_other_ways_of_writing_are_seen_through(scanner, entity, text):
    assert entity in entities(scanner, f"({text})")


def test_a_table_of_numbers_is_no_card(scanner):
    table = "\n".join(" ".join(str((i * 7 + j * 3) % 10) for j in range(24)) for i in range(24))
    assert not entities(scanner, table) & {"BANK_CARD", "CN_MOBILE"}


def test_every_entity_of_the_catalogue_is_documented():
    reported = {entity for recognizer in catalogue(("内部",)) for entity in recognizer.entities}
    assert {e for e in reported if not e.startswith(MARKER_PREFIX)} <= set(ENTITIES)


def test_every_structured_entity_has_a_sample():
    reported = {entity for recognizer in catalogue(()) for entity in recognizer.entities}
    assert reported <= {entity for entity, _ in (*POSITIVE, *IN_CONTEXT)}
