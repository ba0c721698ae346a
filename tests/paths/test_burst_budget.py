"""The budget of burst through a whole gateway: what is spent stays at home, and nobody spends more than there is."""

import asyncio

import pytest

from gateway.core.burst_budget import Level
from gateway.core.controls import SetBurst
from gateway.runtime.staying import WORTH_TELLING_S
from tests.fakes.house import POLICY, house
from tests.fakes.model_server import ModelServer, completion, delta
from tests.fakes.valkey import running_valkey
from tests.paths.test_cost_of_privacy import outcomes
from tests.paths.test_overrides import arrived, both, holding, order, pool_of

TOKEN = 1_000_000  # a price of a million a million tokens is one a token
PRICES = "prices: {currency: CNY, pools: {burst: {prompt: 1000000, completion: 1000000}}}\n"
"""A token costs one unit, so that a request of five tokens in and two out costs seven."""


def budget(text: str) -> str:
    return f"{PRICES}budgets: {{burst: {{{text}}}}}\n"


async def sent_out(gateway, count: int = 1, **more) -> list[str]:
    """The pools of `count` requests that operations send out."""
    return [pool_of(await gateway.chat(max_tokens=10, **more)) for _ in range(count)]


def spent(gateway) -> int:
    """What the gateway has counted, in units."""
    store = gateway.worker._budget._store
    return store._book("burst").spent(now_us=store._now_us())[0] // TOKEN


@pytest.mark.parametrize("stream", [False, True])
async def test_what_a_request_has_cost_is_charged_and_not_what_was_set_aside(tmp_path, stream):
    async with both(tmp_path, tenants=budget("per_hour: 200")) as (gateway, _, burst):
        await order(gateway, SetBurst(1.0))
        assert await sent_out(gateway, 3, stream=stream) == ["burst"] * 3
        await gateway.settled()
        assert spent(gateway) == 21
        assert len(burst.requests) == 3


async def test_when_it_is_spent_work_that_may_leave_stays_at_home_and_everybody_says_so(tmp_path):
    async with both(tmp_path, tenants=budget("per_hour: 100")) as (gateway, home, burst):
        await order(gateway, SetBurst(1.0))
        pools = await sent_out(gateway, 6)
        # About eighty are set aside for each, and seven are charged: some leave, the next finds no room and stays.
        left = pools.count("burst")
        assert 1 <= left < 6
        assert pools == ["burst"] * left + ["home"] * (6 - left)
        assert spent(gateway) == 7 * left
        assert (len(burst.requests), len(home.requests)) == (left, 6 - left)
        assert not gateway.worker._budget.is_spent  # much is left, though not enough for a request of that size


async def test_a_budget_that_is_spent_closes_the_cloud_before_anybody_asks_and_opens_with_the_next_hour(tmp_path):
    async with both(tmp_path, tenants=budget("per_hour: 100")) as (gateway, _, burst):
        desk = gateway.worker._budget
        await order(gateway, SetBurst(1.0))
        burst.script = counting(100)
        assert await sent_out(gateway) == ["burst"]
        await gateway.settled()
        await desk.look()
        assert desk.is_spent
        assert await sent_out(gateway, 3) == ["home"] * 3
        clock = desk._store._clock
        desk._store._clock = Later(clock, 3600.0)
        await desk.look()
        assert not desk.is_spent
        burst.script = counting(7)
        assert await sent_out(gateway) == ["burst"]


async def test_work_that_only_the_cloud_could_serve_is_told_so(tmp_path):
    policy = POLICY.replace("to: [home, home-b], spill: [burst], on_full", "to: [burst], on_full").replace(
        "  chat-home: {pools: [home]}\n", ""
    )
    async with (
        ModelServer() as burst,
        house(tmp_path, {"burst": burst}, policy=policy, tenants=budget("per_hour: 1")) as gateway,
    ):
        await gateway.client.get("/v1/models", headers=gateway.headers())
        answer = await gateway.chat()
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "budget_spent")
        assert int(answer.headers["retry-after"]) >= 1
        gateway.worker._admission.spend(True)
        assert (await gateway.chat()).json()["error"]["code"] == "budget_spent"
        assert not burst.requests
        assert {one.get("error") for one in (await outcomes(gateway))[1:]} == {"budget_spent"}


