"""What a prefilter triggers, told for each index: groups are the scanner's business."""

from collections.abc import Mapping, Sequence

from gateway.detect.prefilter import Prefilter, Seen


def by_index(built: Prefilter, seen: Seen) -> Mapping[int, Sequence[int]]:
    """The indexes that are triggered, each with where its patterns end, in order; nowhere: anywhere."""
    found: dict[int, Sequence[int]] = {}
    for group, ends in seen.items():
        for index in built.groups[group]:
            is_anywhere = not ends or found.get(index) == ()
            found[index] = () if is_anywhere else sorted({*found.get(index, ()), *ends})
    return found


def told(built: Prefilter, texts: Sequence[str]) -> list[tuple[int, Mapping[int, Sequence[int]]]]:
    """The same for several texts, with the number of each in which anything is triggered."""
    return [(number, by_index(built, seen)) for number, seen in built.seen(texts)]
