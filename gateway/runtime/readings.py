"""What the parts of a worker say of themselves whenever its figures are wanted: nothing is counted here.

One function per part, each a reader for `Instruments.ask`.
"""

import os
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sized
from typing import Final, Protocol

from gateway.core import measures
from gateway.core.topology import Topology
from gateway.detect.memo import MemoStore
from gateway.runtime.admission import Admission
from gateway.runtime.audit import AuditLog
from gateway.runtime.endpoints import Endpoints, State
from gateway.runtime.instruments import Reading

_PAGE: Final = resource.getpagesize()


class Connected(Protocol):
    """A backend that knows how many connections it has: in all and idle now, and opened so far."""

    @property
    def connections(self) -> tuple[int, int, int]: ...


class ReplyStore(Sized, Protocol):
    """A record of replies that knows whether it can be trusted."""

    @property
    def is_lost(self) -> bool: ...


def of_pools(
    topology: Topology, admission: Admission, backends: Mapping[str, Connected], is_closed: Callable[[str], bool]
) -> Iterator[Reading]:
    """Places, queues and connections, pool by pool."""
    load = admission.load()
    for pool in topology.pools:
        labels = pool.zone, pool.name
        yield measures.IN_FLIGHT, labels, load[pool.name].in_flight
        yield measures.LIMIT, labels, load[pool.name].limit
        yield measures.QUEUED, labels, load[pool.name].waiting
        yield measures.CLOSED, labels, is_closed(pool.name)
        total, idle, dialled = backends[pool.name].connections
        yield measures.CONNECTIONS, (*labels, "busy"), total - idle
        yield measures.CONNECTIONS, (*labels, "idle"), idle
        yield measures.DIALLED, labels, dialled


def of_endpoints(topology: Topology, endpoints: Endpoints) -> Iterator[Reading]:
    """What is known of each pool's servers, and what they say of themselves."""
    states = Counter((view.pool, view.state) for view in endpoints.views())
    for pool in topology.pools:
        labels = pool.zone, pool.name
        for state in State:
            yield measures.ENDPOINTS, (*labels, str(state)), states[pool.name, state]
        yield measures.BREAKERS_OPENED, labels, endpoints.opened[pool.name]
        yield measures.SAID_FULL, labels, endpoints.said_full[pool.name]
        load = endpoints.server_load(pool.name)
        if load is not None:
            yield measures.SERVER_REQUESTS, (*labels, "running"), load.running
            yield measures.SERVER_REQUESTS, (*labels, "waiting"), load.waiting
            yield measures.SERVER_CACHE, labels, load.cache_share or 0.0


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
