"""Requests that come again byte for byte: whole gateways, and what must be asked again each time."""

import json
import random
from dataclasses import replace
from ipaddress import ip_network

import msgspec
import pytest

from gateway.config.cache_block import KEYS_FILE
from gateway.core.access import Access, Scope
from gateway.core.controls import SetBurst
from gateway.ports import Inbound
from gateway.runtime import repeats
from gateway.runtime.authn import StoredKey, hash_of
from gateway.runtime.cache_keys import destroy
from gateway.runtime.call import Call, Planted
from gateway.runtime.keyring import Keyring, Purpose
from gateway.wire.requests import Dialect
from tests.fakes.model_server import ModelServer, completion, delta
from tests.paths.test_cache import CACHED, HELLO, SAME, caching, numbered, outcomes, said, sees_the_cache
from tests.paths.test_cache_isolation import Client
from tests.paths.test_history import REPLY
from tests.paths.test_overrides import order

ROOT = "5a" * 32
# What differs between two answers to the same request, whichever way they took.
OWN = frozenset({"x-request-id", "x-tidegate-decision", "openai-processing-ms", "age", "date"})
LONG = "The tide turns at six in the evening, and again before dawn. " * 4


@pytest.fixture
async def servers():
    async with ModelServer() as home, ModelServer() as burst:
        home.script = burst.script = answering
        yield home, burst


