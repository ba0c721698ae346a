"""What AWS has of a lane, as values: found by names and tags, never by a file that only one machine has."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from gateway.lane.deploy.calls import Document
from gateway.lane.deploy.scaling import Bounds


class Phase(Enum):
    """What can be done with an endpoint or a component now."""

    SERVING = "serving"
    IN_TRANSIT = "in transit"
    LEAVING = "leaving"
    FAILED = "failed"
    STUCK = "stuck"


_PHASES = {
    "InService": Phase.SERVING,
    "Creating": Phase.IN_TRANSIT,
    "Updating": Phase.IN_TRANSIT,
    "SystemUpdating": Phase.IN_TRANSIT,
    "RollingBack": Phase.IN_TRANSIT,
    "Deleting": Phase.LEAVING,
    "Failed": Phase.FAILED,
}


def phase(status: str) -> Phase:
    """What a status of AWS's means; one that nobody knows is one to leave alone."""
    return _PHASES.get(status, Phase.STUCK)


@dataclass(frozen=True, slots=True)
class SeenEndpoint:
    """The endpoint. `now` and `coming` are instances that serve and that are asked for."""

    status: str
    config: str
    is_ours: bool
    now: int
    coming: int
    captures: bool
    instance: str
    in_use: frozenset[str] = frozenset()

    @property
    def phase(self) -> Phase:
        """What can be done with it."""
        return phase(self.status)


@dataclass(frozen=True, slots=True)
class SeenComponent:
    """The inference component, with its copies."""

    status: str
    specification: Document
    now: int
    coming: int

    @property
    def phase(self) -> Phase:
        """What can be done with it."""
        return phase(self.status)


@dataclass(frozen=True, slots=True)
class SeenRole:
    """The containers' role, where it would be ours."""

    is_ours: bool
    policy: str


@dataclass(frozen=True, slots=True)
class Version:
    """A model or an endpoint configuration that carries the lane's name; `made` orders them.

    `needs` is what it stands on: a configuration's model, a model's package in the bucket. A configuration has an
    `instance`, and a mark once it `has_served`: one that AWS took back has none, and nobody wants to go back to it.
    """

    name: str
    made: str
    needs: str = ""
    instance: str = ""
    has_served: bool = False
    arn: str = ""


@dataclass(frozen=True, slots=True)
class SeenPolicy:
    """A scaling policy. The ARN is AWS's to make up."""

    arn: str
    document: Document


@dataclass(frozen=True, slots=True)
class Stored:
    """Something in the bucket: an object, a version of one, or an upload that was begun."""

    key: str
    id: str = ""
    size: int = 0


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that stands under a lane's name."""

    role: SeenRole | None = None
    is_uploaded: bool = False
    objects: tuple[Stored, ...] = ()
    uploads: tuple[Stored, ...] = ()
    models: tuple[Version, ...] = ()
    configs: tuple[Version, ...] = ()
    endpoint: SeenEndpoint | None = None
    component: SeenComponent | None = None
    bounds: Bounds | None = None
    policies: Mapping[str, SeenPolicy] = field(default_factory=dict)
    alarms: Mapping[str, Document] = field(default_factory=dict)
    warm_until: str | None = None
    log_groups: tuple[str, ...] = ()

    @property
    def previous(self) -> Version | None:
        """The configuration before the one in use: the newest of the others that served."""
        used = self.endpoint.config if self.endpoint is not None else None
        others = [version for version in self.configs if version.name != used and version.has_served]
        return max(others, key=lambda version: version.made, default=None)

    @property
    def is_nothing(self) -> bool:
        """Whether there is nothing at all."""
        return self == Observed()
