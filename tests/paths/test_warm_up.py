"""A whole gateway that has its cloud pool made ready: moto is AWS's scaling, and shows what came and when it ends."""

import json
import time

import boto3
import pytest

from gateway.parts import backend_of, watched_of
from gateway.settings import load
from tests.fakes.clock import FakeClock
from tests.fakes.control_plane import ControlPlane
from tests.fakes.house import house, write_config
from tests.fakes.model_server import ModelServer
from tests.paths.test_sagemaker import REGION, cloud_block

TARGET = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "endpoint/burst/variant/all",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}


@pytest.fixture
def scaling():
    with ControlPlane(REGION) as plane:
        client = boto3.client(
            "application-autoscaling",
            region_name=REGION,
            endpoint_url=plane.url,
            aws_access_key_id="AKIDEXAMPLE",
            aws_secret_access_key="secret",
        )
        client.register_scalable_target(**TARGET, MinCapacity=0, MaxCapacity=4)
        yield plane.url, client
        client.close()


async def nothing() -> None:
    """What it does by the real clock meanwhile."""


async def rush(worker, seconds: int = 200) -> None:
    """The pool at home fills, in a time of its own: for the warm-ups it is minutes, for the test it is not."""
    clock = worker._warm_ups._clock = FakeClock()
    clock.wall = time.time
    # From here on it looks by this clock alone.
    look, worker._warm_ups.look = worker._warm_ups.look, nothing
    for second in range(seconds):
        for name, taken in worker._admission.load().items():
            if taken.zone == "onprem" and taken.in_flight < taken.limit * second / seconds:
                worker._admission.take(name)
        await look()
        clock.now += 1


async def test_a_rush_at_home_raises_the_floor_in_the_cloud_and_aws_knows_when_to_lower_it(tmp_path, scaling):
    url, client = scaling
    block = (
        f"invoke: invocations, data_capture: allow, cold_start: 2m, warm: {{per_hour: 1.5, count: 2, control: '{url}'}}"
    )
    async with (
        ModelServer() as home,
        house(tmp_path, {"home": home}, rewrite=cloud_block("http://127.0.0.1:9", block)) as here,
    ):
        (watched,) = here.worker._warm_ups._watched
        assert (watched.pool.name, watched.rules.cost_micros) == ("burst", 1_500_000)
        await rush(here.worker)
        (seen,) = client.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
        (end,) = client.describe_scheduled_actions(ServiceNamespace="sagemaker")["ScheduledActions"]
        assert (seen["MinCapacity"], seen["MaxCapacity"]) == (2, 4)
        assert end["ScheduledActionName"] == "burst-warm-end"
        assert end["ScalableTargetAction"] == {"MinCapacity": 0, "MaxCapacity": 4}
        figures = (await here.worker._face.figures()).numbers
        assert figures["tidegate_warm_ups_total"] == {("cloud", "burst", "begun"): 1}
        assert figures["tidegate_warm"] == {("cloud", "burst"): 1}
        state_dir = here.state
    lines = [
        json.loads(line) for path in (state_dir / "audit").glob("*.jsonl") for line in path.read_text().splitlines()
    ]
    (record,) = [line["override"] for line in lines if "override" in line]
    assert (record["by"], record["change"]) == ("tidegate", "warm burst 2")
    assert record["until"] - record["at"] == pytest.approx(1800, abs=2)


def test_only_the_first_worker_of_a_gateway_has_pools_made_ready(tmp_path):
    write_config(tmp_path / "config", {})
    cloud_block("http://127.0.0.1:9", "data_capture: allow, warm: {per_hour: 1.5}")(tmp_path / "config")
    settings = load(tmp_path / "config", {})
    (burst,) = (pool for pool in settings.bundle.topology.pools if pool.name == "burst")
    clouds = {"burst": backend_of(burst, settings)}
    assert [len(watched_of(settings, clouds, number)) for number in range(3)] == [1, 0, 0]
