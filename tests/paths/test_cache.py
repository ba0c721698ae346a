"""Answers that are given again: whole gateways, real sockets, scripted model servers."""

import asyncio
import gc
import json
from collections import Counter
from dataclasses import replace

import pytest

from gateway.core.audit_record import read
from gateway.core.controls import SetBurst
from gateway.core.labels import Label
from gateway.core.records import Cached, Outcome, Usage
from gateway.runtime import reply_cache
from gateway.runtime.flights import Flight
from tests.fakes.house import POLICY, house
from tests.fakes.model_server import ModelServer, completion, delta
from tests.paths.test_freed import OURS
from tests.paths.test_overrides import order

CACHED = POLICY.replace(
    "routes:\n", "cache: {public: 1h, internal: 10m, confidential: 1m, restricted: never}\nroutes:\n"
)
SAME = {"temperature": 0}
HELLO = "Hello"


def numbered():
    """Answers that can be told apart."""
    count = 0

    async def script(peer):
        nonlocal count
        count += 1
        await peer.answer(200, completion(f"Answer {count}."))

    return script


def streaming(*pieces, usage=True):
    async def script(peer):
        await peer.open_stream()
        for piece in pieces:
            await peer.event(delta(piece))
        await peer.event(delta(finish="stop"))
        if usage:
            await peer.event({"id": "x", "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}})
        await peer.event("[DONE]")
        await peer.end_stream()

    return script


def sees_the_cache(config):
    tenants = config / "tenants.yaml"
    tenants.write_text(tenants.read_text().replace("sees: [label, route, pool]", "sees: [label, route, pool, cache]"))


def caching(tmp_path, servers, **options):
    home, burst = servers
    options = {"policy": CACHED, "gateway": "cache: {}\n", "rewrite": sees_the_cache} | options
    return house(tmp_path, {"home": home, "burst": burst}, **options)


@pytest.fixture
async def servers():
    async with ModelServer() as home, ModelServer() as burst:
        home.script = numbered()
        yield home, burst


def said(response):
    assert response.status_code == 200, response.text
    return response.json()["choices"][0]["message"]["content"]


def outcomes(gateway):
    found = []
    for path in sorted((gateway.state / "audit").glob("*.jsonl")):
        found += [entry for line in path.read_bytes().splitlines() if isinstance(entry := read(line), Outcome)]
    return found


async def test_the_same_question_is_answered_once_and_from_then_on_here(tmp_path, servers):
    home, _ = servers
    async with caching(tmp_path, servers) as gateway:
        first = await gateway.chat(HELLO, **SAME)
        again = await gateway.chat(HELLO, **SAME)
        assert (said(first), said(again)) == ("Answer 1.", "Answer 1.")
        assert len(home.requests) == 1
        assert (first.headers["x-tidegate-cache"], again.headers["x-tidegate-cache"]) == ("miss", "hit")
        assert "age" not in first.headers
        assert again.headers["age"] == "0"


async def test_a_repeated_answer_has_an_id_of_its_own_and_is_the_same_otherwise(tmp_path, servers):
    async with caching(tmp_path, servers) as gateway:
        first = (await gateway.chat(HELLO, **SAME)).json()
        response = await gateway.chat(HELLO, **SAME)
        again = response.json()
        assert again["id"] == "chatcmpl-" + response.headers["x-request-id"].removeprefix("req_") != first["id"]
        assert {**again, "id": ""} == {**first, "id": ""}


async def test_the_order_of_fields_is_no_difference_and_anything_else_is_one(tmp_path, servers):
    home, _ = servers
    async with caching(tmp_path, servers) as gateway:
        await gateway.chat(HELLO, **SAME, seed=1, user="a")
        await gateway.chat(HELLO, user="a", seed=1, **SAME)
        assert len(home.requests) == 1
        for more in ({"seed": 2, "user": "a"}, {"seed": 1}, {"seed": 1, "user": "a", "stop": "x"}):
            await gateway.chat(HELLO, **SAME, **more)
        await gateway.chat("Hello.", **SAME, seed=1, user="a")
        await gateway.chat(HELLO, **SAME, seed=1, user="a", model="chat-home")
        assert len(home.requests) == 6


async def test_another_tenant_has_answers_of_its_own(tmp_path, servers):
    async with caching(tmp_path, servers) as gateway:
        await gateway.chat(HELLO, **SAME)
        body = {"model": "chat", "messages": [{"role": "user", "content": HELLO}], "stream": False, **SAME}
        headers = {"authorization": f"Bearer {gateway.plain_key}"}
        answers = [await gateway.client.post("/v1/chat/completions", json=body, headers=headers) for _ in range(2)]
        assert [said(one) for one in answers] == ["Answer 2.", "Answer 2."]
        assert not {"x-tidegate-cache", "age"} & set(answers[1].headers)  # may not see it


async def test_a_stream_is_replayed_as_a_stream_with_its_usage_and_its_end(tmp_path, servers):
    home, _ = servers
    home.script = streaming("Once ", "upon ", "a time.")
    async with caching(tmp_path, servers) as gateway:
        more = {"stream_options": {"include_usage": True}, **SAME}
        first = await gateway.chat(HELLO, stream=True, **more)
        again = await gateway.chat(HELLO, stream=True, **more)
        assert len(home.requests) == 1
        assert again.headers["content-type"] == first.headers["content-type"]
        assert again.headers["x-tidegate-cache"] == "hit"
        ids = [response.headers["x-request-id"].removeprefix("req_") for response in (first, again)]
        assert again.text == first.text.replace(ids[0], ids[1])
        assert again.text.count(ids[1]) == again.text.count('"id"') > 3
        assert '"prompt_tokens":7' in again.text.replace(" ", "")
        assert again.text.endswith("data: [DONE]\n\n")
        # Who did not ask for usage gets an answer without it, and so does a whole one.
        assert "usage" not in (await gateway.chat(HELLO, stream=True, **SAME)).text
        home.script = numbered()
        assert said(await gateway.chat(HELLO, **SAME)) == "Answer 1."


async def test_embeddings_are_always_the_same(tmp_path, servers):
    home, _ = servers

    async def embed(peer):
        data = [{"object": "embedding", "index": 0, "embedding": [0.5]}]
        await peer.answer(200, json.dumps({"object": "list", "data": data, "model": "m"}).encode())

    home.script = embed
    async with caching(tmp_path, servers) as gateway:
        body = {"model": "chat", "input": "Hello"}
        first, again = [
            await gateway.client.post("/v1/embeddings", json=body, headers=gateway.headers()) for _ in range(2)
        ]
        assert first.json() == again.json()
        assert (len(home.requests), again.headers["x-tidegate-cache"]) == (1, "hit")


@pytest.mark.parametrize(
    ("more", "headers"),
    [
        ({}, {}),
        ({"temperature": 0.7}, {}),
        ({"temperature": 0, "tools": [{"type": "function", "function": {"name": "pay"}}]}, {}),
        ({"temperature": 0}, {"cache-control": "no-store"}),
    ],
)
async def test_what_may_differ_or_act_or_is_not_wanted_is_not_stored(tmp_path, servers, more, headers):
    home, _ = servers
    async with caching(tmp_path, servers) as gateway:
        for _ in range(2):
            body = {"model": "chat", "messages": [{"role": "user", "content": HELLO}], **more}
            response = await gateway.client.post(
                "/v1/chat/completions", json=body, headers={**gateway.headers(), **headers}
            )
            assert response.headers["x-tidegate-cache"] == "bypass"
        assert len(home.requests) == 2


async def until(holds):
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 -- the gateway's own count
            await asyncio.sleep(0.002)


async def ask(gateway, control, **more):
    body = {"model": "chat", "messages": [{"role": "user", "content": HELLO}], **more}
    headers = gateway.headers() | ({"cache-control": control} if control else {})
    return await gateway.client.post("/v1/chat/completions", json=body, headers=headers)


async def test_a_client_has_what_it_says(tmp_path, servers):
    home, _ = servers
    async with caching(tmp_path, servers) as gateway:
        missing = await ask(gateway, "only-if-cached", **SAME)
        assert (missing.status_code, missing.json()["error"]["code"]) == (504, "not_cached")
        assert (await ask(gateway, "only-if-cached", **SAME, stop="536-90-4399")).status_code == 504  # never stored
        assert home.requests == []
        assert said(await ask(gateway, "", **SAME)) == "Answer 1."
        assert said(await ask(gateway, "only-if-cached", **SAME)) == "Answer 1."
        assert said(await ask(gateway, "no-cache", **SAME)) == "Answer 2."  # made anew, and stored
        assert said(await ask(gateway, "", **SAME)) == "Answer 2."
        assert said(await ask(gateway, "max-age=0", **SAME)) == "Answer 3."
        assert said(await ask(gateway, "max-age=60", **SAME)) == "Answer 3."
        assert said(await ask(gateway, "min-fresh=3600", **SAME)) == "Answer 4."
        assert said(await ask(gateway, "no-store", **SAME)) == "Answer 5."
        assert said(await ask(gateway, "", **SAME)) == "Answer 4."
        # Who says that an old answer will do has one, whatever the temperature.
        assert said(await ask(gateway, "max-age=60", temperature=0.9)) == "Answer 6."
        assert said(await ask(gateway, "max-age=60", temperature=0.9)) == "Answer 6."
        assert said(await ask(gateway, "", temperature=0.9)) == "Answer 7."


async def test_the_policy_says_what_is_stored_and_for_how_long(tmp_path, servers):
    home, _ = servers
    async with caching(tmp_path, servers) as gateway:
        for text in ("My card is 4111 1111 1111 1111.", HELLO):
            for _ in range(2):
                await gateway.chat(text, **SAME)
        assert len(home.requests) == 3  # what is restricted was asked twice
    async with caching(tmp_path / "b", servers, policy=POLICY) as gateway:
        for _ in range(2):
            assert (await gateway.chat(HELLO, **SAME)).headers["x-tidegate-cache"] == "bypass"
    async with caching(tmp_path / "c", servers, gateway="") as gateway:
        for _ in range(2):
            assert "x-tidegate-cache" not in (await gateway.chat(HELLO, **SAME)).headers


async def broken_off(peer):
    await peer.open_stream()
    await peer.event(delta("Half of"))
    await peer.end_stream()


async def without_finish(peer):
    await peer.answer(
        200, json.dumps({"id": "x", "choices": [{"index": 0, "message": {"content": "Half of"}}]}).encode()
    )


async def failing(peer):
    await peer.answer(500, b"{}")


async def error_event(peer):
    await peer.open_stream()
    await peer.event(delta("Half of"))
    await peer.event({"error": {"message": "no", "code": 500}})
    await peer.end_stream()


@pytest.mark.parametrize(
    ("script", "stream"), [(broken_off, True), (error_event, True), (without_finish, False), (failing, False)]
)
async def test_only_what_came_to_its_end_is_stored(tmp_path, servers, script, stream):
    home, _ = servers
    home.script = script
    async with caching(
        tmp_path, servers, policy=CACHED.replace(", home-b]", "]").replace("spill: [burst], ", "")
    ) as gateway:
        await gateway.chat(HELLO, stream=stream, **SAME)
        gateway.forget_faults()
        home.script = streaming("Whole.") if stream else numbered()
        answer = await gateway.chat(HELLO, stream=stream, **SAME)
        assert answer.headers["x-tidegate-cache"] == "miss"
        assert "Half" not in answer.text
        assert answer.status_code == 200


async def test_what_is_too_large_is_not_stored(tmp_path, servers):
    home, _ = servers

    async def script(peer):
        await peer.answer(200, completion("x" * 2_000))

    home.script = script
    async with caching(tmp_path, servers, gateway="cache: {largest: 1KiB}\n") as gateway:
        for _ in range(2):
            assert len(said(await gateway.chat(HELLO, **SAME))) == 2_000
        assert len(home.requests) == 2


@pytest.mark.parametrize("stream", [False, True])
async def test_many_who_ask_the_same_at_once_are_one_question(tmp_path, servers, stream):
    home, _ = servers
    go = asyncio.Event()
    made = streaming("Once.") if stream else numbered()

    async def script(peer):
        await go.wait()
        await made(peer)

    home.script = script
    async with caching(tmp_path, servers) as gateway:
        asking = [asyncio.create_task(gateway.chat(HELLO, stream=stream, **SAME)) for _ in range(20)]
        await until(lambda: gateway.worker._cache.waiting == 19)
        go.set()
        answers = await asyncio.gather(*asking)
        assert len(home.requests) == 1
        assert sorted(answer.headers["x-tidegate-cache"] for answer in answers) == ["hit"] * 19 + ["miss"]
        assert len({answer.headers["x-request-id"] for answer in answers}) == 20
        assert gateway.worker._cache.waiting == 0
        assert not gateway.worker._cache._flights


async def test_one_who_leads_and_leaves_holds_nobody_up(tmp_path, servers):
    home, _ = servers
    go, arrived = asyncio.Event(), asyncio.Event()

    async def script(peer):
        arrived.set()
        await go.wait()
        await peer.answer(200, completion("Late."))

    home.script = script
    async with caching(tmp_path, servers) as gateway:
        leader = asyncio.create_task(gateway.chat(HELLO, **SAME))
        await arrived.wait()
        others = [asyncio.create_task(gateway.chat(HELLO, **SAME)) for _ in range(5)]
        await until(lambda: gateway.worker._cache.waiting == 5)
        arrived.clear()
        leader.cancel()
        await arrived.wait()  # of the next, who asks in its place
        go.set()
        assert {said(answer) for answer in await asyncio.gather(*others)} == {"Late."}
        assert len(home.requests) == 2


async def test_one_who_leads_and_fails_lets_all_ask_for_themselves(tmp_path, servers):
    home, _ = servers
    go = asyncio.Event()
    good = numbered()

    async def script(peer):
        if len(home.requests) > 1:
            await good(peer)
            return
        await go.wait()
        await peer.answer(400, b'{"error": {"message": "no"}}')

    home.script = script
    async with caching(tmp_path, servers) as gateway:
        asking = [asyncio.create_task(gateway.chat(HELLO, **SAME)) for _ in range(5)]
        await until(lambda: gateway.worker._cache.waiting == 4)
        go.set()
        answers = await asyncio.gather(*asking)
        assert sorted(answer.status_code for answer in answers) == [200] * 4 + [400]
        assert len(home.requests) == 5


async def test_one_who_waits_and_leaves_is_gone(tmp_path, servers):
    home, _ = servers
    go = asyncio.Event()

    async def script(peer):
        await go.wait()
        await peer.answer(200, completion("Late."))

    home.script = script
    async with caching(tmp_path, servers) as gateway:
        asking = [asyncio.create_task(gateway.chat(HELLO, **SAME)) for _ in range(3)]
        await until(lambda: gateway.worker._cache.waiting == 2)
        asking[1].cancel()
        asking[2].cancel()
        await until(lambda: not gateway.worker._cache.waiting)
        go.set()
        assert said(await asking[0]) == "Late."


async def test_no_more_wait_than_may_the_others_ask_for_themselves(tmp_path, servers):
    home, _ = servers
    go = asyncio.Event()

    async def script(peer):
        await go.wait()
        await peer.answer(200, completion("Mine."))

    home.script = script
    async with caching(tmp_path, servers) as gateway:
        cache = gateway.worker._cache
        cache._rules = replace(cache._rules, most_waiting=2)
        asking = [asyncio.create_task(gateway.chat(HELLO, **SAME)) for _ in range(5)]
        await until(lambda: len(home.requests) == 3 and cache.waiting == 2)
        go.set()
        assert {said(answer) for answer in await asyncio.gather(*asking)} == {"Mine."}


async def test_an_answer_that_was_to_be_made_anew_is_no_answer_to_a_refusal(tmp_path, servers):
    home, _ = servers
    async with caching(tmp_path, servers) as gateway:
        cache = gateway.worker._cache
        await gateway.chat(HELLO, **SAME)

        async def refusing(peer):
            await peer.answer(400, b'{"error": {"message": "no"}}')

        home.script = refusing
        cache._is_drawn = lambda asked, reply: setattr(asked, "standby", reply) or True
        assert (await gateway.chat(HELLO, **SAME)).status_code == 400


async def test_an_answer_that_was_to_be_made_anew_is_none_to_what_turns_out_to_be_more(tmp_path, servers):
    home, burst = servers
    async with caching(tmp_path, servers) as gateway:
        cache = gateway.worker._cache
        await gateway.chat(HELLO, **SAME)

        async def failing(peer):
            await peer.answer(500, b"{}")

        async def rescan(message, tenant):
            return Label(3)

        home.script = failing
        gateway.worker._pipeline._dispatcher._forwarder._rescan = rescan
        cache._is_drawn = lambda asked, reply: setattr(asked, "standby", reply) or True
        await order(gateway, SetBurst(1.0))
        answer = await gateway.chat(HELLO, **SAME)
        assert answer.headers["x-tidegate-label"] == "restricted"
        assert answer.status_code == 503
        assert not burst.requests


async def test_a_very_large_request_is_not_looked_up(tmp_path, servers):
    home, _ = servers
    async with caching(tmp_path, servers) as gateway:
        for _ in range(2):
            answer = await gateway.chat("word " * 60_000, **SAME)
            assert answer.headers["x-tidegate-cache"] == "bypass"
        assert len(home.requests) == 2


@pytest.mark.parametrize("stream", [False, True])
async def test_a_stored_answer_leaves_nothing_to_search_for(tmp_path, servers, stream):
    home, _ = servers
    home.script = streaming("Once.") if stream else numbered()

    def ours():
        kinds = (*OURS, reply_cache._Asked, Flight)
        return Counter(type(one).__name__ for one in gc.get_objects() if isinstance(one, kinds))

    async with caching(tmp_path, servers) as gateway:
        await gateway.chat(HELLO, **SAME)
        await gateway.settled()
        gc.collect()
        others = ours()
        gc.disable()
        try:
            for text in (HELLO, "Another"):
                await gateway.chat(text, stream=stream, **SAME)
                await gateway.settled()
            await until(lambda: ours() == others)
        finally:
            gc.enable()


async def test_nobody_waits_longer_than_the_file_says(tmp_path, servers):
    home, _ = servers
    go = asyncio.Event()

    async def script(peer):
        if len(home.requests) == 1:
            await go.wait()
        await peer.answer(200, completion("Mine."))

    home.script = script
    async with caching(tmp_path, servers, gateway="cache: {wait: 50ms}\n") as gateway:
        slow = asyncio.create_task(gateway.chat(HELLO, **SAME))
        await until(lambda: home.requests)
        assert said(await gateway.chat(HELLO, **SAME)) == "Mine."
        go.set()
        assert said(await slow) == "Mine."


async def test_the_record_says_that_it_was_a_stored_answer_and_counts_no_tokens_twice(tmp_path, servers):
    async with caching(tmp_path, servers) as gateway:
        await gateway.chat(HELLO, **SAME)
        again = await gateway.chat(HELLO, **SAME)
        usage = again.json()["usage"]
        await gateway.settled()
    first, second = outcomes(gateway)
    assert (first.cached, len(first.attempts)) == (None, 1)
    assert (second.attempts, second.usage, second.status) == ((), Usage(0, 0), 200)
    assert isinstance(second.cached, Cached)
    spent = second.cached.prompt_tokens, second.cached.completion_tokens
    assert spent == (usage["prompt_tokens"], usage["completion_tokens"])
    assert first.usage == Usage(*spent)


async def test_a_stored_answer_is_on_the_record_of_replies_as_its_first_was(tmp_path, servers):
    home, burst = servers
    reply = "The committee agreed to close the northern branch in spring, and to tell nobody before March. " * 3

    async def script(peer):
        await peer.answer(200, completion(reply))

    home.script = script
    outward = CACHED.replace("when: {}, to: [home, home-b], spill: [burst]", "when: {}, to: [burst]").replace(
        "  chat-home: {pools: [home]}\n", ""
    )
    async with caching(tmp_path, servers, policy=outward) as gateway:
        for _ in range(2):
            response = await gateway.chat("请总结这份机密材料", **SAME)
        assert response.headers["x-tidegate-cache"] == "hit"
        # Forgotten, so that only the hit can have put it there.
        gateway.worker._pipeline.generation.replies._store._marks.clear()
        await gateway.chat("请总结这份机密材料", **SAME)
        body = {
            "model": "chat",
            "messages": [{"role": "assistant", "content": reply}, {"role": "user", "content": "Shorter, please."}],
        }
        after = await gateway.client.post("/v1/chat/completions", json=body, headers=gateway.headers())
        assert after.headers["x-tidegate-label"] == "confidential"
        assert burst.requests == []
