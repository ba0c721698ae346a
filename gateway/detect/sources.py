"""The texts that a scan looks at, and where their characters come from.

A source is a leaf, the text around a seam between leaves, or a view of another source. Each can say to
which leaf, and to which code points there, a span of it belongs. Pure.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from gateway.core.findings import Hit, Mark
from gateway.detect.leaves import Leaf, LeafKind
from gateway.detect.tables import has_insert
from gateway.detect.views import View

CHUNK = 2_000  # characters that a recognizer sees at once: bounds the longest step between two looks at the clock
OVERLAP = 400  # longer than any match
BATCH = 4_096  # characters that go through the prefilter in one pass
BLOCK = 1_600  # characters of short leaves that are joined in one text; longer ones overlap
_LEAST = 6  # characters that two leaves must have together for a look at what they make up
_FEW = 16  # characters of words that are not worth one
SEAM = 160  # characters on each side of a seam: a cue, a gap and an identifier

Span = tuple[int, int]
Place = tuple[str, int, int]
"""A leaf's path and a span of it."""


Gates = dict[int, list[int]]
"""The views that a text calls for, by their gate, and where the gate's matches end, in order; nowhere: anywhere."""


@dataclass(slots=True)
class Seen:
    """All that was seen in one root, a leaf or a seam, and in the views of it, by its place there."""

    hits: list[Hit] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    read: set[str] = field(default_factory=set)  # the views: many can be had in more ways than one


@dataclass(slots=True)
class LeafSource:
    """A leaf as it is."""

    text: str
    path: str
    seen: Seen = field(default_factory=Seen)
    transforms: tuple[str, ...] = ()
    is_head: bool = True
    is_tail: bool = True
    gates: Gates = field(default_factory=dict)

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where a span of the text is in the root."""
        return start, end

    def locate(self, start: int, end: int) -> Place:
        """Where a span of the text is."""
        return self.path, start, end


@dataclass(slots=True)
class SeamSource:
    """The end of a leaf, the beginning of a later one, and the whole of those in between, joined by `glue`.

    Those in between may be left out, where they are keys.
    """

    text: str
    leaves: Sequence[Leaf]
    cut: int  # how many characters of the first leaf are left out
    glue: str
    transforms: tuple[str, ...]
    is_head: bool  # whether nothing that belongs to it stands before
    is_tail: bool  # and nothing behind
    seen: Seen = field(default_factory=Seen)
    gates: Gates = field(default_factory=dict)

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
    gates: Gates = field(default_factory=dict)

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where the original of a span is in the root."""
        return self.of.span(*self.view.original(start, end))


Root = LeafSource | SeamSource
Source = LeafSource | SeamSource | ViewSource

Batch = tuple[Sequence[int], Sequence[int], Sequence[str]]
"""Pieces of texts: the number of each one's text, its offset there, and itself."""


def open_gate(gates: Gates, gate: int, offset: int, ends: Sequence[int]) -> None:
    """Note in `gates` that one has opened at `ends`, seen from `offset`; without any, anywhere."""
    if not ends:
        gates[gate] = []
    elif gate not in gates:
        gates[gate] = [offset + end for end in ends]
    elif gates[gate]:
        gates[gate] += [offset + end for end in ends]


def view_source(view: View, of: Source, gates: Iterable[int] = ()) -> ViewSource:
    """The source that `view` is; of the gates that it has from `of`, `gates` are known."""
    transforms = of.transforms + view.transforms
    return ViewSource(view, of, view.text, transforms, of.is_head, of.is_tail, of.seen, {gate: [] for gate in gates})


Seam = tuple[str, int, int, str, bool, bool, bool]
"""The text around some seams: itself, the first and the last leaf that it touches, the glue, is it head, is it tail,
and whether all leaves between the two are left out."""


def seams(leaves: Sequence[Leaf], gaps: Sequence[tuple[int, int]] | None = None) -> list[Seam]:
    """The text around every seam between neighbours, joined with nothing and with one space, and between two values
    that only keys part.

    Plain tuples of pieces: nothing is found around nearly all seams of nearly all requests. With `gaps` only those
    between the two leaves of each and all in between: where nothing is the edge, a value longer than `SEAM` must be.
    """
    found: list[Seam] = []
    if gaps is None:
        gaps = ((0, len(leaves) - 1),) if len(leaves) > 1 else ()
    if not gaps:
        return found
    texts = [leaf.text for leaf in leaves]
    for glue in ("", " "):
        for start, end in gaps:
            first = start
            for last in range(start + 1, end + 1):
                # Seams on both sides of a short leaf are one text; a long leaf keeps them apart.
                if last == end or len(texts[last]) > SEAM:
                    _add_joined(found, texts, first, last, glue)
                    first = last
        if not glue:
            for start, end in gaps:
                for index in range(start, end):
                    # What a value and the next key make up is looked at by itself where the key is no name.
                    if leaves[index + 1].kind is not LeafKind.KEY or not _is_name(texts[index + 1]):
                        _add_pair(found, texts, index, index + 1)
    for start, end in gaps:
        _add_values(found, leaves, texts, start, end)
    return found


