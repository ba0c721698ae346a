"""The lane as a CloudFormation template, from the same parameters that the calls have: for who deploys that way.

The package must be in the bucket before the stack is made, since CloudFormation uploads nothing. Names are those of
`tidegate sagemaker deploy`, so that a lane made by one is seen, and can be removed, by the other. Pure.
"""

import json
from collections.abc import Iterator, Mapping

from gateway.lane.deploy.calls import Call, Document, text
from gateway.lane.deploy.documents import Wanted
from gateway.lane.deploy.scaling import Bounds, alarms, policies, register


def template(wanted: Wanted) -> Document:
    """The template, in CloudFormation's JSON."""
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"The SageMaker lane {wanted.lane.name} of Tidegate; upload {wanted.url} first.",
        "Resources": dict(_resources(wanted)),
        "Outputs": {"Endpoint": {"Value": {"Fn::GetAtt": ["Endpoint", "EndpointName"]}}},
    }


def _resources(wanted: Wanted) -> Iterator[tuple[str, Document]]:
    has_role = wanted.lane.role is None
    role: object = {"Fn::GetAtt": ["Role", "Arn"]} if has_role else wanted.lane.role
    if has_role:
        yield "Role", _resource("AWS::IAM::Role", _role(wanted))
    model = _with(wanted.create_model(), ExecutionRoleArn=role)
    yield "Model", _resource("AWS::SageMaker::Model", model)
    # By reference, so that CloudFormation knows what comes before what.
    yield "Config", _resource("AWS::SageMaker::EndpointConfig", _config(wanted, role))
    yield "Endpoint", _resource("AWS::SageMaker::Endpoint", _endpoint(wanted))
    after = "Endpoint"
    if wanted.lane.scaling.to_zero:
        yield "Component", _resource("AWS::SageMaker::InferenceComponent", _component(wanted))
        after = "Component"
    target = dict(register(wanted.names.target, Bounds.of(wanted.lane.scaling)).parameters)
    yield "Target", {**_resource("AWS::ApplicationAutoScaling::ScalableTarget", target), "DependsOn": after}
    references: dict[str, str] = {}
    for call in policies(wanted):
        rule = text(call.parameters, "PolicyName")
        references[rule] = _id("Policy", wanted, rule)
        scaled = {key: value for key, value in call.parameters.items() if key not in wanted.names.target}
        yield (
            references[rule],
            _resource("AWS::ApplicationAutoScaling::ScalingPolicy", {**scaled, "ScalingTargetId": {"Ref": "Target"}}),
        )
    for call in alarms(wanted):
        name = text(call.parameters, "AlarmName")
        actions = [{"Ref": references[name]}] if name in references else []
        yield _id("Alarm", wanted, name), _resource("AWS::CloudWatch::Alarm", _with(call, AlarmActions=actions))


def _resource(kind: str, properties: Mapping[str, object]) -> dict[str, object]:
    return {"Type": kind, "Properties": dict(properties)}


def _with(call: Call, **changes: object) -> dict[str, object]:
    return {**call.parameters, **changes}


def _id(kind: str, wanted: Wanted, name: str) -> str:
    return name.removeprefix(f"{wanted.lane.name}-").capitalize() + kind


def _role(wanted: Wanted) -> dict[str, object]:
    create, _ = wanted.role_calls()
    policy = {"PolicyName": wanted.names.role_policy, "PolicyDocument": wanted.container_policy()}
    trusts = json.loads(text(create.parameters, "AssumeRolePolicyDocument"))
    return _with(create, AssumeRolePolicyDocument=trusts, Policies=[policy])


def _config(wanted: Wanted, role: object) -> dict[str, object]:
    config = dict(wanted.create_config().parameters)
    variants = config["ProductionVariants"]
    assert isinstance(variants, list)  # noqa: S101 -- made in documents.py
    model = {"ModelName": {"Fn::GetAtt": ["Model", "ModelName"]}}
    config["ProductionVariants"] = [{**one, **(model if "ModelName" in one else {})} for one in variants]
    if "ExecutionRoleArn" in config:
        config["ExecutionRoleArn"] = role
    return config


def _endpoint(wanted: Wanted) -> dict[str, object]:
    made = dict(wanted.create_endpoint().parameters)
    update = wanted.update_endpoint(wanted.config).parameters
    kept = ("RetainAllVariantProperties", "ExcludeRetainedVariantProperties", "DeploymentConfig")
    named = {"EndpointConfigName": {"Fn::GetAtt": ["Config", "EndpointConfigName"]}}
    return {**made, **{key: update[key] for key in kept if key in update}, **named}


def _component(wanted: Wanted) -> dict[str, object]:
    made = dict(wanted.create_component().parameters)
    specification = {**wanted.component(), "ModelName": {"Fn::GetAtt": ["Model", "ModelName"]}}
    return {**made, "EndpointName": {"Fn::GetAtt": ["Endpoint", "EndpointName"]}, "Specification": specification}
