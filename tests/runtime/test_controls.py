"""Orders of operations: recorded, passed on, carried out; what closes something does not wait for anybody's disk."""

import asyncio

import pytest

from gateway.core.controls import NOTHING_SET, Controls, Drain, Order, SetBurst, Undrain, ordered
from gateway.core.labels import Label
from gateway.core.records import Override
from gateway.core.topology import Endpoint, Pool
from gateway.errors import AuditUnavailable, InvalidRequest, NotFound, Unavailable
from gateway.runtime import controls
from gateway.runtime.admission import Admission
from gateway.runtime.controls import ControlDesk
from gateway.runtime.lifeline import Told
from tests.fakes.clock import FakeClock


class Records:
    """An audit log that takes records, or does not."""

    def __init__(self):
        self.written = []
        self.is_broken = False

    async def committed(self, record):
        if self.is_broken:
            raise AuditUnavailable
        self.written.append(record)


class Supervisor:
    """Carries out what it is asked at once, unless it is told to be silent or deaf."""

    def __init__(self, clock):
        self.clock = clock
        self.controls = NOTHING_SET
        self.desk = None
        self.asked = []
        self.is_deaf = self.is_silent = False
        self.refuses = ""

    def ask(self, number, order):
        if self.is_deaf:
            return False
        self.asked.append((number, order))
        if not self.is_silent:
            if not self.refuses:
                self.controls = ordered(self.controls, order, self.clock.wall())
            told = Told(self.controls, number, self.refuses)
            asyncio.get_running_loop().call_soon(self.desk.told, told)
        return True


class Scene:
    def __init__(self, *, has_supervisor=True):
        pools = [
            Pool(name, zone, Label(1), "vllm", "m", (Endpoint(name),), max_in_flight=1)
            for name, zone in (("home", "onprem"), ("burst", "cloud"))
        ]
        self.clock, self.audit = FakeClock(), Records()
        self.gates = Admission(pools, self.clock)
        self.supervisor = Supervisor(self.clock)
        self.desk = self.supervisor.desk = ControlDesk(
            self.gates,
            self.audit,
            self.clock,
            pools=("home", "burst"),
            ask=self.supervisor.ask if has_supervisor else None,
        )

    async def order(self, change, for_s=60.0):
        return await self.desk.order(Order(change, "ops", for_s))


async def test_an_order_is_passed_on_carried_out_and_recorded():
    scene = Scene()
    done = await scene.order(Drain("home"))
    assert (done.controls.pools, done.is_kept, done.is_recorded) == ({"home"}, True, True)
    assert scene.gates.is_drained("home")
    assert scene.audit.written == [Override(scene.clock.wall(), "ops", "pool drain home", scene.clock.wall() + 60)]


@pytest.mark.parametrize("change", [Undrain("home"), SetBurst(None)])
async def test_what_is_taken_back_has_no_end_in_the_record(change):
    scene = Scene()
    await scene.order(change)
    assert scene.audit.written[0].until is None


async def test_what_opens_something_waits_for_its_record_and_what_closes_does_not():
    scene = Scene()
    await scene.order(SetBurst(0.0))
    scene.audit.is_broken = True
    with pytest.raises(AuditUnavailable):
        await scene.order(SetBurst(1.0))
    assert scene.desk.controls.share == 0.0
    with pytest.raises(AuditUnavailable):
        await scene.order(Undrain("home"))
    done = await scene.order(Drain("burst"))
    assert (done.controls.pools, done.is_recorded) == ({"burst"}, False)


async def test_a_pool_that_is_not_there_cannot_be_drained():
    scene = Scene()
    with pytest.raises(NotFound):
        await scene.order(Drain("hone"))
    assert scene.supervisor.asked == []


async def test_an_order_that_makes_no_sense_gets_no_further():
    scene = Scene()
    with pytest.raises(InvalidRequest, match="seven days"):
        await scene.order(Drain("home"), 1e9)
    assert (scene.supervisor.asked, scene.audit.written) == ([], [])
    scene.supervisor.refuses = "200 pools are drained."
    with pytest.raises(InvalidRequest, match="200"):
        await scene.order(Drain("home"))
    assert scene.audit.written == []


async def test_a_supervisor_that_does_not_listen_or_answer_is_said_so(monkeypatch):
    scene = Scene()
    scene.supervisor.is_deaf = True
    with pytest.raises(Unavailable, match="does not listen"):
        await scene.order(Drain("home"))
    monkeypatch.setattr(controls, "ANSWERED_WITHIN_S", 0.01)
    scene.supervisor.is_deaf, scene.supervisor.is_silent = False, True
    with pytest.raises(Unavailable, match="does not answer"):
        await scene.order(Drain("home"))
    # An answer that comes too late still says what stands.
    scene.desk.told(Told(ordered(NOTHING_SET, scene.supervisor.asked[0][1], scene.clock.wall()), 1))
    assert scene.desk.controls.pools == {"home"}


async def test_an_answer_that_comes_while_the_caller_leaves_is_no_fault():
    scene = Scene()
    scene.supervisor.is_silent = True
    asking = asyncio.create_task(scene.order(Drain("home")))
    await asyncio.sleep(0)
    assert scene.supervisor.asked
    asking.cancel()
    scene.desk.told(Told(NOTHING_SET, 1))
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_the_epoch_rises_with_whatever_is_taken_away_and_with_nothing_else():
    scene = Scene()
    epochs = []
    for change in (Drain("home"), Undrain("home"), SetBurst(1.0), SetBurst(0.5), SetBurst(0.5), SetBurst(None)):
        await scene.order(change)
        epochs.append(scene.desk.epoch)
    assert epochs == [1, 1, 1, 2, 2, 3]
    scene.desk.told(Told(scene.desk.controls))
    assert scene.desk.epoch == 3
    # A supervisor that has started anew counts anew.
    scene.desk.told(Told(Controls(revision=9, epoch=0)))
    assert scene.desk.epoch == 4


async def test_without_a_supervisor_orders_hold_here_and_end_here():
    scene = Scene(has_supervisor=False)
    done = await scene.order(Drain("home"))
    assert (done.controls.pools, done.is_kept) == ({"home"}, False)
    scene.clock.now += 59
    scene.desk.tick()
    assert scene.gates.is_drained("home")
    scene.clock.now += 1
    scene.desk.tick()
    assert not scene.gates.is_drained("home")


async def test_with_a_supervisor_it_says_when_something_ends():
    scene = Scene()
    await scene.order(Drain("home"))
    scene.clock.now += 61
    scene.desk.tick()
    assert scene.gates.is_drained("home")
