"""Sets of states as boxes: for each axis a set of its values. A diagram of merged nodes becomes few boxes, not many.

A node splits one axis; equal parts are one, and a node that splits nothing is none. Boxes of one kind that differ on
one axis only become one box, until none do. Nothing here knows what an axis means.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Final

MOST_BOXES: Final = 5_000
MOST_WIDENED: Final = 100
"""Above so many boxes of a kind nobody reads them all, and widening them would take long."""
_MOST_PIECES: Final = 2_000
SAME: Final = -1
"""The leaf of states that nobody asked for. Other leaves are below it: SAME - 1 is kind 0."""
MODEL: Final = "model"
OWN_CEILING: Final = "own_ceiling"

Span = tuple[int, int | None]


@dataclass(frozen=True, slots=True)
class Axis:
    """One dimension and its values. A value can go by several names, which nothing tells apart; a number's by the
    `spans` from a bound to before another (None: no end)."""

    fact: str
    member: str
    names: tuple[tuple[str, ...], ...]
    spans: tuple[tuple[Span, ...], ...] = ()

    @property
    def full(self) -> int:
        """The mask of all values."""
        return (1 << len(self.names)) - 1

    def chosen(self, mask: int) -> tuple[str, ...]:
        """The names of the values in `mask`."""
        return tuple(name for place, names in enumerate(self.names) if mask >> place & 1 for name in names)

    def mask_of(self, name: str) -> int:
        """The mask of the value called `name`; 0 if there is none."""
        return sum(1 << place for place, names in enumerate(self.names) if name in names)


@dataclass(frozen=True, slots=True)
class Box:
    """States as a product: for each axis the mask of its values. `kind` is that of the leaf."""

    masks: tuple[int, ...]
    kind: int


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that the states of a region have in common: the values of `axis` that its `mask` names."""

    axis: Axis
    mask: int

    @property
    def names(self) -> tuple[str, ...]:
        """What the values are called."""
        return self.axis.chosen(self.mask)

    @property
    def spans(self) -> tuple[Span, ...]:
        """The values as spans in order, those that touch as one."""
        return _joined(self.axis.spans[place] for place in range(len(self.axis.spans)) if self.mask >> place & 1)

    @property
    def left_out(self) -> "Part":
        """The values that are not in it."""
        return Part(self.axis, self.axis.full & ~self.mask)


@dataclass(frozen=True, slots=True)
class Region:
    """A set of states: all parts hold. Without parts it is all of them."""

    parts: tuple[Part, ...]


def region_of(axes: Sequence[Axis], box: Box) -> Region:
    """`box` as the parts that say something."""
    return Region(tuple(Part(axis, mask) for axis, mask in zip(axes, box.masks, strict=True) if mask != axis.full))


def united(regions: Iterable[Region]) -> tuple[Region, ...]:
    """The states of all of `regions` in as few and as wide ones as may be."""
    every = tuple(regions)
    axes = tuple(dict.fromkeys(part.axis for region in every for part in region.parts))
    masks = [{part.axis: part.mask for part in region.parts} for region in every]
    boxes = [tuple(found.get(axis, axis.full) for axis in axes) for found in masks]
    wide = widened(merged(boxes), tuple(axis.full for axis in axes))
    return tuple(region_of(axes, Box(box, 0)) for box in wide)


class Diagram:
    """Nodes by number, each once. A leaf is a negative number."""

    def __init__(self) -> None:
        self.nodes: list[tuple[int, tuple[tuple[int, int], ...]]] = []
        self._known: dict[tuple[int, tuple[tuple[int, int], ...]], int] = {}

    def node(self, axis: int, children: Sequence[int]) -> int:
        """The node that splits `axis` into `children`, one for each value."""
        masks: dict[int, int] = {}
        for index, child in enumerate(children):
            masks[child] = masks.get(child, 0) | 1 << index
        if not masks:
            return SAME
        if len(masks) == 1:
            return children[0]
        key = axis, tuple((mask, child) for child, mask in masks.items())
        number = self._known.setdefault(key, len(self.nodes))
        if number == len(self.nodes):
            self.nodes.append(key)
        return number


def boxes_of(diagram: Diagram, root: int, axes: Sequence[Axis], most: int = MOST_BOXES) -> tuple[tuple[Box, ...], bool]:
    """Every state below `root` but for SAME, as boxes; and whether there were more than `most`, and are missing.

    Boxes of different kinds never overlap; those of one kind may, where that takes fewer and wider ones.
    """
    found: dict[int, list[tuple[int, ...]]] = {}
    open_nodes = [(root, tuple(axis.full for axis in axes))]
    count = 0
    while open_nodes:
        node, masks = open_nodes.pop()
        if node == SAME:
            continue
        if node >= 0:
            place, parts = diagram.nodes[node]
            open_nodes += [(child, (*masks[:place], mask, *masks[place + 1 :])) for mask, child in reversed(parts)]
            continue
        if count == most:
            break
        count += 1
        found.setdefault(SAME - 1 - node, []).append(masks)
    full = tuple(axis.full for axis in axes)
    boxes = tuple(Box(masks, kind) for kind in sorted(found) for masks in widened(merged(found[kind]), full))
    return boxes, bool(open_nodes)


def merged(boxes: Sequence[tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
    """The same states in fewer boxes: those that differ on one axis only become one."""
    current = list(boxes)
    before = len(current) + 1
    while len(current) < before:
        before = len(current)
        for place in range(len(current[0]) if current else 0):
            together: dict[tuple[int, ...], int] = {}
            for masks in current:
                key = (*masks[:place], 0, *masks[place + 1 :])
                together[key] = together.get(key, 0) | masks[place]
            current = [(*key[:place], mask, *key[place + 1 :]) for key, mask in together.items()]
    return tuple(current)


def widened(boxes: Sequence[tuple[int, ...]], full: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """The same states in boxes as wide as they can be, without those that the others make superfluous."""
    if len(boxes) > MOST_WIDENED:
        return tuple(boxes)
    wide: list[tuple[int, ...]] = []
    for masks in boxes:
        widest = masks
        for place, whole in enumerate(full):
            wider = (*widest[:place], whole, *widest[place + 1 :])
            if _is_covered(wider, boxes):
                widest = wider
        wide.append(widest)
    kept = list(dict.fromkeys(wide))
    for masks in sorted(kept, key=_size):
        others = [other for other in kept if other != masks]
        if _is_covered(masks, others):
            kept = others
    return tuple(kept)


def _size(masks: tuple[int, ...]) -> int:
    return prod(mask.bit_count() for mask in masks)


def _is_covered(masks: tuple[int, ...], boxes: Sequence[tuple[int, ...]]) -> bool:
    """Whether every state of one box lies in `boxes`: what the first one leaves over is looked for in the others.

    Also false where that would take long, so that a box is left narrower or kept besides.
    """
    left = [(masks, 0)]
    for _ in range(_MOST_PIECES):
        if not left:
            return True
        rest, at = left.pop()
        while at < len(boxes) and not all(mask & other for mask, other in zip(rest, boxes[at], strict=True)):
            at += 1
        if at == len(boxes):
            return False
        for place, other in enumerate(boxes[at]):
            outside = rest[place] & ~other
            if outside:
                left.append(((*rest[:place], outside, *rest[place + 1 :]), at + 1))
                rest = (*rest[:place], rest[place] & other, *rest[place + 1 :])
    return False


def _joined(spans: Iterable[tuple[Span, ...]]) -> tuple[Span, ...]:
    joined: list[Span] = []
    for start, end in sorted((span for some in spans for span in some), key=lambda span: span[0]):
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return tuple(joined)
