"""Checks who calls: Signature Version 4 in the headers, and bearer tokens that hold a presigned URL.

The signature is computed again from what arrived, from the algorithm's description and without botocore: it is what
signs at the other end, and a mistake that both sides share would not be seen. Pure; the time is an argument.
"""

import hashlib
import hmac
import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from gateway.core.message import Headers
from gateway.lane.answers import ServiceError, unsigned

SERVICE: Final = "sagemaker"
TOKEN_PREFIX: Final = b"sagemaker-api-key-"
TOKEN_HOST: Final = "sagemaker.amazonaws.com"
LONGEST_TOKEN_S: Final = 12 * 3600
SKEW_S: Final = 300
"""How far the caller's clock may be from ours."""

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_AUTHORIZATION: Final = re.compile(
    rb"AWS4-HMAC-SHA256 +Credential=([^,\s]+), *SignedHeaders=([^,\s]+), *Signature=([0-9a-f]{64})"
)
_STAMP: Final = "%Y%m%dT%H%M%SZ"
_STAMP_FORM: Final = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_UNRESERVED: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_QUERY_FORM: Final = re.compile(r"(?:[A-Za-z0-9._~-]|%[0-9A-Fa-f]{2})*")
_TOKEN_KEYS: Final = (
    "Action",
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
    "Version",
)
_TOKEN_OPTIONAL: Final = "X-Amz-Security-Token"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Whose signatures are good."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Request:
    """What was signed. `target` is the path as it came, query included; header names are lower case."""

    method: bytes
    target: bytes
    headers: Headers
    body: bytes


def refusal_of_signed(request: Request, credentials: Credentials, *, region: str, now: float) -> ServiceError | None:
    """Why a request to `InvokeEndpoint` or its streaming form is refused; None if its signature is good."""
    written = _values(request.headers, b"authorization")
    if not written:
        return unsigned()
    match = _AUTHORIZATION.fullmatch(written[0]) if len(written) == 1 else None
    stamps = _values(request.headers, b"x-amz-date")
    if match is None or len(stamps) != 1:
        return _incomplete("Authorization header and X-Amz-Date must each be there once and in their form.")
    stamp = stamps[0].decode("latin-1")
    signed = match[2].decode("latin-1").split(";")
    scope = match[1].decode("latin-1")
    refused = (
        _refused_stamp(stamp, now, SKEW_S, _mismatch("Signature expired: its date is too far in the past."))
        or _refused_scope(scope, stamp, credentials, region)
        or _refused_token(_values(request.headers, b"x-amz-security-token"), credentials)
        or _refused_names(signed, request.headers)
    )
    if refused is not None:
        return refused
    payload_hash = hashlib.sha256(request.body).hexdigest()
    claimed = _values(request.headers, b"x-amz-content-sha256")
    if any(value != payload_hash.encode() for value in claimed):
        return _mismatch("The provided X-Amz-Content-SHA256 header does not match what was computed.")
    path, _, query = request.target.partition(b"?")
    canonical = "\n".join(
        (
            request.method.decode("latin-1"),
            # The path is encoded once more than it came: S3 alone signs it as it is.
            _encoded(_normalised(path), keep_slash=True),
            _sorted_query(query.decode("latin-1")),
            *(f"{name}:{_canonical_value(request.headers, name.encode('latin-1'))}" for name in signed),
            "",
            ";".join(signed),
            payload_hash,
        )
    )
    expected = _signature(canonical, stamp, credentials.secret_key, region)
    return None if hmac.compare_digest(expected, match[3].decode()) else _mismatch()


def refusal_of_bearer(token: bytes, credentials: Credentials, *, region: str, now: float) -> ServiceError | None:
    """Why a bearer token does not open the OpenAI route; None if it does.

    The token is a presigned `POST` of `CallWithBearerToken`; `Version` was added after the signature was made.
    """
    parameters = _token_parameters(token)
    if parameters is None:
        return _denied("The bearer token is not one of this service.")
    stamp, expires = parameters["X-Amz-Date"], parameters["X-Amz-Expires"]
    if not re.fullmatch(r"[0-9]{1,6}", expires) or not 1 <= int(expires) <= LONGEST_TOKEN_S:
        return _denied(f"A bearer token is valid for 1 to {LONGEST_TOKEN_S} seconds.")
    if (
        parameters["Action"] != "CallWithBearerToken"
        or parameters["Version"] != "1"
        or parameters["X-Amz-Algorithm"] != _ALGORITHM
        or parameters["X-Amz-SignedHeaders"] != "host"
    ):
        return _denied("The bearer token does not sign CallWithBearerToken with its host.")
    session = [parameters[_TOKEN_OPTIONAL].encode()] if _TOKEN_OPTIONAL in parameters else []
    refused = (
        _refused_stamp(stamp, now, int(expires), ServiceError("ExpiredTokenException", "The bearer token has expired."))
        or _refused_scope(parameters["X-Amz-Credential"], stamp, credentials, region)
        or _refused_token(session, credentials)
    )
    if refused is not None:
        return refused
    query = "&".join(
        f"{_encoded(name.encode())}={_encoded(value.encode())}"
        for name, value in sorted(parameters.items())
        if name not in ("X-Amz-Signature", "Version")
    )
    payload_hash = hashlib.sha256(b"").hexdigest()
    canonical = "\n".join(("POST", "/", query, f"host:{TOKEN_HOST}", "", "host", payload_hash))
    expected = _signature(canonical, stamp, credentials.secret_key, region)
    return None if hmac.compare_digest(expected.encode(), parameters["X-Amz-Signature"].encode()) else _mismatch()


