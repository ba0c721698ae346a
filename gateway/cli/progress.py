"""A sign of life on standard error while a command takes long; nothing for one that is quick."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Final, TextIO

QUIET_S: Final = 2.0
_ON_A_TERMINAL_S: Final = 1.0
_IN_A_FILE_S: Final = 10.0


class Progress:
    """What is under way. `detail` may be set by whoever does it, from any thread."""

    __slots__ = ("detail",)

    def __init__(self) -> None:
        self.detail = ""


@contextmanager
def still_at(what: str, out: TextIO | None = None, *, quiet_s: float = QUIET_S) -> Iterator[Progress]:
    """Say every now and then that `what` is still under way, once it has taken `quiet_s` seconds."""
    out = out if out is not None else sys.stderr
    is_terminal = out.isatty()
    started, done, progress = monotonic(), threading.Event(), Progress()
    said = threading.Event()

    def tell() -> None:
        pause = quiet_s
        while not done.wait(pause):
            detail = f", {progress.detail}" if progress.detail else ""
            line = f"{what}: {monotonic() - started:.0f} s{detail}"
            print(f"\r\x1b[K{line}" if is_terminal else line, end="" if is_terminal else "\n", file=out, flush=True)
            said.set()
            pause = _ON_A_TERMINAL_S if is_terminal else _IN_A_FILE_S

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield progress
    finally:
        done.set()
        teller.join()
        if is_terminal and said.is_set():
            print("\r\x1b[K", end="", file=out, flush=True)
