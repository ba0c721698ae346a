"""The demo's cloud side in parts: where its files lie, what its control plane says, what it makes of the record."""

import asyncio
import base64
import json

import botocore.session
import pytest
from botocore.exceptions import ClientError

import gateway
from gateway.backends.sagemaker_capture import any_captures
from gateway.cli import demo_cloud
from gateway.cli.demo_child import asked, child, last_words
from gateway.cli.demo_cloud import Cloud, CloudFailed, Record
from gateway.cli.demo_control_plane import control_plane
from gateway.cli.demo_gateway import RunningGateway
from gateway.cli.demo_shipped import shipped_file
from gateway.errors import InvalidRequest
from gateway.lane.signatures import Credentials

REGION = "eu-central-1"
KEYS = Credentials("AKIDEXAMPLE", "secret")


# What ships


@pytest.mark.parametrize(
    ("folder", "name"),
    [("policies", "default.yaml"), ("sagemaker", "server.py"), ("sagemaker", "inference.py")],
)
def test_what_the_demo_needs_lies_beside_the_package_or_in_its_data(tmp_path, monkeypatch, folder, name):
    assert shipped_file(folder, name).is_file()
    package = tmp_path / "site-packages" / "gateway"
    inside = package / "data" / folder / name
    inside.parent.mkdir(parents=True)
    inside.write_text("installed")
    monkeypatch.setattr(gateway, "__file__", str(package / "__init__.py"))
    assert shipped_file(folder, name) == inside
    inside.unlink()
    with pytest.raises(InvalidRequest, match=f"{folder}/{name} is missing"):
        shipped_file(folder, name)


# The control plane


def client_at(url: str, secret: str):
    return botocore.session.Session().create_client(
        "sagemaker",
        region_name=REGION,
        endpoint_url=url,
        aws_access_key_id=KEYS.access_key,
        aws_secret_access_key=secret,
    )


async def test_the_preflight_learns_from_the_control_plane_that_nothing_is_kept():
    async with control_plane("tidegate-burst", KEYS, region=REGION) as url:
        seen = await asyncio.to_thread(lambda: any_captures(client_at(url, KEYS.secret_key), {"tidegate-burst"}))
    assert seen is False


@pytest.mark.parametrize(
    ("secret", "call", "code"),
    [
        ("another", lambda client: client.describe_endpoint(EndpointName="tidegate-burst"), "InvalidSignature"),
        (KEYS.secret_key, lambda client: client.list_endpoints(), "UnknownOperation"),
    ],
)
async def test_the_control_plane_refuses_strangers_and_what_it_does_not_know(secret, call, code):
    async with control_plane("tidegate-burst", KEYS, region=REGION) as url:
        with pytest.raises(ClientError) as refused:
            await asyncio.to_thread(lambda: call(client_at(url, secret)))
    assert code in refused.value.response["Error"]["Code"]


# Children and their record


@pytest.fixture
def folder(tmp_path_factory):
    # Sockets are made in it, so its path must be short.
    made = tmp_path_factory.mktemp("c")
    (made / "models").mkdir()
    return made


async def served(path, answer: bytes, requests: list[bytes]):
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        writer.close()

    return await asyncio.start_unix_server(handle, path)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", (200, b"{}")),
        (b"HTTP/1.1 503 No\r\n\r\n", (503, b"")),
        (b"SSH-2.0\r\n\r\n", (0, b"")),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", (0, b"")),
        (b"HTTP/1.1 200", (0, b"")),
        (b"", (0, b"")),
    ],
)
async def test_whatever_a_child_answers_is_a_status_and_a_body(folder, answer, told):
    requests: list[bytes] = []
    async with await served(folder / "s", answer, requests):
        assert await asked(folder / "s", "/x", method="DELETE", token="t") == told
    assert requests[0].startswith(b"DELETE /x HTTP/1.1\r\n")
    assert b"Authorization: Bearer t\r\n" in requests[0]
    assert await asked(folder / "nobody", "/x") == (0, b"")


async def test_the_record_is_the_last_message_of_each_request_and_every_byte(folder):
    def b64(data: bytes) -> str:
        return base64.b64encode(data).decode()

    bodies = [b'{"messages": [{"content": "first"}, {"content": "last"}]}', b"no chat", b'{"messages": []}']
    told = {
        "requests": [{"body": b64(body)} for body in bodies],
        "bytes": [{"raw": b64(b"POST one")}, {"raw": b64(b"POST two")}],
    }
    body = json.dumps(told).encode()
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    async with child("this", log_file=folder / "log") as process:
        cloud = Cloud(folder, KEYS, "", process, process)
        assert await cloud.record() is None
        requests: list[bytes] = []
        async with await served(folder / "models" / "record.sock", answer, requests):
            assert await cloud.record() == Record(("last", "no chat", '{"messages": []}'), b"POST one\nPOST two")
            await cloud.forget()
    assert requests[1].startswith(b"DELETE /received ")


async def test_a_cloud_side_that_ends_before_it_serves_says_its_last_words(folder):
    async with child("gateway.lane.standin", "--nonsense", log_file=folder / "cloud.log", is_heard=True) as process:
        cloud = Cloud(folder, KEYS, "", process, process)
        with pytest.raises(CloudFailed, match=r"stand-in did not start:(?s:.*)are required"):
            await cloud.address()
        await process.wait()
        with pytest.raises(CloudFailed, match=r"container did not start:(?s:.*)are required"):
            await cloud.until_loaded()


async def test_a_cloud_side_that_hangs_is_given_up(folder, monkeypatch):
    monkeypatch.setattr(demo_cloud, "START_DEADLINE_S", 0.0)
    # It waits for keys on stdin, which never come.
    standin = ("gateway.lane.standin", "--endpoint", "e=unix:/nowhere", "--region", REGION)
    async with child(*standin, log_file=folder / "cloud.log", is_heard=True) as process:
        cloud = Cloud(folder, KEYS, "", process, process)
        with pytest.raises(CloudFailed, match="stand-in did not start"):
            await cloud.address()
        with pytest.raises(CloudFailed, match="container did not start"):
            await cloud.until_loaded()


def test_last_words_are_the_end_of_a_log(tmp_path):
    (tmp_path / "log").write_text("".join(f"{number}\n" for number in range(100)))
    assert last_words(tmp_path / "log").split() == [str(number) for number in range(85, 100)]
    assert last_words(tmp_path / "none") == ""


@pytest.mark.parametrize(("in_flight", "is_full"), [(4, True), (3, False)])
async def test_a_pool_is_full_when_the_gateway_says_so(folder, in_flight, is_full):
    (folder / "secrets").mkdir()
    (folder / "secrets" / "admin.token").write_text("the-token\n")
    body = json.dumps({"pools": {"home": {"in_flight": in_flight, "limit": 4, "waiting": 0}}}).encode()
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    requests: list[bytes] = []
    async with child("this", log_file=folder / "log") as process, await served(folder / "admin.sock", answer, requests):
        gateway = RunningGateway(process, folder)
        assert await gateway.until_full("home", patience_s=5.0 if is_full else 0.05) is is_full
    assert b"Authorization: Bearer the-token\r\n" in requests[0]
