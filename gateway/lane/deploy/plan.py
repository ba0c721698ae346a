"""What has to happen so that AWS has what a lane wants: steps in their order, from what was seen. Pure.

A plan that was carried out halfway leaves things that the next look sees, so the next plan is the rest. Nothing in
here depends on how far an earlier run got.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from gateway.lane.deploy.calls import MISSING, Call, Document, agrees, text
from gateway.lane.deploy.documents import SERVED_TAG, Names, Wanted, written
from gateway.lane.deploy.observed import Observed, Phase, SeenEndpoint, Stored, Version
from gateway.lane.deploy.scaling import POLICY_ARN, Bounds, alarms, policies, register

_START_SLACK_S: Final = 1200


class Sign(Enum):
    """What becomes of a thing."""

    MADE = "+"
    CHANGED = "~"
    REMOVED = "-"


class Kind(Enum):
    """What a thing is."""

    ROLE = "role"
    PERMISSIONS = "permissions"
    PACKAGE = "package"
    MODEL = "model"
    CONFIG = "config"
    ENDPOINT = "endpoint"
    COMPONENT = "component"
    BOUNDS = "bounds"
    POLICY = "policy"
    ALARM = "alarm"
    WARMTH = "warmth"
    UPLOAD = "upload"
    OBJECT = "object"
    LOGS = "logs"
    SERVED = "served"


class Until(Enum):
    """What is waited for."""

    SERVING = "serving"
    SETTLED = "settled"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Act:
    """One call, and what it does to what."""

    sign: Sign
    kind: Kind
    name: str
    call: Call
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Bring:
    """The package goes into the bucket."""

    name: str
    size: int
    sign: Sign = Sign.MADE
    kind: Kind = Kind.PACKAGE


@dataclass(frozen=True, slots=True)
class Await:
    """An endpoint or a component is given the time that it takes."""

    kind: Kind
    name: str
    until: Until
    limit_s: int


Step = Act | Bring | Await


class Why(Enum):
    """What forbids going on."""

    FOREIGN_ENDPOINT = "foreign_endpoint"
    FOREIGN_ROLE = "foreign_role"
    STUCK = "stuck"
    OTHER_FORM = "other_form"


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Something that only a person can decide about."""

    why: Why
    name: str
    status: str = ""


def obstacles(wanted: Wanted, seen: Observed) -> Iterator[Obstacle]:
    """What is in the way."""
    if seen.role is not None and not seen.role.is_ours:
        yield Obstacle(Why.FOREIGN_ROLE, wanted.names.role)
    if seen.endpoint is not None:
        if not seen.endpoint.is_ours:
            yield Obstacle(Why.FOREIGN_ENDPOINT, wanted.lane.name)
        elif seen.endpoint.phase is Phase.STUCK:
            yield Obstacle(Why.STUCK, wanted.lane.name, seen.endpoint.status)
        elif _has_model(seen, seen.endpoint) is wanted.lane.scaling.to_zero:
            # A variant with a model cannot become one with inference components, nor the other way round.
            yield Obstacle(Why.OTHER_FORM, wanted.lane.name)


def _has_model(seen: Observed, endpoint: SeenEndpoint) -> bool | None:
    """Whether the endpoint's variant names a model itself; None if its configuration is not to be seen."""
    return next((bool(version.needs) for version in seen.configs if version.name == endpoint.config), None)


def plan(wanted: Wanted, seen: Observed) -> tuple[Step, ...]:
    """The steps from what was seen to what is wanted; none if it is so. Obstacles are asked for separately."""
    return (
        *_role(wanted, seen),
        *_package(wanted, seen),
        *_versions(wanted, seen),
        *_alarms(wanted, seen, are_rules=False),
        *_endpoint(wanted, seen),
        *_component(wanted, seen),
        *_bounds(wanted, seen),
        *_policies(wanted, seen),
        *_alarms(wanted, seen, are_rules=True),
        *_old(wanted, seen),
    )


