"""What befalls the Redis of a real `tidegate serve` with two workers: nobody is refused, nobody waits twice, and what
has a history stays home until the record is whole again."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
import pytest

from gateway.stores.redis_taint import EVERY_S
from tests.fakes.house import POLICY
from tests.fakes.model_server import ModelServer, completion
from tests.fakes.process import Process, process
from tests.fakes.valkey import Valkey, running_valkey

# Whatever may leave does.
OUTWARD = POLICY.replace("when: {}, to: [home, home-b], spill: [burst]", "when: {}, to: [burst]").replace(
    "  chat-home: {pools: [home]}\n", ""
)
SECRET = "请总结这份机密材料"
REPLY = (
    "The committee agreed to close the northern branch in spring, to move its forty people to the head office, and to "
    "tell nobody before the first of March; the landlord has been informed under seal, and the auditors have signed; "
    "whoever asks is to be told that no decision has been taken."
)
HARMLESS = "The tide turns at six in the evening, and again before dawn. " * 4
WAIT_S = 0.25
"""What a lost Redis may cost a request that needs it, once. More than the usual 50 ms, within which a living one is
not always heard on a machine that runs two lanes of tests."""


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with running_valkey() as server:
        yield server


def state_at(valkey: Valkey) -> str:
    return f"stores: {{state: {{address: 'unix:{valkey.socket}', timeout: {int(1000 * WAIT_S)}ms}}}}\n"


@dataclass
class Went:
    """Where requests went, by status and pool, and how long each took."""

    places: Counter[tuple[int, str]] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    def slower_than(self, seconds: float) -> int:
        return sum(one > seconds for one in self.seconds)


def history(reply: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": reply}, {"role": "user", "content": "Shorter, please."}]


ALONE = [{"role": "user", "content": "When does the tide turn?"}]


async def ask(running: Process, messages: list[dict[str, str]], times: int = 1) -> Went:
    """One after the other, each over a connection of its own, so that both workers get some."""
    went = Went()
    body = json.dumps({"model": "chat", "messages": messages})
    data = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {running.key}\r\nconnection: close\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n{body}"
    ).encode()
    for _ in range(times):
        began = time.perf_counter()
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(data)
        head = (await reader.read(-1)).partition(b"\r\n\r\n")[0].decode().lower().split("\r\n")
        writer.close()
        fields = dict(line.split(": ", 1) for line in head[1:])
        went.places[int(head[0].split(" ")[1]), fields.get("x-tidegate-pool", "")] += 1
        went.seconds.append(time.perf_counter() - began)
    return went


async def until(running: Process, messages: list[dict[str, str]], pool: str, *, for_s: float = 0.0) -> None:
    """It is sent there, and nowhere else for so long."""
    async with asyncio.timeout(60):
        since = time.perf_counter()
        while True:
            went = await ask(running, messages, 12)
            now = time.perf_counter()
            if went.places != {(200, pool): 12}:
                await asyncio.sleep(0.05)
                since = time.perf_counter()
            elif now - since >= for_s:
                return


async def both_have_looked(running: Process) -> None:
    """A worker that has given nothing lately hears that Redis takes nothing when it looks, once a second; and one of
    two may take every request of a few seconds."""
    await until(running, history(HARMLESS), "home", for_s=2 * EVERY_S + 0.5)


async def befalls(running: Process, name: str) -> None:
    """While Redis is as it is: all are served, what has a history at home, and at most one wait for each worker."""
    usual = max((await ask(running, ALONE, 20)).seconds)
    went = await ask(running, history(HARMLESS), 60)
    assert went.places == {(200, "home"): 60}, name
    others = await ask(running, ALONE, 40)
    assert others.places == {(200, "burst"): 40}, name
    slow = went.slower_than(usual + WAIT_S / 2)
    print(f"{name}: {slow} of 60 with a history waited, the longest request took {1000 * max(went.seconds):.0f} ms")
    # One for each of two workers; what is more was this machine's. All of them would be 60.
    assert slow <= 15, name


async def test_whatever_befalls_redis_everybody_is_served_and_what_has_a_history_stays_home(tmp_path, valkey):
    async with ModelServer() as home, ModelServer() as burst:

        async def at_home(peer):
            await peer.answer(200, completion(REPLY))

        async def in_the_cloud(peer):
            await peer.answer(200, completion(HARMLESS))

        home.script, burst.script = at_home, in_the_cloud
        stores = "workers: 2\n" + state_at(valkey)
        async with process(tmp_path, {"home": home, "burst": burst}, gateway=stores, policy=OUTWARD) as running:
            # Workers share the record: what one of them was told, every one knows.
            assert (await ask(running, [{"role": "user", "content": SECRET}])).places == {(200, "home"): 1}
            await until(running, history(HARMLESS), "burst")
            assert (await ask(running, history(REPLY), 40)).places == {(200, "home"): 40}

            valkey.pause()
            await befalls(running, "it hangs")
            valkey.resume()
            await until(running, history(HARMLESS), "burst")

            valkey.ask("REPLICAOF", "127.0.0.1", "1")
            assert (await ask(running, [{"role": "user", "content": SECRET}], 20)).places == {(200, "home"): 20}
            await both_have_looked(running)
            await befalls(running, "it is a replica now")
            valkey.ask("REPLICAOF", "NO", "ONE")
            await until(running, history(HARMLESS), "burst")
            assert (await ask(running, history(REPLY), 40)).places == {(200, "home"): 40}

            valkey.ask("CONFIG", "SET", "maxmemory", "1")
            assert (await ask(running, [{"role": "user", "content": SECRET}], 20)).places == {(200, "home"): 20}
            await both_have_looked(running)
            await befalls(running, "it is full")
            valkey.ask("CONFIG", "SET", "maxmemory", "0")
            await until(running, history(HARMLESS), "burst")
            assert (await ask(running, history(REPLY), 40)).places == {(200, "home"): 40}

            valkey.kill()
            await befalls(running, "it is gone")
            valkey.start()
            async with asyncio.timeout(20):
                while "reply_record_lost" not in running.log.read_text():  # noqa: ASYNC110 -- another process's log
                    await asyncio.sleep(0.05)
            # It has come back empty: that proves nothing about any history.
            await befalls(running, "it came back empty")
            texts = [received.json["messages"] for received in burst.requests]
            assert not any(REPLY in message["content"] for messages in texts for message in messages)
            assert await running.stopped() == 0
            log = running.log.read_text()
            assert {"store_down", "store_up", "reply_record_lost"} <= {
                json.loads(line)["event"] for line in log.splitlines()
            }
            assert REPLY[:40] not in log


async def test_a_gateway_starts_without_its_redis_and_takes_it_up_when_it_comes(tmp_path, valkey):
    valkey.kill()
    async with ModelServer() as home, ModelServer() as burst:

        async def at_home(peer):
            # Not what the cloud says: an answer to what had to stay at home has its label, whatever it says.
            await peer.answer(200, completion(REPLY))

        async def in_the_cloud(peer):
            await peer.answer(200, completion(HARMLESS))

        home.script, burst.script = at_home, in_the_cloud
        stores = state_at(valkey)
        async with process(tmp_path, {"home": home, "burst": burst}, gateway=stores, policy=OUTWARD) as running:
            assert (await ask(running, history(HARMLESS))).places == {(200, "home"): 1}
            assert (await ask(running, ALONE)).places == {(200, "burst"): 1}
            assert await reasons(running) == ["the store state does not answer: ConnectionRefusedError 111"]
            valkey.start()
            await until(running, history(HARMLESS), "burst")
            assert await reasons(running) == []


async def reasons(running: Process) -> list[str]:
    """What the gateway, which is ready, says is not as it should be."""
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{running.admin_url}/readyz")
    assert answer.status_code == 200
    found: list[str] = answer.json()["reasons"]
    return found


@pytest.mark.slow
async def test_a_redis_that_is_killed_under_load_costs_one_wait_and_no_answer(tmp_path, valkey):
    """Sixteen clients that ask without a pause, all with a history, so that every request asks Redis."""
    async with ModelServer() as home, ModelServer() as burst:

        async def harmless(peer):
            await peer.answer(200, completion(HARMLESS))

        async def at_home(peer):
            await peer.answer(200, completion(REPLY))

        home.script, burst.script = at_home, harmless
        stores = "workers: 2\n" + state_at(valkey)
        async with process(tmp_path, {"home": home, "burst": burst}, gateway=stores, policy=OUTWARD) as running:
            await until(running, history(HARMLESS), "burst")
            told: list[tuple[float, Went]] = []

            async def client(ends: float) -> None:
                while time.perf_counter() < ends:
                    began = time.perf_counter()
                    told.append((began, await ask(running, history(HARMLESS))))

            began = time.perf_counter()
            async with asyncio.TaskGroup() as group:
                for _ in range(16):
                    group.create_task(client(began + 10))
                await asyncio.sleep(5)
                valkey.kill()
                killed = time.perf_counter()
            before = sorted(went.seconds[0] for at, went in told if at < killed - 0.2)
            after = sorted(went.seconds[0] for at, went in told if at > killed + 0.2)
            during = [went.seconds[0] for at, went in told if killed - 0.2 <= at <= killed + 0.2]
            assert {status for _, went in told for status, _ in went.places} == {200}
            assert all(went.places == {(200, "home"): 1} for at, went in told if at > killed)
            print(
                f"\n{len(told)} requests, all answered; p50 and p99 before {1000 * at_share(before, 0.5):.1f} and "
                f"{1000 * at_share(before, 0.99):.1f} ms, after {1000 * at_share(after, 0.5):.1f} and "
                f"{1000 * at_share(after, 0.99):.1f} ms; the longest within 0.2 s of it {1000 * max(during):.0f} ms"
            )
            assert at_share(after, 0.99) < at_share(before, 0.99) + WAIT_S


def at_share(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
