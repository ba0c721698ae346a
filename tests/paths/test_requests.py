"""A labelled request finds its way: whole gateways, real sockets, scripted model servers at home and in the cloud."""

import asyncio
import json

import pytest

from tests.fakes.house import house
from tests.fakes.model_server import ModelServer, completion, delta

RESIDENT_ID = "11010519491231002X"
SSN = "536-22-8723"
SENSITIVE = [
    f"请帮我核对身份证号{RESIDENT_ID}是否正确",
    f"My SSN is {SSN}, am I eligible?",
    "这份材料属于机密，请总结",
    "key: AKIAIOSFODNN7EXAMPLE and what now",
]


@pytest.fixture
async def servers():
    async with ModelServer() as home, ModelServer() as burst:
        yield home, burst


@pytest.fixture
async def gateway(tmp_path, servers):
    home, burst = servers
    async with house(tmp_path, {"home": home, "burst": burst}, limits={"home": 1}) as running:
        yield running


async def events(response) -> list:
    return [
        json.loads(line[6:]) if line != "data: [DONE]" else "[DONE]" async for line in response.aiter_lines() if line
    ]


async def test_a_harmless_question_is_answered_at_home_in_openais_shape(gateway, servers):
    home, burst = servers
    response = await gateway.chat("What is a tide?")
    assert response.status_code == 200
    answer = response.json()
    assert answer["choices"][0]["message"]["content"] == "Hello."
    assert answer["model"] == "chat"
    assert answer["id"].startswith("chatcmpl-")
    assert answer["id"] != "chatcmpl-upstream"
    assert not answer.get("system_fingerprint")
    assert answer["usage"]["total_tokens"] == 7
    headers = response.headers
    assert headers["content-type"] == "application/json"
    assert headers["x-request-id"].startswith("req_")
    assert int(headers["openai-processing-ms"]) >= 0
    assert headers["x-tidegate-decision"].startswith("dec_")
    assert (headers["x-tidegate-label"], headers["x-tidegate-route"], headers["x-tidegate-pool"]) == (
        "internal",
        "rest",
        "home",
    )
    received = home.requests[0]
    assert received.json["model"] == "served-model"
    assert received.json["cache_salt"]
    assert not burst.requests
    assert not any("tidegate" in name or gateway.key in value for name, value in received.headers.items())


async def test_a_tenant_that_may_not_see_decisions_sees_an_id_only(gateway):
    response = await gateway.client.post(
        "/v1/chat/completions",
        json={"model": "chat", "messages": [{"role": "user", "content": "hi"}]},
        headers={"authorization": f"Bearer {gateway.plain_key}"},
    )
    assert [name for name in response.headers if name.startswith("x-tidegate")] == ["x-tidegate-decision"]


