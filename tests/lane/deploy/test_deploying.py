"""Deploying to AWS as moto plays it: what stands afterwards, what a second run does, and what is left."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.deployment import Needs, Network, Rollout, Routing, Scaling, Traffic
from gateway.lane.deploy.calls import Call, Declined
from gateway.lane.deploy.documents import Wanted
from gateway.lane.deploy.operations import Blocked, NoneBefore, NothingThere, TakenBack, deploy, scale, take_back
from gateway.lane.deploy.plan import Act, Bring, Kind, Why
from gateway.lane.deploy.upload import package_of
from tests.lane.deploy.world import NAME, NOTHING, PATIENCE, TO_ZERO, CutAws, CutOff, Unseen, World

FORMS = [pytest.param({}, id="instances"), pytest.param(TO_ZERO, id="to-zero")]


def acts(steps):
    return [(step.sign.value, step.kind.value) for step in steps if isinstance(step, Act | Bring)]


def known(seen):
    """What was seen, less what no two runs have in common."""
    return replace(
        seen,
        models=tuple(replace(one, made="") for one in seen.models),
        configs=tuple(replace(one, made="") for one in seen.configs),
        policies=sorted(seen.policies),
        alarms=sorted(seen.alarms),
        objects=tuple(replace(one, id="") for one in seen.objects),
    )


def test_everything_that_the_file_asks_for_stands_afterwards(world: World):
    seen, _ = world.deploy()
    stands = world.inventory()
    [config], [model], [key] = stands.pop("configs"), stands.pop("models"), stands.pop("objects")
    assert stands == {
        "endpoints": [NAME],
        "targets": [f"endpoint/{NAME}/variant/all"],
        "policies": [f"{NAME}-concurrent", f"{NAME}-queries"],
        "scheduled": [],
        "alarms": [f"{NAME}-errors", f"{NAME}-latency", f"{NAME}-queries"],
        "uploads": [],
        "roles": [f"{NAME}-container"],
        "logs": [],
    }
    sagemaker = world.client("sagemaker")
    assert sagemaker.describe_endpoint(EndpointName=NAME)["EndpointConfigName"] == config
    [variant] = sagemaker.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"]
    assert (variant["ModelName"], variant["InitialInstanceCount"], variant["InstanceType"]) == (
        model,
        2,
        "ml.g5.xlarge",
    )
    container = sagemaker.describe_model(ModelName=model)["PrimaryContainer"]
    assert container["ModelDataUrl"] == f"s3://models/{key}"
    stored = world.client("s3").get_object(Bucket="models", Key=key)["Body"].read()
    assert stored == b"a package"
    assert (seen.endpoint.captures, seen.bounds.least, seen.bounds.most) == (False, 2, 10)


def test_more_than_fifty_queries_per_second_set_the_steps_off(world: World):
    world.deploy()
    [alarm] = world.client("cloudwatch").describe_alarms(AlarmNames=[f"{NAME}-queries"])["MetricAlarms"]
    assert (alarm["MetricName"], alarm["Statistic"], alarm["Period"]) == ("Invocations", "Sum", 60)
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (50 * 60, "GreaterThanThreshold")
    told = world.client("application-autoscaling").describe_scaling_policies(ServiceNamespace="sagemaker")
    [rule] = [one for one in told["ScalingPolicies"] if one["PolicyName"] == f"{NAME}-queries"]
    assert alarm["AlarmActions"] == [rule["PolicyARN"]]


@pytest.mark.parametrize("form", FORMS)
def test_a_second_run_changes_nothing(world: World, form):
    lane = world.lane(**form)
    world.deploy(lane)
    hands = CutAws(world.aws())
    _, steps = world.deploy(lane, hands)
    assert (steps, hands.changes, world.planned(lane)) == ([], [], ())


@pytest.mark.parametrize(
    ("form", "every"),
    [
        pytest.param({}, 4, id="instances"),
        pytest.param(TO_ZERO, 7, id="to-zero"),
        pytest.param({}, 1, id="instances-all", marks=pytest.mark.slow),
        pytest.param(TO_ZERO, 1, id="to-zero-all", marks=pytest.mark.slow),
    ],
)
def test_cut_off_after_any_call_the_next_run_ends_where_an_uninterrupted_one_does(world: World, form, every):
    lane, path = world.lane(**form), world.package()
    hands = CutAws(world.aws())
    whole, _ = world.deploy(lane, hands, path)
    calls, expected = len(hands.changes), world.inventory()
    assert calls >= 14
    for after in range(1, calls + 1, every):
        world.forget()
        with pytest.raises(CutOff):
            world.deploy(lane, CutAws(world.aws(), after), path)
        seen, _ = world.deploy(lane, path=path)
        assert known(seen) == known(whole), f"cut off after call {after}, {hands.changes[after - 1].operation}"
        assert world.inventory() == expected


@pytest.mark.parametrize("form", FORMS)
def test_a_removal_that_is_cut_off_anywhere_is_finished_by_the_next(world: World, form):
    lane = world.lane(**form)
    world.client("logs").create_log_group(logGroupName=f"/aws/sagemaker/Endpoints/{NAME}")
    world.deploy(lane)
    hands = CutAws(world.aws())
    assert world.destroy(lane, hands) == ()
    assert world.inventory() == NOTHING
    for after in range(1, len(hands.changes), 8):
        world.forget()
        world.deploy(lane)
        with pytest.raises(CutOff):
            world.destroy(lane, CutAws(world.aws(), after))
        assert world.destroy(lane) == ()
        assert world.inventory() == NOTHING


def test_removal_leaves_what_is_not_the_lanes(world: World):
    neighbour = world.lane(name=f"{NAME}-two")
    world.deploy(neighbour)
    world.client("s3").put_object(Bucket="models", Key=f"tidegate/{NAME}-other/file", Body=b"")
    before = world.inventory()
    world.deploy()
    assert world.destroy() == ()
    assert world.inventory() == before


def test_logs_may_be_kept_and_are_then_no_leftover(world: World):
    group = f"/aws/sagemaker/Endpoints/{NAME}"
    world.client("logs").create_log_group(logGroupName=group)
    world.deploy()
    assert world.destroy(keep_logs=True) == ()
    assert world.inventory() == {**NOTHING, "logs": [group]}


def test_what_cannot_be_removed_is_told(world: World):
    world.deploy()

    class Stubborn(CutAws):
        def ask(self, call):
            return {} if call.operation == "DeleteModel" else super().ask(call)

    [(kind, name)] = world.destroy(aws=Stubborn(world.aws()))
    assert (kind, [name]) == (Kind.MODEL, world.inventory()["models"])


def test_every_version_of_a_package_in_a_versioned_bucket_goes(world: World):
    s3 = world.client("s3")
    s3.put_bucket_versioning(Bucket="models", VersioningConfiguration={"Status": "Enabled"})
    world.deploy()
    [key] = world.inventory()["objects"]
    s3.delete_object(Bucket="models", Key=key)
    assert world.destroy() == ()
    left = s3.list_object_versions(Bucket="models")
    assert (left.get("Versions", []), left.get("DeleteMarkers", [])) == ([], [])


# Changes


def test_another_package_moves_the_endpoint_blue_and_green_with_alarms_that_take_it_back(world: World):
    world.deploy()
    hands = CutAws(world.aws())
    _, steps = world.deploy(path=world.package(b"another"), aws=hands)
    assert acts(steps) == [("+", "package"), ("+", "model"), ("+", "config"), ("~", "endpoint"), ("+", "served")]
    [update] = [call.parameters for call in hands.changes if call.operation == "UpdateEndpoint"]
    deployment = update["DeploymentConfig"]
    routing = deployment["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]
    assert (routing["Type"], routing["CanarySize"]["Value"]) == ("CANARY", 10)
    alarms = [{"AlarmName": f"{NAME}-errors"}, {"AlarmName": f"{NAME}-latency"}]
    assert deployment["AutoRollbackConfiguration"]["Alarms"] == alarms
    assert update["RetainAllVariantProperties"] is True
    assert update["ExcludeRetainedVariantProperties"] == [{"VariantPropertyType": "DataCaptureConfig"}]


def test_an_update_that_an_alarm_takes_back_is_told_and_the_old_version_serves_on(world: World):
    before, _ = world.deploy()

    class Alarmed(CutAws):
        def ask(self, call):
            answer = super().ask(call)
            if call.operation == "UpdateEndpoint":
                state = {"AlarmName": f"{NAME}-errors", "StateValue": "ALARM", "StateReason": "5xx"}
                world.client("cloudwatch").set_alarm_state(**state)
            return answer

    with pytest.raises(TakenBack):
        world.deploy(path=world.package(b"a bad one"), aws=Alarmed(world.aws()))
    assert world.place().seen().endpoint.config == before.endpoint.config
    with pytest.raises(NoneBefore):  # nobody wants to go back to what AWS took back
        take_back(world.place(), Unseen(), PATIENCE)
    world.client("cloudwatch").set_alarm_state(AlarmName=f"{NAME}-errors", StateValue="OK", StateReason="quiet")
    world.deploy(path=world.package(b"a good one"))
    assert take_back(world.place(), Unseen(), PATIENCE) == before.endpoint.config
    assert len(world.inventory()["configs"]) == 2


def test_another_kind_of_instance_takes_scaling_off_and_puts_it_on_again(world: World):
    world.deploy()
    _, steps = world.deploy(world.lane(instance="ml.g5.2xlarge"))
    assert acts(steps) == [
        ("+", "config"),
        ("-", "bounds"),
        ("~", "endpoint"),
        ("~", "bounds"),
        ("+", "policy"),
        ("+", "policy"),
        ("~", "alarm"),
        ("+", "served"),
    ]
    assert len(world.inventory()["policies"]) == 2


@pytest.mark.parametrize("instance", ["ml.g5.xlarge", "ml.g5.2xlarge"])
def test_the_version_before_is_kept_and_one_command_away(world: World, instance: str):
    first, _ = world.deploy()
    for data in (b"two", b"three"):
        world.deploy(world.lane(instance=instance), path=world.package(data))
    stands = world.inventory()
    assert [len(stands[kind]) for kind in ("configs", "models", "objects")] == [2, 2, 2]
    config = take_back(world.place(), Unseen(), PATIENCE)
    assert world.place().seen().endpoint.config == config
    assert config != first.endpoint.config


def test_without_a_version_before_there_is_no_way_back(world: World):
    with pytest.raises(NothingThere):
        take_back(world.place(), Unseen(), PATIENCE)
    world.deploy()
    with pytest.raises(NoneBefore):
        take_back(world.place(), Unseen(), PATIENCE)


def test_other_bounds_are_no_update(world: World):
    world.deploy()
    hands = CutAws(world.aws())
    _, steps = world.deploy(world.lane(scaling=Scaling(least=3, most=6)), hands)
    assert acts(steps) == [("~", "bounds")]


def test_capture_that_somebody_switched_on_is_switched_off(world: World):
    seen, _ = world.deploy()
    sagemaker = world.client("sagemaker")
    variants = sagemaker.describe_endpoint_config(EndpointConfigName=seen.endpoint.config)["ProductionVariants"]
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": "s3://models/copies",
        "CaptureOptions": [{"CaptureMode": "Input"}],
    }
    sagemaker.create_endpoint_config(
        EndpointConfigName="by-hand", ProductionVariants=variants, DataCaptureConfig=capture
    )
    sagemaker.update_endpoint(EndpointName=NAME, EndpointConfigName="by-hand")
    now, _ = world.deploy()
    assert (now.endpoint.captures, now.endpoint.config) == (False, seen.endpoint.config)


def test_scaling_by_hand_is_for_now_and_no_difference(world: World):
    world.deploy()
    scale(world.place(), 5, Unseen(), PATIENCE)
    assert world.place().seen().endpoint.coming == 5
    assert world.planned() == ()


def test_what_failed_to_start_is_made_anew(world: World):
    class Failing(CutAws):
        """An endpoint that failed, until it is deleted."""

        failed = True

        def ask(self, call):
            answer = super().ask(call)
            self.failed = self.failed and call.operation != "DeleteEndpoint"
            if call.operation == "DescribeEndpoint" and self.failed:
                answer = {**answer, "EndpointStatus": "Failed"}
            return answer

    world.deploy()
    seen, steps = world.deploy(aws=Failing(world.aws()))
    assert ("-", "endpoint") in acts(steps)
    assert seen.endpoint.status == "InService"


# What is in the way


def test_an_endpoint_of_somebody_elses_is_left_alone(world: World):
    seen, _ = world.deploy(world.lane(name="other"))
    sagemaker = world.client("sagemaker")
    sagemaker.create_endpoint(EndpointName=NAME, EndpointConfigName=seen.endpoint.config)
    hands = CutAws(world.aws())
    with pytest.raises(Blocked) as blocked:
        world.deploy(aws=hands)
    assert [one.why for one in blocked.value.found] == [Why.FOREIGN_ENDPOINT]
    assert hands.changes == []
    assert (Kind.ENDPOINT, NAME) in world.destroy()
    assert NAME in world.inventory()["endpoints"]


def test_a_role_of_somebody_elses_is_left_alone(world: World):
    world.client("iam").create_role(RoleName=f"{NAME}-container", AssumeRolePolicyDocument="{}")
    with pytest.raises(Blocked) as blocked:
        world.deploy()
    assert [one.why for one in blocked.value.found] == [Why.FOREIGN_ROLE]
    assert world.destroy() == ((Kind.ROLE, f"{NAME}-container"),)


@pytest.mark.parametrize(("first", "then"), [({}, TO_ZERO), (TO_ZERO, {})])
def test_what_scales_to_zero_cannot_begin_to_or_cease_to(world: World, first, then):
    world.deploy(world.lane(**first))
    with pytest.raises(Blocked) as blocked:
        world.deploy(world.lane(**then))
    assert [one.why for one in blocked.value.found] == [Why.OTHER_FORM]
    assert world.destroy(world.lane(**then)) == ()
    assert world.inventory() == NOTHING


def test_an_operators_role_is_used_and_none_is_made(world: World):
    role = "arn:aws:iam::123456789012:role/of-the-bank"
    world.deploy(world.lane(role=role))
    assert world.inventory()["roles"] == []
    [model] = world.inventory()["models"]
    assert world.client("sagemaker").describe_model(ModelName=model)["ExecutionRoleArn"] == role


def test_a_bucket_that_is_not_there_is_refused_before_anything_is_made(world: World):
    with pytest.raises(Declined) as refused:
        world.deploy(world.lane(bucket="nobodys"))
    assert refused.value.code in ("NoSuchBucket", "404")
    assert world.inventory() == NOTHING


def test_a_role_that_is_not_known_everywhere_yet_is_waited_for(world: World):
    pauses = []

    class Slow(CutAws):
        def ask(self, call: Call):
            if call.operation == "CreateModel" and len(pauses) < 2:
                raise Declined(call.operation, "ValidationException", "Could not assume role arn:…", 400)
            return super().ask(call)

    path = world.package()
    place = world.place(aws=Slow(world.aws()))
    deploy(place, Wanted(place.names, package_of(path)), path, Unseen(), replace(PATIENCE, sleep=pauses.append))
    assert pauses[:2] == [3.0, 3.0]
    assert len(world.inventory()["models"]) == 1


LANES = st.fixed_dictionaries(
    {
        "scaling": st.builds(
            Scaling,
            least=st.integers(1, 4),
            most=st.integers(4, 12),
            concurrent=st.integers(1, 64),
            queries_per_second=st.integers(1, 500),
            grow_after_s=st.integers(0, 600),
            shrink_after_s=st.integers(0, 3600),
        )
        | st.builds(Scaling, least=st.just(0), most=st.integers(1, 8)),
        "needs": st.builds(Needs, memory_mib=st.integers(128, 10**5), accelerators=st.integers(0, 8)),
        "network": st.sampled_from([Network(), Network(("subnet-1", "subnet-2"), ("sg-1",), is_isolated=False)]),
        "rollout": st.builds(
            Rollout,
            traffic=st.sampled_from(Traffic),
            share_percent=st.integers(5, 50),
            wait_s=st.integers(0, 3600),
            most_errors=st.integers(1, 100),
            slowest_s=st.floats(0.1, 900),
        ),
        "routing": st.sampled_from(Routing),
        "environment": st.dictionaries(st.sampled_from("ABC"), st.text("xy", max_size=3)).map(lambda d: (*d.items(),)),
        "tags": st.sampled_from([(), (("cost-centre", "4711"),)]),
        "volume_key": st.sampled_from([None, "arn:aws:kms:us-east-1:123456789012:key/1"]),
        "bucket_key": st.sampled_from([None, "arn:aws:kms:us-east-1:123456789012:key/2"]),
    }
)


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=LANES, cut=st.integers(1, 14))
def test_whatever_the_file_says_a_second_look_finds_nothing_to_do(world: World, changes, cut):
    lane, path = world.lane(**changes), world.package()
    world.forget()
    with pytest.raises(CutOff):
        world.deploy(lane, CutAws(world.aws(), cut), path)
    world.deploy(lane, path=path)
    assert world.planned(lane, path) == ()
    assert world.destroy(lane) == ()
    assert world.inventory() == NOTHING
