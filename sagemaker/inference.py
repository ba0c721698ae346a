"""What answers inside the SageMaker container: `model_fn`, `input_fn`, `predict_fn` and `output_fn`.

OpenAI chat (and plain completions) and Hugging Face `inputs`/`parameters` in and out, streamed or whole. The model
itself runs in a child of this process, behind an OpenAI server on loopback: vLLM's own, or llama.cpp's, which this
file starts from the `xllamacpp` wheel when it is run as a program; transformers, where chosen, runs in this process.

One file on purpose: it is copied into containers of which we know only that they have Python (3.9 or newer) and an
engine, and it must import alone. What is wrong with a request is a value, `Refusal`, and never an exception: the
servers that call these functions answer an exception with its traceback. `server.py` owns HTTP.
"""

from __future__ import annotations

import contextlib
import hmac
import http.client
import importlib.util
import json
import os
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Protocol, Union

Document = dict[str, Any]
Check = Callable[[Any], bool]

CHAT = "/v1/chat/completions"
TEXT = "/v1/completions"
JSON_TYPE = "application/json"
STREAM_TYPE = "text/event-stream"

DONE = b"data: [DONE]\n\n"
_LONGEST_REPLY = 32 << 20
_LONGEST_EVENT = 4 << 20
_PING_DEADLINE_S = 1.5  # SageMaker gives a ping two seconds.


# What is set from outside


@dataclass(frozen=True)
class Settings:
    """Everything that the container's environment may set; each field is `TIDEGATE_` and its name in capitals."""

    engine: str = ""  # vllm | llama.cpp | transformers; empty: by what lies in the model's folder
    model_name: str = "tidegate"  # what replies call the model
    parallel: int = 4  # requests that llama.cpp computes at the same time
    context: int = 4096  # tokens of context for each of them
    threads: int = 0  # threads that llama.cpp computes with; 0: all cores but one
    max_body_bytes: int = 4 << 20
    max_depth: int = 32
    max_messages: int = 1024
    max_tokens: int = 8192  # the most that one answer may have; also what a request gets that names no limit
    start_s: float = 900.0
    idle_s: float = 60.0  # between two pieces of a stream, the first one excepted
    deadline_s: float = 600.0
    vllm_args: str = ""  # further arguments, as on a command line
    weights_key: str = field(default="", repr=False)  # the secret that encrypted weights were packed with, if not KMS
    weights_key_file: str = ""  # the file that holds it
    plain_dir: str = ""  # where decrypted weights stand while they load; empty: the system's temporary folder
    engine_log: bool = False  # let the engine write to our stderr; it may quote prompts


def settings(environ: Mapping[str, str]) -> Settings:
    """The settings that `environ` makes. Raises `NotServable` for a value of the wrong kind."""
    found: Document = {}
    for name, default in vars(Settings()).items():
        variable = f"TIDEGATE_{name.upper()}"
        text = environ.get(variable, "")
        if not text:
            continue
        if isinstance(default, bool):
            found[name] = text.lower() in ("1", "true", "yes")
            continue
        try:
            found[name] = type(default)(text)
        except ValueError:
            raise NotServable(f"{variable} must be a number.") from None
        if not isinstance(default, str) and not 0 <= found[name] < 1 << 40:
            raise NotServable(f"{variable} must be a number that is not negative.")
    return Settings(**found)


# What can be wrong


@dataclass(frozen=True)
class Refusal:
    """Why there is no answer: an HTTP status, a code for programs and a sentence that quotes nothing."""

    status: int
    code: str
    message: str

    def document(self) -> Document:
        """The refusal as OpenAI writes errors."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return {"error": {"message": self.message, "type": kind, "param": None, "code": self.code}}


class NotServable(Exception):
    """The model cannot be served here; the sentence is for the operator who deploys it."""


class _Refused(Exception):
    """Carries a refusal from where it is found to the nearest of the four functions."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


def _invalid(message: str, code: str = "invalid_value") -> _Refused:
    return _Refused(Refusal(400, code, message))


INTERNAL = Refusal(500, "internal_error", "The model container failed; its log names the kind of failure.")
STOPPED = Refusal(503, "stopped", "The answer was ended before it was complete.")
_UNAVAILABLE = Refusal(503, "engine_unavailable", "The model's engine does not answer.")
_BROKEN = Refusal(502, "engine_failed", "The model's engine failed before the answer was complete.")
_TIMEOUT = Refusal(504, "engine_timeout", "The model's engine did not answer in time.")
_OVERLOADED = Refusal(503, "overloaded", "The model's engine is at its limit; try again later.")
_TOO_LONG = Refusal(400, "context_length_exceeded", "The request is longer than the model's context.")
_NOT_TAKEN = Refusal(
    400, "invalid_request", "The model's engine does not take this request; it may not know a field or a tool format."
)


def report(event: str, **fields: object) -> None:
    """One line for the container's log: the name of an event and fields that hold no content."""
    sys.stderr.write(json.dumps({"event": event, **fields}, default=str) + "\n")
    sys.stderr.flush()


# A request, checked


@dataclass(frozen=True)
class HuggingFace:
    """How an answer in Hugging Face's form is to look: with the prompt before the text, with details."""

    prefix: str
    details: bool


@dataclass(frozen=True)
class Ask:
    """A request that passed every check, as the engine's OpenAI server will read it."""

    path: str
    document: Document
    streamed: bool
    huggingface: HuggingFace | None = None


def input_fn(body: bytes | bytearray | str | None, content_type: str | None = JSON_TYPE) -> Ask | Refusal:
    """Read a request strictly; what is wrong with it is returned, not raised."""
    try:
        limits = settings(os.environ)
        document = _read(body, content_type, limits)
        if "messages" in document:
            return _chat(document, limits)
        if "inputs" in document:
            return _hugging_face(document, limits)
        if "prompt" in document:
            return _text(document, limits)
        raise _invalid("The request has neither 'messages' nor 'inputs' nor 'prompt'.", "missing_field")
    except _Refused as refused:
        return refused.refusal
    except Exception as exc:  # noqa: BLE001 -- the outermost mapping: whoever calls would answer with a traceback
        return _internal(exc)


