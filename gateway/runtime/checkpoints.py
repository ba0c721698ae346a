"""The supervisor's signature under the audit log: its Ed25519 key and the file of signed checkpoints.

Only the supervisor holds the key; workers report how far their segments are and never sign. Each checkpoint is on
disk before the next is signed. What one is, and what it proves, is in `core/audit_chain.py` and `core/audit_verify.py`.
"""

import fcntl
import os
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from gateway.core.audit_chain import (
    NO_CHECKPOINT,
    Checkpoint,
    Head,
    line_hash,
    read_checkpoint,
    sign_off,
    to_be_signed,
    write_checkpoint,
)
from gateway.core.audit_record import Unreadable
from gateway.core.audit_verify import CHECKPOINTS
from gateway.core.problems import Problem, Problems
from gateway.ports import Clock

PRIVATE_KEY: Final = "signing.key"
PUBLIC_KEY: Final = "signing.pub"


def load_public_key(path: Path) -> Ed25519PublicKey:
    """The public half from a PEM file; Problems if it holds something else."""
    try:
        key = load_pem_public_key(path.read_bytes())
    except (ValueError, UnsupportedAlgorithm):
        raise _unusable(path, "this is not an Ed25519 public key in PEM form.", "Restore it.") from None
    if not isinstance(key, Ed25519PublicKey):
        raise _unusable(path, "this is not an Ed25519 public key in PEM form.", "Restore it.")
    return key


class Checkpoints:
    """The checkpoint file of one audit folder, held by one supervisor at a time.

    Opening it makes the folder and the key if there are none, continues the chain where it stopped, and drops an
    incomplete last line: it was never a signature. Raises Problems, or OSError from the disk.
    """

    def __init__(self, directory: Path, clock: Clock) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
        self._clock = clock
        self._path = directory / CHECKPOINTS
        self._key = load_signing_key(directory)
        self._fd = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._number, self._previous = self._last()
        except BlockingIOError:
            os.close(self._fd)
            raise _unusable(
                directory, "another gateway writes here.", "Stop it, or give this one a state_dir of its own."
            ) from None
        except BaseException:
            os.close(self._fd)
            raise
        self._signed: dict[str, int] = {}

    def sign(self, head: Head) -> None:
        """Sign `head` and put it on disk, unless as much of its segment was signed before."""
        if head.seq <= self._signed.get(head.segment, -1):
            return
        body = write_checkpoint(Checkpoint(self._number, self._clock.wall(), head, self._previous))
        line = sign_off(body, self._key.sign(to_be_signed(body)))
        rest = memoryview(line)
        while rest:
            rest = rest[os.write(self._fd, rest) :]
        os.fdatasync(self._fd)
        self._number += 1
        self._previous = line_hash(line)
        self._signed[head.segment] = head.seq

    def close(self) -> None:
        """Let go of the file and its lock."""
        os.close(self._fd)

    def repair(self) -> None:
        """Cut off what a failed write left behind, so that the next checkpoint begins on a line of its own."""
        self._number, self._previous = self._last()

    def _last(self) -> tuple[int, str]:
        data = self._path.read_bytes()
        end = data.rfind(b"\n") + 1
        if end < len(data):
            os.ftruncate(self._fd, end)
        if not end:
            return 0, NO_CHECKPOINT
        line = data[data.rfind(b"\n", 0, end - 1) + 1 : end]
        try:
            return read_checkpoint(line).number + 1, line_hash(line)
        except Unreadable:
            raise _unusable(
                self._path,
                "its last line is not a checkpoint.",
                "Run `tidegate audit verify`, keep the folder as it is, and start again with another state_dir.",
            ) from None


def load_signing_key(directory: Path) -> Ed25519PrivateKey:
    """The pair of an audit folder, made if there is none; Problems if it is not one."""
    private, public = directory / PRIVATE_KEY, directory / PUBLIC_KEY
    if not private.exists():
        if public.exists():
            raise _unusable(
                private,
                f"it is gone and {PUBLIC_KEY} is still there: a new key would not fit the checkpoints.",
                "Restore it, or keep the folder as it is and start again with another state_dir.",
            )
        made = Ed25519PrivateKey.generate()
        _write_new(private, made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)
    try:
        key = load_pem_private_key(private.read_bytes(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _unusable(private, "this is not an Ed25519 private key in PEM form.", "Restore it.") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise _unusable(private, "this is not an Ed25519 private key in PEM form.", "Restore it.")
    if not public.exists():
        _write_new(public, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), 0o644)
    elif load_public_key(public) != key.public_key():
        raise _unusable(public, f"it does not belong to {PRIVATE_KEY}.", "Restore the pair.")
    return key


def _write_new(path: Path, data: bytes, mode: int) -> None:
    """A file that is there whole or not at all."""
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.unlink(missing_ok=True)
    fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(fd)
    unfinished.rename(path)


def _unusable(path: Path, message: str, mend: str) -> Problems:
    return Problems([Problem(str(path), 0, 0, message, mend)])
