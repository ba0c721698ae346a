"""Sends an answer that is there as a whole, where no exchange has been begun: what a relay would do, in one step."""

from gateway.core.records import Ending
from gateway.ports import Downstream
from gateway.runtime.call import Call
from gateway.runtime.relay import JSON_HEAD, STREAM_HEAD
from gateway.telemetry import EventLog

log = EventLog(__name__)


def send_whole(call: Call, downstream: Downstream, body: bytes, *, now: float) -> Ending:
    """Send an answer that is there as a whole: what a relay does with one, where nothing else has been begun."""
    try:
        if call.request is not None and call.request.streamed:
            downstream.start(200, call.headers(STREAM_HEAD, now=now), length=None)
        else:
            downstream.start(200, call.headers(JSON_HEAD, now=now), length=len(body))
        call.status, call.bytes_out = 200, len(body)
        downstream.write(body)
        downstream.finish()
    except Exception as exc:  # noqa: BLE001 -- whatever a connection raises, the exchange ends, and once
        log.crash("send_failed", exc, request_id=call.id)
        return Ending.SEND_FAILED
    return Ending.COMPLETED
