"""What the commands do, from looking to looking again: deploy, take back, scale, warm, destroy.

Each looks at AWS, plans, carries out, and looks once more; it is done when there is nothing left to plan. What they
are told is values, what they raise are `Problems` with a sentence for a person.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from gateway.core.deployment import Lane
from gateway.lane.deploy.calls import Aws, Call
from gateway.lane.deploy.carrying import Patience, Screen, carry_out
from gateway.lane.deploy.documents import VARIANT, Names, Package, Wanted
from gateway.lane.deploy.observed import Observed, Phase
from gateway.lane.deploy.observing import account_of, observe
from gateway.lane.deploy.plan import Act, Await, Kind, Obstacle, Sign, Step, Until, back, obstacles, plan
from gateway.lane.deploy.removal import left, removal
from gateway.lane.deploy.scaling import Bounds, end_of_warmth, raise_floor
from gateway.lane.deploy.upload import Upload

_ROUNDS: Final = 4
_LONGEST_WAIT_S: Final = 28_800
_CAPACITY_S: Final = 1800


class WrongAccount(Exception):
    """The keys are of another account than the file names."""


class TakenBack(Exception):
    """AWS took an update back: alarms went off, or the new fleet did not start."""


class Unfinished(Exception):
    """Something else keeps changing what was made."""


class Blocked(Exception):
    """Something is in the way that only a person can decide about."""

    def __init__(self, found: tuple[Obstacle, ...]) -> None:
        self.found = found
        super().__init__(", ".join(one.why.value for one in found))


class NothingThere(Exception):
    """There is no endpoint to do this with."""


class NoneBefore(Exception):
    """There is no version before the one that serves."""


@dataclass(frozen=True, slots=True)
class Place:
    """A lane, the account that it is in, and whoever makes the calls."""

    aws: Aws
    names: Names

    @classmethod
    def of(cls, aws: Aws, lane: Lane) -> "Place":
        """The place that the keys lead to; raises WrongAccount, Declined or Unreached."""
        account = account_of(aws)
        if lane.account not in (None, account):
            raise WrongAccount
        return cls(aws, Names(lane, account))

    def in_other_form(self) -> "Place":
        """The same lane as it would be with an inference component, or without: an earlier file may have said so."""
        lane = self.names.lane
        scaling = replace(lane.scaling, least=max(1, lane.scaling.most) if lane.scaling.to_zero else 0)
        return Place(self.aws, Names(replace(lane, scaling=scaling), self.names.account))

    def seen(self, package: Package | None = None) -> Observed:
        """What is there now."""
        return observe(self.aws, self.names, package, now=datetime.now(UTC))


def planned(place: Place, wanted: Wanted) -> tuple[tuple[Step, ...], Observed]:
    """What `deploy` would do; raises Blocked."""
    seen = place.seen(wanted.package)
    in_the_way = tuple(obstacles(wanted, seen))
    if in_the_way:
        raise Blocked(in_the_way)
    return plan(wanted, seen), seen


def deploy(place: Place, wanted: Wanted, path: Path, screen: Screen, patience: Patience) -> Observed:
    """Bring about what the file says; returns what is there then."""
    upload = Upload(place.names, wanted.package, path)
    moved = False
    for _ in range(_ROUNDS):
        _settle(place, screen, patience)
        steps, seen = planned(place, wanted)
        if not steps:
            return seen
        if moved and any(_moves(step) for step in steps):
            raise TakenBack
        moved = moved or any(_moves(step) for step in steps)
        carry_out(steps, place.aws, screen, seen, upload, patience)
    raise Unfinished


def _moves(step: Step) -> bool:
    return isinstance(step, Act) and step.call.operation in ("UpdateEndpoint", "UpdateInferenceComponent")


def _settle(place: Place, screen: Screen, patience: Patience) -> None:
    """Give what an earlier run began the time that it takes: only then it can be said what is left to do."""
    seen = place.seen()
    phases = (
        (Kind.ENDPOINT, place.names.lane.name, seen.endpoint),
        (Kind.COMPONENT, place.names.component, seen.component),
    )
    for kind, name, thing in phases:
        if thing is None or thing.phase not in (Phase.IN_TRANSIT, Phase.LEAVING):
            continue
        carry_out([Await(kind, name, Until.SETTLED, _LONGEST_WAIT_S)], place.aws, screen, seen, None, patience)


def take_back(place: Place, screen: Screen, patience: Patience) -> str:
    """Move the endpoint to the configuration before the one in use; its name."""
    seen = place.seen()
    if seen.endpoint is None or not seen.endpoint.is_ours:
        raise NothingThere
    if seen.previous is None:
        raise NoneBefore
    wanted = Wanted(place.names, Package("", 0, 1, ()))
    carry_out(back(wanted, seen.endpoint, seen.previous), place.aws, screen, seen, None, patience)
    now = place.seen().endpoint
    if now is None or now.config != seen.previous.name:
        raise TakenBack
    return seen.previous.name


def scale(place: Place, count: int, screen: Screen, patience: Patience) -> None:
    """So many now; scaling goes on from there."""
    seen = _serving(place)
    lane, names = place.names.lane, place.names
    if lane.scaling.to_zero:
        kind, name = Kind.COMPONENT, names.component
        parameters: dict[str, object] = {"InferenceComponentName": name, "DesiredRuntimeConfig": {"CopyCount": count}}
        call = Call("sagemaker", "UpdateInferenceComponentRuntimeConfig", parameters)
    else:
        kind, name = Kind.ENDPOINT, lane.name
        desired = [{"VariantName": VARIANT, "DesiredInstanceCount": count}]
        parameters = {"EndpointName": name, "DesiredWeightsAndCapacities": desired}
        call = Call("sagemaker", "UpdateEndpointWeightsAndCapacities", parameters)
    steps = (Act(Sign.CHANGED, kind, name, call), Await(kind, name, Until.SERVING, _CAPACITY_S))
    carry_out(steps, place.aws, screen, seen, None, patience)


def warm(
    place: Place, least: int, for_s: float, now: Callable[[], datetime], screen: Screen, patience: Patience
) -> datetime:
    """Hold the floor at `least` for a while, and return when that ends: its end is with AWS before it begins."""
    seen = _serving(place)
    bounds = Bounds.of(place.names.lane.scaling)
    end = (now() + timedelta(seconds=for_s)).replace(microsecond=0)
    target = place.names.target
    until = Act(Sign.MADE, Kind.WARMTH, place.names.warm_end, end_of_warmth(target, place.names.warm_end, bounds, end))
    floor = Act(Sign.CHANGED, Kind.BOUNDS, f"{least}-{bounds.most}", raise_floor(target, least))
    carry_out((until, floor), place.aws, screen, seen, None, patience)
    return end


def cool(place: Place, screen: Screen, patience: Patience) -> None:
    """End a warm-up now."""
    seen = _serving(place)
    bounds = Bounds.of(place.names.lane.scaling)
    target = place.names.target
    floor = Act(Sign.CHANGED, Kind.BOUNDS, f"{bounds.least}-{bounds.most}", raise_floor(target, bounds.least))
    only_warmth = replace(Observed(), warm_until=seen.warm_until)
    carry_out((floor, *removal(place.names, only_warmth, keep_logs=True)), place.aws, screen, seen, None, patience)


def _serving(place: Place) -> Observed:
    seen = place.seen()
    if seen.endpoint is None or not seen.endpoint.is_ours or seen.bounds is None:
        raise NothingThere
    return seen


def destroy(place: Place, screen: Screen, patience: Patience, *, keep_logs: bool) -> tuple[tuple[Kind, str], ...]:
    """Remove all of it, look again, and return what is left all the same."""
    still: list[tuple[Kind, str]] = []
    for form in (place, place.in_other_form()):
        seen = form.seen()
        for _ in range(_ROUNDS):
            steps = removal(form.names, seen, keep_logs=keep_logs)
            if not steps:
                break
            carry_out(steps, form.aws, screen, seen, None, patience)
            seen = form.seen()
        still += left(form.names, seen, keep_logs=keep_logs)
    return tuple(dict.fromkeys(still))
