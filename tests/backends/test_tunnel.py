"""Through a proxy: CONNECT, then TLS to the endpoint inside, and nothing from the environment."""

import asyncio
import contextlib
import ssl

import pytest

from gateway.backends.http1 import Http1Backend, Http1Settings
from gateway.core.message import Message
from gateway.core.topology import Endpoint, Proxy
from gateway.ports import UpstreamUnreachable
from tests.backends.test_http1 import Ear
from tests.fakes.model_server import ModelServer, completion

MESSAGE = Message(b"POST", b"/v1/chat/completions", (), b"{}")
YES = b"HTTP/1.1 200 Connection established\r\n\r\n"


class ProxyServer:
    """Answers CONNECT with `answer` and, if that is a yes, carries bytes to and fro."""

    def __init__(self, answer: bytes = YES) -> None:
        self.answer = answer
        self.heads: list[bytes] = []
        self._tasks: set[asyncio.Task] = set()

    async def __aenter__(self) -> "ProxyServer":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.proxy = Proxy("localhost", self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.current_task())
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        for byte in self.answer:
            writer.write(bytes([byte]))
            await writer.drain()
        if self.answer is not YES:
            if not self.answer:
                writer.close()
            await reader.read()
            return
        port = int(head.split(b" ")[1].rpartition(b":")[2])
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(self._carry(reader, inner_writer), self._carry(inner_reader, writer))

    @staticmethod
    async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def model_server(tls_files):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tls_files.certificate, tls_files.key)
    async with ModelServer(tls=context) as server:
        yield server, Endpoint("a", "localhost", server.port, is_tls=True)


async def test_a_request_goes_through_the_tunnel_and_the_connection_serves_again(tls_files, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    async with model_server(tls_files) as (server, endpoint), ProxyServer() as between:
        backend = Http1Backend(Http1Settings(ca_file=str(tls_files.ca), proxy=between.proxy))
        for _ in range(2):
            connection = await backend.connect(endpoint, timeout_s=5, may_dial=lambda _: True)
            assert connection.peer.is_verified_tls
            assert str(connection.peer.address) == "127.0.0.1"
            ear = Ear()
            connection.start(MESSAGE, ear)
            await ear.over.wait()
            assert (ear.heard, ear.data) == ([200, "end"], completion())
        await backend.close()
        assert between.heads == [b"CONNECT localhost:%d HTTP/1.1\r\nhost: localhost:%d\r\n\r\n" % ((server.port,) * 2)]


async def test_without_a_proxy_in_the_pools_settings_the_environments_is_not_used(tls_files, monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with model_server(tls_files) as (_, endpoint):
        backend = Http1Backend(Http1Settings(ca_file=str(tls_files.ca)))
        connection = await backend.connect(endpoint, timeout_s=5, may_dial=lambda _: True)
        assert connection.peer.is_verified_tls
        await backend.close()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 6\r\n\r\nsecret", "the proxy answered 407"),
        (b"HTTP/1.1 302 Found\r\nlocation: http://elsewhere/\r\n\r\n", "the proxy answered 302"),
        (b"ICY 200 OK\r\n\r\n", "the proxy's answer is invalid: invalid status line"),
        (b"", "the proxy closed the connection"),
        (b"HTTP/1.1 200 OK\r\n\r\nx", "TLS|the proxy spoke inside the tunnel"),
    ],
)
async def test_a_proxy_that_does_not_open_the_way_makes_the_endpoint_unreachable(answer, reason):
    async with ProxyServer(answer) as between:
        backend = Http1Backend(Http1Settings(proxy=between.proxy))
        endpoint = Endpoint("a", "runtime.example", 443, is_tls=True)
        with pytest.raises(UpstreamUnreachable, match=reason) as refused:
            await backend.connect(endpoint, timeout_s=5, may_dial=lambda _: True)
        assert "secret" not in refused.value.reason


async def test_a_proxy_that_says_nothing_is_a_timeout():
    async with ProxyServer(b"HTTP/1.1 200") as between:
        backend = Http1Backend(Http1Settings(proxy=between.proxy))
        with pytest.raises(UpstreamUnreachable, match="connect timeout"):
            await backend.connect(Endpoint("a", "h", 443, is_tls=True), timeout_s=0.2, may_dial=lambda _: True)


async def test_an_endpoint_without_the_right_certificate_is_unreachable_behind_the_proxy_too(tls_files):
    async with model_server(tls_files) as (_, endpoint), ProxyServer() as between:
        stranger = Http1Backend(Http1Settings(proxy=between.proxy))
        with pytest.raises(UpstreamUnreachable, match="TLS"):
            await stranger.connect(endpoint, timeout_s=5, may_dial=lambda _: True)


async def test_a_proxy_outside_the_zone_is_not_dialled_and_none_is_used_without_tls():
    async with ProxyServer() as between:
        backend = Http1Backend(Http1Settings(proxy=between.proxy))
        with pytest.raises(UpstreamUnreachable, match="no address inside the zone"):
            await backend.connect(Endpoint("a", "h", 443, is_tls=True), timeout_s=2, may_dial=lambda _: False)
        with pytest.raises(UpstreamUnreachable, match="without TLS"):
            await backend.connect(Endpoint("a", "h", 80), timeout_s=2, may_dial=lambda _: True)
        assert between.heads == []
