"""What ties a child to its supervisor: the fds it inherits, the messages it sends, and dying when the other is gone.

One Unix socket pair per worker, message by message. The worker reports that it is ready and how far its audit segment
is, and passes on what operations order; the supervisor tells every worker which overrides stand, before it is started
and whenever one changes. The end of file means that the supervisor is gone. On Linux the kernel kills the worker then;
elsewhere, and in the moment before the kernel was asked, the end of file makes it drain.
"""

import contextlib
import ctypes
import fcntl
import os
import resource
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from signal import SIGKILL, SIGUSR1
from typing import Final, Protocol, Self

import msgspec
from msgspec.structs import replace

from gateway.core.audit_chain import Head
from gateway.core.controls import Controls, Order
from gateway.core.records import Refusal
from gateway.runtime.upgrade import NotLoaded

LONGEST_MESSAGE: Final = 1 << 16
REPLACED: Final = SIGUSR1
"""Tells a worker that another serves in its place: it takes nothing new and leaves its connections to their clients."""

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The worker accepts connections."""


class Synced(msgspec.Struct, frozen=True, tag="synced"):
    """The worker's audit segment is on disk up to `head`."""

    head: Head


class Asked(msgspec.Struct, frozen=True, tag="asked"):
    """The worker passes on an order; `number` is its own and comes back with the answer."""

    number: int
    order: Order


class Activated(msgspec.Struct, frozen=True, tag="activated"):
    """The bundle called `bundle` governs in this worker from now on."""

    bundle: str


class NotActivated(msgspec.Struct, frozen=True, tag="not_activated"):
    """This worker goes on as before. `reason` says why in fixed words."""

    bundle: str
    reason: str


Message = Ready | Synced | Asked | Activated | NotActivated


class InForce(msgspec.Struct, frozen=True):
    """What is to govern, since when in Unix seconds, and what of the files has been refused since: the newest of
    `refusals`, at `refused_at`. `earlier` are those that the first worker may not have heard of, oldest first: what
    was refused while it was gone."""

    bundle: str
    since: float = 0.0
    refusals: int = 0
    refused: NotLoaded | None = None
    refused_at: float = 0.0
    earlier: tuple[Refusal, ...] = ()


class Told(msgspec.Struct, frozen=True):
    """The supervisor says what stands. `answers` is the number of the order that it answers, if it answers one.

    `refused` says why the order was not carried out; `is_kept` whether what stands is on disk.
    """

    controls: Controls
    answers: int | None = None
    refused: str = ""
    is_kept: bool = True
    in_force: InForce | None = None


_encode: Final = msgspec.json.Encoder().encode
_decoder: Final[msgspec.json.Decoder[Message]] = msgspec.json.Decoder(Message)
_told_decoder: Final = msgspec.json.Decoder(Told)


