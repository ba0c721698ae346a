"""Whoever controls Redis altogether changes no ceiling and moves no byte; the canary fuzz runs against him, too."""

import random
from collections import Counter

import pytest

from tests.fakes.hostile_redis import hostile_redis
from tests.fakes.house import House, house
from tests.fakes.model_server import ModelServer
from tests.fakes.valkey import Valkey, running_valkey
from tests.paths.test_history import HARMLESS, OUTWARD, REPLY, SECRET, answering, follow_up

SEEDS = range(4)


def tampered(valkey: Valkey, rng: random.Random, copies: list[tuple[bytes, bytes]]) -> None:
    """One thing that somebody with all rights may do, with values that he has seen."""
    names = [line for line in valkey.ask("KEYS", "*").split(b"\r\n") if line.startswith(b"tidegate:")]
    if not names:
        return
    name, other = rng.choice(names), rng.choice(names)
    dumped = valkey.ask("DUMP", name)
    if not dumped.startswith(b"$-1"):
        copies.append((name, dumped.split(b"\r\n", 1)[1][:-2]))
    earlier, value = rng.choice(copies) if copies else (name, b"")
    valkey.ask(
        *rng.choice(
            [
                ("DEL", name),
                ("HDEL", name, "confidential"),
                ("HSET", name, "public", b"1" + rng.randbytes(24)),
                ("RENAME", name, other),
                ("COPY", name, other, "REPLACE"),
                ("PERSIST", name),
                ("SET", name, rng.randbytes(33)),
                ("RESTORE", earlier, "0", value, "REPLACE"),
                ("RESTORE", other, "0", value, "REPLACE"),
                ("FLUSHALL",),
            ]
        )
    )


@pytest.mark.parametrize("seed", SEEDS)
async def test_what_was_said_in_confidence_stays_home_whatever_is_done_to_the_record(tmp_path, seed):
    """A real one, and somebody who deletes, forges, swaps and brings back what he saw between any two requests."""
    rng, copies, pools = random.Random(seed), list[tuple[bytes, bytes]](), Counter[str]()
    with running_valkey() as valkey:
        async with ModelServer() as home, ModelServer() as burst:
            home.script, burst.script = answering(REPLY), answering(HARMLESS)
            stores = f"stores: {{state: {{address: 'unix:{valkey.socket}'}}}}\n"
            async with house(tmp_path, {"home": home, "burst": burst}, policy=OUTWARD, gateway=stores) as gateway:
                for turn in range(40):
                    assert await where(gateway, [{"role": "user", "content": SECRET}]) == "home"
                    if turn > 10:
                        tampered(valkey, rng, copies)
                    assert await where(gateway, follow_up()) == "home"
                    pools[await where(gateway, follow_up(reply=HARMLESS))] += 1
                    assert await where(gateway, [{"role": "user", "content": "When does the tide turn?"}]) == "burst"
    # Until somebody laid hands on it, the record was good for something.
    assert pools["burst"] >= 10
    assert pools["home"] > 0
    assert not any(REPLY[:30] in one.body.decode() or SECRET in one.body.decode() for one in burst.requests)


async def where(gateway: House, messages: list[dict[str, str]]) -> str:
    answer = await gateway.client.post(
        "/v1/chat/completions", json={"model": "chat", "messages": messages}, headers=gateway.headers()
    )
    assert answer.status_code == 200
    return answer.headers["x-tidegate-pool"]


@pytest.mark.parametrize("seed", SEEDS)
async def test_what_was_said_in_confidence_stays_home_whatever_redis_says(tmp_path, seed):
    """No Redis at all, but somebody who answers in its place."""
    async with ModelServer() as home, ModelServer() as burst:
        async with hostile_redis(tmp_path / "s", random.Random(seed)) as hostile:
            home.script, burst.script = answering(REPLY), answering(HARMLESS)
            stores = f"stores: {{state: {{address: 'unix:{tmp_path / 's'}'}}}}\n"
            async with house(tmp_path, {"home": home, "burst": burst}, policy=OUTWARD, gateway=stores) as gateway:
                for _ in range(15):
                    assert await where(gateway, [{"role": "user", "content": SECRET}]) == "home"
                    assert await where(gateway, follow_up()) == "home"
                    assert await where(gateway, [{"role": "user", "content": "When does the tide turn?"}]) == "burst"
                    await gateway.worker._replies.look()
        assert hostile.answers > 10  # soon it says that it is sick, and is left alone for a while
        said = bytes(hostile.heard)
        assert REPLY[:30].encode() not in said
        assert SECRET.encode() not in said
    assert not any(REPLY[:30] in one.body.decode() or SECRET in one.body.decode() for one in burst.requests)
