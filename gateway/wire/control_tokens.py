"""Chat-template control tokens in a client's text: found, and replaced by a space before anybody scans it.

Model servers render messages into one template text, in which `<|im_start|>` written by a user is as good as one
written by the template (threats.md, evasion 12). A space, not nothing, takes the token's place: nothing that was on
its two sides can join into another token. What is scanned afterwards is what is sent.
"""

import re
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from gateway.wire.requests import Dialect, Request
from gateway.wire.strict_json import has_too_many_values

# <|name|> of ChatML, Llama 3, Qwen, GLM and Phi; the full-width form of DeepSeek; <<SYS>> and [INST] of Llama 2 and
# Mistral; the turns of Gemma. <s> and </s> are HTML as well, so they go only where they touch one of the others.
_ONE: Final = (
    r"(?:<\|[A-Za-z0-9_▁.:/-]{1,48}\|>|<｜[^\s｜<>]{1,48}｜>|<</?SYS>>|</?(?:start|end)_of_turn>"
    r"|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT)\])"
)
_TOKENS: Final = re.compile(rf"(?:</?s>\s{{0,8}}){{0,8}}{_ONE}(?:\s{{0,8}}(?:</?s>|{_ONE}))*")

# How a token begins in the bytes of a body. Patterns that begin with one literal byte cost a tenth of one that joins
# them; escapes, which could spell anything, are looked for first and undone by encoding the document anew.
_ESCAPE: Final = re.compile(rb"\\[u/]")
_NESTED_ESCAPE: Final = re.compile(rb"\\\\[u/]")
# As numbers: bytes would first be tried as one, and fail with an error that costs more than the search.
_BACKSLASH: Final = ord("\\")
_ANGLE: Final = ord("<")
_ANGLED: Final = re.compile(rb"<(?:\||\xef\xbd\x9c|</?SYS|/?(?:start|end)_of)")
_SQUARE: Final = re.compile(rb"\[/?(?:INST|SYSTEM_P|AVAILABLE_T|TOOL_)")

# Text that no template renders: what to stop at, names, and templates themselves.
_UNRENDERED: Final = frozenset({"model", "stop", "bad_words", "chat_template", "logit_bias", "user", "metadata"})

_DECODER: Final = msgspec.json.Decoder()
_ENCODER: Final = msgspec.json.Encoder()


def strip_control_tokens(request: Request, body: bytes) -> Request:
    """`request` without control tokens; the same object if there are none. `body` is what it was parsed from.

    A completion's prompt is no user turn but the template text itself (fill-in-the-middle needs its tokens), so it
    is left alone; the scanner reports what is in it.
    """
    if request.dialect is Dialect.COMPLETIONS or not _may_hold(request, body):
        return request
    document = {
        name: value if name in _UNRENDERED else _stripped(value, name) for name, value in request.document.items()
    }
    return request if document == request.document else replace(request, document=document)


def _may_hold(request: Request, body: bytes) -> bool:
    # The search for one byte costs nothing, and spares most bodies the pattern's.
    if _BACKSLASH in body and _ESCAPE.search(body) is not None:
        body = _ENCODER.encode(request.document)
        if _NESTED_ESCAPE.search(body) is not None:
            return True
    if _ANGLE in body and _ANGLED.search(body) is not None:
        return True
    # Most bodies have one such bracket, before their messages: it is looked at by itself, and the rest only if there is
    # more. To find a byte takes a tenth of what the expression takes to find where it might begin.
    at = body.find(b"[")
    if at < 0:
        return False
    if _SQUARE.match(body, at) is not None:
        return True
    at = body.find(b"[", at + 1)
    return at >= 0 and _SQUARE.search(body, at) is not None


def _stripped(value: Any, key: str) -> Any:
    # Recursion is bounded by the depth that the strict decoder lets through.
    if type(value) is str:
        if key == "arguments" and "\\" in value:
            return _stripped_arguments(value)
        return _TOKENS.sub(" ", value) if "<" in value or "[" in value else value
    if type(value) is dict:
        return {_TOKENS.sub(" ", name): _stripped(inner, name) for name, inner in value.items()}
    if type(value) is list:
        return [_stripped(inner, key) for inner in value]
    return value


def _stripped_arguments(text: str) -> str:
    # Templates parse a call's arguments and render them anew, so an escape in there spells a token again.
    if has_too_many_values(text.encode()):
        return _TOKENS.sub(" ", text)
    try:
        arguments = _DECODER.decode(text)
        stripped = _stripped(arguments, "")
        if stripped != arguments:
            return _ENCODER.encode(stripped).decode()
    except (msgspec.DecodeError, RecursionError):
        pass
    return _TOKENS.sub(" ", text)
