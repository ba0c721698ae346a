"""The pressure that model servers tell of moves the gates, and what says nothing of itself does not."""

from dataclasses import replace

import pytest

from gateway.core.breaker import BreakerState
from gateway.runtime.endpoints import EndpointView
from gateway.runtime.overflow import Overflow
from gateway.wire.metrics_text import ServerLoad
from tests.runtime.test_controls import Scene

FULL = ServerLoad(32, 16, 0.9)
HALF = ServerLoad(8, 0, 0.5)


def view(server, name="a", **changes):
    plain = EndpointView("home", "onprem", name, BreakerState.CLOSED, True, 0, 0.0, server)
    return replace(plain, **changes)


class Seen:
    """Endpoints as a test wants them seen."""

    def __init__(self, *views):
        self.seen = views

    def views(self):
        return self.seen


@pytest.mark.parametrize(
    ("views", "pressure"),
    [
        ([], 0.0),
        ([view(None)], 0.0),
        ([view(FULL)], 2.0),
        ([view(FULL), view(HALF, "b")], 0.5),  # work goes where there is room
        ([view(FULL), view(None, "b")], 2.0),
        ([view(FULL), view(HALF, "b", is_healthy=False)], 2.0),
        ([view(FULL), view(HALF, "b", breaker=BreakerState.OPEN)], 2.0),
    ],
)
async def test_a_pool_is_as_pressed_as_the_least_pressed_of_its_endpoints(views, pressure):
    scene = Scene()
    Overflow(scene.gates, Seen(*views), scene.desk).tick()
    assert scene.gates.load()["home"].pressure == pressure


async def test_a_server_that_says_nothing_any_more_presses_no_more():
    scene, endpoints = Scene(), Seen(view(FULL))
    overflow = Overflow(scene.gates, endpoints, scene.desk)
    overflow.tick()
    assert scene.gates.load()["home"].is_spilling
    assert scene.gates.free(("home",), ("burst",)) == "burst"
    endpoints.seen = (view(None),)
    scene.clock.now += 11
    overflow.tick()
    assert scene.gates.load()["home"].pressure == 0.0
    assert not scene.gates.load()["home"].is_spilling
