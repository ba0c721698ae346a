"""Carries out steps: calls, the upload, and the waits between; says before each what it is about to do.

It holds no state worth keeping. Killed at any moment it leaves what AWS has, which is what the next plan begins with.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Final, Protocol

from gateway.lane.deploy.calls import MISSING, Aws, Call, Declined, Document, text
from gateway.lane.deploy.observed import Observed, Phase, phase
from gateway.lane.deploy.plan import Act, Await, Bring, Kind, Step, Until, policy_arn
from gateway.lane.deploy.scaling import POLICY_ARN
from gateway.lane.deploy.upload import Tell, Upload

_POLL_S: Final = 10.0
_ROLE_S: Final = 90.0
_ROLE_PAUSE_S: Final = 3.0

# A role that was just made is not known everywhere at once; SageMaker then says that it cannot be assumed.
_ROLE_UNKNOWN: Final = (
    ("ValidationException", "assume role"),
    ("ValidationException", "AssumeRole"),
    ("ValidationException", "is invalid"),
    ("AccessDeniedException", "assume"),
)


class Failed(Exception):
    """An endpoint or a component did not come to where it should, or not in time."""

    def __init__(self, kind: Kind, name: str, status: str) -> None:
        self.kind = kind
        self.name = name
        self.status = status
        super().__init__(f"{name}: {status}")


class Screen(Protocol):
    """Where progress is shown."""

    def step(self, step: Step) -> AbstractContextManager[Tell]:
        """Around one step; what it yields is told how far the step is."""
        ...


@dataclass(frozen=True, slots=True)
class Patience:
    """How waiting is done: the clock, the pause, and how often to look."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    poll_s: float = _POLL_S


def carry_out(
    steps: Iterable[Step], aws: Aws, screen: Screen, seen: Observed, upload: Upload | None, patience: Patience
) -> None:
    """Do it all, in order; raises Declined, Unreached, Failed, UploadDiffers or OSError at the first that fails."""
    arns = {POLICY_ARN.format(name=name): policy.arn for name, policy in seen.policies.items()}
    for step in steps:
        with screen.step(step) as tell:
            match step:
                case Act(call=call):
                    answer = _ask(aws, _filled(call, arns), patience)
                    made = policy_arn(call, answer)
                    if made is not None:
                        arns[made[0]] = made[1]
                case Bring():
                    assert upload is not None  # noqa: S101 -- who plans to bring a package has one
                    upload(aws, tell)
                case Await():
                    _wait(aws, step, tell, patience)


def _ask(aws: Aws, call: Call, patience: Patience) -> Document:
    ends = patience.now() + _ROLE_S
    while True:
        try:
            return aws.ask(call)
        except Declined as refusal:
            if refusal.is_one_of(call.settled):
                return {}
            is_early = call.operation.startswith("Create") and refusal.is_one_of(_ROLE_UNKNOWN)
            if not is_early or patience.now() >= ends:
                raise
        patience.sleep(_ROLE_PAUSE_S)


def _filled(call: Call, arns: Mapping[str, str]) -> Call:
    actions = call.parameters.get("AlarmActions")
    if not isinstance(actions, list) or not actions:
        return call
    return replace(call, parameters={**call.parameters, "AlarmActions": [arns.get(one, one) for one in actions]})


def _wait(aws: Aws, step: Await, tell: Tell, patience: Patience) -> None:
    started = patience.now()
    while True:
        status = _status(aws, step)
        if _has_come(step, status):
            return
        waited = patience.now() - started
        if waited >= step.limit_s:
            raise Failed(step.kind, step.name, status or "")
        tell(int(waited), step.limit_s)
        patience.sleep(patience.poll_s)


def _has_come(step: Await, status: str | None) -> bool:
    """Whether what is waited for is so; raises Failed if it never will be."""
    now = phase(status) if status is not None else None
    match step.until:
        case Until.GONE:
            is_there, is_lost = now is None, now is Phase.FAILED
        case Until.SETTLED:
            is_there, is_lost = now not in (Phase.IN_TRANSIT, Phase.LEAVING), False
        case Until.SERVING:
            is_there, is_lost = now is Phase.SERVING, now in (None, Phase.FAILED, Phase.STUCK)
    if is_lost:
        raise Failed(step.kind, step.name, status or "")
    return is_there


def _status(aws: Aws, step: Await) -> str | None:
    what = "InferenceComponent" if step.kind is Kind.COMPONENT else "Endpoint"
    try:
        answer = aws.ask(Call("sagemaker", f"Describe{what}", {f"{what}Name": step.name}))
    except Declined as refusal:
        if refusal.is_one_of(MISSING):
            return None
        raise
    return text(answer, f"{what}Status")
