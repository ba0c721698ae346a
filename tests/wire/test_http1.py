"""The response reader: whole, byte by byte, cut short; and what it will not read."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.message import Message
from gateway.wire.http1 import (
    MAX_HEAD,
    MAX_KNOWN,
    KnownHead,
    ResponseInvalid,
    ResponseReader,
    request_bytes,
    request_start,
)

SIZED = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{"a":1}'
CHUNKED = (
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n1;ext=1\r\n \r\nA\r\n0123456789\r\n0\r\nx-trailer: 1\r\n\r\n"
)
UNTIL_EOF = b"HTTP/1.1 200 OK\r\n\r\nall of it"
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + SIZED
BODIES = [
    (SIZED, b'{"a":1}', True),
    (CHUNKED, b"hello 0123456789", True),
    (EMPTY, b"", True),
    (INTERIM, b'{"a":1}', True),
    (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", b"ok", False),
    (b"HTTP/1.1 200 OK\r\nconnection: Close\r\ncontent-length: 2\r\n\r\nok", b"ok", False),
    (b"HTTP/1.1 200 OK\r\nConnection:\t keep-alive , x \t\r\ncontent-length: 2\r\n\r\nok", b"ok", True),
    (b"HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n", b"", True),
    (b"HTTP/1.1 200 OK\r\ncontent-encoding: identity\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok", b"ok", True),
]


@pytest.mark.parametrize(("raw", "body", "reusable"), BODIES)
@pytest.mark.parametrize("step", [1, 2, 3, 1 << 20])
def test_a_response_is_the_same_however_it_arrives(raw, body, reusable, step):
    reader = ResponseReader()
    got = b"".join(reader.feed(raw[at : at + step]) for at in range(0, len(raw), step))
    assert (got, reader.is_done, reader.may_reuse) == (body, True, reusable)
    reader.end_of_file()


def told(raw: bytes, step: int, known: KnownHead | None = None):
    reader = ResponseReader(known)
    got = b"".join([reader.feed(raw[at : at + step]) for at in range(0, len(raw), step)])
    return (got, reader.head, reader.is_done, reader.may_reuse), reader.known


@pytest.mark.parametrize("step", [1, 3, 1 << 20])
@pytest.mark.parametrize("first", [raw for raw, _, _ in BODIES] + [UNTIL_EOF])
@pytest.mark.parametrize("second", [raw for raw, _, _ in BODIES] + [UNTIL_EOF])
def test_a_response_is_read_the_same_whatever_head_is_known_from_before(first, second, step):
    _, known = told(first, step)
    assert known is not None
    assert told(second, step, known) == told(second, step)


def test_a_head_that_comes_again_is_read_once():
    _, known = told(SIZED, 1 << 20)
    (_, head, _, _), again = told(SIZED, 1 << 20, known)
    assert again is known
    assert head is known.head


def test_a_long_head_is_not_kept():
    _, known = told(b"HTTP/1.1 204 No Content\r\nx: %b\r\n\r\n" % (b"y" * MAX_KNOWN), 1 << 20)
    assert known is None


@pytest.mark.parametrize("raw", [SIZED, CHUNKED, INTERIM])
def test_a_response_cut_short_anywhere_is_never_complete(raw):
    for end in range(len(raw)):
        reader = ResponseReader()
        reader.feed(raw[:end])
        assert not reader.is_done
        with pytest.raises(ResponseInvalid, match="closed before"):
            reader.end_of_file()


@pytest.mark.parametrize(
    ("said", "begun"), [(b"", False), (b"H", True), (b"HTTP/1.1 100 Continue\r\n\r\n", True), (SIZED, True)]
)
def test_it_is_known_whether_the_peer_has_said_anything(said, begun):
    reader = ResponseReader()
    reader.feed(said)
    assert reader.has_begun is begun


def test_a_response_without_a_length_ends_with_the_connection():
    reader = ResponseReader()
    assert reader.feed(UNTIL_EOF) == b"all of it"
    assert reader.feed(b", really") == b", really"
    assert not reader.is_done
    reader.end_of_file()
    assert reader.is_done
    assert not reader.may_reuse


@pytest.mark.parametrize("raw", [SIZED, CHUNKED, EMPTY])
def test_a_surplus_byte_forbids_another_request_on_the_connection(raw):
    for pieces in ([raw + b"H"], [raw, b"H"]):
        reader = ResponseReader()
        for piece in pieces:
            reader.feed(piece)
        assert reader.is_done
        assert not reader.may_reuse


def test_chunks_that_arrive_one_by_one_or_two_at_once_are_the_same():
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    for pieces in (
        [b"3\r\nabc\r\n", b"2\r\nde\r\n"],
        [b"3\r\nabc\r\n2\r\nde\r\n"],
        [b"3;x=y\r\nabc\r\n", b"2\r\nde\r\n"],
        [b"0003\r\nabc\r\n", b"2 \r\nde\r\n"],
        [b"5\r\nabcde\r", b"\n"],
        [b"5\r\nabc", b"de\r\n"],
    ):
        reader = ResponseReader()
        reader.feed(head)
        assert b"".join(map(reader.feed, pieces)) == b"abcde"
        assert not reader.is_done
        assert reader.feed(b"0\r\n\r\n") == b""
        assert reader.is_done


@pytest.mark.parametrize("size", [b"a", b"A", b"0a", b"00000A"])
def test_a_size_may_be_written_in_any_way_of_hexadecimal(size):
    reader = ResponseReader()
    reader.feed(HEAD + b"transfer-encoding: chunked\r\n\r\n")
    assert reader.feed(size + b"\r\n0123456789\r\n") == b"0123456789"


def test_the_head_has_lower_case_names_and_trimmed_values():
    reader = ResponseReader()
    reader.feed(b"HTTP/1.1 404 Not Found\r\nX-A: \t b c \t\r\ncontent-length:0\r\n\r\n")
    assert reader.head is not None
    assert reader.head.status == 404
    assert reader.head.headers == ((b"x-a", b"b c"), (b"content-length", b"0"))


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"HTTP/2 200 OK\r\n\r\n", "status line"),
        (b"HTTP/1.1 099 Odd\r\n\r\n", "status line"),
        (b"200 OK\r\n\r\n", "status line"),
        (HEAD + b"a : b\r\n\r\n", "header line"),
        (HEAD + b"a: b\r\n folded\r\n\r\n", "header line"),
        (HEAD + b"a: b\nc: d\r\n\r\n", "header line"),
        (HEAD + b"a: b\x00\r\n\r\n", "header line"),
        (HEAD + b"content-length: 1\r\ncontent-length: 2\r\n\r\n", "two lengths"),
        (HEAD + b"content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", "two lengths"),
        (HEAD + b"content-length: +1\r\n\r\n", "content length"),
        (HEAD + b"content-length: 1, 1\r\n\r\n", "content length"),
        (HEAD + b"transfer-encoding: gzip, chunked\r\n\r\n", "transfer encoding"),
        (HEAD + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n", "transfer encoding"),
        (HEAD + b"content-encoding: gzip\r\ncontent-length: 1\r\n\r\n", "content encoding"),
        (b"HTTP/1.1 101 Switching\r\n\r\n", "interim"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 9, "interim"),
        (HEAD + b"x: " + b"y" * MAX_HEAD, "head too large"),
        (HEAD + b"x: " + b"y" * MAX_HEAD + b"\r\n\r\n", "head too large"),
        (HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n", "chunk size"),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n-1\r\n", "chunk size"),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n1 2\r\n", "chunk size"),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n1;" + b"x" * 300 + b"\r\n", "line too long"),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n" + b"0" * 300, "line too long"),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n1\r\nab\r\n", "chunk without its end"),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n1\r\na\n", "chunk without its end"),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n0\r\nno trailer\r\n\r\n", "trailer"),
    ],
)
def test_what_is_not_plain_http_is_refused(raw, reason):
    with pytest.raises(ResponseInvalid) as refused:
        ResponseReader().feed(raw)
    assert reason in refused.value.reason


@given(
    chunks=st.lists(st.binary(min_size=1, max_size=40), max_size=6),
    cuts=st.lists(st.integers(0, 400), max_size=8),
)
def test_any_chunked_body_arrives_whole_under_any_split(chunks, cuts):
    raw = HEAD + b"transfer-encoding: chunked\r\n\r\n"
    raw += b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    edges = [0, *sorted(cut for cut in cuts if cut < len(raw)), len(raw)]
    reader = ResponseReader()
    got = b"".join(reader.feed(raw[a:b]) for a, b in pairwise(edges))
    assert got == b"".join(chunks)
    assert reader.may_reuse


def test_a_request_is_framed_with_the_endpoints_own_host_and_credential():
    message = Message(b"POST", b"/v1/x", ((b"content-type", b"application/json"),), b"{}")
    start = request_start(message, host=b"gpu:8000", base_path=b"/base", credential=b"secret")
    assert request_bytes(start, message.body) == (
        b"POST /base/v1/x HTTP/1.1\r\nhost: gpu:8000\r\naccept-encoding: identity\r\n"
        b"content-type: application/json\r\nauthorization: Bearer secret\r\ncontent-length: 2\r\n\r\n{}"
    )
    assert b"authorization" not in request_start(message, host=b"h", base_path=b"", credential=None)
