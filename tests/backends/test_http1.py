"""The upstream client against a real server: answers, faults, and which connections serve again."""

import asyncio
import contextlib
import socket
import ssl
from dataclasses import dataclass, field

import pytest
from msgspec.structs import replace as changed

from gateway.backends import http1
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


async def exchange(backend: Http1Backend, endpoint: Endpoint, message: Message = MESSAGE) -> Ear:
    connection = await backend.connect(endpoint, timeout_s=2, may_dial=lambda _: True)
    ear = Ear()
    connection.start(message, ear)
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


async def until_closed(peer):
    await peer.send(b"HTTP/1.1 200 OK\r\n\r\n{}")
    peer.close()


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


class Raw:
    """A server that says what it is told to, from a thread, so that it speaks while the loop is busy."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        # A thread that waits for a connection that never comes must end before the test can fail.
        self.listener.settimeout(3)
        self.endpoint = Endpoint("a", "127.0.0.1", self.listener.getsockname()[1])
        self.connections: list[socket.socket] = []

    def accept(self, *, receive: int | None = None) -> socket.socket:
        connection, _ = self.listener.accept()
        if receive is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        self.connections.append(connection)
        return connection

    def answer(self, body: bytes) -> None:
        """Read one request on a new connection and answer it."""
        connection = self.accept()
        connection.recv(65536)
        connection.sendall(plain(body))

    def close(self) -> None:
        for connection in (self.listener, *self.connections):
            connection.close()


def plain(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


@pytest.fixture
def raw():
    server = Raw()
    yield server
    server.close()


async def answered(backend: Http1Backend, raw: Raw, body: bytes) -> Ear:
    answering = asyncio.create_task(asyncio.to_thread(raw.answer, body))
    async with asyncio.timeout(3):
        ear = await exchange(backend, raw.endpoint)
        await answering
    return ear


@pytest.mark.parametrize("late", [plain(b"the last caller's"), b"HTTP", b""], ids=["an answer", "a part", "its end"])
async def test_what_came_while_the_loop_was_busy_is_never_the_next_requests_answer(backend, raw, late):
    await answered(backend, raw, b"one")
    # From here to the next connection there is no wait: no callback sees what came.
    raw.connections[0].sendall(late)
    raw.connections[0].shutdown(socket.SHUT_WR)
    ear = await answered(backend, raw, b"two")
    assert (ear.heard, ear.data) == ([200, "end"], b"two")
    assert len(raw.connections) == 2


async def test_a_connection_that_still_has_to_send_does_not_serve_again(backend, raw):
    def refuse_unread():
        connection = raw.accept(receive=4096)
        connection.recv(1024)
        connection.sendall(plain(b"too long"))

    answering = asyncio.create_task(asyncio.to_thread(refuse_unread))
    ear = await exchange(backend, raw.endpoint, changed(MESSAGE, body=b"x" * (16 << 20)))
    await answering
    assert (ear.heard, ear.data) == ([200, "end"], b"too long")
    assert not backend._open
    assert (await answered(backend, raw, b"two")).data == b"two"


async def test_an_idle_connection_whose_socket_takes_nothing_does_not_serve_again(backend, raw):
    await answered(backend, raw, b"one")
    (idle,) = backend._open
    duplicate = socket.fromfd(idle._transport.get_extra_info("socket").fileno(), socket.AF_INET, socket.SOCK_STREAM)
    duplicate.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            duplicate.send(b"x" * 65536)
    duplicate.close()
    assert (await answered(backend, raw, b"two")).data == b"two"


@pytest.mark.parametrize("said", [b"HTTP/1.1 2", b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_a_server_that_began_to_answer_had_the_request(backend, raw, said):
    await answered(backend, raw, b"one")

    def half_an_answer():
        raw.connections[0].recv(65536)
        raw.connections[0].sendall(said)
        raw.connections[0].close()

    answering = asyncio.create_task(asyncio.to_thread(half_an_answer))
    ear = await exchange(backend, raw.endpoint)
    await answering
    assert ear.heard == ["closed before the response was complete"]


async def test_a_fresh_connection_is_dialled_although_one_is_idle(backend):
    async with ModelServer() as server:
        await exchange(backend, endpoint_of(server))
        await backend.connect(endpoint_of(server), timeout_s=2, may_dial=lambda _: True, fresh=True)
        await backend.connect(endpoint_of(server), timeout_s=2, may_dial=lambda _: True)
        assert server.connections == 2


class Faulty(Ear):
    """A Receiver with a mistake in one of its methods."""

    fault = ""

    def fail_in(self, name):
        self.calls = [*getattr(self, "calls", []), name]
        if name == self.fault:
            raise ZeroDivisionError

    def on_head(self, status, headers):
        self.fail_in("on_head")

    def on_data(self, data):
        self.fail_in("on_data")

    def on_end(self):
        self.fail_in("on_end")


@pytest.mark.parametrize("fault", ["on_head", "on_data", "on_end"])
@pytest.mark.parametrize("script", [chat, until_closed], ids=["framed by its length", "framed by the close"])
async def test_a_receiver_that_fails_is_told_once_and_the_connection_never_serves_again(backend, fault, script):
    async with ModelServer() as server:
        server.script = script
        connection = await backend.connect(endpoint_of(server), timeout_s=2, may_dial=lambda _: True)
        ear = Faulty()
        ear.fault = fault
        connection.start(MESSAGE, ear)
        await asyncio.wait_for(ear.over.wait(), 2)
        assert ear.calls[-1] == fault
        assert not connection.is_usable
        server.script = chat
        assert (await exchange(backend, endpoint_of(server))).heard == [200, "end"]
        assert ear.heard == ["fault in the receiver: ZeroDivisionError"]


async def test_a_cancelled_dial_leaves_nothing_behind(backend):
    async with ModelServer() as server:
        for steps in range(1, 6):
            dialling = asyncio.create_task(backend.connect(endpoint_of(server), timeout_s=2, may_dial=lambda _: True))
            for _ in range(steps):
                await asyncio.sleep(0)
            dialling.cancel()
            done, _ = await asyncio.wait([dialling])
            if not done.pop().cancelled():
                dialling.result().abort()
        await asyncio.sleep(0)
        while any(received for received in server._tasks):  # noqa: ASYNC110 -- the server's own bookkeeping
            await asyncio.sleep(0.005)
        assert not backend._open


async def test_idle_connections_that_are_never_taken_again_are_closed(backend, monkeypatch):
    async with ModelServer() as server:
        both = [await backend.connect(endpoint_of(server), timeout_s=2, may_dial=lambda _: True) for _ in range(2)]
        for connection in both:
            connection.start(MESSAGE, ear := Ear())
            await ear.over.wait()
        both[0].idle_since -= http1.IDLE_S
        # The second serves over and over; the first lies below it.
        await exchange(backend, endpoint_of(server))
        assert [connection.is_usable for connection in both] == [False, True]
        assert list(backend._idle[endpoint_of(server)]) == [both[1]]


def test_the_environment_cannot_make_tls_write_its_secrets_down(tls_files, tmp_path, monkeypatch):
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "secrets"))
    for ca_file in (None, str(tls_files.ca)):
        context = Http1Backend(Http1Settings(ca_file=ca_file))._tls_context()
        assert context.keylog_filename is None
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert not (tmp_path / "secrets").exists()


async def test_an_address_that_swallows_everything_leaves_time_for_the_next(backend, monkeypatch):
    async with ModelServer() as server:
        loop = asyncio.get_running_loop()
        dial = loop.create_connection
        dialled = []

        class Loop:
            """The running loop, but for where 192.0.2.1 leads."""

            def __getattr__(self, name):
                return getattr(loop, name)

            async def getaddrinfo(self, host, port, *, type):
                return [(2, type, 6, "", (address, 0)) for address in ("192.0.2.1", "127.0.0.1")]

            async def create_connection(self, protocol, address, *more, **named):
                dialled.append(address)
                if address == "192.0.2.1":
                    await asyncio.Event().wait()
                return await dial(protocol, address, *more, **named)

        monkeypatch.setattr(asyncio, "get_running_loop", Loop)
        endpoint = Endpoint("a", "model.test", server.port)
        connection = await backend.connect(endpoint, timeout_s=0.2, may_dial=lambda _: True)
        assert connection.is_usable
        assert dialled == ["192.0.2.1", "127.0.0.1"]


async def test_an_endpoint_that_is_gone_leaves_nothing_behind(backend):
    async with ModelServer() as server:
        endpoint = endpoint_of(server)
        await exchange(backend, endpoint)
        assert backend._idle
    while backend._open:  # noqa: ASYNC110 -- the backend's own record
        await asyncio.sleep(0.005)
    assert not backend._idle


async def test_heads_that_are_kept_ready_have_a_bound(backend, monkeypatch):
    monkeypatch.setattr("gateway.backends.http1.MAX_STARTS", 3)
    for number in range(10):
        assert b"host: a" in backend.request_for(MESSAGE, Endpoint(f"a{number}", "a", 80))
        assert len(backend._starts) <= 3


async def test_an_address_that_was_looked_up_before_is_dialled_under_its_name(backend):
    async with ModelServer() as server:
        ear = await exchange(backend, Endpoint("a", "nowhere.invalid", server.port, address="127.0.0.1"))
        assert ear.heard == [200, "end"]
        assert server.requests[0].headers["host"] == f"nowhere.invalid:{server.port}"
        elsewhere = Endpoint("a", "localhost", server.port, address="127.0.0.1")
        with pytest.raises(UpstreamUnreachable):
            await backend.connect(elsewhere, timeout_s=2, may_dial=lambda _: False, fresh=True)
