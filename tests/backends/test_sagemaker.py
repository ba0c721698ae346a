"""SageMaker's endpoints as a backend: what goes out, and what of its answers reaches the relay.

The runtime is the lane's stand-in, which recomputes signatures by itself, with a scripted container behind it.
"""

import asyncio
import json
import threading
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from gateway.backends.sagemaker import SageMakerBackend
from gateway.backends.sagemaker_capture import CapturePreflight
from gateway.backends.sagemaker_credentials import Keys
from gateway.core.labels import Label
from gateway.core.message import Message
from gateway.core.topology import DataCapture, Endpoint, Invoke, Payload, Pool, SageMakerTarget
from gateway.lane.faults import Cut, Disturbed, Ended, Raised, Refused, WrongCrc
from gateway.lane.service import Standin
from gateway.lane.signatures import Credentials
from gateway.ports import UpstreamUnreachable
from tests.fakes.model_server import ModelServer, completion

REGION = "eu-central-1"
KEYS = Keys("AKIDEXAMPLE", "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY", "session/token+with=signs")
JSON = (b"content-type", b"application/json")
WHOLE = Message(b"POST", b"/invocations", (JSON, (b"accept", b"application/json")), b'{"messages": []}')
STREAM = Message(
    b"POST",
    b"/invocations-response-stream",
    (JSON, (b"x-amzn-sagemaker-accept", b"text/event-stream")),
    b'{"messages": [], "stream": true}',
)
OPENAI = Message(b"POST", b"/openai/v1/chat/completions", (JSON, (b"accept", b"application/json")), b'{"messages": []}')


@dataclass
class Ear:
    """A Receiver that remembers."""

    heard: list = field(default_factory=list)
    headers: dict = field(default_factory=dict)
    data: bytes = b""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    first: asyncio.Event = field(default_factory=asyncio.Event)

    def on_head(self, status, headers):
        self.heard.append(status)
        self.headers = dict(headers)

    def on_data(self, data):
        self.data += data
        self.first.set()

    def on_end(self):
        self.heard.append("end")
        self.over.set()

    def on_failure(self, reason):
        self.heard.append(reason)
        self.over.set()


@dataclass
class Site:
    container: ModelServer
    standin: Standin
    backend: SageMakerBackend
    endpoint: Endpoint

    async def connect(self):
        return await self.backend.connect(self.endpoint, timeout_s=5, may_dial=lambda _: True)

    async def ask(self, message: Message) -> Ear:
        ear = Ear()
        (await self.connect()).start(message, ear)
        await asyncio.wait_for(ear.over.wait(), 10)
        return ear


@asynccontextmanager
async def site(invoke=Invoke.INVOCATIONS, payload=Payload.CHAT, keys=KEYS, theirs=KEYS):
    async with ModelServer() as container:
        known = Credentials(theirs.access_key, theirs.secret_key, theirs.session_token)
        async with Standin({"burst": container.url}, known, region=REGION, keeps_record=True) as standin:
            host, port = standin.url.removeprefix("http://").split(":")
            endpoint = Endpoint("e", host, int(port), base_path="/endpoints/burst")
            target = SageMakerTarget(REGION, invoke, payload, DataCapture.ALLOW)
            pool = Pool("burst", "cloud", Label(1), "sagemaker", "m", (endpoint,), sagemaker=target)
            backend = SageMakerBackend(pool, target, keys)
            try:
                yield Site(container, standin, backend, endpoint)
            finally:
                await backend.close()


SSE = [b'data: {"choices":[{"delta":{"content":"H\xc3\xa9"}}]}\n\n', b"data: [DONE]\n\n"]


async def speaks(peer):
    await peer.open_stream()
    for event in SSE:
        await peer.chunk(event)
    await peer.end_stream()


# What goes out


@pytest.mark.parametrize("keys", [KEYS, Keys("AKIDEXAMPLE", "secret")])
@pytest.mark.parametrize(("invoke", "message"), [(Invoke.INVOCATIONS, WHOLE), (Invoke.OPENAI, OPENAI)])
async def test_a_request_is_signed_as_the_service_checks_it(invoke, message, keys):
    async with site(invoke, keys=keys, theirs=keys) as here:
        for _ in range(2):
            ear = await here.ask(message)
            assert (ear.heard, ear.data) == ([200, "end"], completion())
        assert {received.connection for received in here.standin.received} == {1}
        headers = dict(here.standin.received[0].headers)
        assert set(headers) <= {
            "host", "content-length", "accept-encoding", "content-type", "accept", "authorization", "x-amz-date",
            "x-amz-security-token",
        }  # fmt: skip
        assert here.standin.received[0].body == message.body
        assert keys.secret_key.encode() not in here.standin.heard[0].raw


