"""From a request to its evidence: where and how long the scanner may run.

Small requests are scanned on the loop, larger ones in a worker thread under a deadline, and what is larger still is
not scanned at all and therefore stays home. Every failure is evidence that nothing was covered, never an exception
(threats.md I2).
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor

from msgspec.structs import replace

from gateway.core.findings import Evidence, Unscanned, nothing_covered
from gateway.core.labels import Label
from gateway.core.message import Message
from gateway.policy.compiled import CompiledPolicy
from gateway.policy.labelling import label
from gateway.ports import Memo, Scanner
from gateway.wire import strict_json
from gateway.wire.targets import shape_of


class Classifier:
    """Scans requests, and once more what is about to leave. Sizes are bytes of JSON, times seconds."""

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
    ) -> None:
        self._scanner = scanner
        self._policy = policy
        self._executor = executor
        self._inline = inline
        self._home_only_above = home_only_above
        self._deadline_s = deadline_s
        self._memo_of = memo_of

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
        return _flagged(await self._scan_beside(dialect, document, size, self._memo(tenant)), flags)

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
        try:
            evidence = self._scanner.scan(dialect, document, self._memo(tenant))
        except Exception as failure:  # noqa: BLE001  # a scanner never raises, and a request does not depend on that
            evidence = nothing_covered(type(failure).__name__)
        return _flagged(evidence, flags)

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

    async def rescan(self, message: Message, attested: Label | None = None) -> Label:
        """The label of a message as it is about to leave; `attested` as in `labelling.label`.

        What cannot be read back counts as the top label. Nothing remembered is trusted here: this look is its own.
        """
        document = strict_json.decode(message.body)
        shape = shape_of(message.target, document)
        if shape is None:
            return self._policy.order.top
        evidence = await self.classify(shape, document, size=len(message.body))
        return label(self._policy, evidence, attested)[1]


def _flagged(evidence: Evidence, flags: tuple[Unscanned, ...]) -> Evidence:
    if not flags:
        return evidence
    coverage = evidence.coverage
    return replace(evidence, coverage=replace(coverage, unscanned=(*flags, *coverage.unscanned)))
