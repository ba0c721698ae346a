"""The admin plane: readiness for anybody, the rest for the admin token, metrics also for one that only reads them."""

import httpx
import pytest

from gateway.api.admin import Status, build_admin
from gateway.core.figures import Account
from gateway.core.measures import FAMILIES, WORKERS
from gateway.runtime.admission import PoolLoad
from gateway.wire.exposition import from_json

TOKEN = "t" * 40
METRICS_TOKEN = "m" * 40
FIGURES = Account(7.0, {WORKERS.name: {(): 3.0}})
READY = Status("1", "sha256:b", 3, 0, True, (), 2, 5, {"home": PoolLoad(1, 4, 0)})
BROKEN = Status("1", "sha256:b", 3, 0, False, ("the audit log cannot be written",), 0, 0, {})


def ask(status: Status = READY, metrics_token: str | None = None) -> httpx.AsyncClient:
    async def figures() -> Account:
        return FIGURES

    app = build_admin(lambda: status, token=TOKEN, figures=figures, metrics_token=metrics_token)
    transport = httpx.ASGITransport(app)
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
    async with ask(metrics_token=METRICS_TOKEN) as client:
        for path in ("/admin/v1/status", "/admin/v1/figures", "/metrics"):
            answer = await client.get(path, headers=headers)
            assert answer.status_code == 401
            assert "sha256:b" not in answer.text
            assert "tidegate_workers" not in answer.text


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


async def test_metrics_are_text_for_prometheus_and_figures_the_same_as_json():
    async with ask() as client:
        client.headers["authorization"] = f"Bearer {TOKEN}"
        metrics = await client.get("/metrics")
        assert metrics.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert "\ntidegate_workers 3\n" in metrics.text
        assert from_json((await client.get("/admin/v1/figures")).content, FAMILIES) == FIGURES


async def test_the_metrics_token_reads_metrics_and_does_nothing_else():
    async with ask(metrics_token=METRICS_TOKEN) as client:
        client.headers["authorization"] = f"Bearer {METRICS_TOKEN}"
        assert [(await client.get(path)).status_code for path in ("/metrics", "/admin/v1/figures")] == [200, 200]
        for route in client._transport.app.routes:
            if route.path not in ("/metrics", "/admin/v1/figures", "/livez", "/readyz"):
                for method in route.methods:
                    assert (await client.request(method, route.path)).status_code == 401, route.path


async def test_without_a_metrics_token_only_the_admins_reads_metrics():
    async with ask() as client:
        for token in (METRICS_TOKEN, "", "None"):
            answer = await client.get("/metrics", headers={"authorization": f"Bearer {token}"})
            assert answer.status_code == 401
