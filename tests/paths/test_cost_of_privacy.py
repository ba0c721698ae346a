"""What the record of a request says of its cost, and of why it waited at home: through a whole gateway."""

import asyncio

import pytest

from gateway.core.controls import Drain, SetBurst
from gateway.runtime.staying import WORTH_TELLING_S
from tests.fakes.house import house
from tests.fakes.model_server import ModelServer
from tests.paths.test_overrides import CARD, arrived, both, holding, order
from tests.paths.test_row_orders import recorded

PRICES = (
    "prices: {currency: CNY, pools: {burst: {prompt: 2, completion: 8, models: {chat: {prompt: 4, completion: 16}}}}}\n"
)


async def outcomes(gateway) -> list[dict]:
    await gateway.settled()
    await asyncio.to_thread(gateway.worker._audit.flush_and_close)
    return recorded(gateway.state, "outcome")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_request_costs_what_its_tokens_cost_in_the_pool_that_answered(tmp_path, stream):
    async with both(tmp_path, tenants=PRICES) as (gateway, _, _):
        await gateway.chat(stream=stream)
        await order(gateway, SetBurst(1.0))
        await gateway.chat(stream=stream)
        found = [(one["attempts"][0]["pool"], one.get("cost_micros")) for one in (await outcomes(gateway))[1:]]
    # Five tokens in and two out, at the prices of the name `chat`: 5 × 4 + 2 × 16.
    assert found == [("home", None), ("burst", 52)]


async def test_without_prices_nothing_costs_anything(tmp_path):
    async with both(tmp_path) as (gateway, _, _):
        await order(gateway, SetBurst(1.0))
        await gateway.chat()
        assert "cost_micros" not in (await outcomes(gateway))[-1]


async def waited(gateway, home, *asked) -> dict:
    """The record of a request that had to wait until another was done."""
    go_on = holding(home)
    first = asyncio.create_task(gateway.chat(CARD))
    await arrived(home, 1)
    second = asyncio.create_task(gateway.chat(*asked))
    async with asyncio.timeout(20):
        while not gateway.worker._admission.load()["home"].waiting:  # noqa: ASYNC110 -- the gateway's own count
            await asyncio.sleep(0.002)
    await asyncio.sleep(2 * WORTH_TELLING_S)
    go_on.set()
    await asyncio.gather(first, second)
    return (await outcomes(gateway))[-1]


async def test_a_request_that_waited_says_whether_it_was_its_label_that_kept_it(tmp_path):
    async with ModelServer() as home, house(tmp_path, {"home": home}, limits={"home": 1, "home-b": 1}) as gateway:
        await order(gateway, Drain("home-b"))
        record = await waited(gateway, home, CARD)
    assert record["stayed"] == "label"
    assert record["queued_ms"] > 1


async def test_a_request_that_waited_since_operations_closed_the_way_says_so(tmp_path):
    async with ModelServer() as home, house(tmp_path, {"home": home}, limits={"home": 1, "home-b": 1}) as gateway:
        await order(gateway, Drain("home-b"))
        await order(gateway, SetBurst(0.0))
        record = await waited(gateway, home)
    assert record["stayed"] == "operations"


async def test_a_request_that_was_turned_away_says_what_kept_it_and_one_that_was_served_at_once_does_not(tmp_path):
    async with both(tmp_path, limits={"home": 1, "home-b": 1}, queue="20ms") as (gateway, home, _):
        go_on = holding(home)
        first = asyncio.create_task(gateway.chat(CARD))
        await arrived(home, 1)
        second = asyncio.create_task(gateway.chat(CARD))
        await arrived(home, 2)
        assert (await gateway.chat(CARD)).status_code == 503
        assert (await gateway.chat(model="chat-home")).status_code == 503
        go_on.set()
        await asyncio.gather(first, second)
        told = [(one["status"], one.get("stayed")) for one in (await outcomes(gateway))[1:]]
    assert sorted(told, key=str) == [(200, None), (200, None), (503, "label"), (503, "policy")]
