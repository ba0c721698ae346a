"""What is owed when a request has ended: limits, cost, why it stayed at home, counts, and the record of its outcome.

Nothing of it may be missed because something else of it failed: the record is written all the same, into the place that
was reserved for it, and whoever waits is told.
"""

from msgspec.structs import replace

from gateway.core.records import Ending
from gateway.errors import TidegateError
from gateway.ports import AuditSink, Clock
from gateway.runtime.call import Call
from gateway.runtime.deciding import generation_of
from gateway.runtime.instruments import Instruments
from gateway.runtime.quotas import Quotas
from gateway.runtime.repeats import Repeats
from gateway.runtime.staying import Staying
from gateway.telemetry import EventLog

log = EventLog(__name__)


class Settlement:
    """Settles each request once. `quotas` and `repeats` are None where there are no limits, or no stored answers."""

    def __init__(
        self,
        quotas: Quotas | None,
        staying: Staying,
        repeats: Repeats | None,
        instruments: Instruments,
        audit: AuditSink,
        clock: Clock,
    ) -> None:
        self._quotas = quotas
        self._staying = staying
        self._repeats = repeats
        self._instruments = instruments
        self._audit = audit
        self._clock = clock

    def settle(self, call: Call, ending: Ending, error: TidegateError | None) -> None:
        """Account for `call`, which has ended, and put its outcome on record. Raises nothing."""
        now = self._clock.monotonic()
        generation = generation_of(call)
        try:
            if self._quotas is not None and call.quota is not None:
                self._quotas.settle(call, ending)
            if call.usage is None and call.attempts:
                call.reckon(ending)
            if generation.prices is not None:
                call.cost_micros = call.cost(generation.prices)
            if call.queued_s or error is not None:
                call.stayed = self._staying.why(call, generation.policy, error)
            if call.stored is not None and self._repeats is not None:
                self._repeats.learn(call)
            if call.planted is None:
                self._instruments.settled(call, ending, error, now=now)
        except Exception as exc:  # noqa: BLE001 -- it is put on record, and told to whoever waits, all the same
            log.crash("settling_failed", exc, request_id=call.id)
        if call.on_settled is not None:
            try:
                call.on_settled(ending)
            except Exception as exc:  # noqa: BLE001 -- it is put on record all the same
                log.crash("settling_failed", exc, request_id=call.id)
            call.on_settled = None
        if call.is_reserved:
            call.is_reserved = False
            if call.facts is not None and call.facts.model not in generation.policy.aliases:
                # What the client called its model is text of the client's (threats.md I6).
                call.facts = replace(call.facts, model="")
            self._audit.record(call.outcome(ending, error, at=self._clock.wall(), now=now))
