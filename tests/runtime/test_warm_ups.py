"""Warm-ups while a worker serves: paid, recorded, then begun; and none that operations, money or law are against."""

import asyncio
import contextlib
from pathlib import Path
from types import SimpleNamespace

import pytest

from gateway.core import measures
from gateway.core.burst_budget import SUBJECT, BurstBudget
from gateway.core.labels import Label
from gateway.core.prices import UNPRICED
from gateway.core.quota import MICRO, Limits
from gateway.core.topology import Endpoint, Pool, SageMakerTarget, Topology, Zone
from gateway.core.warm_up import RESTS_S, Begun, Held, NotEnded, NotHeld, WarmRules
from gateway.errors import AuditUnavailable, UpstreamFailed
from gateway.runtime.admission import Admission
from gateway.runtime.burst_budget import BudgetDesk
from gateway.runtime.endpoints import Endpoints
from gateway.runtime.warm_up_book import FILE, WarmUpBook
from gateway.runtime.warm_ups import ENDS_AGAIN_S, Warmth, WarmUps, Watched, fillers_of
from gateway.stores.memory_quota import MemoryQuotaStore
from tests.fakes.clock import FakeClock

ZONES = {"onprem": Zone("onprem", None), "cloud": Zone("cloud", None)}
EAST, WEST = Endpoint("east"), Endpoint("west")
RULES = WarmRules(2 * MICRO, hold_s=1800.0)
TARGET = SageMakerTarget("eu-central-1", cold_start_s=300.0, warm=RULES)
HOME = Pool("home", "onprem", Label(3), "vllm", "m", (Endpoint("h"),), max_in_flight=10)
OTHER = Pool("other", "onprem", Label(3), "vllm", "m", (Endpoint("o"),), max_in_flight=10)
BURST = Pool("burst", "cloud", Label(1), "sagemaker", "m", (EAST, WEST), sagemaker=TARGET)
LET_OUT = SimpleNamespace(ceiling=Label(1))
KEPT_IN = SimpleNamespace(ceiling=None)


def row(to: str, spill: str = ""):
    pools = [
        tuple(SimpleNamespace(name=name, is_cloud=name == "burst") for name in names.split()) for names in (to, spill)
    ]
    return SimpleNamespace(to=pools[0], spill=pools[1])


class Audit:
    def __init__(self) -> None:
        self.records: list = []
        self.fails = False
        self.on_commit = lambda: None

    async def committed(self, record) -> None:
        if self.fails:
            raise AuditUnavailable
        self.records.append(record)
        self.on_commit()


class Warmer:
    """An account in which nothing holds anything up, until it does."""

    def __init__(self, scene: "Scene") -> None:
        self.scene = scene
        self.found: dict[str, object] = {}
        self.answers: dict[str, object] = {}
        self.held: list[tuple[str, float]] = []
        self.pressures: list[float] = []
        self.let_went: list[tuple[str, float]] = []
        self.keeps: NotEnded | None = None

    def seen(self, endpoint, now):
        return self.found.get(endpoint.name)

    def let_go(self, endpoint, now, until):
        self.let_went.append((endpoint.name, until))
        return self.keeps

    def hold(self, endpoint, now, until):
        assert self.scene.audit.records, "on record before it begins"
        answer = self.answers.get(endpoint.name, Held(until, is_ours=True))
        if isinstance(answer, BaseException):
            raise answer
        self.pressures.append(self.scene.admission.load()["home"].pressure)
        if isinstance(answer, Held):
            self.held.append((endpoint.name, until))
        return answer


