"""The admin plane: readiness for anybody, the status for whoever holds the token, nothing else at all."""

import httpx
import pytest

from gateway.api.admin import Status, build_admin
from gateway.runtime.admission import PoolLoad

TOKEN = "t" * 40
READY = Status("1", "sha256:b", 3, 0, True, (), 2, 5, {"home": PoolLoad(1, 4, 0)})
BROKEN = Status("1", "sha256:b", 3, 0, False, ("the audit log cannot be written",), 0, 0, {})


def ask(status: Status = READY) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(build_admin(lambda: status, token=TOKEN))
    return httpx.AsyncClient(transport=transport, base_url="http://admin")


async def test_the_status_is_for_whoever_holds_the_token():
    async with ask() as client:
        answer = await client.get("/admin/v1/status", headers={"authorization": f"Bearer {TOKEN}"})
        assert answer.json()["epoch"] == 3
        home = answer.json()["pools"]["home"]
        assert (home["in_flight"], home["limit"], home["waiting"], home["is_drained"]) == (1, 4, 0, False)


@pytest.mark.parametrize(
    "value", [None, "", TOKEN, f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"bearer {TOKEN}", "Bearer "]
)
async def test_without_the_token_nothing_is_said(value):
    headers = {} if value is None else {"authorization": value}
    async with ask() as client:
        answer = await client.get("/admin/v1/status", headers=headers)
        assert answer.status_code == 401
        assert "sha256:b" not in answer.text


@pytest.mark.parametrize(("status", "code"), [(READY, 200), (BROKEN, 503)])
async def test_anybody_may_ask_whether_the_worker_lives_and_is_ready(status, code):
    async with ask(status) as client:
        assert (await client.get("/livez")).status_code == 200
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["reasons"]) == (code, list(status.reasons))


@pytest.mark.parametrize("path", ["/", "/docs", "/redoc", "/openapi.json", "/admin/v1", "/v1/models"])
async def test_there_is_nothing_else(path):
    async with ask() as client:
        assert (await client.get(path)).status_code == 404
