"""What `tidegate doctor` wants to know of a Redis: whether it answers, what it is, and what we may do there.

Nothing that exists is read or changed: every command is tried on a key of its own, which is gone after a second.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from gateway.stores.redis_lane import Carrier, LaneRefused, Lost, named
from gateway.stores.redis_places import connect
from gateway.stores.redis_settings import RedisSettings
from gateway.stores.rights import rights_of
from gateway.wire.resp import Argument, Refused, Reply

WITHIN_S: Final = 3.0

_REFUSED: Final = "NOPERM"


@dataclass(frozen=True, slots=True)
class Unreachable:
    """It does not answer. `reason` is a word of Redis's own, or an exception's type and errno."""

    reason: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What a Redis is. `lacking` are commands that we need and may not use; `run` is the server's own id.

    `evicts` is whether it throws keys away when it is full, and None if it does not say.
    """

    kind: str
    version: tuple[int, ...]
    run: str
    evicts: bool | None
    lacking: tuple[str, ...]
    may_do_more: bool


async def inspect(store: str, settings: RedisSettings) -> Seen | Unreachable:
    """Look at one store."""
    try:
        async with asyncio.timeout(WITHIN_S):
            carrier = await connect(settings, _unheard, WITHIN_S)
            try:
                return await _seen(carrier, store, settings)
            finally:
                carrier.abort("looked at")
    except (LaneRefused, OSError) as error:
        return Unreachable(error.reason if isinstance(error, LaneRefused) else named(error))


async def _seen(carrier: Carrier, store: str, settings: RedisSettings) -> Seen:
    about = _facts(await _tried(carrier, "INFO", "server"))
    memory = _facts(await _tried(carrier, "INFO", "memory"))
    probe = f"{settings.prefix}:{{doctor}}:1:probe"
    lacking = []
    for command in rights_of(store, settings):
        answer = await _tried(carrier, *_harmless(command, probe))
        if isinstance(answer, Refused) and answer.code == _REFUSED:
            lacking.append(command)
    beyond = await _tried(carrier, "CONFIG", "GET", "maxmemory"), await _tried(carrier, "EXISTS", "no-key-of-ours")
    is_valkey = about.get("server_name") == "valkey"
    version = about.get("valkey_version" if is_valkey else "redis_version", "")
    policy, most = memory.get("maxmemory_policy"), memory.get("maxmemory")
    return Seen(
        kind="Valkey" if is_valkey else "Redis",
        version=tuple(int(part) for part in version.split(".") if part.isdigit()),
        run=about.get("run_id", ""),
        evicts=policy != "noeviction" and most != "0" if policy is not None else None,
        lacking=tuple(lacking),
        may_do_more=any(not isinstance(answer, Refused) for answer in beyond),
    )


def _harmless(command: str, key: str) -> tuple[Argument, ...]:
    """The command with as many words as it takes, doing nothing that lasts."""
    match command:
        case "eval":
            return "EVAL", "return 1", 1, key
        case "evalsha":
            return "EVALSHA", "0" * 40, 1, key
        case "set":
            return "SET", key, "", "PX", 1000
        case "hset":
            return "HSET", key, "a", "b"
        case "hdel" | "hget" | "hmget" | "zrem" | "zscore":
            return command.upper(), key, "a"
        case "pexpire":
            return "PEXPIRE", key, 1000
        case "zadd":
            return "ZADD", key, "XX", 1, "a"
        case "zrangebyscore":
            return "ZRANGEBYSCORE", key, 0, 0
        case "ping" | "time" | "role" | "asking":
            return (command.upper(),)
        case "info":
            return "INFO", "memory"
        case "cluster|slots":
            return "CLUSTER", "SLOTS"
        case _:
            return command.upper(), key


async def _tried(carrier: Carrier, *parts: Argument) -> Reply:
    """The answer, a refusal included; raises LaneRefused if there is none."""
    future: asyncio.Future[Reply | Lost] = asyncio.get_running_loop().create_future()

    def heard(answer: Reply | Lost) -> None:
        if not future.done():
            future.set_result(answer)

    carrier.send(parts, heard)
    answer = await future
    if isinstance(answer, Lost):
        raise LaneRefused(answer.reason)
    return answer


def _facts(told: Reply) -> dict[str, str]:
    lines = told.decode("utf-8", "replace").split("\r\n") if isinstance(told, bytes) else []
    return dict(line.split(":", 1) for line in lines if ":" in line)


def _unheard(_: object) -> None:
    """Whoever waits for an answer hears it."""
