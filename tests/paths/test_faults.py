"""Every way in which a model server can fail, streamed and not: what the client gets, and that it is never a lie.

The rules are resilience.md's: before content another place is tried; after content a fault is an error event and no
`[DONE]`; nothing left to try is the upstream's own word, at once, with its Retry-After.
"""

import asyncio
import json

import pytest

from tests.fakes.house import house
from tests.fakes.model_server import USAGE, ModelServer, chat, completion, delta

SHORT = "{connect: 1s, first_content: 400ms, idle: 400ms, total: 20s}"


def answers(status, body, *headers, content_type="application/json"):
    async def script(peer):
        await peer.answer(status, body, *headers, content_type=content_type)

    return script


async def close_at_once(peer):
    peer.close()


async def reset_at_once(peer):
    peer.reset()


async def not_http(peer):
    await peer.send(b"what?\r\n\r\n")
    peer.close()


async def silence(peer):
    await peer.until_gone()


async def role_then_silence(peer):
    await peer.open_stream()
    await peer.event(delta("", role="assistant"))
    await peer.until_gone()


async def role_then_error(peer):
    await peer.open_stream()
    await peer.event(delta("", role="assistant"))
    await peer.event({"error": {"message": "EngineCore encountered an issue.", "type": "x", "code": 500}})
    await peer.event("[DONE]")
    await peer.end_stream()


async def role_then_end(peer):
    await peer.open_stream()
    await peer.event(delta("", role="assistant"))
    await peer.end_stream()


async def done_without_anything(peer):
    await peer.open_stream()
    await peer.event("[DONE]")
    await peer.end_stream()


async def nonsense_event(peer):
    await peer.open_stream()
    await peer.chunk(b"data: {nonsense\n\n")
    await peer.end_stream()


ERROR = json.dumps(
    {"error": {"message": "Traceback (most recent call last): secret", "type": "x", "code": 500}}
).encode()

# What fails before any content, so that another place may be tried.
BEFORE = {
    "connection closed": (close_at_once, None),
    "reset": (reset_at_once, None),
    "not HTTP": (not_http, None),
    "500": (answers(500, ERROR), None),
    "500 in HTML": (answers(500, b"<html>", content_type="text/html"), None),
    "401 of the model server": (answers(401, b'{"error":"Unauthorized"}'), None),
    "429": (answers(429, b"{}", "retry-after: 7"), None),
    "503": (answers(503, b"{}", "retry-after: 7"), None),
    "200 that is HTML": (answers(200, b"<html>", content_type="text/html"), None),
    "redirect": (answers(302, b"", "location: http://127.0.0.1:1/"), None),
    "compressed although not asked": (answers(200, b"x", "content-encoding: gzip"), None),
    "silence": (silence, True),
    "role, then silence": (role_then_silence, True),
    "role, then an error and [DONE]": (role_then_error, True),
    "role, then the end": (role_then_end, True),
    "[DONE] without anything": (done_without_anything, True),
    "an event that is no JSON": (nonsense_event, True),
    "an error in a 200": (answers(200, ERROR), False),
    "JSON that is no answer": (answers(200, b"[]"), False),
}


def both(faults):
    return [
        pytest.param(script, stream, id=f"{name}, {'streamed' if stream else 'whole'}")
        for name, (script, only) in faults.items()
        for stream in ((True, False) if only is None else (only,))
    ]


@pytest.mark.parametrize(("fault", "stream"), both(BEFORE))
async def test_before_content_the_next_home_pool_answers_and_nothing_of_the_first_is_seen(tmp_path, fault, stream):
    async with ModelServer() as broken, ModelServer() as sound, ModelServer() as burst:
        broken.script = fault
        async with house(tmp_path, {"home": broken, "home-b": sound, "burst": burst}, timeouts=SHORT) as running:
            response = await running.chat("My SSN is 536-22-8723", stream=stream)
            assert response.status_code == 200
            assert "Hel" in response.text
            assert ("[DONE]" in response.text) is stream
            assert response.headers["x-tidegate-pool"] == "home-b"
            assert len(broken.requests) == 1
            assert not burst.requests