def _internal(exc: BaseException) -> Refusal:
    report("internal_error", type=type(exc).__name__)
    return INTERNAL


def _read(body: bytes | bytearray | str | None, content_type: str | None, limits: Settings) -> Document:
    kind, _, parameters = (content_type or JSON_TYPE).lower().partition(";")
    if kind.strip() != JSON_TYPE or ("charset" in parameters and "utf-8" not in parameters):
        raise _Refused(Refusal(415, "unsupported_content_type", "Send the request as application/json in UTF-8."))
    # sagemaker-inference hands JSON over as text, everybody else as bytes. A character is never longer in memory.
    if len(body or b"") > limits.max_body_bytes:
        raise _Refused(Refusal(413, "body_too_large", f"The request is longer than {limits.max_body_bytes} bytes."))
    try:
        text = body if isinstance(body, str) else bytes(body or b"").decode("utf-8")
        document = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
        # Also finds what the engine could not be given: lone surrogates and numbers beyond any float.
        json.dumps(document, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except (ValueError, RecursionError):
        raise _invalid("The request is not strict JSON in UTF-8.", "invalid_json") from None
    if not isinstance(document, dict):
        raise _invalid("The request must be a JSON object.", "invalid_json")
    if _is_deeper(document, limits.max_depth):
        raise _invalid(f"The request is nested deeper than {limits.max_depth} levels.", "too_deep")
    return document


def _object(pairs: Sequence[tuple[str, Any]]) -> Document:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError
    return document


def _refuse_constant(_: str) -> None:
    raise ValueError


def _is_deeper(value: Any, levels: int) -> bool:
    layer = [value]
    for _ in range(levels):
        layer = [
            inner
            for item in layer
            for inner in (item.values() if isinstance(item, dict) else item)
            if isinstance(inner, (dict, list))
        ]
        if not layer:
            return False
    return True


# Checks of single values: whether a value may go on to the engine


def _number(low: float, high: float) -> Check:
    # Compared, not converted: a whole number may be beyond every float, and no comparison with NaN holds.
    return lambda value: type(value) in (int, float) and low <= value <= high


def _whole(low: int, high: int) -> Check:
    return lambda value: type(value) is int and low <= value <= high


def _flag(value: Any) -> bool:
    return type(value) is bool


def _choice(*texts: str) -> Check:
    return lambda value: type(value) is str and value in texts


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_stop(value: Any) -> bool:
    texts = [value] if type(value) is str else value
    return (
        isinstance(texts, list)
        and len(texts) <= 16
        and all(type(text) is str and 0 < len(text) <= 256 for text in texts)
    )


def _is_bias(value: Any) -> bool:
    weighs = _number(-100, 100)
    return (
        isinstance(value, dict)
        and len(value) <= 1024
        and all(key.isascii() and key.isdigit() and weighs(weight) for key, weight in value.items())
    )


def _is_tools(value: Any) -> bool:
    return (
        isinstance(value, list)
        and 0 < len(value) <= 128
        and all(
            isinstance(tool, dict)
            and tool.get("type") == "function"
            and isinstance(tool.get("function"), dict)
            and type(tool["function"].get("name")) is str
            for tool in value
        )
    )


def _is_format(value: Any) -> bool:
    return isinstance(value, dict) and value.get("type") in ("text", "json_object", "json_schema")


_SEED = _whole(-(1 << 63), (1 << 63) - 1)
_SAMPLING: dict[str, Check] = {
    "temperature": _number(0, 2),
    "top_p": _number(0, 1),
    "top_k": _whole(-1, 1 << 20),
    "min_p": _number(0, 1),
    "n": _whole(1, 4),
    "stop": _is_stop,
    "presence_penalty": _number(-2, 2),
    "frequency_penalty": _number(-2, 2),
    "repetition_penalty": _number(0.01, 10),
    "logit_bias": _is_bias,
    "seed": _SEED,
    "ignore_eos": _flag,
    "logprobs": lambda value: _flag(value) or _whole(0, 20)(value),
}
_CHAT: dict[str, Check] = {
    **_SAMPLING,
    "top_logprobs": _whole(0, 20),
    "tools": _is_tools,
    "tool_choice": lambda value: _is_object(value) or _choice("none", "auto", "required")(value),
    "parallel_tool_calls": _flag,
    "response_format": _is_format,
    "reasoning_effort": _choice("none", "minimal", "low", "medium", "high", "xhigh", "max"),
}
_OURS = frozenset({"messages", "prompt", "model", "stream", "stream_options", "max_tokens", "max_completion_tokens"})
# Of OpenAI's fields, those that change nothing here: who asks, and what a provider would keep.
_WITHOUT_EFFECT = frozenset(
    {"user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key", "verbosity"}
)
_ROLES = ("system", "developer", "user", "assistant", "tool")


def _chat(document: Document, limits: Settings) -> Ask:
    built = _sampling(document, _CHAT, limits)
    built["messages"] = _messages(document["messages"], "messages", limits)
    return Ask(CHAT, built, bool(built.get("stream")))


def _text(document: Document, limits: Settings) -> Ask:
    built = _sampling(document, _SAMPLING, limits)
    if type(document["prompt"]) is not str:
        raise _invalid("'prompt' must be one string.")
    built["prompt"] = document["prompt"]
    return Ask(TEXT, built, bool(built.get("stream")))


def _sampling(document: Document, fields: Mapping[str, Check], limits: Settings) -> Document:
    given = {name: value for name, value in document.items() if value is not None}
    if not given.keys() <= fields.keys() | _OURS | _WITHOUT_EFFECT:
        raise _invalid(
            f"The request has a field that is none of: {', '.join(sorted([*fields, *_OURS]))}.", "unknown_field"
        )
    built = {name: given[name] for name in fields if name in given}
    _check(built, fields, "")
    built.update(_most(given, ("max_completion_tokens", "max_tokens"), limits, ""))
    if not _flag(given.get("stream", False)):
        raise _invalid("'stream' must be true or false.")
    if given.get("stream"):
        built["stream"] = True
        options = given.get("stream_options", {})
        if not isinstance(options, dict) or not _flag(options.get("include_usage", False)):
            raise _invalid("'stream_options' must be an object with a boolean 'include_usage'.")
        if options.get("include_usage"):
            built["stream_options"] = {"include_usage": True}
    return built


def _check(built: Document, fields: Mapping[str, Check], where: str) -> None:
    for name, value in built.items():
        if not fields[name](value):
            raise _invalid(f"'{where}{name}' has a value of the wrong kind or out of range.")


def _most(given: Document, names: Sequence[str], limits: Settings, where: str) -> Document:
    """`max_tokens` from the first of `names` that is given."""
    for name in names:
        if name in given:
            if not _whole(1, limits.max_tokens)(given[name]):
                raise _invalid(f"'{where}{name}' must be a whole number from 1 to {limits.max_tokens}.")
            return {"max_tokens": given[name]}
    return {}


def _messages(value: Any, path: str, limits: Settings) -> list[Document]:
    if not isinstance(value, list) or not 0 < len(value) <= limits.max_messages:
        raise _invalid(f"'{path}' must be a list of 1 to {limits.max_messages} messages.")
    return [_message(message, f"{path}[{index}]") for index, message in enumerate(value)]


def _message(message: Any, path: str) -> Document:
    role = message.get("role") if isinstance(message, dict) else None
    if role not in _ROLES:
        raise _invalid(f"'{path}.role' must be one of: {', '.join(_ROLES)}.")
    built: Document = {"role": role}
    if message.get("content") is not None:
        built["content"] = _content(message["content"], f"{path}.content")
    for name in ("name", "tool_call_id"):
        if message.get(name) is not None:
            if type(message[name]) is not str:
                raise _invalid(f"'{path}.{name}' must be a string.")
            built[name] = message[name]
    if message.get("tool_calls") is not None:
        built["tool_calls"] = _tool_calls(message["tool_calls"], f"{path}.tool_calls")
    if "content" not in built and "tool_calls" not in built:
        raise _invalid(f"'{path}.content' is missing.", "missing_field")
    return built


def _content(content: Any, path: str) -> str:
    """The text of a message. Several parts become one text, since not every template of a model knows parts."""
    if type(content) is str:
        return content
    if not isinstance(content, list):
        raise _invalid(f"'{path}' must be a string or a list of text parts.")
    texts = []
    for index, part in enumerate(content):
        # Nothing is fetched or decoded here, so there is nothing that a picture or a file could be.
        if not isinstance(part, dict) or part.get("type") != "text" or type(part.get("text")) is not str:
            raise _invalid(f"'{path}[{index}]' is not a text part; this model takes text only.", "unsupported_content")
        texts.append(part["text"])
    return "\n".join(texts)


def _tool_calls(calls: Any, path: str) -> list[Document]:
    if not isinstance(calls, list) or not 0 < len(calls) <= 128:
        raise _invalid(f"'{path}' must be a list of 1 to 128 calls.")
    built = []
    for index, call in enumerate(calls):
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict) or not all(type(function.get(name)) is str for name in ("name", "arguments")):
            raise _invalid(f"'{path}[{index}].function' must have a name and arguments, both strings.")
        named = {"name": function["name"], "arguments": function["arguments"]}
        built.append({"id": str(call.get("id") or f"call_{index}"), "type": "function", "function": named})
    return built


