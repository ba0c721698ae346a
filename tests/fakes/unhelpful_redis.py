"""A Redis that has nothing for anybody: it answers every script with one number, after as long as it likes.

It is a thread of its own, so that a busy gateway does not make it late.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.wire.resp import Replies

NOBODY_LEADS, ANOTHER_LEADS = 0, 1


@dataclass
class UnhelpfulRedis:
    """`says` is what it answers, `after_s` when; `scripts` is how many it was sent."""

    says: int = NOBODY_LEADS
    after_s: float = 0.0
    scripts: int = 0

    def serve(self, listening: socket.socket) -> None:
        """Serve one connection after the other, until nobody listens any more."""
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with connection, contextlib.suppress(OSError):
                    self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        commands = Replies()
        while data := connection.recv(1 << 20):
            answers = []
            for command in commands.feed(data):
                assert isinstance(command, list)
                if command[0] in (b"EVAL", b"EVALSHA"):
                    self.scripts += 1
                    answers.append(b":%d\r\n" % self.says)
                else:
                    answers.append(b"+PONG\r\n" if command[0] == b"PING" else b"$0\r\n\r\n")
            # All at once: each turn of this thread is a wait for the gateway's.
            time.sleep(self.after_s)
            connection.sendall(b"".join(answers))


@contextlib.contextmanager
def unhelpful_redis(path: Path, *, says: int = NOBODY_LEADS, after_s: float = 0.0) -> Iterator[UnhelpfulRedis]:
    """Serve on `path` for the length of a block."""
    unhelpful = UnhelpfulRedis(says, after_s)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        thread = threading.Thread(target=unhelpful.serve, args=(listening,), daemon=True)
        thread.start()
        yield unhelpful
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(5)
