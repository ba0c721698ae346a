"""Sealed values of the record of replies: what we wrote is read back, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.keyed_hash import KeyedHash
from gateway.core.taint_seals import ERA_BYTES, Beat, Era, TaintSeals

SEALS = TaintSeals(KeyedHash(b"k" * 32))
OTHERS = TaintSeals(KeyedHash(b"o" * 32))
MARK, OTHER_MARK = b"m" * 16, b"n" * 16
times = st.integers(0, 1 << 60)
ids = st.binary(min_size=ERA_BYTES, max_size=ERA_BYTES)


@given(id=ids, at=times)
def test_an_era_and_a_beat_are_read_back_as_what_they_are(id: bytes, at: int) -> None:
    era, beat = Era(id, at), Beat(id, at)
    assert SEALS.read_era(SEALS.era(era)) == era
    assert SEALS.read_beat(SEALS.beat(beat)) == beat
    # Of the same shape, and yet neither passes for the other.
    assert SEALS.read_era(SEALS.beat(beat)) is None
    assert SEALS.read_beat(SEALS.era(era)) is None


@given(mark=st.binary(min_size=16, max_size=16), label=st.text(min_size=1, max_size=20), at=times)
def test_a_label_is_read_back_only_for_its_reply_its_name_and_its_time(mark: bytes, label: str, at: int) -> None:
    value = SEALS.label(mark, label, at)
    assert SEALS.read_label(mark, label, value) == at
    assert SEALS.read_label(bytes(reversed(mark)) + b"x", label, value) is None
    assert SEALS.read_label(mark, label + "x", value) is None
    assert OTHERS.read_label(mark, label, value) is None


@given(at=times, position=st.integers(0, 24), flip=st.integers(1, 255))
def test_a_label_that_was_changed_anywhere_is_none_of_ours(at: int, position: int, flip: int) -> None:
    value = bytearray(SEALS.label(MARK, "restricted", at))
    value[position] ^= flip
    assert SEALS.read_label(MARK, "restricted", bytes(value)) is None


def test_no_part_of_a_mark_passes_for_a_part_of_a_label() -> None:
    value = SEALS.label(MARK, "ab", 5)
    assert SEALS.read_label(MARK + b"a", "b", value) is None
    assert SEALS.read_label(OTHER_MARK, "ab", value) is None


@pytest.mark.parametrize("value", [None, 7, [], "text", b"", b"1", b"2" + b"x" * 40, b"1" + b"x" * 40])
def test_what_is_no_value_of_ours_is_nothing(value: object) -> None:
    assert SEALS.read_era(value) is None
    assert SEALS.read_beat(value) is None
    assert SEALS.read_label(MARK, "restricted", value) is None


@pytest.mark.parametrize("kind", ["era", "beat"])
def test_a_value_of_another_length_is_of_another_version(kind: str) -> None:
    longer = SEALS._sealed(kind.encode(), b"", b"e" * ERA_BYTES + b"t" * 9)
    assert SEALS.read_era(longer) is None
    assert SEALS.read_beat(longer) is None
    label = SEALS._sealed(b"label", b"16:" + MARK + b"a", b"t" * 9)
    assert SEALS.read_label(MARK, "a", label) is None


@pytest.mark.parametrize(("at", "written"), [(-5, 0), (1 << 70, (1 << 62) - 1)])
def test_a_time_that_cannot_be_is_the_nearest_that_can(at: int, written: int) -> None:
    assert SEALS.read_era(SEALS.era(Era(b"e" * ERA_BYTES, at))) == Era(b"e" * ERA_BYTES, written)