_HF_SAMPLING: dict[str, Check] = {
    "temperature": _number(0, 2),
    "top_p": _number(0, 1),
    "top_k": _whole(0, 1 << 20),
    "repetition_penalty": _number(0.01, 10),
    "frequency_penalty": _number(-2, 2),
    "seed": _SEED,
    "stop": _is_stop,
}
_HF_OURS: dict[str, Check] = {
    "do_sample": _flag,
    "return_full_text": _flag,
    "details": _flag,
    "stop_sequences": _is_stop,
    "max_new_tokens": lambda _: True,  # _most says what is wrong with it
}


def _hugging_face(document: Document, limits: Settings) -> Ask:
    if not document.keys() <= {"inputs", "parameters", "stream"} or not _flag(document.get("stream", False)):
        raise _invalid(
            "Beside 'inputs' there may be 'parameters' (an object) and 'stream' (a boolean).", "unknown_field"
        )
    parameters = document.get("parameters")
    if parameters is not None and not isinstance(parameters, dict):
        raise _invalid("'parameters' must be an object.")
    given = {name: value for name, value in (parameters or {}).items() if value is not None}
    known = {**_HF_SAMPLING, **_HF_OURS}
    if not given.keys() <= known.keys():
        raise _invalid(f"'parameters' has a field that is none of: {', '.join(sorted(known))}.", "unknown_field")
    _check(given, known, "parameters.")
    built = {name: given[name] for name in _HF_SAMPLING if name in given}
    built.update(_most(given, ("max_new_tokens",), limits, "parameters."))
    if "stop_sequences" in given:
        built.setdefault("stop", given["stop_sequences"])
    # As in Hugging Face's own servers: greedy, unless something asks for sampling.
    if given.get("do_sample") is False or not given.keys() & {"do_sample", "temperature", "top_p", "top_k"}:
        built["temperature"] = 0
    streamed = document.get("stream", False)
    if streamed:
        built.update(stream=True, stream_options={"include_usage": True})
    inputs = document["inputs"]
    if type(inputs) is str:
        built["prompt"] = inputs
        prefix = inputs if given.get("return_full_text") else ""
        return Ask(TEXT, built, streamed, HuggingFace(prefix, given.get("details", False)))
    built["messages"] = _messages(inputs, "inputs", limits)
    return Ask(CHAT, built, streamed, HuggingFace("", given.get("details", False)))


# An answer


class Call(Protocol):
    """One request to an engine."""

    def open(self) -> None:
        """Send it and wait until the engine takes it; raises `_Refused`."""

    def whole(self) -> Document:
        """The answer, unstreamed."""

    def chunks(self) -> Iterator[Document]:
        """The answer's chunks. Ends early only by raising `_Refused`: the end of it is the end of a whole answer."""

    def stop(self) -> None:
        """End it, from any thread: whoever waits in one of the others gets `_Refused`."""

    def close(self) -> None:
        """Let go of what it holds; called last, by the thread that read."""


