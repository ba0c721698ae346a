"""How a lane goes, and what would be left of it: everything that costs first, then what it stood on. Pure.

Nothing is removed that does not carry the lane's name; an endpoint or a role without its tag is somebody else's.
"""

from collections.abc import Iterator

from gateway.lane.deploy.calls import MISSING, Call
from gateway.lane.deploy.documents import Names
from gateway.lane.deploy.observed import Observed, Phase
from gateway.lane.deploy.plan import (
    Act,
    Await,
    Kind,
    Sign,
    Step,
    Until,
    aborted,
    is_lane_alarm,
    removed_alarm,
    removed_component,
    removed_config,
    removed_endpoint,
    removed_model,
    removed_object,
    removed_policy,
    unregistered,
)


def removal(names: Names, seen: Observed, *, keep_logs: bool) -> tuple[Step, ...]:
    """The steps to nothing; none if there is nothing."""
    return tuple(_steps(names, seen, keep_logs=keep_logs))


def _steps(names: Names, seen: Observed, *, keep_logs: bool) -> Iterator[Step]:
    name = names.lane.name
    if seen.warm_until is not None:
        parameters = {**names.target, "ScheduledActionName": names.warm_end}
        call = Call("application-autoscaling", "DeleteScheduledAction", parameters, MISSING)
        yield Act(Sign.REMOVED, Kind.WARMTH, names.warm_end, call)
    for policy in sorted(seen.policies):
        yield removed_policy(names.target, policy)
    if seen.bounds is not None:
        yield unregistered(names.target, name)
    if seen.component is not None:
        gone = removed_component(names.component)
        yield from gone[1:] if seen.component.phase is Phase.LEAVING else gone
    if seen.endpoint is not None and seen.endpoint.is_ours:
        yield from _endpoint(name, seen.endpoint.phase)
    for alarm in sorted(seen.alarms):
        if is_lane_alarm(name, alarm):
            yield removed_alarm(alarm)
    for config in seen.configs:
        yield removed_config(config.name)
    for model in seen.models:
        yield removed_model(model.name)
    for upload in seen.uploads:
        yield aborted(names, upload)
    for stored in seen.objects:
        yield removed_object(names, stored)
    if seen.role is not None and seen.role.is_ours:
        yield from _role(names, has_policy=bool(seen.role.policy))
    for group in () if keep_logs else seen.log_groups:
        yield Act(Sign.REMOVED, Kind.LOGS, group, Call("logs", "DeleteLogGroup", {"logGroupName": group}, MISSING))


def _endpoint(name: str, phase: Phase) -> Iterator[Step]:
    delete, gone = removed_endpoint(name)
    if phase is Phase.IN_TRANSIT:
        # AWS deletes no endpoint that is on its way somewhere.
        yield Await(Kind.ENDPOINT, name, Until.SETTLED, 28_800)
    if phase is not Phase.LEAVING:
        yield delete
    yield gone


def _role(names: Names, *, has_policy: bool) -> Iterator[Step]:
    if has_policy:
        parameters = {"RoleName": names.role, "PolicyName": names.role_policy}
        yield Act(Sign.REMOVED, Kind.PERMISSIONS, names.role, Call("iam", "DeleteRolePolicy", parameters, MISSING))
    yield Act(Sign.REMOVED, Kind.ROLE, names.role, Call("iam", "DeleteRole", {"RoleName": names.role}, MISSING))


def left(names: Names, seen: Observed, *, keep_logs: bool) -> tuple[tuple[Kind, str], ...]:
    """What is still there after a removal: what should have gone and did not, and what was never ours to remove."""
    still = [(step.kind, step.name) for step in removal(names, seen, keep_logs=keep_logs) if isinstance(step, Act)]
    if seen.endpoint is not None and not seen.endpoint.is_ours:
        still.append((Kind.ENDPOINT, names.lane.name))
    if seen.role is not None and not seen.role.is_ours:
        still.append((Kind.ROLE, names.role))
    return tuple(dict.fromkeys(still))
