"""One request while it arrives: what its head says as far as the front door asks, and the pieces of its body.

Nothing is judged here but the form of a header; what is refused, and when, is `api/openai.py`'s.
"""

import re
from typing import Final

from gateway.core.client import Client
from gateway.errors import TidegateError
from gateway.ports import Inbound

JSON: Final = b"application/json"
# To look for a byte as bytes costs 2,000 instructions more: that is tried as a number first, and fails with an error.
QUERY: Final = ord("?")
_FRAGMENT: Final = ord("#")
EARLY_CHECK: Final = 64 << 10
"""Bodies above this size are refused for a wrong credential, path or form before they are read."""

_LENGTH: Final = re.compile(rb"[ \t]*[0-9]{1,15}[ \t]*")
# A name, an IPv4 address or one of IPv6 in brackets, and a port or none (RFC 9110, 7.2): anything else is read
# differently by somebody.
_HOST: Final = re.compile(rb"(?:[0-9A-Za-z._~%!$&'()*+;=-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")
_TOO_LONG: Final = 10**15
_ASKED_FOR: Final = frozenset(
    {
        b"host",
        b"authorization",
        b"content-type",
        b"content-encoding",
        b"content-length",
        b"transfer-encoding",
        b"expect",
        b"x-forwarded-for",
        b"cache-control",
        b"x-tidegate-timeout",
        b"x-stainless-timeout",
        b"x-stainless-read-timeout",
    }
)
_SECONDS: Final = re.compile(rb"[0-9]{1,9}(?:\.[0-9]{0,9})?")


class Reading:
    """One request while it arrives."""

    # Defaults in the class: one of these is made for every request, and most of it stays as it is.
    url = b""
    path = b""
    method = b""
    version = "1.1"
    hosts = 0
    content_type = b""
    content_encoding = b""
    length: int | None = None
    chunked = b""
    expects = False
    keep_alive = True
    head_size = 0
    unfinished = 0
    size = 0
    error: TidegateError | None = None
    cache_control = b""
    credential: bytes | None = None
    """The Authorization header if there was exactly one: two are one too many to trust either."""

    timeout_s: float | None = None
    """How long the client gives the request."""

    patience_s: float | None = None
    """How long OpenAI's libraries wait for the next bytes of an answer, as they say themselves. Of one that comes whole
    that is all of it; of a stream it says nothing, since each piece begins the wait anew."""

    is_timeout_wrong = False

    forwarded = b""
    """What proxies say of where it comes from: all lines of it, behind commas."""

    client: Client | None = None
    """Whose request it is, apart from its credential; set by the face that reads it."""

    _credentials = 0
    _weighed = 0

    def __init__(self) -> None:
        # Names and values in turn, not looked at before the head is complete.
        self.lines: list[bytes] = []
        self.body: list[bytes] = []

    @property
    def is_malformed(self) -> bool:
        """Whether somebody else might read this head as another request, or as more or fewer of them than one."""
        return (
            self.hosts != 1
            or self.version not in ("1.1", "1.0")
            or self.path[:1] != b"/"
            or _FRAGMENT in self.url
            or self.chunked not in (b"", b"chunked")
            # Chunks came with HTTP/1.1: who speaks 1.0 on the way reads none.
            or (bool(self.chunked) and self.version != "1.1")
            # Nothing that we serve with GET reads a body, and who relays may not expect one.
            or (self.method == b"GET" and bool(self.chunked or self.length))
        )

    @property
    def is_large(self) -> bool:
        """Whether its body is too large, or may be, to be read before its head is found to be right."""
        return bool(self.chunked) or (self.length or 0) > EARLY_CHECK

    def inbound(self, now: float) -> Inbound:
        """The whole request, received at `now`, in monotonic seconds."""
        return Inbound(
            method=self.method,
            path=self.path,
            authorization=self.credential,
            body=self.body[0] if len(self.body) == 1 else b"".join(self.body),
            received_at=now,
            cache_control=self.cache_control,
            client=self.client,
            timeout_s=self.timeout_s,
            answer_within_s=self.timeout_s if self.patience_s is None else _least(self.timeout_s, self.patience_s),
        )

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

    def weigh(self) -> None:
        """Count what has come of the head so far."""
        self.head_size += len(b"".join(self.lines[self._weighed :]))
        self._weighed = len(self.lines)

    def read_head(self) -> None:
        """Take in the lines of the head, which is complete."""
        self.head_size += len(b"".join(self.lines[self._weighed :]))
        pieces = iter(self.lines)
        for name, value in zip(pieces, pieces, strict=True):
            if name not in _ASKED_FOR:
                name = name.lower()
                if name not in _ASKED_FOR:
                    continue
            match name:
                case b"host":
                    # Two are as bad as one that is none.
                    self.hosts += 1 if _HOST.fullmatch(value) else 2
                case b"authorization":
                    self._credentials += 1
                    self.credential = value if self._credentials == 1 else None
                case b"content-type":
                    self.content_type = JSON if value == JSON else value.partition(b";")[0].strip().lower()
                case b"content-encoding":
                    self.content_encoding = value.strip().lower()
                case b"content-length":
                    self.length = int(value) if _LENGTH.fullmatch(value) else _TOO_LONG
                case b"transfer-encoding":
                    self.chunked += value.strip().lower()
                case b"x-forwarded-for":
                    self.forwarded += b"," + value if self.forwarded else value
                case b"cache-control":
                    self.cache_control += b"," + value if self.cache_control else value
                case b"x-tidegate-timeout":
                    self.timeout_s = _least(_seconds(value), self.timeout_s)
                    self.is_timeout_wrong = self.is_timeout_wrong or not _seconds(value)
                case b"x-stainless-timeout" | b"x-stainless-read-timeout":
                    self.patience_s = _least(_seconds(value), self.patience_s)
                case _:  # expect
                    self.expects = value.strip().lower() == b"100-continue"


def _seconds(value: bytes) -> float | None:
    """A time above 0, as it is written; None for what is none."""
    return (float(value) or None) if _SECONDS.fullmatch(value) else None


def _least(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
