"""The stand-in as boto3 sees it: whole answers, streams byte for byte, refusals and faults by the name they have."""

import asyncio
import contextlib
import ssl
import time

import httpx
import pytest
from botocore.eventstream import ChecksumMismatch
from botocore.exceptions import ClientError, EventStreamError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from urllib3.exceptions import ProtocolError

from gateway.config.addresses import Unix
from gateway.lane import faults
from gateway.lane.faults import Cut, Disturbed, Ended, Raised, Refused, Silent, Stalled, WrongCrc
from gateway.lane.service import Limits, Standin
from gateway.lane.signatures import Credentials
from tests.fakes.model_server import ModelServer, Peer, completion
from tests.lane.aws import BODY, KEY, NAME, REGION, SESSION_KEY, client, invoke, says, standin, stream, token

SSE = b'data: {"choices":[{"delta":{"content":"\xe4\xbd\xa0\xe5\xa5\xbd"}}]}\n\ndata: [DONE]\n\n'
OPENAI = f"/endpoints/{NAME}/openai/v1/chat/completions"


async def boto(function, *arguments, **options):
    return await asyncio.to_thread(function, *arguments, **options)


# Sound answers


async def test_a_whole_answer_comes_through_with_the_heads_of_the_service():
    async with ModelServer() as container, standin(container) as running:
        answer, body = await boto(invoke, running.url, Body=b'{"stream": false}', Accept="application/json")
        assert body == completion()
        assert answer["ContentType"] == "application/json"
        assert answer["InvokedProductionVariant"] == "AllTraffic"
        assert answer["ResponseMetadata"]["RequestId"]
        asked = container.requests[0]
        assert asked.start_line == "POST /invocations HTTP/1.1"
        assert (asked.headers["accept"], asked.body) == ("application/json", b'{"stream": false}')


async def test_a_stream_comes_through_as_parts_whose_bytes_are_the_containers():
    async with ModelServer() as container, standin(container) as running:
        container.script = says(SSE[:9], SSE[9:50], SSE[50:])
        answer, parts = await boto(stream, running.url, Accept="text/event-stream")
        assert b"".join(parts) == SSE
        assert answer["ContentType"] == "text/event-stream"
        assert container.requests[0].headers["accept"] == "text/event-stream"


async def test_an_answer_that_is_no_stream_is_framed_too():
    async with ModelServer() as container, standin(container) as running:
        answer, parts = await boto(stream, running.url, Body=b'{"stream": false}')
        assert (b"".join(parts), answer["ContentType"]) == (completion(), "application/json")


async def test_headers_of_the_service_reach_the_container_and_others_do_not():
    async with ModelServer() as container, standin(container) as running:
        await boto(invoke, running.url, Body=b"{}", InferenceId="id-1", SessionId="s1", PrefixAwareId="p1")
        headers = container.requests[0].headers
        assert headers["x-amzn-sagemaker-inference-id"] == "id-1"
        assert headers["x-amzn-sagemaker-session-id"] == "s1"
        assert headers["x-amzn-sagemaker-prefix-aware-id"] == "p1"
        assert not {"authorization", "x-amz-date", "user-agent", "amz-sdk-request"} & set(headers)


@pytest.mark.parametrize("streamed", [True, False])
async def test_the_openai_route_passes_the_containers_answer_on_as_it_is(streamed):
    async with ModelServer() as container, standin(container) as running:
        async with httpx.AsyncClient(base_url=running.url, trust_env=False) as http:
            headers = {"authorization": f"Bearer {token()}"}
            answer = await http.post(OPENAI, headers=headers, json={"stream": streamed})
        assert answer.status_code == 200
        assert answer.headers["x-amzn-requestid"]
        if streamed:
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert answer.text.endswith("data: [DONE]\n\n")
        else:
            assert answer.content == completion()


async def test_an_error_of_the_container_comes_through_the_openai_route_as_it_is():
    async def too_long(peer: Peer) -> None:
        await peer.answer(400, b'{"error": {"message": "too long"}}')

    async with ModelServer() as container, standin(container) as running:
        container.script = too_long
        async with httpx.AsyncClient(base_url=running.url, trust_env=False) as http:
            answer = await http.post(OPENAI, headers={"authorization": f"Bearer {token()}"}, json={"stream": True})
        assert (answer.status_code, answer.json()) == (400, {"error": {"message": "too long"}})


