"""Runs one `tidegate` command as a child that ends with its parent: `python -m gateway.cli.tethered serve …`.

The parent holds the other end of stdin. When it closes, or the parent dies, the command gets SIGTERM, as from an
operator, and, should it not end in time, SIGKILL.
"""

import os
import signal
import sys
import threading
from typing import Final

from gateway.backends.tether import call_when_stdin_ends, signal_when_parent_dies
from gateway.cli.main import main

GRACE_S: Final = 8.0


def stop() -> None:
    """End this process in order, or by force once the grace is over."""
    force = threading.Timer(GRACE_S, os.kill, (os.getpid(), signal.SIGKILL))
    force.daemon = True
    force.start()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    signal_when_parent_dies(signal.SIGTERM)
    call_when_stdin_ends(stop)
    sys.exit(main())
