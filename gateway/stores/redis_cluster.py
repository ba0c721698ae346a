"""A Redis Cluster as one carrier: a lane to every primary, and which of them has a key.

It is there only as long as every primary is: when one goes, the whole is dialled anew, with the cluster's word on who
has what by then. Until a replica has taken over nothing is asked, so that no request waits for a node that is gone.
"""

import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from gateway.config.addresses import Tcp
from gateway.stores.redis_lane import Heard, Lane, LaneRefused, Lost
from gateway.wire.resp import Argument, Refused, Reply

SLOTS: Final = 16_384
_REDIRECTS: Final = 3
_SCRIPTS: Final = frozenset(("EVAL", "EVALSHA"))


class ClusterLanes:
    """Implements `Carrier`. Commands without a key go to the first primary."""

    def __init__(self, slots: Sequence[Tcp], on_lost: Callable[[str], None]) -> None:
        self._slots = list(slots)
        self._on_lost = on_lost
        self.primaries = tuple(dict.fromkeys(slots))
        self._lanes: Mapping[Tcp, Lane] = {}
        self._is_lost = False

    def run_on(self, lanes: Mapping[Tcp, Lane]) -> None:
        """Every primary answers: these are the lanes to them."""
        self._lanes = lanes

    @property
    def is_lost(self) -> bool:
        """Whether a primary has gone."""
        return self._is_lost

    def send(self, parts: Sequence[Argument], heard: Heard) -> None:
        """Send to whoever has the key."""
        key = key_of(parts)
        self._send(self._slots[slot_of(key)] if key is not None else self.primaries[0], parts, heard, _REDIRECTS)

    def abort(self, reason: str) -> None:
        """End every lane."""
        self.lost_one(reason)

    def lost_one(self, reason: str) -> None:
        """One lane has ended: so do the others, and those who wait on them."""
        if self._is_lost:
            return
        self._is_lost = True
        for lane in self._lanes.values():
            lane.abort(reason)
        self._on_lost(reason)

    def _send(self, to: Tcp, parts: Sequence[Argument], heard: Heard, redirects: int, *, asking: bool = False) -> None:
        lane = self._lanes.get(to)
        if lane is None:
            heard(Lost("moved to a node that was not there"))
            self.lost_one("moved")
            return

        def followed(answer: Reply | Lost) -> None:
            if not isinstance(answer, Refused) or answer.code not in ("MOVED", "ASK") or not redirects:
                heard(answer)
                return
            elsewhere = _address(answer.to, to)
            if answer.code == "MOVED" and 0 <= answer.slot < SLOTS:
                self._slots[answer.slot] = elsewhere
            self._send(elsewhere, parts, heard, redirects - 1, asking=answer.code == "ASK")

        if asking:
            lane.send(("ASKING",), _ignored)
        lane.send(parts, followed)


def _ignored(_: object) -> None:
    """What a node says to `ASKING` shows in its answer to the next command."""


def slot_of(key: bytes) -> int:
    """The slot of a key: of what is between its first braces, if there is anything."""
    start = key.find(b"{")
    if start >= 0:
        end = key.find(b"}", start + 1)
        if end > start + 1:
            key = key[start + 1 : end]
    return binascii.crc_hqx(key, 0) % SLOTS


def key_of(parts: Sequence[Argument]) -> bytes | None:
    """The first key of a command as our stores write them: a script's first, or what comes after the name."""
    name = str(parts[0]).upper()
    if name in _SCRIPTS:
        found = parts[3] if len(parts) > 3 and parts[2] != 0 else None
    else:
        found = parts[1] if len(parts) > 1 and name not in _KEYLESS else None
    if found is None:
        return None
    return found if isinstance(found, bytes) else str(found).encode()


_KEYLESS: Final = frozenset(("PING", "INFO", "TIME", "ROLE", "CONFIG", "ACL", "CLUSTER", "AUTH", "DBSIZE", "SCAN"))


def slots_of(told: Reply, asked_at: Tcp) -> tuple[Tcp, ...]:
    """Who has each slot, from the answer to `CLUSTER SLOTS`; raises LaneRefused where some have nobody."""
    slots: list[Tcp | None] = [None] * SLOTS
    for entry in told if isinstance(told, list) else ():
        match entry:
            case [int(first), int(last), [host, int(port), *_], *_] if 0 <= first <= last < SLOTS:
                # A node that does not know its own name is where we asked.
                name = host.decode("ascii", "replace") if isinstance(host, bytes) and host else asked_at.host
                slots[first : last + 1] = [Tcp(name, port)] * (last + 1 - first)
    found = tuple(one for one in slots if one is not None)
    if len(found) < SLOTS:
        raise LaneRefused("not every slot has a node")
    return found


def _address(written: str, asked_at: Tcp) -> Tcp:
    host, _, port = written.rpartition(":")
    return Tcp(host or asked_at.host, int(port) if port.isdigit() else 0)
