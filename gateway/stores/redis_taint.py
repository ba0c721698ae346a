"""The record of replies in Redis: one for all workers and replicas, and no more believed than it must be.

Every value is sealed (`core/taint_seals.py`), so that whoever can write to Redis can keep requests home and nothing
else. What is no longer there is noticed by whoever wrote it: each worker remembers its own replies too, asks for some
of them once a second, and begins a new era as soon as one is missing. A new era proves nothing until everything that
may have been lost would have expired.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.core.keyed_hash import KeyedHash
from gateway.core.taint_seals import ERA_BYTES, Beat, Era, TaintSeals
from gateway.ports import NOT_NOW, Clock, NotNow, StoreUnavailable
from gateway.stores.own_replies import Labels, OwnReplies
from gateway.stores.redis_connection import RedisConnection, Script
from gateway.stores.redis_lane import Lost
from gateway.stores.sightings import Sightings
from gateway.telemetry import EventLog
from gateway.wire.resp import Refused, Reply

EVERY_S: Final = 1.0
"""How often a worker looks whether the record is still the one that it knows."""

FRESH_S: Final = 10.0
"""How long nobody may have seen the record, at the most, for a worker that starts to take it for whole."""

_PATIENCE: Final = 3  # looks, before a worker that starts calls a record lost that another may be about to begin
_POLICY_EVERY: Final = 10  # looks
_AT_ONCE: Final = 100  # replies that are saved again with one command
_MOST_UNSAVED: Final = 10_000
_MARGIN_S: Final = 60.0  # Redis keeps what our clocks, which may differ from its own, still count

_READ: Final = Script(
    """\
local found = {redis.call('MGET', KEYS[1], KEYS[2])}
for i = 3, #KEYS do found[i - 1] = redis.call('HGETALL', KEYS[i]) end
return found""",
    keeps_order=True,
)
_REMEMBER: Final = Script(
    """\
for i, key in ipairs(KEYS) do
  redis.call('HSET', key, ARGV[1], ARGV[i + 2])
  redis.call('PEXPIRE', key, ARGV[2])
end
return #KEYS""",
    keeps_order=True,
)

log = EventLog(__name__)


