"""What the SageMaker runtime itself answers: its errors by name, with status and shape, and the heads of its answers.

The names, statuses and members are those of the service's model; errors of the front door (throttling, signatures)
have none there and are written as AWS's JSON services write them: the name in a header and in `__type`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from gateway.core.message import Headers
from gateway.lane import frames

JSON: Final = b"application/json"
VARIANT: Final = b"AllTraffic"
ACCOUNT: Final = "123456789012"
MAX_BODY: Final = 6 * 1024 * 1024

_MODELLED: Final[Mapping[str, int]] = MappingProxyType(
    {
        "InternalFailure": 500,
        "ServiceUnavailable": 503,
        "ValidationError": 400,
        "ModelError": 424,
        "InternalDependencyException": 530,
        "ModelNotReadyException": 429,
    }
)
_FRONT_DOOR: Final[Mapping[str, int]] = MappingProxyType(
    {
        "ThrottlingException": 400,
        "AccessDeniedException": 403,
        "ExpiredTokenException": 403,
        "IncompleteSignatureException": 403,
        "InvalidSignatureException": 403,
        "MissingAuthenticationTokenException": 403,
        "UnrecognizedClientException": 403,
        "UnknownOperationException": 404,
    }
)
STATUSES: Final[Mapping[str, int]] = MappingProxyType({**_MODELLED, **_FRONT_DOOR})
"""The HTTP status of every error that the service has."""

# What the older of AWS's frameworks write behind the name; a client has to cut it off.
_NAMESPACE: Final = ":http://internal.amazon.com/coral/com.amazonaws.sagemaker.runtime/"

MESSAGES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "InternalFailure": "An internal failure occurred.",
        "ServiceUnavailable": "The service is temporarily unavailable. Try your call again.",
        "ModelError": "Received server error (500) from primary.",
        "InternalDependencyException": "A dependency failed.",
        "ModelNotReadyException": "The model is not ready for inference. Try your call again.",
        "ThrottlingException": "Rate exceeded",
        "ModelStreamError": "The model's stream broke.",
        "InternalStreamFailure": "The stream failed.",
    }
)
"""What an error says unless it is told to say something else."""


@dataclass(frozen=True, slots=True)
class ServiceError:
    """One answer of the service that is not the container's. `members` beside the message: `ModelError` has some."""

    name: str
    message: str
    members: tuple[tuple[str, str | int], ...] = ()
    status: int | None = None
    retry_after: str | None = None

    def answer(self, request_id: str) -> "Answer":
        """The whole answer, as every route gives it."""
        body: dict[str, str | int] = {"__type": self.name, "Message": self.message, **dict(self.members)}
        headers: Headers = (
            (b"x-amzn-RequestId", request_id.encode()),
            (b"x-amzn-ErrorType", (self.name + (_NAMESPACE if self.name in _MODELLED else "")).encode()),
            (b"Content-Type", JSON),
        )
        if self.retry_after is not None:
            headers = (*headers, (b"Retry-After", self.retry_after.encode()))
        status = self.status if self.status is not None else STATUSES[self.name]
        return Answer(status, headers, json.dumps(body).encode())


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer to one request; framing it is the connection's."""

    status: int
    headers: Headers
    body: bytes


def unsigned() -> ServiceError:
    """Nothing says who is calling."""
    return ServiceError("MissingAuthenticationTokenException", "Missing Authentication Token")


def unknown_operation() -> ServiceError:
    """The method and path are no operation of the service."""
    return ServiceError("UnknownOperationException", "Unable to determine service/operation name to be authorized")


def unknown_endpoint(name: str) -> ServiceError:
    """There is no endpoint of that name."""
    return ServiceError("ValidationError", f"Endpoint {name} of account {ACCOUNT} not found.")


def too_large() -> ServiceError:
    """The body is longer than the service takes."""
    return ServiceError("ValidationError", f"1 validation error detected: Body must be at most {MAX_BODY} bytes.")


def model_error(status: int, body: bytes, *, endpoint: str, region: str) -> ServiceError:
    """The container answered with an error. Its words are in the message: they may hold a traceback."""
    said = body[:2048].decode("utf-8", "replace")
    kind = "client" if 400 <= status < 500 else "server"
    group = f"/aws/sagemaker/Endpoints/{endpoint}"
    message = (
        f'Received {kind} error ({status}) from primary with message "{said}". See '
        f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#logEventViewer:group={group} "
        f"in account {ACCOUNT} for more information."
    )
    return _model_error(message, status, said, group, region)


def model_timeout(*, endpoint: str, region: str) -> ServiceError:
    """The container took too long to begin its answer."""
    said = "Your invocation timed out while waiting for a response from container primary."
    message = f'Received server error (0) from primary with message "{said}".'
    return _model_error(message, 0, said, f"/aws/sagemaker/Endpoints/{endpoint}", region)


def _model_error(message: str, status: int, said: str, group: str, region: str) -> ServiceError:
    return ServiceError(
        "ModelError",
        message,
        (
            ("ErrorCode", "CLIENT_ERROR_FROM_MODEL" if 400 <= status < 500 else "SERVER_ERROR_FROM_MODEL"),
            ("OriginalStatusCode", status),
            ("OriginalMessage", said),
            ("LogStreamArn", f"arn:aws:logs:{region}:{ACCOUNT}:log-group:{group}"),
        ),
    )


def whole_headers(request_id: str, content_type: bytes) -> Headers:
    """The head of a whole answer of `InvokeEndpoint`."""
    return (
        (b"x-amzn-RequestId", request_id.encode()),
        (b"x-Amzn-Invoked-Production-Variant", VARIANT),
        (b"Content-Type", content_type),
    )


def stream_headers(request_id: str, content_type: bytes) -> Headers:
    """The head of an answer of `InvokeEndpointWithResponseStream`; the container's content type has its own header."""
    return (
        (b"x-amzn-RequestId", request_id.encode()),
        (b"x-Amzn-Invoked-Production-Variant", VARIANT),
        (b"X-Amzn-SageMaker-Content-Type", content_type),
        (b"Content-Type", frames.CONTENT_TYPE),
    )
