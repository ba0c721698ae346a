"""Errors have one form, and a model server's words are shown only if they are short, plain and harmless."""

import json

import pytest

from gateway.errors import (
    Forbidden,
    InvalidRequest,
    Overloaded,
    Saturated,
    TidegateError,
    Unauthenticated,
    Unavailable,
    UpstreamFailed,
    UpstreamRejected,
)
from gateway.wire.errors import body_of, event_of, from_event, from_upstream, headers_of
from tests.wire.recordings import recording

NOW = 1_795_256_790.0  # Sat, 21 Nov 2026 10:26:30 GMT


def upstream(name: str) -> TidegateError:
    answer = recording(name)
    return from_upstream(answer.status, answer.headers, answer.body, now=NOW)


def rejected(body: object, status: int = 400, **options) -> TidegateError:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return from_upstream(status, (), raw, now=NOW, **options)


def test_a_body_and_an_event_hold_openais_object():
    error = InvalidRequest("Nö.", param="n", code="invalid_type")
    expected = {"error": {"message": "Nö.", "type": "invalid_request_error", "param": "n", "code": "invalid_type"}}
    assert json.loads(body_of(error)) == expected
    assert event_of(error) == b"data: " + body_of(error) + b"\n\n"


def test_detail_is_never_in_the_bytes():
    assert b"endpoint-7" not in body_of(UpstreamFailed(detail="endpoint-7"))


@pytest.mark.parametrize(
    ("error", "headers"),
    [
        (Forbidden(), {}),
        (Unauthenticated(), {b"www-authenticate": b"Bearer"}),
        (Overloaded(retry_after_s=0), {b"retry-after": b"1"}),
        (Overloaded(retry_after_s=0.2), {b"retry-after": b"1"}),
        (Overloaded(retry_after_s=2.1), {b"retry-after": b"3"}),
        (Overloaded(retry_after_s=7), {b"retry-after": b"7"}),
    ],
)
def test_headers_follow_from_the_error(error, headers):
    assert dict(headers_of(error)) == {b"content-type": b"application/json", **headers}


@pytest.mark.parametrize(
    ("name", "status", "code", "param", "message"),
    [
        ("vllm_badparam", 400, "upstream_rejected", "temperature", "temperature must be in [0, 2], got 9.0."),
        ("vllm_missing", 400, "upstream_rejected", "messages", "The model server rejected the request."),
        ("vllm_badjson", 400, "upstream_rejected", None, "The model server rejected the request."),
        ("vllm_toolong", 400, "context_length_exceeded", "input_tokens", "The request is longer than the model's"),
        ("vllm_maxtok", 400, "context_length_exceeded", "max_tokens", "The request is longer than the model's"),
        ("vllm_tool_auto_off", 400, "upstream_rejected", None, '"auto" tool choice requires'),
        ("llamacpp_bad", 400, "upstream_rejected", None, "The model server rejected the request."),
        ("llamacpp_missing", 400, "upstream_rejected", None, "'messages' is required"),
        ("llamacpp_toolong", 400, "context_length_exceeded", None, "The request is longer than the model's"),
    ],
)
def test_a_recorded_rejection_is_passed_on_where_the_caller_can_mend_it(name, status, code, param, message):
    error = upstream(name)
    assert isinstance(error, UpstreamRejected)
    assert error.http_status == status
    assert error.error_code == code
    assert error.param == param
    assert error.message.startswith(message)
    assert error.detail == f"upstream status {status}"


@pytest.mark.parametrize(
    "name",
    [
        "vllm_badmodel",  # the name is ours, not the caller's
        "vllm_notfound",
        "vllm_method",
        "vllm_noauth",
        "vllm_engine_dead_1",
        "llamacpp_nf",
        "llamacpp_embed",
    ],
)
def test_a_recorded_fault_of_the_server_or_of_ours_is_not_the_callers(name):
    error = upstream(name)
    assert isinstance(error, UpstreamFailed)
    assert (error.http_status, error.message) == (502, UpstreamFailed.default_message)
    assert error.detail == f"upstream status {recording(name).status}"


@pytest.mark.parametrize("status", [204, 301, 307, 401, 402, 403, 404, 405, 409, 415, 424, 500, 501, 502, 504, 529])
def test_every_other_status_is_a_failure_and_says_nothing(status):
    error = rejected({"error": {"message": "Bad key sk-123", "type": "x"}}, status)
    assert type(error) is UpstreamFailed
    assert b"sk-123" not in body_of(error)


