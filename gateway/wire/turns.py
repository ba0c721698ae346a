"""Who said what: the turns of a request, and the texts of an answer, as far as they may come back in a later request.

Used to remember replies and to find them again (`core/taint.py`). Only words that a client gets and may send back are
looked at; whatever has not the form expected is left out here, since scanning does not depend on it.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from gateway.core.taint import Speaker, Turn
from gateway.wire.requests import Dialect, Request

_SPEAKERS: Final[Mapping[str, Speaker]] = MappingProxyType(
    {
        "system": Speaker.SYSTEM,
        "developer": Speaker.SYSTEM,
        "user": Speaker.USER,
        "tool": Speaker.TOOL,
        "function": Speaker.TOOL,
    }
)
_WORDS: Final = ("content", "refusal", "reasoning_content", "reasoning")
_DATA: Final = b"data:"
_ENCODER: Final = msgspec.json.Encoder()
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def turns_of(request: Request) -> tuple[Turn, ...]:
    """The conversation in `request`, in order. A role that nobody has described counts as the model's."""
    document = request.document
    if request.dialect is Dialect.CHAT:
        turns: list[Turn] = []
        for message in document["messages"]:
            role = message["role"]
            speaker = _SPEAKERS[role] if role in _SPEAKERS else Speaker.MODEL  # noqa: SIM401 -- a call less
            # A role and its words, and nothing else: nearly every message.
            if len(message) == 2 and "content" in message and type(content := message["content"]) is str:
                turns += (Turn(speaker, (content,)),)
            else:
                turns += (Turn(speaker, tuple(_said(message))),)
        return tuple(turns)
    texts = document.get("prompt" if request.dialect is Dialect.COMPLETIONS else "input")
    listed = texts if type(texts) is list else [texts]
    return tuple(Turn(Speaker.USER, (text,)) for text in listed if type(text) is str)


def texts_of_answer(body: bytes) -> tuple[str, ...]:
    """The texts of an unstreamed answer that is complete."""
    return tuple(_of_choices(_decoded(body)))


def texts_of_stream(events: bytes) -> tuple[str, ...]:
    """The texts of a streamed answer that is complete, from all of its events: each choice's pieces joined."""
    pieces: dict[tuple[int, str, int], list[str]] = {}
    for line in events.splitlines():
        if not line.startswith(_DATA):
            continue
        for choice in _listed(_decoded(line[len(_DATA) :]), "choices"):
            index = choice.get("index", 0)
            for place, text in _pieces(choice):
                pieces.setdefault((index, *place), []).append(text)
    joined = ((name, "".join(texts)) for (_, name, _), texts in pieces.items())
    return tuple(_respelled(text) if name == "arguments" else text for name, text in joined)


def _pieces(choice: Mapping[str, Any]) -> Iterator[tuple[tuple[str, int], str]]:
    """What one event adds, each piece with what it is part of."""
    if type(text := choice.get("text")) is str:
        yield ("text", 0), text
    delta = choice.get("delta")
    if type(delta) is not dict:
        return
    for name in _WORDS:
        if type(text := delta.get(name)) is str:
            yield (name, 0), text
    for place, call in enumerate(_listed(delta, "tool_calls")):
        function = call.get("function")
        if type(function) is dict and type(text := function.get("arguments")) is str:
            yield ("arguments", call.get("index", place)), text


def _of_choices(answer: object) -> Iterator[str]:
    for choice in _listed(answer, "choices"):
        if type(text := choice.get("text")) is str:
            yield text
        if type(message := choice.get("message")) is dict:
            yield from _said(message)


def _said(message: Mapping[str, Any]) -> Iterator[str]:
    """The texts of one message, of a request or of an answer."""
    for name in _WORDS:
        text = message.get(name)
        if type(text) is str:
            yield text
        elif type(text) is list:
            yield from (part["text"] for part in _listed(message, name) if type(part.get("text")) is str)
    calls = [call.get("function") for call in _listed(message, "tool_calls")]
    for function in (*calls, message.get("function_call")):
        if type(function) is dict and type(text := function.get("arguments")) is str:
            yield _respelled(text)


def _respelled(arguments: str) -> str:
    """Arguments with their escapes undone: clients write them anew, many of them in ASCII."""
    try:
        return _ENCODER.encode(msgspec.json.decode(arguments)).decode()
    except _UNREADABLE:
        return arguments


def _listed(holder: object, name: str) -> tuple[dict[str, Any], ...]:
    items = holder.get(name) if type(holder) is dict else None
    return tuple(item for item in items if type(item) is dict) if type(items) is list else ()


def _decoded(data: bytes) -> object:
    try:
        return msgspec.json.decode(data)
    except _UNREADABLE:
        return None
