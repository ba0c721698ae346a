"""The breaker: what opens it, for how long, what may pass meanwhile, and what closes it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.breaker import Breaker, BreakerRules, BreakerState, Ticket

RULES = BreakerRules()
MIDDLE = 0.5  # no jitter


def opened(*, now: float = 100.0) -> Breaker:
    breaker = Breaker(RULES)
    for _ in range(RULES.in_a_row):
        fail(breaker, now)
    return breaker


def fail(breaker: Breaker, now: float) -> None:
    breaker.failed(breaker.begin(now), now, MIDDLE)


def answer(breaker: Breaker, now: float) -> Ticket:
    ticket = breaker.begin(now)
    breaker.answered(ticket, now)
    return ticket


def test_five_failures_in_a_row_open_it_and_four_do_not():
    breaker = Breaker(RULES)
    for _ in range(4):
        fail(breaker, 1.0)
    answer(breaker, 1.0)
    for _ in range(4):
        fail(breaker, 1.0)
    assert breaker.admits(1.0)
    fail(breaker, 1.0)
    assert breaker.state is BreakerState.OPEN
    assert not breaker.admits(5.9)
    assert breaker.admits(6.0)


def test_half_of_twenty_failures_open_it_and_of_nineteen_they_do_not():
    breaker = Breaker(RULES)
    for turn in range(19):
        (answer if turn % 2 else fail)(breaker, 1.0 + turn)
    assert breaker.state is BreakerState.CLOSED
    answer(breaker, 20.0)
    fail(breaker, 20.5)
    assert breaker.state is BreakerState.OPEN


def test_failures_that_are_older_than_the_window_open_nothing():
    breaker = Breaker(RULES)
    for turn in range(200):
        now = turn * 2.0  # fifteen outcomes in thirty seconds
        (answer if turn % 2 else fail)(breaker, now)
    assert breaker.state is BreakerState.CLOSED


def test_answers_that_begin_well_do_not_hide_that_they_break_off():
    breaker = Breaker(RULES)
    tickets = [answer(breaker, 1.0) for _ in range(RULES.in_a_row)]
    for number, ticket in enumerate(tickets):
        assert breaker.admits(2.0)
        answer(breaker, 2.0)
        breaker.broke_off(ticket, 3.0 + number, MIDDLE)
    assert breaker.state is BreakerState.OPEN


def test_an_answer_that_came_to_its_end_interrupts_a_row_of_those_that_did_not():
    breaker = Breaker(RULES)
    for _ in range(4):
        breaker.broke_off(answer(breaker, 1.0), 1.0, MIDDLE)
    breaker.completed(answer(breaker, 1.0), 1.0)
    for _ in range(4):
        breaker.broke_off(answer(breaker, 1.0), 1.0, MIDDLE)
    assert breaker.state is BreakerState.CLOSED


def test_one_probe_at_a_time_and_three_good_ones_close_it():
    breaker = opened(now=0.0)
    for turn in range(3):
        ticket = breaker.begin(6.0)
        assert ticket.is_probe
        assert not breaker.admits(60.0)
        assert breaker.state is BreakerState.HALF_OPEN
        breaker.answered(ticket, 6.0)
        assert breaker.admits(6.0)
        assert (breaker.state is BreakerState.CLOSED) is (turn == 2)
    assert not breaker.begin(6.0).is_probe


@pytest.mark.parametrize(("times", "open_s"), [(1, 5.0), (2, 10.0), (3, 20.0), (4, 40.0), (5, 60.0), (30, 60.0)])
def test_a_probe_that_fails_opens_it_for_twice_as_long_up_to_a_minute(times, open_s):
    breaker, now = opened(now=0.0), 0.0
    for _ in range(times - 1):
        now = breaker.until
        fail(breaker, now)
    assert breaker.until - now == pytest.approx(open_s)


@given(st.floats(0, 1, exclude_max=True))
def test_jitter_keeps_within_a_fifth_either_way(chance):
    breaker = Breaker(RULES)
    for _ in range(RULES.in_a_row):
        breaker.failed(breaker.begin(0.0), 0.0, chance)
    assert 4.0 <= breaker.until <= 6.0


def test_the_doubling_is_over_after_a_quiet_while_and_not_before():
    for quiet_s, open_s in ((29.0, 10.0), (30.0, 5.0)):
        breaker = opened(now=0.0)
        for _ in range(RULES.closes_after):
            answer(breaker, 6.0)
        now = 6.0 + quiet_s
        for _ in range(RULES.in_a_row):
            fail(breaker, now)
        assert breaker.until - now == pytest.approx(open_s)


def test_a_probe_that_breaks_off_after_it_had_begun_opens_it_again():
    breaker = opened(now=0.0)
    ticket = answer(breaker, 6.0)
    breaker.broke_off(ticket, 7.0, MIDDLE)
    assert breaker.state is BreakerState.OPEN
    assert breaker.until == 17.0
    # It has had its say.
    breaker.broke_off(ticket, 8.0, MIDDLE)
    assert breaker.until == 17.0


def test_the_ends_of_what_closed_it_count_when_it_is_closed():
    breaker = opened(now=0.0)
    tickets = [answer(breaker, 6.0) for _ in range(RULES.closes_after)]
    for ticket in tickets:
        breaker.completed(ticket, 7.0)
        breaker.broke_off(ticket, 7.0, MIDDLE)
    assert breaker.state is BreakerState.CLOSED


def test_a_probe_that_says_nothing_makes_room_for_the_next():
    breaker = opened(now=0.0)
    ticket = breaker.begin(6.0)
    breaker.dropped(ticket)
    assert breaker.admits(6.0)
    assert breaker.state is BreakerState.HALF_OPEN
    assert breaker.begin(6.0).is_probe


def test_what_began_before_it_opened_has_no_say_in_whether_it_closes():
    breaker = Breaker(RULES)
    old = breaker.begin(0.0)
    for _ in range(RULES.in_a_row):
        fail(breaker, 0.0)
    probe = breaker.begin(6.0)
    for _ in range(5):
        breaker.answered(old, 6.0)
        breaker.dropped(old)
        breaker.failed(old, 6.0, MIDDLE)
        breaker.completed(old, 6.0)
        breaker.broke_off(old, 6.0, MIDDLE)
    assert breaker.state is BreakerState.HALF_OPEN
    assert not breaker.admits(6.0)
    breaker.answered(probe, 6.0)
    for _ in range(2):
        answer(breaker, 6.0)
    for _ in range(5):
        breaker.answered(old, 6.0)
        breaker.failed(old, 6.0, MIDDLE)
    assert breaker.state is BreakerState.CLOSED


def test_what_has_nowhere_else_to_go_may_try_an_open_one_and_close_it_but_not_keep_it_open():
    breaker = opened(now=0.0)
    for _ in range(9):
        fail(breaker, 1.0)
    assert breaker.until == 5.0
    assert breaker.state is BreakerState.OPEN
    for _ in range(RULES.closes_after):
        answer(breaker, 2.0)
    assert breaker.state is BreakerState.CLOSED


def test_one_that_was_seen_to_recover_is_tried_at_once():
    breaker = opened(now=0.0)
    breaker.may_probe_from(2.0)
    assert breaker.admits(2.0)
    breaker.may_probe_from(3.0)
    assert breaker.until == 2.0


steps = st.lists(
    st.tuples(st.sampled_from(["begin", "answered", "failed", "dropped", "completed", "broke_off"]), st.floats(0, 3)),
    max_size=120,
)


@given(steps)
def test_never_more_than_one_probe_is_out_and_it_never_stays_shut_for_ever(events):
    breaker, now = Breaker(RULES), 0.0
    out: list[Ticket] = []
    begun: list[Ticket] = []
    for what, step in events:
        now += step
        if what == "begin":
            if breaker.admits(now):
                out.append(breaker.begin(now))
        elif what in ("answered", "failed", "dropped") and out:
            ticket = out.pop(0)
            if what == "failed":
                breaker.failed(ticket, now, MIDDLE)
            else:
                getattr(breaker, what)(*((ticket, now) if what == "answered" else (ticket,)))
            if what == "answered":
                begun.append(ticket)
        elif what == "completed" and begun:
            breaker.completed(begun.pop(0), now)
        elif what == "broke_off" and begun:
            breaker.broke_off(begun.pop(0), now, MIDDLE)
        era = breaker.begin(-1.0).era if breaker.state is not BreakerState.HALF_OPEN else None
        probes = [ticket for ticket in out if ticket.is_probe and ticket.era == era]
        assert len(probes) <= 1
    for ticket in out:
        breaker.dropped(ticket)
    assert breaker.admits(now + RULES.longest_s * (1 + RULES.jitter))


def told(breaker: Breaker, ticket: Ticket, *, at_once: bool, now: float) -> None:
    if at_once:
        breaker.succeeded(ticket, now)
    else:
        breaker.answered(ticket, now)
        breaker.completed(ticket, now)


@given(st.lists(st.tuples(st.sampled_from(["good", "old", "bad"]), st.integers(0, 9)), max_size=40))
def test_a_whole_answer_counts_as_its_beginning_and_its_end(steps):
    apart, whole = Breaker(RULES), Breaker(RULES)
    first = apart.begin(0.0), whole.begin(0.0)
    now = 0.0
    for kind, seconds in steps:
        now += seconds
        for breaker, old, at_once in ((apart, first[0], False), (whole, first[1], True)):
            if kind == "bad":
                fail(breaker, now)
            else:
                told(breaker, old if kind == "old" else breaker.begin(now), at_once=at_once, now=now)
        assert (apart.state, apart.until, apart.admits(now)) == (whole.state, whole.until, whole.admits(now))


def test_a_whole_answer_that_began_before_it_opened_has_no_say():
    breaker = Breaker(RULES)
    old = breaker.begin(0.0)
    for _ in range(RULES.in_a_row):
        fail(breaker, 0.0)
    breaker.begin(6.0)
    for _ in range(5):
        breaker.succeeded(old, 6.0)
    assert breaker.state is BreakerState.HALF_OPEN


def test_ends_that_come_between_failures_keep_them_from_being_in_a_row():
    breaker = Breaker(RULES)
    for _ in range(2 * RULES.in_a_row):
        began = [answer(breaker, 1.0), answer(breaker, 1.0), answer(breaker, 1.0)]
        breaker.broke_off(began.pop(), 1.0, MIDDLE)
        for ticket in began:
            breaker.completed(ticket, 1.0)
    assert breaker.state is BreakerState.CLOSED


def test_whole_answers_between_failures_keep_them_from_being_in_a_row():
    breaker = Breaker(RULES)
    for _ in range(2 * RULES.in_a_row):
        breaker.succeeded(breaker.begin(1.0), 1.0)
        breaker.succeeded(breaker.begin(1.0), 1.0)
        fail(breaker, 1.0)
    assert breaker.state is BreakerState.CLOSED