# What both have in common


def _refused_stamp(stamp: str, now: float, expires_s: int, expired: ServiceError) -> ServiceError | None:
    try:
        made = (
            datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC).timestamp() if _STAMP_FORM.fullmatch(stamp) else None
        )
    except ValueError:
        made = None
    if made is None:
        return _incomplete("The date is not of the form YYYYMMDDTHHMMSSZ.")
    if made > now + SKEW_S:
        return _mismatch("Signature not yet current: its date is too far in the future.")
    return expired if now > made + expires_s else None


def _refused_scope(scope: str, stamp: str, credentials: Credentials, region: str) -> ServiceError | None:
    parts = scope.rsplit("/", 4)
    if len(parts) != 5 or parts[4] != "aws4_request":
        return _incomplete("Credential must be KEY/DATE/REGION/SERVICE/aws4_request.")
    access_key, date, scope_region, service, _ = parts
    if date != stamp[:8]:
        return _mismatch("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date.")
    if scope_region != region:
        return _mismatch(f"Credential should be scoped to a valid region, `{region}`.")
    if service != SERVICE:
        return _mismatch(f"Credential should be scoped to correct service: `{SERVICE}`.")
    if not hmac.compare_digest(access_key.encode(), credentials.access_key.encode()):
        return _unrecognized()
    return None


def _refused_token(tokens: Sequence[bytes], credentials: Credentials) -> ServiceError | None:
    expected = [] if credentials.session_token is None else [credentials.session_token.encode()]
    return None if list(tokens) == expected else _unrecognized()


def _refused_names(signed: Sequence[str], headers: Headers) -> ServiceError | None:
    present = {name.decode("latin-1") for name, _ in headers}
    if list(signed) != sorted(set(signed)) or not present.issuperset(signed) or "authorization" in signed:
        return _incomplete("SignedHeaders must be sorted names of headers that the request has.")
    must = {name for name in present if name in ("host", "content-type") or name.startswith("x-amz")} | {"host"}
    # X-Ray's header is added and changed on the way, and so is signed by nobody.
    missing = must - set(signed) - {"x-amzn-trace-id"}
    if missing:
        return _mismatch(f"There were headers present in the request which were not signed: {sorted(missing)[0]}")
    return None


def _signature(canonical: str, stamp: str, secret_key: str, region: str) -> str:
    key = f"AWS4{secret_key}".encode()
    for part in (stamp[:8], region, SERVICE, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    digest = hashlib.sha256(canonical.encode("latin-1")).hexdigest()
    scope = f"{stamp[:8]}/{region}/{SERVICE}/aws4_request"
    return hmac.digest(key, "\n".join((_ALGORITHM, stamp, scope, digest)).encode(), "sha256").hex()


def _values(headers: Headers, name: bytes) -> list[bytes]:
    return [value for other, value in headers if other == name]


def _canonical_value(headers: Headers, name: bytes) -> str:
    return ",".join(" ".join(value.decode("latin-1").split()) for value in _values(headers, name))


def _encoded(data: bytes, *, keep_slash: bool = False) -> str:
    return "".join(
        chr(byte) if byte in _UNRESERVED or (keep_slash and byte == 0x2F) else f"%{byte:02X}" for byte in data
    )


def _normalised(path: bytes) -> bytes:
    kept: list[bytes] = []
    for segment in path.split(b"/"):
        if segment == b"..":
            del kept[-1:]
        elif segment not in (b"", b"."):
            kept.append(segment)
    end = b"/" if kept and path.endswith(b"/") else b""
    return b"/" + b"/".join(kept) + end


def _sorted_query(query: str) -> str:
    pairs = sorted(tuple(pair.partition("=")[::2]) for pair in query.split("&") if pair)
    return "&".join(f"{name}={value}" for name, value in pairs)


def _token_parameters(token: bytes) -> Mapping[str, str] | None:
    """The parameters of the URL in a token; None if it is none, lacks one or has one twice."""
    if not token.startswith(TOKEN_PREFIX):
        return None
    try:
        url = b64decode(token.removeprefix(TOKEN_PREFIX), validate=True).decode("ascii")
    except (Base64Error, UnicodeDecodeError):
        return None
    start = f"{TOKEN_HOST}/?"
    if not url.startswith(start):
        return None
    parameters: dict[str, str] = {}
    for pair in url.removeprefix(start).split("&"):
        name, _, value = pair.partition("=")
        decoded = _decoded(value)
        if name in parameters or decoded is None:
            return None
        parameters[name] = decoded
    names = set(parameters) - {_TOKEN_OPTIONAL}
    return parameters if names == set(_TOKEN_KEYS) else None


def _decoded(value: str) -> str | None:
    if not _QUERY_FORM.fullmatch(value):
        return None
    return re.sub("%(..)", lambda escape: chr(int(escape[1], 16)), value)


# Refusals


def _incomplete(message: str) -> ServiceError:
    return ServiceError("IncompleteSignatureException", message)


def _mismatch(reason: str | None = None) -> ServiceError:
    said = "The request signature we calculated does not match the signature you provided."
    return ServiceError("InvalidSignatureException", said if reason is None else reason)


def _unrecognized() -> ServiceError:
    return ServiceError("UnrecognizedClientException", "The security token included in the request is invalid.")


def _denied(reason: str) -> ServiceError:
    return ServiceError("AccessDeniedException", reason)