@pytest.mark.parametrize(("fault", "stream"), both(BEFORE))
async def test_with_nothing_left_to_try_the_client_gets_a_plain_error_in_openais_shape(tmp_path, fault, stream):
    async with ModelServer() as broken, ModelServer() as burst:
        broken.script = fault
        async with house(tmp_path, {"home": broken, "burst": burst}, timeouts=SHORT) as running:
            response = await running.chat("My SSN is 536-22-8723", stream=stream, model="chat-home")
            assert response.status_code in (502, 503, 504)
            error = response.json()["error"]
            assert set(error) == {"message", "type", "param", "code"}
            assert "Traceback" not in response.text
            assert "secret" not in response.text
            assert not burst.requests


async def test_a_busy_model_servers_retry_after_reaches_the_client(tmp_path):
    async with ModelServer() as busy:
        busy.script = answers(429, b'{"error": {"message": "slow down", "code": 429}}', "retry-after: 7")
        async with house(tmp_path, {"home": busy}) as running:
            response = await running.chat("hi", model="chat-home")
            assert (response.status_code, response.headers["retry-after"]) == (503, "7")


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_request_that_the_model_server_rejects_is_told_so_and_not_tried_elsewhere(tmp_path, status):
    async with ModelServer() as strict, ModelServer() as other:
        body = json.dumps({"error": {"message": "top_p must be in (0, 1].", "type": "BadRequestError", "code": status}})
        strict.script = answers(status, body.encode())
        async with house(tmp_path, {"home": strict, "home-b": other}) as running:
            response = await running.chat("hi", top_p=9)
            assert response.status_code == status
            assert response.json()["error"]["message"] == "top_p must be in (0, 1]."
            assert not other.requests


async def two_words(peer):
    await peer.open_stream()
    await peer.event(delta("", role="assistant"))
    await peer.event(delta("Hel"))
    await peer.event(delta("lo"))


async def then_close(peer):
    await two_words(peer)
    peer.close()


async def then_reset(peer):
    await two_words(peer)
    await asyncio.sleep(0.02)
    peer.reset()


async def then_end(peer):
    await two_words(peer)
    await peer.end_stream()


async def then_half_an_event(peer):
    await two_words(peer)
    await peer.chunk(b'data: {"id": "chatcmpl-upstr')
    await peer.end_stream()


async def then_error_and_done(peer):
    await two_words(peer)
    await peer.event({"error": {"message": "EngineCore encountered an issue.", "type": "x", "code": 500}})
    await peer.event("[DONE]")
    await peer.end_stream()


async def then_done_without_finish(peer):
    await two_words(peer)
    await peer.event(USAGE)
    await peer.event("[DONE]")
    await peer.end_stream()


async def then_stall(peer):
    await two_words(peer)
    await peer.until_gone()


async def then_bad_chunk(peer):
    await two_words(peer)
    await asyncio.sleep(0.05)
    await peer.send(b"zz\r\n")
    await peer.until_gone()


async def then_nonsense(peer):
    await two_words(peer)
    await peer.chunk(b"data: <html>\n\n")
    await peer.end_stream()


async def then_endless_line(peer):
    await two_words(peer)
    await peer.chunk(b"data: " + b"x" * (1 << 20))
    await peer.chunk(b"x" * (1 << 20))
    await peer.until_gone()


AFTER = [
    then_close,
    then_reset,
    then_end,
    then_half_an_event,
    then_error_and_done,
    then_done_without_finish,
    then_stall,
    then_bad_chunk,
    then_nonsense,
    then_endless_line,
]


@pytest.mark.parametrize("fault", AFTER)
async def test_after_content_a_fault_is_an_error_event_and_the_answer_is_never_called_complete(tmp_path, fault):
    async with ModelServer() as broken, ModelServer() as other:
        broken.script = fault
        async with house(tmp_path, {"home": broken, "home-b": other}, timeouts=SHORT) as running:
            response = await running.chat("hi", stream=True)
            assert response.status_code == 200
            lines = [line[6:] for line in response.text.splitlines() if line.startswith("data: ")]
            last = json.loads(lines[-1])
            assert set(last) == {"error"}
            assert last["error"]["message"]
            chunks = [json.loads(line) for line in lines[:-1]]
            assert (
                "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks if chunk["choices"])
                == "Hello"
            )
            assert not any(choice["finish_reason"] for chunk in chunks for choice in chunk["choices"])
            assert "[DONE]" not in response.text
            assert not other.requests
            broken.script = chat
            assert (await running.chat("again")).status_code == 200


