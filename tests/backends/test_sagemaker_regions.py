"""One pool with endpoints in two regions: each is signed for in its own, and asked about at its own control plane."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from gateway.backends.sagemaker import SageMakerBackend, planes_of
from gateway.backends.sagemaker_capture import ON, Unknown
from gateway.core.labels import Label
from gateway.core.topology import DataCapture, Endpoint, Invoke, Pool, SageMakerPlace, SageMakerTarget
from gateway.lane.service import Standin
from gateway.lane.signatures import Credentials
from gateway.ports import UpstreamUnreachable
from tests.backends.test_sagemaker import KEYS, OPENAI, WHOLE, Ear
from tests.fakes.model_server import ModelServer, completion

REGIONS = ("eu-central-1", "us-east-1")
KNOWN = Credentials(KEYS.access_key, KEYS.secret_key, KEYS.session_token)


@dataclass
class Two:
    standins: tuple[Standin, ...]
    endpoints: tuple[Endpoint, ...]
    backend: SageMakerBackend

    async def ask(self, endpoint: Endpoint, message) -> Ear:
        ear = Ear()
        (await self.backend.connect(endpoint, timeout_s=5, may_dial=lambda _: True)).start(message, ear)
        await asyncio.wait_for(ear.over.wait(), 10)
        return ear


@asynccontextmanager
async def two(invoke=Invoke.INVOCATIONS, capture=DataCapture.ALLOW):
    async with (
        ModelServer() as container,
        Standin({"burst": container.url}, KNOWN, region=REGIONS[0], keeps_record=True) as east,
        Standin({"burst": container.url}, KNOWN, region=REGIONS[1], keeps_record=True) as west,
    ):
        endpoints = []
        for region, standin in zip(REGIONS, (east, west), strict=True):
            host, port = standin.url.removeprefix("http://").split(":")
            endpoints.append(Endpoint(region, host, int(port), base_path="/endpoints/burst"))
        places = ((REGIONS[1], SageMakerPlace(REGIONS[1])),)
        target = SageMakerTarget(REGIONS[0], invoke, data_capture=capture, places=places)
        pool = Pool("burst", "cloud", Label(1), "sagemaker", "m", tuple(endpoints), sagemaker=target)
        backend = SageMakerBackend(pool, target, KEYS)
        try:
            yield Two((east, west), pool.endpoints, backend)
        finally:
            await backend.close()


@pytest.mark.parametrize(("invoke", "message"), [(Invoke.INVOCATIONS, WHOLE), (Invoke.OPENAI, OPENAI)])
async def test_every_endpoint_is_signed_for_in_its_own_region(invoke, message):
    async with two(invoke) as here:
        for endpoint in (*here.endpoints, *here.endpoints):
            ear = await here.ask(endpoint, message)
            assert (ear.heard, ear.data) == ([200, "end"], completion())
        assert [len(standin.received) for standin in here.standins] == [2, 2]
        assert {received.refused for standin in here.standins for received in standin.received} == {None}
        assert here.backend.connections == (2, 2, 2)


async def test_a_signature_of_another_region_is_refused():
    """What shows that the stand-ins look."""
    async with two() as here:
        stranger = here.endpoints[1]
        here.backend._places[stranger.name] = SageMakerPlace(REGIONS[0])
        assert (await here.ask(stranger, WHOLE)).heard == [403, "end"]


async def test_copies_in_one_region_close_the_endpoints_there_and_no_others():
    async with two(capture=DataCapture.FORBID) as here:
        eastern, western = (here.backend.preflights[(region, None)] for region in REGIONS)
        assert here.backend.closed is not None
        eastern.take(False)
        western.take(True)
        assert here.backend.closed is None
        assert (await here.ask(here.endpoints[0], WHOLE)).heard == [200, "end"]
        with pytest.raises(UpstreamUnreachable, match=f"the pool is closed: {ON}"):
            await here.ask(here.endpoints[1], WHOLE)
        assert here.standins[1].received == []
        eastern.take(True)
        assert here.backend.closed == ON


async def test_a_region_whose_control_plane_is_silent_closes_nothing_elsewhere():
    async with two(capture=DataCapture.FORBID) as here:
        eastern, western = (here.backend.preflights[(region, None)] for region in REGIONS)
        western.take(Unknown("EndpointConnectionError"))
        eastern.take(False)
        assert here.backend.closed is None
        with pytest.raises(UpstreamUnreachable, match="cannot be checked"):
            await here.ask(here.endpoints[1], WHOLE)


def test_endpoints_are_asked_about_where_they_are():
    endpoints = tuple(Endpoint(name, "h", 1, base_path=f"/endpoints/{name}") for name in "abc")
    places = (("b", SageMakerPlace("us-east-1")), ("c", SageMakerPlace("eu-central-1", None, "component")))
    target = SageMakerTarget("eu-central-1", places=places)
    pool = Pool("burst", "cloud", Label(1), "sagemaker", "m", endpoints, sagemaker=target)
    found = {plane: [endpoint.name for endpoint in known] for plane, known in planes_of(pool, target).items()}
    assert found == {("eu-central-1", None): ["a", "c"], ("us-east-1", None): ["b"]}
