"""Where every worker tells what it has counted, for the one that is asked: a piece of memory that all of them share.

The supervisor makes it and workers inherit it, so that it outlives each of them: whoever takes a worker's place goes on
from what is written there, and no figure that rises ever falls. Each place has two slots and a head that says which
one holds, written last: a worker that is killed while it writes leaves the account before.
"""

import os
import struct
import zlib
from typing import Final

import msgspec

from gateway.core.figures import Account, left_behind, together
from gateway.core.measures import FAMILIES
from gateway.ports import Clock
from gateway.runtime.instruments import Instruments
from gateway.telemetry import EventLog

SLOT: Final = 4 << 20
"""The longest account. What is not written takes no memory."""

_HEAD: Final = struct.Struct(">QQI")
_PAGE: Final = 4096
_PLACE: Final = _PAGE + 2 * SLOT
_TRIES: Final = 5

log = EventLog(__name__)


class Board:
    """The shared memory behind `fd`, with a place for each of `workers`, those that still drain included."""

    def __init__(self, fd: int, workers: int) -> None:
        self._fd = fd
        self._workers = workers

    @classmethod
    def made(cls, workers: int) -> "Board":
        """A new one, with nothing on it."""
        fd = os.memfd_create("tidegate-figures", os.MFD_CLOEXEC)
        os.ftruncate(fd, workers * _PLACE)
        return cls(fd, workers)

    @classmethod
    def inherited(cls, fd: int) -> "Board":
        """The one that the parent made."""
        return cls(fd, os.fstat(fd).st_size // _PLACE)

    def __len__(self) -> int:
        return self._workers

    def fileno(self) -> int:
        """What children inherit."""
        return self._fd

    def close(self) -> None:
        """Let go of it."""
        os.close(self._fd)

    def write(self, number: int, data: bytes) -> bool:
        """Put `data` into a worker's place, which only that worker writes to; False if it is too long."""
        if len(data) > SLOT:
            return False
        place = number * _PLACE
        turn = self._head(place)[0] + 1
        os.pwrite(self._fd, data, place + _PAGE + turn % 2 * SLOT)
        os.pwrite(self._fd, _HEAD.pack(turn, len(data), zlib.crc32(data)), place)
        return True

    def read(self, number: int) -> bytes:
        """What was last written to a place; empty if nothing was, or it is written over faster than it is read."""
        place = number * _PLACE
        for _ in range(_TRIES):
            turn, length, checksum = self._head(place)
            data = os.pread(self._fd, min(length, SLOT), place + _PAGE + turn % 2 * SLOT)
            if zlib.crc32(data) == checksum:
                return data
        return b""

    def _head(self, place: int) -> tuple[int, int, int]:
        turn, length, checksum = _HEAD.unpack(os.pread(self._fd, _HEAD.size, place))
        return turn, length, checksum


class Bookkeeper:
    """One worker's books: what it and those before it in its place have counted, told on the board."""

    def __init__(self, instruments: Instruments, clock: Clock, *, number: int = 0, board: Board | None = None) -> None:
        self._instruments = instruments
        self._clock = clock
        self._number = number
        self._board = board
        self._encode = msgspec.msgpack.Encoder().encode
        self._decoder = msgspec.msgpack.Decoder(Account)
        self._inherited = left_behind(self._told_by(number), FAMILIES)

    def tell(self) -> Account:
        """Write this worker's account on the board, and return it."""
        now = self._clock.monotonic()
        own = together((self._inherited, self._instruments.account(now=now)), FAMILIES, now=now)
        if self._board is not None and not self._board.write(self._number, self._encode(own)):
            log.error("figures_too_long", worker=self._number)
        return own

    def whole(self, own: Account) -> Account:
        """All workers' accounts as one, with `own` as this worker's. May run in a thread."""
        count = len(self._board) if self._board is not None else 0
        others = (self._told_by(number) for number in range(count) if number != self._number)
        return together((own, *others), FAMILIES, now=own.at)

    def _told_by(self, number: int) -> Account:
        data = self._board.read(number) if self._board is not None else b""
        try:
            return self._decoder.decode(data) if data else Account()
        except (msgspec.DecodeError, UnicodeDecodeError):
            log.warning("figures_unreadable", worker=number)
            return Account()
