"""The text around seams is what its plain definition says, and every character of it knows where it is from."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.detect.leaves import Leaf, LeafKind
from gateway.detect.sources import SEAM, seam_source, seams

LENGTHS = st.one_of(
    st.integers(1, 12), st.integers(SEAM - 3, SEAM + 3), st.integers(2 * SEAM - 3, 2 * SEAM + 3), st.integers(1, 700)
)


def plainly(texts):
    """What is within reach of a seam in all texts joined, and each two neighbours that a third would touch."""
    for glue, name in (("", "joined"), (" ", "joined-by-space")):
        joined = glue.join(texts)
        starts = [sum(len(text) + len(glue) for text in texts[:index]) for index in range(len(texts))]
        covered = {place for seam in starts[1:] for place in range(max(0, seam - SEAM), seam + SEAM)}
        places = [place for place in range(len(joined)) if place in covered]
        for first in [p for p in places if p - 1 not in covered]:
            last = first
            while last + 1 < len(joined) and last + 1 in covered:
                last += 1
            yield joined[first : last + 1], first, starts, (name,), first == 0, last + 1 == len(joined)
        if not glue:
            for index in range(len(texts) - 1):
                left, right = texts[index : index + 2]
                third_is_near = (len(right) < SEAM and index + 2 < len(texts)) or (len(left) < SEAM and index > 0)
                if third_is_near:
                    first = max(starts[index], starts[index + 1] - SEAM)
                    text = joined[first : starts[index + 1] + min(SEAM, len(right))]
                    yield text, first, starts, (name,), len(left) <= SEAM, len(right) <= SEAM


@given(st.lists(LENGTHS, max_size=7))
def test_seams_are_what_stands_within_reach_of_them(lengths):
    alphabet = "abcdefghijklmnopqrstuvwxyz"
    texts = ["".join(alphabet[(i + 7 * j) % 26] for j in range(length)) for i, length in enumerate(lengths)]
    leaves = [Leaf(f"leaf[{i}]", text, LeafKind.VALUE) for i, text in enumerate(texts)]
    sources = [seam_source(seam, leaves) for seam in seams(texts)]
    expected = list(plainly(texts))
    assert [(s.text, s.transforms, s.is_head, s.is_tail) for s in sources] == [
        (text, transforms, is_head, is_tail) for text, _, _, transforms, is_head, is_tail in expected
    ]
    for source, (text, first, starts, *_) in zip(sources, expected, strict=True):
        for place in range(len(text)):
            index = max(i for i, start in enumerate(starts) if start <= first + place)
            begin = min(first + place - starts[index], len(texts[index]))
            end = min(first + place + 3 - starts[index], len(texts[index]))
            assert source.locate(place, place + 3) == (f"leaf[{index}]", begin, end)
