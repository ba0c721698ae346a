"""sagemaker.yaml: what it says, and what AWS would refuse of it only after minutes."""

import pytest

from gateway.config import lane_file
from gateway.core.deployment import (
    Access,
    Cost,
    Lane,
    Needs,
    Network,
    Rollout,
    Routing,
    Scaling,
    Traffic,
)

from .reading import read

IMAGE = "111122223333.dkr.ecr.eu-central-1.amazonaws.com/vllm:1"
KEY = "arn:aws:kms:eu-central-1:111122223333:key/abc"
USUAL = {
    "apiVersion": "tidegate/v1",
    "name": "tidegate-burst",
    "region": "eu-central-1",
    "package": "model.tar.gz",
    "bucket": "bank-models",
    "image": IMAGE,
    "instance": "ml.g5.xlarge",
}


def told(**changes: str | None) -> tuple[Lane | None, list[str]]:
    lines = {**USUAL, **changes}
    text = "".join(f"{key}: {value}\n" for key, value in lines.items() if value is not None)
    return read(text, lane_file.read)


def test_six_lines_are_enough_and_the_rest_is_what_the_seeds_ask_for() -> None:
    lane, problems = told()
    assert problems == []
    assert lane == Lane(
        "tidegate-burst", "eu-central-1", "model.tar.gz", "bank-models", IMAGE, "ml.g5.xlarge", scaling=Scaling()
    )
    assert (lane.scaling.least, lane.scaling.most, lane.scaling.queries_per_second) == (2, 10, 50)
    assert lane.network.is_isolated
    assert not lane.scaling.to_zero


def test_everything_can_be_said() -> None:
    lane, problems = told(
        instance="ml.m5.xlarge",
        account='"111122223333"',
        prefix="models/tidegate",
        role="arn:aws:iam::111122223333:role/sagemaker",
        environment="{B: two, A: 1}",
        tags='{"cost centre": x}',
        scaling="{least: 0, most: 4, concurrent: 3, queries_per_second: 7, grow_after: 0s, shrink_after: 10m}",
        needs="{memory: 8GiB, accelerators: 1}",
        network="{subnets: [subnet-0a, subnet-0b], security_groups: [sg-0a], isolated: false}",
        update="{traffic: linear, share: 25, wait: 0s, most_errors: 9, slowest: 2s}",
        routing="random",
        encryption=f"{{volumes: '{KEY}', bucket: '{KEY}'}}",
        start_within="10m",
        cost="{instance_hour: 1.5, most_per_hour: 20}",
        access='{profile: ops, proxy: "http://proxy:3128", ca: ca.pem, address: "https://vpce:443"}',
    )
    assert problems == []
    assert lane == Lane(
        name="tidegate-burst",
        region="eu-central-1",
        package="model.tar.gz",
        bucket="bank-models",
        image=IMAGE,
        instance="ml.m5.xlarge",
        account="111122223333",
        prefix="models/tidegate",
        role="arn:aws:iam::111122223333:role/sagemaker",
        environment=(("A", "1"), ("B", "two")),
        tags=(("cost centre", "x"),),
        scaling=Scaling(0, 4, 3, 7, 0, 600),
        needs=Needs(8192, 1),
        network=Network(("subnet-0a", "subnet-0b"), ("sg-0a",), is_isolated=False),
        rollout=Rollout(Traffic.LINEAR, 25, 0, 9, 2.0),
        routing=Routing.RANDOM,
        volume_key=KEY,
        bucket_key=KEY,
        start_within_s=600,
        cost=Cost(1.5, 20.0),
        access=Access("ops", "http://proxy:3128", "ca.pem", "https://vpce:443"),
    )
    assert lane.scaling.to_zero


