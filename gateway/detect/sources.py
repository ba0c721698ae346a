"""The texts that a scan looks at, and where their characters come from.

A source is a leaf, the text around a seam between neighbouring leaves, or a view of another source. Each can say to
which leaf, and to which code points there, a span of it belongs. Pure.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from gateway.detect.leaves import Leaf
from gateway.detect.views import View

CHUNK = 2_000  # characters that a recognizer sees at once: bounds the longest step between two looks at the clock
OVERLAP = 400  # longer than any match
BATCH = 4_096  # characters that go through the prefilter in one pass
SEAM = 160  # characters on each side of a seam: a cue, a gap and an identifier

Place = tuple[str, int, int]
"""A leaf's path and a span of it."""


@dataclass(slots=True)
class LeafSource:
    """A leaf as it is."""

    text: str
    path: str
    transforms: tuple[str, ...] = ()
    is_head: bool = True
    is_tail: bool = True
    gates: set[int] = field(default_factory=set)

    def locate(self, start: int, end: int) -> Place:
        """Where a span of the text is."""
        return self.path, start, end


@dataclass(slots=True)
class SeamSource:
    """A piece of all leaves joined in prompt order, `offset` characters into them."""

    text: str
    offset: int
    leaves: Sequence[Leaf]
    starts: Sequence[int]
    transforms: tuple[str, ...]
    is_head: bool  # whether the text begins where the joined text begins
    is_tail: bool  # and ends where that ends
    gates: set[int] = field(default_factory=set)

    def locate(self, start: int, end: int) -> Place:
        """Where a span of the text begins; what reaches into the next leaf is cut off there."""
        index = bisect_right(self.starts, start + self.offset) - 1
        leaf = self.leaves[index]
        shift = self.offset - self.starts[index]
        return leaf.path, min(start + shift, len(leaf.text)), min(end + shift, len(leaf.text))


@dataclass(slots=True)
class ViewSource:
    """A view of another source."""

    view: View
    of: "Source"
    text: str
    transforms: tuple[str, ...]
    is_head: bool
    is_tail: bool
    gates: set[int] = field(default_factory=set)

    def locate(self, start: int, end: int) -> Place:
        """Where the original of a span is."""
        return self.of.locate(*self.view.original(start, end))


Source = LeafSource | SeamSource | ViewSource

Chunk = tuple[Source, int, str]
"""A piece of a source, by its offset there."""


def view_source(view: View, of: Source) -> ViewSource:
    """The source that `view` is."""
    return ViewSource(view, of, view.text, of.transforms + view.transforms, of.is_head, of.is_tail)


def seams(leaves: Sequence[Leaf]) -> Iterator[SeamSource]:
    """The text around every seam between neighbours, joined with nothing and with one space."""
    if len(leaves) < 2:
        return
    texts = [leaf.text for leaf in leaves]
    for glue, transforms in (("", ("joined",)), (" ", ("joined-by-space",))):
        joined = glue.join(texts)
        starts = [0]
        for text in texts[:-1]:
            starts.append(starts[-1] + len(text) + len(glue))
        first = last = starts[1]
        for seam in (*starts[2:], len(joined) + 4 * SEAM):
            if seam - last > 2 * SEAM:
                offset = max(0, first - SEAM)
                end = last + SEAM
                yield SeamSource(
                    joined[offset:end], offset, leaves, starts, transforms, offset == 0, end >= len(joined)
                )
                first = seam
            last = seam
        if not glue:
            yield from _pairs(joined, texts, leaves, starts, transforms)


def _pairs(
    joined: str, texts: Sequence[str], leaves: Sequence[Leaf], starts: Sequence[int], transforms: tuple[str, ...]
) -> Iterator[SeamSource]:
    """Each two neighbours by themselves, where a third would touch them: it could hide what the two make up."""
    last = len(texts) - 2
    for index in range(last + 1):
        left, right = texts[index], texts[index + 1]
        if (index < last and len(right) < SEAM) or (index and len(left) < SEAM):
            seam = starts[index + 1]
            offset, end = max(starts[index], seam - SEAM), seam + min(len(right), SEAM)
            yield SeamSource(
                joined[offset:end], offset, leaves, starts, transforms, offset == starts[index], len(right) <= SEAM
            )


def batches(sources: Sequence[Source]) -> Iterator[list[Chunk]]:
    """Chunks of all sources, in order, as many at a time as go through the prefilter in one pass."""
    batch: list[Chunk] = []
    size = 0
    for source in sources:
        text = source.text
        length = len(text)
        offset = 0
        while True:
            chunk = text if length <= CHUNK else text[offset : offset + CHUNK]
            batch.append((source, offset, chunk))
            size += len(chunk)
            if size >= BATCH:
                yield batch
                batch, size = [], 0
            if offset + CHUNK >= length:
                break
            offset += CHUNK - OVERLAP
    if batch:
        yield batch
