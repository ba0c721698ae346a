"""The demo's gateway: `tidegate serve` as a child that ends with the demo, waited for until it is ready.

It is the command that an operator runs, in a process of its own, with nothing of our environment that could configure
it. Its log goes to a file in the demo's folder.
"""

import asyncio
import contextlib
import os
import sys
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.cli.demo_files import admin_socket
from gateway.errors import Unavailable

START_DEADLINE_S: Final = 40.0
STOP_DEADLINE_S: Final = 8.0
_POLL_S: Final = 0.05
_LAST_WORDS: Final = 15


class GatewayFailed(Unavailable):
    """The gateway did not come up; the message ends with what it said last."""

    code = "demo_gateway_failed"


@dataclass(frozen=True, slots=True)
class RunningGateway:
    """A gateway that is ready."""

    process: asyncio.subprocess.Process
    log_file: Path

    def last_words(self) -> str:
        """The end of its log."""
        return _last_words(self.log_file)


@asynccontextmanager
async def running_gateway(folder: Path) -> AsyncIterator[RunningGateway]:
    """Start the gateway on the configuration in `folder`, and stop it at the end."""
    log_file = folder / "gateway.log"
    process = await _start(folder, log_file)
    try:
        await _until_ready(process, admin_socket(folder), log_file)
        yield RunningGateway(process, log_file)
    finally:
        await _stop(process)


async def _start(folder: Path, log_file: Path) -> asyncio.subprocess.Process:
    environment = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "HOME") if name in os.environ}
    environment |= {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONDONTWRITEBYTECODE": "1"}
    log = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "gateway.cli.tethered", "serve", "--config", str(folder)),
            stdin=asyncio.subprocess.PIPE,
            stdout=log,
            stderr=log,
            env=environment,
            # Ctrl-C at the terminal is for us; we then stop the gateway in order.
            start_new_session=True,
        )
    finally:
        os.close(log)


async def _until_ready(process: asyncio.subprocess.Process, socket: Path, log_file: Path) -> None:
    try:
        async with asyncio.timeout(START_DEADLINE_S):
            while not await _is_ready(socket):
                if process.returncode is not None:
                    raise GatewayFailed(f"The gateway ended with status {process.returncode}:\n{_last_words(log_file)}")
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        raise GatewayFailed(
            f"The gateway was not ready after {START_DEADLINE_S:g} s:\n{_last_words(log_file)}"
        ) from None


async def _is_ready(socket: Path) -> bool:
    try:
        reader, writer = await asyncio.open_unix_connection(socket)
    except OSError:
        return False
    try:
        writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return (await reader.readline()).split(b" ")[1:2] == [b"200"]
    except OSError:
        return False
    finally:
        writer.transport.abort()


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
    try:
        async with asyncio.timeout(STOP_DEADLINE_S):
            await process.wait()
    except TimeoutError:
        pass
    finally:
        if process.returncode is None:
            process.kill()
    await process.wait()


def _last_words(log_file: Path) -> str:
    try:
        with log_file.open(encoding="utf-8", errors="replace") as lines:
            return "".join(deque(lines, _LAST_WORDS)).rstrip()
    except OSError:
        return ""
