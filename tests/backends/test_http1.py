"""The upstream client against a real server: answers, faults, and which connections serve again."""

import asyncio
import ssl
from dataclasses import dataclass, field

import pytest

from gateway.backends.http1 import Http1Backend, Http1Settings
from gateway.core.message import Message
from gateway.core.topology import Endpoint
from gateway.ports import STALE, UpstreamUnreachable
from tests.fakes.model_server import ModelServer, chat, completion

MESSAGE = Message(b"POST", b"/v1/chat/completions", ((b"content-type", b"application/json"),), b'{"stream": false}')


@dataclass
class Ear:
    """A Receiver that remembers."""

    heard: list = field(default_factory=list)
    data: bytes = b""
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def on_head(self, status, headers):
        self.heard.append(status)

    def on_data(self, data):
        self.data += data

    def on_end(self):
        self.heard.append("end")
        self.over.set()

    def on_failure(self, reason):
        self.heard.append(reason)
        self.over.set()


def endpoint_of(server: ModelServer) -> Endpoint:
    return Endpoint("a", "127.0.0.1", server.port, unix=server.unix)


async def exchange(backend: Http1Backend, endpoint: Endpoint) -> Ear:
    connection = await backend.connect(endpoint, timeout_s=2, may_dial=lambda _: True)
    ear = Ear()
    connection.start(MESSAGE, ear)
    await ear.over.wait()
    return ear


@pytest.fixture
async def backend():
    backend = Http1Backend(Http1Settings(credential=b"upstream-secret"))
    yield backend
    await backend.close()


async def test_a_clean_answer_leaves_the_connection_for_the_next_request(backend):
    async with ModelServer() as server:
        for _ in range(3):
            ear = await exchange(backend, endpoint_of(server))
            assert (ear.heard, ear.data) == ([200, "end"], completion())
        assert server.connections == 1
        assert server.requests[0].headers["authorization"] == "Bearer upstream-secret"
        assert server.requests[0].headers["host"] == f"127.0.0.1:{server.port}"


async def test_a_unix_socket_is_reached_and_named_as_peer(backend, tmp_path):
    async with ModelServer(unix=str(tmp_path / "model.sock")) as server:
        connection = await backend.connect(endpoint_of(server), timeout_s=2, may_dial=lambda _: False)
        assert connection.peer.is_unix
        ear = await exchange(backend, endpoint_of(server))
        assert ear.heard == [200, "end"]


async def surplus(peer):
    await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\n")


async def told_to_close(peer):
    await peer.answer(200, b"{}", "connection: close")


@pytest.mark.parametrize("script", [surplus, told_to_close])
async def test_a_connection_that_did_not_end_cleanly_never_serves_again(backend, script):
    async with ModelServer() as server:
        server.script = script
        assert (await exchange(backend, endpoint_of(server))).heard == [200, "end"]
        server.script = chat
        assert (await exchange(backend, endpoint_of(server))).heard == [200, "end"]
        assert server.connections == 2


async def test_bytes_that_nobody_asked_for_close_an_idle_connection(backend):
    async with ModelServer() as server:

        async def then_more(peer):
            await peer.answer(200, b"{}")
            spoke.set()
            await go_on.wait()
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged")

        spoke, go_on = asyncio.Event(), asyncio.Event()
        server.script = then_more
        await exchange(backend, endpoint_of(server))
        await spoke.wait()
        server.script = chat
        go_on.set()
        while backend._open:  # noqa: ASYNC110 -- the condition is the client's own bookkeeping
            await asyncio.sleep(0.005)
        ear = await exchange(backend, endpoint_of(server))
        assert ear.data == completion()


async def cut_body(peer):
    await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
    peer.close()


async def cut_chunk(peer):
    await peer.open_stream()
    await peer.send(b"ff\r\nhalf")
    peer.close()


async def nonsense(peer):
    await peer.send(b"SSH-2.0-OpenSSH\r\n\r\n")
    await peer.until_gone()


