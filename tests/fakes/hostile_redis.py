"""A Redis in a hostile hand: it keeps everything that it is told, and answers with whatever may do harm.

It does not know our keys. What it has are all the bytes that it was ever sent, which it gives back in the wrong places,
at the wrong time, in shapes that fit; and nothing, refusals, nonsense and hang-ups besides.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from pathlib import Path

from gateway.wire.resp import OutOfStep, Replies

_INFO = b"# Memory\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\nrun_id:abc\r\n"
_REFUSALS = (b"NOSCRIPT none", b"OOM full", b"READONLY replica", b"WRONGTYPE no", b"ERR \xff\xfe", b"LOADING soon")


class HostileRedis:
    """One such server. `heard` is everything that it was told, `answers` how often it answered."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._told: list[bytes] = [b"", b"1", b"restricted", b"public"]
        self.heard = bytearray()
        self.answers = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A command is an array of texts, which is also what an answer may be.
        commands = Replies()
        with contextlib.suppress(OSError, OutOfStep):
            while data := await reader.read(1 << 16):
                self.heard += data
                for command in commands.feed(data):
                    assert isinstance(command, list)
                    words = [word for word in command if isinstance(word, bytes)]
                    self._told = [*self._told[-500:], *words[3:]]
                    answer = self._answer(words)
                    if answer is None:
                        writer.close()
                        return
                    self.answers += 1
                    writer.write(answer)
        writer.close()

    def _answer(self, words: list[bytes]) -> bytes | None:
        rng, name = self._rng, words[0].upper()
        if name == b"PING":
            return b"+PONG\r\n"
        if rng.random() < 0.005:
            return None
        if rng.random() < 0.005:
            return rng.randbytes(20) + b"\r\n"
        if rng.random() < 0.1:
            return b"-" + rng.choice(_REFUSALS) + b"\r\n"
        if name == b"INFO":
            return _text(_INFO)
        if name == b"SET":
            return rng.choice([b"+OK\r\n", b"$-1\r\n"])
        if name in (b"EVAL", b"EVALSHA"):
            keys = int(words[2])
            return rng.choice([self._record, self._flat])(keys)
        return self._value()

    def _record(self, keys: int) -> bytes:
        """As the record of replies would be read: what was told as the era, and some fields for each reply."""
        heads = _listed(self._value(), self._value())
        return _listed(heads, *(self._fields() for _ in range(max(0, keys - 2))))

    def _fields(self) -> bytes:
        count = self._rng.choice([0, 0, 1, 2, 3])
        return _listed(*(self._value() for _ in range(2 * count)))

    def _flat(self, keys: int) -> bytes:
        return self._rng.choice([b":0\r\n", b":1\r\n", b":-1\r\n", b"$-1\r\n", self._value(), self._fields()])

    def _value(self) -> bytes:
        return b"$-1\r\n" if self._rng.random() < 0.2 else _text(self._rng.choice(self._told))


def _text(value: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(value), value)


def _listed(*items: bytes) -> bytes:
    return b"*%d\r\n%b" % (len(items), b"".join(items))


@contextlib.asynccontextmanager
async def hostile_redis(socket: Path, rng: random.Random) -> AsyncIterator[HostileRedis]:
    """Serve on `socket` for the length of a block."""
    hostile = HostileRedis(rng)
    server = await asyncio.start_unix_server(hostile.serve, str(socket))
    try:
        yield hostile
    finally:
        server.close()
