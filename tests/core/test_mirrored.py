"""A copy of a request: what is decided about it, and what is on record of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.audit_chain import START, seal
from gateway.core.audit_record import read
from gateway.core.decision import Allow, AuditLevel, Canary, Mirror
from gateway.core.keyed_hash import KeyedHash
from gateway.core.labels import Label
from gateway.core.records import Ending, Mirrored, Usage

from .audit_values import attempts, seconds, text

ALLOW = Allow(
    ("home",),
    ("burst",),
    9.0,
    "rest",
    Label(1),
    if_scanned=("far",),
    cache_s=60.0,
    audit=AuditLevel.STRICT,
    canary=Canary("lab", 5.0),
    leaves_first=1.0,
    mirror=Mirror("next", 5.0),
    weights=(1.0,),
)


def test_a_copy_has_its_own_pool_the_same_label_and_no_patience():
    assert ALLOW.copied() == Allow(("next",), (), 0.0, "rest", Label(1), audit=AuditLevel.STRICT)


@pytest.mark.parametrize(
    ("mirror", "expected"),
    [(None, ("lab", "home", "burst")), ("next", ("lab", "home", "burst", "next")), ("burst", ("lab", "home", "burst"))],
)
def test_a_mirror_is_a_place_that_is_reached_and_none_that_answers(mirror, expected):
    found = Allow(
        ALLOW.to,
        ALLOW.spill,
        0.0,
        "rest",
        Label(1),
        canary=ALLOW.canary,
        mirror=Mirror(mirror, 0.0) if mirror is not None else None,
    )
    assert found.pools == ("lab", "home", "burst")
    assert found.reach == expected


mirrored = st.builds(
    Mirrored,
    request_id=text,
    copy_of=text,
    at=seconds,
    ms=seconds,
    tenant=text,
    label=text,
    route=text,
    pool=text,
    ending=st.sampled_from(Ending),
    bundle=text,
    epoch=st.integers(0, 1 << 40),
    attempts=st.lists(attempts, max_size=2).map(tuple),
    usage=st.none() | st.builds(Usage, st.integers(0, 1 << 40), st.integers(0, 1 << 40)),
    error=st.none() | text,
    canary=st.booleans(),
)


@given(mirrored)
def test_what_is_written_of_a_copy_is_read_back(copy):
    line, _ = seal(START, 7, copy, KeyedHash(b"k" * 32))
    assert read(line) == copy
