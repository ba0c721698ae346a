"""What the tests of deploying share: a lane in moto's account, what stands there, and hands that can be cut off."""

from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import boto3
import httpx

from gateway.core.deployment import Access, Lane, Needs, Scaling
from gateway.lane.deploy.aws import Network
from gateway.lane.deploy.carrying import Patience
from gateway.lane.deploy.documents import Wanted
from gateway.lane.deploy.observed import Observed
from gateway.lane.deploy.operations import Place, deploy, destroy, planned
from gateway.lane.deploy.upload import package_of

REGION = "us-east-1"
NAME = "tidegate-burst"
ACCOUNT = "123456789012"
READS = ("Get", "Describe", "List", "Head")
PATIENCE = Patience(poll_s=0.02)
TO_ZERO = {"scaling": Scaling(least=0), "needs": Needs(8192, 1)}


class Unseen:
    """A screen that nobody looks at, and that remembers what it was shown."""

    def __init__(self):
        self.steps = []

    @contextmanager
    def step(self, step):
        self.steps.append(step)
        yield lambda done, whole: None


class CutOff(BaseException):
    """What a kill would be, if it were an exception."""


class CutAws:
    """Hands that are cut off right after the nth call that changes something."""

    def __init__(self, aws, after=None):
        self.aws, self.after, self.changes = aws, after, []

    def ask(self, call):
        answer = self.aws.ask(call)
        if not call.operation.startswith(READS):
            self.changes.append(call)
            if len(self.changes) == self.after:
                raise CutOff
        return answer

    def every(self, call, key):
        return self.aws.every(call, key)


@dataclass
class World:
    """One account."""

    url: str
    folder: Path
    # Made once for all tests: botocore reads megabytes of models for each new session.
    hands: Network
    clients: dict

    def forget(self) -> None:
        """Begin with an empty bucket and nothing else."""
        assert httpx.post(f"{self.url}/moto-api/reset", trust_env=False).status_code == 200
        self.client("s3").create_bucket(Bucket="models")

    def lane(self, **changes) -> Lane:
        image = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/vllm:1"
        usual = Lane(NAME, REGION, "m.tar.gz", "models", image, "ml.g5.xlarge", access=Access(address=self.url))
        return replace(usual, **changes)

    def package(self, data: bytes = b"a package") -> Path:
        path = self.folder / "m.tar.gz"
        path.write_bytes(data)
        return path

    def aws(self) -> Network:
        return self.hands

    def place(self, lane: Lane | None = None, aws=None) -> Place:
        return Place.of(aws or self.aws(), lane or self.lane())

    def deploy(self, lane: Lane | None = None, aws=None, path: Path | None = None) -> tuple[Observed, list]:
        path = path or self.package()
        place, screen = self.place(lane, aws), Unseen()
        return deploy(place, Wanted(place.names, package_of(path)), path, screen, PATIENCE), screen.steps

    def planned(self, lane: Lane | None = None, path: Path | None = None):
        place = self.place(lane)
        return planned(place, Wanted(place.names, package_of(path or self.package())))[0]

    def destroy(self, lane: Lane | None = None, aws=None, *, keep_logs: bool = False):
        return destroy(self.place(lane, aws), Unseen(), PATIENCE, keep_logs=keep_logs)

    def client(self, service: str):
        """boto3's own, so that what is looked at does not go through what is tested."""
        if service not in self.clients:
            self.clients[service] = boto3.client(service, region_name=REGION, endpoint_url=self.url)
        return self.clients[service]

    def inventory(self) -> dict[str, list[str]]:
        """Everything in the account by its name, as boto3 sees it."""
        sagemaker, scaling, s3 = (self.client(name) for name in ("sagemaker", "application-autoscaling", "s3"))
        told = {"ServiceNamespace": "sagemaker"}
        return {
            "endpoints": [one["EndpointName"] for one in sagemaker.list_endpoints()["Endpoints"]],
            "configs": [one["EndpointConfigName"] for one in sagemaker.list_endpoint_configs()["EndpointConfigs"]],
            "models": [one["ModelName"] for one in sagemaker.list_models()["Models"]],
            "targets": [one["ResourceId"] for one in scaling.describe_scalable_targets(**told)["ScalableTargets"]],
            "policies": [one["PolicyName"] for one in scaling.describe_scaling_policies(**told)["ScalingPolicies"]],
            "scheduled": [
                one["ScheduledActionName"] for one in scaling.describe_scheduled_actions(**told)["ScheduledActions"]
            ],
            "alarms": [one["AlarmName"] for one in self.client("cloudwatch").describe_alarms()["MetricAlarms"]],
            "objects": [one["Key"] for one in s3.list_object_versions(Bucket="models").get("Versions", ())],
            "uploads": [one["Key"] for one in s3.list_multipart_uploads(Bucket="models").get("Uploads", ())],
            "roles": [one["RoleName"] for one in self.client("iam").list_roles()["Roles"]],
            "logs": [one["logGroupName"] for one in self.client("logs").describe_log_groups()["logGroups"]],
        }

    def calls(self) -> list[dict]:
        """Every call that the control plane has had since it forgot."""
        return httpx.get(f"{self.url}/tidegate/calls", trust_env=False).json()


NOTHING = {
    key: []
    for key in (
        *("endpoints", "configs", "models", "targets", "policies", "scheduled"),
        *("alarms", "objects", "uploads", "roles", "logs"),
    )
}
