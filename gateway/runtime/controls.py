"""What operations may change while a worker serves: orders are recorded, passed to the supervisor, and carried out.

Orders come in through one worker's admin port; the supervisor keeps them and tells every worker, this one too, what
stands. What opens something waits until its record is on disk; what closes something is carried out first, whatever
the audit log does. No order reaches beyond what decisions list (`core/controls.py`).
"""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from gateway.core.controls import (
    NOTHING_SET,
    Change,
    Controls,
    Drain,
    Order,
    Refused,
    SetBurst,
    ordered,
    standing,
    takes_away,
    words,
)
from gateway.core.records import Override
from gateway.errors import AuditUnavailable, InvalidRequest, NotFound, Unavailable
from gateway.ports import AuditSink, Clock
from gateway.runtime.admission import Admission
from gateway.runtime.lifeline import Told
from gateway.telemetry import EventLog

ANSWERED_WITHIN_S: Final = 5.0

log = EventLog(__name__)


@dataclass(frozen=True, slots=True)
class Done:
    """An order was carried out. `is_kept`: a restart will not undo it; `is_recorded`: it is in the audit log."""

    controls: Controls
    is_kept: bool
    is_recorded: bool


class ControlDesk:
    """One worker's end. Without a way to `ask` a supervisor, as in a process of its own, orders hold here alone."""

    def __init__(
        self,
        admission: Admission,
        audit: AuditSink,
        clock: Clock,
        *,
        pools: Collection[str],
        ask: Callable[[int, Order], bool] | None = None,
    ) -> None:
        self._admission = admission
        self._audit = audit
        self._clock = clock
        self._pools = frozenset(pools)
        self._ask = ask
        self._controls = NOTHING_SET
        self.epoch = 0
        """A number that rises whenever something is taken away."""

        self._number = 0
        self._asked: dict[int, asyncio.Future[Told]] = {}

    @property
    def controls(self) -> Controls:
        """What stands."""
        return self._controls

    def told(self, told: Told) -> None:
        """The supervisor says what stands."""
        self._hold(told.controls)
        waiting = self._asked.pop(told.answers, None) if told.answers is not None else None
        if waiting is not None and not waiting.done():
            waiting.set_result(told)

    def tick(self) -> None:
        """Without a supervisor, end what has ended; called a few times a second."""
        if self._ask is None:
            self._hold(standing(self._controls, self._clock.wall()))

    async def order(self, order: Order) -> Done:
        """Carry out `order`; raises NotFound, InvalidRequest, AuditUnavailable, or Unavailable where nobody answers."""
        change = order.change
        if not isinstance(change, SetBurst) and change.pool not in self._pools:
            raise NotFound("There is no pool with this name.", code="pool_not_found", param="pool")
        try:
            ordered(self._controls, order, self._clock.wall())
        except Refused as refused:
            raise InvalidRequest(refused.reason, param="order") from None
        if takes_away(self._controls, change):
            told = await self._carried_out(order)
            return Done(told.controls, told.is_kept, await self._is_recorded(order))
        await self._audit.committed(self._record(order))
        told = await self._carried_out(order)
        return Done(told.controls, told.is_kept, is_recorded=True)

    async def _carried_out(self, order: Order) -> Told:
        if self._ask is None:
            self._hold(ordered(standing(self._controls, self._clock.wall()), order, self._clock.wall()))
            return Told(self._controls, is_kept=False)
        self._number += 1
        number = self._number
        answer: asyncio.Future[Told] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        try:
            if not self._ask(number, order):
                raise Unavailable("The supervisor does not listen. Try again.")
            async with asyncio.timeout(ANSWERED_WITHIN_S):
                told = await answer
        except TimeoutError:
            raise Unavailable("The supervisor does not answer. See its log.") from None
        finally:
            self._asked.pop(number, None)
        if told.refused:
            raise InvalidRequest(told.refused, param="order")
        return told

    async def _is_recorded(self, order: Order) -> bool:
        try:
            await self._audit.committed(self._record(order))
        except AuditUnavailable:
            log.error("override_not_recorded", reason=words(order.change))
            return False
        return True

    def _record(self, order: Order) -> Override:
        now = self._clock.wall()
        until = now + order.for_s if _has_end(order.change) else None
        return Override(now, order.by, words(order.change), until)

    def _hold(self, controls: Controls) -> None:
        if controls == self._controls:
            return
        # Its own count, so that it rises as well where two changes have come as one.
        self.epoch += controls.epoch != self._controls.epoch
        self._controls = controls
        self._admission.control(controls.share, controls.pools)
        log.info("overrides_changed", epoch=self.epoch, count=len(controls.pools))


def _has_end(change: Change) -> bool:
    return change.share is not None if isinstance(change, SetBurst) else isinstance(change, Drain)
