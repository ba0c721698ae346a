"""Redis's wire format, version 2 (RESP): commands to bytes, and bytes to replies, however they were cut.

An error keeps only its first word, which is one of Redis's own: the rest of it may quote what was sent.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

Argument = bytes | str | int
"""One part of a command. A text is sent as UTF-8, a number in digits."""

LARGEST: Final = 64 << 20
"""The largest reply, in bytes, and the most entries of one: beyond it nobody is a Redis that keeps what we wrote."""

_DEEPEST: Final = 8
_CODE: Final = re.compile(rb"[A-Z][A-Z0-9_]{1,30}(?= |$)")
_ELSEWHERE: Final = re.compile(rb"(MOVED|ASK) ([0-9]{1,5}) ([0-9A-Za-z.:_-]{1,260})")


class OutOfStep(Exception):
    """What came is no reply. Nothing that comes after it on this connection means anything."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The server refused a command. `code` is the error's first word: `NOSCRIPT`, `READONLY`, `OOM`, `ERR`.

    `slot` and `to` are those of a cluster's `MOVED` and `ASK`: who has what was asked for.
    """

    code: str
    slot: int = -1
    to: str = ""


Reply = bytes | int | Refused | None | list["Reply"]
"""What a server answers; in a list there may be anything, lists and refusals included."""


def command(parts: Sequence[Argument]) -> bytes:
    """The bytes of one command."""
    out = bytearray(b"*%d\r\n" % len(parts))
    for part in parts:
        data = part if isinstance(part, bytes) else str(part).encode()
        out += b"$%d\r\n%b\r\n" % (len(data), data)
    return bytes(out)


class Replies:
    """Reads replies from one connection. After OutOfStep it must not be fed again."""

    __slots__ = ("_data",)

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> list[Reply]:
        """The replies that are complete with `data`, in order."""
        self._data += data
        found: list[Reply] = []
        at = 0
        while at < len(self._data):
            try:
                reply, at = self._read(at, 0)
            except _NotYet:
                break
            found.append(reply)
        del self._data[:at]
        return found

    @property
    def is_between(self) -> bool:
        """Whether nothing of a further reply has come."""
        return not self._data

    def _read(self, at: int, depth: int) -> tuple[Reply, int]:
        data = self._data
        end = data.find(b"\r\n", at)
        if end < 0:
            if len(data) - at > LARGEST:
                raise OutOfStep
            raise _NotYet
        kind, line, after = data[at : at + 1], bytes(data[at + 1 : end]), end + 2
        if kind == b"$":
            length = _number(line)
            if length == -1:
                return None, after
            if not 0 <= length <= LARGEST:
                raise OutOfStep
            if len(data) < after + length + 2:
                raise _NotYet
            if data[after + length : after + length + 2] != b"\r\n":
                raise OutOfStep
            return bytes(data[after : after + length]), after + length + 2
        if kind == b":":
            return _number(line), after
        if kind == b"+":
            return line, after
        if kind == b"-":
            return _refused(line), after
        if kind == b"*" and depth < _DEEPEST:
            return self._read_list(_number(line), after, depth)
        raise OutOfStep

    def _read_list(self, length: int, at: int, depth: int) -> tuple[Reply, int]:
        if length == -1:
            return None, at
        if not 0 <= length <= LARGEST:
            raise OutOfStep
        items: list[Reply] = []
        for _ in range(length):
            if at >= len(self._data):
                raise _NotYet
            item, at = self._read(at, depth + 1)
            items.append(item)
        return items, at


class _NotYet(Exception):
    """The rest of a reply has not come yet."""


def _refused(line: bytes) -> Refused:
    elsewhere = _ELSEWHERE.fullmatch(line)
    if elsewhere is not None:
        return Refused(elsewhere[1].decode(), int(elsewhere[2]), elsewhere[3].decode())
    code = _CODE.match(line)
    return Refused(code[0].decode() if code is not None else "ERR")


def _number(line: bytes) -> int:
    # int() would take `1_0`, ` 7 ` and digits of other scripts, too.
    if not (line.removeprefix(b"-").isdigit() and len(line) <= 20):
        raise OutOfStep
    return int(line)