def _role(wanted: Wanted, seen: Observed) -> Iterator[Step]:
    if wanted.lane.role is not None:
        return
    create, permit = wanted.role_calls()
    if seen.role is None:
        yield Act(Sign.MADE, Kind.ROLE, wanted.names.role, create)
    if seen.role is None or seen.role.policy != written(wanted.container_policy()):
        sign = Sign.CHANGED if seen.role is not None and seen.role.policy else Sign.MADE
        yield Act(sign, Kind.PERMISSIONS, wanted.names.role, permit)


def _package(wanted: Wanted, seen: Observed) -> Iterator[Step]:
    if not seen.is_uploaded:
        yield Bring(wanted.url, wanted.package.size)


def _versions(wanted: Wanted, seen: Observed) -> Iterator[Step]:
    if all(version.name != wanted.model for version in seen.models):
        yield Act(Sign.MADE, Kind.MODEL, wanted.model, wanted.create_model())
    if all(version.name != wanted.config for version in seen.configs):
        yield Act(Sign.MADE, Kind.CONFIG, wanted.config, wanted.create_config())


def _endpoint(wanted: Wanted, seen: Observed) -> Iterator[Step]:
    name = wanted.lane.name
    started = wanted.lane.start_within_s + _START_SLACK_S
    serving = Await(Kind.ENDPOINT, name, Until.SERVING, started)
    create = Act(Sign.MADE, Kind.ENDPOINT, name, wanted.create_endpoint())
    endpoint = seen.endpoint
    if endpoint is None:
        yield from (create, serving)
        return
    match endpoint.phase:
        case Phase.LEAVING:
            yield from (Await(Kind.ENDPOINT, name, Until.GONE, started), create, serving)
        case Phase.FAILED:
            # It never served, or AWS gave it up: there is nothing in it to keep.
            yield from (*removed_endpoint(name), create, serving)
        case Phase.IN_TRANSIT:
            yield replace(serving, limit_s=wanted.longest_update_s + started)
            yield from _update(wanted, endpoint)
        case _:
            yield from _update(wanted, endpoint)


def _update(wanted: Wanted, endpoint: SeenEndpoint) -> Iterator[Step]:
    if endpoint.config != wanted.config:
        yield from _moved(wanted, endpoint, wanted.config, wanted.lane.instance)


def _moved(wanted: Wanted, endpoint: SeenEndpoint, config: str, instance: str) -> Iterator[Step]:
    name = wanted.lane.name
    if endpoint.instance not in ("", instance):
        # AWS refuses another kind of instance for a fleet that scales by itself; it is registered again afterwards.
        yield unregistered(wanted.names.target, name)
    yield Act(Sign.CHANGED, Kind.ENDPOINT, name, wanted.update_endpoint(config), endpoint.config)
    yield Await(Kind.ENDPOINT, name, Until.SERVING, wanted.longest_update_s + _START_SLACK_S)


def back(wanted: Wanted, endpoint: SeenEndpoint, to: Version) -> tuple[Step, ...]:
    """The way to another configuration that is there. Of `wanted`, only what has nothing to do with a package."""
    steps = tuple(_moved(wanted, endpoint, to.name, to.instance))
    if len(steps) == _WITHOUT_SCALING:
        return steps
    bounds = Bounds.of(wanted.lane.scaling)
    again = Act(Sign.MADE, Kind.BOUNDS, f"{bounds.least}-{bounds.most}", register(wanted.names.target, bounds))
    nothing = Observed()
    rules = (*_policies(wanted, nothing), *_alarms(wanted, nothing, are_rules=True))
    return (*steps, again, *rules)


_WITHOUT_SCALING: Final = 2


def _component(wanted: Wanted, seen: Observed) -> Iterator[Step]:
    name = wanted.names.component
    component = seen.component
    limit = wanted.longest_update_s + _START_SLACK_S
    serving = Await(Kind.COMPONENT, name, Until.SERVING, limit)
    if not wanted.lane.scaling.to_zero:
        if component is not None:
            yield from removed_component(name)
        return
    if component is None or component.phase in (Phase.FAILED, Phase.LEAVING):
        if component is not None and component.phase is Phase.FAILED:
            yield from removed_component(name)
        elif component is not None:
            yield Await(Kind.COMPONENT, name, Until.GONE, limit)
        yield Act(Sign.MADE, Kind.COMPONENT, name, wanted.create_component())
        yield serving
        return
    if component.phase is Phase.IN_TRANSIT:
        yield serving
    if not agrees(wanted.component(), component.specification):
        yield Act(Sign.CHANGED, Kind.COMPONENT, name, wanted.update_component())
        yield serving


