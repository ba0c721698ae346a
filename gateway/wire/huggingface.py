"""Hugging Face's form of a chat: `{"inputs", "parameters"}` out, and what comes back as OpenAI's chat again.

`inputs` is one string, so a conversation becomes plain text: each message as `Role: text`, a blank line between them,
and `Assistant:` at the end for the model to go on from. What this form cannot say (tools, schemas, pictures, several
choices) is refused rather than left out; mere hints to the sampler that it does not know are left out. Usage that a
container does not report stays unknown.
"""

from types import MappingProxyType
from typing import Any, Final, NoReturn

import msgspec

from gateway.errors import InvalidRequest, UpstreamFailed
from gateway.wire.requests import Dialect, Request

MAX_LINE: Final = 1 << 20

_ROLES: Final = MappingProxyType(
    {"system": "System", "developer": "System", "user": "User", "assistant": "Assistant"},
)
# What would change the answer's form or meaning if it were dropped.
_NEEDED: Final = (
    "tools", "functions", "logit_bias", "logprobs", "guided_json", "guided_regex", "guided_choice", "guided_grammar",
    "structured_outputs",
)  # fmt: skip
_FINISHES: Final = MappingProxyType(
    {"length": "length", "eos_token": "stop", "stop_sequence": "stop", "stop": "stop", "eos": "stop"}
)

_ENCODER: Final = msgspec.json.Encoder()


# Out


def body_of(request: Request, document: dict[str, Any]) -> dict[str, Any]:
    """The body that asks what `document`, the projection of `request`, asks. InvalidRequest if it cannot be asked."""
    if request.dialect is not Dialect.CHAT:
        _refuse("model", "this model's cloud pool answers chat completions only")
    for name in _NEEDED:
        if document.get(name):
            _refuse(name, "this model's cloud pool does not know it")
    if document.get("response_format", {}).get("type", "text") != "text":
        _refuse("response_format", "this model's cloud pool answers with plain text only")
    if request.choices != 1:
        _refuse("n", "this model's cloud pool gives one answer")
    body: dict[str, Any] = {"inputs": _prompt(document["messages"]), "parameters": _parameters(document)}
    if request.streamed:
        body["stream"] = True
    return body


def _refuse(param: str, why: str) -> NoReturn:
    raise InvalidRequest(f"'{param}' cannot be sent: {why}.", param=param, code="unsupported_value")


def _prompt(messages: list[dict[str, Any]]) -> str:
    turns = [f"{_role(message, index)}: {_text(message, index)}" for index, message in enumerate(messages)]
    return "\n\n".join([*turns, "Assistant:"])


def _role(message: dict[str, Any], index: int) -> str:
    role = _ROLES.get(message["role"])
    if role is None or message.get("tool_calls") or message.get("function_call"):
        _refuse(f"messages[{index}]", "this model's cloud pool knows no tools")
    return role


def _text(message: dict[str, Any], index: int) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    for part in content:
        if part["type"] not in ("text", "refusal"):
            _refuse(f"messages[{index}]", "this model's cloud pool reads text only")
    return "\n".join(part[part["type"]] for part in content)


def _parameters(document: dict[str, Any]) -> dict[str, Any]:
    parameters: dict[str, Any] = {"details": True, "return_full_text": False}
    most = document.get("max_completion_tokens", document.get("max_tokens"))
    if most is not None:
        parameters["max_new_tokens"] = most
    temperature, top_p = document.get("temperature"), document.get("top_p")
    if temperature is not None:
        # Zero is greedy in OpenAI's dialect and an error in theirs; so is a `top_p` that leaves nothing out.
        parameters["do_sample"] = temperature > 0
        if temperature > 0:
            parameters["temperature"] = temperature
    if top_p is not None and 0 < top_p < 1:
        parameters["top_p"] = top_p
    if document.get("top_k", 0) > 0:
        parameters["top_k"] = document["top_k"]
    for name in ("repetition_penalty", "frequency_penalty"):
        if document.get(name):
            parameters[name] = document[name]
    stop = document.get("stop")
    if stop:
        parameters["stop"] = [stop] if isinstance(stop, str) else stop
    return parameters


# Back


class _Details(msgspec.Struct):
    finish_reason: str | None = None
    generated_tokens: int | None = None
    input_length: int | None = None
    prefill: list[Any] | None = None


class _Whole(msgspec.Struct):
    generated_text: str | None = None
    details: _Details | None = None
    choices: Any = None


class _Token(msgspec.Struct):
    text: str = ""
    special: bool = False


class _Line(_Whole):
    token: _Token | None = None
    error: Any = None


