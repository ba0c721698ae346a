"""What we show to an endpoint that asks who we are, and what becomes of a connection to one that does not like it."""

import ssl
from contextlib import asynccontextmanager

import pytest
from cryptography.hazmat.primitives import serialization

from gateway.backends.http1 import Http1Backend, Http1Settings
from gateway.core.topology import ClientCertificate, Endpoint
from gateway.ports import UpstreamUnreachable
from tests.backends.test_http1 import exchange
from tests.backends.test_tunnel import ProxyServer
from tests.fakes.model_server import ModelServer


@asynccontextmanager
async def asking_server(tls_files, version=None):
    """A server that takes only clients whom the test's CA vouches for."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(tls_files.ca))
    context.load_cert_chain(tls_files.certificate, tls_files.key)
    context.verify_mode = ssl.CERT_REQUIRED
    if version is not None:
        context.maximum_version = version
    async with ModelServer(tls=context) as server:
        yield server, Endpoint("a", "localhost", server.port, is_tls=True)


def backend_for(tls_files, certificate, **more):
    return Http1Backend(Http1Settings(ca_file=str(tls_files.ca), certificate=certificate, **more))


@pytest.mark.parametrize("through_proxy", [False, True])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_client_with_its_certificate_is_served(tls_files, version, through_proxy):
    own = ClientCertificate(str(tls_files.certificate), str(tls_files.key))
    async with asking_server(tls_files, version) as (server, endpoint), ProxyServer() as between:
        backend = backend_for(tls_files, own, proxy=between.proxy if through_proxy else None)
        for _ in range(2):
            assert (await exchange(backend, endpoint)).heard == [200, "end"]
        assert server.connections == 1
        assert len(between.heads) == int(through_proxy)
        await backend.close()


async def test_a_client_without_one_has_no_connection_and_sends_nothing(tls_files):
    async with asking_server(tls_files, ssl.TLSVersion.TLSv1_2) as (server, endpoint):
        backend = backend_for(tls_files, None)
        with pytest.raises(UpstreamUnreachable):
            await backend.connect(endpoint, timeout_s=2, may_dial=lambda _: True)
        assert server.requests == []


async def test_where_the_server_says_so_after_the_handshake_the_request_fails(tls_files):
    # In TLS 1.3 the client is done before the server has looked at what it was shown.
    async with asking_server(tls_files, ssl.TLSVersion.TLSv1_3) as (server, endpoint):
        backend = backend_for(tls_files, None)
        (reason,) = (await exchange(backend, endpoint)).heard
        # Whether its alert or its end is seen first is the event loop's affair.
        assert reason.startswith(("connection lost: ", "closed before the response was complete"))
        assert server.requests == []
        await backend.close()


def missing(folder, tls_files):
    return ClientCertificate(str(tls_files.certificate), str(folder / "nowhere"))


def of_somebody_else(folder, tls_files):
    return ClientCertificate(str(tls_files.ca), str(tls_files.key))


def with_a_password(folder, tls_files):
    key = serialization.load_pem_private_key(tls_files.key.read_bytes(), password=None)
    locked = serialization.BestAvailableEncryption(b"hunter2")
    path = folder / "locked.pem"
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked))
    return ClientCertificate(str(tls_files.certificate), str(path))


@pytest.mark.parametrize("broken", [missing, of_somebody_else, with_a_password])
async def test_a_certificate_that_cannot_be_used_makes_the_endpoint_unreachable_and_asks_nobody(
    tls_files, tmp_path, broken
):
    async with asking_server(tls_files) as (server, endpoint):
        backend = backend_for(tls_files, broken(tmp_path, tls_files), max_connections=1)
        for _ in range(2):
            with pytest.raises(UpstreamUnreachable) as refused:
                await backend.connect(endpoint, timeout_s=2, may_dial=lambda _: True)
            assert str(tmp_path) not in refused.value.reason
            assert str(tls_files.key) not in refused.value.reason
        assert server.connections == 0