class Scene:
    """A worker's parts with which warm-ups have to do."""

    def __init__(
        self, *, budget=10 * MICRO, rows=None, tenants=(LET_OUT,), pools=(HOME, OTHER, BURST), folder=Path("/nowhere")
    ):
        self.clock = FakeClock()
        topology = Topology(pools)
        self.admission = Admission(pools, self.clock)
        self.endpoints = Endpoints(topology, ZONES, self.clock, chance=lambda: 0.5)
        self.store = MemoryQuotaStore(self.clock)
        whole = Limits(money_per_hour=budget, money_per_month=budget)
        self.budget = BudgetDesk(BurstBudget(whole), UNPRICED, self.store, closed=self.admission.spend)
        self.audit = Audit()
        self.warmer = Warmer(self)
        self.closed: set[str] = set()
        self.bundle = SimpleNamespace(
            policy=SimpleNamespace(routes=rows or (row("home", "burst"),)),
            tenants=dict(enumerate(tenants)),
            topology=topology,
        )
        self.ups = WarmUps(
            [Watched(BURST, RULES, self.warmer, lambda endpoint: endpoint.name in self.closed)],
            bundle=lambda: self.bundle,
            admission=self.admission,
            endpoints=self.endpoints,
            budget=self.budget,
            store=self.store,
            audit=self.audit,
            clock=self.clock,
            book=WarmUpBook(folder),
        )

    def fill(self, name: str, most: int = 10):
        """So much of the pool is taken."""
        load = self.admission.load()[name].in_flight
        for _ in range(most - load):
            self.admission.take(name)

    async def goes_by(self, seconds: int, *, fills: str = "", until: int = 10) -> None:
        begun = self.clock.now
        for second in range(seconds):
            for name in fills.split():
                self.fill(name, min(until, round(second * until / seconds)))
            await self.ups.look()
            self.clock.now = begun + second + 1

    def results(self) -> dict[str, float]:
        return {labels[2]: value for family, labels, value in self.ups.readings() if family is measures.WARM_UPS}

    def reading(self, family) -> float | None:
        return next((value for of, _, value in self.ups.readings() if of is family), None)


async def spent(scene: Scene) -> int:
    told = await scene.store.spent(SUBJECT, Limits(money_per_hour=10 * MICRO))
    return told[0]


async def test_a_pool_that_fills_has_the_cloud_made_ready_before_it_is_full():
    scene = Scene()
    await scene.goes_by(600, fills="home")
    assert scene.warmer.held == [("east", scene.audit.records[0].until)]
    assert scene.warmer.pressures[0] < 0.8
    (record,) = scene.audit.records
    assert (record.by, record.change) == ("tidegate", "warm burst 1")
    assert record.until - record.at == pytest.approx(1800.0, abs=1)
    assert await spent(scene) == RULES.cost_micros == MICRO
    assert scene.results() == {"begun": 1}
    assert scene.reading(measures.WARM) is True
    assert scene.reading(measures.WARM_AHEAD) > 1


async def test_a_pool_that_does_not_fill_costs_nothing():
    scene = Scene()
    scene.fill("home", 4)
    await scene.goes_by(900)
    assert (scene.warmer.held, scene.audit.records, await spent(scene)) == ([], [], 0)
    assert scene.reading(measures.WARM) is False


async def test_without_a_budget_nothing_is_limited():
    scene = Scene(budget=None)
    await scene.goes_by(600, fills="home")
    assert scene.results() == {"begun": 1}


async def test_what_there_is_no_money_for_is_not_begun():
    scene = Scene(budget=MICRO - 1)
    await scene.goes_by(600, fills="home")
    assert scene.warmer.held == scene.audit.records == []
    assert set(scene.results()) == {"unpaid"}
    assert await spent(scene) == 0


async def test_no_more_is_spent_than_there_is_however_long_it_is_wanted():
    scene = Scene(budget=2 * MICRO)
    scene.fill("home")
    await scene.goes_by(3500)
    assert await spent(scene) <= 2 * MICRO
    assert scene.results()["begun"] == 2


async def off(scene: Scene) -> None:
    scene.admission.control(0.0, ())


async def drained(scene: Scene) -> None:
    scene.admission.control(None, ("burst",))


async def spent_all(scene: Scene) -> None:
    held = await scene.budget.set_aside("x", 10 * MICRO)
    scene.budget.charge(held, 10 * MICRO)
    await scene.budget.look()


async def captured(scene: Scene) -> None:
    scene.closed = {"east", "west"}


@pytest.mark.parametrize("closes", [off, drained, spent_all, captured])
async def test_what_keeps_work_from_leaving_keeps_warm_ups_from_beginning(closes):
    scene = Scene()
    await closes(scene)
    before = await spent(scene)
    await scene.goes_by(600, fills="home")
    assert scene.warmer.held == scene.audit.records == []
    assert await spent(scene) == before


