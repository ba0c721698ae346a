"""Our SageMaker backend beside boto3, at the same stand-in: the same requests, the same bytes, an end where it ends."""

import asyncio
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from unittest import mock

import pytest
from botocore.exceptions import EventStreamError
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.backends.sagemaker import SageMakerBackend
from gateway.backends.sagemaker_credentials import Keys, bearer_token, sigv4
from gateway.core.labels import Label
from gateway.core.message import Message
from gateway.core.topology import DataCapture, Endpoint, Invoke, Payload, Pool, SageMakerTarget, Zone
from gateway.lane.faults import Cut, Disturbed, Ended, Raised, Refused, WrongCrc
from gateway.lane.signatures import Credentials
from gateway.wire.encode import encode
from gateway.wire.http1 import request_bytes, request_start
from gateway.wire.requests import Dialect, parse
from tests.fakes.model_server import ModelServer
from tests.lane import botocore_model
from tests.lane.aws import KEY, NAME, REGION, SESSION_KEY, frozen, says, standin, stream, token
from tests.lane.botocore_model import STREAMED, WHOLE, differences

CLOUD = Zone("cloud", networks=None)
SSE = b'data: {"choices":[{"delta":{"content":"\xe4\xbd\xa0\xe5\xa5\xbd"}}]}\n\n' * 5 + b"data: [DONE]\n\n"


def pool(url: str, invoke: Invoke, payload: Payload = Payload.CHAT) -> Pool:
    host, port = url.removeprefix("http://").split(":")
    endpoint = Endpoint("burst", host, int(port), base_path=f"/endpoints/{NAME}")
    target = SageMakerTarget(REGION, invoke, payload, DataCapture.ALLOW, has_keys=True)
    return Pool("burst", "cloud", Label(1), "sagemaker", "tidegate-burst", (endpoint,), sagemaker=target)


def message_for(of: Pool, *, streamed: bool = True, text: str = "Guten Tag, 你好") -> Message:
    body = {
        "model": "alias",
        "stream": streamed,
        "max_tokens": 8,
        "user": "not for the cloud",
        "messages": [{"role": "user", "content": text}],
    }
    return encode(parse(Dialect.CHAT, json.dumps(body).encode()), of, CLOUD, salt=None)


@dataclass
class Ear:
    """A Receiver that remembers."""

    status: int = 0
    data: bytes = b""
    ended: bool = False
    failure: str | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def on_head(self, status, headers):
        self.status = status

    def on_data(self, data):
        self.data += data

    def on_end(self):
        self.ended = True
        self.over.set()

    def on_failure(self, reason):
        self.failure = reason
        self.over.set()


async def exchange(of: Pool, credentials: Credentials = KEY, *, streamed: bool = True) -> Ear:
    keys = Keys(credentials.access_key, credentials.secret_key, credentials.session_token)
    backend = SageMakerBackend(of, of.sagemaker, keys)
    try:
        connection = await backend.connect(of.endpoints[0], timeout_s=10, may_dial=lambda _: True)
        ear = Ear()
        connection.start(message_for(of, streamed=streamed), ear)
        await asyncio.wait_for(ear.over.wait(), 20)
        return ear
    finally:
        await backend.close()


# Requests


@pytest.mark.parametrize("credentials", [KEY, SESSION_KEY], ids=["keys", "session"])
@pytest.mark.parametrize("payload", list(Payload))
@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
async def test_what_we_send_is_what_botocore_would_have_sent_signature_included(streamed, payload, credentials):
    async with ModelServer() as container, standin(container, credentials) as running:
        await exchange(pool(running.url, Invoke.INVOCATIONS, payload), credentials, streamed=streamed)
        assert [received.refused for received in running.received] == [None]
        sent = botocore_model.parse(bytes(running.heard[0].raw))
    name = STREAMED if streamed else WHOLE
    assert differences(sent, name, credentials, region=REGION, tls=False) == []
    accept = "x-amzn-sagemaker-accept" if streamed else "accept"
    assert set(sent.told) == {"content-type", accept}
    assert not set(sent.headers) & botocore_model.BOTOCORES_OWN


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
async def test_an_inference_component_is_named_as_botocore_names_it(streamed):
    async with ModelServer() as container, standin(container) as running:
        plain = pool(running.url, Invoke.INVOCATIONS)
        of = replace(plain, sagemaker=replace(plain.sagemaker, inference_component="tidegate-burst-model"))
        await exchange(of, streamed=streamed)
        assert container.requests[0].headers["x-amzn-sagemaker-inference-component"] == "tidegate-burst-model"
        sent = botocore_model.parse(bytes(running.heard[0].raw))
    name = STREAMED if streamed else WHOLE
    assert botocore_model.parameters_of(sent, name)["InferenceComponentName"] == "tidegate-burst-model"
    assert botocore_model.differences(sent, name, KEY, region=REGION, tls=False) == []


