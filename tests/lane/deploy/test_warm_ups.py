"""The gateway's own warm-ups, against a lane that was deployed: what they call, and that AWS itself ends them."""

import time
from datetime import UTC, datetime

import pytest

from gateway.backends.sagemaker_credentials import Keys
from gateway.backends.sagemaker_warm import ENDS_IN_S, NOT_SCALED, TOO_FEW, Bounds, Warmer, calls, scalable
from gateway.core.labels import Label
from gateway.core.topology import Endpoint, Pool, SageMakerPlace, SageMakerTarget
from gateway.core.warm_up import Held, NotEnded, NotHeld, WarmRules
from gateway.lane.deploy.operations import warm
from gateway.lane.deploy.permissions import operator_policy, warm_up_policy
from gateway.lane.deploy.scaling import Bounds as LaneBounds
from gateway.lane.deploy.scaling import end_of_warmth, raise_floor
from tests.lane.deploy.world import ACCOUNT, NAME, PATIENCE, REGION, TO_ZERO, Unseen, World

KEYS = Keys("AKIAEXAMPLEEXAMPLE00", "not-a-secret-of-anybodys")
ENDPOINT = Endpoint("e", "runtime.example", 443, True, base_path=f"/endpoints/{NAME}")


def warmer(world: World, *, component: str | None = None, count: int = 3, control: str | None = "") -> Warmer:
    target = SageMakerTarget(REGION, inference_component=component)
    pool = Pool("burst", "cloud", Label(1), "sagemaker", "m", (ENDPOINT,), sagemaker=target)
    rules = WarmRules(1_000_000, count, control=world.url if control == "" else control)
    return Warmer(pool, target, rules, KEYS)


def in_an_hour() -> float:
    return float(int(time.time()) + 3600)


def iso(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S}"


@pytest.mark.parametrize(("lane", "component"), [({}, None), (TO_ZERO, f"{NAME}-model")], ids=["instances", "copies"])
def test_a_warm_up_is_one_that_the_command_line_knows(world, lane, component):
    lane = world.lane(**lane)
    world.deploy(lane)
    before, until = world.place(lane).seen().bounds, in_an_hour()
    there = warmer(world, component=component)
    assert there.seen(ENDPOINT, time.time()) is None
    assert there.hold(ENDPOINT, time.time(), until) == Held(until, is_ours=True)
    seen = world.place(lane).seen()
    assert (seen.bounds.least, seen.bounds.most) == (3, before.most)
    assert seen.warm_until == iso(until)
    assert there.seen(ENDPOINT, time.time()) == Held(until, is_ours=False)
    assert world.planned(lane) == (), "a warm-up is no difference from the file"


def test_its_end_is_with_aws_before_it_begins(world):
    world.deploy()
    count, until = len(world.calls()), in_an_hour()
    warmer(world).hold(ENDPOINT, time.time(), until)
    made = [call["target"].rpartition(".")[2] for call in world.calls()[count:]]
    assert [one for one in made if not one.startswith("Describe")] == ["PutScheduledAction", "RegisterScalableTarget"]


def test_it_asks_for_what_the_lane_asks_for(world):
    bounds, until = LaneBounds(2, 10), 1_800_000_000.0
    for lane, component in ((world.lane(), None), (world.lane(**TO_ZERO), f"{NAME}-model")):
        names = world.place(lane).names
        target = scalable(NAME, "all", component)
        assert target == names.target
        end, floor = calls(target, names.warm_end, Bounds(2, 10), 3, now=0.0, until=until)
        at = datetime.fromtimestamp(until, UTC)
        assert end == end_of_warmth(target, names.warm_end, bounds, at).parameters
        assert floor == raise_floor(target, 3).parameters


def test_one_that_somebody_has_begun_goes_on_to_its_own_end_and_back_to_where_it_came_from(world):
    world.deploy()
    place = world.place()
    end = warm(place, 5, 7200.0, lambda: datetime.now(UTC), Unseen(), PATIENCE)
    there = warmer(world)
    assert there.seen(ENDPOINT, time.time()) == Held(end.timestamp(), is_ours=False)
    assert there.hold(ENDPOINT, time.time(), in_an_hour()) == Held(end.timestamp(), is_ours=True)
    seen = place.seen()
    assert (seen.bounds.least, seen.warm_until) == (5, iso(end.timestamp()))
    action = world.client("application-autoscaling").describe_scheduled_actions(ServiceNamespace="sagemaker")
    assert action["ScheduledActions"][0]["ScalableTargetAction"] == {"MinCapacity": 2, "MaxCapacity": 10}


def test_one_that_is_prolonged_still_goes_back_to_where_it_began():
    target = scalable(NAME, "all", None)
    bounds = Bounds(3, 10, after=(0, 10), until=2000.0)
    end, floor = calls(target, "n", bounds, 3, now=1000.0, until=3000.0)
    assert (end["ScalableTargetAction"], end["Schedule"]) == (
        {"MinCapacity": 0, "MaxCapacity": 10},
        "at(1970-01-01T00:50:00)",
    )
    assert floor["MinCapacity"] == 3
    # That of one that is over is where the bounds are now, by AWS's own hand or an operator's.
    end, _ = calls(target, "n", Bounds(1, 4, after=(0, 10), until=900.0), 9, now=1000.0, until=3000.0)
    assert end["ScalableTargetAction"] == {"MinCapacity": 1, "MaxCapacity": 4}
    assert calls(target, "n", Bounds(1, 4), 9, now=0.0, until=1.0)[1]["MinCapacity"] == 4


