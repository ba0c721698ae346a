"""The programs that a benchmark runs: started on one core, stopped by their own pid whatever happens.

Ctrl-C reaches only the benchmark, which then stops its children; if it is killed outright, the kernel stops them.
"""

import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None)
STOP_S: Final = 5.0


class StartFailed(Exception):
    """A program did not come up; the text says which and ends with what it said last."""


class Children:
    """A context that owns processes."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> "Children":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for process in reversed(self._running.values()):
            process.terminate()
        for process in self._running.values():
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def start(self, name: str, argv: Sequence[str | Path], *, core: int | Collection[int], cwd: Path) -> int:
        """Start a program pinned to `core`, or to several, and return its pid; what it prints goes to a file of its
        name."""
        cores = {core} if isinstance(core, int) else set(core)

        def prepare() -> None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            os.sched_setaffinity(0, cores)

        with self._log(name).open("wb") as log:
            process = subprocess.Popen(
                [str(part) for part in argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                start_new_session=True,
                preexec_fn=prepare,
            )
        self._running[name] = process
        return process.pid

    def await_port(self, name: str, port: int, *, within_s: float = 10.0) -> None:
        """Return once something accepts connections on loopback `port`."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            self.check(name)
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.05)
        raise StartFailed(f"{name} did not listen within {within_s:.0f} s. {self.last_words(name)}")

    def check(self, name: str) -> None:
        """Raise StartFailed if the program has ended."""
        status = self._running[name].poll()
        if status is not None:
            raise StartFailed(f"{name} ended with status {status}. {self.last_words(name)}")

    def last_words(self, name: str) -> str:
        """The last line that the program printed."""
        lines = self._log(name).read_text(errors="replace").strip().splitlines()
        return f"It said: {lines[-1]}" if lines else "It said nothing."

    def _log(self, name: str) -> Path:
        return self._logs / f"{name}.log"


def free_port() -> int:
    """A loopback port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
