"""The texts of one request that are looked at, by their number: leaves, then the seams between them.

What a memo knows of several leaves together stands beside them. Roots are told in the order that they have in the
request, so that nothing shows who has looked at what. Pure.
"""

from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import TypeVar

from gateway.core.findings import Finding, Hit, Mark, Part, Unscanned
from gateway.detect.leaves import Leaf
from gateway.detect.sources import LeafSource, Root, Seam, Seen, Source, seam_joins, seam_source

MAX_FINDINGS = 2_000

Span = tuple[int, int]
Place = tuple[int, int, int]
"""Where a root is: its rank, the first and the last of the leaves that it touches."""

# In this order they are told: leaves, seams that are joined, pairs of neighbours, seams with a space, pairs of values.
_LEAF, _JOINED, _PAIR, _SPACED, _VALUES = range(5)

_Seen = TypeVar("_Seen", Hit, Mark)


class Roots:
    """The leaves of a request but those of `known` stretches, then the seams `around` the others.

    A stretch is from one leaf to another, both of them in it. Roots are made only when asked for: there is nothing in
    most.
    """

    __slots__ = ("_around", "_at", "_leaves", "_remembered", "made")

    def __init__(self, leaves: Sequence[Leaf], around: Sequence[Seam], known: Sequence[Span] = ()) -> None:
        self._leaves = leaves
        self._around = around
        self._at: Sequence[int] = range(len(leaves))
        if known:
            at: list[int] = []
            start = 0
            for first, last in known:
                at += range(start, first)
                start = last + 1
            at += range(start, len(leaves))
            self._at = at
        self._remembered: list[tuple[Place, Root]] = []
        self.made: dict[int, Root] = {}

    def texts(self) -> list[str]:
        """What is to be looked at."""
        leaves = self._leaves
        return [*[leaves[index].text for index in self._at], *[seam[0] for seam in self._around]]

    def gated(self) -> dict[int, Source]:
        """Those of which a gate is known: none yet."""
        return {}

    def parts(self) -> None:
        """Which parts of the texts to look at: all."""

    def joins(self, number: int, offset: int) -> Sequence[int]:
        """Where texts meet in this one, seen from `offset`."""
        index = number - len(self._at)
        return seam_joins(self._around[index], self._leaves, offset) if index >= 0 else ()

    def is_within(self, number: int, known: Sequence[Span]) -> bool:
        """Whether all that this one touches is in one of the `known` stretches."""
        _, first, last = self._place(number)
        return any(start <= first and last <= end for start, end in known)

    def __getitem__(self, number: int) -> Root:
        """One of them."""
        root = self.made.get(number)
        if root is None:
            index = number - len(self._at)
            if index >= 0:
                root = seam_source(self._around[index], self._leaves)
            else:
                leaf = self._leaves[self._at[number]]
                root = LeafSource(leaf.text, leaf.path)
            self.made[number] = root
        return root

    def add(self, first: int, parts: Sequence[Part]) -> None:
        """Add what was seen before in a stretch that begins with the leaf `first`."""
        for (rank, start, end), hits, marks in parts:
            place = rank, first + start, first + end
            seen = Seen(list(hits), list(marks))
            self._remembered.append((place, self._root_at(place, seen)))

    def _root_at(self, place: Place, seen: Seen) -> Root:
        rank, first, last = place
        if rank == _LEAF:
            leaf = self._leaves[first]
            return LeafSource(leaf.text, leaf.path, seen)
        # What is known is not looked at again: the text itself is not asked for.
        seam = ("", first, last, " " if rank == _SPACED else "", False, False, rank in (_PAIR, _VALUES))
        root = seam_source(seam, self._leaves)
        root.seen = seen
        return root

    def parts_of(self, first: int, last: int) -> list[Part]:
        """What was seen from the leaf `first` to the leaf `last`, in a form that says nothing of their place."""
        return [
            ((rank, start - first, end - first), tuple(root.seen.hits), tuple(root.seen.marks))
            for (rank, start, end), root in self._seen()
            if first <= start and end <= last
        ]

    def told(self) -> tuple[tuple[Finding, ...], list[Unscanned], bool]:
        """What was seen in all, each finding once, as written before it is through a view; False if it is too much."""
        if not self.made and not self._remembered:
            return (), [], True
        seen = list(self._seen()) if self.made else self._remembered
        if len(seen) > 1:
            seen = sorted(seen, key=itemgetter(0))
        return _told([root for _, root in seen])

    def _seen(self) -> Iterator[tuple[Place, Root]]:
        """Those in which anything was seen."""
        for number, root in self.made.items():
            if root.seen.hits or root.seen.marks:
                yield self._place(number), root
        yield from self._remembered

    def _place(self, number: int) -> Place:
        index = number - len(self._at)
        if index < 0:
            leaf = self._at[number]
            return _LEAF, leaf, leaf
        _, first, last, glue, _, _, is_pair = self._around[index]
        if glue:
            return _SPACED, first, last
        if not is_pair:
            return _JOINED, first, last
        return _PAIR if last == first + 1 else _VALUES, first, last


def _told(roots: Sequence[Root]) -> tuple[tuple[Finding, ...], list[Unscanned], bool]:
    findings: dict[tuple[str, str, int, int], Finding] = {}
    for root, hit in _in_order([(of, hit) for of in roots for hit in of.seen.hits]):
        _, entity, score, first, last, detector, seen_through = hit
        path, start, end = root.locate(first, last)
        key = (entity, path, start, end)
        known = findings.get(key)
        if known is None or known.score < score:
            transforms = known.transforms if known is not None else seen_through
            findings[key] = Finding(entity, score, path, start, end, detector, transforms)
            if len(findings) > MAX_FINDINGS:
                return tuple(findings.values()), [], False
    marks = _in_order([(of, mark) for of in roots for mark in of.seen.marks])
    places = [Unscanned(mark[1], root.locate(mark[2], mark[3])[0]) for root, mark in marks] if marks else []
    return tuple(findings.values()), places, True


def _in_order(seen: list[tuple[Root, _Seen]]) -> list[tuple[Root, _Seen]]:
    """What was seen through fewer views first."""
    if len(seen) > 1:
        seen.sort(key=lambda each: each[1][0])
    return seen
