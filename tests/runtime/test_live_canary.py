"""What a live canary does when things around it go wrong: it is judged or not judged, and harms nobody."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from gateway.config.canary_block import CanaryBlock
from gateway.core import measures
from gateway.core.audit_chain import START, seal
from gateway.core.decision import Allow, Mirror
from gateway.core.facts import RequestFacts
from gateway.core.keyed_hash import KeyedHash
from gateway.core.labels import Label
from gateway.core.records import Attempt, Ending, Outcome
from gateway.policy.live_canary import Verdict
from gateway.runtime import live_canary
from gateway.runtime.bundles import Bundle
from gateway.runtime.canary_book import FILE, read_book
from gateway.runtime.live_canary import LiveCanary, Rules, live_canary_of
from gateway.settings import load
from tests.core.audit_values import outcome
from tests.fakes.clock import FakeClock
from tests.fakes.house import write_config

RESTRICTED = Label(3)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    config = tmp_path_factory.mktemp("canary") / "config"
    write_config(config, {})
    return load(config, {}).bundle


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_canary, "SETTLE_S", 0.0)
    monkeypatch.setattr(live_canary, "LOOK_EVERY_S", 0.01)


class Around:
    """A gateway that answers each canary at once, and puts on record what it is told to."""

    def __init__(
        self, folder: Path, bundle: Bundle, made: Callable[[Outcome], Outcome] = lambda record: record
    ) -> None:
        self.bundle = bundle
        self.made = made
        self.audit = folder / "audit"
        self.audit.mkdir(parents=True)
        self.served: list[str] = []
        self.clock = FakeClock()
        self.is_serving = True
        self.canary = LiveCanary(
            Rules(3600.0), worker=0, state_dir=folder, bundle=lambda: self.bundle, serve=self.serve,
            serves=lambda: self.is_serving, clock=self.clock, draw=lambda: 0.5,
        )  # fmt: skip

    def serve(self, dialect, inbound, downstream, spawn, planted) -> None:  # type: ignore[no-untyped-def]
        self.served.append(planted.tenant.tenant_class)
        facts = RequestFacts(RESTRICTED, RESTRICTED, planted.tenant.tenant_class, None, "chat")
        attempt = Attempt("home", "onprem", "e", Ending.COMPLETED, 200, 5.0)
        record = outcome(planted.request_id, facts=facts, attempts=(attempt,), bundle=self.bundle.digest, canary=True)
        with (self.audit / "20261121T100000Z-w0-aa-0000.jsonl").open("ab") as file:
            file.write(seal(START, 1, self.made(record), KeyedHash(b"k"))[0])
        downstream.finish()

    async def one(self) -> Verdict | None:
        """Send the first, and say what became of it; None if it was not judged."""
        stop = asyncio.Event()
        running = asyncio.create_task(self.canary.run(stop))
        for _ in range(1000):
            if self.canary._counts or (self.served and running.done()):
                break
            await asyncio.sleep(0.005)
        stop.set()
        await running
        return next((verdict for _, verdict in self.canary._counts), None)


async def test_it_is_held_and_that_is_kept(tmp_path: Path, bundle: Bundle) -> None:
    around = Around(tmp_path, bundle)
    assert await around.one() is Verdict.HELD
    kept = read_book(tmp_path / FILE)
    assert kept["default"].verdict is Verdict.HELD
    assert set(kept) == {"default", "hospital"}
    readings = list(around.canary.readings())
    assert (measures.CANARIES, ("default", "held"), 1) in readings
    # All that there can be is told from the start, so that the first of a kind is an increase.
    assert len([one for one in readings if one[0] is measures.CANARIES]) == 2 * len(Verdict)


async def test_the_class_that_has_waited_longest_is_next_also_after_a_restart(tmp_path: Path, bundle: Bundle) -> None:
    first = Around(tmp_path, bundle)
    await first.one()
    (tmp_path / "audit").rename(tmp_path / "old")
    second = Around(tmp_path, bundle)
    await second.one()
    assert [*first.served, *second.served] == ["default", "hospital"]


async def test_a_crash_of_its_own_is_counted_and_ends_nothing(
    tmp_path: Path, bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    around = Around(tmp_path, bundle, made=lambda record: 1 / 0)  # type: ignore[return-value, arg-type]
    assert await around.one() is Verdict.FAILED
    assert [one.msg for one in caplog.records] == ["canary_crashed", "canary_failed"]


async def test_another_bundle_meanwhile_makes_it_no_verdict_unless_it_left(tmp_path: Path, bundle: Bundle) -> None:
    around = Around(tmp_path, bundle, made=lambda record: _with(record, bundle="another"))
    around.canary._look_around()
    async with asyncio.TaskGroup() as group:
        assert await around.canary._verdict("default", "id", asyncio.Event(), group.create_task) is None
    out = (Attempt("burst", "cloud", "e", Ending.COMPLETED, 200, 5.0),)
    left = Around(tmp_path / "b", bundle, made=lambda record: _with(record, bundle="another", attempts=out))
    assert await left.one() is Verdict.LEFT


async def test_who_is_asked_for_what_follows_the_bundle(tmp_path: Path, bundle: Bundle) -> None:
    around = Around(tmp_path, bundle)
    assert set(around.canary._look_around().asked) == {"default", "hospital"}
    fewer = {name: tenant for name, tenant in bundle.tenants.items() if tenant.tenant_class == "hospital"}
    around.bundle = replace(bundle, tenants=fewer, tenants_digest="another")
    assert set(around.canary._look_around().asked) == {"hospital"}
    assert await around.one() is Verdict.HELD
    assert around.served == ["hospital"]


async def test_a_worker_in_whose_place_another_serves_sends_none(tmp_path: Path, bundle: Bundle) -> None:
    around = Around(tmp_path, bundle)
    around.is_serving = False
    around.canary._look_around()
    async with asyncio.TaskGroup() as group:
        assert await around.canary._verdict("default", "id", asyncio.Event(), group.create_task) is None
    assert not around.served


async def test_a_mirror_without_room_is_waited_for_only_so_long(
    tmp_path: Path, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_canary, "COPIED_WITHIN_S", 0.0)
    allow = Allow(("home",), (), 0.0, "r", RESTRICTED, mirror=Mirror("home-b", 100.0))
    around = Around(tmp_path, bundle, made=lambda record: _with(record, decision=allow))
    assert await around.one() is Verdict.HELD


async def test_a_book_that_cannot_be_written_is_said_and_no_more(
    tmp_path: Path, bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE).mkdir()
    around = Around(tmp_path, bundle)
    assert await around.one() is Verdict.HELD
    assert "canary_book_unwritable" in [one.msg for one in caplog.records]


async def test_a_log_that_cannot_be_read_holds_no_record(
    tmp_path: Path, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    around = Around(tmp_path, bundle)

    def shut(self: object) -> None:
        around.clock.now += live_canary.SEEN_WITHIN_S
        raise PermissionError

    monkeypatch.setattr(live_canary.AuditTail, "more", shut)
    assert await around.one() is Verdict.UNSEEN


async def test_classes_without_any_are_named_once_and_nothing_is_sent(
    tmp_path: Path, bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    around = Around(tmp_path, replace(bundle, tenants={}))
    stop = asyncio.Event()
    running = asyncio.create_task(around.canary.run(stop))
    while not caplog.records:  # noqa: ASYNC110 -- the log's own count
        await asyncio.sleep(0.005)
    stop.set()
    await running
    assert {(one.fields["tenant_class"], one.fields["reason"]) for one in caplog.records} == {  # type: ignore[attr-defined]
        ("default", "no_tenants"),
        ("hospital", "no_tenants"),
    }
    assert caplog.records[0].levelno == logging.WARNING
    assert len(caplog.records) == 2
    assert not around.served
    assert around.canary.told()["skipped"] == {"default": "no_tenants", "hospital": "no_tenants"}


@pytest.mark.parametrize(("block", "worker"), [(None, 0), (CanaryBlock(), 1)])
def test_only_the_first_worker_sends_any_and_only_if_asked_to(
    tmp_path: Path, bundle: Bundle, block: CanaryBlock | None, worker: int
) -> None:
    def made(block: CanaryBlock | None, worker: int) -> LiveCanary | None:
        return live_canary_of(
            block, worker=worker, state_dir=tmp_path, bundle=lambda: bundle, serve=lambda *_: None,
            serves=lambda: True, clock=FakeClock(), draw=lambda: 0.0,
        )  # fmt: skip

    assert made(block, worker) is None
    assert made(CanaryBlock(), 0) is not None


def _with(record: Outcome, **changes: object) -> Outcome:
    return msgspec.structs.replace(record, **changes)
