"""Reading and editing keys.yaml: one editor at a time, and never half a file (`runtime/whole_file.py`).

What the file says is `config/keys_file.py`. The folder itself is locked, so nothing is left lying beside the file.
"""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.config import keys_file
from gateway.config.keys_file import KeyRecord, render
from gateway.core import written
from gateway.core.reading import Reader
from gateway.runtime.whole_file import replace_file


def read_keys(path: Path) -> tuple[KeyRecord, ...]:
    """What `path` says, whether or not there are such tenants; raises Problems, or OSError."""
    with path.open("rb") as file:
        document = written.parse(file.read(written.LARGEST_FILE + 1), str(path))
    reader = Reader(document.problems)
    found = keys_file.read(document.root, reader, None)
    reader.finish()
    return found


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the only right to edit `path`; waits for whoever has it."""
    fd = os.open(path.resolve().parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def replace_keys(path: Path, keys: Iterable[KeyRecord]) -> None:
    """Put a file that holds `keys` in the place of `path`, readable by its owner only, and on disk before returning."""
    replace_file(path, render(keys).encode())