class Engine(Protocol):
    """What computes. `call` does not wait for anything."""

    def call(self, path: str, document: Document) -> Call: ...
    def healthy(self) -> bool: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class Model:
    """A loaded model, as `model_fn` returns it."""

    engine: Engine
    name: str

    def close(self) -> None:
        """End the engine."""
        self.engine.close()


Prediction = Union[Document, "list[Document]", Iterator[bytes], Refusal]


class Generation:
    """One answer being made. `stop` may come from another thread at any time and ends the engine's work."""

    def __init__(self, ask: Ask, model: Model) -> None:
        self._ask = ask
        self._name = model.name
        self._call = model.engine.call(ask.path, ask.document)

    def start(self) -> Prediction:
        """The whole answer, or an iterator of SSE events once the engine has taken the request, or a refusal."""
        streams = False
        try:
            self._call.open()
            streams = self._ask.streamed
            return self._events() if streams else self._whole(self._call.whole())
        except _Refused as refused:
            return refused.refusal
        except Exception as exc:  # noqa: BLE001 -- the outermost mapping: whoever calls would answer with a traceback
            return _internal(exc)
        finally:
            if not streams:
                self._call.close()

    def stop(self) -> None:
        """End the engine's work on this answer."""
        self._call.stop()

    def _whole(self, reply: Document) -> Document | list[Document]:
        answer = _narrow(reply, self._name)
        asked = self._ask.huggingface
        if asked is None:
            return answer
        choice = answer["choices"][0]
        text = choice.get("text") or (choice.get("message") or {}).get("content") or ""
        result: Document = {"generated_text": asked.prefix + text}
        if asked.details:
            result["details"] = _details(choice.get("finish_reason"), answer.get("usage"))
        return [result]

    def _events(self) -> Iterator[bytes]:
        """Every event in turn. What goes wrong is an error event, and then there is no `[DONE]`."""
        try:
            yield from self._hugging_face_events() if self._ask.huggingface else self._openai_events()
        except _Refused as refused:
            yield _event(refused.refusal.document())
        except Exception as exc:  # noqa: BLE001 -- the outermost mapping: whoever calls would answer with a traceback
            yield _event(_internal(exc).document())
        finally:
            self.stop()
            self._call.close()

    def _openai_events(self) -> Iterator[bytes]:
        unfinished = set(range(self._ask.document.get("n", 1)))
        silent = set(unfinished)
        for chunk in self._call.chunks():
            narrowed = _narrow(chunk, self._name)
            for choice in narrowed["choices"]:
                if choice["index"] in silent and isinstance(choice.get("delta"), dict):
                    # llama.cpp loses the role when an answer begins with half of a character.
                    choice["delta"].setdefault("role", "assistant")
                    silent.discard(choice["index"])
            unfinished -= {choice["index"] for choice in narrowed["choices"] if choice.get("finish_reason")}
            yield _event(narrowed)
        if unfinished:
            raise _Refused(_BROKEN)
        yield DONE

    def _hugging_face_events(self) -> Iterator[bytes]:
        """The events of Hugging Face's text-generation-inference; the last one has the text as a whole."""
        asked = self._ask.huggingface
        assert asked is not None  # noqa: S101 -- _events asked
        texts: list[str] = []
        finish, usage = None, None
        for chunk in self._call.chunks():
            usage = chunk.get("usage") or usage
            for choice in _narrow(chunk, self._name)["choices"]:
                finish = choice.get("finish_reason") or finish
                text = choice.get("text") or (choice.get("delta") or {}).get("content") or ""
                if text:
                    texts.append(text)
                    yield _token(len(texts), text, None, None)
        if finish is None:
            raise _Refused(_BROKEN)
        # Held back until the engine said that it is done: this event is what tells a client that the text is whole.
        whole = asked.prefix + "".join(texts)
        yield _token(len(texts) + 1, "", whole, _details(finish, usage))


def predict_fn(data: Ask | Refusal, model: Model) -> Prediction:
    """Answer: a document, an iterator of SSE events (closing it ends the engine's work), or a refusal."""
    if isinstance(data, Refusal):
        return data
    try:
        generation = Generation(data, model)
    except Exception as exc:  # noqa: BLE001 -- the outermost mapping: whoever calls would answer with a traceback
        return _internal(exc)
    return generation.start()


def output_fn(
    prediction: Prediction,
    accept: str | None = None,  # noqa: ARG001 -- the contract's
    context: Any = None,
) -> tuple[bytes, str]:
    """The answer's bytes and their content type; a server that cannot stream gets all events of a stream at once.

    `accept` is not looked at: what a request asks for in its body decides what comes back. `context` is the
    multi-model-server's; a refusal's status is set there, since that server knows no other way.
    """
    if isinstance(prediction, Refusal):
        if context is not None:
            context.set_response_status(code=prediction.status, phrase=prediction.code)
        return _encode(prediction.document()), JSON_TYPE
    if isinstance(prediction, (dict, list)):
        return _encode(prediction), JSON_TYPE
    return b"".join(prediction), STREAM_TYPE


def healthy(model: Model) -> bool:
    """Whether the engine answers now; it is asked, and has a second and a half."""
    return model.engine.healthy()


