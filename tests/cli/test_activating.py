"""A worker that cannot load what governs stays shut only until it can."""

import asyncio
from types import SimpleNamespace

from gateway.cli import activating, loaded
from gateway.core.controls import NOTHING_SET
from gateway.runtime.lifeline import InForce, Told


class Worker:
    bundle = "first"
    superseded = 0

    def told(self, told):
        pass

    def supersede(self):
        self.superseded += 1

    def make_ready(self, bundle):
        pass

    def activate(self, bundle, scanner, certificate):
        self.bundle = bundle.digest


async def test_it_tries_again_until_the_files_can_be_read_and_says_so_once(tmp_path, monkeypatch):
    monkeypatch.setattr(activating, "AGAIN_AFTER_S", 0.01)
    failures, said, worker = [OSError(), OSError()], [], Worker()
    first, second = (
        SimpleNamespace(bundle=SimpleNamespace(digest=name), foundation="deep", scanner=None, certificate="c")
        for name in ("first", "second")
    )

    def load(*_):
        if failures:
            raise failures.pop()
        return second

    monkeypatch.setattr(loaded, "activated", load)
    lifeline = SimpleNamespace(
        not_activated=lambda bundle, _: said.append(("not", bundle)), activated=lambda bundle: said.append(bundle)
    )
    one = activating.Activating(worker, first, lifeline, tmp_path, {})
    one.told(Told(NOTHING_SET, in_force=InForce("second")))
    async with asyncio.timeout(20):
        await one._task
    assert (worker.bundle, worker.superseded, said) == ("second", 2, [("not", "second"), "second"])
