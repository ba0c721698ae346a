"""A request as the gateway sees it: a small view beside the decoded object, which is never changed.

Only what the gateway itself needs is validated; every other field is the model server's business and passes through
(architecture.md, idea 5). What each dialect demands is one function here; what leaves for a pool is `encode.py`.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, NoReturn

import msgspec

from gateway.core.facts import TEXT_ONLY, Capability, Modality
from gateway.errors import InvalidRequest
from gateway.wire import strict_json

MAX_CHOICES: Final = 128
_MAX_TOKENS: Final = (1 << 31) - 1
_TEMPLATE_TOKENS: Final = 16
_ASCII: Final = bytes(range(128))


class Dialect(StrEnum):
    """One shape of request, at one path."""

    CHAT = "chat"
    COMPLETIONS = "completions"
    EMBEDDINGS = "embeddings"


PATHS: Final[Mapping[bytes, Dialect]] = MappingProxyType(
    {
        b"/v1/chat/completions": Dialect.CHAT,
        b"/v1/completions": Dialect.COMPLETIONS,
        b"/v1/embeddings": Dialect.EMBEDDINGS,
    }
)


class Request(msgspec.Struct, frozen=True, gc=False):
    """One request. `document` is the whole decoded body; nobody changes it.

    `wants_usage` says whether the client asked for the usage event of a stream; `choices` how many answers it may
    get. `capabilities` and `modalities` are read from the content. `context_tokens` is no less than what prompt and
    answer take together, 0 where nobody can say (`parse`).
    """

    dialect: Dialect
    document: dict[str, Any]
    model: str
    streamed: bool
    wants_usage: bool
    capabilities: frozenset[Capability]
    choices: int
    modalities: frozenset[Modality] = TEXT_ONLY
    context_tokens: int = 0


def parse(dialect: Dialect, body: bytes) -> Request:
    """The request that `body` is; InvalidRequest with OpenAI's `param` and `code` if it is none."""
    document = strict_json.decode(body)
    model = document["model"] if "model" in document else None  # noqa: SIM401 -- a call less
    if type(model) is not str or not model:
        if model is None:
            _missing("model")
        _wrong_type("model", "a non-empty string")
    if dialect is Dialect.EMBEDDINGS:
        _texts(document, "input")
        return Request(dialect, document, model, False, False, _EMBEDDINGS, 1, TEXT_ONLY, _tokens(body))
    # A look for what most requests do not hold costs less than a call that finds it missing.
    stream = document["stream"] if "stream" in document else False  # noqa: SIM401 -- a call less
    streamed = stream if type(stream) is bool else _flag(stream, "stream")
    wants_usage = "stream_options" in document and _wants_usage(document, streamed)
    choices = _count(document["n"], "n", 1, MAX_CHOICES, 1) if "n" in document else 1
    if "best_of" in document:
        # What servers write and do not give is paid for all the same: a number that they read and we do not is none.
        _count(document["best_of"], "best_of", 0, MAX_CHOICES, 1)
    answer = _count(document["max_tokens"], "max_tokens", 0, _MAX_TOKENS, 0) if "max_tokens" in document else 0
    if dialect is Dialect.COMPLETIONS:
        choices *= _texts(document, "prompt")
        capabilities, modalities, context = _of_fields(document), TEXT_ONLY, _tokens(body) + answer
    else:
        if "max_completion_tokens" in document:
            most = _count(document["max_completion_tokens"], "max_completion_tokens", 0, _MAX_TOKENS, 0)
            answer = max(answer, most)
        capabilities, modalities = _of_messages(document)
        if not _TELLING.isdisjoint(document):
            capabilities = capabilities | _of_fields(document)
        # About how many tokens the chat and its answer take together, rather too many than too few. What a template
        # adds is a constant for each message. For anything but text nothing can be said: a short address may stand for
        # a picture of thousands of tokens.
        context = (
            _tokens(body) + _TEMPLATE_TOKENS * len(document["messages"]) + answer if modalities is TEXT_ONLY else 0
        )
    return Request(dialect, document, model, streamed, wants_usage, capabilities, choices, modalities, context)


def _tokens(body: bytes) -> int:
    """An estimate for text as JSON writes it: three bytes of ASCII to a token, two of anything else.

    English has four to five bytes to a token and code about three; of a Chinese character's three bytes the usual
    vocabularies make one token, and those that know little Chinese two. The bound that always holds, a token for every
    byte, would keep a request from pools that have room for four of it; what does not fit after all is refused by the
    model server, in its own words.
    """
    others = 0 if body.isascii() else len(body.translate(None, _ASCII))
    return (len(body) - others) // 3 + others // 2


# Capabilities

_EMBEDDINGS: Final = frozenset({Capability.EMBEDDINGS})
_NONE: Final[frozenset[Capability]] = frozenset()
_TOOLS: Final = frozenset({Capability.TOOLS})
_JSON_SCHEMA: Final = frozenset({Capability.JSON_SCHEMA})
_AUDIO: Final = frozenset({Capability.AUDIO})

