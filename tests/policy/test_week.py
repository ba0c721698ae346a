"""Parts of the week: what a window holds, where it changes, and what people call it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.facts import MINUTES_PER_WEEK
from gateway.policy.document import Window
from gateway.policy.week import MINUTES_PER_DAY, edges, holds, named

HOUR = 60
windows = st.builds(
    Window,
    st.frozensets(st.integers(0, 6), min_size=1),
    st.integers(0, MINUTES_PER_DAY - 1),
    st.integers(1, MINUTES_PER_DAY),
).filter(lambda window: window.start != window.end)


@pytest.mark.parametrize(
    ("window", "minute", "expected"),
    [
        (Window(frozenset({0}), 8 * HOUR, 20 * HOUR), 8 * HOUR, True),
        (Window(frozenset({0}), 8 * HOUR, 20 * HOUR), 8 * HOUR - 1, False),
        (Window(frozenset({0}), 8 * HOUR, 20 * HOUR), 20 * HOUR - 1, True),
        (Window(frozenset({0}), 8 * HOUR, 20 * HOUR), 20 * HOUR, False),
        (Window(frozenset({0}), 8 * HOUR, 20 * HOUR), MINUTES_PER_DAY + 8 * HOUR, False),
        (Window(frozenset({6}), 22 * HOUR, 6 * HOUR), 6 * MINUTES_PER_DAY + 22 * HOUR, True),
        (Window(frozenset({6}), 22 * HOUR, 6 * HOUR), 6 * HOUR - 1, True),
        (Window(frozenset({6}), 22 * HOUR, 6 * HOUR), 6 * HOUR, False),
        (Window(frozenset({6}), 22 * HOUR, 6 * HOUR), 6 * MINUTES_PER_DAY + 5 * HOUR, False),
        (Window(frozenset({2}), 0, MINUTES_PER_DAY), 3 * MINUTES_PER_DAY - 1, True),
        (Window(frozenset({2}), 0, MINUTES_PER_DAY), 3 * MINUTES_PER_DAY, False),
    ],
)
def test_a_window_holds_the_minutes_from_its_start_to_before_its_end(
    window: Window, minute: int, expected: bool
) -> None:
    assert holds(window, minute) is expected


@given(windows)
def test_a_window_changes_at_its_edges_and_nowhere_else(window: Window) -> None:
    inside = [holds(window, minute) for minute in range(MINUTES_PER_WEEK)]
    changes = {minute for minute in range(MINUTES_PER_WEEK) if inside[minute] != inside[minute - 1]}
    assert changes <= set(edges(window))
    length = (window.end - window.start) % MINUTES_PER_DAY or MINUTES_PER_DAY
    assert sum(inside) == length * len(window.days)


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([(0, MINUTES_PER_WEEK)], "mon tue wed thu fri sat sun 00:00-24:00"),
        ([(8 * HOUR, 20 * HOUR), (32 * HOUR, 44 * HOUR)], "mon tue 08:00-20:00"),
        ([(32 * HOUR, 44 * HOUR), (8 * HOUR, 9 * HOUR)], "mon 08:00-09:00, tue 08:00-20:00"),
        ([(0, 60), (60, 120), (180, 240)], "mon 00:00-02:00 03:00-04:00"),
        ([(23 * HOUR, 25 * HOUR)], "mon 23:00-24:00, tue 00:00-01:00"),
        ([(5, 5)], ""),
    ],
)
def test_days_that_are_alike_are_named_together(spans: list[tuple[int, int]], expected: str) -> None:
    assert named(spans) == expected
