"""What a lane is in AWS's words: the name of each thing, and the parameters that make it.

Models and endpoint configurations cannot be changed, so their names end in a digest of what they are: one that is
there is right, and one that is missing is new. Pure; `plan.py` decides which of these calls are needed.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Final

from gateway.core.deployment import Lane, Network, Routing, Traffic
from gateway.lane.deploy.calls import PRESENT, Call, Document
from gateway.lane.deploy.permissions import container_policy, partition, trust

VARIANT: Final = "all"
LANE_TAG: Final = "tidegate:lane"
VERSION_TAG: Final = "tidegate:version"
SERVED_TAG: Final = "tidegate:served"
SCALING: Final = "application-autoscaling"

_POLICY: Final = "tidegate-container"
_TERMINATE_AFTER_S: Final = 300
_ROUTING: Final = {Routing.LEAST_OUTSTANDING: "LEAST_OUTSTANDING_REQUESTS", Routing.RANDOM: "RANDOM"}


@dataclass(frozen=True, slots=True)
class Package:
    """A model.tar.gz by its content: the name under which it is stored, and what S3 computes over its parts."""

    sha256: str
    size: int
    part_size: int
    part_digests: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Names:
    """What things are called. All of them begin with the lane's name, so that they are found again without a file."""

    lane: Lane
    account: str

    @property
    def role(self) -> str:
        """The role that containers have, where it is ours."""
        return f"{self.lane.name}-container"

    @property
    def role_policy(self) -> str:
        """The one policy in that role."""
        return _POLICY

    @property
    def role_arn(self) -> str:
        """The role, ours or the operator's."""
        return self.lane.role or f"arn:{partition(self.lane.region)}:iam::{self.account}:role/{self.role}"

    @property
    def folder(self) -> str:
        """Where in the bucket everything of this lane lies."""
        return f"{self.lane.prefix}/{self.lane.name}/"

    def key(self, package: Package) -> str:
        """Where a package lies: under its own digest, so that no upload overwrites another."""
        return f"{self.folder}{package.sha256[:16]}/model.tar.gz"

    @property
    def component(self) -> str:
        """The inference component, where there is one."""
        return f"{self.lane.name}-model"

    @property
    def errors_alarm(self) -> str:
        """Takes an update back when there are errors."""
        return f"{self.lane.name}-errors"

    @property
    def latency_alarm(self) -> str:
        """Takes an update back when answers are slow."""
        return f"{self.lane.name}-latency"

    @property
    def concurrent(self) -> str:
        """The policy that follows the requests in hand."""
        return f"{self.lane.name}-concurrent"

    @property
    def queries(self) -> str:
        """The policy, and its alarm, that answer a rush of requests."""
        return f"{self.lane.name}-queries"

    @property
    def wake(self) -> str:
        """The policy, and its alarm, that start the first copy."""
        return f"{self.lane.name}-wake"

    @property
    def warm_end(self) -> str:
        """The scheduled action that ends a warm-up."""
        return f"{self.lane.name}-warm-end"

    @property
    def log_groups(self) -> tuple[str, ...]:
        """Where the container's log is kept."""
        endpoint = f"/aws/sagemaker/Endpoints/{self.lane.name}"
        return (endpoint, f"/aws/sagemaker/InferenceComponents/{self.component}")

    def is_version(self, name: str) -> bool:
        """Whether a model or configuration of this name is one of ours."""
        head, _, digest = name.rpartition("-")
        return head == self.lane.name and len(digest) == _DIGEST and set(digest) <= set("0123456789abcdef")

    @property
    def target(self) -> dict[str, object]:
        """What scales: the variant's instances, or the component's copies."""
        if self.lane.scaling.to_zero:
            resource, dimension = f"inference-component/{self.component}", "inference-component:DesiredCopyCount"
        else:
            resource, dimension = f"endpoint/{self.lane.name}/variant/{VARIANT}", "variant:DesiredInstanceCount"
        return {
            "ServiceNamespace": "sagemaker",
            "ResourceId": resource,
            "ScalableDimension": f"sagemaker:{dimension}",
        }


_DIGEST: Final = 10


