"""The texts that a scan looks at, and where their characters come from.

A source is a leaf, the text around a seam between neighbouring leaves, or a view of another source. Each can say to
which leaf, and to which code points there, a span of it belongs. Pure.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from gateway.core.findings import Hit, Mark
from gateway.detect.leaves import Leaf
from gateway.detect.views import View

CHUNK = 2_000  # characters that a recognizer sees at once: bounds the longest step between two looks at the clock
OVERLAP = 400  # longer than any match
BATCH = 4_096  # characters that go through the prefilter in one pass
SEAM = 160  # characters on each side of a seam: a cue, a gap and an identifier

Place = tuple[str, int, int]
"""A leaf's path and a span of it."""


@dataclass(slots=True)
class Seen:
    """All that was seen in one root, a leaf or a seam, and in the views of it, by its place there."""

    hits: list[Hit] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)


@dataclass(slots=True)
class LeafSource:
    """A leaf as it is."""

    text: str
    path: str
    seen: Seen = field(default_factory=Seen)
    transforms: tuple[str, ...] = ()
    is_head: bool = True
    is_tail: bool = True
    gates: set[int] = field(default_factory=set)

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where a span of the text is in the root."""
        return start, end

    def locate(self, start: int, end: int) -> Place:
        """Where a span of the text is."""
        return self.path, start, end


@dataclass(slots=True)
class SeamSource:
    """The end of a leaf, the beginning of a later one, and the whole of those in between, joined by `glue`."""

    text: str
    leaves: Sequence[Leaf]
    cut: int  # how many characters of the first leaf are left out
    glue: str
    transforms: tuple[str, ...]
    is_head: bool  # whether nothing that belongs to it stands before
    is_tail: bool  # and nothing behind
    seen: Seen = field(default_factory=Seen)
    gates: set[int] = field(default_factory=set)

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where a span of the text is in the root."""
        return start, end

    def locate(self, start: int, end: int) -> Place:
        """Where a span of the text begins; what reaches into the next leaf is cut off there."""
        shift = self.cut
        index = 0
        while index < len(self.leaves) - 1:
            step = len(self.leaves[index].text) + len(self.glue)
            if start + shift < step:
                break
            shift -= step
            index += 1
        leaf = self.leaves[index]
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
    seen: Seen
    gates: set[int] = field(default_factory=set)

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where the original of a span is in the root."""
        return self.of.span(*self.view.original(start, end))


Root = LeafSource | SeamSource
Source = LeafSource | SeamSource | ViewSource

Chunk = tuple[Source, int, str]
"""A piece of a source, by its offset there."""


def view_source(view: View, of: Source) -> ViewSource:
    """The source that `view` is."""
    return ViewSource(view, of, view.text, of.transforms + view.transforms, of.is_head, of.is_tail, of.seen)


Seam = tuple[str, int, int, str, bool, bool]
"""The text around some seams: itself, the first and the last leaf that it touches, the glue, is it head, is it tail."""


def seams(texts: Sequence[str]) -> list[Seam]:
    """The text around every seam between neighbours, joined with nothing and with one space.

    Plain tuples of pieces: nothing is found around nearly all seams of nearly all requests.
    """
    found: list[Seam] = []
    end = len(texts) - 1
    for glue in ("", " "):
        reach = SEAM - len(glue)
        first = 0
        for last in range(1, end + 1):
            # Seams on both sides of a short leaf are one text; a long leaf keeps them apart.
            if last == end or len(texts[last]) > SEAM + reach:
                left, right = texts[first], texts[last]
                text = glue.join((left[-reach:], *texts[first + 1 : last], right[:SEAM]))
                is_head, is_tail = first == 0 and len(left) <= reach, last == end and len(right) <= SEAM
                found.append((text, first, last, glue, is_head, is_tail))
                first = last
        if not glue:
            _add_pairs(found, texts, end)
    return found


def _add_pairs(found: list[Seam], texts: Sequence[str], end: int) -> None:
    """Each two neighbours by themselves, where a third would touch them: it could hide what the two make up."""
    for index in range(end):
        left, right = texts[index], texts[index + 1]
        if (len(right) < SEAM and index + 1 < end) or (len(left) < SEAM and index):
            text = left[-SEAM:] + right[:SEAM]
            found.append((text, index, index + 1, "", len(left) <= SEAM, len(right) <= SEAM))


def seam_source(seam: Seam, leaves: Sequence[Leaf]) -> SeamSource:
    """The source that `seam` is; `leaves` are all of the request's."""
    text, first, last, glue, is_head, is_tail = seam
    cut = max(0, len(leaves[first].text) - SEAM + len(glue))
    transforms = ("joined-by-space",) if glue else ("joined",)
    return SeamSource(text, leaves[first : last + 1], cut, glue, transforms, is_head, is_tail)


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
