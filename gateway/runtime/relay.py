"""Carries one exchange out: feeds `core/exchange.py` with what happens, and does what it says.

It is the Receiver of every attempt of one request and the watcher of its client. All of it runs synchronously in the
callbacks of the two connections: no task, future or lock per chunk. When the exchange settles, `settled` is called,
exactly once.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from gateway.core.exchange import (
    Actions,
    Answer,
    Drop,
    Exchange,
    Finish,
    OpenStream,
    PauseUpstream,
    Refuse,
    ResumeUpstream,
    Retry,
    Send,
    SendError,
    Settle,
    StopUpstream,
)
from gateway.core.message import Headers
from gateway.core.records import Ending
from gateway.core.topology import Timeouts
from gateway.errors import TidegateError, UpstreamFailed
from gateway.ports import Clock, Downstream, UpstreamConnection
from gateway.runtime.attempt import Attempt
from gateway.runtime.call import Call
from gateway.runtime.endpoints import Trial
from gateway.telemetry import EventLog
from gateway.wire import errors as wire_errors
from gateway.wire.replies import Done, Failed, Forward, StreamReply, whole
from gateway.wire.requests import Request
from gateway.wire.sse import EventTooLarge, SseReader, is_event_stream

MAX_ANSWER: Final = 64 << 20
MAX_ERROR_BODY: Final = 64 << 10
LINGER_S: Final = 1.0
"""How long a model server may take to end its framing after it has said `[DONE]`."""

STREAM_HEAD: Final = ((b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache"))
JSON_HEAD: Final = ((b"content-type", b"application/json"),)

# To reach a member through its class takes four times as long, and this one is asked for every answer.
_COMPLETED: Final = Ending.COMPLETED

log = EventLog(__name__)

Remember = Callable[[bytes], None]
Settled = Callable[[Ending, TidegateError | None], None]


class Relay:
    """One request's relay, over all of its attempts."""

    def __init__(
        self, call: Call, downstream: Downstream, exchange: Exchange, *, clock: Clock, settled: Settled
    ) -> None:
        self.exchange = exchange
        self._call = call
        self._downstream = downstream
        self._clock = clock
        self._settled = settled
        self._task: asyncio.Task[None] | None = None
        self._upstream: UpstreamConnection | None = None
        self.attempt = Attempt()
        self._request: Request | None = None
        self._private: tuple[str, ...] = ()
        self._is_settled = self._is_noted = False
        self._lingering: asyncio.TimerHandle | None = None
        self._trial: Trial | None = None
        self._remember: Remember | None = None
        self._keep: Remember | None = None
        self.standby: Callable[[TidegateError], bool] | None = None
        self._said: list[bytes] = []
        self._body: list[bytes] = []
        self._status = self._size = 0
        self._headers: Headers = ()
        self._sse: SseReader | None = None
        self._reply: StreamReply | None = None

    def _reset(self) -> None:
        self._said, self._body, self._headers = [], [], ()
        self._status = self._size = 0
        self._sse = self._reply = None

    # What the pipeline calls

    def watch(self) -> None:
        """Notice from now on when the client leaves or cannot keep up."""
        self._downstream.watch(self._client_gone, self._client_full, self._client_drained)
        if self._downstream.is_gone:
            self._client_gone()

    def runs_in(self, task: asyncio.Task[None]) -> None:
        """`task` does what has to wait for something; it is cancelled if it waits in vain."""
        self._task = task

    def remember(self, remember: Remember | None) -> None:
        """Hand the answer to `remember` before its last byte leaves: all of a whole one, all events of a stream."""
        self._remember = remember
        self._is_noted = remember is not None or self._keep is not None

    def keep(self, keep: Remember | None) -> None:
        """Hand the answer to `keep` once it is complete, before its last byte leaves; None keeps it nowhere."""
        self._keep, self._is_noted = keep, self._is_noted or keep is not None

    def prepare(self, request: Request, *, private: tuple[str, ...]) -> None:
        """The next attempt of `request` is about to connect; `private` are names that no error may show."""
        if self._request is not None:
            self._reset()
        self._request = request
        self._private = private
        self.attempt.begins()

    def sending(self, upstream: UpstreamConnection, timeouts: Timeouts, trial: Trial) -> None:
        """`upstream` was let through the door and gets its first byte now; `trial` hears how it goes."""
        request = self._request
        self._trial = trial
        first_content_s = timeouts.first_content_s
        if request is not None and request.streamed:
            first_content_s = trial.first_content_s(timeouts, len(self._call.inbound.body))
            self._sse = SseReader()
            self._reply = StreamReply(
                request.dialect,
                alias=request.model,
                reply_id=self._call.id,
                wants_usage=request.wants_usage,
                choices=request.choices,
                private=self._private,
            )
        self._upstream = upstream
        idle_s, total_s, now = timeouts.idle_s, timeouts.total_s, self._clock.monotonic()
        self.exchange.attempt(first_content_s=first_content_s, idle_s=idle_s, total_s=total_s, now=now)
        if self.exchange.is_blocked:
            upstream.pause()

    def give_up(self, error: TidegateError, *, ending: Ending = Ending.UPSTREAM_FAILED) -> None:
        """No place is left to try, or none was permitted; unless `standby` has another answer."""
        if self.standby is None or not self.standby(error):
            self._perform(self.exchange.give_up(error, ending=ending))

    def answer(self, body: bytes) -> None:
        """The gateway answers by itself: with all of an answer, or with all events of a stream."""
        if self._remember is not None:
            self._remember(body)
        self._perform(self.exchange.replay(body))

    def abandon(self, error: TidegateError) -> None:
        """A fault of our own: end the exchange wherever it stands."""
        self._perform(self.exchange.fail(error))
        self._perform(self.exchange.give_up(error))

    def cancel(self) -> None:
        """The gateway stops and does not wait for this answer."""
        was_running = self.exchange.is_running
        self._perform(self.exchange.cancelled())
        self._wake(was_running)

    def tick(self, now: float) -> None:
        """Time has passed."""
        if now >= self.exchange.next_deadline():
            was_running = self.exchange.is_running
            self._perform(self.exchange.timer(now=now))
            self._wake(was_running)

    # ports.Receiver

    def on_head(self, status: int, headers: Headers) -> None:
        """The model server's head."""
        self._status, self._headers = status, headers
        self.exchange.head_arrived(now=self._clock.monotonic())
        if status == 200 and self._reply is not None and not is_event_stream(headers):
            self._fail(UpstreamFailed(detail="200 that is not an event stream"))

    def on_data(self, data: bytes) -> None:
        """Bytes of its body."""
        reply, sse = self._reply, self._sse
        if reply is not None and sse is not None and self._status == 200:
            known = reply.known(data) if sse.is_between else None
            if known is None:
                self._stream(sse, reply, data)
            elif not self.exchange.is_over:
                self._pass_on(known, has_content=True, now=self._clock.monotonic())
            return
        self._size += len(data)
        if self._status != 200:
            self.exchange.head_arrived(now=self._clock.monotonic())
            # Only the beginning of an error matters; one without an end is not waited for.
            self._body.append(data)
            if self._size > MAX_ERROR_BODY:
                self._fail(self._error_of(b""))
            return
        if self._size > MAX_ANSWER:
            self._fail(UpstreamFailed(detail="answer too large"))
            return
        self._body += (data,)
        self.exchange.bytes_arrived(now=self._clock.monotonic())

    def on_end(self) -> None:
        """Its framing is complete. What that means for a stream was decided by its events."""
        self._upstream = None
        if self._lingering is not None:
            # The timer would keep all that is known of this request for as long as it runs.
            self._lingering.cancel()
            self._lingering = None
        if self.exchange.is_over or self._request is None:
            return
        body = b"".join(self._body)
        if self._status != 200:
            self._fail(self._error_of(body))
        elif self._reply is not None:
            self._fail(UpstreamFailed("The model server ended its answer early.", detail="stream without its end"))
        else:
            self._answer(self._request, body)

    def on_failure(self, reason: str) -> None:
        """The connection broke."""
        self._upstream = None
        self._fail(UpstreamFailed(detail=reason))

    # Inside

    def _error_of(self, body: bytes) -> TidegateError:
        return wire_errors.from_upstream(
            self._status, self._headers, body, now=self._clock.wall(), private=self._private
        )

    def _answer(self, request: Request, body: bytes) -> None:
        try:
            reply = whole(request.dialect, body, alias=request.model, reply_id=self._call.id)
        except TidegateError as error:
            self._perform(self.exchange.fail_without_content(error))
            return
        self._call.usage = reply.usage
        if self._remember is not None:
            self._remember(reply.body)
        if self._keep is not None:
            self._keep(reply.body)
        if self.exchange.completes():
            try:
                self._send_whole(reply.body)
                self._settle(_COMPLETED, None)
            except Exception as exc:  # noqa: BLE001 -- as in _perform
                self._break_off(exc)
        else:
            self._perform(self.exchange.complete(reply.body))

    def _stream(self, sse: SseReader, reply: StreamReply, data: bytes) -> None:
        try:
            events = sse.feed(data)
        except EventTooLarge:
            self._fail(UpstreamFailed(detail="event too large"))
            return
        if self.exchange.is_over:
            return
        now = self._clock.monotonic()
        forward: list[bytes] = []
        has_content = False
        for event in events:
            match reply.take(event):
                case Forward(data=piece, is_content=is_content):
                    forward.append(piece)
                    has_content = has_content or is_content
                case Done(data=piece):
                    self._call.usage = reply.usage
                    if self._is_noted:
                        self._note(forward)
                        if self._keep is not None:
                            self._keep(b"".join((*self._said, piece)))
                        self._remember_said()
                    forward.append(piece)
                    self._began(has_content, now)
                    self._linger()
                    self._perform(self.exchange.complete(b"".join(forward)))
                    return
                case Failed(error=error):
                    if self._is_noted:
                        self._note(forward)
                    if forward:
                        self._perform(self.exchange.events(b"".join(forward), has_content=has_content, now=now))
                    self._call.usage = reply.usage
                    self._fail(error)
                    return
                case _:
                    pass
        if forward:
            self._pass_on(b"".join(forward), has_content=has_content, now=now)
        else:
            self.exchange.bytes_arrived(now=now)

    def _pass_on(self, data: bytes, *, has_content: bool, now: float) -> None:
        """Whole events of a stream, as they are to be sent."""
        if self._is_noted:
            self._note((data,))
            if self._size > MAX_ANSWER:
                self._fail(UpstreamFailed(detail="answer too large"))
                return
        if self.exchange.flows(now=now):
            try:
                self._call.bytes_out += len(data)
                self._downstream.write(data)
            except Exception as exc:  # noqa: BLE001 -- as in _perform
                self._break_off(exc)
        else:
            self._began(has_content, now)
            self._perform(self.exchange.events(data, has_content=has_content, now=now))

    def _began(self, has_content: bool, now: float) -> None:
        if not has_content:
            return
        if not self._call.first_content_s:
            self._call.first_content_s = now - self._call.inbound.received_at
        if self._trial is not None:
            self._trial.answers(now)

    def _note(self, forward: Sequence[bytes]) -> None:
        self._said += forward
        self._size += sum(map(len, forward))

    def _remember_said(self) -> None:
        # Also what was broken off: the client has that much, and may send it again.
        if self._remember is not None and self._said:
            self._remember(b"".join(self._said))
            self._said.clear()

    def _linger(self) -> None:
        # The answer is complete; the connection is clean only once its framing has ended too.
        upstream = self._upstream
        if upstream is not None:
            self._lingering = asyncio.get_running_loop().call_later(LINGER_S, self._stop_if_still, upstream)

    def _stop_if_still(self, upstream: UpstreamConnection) -> None:
        if self._upstream is upstream:
            self._upstream = None
            upstream.abort()

    def _fail(self, error: TidegateError) -> None:
        self._perform(self.exchange.fail(error))

    def _client_gone(self) -> None:
        was_running = self.exchange.is_running
        self._perform(self.exchange.client_gone())
        self._wake(was_running)

    def _client_full(self) -> None:
        self._perform(self.exchange.client_full(now=self._clock.monotonic()))

    def _client_drained(self) -> None:
        self._perform(self.exchange.client_drained(now=self._clock.monotonic()))

    def _wake(self, was_running: bool) -> None:
        # Between attempts the pipeline waits for a turn, a connection or an audit record: of no use any more.
        if self.exchange.is_over and not was_running and self._task is not None:
            self._task.cancel()

    def _perform(self, actions: Actions) -> None:
        try:
            self._carry_out(actions)
        except Exception as exc:  # noqa: BLE001 -- whatever a connection raises, the exchange ends, and once
            self._break_off(exc)

    def _break_off(self, exc: Exception) -> None:
        log.crash("send_failed", exc, request_id=self._call.id)
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.abort()
        self.exchange.send_failed()
        if not self._is_settled:
            self._settle(Ending.SEND_FAILED, None)
        self._downstream.abort()

    def _carry_out(self, actions: Actions) -> None:
        # A match looks at one case after the other: what every answer has comes first.
        for action in actions:
            match action:
                case Answer(body=body):
                    self._send_whole(body)
                case Settle(ending=ending, error=cause):
                    self._settle(ending, cause)
                case Send(data=data):
                    self._write(data)
                case OpenStream():
                    self._start(200, STREAM_HEAD, length=None)
                case SendError(error=error):
                    self._write(wire_errors.event_of(error))
                case Finish():
                    self._downstream.finish()
                case Refuse(error=error):
                    body = wire_errors.body_of(error)
                    self._start(error.http_status, wire_errors.headers_of(error), length=len(body))
                    self._write(body)
                    self._downstream.finish()
                case Retry(error=error):
                    now = self._clock.monotonic()
                    self._call.end_attempt(Ending.UPSTREAM_FAILED, self._status or None, error.detail, now=now)
                    if self._trial is not None:
                        self._trial.failed(error, now)
                    self.attempt.ends(error)
                case StopUpstream():
                    upstream, self._upstream = self._upstream, None
                    if upstream is not None:
                        upstream.abort()
                case PauseUpstream():
                    if self._upstream is not None:
                        self._upstream.pause()
                case ResumeUpstream():
                    if self._upstream is not None:
                        self._upstream.resume()
                case Drop():
                    self._downstream.abort()

    def _settle(self, ending: Ending, error: TidegateError | None) -> None:
        self._is_settled = True
        # Who gave them holds this relay, as in `Attempt.ends`.
        self._keep = self.standby = None
        if self._said:
            self._remember_said()
        if self._reply is not None:
            # Also of an answer that was broken off: what was counted is charged.
            self._call.said, self._call.usage = self._reply.said, self._call.usage or self._reply.usage
        detail = error.detail if error is not None else ""
        now = self._clock.monotonic()
        self._call.end_attempt(ending, self._status or None, detail, now=now)
        if self._trial is not None:
            self._trial.ended(ending, now)
        self.attempt.ends(None)
        self._settled(ending, error)

    def _send_whole(self, body: bytes) -> None:
        call, downstream, size = self._call, self._downstream, len(body)
        call.status = 200
        downstream.start(200, call.headers(JSON_HEAD, now=self._clock.monotonic()), length=size)
        call.bytes_out += size
        downstream.write(body)
        downstream.finish()

    def _start(self, status: int, content: Headers, *, length: int | None) -> None:
        self._call.status = status
        self._downstream.start(status, self._call.headers(content, now=self._clock.monotonic()), length=length)

    def _write(self, data: bytes) -> None:
        self._call.bytes_out += len(data)
        self._downstream.write(data)
