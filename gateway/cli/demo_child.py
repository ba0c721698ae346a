"""Children of the demo: started with nothing of our environment, tied to us by stdin, asked over a Unix socket.

What a child is told comes on its command line and, where it is secret, on its first line of stdin. Its log goes to a
file in the demo's folder, of which the last words are shown when it ends by itself.
"""

import asyncio
import contextlib
import os
import re
import sys
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

STOP_DEADLINE_S: Final = 8.0
POLL_S: Final = 0.05
_LAST_WORDS: Final = 15
_STATUS: Final = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d{1,9})\r\n", re.IGNORECASE)


@asynccontextmanager
async def child(
    module: str,
    *arguments: str,
    log_file: Path,
    environment: Mapping[str, str] | None = None,
    told: bytes = b"",
    is_heard: bool = False,
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `python -m module arguments…` inside the block; `told` is its stdin's first line, `is_heard` pipes stdout."""
    process = await _start(module, arguments, log_file, dict(environment or {}), is_heard=is_heard)
    try:
        assert process.stdin is not None  # noqa: S101 -- asked for as a pipe
        process.stdin.write(told)
        yield process
    finally:
        await _stop(process)


async def _start(
    module: str, arguments: tuple[str, ...], log_file: Path, environment: dict[str, str], *, is_heard: bool
) -> asyncio.subprocess.Process:
    names = ("PATH", "LANG", "LC_ALL", "HOME", "LD_LIBRARY_PATH")
    inherited = {name: os.environ[name] for name in names if name in os.environ}
    inherited |= {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONDONTWRITEBYTECODE": "1"}
    log = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", module, *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE if is_heard else log,
            stderr=log,
            env=inherited | environment,
            # Ctrl-C at the terminal is for us; we then stop our children in order.
            start_new_session=True,
        )
    finally:
        os.close(log)


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


async def asked(socket: Path, target: str, *, method: str = "GET", token: str = "") -> tuple[int, bytes]:
    """One request without a body over a Unix socket: status (0 if there was no answer) and the answer's body."""
    try:
        reader, writer = await asyncio.open_unix_connection(socket)
    except OSError:
        return 0, b""
    try:
        authorization = f"Authorization: Bearer {token}\r\n" if token else ""
        request = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{authorization}\r\n"
        writer.write(request.encode())
        head = await reader.readuntil(b"\r\n\r\n")
        status, length = _STATUS.match(head), _LENGTH.search(head)
        body = await reader.readexactly(int(length[1])) if length is not None else b""
        return (int(status[1]) if status is not None else 0), body
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return 0, b""
    finally:
        writer.transport.abort()


def last_words(log_file: Path) -> str:
    """The end of a log."""
    try:
        with log_file.open(encoding="utf-8", errors="replace") as lines:
            return "".join(deque(lines, _LAST_WORDS)).rstrip()
    except OSError:
        return ""
