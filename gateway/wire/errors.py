"""Errors as bytes: ours in OpenAI's form, and a model server's translated into ours.

What a model server says is shown to the caller only if the caller can mend the request and the sentence is short,
plain and gives nothing away; everything else becomes a sentence of ours. A server's 401 is our credential's fault
and never looks like the caller's.
"""

import re
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from gateway.core.message import Headers
from gateway.errors import (
    ColdStart,
    Saturated,
    TidegateError,
    Unauthenticated,
    Unavailable,
    UpstreamFailed,
    UpstreamRejected,
)
from gateway.wire.sagemaker_errors import COLD

MAX_SHOWN: Final = 300
MAX_RETRY_AFTER_S: Final = 3600.0

_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder()

# Statuses about the request itself. 404 is not one: path and model name are ours, so the caller cannot mend them.
_REJECTED: Final = frozenset({400, 413, 422})
_BUSY: Final = frozenset({408, 429, 503})

_CONTEXT_CODES: Final = frozenset({"context_length_exceeded", "exceed_context_size_error"})
_CONTEXT: Final = re.compile(
    r"context (?:length|size|window)|max_model_len|maximum (?:sequence|input|model) length|too many (?:input )?tokens"
    r"|(?:prompt|input) is too long",
    re.IGNORECASE,
)
# Tracebacks, source files, paths, addresses and links: what an error of a server's inside looks like.
_REVEALING: Final = re.compile(
    r"Traceback|\.py\b|\bline \d|0x[0-9a-fA-F]{4}|\w://|www\.|localhost|\d{1,3}(?:\.\d{1,3}){3}|[\\@]"
    r"|(?:^|[\s'\"`(=:,\[{<])[~.]{0,2}/\w|\b[\w-]+(?:\.[\w-]+)+:\d|\b[\w-]+\.(?:com|net|org|io|ai|cn|internal|local)\b",
    re.IGNORECASE,
)
_AWS: Final = (b"x-amzn-errortype", b"x-amzn-requestid")
_AWS_WORD: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
_PARAM: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.\[\]]{0,79}")

_TOO_LONG: Final = "The request is longer than the model's context window. Shorten the input or ask for fewer tokens."
_TOO_LARGE: Final = "The request is too large for the model server."


def body_of(error: TidegateError) -> bytes:
    """The body of an error answer."""
    return _ENCODER.encode({"error": _object(error)})


def event_of(error: TidegateError) -> bytes:
    """The event that tells a client in the middle of a stream."""
    return b"data: " + body_of(error) + b"\n\n"


