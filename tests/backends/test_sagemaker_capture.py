"""The data-capture preflight: against AWS's control plane as moto plays it, and against one that fails."""

import asyncio
import logging

import botocore.exceptions
import pytest

from gateway.backends.sagemaker import SageMakerBackend
from gateway.backends.sagemaker_capture import (
    NOT_YET,
    OLDEST_S,
    ON,
    CapturePreflight,
    Unknown,
    any_captures,
    control_plane,
)
from gateway.backends.sagemaker_credentials import Keys
from gateway.core.labels import Label
from gateway.core.topology import DataCapture, Endpoint, Pool, Proxy, SageMakerTarget
from tests.fakes.clock import FakeClock
from tests.fakes.control_plane import ControlPlane

REGION = "eu-central-1"
KEYS = Keys("AKIDEXAMPLE", "secret")


@pytest.fixture(scope="module")
def plane():
    with ControlPlane(REGION) as plane:
        yield plane


def pool_of(control: str | None, *names: str, **options) -> tuple[Pool, SageMakerTarget]:
    target = SageMakerTarget(REGION, control=control, **options)
    endpoints = tuple(Endpoint(name, "runtime.example", 443, True, None, f"/endpoints/{name}") for name in names)
    return Pool("burst", "cloud", Label(1), "sagemaker", "m", endpoints, sagemaker=target), target


def look(control: str | None, *names: str, **options) -> bool | Unknown:
    return control_plane(*pool_of(control, *names, **options), KEYS)()


def test_capture_is_seen_where_it_is_on_at_one_endpoint(plane):
    plane.deploy("quiet", captures=False)
    plane.deploy("copies", captures=True)
    assert look(plane.url, "quiet") is False
    assert look(plane.url, "copies") is True
    assert look(plane.url, "quiet", "copies") is True


def test_an_endpoint_that_is_not_there_is_not_known_to_keep_nothing(plane):
    assert look(plane.url, "nowhere") == Unknown("ValidationException")


def test_a_control_plane_that_cannot_be_reached_is_told_by_name():
    assert look("http://127.0.0.1:9", "quiet") == Unknown("EndpointConnectionError")


def test_the_environments_proxy_is_not_asked_and_the_pools_is(plane, monkeypatch):
    plane.deploy("quiet", captures=False)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert look(plane.url, "quiet") is False
    assert look(plane.url, "quiet", proxy=Proxy("127.0.0.1", 9)) == Unknown("ProxyConnectionError")


class Plane:
    """What botocore's client would answer."""

    def __init__(self, endpoint: dict, configs: dict) -> None:
        self._endpoint, self._configs = endpoint, configs

    def describe_endpoint(self, **_):
        return {"EndpointConfigName": "now", **self._endpoint}

    def describe_endpoint_config(self, **asked):
        return self._configs[asked["EndpointConfigName"]]


@pytest.mark.parametrize(
    ("endpoint", "configs", "captures"),
    [
        ({}, {"now": {}}, False),
        ({}, {"now": {"DataCaptureConfig": {"EnableCapture": False}}}, False),
        ({}, {"now": {"DataCaptureConfig": {"EnableCapture": True}}}, True),
        ({"DataCaptureConfig": {"EnableCapture": True, "CaptureStatus": "Stopped"}}, {"now": {}}, True),
        (
            {"PendingDeploymentSummary": {"EndpointConfigName": "next"}},
            {"now": {}, "next": {"DataCaptureConfig": {"EnableCapture": True}}},
            True,
        ),
    ],
)
def test_a_configuration_that_is_being_deployed_counts(endpoint, configs, captures):
    assert any_captures(Plane(endpoint, configs), {"burst"}) is captures


# When a pool is closed


def preflight(clock: FakeClock | None = None) -> CapturePreflight:
    return CapturePreflight("burst", lambda: False, every_s=300, now=(clock or FakeClock()).monotonic)


def test_a_pool_is_closed_until_it_is_known_to_keep_nothing_and_reopens(caplog):
    check = preflight()
    assert check.closed == NOT_YET
    with caplog.at_level(logging.INFO):
        for seen, closed in (
            (Unknown("Throttling"), True),
            (False, False),
            (False, False),
            (True, True),
            (False, False),
        ):
            check.take(seen)
            assert (check.closed is not None) is closed
    events = [record.message for record in caplog.records]
    assert events == ["data_capture_unchecked", "pool_closed", "pool_opened", "pool_closed", "pool_opened"]


def test_a_silent_control_plane_closes_an_open_pool_only_after_an_hour():
    clock = FakeClock()
    check = preflight(clock)
    check.take(False)
    clock.now += OLDEST_S - 1
    check.take(Unknown("ConnectTimeoutError"))
    assert check.closed is None
    clock.now += 1
    check.take(Unknown("ConnectTimeoutError"))
    assert check.closed == "data capture cannot be checked (ConnectTimeoutError)"
    check.take(False)
    assert check.closed is None


def test_a_pool_that_is_closed_for_capture_stays_closed_while_nobody_answers():
    check = preflight()
    check.take(True)
    check.take(Unknown("ConnectTimeoutError"))
    assert check.closed == ON


async def test_it_looks_again_and_again_until_it_is_stopped():
    seen = iter([Unknown("x"), True, False])
    stop, looked = asyncio.Event(), []

    def next_look():
        looked.append(next(seen))
        if len(looked) == 3:
            loop.call_soon_threadsafe(stop.set)
        return looked[-1]

    loop = asyncio.get_running_loop()
    check = CapturePreflight("burst", next_look, every_s=0.01)
    await asyncio.wait_for(check.run(stop), 5)
    assert len(looked) == 3
    assert check.closed is None


async def test_the_backend_watches_by_itself_and_not_where_capture_is_allowed(plane):
    plane.deploy("quiet", captures=False)
    forbids = SageMakerBackend(*pool_of(plane.url, "quiet", check_every_s=1.0), KEYS)
    stop = asyncio.Event()
    watching = asyncio.create_task(forbids.watch(stop))
    async with asyncio.timeout(10):
        while forbids.closed is not None:  # noqa: ASYNC110 -- a thread asks a server
            await asyncio.sleep(0.01)
    stop.set()
    await watching
    allows = SageMakerBackend(*pool_of(plane.url, "copies", data_capture=DataCapture.ALLOW), KEYS)
    await allows.watch(asyncio.Event())
    assert allows.closed is None


def test_an_exception_that_quotes_is_told_by_its_name_only(monkeypatch):
    def refuses(*args, **options):
        raise botocore.exceptions.ProfileNotFound(profile="a secret profile")

    monkeypatch.setattr("botocore.session.Session.create_client", refuses)
    assert look(None, "quiet") == Unknown("ProfileNotFound")
