"""Limits on the request path: told, held, settled with what the model server counted, and never above the limit."""

# ruff: noqa: ASYNC110  # what is waited for happens in another process, or in the gateway
import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.core.audit_record import read
from gateway.core.records import Outcome
from gateway.wire.token_demand import text_tokens
from tests.fakes.limited import limited, standing
from tests.fakes.model_server import ModelServer, Peer, chat, completion, delta
from tests.fakes.valkey import Valkey, running_valkey

SMALL = "requests_per_minute: 2, tokens_per_minute: 20000"


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    with running_valkey() as server:
        yield server


@pytest.fixture
async def home():
    async with ModelServer() as server:
        yield server


@pytest.fixture(params=["memory", "redis"])
def redis(request, valkey: Valkey) -> Valkey | None:
    valkey.ask("FLUSHALL")
    return valkey if request.param == "redis" else None


def outcomes(gateway) -> list[Outcome]:
    gateway.worker._audit.flush_and_close()
    lines = [
        line for path in sorted((gateway.state / "audit").glob("*.jsonl")) for line in path.read_bytes().split(b"\n")
    ]
    return [entry for line in lines if line and isinstance(entry := read(line), Outcome)]


async def test_every_answer_of_a_limited_tenant_tells_how_it_stands(tmp_path, home, redis):
    async with limited(tmp_path, {"home": home}, SMALL, redis=redis) as gateway:
        response = await gateway.chat()
        assert response.status_code == 200
        told = {name: response.headers[f"x-ratelimit-{name}"] for name in ("limit-requests", "limit-tokens")}
        assert told == {"limit-requests": "2", "limit-tokens": "20000"}
        assert response.headers["x-ratelimit-remaining-requests"] == "1"
        assert response.headers["x-ratelimit-reset-requests"].endswith("s")
        assert int(response.headers["x-ratelimit-remaining-tokens"]) < 20_000 - 4096
        assert "x-tidegate-quota" not in response.headers


async def test_a_tenant_without_limits_is_told_none(tmp_path, home):
    async with limited(tmp_path, {"home": home}, SMALL) as gateway:
        response = await gateway.client.post(
            "/v1/chat/completions",
            json={"model": "chat", "messages": [{"role": "user", "content": "Hi"}]},
            headers={"authorization": f"Bearer {gateway.plain_key}"},
        )
        assert response.status_code == 200
        assert not [name for name in response.headers if name.startswith("x-ratelimit")]


@pytest.mark.parametrize(
    ("limits", "more", "kind", "code"),
    [
        ("requests_per_minute: 1", {}, "requests", "rate_limit_exceeded"),
        ("tokens_per_minute: 300", {"max_tokens": 200}, "tokens", "rate_limit_exceeded"),
        (
            "money: {per_day: 0.0003}, requests_per_minute: 100",
            {"max_tokens": 20},
            "insufficient_quota",
            "insufficient_quota",
        ),
    ],
)
async def test_a_limit_that_is_used_up_is_told_in_openais_shape(tmp_path, home, redis, limits, more, kind, code):
    async def dear(peer: Peer) -> None:
        usage = {"prompt_tokens": 200, "completion_tokens": 90}
        await peer.answer(200, json.dumps({**json.loads(completion()), "usage": usage}).encode())

    home.script = dear
    async with limited(tmp_path, {"home": home}, limits, redis=redis) as gateway:
        assert (await gateway.chat(**more)).status_code == 200
        await gateway.settled()
        response = await gateway.chat(**more)
        error = response.json()["error"]
        assert (response.status_code, error["type"], error["code"]) == (429, kind, code)
        assert int(response.headers["retry-after"]) >= 1
        assert len(home.requests) == 1
        await gateway.settled()
        assert outcomes(gateway)[-1].error == code


async def test_what_can_never_be_granted_has_no_time_to_retry(tmp_path, home, redis):
    async with limited(tmp_path, {"home": home}, "tokens_per_minute: 1000", redis=redis) as gateway:
        response = await gateway.chat(max_tokens=2000)
        assert response.status_code == 429
        assert "retry-after" not in response.headers
        assert "alone needs more" in response.json()["error"]["message"]
        assert not home.requests


async def test_what_is_charged_is_what_the_model_server_counted(tmp_path, home, redis):
    limits = "tokens_per_minute: 20000, concurrency: 9"
    async with limited(tmp_path, {"home": home}, limits, redis=redis) as gateway:
        for stream in (False, True):
            assert (await gateway.chat(stream=stream)).status_code == 200
        await gateway.settled()
        assert 20_000 - 14 <= (await standing(gateway)).standing.tokens <= 20_000
        held = [outcome.held for outcome in outcomes(gateway)]
        assert [one.settled_tokens for one in held if one] == [7, 7]
        assert all(one.reserved_tokens > 4096 and not one.is_degraded for one in held if one)