class RedisTaintStore:
    """Implements `ports.TaintStore`. `run` looks after the record; until its first look there is none."""

    def __init__(
        self,
        redis: RedisConnection,
        key: KeyedHash,
        clock: Clock,
        *,
        ttl_s: float,
        sightings: Sightings,
        is_first: bool,
    ) -> None:
        self._redis = redis
        self._seals = TaintSeals(key)
        self._clock = clock
        self._ttl_s = ttl_s
        self._sightings = sightings
        self._is_first = is_first
        # One hash tag: in a cluster the whole record is on one node, so that one script sees it as it is.
        self._key = f"{redis.prefix}:{{replies}}:1:".encode()
        self._era: Era | None = None
        self._looks = 0
        self._evicts: bool | None = None
        # For a little less than the ttl: what has just expired by a clock that was put right is not lost.
        self._slack_s = min(_MARGIN_S, ttl_s / 10)
        self._own = OwnReplies(clock, kept_s=ttl_s - self._slack_s)
        self._beat = b""
        # Whether Redis took our last sign of life and nothing has failed since: while it does not, others have replies
        # that they cannot save, of which we know nothing.
        self._takes = False

    # ports.TaintStore

    def read_now(self, marks: Sequence[bytes]) -> Mapping[bytes, Collection[str]] | NotNow | None:
        """None where the record is known to be lost, and nothing where nothing is sought; else it must be asked."""
        if self.is_lost:
            return None
        return NOT_NOW if marks else {}

    async def read(self, marks: Sequence[bytes]) -> Mapping[bytes, Collection[str]] | None:
        """The labels of those of `marks` that are on record, or None if the record proves nothing."""
        if self.is_lost:
            return None
        question = self._question(marks)
        try:
            reply = await self._redis.call(_READ, self._keys(marks), ())
        except StoreUnavailable:
            self._takes = False
            return None
        return self._understood(reply, question)

    def remember(self, marks: Iterable[bytes], label: str) -> None:
        """Put `marks` on record with `label`. What Redis does not take now it is given again later."""
        listed = tuple(marks)
        others = self._own.put(listed, label)
        self._send(listed, label)
        for mark, other in others:
            self._send((mark,), other)

    @property
    def is_lost(self) -> bool:
        """Whether requests with a history stay home at the moment."""
        era = self._era
        if era is None or self._evicts is not False or self._own.unsaved or not self._takes or not self._redis.is_up:
            return True
        return era.trusted_from > 0 and era.trusted_from > self._now_ms()

    def __len__(self) -> int:
        """How many replies this worker has put on record."""
        return len(self._own)

    # Looking after the record

    async def run(self, stop: asyncio.Event) -> None:
        """Look after the record until `stop`, then note that it was whole."""
        while not stop.is_set():
            await self.look()
            try:
                async with asyncio.timeout(EVERY_S):
                    await stop.wait()
            except TimeoutError:
                pass
        self._save_again()
        with contextlib.suppress(StoreUnavailable):
            await self._redis.execute("PING")  # what was sent before has been answered before
        self.close()

    def close(self) -> None:
        """Leave a note for whoever comes next on this machine."""
        if self._beat and not self._own.unsaved:
            self._sightings.note(self._beat)

    async def look(self) -> None:
        """Is the record there, whole, the one that is known, and where nothing is evicted?"""
        self._save_again()
        sample = self._own.sample()
        try:
            if self._looks % _POLICY_EVERY == 0:
                self._evicts = await self._may_evict()
            question = self._question(sample)
            reply = await self._redis.call(_READ, self._keys(sample), ())
        except StoreUnavailable:
            self._own.not_looked_for(sample)
            self._takes = False
            return
        self._looks += 1
        if self._era is None:
            await self._begin(reply)
        else:
            self._understood(reply, question)
            self._own.looked_for(sample)
        if self._era is not None and not self._own.unsaved:
            await self._sign(self._era)

    async def _sign(self, era: Era) -> None:
        """Say that the record is whole. Where that cannot be written, others' replies cannot be either."""
        beat = self._seals.beat(Beat(era.id, self._now_ms()))
        try:
            await self._redis.execute("SET", self._key + b"beat", beat, "PX", self._kept_ms)
        except StoreUnavailable:
            self._takes = False
            return
        self._takes = True
        self._beat = beat
        self._sightings.forget()

    async def _begin(self, reply: Reply) -> None:
        """The first look: begin a record, or join the one that is there, if somebody saw it whole a moment ago."""
        found, beat = _heads(reply)
        era = self._seals.read_era(found)
        if era is not None and self._may_join(era, self._seals.read_beat(beat)):
            self._era = era
        elif found is None and self._is_first:
            # Another may do the same: whoever is second sees at the next look which one it is.
            era = Era(secrets.token_bytes(ERA_BYTES), 0)
            try:
                is_ours = await self._redis.execute("SET", self._key + b"era", self._seals.era(era), "NX")
            except StoreUnavailable:
                return
            self._era, self._is_first = era if is_ours == b"OK" else None, False
        elif self._looks >= _PATIENCE or (found is not None and era is None):
            self._lose("an old or foreign record" if found is not None else "no record")

    def _may_join(self, era: Era, beat: Beat | None) -> bool:
        # Of an era that proves nothing yet, too: what is missing from an old copy of it outlives its beginning.
        if beat is None or beat.era != era.id:
            return False
        if self._now_ms() - beat.at <= FRESH_S * 1000:
            return True
        # Nobody was there: then it is whole if it is as it was when we stopped, or a later state.
        seen = self._seals.read_beat(self._sightings.read())
        return seen is not None and seen.era == era.id and beat.at >= seen.at

    def _question(self, marks: Sequence[bytes]) -> "_Question":
        own = self._own.labels(marks)
        until = self._clock.wall() + self._slack_s / 2
        return _Question(self._era, marks, own, self._own.confirmed(own), until)

    def _understood(self, reply: Reply, question: "_Question") -> Mapping[bytes, Collection[str]] | None:
        if not isinstance(reply, list) or len(reply) != len(question.marks) + 1:
            return None
        if self._era is None or question.era is not self._era:
            return None  # asked of a record that has been given up since: this says nothing about the new one
        if self._clock.wall() >= question.until:
            return None  # the machine slept in between: what was there when it was asked may have expired
        found, _ = _heads(reply)
        if found != self._seals.era(self._era):
            self._meet(self._seals.read_era(found))
            return None
        recorded: dict[bytes, Collection[str]] = {}
        for mark, entries in zip(question.marks, reply[1:], strict=True):
            labels = self._labels(mark, entries)
            if labels is None:
                self._lose("forged")
                return None
            if labels:
                recorded[mark] = labels
        # Compared with what was confirmed when this was asked: what was on its way then may have come later.
        for mark, there in question.confirmed.items():
            if not set(there) <= set(recorded.get(mark, ())):
                self._lose("replies are missing")
                return None
        if self.is_lost:
            return None
        for mark, own in question.own.items():
            recorded[mark] = own.union(recorded.get(mark, ()))
        return recorded

    def _labels(self, mark: bytes, entries: Reply) -> frozenset[str] | None:
        """The labels that count now; None if one was not written by us."""
        if not isinstance(entries, list) or len(entries) % 2:
            return None
        now, labels = self._now_ms(), []
        for name, value in zip(entries[::2], entries[1::2], strict=True):
            label = name.decode("utf-8", "replace") if isinstance(name, bytes) else ""
            expires_at = self._seals.read_label(mark, label, value)
            if expires_at is None:
                return None
            if expires_at > now:
                labels.append(label)
        return frozenset(labels)

    def _meet(self, other: Era | None) -> None:
        """The record is of another era than ours: theirs counts if it proves nothing for at least as long as ours, and
        for as long as one that somebody has begun just now. An older one was begun before we wrote what may be lost."""
        ours = self._era.trusted_from if self._era is not None else 0
        latest = self._now_ms() + int((self._ttl_s - FRESH_S) * 1000)
        if other is not None and other.trusted_from >= max(ours, latest):
            self._enter(other, "another gateway says so")
        else:
            self._lose("another record in its place" if other is not None else "no record")

    def _lose(self, reason: str) -> None:
        """Begin an era that proves nothing until whatever may have been lost would have expired."""
        era = Era(secrets.token_bytes(ERA_BYTES), self._now_ms() + int(self._ttl_s * 1000))
        self._enter(era, reason)
        self._redis.send(("SET", self._key + b"era", self._seals.era(era)), _unheard)

    def _enter(self, era: Era, reason: str) -> None:
        log.warning("reply_record_lost", reason=reason)
        self._era = era
        self._own.forget()

    async def _may_evict(self) -> bool:
        """Whether Redis may throw our keys away when it is full; a Redis that does not say so may."""
        told = await self._redis.execute("INFO", "memory")
        lines = told.split(b"\r\n") if isinstance(told, bytes) else []
        facts = dict(line.split(b":", 1) for line in lines if b":" in line)
        evicts = facts.get(b"maxmemory") != b"0" and facts.get(b"maxmemory_policy") != b"noeviction"
        if evicts and not self._evicts:
            log.error("reply_record_lost", reason="the store evicts")
        return evicts

    # Saving

    def _send(self, marks: Sequence[bytes], label: str) -> None:
        expires_at = self._now_ms() + int(self._ttl_s * 1000)
        values = [self._seals.label(mark, label, expires_at) for mark in marks]

        def heard(answer: Reply | Lost) -> None:
            if isinstance(answer, Lost | Refused):
                self._own.missed(marks, label)
                if self._own.unsaved > _MOST_UNSAVED:
                    # More than is worth keeping: when Redis is back, the record begins anew.
                    self._own.give_up()
                    self._lose("too many replies could not be saved")
            else:
                self._own.arrived(marks, label)

        keys = [self._key + mark for mark in marks]
        self._redis.send_call(_REMEMBER, keys, (label, self._kept_ms, *values), heard)

    def _save_again(self) -> None:
        if self._own.unsaved and self._redis.is_up:
            for label, marks in self._own.to_save().items():
                for start in range(0, len(marks), _AT_ONCE):
                    self._send(marks[start : start + _AT_ONCE], label)

    # Inside

    def _keys(self, marks: Sequence[bytes]) -> list[bytes]:
        key = self._key
        return [key + b"era", key + b"beat", *(key + mark for mark in marks)]

    def _now_ms(self) -> int:
        return int(self._clock.wall() * 1000)

    @property
    def _kept_ms(self) -> int:
        return int((self._ttl_s + _MARGIN_S) * 1000)


@dataclass(frozen=True, slots=True)
class _Question:
    """What was known when the record was asked for `marks`: its answer is judged by that, not by what came since."""

    era: Era | None
    marks: Sequence[bytes]
    own: Mapping[bytes, Labels]
    confirmed: Mapping[bytes, Labels]
    until: float


def _heads(reply: Reply) -> tuple[Reply, Reply]:
    """What stands for the era and the last sign of life."""
    match reply:
        case [[era, beat], *_]:
            return era, beat
        case _:
            return b"", b""


def _unheard(_: object) -> None:
    """Seen at the next look."""
