"""Views rewrite what a model sees through, and lead back to the original."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.detect import views
from gateway.detect.simplified import TO_SIMPLIFIED
from gateway.detect.views import Rewriting, numeral_view, plain_view


def no_tick():
    pass


def rewritten(text, edits, transforms):
    rewriting = Rewriting(text)
    for edit in edits:
        rewriting.edit(*edit)
    return rewriting.view(transforms)


PLAIN = plain_view()
NUMERALS = numeral_view()


@pytest.mark.parametrize(
    ("text", "plain", "transforms"),
    [
        ("１２３ＡＢ＠", "123AB@", ("nfkc",)),
        ("①②③", "123", ("nfkc",)),
        ("❶❷", "12", ("digits",)),
        ("𝟏𝟐𝟑", "123", ("nfkc",)),
        ("١٢٣", "123", ("digits",)),
        ("1\u200b2\ufeff3", "123", ("strip",)),
        ("1\ufe0f\u20e32\ufe0f\u20e3", "12", ("strip",)),
        ("pаss", "pass", ("confusables",)),
        ("ﬁx", "fix", ("nfkc",)),
        ("a，ｂ", "a,b", ("nfkc",)),
        ("社保號碼", "社保号码", ("simplified",)),
        ("車牌：津А-5R5U9", "车牌:津A-5R5U9", ("confusables", "nfkc", "simplified")),
    ],
)
def test_the_plain_view_is_the_text_as_it_looks(text, plain, transforms):
    view = PLAIN.of(text, no_tick)
    assert (view.text, view.transforms) == (plain, transforms)


def test_a_word_that_is_cyrillic_throughout_stays_what_it_is():
    assert PLAIN.of("привет, соседка моя", no_tick) is None


@pytest.mark.parametrize(
    ("text", "figures"),
    [
        ("一三八一二三四五六七八", "13812345678"),
        ("壹叁捌壹贰叁", "138123"),
        ("幺三八-幺二三四", "138-1234"),
        ("138一二三四5678", "13812345678"),
        ("one three eight one two three", "138123"),
        ("One, two, three, FOUR, five, oh.", "123450."),
        ("一九九零/零一/零二", "1990/01/02"),
        ("(零一零)六二七八一二三四", "(010)62781234"),
        ("一九九〇年一月二日", "1990年1月2日"),
    ],
)
def test_long_runs_of_spelled_out_digits_become_figures(text, figures):
    assert NUMERALS.of(text, no_tick).text == figures


@pytest.mark.parametrize("text", ["二〇二六年", "一百二十三万四千五百", "one two three", "123456789", "phone one two"])
def test_quantities_and_years_stay_words(text):
    assert NUMERALS.of(text, no_tick) is None


def test_a_span_of_a_view_leads_back_to_whole_pieces_of_the_original():
    view = rewritten("ab<one>cd<>ef", [(2, 7, "1"), (9, 11, "")], ("t",))
    assert view.text == "ab1cdef"
    assert view.original(0, 2) == (0, 2)
    assert view.original(2, 3) == (2, 7)
    assert view.original(1, 4) == (1, 8)
    assert view.original(4, 6) == (8, 12)
    assert view.original(0, 7) == (0, 13)


def test_an_edit_that_overlaps_its_predecessor_is_left_out():
    assert rewritten("abcdef", [(0, 3, "x"), (2, 4, "y"), (4, 5, "z")], ()).text == "xdzf"


def test_no_edit_is_no_view():
    assert rewritten("abc", [], ()) is None


@st.composite
def edited(draw):
    text = draw(st.text("abcdef", min_size=1, max_size=40))
    cuts = sorted(draw(st.sets(st.integers(0, len(text)), max_size=8)))
    return text, [(a, b, draw(st.text("XYZ", max_size=3))) for a, b in zip(cuts[::2], cuts[1::2], strict=False)]


@given(edited())
def test_what_no_edit_touched_keeps_its_place(case):
    text, edits = case
    view = rewritten(text, edits, ("t",))
    if view is None:
        return
    for match in re.finditer("[a-f]", view.text):
        start, end = view.original(match.start(), match.end())
        assert text[start:end] == match.group()


@given(edited(), st.data())
def test_a_span_of_a_view_never_leads_outside_the_original(case, data):
    text, edits = case
    view = rewritten(text, edits, ("t",))
    if view is None or not view.text:
        return
    start = data.draw(st.integers(0, len(view.text) - 1))
    end = data.draw(st.integers(start + 1, len(view.text)))
    first, last = view.original(start, end)
    assert 0 <= first <= last <= len(text)


def test_simplified_text_has_nothing_to_simplify():
    assert PLAIN.of("请把身份证号码和银行账户发给医生", no_tick) is None
    assert not set(TO_SIMPLIFIED) & set(TO_SIMPLIFIED.values())


def test_the_look_alikes_are_paired():
    assert all(value.isascii() for value in views._CONFUSABLE.values())
    assert not any(key.isascii() for key in views._CONFUSABLE)


def plain_by_character(text):
    """What the plain view shows, one character at a time and without a thought for speed."""
    shown = []
    for place, character in enumerate(text):
        is_alike = character in views._CONFUSABLE
        if is_alike and not re.search("[0-9A-Za-z]", text[max(0, place - 12) : place + 13]):
            shown.append(character)
        else:
            shown.append(views._plain(character)[0] if PLAIN.odd.match(character) else character)
    return "".join(shown)


ODD = "аеосАВ１２ａｂ①⑽ﬁ㏒，（）證號١२\u200b\ufeff\u0301\u00ad𝟏❶x7 号。Ωяж\ufb03\u2121"


@given(
    st.lists(st.sampled_from([*ODD, "привет, соседка моя, ", "１" * 9, "x" * 30, "\u200b" * 40]), max_size=60).map(
        "".join
    )
)
def test_slices_show_what_single_characters_show(text):
    view = PLAIN.of(text, no_tick)
    shown = plain_by_character(text)
    if view is None:
        assert shown == text or not PLAIN.worth.search(text)
        return
    assert view.text == shown
    # Each character of the view leads back to what it was made of.
    for place, character in enumerate(view.text):
        start, end = view.original(place, place + 1)
        assert character in plain_by_character(text[max(0, start - 12) : end + 12]) or end - start != 1


@pytest.mark.parametrize("length", [8_180, 8_192, 8_200, 30_000])
@pytest.mark.parametrize("unit", ["１", "證", "\u200b", "x\u200b", "ﬁ", "aа", "я" * 13, "e\u0301"])
def test_a_long_text_is_shown_alike_at_the_edge_of_every_slice(unit, length):
    text = "я" * (length % 17) + unit * (length // len(unit)) + "1"
    view = PLAIN.of(text, no_tick)
    assert (view.text if view is not None else text) == plain_by_character(text)


@pytest.mark.parametrize("unit", ["一", "一二-", "1 ", "one ", "Nine, "])
def test_a_run_of_digits_without_end_is_read_to_its_end(unit):
    text = unit * 9_000
    view = NUMERALS.of(text, no_tick)
    if unit == "1 ":
        assert view is None
    else:
        assert sum(map(str.isdigit, view.text)) >= 9_000
        assert not re.search("[一二A-Za-z]", view.text)
        assert view.original(0, len(view.text))[1] >= len(text) - 2
