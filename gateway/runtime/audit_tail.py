"""What a worker's audit log gets from a moment on, read from the files and not from whoever writes them.

Only records of canaries are told. Whether the log as a whole is intact is `runtime/audit_folder.py`'s to say.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.core.audit_record import Entry, Unreadable, read
from gateway.core.records import Intent, Mirrored, Outcome

_MARK: Final = b'"canary":true'
_PIECE: Final = 1 << 20
"""A busy gateway writes hundreds of megabytes in the minutes that a canary may take."""


class AuditTail:
    """The segments of one `worker` in `directory`, from when this is made. Its calls read files: not for the loop."""

    def __init__(self, directory: Path, worker: int) -> None:
        self._directory = directory
        self._pattern = f"*-w{worker}-*.jsonl"
        self._read: dict[str, int] = {}
        for path in self._segments():
            with contextlib.suppress(FileNotFoundError):  # somebody is just archiving it
                self._read[path.name] = path.stat().st_size

    def more(self) -> Iterator[Entry]:
        """The records of canaries that have been written since the last call, as far as they can be read."""
        for path in self._segments():
            with path.open("rb") as file:
                file.seek(self._read.get(path.name, 0))
                rest = b""
                while piece := file.read(_PIECE):
                    data = rest + piece
                    # What its writer is just finishing is for the next time.
                    end = data.rfind(b"\n") + 1
                    self._read[path.name] = self._read.get(path.name, 0) + end
                    rest = data[end:]
                    if _MARK in data:
                        yield from filter(None, map(_canary, data[:end].split(b"\n")))

    def _segments(self) -> list[Path]:
        return sorted(self._directory.glob(self._pattern))


def _canary(line: bytes) -> Entry | None:
    if _MARK not in line:
        return None
    try:
        entry = read(line)
    except Unreadable:
        return None
    # The mark may stand elsewhere in a line than where it means something.
    return entry if isinstance(entry, Intent | Outcome | Mirrored) and entry.canary else None
