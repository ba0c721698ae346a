"""Overrides: what they change, when they end, and that whatever takes something away raises the epoch."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.controls import (
    LONGEST_S,
    MOST_DRAINED,
    NOTHING_SET,
    Burst,
    Controls,
    Drain,
    Drained,
    Order,
    Refused,
    SetBurst,
    Undrain,
    ordered,
    read,
    standing,
    takes_away,
    words,
    write,
)

NOW = 1_795_000_000.0


def after(*changes, start=NOTHING_SET, for_s=60.0):
    for change in changes:
        start = ordered(start, Order(change, "ops", for_s), NOW)
    return start


def test_a_share_holds_until_its_end():
    controls = after(SetBurst(0.25))
    assert controls.share == 0.25
    assert (controls.burst.by, controls.burst.at, controls.burst.until) == ("ops", NOW, NOW + 60)
    assert standing(controls, NOW + 59.9) is controls
    assert standing(controls, NOW + 60).share is None


def test_pools_are_drained_one_by_one_and_each_for_its_own_time():
    controls = after(Drain("a"), Drain("b"))
    controls = ordered(controls, Order(Drain("a"), "ops", 600.0), NOW)
    assert controls.pools == {"a", "b"}
    later = standing(controls, NOW + 60)
    assert later.pools == {"a"}
    assert later.revision == controls.revision + 1
    assert after(Undrain("a"), start=later).pools == frozenset()
    assert after(Undrain("never"), start=later).pools == {"a"}


def test_overrides_leave_each_other_alone():
    controls = after(Drain("a"), SetBurst(0.0))
    assert (controls.share, controls.pools) == (0.0, {"a"})
    controls = after(SetBurst(None), start=controls)
    assert (controls.share, controls.pools) == (None, {"a"})


@pytest.mark.parametrize(
    ("before", "change", "takes"),
    [
        (None, SetBurst(0.0), True),
        (None, SetBurst(0.5), True),  # under pressure more might have left
        (None, SetBurst(1.0), False),
        (None, SetBurst(None), False),
        (0.0, SetBurst(None), False),
        (0.0, SetBurst(0.1), False),
        (0.5, SetBurst(0.4), True),
        (0.5, SetBurst(0.6), False),
        (0.5, SetBurst(0.5), False),
        (0.5, SetBurst(None), True),
        (1.0, SetBurst(None), True),
        (None, Drain("a"), True),
        (None, Undrain("a"), False),
    ],
)
def test_whatever_takes_something_away_raises_the_epoch(before, change, takes):
    controls = after(SetBurst(before)) if before is not None else NOTHING_SET
    assert takes_away(controls, change) is takes
    assert after(change, start=controls).epoch == controls.epoch + takes


@pytest.mark.parametrize(("share", "rises"), [(1.0, True), (0.5, True), (0.0, False)])
def test_so_does_an_end_that_closes_what_was_opened(share, rises):
    controls = after(SetBurst(share))
    assert standing(controls, NOW + 61).epoch == controls.epoch + rises


def test_the_end_of_a_drain_takes_nothing_away():
    controls = after(Drain("a"))
    assert standing(controls, NOW + 61).epoch == controls.epoch


@pytest.mark.parametrize(
    ("order", "says"),
    [
        (Order(SetBurst(1.01), "ops"), "share"),
        (Order(SetBurst(-0.1), "ops"), "share"),
        (Order(SetBurst(0.0), ""), "Who asks"),
        (Order(SetBurst(0.0), "two words"), "Who asks"),
        (Order(SetBurst(0.0), "x" * 65), "Who asks"),
        (Order(SetBurst(0.0), "ops", 0.5), "one second"),
        (Order(Drain("a"), "ops", LONGEST_S + 1), "seven days"),
        (Order(Drain("a"), "ops", float("nan")), "seven days"),
    ],
)
def test_orders_that_make_no_sense_are_refused(order, says):
    with pytest.raises(Refused, match=says):
        ordered(NOTHING_SET, order, NOW)


def test_no_more_pools_are_drained_than_can_be_told():
    many = Controls(drained=tuple(Drained(f"pool-{n}", "ops", NOW, NOW + 60) for n in range(MOST_DRAINED)))
    with pytest.raises(Refused, match=r"pools\.yaml"):
        after(Drain("one-more"), start=many)
    assert len(after(Drain("pool-7"), start=many).drained) == MOST_DRAINED
    longest = Drained("p" * 100, "b" * 64, 1_795_000_000.123456, 1_795_600_000.123456)
    assert len(write(Controls(drained=(longest,) * MOST_DRAINED))) < 1 << 16


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (SetBurst(None), "burst auto"),
        (SetBurst(0.0), "burst off"),
        (SetBurst(1.0), "burst on"),
        (SetBurst(0.25), "burst 25%"),
        (SetBurst(0.125), "burst 12.5%"),
        (Drain("gpu"), "pool drain gpu"),
        (Undrain("gpu"), "pool undrain gpu"),
    ],
)
def test_a_change_is_told_as_the_command_that_makes_it(change, said):
    assert words(change) == said


changes = st.one_of(
    st.builds(SetBurst, st.one_of(st.none(), st.floats(0.0, 1.0))),
    st.builds(Drain, st.sampled_from("abc")),
    st.builds(Undrain, st.sampled_from("abc")),
)


@given(st.lists(st.tuples(changes, st.floats(1.0, 100.0), st.floats(0.0, 50.0)), max_size=20))
def test_what_is_kept_is_read_back_and_neither_number_ever_falls(orders):
    controls, now = NOTHING_SET, NOW
    for change, for_s, passed in orders:
        now += passed
        before = controls
        controls = standing(ordered(controls, Order(change, "ops", for_s), now), now)
        assert controls.revision > before.revision
        assert controls.epoch >= before.epoch
        assert read(write(controls)) == controls
        assert all(one.until > now for one in controls.drained)
        assert len(controls.pools) == len(controls.drained)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"v": 2}', b'{"drained": 1}', b"\xff\xfe", b'{"v": "1"}'])
def test_what_was_not_written_here_is_not_read(data):
    assert read(data) is None


@pytest.mark.parametrize(
    "controls",
    [
        Controls(burst=Burst(1.5, "ops", NOW, NOW + 60)),
        Controls(burst=Burst(-0.5, "ops", NOW, NOW + 60)),
        Controls(burst=Burst(1.0, "ops", NOW, NOW + 2 * LONGEST_S)),
        Controls(burst=Burst(1.0, "\x1b[2J", NOW, NOW + 60)),
        Controls(drained=(Drained("gpu", "ops", NOW, 1e308),)),
        Controls(drained=(Drained("gpu", "", NOW, NOW + 60),)),
        Controls(drained=(Drained("g" * 101, "ops", NOW, NOW + 60),)),
        Controls(drained=(Drained("gpu", "ops", NOW, NOW + 60),) * (MOST_DRAINED + 1)),
    ],
)
def test_what_no_order_leads_to_is_not_read(controls):
    assert read(write(controls)) is None


def test_the_longest_order_is_read_back():
    controls = after(SetBurst(0.0), Drain("p" * 100), for_s=LONGEST_S)
    assert read(write(controls)) == controls