async def test_keys_that_the_service_does_not_know_are_our_fault_and_looked_at_again():
    async with site(keys=Keys("AKIDOTHER", "secret")) as here:
        ear = await here.ask(WHOLE)
        assert ear.heard == [403, "end"]
        assert ear.data == b""
        await here.ask(WHOLE)
        assert here.backend._credentials._is_doubted


# What comes back


@pytest.mark.parametrize("sizes", [(), (1,), (7, 3), (1000,)])
@pytest.mark.parametrize("parts", [(), (1,), (5, 11)])
async def test_a_stream_arrives_as_the_container_wrote_it(parts, sizes):
    async with site() as here:
        here.container.script = speaks
        here.standin.faults.add(Disturbed(part_sizes=parts, write_sizes=sizes))
        ear = await here.ask(STREAM)
        assert (ear.heard, ear.data) == ([200, "end"], b"".join(SSE))
        assert ear.headers[b"content-type"] == b"text/event-stream"


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        (Raised("ModelStreamError", after=20, message="secret", code="StreamBroken"), "ModelStreamError: StreamBroken"),
        (Raised("InternalStreamFailure", after=20), "InternalStreamFailure"),
        (Raised("SomeCode", after=20, modelled=False), "SomeCode"),
        (WrongCrc(after=20), "invalid frame: checksum"),
        (WrongCrc(after=20, prelude=True), "invalid frame: checksum of the prelude"),
        (Ended(after=20), "the event stream ended within a frame"),
        (Cut(after=20), "closed before the response was complete"),
    ],
)
async def test_a_stream_that_breaks_is_a_failure_in_our_words(ending, reason):
    async with site() as here:
        here.container.script = speaks
        here.standin.faults.add(Disturbed(ending=ending))
        ear = await here.ask(STREAM)
        assert ear.data in (b"".join(SSE)[:20], b"")
        assert ear.heard[-1].startswith(reason)
        assert "(request " in ear.heard[-1]
        assert "secret" not in str(ear.heard)
        # The connection never serves again.
        assert (await here.ask(STREAM)).heard == [200, "end"]
        assert here.standin.received[-1].connection == 2


async def test_a_service_that_throttles_in_its_first_frame_is_busy_and_not_broken():
    async with site() as here:
        here.container.script = speaks
        here.standin.faults.add(Disturbed(ending=Raised("ThrottlingException", modelled=False)))
        ear = await here.ask(STREAM)
        assert ear.heard == [429, "end"]
        assert ear.headers[b"x-amzn-errortype"] == b"ThrottlingException"


@pytest.mark.parametrize("message", [WHOLE, STREAM])
@pytest.mark.parametrize(
    ("fault", "status", "body"),
    [
        (Refused("ThrottlingException", retry_after="7"), {429, 503}, b""),
        (Refused("ServiceUnavailable"), {503}, b""),
        (Refused("ValidationError", message="secret account"), {502}, b""),
        (Refused("InternalFailure"), {500}, b""),
        (Refused("AccessDeniedException"), {403}, b""),
        (Refused("ModelError", original_status=422, original_message="too long"), {422}, b"too long"),
        (Refused("ModelError", original_status=500, original_message="Traceback"), {500}, b"Traceback"),
    ],
)
async def test_an_error_arrives_as_the_container_would_have_given_it(message, fault, status, body):
    async with site() as here:
        here.standin.faults.add(fault)
        ear = await here.ask(message)
        assert ear.heard[0] in status
        assert ear.heard[1:] == ["end"]
        assert ear.data == body
        assert ear.headers[b"x-amzn-errortype"] == fault.error.encode()
        assert ear.headers.get(b"retry-after") == (
            b"7" if "retry_after" in str(fault) and status == {429, 503} else None
        )


NO_COPY = "Inference Component has no capacity to process this request. ApplicationAutoScaling may be in-progress."


@pytest.mark.parametrize("message", [WHOLE, STREAM])
@pytest.mark.parametrize("fault", [Refused("ModelNotReadyException"), Refused("ValidationError", message=NO_COPY)])
async def test_a_model_that_is_being_started_says_so_and_nothing_else(fault, message):
    async with site() as here:
        here.standin.faults.add(fault)
        ear = await here.ask(message)
        assert (ear.heard, ear.data) == ([503, "end"], b"")
        assert ear.headers[b"x-tidegate-cold"] == b"1"


async def test_what_the_container_itself_refuses_is_unwrapped():
    async def refuses(peer):
        await peer.answer(400, b'{"error": {"message": "Too many tokens", "code": "context_length_exceeded"}}')

    async with site() as here:
        here.container.script = refuses
        ear = await here.ask(WHOLE)
        assert ear.heard == [400, "end"]
        assert json.loads(ear.data)["error"]["code"] == "context_length_exceeded"