@pytest.mark.parametrize("missing", [key for key in USUAL if key != "apiVersion"])
def test_without_what_is_needed_there_is_no_lane(missing: str) -> None:
    lane, problems = told(**{missing: None})
    assert lane is None
    assert problems == [f"1:1: The file lacks the key `{missing}`. Add it."]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"name": "a--b"}, "2:7: `name` is not what AWS takes here. Letters, digits"),
        ({"name": "a" * 41}, "2:7: `name` is not what AWS takes here."),
        ({"region": "Frankfurt"}, "3:9: `region` is not what AWS takes here. Write it like `eu-central-1`."),
        ({"bucket": "s3://bank"}, "5:9: `bucket` is not what AWS takes here. Write the bucket's name, without"),
        ({"image": "a b"}, "6:8: `image` is not what AWS takes here."),
        ({"instance": "g5.xlarge"}, "7:11: `instance` is not what AWS takes here. Write it like `ml.g5.xlarge`."),
        ({"account": "12"}, "8:10: `account` is not what AWS takes here. Twelve digits"),
        ({"prefix": "/a/"}, "8:9: `prefix` is not what AWS takes here."),
        ({"role": "sagemaker"}, "8:7: `role` is not what AWS takes here. Write the role's ARN"),
        (
            {"role": "arn:aws:iam::444455556666:role/x", "account": '"111122223333"'},
            "8:7: `role` is of another account than `account`.",
        ),
        ({"environment": "[A]"}, "8:14: `environment` must be a group of names, each with a text."),
        ({"environment": "{1A: x}"}, "8:15: A name in `environment` has characters that it must not have."),
        ({"environment": "{A: [x]}"}, "8:18: A value in `environment` must be a text of at most 1024 characters."),
        ({"environment": f"{{A: {'x' * 1025}}}"}, "8:18: A value in `environment` must be a text of at most 1024"),
        (
            {"environment": "{" + ", ".join(f"A{n}: x" for n in range(51)) + "}"},
            "8:14: `environment` holds more than 50 names.",
        ),
        ({"tags": "{tidegate:lane: x}"}, "8:7: Tags that begin with `tidegate` or `aws:` are not yours to set."),
        ({"tags": "{'aws:x': x}"}, "8:7: Tags that begin with"),
        (
            {"scaling": "{least: 3, most: 2}"},
            "8:10: `scaling.least` (3) is above `scaling.most` (2). Left out they are",
        ),
        ({"scaling": "{least: 0}"}, "8:10: `least: 0` goes by an inference component, which must know what a copy"),
        ({"scaling": "{least: 0}", "needs": "{}"}, "9:8: `needs` lacks the key `memory`. Add it."),
        ({"scaling": "{most: 0}"}, "8:17: `scaling.most` must be a whole number from 1 to 1000."),
        ({"network": "{subnets: [subnet-1]}"}, "8:10: `subnets` and `security_groups` come together."),
        (
            {"network": "{subnets: [vpc-1], security_groups: [sg-1]}"},
            "8:21: This cannot stand in `network.subnets`. Write it like `subnet-",
        ),
        (
            {"network": "{subnets: [subnet-1], security_groups: [sg-1, sg-2, sg-3, sg-4, sg-5, sg-6]}"},
            "8:49: `network.security_groups` takes at most 5.",
        ),
        ({"update": "{share: 51}"}, "8:17: `update.share` must be a whole number from 5 to 50."),
        ({"update": "{traffic: sudden}"}, "8:19: `update.traffic` must be one of: all_at_once, canary, linear."),
        ({"routing": "sticky"}, "8:10: `routing` must be one of: least_outstanding, random."),
        ({"encryption": "{volumes: key}"}, "8:23: `volumes` is not what AWS takes here. Write the key's ARN"),
        ({"encryption": f"{{weights: '{KEY}'}}"}, "8:13: The container asks KMS for the key of its weights"),
        (
            {"encryption": f"{{weights: '{KEY}'}}", "network": "{isolated: false}", "region": "us-east-1"},
            "8:13: `encryption.weights` is a key of another region.",
        ),
        ({"encryption": f"{{volumes: '{KEY}'}}"}, "8:13: This kind of instance has disks of its own"),
        ({"cost": "{most_per_hour: 0}"}, "8:23: `cost.most_per_hour` must be a number from 0.0001 to 1e+06."),
        ({"access": '{address: "https://a/b"}'}, "8:19: `access.address` must be an address without a path."),
        ({"credentials": "{access_key: hunter2}"}, "8:1: The file has no key `credentials`."),
    ],
)
def test_what_aws_would_refuse_later_is_told_with_its_place(changes: dict[str, str], problem: str) -> None:
    _, problems = told(**changes)
    assert [found[: len(problem)] for found in problems] == [problem]
    assert "hunter2" not in "".join(problems)


@pytest.mark.parametrize(
    ("instance", "has_own_disk"),
    [("ml.g4dn.xlarge", True), ("ml.p5.48xlarge", True), ("ml.m5d.large", True), ("ml.m5.large", False),
     ("ml.c6g.large", False), ("ml.inf2.xlarge", False)],
)  # fmt: skip
def test_a_key_for_volumes_goes_only_with_instances_that_take_one(instance: str, has_own_disk: bool) -> None:
    _, problems = told(instance=instance, encryption=f"{{volumes: '{KEY}'}}")
    assert bool(problems) is has_own_disk


def test_a_key_for_weights_stands_beside_a_network_that_reaches_kms() -> None:
    lane, problems = told(encryption=f"{{weights: '{KEY}'}}", network="{isolated: false}")
    assert (lane.weights_key if lane is not None else None, problems) == (KEY, [])