async def test_usage_of_nothing_is_a_value(tmp_path, home, redis):
    async def free(peer: Peer) -> None:
        await peer.answer(200, json.dumps({**json.loads(completion()), "usage": {"prompt_tokens": 0}}).encode())

    home.script = free
    async with limited(tmp_path, {"home": home}, "tokens_per_minute: 20000", redis=redis) as gateway:
        assert (await gateway.chat()).status_code == 200
        await gateway.settled()
        assert [one.held.settled_tokens for one in outcomes(gateway) if one.held] == [0]


async def test_a_server_that_does_not_count_is_estimated(tmp_path, home, redis):
    async def silent(peer: Peer) -> None:
        await peer.answer(200, json.dumps({**json.loads(completion("Word " * 40)), "usage": None}).encode())

    home.script = silent
    async with limited(tmp_path, {"home": home}, "tokens_per_minute: 20000", redis=redis) as gateway:
        assert (await gateway.chat()).status_code == 200
        await gateway.settled()
        (held,) = [one.held for one in outcomes(gateway) if one.held]
        assert 40 < held.settled_tokens < 300


async def test_what_a_server_refuses_costs_nothing(tmp_path, home, redis):
    async def refuse(peer: Peer) -> None:
        await peer.answer(400, b'{"error": {"message": "No such thing."}}')

    home.script = refuse
    async with limited(tmp_path, {"home": home}, "tokens_per_minute: 20000", redis=redis) as gateway:
        assert (await gateway.chat()).status_code == 400
        await gateway.settled()
        (held,) = [one.held for one in outcomes(gateway) if one.held]
        assert (held.reserved_tokens > 0, held.settled_tokens) == (True, 0)


async def test_money_is_set_aside_for_the_longest_answer_in_the_dearest_pool(tmp_path, home, redis):
    async with limited(tmp_path, {"home": home}, "money: {per_day: 1}", redis=redis) as gateway:
        assert (await gateway.chat(n=2)).status_code == 200
        await gateway.settled()
        (held,) = [one.held for one in outcomes(gateway) if one.held]
        # burst costs 2 and 8 for a million, home 1 and 1; two answers of 4,096 tokens, since nobody said how long.
        assert 2 * 4096 * 8 < held.reserved_micros < 2 * 4096 * 8 + 500
        assert held.settled_micros == 7


@pytest.mark.parametrize("counts", [True, False])
async def test_answers_that_are_written_and_not_given_are_set_aside_and_paid_for(tmp_path, home, redis, counts):
    answer = json.loads(completion("A short one, the best of twenty."))
    if not counts:
        del answer["usage"]

    async def best(peer: Peer) -> None:
        await peer.answer(200, json.dumps(answer).encode())

    home.script = best
    limits = "tokens_per_minute: 20000, money: {per_day: 1}"
    async with limited(tmp_path, {"home": home}, limits, redis=redis) as gateway:
        assert (await gateway.chat(max_tokens=100)).status_code == 200
        assert (await gateway.chat(max_tokens=100, best_of=20)).status_code == 200
        assert (await gateway.chat(max_tokens=500, best_of=50)).status_code == 429  # more than the limit has
        await gateway.settled()
        once, often = [one.held for one in outcomes(gateway) if one.held]
        assert 1900 <= often.reserved_tokens - once.reserved_tokens <= 1950
        if not counts:
            # Nobody knows how long the others were: as long as the one that was given.
            assert often.settled_tokens > 10 * once.settled_tokens


async def test_debt_blocks_the_next_request(tmp_path, home, redis):
    async def greedy(peer: Peer) -> None:
        usage = {"prompt_tokens": 900, "completion_tokens": 900}
        await peer.answer(200, json.dumps({**json.loads(completion()), "usage": usage}).encode())

    home.script = greedy
    async with limited(tmp_path, {"home": home}, "tokens_per_minute: 1000", redis=redis) as gateway:
        assert (await gateway.chat()).status_code == 200
        await gateway.settled()
        response = await gateway.chat(max_tokens=1)
        assert response.status_code == 429
        assert int(response.headers["retry-after"]) > 40


async def test_places_are_limited_and_free_again_when_a_request_ends(tmp_path, home, redis):
    hold = asyncio.Event()

    async def slow(peer: Peer) -> None:
        await hold.wait()
        await chat(peer)

    home.script = slow
    async with limited(tmp_path, {"home": home}, "concurrency: 2", redis=redis) as gateway:
        first = [asyncio.create_task(gateway.chat()) for _ in range(2)]
        while len(home.requests) < 2:
            await asyncio.sleep(0.002)
        third = await gateway.chat()
        assert (third.status_code, third.json()["error"]["code"]) == (429, "rate_limit_exceeded")
        assert third.headers["retry-after"] == "1"
        hold.set()
        assert {response.status_code for response in await asyncio.gather(*first)} == {200}
        await gateway.settled()
        assert (await gateway.chat()).status_code == 200