@pytest.mark.parametrize(("lane", "component"), [({}, None), (TO_ZERO, f"{NAME}-model")], ids=["instances", "copies"])
def test_one_that_is_let_go_of_is_back_where_it_was_and_aws_ends_it_as_well(world, lane, component):
    lane = world.lane(**lane)
    world.deploy(lane)
    before, until = world.place(lane).seen().bounds, in_an_hour()
    there = warmer(world, component=component)
    there.hold(ENDPOINT, time.time(), until)
    now = time.time()
    assert there.let_go(ENDPOINT, now, until) is None
    seen = world.place(lane).seen()
    assert seen.bounds == before
    assert seen.warm_until == iso(now + ENDS_IN_S)
    assert there.let_go(ENDPOINT, now, until) is None
    assert world.planned(lane) == ()


def test_one_that_ends_otherwise_is_somebody_elses_and_stands(world):
    world.deploy()
    place = world.place()
    end = warm(place, 5, 7200.0, lambda: datetime.now(UTC), Unseen(), PATIENCE)
    there = warmer(world)
    assert there.let_go(ENDPOINT, time.time(), in_an_hour()) is None
    assert there.let_go(ENDPOINT, end.timestamp() + 1, end.timestamp()) is None
    seen = place.seen()
    assert (seen.bounds.least, seen.warm_until) == (5, iso(end.timestamp()))


def test_one_that_is_nearly_over_keeps_its_end(world):
    world.deploy()
    until = float(int(time.time()) + 60)
    there = warmer(world)
    there.hold(ENDPOINT, time.time(), until)
    assert there.let_go(ENDPOINT, time.time(), until) is None
    seen = world.place().seen()
    assert (seen.bounds.least, seen.warm_until) == (2, iso(until))


def test_where_nothing_scales_there_is_nothing_to_let_go_of_and_who_cannot_be_asked_has_not_ended_it(world):
    assert warmer(world).let_go(ENDPOINT, time.time(), in_an_hour()) is None
    there = warmer(world, control="http://127.0.0.1:9")
    assert there.let_go(ENDPOINT, time.time(), in_an_hour()) == NotEnded("EndpointConnectionError")


def test_what_cannot_be_put_back_at_once_aws_ends(world):
    world.deploy()
    until, there = in_an_hour(), warmer(world)
    there.hold(ENDPOINT, time.time(), until)
    there._clients[REGION] = Silent(there._client(SageMakerPlace(REGION)), TimeoutError())
    now = time.time()
    assert there.let_go(ENDPOINT, now, until) is None
    seen = world.place().seen()
    assert (seen.bounds.least, seen.warm_until) == (3, iso(now + ENDS_IN_S))


def test_an_endpoint_that_nothing_scales_is_left_alone(world):
    """Nobody would lower it again."""
    there = warmer(world)
    assert there.seen(ENDPOINT, time.time()) == NotHeld(NOT_SCALED)
    assert there.hold(ENDPOINT, time.time(), in_an_hour()) == NotHeld(NOT_SCALED)
    assert world.inventory()["scheduled"] == []


def test_more_than_may_stand_there_is_not_asked_for(world):
    world.deploy()
    assert warmer(world, count=11).seen(ENDPOINT, time.time()) == NotHeld(TOO_FEW)


def test_a_control_plane_that_cannot_be_reached_is_told_by_name(world):
    there = warmer(world, control="http://127.0.0.1:9")
    assert there.seen(ENDPOINT, time.time()) == NotHeld("EndpointConnectionError")
    assert there.hold(ENDPOINT, time.time(), in_an_hour()) == NotHeld("EndpointConnectionError")


class Silent:
    """Stands in for a client whose last call gets no answer, or a refusal."""

    def __init__(self, client, error: Exception) -> None:
        self._client, self._error = client, error

    def __getattr__(self, name):
        return getattr(self._client, name)

    def register_scalable_target(self, **_):
        raise self._error


@pytest.mark.parametrize("is_refused", [False, True])
def test_a_call_without_an_answer_may_have_been_carried_out_and_a_refused_one_was_not(world, is_refused):
    world.deploy()
    there = warmer(world)
    error = TimeoutError()
    if is_refused:
        error.response = {"Error": {"Code": "ConcurrentUpdateException"}}
    there._clients[REGION] = Silent(there._client(SageMakerPlace(REGION)), error)
    result = there.hold(ENDPOINT, time.time(), in_an_hour())
    assert result == NotHeld("ConcurrentUpdateException" if is_refused else "TimeoutError", may_be=not is_refused)


def test_another_regions_scaling_is_not_asked_at_the_pools_own_address(world):
    there = warmer(world)
    assert there._client(SageMakerPlace(REGION)).meta.endpoint_url == world.url
    other = there._client(SageMakerPlace("eu-central-1"))
    assert other.meta.endpoint_url == "https://application-autoscaling.eu-central-1.amazonaws.com"


@pytest.mark.parametrize("lane", [{}, TO_ZERO], ids=["instances", "copies"])
def test_the_rights_for_warm_ups_are_those_that_its_calls_need(world, lane):
    lane = world.lane(**lane)
    world.deploy(lane)
    count = len(world.calls())
    component = f"{NAME}-model" if lane.scaling.to_zero else None
    until, there = in_an_hour(), warmer(world, component=component)
    there.hold(ENDPOINT, time.time(), until)
    there.let_go(ENDPOINT, time.time(), until)
    called = {call["target"].rpartition(".")[2] for call in world.calls()[count:]}
    policy = warm_up_policy(lane, ACCOUNT)
    allowed = {action for statement in policy["Statement"] for action in statement["Action"]}
    assert {f"application-autoscaling:{name}" for name in called} == {
        action for action in allowed if action.startswith("application-autoscaling:")
    }
    theirs = operator_policy(lane, ACCOUNT, "f", "r")
    assert allowed <= {action for statement in theirs["Statement"] for action in statement["Action"]}
