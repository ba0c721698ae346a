"""Boxes: the same states in fewer, whatever their shape; and words for weeks and numbers of tokens."""

# ruff: noqa: E501  # sentences, one a line
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy import fact_words, week_words
from gateway.policy.regions import SAME, Axis, Box, Diagram, Part, Region, boxes_of, merged, region_of, united, widened
from gateway.policy.words import Language

SIZES = (2, 3, 2)
FULL = tuple((1 << size) - 1 for size in SIZES)
AXES = tuple(Axis(f"f{place}", "", tuple((str(value),) for value in range(size))) for place, size in enumerate(SIZES))
Masks = tuple[int, ...]

boxes = st.lists(st.tuples(*(st.integers(1, full) for full in FULL)), max_size=8)


def states(found: tuple[Masks, ...] | list[Masks]) -> set[Masks]:
    """Every state of some boxes."""
    cells = product(*(range(size) for size in SIZES))
    return {
        cell
        for cell in cells
        if any(all(mask >> at & 1 for mask, at in zip(masks, cell, strict=True)) for masks in found)
    }


@given(boxes)
def test_fewer_boxes_hold_the_same_states(given_boxes: list[Masks]) -> None:
    few = merged(given_boxes)
    assert states(few) == states(given_boxes)
    assert len(few) <= len(set(given_boxes))
    wide = widened(few, FULL)
    assert states(wide) == states(given_boxes)
    assert len(wide) <= len(few)


@given(boxes)
def test_regions_unite_to_the_same_states(given_boxes: list[Masks]) -> None:
    found = united(region_of(AXES, box) for box in (Box(masks, 0) for masks in given_boxes))
    masks = [tuple({part.axis: part.mask for part in one.parts}.get(axis, axis.full) for axis in AXES) for one in found]
    assert states(masks) == states(given_boxes)


@given(st.lists(st.integers(0, 2), min_size=12, max_size=12))
def test_a_diagram_keeps_every_state_of_every_kind(kinds: list[int]) -> None:
    diagram = Diagram()
    cells = iter(kinds)
    root = diagram.node(
        0,
        [
            diagram.node(1, [diagram.node(2, [SAME - next(cells) for _ in range(2)]) for _ in range(3)])
            for _ in range(2)
        ],
    )
    found, is_cut = boxes_of(diagram, root, AXES)
    assert not is_cut
    by_cell = dict(zip(product(range(2), range(3), range(2)), kinds, strict=True))
    for kind in (0, 1):
        wanted = {cell for cell, given_kind in by_cell.items() if given_kind == kind + 1}
        assert states([box.masks for box in found if box.kind == kind]) == wanted


def test_an_axis_without_values_holds_nothing() -> None:
    assert Diagram().node(0, []) == SAME


def test_more_boxes_than_anybody_reads_are_left_as_they_are() -> None:
    many = [(1, 1, 1)] * 101
    assert widened(many, FULL) == tuple(many)


def test_widening_gives_up_where_it_would_take_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.policy.regions._MOST_PIECES", 0)
    two = [(1, 7, 3), (2, 7, 3)]
    assert widened(two, FULL) == tuple(two)


def test_a_part_names_its_values_and_its_spans() -> None:
    axis = Axis("context", "", (("a",), ("b", "c"), ("d",)), (((0, 5),), ((5, 9), (20, None)), ((9, 20),)))
    assert (Part(axis, 3).names, Part(axis, 3).spans) == (("a", "b", "c"), ((0, 9), (20, None)))
    assert Part(axis, 3).left_out == Part(axis, 4)
    assert (axis.mask_of("c"), axis.mask_of("x")) == (2, 0)
    assert Region(()).parts == ()


@pytest.mark.parametrize(
    ("spans", "english", "chinese"),
    [
        ([(0, 1440)], "Mon (UTC)", "周一（UTC）"),
        ([(480, 1200)], "Mon 08:00–20:00 (UTC)", "周一 08:00–20:00（UTC）"),
        ([(day * 1440 + 480, day * 1440 + 720) for day in range(5)], "Mon–Fri 08:00–12:00 (UTC)", "周一至周五 08:00–12:00（UTC）"),
        ([(480, 600), (600, 720), (780, 840)], "Mon 08:00–12:00 and 13:00–14:00 (UTC)", "周一 08:00–12:00、13:00–14:00（UTC）"),
        ([(0, 60), (2880, 2940)], "Mon 00:00–01:00; Wed 00:00–01:00 (UTC)", "周一 00:00–01:00；周三 00:00–01:00（UTC）"),
        ([(day * 1440 + 60, day * 1440 + 120) for day in range(7)], "daily 01:00–02:00 (UTC)", "每天 01:00–02:00（UTC）"),
        ([(day * 1440 + at, day * 1440 + to) for day in range(7) for at, to in ((0, 480), (720, 780), (1200, 1440))], "daily 12:00–13:00 and 20:00–08:00 (UTC)", "每天 12:00–13:00、20:00–次日 08:00（UTC）"),
    ],
)  # fmt: skip
def test_parts_of_a_week_are_told_as_people_do(spans: list[tuple[int, int]], english: str, chinese: str) -> None:
    assert (week_words.spans(spans, 0, "en"), week_words.spans(spans, 0, "zh")) == (english, chinese)


@pytest.mark.parametrize(
    ("offset", "minute", "zone"),
    [(480, "Mon 08:00", "UTC+08:00"), (-90, "Sun 22:30", "UTC-01:30"), (0, "Mon 00:00", "UTC")],
)
def test_times_are_on_the_clock_of_the_policy(offset: int, minute: str, zone: str) -> None:
    assert (week_words.minute(0, offset, "en"), week_words.zone(offset)) == (minute, zone)
    over = week_words.spans([(10_080 - 60, 10_080)], 90, "en")
    assert over == "Mon 00:30–01:30 (UTC+01:30)"


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0, 32769, "of at most 32768 tokens (or not known)"),
        (0, 100, "below 100 tokens (or not known)"),
        (32769, None, "above 32768 tokens"),
        (100, None, "of 100 tokens or more"),
        (1025, 32769, "above 1024 and up to 32768 tokens"),
        (100, 32769, "of 100 to 32768 tokens"),
        (1025, 2000, "above 1024 and below 2000 tokens"),
        (100, 2000, "of 100 to below 2000 tokens"),
    ],
)
def test_a_number_of_tokens_is_told_by_its_bounds(low: int, high: int | None, said: str) -> None:
    assert fact_words.tokens(low, high, "en") == said
    assert "token" in fact_words.tokens(low, high, "zh")


@pytest.mark.parametrize(("language", "said"), [("en", "every request"), ("zh", "所有请求")])
def test_no_clause_at_all_is_every_request(language: Language, said: str) -> None:
    assert fact_words.together([], language) == said
    assert "*" not in fact_words.value("model", "*", language)


def test_a_box_that_the_others_cover_is_left_out() -> None:
    assert widened([(0b01, 0b111, 0b11), (0b10, 0b111, 0b11), (0b01, 0b001, 0b01)], FULL) == (FULL,)
    steps = [(0b01, 0b011, 0b11), (0b11, 0b010, 0b11), (0b10, 0b110, 0b11)]
    assert set(widened(steps, FULL)) == {steps[0], steps[2]}