def _encode(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _event(document: Document) -> bytes:
    return b"data: " + _encode(document) + b"\n\n"


_CHOICE = ("index", "text", "message", "delta", "logprobs", "finish_reason")
_SPOKEN = ("role", "content", "refusal", "reasoning", "reasoning_content", "tool_calls")
_USAGE = ("prompt_tokens", "completion_tokens", "total_tokens")


def _narrow(reply: Document, name: str) -> Document:
    """Of an engine's reply or chunk what OpenAI's form has: not its timings, and not the path of its model."""
    if not isinstance(reply.get("choices"), list):
        raise _Refused(_BROKEN)
    answer: Document = {key: reply[key] for key in ("id", "object", "created") if key in reply}
    answer["model"] = name
    answer["choices"] = [_narrow_choice(choice) for choice in reply["choices"]]
    if isinstance(reply.get("usage"), dict):
        answer["usage"] = {key: reply["usage"].get(key, 0) for key in _USAGE}
    return answer


def _narrow_choice(choice: Document) -> Document:
    narrowed: Document = {key: choice[key] for key in _CHOICE if key in choice}
    narrowed.setdefault("index", 0)
    for key in ("message", "delta"):
        if isinstance(narrowed.get(key), dict):
            narrowed[key] = {name: narrowed[key][name] for name in _SPOKEN if name in narrowed[key]}
    return narrowed


def _details(finish: str | None, usage: Document | None) -> Document:
    # The OpenAI form does not tell a stop sequence from the model's own end.
    reason = "length" if finish == "length" else "eos_token"
    counted = usage or {}
    return {
        "finish_reason": reason,
        "generated_tokens": counted.get("completion_tokens", 0),
        "input_length": counted.get("prompt_tokens", 0),
        "seed": None,
    }


def _token(index: int, text: str, whole: str | None, details: Document | None) -> bytes:
    # The engines' OpenAI servers do not tell ids; `special` marks the last event's empty text.
    token = {"id": None, "text": text, "logprob": None, "special": whole is not None}
    return _event({"index": index, "token": token, "generated_text": whole, "details": details})


# Engines behind an OpenAI server on loopback


class _HttpCall:
    def __init__(self, port: int, key: str, path: str, document: Document, patience: Settings) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience.deadline_s)
        self._key = key
        self._path = path
        self._body = json.dumps(document).encode()
        self._patience = patience
        self._ends = time.monotonic() + patience.deadline_s
        self._socket: socket.socket | None = None
        self._response: http.client.HTTPResponse | None = None
        self._stopped = threading.Event()

    def open(self) -> None:
        with self._translating():
            self._connection.connect()
            self._socket = self._connection.sock
            if self._stopped.is_set():  # between the connect and the line above, nobody could have shut it down
                raise _Refused(STOPPED)
            headers = {"Authorization": f"Bearer {self._key}", "Content-Type": JSON_TYPE}
            self._connection.request("POST", self._path, self._body, headers)
            self._response = response = self._connection.getresponse()
            if response.status != 200:
                raise _Refused(_from_engine(response.status, response.read(64 << 10)))
            if self._socket is not None:
                # From here on silence counts; until here the request may have waited its turn.
                self._socket.settimeout(self._patience.idle_s)

    def whole(self) -> Document:
        assert self._response is not None  # noqa: S101 -- opened
        with self._translating():
            body = self._response.read(_LONGEST_REPLY + 1)
            if len(body) > _LONGEST_REPLY:
                raise _Refused(_BROKEN)
            reply = json.loads(body)
            if not isinstance(reply, dict):
                raise _Refused(_BROKEN)
            return reply

    def chunks(self) -> Iterator[Document]:
        assert self._response is not None  # noqa: S101 -- opened
        while True:
            with self._translating():
                line = self._response.readline(_LONGEST_EVENT)
                if not line or not line.endswith(b"\n"):
                    raise _Refused(STOPPED if self._stopped.is_set() else _BROKEN)
                if time.monotonic() > self._ends:
                    raise _Refused(_TIMEOUT)
                name, _, data = line.partition(b":")
                if name.strip() != b"data":
                    continue
                if data.strip() == b"[DONE]":
                    return
                chunk = json.loads(data)
                if not isinstance(chunk, dict) or chunk.get("error"):
                    # vLLM reports an engine that died like this, and then says [DONE] all the same.
                    raise _Refused(_BROKEN)
            yield chunk

    def stop(self) -> None:
        self._stopped.set()
        if self._socket is not None:
            # Not `close`: another thread may be reading, and a closed number could be another socket's by now.
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        if self._response is not None:
            self._response.close()
        self._connection.close()

    @contextlib.contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except _Refused:
            raise
        except (OSError, http.client.HTTPException, ValueError) as exc:
            if self._stopped.is_set():
                raise _Refused(STOPPED) from None
            if isinstance(exc, socket.timeout):
                raise _Refused(_TIMEOUT) from None
            if isinstance(exc, ConnectionRefusedError):
                raise _Refused(_UNAVAILABLE) from None
            report("engine_failed", type=type(exc).__name__)
            raise _Refused(_BROKEN) from None


def _from_engine(status: int, body: bytes) -> Refusal:
    """An engine's refusal in our words: its own may quote the request."""
    if status in (429, 503):
        return _OVERLOADED
    if status in (400, 413, 422):
        lowered = body.lower()
        is_too_long = any(word in lowered for word in (b"exceed_context_size", b"context length", b"max_model_len"))
        return _TOO_LONG if is_too_long else _NOT_TAKEN
    report("engine_failed", status=status)
    return _BROKEN


class _HttpEngine:
    """A child that serves OpenAI's dialect on loopback; it ends when our end of its stdin closes, however we end."""

    def __init__(self, child: subprocess.Popen[bytes], port: int, key: str, patience: Settings) -> None:
        self.child = child
        self._port = port
        self._key = key
        self._patience = patience

    def call(self, path: str, document: Document) -> Call:
        return _HttpCall(self._port, self._key, path, self.translate(document), self._patience)

    def translate(self, document: Document) -> Document:
        return document

    def healthy(self) -> bool:
        if self.child.poll() is not None:
            return False
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_PING_DEADLINE_S)
        try:
            connection.request("GET", "/health", headers={"Authorization": f"Bearer {self._key}"})
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def close(self) -> None:
        assert self.child.stdin is not None  # noqa: S101 -- asked for as a pipe
        with contextlib.suppress(OSError):
            self.child.stdin.close()
        try:
            self.child.wait(15)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        if self.child.stdout is not None:
            self.child.stdout.close()


class _LlamaCpp(_HttpEngine):
    def translate(self, document: Document) -> Document:
        translated = {"max_tokens": self._patience.max_tokens, **document, "model": self._patience.model_name}
        if "repetition_penalty" in translated:
            translated["repeat_penalty"] = translated.pop("repetition_penalty")
        if document.get("logprobs") is True and "prompt" in document:
            translated["logprobs"] = 1
        return translated


class _Vllm(_HttpEngine):
    def translate(self, document: Document) -> Document:
        return {**document, "model": self._patience.model_name}