@pytest.mark.parametrize("credentials", [KEY, SESSION_KEY], ids=["keys", "session"])
@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
async def test_the_openai_route_gets_a_token_and_nothing_else_of_ours(streamed, credentials):
    async with ModelServer() as container, standin(container, credentials) as running:
        ear = await exchange(pool(running.url, Invoke.OPENAI), credentials, streamed=streamed)
        assert (ear.status, ear.ended) == (200, True)
        assert [received.refused for received in running.received] == [None]
        sent = botocore_model.parse(bytes(running.heard[0].raw))
    assert sent.target == f"/endpoints/{NAME}/openai/v1/chat/completions"
    assert set(sent.headers) == {
        *("host", "content-length", "accept-encoding", "authorization"),
        *("content-type", "accept"),
    }
    assert b"not for the cloud" not in sent.body


def test_our_token_is_the_one_that_sagemakers_own_generator_would_make():
    for credentials in (KEY, SESSION_KEY):
        moment = mock.patch("botocore.auth.get_current_datetime", return_value=datetime.now(UTC))
        with moment:
            assert bearer_token(frozen(credentials), REGION) == token(credentials, expires=900)


TEXT = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=20)
HEADERS = st.fixed_dictionaries(
    {b"content-type": st.sampled_from(["application/json", "application/jsonlines; charset=utf-8"])},
    optional={
        b"x-amzn-sagemaker-accept": TEXT,
        b"x-amzn-sagemaker-inference-id": TEXT,
        b"x-amzn-sagemaker-prefix-aware-id": TEXT,
        b"x-amzn-sagemaker-session-id": st.from_regex(r"[a-zA-Z0-9]{1,20}", fullmatch=True),
        b"x-amzn-sagemaker-target-variant": st.from_regex(r"[a-zA-Z0-9]{1,20}", fullmatch=True),
    },
)


@settings(max_examples=25, deadline=None)
@given(HEADERS, st.binary(max_size=200), st.from_regex(r"[a-zA-Z0-9](-?[a-zA-Z0-9]){0,20}", fullmatch=True))
def test_any_message_is_signed_as_botocore_would_have_signed_it(headers, body, endpoint):
    written = tuple((name, value.encode()) for name, value in headers.items())
    message = Message(b"POST", b"/invocations-response-stream", written, body)
    host, base_path = b"runtime.sagemaker.eu-central-1.amazonaws.com", f"/endpoints/{endpoint}".encode()
    signature = sigv4(frozen(KEY), REGION, message, host, base_path + message.target)
    start = request_start(message, host=host, base_path=base_path, credential=None, signature=signature)
    raw = request_bytes(start, message.body)
    assert differences(botocore_model.parse(raw), STREAMED, KEY, region=REGION, tls=True) == []


@pytest.mark.parametrize(
    "credentials",
    [Credentials(KEY.access_key, "another"), Credentials("AKIAUNKNOWN", KEY.secret_key), SESSION_KEY],
)
@pytest.mark.parametrize("invoke", list(Invoke))
async def test_credentials_that_are_not_good_reach_no_container(invoke, credentials):
    async with ModelServer() as container, standin(container) as running:
        ear = await exchange(pool(running.url, invoke), credentials)
        assert ear.status == 403
        assert container.requests == []


# Answers


