"""Who may do what, as IAM writes it: the containers, whoever deploys, and the gateway; each the least that works.

A `*` for a resource stands only where the service knows no other, and the statement says so by its name.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from gateway.core.deployment import Lane
from gateway.lane.deploy.calls import Document

_ECR: Final = re.compile(r"([0-9]{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/([^:@]+)")


def partition(region: str) -> str:
    """Which AWS a region is part of."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def trust(account: str) -> Document:
    """Only SageMaker, and only for this account, may take the containers' role."""
    return _policy(
        {
            "Effect": "Allow",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": account}},
        }
    )


def container_policy(lane: Lane, account: str, folder: str, log_groups: Sequence[str]) -> Document:
    """What a container's role may do: read its package and image, write its log and its metrics."""
    return _policy(*_container(lane, account, folder, log_groups))


def _container(lane: Lane, account: str, folder: str, log_groups: Sequence[str]) -> Iterator[Document]:
    aws = partition(lane.region)
    yield _allow("Package", ["s3:GetObject"], [f"arn:{aws}:s3:::{lane.bucket}/{folder}*"])
    if lane.bucket_key is not None:
        yield _allow("PackageKey", ["kms:Decrypt"], [lane.bucket_key])
    if lane.weights_key is not None:
        yield _allow("WeightsKey", ["kms:Decrypt"], [lane.weights_key])
    image = _ECR.match(lane.image)
    if image is not None:
        repository = f"arn:{aws}:ecr:{image[2]}:{image[1]}:repository/{image[3]}"
        reads = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        yield _allow("Image", reads, [repository])
        yield _allow("ImageLoginKnowsNoResource", ["ecr:GetAuthorizationToken"], ["*"])
    writes = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
    yield _allow("Log", writes, [f"arn:{aws}:logs:{lane.region}:{account}:log-group:{name}*" for name in log_groups])
    yield {
        **_allow("MetricsKnowNoResource", ["cloudwatch:PutMetricData"], ["*"]),
        "Condition": {"StringLike": {"cloudwatch:namespace": ["AWS/SageMaker", "/aws/sagemaker/*"]}},
    }
    if lane.network.subnets:
        yield _allow(
            "NetworkOfTheCustomerKnowsNoResource",
            [
                "ec2:CreateNetworkInterface",
                "ec2:CreateNetworkInterfacePermission",
                "ec2:DeleteNetworkInterface",
                "ec2:DeleteNetworkInterfacePermission",
                *(f"ec2:Describe{what}" for what in ("DhcpOptions", "NetworkInterfaces", "SecurityGroups", "Subnets")),
                "ec2:DescribeVpcs",
            ],
            ["*"],
        )


def operator_policy(lane: Lane, account: str, folder: str, role_arn: str) -> Document:
    """What whoever runs `tidegate sagemaker` needs, every command of it."""
    return _policy(*_operator(lane, account, folder, role_arn))


