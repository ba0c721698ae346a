"""A second decision on one request: when the slow tiers have looked at it, and what is then true of it.

The first decision stands until they have come to their end. Then label and decision are made once more, on the
completed evidence and the same facts otherwise; whoever acts on that takes it over as a whole, evidence, facts and
decision together, so that no clearance is ever minted from halves of two. When it is worth asking is the dispatcher's
business, how the tiers run `classify.py`'s.
"""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from gateway.core.decision import Decision, Deny, DenyCode
from gateway.core.facts import RequestFacts
from gateway.core.findings import Evidence
from gateway.core.records import FullScan, ScanEnding, ScanReason
from gateway.errors import Forbidden, NotFound, TidegateError
from gateway.ports import Clock
from gateway.runtime.call import Call
from gateway.runtime.generation import Generation
from gateway.telemetry import EventLog

log = EventLog(__name__)


class Decided(msgspec.Struct, frozen=True, gc=False):
    """What is known of a request, and where it may go for that; by what, and in which epoch, it was decided.

    A Struct, since one is made for every request: a frozen dataclass takes ten times as long.
    """

    evidence: Evidence
    facts: RequestFacts
    decision: Decision
    generation: Generation
    epoch: int = 0


class SecondDecision:
    """One request's way to be decided again. `scan` gives what is then decided, None if the scan did not get through;
    `act_on` makes one of the two the one that governs."""

    __slots__ = ("_act_on", "_call", "_clock", "_first", "_is_adopted", "_is_over", "_scan", "_second")

    def __init__(
        self,
        call: Call,
        first: Decided,
        scan: Callable[[], Awaitable[Decided | None]],
        act_on: Callable[[Decided], None],
        clock: Clock,
    ) -> None:
        self._call = call
        self._first = first
        self._scan = scan
        self._act_on = act_on
        self._clock = clock
        self._is_over = False
        self._is_adopted = False
        self._second: Decided | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is still worth asking."""
        return not self._is_adopted and (self._second is not None or not self._is_over)

    async def seek(self, because: ScanReason) -> Decided | None:
        """The second decision; None if there is none. It governs nothing before somebody adopts it."""
        if self._is_over:
            return self._second
        began = self._clock.monotonic()
        # Until it has come to its end, and unless somebody adopts it then, it came too late.
        self._note(because, ScanEnding.OVERTAKEN, began)
        try:
            self._second = await self._scan()
        except asyncio.CancelledError:
            self._note(because, ScanEnding.OVERTAKEN, began)
            raise
        except Exception as exc:  # noqa: BLE001 -- whatever it is, the first decision stands
            log.crash("full_scan_failed", exc, request_id=self._call.id)
        self._is_over = True
        self._note(because, ScanEnding.INCOMPLETE if self._second is None else ScanEnding.OVERTAKEN, began)
        return self._second

    def adopt(self, second: Decided) -> Decision:
        """From now on the second decision governs."""
        self._is_adopted = True
        self._end(ScanEnding.COMPLETED)
        self._act_on(second)
        return second.decision

    def withdraw(self) -> Decision | None:
        """The final bytes could not be scanned as fully: the first decision governs again. None if it always has."""
        if not self._is_adopted:
            return None
        self._is_adopted, self._second = False, None
        self._end(ScanEnding.UNCONFIRMED)
        self._act_on(self._first)
        return self._first.decision

    def _note(self, because: ScanReason, ending: ScanEnding, began: float) -> None:
        facts = self._first.facts
        ms = round((self._clock.monotonic() - began) * 1000, 3)
        self._call.full_scan = FullScan(because, ending, ms, facts.label_low, facts.label_high)

    def _end(self, ending: ScanEnding) -> None:
        noted = self._call.full_scan
        if noted is not None:
            self._call.full_scan = FullScan(noted.because, ending, noted.ms, noted.label_low, noted.label_high)


def refusal_of(deny: Deny) -> TidegateError:
    """What the caller is told."""
    if deny.code is DenyCode.MODEL_UNKNOWN:
        return NotFound(deny.message, code=deny.code.value, param="model")
    return Forbidden(deny.message, code=deny.code.value)
