"""Whatever stands around a seam is looked at whole, knows where it is from, and stays the same as a chat grows."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.detect.leaves import Leaf, LeafKind
from gateway.detect.sources import SEAM, seam_source, seams

LENGTHS = st.one_of(
    st.integers(1, 12), st.integers(SEAM - 3, SEAM + 3), st.integers(2 * SEAM - 3, 2 * SEAM + 3), st.integers(1, 700)
)


def made(lengths, kinds=()):
    alphabet = "abcdefghijklmnopqrstuvwxyz0123456789"
    texts = ["".join(alphabet[(i + 7 * j) % 36] for j in range(length)) for i, length in enumerate(lengths)]
    kinds = (*kinds, *[LeafKind.VALUE] * len(texts))
    return [Leaf(f"leaf[{i}]", text, kind) for i, (text, kind) in enumerate(zip(texts, kinds, strict=False))]


@given(st.lists(LENGTHS, max_size=40))
def test_whatever_crosses_a_seam_is_whole_in_one_text_and_in_its_place(lengths):
    leaves = made(lengths)
    texts = [leaf.text for leaf in leaves]
    sources = [seam_source(seam, leaves) for seam in seams(leaves)]
    for glue, name in (("", "joined"), (" ", "joined-by-space")):
        joined = glue.join(texts)
        starts = [sum(len(text) + len(glue) for text in texts[:index]) for index in range(len(texts))]
        covers = []
        for source in sources:
            # Two leaves with others between them are no part of all texts joined.
            if source.transforms == (name,) and glue.join(leaf.text for leaf in source.leaves) in joined:
                index = int(source.leaves[0].path[5:-1])
                first = starts[index] + source.cut
                assert joined[first : first + len(source.text)] == source.text
                covers.append((first, first + len(source.text), source))
                assert not source.is_head or first == 0 or len(source.leaves) == 2
                assert not source.is_tail or first + len(source.text) == len(joined) or len(source.leaves) == 2
        for seam in starts[1:]:
            for length in (2, 18, SEAM - 2):
                for start in {max(0, seam - length + 1), max(0, seam - 1)}:
                    end = min(start + length, len(joined))
                    (first, _, source), *_ = [held for held in covers if held[0] <= start and end <= held[1]]
                    at = max(i for i, begin in enumerate(starts) if begin <= start)
                    place = min(start - starts[at], len(texts[at]))
                    assert source.locate(start - first, end - first)[:2] == (f"leaf[{at}]", place)


@given(st.lists(LENGTHS, min_size=3, max_size=12), st.data())
def test_two_neighbours_are_looked_at_without_the_third_that_touches_them(lengths, data):
    leaves = made(lengths)
    index = data.draw(st.integers(0, len(leaves) - 2))
    left, right = leaves[index].text, leaves[index + 1].text
    alone = left[-SEAM:] + right[:SEAM]
    found = [seam[0] for seam in seams(leaves)]
    touched = (len(right) < SEAM and index + 2 < len(leaves)) or (len(left) < SEAM and index)
    assert not touched or len(left) + len(right) < 6 or alone in found


def test_two_values_that_only_keys_part_are_looked_at_together():
    key, value, number = LeafKind.KEY, LeafKind.VALUE, LeafKind.NUMBER
    leaves = [
        Leaf("k", "first", key),
        Leaf("a", "138123", value),
        Leaf("k", "second", key),
        Leaf("k", "third", key),
        Leaf("b", "45678", number),
        Leaf("k", "fourth", key),
        Leaf("c", "words alone", value),
        Leaf("k", "fifth", key),
        Leaf("d", "and more words", value),
    ]
    found = [seam for seam in seams(leaves) if "second" not in seam[0] and "fourth" not in seam[0]]
    across = [seam for seam in found if seam[2] - seam[1] > 1]
    assert ("13812345678", 1, 4, "", True, True, True) in across
    assert ("words aloneand more words", 6, 8, "", True, True, True) in across
    (source,) = [seam_source(seam, leaves) for seam in across if seam[0] == "13812345678"]
    assert source.locate(0, 11) == ("a", 0, 6)
    assert source.locate(6, 11) == ("b", 0, 5)


@given(st.lists(LENGTHS, min_size=1, max_size=60), st.lists(LENGTHS, max_size=6))
def test_a_chat_that_grows_keeps_its_seams_but_the_last(lengths, more):
    before, after = made(lengths), made([*lengths, *more])
    kept = {
        seam for seam in seams(before) if sum(map(len, (leaf.text for leaf in before[seam[2] :]))) > 2 * SEAM + 2_000
    }
    assert kept <= set(seams(after))


def test_many_tiny_leaves_cost_little_more_than_their_characters():
    leaves = made([1] * 5_000)
    assert sum(len(seam[0]) for seam in seams(leaves)) < 5_000 * (1 + 2) * 1.3
