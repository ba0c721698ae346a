"""Ties a child process to the one that started it, so that it cannot be orphaned, not even by `kill -9`.

Two nets, since each has a hole: the kernel signals the child when the thread that started it ends (Linux only), and
the child's stdin, a pipe whose other end only the parent holds, reaches its end. The first works while the child is
busy in foreign code that keeps the interpreter's lock; the second also when the parent was gone before we asked.
"""

import ctypes
import os
import sys
import threading
from collections.abc import Callable
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def signal_when_parent_dies(signal_number: int) -> bool:
    """Ask the kernel to send this process `signal_number` when its parent dies; False where no kernel offers it."""
    if not sys.platform.startswith("linux"):
        return False
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl.argtypes = (ctypes.c_int, ctypes.c_ulong)
    return bool(prctl(_PR_SET_PDEATHSIG, signal_number) == 0)


def call_when_stdin_ends(action: Callable[[], None]) -> threading.Thread:
    """Call `action` in a thread of its own once stdin reaches its end. Whatever arrives before is thrown away."""

    def wait() -> None:
        while os.read(0, 4096):
            pass
        action()

    thread = threading.Thread(target=wait, name="tether", daemon=True)
    thread.start()
    return thread
