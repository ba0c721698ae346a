"""A corpus of requests on whose end two HTTP parsers might disagree, as data.

Each row is what a client sends, followed on the same connection by `SENTINEL`, and what must come of it: either one
clear refusal and a closed connection, so that nothing behind it is ever read as a request, or exactly the named
requests in order, the sentinel last. The numbers are sections of RFC 9112 and RFC 9110.
"""

from dataclasses import dataclass
from typing import Final

SMUGGLED: Final = b"GET /v1/models/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
SENTINEL: Final = b"GET /v1/models/sentinel HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True)
class Row:
    """One attempt. `served` is how many bytes of body the front door hands on for each POST; None means refused.

    `sees_sentinel` says whether the connection lives on after it.
    """

    name: str
    raw: bytes
    served: tuple[int, ...] | None = None
    sees_sentinel: bool = True


def post(*lines: bytes, body: bytes = b"", target: bytes = b"/v1/chat/completions", version: bytes = b"1.1") -> bytes:
    head = (
        b"POST " + target + b" HTTP/" + version,
        b"Host: x",
        b"Content-Type: application/json",
        b"Authorization: Bearer good",
        *lines,
    )
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def chunked(body: bytes, *lines: bytes) -> bytes:
    return post(b"Transfer-Encoding: chunked", *lines, body=body)


def get(*lines: bytes, target: bytes = b"/v1/models/one", version: bytes = b"HTTP/1.1") -> bytes:
    return b"\r\n".join((b"GET " + target + b" " + version, *lines)) + b"\r\n\r\n"


HIDDEN: Final = b"0\r\n\r\n" + SMUGGLED
"""What a parser that believes in chunks takes for an end and a new request, and one that counts for a body."""

