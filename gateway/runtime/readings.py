"""What the parts of a worker say of themselves whenever its figures are wanted: nothing is counted here.

One function per part, each a reader for `Instruments.ask`.
"""

import os
import resource
import time
from collections.abc import Callable, Iterator, Mapping, Sized
from typing import Final, Protocol

from gateway.core import measures
from gateway.core.labels import Label, LabelOrder
from gateway.core.topology import Topology
from gateway.detect.memo import MemoStore
from gateway.runtime.admission import Admission
from gateway.runtime.audit import AuditLog
from gateway.runtime.controls import ControlDesk
from gateway.runtime.endpoints import Endpoints
from gateway.runtime.instruments import Reading
from gateway.runtime.lifeline import InForce
from gateway.runtime.reply_cache import ReplyCache

ANY: Final = "any"
"""The label of spill for whatever has no thresholds of its own."""

_PAGE: Final = resource.getpagesize()


class Connected(Protocol):
    """A backend that knows how many connections it has: in all and idle now, and opened so far."""

    @property
    def connections(self) -> tuple[int, int, int]: ...


class ReplyStore(Sized, Protocol):
    """A record of replies that knows whether it can be trusted."""

    @property
    def is_lost(self) -> bool: ...


class Store(Protocol):
    """A connection to a store outside."""

    @property
    def is_up(self) -> bool: ...
    @property
    def failures(self) -> Mapping[str, int]: ...


def of_pools(
    topology: Topology,
    order: LabelOrder,
    admission: Admission,
    backends: Mapping[str, Connected],
    is_closed: Callable[[str], bool],
) -> Iterator[Reading]:
    """Places, queues, pressure and connections, pool by pool."""
    load = admission.load()
    for pool in topology.pools:
        labels = pool.zone, pool.name
        yield measures.IN_FLIGHT, labels, load[pool.name].in_flight
        yield measures.LIMIT, labels, load[pool.name].limit
        yield measures.QUEUED, labels, load[pool.name].waiting
        yield measures.RESERVED, labels, load[pool.name].reserved
        yield measures.PRESSURE, labels, load[pool.name].pressure
        yield measures.SPILLING, (*labels, ANY), load[pool.name].is_spilling
        for label, is_open in load[pool.name].labels_spilling.items():
            yield measures.SPILLING, (*labels, order.name(Label(label))), is_open
        yield measures.DRAINED, labels, load[pool.name].is_drained
        yield measures.CLOSED, labels, is_closed(pool.name)
        total, idle, dialled = backends[pool.name].connections
        yield measures.CONNECTIONS, (*labels, "busy"), total - idle
        yield measures.CONNECTIONS, (*labels, "idle"), idle
        yield measures.DIALLED, labels, dialled


def of_endpoints(topology: Topology, endpoints: Endpoints) -> Iterator[Reading]:
    """What is known of each pool's servers, and what they say of themselves."""
    for pool in topology.pools:
        yield measures.BREAKERS_OPENED, (pool.zone, pool.name), endpoints.opened[pool.name]
        yield measures.SAID_FULL, (pool.zone, pool.name), endpoints.said_full[pool.name]
        yield measures.SAID_COLD, (pool.zone, pool.name), endpoints.said_cold[pool.name]
    for view in endpoints.views():
        labels = view.zone, view.pool, view.endpoint
        yield measures.ENDPOINTS, (*labels, str(view.state)), 1
        yield measures.ENDPOINT_IN_FLIGHT, labels, view.in_flight
        if view.start_s is not None:
            yield measures.COLD_START, labels, view.start_s
        if view.server is not None:
            yield measures.SERVER_REQUESTS, (*labels, "running"), view.server.running
            yield measures.SERVER_REQUESTS, (*labels, "waiting"), view.server.waiting
            if view.server.cache_share is not None:
                yield measures.SERVER_CACHE, labels, view.server.cache_share


def of_overrides(desk: ControlDesk, epoch: int) -> Iterator[Reading]:
    """What operations have ordered. `epoch` is the bundle's."""
    yield measures.EPOCH, (), epoch + desk.epoch
    if desk.controls.share is not None:
        yield measures.BURST_SHARE, (), desk.controls.share


def of_audit(audit: AuditLog) -> Iterator[Reading]:
    """How full the audit buffer is, and whether the log can be written."""
    yield measures.AUDIT_USED, (), audit.used
    yield measures.AUDIT_LIMIT, (), audit.limit
    yield measures.AUDIT_WRITABLE, (), audit.is_writable
    yield measures.AUDIT_LOST, (), audit.lost


def of_memo(memo: MemoStore) -> Iterator[Reading]:
    """What the memo holds, and how often it helped."""
    entries, size = memo.size
    yield measures.MEMO_ENTRIES, (), entries
    yield measures.MEMO_BYTES, (), size
    yield measures.MEMO, ("hit",), memo.hits
    yield measures.MEMO, ("miss",), memo.lookups - memo.hits


def of_replies(replies: ReplyStore) -> Iterator[Reading]:
    """The record of replies."""
    yield measures.REPLIES, (), len(replies)
    yield measures.REPLIES_LOST, (), replies.is_lost


def of_stores(stores: Mapping[str, Store]) -> Iterator[Reading]:
    """What went wrong with the stores outside, and whether they are asked at all."""
    for name, store in stores.items():
        yield measures.STORE_DOWN, (name,), not store.is_up
        for reason, count in store.failures.items():
            yield measures.STORE_FAILURES, (name, reason), count


def of_cache(cache: ReplyCache) -> Iterator[Reading]:
    """Stored answers, and how often they helped."""
    entries, size = cache.size
    yield measures.CACHE_ENTRIES, (), entries
    yield measures.CACHE_BYTES, (), size
    yield measures.CACHE_WAITING, (), cache.waiting
    yield measures.CACHE_UNOPENED, (), cache.unopened
    for way, count in cache.counts.items():
        yield measures.CACHE, (way.value,), count
    for why, count in cache.passed.items():
        yield measures.CACHE_PASSED, (why,), count


def of_files(in_force: InForce | None) -> Iterator[Reading]:
    """What came of the files, as the supervisor has told it; nothing where there is none."""
    if in_force is not None:
        yield measures.BUNDLE_SINCE, (), in_force.since
        yield measures.FILES_REFUSED, (), in_force.refusals
        yield measures.FILES_STALE, (), in_force.refused is not None


def of_process() -> Iterator[Reading]:
    """This process."""
    yield measures.WORKERS, (), 1
    yield measures.STARTS, (), 1
    yield measures.CPU, (), time.process_time()
    yield measures.RESIDENT, (), _resident()


def _resident() -> int:
    try:
        fd = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return int(os.read(fd, 256).split()[1]) * _PAGE
        finally:
            os.close(fd)
    except OSError:
        # Not Linux: the most that it ever was, in the system's own unit, is better than nothing.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
