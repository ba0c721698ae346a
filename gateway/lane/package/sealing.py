"""Encrypts weights: AES-256-GCM in chunks, under a key of its own for every file.

A file's key comes from the secret, its place and its content, so that the same input gives the same bytes and no
nonce meets two contents under one key. `sagemaker/inference.py` reads this form; both say `TGW1`.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.lane.deploy.aws import Network
from gateway.lane.deploy.calls import Call, Unreached, text
from gateway.lane.package.tree import Source

MAGIC: Final = b"TGW1"
CHUNK: Final = 1 << 20
_TAG: Final = 16
_HEAD: Final = len(MAGIC) + 32


class Changed(Exception):
    """A file became another while it was packed. The text is its place in the package."""


@dataclass(frozen=True, slots=True)
class Seal:
    """The secret, and what the manifest says about where the container finds it."""

    master: bytes = field(repr=False)
    described: dict[str, object]


def local_seal(secret: str) -> Seal:
    """By a secret that whoever runs the container has, too."""
    return Seal(_master(secret.encode()), {"version": 1, "by": "local"})


def kms_seal(aws: Network, key: str, lane: str) -> Seal:
    """By a new data key of KMS, which lies in the package as only KMS can open it; raises Declined or Unreached."""
    context = {"tidegate:lane": lane}
    asked: dict[str, object] = {"KeyId": key, "KeySpec": "AES_256", "EncryptionContext": context}
    answer = aws.ask(Call("kms", "GenerateDataKey", asked))
    plain, wrapped = answer.get("Plaintext"), answer.get("CiphertextBlob")
    if not isinstance(plain, bytes) or not isinstance(wrapped, bytes):
        raise Unreached("GenerateDataKey: no key")
    described = {"by": "kms", "key": text(answer, "KeyId") or key, "context": context, "data_key": wrapped.hex()}
    return Seal(_master(plain), {"version": 1, **described})


def _master(secret: bytes) -> bytes:
    return hmac.digest(secret, b"tidegate/v1 weights", "sha256")


def sealed_size(size: int) -> int:
    """How long a file of so many bytes is when it is sealed."""
    return _HEAD + size + _TAG * max(1, -(-size // CHUNK))


def plain_pieces(source: Source) -> Iterator[bytes]:
    """A file's content; raises Changed if it is not the one that was found."""
    left = source.item.size
    with source.path.open("rb") as file:
        while left:
            piece = file.read(min(left, CHUNK))
            if not piece:
                raise Changed(source.item.path)
            left -= len(piece)
            yield piece
        if file.read(1) or source.path.stat().st_mtime_ns != source.changed_ns:
            raise Changed(source.item.path)


def sealed_pieces(source: Source, seal: Seal, read: Callable[[int], None]) -> Iterator[bytes]:
    """A file's content, sealed. It is read twice; `read` is told how much of it was read the first time."""
    first = hashlib.sha256()
    for piece in plain_pieces(source):
        first.update(piece)
        read(len(piece))
    place = source.item.path.encode()
    salt = hmac.digest(seal.master, b"salt" + first.digest() + place, "sha256")
    cipher = AESGCM(hmac.digest(seal.master, b"file" + salt, "sha256"))
    yield MAGIC + salt
    again, left = hashlib.sha256(), source.item.size
    for index, piece in enumerate(plain_pieces(source) if left else (b"",)):
        again.update(piece)
        left -= len(piece)
        if not left and again.digest() != first.digest():
            raise Changed(source.item.path)
        yield cipher.encrypt(nonce(index, is_last=not left), piece, place)


def nonce(index: int, *, is_last: bool) -> bytes:
    """Which chunk it is, and whether it is the last: none can be moved, and none cut off."""
    return index.to_bytes(11, "big") + bytes([is_last])