_WHOLE: Final = msgspec.json.Decoder(_Whole | list[_Whole])
_LINE: Final = msgspec.json.Decoder(_Line)
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def completion(body: bytes, *, created: int) -> bytes:
    """The chat completion that an unstreamed answer means; UpstreamFailed if it is none.

    A container that gives no details does not say whether it ran out of tokens; its answer counts as stopped.
    """
    try:
        found = _WHOLE.decode(body)
    except _UNREADABLE:
        raise UpstreamFailed(detail="200 that is not Hugging Face's form") from None
    answers = found if isinstance(found, list) else [found]
    if len(answers) == 1 and answers[0].choices is not None:
        # A container that knows both forms answers in OpenAI's; whether that is whole, the relay will see.
        return body
    if len(answers) != 1 or answers[0].generated_text is None:
        raise UpstreamFailed(detail="200 without one generated text")
    answer = answers[0]
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": answer.generated_text},
        "logprobs": None,
        "finish_reason": _finish(answer.details),
    }
    reply = _head("chat.completion", created) | {"choices": [choice]}
    usage = _usage(answer.details)
    return _ENCODER.encode(reply if usage is None else reply | {"usage": usage})


class HuggingFaceStream:
    """One streamed answer: lines of JSON, with or without `data:`, become OpenAI's chat events.

    The line that carries the whole `generated_text` is the end; without it no `[DONE]` is written. `failure` says in
    a fixed phrase why nothing more comes. Events that are OpenAI's already pass as they are.
    """

    __slots__ = ("_created", "_has_begun", "_is_over", "_rest", "failure")

    def __init__(self, *, created: int) -> None:
        self.failure: str | None = None
        self._created = created
        self._rest = bytearray()
        self._has_begun = self._is_over = False

    def feed(self, data: bytes) -> bytes:
        """The events that `data` completes; none after the end or a failure."""
        if self._is_over:
            return b""
        rest = self._rest
        rest += data
        if b"\n" not in data:
            if len(rest) > MAX_LINE:
                self._fail("line too long")
            return b""
        *lines, last = bytes(rest).split(b"\n")
        self._rest = bytearray(last)
        events: list[bytes] = []
        for line in lines:
            text = line.strip()
            if text.startswith(b"data:"):
                text = text[5:].strip()
            # Blank lines, comments and other fields of an event say nothing.
            if text.startswith((b"{", b"[")) and not self._is_over:
                events.append(self._event(text))
        return b"".join(events)

    def end(self) -> bytes:
        """The events that the end of the stream completes: the last line may have no end of its own."""
        return self.feed(b"\n")

    def _event(self, text: bytes) -> bytes:
        if text == b"[DONE]":
            return b"data: [DONE]\n\n"
        try:
            line = _LINE.decode(text)
        except _UNREADABLE:
            return self._fail("line that is not Hugging Face's form")
        if line.error is not None:
            return self._fail("error in a stream")
        if line.choices is not None:
            return b"data: " + text + b"\n\n"
        return self._chunks(line)

    def _chunks(self, line: _Line) -> bytes:
        events = []
        if not self._has_begun:
            self._has_begun = True
            events.append(self._chunk({"role": "assistant", "content": ""}))
        if line.token is not None and line.token.text and not line.token.special:
            events.append(self._chunk({"content": line.token.text}))
        if line.generated_text is not None:
            self._is_over = True
            events.append(self._chunk({}, _finish(line.details)))
            usage = _usage(line.details)
            if usage is not None:
                chunk = _head("chat.completion.chunk", self._created) | {"choices": [], "usage": usage}
                events.append(b"data: " + _ENCODER.encode(chunk) + b"\n\n")
            events.append(b"data: [DONE]\n\n")
        return b"".join(events)

    def _chunk(self, delta: dict[str, str], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        chunk = _head("chat.completion.chunk", self._created) | {"choices": [choice]}
        return b"data: " + _ENCODER.encode(chunk) + b"\n\n"

    def _fail(self, reason: str) -> bytes:
        self.failure, self._is_over = reason, True
        return b""


def _head(kind: str, created: int) -> dict[str, Any]:
    # The relay puts its own id and the alias there.
    return {"id": "huggingface", "object": kind, "created": created, "model": "huggingface"}


def _finish(details: _Details | None) -> str:
    reason = details.finish_reason if details is not None else None
    # One that nobody knows is `error`, which the relay takes for an answer that broke off.
    return "stop" if reason is None else _FINISHES.get(reason, "error")


def _usage(details: _Details | None) -> dict[str, int] | None:
    if details is None or details.generated_tokens is None:
        return None
    prompt = details.input_length if details.input_length is not None else len(details.prefill or ()) or None
    if prompt is None:
        return None
    generated = details.generated_tokens
    return {"prompt_tokens": prompt, "completion_tokens": generated, "total_tokens": prompt + generated}
