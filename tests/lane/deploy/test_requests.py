"""Every request that deploying makes, held against the service's own model in botocore, and against IAM."""

import json
import re
from fnmatch import fnmatchcase

import botocore.session
import pytest
from botocore.validate import ParamValidator

from gateway.core.deployment import Network
from gateway.lane.deploy.documents import Names
from gateway.lane.deploy.operations import cool, scale, take_back, warm
from gateway.lane.deploy.permissions import container_policy, gateway_policy, operator_policy, trust, warm_up_policy
from tests.lane.deploy.world import ACCOUNT, NAME, PATIENCE, TO_ZERO, CutAws, Unseen, World

VOLUME, BUCKET = (f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{name}" for name in ("volumes", "bucket"))
WEIGHTS = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/weights"
SESSION = botocore.session.Session()

# How IAM calls what these operations need, where it is not the operation's name.
ACTIONS = {
    "HeadObject": ["s3:GetObject"],
    "GetObject": ["s3:GetObject"],
    "ListObjectVersions": ["s3:ListBucketVersions"],
    "ListMultipartUploads": ["s3:ListBucketMultipartUploads"],
    "ListParts": ["s3:ListMultipartUploadParts"],
    "CreateMultipartUpload": ["s3:PutObject"],
    "UploadPart": ["s3:PutObject"],
    "CompleteMultipartUpload": ["s3:PutObject"],
    "DeleteObject": ["s3:DeleteObject", "s3:DeleteObjectVersion"],
    "CreateModel": ["sagemaker:CreateModel", "iam:PassRole"],
    "GetCallerIdentity": [],  # everybody may
}

# Needed, and not visible as calls of ours: what services do with our keys, tags on creation, and what a rare case asks.
BEHIND = {
    "application-autoscaling:TagResource", "cloudwatch:TagResource", "iam:CreateServiceLinkedRole", "iam:TagRole",
    "kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey", "s3:AbortMultipartUpload",
    "s3:ListBucket", "s3:ListMultipartUploadParts", "sagemaker:UpdateInferenceComponent",
}  # fmt: skip


class Noting(CutAws):
    """Hands that note every call, reads included."""

    def __init__(self, aws):
        super().__init__(aws)
        self.calls = []

    def ask(self, call):
        self.calls.append(call)
        return super().ask(call)

    def every(self, call, key):
        self.calls.append(call)
        return super().every(call, key)


@pytest.fixture
def calls(world: World):
    """What a whole life asks: of a fleet of instances with everything on, and of one that scales to zero."""
    from datetime import UTC, datetime

    hands = Noting(world.aws())
    network = Network(("subnet-0a", "subnet-0b"), ("sg-0a",))
    full = world.lane(volume_key=VOLUME, bucket_key=BUCKET, network=network, instance="ml.m5.xlarge")
    for lane in (full, world.lane(**TO_ZERO)):
        world.client("logs").create_log_group(logGroupName=f"/aws/sagemaker/Endpoints/{NAME}")
        world.deploy(lane, hands)
        world.deploy(lane, hands, world.package(b"another"))
        place = world.place(lane, hands)
        warm(place, 4, 600, lambda: datetime.now(UTC), Unseen(), PATIENCE)
        cool(place, Unseen(), PATIENCE)
        scale(place, 3, Unseen(), PATIENCE)
        if lane is full:
            take_back(place, Unseen(), PATIENCE)
        world.destroy(lane, hands)
    return hands.calls


def test_every_request_is_one_that_the_service_knows(calls):
    assert len({(call.service, call.operation) for call in calls}) >= 40
    wrong = []
    for call in calls:
        model = SESSION.get_service_model(call.service).operation_model(call.operation)
        shape = model.input_shape
        errors = ParamValidator().validate(call.parameters, shape) if shape is not None else None
        if errors is not None and errors.has_errors():
            wrong.append(f"{call.operation}: {errors.generate_report()}")
        wrong += [f"{call.operation}: {found}" for found in _against(call.parameters, shape, "")]
    assert wrong == []


def _against(value, shape, path):
    """What botocore itself does not look at: patterns, enumerations, and the most that something may be."""
    if shape is None:
        return
    told = shape.metadata
    if shape.type_name == "structure":
        for name, part in value.items():
            yield from _against(part, shape.members[name], f"{path}.{name}")
    elif shape.type_name == "list":
        if len(value) > told.get("max", len(value)):
            yield f"{path}: more than {told['max']}"
        for part in value:
            yield from _against(part, shape.member, f"{path}[]")
    elif shape.type_name == "map":
        for part in value.values():
            yield from _against(part, shape.value, f"{path}{{}}")
    elif shape.type_name == "string":
        if len(value) > told.get("max", len(value)):
            yield f"{path}: longer than {told['max']}"
        if value not in (told.get("enum") or (value,)):
            yield f"{path}: {value} is none of its values"
        pattern = told.get("pattern")
        # Some are written for Java alone.
        if (
            pattern is not None
            and not {"\\p", "\\u"} & {pattern[at : at + 2] for at in range(len(pattern))}
            and not re.fullmatch(pattern, value)
        ):
            yield f"{path}: {value} is not {pattern}"
    elif shape.type_name in ("integer", "long", "float", "double") and value > told.get("max", value):
        yield f"{path}: {value} is above {told['max']}"


def test_what_arrives_is_what_was_meant(world: World):
    """The wire itself: SageMaker's calls as the control plane received them are the calls that were planned."""
    hands = Noting(world.aws())
    world.deploy(aws=hands)
    planned = [
        json.loads(json.dumps(call.parameters)) for call in hands.calls if call.operation == "CreateEndpointConfig"
    ]
    target = "SageMaker.CreateEndpointConfig"
    assert [json.loads(call["body"]) for call in world.calls() if call["target"] == target] == planned
    assert planned


def _actions(call):
    prefix = {"cloudwatch": "cloudwatch", "logs": "logs", "iam": "iam", "sts": "sts"}.get(call.service, call.service)
    return ACTIONS.get(call.operation, [f"{prefix}:{call.operation}"])


def test_an_operators_policy_allows_every_call_and_hardly_more(world: World, calls):
    lane = world.lane(volume_key=VOLUME, bucket_key=BUCKET)
    names = Names(lane, ACCOUNT)
    policy = operator_policy(lane, ACCOUNT, names.folder, names.role_arn)
    allowed = {action for statement in policy["Statement"] for action in statement["Action"]}
    needed = {action for call in calls for action in _actions(call)}
    assert needed - allowed == set()
    assert allowed - needed <= BEHIND


def test_whoever_packs_may_have_a_key_made_and_not_open_one(world: World):
    lane = world.lane(weights_key=WEIGHTS)
    names = Names(lane, ACCOUNT)
    statements = operator_policy(lane, ACCOUNT, names.folder, names.role_arn)["Statement"]
    [found] = [one for one in statements if one["Sid"] == "WeightsKey"]
    assert (found["Action"], found["Resource"]) == (["kms:GenerateDataKey"], [WEIGHTS])


def test_a_star_stands_only_where_the_service_knows_no_resource(world: World):
    lane = world.lane(volume_key=VOLUME, bucket_key=BUCKET, network=Network(("subnet-1",), ("sg-1",)))
    names = Names(lane, ACCOUNT)
    for policy in (
        operator_policy(lane, ACCOUNT, names.folder, names.role_arn),
        container_policy(lane, ACCOUNT, names.folder, names.log_groups),
        gateway_policy(lane, ACCOUNT),
        warm_up_policy(lane, ACCOUNT),
    ):
        json.dumps(policy)
        for statement in policy["Statement"]:
            assert not any("*" in action for action in statement["Action"])
            is_open = "*" in statement["Resource"]
            assert is_open is ("KnowNoResource" in statement["Sid"] or "KnowsNoResource" in statement["Sid"])


def test_containers_read_their_own_package_and_nobody_elses(world: World):
    lane = world.lane(bucket_key=BUCKET, weights_key=WEIGHTS)
    names = Names(lane, ACCOUNT)
    statements = {
        one["Sid"]: one for one in container_policy(lane, ACCOUNT, names.folder, names.log_groups)["Statement"]
    }
    [place] = statements["Package"]["Resource"]
    assert fnmatchcase(f"arn:aws:s3:::models/tidegate/{NAME}/0123/model.tar.gz", place)
    assert not fnmatchcase("arn:aws:s3:::models/tidegate/other/0123/model.tar.gz", place)
    assert statements["PackageKey"] == {
        "Sid": "PackageKey", "Effect": "Allow", "Action": ["kms:Decrypt"], "Resource": [BUCKET],
    }  # fmt: skip
    assert (statements["WeightsKey"]["Action"], statements["WeightsKey"]["Resource"]) == (["kms:Decrypt"], [WEIGHTS])
    assert statements["Image"]["Resource"] == [f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/vllm"]
    [taking] = trust(ACCOUNT)["Statement"]
    assert taking["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}


@pytest.mark.parametrize(
    ("region", "partition"), [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eu-central-1", "aws")]
)
def test_other_parts_of_aws_have_names_of_their_own(world: World, region, partition):
    names = Names(world.lane(region=region), ACCOUNT)
    assert names.role_arn.startswith(f"arn:{partition}:iam::")
