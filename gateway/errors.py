"""Every exception that Tidegate raises towards a caller: status, type and code as class data.

`message` may be shown to the tenant. `detail` is for the log; it names things (an endpoint, an exception's type and
errno) and never quotes a body, a header or the text of a foreign exception. `wire/errors.py` is the only file that
turns these into bytes.
"""

from typing import ClassVar


class TidegateError(Exception):
    """The root. Subclasses set `status` (HTTP), `type` and `code` (OpenAI's error object)."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    code: ClassVar[str | None] = "internal_error"
    default_message: ClassVar[str] = "The gateway failed to handle this request."
    default_retry_after_s: ClassVar[float | None] = None

    def __init__(
        self,
        message: str | None = None,
        *,
        detail: str = "",
        param: str | None = None,
        code: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        self.message = message or self.default_message
        self.detail = detail
        self.param = param
        self.error_code = code if code is not None else type(self).code
        self.retry_after_s = retry_after_s if retry_after_s is not None else type(self).default_retry_after_s
        self.http_status = type(self).status
        super().__init__(self.message)


class InvalidRequest(TidegateError):
    """The request cannot be understood: bad JSON, a wrong type, a missing field."""

    status = 400
    type = "invalid_request_error"
    code = "invalid_request"
    default_message = "The request is not valid."


class Unauthenticated(TidegateError):
    """No credential, or one that nobody has."""

    status = 401
    type = "invalid_request_error"
    code = "invalid_api_key"
    default_message = "Incorrect API key provided. Send a key of this gateway as 'Authorization: Bearer <key>'."


class Forbidden(TidegateError):
    """The policy refuses this request."""

    status = 403
    type = "permission_error"
    code = "denied_by_policy"
    default_message = "The policy does not allow this request."


class NotFound(TidegateError):
    """No such path or model."""

    status = 404
    type = "invalid_request_error"
    code = "unknown_url"
    default_message = "Unknown request URL."


class MethodNotAllowed(TidegateError):
    """The path exists, the method does not."""

    status = 405
    type = "invalid_request_error"
    code = "method_not_allowed"
    default_message = "This path does not allow that method."


class RequestTimeout(TidegateError):
    """The client took too long to send its request."""

    status = 408
    type = "invalid_request_error"
    code = "request_timeout"
    default_message = "The request was not received in time."


class TooLarge(TidegateError):
    """The body is above the gateway's limit."""

    status = 413
    type = "invalid_request_error"
    code = "request_too_large"
    default_message = "The request body is too large."


class UnsupportedMediaType(TidegateError):
    """The body is not JSON, or is encoded in a way that is not accepted."""

    status = 415
    type = "invalid_request_error"
    code = "unsupported_media_type"
    default_message = "Send the body as 'Content-Type: application/json' without a content encoding."


class HeadersTooLarge(TidegateError):
    """The request's head is above the gateway's limit."""

    status = 431
    type = "invalid_request_error"
    code = "headers_too_large"
    default_message = "The request headers are too large."


class UpstreamRejected(TidegateError):
    """A model server refused the request itself: the caller can mend it. `http_status` is the server's own 4xx."""

    status = 400
    type = "invalid_request_error"
    code = "upstream_rejected"
    default_message = "The model server rejected the request."

    def __init__(
        self,
        status: int,
        message: str | None = None,
        *,
        detail: str = "",
        param: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message, detail=detail, param=param, code=code)
        self.http_status = status


class UpstreamFailed(TidegateError):
    """A model server broke off, answered nonsense, or reported an error of its own."""

    status = 502
    type = "server_error"
    code = "upstream_failed"
    default_message = "The model server failed to answer."


class Unavailable(TidegateError):
    """Nothing that may see this request can take it now."""

    status = 503
    type = "server_error"
    code = "unavailable"
    default_message = "No model server that may see this request is available. Retry later."
    default_retry_after_s = 1.0


class Saturated(Unavailable):
    """A model server said that it is full, and perhaps until when: it is well, and others may have room."""


class ColdStart(Saturated):
    """A model is being started from nothing, or nobody has started it yet: only time helps, and it is minutes."""

    code = "cold_start"
    default_message = "The model server that could take this request is being started. Retry later."
    default_retry_after_s = 30.0


class Unreachable(Unavailable):
    """No connection to a model server could be had, so that nothing was sent."""


class BudgetSpent(Unavailable):
    """It could only be served in the cloud, and the money set aside for that is spent."""

    code = "budget_spent"
    default_message = "The budget for the model servers that could take this request is spent. Retry later."
    default_retry_after_s = 60.0


class Overloaded(TidegateError):
    """Every permitted place is full and the wait that the policy allows is over."""

    status = 503
    type = "server_error"
    code = "overloaded"
    default_message = "The model servers that may see this request are full. Retry later."


class LimitReached(TidegateError):
    """A tenant has used up what its limits allow for now. Subclasses say of what."""

    status = 429
    type = "requests"
    code = "rate_limit_exceeded"
    default_message = "Rate limit reached for requests per minute."


class TokensSpent(LimitReached):
    """The tokens of a minute are used up."""

    type = "tokens"
    default_message = "Rate limit reached for tokens per minute."


class TooManyAtOnce(LimitReached):
    """As many requests are under way as the tenant may have."""

    default_message = "Rate limit reached for requests under way at the same time."


class MoneySpent(LimitReached):
    """The money for an hour, a day or a month is spent."""

    type = "insufficient_quota"
    code = "insufficient_quota"
    default_message = "You have spent your quota of money for now."


class AuditUnavailable(TidegateError):
    """The audit log cannot take the record that this request needs, so the request is refused."""

    status = 503
    type = "server_error"
    code = "audit_unavailable"
    default_message = "The gateway cannot record this request and therefore refuses it. Retry later."
    default_retry_after_s = 1.0


class NotStored(TidegateError):
    """The client wants a stored answer or none, and there is none that it may have (RFC 9111, 5.2.1.7)."""

    status = 504
    type = "invalid_request_error"
    code = "not_cached"
    default_message = "No answer to this request is stored. Leave out 'only-if-cached' to have one made."


class UpstreamTimeout(TidegateError):
    """A model server did not answer in time."""

    status = 504
    type = "server_error"
    code = "upstream_timeout"
    default_message = "The model server did not answer in time."


class DeadlineExceeded(TidegateError):
    """The time that the client itself gave the request is over."""

    status = 504
    type = "server_error"
    code = "deadline_exceeded"
    default_message = "The time that the client gave this request is over. Give it more, or ask for less."


class ClearanceRefused(TidegateError):
    """The door did not open: the clearance is forged, spent, stale, or for something else. A fault of ours."""

    status = 503
    type = "server_error"
    code = "clearance_refused"
    default_message = "The gateway refused to send this request. Retry."


class Superseded(TidegateError):
    """What governs has changed, and this worker, which is leaving, cannot decide by it."""

    status = 503
    type = "server_error"
    code = "configuration_changed"
    default_message = "The gateway's configuration has just changed. Send the request again."
    default_retry_after_s = 0.5


class ClearanceStale(ClearanceRefused):
    """The door did not open because something was tightened, or another bundle activated, since the clearance was
    made. The request is decided again."""


class RescanAbove(ClearanceRefused):
    """The door did not open because the final bytes are above the label that was decided on. The request is decided
    again, under `label`, the rank of what they are."""

    def __init__(self, label: int, *, detail: str) -> None:
        super().__init__(detail=detail)
        self.label = label


class RescanIncomplete(ClearanceRefused):
    """The door did not open because the final bytes could not be scanned to the end. No fault of the clearance: a pool
    that demands no such scan may have the request."""