async def answering(peer):
    asked = peer.received.json
    if "input" in asked:
        data = [{"object": "embedding", "index": 0, "embedding": [0.5]}]
        await peer.answer(200, json.dumps({"object": "list", "data": data, "model": "m"}).encode())
    elif asked.get("stream"):
        await peer.open_stream()
        await peer.event(delta("Once "))
        await peer.event(delta("more."))
        await peer.event(delta(finish="stop"))
        await peer.event({"id": "x", "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}})
        await peer.event("[DONE]")
        await peer.end_stream()
    else:
        await peer.answer(200, completion("Once more."))


def known(gateway):
    """How many requests were answered without being read."""
    return gateway.worker._pipeline._repeats.given


def chat(text=HELLO, **more):
    return {"model": "chat", "messages": [{"role": "user", "content": text}], **SAME, **more}


async def post(gateway, body, key=None, path="chat/completions", **headers):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"content-type": "application/json", "authorization": f"Bearer {key or gateway.key}", **headers}
    return await gateway.client.post(f"/v1/{path}", content=content, headers=headers)


async def asked_twice(gateway, body, **more):
    """Until it is known: made, and found the usual way."""
    for _ in range(2):
        assert (await post(gateway, body, **more)).status_code == 200


def seen(response):
    """All of an answer that is not its own: status, headers in their order, and the body under another id."""
    own = response.headers["x-request-id"].removeprefix("req_")
    headers = [(name, value) for name, value in response.headers.multi_items() if name not in OWN]
    return response.status_code, headers, own in response.text, response.content.replace(own.encode(), b"")


def told(outcome):
    """All of a record that is not its own."""
    cached = outcome.cached and msgspec.structs.replace(outcome.cached, age_s=0.0)
    return msgspec.structs.replace(outcome, request_id="", at=0.0, ms=0.0, cached=cached)


def requests_of_all_kinds(rng, count):
    """Bodies, paths and headers, drawn."""
    texts = [
        HELLO,
        LONG,
        "Write to jane@example.com.",
        "My card is 4111 1111 1111 1111.",
        "请总结这份机密材料",
        "é 日本",
    ]
    for _ in range(count):
        headers = {}
        if rng.random() < 0.3:
            headers["cache-control"] = rng.choice(
                ["max-age=600", "only-if-cached", "min-fresh=5", "no-store", "x==", ""]
            )
        if rng.random() < 0.2:
            headers["x-tidegate-timeout"] = "20"
        text = rng.choice(texts)
        kind = rng.random()
        if kind < 0.15:
            yield "embeddings", {"model": "chat", "input": [text, "b"]}, headers
            continue
        if kind < 0.25:
            yield "completions", {"model": "chat", "prompt": text, "temperature": rng.choice([0, 0.0])}, headers
            continue
        messages = [{"role": "user", "content": text}]
        if rng.random() < 0.3:
            messages = [{"role": "system", "content": "Be brief."}, *messages]
        if rng.random() < 0.3:
            messages += [
                {"role": "assistant", "content": rng.choice(["Yes.", REPLY])},
                {"role": "user", "content": "?"},
            ]
        body = {"messages": messages, "model": rng.choice(["chat", "chat-home", "no-such-model"])}
        if rng.random() < 0.4:
            body |= {"stream": True}
            if rng.random() < 0.5:
                body["stream_options"] = {"include_usage": True}
        if rng.random() < 0.3:
            body["max_tokens"] = 50
        if rng.random() < 0.2:
            body["tools"] = [{"type": "function", "function": {"name": "pay"}}]
        if rng.random() < 0.9:
            body["temperature"] = 0
        yield "chat/completions", body, headers


LIMITED = "{class: default, sees: [label, route, pool, cache], limits: {requests_per_minute: 100000, max_tokens: 100}}"


def of_several_tenants(config):
    sees_the_cache(config)
    tenants = config / "tenants.yaml"
    tenants.write_text(tenants.read_text().replace("plain: {class: default}", f"plain: {LIMITED}"))


async def test_whichever_way_a_stored_answer_is_found_client_and_record_are_told_the_same(tmp_path, servers):
    rng = random.Random(20261122)
    asked = 0
    async with caching(tmp_path, servers, rewrite=of_several_tenants) as gateway:
        for path, drawn, headers in requests_of_all_kinds(rng, 120):
            body = drawn | {"user": f"somebody {asked}"}
            key = rng.choice([gateway.key, gateway.plain_key])
            answers = [await post(gateway, body, key, path, **headers) for _ in range(2)]
            before = known(gateway)
            answers += [await post(gateway, body, key, path, **headers) for _ in range(2)]
            asked += 1
            if known(gateway) > before:
                assert answers[1].status_code == 200
                first, *again = [left_out_of(seen(one)) for one in answers[1:]]
                assert again == [first, first]
        given = known(gateway)
    assert given > 80
    records = [told(one) for one in outcomes(gateway)]
    assert len(records) == 4 * asked
    fours = [records[at : at + 4] for at in range(0, len(records), 4)]
    hits = [four for four in fours if four[1].cached is not None]
    assert len(hits) >= given / 2
    assert all(four[1] == four[2] == four[3] for four in hits)


def left_out_of(answer):
    """What is left of the tenant's limits falls with every request, whichever way it takes."""
    status, headers, has_id, body = answer
    return status, [one for one in headers if not one[0].startswith("x-ratelimit-remaining")], has_id, body


async def test_only_the_very_same_bytes_are_known(tmp_path, servers):
    async with caching(tmp_path, servers) as gateway:
        body = json.dumps(chat(seed=1))
        await asked_twice(gateway, body.encode())
        for other in (body + " ", body.replace(": ", ":"), json.dumps({"seed": 1, **chat()})):
            answer = await post(gateway, other.encode())
            assert (answer.headers["x-tidegate-cache"], known(gateway)) == ("hit", 0)
        await post(gateway, body.encode())
        assert known(gateway) == 1
        await post(gateway, body.encode(), **{"cache-control": "max-age=600"})
        assert known(gateway) == 1


async def test_another_tenant_is_a_stranger_to_what_is_known(tmp_path, servers):
    home, _ = servers
    home.script = numbered()
    async with caching(tmp_path, servers) as gateway:
        await asked_twice(gateway, chat())
        own = [said(await post(gateway, chat(), gateway.plain_key)) for _ in range(3)]
        assert own == ["Answer 2."] * 3
        assert said(await post(gateway, chat())) == "Answer 1."
        assert known(gateway) == 2


def let_in(gateway, *keys):
    """From now on these keys are the only ones."""
    gateway.worker._credentials.authenticator.replace(keys)


def key_of_bank(gateway, **more):
    return StoredKey("key_00000000", "bank", hash_of(gateway.key, Keyring.from_text(ROOT)), **more)


async def test_a_key_that_was_taken_away_has_ended_or_reaches_less_is_asked_for_each_time(tmp_path, servers):
    async with caching(tmp_path, servers, root=ROOT) as gateway:
        await asked_twice(gateway, chat())
        for keys, status in (
            ((key_of_bank(gateway),), 200),
            ((), 401),
            ((key_of_bank(gateway, ends_at=1.0),), 401),
            ((key_of_bank(gateway, access=Access(Scope(apis=frozenset({"embeddings"})))),), 403),
            ((key_of_bank(gateway, access=Access(Scope(models=frozenset({"chat-home"})))),), 404),
            ((key_of_bank(gateway, access=Access(networks=(ip_network("192.0.2.0/24"),))),), 401),
            ((key_of_bank(gateway),), 200),
        ):
            let_in(gateway, *keys)
            assert (await post(gateway, chat())).status_code == status
        assert known(gateway) == 2


async def test_another_app_or_key_of_the_same_tenant_takes_the_usual_way_first(tmp_path, servers):
    async with caching(tmp_path, servers, root=ROOT) as gateway:
        await asked_twice(gateway, chat())
        let_in(gateway, key_of_bank(gateway, app="till"))
        await post(gateway, chat())
        assert known(gateway) == 0
        await post(gateway, chat())
        assert known(gateway) == 1
        let_in(gateway, replace(key_of_bank(gateway, app="till"), id="key_other"))
        await post(gateway, chat())
        assert known(gateway) == 1
    assert [one.app for one in outcomes(gateway)] == ["", "", "till", "till", "till"]


async def test_what_turned_out_to_hold_a_confidential_reply_is_decided_as_that(tmp_path, servers):
    home, _ = servers
    async with caching(tmp_path, servers) as gateway:
        await asked_twice(gateway, chat(LONG))
        assert (await post(gateway, chat(LONG))).headers["x-tidegate-label"] == "internal"
        assert known(gateway) == 1

        home.script = repeating(LONG)
        assert said(await post(gateway, chat("请总结这份机密材料"))) == LONG
        answer = await post(gateway, chat(LONG))
        assert (answer.headers["x-tidegate-label"], answer.headers["x-tidegate-cache"]) == ("confidential", "miss")
        assert known(gateway) == 1


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("text", [LONG, "Short."])
async def test_an_answer_to_something_confidential_is_put_on_record_whenever_it_is_given(
    tmp_path, servers, text, stream
):
    home, _ = servers
    home.script = repeating(text)
    asked = chat("请总结这份机密材料", stream=stream)
    async with caching(tmp_path, servers) as gateway:
        await asked_twice(gateway, asked)
        gateway.worker._replies._marks.clear()  # as if the record had forgotten it
        assert (await post(gateway, asked)).headers["x-tidegate-label"] == "confidential"
        assert known(gateway) == 1
        messages = [*asked["messages"], {"role": "assistant", "content": text}, {"role": "user", "content": "Shorter."}]
        # A long one is found again by itself, a short one behind what it was said to.
        follows = messages[1:] if text == LONG else messages
        answer = await post(gateway, {"model": "chat", "messages": follows})
        assert answer.headers["x-tidegate-label"] == "confidential"


async def test_an_answer_made_anew_is_put_on_record_as_what_it_says(tmp_path, servers):
    home, _ = servers
    home.script = repeating("Short.")
    asked = chat("请总结这份机密材料")
    async with caching(tmp_path, servers) as gateway:
        await asked_twice(gateway, asked)
        home.script = repeating(LONG)
        assert said(await post(gateway, asked, **{"cache-control": "no-cache"})) == LONG
        gateway.worker._replies._marks.clear()
        assert said(await post(gateway, asked)) == LONG
        assert known(gateway) == 0
        follows = [{"role": "assistant", "content": LONG}, {"role": "user", "content": "Shorter."}]
        answer = await post(gateway, {"model": "chat", "messages": follows})
        assert answer.headers["x-tidegate-label"] == "confidential"


def repeating(text):
    async def script(peer):
        if not peer.received.json.get("stream"):
            await peer.answer(200, completion(text))
            return
        await peer.open_stream()
        await peer.event(delta(text))
        await peer.event(delta(finish="stop"))
        await peer.event("[DONE]")
        await peer.end_stream()

    return script


PRESSED = CACHED.replace(
    "routes:\n", "routes:\n  - {id: full, when: {pressure: {onprem: [saturated, down]}}, deny: Come back later.}\n"
)


async def test_what_is_decided_by_the_state_of_the_gateway_is_decided_by_that_of_the_moment(tmp_path, servers):
    async with caching(tmp_path, servers, policy=PRESSED) as gateway:
        await asked_twice(gateway, chat())
        assert (await post(gateway, chat())).status_code == 200
        assert known(gateway) == 1
        gateway.worker._pipeline.generation.outlook._has_place = lambda pool: False
        assert (await post(gateway, chat())).status_code == 403
        gateway.worker._pipeline.generation.outlook._has_place = lambda pool: True
        assert (await post(gateway, chat())).status_code == 200
        assert known(gateway) == 2


async def test_limits_count_what_is_known_and_refuse_it_in_the_same_words(tmp_path, servers):
    def limited(config):
        sees_the_cache(config)
        tenants = config / "tenants.yaml"
        limits = "limits: {requests_per_minute: 6}, sees: [label, route, pool, cache]"
        tenants.write_text(tenants.read_text().replace("sees: [label, route, pool, cache]", limits, 1))

    async with caching(tmp_path, servers, rewrite=limited) as gateway:
        await asked_twice(gateway, chat())
        answers = [await post(gateway, chat()) for _ in range(4)]
        left = [answer.headers["x-ratelimit-remaining-requests"] for answer in answers]
        assert (left, known(gateway)) == (["3", "2", "1", "0"], 4)
        known_one, other = await post(gateway, chat()), await post(gateway, chat("Never asked before"))
        assert known_one.status_code == other.status_code == 429
        assert known_one.json()["error"]["code"] == other.json()["error"]["code"] == "rate_limit_exceeded"
        assert set(known_one.headers) == set(other.headers)
    records = outcomes(gateway)
    assert [one.held is not None for one in records] == [True] * 6 + [False] * 2
    assert told(records[-2]) == told(records[-1]).__class__(**as_dict(told(records[-1])) | sizes(records[-2]))


def as_dict(record):
    return {name: getattr(record, name) for name in record.__struct_fields__}


def sizes(record):
    """What of a record is about the text of its request."""
    return {name: getattr(record, name) for name in ("bytes_in", "bytes_out", "facts", "evidence")}


async def test_a_purge_takes_effect_on_what_is_known(tmp_path, servers):
    home, _ = servers
    home.script = numbered()
    async with caching(tmp_path, servers, root=ROOT) as gateway:
        await asked_twice(gateway, chat())
        assert said(await post(gateway, chat())) == "Answer 1."
        cache = gateway.worker._cache
        assert destroy(gateway.state / KEYS_FILE, Keyring.from_text(ROOT).key(Purpose.CACHE_KEYS), "bank", 0.0)
        # The keys alone, as if what is stored were still there: `tick` drops it in the same step.
        cache._keys.look()
        assert said(await post(gateway, chat())) == "Answer 2."
        assert known(gateway) == 1


@pytest.mark.parametrize("is_bundle", [True, False])
async def test_another_bundle_or_epoch_knows_nothing(tmp_path, servers, is_bundle):
    async with caching(tmp_path, servers) as gateway:
        pipeline = gateway.worker._pipeline
        await asked_twice(gateway, chat())
        await post(gateway, chat())
        assert (known(gateway), pipeline._repeats.size) == (1, 1)
        if is_bundle:
            pipeline.deciding.generation = replace(pipeline.generation)
        else:
            await order(gateway, SetBurst(0.0))
        await post(gateway, chat("Something else"))
        assert pipeline._repeats.size == 0
        await post(gateway, chat())
        assert known(gateway) == 1
        await post(gateway, chat())
        assert known(gateway) == 2
    epochs = [one.epoch for one in outcomes(gateway)]
    assert epochs == [epochs[0]] * 3 + [epochs[0] + (not is_bundle)] * 3


async def test_a_candidate_for_the_policy_and_a_canary_have_the_whole_way(tmp_path, servers):
    async with caching(tmp_path, servers) as gateway:
        await asked_twice(gateway, chat())
        shadow = gateway.worker._shadow
        shadow.is_comparing = True
        await post(gateway, chat())
        assert known(gateway) == 0
        shadow.is_comparing = False
        await post(gateway, chat())
        assert known(gateway) == 1
        pipeline, body = gateway.worker._pipeline, json.dumps(chat()).encode()
        credential = f"Bearer {gateway.key}".encode()
        tenant = pipeline._authenticator.identify(credential).tenant
        call = Call("0" * 24, inbound_of(body), path="chat", order=pipeline.generation.order)
        call.generation, call.key_id = pipeline.generation, "key_00000000"
        call.planted = Planted("0" * 24, tenant)
        assert pipeline._repeats.answer(call, tenant, pipeline._epoch()) is None


def inbound_of(body, key=""):
    return Inbound(b"POST", b"/v1/chat/completions", f"Bearer {key}".encode(), body, 0.0)


async def test_what_may_be_about_to_be_made_anew_takes_the_usual_way(tmp_path, servers):
    home, _ = servers
    home.script = numbered()
    async with caching(tmp_path, servers) as gateway:
        cache = gateway.worker._cache
        await asked_twice(gateway, chat())
        cache._draw = lambda: 1.0 - 2.0**-53
        # Ten minutes are left; it was made in milliseconds.
        assert said(await post(gateway, chat())) == "Answer 1."
        assert known(gateway) == 1
        later = cache._clock.wall() + 599.99
        cache._clock = cache.stored._clock = Shifted(cache._clock, later)
        assert said(await post(gateway, chat())) == "Answer 2."
        assert known(gateway) == 1


class Shifted:
    """A clock whose wall stands still."""

    def __init__(self, clock, wall):
        self._clock, self._wall = clock, wall

    def monotonic(self):
        return self._clock.monotonic()

    def wall(self):
        return self._wall


async def test_what_came_longest_ago_is_forgotten_first_and_of_whoever_has_most(tmp_path, servers, monkeypatch):
    monkeypatch.setattr(repeats, "MOST_EACH", 3)
    monkeypatch.setattr(repeats, "MOST", 4)
    async with caching(tmp_path, servers) as gateway:
        known_ones = gateway.worker._pipeline._repeats
        for name in "abcd":
            await asked_twice(gateway, chat(name))
        assert known_ones.size == 3
        for name in "xy":
            await asked_twice(gateway, chat(name), key=gateway.plain_key)
        assert known_ones.size == 4
        for key, names, count in ((gateway.key, "cd", 2), (gateway.plain_key, "xy", 4)):
            for name in names:
                await post(gateway, chat(name), key)
            assert known(gateway) == count
        await post(gateway, chat("a"))
        await post(gateway, chat("b"))
        assert known(gateway) == 4


async def test_what_has_many_parts_or_is_large_is_not_known(tmp_path, servers):
    many = [{"role": "user", "content": str(number)} for number in range(repeats.MOST_PARTS + 1)]
    async with caching(tmp_path, servers) as gateway:
        for body in ({**chat(), "messages": many}, chat("x y " * (repeats.LARGEST // 4))):
            await asked_twice(gateway, body)
            assert (await post(gateway, body)).headers["x-tidegate-cache"] == "hit"
        assert known(gateway) == 0


@pytest.mark.parametrize("step", ["start", "write", "finish"])
async def test_a_connection_that_fails_is_cut_and_settled_once(tmp_path, servers, step):
    async with caching(tmp_path, servers) as gateway:
        await asked_twice(gateway, chat())
        pipeline = gateway.worker._pipeline
        body = json.dumps(chat()).encode()
        client = Failing(step)
        pipeline.serve(Dialect.CHAT, inbound_of(body, gateway.key), client, spawn=None)
        assert (known(gateway), client.is_cut, pipeline.in_flight) == (1, True, 0)
    assert [str(one.ending) for one in outcomes(gateway)] == ["completed", "completed", "send_failed"]


class Failing:
    """A client whose connection raises; implements as much of `ports.Downstream` as is asked of it."""

    is_gone = is_cut = False

    def __init__(self, step):
        self._step = step

    def start(self, status, headers, *, length):
        self._came_to("start")

    def write(self, data):
        self._came_to("write")

    def finish(self):
        self._came_to("finish")

    def abort(self):
        self.is_cut = True

    def _came_to(self, step):
        if step == self._step:
            raise RuntimeError


async def test_whoever_has_left_is_answered_nothing(tmp_path, servers):
    async with caching(tmp_path, servers) as gateway:
        await asked_twice(gateway, chat())
        client = Client()
        client.is_gone = True
        pipeline, body = gateway.worker._pipeline, json.dumps(chat()).encode()
        pipeline.serve(Dialect.CHAT, inbound_of(body, gateway.key), client, spawn=None)
        assert (known(gateway), client.body, pipeline.in_flight) == (0, b"", 0)


async def test_nothing_that_is_kept_holds_text(tmp_path, servers):
    secret = "A question that nobody else has: tidewater. " * 6
    async with caching(tmp_path, servers) as gateway:
        await asked_twice(gateway, chat(secret))
        held = repr(gateway.worker._pipeline._repeats._shelves)
        assert "bank" in held
        assert "tidewater" not in held
        assert "Once more" not in held
