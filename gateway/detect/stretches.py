"""Stretches of a request that a memo knows as one: the conversation so far, and what stands beside it, as tools do.

A long leaf keeps what stands on its two sides apart. So all that can be found from the first leaf to a long one, or
between two long ones, where they meet included, follows from these leaves alone, and one hash over their texts finds
it again: of a chat that comes again nothing but its new turns is looked at. Pure, but for the memo.
"""

from collections.abc import Sequence

import msgspec

from gateway.core.findings import Remembered, Tier
from gateway.detect.leaves import Leaf, LeafKind, Walked
from gateway.detect.roots import Roots, Span
from gateway.detect.sources import SEAM
from gateway.ports import Memo

LEAST = 400  # characters: fewer are looked at sooner than a memo is asked
_NEW = 8  # long leaves that may be new since the last turn: an answer, what tools said, a question
_MOST = 256  # things seen in a stretch that is worth remembering: they are remembered with every turn
_BEGINNING, _BESIDE = b"beginning", b"beside"

_lines = msgspec.json.Encoder().encode_lines


class Stretches:
    """What a memo knows of the stretches of one request, and which it is to remember when all has been looked at.

    `known` are the stretches that it knows, in order, each from one leaf to another.
    """

    __slots__ = ("_memo", "_new", "_parts", "known")

    def __init__(self, memo: Memo, walked: Walked, tiers: frozenset[Tier]) -> None:
        self._memo = memo
        self.known: list[Span] = []
        self._parts: list[Remembered] = []
        self._new: list[tuple[Span, bytes]] = []
        leaves, spoken = walked.leaves, walked.spoken
        if ends := _worth_asking(leaves, _ends(leaves, 0, spoken)):
            self._ask_for_beginning(leaves, ends, tiers)
        if spoken == len(leaves):
            return
        beside = _ends(leaves, spoken, len(leaves))
        if _worth_asking(leaves, beside):
            self._ask_for(leaves, beside[0], beside[-1], tiers)

    def gaps(self, count: int) -> list[Span] | None:
        """From which to which of `count` leaves there are seams to look at; None: all."""
        if not self.known:
            return None
        gaps: list[Span] = []
        start = 0
        for first, last in self.known:
            if start < first:
                gaps.append((start, first))
            start = last
        if start < count - 1:
            gaps.append((start, count - 1))
        return gaps

    def add_to(self, roots: Roots) -> None:
        """Add what was seen in the known stretches to `roots`."""
        for (first, _), seen in zip(self.known, self._parts, strict=True):
            roots.add(first, seen.parts)

    def remember(self, roots: Roots, tiers: frozenset[Tier]) -> None:
        """Have the memo remember what `tiers` have now seen, to the end, in the stretches that it did not know."""
        for (first, last), key in self._new:
            parts = roots.parts_of(first, last)
            if sum(len(hits) + len(marks) for _, hits, marks in parts) <= _MOST:
                self._memo.remember(key, Remembered(tiers, parts=tuple(parts)))

    def _ask_for_beginning(self, leaves: Sequence[Leaf], ends: Sequence[int], tiers: frozenset[Tier]) -> None:
        """The longest known beginning, of those that end with the first or with one of the last long leaves."""
        # The first is an instruction that many chats have.
        if len(ends) > _NEW + 1:
            ends = [ends[0], *ends[-_NEW:]]
        pieces, start = [], 0
        for end in ends:
            pieces.append(_written(leaves[start : end + 1]))
            start = end + 1
        keys = self._memo.keys_of_row(pieces, _BEGINNING)
        for index in range(len(ends) - 1, -1, -1):
            if self._knows((0, ends[index]), keys[index], tiers):
                return
            if index in (0, len(ends) - 1):
                self._new.append(((0, ends[index]), keys[index]))

    def _ask_for(self, leaves: Sequence[Leaf], first: int, last: int, tiers: frozenset[Tier]) -> None:
        (key,) = self._memo.keys_of_row((_written(leaves[first : last + 1]),), _BESIDE)
        if not self._knows((first, last), key, tiers):
            self._new.append(((first, last), key))

    def _knows(self, stretch: Span, key: bytes, tiers: frozenset[Tier]) -> bool:
        seen = self._memo.recall(key)
        if seen is None or not seen.tiers >= tiers:
            return False
        self.known.append(stretch)
        self._parts.append(seen)
        return True


def _ends(leaves: Sequence[Leaf], first: int, last: int) -> list[int]:
    """The long leaves before `last` with which a stretch may begin or end."""
    return [i for i in range(first, last) if len(leaves[i].text) > SEAM and leaves[i].kind is LeafKind.VALUE]


def _worth_asking(leaves: Sequence[Leaf], ends: list[int]) -> list[int]:
    """Those of `ends` up to which there is text enough to be worth a question."""
    size = 0
    for count, index in enumerate(ends):
        size += len(leaves[index].text)
        if size >= LEAST:
            return ends[count:] if count else ends
    return []


def _written(leaves: Sequence[Leaf]) -> bytes:
    """What `leaves` say and what they are, and nothing else that could be written like this."""
    return _lines([leaf.text if leaf.kind is LeafKind.VALUE else (leaf.text, leaf.kind) for leaf in leaves])
