"""Reading an audit folder for what left for the cloud: the activations of all of it, then the records that matter.

A log holds mostly work that stayed at home; its lines are told by a few bytes and not read. What a record's process was
called is in the name of its segment.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.core.audit_record import Activation, Entry, Unreadable, read
from gateway.core.records import Intent
from gateway.runtime.audit_folder import segments

_START: Final = b'{"v":'
_ACTIVATION: Final = b'"activation":'
_ZONE: Final = b'"zone":"'
_HOME: Final = b'"zone":"onprem"'
_ID: Final = b'"request_id":"'


def activations(directory: Path) -> Iterator[tuple[str, Activation]]:
    """Every activation on record, and the process that it was in."""
    for path in segments(directory):
        data = path.read_bytes()
        at = data.find(_ACTIVATION)
        while at >= 0 and (end := data.find(b"\n", at)) >= 0:
            entry = _entry(data[data.rfind(b"\n", 0, at) + 1 : end])
            if isinstance(entry, Activation):
                yield _boot(path), entry
            at = data.find(_ACTIVATION, end)


def dispatches(directory: Path, since: float = 0.0) -> Iterator[tuple[str, Entry | None, int]]:
    """Every record of an attempt in the cloud, of the segments that were written to at or after `since`, and how each
    request of which there is an intent ended; with the process that it was in, and how many lines were looked at. None
    for a line that nobody can read."""
    lines, awaited = 0, set[bytes]()
    for path in segments(directory):
        if path.stat().st_mtime < since:
            continue
        boot = _boot(path)
        with path.open("rb") as file:
            for line in file:
                lines += 1
                if not line.endswith(b"\n"):
                    break
                stayed = line.startswith(_START) and line.count(_ZONE) == line.count(_HOME)
                if stayed and not (awaited and _id(line) in awaited):
                    continue
                entry = _entry(line)
                if isinstance(entry, Intent):
                    awaited.add(_id(line))
                else:
                    awaited.discard(_id(line))
                yield boot, entry, lines


def _id(line: bytes) -> bytes:
    start = line.find(_ID) + len(_ID)
    return line[start : line.find(b'"', start)]


def _boot(path: Path) -> str:
    return path.stem.split("-")[-2] if path.stem.count("-") >= 2 else path.stem


def _entry(line: bytes) -> Entry | None:
    try:
        return read(line)
    except Unreadable:
        return None
