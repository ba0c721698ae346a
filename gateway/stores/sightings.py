"""What a gateway's own disk says of the record of replies: whether there was one before, and when it was last whole.

The record itself is elsewhere, and may come back as an old copy while nobody of us was there to notice.
"""

import contextlib
import os
from pathlib import Path
from typing import Final

_BEGUN: Final = "replies.begun"
_SEEN: Final = "replies.seen"


def claim_first(folder: Path) -> bool:
    """Whether this is the first record of replies that `folder` sees, which is noted there.

    Where that cannot be noted, nobody knows: then it is not the first.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(folder / _BEGUN, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except OSError:
        return False
    return True


class Sightings:
    """When the record was last seen whole by a gateway that stopped in order. While one runs, there is no such note:
    after a crash nobody knows what was written last."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / _SEEN

    def read(self) -> bytes:
        """The note, empty if there is none."""
        try:
            with self._file.open("rb") as file:
                return file.read(256)
        except OSError:
            return b""

    def forget(self) -> None:
        """There is a gateway again."""
        with contextlib.suppress(OSError):
            self._file.unlink(missing_ok=True)

    def note(self, value: bytes) -> None:
        """A gateway stops in order. If it cannot be noted, the next one has to assume the worst, which is safe."""
        with contextlib.suppress(OSError):
            new = self._file.with_suffix(f".{os.getpid()}")
            with new.open("wb") as file:
                file.write(value)
            new.replace(self._file)
