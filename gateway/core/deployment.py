"""What `sagemaker.yaml` says: one endpoint that burst load may use, as values that are valid by themselves.

Names, sizes and prices only. What AWS is asked for because of them is `lane/deploy`'s; how the file is read is
`config/lane_file.py`'s.
"""

from dataclasses import dataclass
from enum import StrEnum


class Traffic(StrEnum):
    """How an update moves traffic from the old fleet to the new one."""

    ALL_AT_ONCE = "all_at_once"
    CANARY = "canary"
    LINEAR = "linear"


class Routing(StrEnum):
    """How SageMaker chooses among the instances."""

    LEAST_OUTSTANDING = "least_outstanding"
    RANDOM = "random"


@dataclass(frozen=True, slots=True)
class Scaling:
    """Between which bounds the fleet moves, and what moves it.

    `concurrent` is how many requests one copy of the model is to have in hand; above `queries_per_second` at the whole
    endpoint the fleet grows by steps. With `least` 0 the endpoint is served by an inference component, since only that
    can go down to nothing.
    """

    least: int = 2
    most: int = 10
    concurrent: int = 8
    queries_per_second: int = 50
    grow_after_s: int = 60
    shrink_after_s: int = 300

    @property
    def to_zero(self) -> bool:
        """Whether the fleet may go down to nothing."""
        return self.least == 0


@dataclass(frozen=True, slots=True)
class Needs:
    """What one copy of the model takes of an instance; only an inference component asks."""

    memory_mib: int
    accelerators: int = 0


@dataclass(frozen=True, slots=True)
class Network:
    """Where the containers stand: in which subnets of the customer's, and whether they may reach anything at all."""

    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    is_isolated: bool = True


@dataclass(frozen=True, slots=True)
class Rollout:
    """How an update goes, and what takes it back: 5xx answers in a minute, or the slowest hundredth of answers."""

    traffic: Traffic = Traffic.CANARY
    share_percent: int = 10
    wait_s: int = 300
    most_errors: int = 5
    slowest_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What an hour of one instance costs, where the operator says so, and what all of them may cost."""

    instance_hour: float | None = None
    most_per_hour: float | None = None


@dataclass(frozen=True, slots=True)
class Access:
    """How AWS is reached. `address` stands for every service: an endpoint of a private network, or a stand-in."""

    profile: str | None = None
    proxy: str | None = None
    ca: str | None = None
    address: str | None = None


@dataclass(frozen=True, slots=True)
class Lane:
    """One endpoint, and everything around it. Paths are relative to the folder of the file."""

    name: str
    region: str
    package: str
    bucket: str
    image: str
    instance: str
    account: str | None = None
    prefix: str = "tidegate"
    role: str | None = None
    environment: tuple[tuple[str, str], ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    scaling: Scaling = Scaling()
    needs: Needs | None = None
    network: Network = Network()
    rollout: Rollout = Rollout()
    routing: Routing = Routing.LEAST_OUTSTANDING
    volume_key: str | None = None
    bucket_key: str | None = None
    weights_key: str | None = None
    start_within_s: int = 900
    cost: Cost = Cost()
    access: Access = Access()
