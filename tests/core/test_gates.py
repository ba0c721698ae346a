"""The gates: who goes where, who waits, who is turned away, and what holds whatever happens in which order."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.burst import SpillRules, Thresholds
from gateway.core.gates import Called, GateRules, Gates, Reason
from gateway.core.labels import Label
from gateway.core.waiting import Asker, Waiter

STAYS = Asker("clinic")
LEAVES = Asker("bank", may_leave=True)
LEAVES_TOO = Asker("clinic", may_leave=True)
PUBLIC, INTERNAL = Label(0), Label(1)


def home(limit=2, *, name="home", reserved=0, queue=8, spill=None):
    return GateRules(name, limit, queue, reserved=reserved, spill=spill or SpillRules())


def cloud(limit=8, *, name="burst", queue=8):
    return GateRules(name, limit, queue, is_cloud=True)


class House:
    """Gates, and a clock that is told."""

    def __init__(self, *rules, most_in_cloud=None):
        self.gates = Gates(rules or (home(), cloud()), most_in_cloud=most_in_cloud)
        self.now = 100.0

    def enter(self, asker=LEAVES, to=("home",), spill=("burst",)):
        """Where it got in, or None."""
        name = self.gates.first(asker, to, spill)
        if name is not None:
            self.gates.enter(name, self.now)
        return name

    def fill(self, pool, count):
        for _ in range(count):
            self.gates.enter(pool, self.now)

    def wait(self, asker=STAYS, to=("home",), spill=()):
        """Whoever waits now, and where those went who were called by it."""
        assert self.gates.first(asker, to, spill) is None
        waiter, called = self.gates.wait(asker, to, spill, self.now)
        return waiter, [(one.waiter, one.to) for one in called]

    def leave(self, pool="home"):
        return [one.to for one in self.gates.leave(pool, self.now)]


def test_places_are_taken_in_the_order_of_the_decision_and_spill_comes_last():
    house = House(home(1, name="a"), home(1, name="b"), cloud(1))
    assert [house.enter(to=("a", "b")) for _ in range(4)] == ["a", "b", "burst", None]


@pytest.mark.parametrize(
    ("share", "drained", "takes", "sends"),
    [
        (None, (), True, False),
        (None, ("burst",), False, False),
        (0.0, (), False, False),
        (0.5, (), True, True),
        (0.5, ("burst",), False, False),
        (0.25, (), False, False),
    ],
)
def test_it_is_known_beforehand_what_operations_would_do_with_work_that_may_leave(share, drained, takes, sends):
    gates, asker = House().gates, Asker("bank", may_leave=True, lot=0.25)
    gates.control(share, drained, 100.0)
    assert (gates.takes("burst", asker), gates.sends("burst", asker)) == (takes, sends)
    assert (gates.takes("home", asker), gates.sends("home", asker)) == (True, False)


def test_work_that_must_stay_waits_while_work_that_may_leave_leaves():
    house = House(home(1), cloud())
    assert house.enter(STAYS, spill=()) == "home"
    assert house.enter(STAYS, spill=()) is None
    assert house.enter(LEAVES) == "burst"


def test_the_last_places_are_only_for_work_that_must_stay():
    house = House(home(3, reserved=2), cloud(1))
    assert [house.enter(LEAVES) for _ in range(3)] == ["home", "burst", None]
    assert [house.enter(STAYS, spill=()) for _ in range(3)] == ["home", "home", None]


def test_a_place_that_comes_free_among_the_reserved_goes_to_work_that_must_stay():
    house = House(home(2, reserved=1))
    house.fill("home", 2)
    leaver, _ = house.wait(LEAVES)
    stayer, _ = house.wait(STAYS)
    assert [(one.waiter, one.to) for one in house.gates.leave("home", house.now)] == [(stayer, "home")]
    assert house.leave() == []
    assert [(one.waiter, one.to) for one in house.gates.leave("home", house.now)] == [(leaver, "home")]


def test_a_pool_that_is_all_reserved_lets_nothing_in_that_may_leave():
    house = House(home(2, reserved=2), cloud(1))
    house.gates.tick(house.now)
    assert [house.enter(LEAVES) for _ in range(2)] == ["burst", None]
    assert house.leave("burst") == []


def test_spill_opens_at_its_threshold_and_what_waits_leaves_then():
    rules = SpillRules(Thresholds(open_at=1.5, close_at=0.5, dwell_s=10))
    house = House(home(2, spill=rules), cloud(1))
    house.fill("home", 2)
    assert house.enter(LEAVES) is None
    # The one that waits makes it 1.5, and is the first who leaves.
    waiter, called = house.wait(LEAVES, spill=("burst",))
    assert called == [(waiter, "burst")]
    assert house.gates.spilling("home") == {None: True}


def test_while_spill_is_open_work_leaves_until_the_pool_has_calmed_down():
    rules = SpillRules(Thresholds(open_at=1.0, close_at=0.5, dwell_s=10))
    house = House(home(4, spill=rules), cloud(2))
    house.fill("home", 4)
    house.leave()
    assert house.enter(LEAVES) == "burst"  # a place is free at home, and is left for those who must stay
    assert house.enter(STAYS, spill=()) == "home"
    house.leave()
    house.leave()
    assert house.enter(LEAVES) == "home"  # calm, though the spill is still open
    assert house.gates.spilling("home") == {None: True}
    house.enter(LEAVES)
    assert house.enter(LEAVES) == "home"  # the cloud is full, a place at home is better than none
    assert house.enter(LEAVES) is None
    for _ in range(4):
        house.leave()
    house.now += 10
    house.gates.tick(house.now)
    assert house.gates.spilling("home") == {None: False}


def test_each_label_has_its_own_thresholds():
    rules = SpillRules(Thresholds(1.0, 0.5), ((PUBLIC, Thresholds(0.5, 0.25)),))
    house = House(home(4, spill=rules), cloud())
    house.fill("home", 2)
    assert house.gates.spilling("home") == {None: False, PUBLIC: True}
    assert house.enter(Asker("bank", label=PUBLIC, may_leave=True)) == "burst"
    assert house.enter(Asker("bank", label=INTERNAL, may_leave=True)) == "home"


def test_the_next_pool_at_home_is_a_spill_as_well():
    house = House(home(1), home(1, name="b"))
    assert [house.enter(STAYS, spill=("b",)) for _ in range(3)] == ["home", "b", None]


def test_what_the_model_servers_say_counts_if_it_is_more():
    house = House(home(8), cloud())
    assert house.gates.press("home", 1.2, house.now) == ()
    assert house.gates.pressure("home") == 1.2
    assert house.enter(LEAVES) == "burst"
    assert house.enter(STAYS, spill=()) == "home"
    house.gates.press("home", 0.0, house.now)
    assert house.gates.pressure("home") == 1 / 8
    assert house.enter(LEAVES) == "home"


def test_pressure_that_opens_a_spill_lets_go_who_waits():
    house = House(home(4, reserved=1, spill=SpillRules(Thresholds(open_at=2.0))), cloud())
    house.fill("home", 3)
    waiter, called = house.wait(LEAVES, spill=("burst",))
    assert called == []
    assert house.gates.press("home", 2.0, house.now) == (Called(waiter, "burst"),)


def test_there_is_a_cap_on_work_in_the_cloud_however_many_pools_it_has():
    house = House(home(1), cloud(), cloud(name="burst-b"), most_in_cloud=2)
    spill = ("burst", "burst-b")
    house.fill("home", 1)
    assert [house.enter(spill=spill) for _ in range(3)] == ["burst", "burst", None]
    assert house.gates.in_cloud == 2
    # Only `burst-b` may have the one that waits, and a place in the other pool is what it waited for.
    waiter, _ = house.wait(LEAVES, to=("home",), spill=("burst-b",))
    assert house.leave("burst") == ["burst-b"]
    assert house.gates.waiting("home") == 0
    assert waiter.spill == ("burst-b",)


@pytest.mark.parametrize(
    ("share", "free_at_home", "full_home"),
    [
        (None, "home", "burst"),
        (0.0, "home", None),
        (0.3, "home", None),
        (0.6, "burst", "burst"),
        (1.0, "burst", "burst"),
    ],
)
def test_operations_say_how_much_of_what_may_leave_does(share, free_at_home, full_home):
    asker = Asker("bank", may_leave=True, lot=0.5)
    house = House(home(1), cloud())
    house.gates.control(share, (), house.now)
    assert house.gates.first(asker, ("home",), ("burst",)) == free_at_home
    house.fill("home", 1)
    assert house.gates.first(asker, ("home",), ("burst",)) == full_home


def test_what_is_sent_out_stays_when_the_cloud_is_full_and_waits_for_either():
    house = House(home(1), cloud(1))
    house.gates.control(1.0, (), house.now)
    assert [house.enter() for _ in range(3)] == ["burst", "home", None]
    house.wait(LEAVES, spill=("burst",))
    assert house.leave("burst") == ["burst"]


def test_burst_is_no_business_of_pools_at_home():
    house = House(home(1), home(1, name="b"))
    for share in (0.0, 1.0):
        house.gates.control(share, (), house.now)
        assert house.gates.first(LEAVES, ("home",), ("b",)) == "home"
    house.fill("home", 1)
    house.gates.control(0.0, (), house.now)
    assert house.enter(LEAVES, spill=("b",)) == "b"


def test_a_drained_pool_takes_no_more_work_and_the_next_is_open():
    house = House()
    house.gates.control(None, {"home"}, house.now)
    assert house.gates.is_drained("home")
    assert not house.gates.has_place("home")
    assert house.enter(LEAVES) == "burst"
    assert house.enter(STAYS, spill=()) is None
    assert house.gates.wait(STAYS, ("home",), (), house.now) == (Reason.SHUT, ())


def test_draining_turns_away_who_waits_for_nothing_else():
    house = House(home(1), home(1, name="b"), cloud(1))
    for pool in ("home", "b", "burst"):
        house.fill(pool, 1)
    only, _ = house.wait(STAYS)
    either, _ = house.wait(STAYS, to=("home", "b"))
    assert house.gates.control(None, {"home"}, house.now) == (Called(only, Reason.SHUT),)
    assert house.leave("home") == []
    assert [(one.waiter, one.to) for one in house.gates.leave("b", house.now)] == [(either, "b")]


def test_closing_burst_turns_away_who_waits_for_the_cloud_alone_and_opening_lets_go():
    house = House(home(1), cloud(1))
    house.fill("home", 1)
    house.fill("burst", 1)
    alone, _ = house.wait(LEAVES, to=(), spill=("burst",))
    either, _ = house.wait(LEAVES, spill=("burst",))
    assert house.gates.control(0.0, (), house.now) == (Called(alone, Reason.SHUT),)
    assert house.leave("burst") == []
    assert house.gates.control(None, (), house.now) == (Called(either, "burst"),)


def test_whoever_waits_for_a_pool_goes_in_when_it_is_no_longer_drained():
    house = House(home(1), home(1, name="b"))
    house.fill("b", 1)
    house.gates.control(None, {"home"}, house.now)
    waiter, _ = house.wait(STAYS, to=("home", "b"))
    assert house.gates.control(None, (), house.now) == (Called(waiter, "home"),)


def test_without_money_nothing_gets_a_place_in_the_cloud_and_who_waits_for_more_than_that_waits_on():
    house = House(home(1), cloud(2))
    house.fill("home", 1)
    house.fill("burst", 2)
    alone, _ = house.wait(LEAVES, to=("burst",), spill=())
    either, _ = house.wait(LEAVES, spill=("burst",))
    assert house.gates.spend(True, house.now) == (Called(alone, Reason.SHUT),)
    assert house.gates.is_spent
    assert not house.gates.is_drained("burst")
    assert house.leave("burst") == []
    assert not house.gates.has_place("burst")
    assert not house.gates.takes("burst", LEAVES)
    assert house.gates.wait(LEAVES, ("burst",), (), house.now) == (Reason.SHUT, ())
    # Neither draining nor sending by hand brings in what there is no money for.
    assert house.gates.control(1.0, (), house.now) == ()
    assert not house.gates.sends("burst", LEAVES)
    assert house.gates.spend(False, house.now) == (Called(either, "burst"),)


def test_where_there_is_no_money_for_the_cloud_its_work_goes_to_the_next_pool_at_home():
    house = House(home(1), cloud(1))
    house.gates.spend(True, house.now)
    assert house.enter(LEAVES, to=("burst",), spill=("home",)) == "home"


@pytest.mark.parametrize(
    ("share", "drained", "expected"),
    [(None, (), False), (0.5, (), False), (0.0, (), True), (None, ("burst",), True)],
)
def test_it_is_known_whether_operations_keep_a_pool_shut(share, drained, expected):
    gates = House().gates
    gates.control(share, drained, 100.0)
    assert gates.is_kept_shut("burst") is expected
    assert not gates.is_kept_shut("home")


def test_a_full_line_refuses_or_makes_room():
    house = House(home(1, queue=2))
    house.fill("home", 1)
    _, last = house.wait(STAYS)[0], house.wait(STAYS)[0]
    assert house.wait(STAYS) == (Reason.FULL, [])
    waiter, called = house.wait(Asker("bank"))
    assert called == [(last, Reason.FULL)]
    assert isinstance(waiter, Waiter)
    assert house.gates.waiting("home") == 2


def test_a_line_that_is_full_elsewhere_is_only_not_stood_in():
    house = House(home(1, queue=4), cloud(0, queue=1))
    house.fill("home", 1)
    for _ in range(3):
        house.wait(LEAVES, spill=("burst",))
    assert (house.gates.waiting("home"), house.gates.waiting("burst")) == (3, 1)


def test_whoever_is_decided_again_keeps_its_place_in_the_lines_that_it_stays_in():
    house = House(home(1), home(1, name="b"), home(1, name="c"))
    for pool in ("home", "b", "c"):
        house.fill(pool, 1)
    waiter, _ = house.wait(STAYS, to=("home", "b"))
    later, _ = house.wait(STAYS, to=("home",))
    assert house.gates.change(waiter, STAYS, ("home",), ("c",), house.now) == ()
    assert [house.gates.waiting(pool) for pool in ("home", "b", "c")] == [2, 0, 1]
    assert [(one.waiter, one.to) for one in house.gates.leave("home", house.now)] == [(waiter, "home")]
    assert [(one.waiter, one.to) for one in house.gates.leave("home", house.now)] == [(later, "home")]


def test_whoever_is_decided_again_takes_a_free_place_at_once_or_goes_if_there_is_none_left():
    house = House(home(1), cloud(1))
    house.fill("home", 1)
    first, _ = house.wait(STAYS)
    second, _ = house.wait(STAYS)
    assert house.gates.change(first, LEAVES_TOO, ("burst",), (), house.now) == (Called(first, "burst"),)
    house.gates.control(None, {"burst"}, house.now)
    assert house.gates.change(second, LEAVES_TOO, ("burst",), (), house.now) == (Called(second, Reason.SHUT),)
    assert house.gates.waiting("home") == 0


def test_retry_after_is_what_the_line_takes_at_the_rate_at_which_it_drains():
    house = House(home(1))
    house.fill("home", 1)
    assert house.gates.retry_after_s(("home",), house.now) == 1.0  # nothing measured
    for _ in range(3):
        house.now += 4
        house.leave()
        house.fill("home", 1)
    assert house.gates.retry_after_s(("home",), house.now) == 4.0
    for _ in range(2):
        house.wait(STAYS)
    assert house.gates.retry_after_s(("home",), house.now) == 12.0
    house.now += 10  # from a pool that is stuck nobody comes any faster
    assert house.gates.retry_after_s(("home",), house.now) == 30.0
    house.now += 1000
    assert house.gates.retry_after_s(("home",), house.now) == 60.0


def test_retry_after_is_what_a_newcomer_would_have_waited():
    """Four places of two seconds each, taken half a second apart: the ninth in line has its turn after 4.5 s."""
    house = House(home(4, queue=8))
    ends = []
    for _ in range(4):
        house.fill("home", 1)
        ends.append(house.now + 2.0)
        house.now += 0.5
    for _ in range(20):
        house.now = ends.pop(0)
        house.leave()
        house.fill("home", 1)
        ends.append(house.now + 2.0)
    for _ in range(8):
        house.wait(STAYS)
    told = house.gates.retry_after_s(("home",), house.now)
    began, turns = house.now, 0
    while turns < 9:
        house.now = ends.pop(0)
        house.leave()
        turns += 1
        ends.append(house.now + 2.0)
    assert told == house.now - began == 4.5


def test_a_quiet_night_does_not_count_as_slow_draining():
    house = House(home(1))
    house.fill("home", 1)
    house.now += 2
    house.leave()
    house.now += 3600
    house.fill("home", 1)
    house.now += 2
    house.leave()
    assert house.gates.retry_after_s(("home",), house.now) == 2.0


def test_a_place_that_nobody_used_says_nothing_about_how_fast_they_come_free():
    house = House(home(1))
    house.fill("home", 1)
    house.now += 7
    house.gates.leave("home", house.now, is_measured=False)
    assert house.gates.retry_after_s(("home",), house.now) == 1.0


def test_the_shortest_of_several_lines_counts():
    house = House(home(1), home(1, name="b"))
    for pool, takes in (("home", 9), ("b", 3)):
        house.fill(pool, 1)
        house.now += takes
        house.leave(pool)
    assert house.gates.retry_after_s(("home", "b"), house.now) == 3.0


def test_what_a_gate_knows_of_itself():
    house = House()
    house.fill("home", 1)
    assert set(house.gates.names) == {"home", "burst"}
    assert [house.gates.is_cloud(name) for name in ("home", "burst")] == [False, True]
    assert house.gates.in_flight("home") == 1
    assert house.gates.has_place("home")
    house.fill("home", 1)
    assert not house.gates.has_place("home")


POOLS = {"a": (3, 1, False), "b": (1, 0, False), "c": (2, 0, True), "d": (1, 0, True)}
HOME, CLOUD = ("a", "b"), ("c", "d")
moments = st.lists(
    st.tuples(
        st.sampled_from(["come"] * 4 + ["leave"] * 3 + ["give up", "change", "control", "spend", "press", "tick"]),
        st.integers(0, 10**6),
        st.floats(0.0, 20.0),
    ),
    max_size=80,
)


@settings(max_examples=200, deadline=None)
@given(moments)
def test_whatever_happens_limits_hold_and_nobody_waits_who_could_go_in(moments):
    gates = Gates(
        [
            GateRules(name, limit, 3, is_cloud=is_cloud, reserved=reserved)
            for name, (limit, reserved, is_cloud) in POOLS.items()
        ],
        most_in_cloud=2,
    )
    now, held, waiting = 0.0, [], []  # held: (pool, may_leave)
    share, drained, is_spent = None, frozenset(), False

    def lists(seed):
        to = [("a",), ("b",), ("a", "b"), ("c",), ("c", "a")][seed % 5]
        spill = [(), ("c",), ("b", "c"), ("d", "c")][seed // 5 % 4] if seed % 3 else ()
        return to, tuple(name for name in spill if name not in to)

    def asker(seed, pools):
        may_leave = any(name in CLOUD for name in pools)
        return Asker("xyz"[seed % 3], seed % 10, Label(0), may_leave, seed % 97 / 97)

    def hear(called):
        for one in called:
            if one.waiter in waiting:
                waiting.remove(one.waiter)
            if one.to in POOLS:
                assert one.to in (*one.waiter.to, *one.waiter.spill)
                assert one.to not in drained
                assert not (is_spent and one.to in CLOUD)
                if one.to in one.waiter.spill and one.to in CLOUD and share is not None:
                    assert one.waiter.asker.lot < share
                held.append((one.to, one.waiter.asker.may_leave))

    for act, seed, passed in moments:
        now += passed
        if act == "come":
            to, spill = lists(seed)
            one = asker(seed, (*to, *spill))
            name = gates.first(one, to, spill)
            if name is not None:
                assert name in (*to, *spill)
                assert name not in drained
                assert not (is_spent and name in CLOUD)
                held.append((name, one.may_leave))
                hear(gates.enter(name, now))
                if name in HOME and one.may_leave:
                    assert gates.in_flight(name) <= POOLS[name][0] - POOLS[name][1]
            else:
                waiter, called = gates.wait(one, to, spill, now)
                if isinstance(waiter, Waiter):
                    waiting.append(waiter)
                hear(called)
        elif act == "leave" and held:
            pool, _ = held.pop(seed % len(held))
            hear(gates.leave(pool, now, is_measured=bool(seed % 2)))
        elif act == "give up" and waiting:
            gates.forget(waiting.pop(seed % len(waiting)))
        elif act == "change" and waiting:
            waiter, (to, spill) = waiting[seed % len(waiting)], lists(seed)
            may_leave = any(name in CLOUD for name in (*to, *spill))
            again = Asker(waiter.asker.tenant, waiter.asker.priority, Label(0), may_leave, waiter.asker.lot)
            hear(gates.change(waiter, again, to, spill, now))
        elif act == "control":
            share = [None, 0.0, 0.5, 1.0][seed % 4]
            drained = frozenset(name for bit, name in enumerate(POOLS) if seed >> 2 >> bit & 1)
            hear(gates.control(share, drained, now))
        elif act == "spend":
            is_spent = bool(seed % 2)
            hear(gates.spend(is_spent, now))
        elif act == "press":
            hear(gates.press("a", seed % 3 / 2, now))
        elif act == "tick":
            hear(gates.tick(now))
        for name, (limit, _, _) in POOLS.items():
            assert gates.in_flight(name) == sum(pool == name for pool, _ in held) <= limit
            assert gates.waiting(name) <= 3
            assert gates.pressure(name) >= 0.0
        assert gates.in_cloud == sum(pool in CLOUD for pool, _ in held) <= 2
        for waiter in waiting:
            name = gates.first(waiter.asker, waiter.to, waiter.spill)
            # A place in a line that was full when it came is nothing that it waits for.
            assert name is None or gates.waiting(name) == 0 or waiter not in gates._gates[name].line
        assert 1.0 <= gates.retry_after_s(tuple(POOLS), now) <= 60.0