@pytest.mark.parametrize("status", [408, 429, 503])
@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        (b"7", 7.0),
        (b" 0 ", 0.0),
        (b"999999", 3600.0),
        (b"9999999999", None),
        (b"-3", None),
        (b"1.5", None),
        (b"soon", None),
        (b"\xb2", None),
        (b"Sat, 21 Nov 2026 10:26:40 GMT", 10.0),
        (b"Sat, 21 Nov 2026 10:26:00 GMT", 0.0),
        (b"Sat, 31 Feb 2026 10:26:00 GMT", None),
        (b"Sat, 21 Nov 2026 10:26:40 CET", None),
    ],
)
def test_a_busy_server_is_unavailable_for_as_long_as_it_says(status, value, seconds):
    headers = ((b"date", b"x"), *(((b"Retry-After", value),) if value is not None else ()))
    error = from_upstream(status, headers, b"<html>busy</html>", now=NOW)
    assert isinstance(error, Unavailable)
    # Full, and well: it says so with 429, or with 503 and until when. Anything else may be a server that is dead.
    assert isinstance(error, Saturated) is (status == 429 or (status == 503 and seconds is not None))
    # A server that does not say when is asked again after a second.
    assert error.retry_after_s == (seconds if seconds is not None else 1.0)


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "n is too high", "code": 400}},
        {"error": {"message": "n is too high", "code": "x", "type": "y", "param": None}},
        {"error": "n is too high"},
        {"detail": "n is too high"},
        {"detail": [{"loc": ["body", "n"], "msg": "n is too high", "type": "value_error"}]},
    ],
)
@pytest.mark.parametrize("status", [400, 413, 422])
def test_every_form_of_a_short_plain_sentence_is_shown(body, status):
    error = rejected(body, status)
    assert isinstance(error, UpstreamRejected)
    assert (error.http_status, error.message) == (status, "n is too high")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"detail": [{"loc": ["body", "messages", 0, "role"], "msg": "Field required"}]}, "messages.0.role"),
        ({"error": {"message": "no", "param": "messages[0].role"}}, "messages[0].role"),
        ({"error": {"message": "no", "param": "a secret sentence"}}, None),
        ({"error": {"message": "no", "param": 7}}, None),
        ({"error": {"message": "no", "loc": "body"}}, None),
        ({"error": "no"}, None),
    ],
)
def test_the_parameter_is_passed_on_if_it_is_one(body, param):
    assert rejected(body).param == param


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>Bad Request</body></html>",
        b'{"error": ',
        b"\xff",
        b"[" * 100_000,
        [],
        {},
        {"error": None},
        {"error": 5},
        {"error": {}},
        {"error": {"message": 5}},
        {"error": {"message": ""}},
        {"detail": []},
        {"detail": [5]},
        {"error": "x" * 301},
        {"error": "two\nlines"},
        {"error": "Traceback (most recent call last)"},
        {"error": 'File "engine.py" failed'},
        {"error": "error at line 7"},
        {"error": "cannot open /models/tiny/config"},
        {"error": "cannot open '/models'"},
        {"error": "cannot open ~/models"},
        {"error": "cannot open ../models"},
        {"error": "cannot open C:\\models"},
        {"error": "see https://example.org"},
        {"error": "ask admin@example"},
        {"error": "no route to gpu-7.cluster.internal"},
        {"error": "no route to gpu-7.rack.b:8000"},
        {"error": "no route to 10.0.0.7"},
        {"error": "no route to localhost"},
        {"error": "object at 0x7f2a90"},
        {"error": "the model tiny-llama-7b cannot do that"},
    ],
)
def test_what_is_not_a_short_plain_sentence_becomes_one_of_ours(body):
    error = rejected(body, private=("tiny-llama-7b",))
    assert isinstance(error, UpstreamRejected)
    assert error.message == UpstreamRejected.default_message


def test_too_large_has_a_sentence_of_its_own():
    assert rejected(b"<html>", 413).message == "The request is too large for the model server."


@pytest.mark.parametrize(
    "error",
    [
        {"message": "x" * 999, "code": "context_length_exceeded"},
        {"message": "x", "type": "exceed_context_size_error"},
        {"message": "This model's maximum context length is 10 tokens.\nTraceback"},
        {"message": "prompt is too long"},
    ],
)
def test_a_request_above_the_context_window_is_recognised(error):
    assert rejected({"error": error}).error_code == "context_length_exceeded"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "EngineCore encountered an issue.", "code": 500}, UpstreamFailed),
        ({"message": "no", "code": 400}, UpstreamRejected),
        ({"message": "no", "code": 429}, Saturated),
        ({"message": "no", "code": 503}, Unavailable),
        ({"message": "no", "code": "400"}, UpstreamFailed),
        ({"message": "no", "code": 401}, UpstreamFailed),
        ({"message": "no"}, UpstreamFailed),
        ("it broke", UpstreamFailed),
        (True, UpstreamFailed),
    ],
)
def test_an_error_inside_a_stream_is_understood_by_its_code(error, kind):
    assert type(from_event(error)) is kind


@pytest.mark.parametrize("status", [400, 429, 500])
def test_awss_names_are_for_the_audit_and_never_for_the_caller(status):
    headers = ((b"x-amzn-errortype", b"ModelError"), (b"x-amzn-requestid", b"4c8a7c1e-0000-4000-8000-000000000001"))
    error = from_upstream(status, headers, b"", now=NOW)
    assert error.detail == f"upstream status {status} ModelError (request 4c8a7c1e-0000-4000-8000-000000000001)"
    assert b"4c8a" not in body_of(error)
    odd = ((b"x-amzn-errortype", b"what a prompt said"), (b"x-amzn-requestid", b"x" * 65))
    assert from_upstream(status, odd, b"", now=NOW).detail == f"upstream status {status}"