@pytest.mark.parametrize(
    "fault",
    [
        Disturbed(),
        Disturbed(part_sizes=(1,)),
        Disturbed(write_sizes=(1,)),
        Disturbed(part_sizes=(7, 2, 30), write_sizes=(13, 5)),
        Disturbed(write_sizes=(100_000,)),
    ],
)
async def test_a_stream_split_anywhere_is_read_byte_for_byte_as_boto3_reads_it(fault):
    async with ModelServer() as container, standin(container) as running:
        container.script = says(SSE[:40], SSE[40:41], SSE[41:])
        running.faults.add(fault, times=2)
        _, parts = await asyncio.to_thread(stream, running.url)
        ear = await exchange(pool(running.url, Invoke.INVOCATIONS))
        assert ear.data == b"".join(parts) == SSE
        assert (ear.status, ear.ended, ear.failure) == (200, True, None)


@settings(max_examples=10, deadline=None)
@given(
    st.lists(st.binary(min_size=1, max_size=120), min_size=1, max_size=5),
    st.lists(st.integers(1, 50), max_size=4),
    st.lists(st.integers(1, 50), max_size=4),
)
def test_any_bytes_of_a_container_are_read_as_boto3_reads_them(pieces, part_sizes, write_sizes):
    async def both():
        async with ModelServer() as container, standin(container) as running:
            container.script = says(*pieces)
            running.faults.add(Disturbed(part_sizes=tuple(part_sizes), write_sizes=tuple(write_sizes)), times=2)
            _, parts = await asyncio.to_thread(stream, running.url)
            ear = await exchange(pool(running.url, Invoke.INVOCATIONS))
            return b"".join(parts), ear

    theirs, ear = asyncio.run(both())
    assert (ear.data, ear.ended) == (theirs, True)


ENDINGS = [
    Raised("ModelStreamError", after=30),
    Raised("InternalStreamFailure", after=30),
    Raised("SomethingNew", after=30, modelled=False),
    WrongCrc(after=30),
    WrongCrc(after=30, prelude=True),
    Cut(after=30),
    Ended(after=30),
]


@pytest.mark.parametrize("ending", ENDINGS, ids=repr)
@pytest.mark.parametrize("write_sizes", [(), (1,), (9, 4)], ids=repr)
async def test_a_stream_that_breaks_is_never_a_complete_one(ending, write_sizes):
    async with ModelServer() as container, standin(container) as running:
        container.script = says(SSE)
        running.faults.add(Disturbed(write_sizes=write_sizes, ending=ending), times=2)
        name = None
        try:
            _, parts = await asyncio.to_thread(stream, running.url)
        except EventStreamError as exc:
            parts, name = exc.parts, exc.response["Error"]["Code"]
        except Exception as exc:  # noqa: BLE001 -- whatever boto3 makes of it; the bytes before it are compared
            parts = exc.parts
        theirs = b"".join(parts)
        ear = await exchange(pool(running.url, Invoke.INVOCATIONS))
        assert ear.data == theirs == SSE[:30]
        assert not ear.ended
        assert ear.failure is not None
        if name is not None:
            assert name in ear.failure


async def test_a_container_that_dies_midway_is_a_failure_on_every_route():
    async with ModelServer() as container, standin(container) as running:
        container.script = says(SSE[:50], broken=True)
        for invoke in Invoke:
            ear = await exchange(pool(running.url, invoke))
            assert (ear.data, ear.ended) == (SSE[:50], False)
            assert ear.failure is not None


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Refused("ThrottlingException"), 429),
        (Refused("ThrottlingException", status=429), 429),
        (Refused("ModelNotReadyException"), 503),
        (Refused("ValidationError", message="Inference Component has no capacity to process this request."), 503),
        (Refused("ServiceUnavailable"), 503),
        (Refused("InternalFailure"), 500),
        (Refused("InternalDependencyException"), 530),
        (Refused("AccessDeniedException"), 403),
        (Refused("ExpiredTokenException"), 403),
        (Refused("ModelError", original_status=503, original_message="later"), 503),
        (Refused("ModelError", original_status=400, original_message='{"error": {"message": "m"}}'), 400),
    ],
    ids=repr,
)
@pytest.mark.parametrize("invoke", list(Invoke))
async def test_an_error_of_the_service_is_a_status_and_its_sentence_is_dropped(fault, status, invoke):
    async with ModelServer() as container, standin(container) as running:
        running.faults.add(fault)
        ear = await exchange(pool(running.url, invoke))
        assert (ear.status, ear.ended) == (status, True)
        assert ear.data == (fault.original_message or "").encode()