def _child(
    arguments: Sequence[str], chosen: Settings, environ: Mapping[str, str], **pipes: Any
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 -- this file, with arguments from the container's own settings
        [sys.executable, str(Path(__file__).resolve()), *arguments],
        stdin=subprocess.PIPE,
        stderr=None if chosen.engine_log else subprocess.DEVNULL,
        env={name: value for name, value in environ.items() if name != "TIDEGATE_WEIGHTS_KEY"},
        start_new_session=True,
        **pipes,
    )


def _start_llama_cpp(folder: Path, chosen: Settings) -> Engine:
    file = next(iter(sorted(folder.rglob("*.gguf"))), None)
    if file is None:
        raise NotServable(f"There is no .gguf file in {folder}.")
    if importlib.util.find_spec("xllamacpp") is None:
        raise NotServable("The engine llama.cpp needs the package `xllamacpp` in the container.")
    key = secrets.token_urlsafe(32)
    order = {"file": str(file), "key": key, "parallel": chosen.parallel, "context": chosen.context}
    order.update(threads=chosen.threads or max(1, (os.cpu_count() or 2) - 1), log=chosen.engine_log)
    child = _child(["llama.cpp"], chosen, os.environ, stdout=subprocess.PIPE)
    assert child.stdin is not None and child.stdout is not None  # noqa: S101, PT018 -- asked for as pipes
    giving_up = threading.Timer(chosen.start_s, child.kill)
    giving_up.daemon = True
    giving_up.start()
    try:
        # The key goes through the pipe: arguments and environments are public to the machine.
        child.stdin.write(json.dumps(order).encode() + b"\n")
        child.stdin.flush()
        line = child.stdout.readline()
        answer = json.loads(line) if line else {}
    except (OSError, ValueError):
        answer = {}
    finally:
        giving_up.cancel()
    engine = _LlamaCpp(child, int(answer.get("port", 0)), key, chosen)
    if "port" not in answer:
        engine.close()
        raise NotServable(
            "llama.cpp did not start: the file may be no model, or memory is short (TIDEGATE_ENGINE_LOG=1)."
        )
    return engine


def _start_vllm(folder: Path, chosen: Settings) -> Engine:
    # vLLM's own server and not its Python API: it is what vLLM tests and keeps stable, and it brings the chat
    # templates, tool parsers and structured output that one would otherwise write again for every release.
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    key = secrets.token_urlsafe(32)
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
    command += ["--model", str(folder), "--served-model-name", chosen.model_name]
    command += ["--host", "127.0.0.1", "--port", str(port), "--disable-uvicorn-access-log"]
    # A request that names no limit must not run to the end of the context; one in the request could exceed it.
    command += ["--override-generation-config", json.dumps({"max_new_tokens": chosen.max_tokens})]
    command += shlex.split(chosen.vllm_args)
    quiet = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1", "VLLM_API_KEY": key}
    child = _child(
        ["tether", *command], chosen, {**os.environ, **quiet}, stdout=None if chosen.engine_log else subprocess.DEVNULL
    )
    engine = _Vllm(child, port, key, chosen)
    ends = time.monotonic() + chosen.start_s
    while not engine.healthy():
        if child.poll() is not None or time.monotonic() > ends:
            engine.close()
            raise NotServable("vLLM did not start; set TIDEGATE_ENGINE_LOG=1 and look at the container's log.")
        time.sleep(0.25)
    return engine


# transformers, in this process


class _TransformersEngine:
    """One answer at a time, by `generate`: for trying a checkpoint, not for load."""

    def __init__(self, folder: Path, chosen: Settings) -> None:
        import torch  # type: ignore[import-not-found, unused-ignore]
        import transformers  # type: ignore[import-not-found, unused-ignore]

        self.torch, self.transformers = torch, transformers
        # Files of the model's folder only, and none of its code.
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        model = transformers.AutoModelForCausalLM.from_pretrained(str(folder), local_files_only=True)
        self.model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        self.chosen = chosen
        self.turn = threading.Lock()

    def call(self, path: str, document: Document) -> Call:
        return _TransformersCall(self, path, document)

    def healthy(self) -> bool:
        """Whether the weights can be computed with: a device that has failed says so at the next operation."""
        try:
            return bool(self.torch.isfinite(next(self.model.parameters()).flatten()[:1].float()).all())
        except Exception as exc:  # noqa: BLE001 -- whatever it is, the model does not compute
            report("engine_failed", type=type(exc).__name__)
            return False

    def close(self) -> None:
        self.model = None


_NOT_IN_TRANSFORMERS = frozenset(
    {"logprobs", "top_logprobs", "logit_bias", "presence_penalty", "frequency_penalty", "tool_choice"}
    | {"response_format", "min_p", "ignore_eos", "reasoning_effort", "parallel_tool_calls"}
)


