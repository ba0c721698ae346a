"""What model servers are asked between requests, and what becomes of their answers: against real, scripted ones."""

import asyncio
import contextlib
from ipaddress import ip_network

import pytest

from gateway.backends.http1 import Http1Backend, Http1Settings
from gateway.core.breaker import BreakerState
from gateway.core.burst import pressure_of_server
from gateway.core.labels import Label
from gateway.core.topology import Endpoint, Network, Polling, Pool, Topology, Zone
from gateway.errors import UpstreamFailed
from gateway.ports import UpstreamFull, UpstreamUnreachable
from gateway.runtime.endpoints import Endpoints
from gateway.runtime.polling import MAX_PAGE, Poller
from gateway.wire.metrics_text import ServerLoad
from tests.fakes.clock import FakeClock
from tests.fakes.model_server import ModelServer

METRICS = b"vllm:num_requests_running 3\nvllm:num_requests_waiting 6\nvllm:kv_cache_usage_perc 0.5\n"
BOTH = Polling(0.2, "/health", "/metrics")


class World:
    """One pool of one real server, and whoever asks it."""

    def __init__(
        self, server: ModelServer, polling: Polling = BOTH, *, networks: tuple[Network, ...] | None = None, dns=None
    ):
        self.endpoint = Endpoint("a", "127.0.0.1", server.port)
        listed = () if dns is not None else (self.endpoint,)
        self.pool = Pool("home", "onprem", Label(0), "vllm", "m", listed, polling=polling, dns=dns)
        self.zone = Zone("onprem", networks)
        self.clock = FakeClock()
        self.endpoints = Endpoints(Topology((self.pool,)), {"onprem": self.zone}, self.clock, chance=lambda: 0.5)
        self.backend = Http1Backend(Http1Settings(credential=b"secret"))
        self.pressed: list[tuple[str, float]] = []
        self.addresses: list[str] | OSError = ["127.0.0.1"]
        self.poller = Poller(
            self.pool,
            self.zone,
            self.backend,
            self.endpoints,
            resolve=self.resolve,
            press=lambda pool, pressure: self.pressed.append((pool, pressure)),
            chance=lambda: 0.5,
        )

    async def resolve(self, host: str) -> list[str]:
        assert host == "gpu.internal"
        if isinstance(self.addresses, OSError):
            raise self.addresses
        return self.addresses

    @property
    def view(self):
        return self.endpoints.views()[0]

    def fail(self) -> None:
        for _ in range(5):
            trial = self.endpoints.begin("home", self.endpoint, is_first=True, now=self.clock.now)
            trial.failed(UpstreamFailed(), self.clock.now)


@contextlib.asynccontextmanager
async def world(polling: Polling = BOTH, **more):
    async with ModelServer() as server:
        it = World(server, polling, **more)
        it.server = server
        try:
            yield it
        finally:
            await it.backend.close()


def pages(health: int = 200, metrics: bytes = METRICS):
    async def script(peer):
        path = peer.received.start_line.split()[1]
        if path == "/health":
            await peer.answer(health, b"")
        else:
            await peer.answer(200, metrics, content_type="text/plain")

    return script


async def test_a_server_is_asked_for_its_pages_and_for_nothing_else():
    async with world() as it:
        it.server.script = pages()
        await it.poller.poll()
        assert [request.start_line for request in it.server.requests] == [
            "GET /health HTTP/1.1",
            "GET /metrics HTTP/1.1",
        ]
        assert all(request.body == b"" for request in it.server.requests)
        # One connection does for both, and is kept.
        assert it.server.connections == 1
        assert it.view.server == ServerLoad(3.0, 6.0, 0.5)
        assert it.view.is_healthy
        assert it.pressed == [("home", pressure_of_server(3.0, 6.0, 0.5))]


async def test_a_server_that_is_unwell_twice_is_passed_over_and_comes_back():
    async with world() as it:
        it.server.script = pages(503)
        await it.poller.poll()
        await it.poller.poll()
        assert not it.view.is_healthy
        it.server.script = pages()
        await it.poller.poll()
        assert it.view.is_healthy


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_a_server_without_such_a_page_is_not_asked_again_and_is_not_unwell(status):
    async with world() as it:
        it.server.script = pages(status)
        for _ in range(3):
            await it.poller.poll()
        assert sum("/health" in request.start_line for request in it.server.requests) == 1
        assert it.view.is_healthy


@pytest.mark.parametrize("status", [200, 204, 302, 401, 403])
async def test_a_server_that_answers_at_all_is_well(status):
    async with world(Polling(0.2, "/health", None)) as it:
        it.server.script = pages(status)
        for _ in range(3):
            await it.poller.poll()
        assert it.view.is_healthy
        assert it.pressed == []


async def huge(peer):
    await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 9999999\r\n\r\n")
    while not peer.received.gone.is_set():
        await peer.send(METRICS * 1000)


async def closed(peer):
    peer.close()


async def silent(peer):
    await peer.until_gone()


@pytest.mark.parametrize("script", [huge, closed, silent, pages(metrics=b"<html>"), pages(500, b"")])
async def test_a_page_that_is_none_is_forgotten_after_the_second_time(script, monkeypatch):
    monkeypatch.setattr("gateway.runtime.polling.TIMEOUT_S", 0.2)
    async with world(Polling(0.2, None, "/metrics")) as it:
        it.server.script = pages()
        await it.poller.poll()
        it.server.script = script
        await it.poller.poll()
        assert it.view.server is not None
        await it.poller.poll()
        await it.poller.poll()
        assert it.view.server is None
        assert it.pressed[-1] == ("home", 0.0)
        assert MAX_PAGE < 9999999


