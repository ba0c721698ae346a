"""Signatures that botocore makes are good, and every single thing that can be wrong with one makes it refused."""

import base64
import dataclasses
import re
import string
from datetime import UTC, datetime

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given
from hypothesis import strategies as st

from gateway.lane.signatures import Credentials, Request, refusal_of_bearer, refusal_of_signed
from tests.lane.aws import KEY, REGION, SESSION_KEY, token

HEADERS = {
    "Host": "runtime.sagemaker.eu-central-1.amazonaws.com",
    "Content-Type": "application/json",
    "X-Amzn-SageMaker-Session-Id": "s1",
}
TARGET = "/endpoints/tidegate-burst/invocations"


def signed(
    *,
    credentials: Credentials = KEY,
    service: str = "sagemaker",
    region: str = REGION,
    target: str = TARGET,
    headers: dict[str, str] = HEADERS,
    body: bytes = b'{"a": 1}',
) -> Request:
    request = AWSRequest("POST", f"https://{HEADERS['Host']}{target}", headers=dict(headers), data=body)
    keys = BotoCredentials(credentials.access_key, credentials.secret_key, credentials.session_token)
    SigV4Auth(keys, service, region).add_auth(request)
    return Request(
        b"POST",
        target.encode(),
        tuple((name.lower().encode(), value.encode()) for name, value in request.headers.items()),
        body,
    )


def made_at(request: Request) -> float:
    return moment(dict(request.headers)[b"x-amz-date"].decode())


def moment(stamp: str) -> float:
    return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()


def refusal(request: Request, credentials: Credentials = KEY, *, age_s: float = 0) -> str | None:
    refused = refusal_of_signed(request, credentials, region=REGION, now=made_at(request) + age_s)
    return None if refused is None else refused.name


def with_header(request: Request, name: bytes, value: bytes | None) -> Request:
    kept = tuple(header for header in request.headers if header[0] != name)
    return dataclasses.replace(request, headers=kept if value is None else (*kept, (name, value)))


def with_authorization(request: Request, pattern: bytes, replacement: bytes) -> Request:
    written = dict(request.headers)[b"authorization"]
    changed = re.sub(pattern, replacement, written)
    assert changed != written
    return with_header(request, b"authorization", changed)


@pytest.mark.parametrize("credentials", [KEY, SESSION_KEY])
def test_a_signature_of_botocore_is_good(credentials):
    assert refusal(signed(credentials=credentials), credentials) is None


NAME = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=8).map(lambda name: f"x-amzn-sagemaker-{name}")
VALUE = st.text(string.ascii_letters + " \t=/+;,é", max_size=20).map(str.strip)
PATH = st.lists(st.text("ab.%20~_-:*+$", max_size=6), max_size=4).map(lambda parts: "/" + "/".join(parts))
QUERY = st.lists(
    st.tuples(st.text("abAB01-._~", min_size=1, max_size=4), st.text("abAB01-._~%", max_size=4)), max_size=4
)


