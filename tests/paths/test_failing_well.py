"""What an outage costs: how many calls, how long until the next place is tried, and how soon all is well again.

The figures are resilience.md's, with room for a machine that does other things at the same time; `-s` prints them.
"""

import asyncio
import contextlib
import json
import socket
import ssl
import time

import httpx
import pytest

from gateway.core.breaker import BreakerState
from gateway.core.exchange import Patience
from tests.fakes.house import house
from tests.fakes.model_server import USAGE, ModelServer, chat, delta
from tests.paths.test_faults import answers, close_at_once, reset_at_once
from tests.paths.test_retries import two_endpoints

SECRET = "My SSN is 536-22-8723"
CALLS = 60


def in_pools(old: str, new: str):
    def rewrite(config):
        path = config / "pools.yaml"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    return rewrite


def refusing_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "fault",
    [answers(500, b"{}"), answers(503, b"{}"), answers(429, b"{}", "retry-after: 30"), close_at_once, reset_at_once],
    ids=["500", "503", "429", "closed", "reset"],
)
async def test_while_everything_is_down_a_client_call_costs_hardly_more_than_one_upstream_call(tmp_path, fault, stream):
    async with ModelServer() as one, ModelServer() as two, ModelServer() as three:
        one.script = two.script = three.script = fault
        pools = {"home": one, "home-b": three}
        async with house(tmp_path, pools, rewrite=two_endpoints(one, two)) as running:
            for _ in range(CALLS):
                response = await running.chat(SECRET, stream=stream)
                assert response.status_code in (502, 503)
            calls = len(one.requests) + len(two.requests) + len(three.requests)
            print(f"\nupstream calls per client call: {calls / CALLS:.2f}")
            assert calls <= 1.2 * CALLS


async def test_a_refused_connection_costs_the_next_place_no_noticeable_time(tmp_path):
    async with ModelServer() as sound:
        pools = {"home": f"http://127.0.0.1:{refusing_port()}", "home-b": sound}
        async with house(tmp_path, pools, limits={"home-b": 1}) as running:
            await running.chat(SECRET, model="chat")
            took = []
            for _ in range(3):
                began = time.perf_counter()
                assert (await running.chat(SECRET)).headers["x-tidegate-pool"] == "home-b"
                took.append(time.perf_counter() - began)
            print(f"\nfailover on connect refused: {min(took) * 1000:.1f} ms with everything else")
            assert min(took) < 0.05
            for _ in range(5):
                assert (await running.chat(SECRET)).status_code == 200
            (view,) = (view for view in running.worker._endpoints.views() if view.pool == "home")
            assert view.breaker is BreakerState.OPEN


