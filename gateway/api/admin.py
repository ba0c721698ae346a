"""The admin plane: liveness and readiness for anybody, everything else for whoever holds the admin token.

A FastAPI application on a port or socket of its own, never on the data plane's. What operations may set is in
`controls.py`.
"""

import hmac
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Response

from gateway.runtime.admission import PoolLoad


@dataclass(frozen=True, slots=True)
class Status:
    """What this worker is doing."""

    version: str
    bundle: str
    epoch: int
    worker: int
    is_ready: bool
    reasons: tuple[str, ...]
    in_flight: int
    connections: int
    pools: dict[str, PoolLoad]


def build_admin(status: Callable[[], Status], *, token: str, routes: Iterable[APIRouter] = ()) -> FastAPI:
    """The admin application. `token` is the bearer credential, for `routes` too; `status` is asked on every call."""
    app = FastAPI(title="Tidegate admin", docs_url=None, redoc_url=None, openapi_url=None)

    def authorised(authorization: Annotated[str, Header()] = "") -> None:
        if not hmac.compare_digest(authorization.encode(), f"Bearer {token}".encode()):
            raise HTTPException(
                401, "Send the admin token as 'Authorization: Bearer <token>'.", {"www-authenticate": "Bearer"}
            )

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
        return asdict(status())

    for router in routes:
        app.include_router(router, dependencies=[Depends(authorised)])
    return app
