"""Writes a model.tar.gz, always the same bytes for the same files, and in its place only once it is whole.

The gzip around it holds stored blocks: weights hardly shrink, and what a compressor makes of them depends on its
version.
"""

import fcntl
import hashlib
import os
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.core.parcel import MANIFEST, SEALED, Entry, manifest
from gateway.lane.package.sealing import Changed, Seal, plain_pieces, sealed_pieces, sealed_size
from gateway.lane.package.tree import Source

_BLOCK: Final = 0xFFFF
_GZIP_HEAD: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"

Tell = Callable[[int, int], None]
"""Told how many bytes were read, and how many there are to read."""


class Busy(Exception):
    """Another run is writing this very package."""


@dataclass(frozen=True, slots=True)
class Written:
    """A package that was written."""

    sha256: str
    size: int
    entries: tuple[Entry, ...]


def write(to: Path, code: Iterable[Source], weights: Iterable[Source], seal: Seal | None, tell: Tell) -> Written:
    """Write the package; raises OSError, Changed or Busy, and then leaves what was there before."""
    files = [(source, None) for source in code] + [(source, seal) for source in weights]
    packing = _Packing(sorted(files, key=lambda file: file[0].item.path), seal, tell)
    part = part_of(to)
    whole, size = hashlib.sha256(), 0
    with part.open("ab") as file:
        _lock(file.fileno(), part)
        try:
            file.truncate(0)
            for data in stored_gzip(packing.pieces()):
                file.write(data)
                whole.update(data)
                size += len(data)
            file.flush()
            os.fsync(file.fileno())
            part.replace(to)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    folder = os.open(to.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return Written(whole.hexdigest(), size, tuple(packing.entries))


def part_of(to: Path) -> Path:
    """Where the package grows. After a kill it stays, and the next run begins it anew."""
    return to.with_name(f".{to.name}.part")


def _lock(file: int, path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever held it may have moved it to its place meanwhile.
        if os.fstat(file).st_ino == path.stat().st_ino:
            return
    except OSError:
        pass
    raise Busy


class _Packing:
    """One package being made, and the entries so far."""

    def __init__(self, files: list[tuple[Source, Seal | None]], seal: Seal | None, tell: Tell) -> None:
        self.entries: list[Entry] = []
        self._files = files
        self._seal = seal
        self._tell = tell
        self._read = 0
        self._whole = sum(source.item.size * (2 if by is not None else 1) for source, by in files)

    def pieces(self) -> Iterator[bytes]:
        """The tar's bytes."""
        for source, seal in self._files:
            path, size = source.item.path, source.item.size
            if seal is None:
                yield from self._member(path, size, size, plain_pieces(source))
            else:
                pieces = sealed_pieces(source, seal, self._progress)
                yield from self._member(f"{SEALED}/{path}", sealed_size(size), size, pieces)
        said = manifest(self.entries, self._seal.described if self._seal is not None else None)
        yield _head(MANIFEST, len(said))
        yield said + bytes(-len(said) % 512)
        yield bytes(1024)

    def _member(self, path: str, size: int, content: int, pieces: Iterable[bytes]) -> Iterator[bytes]:
        yield _head(path, size)
        digest, left = hashlib.sha256(), size
        for piece in pieces:
            digest.update(piece)
            left -= len(piece)
            self._progress(min(len(piece), content))
            yield piece
        if left:
            raise Changed(path)
        yield bytes(-size % 512)
        self.entries.append(Entry(path, size, digest.hexdigest()))

    def _progress(self, read: int) -> None:
        self._read += read
        self._tell(min(self._read, self._whole), self._whole)


def _head(path: str, size: int) -> bytes:
    info = tarfile.TarInfo(path)
    info.size, info.mode = size, 0o644
    return info.tobuf(tarfile.PAX_FORMAT)


def stored_gzip(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """A gzip file of `chunks`, in which nothing is compressed."""
    yield _GZIP_HEAD
    waiting, crc, size = bytearray(), 0, 0
    for chunk in chunks:
        crc, size = zlib.crc32(chunk, crc), size + len(chunk)
        waiting += chunk
        at = 0
        while len(waiting) - at > _BLOCK:
            yield _block(waiting[at : at + _BLOCK], is_last=False)
            at += _BLOCK
        del waiting[:at]
    yield _block(waiting, is_last=True)
    yield struct.pack("<II", crc, size & 0xFFFFFFFF)


def _block(data: bytearray, *, is_last: bool) -> bytes:
    return struct.pack("<BHH", is_last, len(data), len(data) ^ 0xFFFF) + data
