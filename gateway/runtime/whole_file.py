"""Files that are replaced whole: a reader finds the old one or the new one, never half of either.

What stands in them, and who may write them at the same time, is for others to say.
"""

import contextlib
import os
from pathlib import Path


def replace_file(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Put `data` in the place of `path`, readable by its owner only unless `mode` says otherwise, and on disk before
    returning.

    Raises OSError, and has then changed nothing.
    """
    # Through a link to the file itself: a mounted folder of links must not end up with a file in it.
    target = path.resolve()
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        unfinished.unlink()  # of a process that was killed at this very point, and had our number
    fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            os.fchmod(fd, mode)
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
