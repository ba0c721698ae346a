"""The time that a client gives its request: who says it, what it ends, and whose fault that is."""

import asyncio
import time

import httpx
import openai
import pytest

from gateway.core.controls import SetBurst
from tests.fakes.house import POLICY, house
from tests.fakes.model_server import ModelServer, chat, delta
from tests.paths.test_mirror import records
from tests.paths.test_overrides import order

OWN = "x-tidegate-timeout"
LATE_S = 1.0
"""How late an answer may be here: a tick of a quarter of a second, and a machine that others use."""


async def ask(gateway, headers: dict[str, str], *, stream: bool = False, model: str = "chat") -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}], "stream": stream}
    return await gateway.client.post("/v1/chat/completions", json=body, headers={**gateway.headers(), **headers})


async def silent(peer):
    await peer.until_gone()


def is_overdue(answer: httpx.Response) -> bool:
    return (answer.status_code, answer.json()["error"]["code"]) == (504, "deadline_exceeded")


@pytest.mark.parametrize("header", [OWN, "x-stainless-read-timeout", "x-stainless-timeout"])
async def test_a_model_server_that_is_silent_is_left_at_the_clients_deadline(tmp_path, header):
    async with ModelServer() as home, house(tmp_path, {"home": home, "home-b": home}) as gateway:
        home.script = silent
        began = time.monotonic()
        answer = await ask(gateway, {header: "0.3"})
        assert is_overdue(answer)
        assert 0.3 <= time.monotonic() - began < 0.3 + LATE_S
        await asyncio.wait_for(home.requests[0].gone.wait(), LATE_S)
        assert len(home.requests) == 1
        # A client that gives no time must not take a server out of service for all others.
        await asyncio.gather(*(ask(gateway, {header: "0.01"}) for _ in range(8)))
        home.script = chat
        assert (await ask(gateway, {})).status_code == 200
    assert {one["ending"] for one in records(gateway, "outcome")} == {"deadline", "completed"}


async def test_a_request_in_the_queue_is_let_go_at_its_deadline(tmp_path):
    async with ModelServer() as home, house(tmp_path, {"home": home}, limits={"home": 1}) as gateway:
        home.script = silent
        first = asyncio.create_task(ask(gateway, {}, model="chat-home"))
        while not home.requests:  # noqa: ASYNC110 -- the server's own record
            await asyncio.sleep(0.005)
        began = time.monotonic()
        assert is_overdue(await ask(gateway, {OWN: "0.3"}, model="chat-home"))
        assert time.monotonic() - began < 0.3 + LATE_S
        assert len(home.requests) == 1
        first.cancel()


async def test_a_connection_that_does_not_come_about_is_given_up_at_the_deadline(tmp_path):
    # An address of the documentation's, which answers nobody: no connection, and no refusal either.
    policy = POLICY.replace("[127.0.0.0/8, unix]", "[127.0.0.0/8, 192.0.2.0/24]")
    pools = {"home": "http://192.0.2.1:9", "home-b": "http://192.0.2.1:9"}
    timeouts = "{connect: 20s, first_content: 5s, idle: 5s, total: 30s}"
    async with house(tmp_path, pools, policy=policy, timeouts=timeouts) as gateway:
        began = time.monotonic()
        answer = await ask(gateway, {OWN: "0.3"}, model="chat-home")
        assert answer.status_code in (502, 503, 504)  # a machine without a route says so at once
        assert time.monotonic() - began < 0.3 + LATE_S


async def test_a_stream_ends_with_an_error_event_at_its_deadline_and_with_no_done(tmp_path):
    async def begins(peer):
        await peer.open_stream()
        await peer.event(delta("Once"))
        await peer.until_gone()

    async with ModelServer() as home, house(tmp_path, {"home": home}) as gateway:
        home.script = begins
        answer = await ask(gateway, {OWN: "0.3"}, stream=True)
        assert answer.status_code == 200
        assert "Once" in answer.text
        assert "deadline_exceeded" in answer.text
        assert "[DONE]" not in answer.text


async def test_what_openais_libraries_say_of_silence_does_not_end_a_stream(tmp_path):
    async def long(peer):
        await peer.open_stream()
        for word in ("Once", " upon", " a", " time"):
            await peer.event(delta(word))
            await asyncio.sleep(0.2)
        await peer.event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        await peer.event("[DONE]")
        await peer.end_stream()

    async with ModelServer() as home, house(tmp_path, {"home": home}) as gateway:
        home.script = long
        answer = await ask(gateway, {"x-stainless-read-timeout": "0.3"}, stream=True)
        assert "[DONE]" in answer.text


@pytest.mark.parametrize("value", ["0", "-1", "soon", "", "1e3", "0.0"])
async def test_a_time_that_is_none_is_told(tmp_path, value):
    async with ModelServer() as home, house(tmp_path, {"home": home}) as gateway:
        answer = await ask(gateway, {OWN: value})
        assert answer.status_code == 400
        assert OWN in answer.json()["error"]["message"]
        assert not home.requests
        # What a library says that we do not understand is its own affair.
        assert (await ask(gateway, {"x-stainless-read-timeout": value})).status_code == 200


async def test_a_pool_at_home_is_told_what_is_left_and_the_cloud_is_not(tmp_path):
    async with (
        ModelServer() as home,
        ModelServer() as burst,
        house(tmp_path, {"home": home, "burst": burst}) as gateway,
    ):
        await ask(gateway, {OWN: "20"})
        await ask(gateway, {})
        # Longer than the pool itself waits: nothing that it would not know.
        await ask(gateway, {OWN: "9999"})
        await order(gateway, SetBurst(1.0))
        await ask(gateway, {OWN: "20"})
        told = [one.headers.get(OWN) for one in home.requests]
        assert 18 < float(told[0] or 0) <= 20
        assert told[1:] == [None, None]
        assert [one.headers.get(OWN) for one in burst.requests] == [None]


async def test_openais_own_library_is_understood(tmp_path):
    async with ModelServer() as home, house(tmp_path, {"home": home, "home-b": home}) as gateway:
        home.script = silent
        client = openai.AsyncOpenAI(
            base_url=f"http://127.0.0.1:{gateway.port}/v1", api_key=gateway.key, max_retries=0, timeout=0.4
        )
        async with client:
            with pytest.raises((openai.APITimeoutError, openai.InternalServerError)):
                await client.chat.completions.create(model="chat", messages=[{"role": "user", "content": "Hello"}])
        await gateway.settled()
        assert len(home.requests) == 1
    assert {one["ending"] for one in records(gateway, "outcome")} <= {"deadline", "client_gone"}
