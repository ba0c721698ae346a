"""Getting ready to serve the files as they are now: a child that loads, proves and seals them, and what it says.

The child (`cli/prepare.py`) holds the secrets, the supervisor does not and goes on with its work meanwhile. What came
of it is one message, `Prepared` or `NotLoaded`; whatever else happens, nothing is ready and those that serve go on.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from gateway.config.addresses import Listen
from gateway.core.problems import Problem
from gateway.core.records import Refusal, RefusalCode

LONGEST_MESSAGE: Final = 8 << 20
PREPARED_WITHIN_S: Final = 330.0
"""Longer than a proof may take, which has a limit of its own."""

MOST_PROBLEMS: Final = 20
_CHUNK: Final = 1 << 16


class NotLoaded(msgspec.Struct, frozen=True, tag="not_loaded"):
    """Files that do not come into force. `problems` are the first `MOST_PROBLEMS` of `count`, for whoever wrote them.

    `files` is a digest of them as they were; `bundle`, `version` and `certificate`, its hash, are those of a bundle
    that was made of them before it was refused.
    """

    codes: tuple[RefusalCode, ...]
    count: int = 0
    problems: tuple[Problem, ...] = ()
    files: str = ""
    bundle: str = ""
    version: int = 0
    certificate: str = ""

    @property
    def code(self) -> RefusalCode:
        """The first reason, for whoever has room for one."""
        return self.codes[0]

    def refusal(self, at: float, in_force: str) -> Refusal:
        """What the audit log says of it: nothing of the problems but their number."""
        return Refusal(at, self.codes, self.count, self.files, self.bundle, self.version, self.certificate, in_force)


class Prepared(msgspec.Struct, frozen=True, tag="prepared"):
    """Files that were proved: the sealed certificate, and what of them is the supervisor's.

    `files`, `version` and `proof`, the hash of the certificate, are what a refusal after this says of them. `watched`
    is where they are, by the names that they have on the shelf; what has the same `foundation` as what is in force can
    take its place without another worker.
    """

    certificate: bytes
    bundle: str
    listen: str
    admin: str
    audit_dir: str
    workers: int
    drain_s: float
    files: str = ""
    version: int = 0
    proof: str = ""
    watched: dict[str, str] = msgspec.field(default_factory=dict)
    foundation: str = ""

    def refused(self, code: RefusalCode) -> NotLoaded:
        """They were proved, and do not come into force all the same."""
        return NotLoaded((code,), 0, (), self.files, self.bundle, self.version, self.proof)

    def objection(self, listen: Listen, admin: Listen, audit_dir: Path) -> str:
        """What of the files takes a restart, since it is the supervisor's for life; empty if nothing does."""
        changed = (
            ("listen", str(listen), self.listen),
            ("admin.listen", str(admin), self.admin),
            ("state_dir", str(audit_dir), self.audit_dir),
        )
        names = [name for name, before, now in changed if before != now]
        return f"a change of {', '.join(names)} takes a restart" if names else ""


class NotPrepared(Exception):
    """Nothing is ready. `reason` says why in fixed words; what is wrong with the files the child has also logged."""

    def __init__(self, reason: str, not_loaded: NotLoaded) -> None:
        self.reason = reason
        self.not_loaded = not_loaded
        super().__init__(reason)


_encode: Final = msgspec.json.Encoder().encode
_decoder: Final[msgspec.json.Decoder[Prepared | NotLoaded]] = msgspec.json.Decoder(Prepared | NotLoaded)


def written(said: Prepared | NotLoaded) -> bytes:
    """`said` as the child says it."""
    return _encode(said)


def prepare_command(config_dir: str) -> Sequence[str]:
    """How the child is started. `-P`: a folder called `gateway` where the operator stands must not be imported."""
    return sys.executable, "-P", "-m", "gateway.cli.prepare", "--config", config_dir


class Preparation:
    """The child at work. `fileno` becomes readable when there is something to `hear`."""

    def __init__(self, command: Sequence[str], until: float) -> None:
        self.until = until
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, process_group=0
        )
        assert self._process.stdout is not None  # noqa: S101 -- asked for as a pipe
        self._out = self._process.stdout
        os.set_blocking(self._out.fileno(), False)
        self._said = bytearray()

    def fileno(self) -> int:
        return self._out.fileno()

    def hear(self) -> Prepared | None:
        """What the child has prepared, once it has ended; None before. Raises NotPrepared."""
        while True:
            try:
                data = os.read(self._out.fileno(), _CHUNK)
            except BlockingIOError:
                return None
            if not data:
                return self._ended()
            self._said += data
            if len(self._said) > LONGEST_MESSAGE:
                raise _failed("what was prepared is too long")

    def _ended(self) -> Prepared:
        # It has closed its end, and does nothing after that.
        status = self._process.wait()
        try:
            said = _decoder.decode(self._said) if self._said else None
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise _failed("what was prepared cannot be read") from None
        if isinstance(said, NotLoaded):
            raise NotPrepared("the files were refused", said)
        if status or said is None:
            raise _failed("the files were not loaded")
        return said

    def close(self) -> None:
        """Leave nothing of it behind."""
        self._process.kill()
        self._process.wait()
        self._out.close()


def _failed(reason: str) -> NotPrepared:
    return NotPrepared(reason, NotLoaded((RefusalCode.FAILED,)))
