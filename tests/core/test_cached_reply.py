"""What a stored answer says of itself, how long it may be used, and when it is made anew."""

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.cached_reply import SKEW_S, VERSION, CachedReply, is_drawn, may_be_drawn, read, usable_until, write
from gateway.core.records import Usage

ID = "chatcmpl-" + "0" * 24
REPLY = CachedReply(VERSION, 1000.0, 60.0, 0.5, ID, Usage(7, 3), b'{"id":"%b"}' % ID.encode())


def test_it_is_read_back_as_it_was_written() -> None:
    assert read(write(REPLY)) == REPLY
    without = msgspec.structs.replace(REPLY, usage=None, reply_id="")
    assert read(write(without)) == without


@given(st.binary(max_size=80))
def test_what_is_no_reply_is_none(data: bytes) -> None:
    assert read(data) is None or write(read(data)) == data  # type: ignore[arg-type] -- None is the first case


@pytest.mark.parametrize("at", range(len(write(REPLY))))
def test_what_is_cut_short_is_none(at: int) -> None:
    assert read(write(REPLY)[:at]) is None


def test_what_a_later_version_wrote_is_none() -> None:
    assert read(write(msgspec.structs.replace(REPLY, v=VERSION + 1))) is None


@pytest.mark.parametrize(
    ("now", "age", "left"),
    [
        (1000.0, 0.0, 60.0),
        (1010.0, 10.0, 50.0),
        (1059.9, 59.9, 0.1),
        (1060.0, 60.0, 0.0),
        (5000.0, 4000.0, 0.0),
        (1000.0 - SKEW_S, 0.0, 60.0),
        (999.0 - SKEW_S, 0.0, 0.0),
    ],
)
def test_it_may_be_used_for_its_time_and_not_before_it_was_stored(now: float, age: float, left: float) -> None:
    assert REPLY.age_s(now) == pytest.approx(age)
    assert REPLY.left_s(now) == pytest.approx(left)


def test_it_is_given_out_under_an_id_of_its_own() -> None:
    assert REPLY.as_reply("chatcmpl-new") == b'{"id":"chatcmpl-new"}'
    nameless = msgspec.structs.replace(REPLY, reply_id="", body=b'{"data":[]}')
    assert nameless.as_reply("chatcmpl-new") == b'{"data":[]}'


@given(st.floats(0.0, 1.0, exclude_max=True), st.floats(0.001, 100.0), st.floats(0.001, 1000.0))
def test_the_less_is_left_and_the_longer_it_takes_the_sooner_it_is_drawn(draw: float, took: float, left: float) -> None:
    if is_drawn(left, took, draw):
        assert is_drawn(left / 2, took, draw)
        assert is_drawn(left, took * 2, draw)


def test_nobody_is_drawn_long_before_the_end_and_hardly_anybody_gets_past_it() -> None:
    chance = random.Random(7)
    early = sum(is_drawn(600.0, 0.5, chance.random()) for _ in range(10_000))
    late = sum(is_drawn(0.001, 0.5, chance.random()) for _ in range(1_000))
    assert early == 0
    assert late > 950
    assert is_drawn(0.0, 0.5, 0.0)


@given(draw=st.floats(0, 1, exclude_max=True), took=st.floats(0, 60), left=st.floats(0, 3600))
def test_whoever_is_drawn_may_be_drawn(draw: float, took: float, left: float) -> None:
    assert may_be_drawn(left, took) or not is_drawn(left, took, draw)


def test_nobody_may_be_drawn_long_before_the_end() -> None:
    assert not may_be_drawn(600.0, 0.5)
    assert may_be_drawn(0.0, 0.0)
    last = 1.0 - 2.0**-53
    assert is_drawn(18.36, 0.5, last)
    assert may_be_drawn(18.36, 0.5)


seconds = st.floats(0.0, 4000.0)


@given(seconds, seconds, seconds, st.none() | seconds, seconds, st.floats(0.0, 1.0))
def test_until_then_no_rule_takes_it_away_and_no_lot(
    lives: float, took: float, policy: float, max_age: float | None, min_fresh: float, part: float
) -> None:
    stored_at = 1.8e9
    reply = msgspec.structs.replace(REPLY, stored_at=stored_at, lives_s=lives, took_s=took)
    until = usable_until(reply, policy, max_age, min_fresh)
    now = stored_at + part * (until - stored_at)
    if stored_at <= now < until:
        age, left = reply.age_and_left_s(now)
        assert left > min_fresh
        assert policy - age > min_fresh
        assert max_age is None or age <= max_age
        assert not may_be_drawn(left, took)


def test_until_then_is_nearly_all_of_its_time() -> None:
    assert usable_until(msgspec.structs.replace(REPLY, took_s=0.0), 60.0, None, 0.0) == pytest.approx(1060.0, abs=0.01)
    assert usable_until(msgspec.structs.replace(REPLY, took_s=0.0), 9.0, None, 2.0) == pytest.approx(1007.0, abs=0.01)
    assert usable_until(msgspec.structs.replace(REPLY, took_s=0.0), 60.0, 5.0, 0.0) == pytest.approx(1005.0, abs=0.01)
    assert usable_until(REPLY, 60.0, None, 0.0) == pytest.approx(1041.5, abs=0.01)
