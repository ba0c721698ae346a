"""The door: the only place from which content leaves for a model server.

`send` connects to an endpoint inside the pool's zone, examines the clearance against the very bytes, the peer and the
epoch of that moment, burns it, and hands the message to the backend, without a wait in between. For pools below the
top clearance the final bytes are scanned once more first. Whoever wants bytes to leave comes through here: first try,
failover, and later mirror, warm-up, embedder and batch (threats.md I1, I9, I10).
"""

from array import array
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from gateway.core.clearance import Clearance, Refusal, examine
from gateway.core.facts import Tenant
from gateway.core.keyed_hash import KeyedHash
from gateway.core.labels import Label
from gateway.core.message import Message
from gateway.core.topology import Endpoint, Pool, Zone
from gateway.errors import ClearanceRefused, ClearanceStale, RescanAbove, RescanIncomplete
from gateway.ports import Backend, Clock, Receiver, UpstreamConnection

_REMEMBERED: Final = 1 << 16


class Epoch(Protocol):
    """What has been tightened since the process started, as a number that only rises."""

    def __call__(self) -> int: ...


class Rescan(Protocol):
    """The label of the final bytes of a message, scanned anew; None if that was not done as fully as it must be.

    `tenant` is whose work it is.
    """

    async def __call__(self, message: Message, tenant: Tenant | None) -> Label | None: ...


class Door:
    """Verifies and burns clearances; one per worker, sharing the mint's key."""

    def __init__(self, key: bytes, clock: Clock, epoch: Epoch) -> None:
        self._key = KeyedHash(key)
        self._clock = clock
        self._epoch = epoch
        # By their remainder: of a fixed size, and nothing to look through.
        self._spent = array("Q", bytes(8 * _REMEMBERED))

    def open(
        self, clearance: Clearance, message: Message, pool: Pool, zone: Zone, connection: UpstreamConnection
    ) -> None:
        """Raise ClearanceRefused unless exactly this may be sent now; burn the clearance either way."""
        refusal = examine(self._key, clearance, message, pool, epoch=self._epoch(), now=self._clock.monotonic())
        if not self._burn(clearance.nonce):
            refusal = Refusal.SPENT
        if refusal is None and not (zone.name == pool.zone and zone.admits(connection.peer)):
            refusal = Refusal.OUTSIDE_ZONE
        if refusal is not None:
            kind = ClearanceStale if refusal is Refusal.STALE else ClearanceRefused
            raise kind(detail=f"{pool.name}: {refusal}")

    def _burn(self, nonce: int) -> bool:
        # Nonces rise from 1. Whoever's place a younger one has taken is too old: it counts as spent.
        place = nonce % _REMEMBERED
        if self._spent[place] >= nonce:
            return False
        self._spent[place] = nonce
        return True


class Forwarder:
    """Connects, opens the door, hands over bytes."""

    def __init__(
        self,
        door: Door,
        *,
        backends: Mapping[str, Backend],
        zones: Mapping[str, Zone],
        top: Label,
        rescan: Rescan,
    ) -> None:
        self._door = door
        self._backends = backends
        self._zones = zones
        self._top = top
        self._rescan = rescan

    async def send(
        self,
        clearance: Clearance,
        message: Message,
        pool: Pool,
        endpoint: Endpoint,
        receiver: Receiver,
        *,
        sending: Callable[[UpstreamConnection], None],
        fresh: bool = False,
        tenant: Tenant | None = None,
    ) -> None:
        """Send `message` to `endpoint` of `pool`, on a `fresh` connection or any; the answer goes to `receiver`.

        `tenant` is whose work it is. `sending` is called with the connection just before the first byte. Raises
        UpstreamUnreachable if no connection into the zone could be had, ClearanceRefused if the door stays shut;
        RescanIncomplete if that is only because nobody could look at the final bytes in time, RescanAbove if they are
        more than was decided on.
        """
        if pool.clearance < self._top:
            label = await self._rescan(message, tenant)
            if label is None:
                raise RescanIncomplete(detail=f"{pool.name}: the final bytes were not scanned to the end")
            # Not the pool's clearance alone: ceilings and routes were asked about the label that was decided on.
            if label > min(clearance.label, pool.clearance):
                raise RescanAbove(label, detail=f"{pool.name}: the final bytes are above what was decided on")
        connection = await self._backends[pool.name].connect(
            endpoint, timeout_s=pool.timeouts.connect_s, may_dial=self._zones[pool.zone].holds, fresh=fresh
        )
        self._send(clearance, message, pool, connection, receiver, sending=sending)

    def idle(self, pool: Pool, endpoint: Endpoint) -> UpstreamConnection | None:
        """A connection over which `send_now` needs to wait for nothing; None where the final bytes are scanned once
        more, or there is none."""
        return None if pool.clearance < self._top else self._backends[pool.name].idle(endpoint)

    def send_now(
        self,
        clearance: Clearance,
        message: Message,
        pool: Pool,
        connection: UpstreamConnection,
        receiver: Receiver,
        *,
        sending: Callable[[UpstreamConnection], None],
    ) -> None:
        """`send` over a connection that `idle` has just returned. Raises ClearanceRefused if the door stays shut."""
        if pool.clearance < self._top:
            connection.abort()
            raise ClearanceRefused(detail=f"{pool.name}: the final bytes have not been scanned")
        self._send(clearance, message, pool, connection, receiver, sending=sending)

    def _send(
        self,
        clearance: Clearance,
        message: Message,
        pool: Pool,
        connection: UpstreamConnection,
        receiver: Receiver,
        *,
        sending: Callable[[UpstreamConnection], None],
    ) -> None:
        try:
            self._door.open(clearance, message, pool, self._zones[pool.zone], connection)
        except ClearanceRefused:
            connection.abort()
            raise
        sending(connection)
        connection.start(message, receiver)
