"""A corpus of responses on whose end two HTTP parsers might disagree, as data.

Each row is what a model server sends on one connection and what must come of it: a failure with its reason, or an
answer with its body. After none of them but the few marked `serves_again` may the connection carry another request,
since what is left of one answer would be the next caller's (threats.md I12). The numbers are sections of RFC 9112 and
RFC 9110.
"""

from dataclasses import dataclass
from typing import Final

FORGED: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged"
"""What the next caller would get, were it left on the connection."""


@dataclass(frozen=True)
class Row:
    """One response. `body` is the answer's; `reason` a part of why there is none. `closes`: the server then closes."""

    name: str
    raw: bytes
    reason: str | None = None
    status: int = 200
    body: bytes = b""
    closes: bool = False
    serves_again: bool = False


def ok(*lines: bytes, body: bytes = b"", status: bytes = b"200 OK", version: bytes = b"1.1") -> bytes:
    return b"\r\n".join((b"HTTP/" + version + b" " + status, *lines)) + b"\r\n\r\n" + body


def sized(body: bytes, *lines: bytes, **more: bytes) -> bytes:
    return ok(b"content-length: %d" % len(body), *lines, body=body, **more)


def chunked(body: bytes, *lines: bytes, **more: bytes) -> bytes:
    return ok(b"transfer-encoding: chunked", *lines, body=body, **more)


GOOD: Final = b"2\r\n{}\r\n0\r\n\r\n"
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
HEADER: Final = "invalid header line"
STATUS: Final = "invalid status line"
LENGTH: Final = "invalid content length"
LENGTHS: Final = "two lengths"
CODING: Final = "unknown transfer encoding"
SIZE: Final = "invalid chunk size"
CHUNK_END: Final = "chunk without its end"
LINE: Final = "line too long in a chunked body"
TRAILER: Final = "invalid trailer"
CUT: Final = "closed before the response was complete"