def _bounds(wanted: Wanted, seen: Observed) -> Iterator[Step]:
    bounds, have = Bounds.of(wanted.lane.scaling), seen.bounds
    if have is not None and seen.warm_until is not None:
        # A warm-up holds the floor up until AWS takes it down again.
        have = replace(have, least=bounds.least)
    if have != bounds or _is_deregistered_on_the_way(wanted, seen):
        was = f"{have.least}-{have.most}" if have is not None else ""
        sign = Sign.CHANGED if have is not None else Sign.MADE
        yield Act(sign, Kind.BOUNDS, f"{bounds.least}-{bounds.most}", register(wanted.names.target, bounds), was)


def _is_deregistered_on_the_way(wanted: Wanted, seen: Observed) -> bool:
    endpoint = seen.endpoint
    if endpoint is None or endpoint.phase not in (Phase.SERVING, Phase.IN_TRANSIT):
        return endpoint is not None
    return endpoint.config != wanted.config and endpoint.instance not in ("", wanted.lane.instance)


def _policies(wanted: Wanted, seen: Observed) -> Iterator[Step]:
    # Deregistering takes the policies along.
    have = {} if _is_deregistered_on_the_way(wanted, seen) else seen.policies
    for call in policies(wanted):
        name = text(call.parameters, "PolicyName")
        known = have.get(name)
        if known is None or not agrees(call.parameters, known.document):
            yield Act(Sign.MADE if known is None else Sign.CHANGED, Kind.POLICY, name, call)


def _alarms(wanted: Wanted, seen: Observed, *, are_rules: bool) -> Iterator[Step]:
    arns = {POLICY_ARN.format(name=name): policy.arn for name, policy in seen.policies.items()}
    if _is_deregistered_on_the_way(wanted, seen):
        arns = {}
    for call in alarms(wanted):
        actions = call.parameters["AlarmActions"]
        if bool(actions) is not are_rules:
            continue
        name = text(call.parameters, "AlarmName")
        known = seen.alarms.get(name)
        expected = {key: value for key, value in call.parameters.items() if key != "Tags"}
        if isinstance(actions, list):
            expected["AlarmActions"] = [arns.get(action, action) for action in actions]
        if known is None or not agrees(expected, known):
            yield Act(Sign.MADE if known is None else Sign.CHANGED, Kind.ALARM, name, call)


def _old(wanted: Wanted, seen: Observed) -> Iterator[Step]:
    """Once what is wanted serves: its mark, and the end of all but this version and the one before it that served.

    Not earlier: an update that AWS takes back must find everything as it was.
    """
    endpoint = seen.endpoint
    if endpoint is None or endpoint.phase is not Phase.SERVING or endpoint.config != wanted.config:
        return
    for version in seen.configs:
        if version.name == wanted.config and not version.has_served:
            mark = {"ResourceArn": version.arn, "Tags": [{"Key": SERVED_TAG, "Value": "yes"}]}
            yield Act(Sign.MADE, Kind.SERVED, version.name, Call("sagemaker", "AddTags", mark))
    kept = {wanted.config, wanted.model, *endpoint.in_use}
    if seen.previous is not None:
        kept.add(seen.previous.name)
    kept |= {version.needs for version in seen.configs if version.name in kept}
    if seen.component is not None:
        kept.add(text(seen.component.specification, "ModelName"))
    for version in seen.configs:
        if version.name not in kept:
            yield removed_config(version.name)
    for version in seen.models:
        if version.name not in kept:
            yield removed_model(version.name)
    keys = {version.needs for version in seen.models if version.name in kept} | {wanted.names.key(wanted.package)}
    for stored in seen.objects:
        if stored.key not in keys:
            yield removed_object(wanted.names, stored)
    for upload in seen.uploads:
        if upload.key not in keys:
            yield aborted(wanted.names, upload)
    for name in sorted(set(seen.alarms) - {text(call.parameters, "AlarmName") for call in alarms(wanted)}):
        if is_lane_alarm(wanted.lane.name, name):
            yield removed_alarm(name)
    for name in sorted(set(seen.policies) - {text(call.parameters, "PolicyName") for call in policies(wanted)}):
        if name.startswith(f"{wanted.lane.name}-"):
            yield removed_policy(wanted.names.target, name)