async def test_one_connection_serves_many_requests():
    async with ModelServer() as container, standin(container) as running:
        runtime = client(running.url)

        def thrice():
            for _ in range(3):
                runtime.invoke_endpoint(EndpointName=NAME, Body=b"{}")["Body"].read()

        await boto(thrice)
        assert {received.connection for received in running.received} == {1}


async def test_a_stand_in_may_listen_on_a_unix_socket(tmp_path):
    path = str(tmp_path / "runtime.sock")
    async with ModelServer() as container, standin(container, listen=Unix(path)) as running:
        assert running.url == f"unix:{path}"
        transport = httpx.AsyncHTTPTransport(uds=path)
        async with httpx.AsyncClient(base_url="http://localhost", transport=transport) as http:
            answer = await http.post(OPENAI, headers={"authorization": f"Bearer {token()}"}, json={})
        assert answer.status_code == 200


async def test_a_stand_in_may_speak_tls_as_the_service_does(tls_files):
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(tls_files.certificate, tls_files.key)
    async with ModelServer() as container, standin(container, tls=tls) as running:
        runtime = client(running.url.replace("127.0.0.1", "localhost"), ca=tls_files.ca)
        answer = await boto(runtime.invoke_endpoint, EndpointName=NAME, Body=b"{}")
        assert await boto(answer["Body"].read) == completion()


# Frames split anywhere

SPLITS = [
    Disturbed(part_sizes=(1,)),
    Disturbed(write_sizes=(1,)),
    Disturbed(part_sizes=(1,), write_sizes=(1,)),
    Disturbed(part_sizes=(3, 1, 20), write_sizes=(7, 11, 13)),
    Disturbed(write_sizes=(12,)),
    Disturbed(write_sizes=(100_000,)),
    Disturbed(gap_s=0.001),
]


@pytest.mark.parametrize("fault", SPLITS)
async def test_boto3_reads_the_same_bytes_however_frames_are_split(fault):
    async with ModelServer() as container, standin(container) as running:
        container.script = says(SSE)
        running.faults.add(fault)
        _, parts = await boto(stream, running.url)
        assert b"".join(parts) == SSE
        if fault.part_sizes:
            assert len(parts[0]) == fault.part_sizes[0]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pieces=st.lists(st.binary(min_size=1, max_size=80), min_size=1, max_size=5),
    part_sizes=st.lists(st.integers(1, 40), max_size=4),
    write_sizes=st.lists(st.integers(1, 40), max_size=4),
)
def test_any_bytes_split_anywhere_are_the_same_bytes(pieces, part_sizes, write_sizes):
    async def read():
        async with ModelServer() as container, standin(container) as running:
            container.script = says(*pieces)
            running.faults.add(Disturbed(part_sizes=tuple(part_sizes), write_sizes=tuple(write_sizes)))
            return await boto(stream, running.url)

    _, parts = asyncio.run(read())
    assert b"".join(parts) == b"".join(pieces)


# Who calls


@pytest.mark.parametrize("credentials", [KEY, SESSION_KEY])
async def test_the_right_key_is_let_in(credentials):
    async with ModelServer() as container, standin(container, credentials) as running:
        assert (await boto(invoke, running.url, credentials, Body=b"{}"))[1] == completion()


@pytest.mark.parametrize(
    ("credentials", "options", "expected"),
    [
        (Credentials(KEY.access_key, "another-secret"), {}, "InvalidSignatureException"),
        (Credentials("AKIAUNKNOWNUNKNOWN00", KEY.secret_key), {}, "UnrecognizedClientException"),
        (Credentials(KEY.access_key, KEY.secret_key, "a-token"), {}, "UnrecognizedClientException"),
        (KEY, {"region": "eu-west-1"}, "InvalidSignatureException"),
        (KEY, {"EndpointName": "another"}, "ValidationError"),
    ],
)
async def test_everything_else_is_refused_and_reaches_no_container(credentials, options, expected):
    async with ModelServer() as container, standin(container) as running:
        with pytest.raises(ClientError) as caught:
            await boto(invoke, running.url, credentials, **options)
        assert caught.value.response["Error"]["Code"] == expected
        assert [received.refused for received in running.received] == [expected]
        assert container.requests == []


