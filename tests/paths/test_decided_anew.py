"""A bundle that comes into force while a request is being scanned: the request is decided by the new one."""

import asyncio
import re
import threading

import pytest

from gateway.core.controls import SetBurst
from gateway.detect.scanner import build_scanner
from gateway.settings import load
from tests.fakes.house import house
from tests.fakes.model_server import ModelServer
from tests.paths.test_overrides import both, order, pool_of

SSN = "My SSN is 536-22-8723"


class Held:
    """A scanner that waits for the test, beside the loop."""

    def __init__(self, scanner):
        self._scanner = scanner
        self.digest = scanner.digest
        self.began, self.go_on = threading.Event(), threading.Event()

    def scan(self, dialect, document, memo=None):
        self.began.set()
        assert self.go_on.wait(30)
        return self._scanner.scan(dialect, document, memo)


def forbid(config):
    path = config / "policy.yaml"
    text = path.read_text()
    found = re.sub(r'(id: keep-home, when: \{label: ">= confidential"\}), to: .*', r"\1, deny: Not any more.}", text)
    assert found != text
    path.write_text(found)


@pytest.mark.parametrize("is_tightened", [False, True])
async def test_what_comes_into_force_during_a_scan_governs(tmp_path, is_tightened):
    async with ModelServer() as home, house(tmp_path, {"home": home, "home-b": home}) as gateway:
        pipeline = gateway.worker._pipeline
        usual = pipeline.generation.classifier._scanner
        pipeline.generation.classifier._scanner = held = Held(usual)
        # As long as it takes to be scanned beside the loop.
        asking = asyncio.create_task(gateway.chat(SSN + " hello" * 2_000))
        assert await asyncio.to_thread(held.began.wait, 30)
        if is_tightened:
            forbid(gateway.config)
            settings = load(gateway.config, {})
            scanner = build_scanner(settings.bundle.policy.markers)
            gateway.worker.activate(settings.bundle.with_scanner(scanner.digest), scanner, "proved")
        held.go_on.set()
        answer = await asking
        assert answer.status_code == (403 if is_tightened else 200)
        assert len(home.requests) == (not is_tightened)


class Slow:
    """A budget desk that has money, after a while."""

    def __init__(self, meanwhile):
        self._meanwhile = meanwhile

    def has_spent(self, tenant):
        return False

    async def reserve(self, *_):
        await self._meanwhile()

    def settle(self, *_, **__):
        pass


async def test_what_is_taken_away_while_money_is_set_aside_does_not_leave(tmp_path):
    async with both(tmp_path) as (gateway, _, burst):
        await order(gateway, SetBurst(1.0))
        gateway.worker._pipeline._dispatcher._budget = Slow(lambda: order(gateway, SetBurst(0.0)))
        assert pool_of(await gateway.chat()) == "home"
    assert burst.requests == []