async def test_hugging_faces_form_becomes_openais():
    async def answers(peer):
        await peer.answer(200, b'[{"generated_text": "Hello."}]')

    async def streams(peer):
        await peer.open_stream()
        await peer.chunk(b'data:{"token":{"text":"Hel')
        await peer.chunk(b'lo."},"generated_text":"Hello."}')
        await peer.end_stream()

    async def breaks(peer):
        await peer.open_stream()
        await peer.chunk(b'data:{"token":{"text":"Hel"}}\n\ndata:{"error":"Traceback"}\n\n')
        await peer.until_gone()

    async def ends_in_error(peer):
        await peer.open_stream()
        await peer.chunk(b'{"error":"Traceback"}')
        await peer.end_stream()

    async def nonsense(peer):
        await peer.answer(200, b'{"text": "Hello."}')

    async with site(payload=Payload.HUGGINGFACE) as here:
        here.container.script = answers
        ear = await here.ask(WHOLE)
        assert ear.heard == [200, "end"]
        assert json.loads(ear.data)["choices"][0]["message"]["content"] == "Hello."
        here.container.script = streams
        ear = await here.ask(STREAM)
        assert ear.heard == [200, "end"]
        assert ear.data.endswith(b"data: [DONE]\n\n")
        assert b'"content":"Hello."' in ear.data
        for script in (breaks, ends_in_error):
            here.container.script = script
            ear = await here.ask(STREAM)
            assert ear.heard[-1].startswith("error in a stream")
            assert b"[DONE]" not in ear.data
        here.container.script = nonsense
        assert (await here.ask(WHOLE)).heard[0].startswith("200 without one generated text (request ")


# Leaving halfway


async def test_whoever_aborts_hears_no_more():
    async def slowly(peer):
        await peer.open_stream()
        await peer.chunk(SSE[0])
        await peer.until_gone()

    async with site() as here:
        here.container.script = slowly
        connection = await here.connect()
        ear = Ear()
        connection.start(STREAM, ear)
        connection.pause()
        connection.resume()
        await asyncio.wait_for(ear.first.wait(), 5)
        connection.abort()
        await asyncio.wait_for(here.container.requests[0].gone.wait(), 5)
        assert ear.heard == [200]
        assert connection.peer.address is not None


async def test_an_abort_from_within_the_head_is_the_last_word():
    @dataclass
    class Leaver(Ear):
        connection: object = None

        def on_head(self, status, headers):
            super().on_head(status, headers)
            self.connection.abort()
            self.over.set()

    for message in (WHOLE, STREAM):
        async with site() as here:
            here.container.script = speaks
            connection = await here.connect()
            ear = Leaver(connection=connection)
            connection.start(message, ear)
            await asyncio.wait_for(ear.over.wait(), 5)
            assert (ear.heard, ear.data) == ([200], b"")


async def test_credentials_are_there_before_the_first_request(monkeypatch):
    async with site() as here:
        await here.backend.watch(asyncio.Event())
        monkeypatch.setattr(here.backend._credentials, "_take", lambda: pytest.fail("nobody should wait for them"))
        assert (await here.ask(WHOLE)).heard == [200, "end"]


async def test_credentials_that_do_not_come_in_time_make_the_pool_unreachable(monkeypatch):
    may_end = threading.Event()
    async with site() as here:
        monkeypatch.setattr(here.backend._credentials, "_take", lambda: str(may_end.wait(5)))
        with pytest.raises(UpstreamUnreachable, match="AWS credentials: timeout"):
            await here.backend.connect(here.endpoint, timeout_s=0.05, may_dial=lambda _: True)
        may_end.set()
        with pytest.raises(UpstreamUnreachable, match="AWS credentials: True"):
            await here.connect()


async def test_a_pool_that_closes_while_somebody_connects_is_not_used():
    async with site() as here:
        check = CapturePreflight("burst", lambda: False, every_s=1)
        here.backend.preflights[(REGION, None)] = check
        check.take(False)

        def found_out(_):
            check.take(True)
            return True

        with pytest.raises(UpstreamUnreachable, match="the pool is closed: data capture is on"):
            await here.backend.connect(here.endpoint, timeout_s=5, may_dial=found_out)


async def test_a_closed_pool_is_not_dialled():
    target = SageMakerTarget(REGION)
    endpoint = Endpoint("e", "127.0.0.1", 9, base_path="/endpoints/burst")
    pool = Pool("burst", "cloud", Label(1), "sagemaker", "m", (endpoint,), sagemaker=target)
    backend = SageMakerBackend(pool, target, KEYS)
    with pytest.raises(UpstreamUnreachable, match="the pool is closed: data capture has not been checked yet"):
        await backend.connect(endpoint, timeout_s=1, may_dial=lambda _: True)
