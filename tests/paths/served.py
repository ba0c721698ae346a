"""`tidegate serve` as a real process, its log line by line."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-c", "import sys; from gateway.cli.main import main; sys.exit(main())", "serve", "--config")


@dataclass
class Served:
    """A running gateway and everything that it has said on stderr so far."""

    process: asyncio.subprocess.Process
    lines: list[str] = field(default_factory=list)
    _came: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def listen(self) -> None:
        """Take in stderr until it ends."""
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            async with self._came:
                self.lines.append(line.decode())
                self._came.notify_all()
        async with self._came:
            self.lines.append("")
            self._came.notify_all()

    async def event(self, name: str, count: int = 1) -> dict:
        """The `count`-th line called `name`, from the start of the log; waits for it."""

        def found() -> list[str]:
            return [line for line in self.lines if f'"event": "{name}"' in line]

        async with self._came:
            await self._came.wait_for(lambda: len(found()) >= count or self.lines[-1:] == [""])
        assert len(found()) >= count, "".join(self.lines)
        return json.loads(found()[count - 1])

    async def port(self) -> int:
        """The port of the data plane, once a worker serves it."""
        await self.event("worker_ready")
        return int((await self.event("listening"))["listen"].rpartition(":")[2])

    async def worker(self, start: int = 1) -> int:
        """The process id of the `start`-th worker that was started."""
        return (await self.event("worker_started", start))["pid"]

    async def stop(self) -> int:
        """Drain, end, and the exit status."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), 30)


@contextlib.asynccontextmanager
async def serving(config: Path, environ: Mapping[str, str] | None = None) -> AsyncIterator[Served]:
    """Run the gateway of `config` on free ports until the block ends."""
    free = {"TIDEGATE_LISTEN": "127.0.0.1:0", "TIDEGATE_ADMIN_LISTEN": "127.0.0.1:0"}
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        str(config),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **free, **(environ or {})},
        stderr=asyncio.subprocess.PIPE,
    )
    served = Served(process)
    async with asyncio.TaskGroup() as group:
        group.create_task(served.listen())
        try:
            yield served
            await served.stop()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
