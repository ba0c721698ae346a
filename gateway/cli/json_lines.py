"""Reading the lines that a command is given, from a file or from standard input: each of bounded length, each one JSON
object with an id and either something of its own or a request."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

from gateway.cli.problem_report import Misuse
from gateway.errors import TidegateError
from gateway.wire import strict_json

LONGEST_LINE: Final = 8 << 20
_LONGEST_ID: Final = 200


class Unusable(Exception):
    """A line that cannot be used. `key` names the sentence that says why, `reason` fills its gap."""

    def __init__(self, key: str, reason: str = "") -> None:
        self.key = key
        self.reason = reason
        super().__init__(key)


class Item(NamedTuple):
    """What a line holds: its own value or a request, the other of which is None. Neither has been looked at."""

    id: str | int
    own: Any
    request: Any


def item_of(number: int, line: bytes | None, own: str) -> Item | None:
    """What the `number`-th line holds, under `own` or as a request; None if it is empty. Raises Unusable.

    A line without an id is called by its number.
    """
    if line is None:
        raise Unusable("too_long")
    if number == 1:
        line = line.removeprefix(b"\xef\xbb\xbf")  # editors on Windows put it there
    if not line.strip():
        return None
    try:
        document = strict_json.decode(line.strip())
    except TidegateError as error:
        raise Unusable("no_json", error.message.replace("The body", "This line", 1)) from None
    name = document.get("id", number)
    if type(name) not in (str, int) or len(str(name)) > _LONGEST_ID:
        raise Unusable("id")
    item = Item(name, document.get(own), document.get("request"))
    if (item.own is None) == (item.request is None):
        raise Unusable("neither" if item.own is None else "both")
    return item


@contextlib.contextmanager
def opened(file: Path | None) -> Iterator[BinaryIO]:
    """The lines of `file`; of standard input if it is none, or `-`. Raises Misuse if it cannot be read."""
    if file is None or str(file) == "-":
        yield sys.stdin.buffer
        return
    try:
        found = file.open("rb")
    except FileNotFoundError:
        raise Misuse(str(file), "There is no such file.", "Check the path.") from None
    except OSError as error:
        raise Misuse(str(file), f"This file cannot be read ({type(error).__name__}).") from None
    with found:
        yield found


def lines_of(stream: BinaryIO) -> Iterator[bytes | None]:
    """Each line; None for one that is too long to be read."""
    while line := stream.readline(LONGEST_LINE + 1):
        if len(line) <= LONGEST_LINE:
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = stream.readline(LONGEST_LINE)
        yield None
