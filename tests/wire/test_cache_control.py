"""What clients say about stored answers, and that what cannot be read is taken for the careful thing."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.cache_control import USUAL, CacheControl, cache_control_of

NEITHER = CacheControl(reads=False, stores=False)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (b"", USUAL),
        (b" , ,", USUAL),
        (b"no-transform", USUAL),
        (b"max-stale", USUAL),
        (b"max-stale=60", USUAL),
        (b"no-store", NEITHER),
        (b"max-age=60, No-Store", NEITHER),
        (b"no-cache", CacheControl(reads=False)),
        (b"NO-CACHE", CacheControl(reads=False)),
        (b"max-age=0", CacheControl(reads=False, max_age_s=0.0)),
        (b"max-age=60", CacheControl(max_age_s=60.0, is_asked_for=True)),
        (b'max-age="60"', CacheControl(max_age_s=60.0, is_asked_for=True)),
        (b"max-age = 60", CacheControl(max_age_s=60.0, is_asked_for=True)),
        (b"max-age=-1", CacheControl(reads=False, max_age_s=0.0)),
        (b"max-age=soon", CacheControl(reads=False, max_age_s=0.0)),
        (b"max-age", CacheControl(reads=False, max_age_s=0.0)),
        (b"max-age=9999999999", CacheControl(reads=False, max_age_s=0.0)),
        (b"min-fresh=5", CacheControl(min_fresh_s=5.0)),
        (b"min-fresh=x", CacheControl(min_fresh_s=math.inf)),
        (b"only-if-cached", CacheControl(only_stored=True, is_asked_for=True)),
        (b"only-if-cached, no-cache", CacheControl(reads=False, only_stored=True, is_asked_for=True)),
        (b"max-age=60,max-age=10", NEITHER),
        (b"max-age=60 60", NEITHER),
        (b'private="a, b"', NEITHER),
        (b"\xff", NEITHER),
        (b"=5", NEITHER),
    ],
)
def test_what_the_header_says(value: bytes, said: CacheControl) -> None:
    assert cache_control_of(value) == said


@given(st.binary(max_size=60))
def test_whatever_it_says_it_can_be_read(value: bytes) -> None:
    said = cache_control_of(value)
    assert said.stores or not said.reads


@given(st.lists(st.sampled_from([b"no-transform", b"max-age=60", b"no-cache", b"min-fresh=1"]), max_size=4))
def test_no_store_is_the_last_word_wherever_it_stands(others: list[bytes]) -> None:
    assert cache_control_of(b", ".join([*others, b"no-store"])) == NEITHER
    assert cache_control_of(b", ".join([b"no-store", *others])) == NEITHER