async def test_what_is_closed_while_it_is_being_recorded_is_not_begun_and_costs_nothing():
    scene = Scene()
    scene.audit.on_commit = lambda: scene.admission.control(0.0, ())
    await scene.goes_by(600, fills="home")
    assert scene.warmer.held == []
    assert [record.change for record in scene.audit.records] == ["warm burst 1", "warm burst off"]
    assert await spent(scene) == 0


async def test_what_cannot_be_recorded_is_not_begun_and_costs_nothing():
    scene = Scene()
    scene.audit.fails = True
    await scene.goes_by(600, fills="home")
    assert (scene.warmer.held, await spent(scene)) == ([], 0)
    assert set(scene.results()) == {"unrecorded"}


@pytest.mark.parametrize(
    ("rows", "tenants"),
    [
        ((row("home"),), (LET_OUT,)),
        ((row("home", "other"),), (LET_OUT,)),
        ((row("burst", "burst"),), (LET_OUT,)),
        ((row("home", "burst"),), (KEPT_IN,)),
        ((row("home other", "burst"),), (LET_OUT,)),
    ],
    ids=["no row spills", "it spills elsewhere", "cloud first", "nobody may leave", "the other one is empty"],
)
async def test_where_nothing_would_leave_nothing_is_made_ready(rows, tenants):
    scene = Scene(rows=rows, tenants=tenants)
    await scene.goes_by(600, fills="home")
    assert scene.warmer.held == []


async def test_all_pools_of_a_row_must_fill():
    scene = Scene(rows=(row("home other", "burst"),))
    await scene.goes_by(600, fills="home other")
    assert len(scene.warmer.held) == 1


async def test_another_bundle_decides_what_is_watched_from_then_on():
    scene = Scene(rows=(row("home"),))
    await scene.goes_by(600, fills="home")
    scene.bundle = SimpleNamespace(
        policy=SimpleNamespace(routes=(row("home", "burst"),)), tenants={0: LET_OUT}, topology=scene.bundle.topology
    )
    await scene.goes_by(300)
    assert len(scene.warmer.held) == 1


async def test_one_that_holds_already_is_taken_for_ours_and_not_paid_again():
    scene = Scene()
    scene.warmer.found["east"] = Held(scene.clock.wall() + 9000, is_ours=False)
    await scene.goes_by(600, fills="home")
    assert scene.warmer.held == scene.audit.records == []
    assert scene.results() == {"found": 1}
    assert await spent(scene) == 0


async def test_where_one_endpoint_cannot_be_had_the_next_one_is():
    scene = Scene()
    scene.warmer.found["east"] = NotHeld("EndpointConnectionError")
    await scene.goes_by(600, fills="home")
    assert [name for name, _ in scene.warmer.held] == ["west"]
    scene = Scene()
    scene.warmer.answers["east"] = NotHeld("AccessDenied")
    await scene.goes_by(600, fills="home")
    assert [name for name, _ in scene.warmer.held] == ["west"]
    assert [record.change for record in scene.audit.records] == ["warm burst 1", "warm burst off", "warm burst 1"]
    assert await spent(scene) == RULES.cost_micros


async def test_an_endpoint_that_data_capture_closes_is_passed_over():
    scene = Scene()
    scene.closed = {"east"}
    await scene.goes_by(600, fills="home")
    assert [name for name, _ in scene.warmer.held] == ["west"]


async def test_one_that_is_closed_while_it_is_being_recorded_is_not_held():
    scene = Scene()
    scene.audit.on_commit = lambda: scene.closed.add("east")
    await scene.goes_by(600, fills="home")
    assert [record.change for record in scene.audit.records] == ["warm burst 1", "warm burst off", "warm burst 1"]
    assert [name for name, _ in scene.warmer.held] == ["west"]


async def test_an_endpoint_that_is_broken_comes_last():
    scene = Scene()
    for _ in range(5):
        scene.endpoints.begin("burst", EAST, is_first=True, now=scene.clock.now).failed(
            UpstreamFailed(), scene.clock.now
        )
    await scene.goes_by(600, fills="home")
    assert [name for name, _ in scene.warmer.held] == ["west"]


async def test_what_aws_refuses_costs_nothing_and_is_asked_for_less_and_less():
    scene = Scene()
    scene.warmer.answers = {"east": NotHeld("AccessDenied"), "west": NotHeld("AccessDenied")}
    scene.fill("home")
    await scene.goes_by(1200)
    assert await spent(scene) == 0
    count = scene.results()["refused"]
    assert 3 <= count <= 1200 / RESTS_S / 3


