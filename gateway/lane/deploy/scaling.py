"""How a lane's fleet grows and shrinks, as calls: bounds, the rules between them, and the alarms that set rules off.

Target tracking holds the requests in hand per copy; a step policy answers more than so many queries per second at
the whole endpoint, before the requests in hand show it; from nothing, the first refused request starts a copy.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from gateway.core.deployment import Scaling
from gateway.lane.deploy.calls import Call, Document
from gateway.lane.deploy.documents import SCALING, VARIANT, Wanted

POLICY_ARN = "{{policy:{name}}}"
"""Stands in an alarm for the policy's ARN, which AWS makes up when the policy is made."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Between how many the fleet moves."""

    least: int
    most: int

    @classmethod
    def of(cls, scaling: Scaling) -> "Bounds":
        """The bounds that the file says."""
        return cls(scaling.least, scaling.most)


def register(target: Document, bounds: Bounds) -> Call:
    """Lets the fleet move between `bounds`."""
    parameters = {**target, "MinCapacity": bounds.least, "MaxCapacity": bounds.most}
    return Call(SCALING, "RegisterScalableTarget", parameters)


def raise_floor(target: Document, least: int) -> Call:
    """Moves the lower bound alone."""
    return Call(SCALING, "RegisterScalableTarget", {**target, "MinCapacity": least})


def end_of_warmth(target: Document, name: str, bounds: Bounds, at: datetime) -> Call:
    """Puts the bounds back at a moment, by AWS's own clock: it happens whatever becomes of us."""
    parameters = {
        **target,
        "ScheduledActionName": name,
        "Schedule": f"at({at:%Y-%m-%dT%H:%M:%S})",
        "Timezone": "UTC",
        "ScalableTargetAction": {"MinCapacity": bounds.least, "MaxCapacity": bounds.most},
    }
    return Call(SCALING, "PutScheduledAction", parameters)


def policies(wanted: Wanted) -> Iterator[Call]:
    """The rules."""
    names, scaling = wanted.names, wanted.lane.scaling
    kind = "InferenceComponentConcurrentRequestsPerCopy" if scaling.to_zero else "VariantConcurrentRequestsPerModel"
    tracking = {
        "TargetValue": float(scaling.concurrent),
        "PredefinedMetricSpecification": {"PredefinedMetricType": f"SageMaker{kind}HighResolution"},
        "ScaleOutCooldown": scaling.grow_after_s,
        "ScaleInCooldown": scaling.shrink_after_s,
    }
    yield _policy(wanted, names.concurrent, "TargetTrackingScaling", tracking)
    rush = scaling.queries_per_second * 60
    steps = {
        "AdjustmentType": "ChangeInCapacity",
        "MetricAggregationType": "Average",
        "Cooldown": scaling.grow_after_s,
        "StepAdjustments": [
            {"MetricIntervalLowerBound": 0.0, "MetricIntervalUpperBound": float(rush), "ScalingAdjustment": 1},
            {"MetricIntervalLowerBound": float(rush), "ScalingAdjustment": 2},
        ],
    }
    yield _policy(wanted, names.queries, "StepScaling", steps)
    if scaling.to_zero:
        first = {
            "AdjustmentType": "ChangeInCapacity",
            "MetricAggregationType": "Maximum",
            "Cooldown": scaling.grow_after_s,
            "StepAdjustments": [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}],
        }
        yield _policy(wanted, names.wake, "StepScaling", first)


def alarms(wanted: Wanted) -> Iterator[Call]:
    """What sets rules off, and what takes an update back."""
    names, lane = wanted.names, wanted.lane
    place = [{"Name": "EndpointName", "Value": lane.name}, {"Name": "VariantName", "Value": VARIANT}]
    component = [{"Name": "InferenceComponentName", "Value": names.component}]
    served = component if lane.scaling.to_zero else place
    yield _alarm(wanted, names.errors_alarm, place, "Invocation5XXErrors", "Sum", lane.rollout.most_errors)
    slowest = lane.rollout.slowest_s * 1e6  # the metric is in microseconds
    yield _alarm(wanted, names.latency_alarm, place, "ModelLatency", "p99", slowest)
    rush = lane.scaling.queries_per_second * 60
    yield _alarm(wanted, names.queries, served, "Invocations", "Sum", rush, sets_off=names.queries)
    if lane.scaling.to_zero:
        refused = "NoCapacityInvocationFailures"
        yield _alarm(wanted, names.wake, component, refused, "Maximum", 0, sets_off=names.wake, period_s=30)


def _policy(wanted: Wanted, name: str, kind: str, rule: Document) -> Call:
    parameters = {**wanted.names.target, "PolicyName": name, "PolicyType": kind, f"{kind}PolicyConfiguration": rule}
    return Call(SCALING, "PutScalingPolicy", parameters)


def _alarm(
    wanted: Wanted,
    name: str,
    dimensions: list[dict[str, str]],
    metric: str,
    statistic: str,
    threshold: float,
    *,
    sets_off: str | None = None,
    period_s: int = 60,
) -> Call:
    parameters: dict[str, object] = {
        "AlarmName": name,
        "AlarmDescription": f"Of the SageMaker lane {wanted.lane.name}.",
        "Namespace": "AWS/SageMaker",
        "MetricName": metric,
        "Dimensions": dimensions,
        "ExtendedStatistic" if statistic.startswith("p") else "Statistic": statistic,
        "Period": period_s,
        "EvaluationPeriods": 1,
        "Threshold": float(threshold),
        "ComparisonOperator": "GreaterThanThreshold",
        # A silent endpoint is no broken one.
        "TreatMissingData": "notBreaching",
        "ActionsEnabled": sets_off is not None,
        "AlarmActions": [POLICY_ARN.format(name=sets_off)] if sets_off is not None else [],
        "Tags": wanted.tags(),
    }
    return Call("cloudwatch", "PutMetricAlarm", parameters)
