"""Holds a raw HTTP request against botocore: what the service's model says about it, and what botocore would have sent.

`parameters_of` reads a request backwards, from the wire to the parameters of the API; `sent_by_botocore` lets botocore
write the request for the same parameters, at the same moment and host, with the same key. Two requests that agree in
everything that is compared have the same signature, so the signature is compared too.
"""

import contextlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from unittest import mock

import botocore.session
from botocore.awsrequest import AWSResponse
from botocore.model import OperationModel

from gateway.lane.signatures import Credentials
from tests.lane.aws import client

WHOLE = "InvokeEndpoint"
STREAMED = "InvokeEndpointWithResponseStream"

# What belongs to the transport or to the signature, and is in no model. The last three are botocore's about itself.
FRAMING = {"host", "content-length", "accept-encoding"}
SIGNING = {"authorization", "x-amz-date", "x-amz-security-token"}
BOTOCORES_OWN = {"user-agent", "amz-sdk-invocation-id", "amz-sdk-request"}


@dataclass(frozen=True)
class Sent:
    """One request as it went out. Header names are lower case, none is there twice."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def told(self) -> dict[str, str]:
        """The headers that say something to the service."""
        return {name: value for name, value in self.headers.items() if name not in FRAMING | SIGNING | BOTOCORES_OWN}


@cache
def _model():
    session = botocore.session.Session()
    return session.get_service_model("sagemaker-runtime")


def operation(name: str) -> OperationModel:
    """An operation of the runtime as botocore's model has it."""
    return _model().operation_model(name)


def output_of(name: str):
    """The shape of an operation's answer."""
    return operation(name).output_shape


def parse(raw: bytes) -> Sent:
    """A whole request from its bytes; AssertionError if it is anything but one HTTP/1.1 request with a length."""
    head, separator, body = raw.partition(b"\r\n\r\n")
    assert separator
    request_line, *lines = head.decode("latin-1").split("\r\n")
    method, target, version = request_line.split(" ")
    assert version == "HTTP/1.1"
    pairs = [line.split(": ", 1) for line in lines]
    headers = {name.lower(): value for name, value in pairs}
    assert len(headers) == len(pairs), "a header is there twice"
    assert headers["content-length"] == str(len(body))
    return Sent(method, target, headers, body)


def parameters_of(sent: Sent, name: str) -> dict[str, object]:
    """The API's parameters that a request stands for; AssertionError for whatever the model has no place for."""
    model = operation(name)
    pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/?]+)", re.escape(model.http["requestUri"]))
    match = re.fullmatch(pattern, sent.target)
    assert match is not None, f"{sent.target} is not {model.http['requestUri']}"
    assert sent.method == model.http["method"]
    parameters: dict[str, object] = dict(match.groupdict())
    places = {
        shape.serialization["name"].lower(): (member, shape)
        for member, shape in model.input_shape.members.items()
        if shape.serialization.get("location") == "header"
    }
    for header, value in sent.told.items():
        assert header in places, f"the model has no place for the header {header}"
        member, shape = places[header]
        assert len(value) <= shape.metadata.get("max", len(value))
        parameters[member] = value
    parameters[model.input_shape.serialization["payload"]] = sent.body
    assert set(model.input_shape.required_members) <= set(parameters)
    return parameters


def sent_by_botocore(
    name: str, parameters: dict[str, object], credentials: Credentials, *, region: str, host: str, tls: bool, stamp: str
) -> Sent:
    """What boto3 would have put on the wire for these parameters at that moment."""
    runtime = client(f"{'https' if tls else 'http'}://{host}", credentials, region=region)
    caught: list[Sent] = []

    def keep(request, **_: object) -> AWSResponse:
        headers = {key.lower(): _text(value) for key, value in request.headers.items()}
        target = re.sub(r"^https?://[^/]+", "", request.url)
        # The one header that botocore leaves to its HTTP library.
        caught.append(Sent(request.method, target, {"host": host, **headers}, bytes(request.body or b"")))
        return AWSResponse(request.url, 503, {}, mock.Mock(stream=lambda *_: iter(())))

    runtime.meta.events.register("before-send", keep)
    moment = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    method = {WHOLE: runtime.invoke_endpoint, STREAMED: runtime.invoke_endpoint_with_response_stream}[name]
    frozen = mock.patch("botocore.auth.get_current_datetime", return_value=moment)
    with frozen, contextlib.suppress(runtime.exceptions.ClientError):
        method(**parameters)
    [sent] = caught
    return sent


def differences(sent: Sent, name: str, credentials: Credentials, *, region: str, tls: bool) -> list[str]:
    """Every way in which a request is not the one that botocore would have sent. User agents are each one's own."""
    theirs = sent_by_botocore(
        name,
        parameters_of(sent, name),
        credentials,
        region=region,
        host=sent.headers["host"],
        tls=tls,
        stamp=sent.headers["x-amz-date"],
    )
    found = [
        f"{what}: {ours!r}, botocore: {others!r}"
        for what, ours, others in (
            ("method", sent.method, theirs.method),
            ("target", sent.target, theirs.target),
            ("body", sent.body, theirs.body),
        )
        if ours != others
    ]
    ours, others = (
        {header: value for header, value in one.headers.items() if header not in FRAMING | BOTOCORES_OWN}
        for one in (sent, theirs)
    )
    found += [
        f"{header}: {ours.get(header)!r}, botocore: {others.get(header)!r}"
        for header in sorted(set(ours) | set(others))
        if ours.get(header) != others.get(header)
    ]
    return found


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