async def reset(peer):
    await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
    peer.reset()


@pytest.mark.parametrize(
    ("script", "last"),
    [
        (cut_body, "closed before the response was complete"),
        (cut_chunk, "closed before the response was complete"),
        (nonsense, "invalid response: invalid status line"),
        (reset, "connection lost: ConnectionResetError"),
    ],
)
async def test_an_answer_that_breaks_off_is_a_failure_and_never_an_end(backend, script, last):
    async with ModelServer() as server:
        server.script = script
        assert (await exchange(backend, endpoint_of(server))).heard[-1] == last


async def test_an_idle_connection_that_the_server_closed_is_told_apart_from_a_failing_server(backend):
    async with ModelServer() as server:

        async def answer_then_hang_up_on_the_next(peer):
            if len(server.requests) == 1:
                await peer.answer(200, b"{}")
            else:
                peer.close()

        server.script = answer_then_hang_up_on_the_next
        assert (await exchange(backend, endpoint_of(server))).heard == [200, "end"]
        assert (await exchange(backend, endpoint_of(server))).heard == [STALE]
        assert (await exchange(backend, endpoint_of(server))).heard == ["closed before the response was complete"]


async def test_an_abort_is_seen_by_the_server_and_the_receiver_hears_no_more(backend):
    async with ModelServer() as server:

        async def silent(peer):
            await peer.until_gone()

        server.script = silent
        connection = await backend.connect(endpoint_of(server), timeout_s=2, may_dial=lambda _: True)
        ear = Ear()
        connection.start(MESSAGE, ear)
        while not server.requests:  # noqa: ASYNC110 -- waits for the server's own record
            await asyncio.sleep(0.005)
        connection.abort()
        await asyncio.wait_for(server.requests[0].gone.wait(), 2)
        assert ear.heard == []


async def test_a_refused_connection_is_unreachable_and_says_why(backend):
    async with ModelServer() as server:
        port = server.port
    with pytest.raises(UpstreamUnreachable) as refused:
        await backend.connect(Endpoint("a", "127.0.0.1", port), timeout_s=2, may_dial=lambda _: True)
    assert refused.value.reason.startswith("ConnectionRefusedError")


async def test_an_address_outside_the_zone_is_not_even_dialled(backend):
    async with ModelServer() as server:
        with pytest.raises(UpstreamUnreachable, match="no address inside the zone"):
            await backend.connect(endpoint_of(server), timeout_s=2, may_dial=lambda _: False)
        with pytest.raises(UpstreamUnreachable, match="no address inside the zone"):
            await backend.connect(Endpoint("a", "localhost", server.port), timeout_s=2, may_dial=lambda _: False)
        assert server.connections == 0


async def test_a_server_that_does_not_speak_tls_is_unreachable(backend):
    async with ModelServer() as server:
        with pytest.raises(UpstreamUnreachable):
            await backend.connect(
                Endpoint("a", "127.0.0.1", server.port, is_tls=True), timeout_s=1, may_dial=lambda _: True
            )


async def test_a_certificate_that_nobody_vouches_for_is_unreachable_and_one_of_the_pools_ca_is_verified(tls_files):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tls_files.certificate, tls_files.key)
    async with ModelServer(tls=context) as server:
        endpoint = Endpoint("a", "localhost", server.port, is_tls=True)
        stranger = Http1Backend(Http1Settings())
        with pytest.raises(UpstreamUnreachable, match="TLS"):
            await stranger.connect(endpoint, timeout_s=2, may_dial=lambda _: True)
        backend = Http1Backend(Http1Settings(ca_file=str(tls_files.ca)))
        connection = await backend.connect(endpoint, timeout_s=2, may_dial=lambda _: True)
        assert connection.peer.is_verified_tls
        await backend.close()


def test_settings_do_not_show_their_credential():
    assert "secret" not in repr(Http1Settings(credential=b"secret"))
