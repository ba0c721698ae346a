"""Chat-template control tokens in a client's text: found, and replaced by a space before anybody scans it.

Model servers render messages into one template text, in which `<|im_start|>` written by a user is as good as one
written by the template (threats.md, evasion 12). A space, not nothing, takes the token's place: nothing that was on
its two sides can join into another token. What is scanned afterwards is what is sent.
"""

import re
from dataclasses import replace
from typing import Any, Final

import msgspec

from gateway.wire.requests import Dialect, Request

# <|name|> of ChatML, Llama 3, Qwen, GLM and Phi; the full-width form of DeepSeek; [INST] and <<SYS>> of Llama 2 and
# Mistral; the turns of Gemma. <s> and </s> are HTML as well, so they go only where they touch one of the others.
_ONE: Final = (
    r"(?:<\|[A-Za-z0-9_▁.:/-]{1,48}\|>|<｜[^\s｜<>]{1,48}｜>|<</?SYS>>|</?(?:start|end)_of_turn>"
    r"|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|THINK|PREFIX|MIDDLE|SUFFIX)\])"
)
_TOKENS: Final = re.compile(rf"(?:</?s>\s{{0,8}}){{0,8}}{_ONE}(?:\s{{0,8}}(?:</?s>|{_ONE}))*")

# What the bytes of a body hold if one of its strings can hold a token: its opening, or an escape that could spell it.
_HINT: Final = re.compile(rb"<[|<\xef]|<\\/?[uS]|<(?:start|end)_of|\[\\?/?[A-Z]|\\u00|\\u[fF][fF]")

# Text that no template renders: what to stop at, names, and templates themselves.
_UNRENDERED: Final = frozenset({"model", "stop", "bad_words", "chat_template", "logit_bias", "user", "metadata"})

_DECODER: Final = msgspec.json.Decoder()
_ENCODER: Final = msgspec.json.Encoder()


def strip_control_tokens(request: Request, body: bytes) -> Request:
    """`request` without control tokens; the same object if there are none. `body` is what it was parsed from.

    A completion's prompt is no user turn but the template text itself (fill-in-the-middle needs its tokens), so it
    is left alone; the scanner reports what is in it.
    """
    if request.dialect is Dialect.COMPLETIONS or _HINT.search(body) is None:
        return request
    document = {
        name: value if name in _UNRENDERED else _stripped(value, name) for name, value in request.document.items()
    }
    return request if document == request.document else replace(request, document=document)


def _stripped(value: Any, key: str) -> Any:
    # Recursion is bounded by the depth that the strict decoder lets through.
    if type(value) is str:
        return _stripped_arguments(value) if key == "arguments" and "\\" in value else _TOKENS.sub(" ", value)
    if type(value) is dict:
        return {_TOKENS.sub(" ", name): _stripped(inner, name) for name, inner in value.items()}
    if type(value) is list:
        return [_stripped(inner, key) for inner in value]
    return value


def _stripped_arguments(text: str) -> str:
    # Templates parse a call's arguments and render them anew, so an escape in there spells a token again.
    try:
        arguments = _DECODER.decode(text)
        stripped = _stripped(arguments, "")
    except (msgspec.DecodeError, RecursionError):
        return _TOKENS.sub(" ", text)
    return _TOKENS.sub(" ", text) if stripped == arguments else _ENCODER.encode(stripped).decode()
