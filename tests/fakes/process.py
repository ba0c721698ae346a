"""The real gateway as users run it: `tidegate serve` in a process of its own, stopped by its own pid."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.fakes.house import write_config
from tests.fakes.model_server import ModelServer


@dataclass
class Process:
    """A running `tidegate serve`."""

    popen: subprocess.Popen
    port: int
    admin_port: int
    key: str
    config: Path
    log: Path
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def admin_url(self) -> str:
        return f"http://127.0.0.1:{self.admin_port}"

    @property
    def admin_token(self) -> str:
        return (self.config / "secrets" / "admin.token").read_text()

    def workers(self) -> list[int]:
        path = Path(f"/proc/{self.popen.pid}/task/{self.popen.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    async def stopped(self, timeout_s: float = 30) -> int:
        """Ask it to stop and wait for its exit status."""
        self.popen.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(asyncio.to_thread(self.popen.wait), timeout_s)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@contextlib.asynccontextmanager
async def process(
    folder: Path,
    pools: Mapping[str, ModelServer | str],
    *,
    environ: Mapping[str, str] | None = None,
    rewrite: Callable[[Path], None] = lambda config: None,
    **options,
) -> AsyncIterator[Process]:
    """Start `tidegate serve` with these pools on free ports, wait until it is ready, and stop it at the end.

    `rewrite` may change its files before.
    """
    config = folder / "config"
    key, _ = write_config(config, pools, **options)
    rewrite(config)
    port, admin_port = free_port(), free_port()
    log = folder / "stderr.log"
    surroundings = {
        **os.environ,
        "TIDEGATE_LISTEN": f"127.0.0.1:{port}",
        "TIDEGATE_ADMIN_LISTEN": f"127.0.0.1:{admin_port}",
        **(environ or {}),
    }
    with log.open("wb") as stderr:
        popen = subprocess.Popen(  # noqa: ASYNC220 -- it only forks; its end is waited for in a thread
            [str(Path(sys.executable).with_name("tidegate")), "serve", "--config", str(config)],
            stderr=stderr,
            env=surroundings,
        )
    running = Process(
        popen, port, admin_port, key, config, log, "https" if "tls:" in options.get("gateway", "") else "http"
    )
    try:
        await _ready(running)
        yield running
    finally:
        if popen.poll() is None:
            popen.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(popen.wait, 20)
            popen.kill()
            popen.wait()


async def _ready(running: Process) -> None:
    async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(120):
        while True:
            if running.popen.poll() is not None:
                raise AssertionError(f"tidegate serve ended at once: {running.log.read_text()[-2000:]}")
            with contextlib.suppress(httpx.TransportError):
                if (await client.get(f"{running.admin_url}/readyz")).status_code == 200:
                    return
            await asyncio.sleep(0.05)
