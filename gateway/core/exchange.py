"""The relay as a sans-I/O machine: one client, one request, any number of attempts, exactly one ending.

Events come in (an attempt starts, data, completion, failure, the client leaves, a timer), actions come out, and the
caller carries them out in order. Every rule about when an answer may start, when another place may still be tried,
what a fault looks like to the client and how an exchange ends is in this file; bytes, sockets and clocks are not.

An answer is *open* once the head has gone to the client; from then on a fault can only be an error event. Another
place may be tried until the first content byte of the model has arrived, and never after (resilience.md).
"""

import math
from dataclasses import dataclass
from enum import Enum
from typing import Final

import msgspec

from gateway.core.records import Ending
from gateway.errors import (
    DeadlineExceeded,
    TidegateError,
    Unavailable,
    UpstreamFailed,
    UpstreamRejected,
    UpstreamTimeout,
)

HEARTBEAT: Final = b": waiting\n\n"
"""An SSE comment: keeps proxies and clients patient, and every SSE reader skips it."""

MAX_HELD: Final = 1 << 20
"""How much may come before the first content: a role and a few comments, not a memory full of them."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long each kind of silence is borne, in seconds; a pool's own figures can only lower `total_s`."""

    heartbeat_s: float = 10.0
    total_s: float = 3600.0
    blocked_s: float = 30.0


class OpenStream(msgspec.Struct, frozen=True, gc=False):
    """Send the head of a streamed answer."""


class Send(msgspec.Struct, frozen=True, gc=False):
    """Send bytes of a streamed answer."""

    data: bytes


class SendError(msgspec.Struct, frozen=True, gc=False):
    """Send `error` as an event of a streamed answer."""

    error: TidegateError


class Finish(msgspec.Struct, frozen=True, gc=False):
    """End the streamed answer's framing."""


class Answer(msgspec.Struct, frozen=True, gc=False):
    """Send a whole answer: head and `body`."""

    body: bytes


class Refuse(msgspec.Struct, frozen=True, gc=False):
    """Send `error` as the whole answer."""

    error: TidegateError


class Drop(msgspec.Struct, frozen=True, gc=False):
    """Cut the client's connection, so that it cannot take what it has for complete."""


class StopUpstream(msgspec.Struct, frozen=True, gc=False):
    """Close the model server's connection now."""


class PauseUpstream(msgspec.Struct, frozen=True, gc=False):
    """Stop reading from the model server: the client does not keep up."""


class ResumeUpstream(msgspec.Struct, frozen=True, gc=False):
    """Read on."""


class Retry(msgspec.Struct, frozen=True, gc=False):
    """This attempt is over before any content. The caller tries another place, or calls `give_up`."""

    error: TidegateError


class Settle(msgspec.Struct, frozen=True, gc=False):
    """The exchange is over; comes exactly once, last."""

    ending: Ending
    error: TidegateError | None = None


Action = (
    OpenStream
    | Send
    | SendError
    | Finish
    | Answer
    | Refuse
    | Drop
    | StopUpstream
    | PauseUpstream
    | ResumeUpstream
    | Retry
    | Settle
)
Actions = tuple[Action, ...]


class _State(Enum):
    IDLE = "no attempt runs"
    WAITING = "an attempt runs, no content yet"
    FLOWING = "content has come"
    ENDED = "settled"


# To reach a member through its class takes four times as long, and these are asked for every request or chunk.
_IDLE: Final = _State.IDLE
_WAITING: Final = _State.WAITING
_FLOWING: Final = _State.FLOWING
_ENDED: Final = _State.ENDED

_COMPLETED: Final = Settle(Ending.COMPLETED)


