"""Runs of digits in groups: identifiers that are written with separators, or split by something that is no letter.

A run is collapsed once, with the place of every digit, so that any window of neighbouring groups is a slice of it and
a long run costs little more than its length. Pure.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

# The look-behind stands after the first digit: a pattern that begins with a class skips what is not in it, fast.
_RUN = re.compile(r"[0-9](?<![0-9A-Za-z][0-9])[0-9]{0,17}(?:[\W_]{1,4}(?:[0-9]{1,18}[Xx]?|[Xx])(?![0-9A-Za-z]))+")
_BETWEEN_FIELDS = "|,;:\t，；：、"
_GROUP = re.compile(r"[0-9]+[Xx]?|[Xx]")


@dataclass(frozen=True, slots=True)
class Run:
    """Groups of digits with separators between them.

    `digits` is all of them in one; the others are parallel, one entry per group: where it begins in `digits`, and where
    it begins and ends in the text.
    """

    text: str
    digits: str
    offsets: tuple[int, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def sizes(self, first: int, last: int) -> tuple[int, ...]:
        """How many digits each of the groups `first` to `last` has."""
        return tuple(
            [end - start for start, end in zip(self.starts[first : last + 1], self.ends[first:], strict=False)]
        )

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
        return not any(mark in _BETWEEN_FIELDS for separator in between for mark in separator)

    def even_pieces(self) -> Iterator[tuple[int, int]]:
        """Groups of one size, the last perhaps of another, with one and the same separator: as if cut by a machine."""
        count = len(self.starts)
        first = 0
        while first < count - 1:
            between = self.text[self.ends[first] : self.starts[first + 1]]
            size = self.ends[first] - self.starts[first]
            last = first
            while (
                last < count - 1
                and self.ends[last] - self.starts[last] == size
                and self.text[self.ends[last] : self.starts[last + 1]] == between
            ):
                last += 1
            # Two groups are cut by a line's end; with a point or a dash they are decimals, a range.
            is_cut = last > first + 1 or (last > first and size >= 8 and between.isspace())
            if is_cut and "," not in between and self.ends[last] - self.starts[last] <= size + 1:
                yield first, last
            first = max(first + 1, last)


def runs(text: str, *, least: int = 2) -> Iterator[Run]:
    """Every run of two or more groups in `text`; some that have fewer digits than `least` are left out."""
    for match in _RUN.finditer(text):
        first, last = match.span()
        if last - first <= least:  # there is a separator, too
            continue
        offsets: list[int] = []
        starts: list[int] = []
        ends: list[int] = []
        pieces: list[str] = []
        length = 0
        for group in _GROUP.finditer(text, match.start(), match.end()):
            offsets.append(length)
            starts.append(group.start())
            ends.append(group.end())
            pieces.append(group.group())
            length += group.end() - group.start()
        digits = "".join(pieces)
        yield Run(text, digits, tuple(offsets), tuple(starts), tuple(ends))