async def test_what_may_have_begun_is_paid():
    scene = Scene()
    scene.warmer.answers = dict.fromkeys(("east", "west"), NotHeld("ReadTimeoutError", may_be=True))
    await scene.goes_by(600, fills="home")
    assert await spent(scene) >= RULES.cost_micros


async def test_whoever_is_cut_off_while_it_begins_has_paid():
    scene = Scene()
    scene.warmer.answers["east"] = RuntimeError()
    with contextlib.suppress(RuntimeError):
        await scene.goes_by(600, fills="home")
    assert await spent(scene) == RULES.cost_micros


async def test_of_several_gateways_one_is_at_it():
    scene = Scene()
    other = Scene()
    other.ups._store = scene.store
    other.clock = scene.clock
    for ours in (scene, other):
        ours.fill("home")
    for _ in range(400):
        await scene.ups.look()
        await other.ups.look()
        scene.clock.now += 1
        if scene.warmer.held or other.warmer.held:
            break
    await other.ups.look()
    assert len(scene.warmer.held) + len(other.warmer.held) == 1


async def test_it_runs_until_it_is_told_to_stop():
    scene, stop = Scene(), asyncio.Event()
    running = asyncio.create_task(scene.ups.run(stop))
    await asyncio.sleep(0)
    stop.set()
    await asyncio.wait_for(running, 5)
    idle = WarmUps(
        (), **dict.fromkeys(("bundle", "admission", "endpoints", "budget", "store", "audit", "clock", "book"))
    )
    await asyncio.wait_for(idle.run(asyncio.Event()), 5)


def test_rows_that_say_the_same_are_one():
    scene = Scene(rows=(row("home", "burst"), row("home", "burst"), row("other", "burst"), row("")))
    assert fillers_of(scene.bundle, "burst") == (("home",), ("other",))


# Ending one before its time


async def begun(scene: Scene) -> tuple[str, float]:
    """The warm-up that `scene` has begun."""
    await scene.goes_by(600, fills="home")
    (one,) = scene.warmer.held
    return one


@pytest.mark.parametrize("shuts", [off, drained])
async def test_what_operations_shut_is_no_longer_kept_ready(shuts, tmp_path):
    scene = Scene(folder=tmp_path)
    name, until = await begun(scene)
    assert scene.ups.told() == (Warmth("burst", name, until, is_ending=False, error=""),)
    await shuts(scene)
    assert scene.ups.told()[0].is_ending
    await scene.goes_by(60)
    assert scene.warmer.let_went == [(name, until)]
    assert scene.ups.told() == ()
    assert [(record.by, record.change, record.until) for record in scene.audit.records] == [
        ("tidegate", "warm burst 1", until),
        ("tidegate", "warm burst off", None),
    ]
    assert scene.results() == {"begun": 1, "ended": 1}
    assert scene.reading(measures.WARM) is False
    assert await spent(scene) == RULES.cost_micros, "AWS may have billed it, and nobody knows how much of it"


async def test_one_that_has_been_ended_is_asked_for_again_once_the_pool_is_open():
    scene = Scene()
    await begun(scene)
    scene.admission.control(0.0, ())
    await scene.goes_by(5)
    scene.admission.control(None, ())
    await scene.goes_by(int(RESTS_S) + 60)
    assert [record.change for record in scene.audit.records] == ["warm burst 1", "warm burst off", "warm burst 1"]


async def test_one_that_another_has_begun_stands_while_operations_shut_the_pool():
    scene = Scene()
    scene.warmer.found["east"] = Held(scene.clock.wall() + 9000, is_ours=False)
    await scene.goes_by(600, fills="home")
    assert scene.results() == {"found": 1}
    scene.admission.control(0.0, ())
    await scene.goes_by(60)
    assert (scene.warmer.let_went, scene.audit.records) == ([], [])


async def test_one_that_may_have_begun_is_ended_as_well():
    scene = Scene()
    scene.warmer.answers = dict.fromkeys(("east", "west"), NotHeld("ReadTimeoutError", may_be=True))
    await scene.goes_by(600, fills="home")
    scene.admission.control(0.0, ())
    await scene.goes_by(5)
    assert {name for name, _ in scene.warmer.let_went} == {"east", "west"}


