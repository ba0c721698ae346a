"""What one worker counts while it serves: each settled request once, and whatever others show when they are asked.

The request path touches one record per kind of request: requests that are alike in everything that a figure tells
apart share it (docs/decisions/0005). The figures are made from these records when somebody wants them. Everything
here happens on the loop's thread.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from gateway.core.decision import Allow
from gateway.core.figures import Account, Family, Labels, Spread
from gateway.core.findings import MARKER_PREFIX, Evidence
from gateway.core.labels import Label, LabelOrder
from gateway.core.measures import (
    ADDED,
    ATTEMPTS,
    COST,
    DECISIONS,
    DURATION,
    FAILOVERS,
    FINDINGS,
    FIRST_TOKEN,
    FULL_SCANS,
    NONE,
    OTHER,
    QUEUE_WAIT,
    REFUSALS,
    REQUESTS,
    SCAN_FAILURES,
    SCORED,
    SPILLED,
    STAYED,
    TOKENS,
    UNSCANNED,
)
from gateway.core.prices import MICROS
from gateway.core.records import Ending
from gateway.core.topology import Topology
from gateway.errors import TidegateError
from gateway.runtime.call import Call

MOST_KINDS: Final = 2_000
"""Kinds of requests that are told apart. Files bound them; should they be beyond all reason, the rest count as one."""

_MOST_WORDS: Final = 256

Reading = tuple[Family, Labels, float]
"""One number, as whoever knows it says when asked."""

_Kind = tuple[str, str, Label | None, str | None, Ending, bool, str, str]
_ALLOWED: Final = "to"
_SPILLED: Final = "spill"
_DENIED: Final = "deny"


class _Record:
    """What is known of the requests of one kind."""

    __slots__ = (
        "added_counts",
        "added_s",
        "completion_tokens",
        "cost_micros",
        "counts",
        "first",
        "prompt_tokens",
        "retried",
        "seconds",
    )

    def __init__(self) -> None:
        self.prompt_tokens = self.completion_tokens = self.retried = self.cost_micros = 0
        self.counts = [0] * (len(DURATION.bounds) + 1)
        self.seconds = 0.0
        self.added_counts = [0] * (len(ADDED.bounds) + 1)
        self.added_s = 0.0
        self.first: Spread | None = None

    @property
    def count(self) -> int:
        return sum(self.counts)

    @property
    def tries(self) -> int:
        """Requests of which the only try ended as they did."""
        return sum(self.added_counts) - self.retried


class Instruments:
    """One worker's. `account` is everything that it has counted so far."""

    def __init__(self, topology: Topology, order: LabelOrder, currency: str = "") -> None:
        self._currency = currency
        self._zones = {pool.name: pool.zone for pool in topology.pools}
        self._order = order
        self._records: dict[_Kind, _Record] = {}
        self._last: _Kind = (OTHER, NONE, None, None, Ending.COMPLETED, False, NONE, NONE)
        self._waits: dict[str, Spread] = {}
        self._tries: dict[tuple[str, Ending], int] = {}
        self._failovers: dict[str, int] = {}
        self._refusals: dict[str, int] = {}
        self._bands: dict[str, int] = {}
        self._entities: dict[str, int] = {}
        self._carriers: dict[str, int] = {}
        self._failures: dict[str, int] = {}
        self._full_scans: dict[Labels, int] = {}
        self._stayed: dict[Labels, int] = {}
        self._spreads: dict[tuple[Family, Labels], Spread] = {}
        self._readers: list[Callable[[], Iterable[Reading]]] = []

    def settled(self, call: Call, ending: Ending, error: TidegateError | None, *, now: float) -> None:
        """Count a request that has just ended. `now` is monotonic seconds."""
        tenant, facts, decision, request, pool = call.tenant, call.facts, call.decision, call.request, call.pool
        way = route = NONE
        if decision is not None:
            route = decision.route
            if type(decision) is Allow:
                way = _SPILLED if pool in decision.spill and pool not in decision.to else _ALLOWED
            else:
                way = _DENIED
        kind = (
            call.path,
            NONE if tenant is None else tenant.tenant_class,
            None if facts is None else facts.label_high,
            pool,
            ending,
            request is not None and request.streamed,
            route,
            way,
        )
        try:
            record = self._records[kind]
        except KeyError:
            record = self._record(kind)
        self._last = kind
        seconds = now - call.inbound.received_at
        record.seconds += seconds
        record.counts[bisect_left(_WHOLE, seconds)] += 1
        usage = call.usage
        if usage is not None:
            record.prompt_tokens += usage.prompt_tokens
            record.completion_tokens += usage.completion_tokens
        if call.cost_micros:
            record.cost_micros += call.cost_micros
        if call.stayed is not None and facts is not None:
            stayed = self._order.name(facts.label_high), str(call.stayed)
            self._stayed[stayed] = self._stayed.get(stayed, 0) + 1
        attempts = call.attempts
        if attempts:
            added_s = call.added_s
            record.added_s += added_s
            record.added_counts[bisect_left(_OWN, added_s)] += 1
            if len(attempts) > 1 or attempts[0].ending is not ending:
                self._tried(record, call)
            if call.first_content_s:
                self._began(record, call.first_content_s)
        if call.scored is not None:
            _count(self._bands, call.scored.band)
        if call.queued_s:
            self._waited(kind[1], call.queued_s)
        if error is not None:
            _count(self._refusals, error.error_code or OTHER)
        if call.full_scan is not None:
            scanned = call.full_scan.because, call.full_scan.ending
            self._full_scans[scanned] = self._full_scans.get(scanned, 0) + 1
        evidence = call.evidence
        if evidence is not None and (evidence.findings or evidence.coverage.unscanned or evidence.coverage.failure):
            self._saw(evidence)

    def again(self, call: Call) -> Callable[[float, Ending], None]:
        """What to call with the seconds that each further request took which is like `call`, and how it ended. `call`
        is the last one that was settled, with a stored answer."""
        kind, usage, scored, evidence = self._last, call.usage, call.scored, call.evidence
        is_seen = evidence is not None and bool(
            evidence.findings or evidence.coverage.unscanned or evidence.coverage.failure
        )

        def of(kind: _Kind) -> _Record:
            return self._records.get(kind) or self._record(kind)

        usual = of(kind)

        def count(seconds: float, ending: Ending) -> None:
            record = usual if ending is kind[4] else of((*kind[:4], ending, *kind[5:]))
            record.seconds += seconds
            record.counts[bisect_left(_WHOLE, seconds)] += 1
            if usage is not None:
                record.prompt_tokens += usage.prompt_tokens
                record.completion_tokens += usage.completion_tokens
            if scored is not None:
                _count(self._bands, scored.band)
            if is_seen and evidence is not None:
                self._saw(evidence)

        return count

    def meter(self, family: Family, *labels: str) -> Callable[[float], None]:
        """What to call with each value of a spread."""
        spread = self._spreads.setdefault((family, labels), Spread.over(family.bounds))
        bounds = family.bounds

        def take(value: float) -> None:
            spread.counts[bisect_left(bounds, value)] += 1
            spread.sum += value

        return take

    def ask(self, reader: Callable[[], Iterable[Reading]]) -> None:
        """Have `reader` say what it knows whenever the figures are wanted."""
        self._readers.append(reader)

    def account(self, *, now: float) -> Account:
        """Every figure as it stands."""
        account = Account(now)
        for kind, record in self._records.items():
            self._put(account, kind, record)
        self._put_waits(account)
        for (pool, ending), tries in self._tries.items():
            account.add(ATTEMPTS.name, (self._zone(pool), pool, ending), tries)
        for pool, failures in self._failovers.items():
            account.add(FAILOVERS.name, (self._zone(pool), pool), failures)
        for stayed, requests in self._stayed.items():
            account.add(STAYED.name, stayed, requests)
        for scanned, runs in self._full_scans.items():
            account.add(FULL_SCANS.name, tuple(map(str, scanned)), runs)
        for family, words in (
            (REFUSALS, self._refusals),
            (SCORED, self._bands),
            (FINDINGS, self._entities),
            (UNSCANNED, self._carriers),
            (SCAN_FAILURES, self._failures),
        ):
            for word, count in words.items():
                account.add(family.name, (word,), count)
        for (family, labels), spread in self._spreads.items():
            account.join(family.name, labels, spread)
        for reader in self._readers:
            for family, labels, value in reader():
                account.add(family.name, labels, value)
        return account

    # Inside

    def _record(self, kind: _Kind) -> _Record:
        if len(self._records) >= MOST_KINDS:
            kind = (OTHER, OTHER, kind[2], kind[3], kind[4], kind[5], OTHER, kind[7])
        return self._records.setdefault(kind, _Record())

    def _tried(self, record: _Record, call: Call) -> None:
        record.retried += 1
        for attempt in call.attempts:
            tried = attempt.pool, attempt.ending
            self._tries[tried] = self._tries.get(tried, 0) + 1
        for attempt in call.attempts[:-1]:
            self._failovers[attempt.pool] = self._failovers.get(attempt.pool, 0) + 1

    def _began(self, record: _Record, seconds: float) -> None:
        if record.first is None:
            record.first = Spread.over(FIRST_TOKEN.bounds)
        record.first.take(FIRST_TOKEN.bounds, seconds)

    def _waited(self, tenant_class: str, seconds: float) -> None:
        self._waits.setdefault(tenant_class, Spread.over(QUEUE_WAIT.bounds)).take(QUEUE_WAIT.bounds, seconds)

    def _saw(self, evidence: Evidence) -> None:
        entities = self._entities
        for finding in evidence.findings:
            entity = finding.entity
            if entity in entities:
                entities[entity] += 1
            else:
                # What a policy's markers say may be a project's name: nothing for a monitoring system.
                _count(entities, "MARKER" if entity.startswith(MARKER_PREFIX) else entity)
        for part in evidence.coverage.unscanned:
            _count(self._carriers, part.carrier)
        if evidence.coverage.failure:
            _count(self._failures, evidence.coverage.failure)

    def _put(self, account: Account, kind: _Kind, record: _Record) -> None:
        api, tenant_class, label, reached, ending, streamed, route, way = kind
        pool = reached or NONE
        zone = self._zone(pool)
        name = self._order.name(label) if label is not None else NONE
        account.add(REQUESTS.name, (api or NONE, tenant_class, name, zone, pool, ending), record.count)
        if way != NONE:
            account.add(DECISIONS.name, (route, "deny" if way == _DENIED else "allow"), record.count)
        if way == _SPILLED:
            account.add(SPILLED.name, (name, zone, pool), record.count)
        account.join(DURATION.name, (zone, pool, str(streamed).lower()), Spread(record.counts, record.seconds))
        if reached is None:
            return
        if record.prompt_tokens or record.completion_tokens:
            account.add(TOKENS.name, (tenant_class, zone, pool, "prompt"), record.prompt_tokens)
            account.add(TOKENS.name, (tenant_class, zone, pool, "completion"), record.completion_tokens)
        if record.cost_micros:
            account.add(COST.name, (tenant_class, zone, pool, self._currency), record.cost_micros / MICROS)
        if record.tries:
            account.add(ATTEMPTS.name, (zone, pool, ending), record.tries)
        account.join(ADDED.name, (zone,), Spread(record.added_counts, record.added_s))
        if record.first is not None:
            account.join(FIRST_TOKEN.name, (zone, pool), record.first)

    def _put_waits(self, account: Account) -> None:
        # Counted only where there was a wait: whoever was let in at once is all the others.
        for tenant_class, let_in in self._let_in().items():
            waits = self._waits.get(tenant_class, Spread.over(QUEUE_WAIT.bounds))
            at_once = Spread.over(QUEUE_WAIT.bounds)
            at_once.counts[0] = max(0, let_in - waits.count)
            account.join(QUEUE_WAIT.name, (tenant_class,), waits)
            account.join(QUEUE_WAIT.name, (tenant_class,), at_once)

    def _let_in(self) -> Mapping[str, int]:
        """Requests that the policy allowed, by class."""
        counts: dict[str, int] = {}
        for (_, tenant_class, _, _, _, _, _, way), record in self._records.items():
            if way in (_ALLOWED, _SPILLED):
                counts[tenant_class] = counts.get(tenant_class, 0) + record.count
        return counts

    def _zone(self, pool: str) -> str:
        return self._zones.get(pool, NONE)


_WHOLE: Final = DURATION.bounds
_OWN: Final = ADDED.bounds


def _count(words: dict[str, int], word: str) -> None:
    known = words.get(word)
    if known is not None:
        words[word] = known + 1
    elif len(words) < _MOST_WORDS:
        words[word] = 1
    else:
        words[OTHER] = words.get(OTHER, 0) + 1