@pytest.mark.parametrize("asked", [True, False])
async def test_a_stream_arrives_event_by_event_and_usage_only_if_asked_for(gateway, asked, servers):
    more = {"stream_options": {"include_usage": True}} if asked else {}
    body = {"model": "chat", "messages": [{"role": "user", "content": "hi"}], "stream": True, **more}
    async with gateway.client.stream("POST", "/v1/chat/completions", json=body, headers=gateway.headers()) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        got = await events(response)
    assert got[-1] == "[DONE]"
    chunks = got[:-1]
    assert "".join(c["choices"][0]["delta"].get("content", "") for c in chunks if c["choices"]) == "Hello."
    assert {chunk["model"] for chunk in chunks} == {"chat"}
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert chunks[0]["id"] != "chatcmpl-upstream"
    assert [bool(chunk.get("usage")) for chunk in chunks].count(True) == (1 if asked else 0)
    assert servers[0].requests[0].json["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("text", SENSITIVE)
@pytest.mark.parametrize("stream", [True, False])
async def test_sensitive_text_goes_home(gateway, servers, text, stream):
    home, burst = servers
    response = await gateway.chat(text, stream=stream)
    assert response.status_code == 200
    assert response.headers["x-tidegate-route"] == "keep-home"
    assert len(home.requests) == 1
    assert not burst.requests


@pytest.mark.parametrize("text", SENSITIVE)
async def test_sensitive_text_for_a_cloud_only_model_is_refused_and_not_sent(gateway, servers, text):
    response = await gateway.chat(text, model="chat-cloud")
    assert response.status_code == 403
    error = response.json()["error"]
    assert (error["code"], error["message"]) == ("denied_by_policy", "This model is in the cloud.")
    assert not servers[0].requests
    assert not servers[1].requests


async def test_a_full_house_spills_what_may_leave_and_queues_what_may_not(gateway, servers):
    home, burst = servers
    go_on = asyncio.Event()

    async def slow(peer):
        await go_on.wait()
        await peer.answer(200, completion("from home"))

    home.script = slow
    first = asyncio.create_task(gateway.chat("What is a tide?"))
    while not home.requests:  # noqa: ASYNC110
        await asyncio.sleep(0.002)
    harmless = await gateway.chat("What is a gate?", user="u-17", metadata={"ticket": "T1"}, seed=7)
    assert harmless.headers["x-tidegate-pool"] == "burst"
    sensitive = asyncio.create_task(gateway.chat(SENSITIVE[0]))
    await asyncio.sleep(0.05)
    assert not sensitive.done()
    go_on.set()
    assert (await sensitive).headers["x-tidegate-pool"] == "home"
    assert (await first).status_code == 200
    # What left is a projection: nothing that names the caller, the model as the cloud calls it.
    assert len(burst.requests) == 1
    left = burst.requests[0].json
    assert left["model"] == "served-model"
    assert left["store"] is False
    assert not {"user", "metadata", "cache_salt"} & set(left)
    assert RESIDENT_ID not in burst.requests[0].body.decode()


async def test_a_request_that_waits_too_long_is_told_when_to_come_back(tmp_path, servers):
    home, _ = servers

    async def never(peer):
        await peer.until_gone()

    home.script = never
    async with house(
        tmp_path, {"home": home, "home-b": home}, limits={"home": 1, "home-b": 1}, queue="100ms"
    ) as running:
        hold = [asyncio.create_task(running.chat(SENSITIVE[0])) for _ in range(2)]
        while len(home.requests) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.002)
        response = await running.chat(SENSITIVE[1])
        assert response.status_code == 503
        assert response.json()["error"]["code"] == "overloaded"
        assert int(response.headers["retry-after"]) >= 1
        for task in hold:
            task.cancel()


async def test_the_next_home_pool_is_tried_when_the_first_is_down_and_never_the_cloud_for_sensitive_work(
    tmp_path, servers
):
    home, burst = servers
    pools = {"home": "http://127.0.0.1:9", "home-b": home, "burst": burst}
    async with house(tmp_path, pools) as running:
        assert (await running.chat(SENSITIVE[0])).headers["x-tidegate-pool"] == "home-b"
    async with house(tmp_path / "2", {"home": "http://127.0.0.1:9", "burst": burst}) as running:
        response = await running.chat(SENSITIVE[0])
        assert response.status_code == 503
        assert response.json()["error"]["code"] == "unavailable"
        assert (await running.chat("harmless")).headers["x-tidegate-pool"] == "burst"
    assert len(burst.requests) == 1


async def test_an_unknown_field_is_passed_on_at_home_and_keeps_the_request_there(gateway, servers):
    home, burst = servers
    response = await gateway.chat("hi", model="chat", x_new_field={"a": 1})
    assert response.headers["x-tidegate-label"] == "restricted"
    assert home.requests[0].json["x_new_field"] == {"a": 1}
    assert (await gateway.chat("hi", model="chat-cloud", x_new_field=1)).status_code == 403
    assert not burst.requests


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_stops_the_model_server(gateway, servers, stream):
    home, _ = servers

    async def silent(peer):
        if stream:
            await peer.open_stream()
            await peer.event(delta("", role="assistant"))
        await peer.until_gone()

    home.script = silent
    task = asyncio.create_task(gateway.chat("hi", stream=stream))
    while not home.requests:  # noqa: ASYNC110
        await asyncio.sleep(0.002)
    task.cancel()
    await asyncio.wait_for(home.requests[0].gone.wait(), 0.25)
    await gateway.settled()


