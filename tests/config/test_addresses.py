"""Addresses are four forms; everything else is an error, since two programs would read it differently."""

import pytest

from gateway.config.addresses import Listen, Tcp, Unix, endpoint, is_literal, listen, origin
from gateway.core.reading import Reader, Word
from gateway.core.topology import Endpoint
from gateway.core.written import Place


def word(text: str) -> Word:
    return Word(text, Place("f", 1, 1))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:8080", Tcp("127.0.0.1", 8080)),
        ("localhost:0", Tcp("localhost", 0)),
        ("[::1]:8080", Tcp("::1", 8080)),
        ("unix:/run/tidegate/a.sock", Unix("/run/tidegate/a.sock")),
    ],
)
def test_where_to_listen(text: str, expected: Listen) -> None:
    reader = Reader()
    assert listen(reader, word(text), "`listen`") == expected
    assert str(expected) == text
    assert reader.problems == []


@pytest.mark.parametrize(
    "text",
    ["8080", ":8080", "127.0.0.1", "127.0.0.1:65536", "127.1:80", "[::g]:80", "::1:80", "unix:a.sock", "http://a:1"],
)
def test_where_nobody_can_listen(text: str) -> None:
    reader = Reader()
    assert listen(reader, word(text), "`listen`") is None
    assert [problem.message for problem in reader.problems] == ["`listen` must be an address."]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://10.0.0.5:8000", Endpoint("10.0.0.5:8000", "10.0.0.5", 8000)),
        ("http://Gpu-A", Endpoint("gpu-a:80", "gpu-a", 80)),
        ("https://gpu.bank.internal", Endpoint("gpu.bank.internal:443", "gpu.bank.internal", 443, True)),
        ("https://gpu:8443/base/", Endpoint("gpu:8443/base", "gpu", 8443, True, None, "/base")),
        ("http://[::1]:9/v1", Endpoint("[::1]:9/v1", "::1", 9, False, None, "/v1")),
        ("unix:/run/vllm/a.sock", Endpoint("/run/vllm/a.sock", unix="/run/vllm/a.sock")),
    ],
)
def test_where_a_model_server_is(text: str, expected: Endpoint) -> None:
    reader = Reader()
    assert endpoint(reader, word(text), None) == expected
    named = endpoint(reader, word(text), "b")
    assert named is not None
    assert named.name == "b"
    assert reader.problems == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("http://user:password@host", "This is not the address of a model server."),
        ("http://host?q", "This is not the address of a model server."),
        ("http://host/#f", "This is not the address of a model server."),
        ("ftp://host", "This is not the address of a model server."),
        ("http://010.0.0.1", "This is not the address of a model server."),
        ("http://1.2.3", "This is not the address of a model server."),
        ("http://[1:2]", "This is not the address of a model server."),
        ("unix:relative", "This is not the address of a model server."),
        ("http://host:0", "A port is a number from 1 to 65535."),
        ("http://host:70000", "A port is a number from 1 to 65535."),
    ],
)
def test_where_no_model_server_can_be(text: str, message: str) -> None:
    reader = Reader()
    assert endpoint(reader, word(text), None) is None
    assert [problem.message for problem in reader.problems] == [message]


def test_where_a_proxy_or_a_control_plane_is() -> None:
    reader = Reader()
    assert origin(reader, word("https://Proxy.example"), "`x`") == Endpoint(
        "proxy.example:443", "proxy.example", 443, True
    )
    assert origin(reader, word("http://[::1]:9"), "`x`") == Endpoint("[::1]:9", "::1", 9)
    assert reader.problems == []


@pytest.mark.parametrize("text", ["http://a/", "http://a/b", "unix:/a", "a:80", "http://1.2.3"])
def test_a_path_or_a_socket_is_no_origin(text: str) -> None:
    reader = Reader()
    assert origin(reader, word(text), "`x`") is None
    assert [problem.message for problem in reader.problems] == ["`x` must be an address without a path."]


def test_what_is_missing_is_passed_over() -> None:
    reader = Reader()
    assert origin(reader, None, "x") is None
    assert listen(reader, None, "x") is None
    assert endpoint(reader, None, None) is None
    assert reader.problems == []


@pytest.mark.parametrize(("host", "expected"), [("10.0.0.1", True), ("::1", True), ("1.example", False), ("a", False)])
def test_a_literal_is_told_from_a_name(host: str, expected: bool) -> None:
    assert is_literal(host) is expected
