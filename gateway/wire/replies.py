"""What comes back from a model server, made ours: the model's name is the alias, ids and fingerprints are our own.

Replies look the same from every pool (threats.md). Everything else in them is left as the server wrote it, byte for
byte where it can be. This file also owns when an answer counts as complete: text that arrived is never called
complete when it is not, and a finish is never invented.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import msgspec

from gateway.core.quota import MOST_TOKENS
from gateway.core.records import Usage
from gateway.errors import TidegateError, UpstreamFailed
from gateway.wire.delta_frame import DeltaFrame, frame_of
from gateway.wire.errors import from_event
from gateway.wire.requests import Dialect
from gateway.wire.respell import Respeller
from gateway.wire.sse import Event

DONE: Final = b"data: [DONE]\n\n"
OWNER: Final = "tidegate"

_PREFIX: Final = MappingProxyType({Dialect.CHAT: "chatcmpl-", Dialect.COMPLETIONS: "cmpl-"})
# How servers say in a finish that they broke off.
_BROKEN_OFF: Final = frozenset({"abort", "error"})

_ENCODER: Final = msgspec.json.Encoder()


def id_of(dialect: Dialect, number: str) -> str:
    """What the answer to the request of this `number` calls itself; empty if such answers have no id."""
    return _PREFIX[dialect] + number if dialect in _PREFIX else ""


class Forward(msgspec.Struct, frozen=True, gc=False):
    """Send `data`. `is_content` says whether the model has said anything yet, in this event or one before it."""

    # A Struct: one is made for every event, and it costs a quarter of what a frozen dataclass does.

    data: bytes
    is_content: bool


@dataclass(frozen=True, slots=True)
class Skip:
    """Nothing for the client: a comment, or usage that it did not ask for."""


@dataclass(frozen=True, slots=True)
class Done:
    """Send `data`: the answer is complete."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Failed:
    """The answer broke off, or is no answer."""

    error: TidegateError


Piece = Forward | Skip | Done | Failed


class WholeReply(msgspec.Struct, frozen=True, gc=False):
    """An unstreamed answer, ready to send."""

    body: bytes
    usage: Usage | None


# What is decoded of a reply; everything else is not looked at.


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Choice(msgspec.Struct):
    index: int = 0
    finish_reason: str | None = None


class _OpeningChoice(_Choice):
    text: str | None = None
    delta: dict[str, Any] | None = None


class _Head(msgspec.Struct):
    id: str | None = None
    model: str | None = None
    system_fingerprint: str | None = None
    error: Any = None
    usage: _Usage | None = None


class _Chunk(_Head):
    choices: list[_Choice] | None = None


class _OpeningChunk(_Head):
    choices: list[_OpeningChoice] | None = None


class _Whole(_Chunk):
    data: list[msgspec.Raw] | None = None


_CHUNK: Final = msgspec.json.Decoder(_Chunk)
_OPENING_CHUNK: Final = msgspec.json.Decoder(_OpeningChunk)
_WHOLE: Final = msgspec.json.Decoder(_Whole)
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_SKIP: Final = Skip()


