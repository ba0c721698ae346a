"""The ledger says what model servers said: through a real process, with callers who leave, and with kill -9."""

import asyncio
import json
import os
import random
import signal
import time

import httpx

from gateway.core.ledger import Sums
from gateway.core.ledger_asked import grouped
from gateway.runtime.usage_book import UsageBook
from tests.fakes.house import write_config
from tests.fakes.model_server import ModelServer, Peer, completion, delta
from tests.paths.served import serving
from tests.paths.test_audit_path import CLOUD_FIRST, QUICK, asks, caller, recorded

PRICES = "prices: {currency: CNY, pools: {burst: {prompt: 3, completion: 9}, home: {prompt: 1, completion: 1}}}\n"
CALLS = 300
GONE = 0.2


class Counting:
    """A script that answers with usage of its own choice, and keeps what it has said to whom."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self.whole: list[tuple[int, int]] = []
        self.cut: list[int] = []

    async def __call__(self, peer: Peer) -> None:
        prompt, written = self._chance.randint(1, 5000), self._chance.randint(2, 40)
        if not peer.received.json.get("stream"):
            self.whole.append((prompt, written))
            own = b'"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":0' % (prompt, written)
            usual = b'"prompt_tokens":5,"completion_tokens":2,"total_tokens":7'
            await peer.answer(200, completion().replace(usual, own))
            return
        leaves = "leave" in json.dumps(peer.received.json["messages"])
        await peer.open_stream()
        said = 0
        for number in range(written):
            await peer.event(delta(f"{number} "))
            said += 1
        if leaves:
            await peer.until_gone()
            self.cut.append(said)
            return
        self.whole.append((prompt, written))
        usage = {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written}
        await peer.event(delta(finish="stop"))
        await peer.event({**delta(), "choices": [], "usage": usage})
        await peer.event("[DONE]")
        await peer.end_stream()


def sums(config, *by: str) -> dict[tuple[str, ...], Sums]:
    with UsageBook.opened(config / "state") as book:
        book.read()
        return grouped(book.sums(book.days()).items(), by)


async def leave(client: httpx.AsyncClient) -> None:
    """Ask for a stream, and go away in the middle of it."""
    async with client.stream("POST", **asks("I shall leave", model="chat", stream=True)) as answer:
        async for _ in answer.aiter_bytes():
            return


async def test_the_ledger_is_what_the_servers_said_also_with_callers_who_leave(tmp_path):
    chance, home_says, cloud_says = random.Random(3), Counting(1), Counting(2)
    async with ModelServer() as home, ModelServer() as burst:
        home.script, burst.script = home_says, cloud_says
        config = tmp_path / "config"
        key, _ = write_config(
            config, {"home": home, "home-b": home, "burst": burst}, policy=CLOUD_FIRST, tenants=PRICES
        )
        gone = 0
        async with serving(config) as served, caller(await served.port(), key) as client:
            room = asyncio.Semaphore(16)

            async def call(number: int) -> None:
                nonlocal gone
                async with room:
                    if chance.random() < GONE:
                        gone += 1
                        await leave(client)
                        return
                    model = "chat-home" if number % 3 else "chat"
                    answer = await client.post(**asks(model=model, stream=bool(number % 2)))
                    assert answer.status_code == 200

            await asyncio.gather(*(call(number) for number in range(CALLS)))
    zones = sums(config, "zone")
    for zone, said, price in (("onprem", home_says, (1, 1)), ("cloud", cloud_says, (3, 9))):
        found = zones[(zone,)]
        assert found.prompt_tokens == sum(prompt for prompt, _ in said.whole)
        assert found.completion_tokens == sum(written for _, written in said.whole)
        costs = sum(prompt * price[0] + written * price[1] for prompt, written in said.whole)
        # Whoever left is charged for the prompt, reckoned, and for what had come.
        assert found.cost_micros >= costs
        assert (found.cost_micros == costs) is (not said.cut)
        assert found.reckoned_tokens >= len(said.cut)
        assert found.requests == len(said.whole) + len(said.cut)
    whole = sums(config)[()]
    assert whole.requests == CALLS
    assert gone == len(home_says.cut) + len(cloud_says.cut) > CALLS / 10
    records = {one["request_id"]: one for one in recorded(config, "outcome")}
    assert whole.cost_micros == sum(one.get("cost_micros", 0) for one in records.values())


async def test_kill_9_leaves_every_finished_request_in_the_ledger_once_and_names_what_may_have_been_sent(tmp_path):
    said = Counting(4)
    async with ModelServer() as burst:
        burst.script = said
        config = tmp_path / "config"
        key, _ = write_config(config, {"burst": burst}, timeouts=QUICK, policy=CLOUD_FIRST, tenants=PRICES)
        async with serving(config) as served, caller(await served.port(), key) as client:
            await asyncio.gather(*(client.post(**asks(model="chat")) for _ in range(20)))
            async with asyncio.timeout(60):
                while len(recorded(config, "outcome")) < 20:  # noqa: ASYNC110 -- what is on disk
                    await asyncio.sleep(0.02)
            assert sums(config)[()].requests == 20
            arrived = asyncio.Semaphore(0)

            async def begins(peer):
                await peer.open_stream()
                await peer.event(delta("Hel", role="assistant"))
                arrived.release()
                await peer.until_gone()

            burst.script = begins

            async def streams() -> None:
                try:
                    await client.post(**asks(model="chat", stream=True))
                except httpx.TransportError:
                    return

            running = [asyncio.create_task(streams()) for _ in range(5)]
            for _ in running:
                await arrived.acquire()
            os.kill(await served.worker(), signal.SIGKILL)
            await asyncio.gather(*running)
            burst.script = said
            assert (await client.post(**asks(model="chat"))).status_code == 200
    found = sums(config)[()]
    assert (found.requests, found.prompt_tokens) == (21, sum(prompt for prompt, _ in said.whole))
    with UsageBook.opened(config / "state") as book:
        book.read()
        assert len(book.unsettled(time.time() + 1000)) == 5
