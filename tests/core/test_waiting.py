"""Whose turn it is: nobody starves, nobody fills the line for others, and one tenant's requests stay in order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.waiting import HEAD_START_S, LEAST_PRIORITY, MOST_PRIORITY, Asker, Line, Waiter

ALL = MOST_PRIORITY - LEAST_PRIORITY


class Street:
    """A line, and the people who come to it."""

    def __init__(self, most=100):
        self.line = Line(most)
        self.number = 0

    def come(self, tenant, now, priority=5):
        asker = Asker(tenant, priority)
        if self.line.is_full:
            last = self.line.room_for(asker)
            if last is None:
                return None
            self.line.leave(last)
        self.number += 1
        waiter = Waiter(asker, ("home",), (), now, self.number)
        self.line.join(waiter)
        return waiter

    def serve(self, now, admits=lambda waiter: True):
        waiter = self.line.next(admits)
        if waiter is not None:
            self.line.served(waiter, now)
        return waiter

    def tenants(self, count, now):
        return [self.serve(now + turn).asker.tenant for turn in range(count)]


def test_a_tenant_with_many_requests_takes_turns_with_one_that_has_few():
    street = Street()
    for _ in range(6):
        street.come("many", 0.0)
    street.come("few", 0.5)
    street.come("few", 0.6)
    assert street.tenants(6, 1.0) == ["many", "few", "many", "few", "many", "many"]


def test_equal_claims_are_served_in_the_order_of_arrival():
    street = Street()
    for tenant in "abc":
        street.come(tenant, 0.0)
    assert street.tenants(3, 0.0) == ["a", "b", "c"]


def test_a_step_of_priority_is_a_second_of_waiting():
    street = Street()
    street.come("low", 0.0, priority=4)
    street.come("late", HEAD_START_S + 0.1, priority=5)
    assert street.serve(2.0).asker.tenant == "low"
    street = Street()
    street.come("low", 0.0, priority=4)
    street.come("high", HEAD_START_S - 0.1, priority=5)
    assert street.serve(2.0).asker.tenant == "high"


def test_only_those_who_are_admitted_have_a_turn():
    street = Street()
    first, second, third = street.come("a", 0.0), street.come("a", 0.1), street.come("b", 0.2)
    assert street.line.next(lambda waiter: waiter is not first) is second
    assert street.line.next(lambda waiter: waiter is third) is third
    assert street.line.next(lambda waiter: False) is None


def test_whoever_gives_up_is_gone_and_giving_up_twice_is_nothing():
    street = Street()
    first, second = street.come("a", 0.0), street.come("a", 0.1)
    street.line.leave(first)
    street.line.leave(first)
    assert (list(street.line), len(street.line)) == ([second], 1)
    street.line.leave(second)
    street.line.leave(second)
    assert len(street.line) == 0


@pytest.mark.parametrize(
    ("standing", "comes", "makes_room"),
    [
        ([("a", 5, 4)], ("b", 5), "a"),  # the longest queue
        ([("a", 5, 3), ("b", 5, 1)], ("b", 5), "a"),
        ([("a", 5, 2), ("b", 5, 2)], ("b", 5), None),  # nobody has more than its share
        ([("a", 5, 4)], ("a", 5), None),  # not even for itself
        ([("a", 9, 4)], ("b", 5), "a"),  # ten to six, four to one
        ([("a", 9, 1), ("b", 0, 3)], ("c", 5), "b"),
        ([("a", 0, 1), ("b", 5, 3)], ("c", 9), "a"),  # one of the lowest class is more than its share
        ([("a", 5, 2), ("b", 5, 2)], ("c", 5), "b"),  # of equals, whoever came last
        ([("b", 5, 2), ("a", 5, 2)], ("c", 5), "a"),
        ([], ("a", 5), None),
    ],
)
def test_a_full_line_makes_room_by_share(standing, comes, makes_room):
    street = Street(most=sum(count for _, _, count in standing))
    newest = {}
    for tenant, priority, count in standing:
        for _ in range(count):
            newest[tenant] = street.come(tenant, 0.0, priority)
    assert street.line.room_for(Asker(*comes)) is newest.get(makes_room)


def test_of_two_queues_that_are_equally_long_for_their_priority_the_newest_waiter_goes():
    street = Street(most=4)
    waiters = [street.come(tenant, 0.0) for tenant in ("a", "b", "b", "a")]
    assert street.line.room_for(Asker("c")) is waiters[-1]


steps = st.lists(
    st.tuples(
        st.sampled_from(["come", "come", "serve", "give up"]),
        st.sampled_from("abcd"),
        st.floats(0.0, 3.0),
    ),
    max_size=60,
)
priorities = st.fixed_dictionaries({tenant: st.integers(LEAST_PRIORITY, MOST_PRIORITY) for tenant in "abcd"})


@given(steps, priorities, st.integers(0, 5))
def test_the_bound_holds_and_each_tenant_is_served_first_come_first(steps, priorities, most):
    street, now = Street(most), 0.0
    standing = []
    for act, tenant, passed in steps:
        now += passed
        if act == "come":
            waiter = street.come(tenant, now, priorities[tenant])
            standing = [one for one in standing if one in list(street.line)]
            if waiter is not None:
                standing.append(waiter)
        elif act == "serve":
            served = street.serve(now)
            assert (served is None) == (not standing)
            if served is not None:
                assert served is next(one for one in standing if one.asker.tenant == served.asker.tenant)
                standing.remove(served)
        elif standing:
            street.line.leave(standing.pop(0))
        assert len(street.line) == len(list(street.line)) == len(standing) <= most


@given(steps, priorities)
def test_nobody_starves(steps, priorities):
    """Once a tenant's claim is older than the whole head start, every other tenant has one more turn before it at most,
    whatever comes in meanwhile."""
    street, now = Street(1000), 0.0
    last_turn: dict[str, float] = {}
    before_it: dict[Waiter, set[str]] = {}
    for act, tenant, passed in steps:
        now += passed
        if act == "come":
            street.come(tenant, now, priorities[tenant])
            continue
        heads = {waiter.asker.tenant: waiter for waiter in reversed(list(street.line))}
        for name, head in heads.items():
            if now - max(head.since, last_turn.get(name, 0.0)) > ALL * HEAD_START_S:
                before_it.setdefault(head, set())
        served = street.serve(now)
        if served is None:
            continue
        turn = served.asker.tenant
        before_it.pop(served, None)
        for overtaken in before_it.values():
            assert turn not in overtaken
            overtaken.add(turn)
        last_turn[turn] = now


@given(st.integers(1, 40))
def test_among_equals_turns_differ_by_one_at_most_while_all_of_them_wait(rounds):
    street = Street(1000)
    for tenant in "abcd":
        for _ in range(rounds):
            street.come(tenant, 0.0)
    counts = dict.fromkeys("abcd", 0)
    for turn in range(4 * rounds):
        counts[street.serve(1.0 + turn * 0.001).asker.tenant] += 1
        assert max(counts.values()) - min(counts.values()) <= 1