async def test_a_client_that_leaves_the_queue_frees_its_turn(gateway, servers):
    home, _ = servers
    go_on = asyncio.Event()

    async def slow(peer):
        await go_on.wait()
        await peer.answer(200, completion())

    home.script = slow
    first = asyncio.create_task(gateway.chat(SENSITIVE[0]))
    while not home.requests:  # noqa: ASYNC110
        await asyncio.sleep(0.002)
    leaver = asyncio.create_task(gateway.chat(SENSITIVE[1], model="chat-home"))
    await asyncio.sleep(0.05)
    leaver.cancel()
    last = asyncio.create_task(gateway.chat(SENSITIVE[1], model="chat-home"))
    await asyncio.sleep(0.05)
    go_on.set()
    assert (await first).status_code == 200
    assert (await last).status_code == 200
    assert len(home.requests) == 2


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        (b"", 400, None, None),
        (b"{", 400, None, None),
        (b'{"model": "chat"}', 400, "missing_required_parameter", "messages"),
        (b'{"messages": [{"role": "user", "content": "x"}]}', 400, "missing_required_parameter", "model"),
        (b'{"model": "nope", "messages": [{"role": "user", "content": "x"}]}', 404, "model_not_found", "model"),
        (b'{"model": "chat", "messages": "x"}', 400, "invalid_type", "messages"),
        (b'{"model": "chat", "messages": [{"role": "user", "content": "\xff"}]}', 400, None, None),
        (b"[" * 200 + b"]" * 200, 400, None, None),
        (b'{"model": "chat", "messages": [{"role": "user", "content": "x"}], "n": NaN}', 400, None, None),
    ],
)
async def test_bad_input_is_a_clear_4xx_and_reaches_nobody(gateway, servers, body, status, code, param):
    headers = {**gateway.headers(), "content-type": "application/json"}
    response = await gateway.client.post("/v1/chat/completions", content=body, headers=headers)
    error = response.json()["error"]
    assert response.status_code == status
    assert set(error) == {"message", "type", "param", "code"}
    if code is not None:
        assert (error["code"], error["param"]) == (code, param)
    assert response.headers["x-tidegate-decision"]
    assert not servers[0].requests
    assert not servers[1].requests


@pytest.mark.parametrize(
    "authorization", [None, "Bearer sk-tg-wrong-wrong-wrong-wrong-wrong", "Basic eDp5", "Bearer x"]
)
async def test_nobody_gets_in_without_a_key(gateway, servers, authorization):
    headers = {"authorization": authorization} if authorization else {}
    for method, path in [("POST", "/v1/chat/completions"), ("GET", "/v1/models"), ("GET", "/v1/models/chat")]:
        response = await gateway.client.request(
            method, path, headers=headers, json={"model": "chat"} if method == "POST" else None
        )
        assert response.status_code == 401
        assert response.json()["error"]["code"] == "invalid_api_key"
    assert not servers[0].requests


async def test_models_are_the_aliases(gateway):
    listed = (await gateway.client.get("/v1/models", headers=gateway.headers())).json()
    assert listed["object"] == "list"
    assert [model["id"] for model in listed["data"]] == ["chat", "chat-home", "chat-cloud"]
    one = await gateway.client.get("/v1/models/chat-home", headers=gateway.headers())
    assert (one.json()["id"], one.json()["object"]) == ("chat-home", "model")
    missing = await gateway.client.get("/v1/models/served-model", headers=gateway.headers())
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "model_not_found")


async def test_embeddings_and_completions_travel_the_same_way(gateway, servers):
    home, _ = servers

    async def answer(peer):
        if "embeddings" in peer.received.start_line:
            body = {
                "object": "list",
                "model": "served-model",
                "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 1.0]}],
                "usage": {"prompt_tokens": 3, "total_tokens": 3},
            }
        else:
            body = {
                "id": "cmpl-upstream",
                "object": "text_completion",
                "created": 1,
                "model": "served-model",
                "choices": [{"index": 0, "text": " done", "finish_reason": "stop", "logprobs": None}],
            }
        await peer.answer(200, json.dumps(body).encode())

    home.script = answer
    embedded = await gateway.client.post(
        "/v1/embeddings", json={"model": "chat", "input": ["a", f"卡号 {RESIDENT_ID}"]}, headers=gateway.headers()
    )
    assert embedded.json()["data"][0]["embedding"] == [0.5, 1.0]
    assert embedded.json()["model"] == "chat"
    assert embedded.headers["x-tidegate-label"] == "restricted"
    completed = await gateway.client.post(
        "/v1/completions", json={"model": "chat", "prompt": "Once"}, headers=gateway.headers()
    )
    assert completed.json()["choices"][0]["text"] == " done"
    assert completed.json()["id"].startswith("cmpl-")
