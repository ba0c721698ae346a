"""Asks AWS what it has of a lane. Reads only; what a call that finds nothing says is an answer too."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from gateway.lane.deploy.calls import MISSING, Aws, Call, Declined, Document, group, listed, number, text
from gateway.lane.deploy.documents import LANE_TAG, SCALING, SERVED_TAG, VARIANT, Names, Package, written
from gateway.lane.deploy.observed import (
    Observed,
    SeenComponent,
    SeenEndpoint,
    SeenPolicy,
    SeenRole,
    Stored,
    Version,
)
from gateway.lane.deploy.scaling import Bounds
from gateway.lane.deploy.upload import is_uploaded


def account_of(aws: Aws) -> str:
    """Whose keys these are."""
    return text(aws.ask(Call("sts", "GetCallerIdentity", {})), "Account")


def observe(aws: Aws, names: Names, package: Package | None = None, *, now: datetime) -> Observed:
    """Everything under the lane's name. `package` is what should be uploaded, if somebody wants to know."""
    lane = names.lane
    target = names.target
    return Observed(
        role=_role(aws, names) if lane.role is None else None,
        is_uploaded=package is not None and is_uploaded(aws, names, package),
        objects=tuple(_objects(aws, names)),
        uploads=tuple(_uploads(aws, names)),
        models=tuple(_versions(aws, names, "Model", "Models")),
        configs=tuple(_versions(aws, names, "EndpointConfig", "EndpointConfigs")),
        endpoint=_endpoint(aws, names),
        component=_component(aws, names),
        bounds=_bounds(aws, target),
        policies=dict(_policies(aws, target)),
        alarms={text(alarm, "AlarmName"): alarm for alarm in _alarms(aws, lane.name)},
        warm_until=_warm_until(aws, target, names.warm_end, now),
        log_groups=tuple(_log_groups(aws, names)),
    )


def _found(aws: Aws, call: Call) -> Document | None:
    try:
        return aws.ask(call)
    except Declined as refusal:
        if refusal.is_one_of(MISSING):
            return None
        raise


def _role(aws: Aws, names: Names) -> SeenRole | None:
    role = _found(aws, Call("iam", "GetRole", {"RoleName": names.role}))
    if role is None:
        return None
    tags = listed(group(role, "Role"), "Tags")
    asked = {"RoleName": names.role, "PolicyName": names.role_policy}
    policy = _found(aws, Call("iam", "GetRolePolicy", asked))
    document = policy.get("PolicyDocument") if policy is not None else None
    plain = written(document) if isinstance(document, Mapping) else ""
    return SeenRole(_is_ours(tags, names), plain)


def _is_ours(tags: tuple[Document, ...], names: Names) -> bool:
    return any(text(tag, "Key") == LANE_TAG and text(tag, "Value") == names.lane.name for tag in tags)


def _bucket(names: Names) -> dict[str, object]:
    # The owner is named, so that nobody who takes a bucket's name over gets a model.
    return {"Bucket": names.lane.bucket, "ExpectedBucketOwner": names.account}


def _objects(aws: Aws, names: Names) -> Iterator[Stored]:
    asked = Call("s3", "ListObjectVersions", {**_bucket(names), "Prefix": names.folder})
    for kind in ("Versions", "DeleteMarkers"):
        for one in aws.every(asked, kind):
            yield Stored(text(one, "Key"), text(one, "VersionId"), number(one, "Size") or 0)


def _uploads(aws: Aws, names: Names) -> Iterator[Stored]:
    asked = Call("s3", "ListMultipartUploads", {**_bucket(names), "Prefix": names.folder})
    for one in aws.every(asked, "Uploads"):
        yield Stored(text(one, "Key"), text(one, "UploadId"))


def _versions(aws: Aws, names: Names, kind: str, key: str) -> Iterator[Version]:
    asked = {"NameContains": f"{names.lane.name}-"}
    for one in list(aws.every(Call("sagemaker", f"List{key}", asked), key)):
        name = text(one, f"{kind}Name")
        if names.is_version(name):
            known = _found(aws, Call("sagemaker", f"Describe{kind}", {f"{kind}Name": name})) or {}
            instance = next((text(variant, "InstanceType") for variant in listed(known, "ProductionVariants")), "")
            arn = text(one, f"{kind}Arn")
            has_served = kind == "EndpointConfig" and any(text(tag, "Key") == SERVED_TAG for tag in _tags(aws, arn))
            made = str(one.get("CreationTime", ""))
            yield Version(name, made, _needs(names, known), instance, has_served, arn)