async def half_a_body(peer):
    await peer.send(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n" + completion()[:200]
    )
    peer.close()


async def half_a_body_then_stall(peer):
    await peer.send(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n" + completion()[:200]
    )
    await peer.until_gone()


@pytest.mark.parametrize("fault", [half_a_body, half_a_body_then_stall, answers(200, completion(finish=None))])
async def test_a_whole_answer_that_breaks_off_is_an_error(tmp_path, fault):
    async with ModelServer() as broken:
        broken.script = fault
        async with house(tmp_path, {"home": broken}, timeouts=SHORT) as running:
            response = await running.chat("hi", model="chat-home")
            assert response.status_code in (502, 504)
            assert response.json()["error"]["type"] == "server_error"


async def test_an_idle_connection_that_the_model_server_closed_costs_no_failed_request(tmp_path):
    async with ModelServer() as server:

        async def answer_and_hang_up_on_the_second(peer):
            if len(server.requests) == 2:
                peer.close()
            else:
                await chat(peer)

        server.script = answer_and_hang_up_on_the_second
        async with house(tmp_path, {"home": server}) as running:
            assert (await running.chat("one", model="chat-home")).status_code == 200
            assert (await running.chat("two", model="chat-home")).status_code == 200
            assert len(server.requests) == 3


async def test_one_clients_answer_never_contains_another_ones(tmp_path):
    async with ModelServer() as server:

        async def echo(peer):
            text = peer.received.json["messages"][0]["content"]
            body = completion(f"you said {text}")
            if "odd" in text:
                # A surplus answer that must reach nobody.
                await peer.answer(200, body)
                await peer.answer(200, completion("a stolen answer"))
            else:
                await peer.answer(200, body)

        server.script = echo
        async with house(tmp_path, {"home": server}, limits={"home": 8}) as running:

            async def one(number: int) -> None:
                text = f"{'odd' if number % 3 == 0 else 'even'} {number}"
                response = await running.chat(text, model="chat-home")
                if response.status_code == 200:
                    assert response.json()["choices"][0]["message"]["content"] == f"you said {text}"

            await asyncio.gather(*(one(number) for number in range(60)))


async def head_then_nothing(peer):
    await peer.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n")
    await peer.until_gone()


async def error_head_then_nothing(peer):
    await peer.send(b"HTTP/1.1 500 X\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n")
    await peer.until_gone()


async def endless_error(peer):
    await peer.send(b"HTTP/1.1 500 X\r\ncontent-type: text/plain\r\ncontent-length: 50000000\r\n\r\n")
    while not peer.received.gone.is_set():
        await peer.send(b"x" * 30_000)
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("fault", [head_then_nothing, error_head_then_nothing, endless_error])
async def test_a_head_that_leads_nowhere_gives_its_place_back(tmp_path, fault):
    async with ModelServer() as broken, ModelServer() as sound:
        broken.script = fault
        async with house(tmp_path, {"home": broken, "home-b": sound}, timeouts=SHORT) as running:
            response = await running.chat("hi")
            assert response.headers["x-tidegate-pool"] == "home-b"
            assert running.worker._admission.load()["home"].in_flight == 0


async def test_a_pools_total_deadline_ends_an_unstreamed_wait(tmp_path):
    async with ModelServer() as silent:
        silent.script = silence
        timeouts = "{connect: 1s, first_content: 400ms, idle: 400ms, total: 1s}"
        async with house(tmp_path, {"home": silent}, timeouts=timeouts) as running:
            response = await running.chat("hi", model="chat-home")
            assert (response.status_code, response.json()["error"]["code"]) == (504, "upstream_timeout")


async def test_a_fault_of_our_own_is_a_plain_500_and_leaks_nothing(tmp_path, monkeypatch):
    def broken(*_):
        raise RuntimeError("canary: the text of an exception")

    async with ModelServer() as server, house(tmp_path, {"home": server}) as running:
        monkeypatch.setattr("gateway.pipeline.strip_control_tokens", broken)
        response = await running.chat("hi")
        assert (response.status_code, response.json()["error"]["code"]) == (500, "internal_error")
        assert "canary" not in response.text
        monkeypatch.undo()
        assert (await running.chat("hi")).status_code == 200
        assert running.worker._audit._reserved == 0
