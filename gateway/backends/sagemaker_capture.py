"""The preflight of a SageMaker pool: does any of its endpoints keep copies of what it is asked (threats.md, 15)?

There is one for each control plane that its endpoints have, and each closes those that it is asked about.
Until the control plane has said no, they are closed; it closes when capture is switched on and opens again when it
is off. A control plane that cannot be asked closes a pool that was never looked at, and any other after an hour.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final

from gateway.backends.sagemaker_client import aws_client, endpoint_name
from gateway.backends.sagemaker_credentials import Keys, error_name
from gateway.core.topology import Pool, SageMakerTarget
from gateway.telemetry import EventLog

log = EventLog(__name__)

RETRY_S: Final = 15.0
"""How soon a control plane that gave no answer is asked again."""

OLDEST_S: Final = 3600.0
"""How long an answer counts when no newer one is to be had."""

NOT_YET: Final = "data capture has not been checked yet"
ON: Final = "data capture is on"
UNCHECKED: Final = "data capture cannot be checked"


@dataclass(frozen=True, slots=True)
class Unknown:
    """The control plane gave no answer. `error` is AWS's code or an exception's type."""

    error: str


Look = Callable[[], bool | Unknown]
"""Whether any endpoint captures data. Blocks, and is called in a thread."""


class CapturePreflight:
    """Keeps `closed` up to date: why the pool must not be used, or None."""

    def __init__(self, pool: str, look: Look, *, every_s: float, now: Callable[[], float] = time.monotonic) -> None:
        self.closed: str | None = NOT_YET
        self._pool = pool
        self._look = look
        self._every_s = every_s
        self._now = now
        self._known_at: float | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Look again and again until `stop`."""
        loop = asyncio.get_running_loop()
        while not stop.is_set():
            seen = await loop.run_in_executor(None, self._look)
            self.take(seen)
            pause = min(self._every_s, RETRY_S) if isinstance(seen, Unknown) else self._every_s
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await stop.wait()

    def take(self, seen: bool | Unknown) -> None:
        """Draw the consequence of one look."""
        now = self._now()
        if isinstance(seen, Unknown):
            log.warning("data_capture_unchecked", pool=self._pool, reason=seen.error)
            if self._known_at is None or now - self._known_at >= OLDEST_S:
                self._become(f"{UNCHECKED} ({seen.error})")
            return
        self._known_at = now
        self._become(ON if seen else None)

    def _become(self, closed: str | None) -> None:
        before, self.closed = self.closed, closed
        if closed == before:
            return
        if closed is None:
            log.info("pool_opened", pool=self._pool, reason="data capture is off")
        else:
            log.error("pool_closed", pool=self._pool, reason=closed)


def control_plane(pool: Pool, target: SageMakerTarget, keys: Keys | None) -> Look:
    """Asks SageMaker itself of all endpoints of `pool`, through the pool's own proxy and with its own certificates."""
    names = {endpoint_name(endpoint) for endpoint in pool.endpoints}
    clients: list[Any] = []

    def look() -> bool | Unknown:
        try:
            if not clients:
                clients.append(aws_client("sagemaker", target.control, pool, target, keys))
            return any_captures(clients[0], names)
        except Exception as exc:  # noqa: BLE001 -- whatever it was: the answer is not known, and its text may say too much
            return Unknown(error_name(exc))

    return look


def any_captures(client: Any, names: Collection[str]) -> bool:
    """Whether one of these endpoints captures data, or is about to with a configuration that is being deployed."""
    for name in sorted(names):
        endpoint = client.describe_endpoint(EndpointName=name)
        pending = endpoint.get("PendingDeploymentSummary") or {}
        configs = {endpoint["EndpointConfigName"], pending.get("EndpointConfigName", endpoint["EndpointConfigName"])}
        told = [endpoint, *(client.describe_endpoint_config(EndpointConfigName=config) for config in sorted(configs))]
        if any((part.get("DataCaptureConfig") or {}).get("EnableCapture") for part in told):
            return True
    return False