def _tags(aws: Aws, arn: str) -> tuple[Document, ...]:
    return tuple(aws.every(Call("sagemaker", "ListTags", {"ResourceArn": arn}), "Tags"))


def _needs(names: Names, known: Document) -> str:
    """The model of a configuration, or the key of a model's package."""
    model = next((text(variant, "ModelName") for variant in listed(known, "ProductionVariants")), "")
    return model or text(group(known, "PrimaryContainer"), "ModelDataUrl").removeprefix(f"s3://{names.lane.bucket}/")


def _endpoint(aws: Aws, names: Names) -> SeenEndpoint | None:
    seen = _found(aws, Call("sagemaker", "DescribeEndpoint", {"EndpointName": names.lane.name}))
    if seen is None:
        return None
    tags = _tags(aws, text(seen, "EndpointArn"))
    config = text(seen, "EndpointConfigName")
    coming = text(group(seen, "PendingDeploymentSummary"), "EndpointConfigName")
    asked = {"EndpointConfigName": config}
    made = _found(aws, Call("sagemaker", "DescribeEndpointConfig", asked)) or {}
    variants = [one for one in listed(seen, "ProductionVariants") if text(one, "VariantName") == VARIANT]
    return SeenEndpoint(
        status=text(seen, "EndpointStatus"),
        config=config,
        is_ours=_is_ours(tags, names),
        now=sum(number(one, "CurrentInstanceCount") or 0 for one in variants),
        coming=sum(number(one, "DesiredInstanceCount") or 0 for one in variants),
        captures=any(group(one, "DataCaptureConfig").get("EnableCapture") is True for one in (seen, made)),
        instance=next((text(one, "InstanceType") for one in listed(made, "ProductionVariants")), ""),
        in_use=frozenset(name for name in (config, coming) if name),
    )


def _component(aws: Aws, names: Names) -> SeenComponent | None:
    asked = {"InferenceComponentName": names.component}
    seen = _found(aws, Call("sagemaker", "DescribeInferenceComponent", asked))
    if seen is None:
        return None
    copies = group(seen, "RuntimeConfig")
    return SeenComponent(
        text(seen, "InferenceComponentStatus"),
        group(seen, "Specification"),
        number(copies, "CurrentCopyCount") or 0,
        number(copies, "DesiredCopyCount") or 0,
    )


def _of(target: Document) -> dict[str, object]:
    return {key: target[key] for key in ("ServiceNamespace", "ResourceId", "ScalableDimension")}


def _bounds(aws: Aws, target: Document) -> Bounds | None:
    asked = {
        "ServiceNamespace": target["ServiceNamespace"],
        "ResourceIds": [target["ResourceId"]],
        "ScalableDimension": target["ScalableDimension"],
    }
    for one in aws.every(Call(SCALING, "DescribeScalableTargets", asked), "ScalableTargets"):
        return Bounds(number(one, "MinCapacity") or 0, number(one, "MaxCapacity") or 0)
    return None


def _policies(aws: Aws, target: Document) -> Iterator[tuple[str, SeenPolicy]]:
    for one in aws.every(Call(SCALING, "DescribeScalingPolicies", _of(target)), "ScalingPolicies"):
        yield text(one, "PolicyName"), SeenPolicy(text(one, "PolicyARN"), one)


def _alarms(aws: Aws, name: str) -> Iterator[Document]:
    asked = Call("cloudwatch", "DescribeAlarms", {"AlarmNamePrefix": f"{name}-", "AlarmTypes": ["MetricAlarm"]})
    return aws.every(asked, "MetricAlarms")


def _warm_until(aws: Aws, target: Document, name: str, now: datetime) -> str | None:
    asked = {**_of(target), "ScheduledActionNames": [name]}
    for one in aws.every(Call(SCALING, "DescribeScheduledActions", asked), "ScheduledActions"):
        schedule = text(one, "Schedule").removeprefix("at(").removesuffix(")")
        # One that has run may still be listed.
        if text(one, "ScheduledActionName") == name and schedule > f"{now:%Y-%m-%dT%H:%M:%S}":
            return schedule
    return None


def _log_groups(aws: Aws, names: Names) -> Iterator[str]:
    for name in names.log_groups:
        for one in aws.every(Call("logs", "DescribeLogGroups", {"logGroupNamePrefix": name}), "logGroups"):
            if text(one, "logGroupName") == name:
                yield name