def _operator(lane: Lane, account: str, folder: str, role_arn: str) -> Iterator[Document]:
    aws, region, name = partition(lane.region), lane.region, lane.name

    def here(service: str, resource: str) -> str:
        return f"arn:{aws}:{service}:{region}:{account}:{resource}"

    # SageMaker's ARNs are in small letters, whatever a name is written in.
    kinds = ("model", "endpoint-config", "endpoint", "inference-component")
    ours = [here("sagemaker", f"{kind}/{name.lower()}*") for kind in kinds]
    verbs = {
        "Model": "Create Describe Delete",
        "EndpointConfig": "Create Describe Delete",
        "Endpoint": "Create Describe Update Delete",
        "InferenceComponent": "Create Describe Update Delete",
    }
    acts = [f"sagemaker:{verb}{what}" for what, named in verbs.items() for verb in named.split()]
    acts += ["sagemaker:UpdateEndpointWeightsAndCapacities", "sagemaker:UpdateInferenceComponentRuntimeConfig"]
    yield _allow("Lane", [*acts, "sagemaker:AddTags", "sagemaker:ListTags"], ours)
    yield _allow("ListsKnowNoResource", ["sagemaker:ListEndpointConfigs", "sagemaker:ListModels"], ["*"])
    yield {
        **_allow("HandRoleToContainers", ["iam:PassRole"], [role_arn]),
        "Condition": {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
    }
    if lane.role is None:
        on_role = (
            "CreateRole",
            "DeleteRole",
            "DeleteRolePolicy",
            "GetRole",
            "GetRolePolicy",
            "PutRolePolicy",
            "TagRole",
        )
        yield _allow("RoleOfContainers", [f"iam:{verb}" for verb in on_role], [role_arn])
    objects = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:GetObject", "s3:PutObject"]
    bucket = f"arn:{aws}:s3:::{lane.bucket}"
    yield _allow("Package", [*objects, "s3:ListMultipartUploadParts"], [f"{bucket}/{folder}*"])
    lists = ["s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:ListBucketVersions"]
    yield _allow("Bucket", lists, [bucket])
    if lane.bucket_key is not None:
        yield _allow("PackageKey", ["kms:Decrypt", "kms:GenerateDataKey"], [lane.bucket_key])
    if lane.weights_key is not None:
        yield _allow("WeightsKey", ["kms:GenerateDataKey"], [lane.weights_key])
    if lane.volume_key is not None:
        yield _allow("VolumeKey", ["kms:CreateGrant", "kms:DescribeKey"], [lane.volume_key])
    scales = ["RegisterScalableTarget", "DeregisterScalableTarget", "PutScalingPolicy", "DeleteScalingPolicy"]
    scales += ["PutScheduledAction", "DeleteScheduledAction", "TagResource"]
    targets = [here("application-autoscaling", "scalable-target/*")]
    yield {
        **_allow("Scaling", [f"application-autoscaling:{verb}" for verb in scales], targets),
        "Condition": {"StringEquals": {"application-autoscaling:service-namespace": "sagemaker"}},
    }
    sees = ["DescribeScalableTargets", "DescribeScalingPolicies", "DescribeScheduledActions"]
    yield _allow("ScalingListsKnowNoResource", [f"application-autoscaling:{verb}" for verb in sees], ["*"])
    linked = f"arn:{aws}:iam::{account}:role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com/*"
    yield {
        **_allow("RoleOfScaling", ["iam:CreateServiceLinkedRole"], [linked]),
        "Condition": {"StringLike": {"iam:AWSServiceName": "sagemaker.application-autoscaling.amazonaws.com"}},
    }
    alarms = ["cloudwatch:DeleteAlarms", "cloudwatch:PutMetricAlarm", "cloudwatch:TagResource"]
    yield _allow("Alarms", alarms, [here("cloudwatch", f"alarm:{name}-*")])
    yield _allow("AlarmListsKnowNoResource", ["cloudwatch:DescribeAlarms"], ["*"])
    yield _allow("Logs", ["logs:DeleteLogGroup"], [here("logs", "log-group:/aws/sagemaker/*")])
    yield _allow("LogListsKnowNoResource", ["logs:DescribeLogGroups"], ["*"])


def gateway_policy(lane: Lane, account: str) -> Document:
    """What the gateway needs: to ask the endpoint, and to see that nobody keeps copies."""
    aws = partition(lane.region)
    place = f"arn:{aws}:sagemaker:{lane.region}:{account}"
    name = lane.name.lower()
    asks = ["sagemaker:InvokeEndpoint", "sagemaker:InvokeEndpointWithResponseStream", "sagemaker:DescribeEndpoint"]
    return _policy(
        _allow("Ask", asks, [f"{place}:endpoint/{name}", f"{place}:inference-component/{name}-model"]),
        _allow("DataCapture", ["sagemaker:DescribeEndpointConfig"], [f"{place}:endpoint-config/{name}-*"]),
        _allow("TokenKnowsNoResource", ["sagemaker:CallWithBearerToken"], ["*"]),
    )


def warm_up_policy(lane: Lane, account: str) -> Document:
    """What the gateway needs besides, where a pool has `warm`: to move the lane's lower bound, and to move it back."""
    aws = partition(lane.region)
    place = f"arn:{aws}:sagemaker:{lane.region}:{account}"
    name = lane.name.lower()
    if lane.scaling.to_zero:
        kind, served = "InferenceComponent", f"{place}:inference-component/{name}-model"
        moves = ["sagemaker:UpdateInferenceComponentRuntimeConfig"]
    else:
        kind, served = "Endpoint", f"{place}:endpoint/{name}"
        moves = ["sagemaker:UpdateEndpointWeightsAndCapacities"]
    bounds = _allow(
        "Bounds",
        ["application-autoscaling:PutScheduledAction", "application-autoscaling:RegisterScalableTarget"],
        [f"arn:{aws}:application-autoscaling:{lane.region}:{account}:scalable-target/*"],
    )
    sees = [f"application-autoscaling:Describe{what}" for what in ("ScalableTargets", "ScheduledActions")]
    return _policy(
        {**bounds, "Condition": {"StringEquals": {"application-autoscaling:service-namespace": "sagemaker"}}},
        _allow("BoundsListsKnowNoResource", sees, ["*"]),
        # Application Auto Scaling asks for these of whoever moves a bound.
        _allow("Capacity", [f"sagemaker:Describe{kind}", *moves], [served]),
    )


def _allow(name: str, actions: Sequence[str], resources: Sequence[str]) -> dict[str, object]:
    return {"Sid": name, "Effect": "Allow", "Action": sorted(actions), "Resource": list(resources)}


def _policy(*statements: Document) -> Document:
    return {"Version": "2012-10-17", "Statement": list(statements)}