class _TransformersCall:
    def __init__(self, engine: _TransformersEngine, path: str, document: Document) -> None:
        self._engine = engine
        self._path = path
        self._document = document
        self._stopped = threading.Event()
        self._has_turn = False
        self._failed = False
        self._counted = 0
        self._worker: threading.Thread | None = None

    def open(self) -> None:
        engine, document = self._engine, self._document
        if document.get("n", 1) != 1 or any(document.get(name) for name in _NOT_IN_TRANSFORMERS):
            raise _Refused(_NOT_TAKEN)
        if self._path == CHAT:
            prompt = engine.tokenizer.apply_chat_template(
                document["messages"], tools=document.get("tools"), tokenize=False, add_generation_prompt=True
            )
            inputs = engine.tokenizer(prompt, return_tensors="pt", add_special_tokens=False)
        else:
            inputs = engine.tokenizer(document["prompt"], return_tensors="pt")
        self._inputs = inputs.to(engine.model.device)
        self._prompt_tokens = int(inputs["input_ids"].shape[1])
        room = getattr(engine.model.config, "max_position_embeddings", engine.chosen.context) - self._prompt_tokens
        if room < 1:
            raise _Refused(_TOO_LONG)
        self._most = min(document.get("max_tokens", engine.chosen.max_tokens), room)
        if not engine.turn.acquire(timeout=engine.chosen.idle_s):
            raise _Refused(_OVERLOADED)
        self._has_turn = True

    def chunks(self) -> Iterator[Document]:
        kind = "chat.completion.chunk" if self._path == CHAT else "text_completion"
        named = {"id": f"chatcmpl-{secrets.token_hex(12)}", "object": kind, "created": int(time.time())}
        for text in self._texts():
            said: Document = {"delta": {"content": text}} if self._path == CHAT else {"text": text}
            yield {**named, "choices": [{"index": 0, **said, "finish_reason": None}]}
        if self._stopped.is_set() or self._failed:
            raise _Refused(STOPPED if self._stopped.is_set() else _BROKEN)
        finish = "length" if self._counted >= self._most else "stop"
        said = {"delta": {}} if self._path == CHAT else {"text": ""}
        yield {**named, "choices": [{"index": 0, **said, "finish_reason": finish}]}
        if (self._document.get("stream_options") or {}).get("include_usage"):
            yield {**named, "choices": [], "usage": self._usage()}

    def whole(self) -> Document:
        chunks = list(self.chunks())
        said = "".join(self._said(chunk) for chunk in chunks)
        finish = chunks[-1]["choices"][0]["finish_reason"] if chunks[-1]["choices"] else "stop"
        choice: Document = {"index": 0, "finish_reason": finish}
        choice.update({"message": {"role": "assistant", "content": said}} if self._path == CHAT else {"text": said})
        kind = "chat.completion" if self._path == CHAT else "text_completion"
        return {**chunks[0], "object": kind, "choices": [choice], "usage": self._usage()}

    def stop(self) -> None:
        self._stopped.set()

    def close(self) -> None:
        if self._worker is not None:
            self._worker.join()  # it ends at its next token, and only then is it the next one's turn
        if self._has_turn:
            self._has_turn = False
            self._engine.turn.release()

    def _said(self, chunk: Document) -> str:
        choice = chunk["choices"][0] if chunk["choices"] else {}
        return str(choice.get("text") or (choice.get("delta") or {}).get("content") or "")

    def _usage(self) -> Document:
        prompt, counted = self._prompt_tokens, self._counted
        return {"prompt_tokens": prompt, "completion_tokens": counted, "total_tokens": prompt + counted}

    def _texts(self) -> Iterator[str]:
        """The pieces of text, without the stop sequences and what would follow them."""
        engine, document = self._engine, self._document
        streamer = engine.transformers.TextIteratorStreamer(
            engine.tokenizer, skip_prompt=True, skip_special_tokens=True, timeout=engine.chosen.idle_s
        )
        self._worker = threading.Thread(target=self._generate, args=(streamer,), daemon=True)
        self._worker.start()
        stops = document.get("stop") or []
        held = ""
        for piece in streamer:
            held += piece
            out, held, found = _before_stop(held, [stops] if isinstance(stops, str) else stops)
            if out:
                yield out
            if found:
                break
        self._worker.join()
        if held:
            yield held

    def _generate(self, streamer: Any) -> None:
        engine, document, torch = self._engine, self._document, self._engine.torch
        stops = document.get("stop") or []

        def is_over(ids: Any, _scores: Any, **_: Any) -> Any:
            self._counted = int(ids.shape[1]) - self._prompt_tokens
            return torch.full((ids.shape[0],), self._stopped.is_set(), dtype=torch.bool, device=ids.device)

        temperature = document.get("temperature", 1.0)
        options: Document = {"max_new_tokens": self._most, "do_sample": temperature > 0}
        if temperature > 0:
            options.update(
                temperature=temperature, top_p=document.get("top_p", 1.0), top_k=max(0, document.get("top_k", 0))
            )
        options["repetition_penalty"] = document.get("repetition_penalty", 1.0)
        if stops:
            options.update(stop_strings=stops, tokenizer=engine.tokenizer)
        if "seed" in document:
            torch.manual_seed(document["seed"])
        try:
            with torch.inference_mode():
                engine.model.generate(**self._inputs, streamer=streamer, stopping_criteria=[is_over], **options)
        except Exception as exc:  # noqa: BLE001 -- a thread's outermost line; the reader learns it from the flag
            report("engine_failed", type=type(exc).__name__)
            self._failed = True
            streamer.end()


def _before_stop(text: str, stops: Sequence[str]) -> tuple[str, str, bool]:
    """What may be said of `text`, what must wait since a stop sequence may have begun, and whether one is there."""
    found = [at for at in (text.find(stop) for stop in stops) if at >= 0]
    if found:
        return text[: min(found)], "", True
    begun = max((size for stop in stops for size in range(1, len(stop)) if text.endswith(stop[:size])), default=0)
    return text[: len(text) - begun], text[len(text) - begun :], False


# Choosing one


_ENGINES: dict[str, Callable[[Path, Settings], Engine]] = {
    "llama.cpp": _start_llama_cpp,
    "vllm": _start_vllm,
    "transformers": _TransformersEngine,
}


def model_fn(model_dir: str) -> Model:
    """Load what lies in `model_dir` with the engine that `TIDEGATE_ENGINE` names or that fits. Raises `NotServable`."""
    chosen = settings(os.environ)
    with _readable(Path(model_dir), chosen) as folder:
        name = chosen.engine or _fitting(folder)
        if name not in _ENGINES:
            raise NotServable(f"TIDEGATE_ENGINE must be one of: {', '.join(sorted(_ENGINES))}.")
        report("model_loading", engine=name)
        model = Model(_ENGINES[name](folder, chosen), chosen.model_name)
    report("model_loaded", engine=name)
    return model


def _fitting(folder: Path) -> str:
    if next(folder.rglob("*.gguf"), None) is not None:
        return "llama.cpp"
    if (folder / "config.json").is_file():
        for name in ("vllm", "transformers"):
            if importlib.util.find_spec(name) is not None:
                return name
        raise NotServable("The container has neither vLLM nor transformers for this model.")
    raise NotServable(f"There is no model in {folder}: neither a .gguf file nor a config.json.")


# Weights that were encrypted before they were uploaded, by `tidegate sagemaker package`

_MANIFEST = "tidegate.json"
_SEALED = "sealed"
_MAGIC = b"TGW1"
_SEALED_CHUNK = (1 << 20) + 16
_SEALED_WRONGLY = "The weights cannot be decrypted: another key, or not the files that were packed."


