"""The candidate beside the policy in force, in one worker: watched like keys.yaml, compared with every decision.

The file is read beside the loop, whenever it or what stands beside it is another one, or another bundle is in force.
One that cannot be read changes nothing and is said; the candidate of before goes on. Nothing of a candidate is acted
on, and one that raises is let go of: whatever it does, a request is served as without it. What it would have decided is
`policy/shadow.py`'s.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final

from gateway.core import measures
from gateway.core.complexity import Scorer
from gateway.core.facts import Tenant
from gateway.core.figures import Family, Labels
from gateway.core.labels import Label
from gateway.core.measures import NONE, OTHER
from gateway.core.problems import Problems
from gateway.core.records import Scored
from gateway.policy.replay import Gap
from gateway.policy.shadow import Candidate, Direction
from gateway.runtime.bundles import Bundle
from gateway.runtime.file_mark import Mark, mark_of
from gateway.runtime.full_scan import Decided
from gateway.runtime.instruments import Reading
from gateway.runtime.surroundings import Outlook
from gateway.telemetry import EventLog
from gateway.wire.question import question_of
from gateway.wire.requests import Dialect, Request

LOOK_EVERY_S: Final = 0.5
NAME_LENGTH: Final = 12
MOST_KINDS: Final = 1_000
"""Kinds of requests that are told apart. Files bound them; should they be beyond all reason, the rest count as one."""

MOST_CANDIDATES: Final = 64
"""Comparisons whose counts are told after their end, since a counter must not fall. Of more nobody is told."""

SCORED_IN: Final = 4
"""Scoring a request takes three times as long as all the rest: where only a candidate asks for it, one request of so
many is compared. Every figure is then of these."""

_Kind = tuple[str, str, Label | None, Direction]

log = EventLog(__name__)


class State(StrEnum):
    """How a worker stands to the candidate's file."""

    COMPARING = "comparing"
    STALE = "stale"  # the file cannot be read as it is now; the candidate of before is compared on
    UNREADABLE = "unreadable"  # nor was there one before
    WAITING = "waiting"  # what stands beside it is not what is in force
    IN_FORCE = "in_force"  # it says what the policy in force says
    FAILED = "failed"  # it raised, which is a fault of ours; nothing is compared until the file is another one


def name_of(bundle: Bundle) -> str:
    """What a candidate, or the bundle that it is compared with, is called: enough of the digest of all its files."""
    return bundle.digest[:NAME_LENGTH]


class Comparison:
    """One candidate beside one bundle in force, and what it would have done so far."""

    def __init__(self, live: Bundle, candidate: Bundle, outlook_of: Callable[[Bundle], Outlook]) -> None:
        self.live = live
        self.names = name_of(candidate), name_of(live)
        self.version = candidate.policy.version
        self._order = candidate.policy.order
        self._candidate = Candidate(live.policy, candidate.policy, candidate.tenants)
        self._scorer = Scorer() if self._candidate.needs_score else None
        self._passed_over = SCORED_IN
        self._outlook = outlook_of(candidate) if self._candidate.needs_outlook else None
        self._kinds: dict[_Kind, int] = {}
        self._gained: dict[str, int] = {}
        self._gaps: dict[Gap, int] = {}

    def take(self, tenant: Tenant, request: Request, decided: Decided, scored: Scored | None) -> None:
        """Count what the candidate would have made of a request."""
        facts, decision = decided.facts, decided.decision
        score = scored.score if scored is not None else None
        if self._scorer is not None:
            self._passed_over += 1
            if self._passed_over < SCORED_IN:
                return
            self._passed_over = 0
            if request.dialect is not Dialect.EMBEDDINGS:
                score = self._scorer.score(question_of(request.document))
        around = facts.surroundings if self._outlook is None else self._outlook.now()
        seen = self._candidate.compare(tenant.id, decided.evidence, facts, decision, score=score, around=around)
        kind = decision.route, seen.route, seen.label, seen.direction
        kinds = self._kinds
        if kind in kinds:
            kinds[kind] += 1
        elif len(kinds) < MOST_KINDS:
            kinds[kind] = 1
        else:
            kind = OTHER, OTHER, None, seen.direction
            kinds[kind] = kinds.get(kind, 0) + 1
        for pool in seen.gained:
            self._gained[pool] = self._gained.get(pool, 0) + 1
        if seen.gap is not None:
            self._gaps[seen.gap] = self._gaps.get(seen.gap, 0) + 1

    def readings(self) -> Iterator[Reading]:
        """What it counted."""
        for (route, new_route, label, direction), count in self._kinds.items():
            name = NONE if label is None else self._order.name(label)
            labels = *self.names, route or NONE, new_route or NONE, name, str(direction)
            yield measures.SHADOW, labels, count
        for pool, count in self._gained.items():
            yield measures.SHADOW_GAINED, (*self.names, pool), count
        for gap, count in self._gaps.items():
            yield measures.SHADOW_UNDECIDED, (*self.names, str(gap)), count


