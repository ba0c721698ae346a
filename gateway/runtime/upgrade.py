"""Getting ready to serve the files as they are now: a child that loads, proves and seals them, and what it says.

The child (`cli/prepare.py`) holds the secrets, the supervisor does not and goes on with its work meanwhile. What came
of it is one message; whatever else happens, nothing is ready and those that serve go on.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from gateway.config.addresses import Listen

LONGEST_MESSAGE: Final = 8 << 20
PREPARED_WITHIN_S: Final = 330.0
"""Longer than a proof may take, which has a limit of its own."""

_CHUNK: Final = 1 << 16


class Prepared(msgspec.Struct, frozen=True):
    """Files that were proved: the sealed certificate, and what of them is the supervisor's."""

    certificate: bytes
    bundle: str
    listen: str
    admin: str
    audit_dir: str
    workers: int
    drain_s: float

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
    """Nothing is ready. `reason` says why in fixed words; what is wrong with the files the child has said itself."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Prepared).decode


def written(prepared: Prepared) -> bytes:
    """`prepared` as the child says it."""
    return _encode(prepared)


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
                raise NotPrepared("what was prepared is too long")

    def _ended(self) -> Prepared:
        # It has closed its end, and does nothing after that.
        if self._process.wait():
            raise NotPrepared("the files were refused")
        try:
            return _decode(self._said)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise NotPrepared("what was prepared cannot be read") from None

    def close(self) -> None:
        """Leave nothing of it behind."""
        self._process.kill()
        self._process.wait()
        self._out.close()