ROWS: Final = (
    # What is well, so that a test of the rest is one
    Row("an answer with its length", sized(b"{}"), body=b"{}", serves_again=True),
    Row("an answer in chunks", chunked(GOOD), body=b"{}", serves_again=True),
    Row("two lengths that agree", sized(b"{}", b"Content-Length: 2"), body=b"{}", serves_again=True),
    Row("a few interim responses", CONTINUE * 8 + sized(b"{}"), body=b"{}", serves_again=True),
    Row("no content", ok(status=b"204 No Content"), status=204, serves_again=True),
    Row("no content of length 0", ok(b"content-length: 0", status=b"204 No"), status=204, serves_again=True),
    # 9110, 15.2: interim responses
    Row("hundreds of interim responses", CONTINUE * 300 + sized(b"{}"), "unexpected interim response"),
    Row("interim responses without an end", CONTINUE * 8 + CONTINUE, "unexpected interim response"),
    Row("a switch of protocols", ok(b"upgrade: h2c", status=b"101 Switching Protocols"), "unexpected interim response"),
    Row("an interim response with a body", ok(b"content-length: 2", status=b"103 Early", body=b"{}\r\n\r\n"), STATUS),
    Row("an interim response with a bad line", ok(b"a b", status=b"100 Continue"), HEADER),
    Row("an interim response after the answer", sized(b"{}") + CONTINUE, body=b"{}"),
    Row("an interim response and then the end", CONTINUE, CUT, closes=True),
    # 9112, 9.2: more than was asked for
    Row("a second response after the first", sized(b"{}") + FORGED, body=b"{}"),
    Row("a second response after chunks", chunked(GOOD) + FORGED, body=b"{}"),
    Row("a second response after an empty one", sized(b"") + FORGED),
    Row("a byte too many", sized(b"{}") + b"\n", body=b"{}"),
    Row("an empty line too many", chunked(GOOD) + b"\r\n", body=b"{}"),
    Row("a body longer than its length", ok(b"content-length: 2", body=b"{}{}"), body=b"{}"),
    # 9112, 6.3 rule 1: what has no body, whatever is said of one
    Row("204 with a body", ok(b"content-length: 2", status=b"204 No", body=b"{}"), status=204),
    Row("204 with the promise of a body", ok(b"content-length: 2", status=b"204 No"), status=204),
    Row("204 with a response as its body", ok(status=b"204 No") + FORGED, status=204),
    Row("204 in chunks", chunked(GOOD, status=b"204 No Content"), status=204),
    Row("304 with the length of what it stands for", ok(b"content-length: 9", status=b"304 Not"), status=304),
    Row("304 with a body", ok(b"content-length: 2", status=b"304 Not", body=b"{}"), status=304),
    Row("304 in chunks", chunked(GOOD, status=b"304 Not Modified"), status=304),
    # 9112, 6.3 rule 3: one way of framing
    Row("a length, then chunks", sized(b"{}", b"transfer-encoding: chunked"), LENGTHS),
    Row("chunks, then a length", chunked(GOOD, b"content-length: 12"), LENGTHS),
    Row("a length and chunks of nothing", ok(b"content-length: 0", b"transfer-encoding: chunked", body=GOOD), LENGTHS),
    Row("204 with a length and chunks", chunked(GOOD, b"content-length: 0", status=b"204 No"), LENGTHS),
    # 9112, 6.3 rule 5: lengths
    Row("two lengths that differ", sized(b"{}", b"content-length: 8"), LENGTHS),
    Row("two lengths that differ in their zeros", sized(b"{}", b"content-length: 02"), LENGTHS),
    Row("a list of lengths that agree", ok(b"content-length: 2, 2", body=b"{}"), LENGTH),
    Row("a list of lengths that differ", ok(b"content-length: 2, 8", body=b"{}"), LENGTH),
    Row("a length with a sign", ok(b"content-length: +2", body=b"{}"), LENGTH),
    Row("a negative length", ok(b"content-length: -2", body=b"{}"), LENGTH),
    Row("a length in hex", ok(b"content-length: 0x2", body=b"{}"), LENGTH),
    Row("a length with a space in it", ok(b"content-length: 2 2", body=b"{}"), LENGTH),
    Row("a length with an underscore", ok(b"content-length: 1_0", body=b"{}"), LENGTH),
    Row("a length in other digits", ok("content-length: ２".encode(), body=b"{}"), LENGTH),
    Row("an empty length", ok(b"content-length:", body=b"{}"), LENGTH),
    Row("a length beyond 64 bits", ok(b"content-length: 18446744073709551618", body=b"{}"), LENGTH),
    Row("a length that is not reached", ok(b"content-length: 3", body=b"{}"), CUT, closes=True),
    # 9112, 6.1: codings
    Row("an unknown coding", ok(b"transfer-encoding: xchunked", body=GOOD), CODING),
    Row("a coding before chunks", ok(b"transfer-encoding: gzip, chunked", body=GOOD), CODING),
    Row("chunks before a coding", ok(b"transfer-encoding: chunked, gzip", body=GOOD), CODING),
    Row("chunked twice", ok(b"transfer-encoding: chunked, chunked", body=GOOD), CODING),
    Row("chunked twice, in two lines", chunked(GOOD, b"transfer-encoding: chunked"), CODING),
    Row("chunked and identity, in two lines", chunked(GOOD, b"transfer-encoding: identity"), CODING),
    Row("identity", ok(b"transfer-encoding: identity", body=GOOD), CODING),
    Row("an empty coding", ok(b"transfer-encoding:", body=GOOD), CODING),
    Row("chunked in quotes", ok(b'transfer-encoding: "chunked"', body=GOOD), CODING),
    Row("chunked behind a vertical tab", ok(b"transfer-encoding: \x0bchunked", body=GOOD), HEADER),
    Row("chunks in HTTP/1.0", chunked(GOOD, version=b"1.0"), body=b"{}"),
    Row("a content coding", sized(b"{}", b"content-encoding: gzip"), "content encoding that was not asked for"),
    # 9112, 7.1: chunks
    Row("a chunk size with a sign", chunked(b"+2\r\n{}\r\n0\r\n\r\n"), SIZE),
    Row("a negative chunk size", chunked(b"-2\r\n{}\r\n0\r\n\r\n"), SIZE),
    Row("a chunk size with 0x", chunked(b"0x2\r\n{}\r\n0\r\n\r\n"), SIZE),
    Row("a chunk size with an underscore", chunked(b"0_2\r\n{}\r\n0\r\n\r\n"), SIZE),
    Row("a chunk size behind a space", chunked(b" 2\r\n{}\r\n0\r\n\r\n"), SIZE),
    Row("a chunk size of nine digits", chunked(b"000000002\r\n{}\r\n0\r\n\r\n"), SIZE),
    Row("a chunk size beyond 64 bits", chunked(b"10000000000000002\r\n{}\r\n0\r\n\r\n"), SIZE),
    Row("no chunk size", chunked(b"\r\n{}\r\n0\r\n\r\n"), SIZE),
    Row("an extension without a size", chunked(b";a=b\r\n{}\r\n0\r\n\r\n"), SIZE),
    Row("an extension that is too long", chunked(b"2;" + b"a" * 300 + b"\r\n{}\r\n0\r\n\r\n"), LINE),
    Row("a chunk line without an end", chunked(b"0" * 300), LINE),
    Row("a chunk line that ends with a bare LF", chunked(b"2\n{}\r\n0\r\n\r\n"), SIZE),
    Row("a chunk line with a bare CR", chunked(b"2\r{}\r\n0\r\n\r\n"), SIZE),
    Row("an extension with a bare LF", chunked(b"2;a\nb\r\n{}\r\n0\r\n\r\n"), SIZE),
    Row("an extension with NUL", chunked(b"2;a\x00\r\n{}\r\n0\r\n\r\n"), SIZE),
    Row("a chunk longer than it says", chunked(b"2\r\n{}{}\r\n0\r\n\r\n"), CHUNK_END),
    Row("a chunk without its line end", chunked(b"2\r\n{}0\r\n\r\n"), CHUNK_END),
    Row("a chunk that ends with a bare LF", chunked(b"2\r\n{}\n0\r\n\r\n"), CHUNK_END),
    Row("a chunk that ends with a bare CR", chunked(b"2\r\n{}\r0\r\n\r\n"), CHUNK_END),
    Row("no last chunk", chunked(b"2\r\n{}\r\n"), CUT, closes=True),
    Row("no end after the last chunk", chunked(b"2\r\n{}\r\n0\r\n"), CUT, closes=True),
    # 9112, 7.1.2: trailers are dropped, and bounded
    Row("trailers that frame", chunked(b"0\r\ncontent-length: 6\r\ntransfer-encoding: x\r\n\r\n"), serves_again=True),
    Row("a response among the trailers", chunked(b"0\r\n" + FORGED), TRAILER),
    Row("a trailer without a name", chunked(b"0\r\n: a\r\n\r\n"), TRAILER),
    Row("a folded trailer", chunked(b"0\r\na: b\r\n c\r\n\r\n"), TRAILER),
    Row("a trailer with a bare LF", chunked(b"0\r\na: b\nc: d\r\n\r\n"), TRAILER),
    Row("a trailer that is too long", chunked(b"0\r\na: " + b"b" * 300 + b"\r\n\r\n"), LINE),
    Row("trailers without an end", chunked(b"0\r\n" + b"a: b\r\n" * 100), "too many trailers"),
    # 9112, 2.2, 5 and 5.2: lines
    Row("a bare LF after the status line", b"HTTP/1.1 200 OK\ncontent-length: 2\r\n\r\n{}", STATUS),
    Row("a bare LF between headers", ok(b"a: b\ncontent-length: 2", body=b"{}"), HEADER),
    Row("a bare CR between headers", ok(b"a: b\rcontent-length: 2", body=b"{}"), HEADER),
    Row("a bare CR in a value", ok(b"content-length: 2\r", body=b"{}"), HEADER),
    Row("NUL in a value", ok(b"a: \x00", b"content-length: 2", body=b"{}"), HEADER),
    Row("NUL in a name", ok(b"a\x00: b", b"content-length: 2", body=b"{}"), HEADER),
    Row("a control sign in a value", ok(b"a: \x7f", b"content-length: 2", body=b"{}"), HEADER),
    Row("a folded header", ok(b"a: b", b" c", b"content-length: 2", body=b"{}"), HEADER),
    Row("a folded length", ok(b"content-length:", b" 2", body=b"{}"), HEADER),
    Row("a folded first line", ok(b" a: b", b"content-length: 2", body=b"{}"), HEADER),
    Row("a space before the colon", ok(b"content-length : 2", body=b"{}"), HEADER),
    Row("a space in a name", ok(b"content length: 2", body=b"{}"), HEADER),
    Row("a header without a name", ok(b": 2", b"content-length: 2", body=b"{}"), HEADER),
    Row("a header without a colon", ok(b"content-length", body=b"{}"), HEADER),
    Row("a head of lines with bare LFs", b"HTTP/1.1 200 OK\ncontent-length: 2\n\n{}", CUT, closes=True),
    # 9112, 4: the status line
    Row("HTTP/2", ok(b"content-length: 2", version=b"2", body=b"{}"), STATUS),
    Row("HTTP/1.2", ok(b"content-length: 2", version=b"1.2", body=b"{}"), STATUS),
    Row("HTTP/0.9", b"{}", CUT, closes=True),
    Row("ICY", b"ICY 200 OK\r\n\r\n", STATUS),
    Row("an empty line first", b"\r\n" + sized(b"{}"), STATUS),
    Row("a status of two digits", ok(status=b"20 OK"), STATUS),
    Row("a status of four digits", ok(status=b"2000 OK"), STATUS),
    Row("a status with a sign", ok(status=b"+20 OK"), STATUS),
    Row("NUL in the status line", ok(status=b"200 O\x00K"), STATUS),
    Row("a bare CR in the status line", ok(status=b"200 O\rK"), STATUS),
    # What is held in memory
    Row("a header that is too long", ok(b"a: " + b"b" * (1 << 17), body=b"{}"), "head too large"),
    Row("too many headers", ok(*[b"a: b"] * 20_000, body=b"{}"), "head too large"),
    Row("a head without an end", b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 20_000, "head too large"),
    # 9112, 9.3 and 9.6: what the connection is good for
    Row("told to close", sized(b"{}", b"connection: close"), body=b"{}"),
    Row("told to close in other letters", sized(b"{}", b"Connection: Keep-Alive, CLOSE"), body=b"{}"),
    Row("told to close in a second line", sized(b"{}", b"connection: a", b"connection: close"), body=b"{}"),
    Row("told to close after chunks", chunked(GOOD, b"connection: close"), body=b"{}"),
    Row("told to close with no content", ok(b"connection: close", status=b"204 No"), status=204),
    Row("HTTP/1.0", sized(b"{}", version=b"1.0"), body=b"{}"),
    Row("HTTP/1.0 that would stay", sized(b"{}", b"connection: keep-alive", version=b"1.0"), body=b"{}"),
    Row("framed by the close", ok(body=b"{}"), body=b"{}", closes=True),
    Row("framed by the close, and a second response", ok(body=b"{}") + FORGED, body=b"{}" + FORGED, closes=True),
    Row("framed by the close, and told to stay", ok(b"connection: keep-alive", body=b"{}"), body=b"{}", closes=True),
)