class Shadow:
    """Watches `file`. `beside` are the other files that a bundle is made of: what `read` says of the candidate depends
    on them, too. `live` is the bundle in force; `outlook_of` makes what looks around for a candidate."""

    def __init__(
        self,
        file: Path,
        beside: Iterable[Path],
        *,
        read: Callable[[], Bundle],
        live: Callable[[], Bundle],
        outlook_of: Callable[[Bundle], Outlook],
    ) -> None:
        self._files: Sequence[Path] = (file, *beside)
        self._read = read
        self._live = live
        self._outlook_of = outlook_of
        self._comparison: Comparison | None = None
        self.is_comparing = False
        """Whether there is a candidate that has to see every decision. Kept, since every request asks."""

        self._state: State | None = None
        self._since = 0.0
        self._seen: tuple[Mark, ...] = ()
        self._seen_with: Bundle | None = None
        self._past: dict[tuple[str, str], dict[tuple[Family, Labels], float]] = {}

    @property
    def state(self) -> State | None:
        """How this worker stands to the candidate; None if there is none."""
        return self._state

    def see(self, live: Bundle, tenant: Tenant, request: Request, decided: Decided, scored: Scored | None) -> None:
        """A request was decided under `live`."""
        comparison = self._comparison
        # What was decided under another bundle says nothing about this one.
        if comparison is None or comparison.live is not live:
            return
        try:
            comparison.take(tenant, request, decided, scored)
        except Exception as exc:  # noqa: BLE001 -- whatever it is, the request must not suffer from what nobody asked for
            self._end()
            self._state = State.FAILED
            log.crash("shadow_failed", exc)

    async def run(self, stop: asyncio.Event) -> None:
        """Look until `stop`."""
        while not stop.is_set():
            await self.look()
            try:
                async with asyncio.timeout(LOOK_EVERY_S):
                    await stop.wait()
            except TimeoutError:
                continue

    async def look(self) -> None:
        """Read the candidate if anything that it depends on is not as before."""
        live, marks = self._live(), tuple([mark_of(path) for path in self._files])
        if marks == self._seen and live is self._seen_with:
            return
        if marks[0] is None:
            if self._state is not None:
                log.info("shadow_gone")
            self._end()
            self._state = None
        else:
            try:
                candidate = await asyncio.to_thread(self._read)
            except Problems as found:
                self._cannot(f"{len(found.problems)} problems: see `tidegate policy shadow report`")
            except Exception as exc:  # noqa: BLE001 -- a file that nothing depends on must not end a worker
                self._cannot(type(exc).__name__)
            else:
                self._take(live, candidate, marks[0][3] / 1e9)
        # As it was before it was read: should it have changed meanwhile, it is read again.
        self._seen, self._seen_with = marks, live

    def readings(self) -> Iterator[Reading]:
        """What is counted of candidates, of this one and those before it."""
        for past in self._past.values():
            for (family, labels), count in past.items():
                yield family, labels, count
        comparison = self._comparison
        candidate = NONE
        if comparison is not None:
            yield from comparison.readings()
            candidate = comparison.names[0]
            yield measures.SHADOW_SINCE, (candidate, str(comparison.version)), self._since
        if self._state is not None:
            yield measures.SHADOW_WORKERS, (candidate, name_of(self._live()), str(self._state)), 1

    def _take(self, live: Bundle, candidate: Bundle, since: float) -> None:
        if (candidate.pools_digest, candidate.tenants_digest, candidate.policy.own_entities) != (
            live.pools_digest,
            live.tenants_digest,
            live.policy.own_entities,
        ):
            self._idle(State.WAITING)
        elif candidate.policy.digest == live.policy.digest:
            self._idle(State.IN_FORCE)
        else:
            made = Comparison(live, candidate, self._outlook_of)
            before = self._comparison
            self._since = since
            self._state = State.COMPARING
            if before is None or before.live is not live or before.names != made.names:
                self._end()
                self._comparison, self.is_comparing = made, True
                log.info("shadow_compared", bundle=made.names[0], version=str(made.version))

    def _idle(self, state: State) -> None:
        self._end()
        if self._state is not state:
            log.info("shadow_idle", reason=state)
        self._state = state

    def _cannot(self, reason: str) -> None:
        if self._comparison is not None and self._comparison.live is not self._live():
            self._end()
        self._state = State.UNREADABLE if self._comparison is None else State.STALE
        log.error("shadow_unreadable", reason=reason)

    def _end(self) -> None:
        """Let go of the comparison, and keep what it counted."""
        if self._comparison is None:
            return
        names = self._comparison.names
        if names in self._past or len(self._past) < MOST_CANDIDATES:
            past = self._past.setdefault(names, {})
            for family, labels, count in self._comparison.readings():
                past[family, labels] = past.get((family, labels), 0.0) + count
        self._comparison, self.is_comparing = None, False
