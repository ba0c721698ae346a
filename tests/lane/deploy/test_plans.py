"""Plans from states that a control plane is not easily brought into: values in, values out."""

import hashlib

import pytest

from gateway.core.deployment import Lane, Needs, Rollout, Scaling, Traffic
from gateway.lane.deploy.calls import agrees
from gateway.lane.deploy.documents import Names, Package, Wanted
from gateway.lane.deploy.observed import Observed, SeenComponent, SeenEndpoint
from gateway.lane.deploy.plan import Act, Await, Kind, Until, Why, obstacles, plan
from gateway.lane.deploy.removal import removal

DIGEST = hashlib.sha256(b"x")


def wanted(**changes) -> Wanted:
    lane = Lane("burst", "eu-central-1", "m", "b", "i", "ml.g5.xlarge", **changes)
    return Wanted(Names(lane, "111122223333"), Package(DIGEST.hexdigest(), 1, 1 << 24, (DIGEST.digest(),)))


def to_zero() -> Wanted:
    return wanted(scaling=Scaling(least=0), needs=Needs(1024))


def endpoint(of: Wanted, status: str) -> SeenEndpoint:
    return SeenEndpoint(status, of.config, True, 1, 1, False, of.lane.instance)


def of_kind(steps, kind: Kind) -> list[object]:
    return [
        step.call.operation if isinstance(step, Act) else step.until
        for step in steps
        if isinstance(step, Act | Await) and step.kind is kind
    ]


@pytest.mark.parametrize(
    ("traffic", "least", "kind", "size"),
    [
        (Traffic.CANARY, 2, "CANARY", "CanarySize"),
        (Traffic.LINEAR, 2, "LINEAR", "LinearStepSize"),
        (Traffic.ALL_AT_ONCE, 2, "ALL_AT_ONCE", None),
        (Traffic.CANARY, 1, "ALL_AT_ONCE", None),  # one instance cannot be divided
    ],
)
def test_traffic_moves_as_the_file_says_where_it_can_be_divided(traffic, least, kind, size):
    of = wanted(scaling=Scaling(least=least), rollout=Rollout(traffic=traffic, share_percent=25))
    routing = of.update_endpoint("c").parameters["DeploymentConfig"]["BlueGreenUpdatePolicy"][
        "TrafficRoutingConfiguration"
    ]
    assert routing["Type"] == kind
    assert {key for key in routing if key.endswith("Size")} == ({size} if size else set())


def test_an_update_is_given_no_longer_than_sagemaker_allows():
    of = wanted(start_within_s=3600, rollout=Rollout(Traffic.LINEAR, 5, 3600))
    assert of.longest_update_s == 28_800


@pytest.mark.parametrize(
    ("status", "steps"),
    [
        ("Creating", [Until.SERVING]),
        ("Deleting", [Until.GONE, "CreateEndpoint", Until.SERVING]),
        ("Failed", ["DeleteEndpoint", Until.GONE, "CreateEndpoint", Until.SERVING]),
        ("InService", []),
    ],
)
def test_an_endpoint_is_taken_up_in_whatever_state_it_is(status, steps):
    of = wanted()
    assert of_kind(plan(of, Observed(endpoint=endpoint(of, status))), Kind.ENDPOINT) == steps


@pytest.mark.parametrize(
    ("status", "steps"),
    [
        ("Creating", [Until.SERVING]),
        ("Deleting", [Until.GONE, "CreateInferenceComponent", Until.SERVING]),
        (
            "Failed",
            ["DeleteInferenceComponent", Until.GONE, "CreateInferenceComponent", Until.SERVING],
        ),
        ("InService", []),
    ],
)
def test_a_component_is_taken_up_in_whatever_state_it_is(status, steps):
    of = to_zero()
    seen = Observed(endpoint=endpoint(of, "InService"), component=SeenComponent(status, of.component(), 0, 0))
    assert of_kind(plan(of, seen), Kind.COMPONENT) == steps


@pytest.mark.parametrize("status", ["OutOfService", "UpdateRollbackFailed", "SomethingNew"])
def test_a_state_that_nobody_knows_is_left_to_a_person(status):
    of = wanted()
    assert [one.why for one in obstacles(of, Observed(endpoint=endpoint(of, status)))] == [Why.STUCK]


@pytest.mark.parametrize(
    ("status", "steps"),
    [
        ("Updating", [Until.SETTLED, "DeleteEndpoint", Until.GONE]),
        ("Deleting", [Until.GONE]),
        ("Failed", ["DeleteEndpoint", Until.GONE]),
        ("UpdateRollbackFailed", ["DeleteEndpoint", Until.GONE]),
    ],
)
def test_an_endpoint_is_removed_in_whatever_state_it_is(status, steps):
    of = wanted()
    gone = removal(of.names, Observed(endpoint=endpoint(of, status)), keep_logs=False)
    assert of_kind(gone, Kind.ENDPOINT) == steps


@pytest.mark.parametrize(
    ("wish", "seen", "is_so"),
    [
        ({"a": 1}, {"a": 1.0, "b": 2}, True),
        ({"a": [1, {"b": "c"}]}, {"a": [1, {"b": "c", "d": 1}]}, True),
        ({"a": [1]}, {"a": [1, 2]}, False),
        ({"a": 1}, {}, False),
        ({"a": {}}, {"a": "x"}, False),
        ([], None, False),
    ],
)
def test_what_is_wanted_is_so_if_all_of_it_is(wish, seen, is_so):
    assert agrees(wish, seen) is is_so
