"""A run of digit groups is collapsed once, with the place of every group."""

import pytest

from gateway.detect.runs import runs


def groups(text):
    return [(run.digits, run.sizes) for run in runs(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("138 1234 5678", [("13812345678", (3, 4, 4))]),
        ("号码110105-19491231/002X。", [("11010519491231002X", (6, 8, 4))]),
        ("1 2 3 x", [("123x", (1, 1, 1, 1))]),
        ("1 2xy 3 4", [("34", (1, 1))]),
        ("a12 34", []),
        ("12", []),
        ("12 厘米 34", []),
    ],
)
def test_groups_are_found_and_letters_end_a_run(text, expected):
    assert groups(text) == expected


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, 14, (0, 1)),
        (6, 18, (1, 2)),
        (0, 18, (0, 2)),
        (0, 6, None),
        (0, 5, None),
        (1, 6, None),
        (6, 14, None),
        (14, 18, None),
        (0, 17, None),
        (0, 19, None),
        (15, 18, None),
    ],
)
def test_digits_are_groups_where_they_begin_and_end_with_one(start, end, expected):
    (run,) = runs("110105-19491231/002X")
    assert run.groups(start, end) == expected


def test_a_uniform_run_has_one_separator():
    (run,) = runs("12-34-56 78")
    assert run.is_uniform(0, 2)
    assert not run.is_uniform(0, 3)
    assert run.text[run.starts[1] : run.ends[2]] == "34-56"


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("1234/5678/90", ["1234/5678/90"]),
        ("1 2 3 4 5", ["1 2 3 4 5"]),
        ("123 456 7890", ["123 456 7890"]),
        ("123456789\n0", ["123456789\n0"]),
        ("123456789.0", []),
        ("1719383976,0", []),
        ("1,234,567,890", []),
        ("12 345 678", []),
        ("1234 5678 9012-3", ["1234 5678 9012"]),
        ("12-34-56 1234 5678 9012", ["12-34-56", "1234 5678 9012"]),
    ],
)
def test_even_groups_with_one_separator_are_a_piece(text, pieces):
    (run,) = runs(text)
    assert [text[run.starts[first] : run.ends[last]] for first, last in run.even_pieces()] == pieces


@pytest.mark.parametrize(
    ("text", "first", "is_one"),
    [
        ("110105-1949/1231.002X", 0, True),
        ("1, 2, 3, 4", 0, True),
        ("545085 | 202103180024", 0, False),
        ("545085,202103180024", 0, False),
        ("545085 2021:03", 0, False),
        ("0.616533 1771386355300", 1, False),
        ("0.616533.1771386355300", 1, True),
    ],
)
def test_neighbouring_cells_times_and_decimals_are_no_number(text, first, is_one):
    (run,) = runs(text)
    assert run.is_one_number(first, len(run.starts) - 1) is is_one
