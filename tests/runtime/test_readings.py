"""What the parts of a worker say of themselves."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.core import measures
from gateway.core.burst import SpillRules, Thresholds
from gateway.core.controls import Burst, Controls
from gateway.core.figures import Family
from gateway.core.findings import Remembered
from gateway.core.labels import Label, LabelOrder
from gateway.core.records import Ending, Outcome
from gateway.core.topology import Endpoint, Pool, Topology, Zone
from gateway.detect.memo import MemoStore
from gateway.errors import AuditUnavailable, Saturated, UpstreamFailed
from gateway.runtime import readings
from gateway.runtime.admission import Admission
from gateway.runtime.audit import AuditLog
from gateway.runtime.endpoints import Endpoints
from gateway.runtime.keyring import Keyring
from gateway.stores.memory import MemoryTaintStore, NoTaintStore
from gateway.wire.metrics_text import ServerLoad
from tests.fakes.clock import FakeClock

ORDER = LabelOrder(("internal", "restricted"))
HOME = Pool("home", "onprem", Label(1), "vllm", "m", (Endpoint("h"),), max_in_flight=2)
BURST = Pool("burst", "cloud", Label(0), "openai", "m", (Endpoint("b"),))
OUTCOME = Outcome("r", 1.0, 1.0, "t", "chat", 200, Ending.COMPLETED, "b", 0, False, 1, 1)


def told(found) -> dict[tuple[Family, tuple[str, ...]], float]:
    return {(family, labels): value for family, labels, value in found}


class Wires:
    def __init__(self, *connections: int) -> None:
        self.connections = connections


def test_every_pool_tells_its_places_and_connections():
    topology = Topology((HOME, BURST))
    admission = Admission(topology.pools, FakeClock())
    place = admission.try_enter(("home",))
    backends = {"home": Wires(5, 2, 9), "burst": Wires(0, 0, 0)}
    seen = told(readings.of_pools(topology, ORDER, admission, backends, lambda pool: pool == "burst"))
    home, burst = ("onprem", "home"), ("cloud", "burst")
    assert [seen[family, home] for family in (measures.IN_FLIGHT, measures.LIMIT, measures.QUEUED)] == [1, 2, 0]
    assert (seen[measures.CLOSED, home], seen[measures.CLOSED, burst]) == (0, 1)
    assert (seen[measures.CONNECTIONS, (*home, "busy")], seen[measures.CONNECTIONS, (*home, "idle")]) == (3, 2)
    assert seen[measures.DIALLED, home] == 9
    assert place is not None
    place.leave()
    later = told(readings.of_pools(topology, ORDER, admission, backends, lambda _: False))
    assert (later[measures.IN_FLIGHT, home], later[measures.PRESSURE, home]) == (0, 0)


def test_pools_tell_what_is_kept_for_home_and_what_may_leave():
    rules = SpillRules(by_label=((Label(0), Thresholds()),))
    home = Pool("home", "onprem", Label(1), "vllm", "m", (Endpoint("h"),), max_in_flight=4, reserved=2, spill=rules)
    topology = Topology((home,))
    admission = Admission(topology.pools, FakeClock())
    seen = told(readings.of_pools(topology, ORDER, admission, {"home": Wires(0, 0, 0)}, lambda _: False))
    labels = ("onprem", "home")
    assert seen[measures.RESERVED, labels] == 2
    assert not seen[measures.SPILLING, (*labels, "any")]
    assert not seen[measures.SPILLING, (*labels, "internal")]
    assert not seen[measures.DRAINED, labels]


def test_endpoints_tell_how_they_are_seen_and_what_their_servers_say():
    clock = FakeClock()
    pool = Pool("home", "onprem", Label(1), "vllm", "m", tuple(Endpoint(name) for name in "abcd"))
    topology = Topology((pool,))
    endpoints = Endpoints(topology, {"onprem": Zone("onprem", None)}, clock, chance=lambda: 0.5)
    a, b, c, d = pool.endpoints
    endpoints.said("home", a, ServerLoad(3.0, 2.0, 0.25))
    endpoints.said("home", b, ServerLoad(1.0, 0.0))
    for _ in range(2):
        endpoints.was_unwell("home", b, "x")
    endpoints.begin("home", c, is_first=True, now=clock.now).failed(Saturated(retry_after_s=5.0), clock.now)
    for _ in range(5):
        endpoints.begin("home", d, is_first=True, now=clock.now).failed(UpstreamFailed(), clock.now)
    trial = endpoints.begin("home", a, is_first=True, now=clock.now)
    seen = told(readings.of_endpoints(topology, endpoints))
    assert {labels[2]: labels[3] for family, labels in seen if family is measures.ENDPOINTS} == {
        "a": "well", "b": "unwell", "c": "full", "d": "broken",
    }  # fmt: skip
    assert seen[measures.BREAKERS_OPENED, ("onprem", "home")] == seen[measures.SAID_FULL, ("onprem", "home")] == 1
    at = ("onprem", "home", "a")
    assert (seen[measures.ENDPOINT_IN_FLIGHT, at], seen[measures.SERVER_REQUESTS, (*at, "running")]) == (1, 3.0)
    assert (seen[measures.SERVER_REQUESTS, (*at, "waiting")], seen[measures.SERVER_CACHE, at]) == (2.0, 0.25)
    assert (measures.SERVER_CACHE, ("onprem", "home", "b")) not in seen
    assert (measures.SERVER_REQUESTS, ("onprem", "home", "c", "running")) not in seen
    trial.drop()


def test_an_override_tells_its_share_and_none_tells_none():
    class Desk:
        epoch = 2
        controls = Controls()

    assert told(readings.of_overrides(Desk(), 3)) == {(measures.EPOCH, ()): 5}
    Desk.controls = Controls(burst=Burst(0.0, "who", 1.0, 2.0))
    assert told(readings.of_overrides(Desk(), 3))[measures.BURST_SHARE, ()] == 0.0


def test_the_audit_log_tells_how_full_it_is_and_what_it_lost(tmp_path):
    audit = AuditLog(tmp_path, 0, Keyring(bytes(range(32))), FakeClock(), buffer=16)
    seen = told(readings.of_audit(audit))
    assert [seen[family, ()] for family in (measures.AUDIT_USED, measures.AUDIT_LIMIT, measures.AUDIT_LOST)] == [
        0,
        16,
        0,
    ]
    assert not seen[measures.AUDIT_WRITABLE, ()]
    for _ in range(16):
        audit.reserve()
    with pytest.raises(AuditUnavailable):
        audit.reserve()
    assert told(readings.of_audit(audit))[measures.AUDIT_USED, ()] == 16
    for _ in range(18):
        audit.record(OUTCOME)
    seen = told(readings.of_audit(audit))
    assert (seen[measures.AUDIT_USED, ()], seen[measures.AUDIT_LOST, ()]) == (16, 2)
    audit.open()
    assert told(readings.of_audit(audit))[measures.AUDIT_WRITABLE, ()]
    audit.flush_and_close()


def test_the_memo_tells_how_often_it_helped_from_whichever_thread_it_was_asked():
    memo = MemoStore()
    memo.remember(b"k", Remembered(frozenset(), (), ()))
    with ThreadPoolExecutor(4) as executor:
        list(executor.map(memo.recall, [b"k", b"other"] * 500))
    seen = told(readings.of_memo(memo))
    assert (seen[measures.MEMO, ("hit",)], seen[measures.MEMO, ("miss",)]) == (500, 500)
    assert (seen[measures.MEMO_ENTRIES, ()], seen[measures.MEMO_BYTES, ()] > 0) == (1, True)


def test_the_record_of_replies_tells_whether_it_proves_anything():
    store = MemoryTaintStore(FakeClock(), ttl_s=60.0)
    store.remember([b"mark"], "internal")
    seen = told(readings.of_replies(store))
    assert (seen[measures.REPLIES, ()], seen[measures.REPLIES_LOST, ()]) == (1, False)
    seen = told(readings.of_replies(NoTaintStore()))
    assert (seen[measures.REPLIES, ()], seen[measures.REPLIES_LOST, ()]) == (0, True)


def test_the_process_tells_its_memory_and_time(monkeypatch):
    seen = told(readings.of_process())
    assert seen[measures.WORKERS, ()] == seen[measures.STARTS, ()] == 1
    assert seen[measures.CPU, ()] > 0
    assert 1 << 20 < seen[measures.RESIDENT, ()] < 1 << 35

    def refused(*_: object) -> int:
        raise OSError

    monkeypatch.setattr(os, "open", refused)
    assert told(readings.of_process())[measures.RESIDENT, ()] > 0
