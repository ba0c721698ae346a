"""Counts of the last so many seconds: exact in the new, gone in the old."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.tally import Tally

moments = st.lists(st.tuples(st.floats(0, 100, allow_nan=False), st.booleans()), max_size=60)


@given(moments)
def test_what_is_counted_is_what_happened_in_the_span_give_or_take_a_tenth_of_it(events):
    tally, now, seen = Tally(10.0), 1000.0, []
    for step, is_good in events:
        now += step / 20
        (tally.add_good if is_good else tally.add_bad)(now)
        seen.append((now, is_good))
        for kind, counted in ((True, tally.good), (False, tally.bad)):
            ages = [now - at for at, was_good in seen if was_good is kind]
            assert sum(age < 9.0 for age in ages) <= counted <= sum(age <= 10.0 + 1e-6 for age in ages)


def test_what_is_old_is_forgotten_when_asked_without_adding_anything():
    tally = Tally(10.0)
    tally.add_good(0.0)
    tally.add_bad(5.0)
    tally.forget_old(9.9)
    assert (tally.good, tally.bad) == (1, 1)
    tally.forget_old(12.0)
    assert (tally.good, tally.bad) == (0, 1)
    tally.clear()
    assert (tally.good, tally.bad) == (0, 0)


def test_a_clock_that_steps_back_loses_nothing():
    tally = Tally(10.0)
    tally.add_good(50.0)
    tally.add_good(20.0)
    assert tally.good == 2
