"""A request body, decoded strictly: one JSON object in UTF-8, of bounded depth, with numbers that survive re-encoding.

Everything that two parsers could read differently is refused here, before anybody looks at the content (threats.md,
"The path of a request's text"). Duplicate keys need no rule: what leaves is encoded anew from what was scanned.
Errors say where and never quote.
"""

import re
from typing import Any, Final

import msgspec

from gateway.errors import InvalidRequest

MAX_DEPTH: Final = 64
MAX_CONTAINERS: Final = 100_000
MAX_COMMAS: Final = 1_000_000
"""Bounds on how many values a body can hold: what costs time is their number, not their bytes. Commas and brackets in
text count as well; text of that many does not fit any model's context."""

_LEAST: Final = -(1 << 63)
_MOST: Final = (1 << 64) - 1

_DECODER: Final = msgspec.json.Decoder()
_VALID: Final = re.compile(r"[^\udc80-\udcff]*")
_BYTE: Final = re.compile(r"\(byte (\d+)\)")
_LONE_SURROGATE: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\)\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)


def decode(body: bytes, *, max_depth: int = MAX_DEPTH) -> dict[str, Any]:
    """The object that `body` is. Raises InvalidRequest, with a sentence that says what is wrong and where."""
    if len(body) > MAX_CONTAINERS and has_too_many_values(body):
        raise InvalidRequest("The body holds too many values; send fewer, longer ones.", code="too_many_values")
    try:
        document = _DECODER.decode(body)
    except UnicodeDecodeError:
        raise InvalidRequest(_not_utf8(body), code="invalid_json") from None
    except RecursionError:
        raise _too_deep(max_depth) from None
    except msgspec.ValidationError:
        raise InvalidRequest("The body holds a number that is out of range.", code="invalid_json") from None
    except msgspec.DecodeError as exc:
        raise InvalidRequest(_malformed(body, str(exc)), code="invalid_json") from None
    if type(document) is not dict:
        raise InvalidRequest("The body must be a JSON object.", code="invalid_json")
    _check(document, max_depth)
    return document


def has_too_many_values(text: bytes) -> bool:
    """Whether decoding `text` could take long although its size is allowed."""
    if len(text) <= MAX_CONTAINERS:
        return False
    return text.count(b"{") + text.count(b"[") > MAX_CONTAINERS or text.count(b",") > MAX_COMMAS


def _check(document: dict[str, Any], max_depth: int) -> None:
    # Level by level, so that no depth can exhaust the stack. Values are few where bytes are many: looking at each of
    # them takes a third of what one pass over the bytes does.
    level: list[Any] = [document]
    for _ in range(max_depth):
        inner: list[Any] = []
        for container in level:
            if type(container) is dict:
                container = container.values()
            elif container and type(container[0]) is int and _is_small_numbers(container):
                continue
            for value in container:
                kind = type(value)
                if kind is str:
                    continue
                if kind is dict or kind is list:
                    inner += (value,)
                elif kind is int and not _LEAST <= value <= _MOST:
                    raise InvalidRequest("The body holds an integer of more than 64 bits.", code="invalid_json")
        if not inner:
            return
        level = inner
    raise _too_deep(max_depth)


def _is_small_numbers(values: list[Any]) -> bool:
    """Whether a list that begins with an integer is all integers of at most 64 bits, as token ids are."""
    return set(map(type, values)) == {int} and min(values) >= _LEAST and max(values) <= _MOST


def _too_deep(max_depth: int) -> InvalidRequest:
    return InvalidRequest(f"The body is nested more than {max_depth} levels deep.", code="invalid_json")


def _not_utf8(body: bytes) -> str:
    valid = _VALID.match(body.decode("utf-8", "surrogateescape"))
    offset = len(valid[0].encode()) if valid is not None else 0
    return f"The body is not valid UTF-8 (byte {offset})."


def _malformed(body: bytes, reason: str) -> str:
    if not body.strip():
        return "The body is empty; send a JSON object."
    if body.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        return "The body starts with a byte order mark; send plain UTF-8 without one."
    if "surrogate" in reason or _LONE_SURROGATE.search(body):
        return "The body holds an unpaired surrogate escape, which is no character."
    at = _BYTE.search(reason)
    if at is None:
        return "The body is not valid JSON: it ends in the middle of a value."
    where = int(at[1])
    if "trailing characters" in reason:
        # The decoder has already stepped over the first of them.
        return f"The body is not valid JSON: something follows the object (byte {where - 1})."
    if body[where : where + 1] in (b"N", b"I") or body[where - 1 : where + 1] == b"-I":
        return f"The body is not valid JSON: NaN and Infinity are no numbers (byte {where})."
    return f"The body is not valid JSON (byte {where})."