@dataclass(frozen=True, slots=True)
class Wanted:
    """Everything that a lane with this package consists of."""

    names: Names
    package: Package

    @property
    def lane(self) -> Lane:
        """What the file says."""
        return self.names.lane

    @property
    def url(self) -> str:
        """Where the containers get the package from."""
        return f"s3://{self.lane.bucket}/{self.names.key(self.package)}"

    @property
    def model(self) -> str:
        """The model's name."""
        return f"{self.lane.name}-{_digest(self._model())}"

    @property
    def config(self) -> str:
        """The endpoint configuration's name."""
        return f"{self.lane.name}-{_digest(self._config())}"

    def role_calls(self) -> tuple[Call, Call]:
        """Makes the containers' role, and gives it what it needs."""
        made = {
            "RoleName": self.names.role,
            "AssumeRolePolicyDocument": written(trust(self.names.account)),
            "Description": f"What the containers of {self.lane.name} may do.",
            "Tags": self.tags(),
        }
        return Call("iam", "CreateRole", made, PRESENT), Call("iam", "PutRolePolicy", self._role_policy())

    def container_policy(self) -> Document:
        """What the containers' role allows."""
        return container_policy(self.lane, self.names.account, self.names.folder, self.names.log_groups)

    def _role_policy(self) -> Document:
        policy = written(self.container_policy())
        return {"RoleName": self.names.role, "PolicyName": self.names.role_policy, "PolicyDocument": policy}

    def create_model(self) -> Call:
        """Names package, image and role."""
        parameters = {"ModelName": self.model, **self._model(), "Tags": self.tags()}
        return Call("sagemaker", "CreateModel", parameters, PRESENT)

    def _model(self) -> dict[str, object]:
        lane = self.lane
        environment = {"SAGEMAKER_PROGRAM": "inference.py", "TIDEGATE_BIND_HOST": "0.0.0.0"}  # noqa: S104 -- in the container
        return {
            "PrimaryContainer": {
                "Image": lane.image,
                "ModelDataUrl": self.url,
                "Environment": environment | dict(lane.environment),
            },
            "ExecutionRoleArn": self.names.role_arn,
            **_standing(lane.network),
        }

    def create_config(self) -> Call:
        """Which instances serve it. Data capture is off by not being there."""
        config = self._config()
        # Not in the digest: how many there are at first is the scaling's business afterwards.
        first = {"InitialInstanceCount": max(1, self.lane.scaling.least)}
        parameters: dict[str, object] = {
            "EndpointConfigName": self.config,
            **config,
            "ProductionVariants": [self._variant() | first],
            "Tags": self.tags(),
        }
        return Call("sagemaker", "CreateEndpointConfig", parameters, PRESENT)

    def _config(self) -> dict[str, object]:
        lane = self.lane
        config: dict[str, object] = {"ProductionVariants": [self._variant()]}
        if lane.volume_key is not None:
            config["KmsKeyId"] = lane.volume_key
        if lane.scaling.to_zero:
            config |= {"ExecutionRoleArn": self.names.role_arn, **_standing(lane.network)}
        return config

    def _variant(self) -> dict[str, object]:
        lane = self.lane
        variant: dict[str, object] = {
            "VariantName": VARIANT,
            "InstanceType": lane.instance,
            "ModelDataDownloadTimeoutInSeconds": lane.start_within_s,
            "ContainerStartupHealthCheckTimeoutInSeconds": lane.start_within_s,
            "RoutingConfig": {"RoutingStrategy": _ROUTING[lane.routing]},
        }
        if lane.scaling.to_zero:
            bounds = {"Status": "ENABLED", "MinInstanceCount": 0, "MaxInstanceCount": lane.scaling.most}
            return variant | {"ManagedInstanceScaling": bounds}
        return variant | {"ModelName": self.model, "InitialVariantWeight": 1.0}

    def create_endpoint(self) -> Call:
        """Starts the instances; from here on it costs."""
        parameters = {"EndpointName": self.lane.name, "EndpointConfigName": self.config, "Tags": self.tags()}
        return Call("sagemaker", "CreateEndpoint", parameters, PRESENT)

    def update_endpoint(self, config: str) -> Call:
        """Moves the endpoint to `config`, with as many instances as it has now, and never with data capture."""
        parameters: dict[str, object] = {
            "EndpointName": self.lane.name,
            "EndpointConfigName": config,
            "RetainAllVariantProperties": True,
            "ExcludeRetainedVariantProperties": [{"VariantPropertyType": "DataCaptureConfig"}],
        }
        if not self.lane.scaling.to_zero:
            parameters["DeploymentConfig"] = {
                "BlueGreenUpdatePolicy": {
                    "TrafficRoutingConfiguration": self._traffic(),
                    "TerminationWaitInSeconds": _TERMINATE_AFTER_S,
                    "MaximumExecutionTimeoutInSeconds": self.longest_update_s,
                },
                "AutoRollbackConfiguration": {"Alarms": self._alarm_names()},
            }
        return Call("sagemaker", "UpdateEndpoint", parameters)

    @property
    def longest_update_s(self) -> int:
        """How long an update may take as a whole: two fleets' starts, all waits, and the end of the old one."""
        steps = -(-100 // self.lane.rollout.share_percent)
        waits = self.lane.rollout.wait_s * (steps if self.lane.rollout.traffic is Traffic.LINEAR else 1)
        return min(28_800, 2 * self.lane.start_within_s + waits + _TERMINATE_AFTER_S + 600)

    def _traffic(self) -> Document:
        rollout = self.lane.rollout
        size = {"Type": "CAPACITY_PERCENT", "Value": rollout.share_percent}
        wait = {"WaitIntervalInSeconds": rollout.wait_s}
        # One instance cannot be divided.
        kind = rollout.traffic if self.lane.scaling.least > 1 else Traffic.ALL_AT_ONCE
        match kind:
            case Traffic.CANARY:
                return {"Type": "CANARY", **wait, "CanarySize": size}
            case Traffic.LINEAR:
                return {"Type": "LINEAR", **wait, "LinearStepSize": size}
            case Traffic.ALL_AT_ONCE:
                return {"Type": "ALL_AT_ONCE", **wait}

    def create_component(self) -> Call:
        """The model on the endpoint's instances, in no copy at first."""
        parameters = {
            "InferenceComponentName": self.names.component,
            "EndpointName": self.lane.name,
            "VariantName": VARIANT,
            "Specification": self.component(),
            "RuntimeConfig": {"CopyCount": 0},
            "Tags": self.tags(),
        }
        return Call("sagemaker", "CreateInferenceComponent", parameters, PRESENT)

    def update_component(self) -> Call:
        """Another model in the same place, half of the copies at a time, taken back by the same alarms."""
        half = {"Type": "CAPACITY_PERCENT", "Value": 50}
        rolling = {
            "MaximumBatchSize": half,
            "WaitIntervalInSeconds": self.lane.rollout.wait_s,
            "RollbackMaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": 100},
            "MaximumExecutionTimeoutInSeconds": self.longest_update_s,
        }
        parameters = {
            "InferenceComponentName": self.names.component,
            "Specification": self.component(),
            "DeploymentConfig": {
                "RollingUpdatePolicy": rolling,
                "AutoRollbackConfiguration": {"Alarms": self._alarm_names()},
            },
        }
        return Call("sagemaker", "UpdateInferenceComponent", parameters)

    def component(self) -> Document:
        """What the inference component is to be."""
        needs = self.lane.needs
        takes: dict[str, object] = {"MinMemoryRequiredInMb": needs.memory_mib if needs is not None else 1024}
        if needs is not None and needs.accelerators:
            takes["NumberOfAcceleratorDevicesRequired"] = float(needs.accelerators)
        limit = self.lane.start_within_s
        startup = {"ModelDataDownloadTimeoutInSeconds": limit, "ContainerStartupHealthCheckTimeoutInSeconds": limit}
        return {"ModelName": self.model, "StartupParameters": startup, "ComputeResourceRequirements": takes}

    def _alarm_names(self) -> list[Document]:
        return [{"AlarmName": self.names.errors_alarm}, {"AlarmName": self.names.latency_alarm}]

    def tags(self) -> list[Document]:
        """What marks a thing as this lane's, and what the operator adds."""
        ours = ((LANE_TAG, self.lane.name), (VERSION_TAG, "1"))
        return [{"Key": key, "Value": value} for key, value in (*ours, *self.lane.tags)]


def written(document: Document) -> str:
    """A policy document as text, the same for the same meaning."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def _standing(network: Network) -> dict[str, object]:
    standing: dict[str, object] = {"EnableNetworkIsolation": network.is_isolated}
    if network.subnets:
        standing["VpcConfig"] = {"Subnets": list(network.subnets), "SecurityGroupIds": list(network.security_groups)}
    return standing


def _digest(document: Document) -> str:
    return hashlib.sha256(written(document).encode()).hexdigest()[:_DIGEST]