async def test_a_kept_connection_that_the_server_closed_says_nothing_about_it():
    async with world() as it:
        it.server.script = pages()
        await it.poller.poll()

        async def close_if_kept(peer):
            if peer.received.connection == 1:
                peer.close()
            else:
                await pages()(peer)

        it.server.script = close_if_kept
        await it.poller.poll()
        await it.poller.poll()
        assert it.view.is_healthy
        assert it.server.connections > 1


async def test_a_server_that_is_gone_is_unwell():
    async with world() as it:
        it.server.script = pages()
        await it.poller.poll()
    for _ in range(2):
        await it.poller.poll()
    assert not it.view.is_healthy


async def test_nothing_outside_the_zone_is_dialled():
    async with world(networks=()) as it:
        await it.poller.poll()
        assert it.server.connections == 0


async def test_a_peer_that_turns_out_to_be_outside_the_zone_is_told_nothing():
    async with world() as it:

        class Elsewhere(Zone):
            def admits(self, peer):
                return False

        it.poller._zone = Elsewhere("onprem", None)
        for _ in range(2):
            await it.poller.poll()
        assert it.server.requests == []
        assert not it.view.is_healthy


async def test_one_that_has_no_page_is_knocked_at_while_it_is_in_doubt_and_only_then():
    async with world(Polling(0.2, None, None)) as it:
        await it.poller.poll()
        assert it.server.connections == 0
        it.fail()
        await it.poller.poll()
        for _ in range(200):
            if it.server.connections:
                break
            await asyncio.sleep(0.005)
        assert it.server.connections == 1
        assert it.server.requests == []
        # It always took connections: that it does proves nothing.
        assert it.endpoints.is_closed("home")
        connect = it.backend.connect

        async def refused(*_, **__):
            raise UpstreamUnreachable("ConnectionRefusedError 111")

        it.backend.connect = refused
        await it.poller.poll()
        it.backend.connect = connect
        it.clock.now += 1
        await it.poller.poll()
        assert not it.endpoints.is_closed("home")
        assert it.view.breaker is BreakerState.OPEN


@pytest.mark.parametrize("polling", [BOTH, Polling(0.2, None, None)], ids=["pages", "knocking"])
async def test_where_requests_have_all_connections_nothing_is_learned(polling):
    async with world(polling) as it:
        it.fail()
        before = it.view

        async def full(*_, **__):
            raise UpstreamFull("all connections that it may have are in use")

        it.backend.connect = full
        for _ in range(3):
            await it.poller.poll()
        assert it.view == before


async def test_a_name_is_looked_up_and_what_lies_outside_the_zone_is_left_out():
    template = Endpoint("gpu.internal:80", "gpu.internal", 80, base_path="/v")
    async with world(dns=template, networks=(ip_network("10.0.0.0/8"), ip_network("fd00::/8"))) as it:
        it.addresses = ["10.0.0.7", "fd00::1", "192.0.2.1", "10.0.0.5"]
        await it.poller.prepare()
        found = it.endpoints.endpoints_of("home")
        assert [endpoint.name for endpoint in found] == ["10.0.0.5:80/v", "10.0.0.7:80/v", "[fd00::1]:80/v"]
        assert {endpoint.host for endpoint in found} == {"gpu.internal"}
        assert found[0].address == "10.0.0.5"
        for nothing in ([], ["192.0.2.1"], OSError(5, "canary")):
            it.addresses = nothing
            await it.poller.resolve()
            assert it.endpoints.endpoints_of("home") == found


async def test_what_was_noted_of_an_address_is_forgotten_with_it():
    async with world(dns=Endpoint("gpu.internal", "gpu.internal", 9)) as it:
        for number in range(5):
            it.addresses = [f"127.0.0.{number + 1}"]
            await it.poller.resolve()
            await it.poller.poll()
        assert len(it.poller._metrics_missed) == 1
        assert len(it.endpoints.views()) == 1


async def test_a_pool_with_a_list_looks_nothing_up():
    async with world() as it:
        it.addresses = OSError(5, "must not be asked")
        await it.poller.prepare()
        assert it.endpoints.endpoints_of("home") == [it.endpoint]


async def test_a_name_server_that_does_not_answer_does_not_keep_the_gateway_from_starting(monkeypatch):
    monkeypatch.setattr("gateway.runtime.polling.TIMEOUT_S", 0.05)
    async with world(dns=Endpoint("gpu.internal:80", "gpu.internal", 80)) as it:

        async def never(host):
            await asyncio.Event().wait()

        it.poller._resolve = never
        await asyncio.wait_for(it.poller.prepare(), 1)
        assert it.endpoints.is_closed("home")


async def test_it_asks_again_and_again_until_it_is_told_to_stop(monkeypatch):
    monkeypatch.setattr("gateway.runtime.polling.RESOLVE_EVERY_S", 0.02)
    async with ModelServer() as server:
        template = Endpoint("gpu.internal", "gpu.internal", server.port)
        it = World(server, Polling(0.02, "/health", "/metrics"), dns=template)
        server.script = pages()
        stop = asyncio.Event()
        running = asyncio.create_task(it.poller.run(stop))
        while len(server.requests) < 6:  # noqa: ASYNC110 -- the server's own record
            await asyncio.sleep(0.005)
        stop.set()
        await asyncio.wait_for(running, 1)
        assert it.view.server == ServerLoad(3.0, 6.0, 0.5)
        await it.backend.close()