def read_message(data: bytes) -> Message | None:
    """One message of a worker, or None if it is not one."""
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def written(told: Told) -> bytes:
    """`told` as one message. Of what is wrong with files so much is told as there is room for."""
    data = _encode(told)
    while len(data) > LONGEST_MESSAGE and told.in_force is not None and told.in_force.refused is not None:
        refused = told.in_force.refused
        if not refused.problems:
            break
        fewer = replace(refused, problems=refused.problems[: len(refused.problems) // 2])
        told = replace(told, in_force=replace(told.in_force, refused=fewer))
        data = _encode(told)
    return data


def _read_told(data: bytes) -> Told | None:
    try:
        return _told_decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


class _Readers(Protocol):
    def add_reader(self, fd: int, callback: Callable[[], None], /) -> object: ...
    def remove_reader(self, fd: int, /) -> object: ...


class Lifeline:
    """The worker's end. Reporting never waits and never raises: a head that is not told is followed by a later one."""

    __slots__ = ("_channel",)

    def __init__(self, channel: socket.socket) -> None:
        channel.setblocking(False)
        self._channel = channel

    def ready(self) -> None:
        """Tell the supervisor that this worker serves."""
        self._send(Ready())

    def synced(self, head: Head) -> None:
        """Tell the supervisor how far the audit segment is; `on_head` of the audit log."""
        self._send(Synced(head))

    def activated(self, bundle: str) -> None:
        """Tell the supervisor that `bundle` governs here."""
        self._send(Activated(bundle))

    def not_activated(self, bundle: str, reason: str) -> None:
        """Tell the supervisor that `bundle` does not govern here, and why."""
        self._send(NotActivated(bundle, reason))

    def ask(self, number: int, order: Order) -> bool:
        """Pass `order` on; whether it could be sent."""
        return self._send(Asked(number, order))

    def when_cut(self, loop: _Readers, then: Callable[[], None], told: Callable[[Told], None] = lambda _: None) -> None:
        """Call `then` once, from `loop`, when the supervisor is gone; `told` for what it says, at once for what it has
        said before this process was there."""

        def look() -> None:
            while True:
                try:
                    data = self._channel.recv(LONGEST_MESSAGE)
                except BlockingIOError:
                    return
                except OSError:
                    data = b""
                if not data:
                    loop.remove_reader(self._channel.fileno())
                    then()
                    return
                said = _read_told(data)
                if said is not None:
                    told(said)

        loop.add_reader(self._channel.fileno(), look)
        look()

    def _send(self, message: Message) -> bool:
        # Full or gone: the supervisor is stuck or dead, and neither is for the audit log's writer to wait for.
        with contextlib.suppress(OSError):
            self._channel.send(_encode(message))
            return True
        return False


@dataclass(frozen=True, slots=True)
class Inherited:
    """What a worker gets from its supervisor. Only one worker has `admin`; `certificate` is as it was sealed; `figures`
    is where all workers tell what they count, this one at `place`.
    """

    data: socket.socket
    admin: socket.socket | None
    lifeline: Lifeline
    certificate: bytes
    figures: int
    place: int

    @classmethod
    def from_argument(cls, fds: str) -> Self:
        """From the value of `--fds`: data, admin (`-` for none), lifeline, certificate, figures, place; all numbers."""
        data, admin, lifeline, certificate, figures, place = fds.split(",")
        return cls(
            socket.socket(fileno=int(data)),
            None if admin == "-" else socket.socket(fileno=int(admin)),
            Lifeline(socket.socket(fileno=int(lifeline))),
            taken_over(int(certificate)),
            int(figures),
            int(place),
        )


def fds_argument(data: int, admin: int | None, lifeline: int, certificate: int, figures: int, place: int = 0) -> str:
    """The value of `--fds` that `Inherited.from_argument` reads."""
    return f"{data},{'-' if admin is None else admin},{lifeline},{certificate},{figures},{place}"


def handed_over(data: bytes) -> int:
    """A file descriptor from which every child reads `data`: a file without a name that nobody can change any more."""
    fd = os.memfd_create("tidegate", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with os.fdopen(os.dup(fd), "wb") as file:
        file.write(data)
    seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


def taken_over(fd: int) -> bytes:
    """What `handed_over` put behind `fd`, which is closed. Its position is left alone: all children share it."""
    try:
        return os.pread(fd, os.fstat(fd).st_size, 0)
    finally:
        os.close(fd)


def die_with_parent() -> None:
    """Have the kernel kill this process when the thread that started it ends. Nothing happens where it cannot."""
    _prctl(_PR_SET_PDEATHSIG, SIGKILL)


def forbid_core_files() -> None:
    """No memory of this process in a core file, nor to another process of the same user (threats.md I6).

    The limit alone does not bind a kernel that pipes cores to a program; not being dumpable does.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _prctl(_PR_SET_DUMPABLE, 0)


def bound(*, memory: int, cpu_s: float) -> None:
    """Let this process have no more than `memory` bytes of addresses and `cpu_s` seconds of processor."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (int(cpu_s), int(cpu_s) + 1))


def _prctl(option: int, value: int) -> None:
    if sys.platform.startswith("linux"):
        prctl = ctypes.CDLL(None).prctl
        prctl.argtypes = (ctypes.c_int, *(ctypes.c_ulong,) * 4)
        prctl(option, value, 0, 0, 0)


def worker_command(config_dir: str, number: int, fds: str) -> Sequence[str]:
    """How a worker is started. `-P`: a folder called `gateway` where the operator stands must not be imported."""
    return (
        sys.executable,
        "-P",
        "-m",
        "gateway.cli.worker",
        "--config",
        config_dir,
        "--worker",
        str(number),
        "--fds",
        fds,
    )