class StreamReply:
    """One streamed answer of one upstream attempt, event by event.

    `reply_id` is the unique part of the id that the client sees; `choices` is how many answers were asked for;
    `private` are names, such as the pool's own model name, that an error must not tell.
    """

    __slots__ = (
        "_choices",
        "_finished",
        "_frame",
        "_is_done",
        "_is_failed",
        "_private",
        "_respell",
        "_wants_usage",
        "has_content",
        "said",
        "usage",
    )

    def __init__(
        self,
        dialect: Dialect,
        *,
        alias: str,
        reply_id: str,
        wants_usage: bool,
        choices: int,
        private: Collection[str] = (),
    ) -> None:
        self.usage: Usage | None = None
        # Events in which the model said something: about as many tokens, if nobody comes to count them.
        self.said = 0
        self.has_content = False
        self._respell = Respeller(alias=alias, reply_id=_PREFIX[dialect] + reply_id)
        self._wants_usage = wants_usage
        self._choices = choices
        self._private = private
        self._finished: set[int] = set()
        self._is_done = self._is_failed = False
        self._frame: DeltaFrame | None = None

    def known(self, raw: bytes) -> bytes | None:
        """What to forward for `raw`, if that is all of one event which differs from one before in its words alone.

        None where it must be read, which nothing has come of then.
        """
        if self._frame is None or (known := self._frame.event(raw)) is None:
            return None
        self.said += 1
        return known

    @property
    def is_complete(self) -> bool:
        """Whether the whole answer has come: its end was seen, no error, and a finish of every choice asked for."""
        return self._is_done

    def take(self, event: Event) -> Piece:
        """What to do about `event`."""
        data = event.data
        if not data or self._is_done:
            return _SKIP
        if self._is_failed:
            return self._fail("event after an error")
        if self._frame is not None and (known := self._frame.forwarded(data)) is not None:
            self.said += 1
            return Forward(known, True)
        if data == b"[DONE]":
            return self._end()
        try:
            # Deltas are read only until one of them says something.
            opening = None if self.has_content else _OPENING_CHUNK.decode(data)
            chunk = opening or _CHUNK.decode(data)
            if not data.isascii():
                # The decoder does not look into strings that it skips.
                data.decode()
            forwarded = self._respell.event(data, chunk.id, chunk.model, chunk.system_fingerprint)
        except _UNREADABLE:
            return self._fail("event that is not a chunk")
        if chunk.error is not None:
            self._is_failed, self._frame = True, None
            return Failed(from_event(chunk.error, private=self._private))
        if chunk.usage is not None:
            self.usage = _counted(chunk.usage)
            if not chunk.choices and not self._wants_usage:
                return _SKIP
        for choice in chunk.choices or ():
            index = choice.index
            if not 0 <= index < self._choices:
                return self._fail("choice that nobody asked for")
            if choice.finish_reason is None:
                continue
            if choice.finish_reason in _BROKEN_OFF:
                return self._fail("finish that is an error")
            self._finished.add(index)
            self.has_content = True
        if opening is not None and _says_something(opening):
            self.has_content = True
        if self.has_content and _is_one_delta(chunk):
            self.said += 1
            self._frame = frame_of(data, forwarded)
        return Forward(forwarded, self.has_content)

    def _end(self) -> Piece:
        # Not only those that began: of an answer that never came nobody can tell whether there was one.
        if len(self._finished) < self._choices:
            return self._fail("end without a finish")
        self._is_done, self._frame = True, None
        return Done(DONE)

    def _fail(self, detail: str) -> Failed:
        self._is_failed, self._frame = True, None
        return Failed(UpstreamFailed("The model server broke off its answer.", detail=detail))


def _is_one_delta(chunk: _Chunk | _OpeningChunk) -> bool:
    """Whether a chunk carries one unfinished choice and nothing that is counted."""
    choices = chunk.choices
    return chunk.usage is None and choices is not None and len(choices) == 1 and choices[0].finish_reason is None


def _says_something(chunk: _OpeningChunk) -> bool:
    for choice in chunk.choices or ():
        # Any field counts, known or not; only the role is said before the model has said anything.
        if choice.text or any(value and name != "role" for name, value in (choice.delta or {}).items()):
            return True
    return False


def whole(dialect: Dialect, body: bytes, *, alias: str, reply_id: str) -> WholeReply:
    """The unstreamed answer that `body` is. Raises UpstreamFailed if it is none, or not a complete one."""
    try:
        reply = _WHOLE.decode(body)
        if not body.isascii():
            body.decode()
        respell = Respeller(
            alias=alias, reply_id=None if dialect is Dialect.EMBEDDINGS else _PREFIX[dialect] + reply_id
        )
        ours = respell.body(body, reply.id, reply.model, reply.system_fingerprint)
    except _UNREADABLE:
        raise UpstreamFailed(detail="200 that is not JSON of the expected form") from None
    if reply.error is not None:
        raise UpstreamFailed(detail="200 with an error in it")
    if dialect is Dialect.EMBEDDINGS:
        if not reply.data:
            raise UpstreamFailed(detail="200 without embeddings")
    elif not reply.choices:
        raise UpstreamFailed(detail="200 without choices")
    else:
        for choice in reply.choices:
            if choice.finish_reason is None or choice.finish_reason in _BROKEN_OFF:
                raise UpstreamFailed("The model server broke off its answer.", detail="choice without a finish")
    usage = None if reply.usage is None else _counted(reply.usage)
    return WholeReply(ours, usage)


def _counted(usage: _Usage) -> Usage:
    prompt, completion = usage.prompt_tokens or 0, usage.completion_tokens or 0
    if 0 <= prompt <= MOST_TOKENS and 0 <= completion <= MOST_TOKENS:
        return Usage(prompt, completion)
    # A server that counts nonsense: no credit for anybody, and nothing that a record could not hold.
    return Usage(min(max(prompt, 0), MOST_TOKENS), min(max(completion, 0), MOST_TOKENS))


def models_list(aliases: Iterable[str], created: int) -> bytes:
    """The body of `GET /v1/models`."""
    return _ENCODER.encode({"object": "list", "data": [_model(alias, created) for alias in aliases]})


def model_entry(alias: str, created: int) -> bytes:
    """The body of `GET /v1/models/{id}`."""
    return _ENCODER.encode(_model(alias, created))


def _model(alias: str, created: int) -> dict[str, str | int]:
    return {"id": alias, "object": "model", "created": created, "owned_by": OWNER}