ROWS: Final = (
    # 9112, 3.2: exactly one Host
    Row("no Host", get()),
    Row("two Hosts", get(b"Host: x", b"Host: x")),
    Row("two Hosts that differ", get(b"Host: x", b"Host: y")),
    Row("an empty second Host", get(b"Host: x", b"Host:")),
    Row("Host with a space in it", get(b"Host: x y")),
    Row("Host with a path in it", get(b"Host: x/v1")),
    Row("Host with user information", get(b"Host: a@x")),
    Row("Host with a comma", get(b"Host: x, y")),
    # 9112, 6.1 and 6.3: one way of framing
    Row(
        "Content-Length, then Transfer-Encoding", post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=HIDDEN)
    ),
    Row("Transfer-Encoding, then Content-Length", chunked(HIDDEN, b"Content-Length: %d" % len(HIDDEN))),
    Row("two Content-Lengths that differ", post(b"Content-Length: 0", b"Content-Length: 45", body=SMUGGLED)),
    Row("two Content-Lengths that agree", post(b"Content-Length: 2", b"Content-Length: 2", body=b"{}")),
    Row("a list of Content-Lengths", post(b"Content-Length: 2, 2", body=b"{}")),
    Row("Content-Length with a sign", post(b"Content-Length: +2", body=b"{}")),
    Row("a negative Content-Length", post(b"Content-Length: -2", body=b"{}")),
    Row("Content-Length in hex", post(b"Content-Length: 0x2", body=b"{}")),
    Row("Content-Length with a space in it", post(b"Content-Length: 4 5", body=SMUGGLED)),
    Row("Content-Length with an underscore", post(b"Content-Length: 4_5", body=SMUGGLED)),
    Row("Content-Length with a point", post(b"Content-Length: 2.0", body=b"{}")),
    Row("an empty Content-Length", post(b"Content-Length:", body=SMUGGLED)),
    Row("Content-Length beyond 64 bits", post(b"Content-Length: 18446744073709551618", body=b"{}")),
    Row("Content-Length in other digits", post("Content-Length: ２".encode(), body=b"{}")),
    Row("Content-Length behind a vertical tab", post(b"Content-Length:\x0b2", body=b"{}")),
    Row("no length at all", post(body=b""), (0,)),
    Row("Content-Length with white space around it", post(b"Content-Length: \t 2 \t", body=b"{}"), (2,)),
    # 9112, 6.1 and 7: the transfer codings that we take
    Row("an unknown coding", post(b"Transfer-Encoding: xchunked", body=HIDDEN)),
    Row("a coding before chunked", post(b"Transfer-Encoding: gzip, chunked", body=HIDDEN)),
    Row("chunked before a coding", post(b"Transfer-Encoding: chunked, gzip", body=HIDDEN)),
    Row("chunked twice", post(b"Transfer-Encoding: chunked, chunked", body=HIDDEN)),
    Row("chunked twice, in two lines", chunked(HIDDEN, b"Transfer-Encoding: chunked")),
    Row("chunked and identity, in two lines", chunked(HIDDEN, b"Transfer-Encoding: identity")),
    Row("identity", post(b"Transfer-Encoding: identity", body=HIDDEN)),
    Row("an empty Transfer-Encoding", post(b"Transfer-Encoding:", body=HIDDEN)),
    Row(
        "an empty Transfer-Encoding beside a length", post(b"Transfer-Encoding:", b"Content-Length: 45", body=SMUGGLED)
    ),
    Row("chunked in quotes", post(b'Transfer-Encoding: "chunked"', body=HIDDEN)),
    Row("chunked with a parameter", post(b"Transfer-Encoding: chunked;q=1", body=HIDDEN)),
    Row("chunked behind a vertical tab", post(b"Transfer-Encoding: \x0bchunked", body=HIDDEN)),
    Row("chunked behind NUL", post(b"Transfer-Encoding: \x00chunked", body=HIDDEN)),
    Row("chunked with a comma", post(b"Transfer-Encoding: ,chunked", body=HIDDEN)),
    Row("chunked, and the name with a space", post(b"Transfer-Encoding : chunked", body=HIDDEN)),
    Row("chunked on a folded line", post(b"Transfer-Encoding:\r\n chunked", body=HIDDEN)),
    Row("chunked in HTTP/1.0", post(b"Transfer-Encoding: chunked", body=HIDDEN, version=b"1.0")),
    Row("chunked in other letters", chunked(b"2\r\n{}\r\n0\r\n\r\n").replace(b": chunked", b": ChUnKeD"), (2,)),
    # 9112, 7.1: chunks
    Row("a chunk", chunked(b"2\r\n{}\r\n0\r\n\r\n"), (2,)),
    Row("a request in a chunk", chunked(b"%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)), (len(SMUGGLED),)),
    Row("a chunk size with zeros before it", chunked(b"0002\r\n{}\r\n000\r\n\r\n"), (2,)),
    Row("a chunk size beyond 64 bits", chunked(b"10000000000000002\r\n{}\r\n" + HIDDEN)),
    Row("a chunk size with a sign", chunked(b"+2\r\n{}\r\n" + HIDDEN)),
    Row("a negative chunk size", chunked(b"-2\r\n{}\r\n" + HIDDEN)),
    Row("a chunk size with 0x", chunked(b"0x2\r\n{}\r\n" + HIDDEN)),
    Row("a chunk size behind a space", chunked(b" 2\r\n{}\r\n" + HIDDEN)),
    Row("a chunk size before a space", chunked(b"2 \r\n{}\r\n" + HIDDEN)),
    Row("a chunk size with an underscore", chunked(b"0_2\r\n{}\r\n" + HIDDEN)),
    Row("no chunk size", chunked(b"\r\n{}\r\n" + HIDDEN)),
    Row("a chunk longer than it says", chunked(b"2\r\n{}{}\r\n" + HIDDEN)),
    Row("a chunk without its line end", chunked(b"2\r\n{}" + HIDDEN)),
    Row("a chunk that ends with a bare LF", chunked(b"2\r\n{}\n" + HIDDEN)),
    Row("a chunk that ends with a bare CR", chunked(b"2\r\n{}\r0\r\n\r\n" + SMUGGLED)),
    Row("a chunk line that ends with a bare LF", chunked(b"2\n{}\r\n" + HIDDEN)),
    Row("a chunk line that ends with a bare CR", chunked(b"2\r{}\r\n" + HIDDEN)),
    Row("a chunk extension with a bare LF", chunked(b"2;x\n{}\r\n" + HIDDEN)),
    Row("a chunk extension with a bare CR", chunked(b"2;x\rx\r\n{}\r\n" + HIDDEN)),
    Row("a chunk extension with NUL", chunked(b"2;\x00\r\n{}\r\n" + HIDDEN)),
    Row("the last chunk with a bare LF", chunked(b"2\r\n{}\r\n0\n\n" + SMUGGLED)),
    Row("a last chunk that is no zero", chunked(b"2\r\n{}\r\n0x0\r\n\r\n" + SMUGGLED)),
    # 9112, 7.1.2: trailers change nothing
    Row("a trailer", chunked(b"2\r\n{}\r\n0\r\nX: y\r\n\r\n"), (2,)),
    Row("Content-Length as a trailer", chunked(b"2\r\n{}\r\n0\r\nContent-Length: 45\r\n\r\n")),
    Row("Transfer-Encoding as a trailer", chunked(b"2\r\n{}\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n")),
    Row("a folded trailer", chunked(b"2\r\n{}\r\n0\r\nX: y\r\n z\r\n\r\n" + SMUGGLED)),
    Row("a trailer that is no header", chunked(b"2\r\n{}\r\n0\r\nGET /v1/models/smuggled HTTP/1.1\r\n\r\n")),
    Row("a trailer with a bare LF", chunked(b"2\r\n{}\r\n0\r\nX: y\n\r\n")),
    # 9112, 2.2 and 5: lines and fields
    Row("bare LF after the request line", b"GET /v1/models/one HTTP/1.1\nHost: x\r\n\r\n"),
    Row("bare LF after a field", b"GET /v1/models/one HTTP/1.1\r\nHost: x\nX: y\r\n\r\n"),
    Row("bare LF at the end of the head", b"GET /v1/models/one HTTP/1.1\r\nHost: x\r\n\n"),
    Row("bare CR after a field", b"GET /v1/models/one HTTP/1.1\r\nHost: x\rX: y\r\n\r\n"),
    Row("bare CR in a value", get(b"Host: x", b"X: a\rContent-Length: 45")),
    Row("bare CR at the end of the head", b"GET /v1/models/one HTTP/1.1\r\nHost: x\r\n\rX: y\r\n\r\n"),
    Row("NUL in a value", get(b"Host: x", b"X: a\x00b")),
    Row("a control character in a value", get(b"Host: x", b"X: a\x01b")),
    Row("DEL in a value", get(b"Host: x", b"X: a\x7fb")),
    Row("NUL in a name", get(b"Host: x", b"X\x00Y: a")),
    Row("a control character in a name", get(b"Host: x", b"X\x01Y: a")),
    Row("a space in a name", get(b"Host: x", b"X Y: a")),
    Row("a tab before the colon", get(b"Host: x", b"X\t: a")),
    Row("a space before the first name", b"GET /v1/models/one HTTP/1.1\r\n Host: x\r\n\r\n"),
    Row("an empty name", get(b"Host: x", b": a")),
    Row("a field without a colon", get(b"Host: x", b"X")),
    Row("a name beyond ASCII", get(b"Host: x", "Ｘ: a".encode())),
    Row("a name in quotes", get(b"Host: x", b'"Content-Length": 45')),
    Row("a folded field", get(b"Host: x", b"X: a\r\n b")),
    Row("a field folded by a tab", get(b"Host: x", b"X: a\r\n\tContent-Length: 45")),
    Row("an empty line before the request", b"\r\n" + get(b"Host: x"), ()),
    Row("a value of other bytes", get(b"Host: x", b"X: \xff\xfe"), ()),
    # 9112, 3: the request line
    Row("absolute form, the same host", get(b"Host: x", target=b"http://x/v1/models/one")),
    Row("absolute form, another host", get(b"Host: x", target=b"http://y/v1/models/one")),
    Row("absolute form, another scheme", get(b"Host: x", target=b"file:///v1/models/one")),
    Row("absolute form with user information", get(b"Host: x", target=b"http://x@y/v1/models/one")),
    Row("authority form", get(b"Host: x", target=b"x:80")),
    Row("asterisk form", get(b"Host: x", target=b"*")),
    Row("a target without a slash", get(b"Host: x", target=b"v1/models/one")),
    Row("a space in the target", get(b"Host: x", target=b"/v1/models/a b")),
    Row("a version in the target", get(b"Host: x", target=b"/v1/models/one HTTP/1.1 ")),
    Row("NUL in the target", get(b"Host: x", target=b"/v1/models/a\x00b")),
    Row("a control character in the target", get(b"Host: x", target=b"/v1/models/a\x01b")),
    Row("a fragment in the target", get(b"Host: x", target=b"/v1/models/one#two")),
    Row("other bytes in the target", get(b"Host: x", target="/v1/models/模".encode())),
    Row("HTTP/0.9", b"GET /v1/models/one\r\n"),
    Row("a version that there is not", get(b"Host: x", version=b"HTTP/1.2")),
    Row("a version of two digits", get(b"Host: x", version=b"HTTP/1.10")),
    Row("HTTP/3 in words", get(b"Host: x", version=b"HTTP/3.0")),
    Row("HTTP/2 in words", get(b"Host: x", version=b"HTTP/2")),
    Row("a version in small letters", get(b"Host: x", version=b"http/1.1")),
    Row("another protocol's name for 1.0", get(b"Host: x", version=b"RTSP/1.0"), (), sees_sentinel=False),
    Row("another protocol of the same shape", get(b"Host: x", version=b"ICE/1.0")),
    Row("HTTP/0.9 with a head", get(b"Host: x", version=b"HTTP/0.9")),
    Row("HTTP/2.0 with a head", get(b"Host: x", version=b"HTTP/2.0")),
    Row("two spaces before the version", get(b"Host: x", version=b" HTTP/1.1"), ()),
    Row("a tab before the version", b"GET /v1/models/one\tHTTP/1.1\r\nHost: x\r\n\r\n"),
    Row("a space behind the version", get(b"Host: x", version=b"HTTP/1.1 ")),
    Row("a method in small letters", get(b"Host: x").replace(b"GET", b"get")),
    Row("a method that there is not", get(b"Host: x").replace(b"GET", b"GOT")),
    Row("a method beyond ASCII", get(b"Host: x").replace(b"GET", "ＧET".encode())),
    Row("HTTP/2's preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    Row("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    # 9110, 7.8, 9.3.1 and 10.1.1
    Row("an offer of h2c", post(b"Connection: Upgrade", b"Upgrade: h2c", b"Content-Length: 2", body=b"{}"), (2,)),
    Row(
        "an offer of WebSocket with a request behind it",
        get(b"Host: x", b"Connection: Upgrade", b"Upgrade: websocket", target=b"/v1/models/one"),
        (),
    ),
    Row("a body on GET", get(b"Host: x", b"Content-Length: %d" % len(SMUGGLED)) + SMUGGLED),
    Row("an empty body on GET", get(b"Host: x", b"Content-Length: 0"), ()),
    Row("a body of chunks on GET", get(b"Host: x", b"Transfer-Encoding: chunked") + HIDDEN),
    Row("an expectation that nobody knows", post(b"Expect: 200-maybe", b"Content-Length: 2", body=b"{}"), (2,)),
    Row("a request in a body", post(b"Content-Length: %d" % len(SMUGGLED), body=SMUGGLED), (len(SMUGGLED),)),
    Row(
        "HTTP/1.0 that keeps nothing", post(b"Content-Length: 2", body=b"{}", version=b"1.0"), (2,), sees_sentinel=False
    ),
    Row(
        "Connection: close with a request behind it",
        post(b"Connection: close", b"Content-Length: 2", body=b"{}" + SMUGGLED),
        (2,),
        sees_sentinel=False,
    ),
)
