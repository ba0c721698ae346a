"""Raises the lower bound of what serves a SageMaker endpoint, for a while: its end is with AWS before it begins.

Application Auto Scaling brings the capacity within its bounds as soon as they change, and a scheduled action puts them
back at its own time, whatever becomes of us. It is the same action as that of `tidegate sagemaker warm`, so that its
`status` tells of ours and each finds the other's. Blocks, and is called in a thread.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from gateway.backends.sagemaker_client import aws_client, endpoint_name
from gateway.backends.sagemaker_credentials import Keys, error_name
from gateway.core.topology import Endpoint, Pool, SageMakerPlace, SageMakerTarget
from gateway.core.warm_up import Held, NotEnded, NotHeld, WarmRules

SERVICE: Final = "application-autoscaling"
NOT_SCALED: Final = "nothing scales there"
"""Why nothing can be raised: the endpoint has no scalable target, so that nobody would ever lower it again."""

TOO_FEW: Final = "its upper bound is lower"

ENDS_IN_S: Final = 120.0
"""AWS takes no time that is past, by its own clock."""

_AT: Final = re.compile(r"at\(([0-9-]{10}T[0-9:]{8})\)")

Document = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Between how many a fleet moves; and, while it is held up, to which bounds it goes back, and when in Unix time."""

    least: int
    most: int
    after: tuple[int, int] | None = None
    until: float = 0.0


class Warmer:
    """The warm-ups of one pool's endpoints."""

    def __init__(self, pool: Pool, target: SageMakerTarget, rules: WarmRules, keys: Keys | None) -> None:
        self._pool = pool
        self._target = target
        self._rules = rules
        self._keys = keys
        self._clients: dict[str, Any] = {}

    def seen(self, endpoint: Endpoint, now: float) -> Held | NotHeld | None:
        """What holds `endpoint` up already, whoever asked for it; None if nothing does."""
        try:
            bounds = self._bounds(endpoint)
        except Exception as exc:  # noqa: BLE001 -- whatever it was, its text may say too much
            return NotHeld(error_name(exc))
        if bounds is None:
            return NotHeld(NOT_SCALED)
        if bounds.most < self._rules.count:
            return NotHeld(TOO_FEW)
        is_held = bounds.until > now and bounds.least >= self._rules.count
        return Held(bounds.until, is_ours=False) if is_held else None

    def hold(self, endpoint: Endpoint, now: float, until: float) -> Held | NotHeld:
        """Hold `endpoint` up until then, in Unix time and whole seconds."""
        begun = False
        try:
            client, target = self._client(self._place(endpoint)), self._scalable(endpoint)
            bounds = self._bounds(endpoint)
            if bounds is None:
                return NotHeld(NOT_SCALED)
            name = f"{endpoint_name(endpoint)}-warm-end"
            end, floor = calls(target, name, bounds, self._rules.count, now=now, until=until)
            client.put_scheduled_action(**end)
            # From here on it may cost; a call of which no answer comes may have been carried out.
            begun = True
            client.register_scalable_target(**floor)
        except Exception as exc:  # noqa: BLE001 -- as above
            return NotHeld(error_name(exc), may_be=begun and not hasattr(exc, "response"))
        return Held(max(until, bounds.until), is_ours=True)

    def let_go(self, endpoint: Endpoint, now: float, until: float) -> NotEnded | None:
        """End what was to end at `until`. AWS's own end of it is only moved, which takes no right that `hold` does not
        need, and ends it also if the lower bound could not be put back now."""
        ends = False
        try:
            client, target = self._client(self._place(endpoint)), self._scalable(endpoint)
            bounds = self._bounds(endpoint)
            if bounds is None or bounds.after is None or bounds.until != until or until <= now:
                return None
            least, _ = bounds.after
            if until > now + ENDS_IN_S:
                name = f"{endpoint_name(endpoint)}-warm-end"
                client.put_scheduled_action(**ending(target, name, bounds.after, now + ENDS_IN_S))
            ends = True
            client.register_scalable_target(**target, MinCapacity=min(least, bounds.least))
        except Exception as exc:  # noqa: BLE001 -- as above
            return None if ends else NotEnded(error_name(exc))
        return None

    # Inside

    def _place(self, endpoint: Endpoint) -> SageMakerPlace:
        return self._target.place(endpoint.name)

    def _client(self, place: SageMakerPlace) -> Any:
        if place.region not in self._clients:
            there = SageMakerTarget(place.region, proxy=self._target.proxy)
            address = self._rules.control if place.region == self._target.region else None
            self._clients[place.region] = aws_client(SERVICE, address, self._pool, there, self._keys)
        return self._clients[place.region]

    def _scalable(self, endpoint: Endpoint) -> Document:
        return scalable(endpoint_name(endpoint), self._rules.variant, self._place(endpoint).inference_component)

    def _bounds(self, endpoint: Endpoint) -> Bounds | None:
        client, target = self._client(self._place(endpoint)), self._scalable(endpoint)
        found = client.describe_scalable_targets(
            ServiceNamespace=target["ServiceNamespace"],
            ResourceIds=[target["ResourceId"]],
            ScalableDimension=target["ScalableDimension"],
        )["ScalableTargets"]
        if not found:
            return None
        least, most = found[0]["MinCapacity"], found[0]["MaxCapacity"]
        actions = client.describe_scheduled_actions(
            **target, ScheduledActionNames=[f"{endpoint_name(endpoint)}-warm-end"]
        )["ScheduledActions"]
        when = _AT.fullmatch(actions[0]["Schedule"]) if actions else None
        if when is None:
            return Bounds(least, most)
        back = actions[0].get("ScalableTargetAction") or {}
        until = datetime.fromisoformat(when[1]).replace(tzinfo=UTC).timestamp()
        return Bounds(least, most, (back.get("MinCapacity", least), back.get("MaxCapacity", most)), until)


def scalable(endpoint: str, variant: str, component: str | None) -> Document:
    """What scales: the copies of the component that serves, or the instances of the variant."""
    if component is not None:
        resource, dimension = f"inference-component/{component}", "inference-component:DesiredCopyCount"
    else:
        resource, dimension = f"endpoint/{endpoint}/variant/{variant}", "variant:DesiredInstanceCount"
    return {
        "ServiceNamespace": "sagemaker",
        "ResourceId": resource,
        "ScalableDimension": f"sagemaker:{dimension}",
    }


def calls(
    target: Document, name: str, bounds: Bounds, count: int, *, now: float, until: float
) -> tuple[Document, Document]:
    """What ends a warm-up, and what begins it, in this order. One that holds already goes on to its own end at least,
    and back to where it was going back to."""
    is_held = bounds.after is not None and bounds.until > now
    least, most = bounds.after if bounds.after is not None and is_held else (bounds.least, bounds.most)
    end = ending(target, name, (least, most), max(until, bounds.until if is_held else until))
    return end, {**target, "MinCapacity": min(max(count, bounds.least), bounds.most)}


def ending(target: Document, name: str, back: tuple[int, int], at: float) -> Document:
    """What puts the bounds back at `at`, in Unix time, whatever becomes of us."""
    least, most = back
    return {
        **target,
        "ScheduledActionName": name,
        "Schedule": f"at({datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S})",
        "Timezone": "UTC",
        "ScalableTargetAction": {"MinCapacity": least, "MaxCapacity": most},
    }