async def test_failover_reserves_and_charges_once(tmp_path, home, redis):
    async def full(peer: Peer) -> None:
        await peer.answer(503, b"{}", "retry-after: 5")

    async with ModelServer() as other:
        home.script = full
        pools = {"home": home, "home-b": other}
        async with limited(tmp_path, pools, "requests_per_minute: 5, tokens_per_minute: 20000", redis=redis) as gateway:
            assert (await gateway.chat()).status_code == 200
            await gateway.settled()
            assert (len(home.requests), len(other.requests)) == (1, 1)
            left = (await standing(gateway)).standing
            assert left.requests == 4
            assert left.tokens >= 20_000 - 7


@pytest.mark.parametrize(
    ("asked", "sent"),
    [({}, {"max_tokens": 50}), ({"max_tokens": 9}, {"max_tokens": 9}), ({"max_tokens": 900}, {"max_tokens": 50})],
)
async def test_no_longer_answer_is_asked_for_than_the_tenant_may_have(tmp_path, home, asked, sent):
    async with limited(tmp_path, {"home": home}, "max_tokens: 50") as gateway:
        response = await gateway.chat(**asked)
        assert response.status_code == 200
        assert {name: home.requests[0].json.get(name) for name in sent} == sent


async def test_two_gateways_on_one_redis_share_one_limit(tmp_path, home, valkey):
    valkey.ask("FLUSHALL")
    async with (
        limited(tmp_path / "a", {"home": home}, "requests_per_minute: 5", redis=valkey) as a,
        limited(tmp_path / "b", {"home": home}, "requests_per_minute: 5", redis=valkey) as b,
    ):
        answers = await asyncio.gather(*((a if number % 2 else b).chat() for number in range(20)))
    assert [answer.status_code for answer in answers].count(200) == 5
    assert {answer.status_code for answer in answers} == {200, 429}


async def test_large_limits_are_leased_and_still_exact(tmp_path, home, valkey):
    valkey.ask("FLUSHALL")
    limits = "requests_per_minute: 400"
    async with (
        limited(tmp_path / "a", {"home": home}, limits, redis=valkey, more="replicas: 2\n") as a,
        limited(tmp_path / "b", {"home": home}, limits, redis=valkey, more="replicas: 2\n") as b,
    ):
        began = asyncio.get_running_loop().time()
        answers = await asyncio.gather(*((a if number % 2 else b).chat() for number in range(500)))
        lasted = asyncio.get_running_loop().time() - began
        granted = [answer.status_code for answer in answers].count(200)
        # Where the machine is so busy that Redis is not heard in time, a worker has counted for its part.
        alone = sum(gateway.worker._quota_store.degraded for gateway in (a, b))
        assert granted <= 400 + 400 / 60 * lasted + 1 + alone
        assert granted >= 0.95 * 400
        assert {answer.status_code for answer in answers} == {200, 429}
        calls = int(valkey.ask("INFO", "commandstats").split(b"cmdstat_evalsha:calls=")[1].split(b",")[0])
        assert calls < 250 + 30 * lasted


class TestRedisLost:
    """The row of the fail-closed matrix: a local, bounded quota; said in header, audit and metrics; never a 5xx."""

    @pytest.fixture
    def own(self) -> Iterator[Valkey]:
        with running_valkey() as server:
            yield server

    @pytest.mark.parametrize("limits", ["requests_per_minute: 4, concurrency: 8", "requests_per_minute: 800"])
    @pytest.mark.parametrize("fault", ["kill", "pause"])
    async def test_each_worker_counts_for_its_part(self, tmp_path, home, own: Valkey, limits: str, fault: str):
        async with limited(tmp_path, {"home": home}, limits, redis=own, more="replicas: 2\n", waits="100ms") as gateway:
            assert (await gateway.chat()).status_code == 200
            getattr(own, fault)()
            answers = [await gateway.chat() for _ in range(6)]
            while not gateway.worker._quota_store.is_degraded:
                answers.append(await gateway.chat())
            answers += [await gateway.chat() for _ in range(6)]
            if fault == "pause":
                own.resume()
            assert {answer.status_code for answer in answers} <= {200, 429}
            assert answers[-1].headers["x-tidegate-quota"] == "degraded"
            if "concurrency" in limits:
                # Before, here, and never more than this replica's half once more.
                assert sum(answer.status_code == 200 for answer in answers) <= 4 + 2
            await gateway.settled()
            assert any(outcome.held and outcome.held.is_degraded for outcome in outcomes(gateway))
            figures = gateway.worker._books.tell()
            assert figures.numbers["tidegate_quota_degraded_total"][()] > 0

    async def test_it_is_counted_for_all_again_once_it_is_back_and_what_was_held_is_settled(self, tmp_path, home, own):
        hold = asyncio.Event()

        async def slow(peer: Peer) -> None:
            await hold.wait()
            await chat(peer)

        async with limited(tmp_path, {"home": home}, "concurrency: 3", redis=own, waits="100ms") as gateway:
            home.script = slow
            asked = asyncio.create_task(gateway.chat())
            while not home.requests:
                await asyncio.sleep(0.002)
            own.pause()
            hold.set()
            assert (await asked).status_code == 200
            assert (await gateway.chat()).status_code == 200
            own.resume()
            while gateway.worker._quota_store.is_degraded or gateway.worker._quota_store.unsettled:
                await asyncio.sleep(0.02)
            # A busy machine may lose it once more, for a moment.
            async with asyncio.timeout(60):
                while "x-tidegate-quota" in (await gateway.chat()).headers or gateway.worker._quota_store.unsettled:
                    await asyncio.sleep(0.02)
            await gateway.settled()
            await gateway.worker._quota_store.finish()
            live = own.ask("ZCARD", "tidegate:q1:{tenant:bank}:live")
            assert live == b":0\r\n"


