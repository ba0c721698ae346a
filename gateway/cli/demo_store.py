"""The demo's Redis: a Valkey server as a child, started again when it dies, stopped with the demo.

The gateway finds it as it would find a company's own, by its address in gateway.yaml. Where there is none to start,
the demo's state stays in the gateway's memory.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.cli.demo_child import POLL_S, child, last_words
from gateway.errors import Unavailable
from gateway.stores.embedded import valkey_binary, valkey_socket

START_DEADLINE_S: Final = 20.0
_FIRST_BACKOFF_S: Final = 0.25
_LONGEST_BACKOFF_S: Final = 10.0


class StoreFailed(Unavailable):
    """The server did not come up; the message ends with what it said last."""

    code = "demo_store_failed"


@dataclass(slots=True)
class Store:
    """A server that is kept running in `folder`."""

    folder: Path
    pid: int = 0
    restarts: int = 0

    @property
    def address(self) -> str:
        """As gateway.yaml writes it."""
        return f"unix:{valkey_socket(self.folder)}"


@asynccontextmanager
async def running_store(folder: Path, on_change: Callable[[str], None]) -> AsyncIterator[Store | None]:
    """Keep a server running in `folder`; None where there is none to run. `on_change` hears when it is lost or back."""
    if valkey_binary() is None:
        yield None
        return
    store, started = Store(_ours_alone(folder)), asyncio.get_running_loop().create_future()
    keeping = asyncio.create_task(_keep(store, started, on_change))
    try:
        await started
        yield store
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])
        valkey_socket(folder).unlink(missing_ok=True)


async def _keep(store: Store, started: "asyncio.Future[None]", on_change: Callable[[str], None]) -> None:
    wait_s = _FIRST_BACKOFF_S
    while True:
        try:
            valkey_socket(store.folder).unlink(missing_ok=True)
            arguments = str(store.folder), str(os.getpid())
            async with child("gateway.cli.embedded_valkey", *arguments, log_file=_log_file(store.folder)) as process:
                store.pid = process.pid
                await _until_ready(store, process)
                if started.done():
                    on_change("Valkey is back, and empty")
                else:
                    started.set_result(None)
                wait_s = _FIRST_BACKOFF_S
                await process.wait()
            on_change("Valkey ended; starting it again")
        except StoreFailed as failed:
            if not started.done():
                started.set_exception(failed)
                return
            on_change(failed.message)
        store.restarts += 1
        await asyncio.sleep(wait_s)
        wait_s = min(2 * wait_s, _LONGEST_BACKOFF_S)


async def _until_ready(store: Store, process: asyncio.subprocess.Process) -> None:
    try:
        async with asyncio.timeout(START_DEADLINE_S):
            while not await _answers(valkey_socket(store.folder)):
                if process.returncode is not None:
                    break
                await asyncio.sleep(POLL_S)
            else:
                return
    except TimeoutError:
        pass
    raise StoreFailed(f"Valkey did not start:\n{last_words(_log_file(store.folder))}")


async def _answers(socket: Path) -> bool:
    try:
        reader, writer = await asyncio.open_unix_connection(socket)
    except OSError:
        return False
    try:
        writer.write(b"PING\r\n")
        return await reader.readline() == b"+PONG\r\n"
    except OSError:
        return False
    finally:
        writer.transport.abort()


def _ours_alone(folder: Path) -> Path:
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    return folder


def _log_file(folder: Path) -> Path:
    return folder / "valkey.log"
