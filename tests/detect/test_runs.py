"""A run of digit groups is collapsed once, with the place of every group."""

import pytest

from gateway.detect.runs import runs


def groups(text):
    return [(run.digits, run.sizes(0, len(run.starts) - 1)) for run in runs(text)]


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


def test_a_uniform_run_has_one_separator():
    (run,) = runs("12-34-56 78")
    assert run.is_uniform(0, 2)
    assert not run.is_uniform(0, 3)
    assert run.text[run.starts[1] : run.ends[2]] == "34-56"