class Exchange:
    """One request's relay. `now` is monotonic seconds throughout."""

    __slots__ = (
        "_attempt_at",
        "_blocked_at",
        "_first_content_s",
        "_has_head",
        "_heard_at",
        "_held",
        "_held_size",
        "_idle_s",
        "_is_given",
        "_patience",
        "_spoke_at",
        "_started_at",
        "_state",
        "_streamed",
        "_total_s",
        "given_s",
        "is_open",
        "is_over",
    )

    def __init__(self, *, streamed: bool, now: float, patience: Patience) -> None:
        self.is_open = False
        # Whether the exchange has settled.
        self.is_over = False
        self._streamed = streamed
        self._patience = patience
        self._state = _IDLE
        self._held: list[bytes] = []
        self._held_size = 0
        self._has_head = False
        self._started_at = self._spoke_at = self._heard_at = self._attempt_at = now
        self._blocked_at: float | None = None
        self._first_content_s = self._idle_s = 0.0
        self._total_s = patience.total_s
        # How long the client waits for the whole of its answer, and whether nobody else waits for less.
        self.given_s = math.inf
        self._is_given = False

    @property
    def is_running(self) -> bool:
        """Whether an attempt is under way."""
        return self._state in (_WAITING, _FLOWING)

    @property
    def is_blocked(self) -> bool:
        """Whether the client takes no bytes at the moment."""
        return self._blocked_at is not None

    # Events from the attempt

    def expect_stream(self) -> None:
        """The request has been read, and asks for a stream. Only before the first attempt."""
        self._streamed = True

    def limit(self, seconds: float) -> None:
        """The client has said how long it waits, from when its request came. Only before the first attempt."""
        self.given_s = seconds
        self._is_given = seconds < self._total_s
        self._total_s = min(self._total_s, seconds)

    def attempt(self, *, first_content_s: float, idle_s: float, total_s: float, now: float) -> None:
        """A message is being sent to a model server whose pool bears these silences; `total_s` is the whole call's."""
        if self._state is _IDLE:
            self._state = _WAITING
            most_s = self._patience.total_s
            self._total_s = total_s if total_s < most_s else most_s
            self._is_given = self.given_s < self._total_s
            if self._is_given:
                self._total_s = self.given_s
            self._held_size = 0
            self._has_head = False
            self._attempt_at = self._heard_at = now
            self._first_content_s, self._idle_s = first_content_s, idle_s

    def flows(self, *, now: float) -> bool:
        """Whether events that have come now may be sent as they are: the usual case of `events`, without actions."""
        if self._state is _FLOWING and self.is_open:
            self._heard_at = self._spoke_at = now
            return True
        return False

    def events(self, data: bytes, *, has_content: bool, now: float) -> Actions:
        """Whole SSE events to forward. What comes before the first content is held, in case the attempt fails."""
        self._heard_at = now
        if self._state is _FLOWING and self.is_open:
            self._spoke_at = now
            return (Send(data),)
        if self._state is not _WAITING or not self._streamed:
            return ()
        if not has_content:
            self._held.append(data)
            self._held_size += len(data)
            if self._held_size > MAX_HELD:
                return self.fail(UpstreamFailed(detail="too much before any content"))
            return ()
        self._state = _FLOWING
        self._spoke_at = now
        send = Send(b"".join([*self._held, data]))
        self._held.clear()
        return self._opened(send)

    def head_arrived(self, *, now: float) -> None:
        """A head came, or part of an error's body: no content, but from now on silence is a stall."""
        self._heard_at = now
        self._has_head = True

    def bytes_arrived(self, *, now: float) -> None:
        """Bytes came that are not a whole event, or part of an unstreamed answer: the model server is alive."""
        self._heard_at = now
        if self._state is _WAITING and not self._streamed:
            self._state = _FLOWING

    def completes(self) -> bool:
        """Whether an answer that has come whole may be sent as it is, and ends the exchange: the usual case of
        `complete` for what is no stream, without actions."""
        if self._streamed or (self._state is not _FLOWING and self._state is not _WAITING):
            return False
        self._state = _ENDED
        self.is_over = True
        return True

    def complete(self, data: bytes) -> Actions:
        """The answer is complete: `data` is the last of its events, or all of an unstreamed answer."""
        if self._state is not _FLOWING and self._state is not _WAITING:
            return ()
        self._state = _ENDED
        self.is_over = True
        if not self._streamed:
            return (Answer(data), _COMPLETED)
        last = b"".join([*self._held, data])
        return (*self._opened(Send(last)), Finish(), _COMPLETED)

    def fail(self, error: TidegateError) -> Actions:
        """The attempt failed. Before content, and unless the request itself is at fault, another place may do."""
        return self._failed(error, had_content=self._state is _FLOWING)

    def fail_without_content(self, error: TidegateError) -> Actions:
        """An unstreamed answer came whole and is none: nothing of it was content, nothing of it was sent."""
        return self._failed(error, had_content=False)

    def _failed(self, error: TidegateError, *, had_content: bool) -> Actions:
        if self.is_running and not had_content and not isinstance(error, UpstreamRejected):
            self._state = _IDLE
            self._held.clear()
            return (StopUpstream(), Retry(error))
        if not self.is_running:
            return ()
        return (StopUpstream(), *self._end_with(error))

    # Events from elsewhere

    def give_up(self, error: TidegateError, *, ending: Ending = Ending.UPSTREAM_FAILED) -> Actions:
        """No place is left to try, or none was ever permitted."""
        return () if self._state is not _IDLE else self._end_with(error, ending=ending)

    def replay(self, data: bytes) -> Actions:
        """The gateway has the whole answer already: `data` is all of it, or all events of a stream. Between attempts
        only."""
        if self._state is not _IDLE:
            return ()
        self._end()
        if not self._streamed:
            return (Answer(data), _COMPLETED)
        return (*self._opened(Send(data)), Finish(), _COMPLETED)

    def client_gone(self) -> Actions:
        """The client's connection is lost: close the upstream, tell nobody."""
        return self._cut(Ending.CLIENT_GONE)

    def send_failed(self) -> Actions:
        """Writing to the client failed although its connection stands."""
        return self._cut(Ending.SEND_FAILED, Drop())

    def cancelled(self) -> Actions:
        """The gateway stops and will not wait any longer."""
        if self.is_over:
            return ()
        stop: Actions = (StopUpstream(),) if self.is_running else ()
        error = Unavailable("The gateway is stopping. Retry.", code="shutting_down", retry_after_s=1)
        return (*stop, *self._end_with(error, ending=Ending.CANCELLED))

    def client_full(self, *, now: float) -> Actions:
        """The client's socket takes no more."""
        if self.is_over or self._blocked_at is not None:
            return ()
        self._blocked_at = now
        return (PauseUpstream(),) if self.is_running else ()

    def client_drained(self, *, now: float) -> Actions:
        """The client's socket takes bytes again."""
        if self.is_over or self._blocked_at is None:
            return ()
        self._blocked_at = None
        # The model server was not read while the client was slow: its silence starts now.
        self._heard_at = now
        return (ResumeUpstream(),) if self.is_running else ()

    def next_deadline(self) -> float:
        """When to call `timer` at the latest. It only ever moves forward, so an early call is harmless."""
        at = self._started_at + self._total_s
        if self._blocked_at is not None:
            return min(at, self._blocked_at + self._patience.blocked_s)
        if self._state is _FLOWING or self._is_stalling:
            return min(at, self._heard_at + self._idle_s)
        if self._streamed:
            at = min(at, self._spoke_at + self._patience.heartbeat_s)
            if self._state is _WAITING:
                at = min(at, self._attempt_at + self._first_content_s)
        return at

    def timer(self, *, now: float) -> Actions:
        """Time has passed."""
        if self.is_over or now < self.next_deadline():
            return ()
        if now >= self._started_at + self._total_s:
            stop: Actions = (StopUpstream(),) if self.is_running else ()
            if self._is_given:
                # It says nothing of the model server, which the client may have given no time at all.
                return (*stop, *self._end_with(DeadlineExceeded(), ending=Ending.DEADLINE))
            return (*stop, *self._end_with(UpstreamTimeout(detail="total deadline")))
        if self._blocked_at is not None:
            return self._cut(Ending.SEND_FAILED, Drop())
        if self._state is _FLOWING or self._is_stalling:
            return self.fail(UpstreamTimeout("The model server stalled in the middle of its answer.", detail="idle"))
        if self._state is _WAITING and now >= self._attempt_at + self._first_content_s:
            return self.fail(UpstreamTimeout(detail="first content"))
        self._spoke_at = now
        return self._opened(Send(HEARTBEAT))

    @property
    def _is_stalling(self) -> bool:
        # Of an answer that is no stream, the body follows its head at once, or something is wrong.
        return self._state is _WAITING and self._has_head and not self._streamed

    # Endings

    def _opened(self, send: Send) -> Actions:
        if self.is_open:
            return (send,)
        self.is_open = True
        return (OpenStream(), send)

    def _end(self) -> None:
        self._state = _ENDED
        self.is_over = True

    def _end_with(self, error: TidegateError, *, ending: Ending = Ending.UPSTREAM_FAILED) -> Actions:
        if isinstance(error, UpstreamRejected):
            ending = Ending.UPSTREAM_REJECTED
        self._end()
        if not self.is_open:
            return (Refuse(error), Settle(ending, error))
        return (SendError(error), Finish(), Settle(ending, error))

    def _cut(self, ending: Ending, *actions: Action) -> Actions:
        if self.is_over:
            return ()
        stop: Actions = (StopUpstream(),) if self.is_running else ()
        self._end()
        return (*stop, *actions, Settle(ending))