def headers_of(error: TidegateError) -> Headers:
    """The headers that belong to an error answer."""
    headers = [(b"content-type", b"application/json")]
    if error.retry_after_s is not None:
        # Rounded up: a caller that returns a moment too early has waited for nothing.
        headers.append((b"retry-after", b"%d" % max(1, -int(-error.retry_after_s // 1))))
    if isinstance(error, Unauthenticated):
        headers.append((b"www-authenticate", b"Bearer"))
    return tuple(headers)


def _object(error: TidegateError) -> dict[str, str | None]:
    return {"message": error.message, "type": error.type, "param": error.param, "code": error.error_code}


def from_upstream(
    status: int, headers: Headers, body: bytes, *, now: float, private: Collection[str] = ()
) -> TidegateError:
    """What a model server's answer with `status` means to the caller. `now` is Unix time, for dates in `headers`.

    `private` are names, such as the pool's own model name, that a sentence must not hold if it is to be shown.
    """
    detail = f"upstream status {status}{aws_detail(headers)}"
    if status == 503 and COLD in headers:
        return ColdStart(detail=f"cold start: {detail}")
    if status in _BUSY:
        retry_after_s = _retry_after(headers, now)
        # A 503 without a date may be a server that is dead behind its proxy; with one it speaks for itself.
        is_full = status == 429 or (status == 503 and retry_after_s is not None)
        return (Saturated if is_full else Unavailable)(detail=detail, retry_after_s=retry_after_s)
    if status not in _REJECTED:
        return UpstreamFailed(detail=detail)
    try:
        document = _DECODER.decode(body)
    except (ValueError, RecursionError):
        document = None
    return _rejected(status, document, private, detail)


def aws_detail(headers: Headers) -> str:
    """AWS's name of an error and its id of a request, for whoever has to ask AWS; empty for every other server."""
    said = {name: value.decode("latin-1") for name, value in headers if name in _AWS}
    kind, request_id = (said.get(name, "") for name in _AWS)
    named = f" {kind}" if _AWS_WORD.fullmatch(kind) else ""
    return named + (f" (request {request_id})" if _AWS_WORD.fullmatch(request_id) else "")


def from_event(error: object, *, private: Collection[str] = ()) -> TidegateError:
    """What an `error` inside a stream or a 200 means. Its integer `code`, if it has one, stands for the status."""
    status = error.get("code") if isinstance(error, dict) else None
    if isinstance(status, int) and status in _REJECTED:
        return _rejected(status, {"error": error}, private, f"upstream status {status}")
    if isinstance(status, int) and status in _BUSY:
        return (Saturated if status == 429 else Unavailable)(detail=f"error in a stream, code {status}")
    return UpstreamFailed(detail="error in a stream")


def _rejected(status: int, document: Any, private: Collection[str], detail: str) -> UpstreamRejected:
    message, param, names = _parts(document)
    if names & _CONTEXT_CODES or _CONTEXT.search(message):
        return UpstreamRejected(status, _TOO_LONG, detail=detail, param=param, code="context_length_exceeded")
    if _may_show(message, private):
        return UpstreamRejected(status, message, detail=detail, param=param)
    return UpstreamRejected(status, _TOO_LARGE if status == 413 else None, detail=detail, param=param)


def _parts(document: Any) -> tuple[str, str | None, set[str]]:
    """Message, parameter and the names of type and code, from any of the forms that servers use (backends.md)."""
    if not isinstance(document, dict):
        return "", None, set()
    error = document.get("error", document.get("detail"))
    if isinstance(error, list) and error:
        # FastAPI: [{"loc": ["body", "messages"], "msg": "Field required", "type": "missing"}]
        error = error[0]
    if isinstance(error, str):
        return error, None, set()
    if not isinstance(error, dict):
        return "", None, set()
    message = error.get("message", error.get("msg"))
    where = error.get("param")
    if where is None and isinstance(error.get("loc"), list):
        where = ".".join(map(str, error["loc"]))
    named = _PARAM.fullmatch(where.removeprefix("body.")) if isinstance(where, str) else None
    names = {name for name in (error.get("type"), error.get("code")) if isinstance(name, str)}
    return (message if isinstance(message, str) else ""), (named[0] if named else None), names


def _may_show(message: str, private: Collection[str]) -> bool:
    return (
        0 < len(message) <= MAX_SHOWN
        and message.isprintable()
        and _REVEALING.search(message) is None
        and not any(name in message for name in private)
    )


# Retry-After

_DATE: Final = re.compile(
    r"[A-Z][a-z]{2}, (\d{2}) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) (\d{4}) (\d{2}):(\d{2}):(\d{2}) GMT"
)
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _retry_after(headers: Headers, now: float) -> float | None:
    for name, value in headers:
        if name.lower() == b"retry-after":
            seconds = _seconds(value.decode("latin-1").strip(), now)
            return None if seconds is None else min(max(seconds, 0.0), MAX_RETRY_AFTER_S)
    return None


def _seconds(value: str, now: float) -> float | None:
    if value.isascii() and value.isdigit() and len(value) <= 9:
        return float(value)
    date = _DATE.fullmatch(value)
    if date is None:
        return None
    day, month, year, hour, minute, second = date.groups()
    try:
        at = datetime(int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second), tzinfo=UTC)
    except ValueError:
        return None
    return at.timestamp() - now