@pytest.mark.parametrize("offset", [-310, 310])
async def test_a_signature_is_refused_when_it_is_old_or_from_the_future(offset):
    async with ModelServer() as container, standin(container, clock=lambda: time.time() + offset) as running:
        with pytest.raises(ClientError) as caught:
            await boto(invoke, running.url)
        assert caught.value.response["Error"]["Code"] == "InvalidSignatureException"


@pytest.mark.parametrize(
    "header", [None, "Bearer", "Basic abc", "Bearer sk-something", "Bearer sagemaker-api-key-!!!!"]
)
async def test_the_openai_route_wants_a_bearer_token_of_the_service(header):
    async with ModelServer() as container, standin(container) as running:
        async with httpx.AsyncClient(base_url=running.url, trust_env=False) as http:
            answer = await http.post(OPENAI, headers={"authorization": header} if header else {}, json={})
        assert answer.status_code == 403
        assert answer.headers["x-amzn-errortype"] == answer.json()["__type"]
        assert container.requests == []


@pytest.mark.parametrize(
    "path", ["/", "/endpoints/x", f"/endpoints/{NAME}/other", f"/endpoints/{NAME}/invocations?a=1"]
)
async def test_there_are_no_other_operations(path):
    async with (
        ModelServer() as container,
        standin(container) as running,
        httpx.AsyncClient(base_url=running.url, trust_env=False) as http,
    ):
        assert (await http.post(path, json={})).headers["x-amzn-errortype"] == "UnknownOperationException"
        assert (await http.get(f"/endpoints/{NAME}/invocations")).status_code == 404


async def test_a_body_that_is_too_long_is_refused():
    async with ModelServer() as container, standin(container) as running:
        with pytest.raises(ClientError) as caught:
            await boto(invoke, running.url, Body=b" " * (6 * 1024 * 1024 + 1))
        assert caught.value.response["Error"]["Code"] == "ValidationError"