@contextlib.contextmanager
def black_hole():
    """An address that answers nothing, not even to a connection: its backlog is full."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(server.getsockname())
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", ["refused", "no such name", "not TLS", "a certificate of nobody's", "black hole"])
async def test_what_cannot_be_reached_costs_nobody_an_answer_and_sends_nothing_out(tmp_path, tls_server, fault, stream):
    async with ModelServer() as sound, ModelServer() as burst, ModelServer() as plain, tls_server as own:
        with black_hole() as hole:
            urls = {
                "refused": f"http://127.0.0.1:{refusing_port()}",
                "no such name": "http://nowhere.invalid:8000",
                "not TLS": f"https://127.0.0.1:{plain.port}",
                "a certificate of nobody's": own.url,
                "black hole": hole,
            }
            timeouts = "{connect: 300ms, first_content: 5s, idle: 5s, total: 30s}"
            pools = {"home": urls[fault], "home-b": sound, "burst": burst}
            async with house(tmp_path, pools, timeouts=timeouts) as running:
                began = time.perf_counter()
                for _ in range(8):
                    response = await running.chat(SECRET, stream=stream)
                    assert response.status_code == 200
                    assert response.headers["x-tidegate-pool"] == "home-b"
                took = time.perf_counter() - began
                # Five tries open the breaker; then nobody waits for it any more.
                assert took < 5 * 0.3 + 2
                assert running.worker._endpoints.views()[0].breaker is BreakerState.OPEN
                assert not burst.requests
                assert not own.requests


@pytest.fixture
def tls_server(tls_files):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls_files.certificate, tls_files.key)
    return ModelServer(tls=context)


async def endless_event(peer):
    await peer.open_stream()
    with contextlib.suppress(ConnectionError):
        while not peer.received.gone.is_set():
            await peer.chunk(b"data: " + b"x" * 60_000)


async def endless_comments(peer):
    await peer.open_stream()
    with contextlib.suppress(ConnectionError):
        while not peer.received.gone.is_set():
            await peer.chunk(b": still thinking\n\n")
            await asyncio.sleep(0.02)


async def half_a_chunk(peer):
    await peer.open_stream()
    await peer.send(b"ff\r\ndata: {")
    peer.close()


@pytest.mark.parametrize("fault", [endless_event, half_a_chunk])
async def test_a_stream_that_is_no_stream_is_given_up_before_its_content_and_another_place_answers(tmp_path, fault):
    async with ModelServer() as broken, ModelServer() as sound:
        broken.script = fault
        async with house(tmp_path, {"home": broken, "home-b": sound}) as running:
            response = await running.chat(SECRET, stream=True)
            assert response.headers["x-tidegate-pool"] == "home-b"
            assert response.text.endswith("data: [DONE]\n\n")
            await asyncio.wait_for(broken.requests[0].gone.wait(), 5)


async def test_a_stream_of_comments_without_content_ends_with_its_deadline(tmp_path):
    async with ModelServer() as broken, ModelServer() as sound:
        broken.script = endless_comments
        timeouts = "{connect: 1s, first_content: 500ms, idle: 5s, total: 30s}"
        async with house(tmp_path, {"home": broken, "home-b": sound}, timeouts=timeouts) as running:
            response = await running.chat(SECRET, stream=True)
            assert response.headers["x-tidegate-pool"] == "home-b"
            await asyncio.wait_for(broken.requests[0].gone.wait(), 5)


async def test_a_server_that_is_full_is_not_asked_again_until_the_time_it_named_and_the_client_hears_at_once(tmp_path):
    async with ModelServer() as full:
        full.script = answers(429, b"{}", "retry-after: 30")
        async with house(tmp_path, {"home": full}) as running:
            first = await running.chat(SECRET, model="chat-home")
            assert (first.status_code, first.headers["retry-after"]) == (503, "30")
            began = time.perf_counter()
            second = await running.chat(SECRET, model="chat-home")
            took = time.perf_counter() - began
            print(f"\nnothing left to try: {took * 1000:.1f} ms")
            assert (second.status_code, second.headers["retry-after"]) == (503, "30")
            assert took < 0.1
            assert len(full.requests) == 1


async def test_a_full_server_at_home_does_not_send_work_that_must_stay_into_the_cloud(tmp_path):
    async with ModelServer() as full, ModelServer() as burst:
        full.script = answers(429, b"{}", "retry-after: 30")
        async with house(tmp_path, {"home": full, "home-b": full, "burst": burst}) as running:
            for _ in range(10):
                assert (await running.chat(SECRET)).status_code == 503
            assert not burst.requests
            assert (await running.chat("hello")).headers["x-tidegate-pool"] == "burst"


async def test_with_all_of_home_broken_work_that_must_stay_stays_and_is_tried_there(tmp_path):
    async with ModelServer() as broken, ModelServer() as burst:
        broken.script = answers(500, b"{}")
        async with house(tmp_path, {"home": broken, "home-b": broken, "burst": burst}) as running:
            for _ in range(30):
                assert (await running.chat(SECRET)).status_code == 502
            assert not burst.requests
            # What may leave does, without another try at home.
            before = len(broken.requests)
            assert (await running.chat("hello")).headers["x-tidegate-pool"] == "burst"
            assert len(broken.requests) == before
            # The last endpoint at home is never given up: it serves as soon as it can.
            broken.script = chat
            assert (await running.chat(SECRET)).status_code == 200


async def test_a_server_that_comes_back_is_used_again_within_two_polls(tmp_path):
    async with ModelServer() as server, ModelServer() as other:
        is_up = False

        async def by_turns(peer):
            if peer.received.start_line.startswith("GET /health"):
                await peer.answer(200 if is_up else 503, b"")
            elif is_up:
                await chat(peer)
            else:
                await peer.answer(500, b"{}")

        server.script = by_turns
        poll = {"home": "{every: 200ms, health: /health, metrics: none}"}
        rewrite = in_pools("    poll: {every", "    breaker: {open: 60s}\n    poll: {every")
        async with house(tmp_path, {"home": server, "home-b": other}, polls=poll, rewrite=rewrite) as running:

            async def until_in(pool: str) -> float:
                began = time.perf_counter()
                while (await running.chat(SECRET)).headers["x-tidegate-pool"] != pool:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                return time.perf_counter() - began

            for _ in range(8):
                assert (await running.chat(SECRET)).headers["x-tidegate-pool"] == "home-b"
            while running.worker._endpoints.views()[0].is_healthy:  # noqa: ASYNC110 -- the gateway's own view
                await asyncio.sleep(0.01)
            is_up = True
            took = await until_in("home")
            print(f"\nback in use after {took:.2f} s with a poll every 0.2 s and a breaker that opens for 60 s")
            assert took < 2.0


async def test_turns_of_one_conversation_go_to_the_endpoint_that_has_read_it_and_conversations_spread(tmp_path):
    async with ModelServer() as one, ModelServer() as two:  # noqa: SIM117 -- the second needs the first
        async with house(tmp_path, {"home": one}, rewrite=two_endpoints(one, two)) as running:
            for number in range(16):
                messages = [
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": f"question {number}"},
                ]
                for _ in range(3):
                    body = {"model": "chat-home", "messages": messages}
                    await running.client.post("/v1/chat/completions", json=body, headers=running.headers())
                    messages += [{"role": "assistant", "content": "Hello."}, {"role": "user", "content": "and then?"}]
            of = [{request.json["messages"][1]["content"] for request in server.requests} for server in (one, two)]
            assert not of[0] & of[1]
            assert of[0]
            assert of[1]


# Heartbeats and slow readers


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr("gateway.assemble.Patience", lambda: Patience(heartbeat_s=0.3, blocked_s=1.0))
    monkeypatch.setattr("gateway.assemble.TICK_S", 0.05)


async def silence_then_close(peer):
    await asyncio.sleep(0.8)
    peer.close()


async def test_after_a_heartbeat_another_place_may_still_answer_and_the_client_gets_one_whole_stream(
    tmp_path, impatient
):
    async with ModelServer() as broken, ModelServer() as sound:
        broken.script = silence_then_close
        async with house(tmp_path, {"home": broken, "home-b": sound}) as running:
            response = await running.chat(SECRET, stream=True)
            assert response.status_code == 200
            assert response.text.startswith(": waiting\n\n: waiting\n\n")
            assert response.text.endswith("data: [DONE]\n\n")
            assert response.text.count('"role":"assistant"') == 1


async def test_after_a_heartbeat_a_failure_is_an_event(tmp_path, impatient):
    async with ModelServer() as broken:
        broken.script = silence_then_close
        async with house(tmp_path, {"home": broken}) as running:
            response = await running.chat(SECRET, stream=True, model="chat-home")
            assert response.status_code == 200
            last = response.text.strip().rpartition("\n\n")[2]
            assert json.loads(last.removeprefix("data: "))["error"]["code"] == "upstream_failed"
            assert "[DONE]" not in response.text


async def test_a_whole_answer_gets_no_heartbeat(tmp_path, impatient):
    async with ModelServer() as slow:

        async def late(peer):
            await asyncio.sleep(0.8)
            await chat(peer)

        slow.script = late
        async with house(tmp_path, {"home": slow}) as running:
            response = await running.chat(SECRET, model="chat-home")
            assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
            assert response.text.startswith("{")


async def test_a_reader_that_takes_nothing_is_cut_off_and_its_model_server_with_it(tmp_path, impatient):
    async with ModelServer() as server:

        async def endless(peer):
            await peer.open_stream()
            while not peer.received.gone.is_set():
                await peer.event(delta("x" * 8000))
            await peer.event(USAGE)

        server.script = endless
        async with house(tmp_path, {"home": server}) as running:
            reader, writer = await asyncio.open_connection("127.0.0.1", running.port, limit=1024)
            body = json.dumps({"model": "chat-home", "messages": [{"role": "user", "content": "x"}], "stream": True})
            head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {running.key}\r\n"
            writer.write(f"{head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode())
            await reader.readuntil(b"\r\n\r\n")
            began = time.perf_counter()
            await asyncio.wait_for(server_has_lost(server), 10)
            assert 0.5 < time.perf_counter() - began < 9
            # It was not the breaker's business.
            assert running.worker._endpoints.views()[0].breaker is BreakerState.CLOSED
            writer.close()


async def server_has_lost(server: ModelServer) -> None:
    while not server.requests:  # noqa: ASYNC110 -- the server's own record
        await asyncio.sleep(0.01)
    await server.requests[0].gone.wait()


# Names


async def test_a_pool_may_go_by_a_name(tmp_path, monkeypatch):
    async with ModelServer() as server:
        asked = []

        async def addresses(_, host):
            asked.append(host)
            return ("127.0.0.1",)

        monkeypatch.setattr("gateway.backends.name_lookup.NameLookup.addresses", addresses)
        rewrite = in_pools(f'endpoints: ["{server.url}"]', f"dns: gpu.internal:{server.port}")
        async with house(tmp_path, {"home": server}, rewrite=rewrite) as running:
            response = await running.chat(SECRET, model="chat-home")
            assert response.status_code == 200
            assert asked == ["gpu.internal"]
            assert server.requests[0].headers["host"] == f"gpu.internal:{server.port}"
            (attempt,) = [view for view in running.worker._endpoints.views() if view.pool == "home"]
            assert attempt.endpoint == f"127.0.0.1:{server.port}"


async def test_a_pool_whose_name_nobody_knows_leaves_the_others_to_serve(tmp_path):
    async with ModelServer() as sound:
        rewrite = in_pools('endpoints: ["http://127.0.0.1:9"]', "dns: nowhere.invalid:8000")
        async with house(tmp_path, {"home": sound}, rewrite=rewrite) as running:
            assert (await running.chat(SECRET)).headers["x-tidegate-pool"] == "home"
            assert httpx.codes.is_success((await running.chat("hello")).status_code)
