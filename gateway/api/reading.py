"""One request while it arrives: what its head says as far as the front door asks, and the pieces of its body.

Nothing is judged here but the form of a header; what is refused, and when, is `api/openai.py`'s.
"""

import re
from typing import Final

from gateway.errors import TidegateError

_DIGITS: Final = re.compile(rb"[0-9]{1,15}")
_TOO_LONG: Final = 10**15


class Reading:
    """One request while it arrives."""

    __slots__ = (
        "authorization",
        "body",
        "chunked",
        "content_encoding",
        "content_type",
        "error",
        "expects",
        "head_size",
        "hosts",
        "keep_alive",
        "length",
        "method",
        "minor",
        "size",
        "unfinished",
        "url",
    )

    def __init__(self) -> None:
        self.url = b""
        self.method = b""
        self.minor = 1
        self.hosts = 0
        self.authorization: list[bytes] = []
        self.content_type = b""
        self.content_encoding = b""
        self.length: int | None = None
        self.chunked = b""
        self.expects = False
        self.keep_alive = True
        self.head_size = 0
        self.unfinished = 0
        self.body: list[bytes] = []
        self.size = 0
        self.error: TidegateError | None = None

    @property
    def credential(self) -> bytes | None:
        """The Authorization header if there was exactly one: two are one too many to trust either."""
        return self.authorization[0] if len(self.authorization) == 1 else None

    @property
    def framing(self) -> bytes:
        """The least head after which a fresh parser reads the body of this request as the first would have."""
        lines = b"POST / HTTP/1.1\r\n"
        if self.chunked:
            lines += b"Transfer-Encoding: chunked\r\n"
        elif self.length is not None:
            lines += b"Content-Length: %d\r\n" % self.length
        if not self.keep_alive:
            lines += b"Connection: close\r\n"
        return lines + b"\r\n"

    def header(self, name: bytes, value: bytes) -> None:
        """Take in one line of the head."""
        self.head_size += len(name) + len(value)
        match name.lower():
            case b"host":
                self.hosts += 1
            case b"authorization":
                self.authorization.append(value)
            case b"content-type":
                self.content_type = value.partition(b";")[0].strip().lower()
            case b"content-encoding":
                self.content_encoding = value.strip().lower()
            case b"content-length":
                self.length = int(value) if _DIGITS.fullmatch(value) else _TOO_LONG
            case b"transfer-encoding":
                self.chunked += value.strip().lower()
            case b"expect":
                self.expects = value.strip().lower() == b"100-continue"
            case _:
                pass
