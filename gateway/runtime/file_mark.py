"""What tells one state of a file from the next, without reading it."""

from pathlib import Path

Mark = tuple[int, int, int, int, int] | None


def mark_of(path: Path) -> Mark:
    """Device, inode, size, and when content and mode changed, in nanoseconds: what nobody may read is another file when
    somebody may. None if it is not there or cannot be asked about."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
