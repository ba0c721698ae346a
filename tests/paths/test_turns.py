"""Turns in the queue of a full pool: by tenant, by the priority of its class, and never past the last place."""

import asyncio
import contextlib

import pytest

from tests.fakes.house import house
from tests.fakes.model_server import ModelServer

QUEUED = {"limits": {"home": 1}, "queue": "60s"}


class Counter:
    """A model server that answers one request after the other, when it is told to, and remembers whose they were."""

    def __init__(self, server: ModelServer) -> None:
        self.served: list[str] = []
        self._next = asyncio.Semaphore(0)
        usual = server.script

        async def one_by_one(peer):
            await self._next.acquire()
            self.served.append(peer.received.json["messages"][0]["content"])
            await usual(peer)

        server.script = one_by_one

    def serve(self, count: int) -> None:
        for _ in range(count):
            self._next.release()


@contextlib.asynccontextmanager
async def counting(tmp_path, **options):
    async with ModelServer() as home, house(tmp_path, {"home": home}, **QUEUED, **options) as gateway:
        yield gateway, Counter(home)


async def come(gateway, key: str, text: str) -> "asyncio.Task[int]":
    """One more request that waits, or has the place."""

    async def ask() -> int:
        body = {"model": "chat-home", "messages": [{"role": "user", "content": text}]}
        headers = {"authorization": f"Bearer {key}"}
        return (await gateway.client.post("/v1/chat/completions", json=body, headers=headers, timeout=60)).status_code

    before = present(gateway)
    task = asyncio.create_task(ask())
    async with asyncio.timeout(30):
        while present(gateway) == before and not task.done():  # noqa: ASYNC110 -- the gateway's own count
            await asyncio.sleep(0.002)
    return task


def present(gateway) -> int:
    load = gateway.worker._admission.load()["home"]
    return load.in_flight + load.waiting


async def test_one_tenants_many_requests_take_turns_with_anothers_few(tmp_path):
    async with counting(tmp_path) as (gateway, counter):
        tasks = [await come(gateway, gateway.plain_key, f"many {number}") for number in range(5)]
        tasks += [await come(gateway, gateway.key, f"few {number}") for number in range(2)]
        counter.serve(7)
        assert set(await asyncio.gather(*tasks)) == {200}
    assert counter.served == ["many 0", "many 1", "few 0", "many 2", "few 1", "many 3", "many 4"]


def urgent(config) -> None:
    """A class of its own for one tenant, above that of the other."""
    tenants = config / "tenants.yaml"
    text = tenants.read_text().replace("hospital:", "urgent: {ceiling: internal, priority: 9}, hospital:")
    tenants.write_text(text.replace("bank: {class: default", "bank: {class: urgent"))


@pytest.mark.parametrize(
    ("options", "served"),
    [
        ({"rewrite": urgent}, ["first", "urgent", "usual 0", "usual 1"]),
        ({}, ["first", "usual 0", "urgent", "usual 1"]),
    ],
    ids=["above", "equal"],
)
async def test_a_class_with_priority_has_a_head_start(tmp_path, options, served):
    async with counting(tmp_path, **options) as (gateway, counter):
        tasks = [await come(gateway, gateway.plain_key, text) for text in ("first", "usual 0", "usual 1")]
        tasks.append(await come(gateway, gateway.key, "urgent"))
        counter.serve(4)
        assert set(await asyncio.gather(*tasks)) == {200}
    assert counter.served == served
