"""How audit records hang together: every line ends in a seal over itself and the seal before.

    link = SHA-256(seal before ‖ line so far)      mac = HMAC-SHA256(audit key, link)      seal = link ‖ mac

Whoever holds the audit key can prove every line. Whoever has only the supervisor's public key can prove every line up
to the last signed checkpoint, since a link needs no key and the next link, or the checkpoint, covers the mac
(docs/decisions/0003-audit-chain.md). Which wrong is which is told apart in `core/audit_verify.py`.
"""

import hashlib
from dataclasses import dataclass
from hmac import compare_digest
from typing import Final

import msgspec

from gateway.core.audit_record import Entry, Unreadable, write
from gateway.core.keyed_hash import KeyedHash

START: Final = b"\0" * 64
"""The seal that the first segment of a boot follows."""

NO_CHECKPOINT: Final = "0" * 64
"""What the first checkpoint of all has as `previous`."""

CHECKPOINT_VERSION: Final = 1

_sha256 = hashlib.sha256
_SEAL_KEY: Final = b',"seal":"'
_SIGNATURE_KEY: Final = b',"signature":"'
_END: Final = b'"}'
_LOWER_HEX: Final = b"0123456789abcdef"
# Signatures are over this and the line, so that the key can never be made to sign something else's bytes.
_DOMAIN: Final = b"tidegate audit checkpoint 1\n"


@dataclass(frozen=True, slots=True)
class Head:
    """How far a segment is on disk: its last synced line, that line's seal in hex, and the bytes up to its end."""

    segment: str
    seq: int
    seal: str
    size: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A head that the supervisor has signed. `previous` is the SHA-256 of the checkpoint line before this one."""

    number: int
    at: float
    head: Head
    previous: str


def seal(previous: bytes, seq: int, entry: Entry, key: KeyedHash) -> tuple[bytes, bytes]:
    """The whole line for `entry`, newline included, and its seal; `previous` is the seal before."""
    body = write(seq, entry)
    link = _sha256(previous + body).digest()
    end = link + key.digest(link)
    return b"".join((body, _SEAL_KEY, end.hex().encode(), b'"}\n')), end


def unseal(line: bytes) -> tuple[bytes, bytes] | None:
    """A line (without its newline) as body and seal, or None if it does not end in one, to the byte."""
    return _split(line, _SEAL_KEY)


def is_linked(previous: bytes, body: bytes, end: bytes) -> bool:
    """Whether a seal's link is that of `body` after the seal before. Needs no key."""
    return _sha256(previous + body).digest() == end[:32]


def is_ours(end: bytes, key: KeyedHash) -> bool:
    """Whether a seal's keyed half was made with `key`."""
    return compare_digest(key.digest(end[:32]), end[32:])


def hex_seal(digits: str) -> bytes | None:
    """A seal from its 128 lower-case hex digits, or None."""
    return _unhex(digits.encode())


def _split(line: bytes, name: bytes) -> tuple[bytes, bytes] | None:
    at = len(line) - len(name) - 128 - len(_END)
    if at < 0 or not line.startswith(name, at) or not line.endswith(_END):
        return None
    value = _unhex(line[-128 - len(_END) : -len(_END)])
    return None if value is None else (line[:at], value)


def _unhex(digits: bytes) -> bytes | None:
    # Only the lower-case digits that we write: another spelling of the same value is a changed line.
    if len(digits) != 128 or digits.strip(_LOWER_HEX):
        return None
    return bytes.fromhex(digits.decode())


class _CheckpointLine(msgspec.Struct, frozen=True):
    v: int
    checkpoint: Checkpoint


_decode_checkpoint: Final = msgspec.json.Decoder(_CheckpointLine).decode
_encode: Final = msgspec.json.Encoder().encode


def write_checkpoint(checkpoint: Checkpoint) -> bytes:
    """The line for `checkpoint` without its end: what is signed, after `to_be_signed`."""
    return b'{"v":%d,"checkpoint":%b' % (CHECKPOINT_VERSION, _encode(checkpoint))


def to_be_signed(body: bytes) -> bytes:
    """The bytes that the supervisor's Ed25519 key signs for a checkpoint's line."""
    return _DOMAIN + body


def sign_off(body: bytes, signature: bytes) -> bytes:
    """The whole checkpoint line, newline included."""
    return b"".join((body, _SIGNATURE_KEY, signature.hex().encode(), b'"}\n'))


def split_signature(line: bytes) -> tuple[bytes, bytes] | None:
    """A checkpoint line (without its newline) as body and signature, or None if it does not end in one."""
    return _split(line, _SIGNATURE_KEY)


def read_checkpoint(line: bytes) -> Checkpoint:
    """What a checkpoint line says; raises Unreadable. Says nothing about its signature."""
    try:
        parsed = _decode_checkpoint(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unreadable("not a checkpoint") from None
    if parsed.v != CHECKPOINT_VERSION:
        raise Unreadable(f"version {parsed.v} of the checkpoint format; this build reads {CHECKPOINT_VERSION}")
    return parsed.checkpoint


def line_hash(line: bytes) -> str:
    """The SHA-256 of a whole checkpoint line, newline included: what the next one calls `previous`."""
    return _sha256(line).hexdigest()