async def mixed(gateway, home: ModelServer, calls: int) -> tuple[int, int]:
    """`calls` of every kind, a fifth of which leave in the middle; what the server counted, and how many left."""
    counted, left = 0, 0
    limit = asyncio.Semaphore(20)

    async def serve(peer: Peer) -> None:
        nonlocal counted
        asked = peer.received.json
        words = asked["max_tokens"]
        # What the gateway reckons a prompt of such text at: so that it knows what was read although nobody told it.
        prompt = asked["seed"]
        if not asked["stream"]:
            counted += prompt + words
            body = {
                **json.loads(completion("x " * words)),
                "usage": {"prompt_tokens": prompt, "completion_tokens": words},
            }
            await peer.answer(200, json.dumps(body).encode())
            return
        await peer.open_stream()
        await peer.event(delta("", role="assistant"))
        for number in range(words):
            if number == asked["n_stop"]:
                counted += prompt + number
                await peer.until_gone()
                peer.close()
                return
            await peer.event(delta(f"w{number} "))
        counted += prompt + words
        await peer.event(delta(finish="stop"))
        usage = {"prompt_tokens": prompt, "completion_tokens": words, "total_tokens": prompt + words}
        await peer.event({**delta(), "choices": [], "usage": usage})
        await peer.event("[DONE]")
        await peer.end_stream()

    home.script = serve

    async def ask(number: int) -> None:
        nonlocal left
        words, leaves = 1 + number % 7, number % 5 == 0
        text = f"Call {number}: " + "text " * (number % 11)
        body = {
            "model": "chat",
            "messages": [{"role": "user", "content": text}],
            "stream": leaves or number % 2 == 0,
            "max_tokens": words + 2 * leaves,
            "seed": 0,
            "n_stop": words if leaves else -1,
        }
        while (reckoned := text_tokens(json.dumps(body, separators=(",", ":")).encode()) + 16) != body["seed"]:
            body["seed"] = reckoned
        async with (
            limit,
            gateway.client.stream(
                "POST",
                "/v1/chat/completions",
                content=json.dumps(body, separators=(",", ":")),
                headers={**gateway.headers(), "content-type": "application/json"},
            ) as response,
        ):
            assert response.status_code == 200
            if not leaves:
                await response.aread()
                return
            left += 1
            async for line in response.aiter_lines():
                if f'"w{words - 1} "' in line:
                    return

    await asyncio.gather(*(ask(number) for number in range(calls)))
    await gateway.settled()
    return counted, left


@pytest.mark.timeout(900)
@pytest.mark.parametrize("calls", [500, pytest.param(10_000, marks=pytest.mark.slow)])
async def test_the_ledger_is_what_the_model_servers_counted(tmp_path: Path, home, redis, calls: int):
    limits = "tokens_per_minute: 100000000"
    if redis is None:
        limits += ", concurrency: 1000"
    patient = "{connect: 10s, first_content: 60s, idle: 60s, total: 300s}"
    more = "audit: {buffer: 100000}\n"
    async with limited(tmp_path, {"home": home}, limits, redis=redis, more=more, timeouts=patient) as gateway:
        counted, left = await mixed(gateway, home, calls)
        assert left == calls // 5
        held = [outcome.held for outcome in outcomes(gateway)]
        assert sum(one.settled_tokens for one in held if one) == counted
        assert gateway.worker._quotas.settled_tokens == counted
        assert gateway.worker._quotas.live == 0
