"""One scan's dealings with a memo: which leaves and seams it knows, and what it is to remember of the others.

A root is asked for once, and only if the scanner asks. What stands around a seam follows from the whole texts that meet
there, so its key is made of theirs and of how they meet. Pure, but for the memo.
"""

from gateway.core.findings import Remembered, Tier
from gateway.detect.sources import SeamSource, Seen, Source
from gateway.ports import Memo


class Recall:
    """What a memo knows of the roots of one scan."""

    __slots__ = ("_asked", "_keys", "_memo", "_new")

    def __init__(self, memo: Memo) -> None:
        self._memo = memo
        self._keys: dict[str, bytes] = {}
        self._asked: dict[int, bool] = {}  # by the root's identity: they live as long as the scan
        self._new: list[tuple[bytes, Seen]] = []

    def knows(self, root: Source, tiers: frozenset[Tier]) -> bool:
        """Whether all of `tiers` have seen this text before; what they saw then is put into the root."""
        answer = self._asked.get(id(root))
        if answer is None:
            key = self._key(root)
            known = self._memo.recall(key)
            answer = self._asked[id(root)] = known is not None and known.tiers >= tiers
            if known is not None and answer:
                root.seen.hits.extend(known.hits)
                root.seen.marks.extend(known.marks)
            else:
                self._new.append((key, root.seen))
        return answer

    def remember(self, tiers: frozenset[Tier]) -> None:
        """Have the memo remember what `tiers` have now seen, to the end, in the roots that it did not know."""
        for key, seen in self._new:
            self._memo.remember(key, Remembered(tiers, tuple(seen.hits), tuple(seen.marks)))

    def _key(self, root: Source) -> bytes:
        match root:
            case SeamSource(leaves=leaves, glue=glue, is_head=is_head, is_tail=is_tail):
                form = f"{is_head:d}{is_tail:d}{glue}".encode()
                return self._memo.key_of_seam([self._key_of(leaf.text) for leaf in leaves], form)
            case _:
                return self._key_of(root.text)

    def _key_of(self, text: str) -> bytes:
        key = self._keys.get(text)
        if key is None:
            key = self._keys[text] = self._memo.key_of(text)
        return key
