"""What SageMaker says when something goes wrong, as the container would have said it."""

import json

import pytest

from gateway.errors import ColdStart, Saturated, Unavailable, UpstreamFailed, UpstreamRejected
from gateway.wire.errors import from_upstream
from gateway.wire.sagemaker_errors import COLD, MAX_BODY, from_container, kind_of

TYPE = b"x-amzn-errortype"


def model_error(status: object, message: object = "") -> bytes:
    return json.dumps(
        {
            "ErrorCode": "CLIENT_ERROR_FROM_MODEL",
            "LogStreamArn": "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/sagemaker",
            "Message": "Received client error (400) from primary ... See https://console",
            "OriginalMessage": message,
            "OriginalStatusCode": status,
        }
    ).encode()


@pytest.mark.parametrize(
    ("headers", "body", "kind"),
    [
        (((TYPE, b"ModelError"),), b"", "ModelError"),
        (((TYPE, b"ValidationError:http://internal.example/coral/"),), b"", "ValidationError"),
        ((), b'{"__type": "com.amazon.coral.service#AccessDeniedException"}', "AccessDeniedException"),
        ((), b'{"__type": "ThrottlingException"}', "ThrottlingException"),
        ((), model_error(400), "ModelError"),
        ((), b'{"error": {"message": "from a container"}}', None),
        ((), b'{"__type": "what a prompt said"}', None),
        ((), b'{"OriginalStatusCode": "x"}', None),
        ((), b"<html>", None),
        ((), b"\xff", None),
        ((), b"[" * 100_000, None),
    ],
)
def test_who_speaks_is_read_from_header_or_body(headers, body, kind):
    assert kind_of(headers, body) == kind


@pytest.mark.parametrize(
    ("status", "kind", "body", "expected"),
    [
        (424, "ModelError", model_error(400, '{"error": {"message": "m"}}'), (400, b'{"error": {"message": "m"}}')),
        (424, "ModelError", model_error(503), (503, b"")),
        (424, "ModelError", model_error(200), (502, b"")),
        (424, "ModelError", model_error(None, None), (502, b"")),
        (424, "ModelError", b"cut", (502, b"")),
        # Full, and well.
        (400, "ThrottlingException", b"{}", (429, b"")),
        (503, "SlowDown", b"{}", (429, b"")),
        (503, "ServiceUnavailable", b"{}", (503, b"")),
        (400, "ExpiredTokenException", b"{}", (403, b"")),
        (403, "AccessDeniedException", b'{"Message": "User: arn:aws:iam"}', (403, b"")),
        (400, "ValidationError", b'{"Message": "Endpoint x of account 1 not found."}', (502, b"")),
        (413, "SomethingLarge", b"{}", (413, b"")),
        (500, "InternalFailure", b"{}", (500, b"")),
        (530, "InternalDependencyException", b"{}", (530, b"")),
        (404, "UnknownOperationException", b"{}", (502, b"")),
    ],
)
def test_only_the_containers_own_words_remain(status, kind, body, expected):
    headers = ((b"retry-after", b"3"), (TYPE, kind.encode() + b":http://internal/"))
    got, kept, said = from_container(status, headers, body, sent=10)
    assert (got, said) == expected
    assert sorted(kept) == [(b"retry-after", b"3"), (TYPE, kind.encode())]


NO_COPY = (
    "Inference Component has no capacity to process this request. ApplicationAutoScaling may be in-progress (if "
    "configured) or try to increase the capacity by invoking UpdateInferenceComponentRuntimeConfig API."
)


@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [
        (429, "ModelNotReadyException", b"{}"),
        (503, "ModelNotReadyException", b"{}"),
        (400, "ValidationError", json.dumps({"Message": NO_COPY}).encode()),
        (400, "ValidationError", json.dumps({"message": NO_COPY}).encode()),
    ],
)
def test_a_model_that_is_being_started_is_neither_full_nor_broken(status, kind, body):
    got, headers, said = from_container(status, ((TYPE, kind.encode()),), body, sent=10)
    assert (got, said) == (503, b"")
    error = from_upstream(got, headers, said, now=0.0)
    assert isinstance(error, ColdStart)
    assert (error.http_status, error.error_code, error.retry_after_s) == (503, "cold_start", 30.0)
    assert error.detail == f"cold start: upstream status 503 {kind}"
    assert "capacity" not in error.message


def test_only_sagemaker_says_that_a_model_is_being_started():
    headers = (COLD, (TYPE, b"ServiceUnavailable"))
    assert COLD not in from_container(503, headers, b"{}", sent=10)[1]
    assert not isinstance(from_upstream(429, (COLD,), b"", now=0.0), ColdStart)


def test_a_body_that_was_too_long_is_the_callers_to_mend():
    headers = ((TYPE, b"ValidationError"),)
    assert from_container(400, headers, b"{}", sent=MAX_BODY + 1)[0] == 413


def test_what_is_not_awss_passes_as_it_is():
    answer = (400, ((b"content-type", b"application/json"),), b'{"error": "m"}')
    assert from_container(*answer, sent=10) == answer


@pytest.mark.parametrize(
    ("status", "body", "error", "shown"),
    [
        (
            424,
            model_error(400, '{"error": {"message": "Messages must not be empty."}}'),
            UpstreamRejected,
            "not be empty",
        ),
        (424, model_error(400, "Traceback (most recent call last): x.py"), UpstreamRejected, "rejected the request"),
        (424, model_error(500, "Traceback"), UpstreamFailed, "failed to answer"),
        (424, model_error(429), Saturated, "Retry later"),
        (424, model_error(503), Unavailable, "Retry later"),
        (424, model_error(404, "model m"), UpstreamFailed, "failed to answer"),
    ],
)
def test_the_caller_hears_of_a_model_error_only_what_can_be_mended(status, body, error, shown):
    found = from_upstream(*from_container(status, ((TYPE, b"ModelError"),), body, sent=10), now=0.0)
    assert type(found) is error
    assert shown in found.message
    assert "ModelError" in found.detail
