"""Reading the lines that a command is given, from a file or from standard input, each of bounded length."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from gateway.cli.problem_report import Misuse

LONGEST_LINE: Final = 8 << 20


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