@contextlib.contextmanager
def _readable(folder: Path, chosen: Settings) -> Iterator[Path]:
    """`folder`, or one with its weights decrypted, which is removed as soon as the engine has loaded them."""
    if not (folder / _SEALED).is_dir():
        if chosen.weights_key or chosen.weights_key_file:
            raise NotServable("There is a key for the weights, and they are not encrypted.")
        yield folder
        return
    master = hmac.digest(_weights_secret(folder, chosen), b"tidegate/v1 weights", "sha256")
    with tempfile.TemporaryDirectory(prefix="tidegate-weights-", dir=chosen.plain_dir or None) as plain:
        _unseal(folder / _SEALED, Path(plain), master)
        yield Path(plain)


def _weights_secret(folder: Path, chosen: Settings) -> bytes:
    try:
        seal = json.loads((folder / _MANIFEST).read_text("utf-8"))["seal"]
        by, version = seal["by"], seal["version"]
    except (OSError, ValueError, KeyError, TypeError):
        raise NotServable(f"There are encrypted weights, and {_MANIFEST} does not say by what.") from None
    if version != 1 or by not in ("local", "kms"):
        raise NotServable("The weights were encrypted by a newer Tidegate.")
    if by == "kms":
        if chosen.weights_key or chosen.weights_key_file:
            raise NotServable("There is a secret for the weights, and they were encrypted with a key of KMS.")
        return _kms_secret(seal)
    text = chosen.weights_key
    if chosen.weights_key_file:
        try:
            text = Path(chosen.weights_key_file).read_text("ascii")
        except (OSError, ValueError):
            raise NotServable("The file that TIDEGATE_WEIGHTS_KEY_FILE names cannot be read.") from None
    if not text.strip():
        raise NotServable("The weights are encrypted: set TIDEGATE_WEIGHTS_KEY_FILE or TIDEGATE_WEIGHTS_KEY.")
    return text.strip().encode()


def _kms_secret(seal: Document) -> bytes:
    try:
        import botocore.exceptions
        import botocore.session
    except ImportError:
        raise NotServable("The weights' key lies with KMS, which needs the package `botocore` in the image.") from None
    try:
        client = botocore.session.get_session().create_client("kms", region_name=seal["key"].split(":")[3])
        asked = {"CiphertextBlob": bytes.fromhex(seal["data_key"]), "EncryptionContext": seal["context"]}
        secret = client.decrypt(KeyId=seal["key"], **asked)["Plaintext"]
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
        # The name of the kind only: what KMS says names keys and accounts.
        raise NotServable(f"KMS did not open the weights' key ({type(error).__name__}).") from None
    except (KeyError, IndexError, ValueError, AttributeError):
        raise NotServable(f"{_MANIFEST} does not say which key of KMS opens the weights.") from None
    return bytes(secret)


def _unseal(sealed: Path, plain: Path, master: bytes) -> None:
    try:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError:
        raise NotServable("The weights are encrypted, which needs the package `cryptography` in the image.") from None
    files = sorted(path for path in sealed.rglob("*") if path.is_file())
    if sum(path.stat().st_size for path in files) > shutil.disk_usage(plain).free:
        raise NotServable("There is no room to decrypt the weights; TIDEGATE_PLAIN_DIR names another place.")
    for path in files:
        place = path.relative_to(sealed)
        to = plain / place
        to.parent.mkdir(parents=True, exist_ok=True)
        with path.open("rb") as source, to.open("xb") as target:
            head = source.read(len(_MAGIC) + 32)
            if len(head) != len(_MAGIC) + 32 or not head.startswith(_MAGIC):
                raise NotServable(_SEALED_WRONGLY)
            cipher = AESGCM(hmac.digest(master, b"file" + head[len(_MAGIC) :], "sha256"))
            index, piece = 0, source.read(_SEALED_CHUNK)
            while True:
                after = source.read(_SEALED_CHUNK)
                nonce = index.to_bytes(11, "big") + bytes([not after])
                try:
                    target.write(cipher.decrypt(nonce, piece, place.as_posix().encode()))
                except (InvalidTag, ValueError):
                    raise NotServable(_SEALED_WRONGLY) from None
                if not after:
                    break
                index, piece = index + 1, after


# This file as a program: the children of `_HttpEngine`


def main(arguments: Sequence[str]) -> int:
    """`llama.cpp`: serve the model that stdin describes. `tether COMMAND…`: run it for as long as stdin lasts."""
    if arguments[:1] == ["llama.cpp"]:
        return _serve_llama_cpp()
    if arguments[:1] == ["tether"] and len(arguments) > 1:
        return _tether(arguments[1:])
    sys.stderr.write("usage: inference.py llama.cpp | tether COMMAND…\n")
    return 2


def _serve_llama_cpp() -> int:
    import xllamacpp

    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # llama.cpp may print; the pipe carries our line only
    line = bytearray()
    while (byte := os.read(0, 1)) not in (b"", b"\n"):
        line += byte
    order = json.loads(line)
    params = xllamacpp.CommonParams()
    params.model.path = order["file"]
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [order["key"]]
    params.n_parallel = order["parallel"]
    params.n_ctx = order["context"] * order["parallel"]
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = order["threads"]
    params.n_threads_http = order["parallel"] + 32  # one per connection: `/health` must never wait behind answers
    # Nothing but the model: no page, no cross-origin callers, no view into requests, no downloads.
    params.ui = params.endpoint_slots = params.endpoint_props = False
    params.endpoint_metrics = True
    params.cors_origins = ""
    params.offline = True
    params.verbosity = 3 if order["log"] else -1
    try:
        server = xllamacpp.Server(params)
    except RuntimeError:
        return 1
    print(json.dumps({"port": int(server.listening_address.rpartition(":")[2])}), file=answer, flush=True)
    while os.read(0, 4096):
        pass
    # Not through the interpreter's end: llama.cpp would first finish the answers it is writing, to nobody.
    os._exit(0)


def _tether(command: Sequence[str]) -> int:
    child = subprocess.Popen(list(command), stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603 -- ours

    def let_go() -> None:
        while os.read(0, 4096):
            pass
        for number, patience_s in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0)):
            with contextlib.suppress(OSError):
                os.killpg(child.pid, number)  # vLLM computes in children of its own
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(patience_s)

    threading.Thread(target=let_go, daemon=True).start()
    return child.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