# A part is known by its `type` or, where that is left out, by the key that holds its payload: vLLM accepts both.
_OF_PART: Final = MappingProxyType(
    {
        "image": (Capability.VISION, Modality.IMAGE),
        "image_url": (Capability.VISION, Modality.IMAGE),
        "input_image": (Capability.VISION, Modality.IMAGE),
        "image_pil": (Capability.VISION, Modality.IMAGE),
        "image_embeds": (Capability.VISION, Modality.IMAGE),
        "video": (Capability.VISION, Modality.IMAGE),
        "video_url": (Capability.VISION, Modality.IMAGE),
        "input_audio": (Capability.AUDIO, Modality.AUDIO),
        "audio": (Capability.AUDIO, Modality.AUDIO),
        "audio_url": (Capability.AUDIO, Modality.AUDIO),
        "audio_embeds": (Capability.AUDIO, Modality.AUDIO),
        "file": (None, Modality.FILE),
        "input_file": (None, Modality.FILE),
    }
)
# What nobody has described is no text.
_UNHEARD_OF: Final = (None, Modality.FILE)
_TEXT_PARTS: Final = frozenset({"text", "input_text", "output_text", "refusal", "thinking"})
_CONSTRAINTS: Final = frozenset(
    {
        "guided_json",
        "guided_regex",
        "guided_choice",
        "guided_grammar",
        "structured_outputs",
        "json_schema",
        "grammar",
    }
)

_TELLING: Final = _CONSTRAINTS | {"tools", "functions", "response_format", "modalities", "audio"}


def _of_fields(document: dict[str, Any]) -> frozenset[Capability]:
    found = _NONE
    if document.get("tools") or document.get("functions"):
        found = found | _TOOLS
    response_format = document.get("response_format")
    if type(response_format) is dict and response_format.get("type") == "json_schema":
        found = found | _JSON_SCHEMA
    if any(document.get(name) for name in _CONSTRAINTS):
        found = found | _JSON_SCHEMA
    modalities = document.get("modalities")
    if document.get("audio") or (type(modalities) is list and "audio" in modalities):
        found = found | _AUDIO
    return found


def _of_messages(document: dict[str, Any]) -> tuple[frozenset[Capability], frozenset[Modality]]:
    messages = document["messages"] if "messages" in document else None  # noqa: SIM401 -- a call less
    if type(messages) is not list:
        if messages is None:
            _missing("messages")
        _wrong_type("messages", "an array of objects")
    if not messages:
        raise InvalidRequest("'messages' must not be empty.", param="messages", code="empty_array")
    found: set[tuple[Capability | None, Modality]] = set()
    for index, message in enumerate(messages):
        if type(message) is not dict:
            _wrong_type(f"messages[{index}]", "an object")
        role = message["role"] if "role" in message else None  # noqa: SIM401 -- a call less
        if type(role) is not str or not role:
            if role is None:
                _missing(f"messages[{index}].role")
            _wrong_type(f"messages[{index}].role", "a non-empty string")
        if "content" not in message:
            continue
        content = message["content"]
        if type(content) is list:
            _of_parts(content, found)
        elif content is not None and type(content) is not str:
            _wrong_type(f"messages[{index}].content", "a string or an array of parts")
    if not found:
        return _NONE, TEXT_ONLY
    capabilities = frozenset(capability for capability, _ in found if capability is not None)
    return capabilities, TEXT_ONLY.union(modality for _, modality in found)


def _of_parts(parts: list[Any], found: set[tuple[Capability | None, Modality]]) -> None:
    for part in parts:
        if type(part) is dict:
            kind = part.get("type")
            if kind == "text" and len(part) == 2:
                continue
            known = {_OF_PART[name] for name in (kind, *part) if type(name) is str and name in _OF_PART}
            found |= known
            is_text = "text" in part if kind is None else type(kind) is str and kind in _TEXT_PARTS
            if not known and not is_text:
                found.add(_UNHEARD_OF)


# Fields


def _flag(value: object, path: str) -> bool:
    if value is None:
        return False
    if type(value) is not bool:
        _wrong_type(path, "a boolean")
    return value


def _wants_usage(document: dict[str, Any], streamed: bool) -> bool:
    options = document.get("stream_options")
    if options is None:
        return False
    if type(options) is not dict:
        _wrong_type("stream_options", "an object")
    return _flag(options.get("include_usage"), "stream_options.include_usage") and streamed


def _count(value: object, name: str, least: int, most: int, default: int) -> int:
    if value is None:
        return default
    if type(value) is not int:
        _wrong_type(name, "an integer")
    if not least <= value <= most:
        raise InvalidRequest(
            f"Invalid '{name}': expected an integer from {least} to {most}.", param=name, code="invalid_value"
        )
    return value


def _texts(document: dict[str, Any], name: str) -> int:
    """How many texts `document[name]` holds: a string, strings, token ids or lists of token ids."""
    value = document.get(name)
    if value is None:
        _missing(name)
    if type(value) is str:
        return 1
    if type(value) is not list:
        _wrong_type(name, "a string or an array")
    if not value:
        raise InvalidRequest(f"'{name}' must not be empty.", param=name, code="empty_array")
    kinds = set(map(type, value))
    if kinds == {int}:
        return 1
    if kinds not in ({str}, {list}):
        _wrong_type(name, "a string, an array of strings, or token ids")
    return len(value)


def _missing(path: str) -> NoReturn:
    raise InvalidRequest(
        f"Missing required parameter: '{path}'.",
        param=path,
        code="missing_required_parameter",
    )


def _wrong_type(path: str, expected: str) -> NoReturn:
    raise InvalidRequest(f"Invalid type for '{path}': expected {expected}.", param=path, code="invalid_type")