async def test_one_that_never_began_is_not_ended():
    scene = Scene()
    scene.warmer.answers = dict.fromkeys(("east", "west"), NotHeld("AccessDenied"))
    await scene.goes_by(600, fills="home")
    scene.admission.control(0.0, ())
    await scene.goes_by(5)
    assert scene.warmer.let_went == []


async def test_what_aws_does_not_end_is_said_and_tried_again():
    scene = Scene()
    await begun(scene)
    scene.warmer.keeps = NotEnded("ThrottlingException")
    scene.admission.control(0.0, ())
    await scene.goes_by(int(2 * ENDS_AGAIN_S))
    assert len(scene.warmer.let_went) == 2
    assert scene.ups.told()[0].error == "ThrottlingException"
    assert [record.change for record in scene.audit.records] == ["warm burst 1"]
    scene.warmer.keeps = None
    await scene.goes_by(int(ENDS_AGAIN_S))
    assert scene.results() == {"begun": 1, "not_ended": 2, "ended": 1}
    assert scene.ups.told() == ()


async def test_it_is_ended_whatever_the_log_does():
    scene = Scene()
    await begun(scene)
    scene.audit.fails = True
    scene.admission.control(0.0, ())
    await scene.goes_by(5)
    assert len(scene.warmer.let_went) == 1


async def test_one_that_is_over_is_not_ended_again():
    scene = Scene()
    _, until = await begun(scene)
    scene.clock.now += until - scene.clock.wall()
    assert scene.ups.told() == ()
    scene.admission.control(0.0, ())
    await scene.goes_by(5)
    assert scene.warmer.let_went == []


async def test_the_worker_after_it_ends_what_it_has_begun(tmp_path):
    before = Scene(folder=tmp_path)
    one = await begun(before)
    after = Scene(folder=tmp_path)
    after.clock.now = before.clock.now
    after.admission.control(0.0, ())
    stop = asyncio.Event()
    running = asyncio.create_task(after.ups.run(stop))
    while not after.results():  # noqa: ASYNC110 -- its own count
        await asyncio.sleep(0.001)
    stop.set()
    await running
    assert after.warmer.let_went == [one]
    # And so it is over for the one before, which still drains.
    before.admission.control(0.0, ())
    await before.goes_by(5)
    assert before.warmer.let_went == []


async def test_an_endpoint_that_is_gone_from_the_file_is_left_to_aws(tmp_path):
    book = WarmUpBook(tmp_path)
    scene = Scene(folder=tmp_path)
    now = scene.clock.wall()
    for name, pool in (("north", "burst"), ("east", "elsewhere")):
        book.begins(Begun(pool, name, now + 900), now)
    scene.admission.control(0.0, ())
    await scene.goes_by(5)
    assert scene.warmer.let_went == scene.audit.records == []
    assert [one.endpoint for one in scene.ups.told()] == ["north"]


# The book


def test_the_book_knows_what_is_not_over(tmp_path):
    book = WarmUpBook(tmp_path)
    one, other = Begun("burst", "east", 100.0), Begun("burst", "west", 200.0)
    assert book.standing(0.0) == ()
    book.begins(one, 0.0)
    WarmUpBook(tmp_path).begins(other, 0.0)
    assert book.standing(50.0) == (one, other)
    assert book.standing(100.0) == (other,)
    book.ended(other, 100.0)
    assert WarmUpBook(tmp_path).standing(0.0) == ()


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b'{"begun":[],"v":2}', b'{"begun":3,"v":1}'])
def test_a_book_that_nobody_can_read_is_taken_for_empty(tmp_path, data):
    (tmp_path / FILE).write_bytes(data)
    assert WarmUpBook(tmp_path).standing(0.0) == ()


def test_a_book_that_cannot_be_written_is_kept_in_mind(tmp_path):
    book = WarmUpBook(tmp_path / "gone")
    one, other = Begun("burst", "east", 100.0), Begun("burst", "west", 200.0)
    book.begins(one, 0.0)
    book.begins(other, 0.0)
    assert book.standing(0.0) == (one, other)
    book.ended(one, 0.0)
    assert book.standing(0.0) == (other,)
