"""The week of time windows: which minutes a window holds, where it begins and ends, and what people call a part of it.

Minutes count from Monday 00:00, in the policy's own time zone unless UTC is said.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from gateway.core.facts import MINUTES_PER_WEEK
from gateway.policy.document import Window
from gateway.policy.keys import DAYS

MINUTES_PER_DAY: Final = 24 * 60


def holds(window: Window, minute: int) -> bool:
    """Whether `minute` of the week lies in `window`."""
    day, of_day = divmod(minute, MINUTES_PER_DAY)
    if window.start < window.end:
        return day in window.days and window.start <= of_day < window.end
    yesterday = (day - 1) % len(DAYS)
    return (day in window.days and of_day >= window.start) or (yesterday in window.days and of_day < window.end)


def edges(window: Window) -> Iterable[int]:
    """The minutes of the week at which `window` begins or ends."""
    for day in window.days:
        for minute in (window.start, window.end if window.start < window.end else window.end + MINUTES_PER_DAY):
            yield (day * MINUTES_PER_DAY + minute) % MINUTES_PER_WEEK


def named(intervals: Sequence[tuple[int, int]]) -> str:
    """What people call a set of minutes: `mon tue 08:00-20:00, sat sun 00:00-24:00`."""
    by_day: list[list[tuple[int, int]]] = [[] for _ in DAYS]
    for start, end in sorted(intervals):
        _add(by_day, start, end)
    days_of: dict[tuple[tuple[int, int], ...], list[str]] = {}
    for day, spans in zip(DAYS, by_day, strict=True):
        if spans:
            days_of.setdefault(tuple(spans), []).append(day)
    return ", ".join(
        f"{' '.join(days)} {' '.join(f'{_clock(start)}-{_clock(end)}' for start, end in spans)}"
        for spans, days in days_of.items()
    )


def _add(by_day: list[list[tuple[int, int]]], start: int, end: int) -> None:
    while start < end:
        day, of_day = divmod(start, MINUTES_PER_DAY)
        until = min(end, (day + 1) * MINUTES_PER_DAY)
        spans, to = by_day[day], until - day * MINUTES_PER_DAY
        if spans and spans[-1][1] == of_day:
            spans[-1] = (spans[-1][0], to)
        else:
            spans.append((of_day, to))
        start = until


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
