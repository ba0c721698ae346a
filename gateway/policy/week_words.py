"""Parts of a week in words: minutes since Monday 00:00 UTC become days and hours in the policy's own time zone.

Days with the same hours are said together; hours that pass midnight are said under the day in which they fall.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from gateway.core.facts import MINUTES_PER_WEEK

_DAY: Final = 24 * 60
_DAYS: Final = {
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
    "zh": ("周一", "周二", "周三", "周四", "周五", "周六", "周日"),
}
_Span = tuple[int, int]


def minute(at: int, offset_min: int, language: str) -> str:
    """One minute of the week (UTC) as `Mon 08:00` where clocks are `offset_min` ahead of UTC."""
    day, within = divmod((at + offset_min) % MINUTES_PER_WEEK, _DAY)
    return f"{_DAYS[language][day]} {_clock(within)}"


def zone(offset_min: int) -> str:
    """`UTC` or `UTC+08:00`."""
    if not offset_min:
        return "UTC"
    hours, minutes = divmod(abs(offset_min), 60)
    return f"UTC{'+' if offset_min > 0 else '-'}{hours:02d}:{minutes:02d}"


def spans(parts: Iterable[_Span], offset_min: int, language: str) -> str:
    """Parts of the week, from a minute to before another (UTC), as `Mon–Fri 08:00–20:00 (UTC+08:00)`."""
    by_day = _by_day(parts, offset_min)
    between, either, also = ("至", "；", "、") if language == "zh" else ("–", "; ", " and ")
    days = _DAYS[language]
    said: list[str] = []
    for first, last, hours in _runs(by_day):
        if (first, last) == (0, 6):
            return _bracketed(_daily(hours, language), offset_min, language)
        name = days[first] if first == last else f"{days[first]}{between}{days[last]}"
        times = also.join(_hours(span) for span in hours)
        said.append(name if hours == ((0, _DAY),) else f"{name} {times}")
    return _bracketed(either.join(said), offset_min, language)


def _daily(hours: Sequence[_Span], language: str) -> str:
    """The same hours on every day of the week; what goes on past midnight is one span."""
    also, every, over = ("、", "每天", "–次日 ") if language == "zh" else (" and ", "daily", "–")
    spans = [_hours(span) for span in hours]
    if len(hours) > 1 and hours[0][0] == 0 and hours[-1][1] == _DAY:
        spans = [*spans[1:-1], f"{_clock(hours[-1][0])}{over}{_clock(hours[0][1])}"]
    return f"{every} {also.join(spans)}"


def _bracketed(said: str, offset_min: int, language: str) -> str:
    return f"{said} ({zone(offset_min)})" if language == "en" else f"{said}（{zone(offset_min)}）"


def _hours(span: _Span) -> str:
    return f"{_clock(span[0])}–{_clock(span[1])}"


def _by_day(parts: Iterable[_Span], offset_min: int) -> tuple[tuple[_Span, ...], ...]:
    """For each day of the week the hours that are covered, joined where they touch."""
    days: list[list[_Span]] = [[] for _ in range(7)]
    for start, end in parts:
        at, left = (start + offset_min) % MINUTES_PER_WEEK, end - start
        while left > 0:
            day, within = divmod(at, _DAY)
            length = min(left, _DAY - within)
            days[day].append((within, within + length))
            at, left = (at + length) % MINUTES_PER_WEEK, left - length
    return tuple(_joined(sorted(day)) for day in days)


def _joined(found: Sequence[_Span]) -> tuple[_Span, ...]:
    joined: list[_Span] = []
    for start, end in found:
        if joined and joined[-1][1] >= start:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return tuple(joined)


def _runs(days: tuple[tuple[_Span, ...], ...]) -> list[tuple[int, int, tuple[_Span, ...]]]:
    """Days in a row with the same hours, as first and last; days without any are left out."""
    runs: list[tuple[int, int, tuple[_Span, ...]]] = []
    for day, hours in enumerate(days):
        if runs and runs[-1][1] == day - 1 and runs[-1][2] == hours:
            runs[-1] = (runs[-1][0], day, hours)
        elif hours:
            runs.append((day, day, hours))
    return runs


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