async def test_one_tenants_money_closes_the_cloud_for_that_tenant_alone(tmp_path):
    own = budget("tenants: {bank: {per_day: 7}}")
    async with both(tmp_path, tenants=own) as (gateway, _, burst):
        await order(gateway, SetBurst(1.0))
        desk = gateway.worker._budget
        assert await sent_out(gateway) == ["home"]
        await desk._store.reserve("burst:bank", "k", desk_ask(7), desk._limits()["burst:bank"])
        await desk.look()
        assert desk.has_spent("bank")
        assert not desk.is_spent
        assert await sent_out(gateway) == ["home"]
        assert not burst.requests
        plain = {"authorization": f"Bearer {gateway.plain_key}"}
        body = {"model": "chat", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 10}
        await gateway.client.post("/v1/chat/completions", json=body, headers=plain)
        assert len(burst.requests) == 1


async def test_what_waits_at_home_because_the_money_is_spent_says_so(tmp_path):
    async with both(tmp_path, limits={"home": 1, "home-b": 1}, tenants=budget("per_hour: 1")) as (gateway, home, _):
        go_on = holding(home)
        first = [asyncio.create_task(gateway.chat(model="chat-home")), asyncio.create_task(gateway.chat())]
        await arrived(home, 2)
        waits = asyncio.create_task(gateway.chat())
        async with asyncio.timeout(20):
            while not gateway.worker._admission.load()["home"].waiting:  # noqa: ASYNC110 -- the gateway's own count
                await asyncio.sleep(0.002)
        await asyncio.sleep(2 * WORTH_TELLING_S)
        go_on.set()
        await asyncio.gather(*first, waits)
        stayed = [one.get("stayed") for one in (await outcomes(gateway))[1:]]
    assert stayed == [None, None, "budget"]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("refuses", 0),  # a status of its own: nobody charges for that
        ("closes", None),  # it may have read the request: charged as it was reckoned
        ("breaks off", None),
    ],
)
async def test_what_no_server_counted_is_reckoned(tmp_path, script, expected):
    async with both(tmp_path, tenants=budget("per_hour: 1000")) as (gateway, _, burst):
        await order(gateway, SetBurst(1.0))
        burst.script = FAULTS[script]
        await gateway.chat(max_tokens=10, stream=True)
        await gateway.settled()
        charged = spent(gateway)
        assert charged == expected if expected is not None else 0 < charged <= 70


async def test_forty_at_once_never_spend_more_than_there_is(tmp_path):
    async with both(tmp_path, limits={"home": 64}, tenants=budget("per_hour: 400")) as (gateway, _, burst):
        await order(gateway, SetBurst(1.0))
        burst.script = counting(40)
        most = 0

        async def watch() -> None:
            nonlocal most
            while True:
                most = max(most, spent(gateway))
                await asyncio.sleep(0)

        watching = asyncio.create_task(watch())
        pools = await asyncio.gather(*(sent_out(gateway) for _ in range(40)))
        watching.cancel()
        await gateway.settled()
        assert most <= 400
        assert spent(gateway) == 40 * len(burst.requests) == 40 * sum(one == ["burst"] for one in pools)


async def test_with_a_shared_store_its_loss_counts_as_spent_and_nobody_is_refused_who_may_stay(tmp_path):
    with running_valkey() as valkey:
        stores = f"stores: {{state: {{address: 'unix:{valkey.socket}'}}}}\n"
        async with both(tmp_path, tenants=budget("per_hour: 10000"), gateway=stores) as (gateway, _, burst):
            desk = gateway.worker._budget
            await order(gateway, SetBurst(1.0))
            assert await sent_out(gateway) == ["burst"]
            valkey.kill()
            assert await sent_out(gateway, 5) == ["home"] * 5
            await desk.look()
            assert desk.level is Level.LOST
            assert len(burst.requests) == 1
            valkey.start()
            async with asyncio.timeout(30):
                while desk.is_spent:
                    await asyncio.sleep(0.05)
                    await desk.look()
            assert await sent_out(gateway) == ["burst"]


class Later:
    """A clock that is ahead of another."""

    def __init__(self, clock, ahead_s):
        self._clock, self._ahead_s = clock, ahead_s

    def wall(self):
        return self._clock.wall() + self._ahead_s

    def monotonic(self):
        return self._clock.monotonic()


def counting(tokens: int):
    """A model server that says it has read so many tokens and written none."""

    async def script(peer):
        usage = b'"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}'
        own = b'"usage":{"prompt_tokens":%d,"completion_tokens":0}' % tokens
        await peer.answer(200, completion().replace(usage, own))

    return script


def desk_ask(units: int):
    from gateway.core.quota import Ask

    return Ask(cost_micros=units * TOKEN, requests=0)


async def refuses(peer):
    await peer.answer(400, b'{"error":{"message":"No.","type":"invalid_request_error"}}')


async def closes(peer):
    peer.close()


async def breaks_off(peer):
    await peer.open_stream()
    await peer.event(delta("Hel"))
    peer.reset()


FAULTS = {"refuses": refuses, "closes": closes, "breaks off": breaks_off}