# Errors


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("ThrottlingException", 400),
        ("ModelNotReadyException", 429),
        ("ServiceUnavailable", 503),
        ("InternalFailure", 500),
        ("InternalDependencyException", 530),
        ("ValidationError", 400),
        ("AccessDeniedException", 403),
    ],
)
@pytest.mark.parametrize("call", [invoke, stream])
async def test_a_planned_error_is_what_boto3_raises_by_that_name(name, status, call):
    async with ModelServer() as container, standin(container) as running:
        running.faults.add(Refused(name, message="as planned", retry_after="3"))
        with pytest.raises(ClientError) as caught:
            await boto(call, running.url, Body=b"{}")
        answer = caught.value.response
        assert (answer["Error"]["Code"], answer["Error"]["Message"]) == (name, "as planned")
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == status
        assert answer["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "3"
        assert container.requests == []
        assert (await boto(call, running.url, Body=b"{}"))[1]  # the plan is used up


@pytest.mark.parametrize("call", [invoke, stream])
async def test_a_modelled_error_is_an_exception_class_of_the_client(call):
    async with ModelServer() as container, standin(container) as running:
        running.faults.add(Refused("ModelNotReadyException"), times=faults.ALWAYS)
        for _ in range(2):
            with pytest.raises(ClientError) as caught:
                await boto(call, running.url)
            assert type(caught.value).__name__ == "ModelNotReadyException"


@pytest.mark.parametrize("call", [invoke, stream])
async def test_an_error_of_the_container_is_a_model_error_with_its_words(call):
    async def fails(peer: Peer) -> None:
        await peer.answer(500, b"Traceback (most recent call last): secret text")

    async with ModelServer() as container, standin(container) as running:
        container.script = fails
        with pytest.raises(ClientError) as caught:
            await boto(call, running.url)
        answer = caught.value.response
        assert type(caught.value).__name__ == "ModelError"
        assert answer["OriginalStatusCode"] == 500
        assert answer["OriginalMessage"].startswith("Traceback")
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 424
        assert answer["LogStreamArn"].endswith(NAME)


async def test_a_planned_model_error_carries_what_it_is_told():
    async with ModelServer() as container, standin(container) as running:
        running.faults.add(Refused("ModelError", original_status=413, original_message="too long"), endpoint=NAME)
        with pytest.raises(ClientError) as caught:
            await boto(invoke, running.url)
        assert caught.value.response["OriginalStatusCode"] == 413
        assert caught.value.response["OriginalMessage"] == "too long"


async def test_a_container_that_is_not_there_is_an_unavailable_service():
    async with Standin({NAME: "http://127.0.0.1:9"}, KEY, region=REGION) as running:
        with pytest.raises(ClientError) as caught:
            await boto(invoke, running.url)
        assert caught.value.response["Error"]["Code"] == "ServiceUnavailable"


async def test_a_container_that_is_silent_or_says_nonsense_is_a_model_error():
    async def silent(peer: Peer) -> None:
        await peer.until_gone()

    async def nonsense(peer: Peer) -> None:
        await peer.send(b"SMTP 220\r\n\r\n")

    async def hangs_up(peer: Peer) -> None:
        peer.close()

    async with ModelServer() as container, standin(container, limits=Limits(answer_s=0.1)) as running:
        for script, status in ((silent, 0), (nonsense, 500), (hangs_up, 500)):
            container.script = script
            with pytest.raises(ClientError) as caught:
                await boto(stream, running.url)
            assert caught.value.response["Error"]["Code"] == "ModelError"
            assert caught.value.response["OriginalStatusCode"] == status


# Errors inside streams


@pytest.mark.parametrize("after", [0, 1, 40, len(SSE), 10_000])
@pytest.mark.parametrize("name", ["ModelStreamError", "InternalStreamFailure"])
async def test_an_exception_ends_the_stream_after_the_bytes_before_it(name, after):
    async with ModelServer() as container, standin(container) as running:
        container.script = says(SSE[:30], SSE[30:])
        running.faults.add(Disturbed(ending=Raised(name, after=after, message="as planned"), write_sizes=(5,)))
        with pytest.raises(EventStreamError) as caught:
            await boto(stream, running.url)
        assert caught.value.response["Error"] == {"Code": name, "Message": "as planned"}
        assert b"".join(caught.value.parts) == SSE[:after]


async def test_an_error_that_the_model_does_not_name_ends_the_stream():
    async with ModelServer() as container, standin(container) as running:
        container.script = says(SSE)
        running.faults.add(Disturbed(ending=Raised("SomethingNew", after=5, message="m", modelled=False)))
        with pytest.raises(EventStreamError) as caught:
            await boto(stream, running.url)
        assert caught.value.response["Error"] == {"Code": "SomethingNew", "Message": "m"}


async def test_a_container_that_dies_midway_is_a_stream_that_broke():
    async with ModelServer() as container, standin(container) as running:
        container.script = says(SSE[:30], broken=True)
        with pytest.raises(EventStreamError) as caught:
            await boto(stream, running.url)
        assert caught.value.response["Error"]["Code"] == "ModelStreamError"
        assert b"".join(caught.value.parts) == SSE[:30]


async def test_a_container_that_takes_too_long_is_a_stream_that_broke():
    async def stalls(peer: Peer) -> None:
        await peer.open_stream()
        await peer.chunk(SSE[:30])
        await peer.until_gone()

    async with ModelServer() as container, standin(container, limits=Limits(stream_s=0.2)) as running:
        container.script = stalls
        with pytest.raises(EventStreamError, match="ModelStreamError"):
            await boto(stream, running.url)
        await asyncio.wait_for(container.requests[0].gone.wait(), 5)


@pytest.mark.parametrize("prelude", [True, False])
@pytest.mark.parametrize("after", [0, 20, 10_000])
async def test_a_wrong_checksum_is_noticed(prelude, after):
    async with ModelServer() as container, standin(container) as running:
        container.script = says(SSE)
        running.faults.add(Disturbed(ending=WrongCrc(after=after, prelude=prelude)))
        with pytest.raises(ChecksumMismatch) as caught:
            await boto(stream, running.url)
        assert b"".join(caught.value.parts) == SSE[:after]


@pytest.mark.parametrize("after", [0, 20, 10_000])
async def test_a_connection_cut_inside_a_frame_is_noticed(after):
    async with ModelServer() as container, standin(container) as running:
        container.script = says(SSE)
        running.faults.add(Disturbed(ending=Cut(after=after)))
        with pytest.raises(ProtocolError) as caught:
            await boto(stream, running.url)
        assert b"".join(caught.value.parts) == SSE[:after]


async def test_a_body_that_ends_in_order_inside_a_frame_says_nothing_to_boto3():
    # botocore drops the half frame and reports a complete stream. Ours must not.
    async with ModelServer() as container, standin(container) as running:
        container.script = says(SSE)
        running.faults.add(Disturbed(ending=Ended(after=20)))
        _, parts = await boto(stream, running.url)
        assert b"".join(parts) == SSE[:20]


async def test_on_the_openai_route_every_broken_end_is_a_dropped_connection():
    async with (
        ModelServer() as container,
        standin(container) as running,
        httpx.AsyncClient(base_url=running.url, trust_env=False, timeout=5) as http,
    ):
        for ending in (Raised("ModelStreamError", after=8), Cut(after=8), None):
            container.script = says(SSE, broken=ending is None)
            running.faults.add(Disturbed(ending=ending))
            with pytest.raises(httpx.RemoteProtocolError):
                await http.post(OPENAI, headers={"authorization": f"Bearer {token()}"}, json={"stream": True})


@pytest.mark.parametrize("fault", [Silent(), Disturbed(ending=Stalled(after=9))])
async def test_who_waits_in_vain_may_leave_and_takes_the_container_along(fault):
    async with ModelServer() as container, standin(container) as running:
        container.script = says(SSE)
        running.faults.add(fault)
        async with httpx.AsyncClient(base_url=running.url, trust_env=False, timeout=0.3) as http:
            with pytest.raises(httpx.ReadTimeout):
                await http.post(OPENAI, headers={"authorization": f"Bearer {token()}"}, json={"stream": True})
        for request in container.requests:
            await asyncio.wait_for(request.gone.wait(), 5)
        assert len(container.requests) == (0 if isinstance(fault, Silent) else 1)


async def test_a_whole_answer_can_be_cut_too():
    async with ModelServer() as container, standin(container) as running:
        running.faults.add(Disturbed(ending=Cut(after=20)))
        with pytest.raises(Exception, match=r"Connection broken|IncompleteRead"):
            await boto(invoke, running.url, Body=b"{}")


# The record


async def test_everything_received_is_on_record_refused_and_half_requests_included():
    async with ModelServer() as container, standin(container) as running:
        await boto(invoke, running.url, CustomAttributes="canary-in-a-header")
        received = running.received[0]
        assert (received.method, received.target) == ("POST", f"/endpoints/{NAME}/invocations")
        assert received.body == BODY
        assert dict(received.headers)["x-amzn-sagemaker-custom-attributes"] == "canary-in-a-header"
        host, port = running.url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST /canary-in-half-a-request")
        await writer.drain()
        while not any(b"canary-in-half" in heard.raw for heard in running.heard):  # noqa: ASYNC110 -- the record is the condition
            await asyncio.sleep(0.005)
        writer.close()
        assert any(BODY in heard.raw for heard in running.heard)
        running.clear_record()
        assert running.received == []
        assert not any(heard.raw for heard in running.heard)


async def test_without_being_asked_nothing_is_kept():
    async with ModelServer() as container, standin(container, keeps_record=False) as running:
        await boto(invoke, running.url)
        assert (running.received, running.heard) == ([], [])


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.0\r\n\r\n",
        b"POST / HTTP/1.1\r\nbad header\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n",
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc\r\n",
        b"x" * 70_000,
    ],
)
async def test_what_is_no_request_closes_the_connection_without_an_answer(raw):
    async with ModelServer() as container, standin(container) as running:
        host, port = running.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(raw)
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()


async def test_a_request_in_chunks_that_asks_first_is_read():
    async with ModelServer() as container, standin(container) as running:
        host, port = running.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            b"POST /endpoints/x/invocations HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n"
            b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        )
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 403 Forbidden\r\n")
        writer.close()
        assert running.received[0].body == b"abcde"


@pytest.mark.parametrize("endpoints", [{NAME: "ftp://x"}, {NAME: "https://x:1"}, {"no/name": "http://127.0.0.1:1"}])
def test_a_stand_in_says_what_it_cannot_stand_before(endpoints):
    with pytest.raises(ValueError, match="must be an endpoint's name"):
        Standin(endpoints, KEY, region=REGION)
