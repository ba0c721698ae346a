"""The demo's cloud side: SageMaker's contract, on this machine and without AWS.

The container's own `sagemaker/server.py` runs a model behind a Unix socket; the lane's stand-in for the SageMaker
runtime checks signatures in front of it, frames its streams and keeps every byte that it receives, which is what the
demo proves its point with; a control plane answers the gateway's question about data capture.
"""

import asyncio
import base64
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.backends.embedded import DEMO_MODEL, demo_model_file, demo_threads
from gateway.cli.demo_child import POLL_S, asked, child, last_words
from gateway.cli.demo_control_plane import control_plane
from gateway.cli.demo_questions import IN_FLIGHT
from gateway.errors import Unavailable
from gateway.lane.signatures import Credentials

ENDPOINT: Final = "tidegate-burst"
REGION: Final = "eu-central-1"
START_DEADLINE_S: Final = 60.0


class CloudFailed(Unavailable):
    """The cloud side did not come up; the message ends with what it said last."""

    code = "demo_cloud_failed"


@dataclass(frozen=True, slots=True)
class Record:
    """What SageMaker's side received: the last message of each request, and every byte of every connection."""

    texts: tuple[str, ...]
    raw: bytes


@dataclass(frozen=True, slots=True)
class Cloud:
    """A cloud side that has been started in `folder`."""

    folder: Path
    keys: Credentials
    control: str
    runtime: asyncio.subprocess.Process
    container: asyncio.subprocess.Process

    async def address(self) -> str:
        """The endpoint's URL, once the stand-in serves. To be asked once."""
        assert self.runtime.stdout is not None  # noqa: S101 -- asked for as a pipe
        try:
            async with asyncio.timeout(START_DEADLINE_S):
                line = await self.runtime.stdout.readline()
            url = json.loads(line)["url"]
        except (TimeoutError, ValueError, LookupError):
            raise CloudFailed(f"SageMaker's stand-in did not start:\n{last_words(_log_file(self.folder))}") from None
        return f"{url}/endpoints/{ENDPOINT}"

    async def until_loaded(self) -> None:
        """Return once the container's model answers; CloudFailed if that does not happen."""
        try:
            async with asyncio.timeout(START_DEADLINE_S):
                while (await asked(_container_socket(self.folder), "/ping"))[0] != 200:
                    if self.container.returncode is not None:
                        break
                    await asyncio.sleep(POLL_S)
                else:
                    return
        except TimeoutError:
            pass
        raise CloudFailed(f"SageMaker's container did not start:\n{last_words(_log_file(self.folder))}")

    async def record(self) -> Record | None:
        """What was received since the last `forget`; None if the stand-in does not say."""
        status, body = await asked(_record_socket(self.folder), "/received")
        if status != 200:
            return None
        told = json.loads(body)
        heard = [base64.b64decode(connection["raw"]) for connection in told["bytes"]]
        return Record(
            tuple(_text(base64.b64decode(request["body"])) for request in told["requests"]), b"\n".join(heard)
        )

    async def forget(self) -> None:
        """Let the stand-in throw its record away."""
        await asked(_record_socket(self.folder), "/received", method="DELETE")


def _text(body: bytes) -> str:
    """The last message in a request's body; what is no chat is shown as it is."""
    try:
        document: Any = json.loads(body)
        return str(document["messages"][-1]["content"])
    except (ValueError, LookupError, TypeError):
        return body.decode("utf-8", "replace")


@asynccontextmanager
async def starting_cloud(folder: Path) -> AsyncIterator[Cloud]:
    """Start all of it and wait for nothing; it is stopped at the end of the block."""
    keys = Credentials("AKIA" + secrets.token_hex(8).upper(), secrets.token_urlsafe(30))
    container_settings = {
        "TIDEGATE_MODEL_NAME": DEMO_MODEL,
        "TIDEGATE_PARALLEL": str(IN_FLIGHT),
        "TIDEGATE_CONTEXT": "1024",
        "TIDEGATE_THREADS": str(demo_threads()),
    }
    async with AsyncExitStack() as stack:
        stack.callback(_remove_sockets, folder)
        container = await stack.enter_async_context(
            child(
                "gateway.cli.demo_container",
                *("--host", f"unix:{_container_socket(folder)}"),
                *("--model-dir", str(demo_model_file().parent), "--drain-s", "1"),
                log_file=_log_file(folder),
                environment=container_settings,
            )
        )
        runtime = await stack.enter_async_context(
            child(
                "gateway.lane.standin",
                *("--endpoint", f"{ENDPOINT}=unix:{_container_socket(folder)}", "--region", REGION),
                *("--control", f"unix:{_record_socket(folder)}", "--record"),
                log_file=_log_file(folder),
                told=json.dumps({"access_key": keys.access_key, "secret_key": keys.secret_key}).encode() + b"\n",
                is_heard=True,
            )
        )
        control = await stack.enter_async_context(control_plane(ENDPOINT, keys, region=REGION))
        yield Cloud(folder, keys, control, runtime, container)


def _container_socket(folder: Path) -> Path:
    return folder / "models" / "container.sock"


def _record_socket(folder: Path) -> Path:
    return folder / "models" / "record.sock"


def _remove_sockets(folder: Path) -> None:
    # Servers of asyncio leave theirs behind.
    for socket in (_container_socket(folder), _record_socket(folder)):
        socket.unlink(missing_ok=True)


def _log_file(folder: Path) -> Path:
    return folder / "cloud.log"
