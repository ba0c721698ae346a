"""Accounts of figures: what rises never falls, whoever ends; what is true at a moment is only true while it is told."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.figures import STALE_S, Account, Family, Kind, Spread, left_behind, together
from gateway.core.measures import FAMILIES

BOUNDS = (0.1, 1.0, 10.0)
KNOWN = {
    family.name: family
    for family in (
        Family("asked", Kind.COUNTER, ("pool",), "."),
        Family("waiting", Kind.STATE, ("pool",), "."),
        Family("closed", Kind.MOST, ("pool",), "."),
        Family("took", Kind.SPREAD, (), ".", BOUNDS),
    )
}


def account(at: float, *, asked: float = 0, waiting: float = 0, closed: float = 0, took: tuple[float, ...] = ()):
    made = Account(at)
    made.add("asked", ("home",), asked)
    made.add("waiting", ("home",), waiting)
    made.raise_to("closed", ("home",), closed)
    spread = Spread.over(BOUNDS)
    for value in took:
        spread.take(BOUNDS, value)
    made.join("took", (), spread)
    return made


def test_workers_add_up_and_of_what_each_sees_alike_the_most_counts():
    one, other = account(100, asked=3, waiting=2, closed=0), account(99, asked=4, waiting=1, closed=1)
    whole = together((one, other), KNOWN, now=100.0)
    assert whole.numbers == {"asked": {("home",): 7}, "waiting": {("home",): 3}, "closed": {("home",): 1}}
    assert whole.at == 100.0


def test_a_worker_that_has_fallen_silent_keeps_what_it_counted_and_has_no_say_in_what_is_true_now():
    silent = account(100, asked=3, waiting=2, closed=1, took=(0.5,))
    whole = together((silent, account(106, asked=1)), KNOWN, now=100 + STALE_S + 0.1)
    assert whole.numbers == {"asked": {("home",): 4}, "waiting": {("home",): 0}, "closed": {("home",): 0}}
    assert whole.spreads["took"][()].count == 1


def test_whoever_takes_a_place_over_inherits_what_only_rises():
    inherited = left_behind(account(100, asked=3, waiting=2, closed=1, took=(0.5, 20.0)), KNOWN)
    assert inherited.numbers == {"asked": {("home",): 3}}
    assert inherited.spreads["took"][()].counts == [0, 1, 0, 1]


def test_what_another_version_counts_otherwise_is_left_out():
    other = Account(
        100, {"renamed": {("x",): 1.0}}, {"took": {(): Spread([1, 2], 3.0)}, "gone": {(): Spread([1], 1.0)}}
    )
    whole = together((other, account(100, took=(0.5,))), KNOWN, now=100.0)
    assert "renamed" not in whole.numbers
    assert whole.spreads == {"took": {(): Spread([0, 1, 0, 0], 0.5)}}


def test_joining_changes_nothing_of_what_is_joined():
    one = account(100, took=(0.5,))
    together((one, one), KNOWN, now=100.0)
    assert one.spreads["took"][()].counts == [0, 1, 0, 0]


@pytest.mark.parametrize(("value", "place"), [(0.0, 0), (0.1, 0), (0.100001, 1), (1.0, 1), (10.0, 2), (10.1, 3)])
def test_a_value_at_a_bound_lies_below_it(value, place):
    spread = Spread.over(BOUNDS)
    spread.take(BOUNDS, value)
    assert spread.counts.index(1) == place


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ((), 0.5, None),
        ((0.05,), 0.99, 0.1),
        ((0.05, 0.5, 5.0, 50.0), 0.25, 0.1),
        ((0.05, 0.5, 5.0, 50.0), 0.5, 1.0),
        ((0.05, 0.5, 5.0, 50.0), 0.75, 10.0),
        ((0.05, 0.5, 5.0, 50.0), 0.99, math.inf),
    ],
)
def test_a_quantile_is_the_bound_below_which_that_share_lies(values, share, expected):
    spread = Spread.over(BOUNDS)
    for value in values:
        spread.take(BOUNDS, value)
    assert spread.quantile(BOUNDS, share) == expected


STEPS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["serve", "die"])), max_size=40)


@given(STEPS)
def test_a_counter_never_falls_whichever_workers_die_and_start_again(steps):
    """Each worker writes its account after each request; a new one starts from what is left in its place."""
    places = [Account(0.0) for _ in range(4)]
    told = 0.0
    for now, (number, what) in enumerate(steps, start=1000):
        if what == "die":
            places[number] = left_behind(places[number], KNOWN)
        else:
            places[number] = together((places[number], account(now, asked=1)), KNOWN, now=now)
        shown = together(places, KNOWN, now=now).numbers.get("asked", {}).get(("home",), 0.0)
        assert shown >= told
        told = shown
    assert told == sum(what == "serve" for _, what in steps)


def test_families_are_named_as_prometheus_wants_them_and_their_bounds_rise():
    for name, family in FAMILIES.items():
        assert name.startswith("tidegate_")
        assert name.endswith("_total") == (family.kind is Kind.COUNTER), name
        assert bool(family.bounds) == (family.kind is Kind.SPREAD)
        assert list(family.bounds) == sorted(set(family.bounds))
        assert family.says.endswith(".")
        assert "\n" not in family.says
        assert len(set(family.labels)) == len(family.labels)


def test_no_label_could_hold_who_asked_or_what():
    allowed = {
        "api", "tenant_class", "label", "zone", "pool", "endpoint", "ending", "route", "result", "code", "kind",
        "streamed", "scan", "entity", "carrier", "reason", "because", "state", "version", "bundle", "band",
        "store", "limit", "issuer", "window", "currency", "why", "verdict",
        # Of a candidate for the policy: its digest, and names that stand in it.
        "candidate", "direction", "gap", "new_route", "new_label",
    }  # fmt: skip
    assert {label for family in FAMILIES.values() for label in family.labels} <= allowed
