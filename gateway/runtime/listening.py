"""What a supervisor has from the system: its listening sockets, and signals as something that can be waited for.

The sockets outlive every worker that accepts from them, so that connections wait in them while workers change.
"""

import contextlib
import os
import signal
import socket
import stat
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from gateway.config.addresses import Listen, Tcp

BACKLOG: Final = 4096


def listen(where: Listen) -> socket.socket:
    """A listening socket; OSError with `where` as its file name. A stale Unix socket is replaced, nothing else is."""
    try:
        if isinstance(where, Tcp):
            family = socket.AF_INET6 if ":" in where.host else socket.AF_INET
            return socket.create_server((where.host, where.port), family=family, backlog=BACKLOG)
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISSOCK(os.lstat(where.path).st_mode):
                os.unlink(where.path)  # noqa: PTH108 - the socket API's own form of the path
        made = socket.socket(socket.AF_UNIX)
        try:
            made.bind(where.path)
            os.chmod(where.path, 0o600)  # noqa: PTH101
            made.listen(BACKLOG)
        except BaseException:
            made.close()
            raise
    except OSError as exc:
        raise OSError(exc.errno, exc.strerror, str(where)) from exc
    return made


def place_of(bound: socket.socket, where: Listen) -> str:
    """Where `bound` listens, with the port that it got."""
    return str(Tcp(where.host, bound.getsockname()[1])) if isinstance(where, Tcp) else str(where)


def has_terminal() -> bool:
    """Whether this process belongs to a terminal: what a hang-up is about where there was one."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


@contextlib.contextmanager
def signals(numbers: Sequence[signal.Signals]) -> Iterator[socket.socket]:
    """A socket that becomes readable with the number of each of these signals, for as long as the context."""
    reading, writing = socket.socketpair()
    reading.setblocking(False)
    writing.setblocking(False)
    before: Mapping[signal.Signals, object] = MappingProxyType(
        {number: signal.signal(number, lambda *_: None) for number in numbers}
    )
    fd_before = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
    try:
        yield reading
    finally:
        signal.set_wakeup_fd(fd_before)
        for number, handler in before.items():
            signal.signal(number, handler)  # type: ignore[arg-type] # what signal() returned
        reading.close()
        writing.close()
