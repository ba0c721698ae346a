"""Asking a gateway over its admin port: who is asked, with what, and what is said when nothing sensible comes back."""

import argparse
import contextlib
import socket
import threading

import pytest

from gateway.cli import admin_port
from gateway.cli.admin_port import AdminPort
from gateway.cli.problem_report import Misuse
from gateway.config.addresses import Tcp, Unix
from gateway.runtime.secret_files import Secret
from tests.cli.folder import write_folder

TOKEN = "t" * 40
GOOD = b'HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n{"a": 1}'


@contextlib.contextmanager
def answering(answer: bytes, path: str | None = None):
    """A server that says `answer` once; yields its place and what it was asked."""
    if path is None:
        listening = socket.create_server(("127.0.0.1", 0))
        place = Tcp("127.0.0.1", listening.getsockname()[1])
    else:
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(path)
        listening.listen()
        place = Unix(path)
    asked: list[bytes] = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            connection, _ = listening.accept()
            with connection:
                asked.append(connection.recv(65536))
                connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield place, asked
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(10)


def test_one_request_is_sent_with_the_token_and_its_answer_decoded():
    with answering(GOOD) as (place, asked):
        assert AdminPort(place, Secret(TOKEN)).json("/admin/v1/x", method="POST", body=b"{}") == (200, {"a": 1})
    head, _, body = asked[0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /admin/v1/x HTTP/1.1"
    assert f"Authorization: Bearer {TOKEN}".encode() in lines
    assert (b"Content-Length: 2" in lines, body) == (True, b"{}")


def test_a_unix_socket_is_asked_as_well(tmp_path):
    with answering(GOOD, str(tmp_path / "admin.sock")) as (place, _):
        assert AdminPort(place, Secret(TOKEN)).ask("/x").body == b'{"a": 1}'


def test_what_listens_everywhere_is_asked_on_loopback():
    with answering(GOOD) as (place, _):
        assert AdminPort(Tcp("0.0.0.0", place.port), Secret(TOKEN)).ask("/x").status == 200


def test_a_refusal_of_the_gateways_is_an_answer():
    with answering(GOOD.replace(b"200 OK", b"409 Conflict")) as (place, _):
        assert AdminPort(place, Secret(TOKEN)).json("/x") == (409, {"a": 1})


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (GOOD.replace(b"200", b"401"), "refuses this admin token"),
        (b"", "is no gateway"),
        (b"SSH-2.0-x\r\n\r\n", "is no gateway"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "is no gateway"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 999999999\r\n\r\n", "is no gateway"),
        (GOOD.replace(b": 8", b": 9"), "is no gateway"),
        (GOOD.replace(b'"a"', b"(a)"), "is no gateway"),
        (b"x" * 70_000, "is no gateway"),
    ],
    ids=["401", "nothing", "another-program", "no-length", "too-large", "cut-short", "no-json", "no-head"],
)
def test_what_is_no_answer_becomes_one_sentence(answer, says):
    with answering(answer) as (place, _), pytest.raises(Misuse, match=says) as raised:
        AdminPort(place, Secret(TOKEN)).json("/x")
    assert str(place) in str(raised.value)
    assert TOKEN not in str(raised.value)


def test_nobody_there_is_said_with_what_to_do():
    with answering(GOOD) as (place, _):
        pass
    with pytest.raises(Misuse, match=r"No gateway answers .* `tidegate serve`"):
        AdminPort(place, Secret(TOKEN)).ask("/x")


def test_a_gateway_that_says_nothing_is_not_waited_for_for_ever(monkeypatch):
    monkeypatch.setattr(admin_port, "WITHIN_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        place = Tcp("127.0.0.1", listening.getsockname()[1])
        with pytest.raises(Misuse, match="does not answer in time"):
            AdminPort(place, Secret(TOKEN)).ask("/x")


def test_the_port_is_that_of_the_folder_or_of_the_environment(tmp_path, monkeypatch):
    folder = write_folder(tmp_path / "config")
    with answering(GOOD) as (place, asked):
        monkeypatch.setenv("TIDEGATE_ADMIN_LISTEN", str(place))
        assert AdminPort.of(argparse.Namespace(config=folder)).ask("/x").status == 200
    assert f"Bearer {TOKEN}".encode() in asked[0]
