"""The two faces of the data plane, our protocol and plain ASGI, give the same answers and notice the same things."""

import asyncio
import contextlib
import json
import socket

import pytest
import uvicorn

from gateway.api.asgi import build_asgi
from gateway.api.openai import Connection
from gateway.api.plane import DataPlane, Limits
from tests.api.front_door import GOOD, Echo, House
from tests.api.test_openai_http import BIG, answer, post


@pytest.fixture(params=["protocol", "asgi"])
async def face(request):
    echo = Echo()
    plane = DataPlane(echo, Limits(body=100_000, head=4096, receive_s=0.5, keep_alive_s=10))
    listening = socket.create_server(("127.0.0.1", 0))
    house = House(plane, echo, listening.getsockname()[1])
    if request.param == "protocol":
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(plane, loop), sock=listening)
        sweeps = asyncio.create_task(_sweep(plane))
        yield house
        sweeps.cancel()
        server.close()
    else:
        config = uvicorn.Config(build_asgi(plane), http="h11", lifespan="off", log_config=None, access_log=False)
        server = uvicorn.Server(config)
        server.capture_signals = contextlib.nullcontext
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        while not server.started:  # noqa: ASYNC110 -- uvicorn has no event for it
            await asyncio.sleep(0.005)
        yield house
        server.should_exit = server.force_exit = True
        await serving
    for writer in house.writers:
        writer.close()


async def _sweep(plane):
    while True:
        await asyncio.sleep(0.05)
        plane.sweep(asyncio.get_running_loop().time())


CHUNKED = b"Transfer-Encoding: chunked"
KEY = b"Authorization: " + GOOD


@pytest.mark.parametrize(
    ("raw", "status", "told"),
    [
        (post(b"12345"), 200, ["chat", "/v1/chat/completions", 5]),
        (post(b"1", path=b"/v1/completions?a=b"), 200, ["completions", "/v1/completions", 1]),
        (post(b"3\r\nabc\r\n0\r\n\r\n", CHUNKED, KEY), 200, ["chat", "/v1/chat/completions", 3]),
        (b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n", 200, ["models", None]),
        (b"GET /v1/models/chat%2Dauto HTTP/1.1\r\nHost: x\r\n\r\n", 200, ["models", "chat-auto"]),
        (post(BIG, KEY), 200, ["chat", "/v1/chat/completions", len(BIG)]),
        (post(BIG), 401, "invalid_api_key"),
        (post(b"1\r\na\r\n0\r\n\r\n", CHUNKED), 401, "invalid_api_key"),
        (post(path=b"/v1/nothing"), 404, "unknown_url"),
        (post(path=b"/v1/models"), 405, "method_not_allowed"),
        (post().replace(b"application/json", b"text/plain"), 415, "unsupported_media_type"),
        (post(b"{}", b"Content-Encoding: gzip"), 415, "unsupported_media_type"),
        (post(b"", b"Content-Length: 100001", KEY), 413, "request_too_large"),
        (post(b"19000\r\n" + b"x" * 0x19000 + b"\r\n0\r\n\r\n", CHUNKED, KEY), 413, "request_too_large"),
        (post(b"{}", b"X: " + b"y" * 5000), 431, "headers_too_large"),
        (post(b"{", b"Content-Length: 10"), 408, "request_timeout"),
    ],
)
async def test_both_faces_answer_alike(face, raw, status, told):
    reader, writer = await face.dial()
    writer.write(raw)
    got, headers, body = await answer(reader)
    assert got == status
    if status == 200:
        assert json.loads(body) == told
    else:
        assert headers["content-type"] == "application/json"
        assert json.loads(body)["error"]["code"] == told
        assert face.echo.served == 0


async def test_a_stream_ends_and_the_connection_lives_on(face):
    reader, writer = await face.dial()
    writer.write(post(b"stream"))
    status, headers, body = await answer(reader)
    assert (status, headers["content-type"], body) == (200, "text/event-stream", b"onetwo")
    writer.write(post(b"1"))
    assert (await answer(reader))[0] == 200


@pytest.mark.parametrize("body", [b"hang", b"cut"], ids=["silent", "streaming"])
async def test_a_client_that_leaves_is_noticed(face, body):
    _, writer = await face.dial()
    writer.write(post(body))
    while not face.echo.served:  # noqa: ASYNC110 -- the echo's own count
        await asyncio.sleep(0.002)
    writer.transport.abort()
    await asyncio.wait_for(face.echo.gone.wait(), 0.25)


async def test_an_answer_that_is_given_up_does_not_look_complete(face):
    reader, writer = await face.dial()
    writer.write(post(b"cut"))
    head = await asyncio.wait_for(reader.readuntil(b"begun"), 5)
    assert b"chunked" in head.lower()
    face.echo.go_on.set()
    with contextlib.suppress(ConnectionError):
        assert b"0\r\n\r\n" not in await asyncio.wait_for(reader.read(), 5)


async def test_a_slow_reader_is_felt_and_waited_for(face):
    reader, writer = await face.dial()
    writer.write(post(b"flood"))
    await asyncio.wait_for(face.echo.is_full.wait(), 5)
    assert not face.echo.is_drained.is_set()
    status, _, body = await answer(reader)
    assert (status, body[:5]) == (200, b"begun")
    assert face.echo.is_drained.is_set()


@pytest.mark.parametrize("version", ["2", "3"])
@pytest.mark.parametrize(("key", "status"), [(GOOD, 200), (b"Bearer nobody's", 401)])
async def test_a_stream_that_does_not_say_how_large_it_is_is_read_for_those_we_know(version, key, status):
    asked, sent = [], []
    body = [{"type": "http.request", "body": b"123", "more_body": False}]

    async def receive():
        if body:
            asked.append(None)
            return body.pop()
        return await asyncio.Event().wait()

    async def send(event):
        sent.append(event)

    headers = [(b"host", b"a"), (b"authorization", key), (b"content-type", b"application/json")]
    scope = {"type": "http", "http_version": version, "method": "POST", "path": "/v1/chat/completions"}
    await build_asgi(DataPlane(Echo(), Limits()))(scope | {"headers": headers}, receive, send)
    assert sent[0]["status"] == status
    # Whatever a stranger sends, it is refused before it is read.
    assert len(asked) == (1 if status == 200 else 0)
