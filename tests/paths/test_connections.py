"""What pools.yaml says of connections, in a whole gateway: a limit, a proxy and a client certificate."""

import asyncio
import shutil
import ssl

import pytest

from gateway.core.breaker import BreakerState
from tests.backends.test_tunnel import ProxyServer
from tests.fakes.house import house
from tests.fakes.model_server import ModelServer, chat
from tests.paths.test_failing_well import in_pools

SECRET = "My SSN is 536-22-8723"


def with_more(server: ModelServer, more: str):
    """`more` in the block of the pool whose endpoint is `server`."""
    return in_pools(f'    endpoints: ["{server.url}"]\n', f'    endpoints: ["{server.url}"]\n    {more}\n')


async def test_where_all_connections_are_in_use_the_next_place_is_tried_and_the_server_is_believed_well(tmp_path):
    async with ModelServer() as home, ModelServer() as other, ModelServer() as burst:
        gate = asyncio.Event()

        async def held(peer):
            await gate.wait()
            await chat(peer)

        home.script = held
        pools = {"home": home, "home-b": other, "burst": burst}
        timeouts = "{connect: 50ms, first_content: 5s, idle: 5s, total: 30s}"
        async with house(tmp_path, pools, timeouts=timeouts, rewrite=with_more(home, "max_connections: 1")) as running:
            first = asyncio.create_task(running.chat(SECRET))
            while not home.requests:  # noqa: ASYNC110 -- the server's own record
                await asyncio.sleep(0.005)
            for _ in range(8):
                assert (await running.chat(SECRET)).headers["x-tidegate-pool"] == "home-b"
            assert (await running.chat(SECRET, model="chat-home")).status_code == 503
            (view,) = (view for view in running.worker._endpoints.views() if view.pool == "home")
            assert view.breaker is BreakerState.CLOSED
            gate.set()
            assert (await first).status_code == 200
            assert (await running.chat(SECRET)).headers["x-tidegate-pool"] == "home"
            assert home.connections == 1
            assert not burst.requests


async def test_requests_wait_for_few_connections_and_are_all_served(tmp_path):
    async with (
        ModelServer() as home,
        house(tmp_path, {"home": home}, rewrite=with_more(home, "max_connections: 2")) as running,
    ):
        answers = await asyncio.gather(*(running.chat(SECRET, model="chat-home") for _ in range(20)))
        assert {answer.status_code for answer in answers} == {200}
        assert home.connections <= 2


@pytest.fixture
def asking_server(tls_files):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(tls_files.ca))
    context.load_cert_chain(tls_files.certificate, tls_files.key)
    context.verify_mode = ssl.CERT_REQUIRED
    return ModelServer(tls=context)


async def test_a_pool_shows_its_certificate_through_its_proxy(tmp_path, tls_files, asking_server):
    tls = "tls: {ca: certs/ca.pem, certificate: certs/own.pem, key: {file: secrets/own.key}}"
    async with asking_server as home, ProxyServer() as between:
        said = with_more(home, f'{tls}\n    proxy: "http://127.0.0.1:{between.proxy.port}"')

        def rewrite(config):
            (config / "certs").mkdir()
            shutil.copy(tls_files.ca, config / "certs" / "ca.pem")
            shutil.copy(tls_files.certificate, config / "certs" / "own.pem")
            shutil.copy(tls_files.key, config / "secrets" / "own.key")
            (config / "secrets" / "own.key").chmod(0o600)
            said(config)

        async with house(tmp_path, {"home": home}, rewrite=rewrite) as running:
            for stream in (False, True):
                assert (await running.chat(SECRET, model="chat-home", stream=stream)).status_code == 200
            assert len(home.requests) == 2
            port = home.url.rpartition(":")[2].encode()
            assert between.heads == [b"CONNECT 127.0.0.1:%b HTTP/1.1\r\nhost: 127.0.0.1:%b\r\n\r\n" % (port, port)]
