"""What does not help is soon not waited for, by nobody for long, and what helps again is waited for again."""

import pytest

from gateway.core.cache_trust import FEW, MOST, Promises, Promptness


def look(store: Promptness, now: float, *, is_late: bool = True) -> bool:
    """One request that would look; whether it waited."""
    ticket = store.begin(now)
    if ticket is None:
        return False
    if is_late:
        store.late(ticket, now, 0.5)
    else:
        store.fine(ticket, now)
    return True


def probe(store: Promptness, now: float) -> None:
    """Somebody asks for whom nobody waits, if it is time, and is answered late."""
    ticket = store.probe(now)
    if ticket is not None:
        store.late(ticket, now, 0.5)


@pytest.mark.parametrize("per_second", [1000, 100, 1])
def test_a_store_that_is_always_late_is_waited_for_by_a_handful(per_second):
    store = Promptness()
    paid = 0
    for number in range(3600 * min(per_second, 10)):
        paid += look(store, number / per_second)
        probe(store, number / per_second)
    assert paid == 5


@pytest.mark.parametrize("every", [2, 5, 9])
def test_a_store_that_is_late_now_and_then_is_not_waited_for_either(every):
    store = Promptness()
    paid, asked = 0, 20_000
    for number in range(asked):
        is_late = number % every == 0
        paid += look(store, number / 100, is_late=is_late) and is_late
        probe(store, number / 100)
    assert paid < asked / 500


def test_what_is_late_now_and_then_on_a_busy_machine_is_waited_for():
    store = Promptness()
    assert all(look(store, number / 100, is_late=number % 15 == 14) for number in range(5000))


def test_one_that_is_prompt_again_is_waited_for_again_after_three_good_probes():
    store = Promptness()
    for number in range(5):
        look(store, float(number))
    assert not store.is_good
    assert store.begin(5.0) is None
    assert store.probe(5.0) is None
    for number in range(3):
        ticket = store.probe(20.0 + number)
        assert ticket is not None
        assert store.probe(20.0 + number) is None
        store.fine(ticket, 20.0 + number)
    assert store.is_good
    assert store.probe(30.0) is None


def test_whoever_leaves_says_nothing_and_lets_the_next_probe_go():
    store = Promptness()
    for number in range(50):
        ticket = store.begin(float(number))
        assert ticket is not None
        store.left(ticket)
    for number in range(5):
        look(store, float(number))
    ticket = store.probe(60.0)
    assert ticket is not None
    store.left(ticket)
    assert store.probe(60.1) is not None


# Promises


def test_few_wait_for_others_at_first_and_more_with_each_answer_that_came():
    promises = Promises()
    tickets = [promises.begin(0.0) for _ in range(FEW + 1)]
    assert tickets.pop() is None
    for ticket in tickets:
        promises.kept(ticket, 1.0)
    more = [promises.begin(2.0) for _ in range(2 * MOST)]
    assert sum(ticket is not None for ticket in more) == MOST


def test_after_one_wait_in_vain_nobody_waits_for_a_while_and_then_one():
    promises = Promises()
    tickets = [promises.begin(0.0) for _ in range(FEW)]
    for ticket in tickets:
        promises.broken(ticket, 10.0, 0.5)
    assert not promises.are_good
    assert promises.begin(11.0) is None
    one = promises.begin(16.0)
    assert one is not None
    assert promises.begin(16.0) is None
    promises.kept(one, 17.0)
    assert promises.are_good
    assert sum(promises.begin(18.0) is not None for _ in range(3 * FEW)) == 2 * FEW


def test_promises_that_are_never_kept_cost_a_few_requests_an_hour():
    """A hundred requests a second, each told that somebody else is making its answer, which takes its ten seconds."""
    promises = Promises()
    paid, due = 0, []
    for number in range(360_000):
        now = number / 100
        while due and due[0][0] <= now:
            promises.broken(due.pop(0)[1], now, 0.5)
        ticket = promises.begin(now)
        if ticket is not None:
            paid += 1
            due.append((now + 10.0, ticket))
    assert paid <= FEW + 25


def test_whoever_leaves_early_says_nothing_and_holds_no_place():
    promises = Promises()
    for _ in range(5 * FEW):
        ticket = promises.begin(0.0)
        assert ticket is not None
        promises.left(ticket)
    assert promises.are_good


def test_a_promise_kept_from_before_the_last_disappointment_earns_no_more_trust():
    promises = Promises()
    old, broken = promises.begin(0.0), promises.begin(0.0)
    promises.broken(broken, 1.0, 0.5)
    promises.kept(old, 2.0)
    assert not promises.are_good
    assert promises.begin(2.5) is None