@given(st.dictionaries(NAME, VALUE, max_size=4), PATH, QUERY, st.binary(max_size=64))
def test_whatever_botocore_signs_is_good(headers, path, query, body):
    target = path + ("?" + "&".join(f"{name}={value}" for name, value in query) if query else "")
    if target.startswith("//"):
        target = "/x" + target  # two slashes would start a host
    request = signed(headers={**HEADERS, **headers}, target=target, body=body)
    headers_as_sent = tuple((name, value.decode().encode("latin-1")) for name, value in request.headers)
    request = dataclasses.replace(request, headers=headers_as_sent)
    if all(value.isascii() for value in headers.values()):
        assert refusal(request) is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(
            lambda r: with_header(r, b"authorization", None), "MissingAuthenticationTokenException", id="none"
        ),
        pytest.param(lambda r: with_header(r, b"authorization", b"Basic x"), "IncompleteSignatureException", id="form"),
        pytest.param(lambda r: with_header(r, b"x-amz-date", b"20260101"), "IncompleteSignatureException", id="date"),
        pytest.param(
            lambda r: with_header(r, b"x-amz-date", b"20261399T000000Z"), "IncompleteSignatureException", id="no date"
        ),
        pytest.param(
            lambda r: dataclasses.replace(r, headers=(*r.headers, (b"authorization", b"x"))),
            "IncompleteSignatureException",
            id="two authorizations",
        ),
        pytest.param(
            lambda r: dataclasses.replace(r, headers=(*r.headers, (b"x-amz-date", b"20260101T000000Z"))),
            "IncompleteSignatureException",
            id="two dates",
        ),
        pytest.param(
            lambda r: with_authorization(r, b"Signature=.{8}", b"Signature=00000000"),
            "InvalidSignatureException",
            id="signature",
        ),
        pytest.param(
            lambda r: with_authorization(r, b"aws4_request", b"aws3_request"), "IncompleteSignatureException", id="end"
        ),
        pytest.param(
            lambda r: with_authorization(r, rb"/\d{8}/", b"/20200101/"), "InvalidSignatureException", id="scope's date"
        ),
        pytest.param(
            lambda r: with_authorization(r, b"Credential=[^,]*", b"Credential=a/b"),
            "IncompleteSignatureException",
            id="scope",
        ),
        pytest.param(
            lambda r: with_authorization(r, b"content-type;host", b"host;content-type"),
            "IncompleteSignatureException",
            id="unsorted",
        ),
        pytest.param(
            lambda r: with_authorization(r, b"content-type;", b"content-type;date;"),
            "IncompleteSignatureException",
            id="signed but absent",
        ),
        pytest.param(
            lambda r: with_authorization(r, b"content-type;", b""), "InvalidSignatureException", id="unsigned type"
        ),
        pytest.param(
            lambda r: with_header(r, b"x-amzn-sagemaker-target-variant", b"v"),
            "InvalidSignatureException",
            id="unsigned header of the service",
        ),
        pytest.param(
            lambda r: with_header(r, b"content-type", b"text/plain"), "InvalidSignatureException", id="changed header"
        ),
        pytest.param(lambda r: with_header(r, b"host", b"elsewhere"), "InvalidSignatureException", id="another host"),
        pytest.param(lambda r: with_header(r, b"host", None), "IncompleteSignatureException", id="no host"),
        pytest.param(lambda r: dataclasses.replace(r, body=b"{}"), "InvalidSignatureException", id="another body"),
        pytest.param(lambda r: dataclasses.replace(r, method=b"PUT"), "InvalidSignatureException", id="another method"),
        pytest.param(
            lambda r: dataclasses.replace(r, target=b"/endpoints/other/invocations"),
            "InvalidSignatureException",
            id="another path",
        ),
        pytest.param(
            lambda r: dataclasses.replace(r, target=r.target + b"?a=1"), "InvalidSignatureException", id="a query"
        ),
        pytest.param(
            lambda r: with_header(r, b"x-amz-security-token", b"t"), "UnrecognizedClientException", id="a token"
        ),
    ],
)
def test_whatever_was_changed_after_signing_is_noticed(change, expected):
    request = signed()
    assert refusal_of_signed(change(request), KEY, region=REGION, now=made_at(request)).name == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"region": "eu-west-1"}, "InvalidSignatureException"),
        ({"service": "sagemaker-runtime"}, "InvalidSignatureException"),
        ({"service": "bedrock"}, "InvalidSignatureException"),
        ({"credentials": Credentials(KEY.access_key, "other")}, "InvalidSignatureException"),
        ({"credentials": Credentials("AKIAOTHER", KEY.secret_key)}, "UnrecognizedClientException"),
        ({"credentials": SESSION_KEY}, "UnrecognizedClientException"),
    ],
)
def test_what_was_signed_for_somebody_else_is_refused(options, expected):
    assert refusal(signed(**options)) == expected


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"region": "eu-west-1"}, "a valid region, `eu-central-1`"),
        ({"service": "bedrock"}, "correct service: `sagemaker`"),
        ({"headers": {**HEADERS, "X-Amz-Content-SHA256": "0" * 64}}, "X-Amz-Content-SHA256"),
    ],
)
def test_a_refusal_says_what_to_mend(options, words):
    request = signed(**options)
    assert words in refusal_of_signed(request, KEY, region=REGION, now=made_at(request)).message


def test_a_session_token_must_be_the_right_one():
    other = dataclasses.replace(SESSION_KEY, session_token="another")
    assert refusal(signed(credentials=other), SESSION_KEY) == "UnrecognizedClientException"
    bare = dataclasses.replace(SESSION_KEY, session_token=None)
    assert refusal(signed(credentials=bare), SESSION_KEY) == "UnrecognizedClientException"


