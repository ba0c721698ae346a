"""From a request to its evidence: where and how long the scanner may run.

Small requests are scanned on the loop, larger ones in a worker thread under a deadline, and what is larger still is
not scanned at all and therefore stays home. Every failure is evidence that nothing was covered, never an exception
(threats.md I2). The tiers that are too slow for every request run when somebody asks; what they bring is believed only
where it adds to what is known.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from time import perf_counter

from msgspec.structs import replace

from gateway.core.facts import Tenant
from gateway.core.findings import Evidence, Finding, Tier, Unscanned, nothing_covered
from gateway.core.labels import Label
from gateway.core.message import Message
from gateway.policy.compiled import CompiledPolicy
from gateway.policy.labelling import label
from gateway.ports import FullScanner, Memo, Scanner
from gateway.wire import strict_json
from gateway.wire.targets import shape_of


class Classifier:
    """Scans requests, and once more what is about to leave. Sizes are bytes of JSON, times seconds.

    `full_deadline_s` is for a full scanner that has lost its own. `took` hears how long each scan of a request took,
    `took_at_door` each of what is about to leave, `took_in_full` each run of the slow tiers.
    """

    def __init__(
        self,
        scanner: Scanner,
        policy: CompiledPolicy,
        executor: Executor,
        *,
        inline: int,
        home_only_above: int,
        deadline_s: float = 2.0,
        memo_of: Callable[[str], Memo] | None = None,
        full_scanner: FullScanner | None = None,
        full_deadline_s: float = 3.0,
        took: Callable[[float], None] = lambda _: None,
        took_at_door: Callable[[float], None] = lambda _: None,
        took_in_full: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._scanner = scanner
        self._policy = policy
        self._executor = executor
        self._inline = inline
        self._home_only_above = home_only_above
        self._deadline_s = deadline_s
        self._memo_of = memo_of
        self._full_scanner = full_scanner
        self._full_deadline_s = full_deadline_s
        self._took, self._took_at_door, self._took_in_full = took, took_at_door, took_in_full

    async def classify(
        self,
        dialect: str,
        document: object,
        *,
        size: int,
        flags: tuple[Unscanned, ...] = (),
        tenant: str | None = None,
    ) -> Evidence:
        """The evidence for a decoded request of `size` bytes; `flags` is what was noticed before the scan.

        What was seen before in texts of the same `tenant` is remembered; without one, everything is looked at.
        """
        evidence = self.classify_now(dialect, document, size=size, flags=flags, tenant=tenant)
        if evidence is not None:
            return evidence
        began = perf_counter()
        evidence = await self._scan_beside(dialect, document, size, self._memo(tenant))
        self._meter(tenant)(perf_counter() - began)
        return _flagged(evidence, flags)

    def classify_now(
        self,
        dialect: str,
        document: object,
        *,
        size: int,
        flags: tuple[Unscanned, ...] = (),
        tenant: str | None = None,
    ) -> Evidence | None:
        """What `classify` returns, if the request is small enough to be scanned on the loop."""
        if size > self._inline:
            return None
        memo = self._memo_of(tenant) if tenant is not None and self._memo_of is not None else None
        began = perf_counter()
        try:
            evidence = self._scanner.scan(dialect, document, memo)
        except Exception as failure:  # noqa: BLE001  # a scanner never raises, and a request does not depend on that
            evidence = nothing_covered(type(failure).__name__)
        took = self._took if tenant is not None else self._took_at_door
        took(perf_counter() - began)
        return _flagged(evidence, flags) if flags else evidence

    def _meter(self, tenant: str | None) -> Callable[[float], None]:
        # What is scanned for nobody is what is about to leave.
        return self._took if tenant is not None else self._took_at_door

    def _memo(self, tenant: str | None) -> Memo | None:
        return self._memo_of(tenant) if tenant is not None and self._memo_of is not None else None

    async def _scan_beside(self, dialect: str, document: object, size: int, memo: Memo | None) -> Evidence:
        if size > self._home_only_above:
            return nothing_covered("too large to scan")
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._deadline_s):
                return await loop.run_in_executor(self._executor, self._scanner.scan, dialect, document, memo)
        except TimeoutError:
            return nothing_covered("deadline")
        except Exception as failure:  # noqa: BLE001  # as above; and threads may be gone, or the memory for one
            return nothing_covered(type(failure).__name__)

    async def complete(self, dialect: str, document: object, evidence: Evidence, tenant: Tenant) -> Evidence:
        """`evidence` with what the slow tiers find; the same object if they did not come to their end.

        For a tenant whose class asks for them always, that they did not is a failure of the scan.
        """
        done = await self._completed(dialect, document, evidence, self._memo(tenant.id))
        if done is None and tenant.full_scan and evidence.coverage.failure is None:
            return replace(evidence, coverage=replace(evidence.coverage, failure="full scan incomplete"))
        return evidence if done is None else done

    async def _completed(
        self, dialect: str, document: object, evidence: Evidence, memo: Memo | None
    ) -> Evidence | None:
        if self._full_scanner is None or evidence.coverage.failure is not None:
            return None
        began = perf_counter()
        try:
            async with asyncio.timeout(self._full_deadline_s):
                return _joined(evidence, await self._full_scanner.complete(dialect, document, evidence, memo))
        except asyncio.CancelledError:
            # Not everything that is called a cancellation is ours: what the models waited for may have gone away.
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return None
        except Exception:  # noqa: BLE001  # it never raises or hangs, and a request does not depend on that
            return None
        finally:
            self._took_in_full(perf_counter() - began)

    async def rescan(self, message: Message, tenant: Tenant | None = None) -> Label | None:
        """The label of a message as it is about to leave; None if it could not be scanned as fully as it must be.

        `tenant` is whose it is: what its class vouches for and what it asks for hold here too. What cannot be read back
        counts as the top label. Nothing that this scanner remembers is trusted here: this look is its own. The slow
        tiers have read the same texts a moment ago, and what they saw to the end is taken from the tenant's memo.
        """
        document = strict_json.decode(message.body)
        shape = shape_of(message.target, document)
        if shape is None:
            return self._policy.order.top
        evidence = await self.classify(shape, document, size=len(message.body))
        demanded = self._policy.labels.required
        if tenant is not None and (tenant.full_scan or Tier.NER in demanded):
            evidence = await self.complete(shape, document, evidence, tenant)
        coverage = evidence.coverage
        if coverage.failure is not None or not demanded <= coverage.tiers:
            return None
        return label(self._policy, evidence, tenant.attested if tenant is not None else None)[1]


def _joined(evidence: Evidence, done: Evidence) -> Evidence | None:
    """`evidence` with what a full scan added to it; None if that did not come to its end, or took anything away."""
    coverage, found = done.coverage, done.findings
    if Tier.NER not in coverage.tiers or coverage.failure is not None or len(found) < len(evidence.findings):
        return None
    if not all(_is_kept(before, after) for before, after in zip(evidence.findings, found, strict=False)):
        return None
    known = evidence.coverage
    unscanned = tuple(dict.fromkeys((*known.unscanned, *coverage.unscanned)))
    return replace(
        evidence, findings=found, coverage=replace(known, tiers=known.tiers | {Tier.NER}, unscanned=unscanned)
    )


def _is_kept(before: Finding, after: Finding) -> bool:
    # A higher score is something added; one that is none (NaN) counts as certain, and stays what it is.
    return after is before or (
        (after.entity, after.path) == (before.entity, before.path) and after.score >= before.score
    )


def _flagged(evidence: Evidence, flags: tuple[Unscanned, ...]) -> Evidence:
    if not flags:
        return evidence
    coverage = evidence.coverage
    return replace(evidence, coverage=replace(coverage, unscanned=(*flags, *coverage.unscanned)))
