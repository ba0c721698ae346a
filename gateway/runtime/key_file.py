"""Editing keys.yaml: one editor at a time, and a reader finds the old file or the new one, never half of either.

What the file says is `config/keys_file.py`. The folder itself is locked, so nothing is left lying beside the file.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.config.keys_file import KeyRecord, render


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
    # Through a link to the file itself: a mounted folder of links must not end up with a file in it.
    target = path.resolve()
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(render(keys))
            file.flush()
            os.fsync(fd)
        unfinished.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
