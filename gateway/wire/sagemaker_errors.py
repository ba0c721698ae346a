"""What SageMaker itself says when something goes wrong, turned into what the container would have said.

`ModelError` wraps the container's own answer, and that is unwrapped; everything else becomes the plain status that
tells the caller's side from ours. AWS's sentences are dropped, since they name accounts, endpoints and log streams;
its names of errors stay in the header `x-amzn-errortype`, from which the audit detail is made.
"""

import re
from typing import Final

import msgspec

from gateway.core.message import Headers

MAX_BODY: Final = 6 << 20
"""The longest body that `InvokeEndpoint` takes."""

ERROR_TYPE: Final = b"x-amzn-errortype"
COLD: Final = (b"x-tidegate-cold", b"1")
"""Stands beside the status of an answer that says that a model is being started: a header of ours, from nobody's."""

_NOT_READY: Final = "ModelNotReadyException"
# What SageMaker says of an inference component without a copy, as a `ValidationError`. Nothing else tells it apart.
_NO_COPY: Final = "has no capacity to process this request"

MODEL_ERROR: Final = "ModelError"

BUSY: Final = frozenset(
    {
        "ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded", "SlowDown",
        "ServiceUnavailable", "ServiceUnavailableException", "ModelNotReadyException",
    }
)  # fmt: skip
"""Come back later; says nothing about the request."""

_THROTTLED: Final = BUSY - {"ServiceUnavailable", "ServiceUnavailableException", "ModelNotReadyException"}

DENIED: Final = frozenset(
    {
        "AccessDeniedException", "AccessDenied", "UnrecognizedClientException", "InvalidClientTokenId",
        "ExpiredTokenException", "ExpiredToken", "InvalidSignatureException", "SignatureDoesNotMatch",
        "MissingAuthenticationTokenException", "MissingAuthenticationToken", "IncompleteSignatureException",
        "IncompleteSignature", "NotAuthorized", "OptInRequired",
    }
)  # fmt: skip
"""Our credentials are at fault, never the caller's."""

_NAME: Final = re.compile(r"(?:[^#:]*#)?([A-Za-z][A-Za-z0-9]{0,63})(?::.*)?")


class _Body(msgspec.Struct):
    type: str | None = msgspec.field(name="__type", default=None)
    OriginalStatusCode: int | None = None
    OriginalMessage: str | None = None
    Message: str | None = None
    message: str | None = None


_BODY: Final = msgspec.json.Decoder(_Body)


def kind_of(headers: Headers, body: bytes) -> str | None:
    """AWS's name of the error; None if this is no error of AWS's own."""
    told = next((value.decode("latin-1") for name, value in headers if name == ERROR_TYPE), None)
    written = _decoded(body)
    if told is None and written.OriginalStatusCode is not None:
        return MODEL_ERROR
    found = _NAME.fullmatch(told if told is not None else written.type or "")
    return found[1] if found is not None else None


def from_container(status: int, headers: Headers, body: bytes, *, sent: int) -> tuple[int, Headers, bytes]:
    """The error answer as the container would have given it. `sent` is how long our own body was."""
    kind = kind_of(headers, body)
    if kind is None:
        return status, headers, body
    told = (ERROR_TYPE, kind.encode())
    headers = (told, *(header for header in headers if header[0] not in (ERROR_TYPE, COLD[0])))
    if kind == MODEL_ERROR:
        written = _decoded(body)
        original = written.OriginalStatusCode or 0
        if 400 <= original <= 599:
            return original, headers, (written.OriginalMessage or "").encode()
        return 502, headers, b""
    if is_cold(kind, body):
        return 503, (COLD, *headers), b""
    if kind in BUSY:
        return busy_status(kind, status), headers, b""
    if kind in DENIED:
        return 403, headers, b""
    if status == 413 or sent > MAX_BODY:
        return 413, headers, b""
    # What is not valid about our request (an endpoint that is gone, say) is not the caller's to mend.
    return (status if status >= 500 else 502), headers, b""


def is_cold(kind: str, body: bytes = b"") -> bool:
    """Whether an error of this `kind` says that the model is being started, or is not even that: it has no copy."""
    if kind == _NOT_READY:
        return True
    if kind != "ValidationError":
        return False
    written = _decoded(body)
    return _NO_COPY in (written.Message or written.message or "")


def busy_status(kind: str, status: int = 0) -> int:
    """The status that says what an error `kind` of `BUSY` means: too much was asked of a service that is well, or 503.

    AWS's own `status` for throttling is often 400.
    """
    return 429 if kind in _THROTTLED or status == 429 else 503


def _decoded(body: bytes) -> _Body:
    try:
        return _BODY.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Body()
