"""Two tenants ask the same questions of two gateways with one store, and leave at every place where a request can wait.

The model server puts into each answer whom it was asked for, as it knows it, and what it was asked. Whatever a client
receives is held against both: what it has of anybody else's is a foreign byte. Somebody in the store changes what is
there all the while. The slow form makes 10⁵ calls and prints its seed; the other is the same every time.
"""

import asyncio
import contextlib
import json
import random
import re
from collections import Counter
from collections.abc import Coroutine, Generator
from typing import Any

import pytest

from gateway.ports import Inbound
from gateway.runtime.cache_rules import Way
from gateway.wire.requests import Dialect
from tests.fakes.model_server import ModelServer, completion, delta
from tests.fakes.valkey import running_valkey
from tests.paths.test_cache import CACHED
from tests.paths.test_cache_shared import gateways

QUESTIONS = [f"q{number:04d}q" for number in range(16)]
AT_ONCE = 32
LONGER = 5
"""How often as many calls are made, at the most, until there was everything that there is to be seen."""
# Only servers at home are told for which tenant they work.
AT_HOME = CACHED.replace("spill: [burst], ", "").replace("to: [home, home-b]", "to: [home]")
SAID = re.compile(r"salt:([0-9a-f]{64}) (q\d{4}q)")


class Client:
    """A client in this process; implements `ports.Downstream`. It can leave at any moment."""

    def __init__(self) -> None:
        self.body = b""
        self.status = 0
        self.is_gone = False
        self.over = asyncio.Event()
        self._on_gone = lambda: None

    def watch(self, on_gone, on_full, on_drained) -> None:
        self._on_gone = on_gone

    def start(self, status, headers, *, length) -> None:
        self.status = status

    def write(self, data: bytes) -> None:
        assert not self.is_gone
        self.body += data

    def finish(self) -> None:
        self.over.set()

    def abort(self) -> None:
        self.over.set()

    def leave(self) -> None:
        if not self.over.is_set() and not self.is_gone:
            self.is_gone = True
            self.over.set()
            self._on_gone()


class LeavingAt:
    """A task's work, in which the client leaves as the work waits for the `at`th time."""

    def __init__(self, work: Coroutine[Any, Any, None], client: Client, at: int, waits: Counter[str]) -> None:
        self._work = work
        self._client = client
        self._at = at
        self._waits = waits

    def __await__(self) -> Generator[Any, Any, None]:
        inner = self._work.__await__()
        number, value, error = 0, None, None
        while True:
            try:
                waits_for = inner.throw(error) if error is not None else inner.send(value)
            except StopIteration:
                return
            number += 1
            if number == self._at:
                self._waits[place_of(self._work)] += 1
                self._client.leave()
            value = error = None
            try:
                value = yield waits_for
            except BaseException as exc:  # noqa: BLE001 -- whatever it is, it is the inner one's
                error = exc


def place_of(work: Any) -> str:
    """The innermost of our functions that waits."""
    name = ""
    while work is not None and hasattr(work, "cr_frame"):
        name, work = work.cr_code.co_qualname, work.cr_await
    return name


async def alone(work: LeavingAt) -> None:
    await work


def script(rng):
    async def answer(peer):
        asked = peer.received.json
        text = f"salt:{asked['cache_salt']} {asked['messages'][0]['content']}"
        if rng.random() < 0.1:
            await asyncio.sleep(0.002)
        if rng.random() < 0.05:
            peer.reset()
        elif not asked.get("stream"):
            await peer.answer(200, completion(text))
        else:
            await peer.open_stream()
            await peer.event(delta(text[:30]))
            await peer.event(delta(text[30:]))
            if rng.random() < 0.9:
                await peer.event(delta(finish="stop"))
                await peer.event("[DONE]")
            await peer.end_stream()

    return answer


def text_of(body: bytes) -> str:
    """What an answer says, streamed or not."""
    if not body.startswith((b"data:", b":")):
        return "".join(choice["message"]["content"] for choice in json.loads(body).get("choices", ()))
    events = [line[6:] for line in body.decode().splitlines() if line.startswith("data: {")]
    chunks = [json.loads(event) for event in events]
    return "".join(
        choice["delta"].get("content", "") for chunk in chunks if "error" not in chunk for choice in chunk["choices"]
    )


async def meddle(valkey, rng, stop: asyncio.Event) -> None:
    """Somebody in the store moves values from key to key, changes and deletes them, and takes leads."""
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 0.01)
        told = await asyncio.to_thread(valkey.ask, "EVAL", "return table.concat(redis.call('KEYS', '*:v'), ' ')", "0")
        keys = re.findall(rb"tidegate:cache:1:\S+:v", told)
        if len(keys) < 2:
            continue
        one, other = rng.sample(keys, 2)
        value = valkey.ask("GET", one).partition(b"\r\n")[2][:-2]
        match rng.randrange(4):
            case 0:
                valkey.ask("SET", other, value)
            case 1 if value:
                at = rng.randrange(len(value))
                valkey.ask("SET", one, value[:at] + bytes((value[at] ^ 1,)) + value[at + 1 :])
            case 2:
                valkey.ask("DEL", one)
            case _:
                valkey.ask("SET", one[:-1] + b"l", "mine", "PX", "20")


