"""What the parts of a worker say of themselves."""

import os
import resource
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.core import measures
from gateway.core.figures import Family
from gateway.core.findings import Remembered
from gateway.core.labels import Label
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
    seen = told(readings.of_pools(topology, admission, backends, lambda pool: pool == "burst"))
    home, burst = ("onprem", "home"), ("cloud", "burst")
    assert [seen[family, home] for family in (measures.IN_FLIGHT, measures.LIMIT, measures.QUEUED)] == [1, 2, 0]
    assert (seen[measures.CLOSED, home], seen[measures.CLOSED, burst]) == (0, 1)
    assert (seen[measures.CONNECTIONS, (*home, "busy")], seen[measures.CONNECTIONS, (*home, "idle")]) == (3, 2)
    assert seen[measures.DIALLED, home] == 9
    assert place is not None
    place.leave()
    assert told(readings.of_pools(topology, admission, backends, lambda _: False))[measures.IN_FLIGHT, home] == 0


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
    assert 1 << 20 < seen[measures.RESIDENT, ()] <= resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    def refused(*_: object) -> int:
        raise OSError

    monkeypatch.setattr(os, "open", refused)
    assert told(readings.of_process())[measures.RESIDENT, ()] > 0


def test_every_pool_tells_how_its_servers_are_and_what_they_say():
    many = Pool("many", "onprem", Label(1), "vllm", "m", tuple(Endpoint(name) for name in "abcd"))
    topology, clock = Topology((many, BURST)), FakeClock()
    zones = {name: Zone(name, None) for name in ("onprem", "cloud")}
    endpoints = Endpoints(topology, zones, clock, chance=lambda: 0.5)
    for number in range(5):
        endpoints.begin("many", Endpoint("a"), is_first=True, now=clock.now).failed(UpstreamFailed(), clock.now)
        if number < 2:
            endpoints.was_unwell("many", Endpoint("b"), "status 503")
            endpoints.begin("many", Endpoint("c"), is_first=True, now=clock.now).failed(
                Saturated(retry_after_s=9), clock.now
            )
    endpoints.said("many", Endpoint("d"), ServerLoad(3.0, 1.0, 0.5))
    seen = told(readings.of_endpoints(topology, endpoints))
    home, burst = ("onprem", "many"), ("cloud", "burst")
    for state in ("well", "full", "broken", "unwell"):
        assert seen[measures.ENDPOINTS, (*home, state)] == 1
        assert seen[measures.ENDPOINTS, (*burst, state)] == (state == "well")
    assert seen[measures.BREAKERS_OPENED, home] == 1
    assert seen[measures.SAID_FULL, home] == 2
    assert seen[measures.SERVER_REQUESTS, (*home, "running")] == 3
    assert seen[measures.SERVER_REQUESTS, (*home, "waiting")] == 1
    assert seen[measures.SERVER_CACHE, home] == 0.5
    assert (measures.SERVER_CACHE, burst) not in seen
