"""What a policy may ask of the gateway itself: the minute of the week and how each zone does, and only if it asks."""

from datetime import UTC, datetime

import pytest

from gateway.core.facts import QUIET, Budget, Pressure
from gateway.core.labels import Label
from gateway.core.topology import Endpoint, Pool, Topology
from gateway.policy.compile import load
from gateway.runtime.admission import Admission
from gateway.runtime.surroundings import Outlook
from tests.fakes.house import POLICY


def pool(name, zone="onprem", clearance=3):
    return Pool(name, zone, Label(clearance), "vllm", "m", (Endpoint(name),), max_in_flight=1)


TOPOLOGY = Topology((pool("home"), pool("home-b"), pool("burst", "cloud", 1)))


class Wall:
    def __init__(self, text="2026-11-21T16:30:00"):
        self.set(text)

    def set(self, text):
        self.now = datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()

    def wall(self):
        return self.now

    def monotonic(self):
        return self.now


class Scene:
    """An outlook under a policy with `guard` on one of its rows."""

    def __init__(self, guard=""):
        row = f"  - {{id: asks, when: {{{guard}}}, deny: Not now.}}\n" if guard else ""
        text = POLICY.replace("QUEUE", "5s").replace("routes:\n", f"routes:\n{row}")
        policy = load(text.encode(), "policy.yaml", TOPOLOGY, {"default": Label(1)})
        self.clock, self.closed, self.spent = Wall(), set(), False
        self.admission = Admission(TOPOLOGY.pools, self.clock)
        self.outlook = Outlook(
            policy.layout,
            TOPOLOGY,
            self.clock,
            has_place=self.admission.has_place,
            is_closed=lambda name: name in self.closed,
            is_spent=lambda: self.spent,
        )

    def pressure(self):
        return dict(self.outlook.now().pressure)


def test_a_policy_that_asks_for_nothing_is_told_nothing():
    assert Scene().outlook.now() is QUIET


@pytest.mark.parametrize(
    ("at", "minute"),
    [
        ("1970-01-05T00:00:00", 0),
        ("2026-11-16T00:00:59", 0),
        ("2026-11-16T00:01:00", 1),
        ("2026-11-21T16:30:00", 5 * 1440 + 16 * 60 + 30),
        ("2026-11-22T23:59:59", 7 * 1440 - 1),
    ],
)
def test_the_week_begins_on_monday_at_midnight(at, minute):
    scene = Scene("time: {days: [mon], from: '08:00', to: '20:00'}")
    scene.clock.set(at)
    seen = scene.outlook.now()
    assert (seen.minute_of_week, seen.pressure, seen.budget) == (minute, (), Budget.OK)


def test_a_zone_is_free_while_one_of_its_pools_has_a_place_and_down_when_all_are_closed():
    scene = Scene("pressure: {onprem: [saturated, down], cloud: down}")
    assert scene.pressure() == {"onprem": Pressure.FREE, "cloud": Pressure.FREE}
    first = scene.admission.try_enter(("home",))
    assert scene.pressure()["onprem"] is Pressure.FREE
    second = scene.admission.try_enter(("home-b",))
    assert scene.pressure() == {"onprem": Pressure.SATURATED, "cloud": Pressure.FREE}
    scene.closed |= {"home", "burst"}
    assert scene.pressure() == {"onprem": Pressure.SATURATED, "cloud": Pressure.DOWN}
    second.leave()
    assert scene.pressure()["onprem"] is Pressure.FREE
    scene.closed.add("home-b")
    assert scene.pressure()["onprem"] is Pressure.DOWN
    # A closed pool's free place is none.
    first.leave()
    assert scene.pressure()["onprem"] is Pressure.DOWN


def test_only_what_changed_is_a_new_value():
    scene = Scene("time: {from: '08:00', to: '20:00'}, pressure: {onprem: down}")
    seen = scene.outlook.now()
    scene.clock.now += 20
    assert scene.outlook.now() is seen
    scene.clock.now += 60
    assert scene.outlook.now().minute_of_week == seen.minute_of_week + 1
    assert [zone for zone, _ in seen.pressure] == ["onprem"]


def test_whether_the_money_for_the_cloud_is_spent_is_told_to_a_policy_that_asks_and_to_no_other():
    scene, other = Scene("budget: spent"), Scene("pressure: {onprem: down}")
    assert (scene.outlook.now().budget, other.outlook.now().budget) == (Budget.OK, Budget.OK)
    scene.spent = other.spent = True
    assert (scene.outlook.now().budget, other.outlook.now().budget) == (Budget.SPENT, Budget.OK)
    assert scene.outlook.now() is scene.outlook.now()
    scene.spent = False
    assert scene.outlook.now().budget is Budget.OK
