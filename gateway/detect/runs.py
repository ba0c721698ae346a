"""Runs of digits in groups: identifiers that are written with separators, or split by something that is no letter.

A run is collapsed once, with the place of every digit, so that any window of neighbouring groups is a slice of it and
a long run costs little more than its length. Pure.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate

FIELDS = "|,;:\t，；：、"
"""What stands between cells and fields, in times and in lists."""

# The look-behind stands after the first digit: a pattern that begins with a class skips what is not in it, fast.
_RUN = re.compile(r"[0-9](?<![0-9A-Za-z][0-9])[0-9]{0,17}(?:[\W_]{1,4}(?:[0-9]{1,18}[Xx]?|[Xx])(?![0-9A-Za-z]))+")
_GROUP = re.compile(r"[0-9]+[Xx]?|[Xx]")
_LETTER = re.compile(r"[^\W\d_Xx]")
_TO_LETTER = re.compile(r"(?s:.*)[^\W\d_Xx]")


@dataclass(frozen=True, slots=True)
class Run:
    """Groups of digits with separators between them.

    `digits` is all of them in one; the others are parallel, one entry per group: how many digits it has, where it
    begins in `digits`, and where it begins and ends in the text.
    """

    text: str
    digits: str
    sizes: tuple[int, ...]
    offsets: tuple[int, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def groups(self, start: int, end: int) -> tuple[int, int] | None:
        """The first and the last of the groups that are `start` to `end` of `digits`, if these are two or more."""
        offsets = self.offsets
        first, last = bisect_left(offsets, start), bisect_left(offsets, end)
        behind = offsets[last] if last < len(offsets) else len(self.digits)
        if last <= first + 1 or offsets[first] != start or behind != end:
            return None
        return first, last - 1

    def is_uniform(self, first: int, last: int) -> bool:
        """Whether one and the same separator stands between the groups `first` to `last`."""
        between = {
            self.text[end:start]
            for end, start in zip(self.ends[first:last], self.starts[first + 1 : last + 1], strict=True)
        }
        return len(between) == 1

    def is_one_number(self, first: int, last: int) -> bool:
        """Whether the groups `first` to `last` may be one number, not neighbouring cells, a time or decimals."""
        between = [
            self.text[end:start]
            for end, start in zip(self.ends[first:last], self.starts[first + 1 : last + 1], strict=True)
        ]
        if first and self.text[self.ends[first - 1] : self.starts[first]] == "." and between[0] != ".":
            return False
        # Two cells or two fields stand beside each other by chance; three with the same between them do not.
        if len(between) > 1 and len(set(between)) == 1:
            return True
        return not any(mark in FIELDS for separator in between for mark in separator)

    def even_pieces(self) -> Iterator[tuple[int, int]]:
        """Groups of one size, the last perhaps of another, with one and the same separator: as if cut by a machine."""
        text, sizes, starts, ends = self.text, self.sizes, self.starts, self.ends
        end = len(sizes) - 1
        first = 0
        while first < end:
            between = text[ends[first] : starts[first + 1]]
            size = sizes[first]
            last = first + 1
            while last < end and sizes[last] == size and text[ends[last] : starts[last + 1]] == between:
                last += 1
            # Two groups are cut by a line's end; with a point or a dash they are decimals, a range.
            is_cut = last > first + 1 or (size >= 8 and between.isspace())
            if is_cut and "," not in between and sizes[last] <= size + 1:
                yield first, last
            first = last


def runs(text: str) -> Iterator[Run]:
    """Every run of two or more groups in `text`."""
    return map(_run, _RUN.finditer(text))


def run_around(text: str, place: int, least: int = 0) -> Run | None:
    """The run in which a group begins at `place`, if there is one; none reaches over `least`."""
    for match in _RUN.finditer(text, _behind_letter(text, place, least)):
        if match.end() > place:
            return _run(match) if match.start() <= place else None
    return None


def stretches(text: str, ends: Iterable[int]) -> Iterator[tuple[int, int]]:
    """The pieces of `text`, in order, in which numbers end at `ends` or right before: no run reaches out of one."""
    last = 0
    for end in ends:
        place = end if text[end - 1 : end].isdecimal() else end - 1
        if place > last:
            first = _behind_letter(text, place, last)
            letter = _LETTER.search(text, place)
            last = letter.start() if letter else len(text)
            yield first, last


def _behind_letter(text: str, place: int, least: int) -> int:
    """Where the last letter before `place` ends. None is in a run: from there on, runs are those of the whole text."""
    letter = _TO_LETTER.match(text, least, place)
    return letter.end() if letter else least


def _run(match: re.Match[str]) -> Run:
    text = match.string
    pieces: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for group in _GROUP.finditer(text, match.start(), match.end()):
        start, end = group.span()
        starts.append(start)
        ends.append(end)
        pieces.append(text[start:end])
    sizes = tuple(map(len, pieces))
    return Run(text, "".join(pieces), sizes, tuple(accumulate(sizes[:-1], initial=0)), tuple(starts), tuple(ends))
