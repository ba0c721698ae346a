"""The face of one worker towards operations: what it says of itself and of all, and what it takes orders for."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version

import uvicorn

from gateway.api.admin import Status, build_admin
from gateway.api.admin_server import AdminServer
from gateway.api.controls import control_routes
from gateway.api.plane import DataPlane
from gateway.backends.sagemaker import SageMakerBackend
from gateway.core.figures import Account
from gateway.runtime.admission import Admission
from gateway.runtime.audit import AuditLog
from gateway.runtime.board import Bookkeeper
from gateway.runtime.burst_budget import BudgetDesk
from gateway.runtime.controls import ControlDesk
from gateway.runtime.lifeline import InForce
from gateway.runtime.live_canary import LiveCanary
from gateway.runtime.warm_ups import WarmUps
from gateway.settings import Settings
from gateway.stores.connections import Connections


@dataclass(frozen=True, slots=True)
class AdminFace:
    """Of the worker with the number `worker`."""

    worker: int
    settings: Settings
    audit: AuditLog
    stores: Connections
    clouds: Mapping[str, SageMakerBackend]
    admission: Admission
    desk: ControlDesk
    budget: BudgetDesk
    books: Bookkeeper
    plane: DataPlane
    epoch: Callable[[], int]
    in_force: Callable[[], InForce | None]
    canary: LiveCanary | None
    warm_ups: WarmUps

    def server(self) -> AdminServer:
        """What answers on the admin port."""
        app = build_admin(
            self.status,
            token=self.settings.admin_token(),
            figures=self.figures,
            metrics_token=self.settings.metrics_token(),
            routes=[control_routes(self.desk, self.admission.load, self.budget.told, self.warm_ups.told)],
        )
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", server_header=False)
        return AdminServer(config)

    async def figures(self) -> Account:
        """What all workers count, together."""
        # The others' accounts are read and added up beside the loop: with many workers that takes milliseconds.
        return await asyncio.to_thread(self.books.whole, self.books.tell())

    def status(self) -> Status:
        """What this worker is doing."""
        reasons, pipeline = [], self.plane.pipeline
        if not self.audit.is_writable:
            reasons.append("the audit log cannot be written")
        if self.plane.is_draining:
            reasons.append("draining")
        clouds = self.clouds.items()
        closed = [f"the pool {name} is closed: {cloud.closed}" for name, cloud in clouds if cloud.closed is not None]
        stores = self.stores.by_name.items()
        silent = [f"the store {name} does not answer: {one.why_down}" for name, one in stores if not one.is_up]
        return Status(
            version=version("tidegate"),
            bundle=pipeline.generation.digest,
            epoch=self.epoch(),
            worker=self.worker,
            is_ready=not reasons,
            # A closed pool is worth knowing and no reason to take the gateway out of service: the others serve on.
            reasons=(*reasons, *closed, *silent),
            in_flight=pipeline.in_flight,
            connections=len(self.plane.connections),
            pools=dict(self.admission.load()),
            policy=pipeline.generation.policy.version,
            certificate=pipeline.generation.certificate,
            in_force=self.in_force(),
            canary=self.canary.told() if self.canary is not None else None,
        )