def _add_joined(found: list[Seam], texts: Sequence[str], first: int, last: int, glue: str) -> None:
    """The seams between `first` and `last`, which all overlap: in one text, or where that is long, in several.

    Each begins where it began when there was less behind it, so that a memo knows it again when a chat has grown.
    """
    reach = SEAM - len(glue)
    end = len(texts) - 1
    while True:
        stop, size = first + 1, 0
        while stop < last and size < BLOCK:
            size += len(texts[stop])
            stop += 1
        left, right = texts[first], texts[stop]
        text = glue.join((left[-reach:], *texts[first + 1 : stop], right[:SEAM]))
        is_head, is_tail = first == 0 and len(left) <= reach, stop == end and len(right) <= SEAM
        found.append((text, first, stop, glue, is_head, is_tail, False))
        if stop == last:
            return
        # What crosses the next seam may begin in leaves before.
        first, size = stop, len(right)
        while size < SEAM:
            first -= 1
            size += len(texts[first])


def _add_pair(found: list[Seam], texts: Sequence[str], first: int, last: int) -> None:
    """Two neighbours by themselves, where a third would touch them: it could hide what the two make up."""
    left, right = texts[first], texts[last]
    # A third is near at least at one end, and what two make up is not tiny.
    if len(left) + len(right) >= _LEAST and (
        (len(right) < SEAM and last < len(texts) - 1) or (len(left) < SEAM and first)
    ):
        found.append((left[-SEAM:] + right[:SEAM], first, last, "", len(left) <= SEAM, len(right) <= SEAM, True))


def _add_values(found: list[Seam], leaves: Sequence[Leaf], texts: Sequence[str], start: int, end: int) -> None:
    """Each two values that only keys part: they may be halves of something."""
    before = -1
    for index in range(start, end + 1):
        if leaves[index].kind is not LeafKind.KEY:
            if 0 <= before < index - 1:
                left, right = texts[before], texts[index]
                text = left[-SEAM:] + right[:SEAM]
                if len(text) >= _LEAST and not (len(text) <= _FEW and _is_name(text)):
                    found.append((text, before, index, "", len(left) <= SEAM, len(right) <= SEAM, True))
            before = index


def _is_name(text: str) -> bool:
    """Whether a text is a word or two of Latin letters, as the names of fields are."""
    return text.isascii() and text.replace(" ", "").replace("_", "").isalpha()


def seam_joins(seam: Seam, leaves: Sequence[Leaf], offset: int = 0) -> Sequence[int]:
    """Where the leaves meet in the text of `seam`, seen from `offset`."""
    _, first, last, glue, _, _, is_pair = seam
    place = min(len(leaves[first].text), SEAM - len(glue)) - offset
    joins = [place]
    if is_pair or last == first + 1:
        return joins
    for leaf in leaves[first + 1 : last]:
        place += len(leaf.text) + len(glue)
        joins.append(place)
    return joins


def seam_source(seam: Seam, leaves: Sequence[Leaf]) -> SeamSource:
    """The source that `seam` is; `leaves` are all of the request's."""
    text, first, last, glue, is_head, is_tail, is_pair = seam
    cut = max(0, len(leaves[first].text) - SEAM + len(glue))
    transforms = ("joined-by-space",) if glue else ("joined",)
    those = (leaves[first], leaves[last]) if is_pair else leaves[first : last + 1]
    return SeamSource(text, those, cut, glue, transforms, is_head, is_tail)


class Views(list[Source]):
    """Views of other sources. Where texts meet in them, nobody knows."""

    __slots__ = ()

    def joins(self, number: int, offset: int) -> Sequence[int]:  # noqa: ARG002  # the other one's signature
        """None that are known."""
        return ()

    def gated(self) -> dict[int, Source]:
        """Those of which a gate is known."""
        return {number: view for number, view in enumerate(self) if view.gates}

    def parts(self) -> Sequence[Sequence[Span]]:
        """Which parts of each view to look at: those that may show what the text does not of which it is a view."""
        return [_parts(view) if isinstance(view, ViewSource) else ((0, len(view.text)),) for view in self]


def _parts(source: ViewSource) -> Sequence[Span]:
    text, view = source.text, source.view
    length = len(text)
    # A few edits in a long text, that is; else it is all looked at.
    if length <= CHUNK or len(view.new_starts) * 2 * OVERLAP > length:
        return ((0, length),)
    # What an insert's head says holds for all that its chunk shows of its rows.
    reach = CHUNK if has_insert(text) else OVERLAP
    parts: list[Span] = []
    for start, end in view.changes(source.of.text):
        first, last = max(0, start - reach), min(length, end + reach)
        if parts and first <= parts[-1][1]:
            parts[-1] = parts[-1][0], last
        else:
            parts.append((first, last))
    return parts


def batches(texts: Sequence[str], parts: Sequence[Sequence[Span]] | None = None) -> Iterator[Batch]:
    """Chunks of `texts`, or of `parts` of each, in order, as many at a time as go through the prefilter in one pass."""
    lengths = list(map(len, texts))
    if parts is None and sum(lengths) <= BATCH and max(lengths, default=0) <= CHUNK:
        yield range(len(texts)), [0] * len(texts), texts
        return
    numbers: list[int] = []
    offsets: list[int] = []
    chunks: list[str] = []
    size = 0
    for number, (text, length) in enumerate(zip(texts, lengths, strict=True)):
        for offset, end in parts[number] if parts is not None else ((0, length),):
            while True:
                chunk = text[offset : min(offset + CHUNK, end)]
                numbers.append(number)
                offsets.append(offset)
                chunks.append(chunk)
                size += len(chunk)
                if size >= BATCH:
                    yield numbers, offsets, chunks
                    numbers, offsets, chunks, size = [], [], [], 0
                if offset + CHUNK >= end:
                    break
                offset += CHUNK - OVERLAP
    if chunks:
        yield numbers, offsets, chunks