def test_a_claimed_payload_hash_must_be_true():
    lies = {**HEADERS, "X-Amz-Content-SHA256": "0" * 64}
    assert refusal(signed(headers=lies)) == "InvalidSignatureException"
    unsigned = {**HEADERS, "X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}
    assert refusal(signed(headers=unsigned)) == "InvalidSignatureException"


@pytest.mark.parametrize(
    ("age_s", "expected"),
    [
        (-301, "InvalidSignatureException"),
        (-300, None),
        (300, None),
        (301, "InvalidSignatureException"),
        (90_000, "InvalidSignatureException"),
    ],
)
def test_a_signature_is_good_for_five_minutes(age_s, expected):
    assert refusal(signed(), age_s=age_s) == expected


def test_tracing_headers_need_no_signature():
    assert refusal(with_header(signed(), b"x-amzn-trace-id", b"Root=1")) is None


def test_secrets_are_in_no_representation():
    assert SESSION_KEY.secret_key not in repr(SESSION_KEY)
    assert SESSION_KEY.session_token not in repr(SESSION_KEY)


# Bearer tokens


def unwrapped(bearer: str) -> str:
    return base64.b64decode(bearer.removeprefix("sagemaker-api-key-")).decode()


def bearer_refusal(
    bearer: str, credentials: Credentials = KEY, *, age_s: float = 0, region: str = REGION
) -> str | None:
    stamp = re.search(r"X-Amz-Date=(\d{8}T\d{6}Z)", unwrapped(bearer))
    now = moment(stamp[1]) + age_s
    refused = refusal_of_bearer(bearer.encode(), credentials, region=region, now=now)
    return None if refused is None else refused.name


@pytest.mark.parametrize("credentials", [KEY, SESSION_KEY])
def test_a_token_of_botocore_is_good(credentials):
    assert bearer_refusal(token(credentials), credentials) is None


@pytest.mark.parametrize(
    ("age_s", "expected"),
    [(-301, "InvalidSignatureException"), (-300, None), (900, None), (901, "ExpiredTokenException")],
)
def test_a_token_is_good_until_it_expires(age_s, expected):
    assert bearer_refusal(token(expires=900), age_s=age_s) == expected


@pytest.mark.parametrize(
    ("expires", "expected"), [(0, "AccessDeniedException"), (43_200, None), (43_201, "AccessDeniedException")]
)
def test_a_token_lives_for_twelve_hours_at_most(expires, expected):
    assert bearer_refusal(token(expires=expires)) == expected


def test_a_token_that_lives_as_long_as_a_signature_expires_as_a_token():
    assert bearer_refusal(token(expires=300), age_s=301) == "ExpiredTokenException"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"region": "eu-west-1"}, "InvalidSignatureException"),
        ({"service": "bedrock"}, "InvalidSignatureException"),
        ({"action": "Another"}, "AccessDeniedException"),
        ({"method": "GET"}, "InvalidSignatureException"),
        ({"host": "bedrock.amazonaws.com"}, "AccessDeniedException"),
        ({"credentials": Credentials(KEY.access_key, "other")}, "InvalidSignatureException"),
        ({"credentials": Credentials("AKIAOTHER", KEY.secret_key)}, "UnrecognizedClientException"),
        ({"credentials": SESSION_KEY}, "UnrecognizedClientException"),
        ({"change": lambda url: url.replace("&Version=1", "&Version=2")}, "AccessDeniedException"),
        ({"change": lambda url: url.replace("&Version=1", "")}, "AccessDeniedException"),
        ({"change": lambda url: url + "&Version=1"}, "AccessDeniedException"),
        ({"change": lambda url: url + "&More=1"}, "AccessDeniedException"),
        ({"change": lambda url: url.replace("Expires=900", "Expires=901")}, "InvalidSignatureException"),
        ({"change": lambda url: url.replace("Expires=900", "Expires=%zz")}, "AccessDeniedException"),
        ({"change": lambda url: url.replace("SignedHeaders=host", "SignedHeaders=date")}, "AccessDeniedException"),
        ({"change": lambda url: "https://" + url}, "AccessDeniedException"),
        ({"change": lambda url: url.replace("aws4_request", "aws3_request")}, "IncompleteSignatureException"),
    ],
)
def test_every_other_token_is_refused(options, expected):
    assert bearer_refusal(token(**options)) == expected


@pytest.mark.parametrize("bearer", ["", "sk-x", "sagemaker-api-key-", "sagemaker-api-key-?", "sagemaker-api-key-/w=="])
def test_what_is_no_token_is_refused(bearer):
    assert refusal_of_bearer(bearer.encode(), KEY, region=REGION, now=0).name == "AccessDeniedException"
