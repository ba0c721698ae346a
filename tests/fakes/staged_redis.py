"""A Redis whose time a test keeps: each command waits until it is carried out, and each answer until it is given.

server = StagedServer(clock)
redis = StagedRedis(server)
redis.arrive()
store.remember([mark], "restricted")
redis.lane.carry_out(); redis.lane.answer()

It knows the commands of the record of replies and no others, and keeps what it is told as Redis does, with its time.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

from gateway.config.addresses import Unix
from gateway.ports import Clock
from gateway.stores import redis_taint
from gateway.stores.redis_connection import RedisConnection
from gateway.stores.redis_lane import Heard, Lost
from gateway.stores.redis_settings import AtServer, RedisSettings
from gateway.wire.resp import Argument, Refused, Reply

_INFO = b"maxmemory:0\r\nmaxmemory_policy:noeviction\r\n"


class StagedServer:
    """What a server keeps. `refuses` is the word with which it answers whatever would be written."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.texts: dict[bytes, bytes] = {}
        self.fields: dict[bytes, tuple[float, dict[bytes, bytes]]] = {}
        self.scripts: dict[str, str] = {}
        self.refuses = ""

    def carry_out(self, parts: Sequence[Argument]) -> Reply:
        match parts:
            case ["PING"]:
                return b"PONG"
            case ["INFO", "memory"]:
                return _INFO
            case ["SET", bytes(key), bytes(value), *options]:
                if self.refuses:
                    return Refused(self.refuses)
                if "NX" in options and key in self.texts:
                    return None
                self.texts[key] = value
                return b"OK"
            case ["EVAL", str(source), int(count), *rest]:
                self.scripts[_sha_of(source)] = source
                return self._script(source, rest[:count], rest[count:])
            case ["EVALSHA", str(sha), int(count), *rest]:
                if sha not in self.scripts:
                    return Refused("NOSCRIPT")
                return self._script(self.scripts[sha], rest[:count], rest[count:])
        raise AssertionError(parts[0])

    def _script(self, source: str, keys: Sequence[Argument], arguments: Sequence[Argument]) -> Reply:
        if source == redis_taint._READ.source:
            era, beat, *marks = [bytes(key) for key in keys if isinstance(key, bytes)]
            return [[self.texts.get(era), self.texts.get(beat)], *(self._all_of(key) for key in marks)]
        if source != redis_taint._REMEMBER.source:
            return b"another script"
        if self.refuses:
            return Refused(self.refuses)
        label, kept_ms, *values = arguments
        assert isinstance(label, str)
        assert isinstance(kept_ms, int)
        for key, value in zip(keys, values, strict=True):
            assert isinstance(key, bytes)
            assert isinstance(value, bytes)
            expires, fields = self.fields.get(key, (0.0, {}))
            had = fields if expires > self._clock.wall() else {}
            self.fields[key] = self._clock.wall() + kept_ms / 1000, {**had, label.encode(): value}
        return len(keys)

    def _all_of(self, key: bytes) -> Reply:
        expires, fields = self.fields.get(key, (0.0, {}))
        flat: list[Reply] = []
        for name, value in fields.items() if expires > self._clock.wall() else ():
            flat += (name, value)
        return flat


class StagedLane:
    """Implements `Carrier`. Commands are carried out, and answered, in the order in which they were sent."""

    def __init__(self, server: StagedServer, redis: RedisConnection) -> None:
        self._server, self._redis = server, redis
        self.sent: deque[tuple[Sequence[Argument], Heard]] = deque()
        self.done: deque[tuple[Reply, Heard]] = deque()
        self.is_lost = False

    def send(self, parts: Sequence[Argument], heard: Heard) -> None:
        self.sent.append((parts, heard))

    def carry_out(self) -> None:
        """The server takes the next command."""
        if self.sent:
            parts, heard = self.sent.popleft()
            self.done.append((self._server.carry_out(parts), heard))

    def answer(self) -> None:
        """Its next answer arrives."""
        if self.done:
            reply, heard = self.done.popleft()
            heard(reply)

    def go_on(self) -> None:
        """All that was sent is carried out and answered, and what is sent then, too."""
        while self.sent or self.done:
            self.carry_out()
            self.answer()

    def abort(self, reason: str) -> None:
        self.is_lost = True
        while self.done:
            self.done.popleft()[1](Lost(reason))
        while self.sent:
            self.sent.popleft()[1](Lost(reason))
        self._redis._lost(reason)


class StagedRedis(RedisConnection):
    """The gateway's own connection, over such lanes. It comes back when it is told to."""

    def __init__(self, server: StagedServer) -> None:
        super().__init__(RedisSettings(AtServer(Unix("nowhere"))), chance=lambda: 0.5)
        self.server = server
        self.lane = StagedLane(server, self)

    def arrive(self) -> None:
        """It is connected from now on."""
        self._carrier = self.lane = StagedLane(self.server, self)
        self._is_down, self.why_down = False, ""
        self._send_early()

    def lose(self) -> None:
        """Nobody answers any more."""
        self.lane.abort("timeout")

    def _come(self) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(asyncio.sleep(0))


def _sha_of(source: str) -> str:
    return redis_taint.Script(source).sha