_ALARMS: Final = ("errors", "latency", "queries", "wake")


def is_lane_alarm(lane: str, name: str) -> bool:
    """Whether an alarm is one that we make. Target tracking's own are AWS's, and lanes may share a beginning."""
    return name in {f"{lane}-{kind}" for kind in _ALARMS}


def removed_endpoint(name: str) -> tuple[Step, Step]:
    """The endpoint goes; from then on it costs nothing."""
    call = Call("sagemaker", "DeleteEndpoint", {"EndpointName": name}, MISSING)
    return Act(Sign.REMOVED, Kind.ENDPOINT, name, call), Await(Kind.ENDPOINT, name, Until.GONE, 1800)


def removed_component(name: str) -> tuple[Step, Step]:
    """The inference component goes."""
    call = Call("sagemaker", "DeleteInferenceComponent", {"InferenceComponentName": name}, MISSING)
    return Act(Sign.REMOVED, Kind.COMPONENT, name, call), Await(Kind.COMPONENT, name, Until.GONE, 1800)


def removed_config(name: str) -> Act:
    """An endpoint configuration goes."""
    call = Call("sagemaker", "DeleteEndpointConfig", {"EndpointConfigName": name}, MISSING)
    return Act(Sign.REMOVED, Kind.CONFIG, name, call)


def removed_model(name: str) -> Act:
    """A model goes; its package stays in the bucket."""
    return Act(Sign.REMOVED, Kind.MODEL, name, Call("sagemaker", "DeleteModel", {"ModelName": name}, MISSING))


def removed_alarm(name: str) -> Act:
    """An alarm goes."""
    return Act(Sign.REMOVED, Kind.ALARM, name, Call("cloudwatch", "DeleteAlarms", {"AlarmNames": [name]}, MISSING))


def removed_policy(target: Document, name: str) -> Act:
    """A scaling policy goes."""
    call = Call("application-autoscaling", "DeleteScalingPolicy", {**target, "PolicyName": name}, MISSING)
    return Act(Sign.REMOVED, Kind.POLICY, name, call)


def unregistered(target: Document, name: str) -> Act:
    """The fleet no longer scales by itself; its rules go along."""
    call = Call("application-autoscaling", "DeregisterScalableTarget", dict(target), MISSING)
    return Act(Sign.REMOVED, Kind.BOUNDS, name, call)


def removed_object(names: Names, stored: Stored) -> Act:
    """One version of an object goes."""
    version = {"VersionId": stored.id} if stored.id else {}
    return Act(Sign.REMOVED, Kind.OBJECT, stored.key, Call("s3", "DeleteObject", {**_at(names, stored), **version}))


def aborted(names: Names, upload: Stored) -> Act:
    """An upload that nobody finishes goes, with the parts that are paid for."""
    call = Call("s3", "AbortMultipartUpload", {**_at(names, upload), "UploadId": upload.id}, MISSING)
    return Act(Sign.REMOVED, Kind.UPLOAD, upload.key, call)


def _at(names: Names, stored: Stored) -> dict[str, object]:
    return {"Bucket": names.lane.bucket, "ExpectedBucketOwner": names.account, "Key": stored.key}


def policy_arn(call: Call, answer: Document) -> tuple[str, str] | None:
    """What an alarm has to name instead of the placeholder, once the policy is made."""
    if call.operation != "PutScalingPolicy":
        return None
    return POLICY_ARN.format(name=text(call.parameters, "PolicyName")), text(answer, "PolicyARN")