@pytest.mark.parametrize(
    ("calls", "seed"),
    [(2_000, 7), pytest.param(100_000, None, marks=pytest.mark.slow)],
)
async def test_nobody_receives_a_byte_of_anybody_else(tmp_path, calls, seed):
    seed = random.SystemRandom().randrange(1 << 32) if seed is None else seed
    print(f"seed {seed}")
    rng = random.Random(seed)
    waits: Counter[str] = Counter()
    endings: Counter[str] = Counter()
    foreign: list[str] = []
    async with ModelServer() as home, ModelServer() as burst:
        home.script = burst.script = script(rng)
        with running_valkey() as valkey:
            async with gateways(
                tmp_path, (home, burst), valkey, block="wait: 200ms", waits="1s", policy=AT_HOME
            ) as both:
                salts = {tenant: both[0].worker._keyring.cache_salt(tenant) for tenant in ("bank", "plain")}
                stop = asyncio.Event()
                meddling = asyncio.create_task(meddle(valkey, rng, stop))
                free = asyncio.Semaphore(AT_ONCE)

                async def call() -> None:
                    gateway, tenant = rng.choice(both), rng.choice(("bank", "plain"))
                    question, streamed = rng.choice(QUESTIONS), rng.random() < 0.5
                    client = Client()
                    key = gateway.key if tenant == "bank" else gateway.plain_key
                    body = {"model": "chat", "messages": [{"role": "user", "content": question}], "temperature": 0}
                    if streamed:
                        body["stream"] = True
                    inbound = Inbound(
                        method=b"POST",
                        path=b"/v1/chat/completions",
                        authorization=f"Bearer {key}".encode(),
                        body=json.dumps(body).encode(),
                        received_at=gateway.worker._clock.monotonic(),
                        cache_control=rng.choice([b""] * 8 + [b"no-cache", b"max-age=1"]),
                    )
                    if rng.random() < 0.15:
                        gateway.worker._cache._near.forget(tenant)
                    at = rng.choice((1, 1, 1, 2, 2, 3, 4, 6, 9)) if rng.random() < 0.7 else 0

                    def spawn(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
                        return asyncio.get_running_loop().create_task(alone(LeavingAt(work, client, at, waits)))

                    gateway.worker._pipeline.serve(Dialect.CHAT, inbound, client, spawn)
                    async with asyncio.timeout(30):
                        await client.over.wait()
                    if client.is_gone:
                        endings["left"] += 1
                    else:
                        endings[str(client.status)] += 1
                    said = text_of(client.body) if client.body else ""
                    match = SAID.fullmatch(said)
                    if client.status == 200 and not client.is_gone and b"error" not in client.body:
                        assert match is not None
                    if match is not None and (match[1], match[2]) != (salts[tenant], question):
                        foreign.append(said)
                    others = [salt for name, salt in salts.items() if name != tenant]
                    others += [one for one in QUESTIONS if one != question]
                    foreign.extend(word for word in others if word.encode() in client.body)

                async def bounded() -> None:
                    try:
                        await call()
                    finally:
                        free.release()

                caches = [gateway.worker._cache for gateway in both]

                def ways() -> Counter[Way]:
                    return Counter({way: sum(cache.counts[way] for cache in caches) for way in Way})

                def has_been_everywhere() -> bool:
                    """It was what it says: answers came in each of the ways, and clients left wherever our code waits.

                    To look again whether another gateway's answer has come is rare: thousands of calls may do without.
                    """
                    return (
                        min(ways()[way] for way in (Way.NEAR, Way.FAR, Way.WAITED, Way.MISS)) > 5
                        and sum(cache.unopened for cache in caches) > 0
                        and {"ReplyCache._awaited", "RedisConnection.call"} <= set(waits)
                        and ("sleep" in waits or calls < 10_000)
                    )

                # On a machine that does much else the store may be lost for a while: then there is more to do.
                for _ in range(LONGER):
                    async with asyncio.TaskGroup() as group:
                        for _ in range(calls):
                            await free.acquire()
                            group.create_task(bounded())
                    if has_been_everywhere():
                        break
                stop.set()
                await meddling
                for gateway in both:
                    await gateway.settled()
                assert [cache._flights for cache in caches] == [{}, {}]
                assert [cache.waiting for cache in caches] == [0, 0]
    made = endings.total()
    print(dict(endings), {way.value: count for way, count in ways().items()}, dict(waits))
    print(f"{len(foreign)} foreign bytes in {made} calls: at most {3 / made:.1e} a call at 95 %")
    assert foreign == []
    assert has_been_everywhere()
    assert endings["left"] > made // 100


@pytest.mark.parametrize("streamed", [False, True])
async def test_an_answer_from_memory_needs_no_task(tmp_path, streamed):
    async with ModelServer() as home, ModelServer() as burst:
        home.script = burst.script = script(random.Random(1))
        with running_valkey() as valkey:
            async with gateways(tmp_path, (home, burst), valkey, 1, policy=AT_HOME) as (gateway,):
                body = {"model": "chat", "messages": [{"role": "user", "content": QUESTIONS[0]}], "temperature": 0}
                body |= {"stream": True} if streamed else {}
                for _ in range(20):  # one answer in twenty is lost on its way, one stream in ten
                    first = await gateway.client.post("/v1/chat/completions", json=body, headers=gateway.headers())
                    if first.headers.get("x-tidegate-cache") == "hit":
                        break
                inbound = Inbound(
                    method=b"POST",
                    path=b"/v1/chat/completions",
                    authorization=f"Bearer {gateway.key}".encode(),
                    body=json.dumps(body).encode(),
                    received_at=gateway.worker._clock.monotonic(),
                )
                client = Client()
                gateway.worker._pipeline.serve(Dialect.CHAT, inbound, client, None)  # type: ignore[arg-type]
                assert client.over.is_set()
                assert SAID.fullmatch(text_of(client.body))
