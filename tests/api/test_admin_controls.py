"""Overrides over the admin port: only for whoever holds the token, and every refusal says what is wrong."""

import httpx
import msgspec
import pytest

from gateway.api.admin import Status, build_admin
from gateway.api.controls import PATH, control_routes
from gateway.core.controls import Drain, Order, SetBurst
from tests.runtime.test_controls import Scene

TOKEN = "t" * 40
OWN = {"authorization": f"Bearer {TOKEN}"}
READY = Status("1", "sha256:b", 3, 0, True, (), 2, 5, {})


async def no_figures():
    raise AssertionError("nobody asks for figures here")


def client(scene):
    routes = [control_routes(scene.desk, scene.gates.load, warm=lambda: ({"pool": "burst"},))]
    app = build_admin(lambda: READY, figures=no_figures, token=TOKEN, routes=routes)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://admin")


def body(change, **more):
    return msgspec.json.encode(Order(change, "ops", **more))


async def test_an_override_is_set_and_shown():
    scene = Scene()
    async with client(scene) as admin:
        answer = await admin.post(PATH, content=body(SetBurst(0.25), for_s=1800.0), headers=OWN)
        assert answer.status_code == 200
        said = answer.json()
        assert (said["controls"]["burst"]["share"], said["is_kept"], said["is_recorded"]) == (0.25, True, True)
        assert said["controls"]["burst"]["until"] == scene.clock.wall() + 1800
        await admin.post(PATH, content=body(Drain("home")), headers=OWN)
        shown = (await admin.get(PATH, headers=OWN)).json()
    assert [one["pool"] for one in shown["controls"]["drained"]] == ["home"]
    assert shown["pools"]["home"]["is_drained"]
    assert not shown["pools"]["burst"]["is_drained"]
    assert shown["epoch"] == 2
    assert shown["warm"] == said["warm"] == [{"pool": "burst"}]


@pytest.mark.parametrize("headers", [{}, {"authorization": f"Bearer {TOKEN}x"}])
async def test_without_the_token_nothing_is_set_or_shown(headers):
    scene = Scene()
    async with client(scene) as admin:
        assert (await admin.post(PATH, content=body(Drain("home")), headers=headers)).status_code == 401
        assert (await admin.get(PATH, headers=headers)).status_code == 401
    assert not scene.gates.is_drained("home")


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 400, "invalid_request"),
        (b"{}", 400, "invalid_request"),
        (b'{"change": {"type": "open-everything"}, "by": "ops"}', 400, "invalid_request"),
        (b"\xff", 400, "invalid_request"),
        (b" " * 5000 + body(Drain("home")), 400, "invalid_request"),
        (body(Drain("home"), for_s=1e9), 400, "invalid_request"),
        (body(Drain("hone")), 404, "pool_not_found"),
    ],
)
async def test_what_is_no_override_is_refused(content, status, code):
    scene = Scene()
    async with client(scene) as admin:
        answer = await admin.post(PATH, content=content, headers=OWN)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert not scene.gates.is_drained("home")


async def test_what_cannot_be_recorded_is_not_opened():
    scene = Scene()
    await scene.order(SetBurst(0.0))
    scene.audit.is_broken = True
    async with client(scene) as admin:
        answer = await admin.post(PATH, content=body(SetBurst(1.0)), headers=OWN)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert scene.desk.controls.share == 0.0
