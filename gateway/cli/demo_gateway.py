"""The demo's gateway: `tidegate serve` as a child that ends with the demo, waited for until all of its pools are open.

It is the command that an operator runs, in a process of its own. How full its pools are is asked of its admin
socket, as an operator would.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.cli.demo_child import POLL_S, asked, child, last_words
from gateway.cli.demo_files import admin_socket, admin_token
from gateway.errors import Unavailable

START_DEADLINE_S: Final = 40.0
_SOON_S: Final = 0.01


class GatewayFailed(Unavailable):
    """The gateway did not come up; the message ends with what it said last."""

    code = "demo_gateway_failed"


@dataclass(frozen=True, slots=True)
class RunningGateway:
    """A gateway that has been started in `folder`."""

    process: asyncio.subprocess.Process
    folder: Path

    def last_words(self) -> str:
        """The end of its log."""
        return last_words(_log_file(self.folder))

    async def until_ready(self) -> None:
        """Return once it is ready and no pool of it is closed; GatewayFailed if that does not happen."""
        try:
            async with asyncio.timeout(START_DEADLINE_S):
                while not await self._is_ready():
                    if self.process.returncode is not None:
                        raise GatewayFailed(
                            f"The gateway ended with status {self.process.returncode}:\n{self.last_words()}"
                        )
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            raise GatewayFailed(
                f"The gateway was not ready after {START_DEADLINE_S:g} s:\n{self.last_words()}"
            ) from None

    async def until_full(self, pool: str, *, patience_s: float) -> bool:
        """Whether `pool` has no free place left, now or within `patience_s`."""
        token = admin_token(self.folder)
        try:
            async with asyncio.timeout(patience_s):
                while True:
                    status, body = await asked(admin_socket(self.folder), "/admin/v1/status", token=token)
                    if status == 200:
                        load = json.loads(body)["pools"][pool]
                        if load["in_flight"] >= load["limit"]:
                            return True
                    await asyncio.sleep(_SOON_S)
        except TimeoutError:
            return False

    async def _is_ready(self) -> bool:
        status, body = await asked(admin_socket(self.folder), "/readyz")
        # Ready with a reason is ready without one of its pools, such as one that waits for its preflight.
        return status == 200 and not json.loads(body)["reasons"]


@asynccontextmanager
async def starting_gateway(folder: Path) -> AsyncIterator[RunningGateway]:
    """Start the gateway on the configuration in `folder`, and stop it at the end."""
    async with child("gateway.cli.tethered", "serve", "--config", str(folder), log_file=_log_file(folder)) as process:
        yield RunningGateway(process, folder)


@asynccontextmanager
async def running_gateway(folder: Path) -> AsyncIterator[RunningGateway]:
    """The same, ready at the start of the block."""
    async with starting_gateway(folder) as gateway:
        await gateway.until_ready()
        yield gateway


def _log_file(folder: Path) -> Path:
    return folder / "gateway.log"
