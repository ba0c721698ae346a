"""The proof at load as its parent sees it: a child process, what it says, and an end however it behaves.

The child (`cli/prover.py`) reads the files, compiles and proves them, and has no secret. It lives no longer than its
parent and than `within_s`, and what it may use of the machine is bounded; whatever stops it, nothing is proved.
"""

import contextlib
import os
import selectors
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Final

import msgspec

from gateway.core.problems import Problem, Problems
from gateway.ports import Clock

LONGEST_PROOF_S: Final = 300.0
MOST_MEMORY: Final = 2 << 30
LONGEST_SAYING: Final = 8 << 20
_CHUNK: Final = 1 << 16
_TELL_EVERY_S: Final = 0.5
_SIMPLER: Final = "Simplify it: fewer facts named in `when`, fewer constants, fewer pools in a row."


class Progressed(msgspec.Struct, frozen=True, tag="progressed"):
    """So many nodes have been walked."""

    nodes: int


class Proved(msgspec.Struct, frozen=True, tag="proved"):
    """Everything holds: the certificate's bytes, the bundle it is for, and what is worth knowing besides."""

    certificate: bytes
    bundle: str
    notes: tuple[Problem, ...] = ()


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """The files do not load, or something does not hold or could not be shown to."""

    problems: tuple[Problem, ...]


Saying = Progressed | Proved | Refused
Progress = Callable[[int, float], None]
"""Told now and then how many nodes were walked, and for how many seconds the proof has been running."""

_encode: Final = msgspec.json.Encoder().encode
_decoder: Final[msgspec.json.Decoder[Saying]] = msgspec.json.Decoder(Saying)


def say(saying: Saying) -> bytes:
    """One line of the child."""
    return _encode(saying) + b"\n"


def too_large(place: str) -> Problem:
    """What is told of a proof that needs more memory than it may have."""
    return Problem(place, 0, 0, f"The proof needs more than {MOST_MEMORY >> 30} GiB, so nothing is proved.", _SIMPLER)


def prover_command(config_dir: str) -> Sequence[str]:
    """How the child is started. `-P`: a folder called `gateway` where the operator stands must not be imported."""
    return sys.executable, "-P", "-m", "gateway.cli.prover", "--config", config_dir


@contextlib.contextmanager
def proving(command: Sequence[str], place: str, clock: Clock) -> Iterator["Proof"]:
    """Run the child inside the block. `place` is what problems without a place of their own are told of.

    Must be called in the main thread, to which the kernel ties the child's life.
    """
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        # A group of its own: Ctrl-C in a terminal reaches us alone, and the end of the block ends the child.
        process_group=0,
    )
    assert process.stdout is not None  # noqa: S101 -- asked for as a pipe
    try:
        yield Proof(process, process.stdout, place, clock)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


class Proof:
    """A proof under way."""

    def __init__(self, process: subprocess.Popen[bytes], out: IO[bytes], place: str, clock: Clock) -> None:
        self._process = process
        self._out = out
        self._place = place
        self._clock = clock
        self._began = clock.monotonic()
        self._buffer = bytearray()
        self._nodes = 0

    def result(self, on_progress: Progress, *, within_s: float = LONGEST_PROOF_S) -> Proved:
        """Wait for what the child finds; raises Problems if that is not a proof, or nothing within `within_s`."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._out, selectors.EVENT_READ)
            tell_at = 0.0
            while (passed := self._clock.monotonic() - self._began) < within_s:
                if passed >= tell_at:
                    tell_at = passed + _TELL_EVERY_S
                    on_progress(self._nodes, passed)
                if not selector.select(min(_TELL_EVERY_S, within_s - passed)):
                    continue
                data = os.read(self._out.fileno(), _CHUNK)
                if not data:
                    raise self._ended()
                verdict = self._heard(data)
                if verdict is not None:
                    return verdict
        raise self._failed(f"The policy was not proved within {within_s:g} s, so nothing is proved.", _SIMPLER)

    def _heard(self, data: bytes) -> Proved | None:
        self._buffer += data
        *lines, rest = self._buffer.split(b"\n") if b"\n" in data else (self._buffer,)
        self._buffer = rest
        if len(rest) > LONGEST_SAYING:
            raise self._unreadable()
        for line in lines:
            try:
                saying = _decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                raise self._unreadable() from None
            match saying:
                case Proved():
                    return saying
                case Refused(problems):
                    raise Problems(problems)
                case Progressed(nodes):
                    self._nodes = nodes
        return None

    def _ended(self) -> Problems:
        code = self._process.wait()
        how = f"with status {code}" if code >= 0 else f"by signal {-code}"
        return self._failed(f"The prover ended {how} before it was done, so nothing is proved.", _SIMPLER)

    def _unreadable(self) -> Problems:
        return self._failed("The prover said something that is not for its parent.", "Install Tidegate again.")

    def _failed(self, message: str, mend: str) -> Problems:
        return Problems([Problem(self._place, 0, 0, message, mend)])
