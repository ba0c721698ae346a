"""The admin plane: liveness and readiness for anybody, everything else for whoever holds the admin token.

A FastAPI application on a port or socket of its own, never on the data plane's. What operations may set is in
`controls.py`. Metrics may also be read with a token that can do nothing else, since what collects them keeps it in a
file of its own.
"""

import hmac
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Response

from gateway.core.figures import Account
from gateway.core.measures import FAMILIES
from gateway.runtime.admission import PoolLoad
from gateway.runtime.lifeline import InForce
from gateway.wire.exposition import CONTENT_TYPE, as_json, render


@dataclass(frozen=True, slots=True)
class Status:
    """What this worker is doing. `policy` is the version of the policy that governs, `certificate` the hash of what
    proves its bundle, `in_force` what the supervisor says of the files. `canary` says how the canaries fare; None where
    none are sent."""

    version: str
    bundle: str
    epoch: int
    worker: int
    is_ready: bool
    reasons: tuple[str, ...]
    in_flight: int
    connections: int
    pools: dict[str, PoolLoad]
    policy: int = 0
    certificate: str = ""
    in_force: InForce | None = None
    canary: dict[str, object] | None = None


def build_admin(
    status: Callable[[], Status],
    *,
    token: str,
    figures: Callable[[], Awaitable[Account]],
    metrics_token: str | None = None,
    routes: Iterable[APIRouter] = (),
) -> FastAPI:
    """The admin application. `token` is the bearer credential, for `routes` too, `metrics_token` one for metrics alone.

    `status` and `figures`, which is all workers' account, are asked on every call.
    """
    app = FastAPI(title="Tidegate admin", docs_url=None, redoc_url=None, openapi_url=None)

    def authorised(authorization: Annotated[str, Header()] = "") -> None:
        if not _is(authorization, token):
            raise _unauthorised("admin token")

    def authorised_for_metrics(authorization: Annotated[str, Header()] = "") -> None:
        # Both are compared, so that the time taken says nothing about either.
        is_admin, is_reader = _is(authorization, token), _is(authorization, metrics_token or token)
        if not (is_admin or is_reader):
            raise _unauthorised("metrics token")

    @app.get("/livez")
    async def livez() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz")
    async def readyz(response: Response) -> dict[str, object]:
        now = status()
        response.status_code = 200 if now.is_ready else 503
        return {"status": "ready" if now.is_ready else "not ready", "reasons": list(now.reasons)}

    @app.get("/admin/v1/status", dependencies=[Depends(authorised)])
    async def show_status() -> dict[str, object]:
        found = status()
        return asdict(found) | {"in_force": msgspec.to_builtins(found.in_force)}

    for router in routes:
        app.include_router(router, dependencies=[Depends(authorised)])

    @app.get("/metrics", dependencies=[Depends(authorised_for_metrics)])
    async def metrics() -> Response:
        return Response(render(FAMILIES.values(), await figures()), media_type=CONTENT_TYPE)

    @app.get("/admin/v1/figures", dependencies=[Depends(authorised_for_metrics)])
    async def show_figures() -> Response:
        return Response(as_json(FAMILIES.values(), await figures()), media_type="application/json")

    return app


def _is(authorization: str, token: str) -> bool:
    return hmac.compare_digest(authorization.encode(), f"Bearer {token}".encode())


def _unauthorised(wanted: str) -> HTTPException:
    message = f"Send the {wanted} as 'Authorization: Bearer <token>'."
    return HTTPException(401, message, {"www-authenticate": "Bearer"})
