"""AWS credentials: made off the loop, used while they are good, and quoted nowhere."""

import asyncio
import base64
import threading
import time
from dataclasses import dataclass, field
from urllib.parse import parse_qs

import botocore.exceptions
import pytest

from gateway.backends import sagemaker_credentials
from gateway.backends.sagemaker_credentials import (
    FRESH_S,
    RETRY_S,
    VALID_S,
    CloudExtraMissing,
    Credentials,
    Keys,
    error_name,
)
from gateway.core.message import Message
from gateway.core.topology import Invoke
from gateway.lane import signatures
from gateway.ports import UpstreamUnreachable
from tests.fakes.clock import FakeClock

REGION = "eu-central-1"
KEYS = Keys("AKIDEXAMPLE", "a-secret-key", "a-session-token")
KNOWN = signatures.Credentials(KEYS.access_key, KEYS.secret_key, KEYS.session_token)
MESSAGE = Message(b"POST", b"/invocations", ((b"content-type", b"application/json"),), '{"a": "é"}'.encode())
HOST, PATH = b"runtime.sagemaker.eu-central-1.amazonaws.com", b"/endpoints/burst/invocations"


@dataclass
class Source:
    """A provider that is asked in a thread, as botocore's own are."""

    answers: list = field(default_factory=list)
    threads: list = field(default_factory=list)
    may_answer: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self):
        self.may_answer.set()

    def get_frozen_credentials(self):
        self.threads.append(threading.current_thread())
        assert self.may_answer.wait(5)
        answer = self.answers.pop(0) if self.answers else KEYS
        if isinstance(answer, Exception):
            raise answer
        return answer and botocore_keys(answer)


def botocore_keys(keys):
    from botocore.credentials import ReadOnlyCredentials

    return ReadOnlyCredentials(keys.access_key, keys.secret_key, keys.session_token)


@pytest.fixture
def source(monkeypatch):
    source = Source()
    monkeypatch.setattr(sagemaker_credentials, "_source", lambda keys: source)
    return source


def made(clock: FakeClock | None = None, invoke: Invoke = Invoke.INVOCATIONS) -> Credentials:
    return Credentials((REGION,), invoke, None, now=(clock or FakeClock()).monotonic)


@pytest.mark.parametrize("keys", [KEYS, Keys("AKIDEXAMPLE", "a-secret-key")])
async def test_a_signature_is_what_the_service_computes(keys):
    credentials = Credentials((REGION,), Invoke.INVOCATIONS, keys)
    await credentials.ready()
    headers = credentials.sign_in(REGION, MESSAGE, HOST, PATH)
    known = signatures.Credentials(keys.access_key, keys.secret_key, keys.session_token)
    sent = (*MESSAGE.headers, (b"host", HOST), *headers)
    request = signatures.Request(MESSAGE.method, PATH, sent, MESSAGE.body)
    assert signatures.refusal_of_signed(request, known, region=REGION, now=time.time()) is None
    forged = signatures.Request(MESSAGE.method, PATH, sent, MESSAGE.body + b" ")
    assert signatures.refusal_of_signed(forged, known, region=REGION, now=time.time()) is not None
    assert b"a-secret-key" not in repr(headers).encode()


async def test_a_token_is_a_presigned_call_that_lives_shortly():
    credentials = Credentials((REGION,), Invoke.OPENAI, KEYS)
    await credentials.ready()
    ((name, value),) = credentials.sign_in(REGION, MESSAGE, HOST, PATH)
    token = value.removeprefix(b"Bearer ")
    assert name == b"authorization"
    assert signatures.refusal_of_bearer(token, KNOWN, region=REGION, now=time.time()) is None
    url = base64.b64decode(token.removeprefix(b"sagemaker-api-key-")).decode()
    assert url.startswith("sagemaker.amazonaws.com/?Action=CallWithBearerToken&")
    assert url.endswith("&Version=1")
    assert int(parse_qs(url)["X-Amz-Expires"][0]) <= 900


async def test_one_look_serves_everybody_and_happens_off_the_loop(source):
    clock = FakeClock()
    credentials = made(clock)
    await asyncio.gather(*(credentials.ready() for _ in range(5)))
    clock.now += FRESH_S - 1
    await credentials.ready()
    assert len(source.threads) == 1
    assert source.threads[0] is not threading.main_thread()


async def test_old_ones_are_used_while_new_ones_are_fetched(source):
    clock = FakeClock()
    credentials = made(clock)
    await credentials.ready()
    clock.now += FRESH_S
    source.may_answer.clear()
    await asyncio.wait_for(credentials.ready(), 1)
    source.may_answer.set()
    clock.now += VALID_S
    await credentials.ready()
    assert 2 <= len(source.threads) <= 3


async def test_too_old_ones_are_waited_for_and_never_used(source):
    clock = FakeClock()
    credentials = made(clock)
    await credentials.ready()
    clock.now += VALID_S
    source.answers = [botocore.exceptions.NoCredentialsError()]
    with pytest.raises(UpstreamUnreachable, match="AWS credentials: NoCredentialsError"):
        await credentials.ready()


async def test_a_refusal_is_remembered_for_a_moment(source):
    clock = FakeClock()
    credentials = made(clock)
    source.answers = [None, KEYS]
    for _ in range(3):
        with pytest.raises(UpstreamUnreachable, match="none were found"):
            await credentials.ready()
    assert len(source.threads) == 1
    clock.now += RETRY_S
    await credentials.ready()


async def test_a_caller_that_gives_up_takes_them_from_nobody(source):
    credentials = made()
    source.may_answer.clear()
    impatient = asyncio.create_task(credentials.ready())
    patient = asyncio.create_task(credentials.ready())
    while not source.threads:  # noqa: ASYNC110 -- another thread's doing
        await asyncio.sleep(0.001)
    impatient.cancel()
    await asyncio.wait({impatient})
    source.may_answer.set()
    await asyncio.wait_for(patient, 5)
    assert len(source.threads) == 1


async def test_refused_credentials_are_looked_at_again_and_requests_under_way_keep_theirs(source):
    credentials = made()
    await credentials.ready()
    credentials.forget()
    assert credentials.sign_in(REGION, MESSAGE, HOST, PATH)
    await credentials.ready()
    assert len(source.threads) == 2


async def test_without_any_credentials_the_pool_cannot_be_reached(monkeypatch):
    monkeypatch.setattr("botocore.session.Session.get_credentials", lambda self: None)
    with pytest.raises(UpstreamUnreachable, match="none were found"):
        await made().ready()


def test_without_botocore_a_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setattr(sagemaker_credentials, "find_spec", lambda name: None)
    with pytest.raises(CloudExtraMissing, match=r"pip install 'tidegate\[cloud\]'"):
        made()


def test_keys_show_themselves_to_nobody():
    assert "secret" not in repr(KEYS)
    assert "secret" not in repr(sagemaker_credentials._Held(lambda *_: (), 0.0))


@pytest.mark.parametrize(
    ("exc", "name"),
    [
        (
            botocore.exceptions.ClientError({"Error": {"Code": "AccessDenied", "Message": "secret"}}, "x"),
            "AccessDenied",
        ),
        (botocore.exceptions.ClientError({"Error": {"Code": "a secret"}}, "x"), "ClientError"),
        (botocore.exceptions.ClientError({"Error": {}}, "x"), "ClientError"),
        (FileNotFoundError("/secret"), "FileNotFoundError"),
    ],
)
def test_errors_are_told_by_name(exc, name):
    assert error_name(exc) == name
