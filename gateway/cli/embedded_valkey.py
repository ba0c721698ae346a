"""Becomes a Valkey server that ends with its parent: `python -m gateway.cli.embedded_valkey FOLDER PARENT`.

The kernel is asked first to end this process when the parent is gone, and keeps to it after the server has taken our
place. Started by `demo_store.py`.
"""

import os
import signal
import sys
from pathlib import Path

from gateway.backends.tether import signal_when_parent_dies
from gateway.stores.embedded import valkey_binary, valkey_command


def main(folder: Path, parent: int) -> None:
    """Only comes back if there is nothing to become."""
    signal_when_parent_dies(signal.SIGTERM)
    binary = valkey_binary()
    if binary is None or os.getppid() != parent:  # it may have gone before the kernel was asked
        return
    command = valkey_command(binary, folder)
    # Nothing of the environment: a server of state needs none of it.
    os.execve(command[0], command, {"LANG": "C"})  # noqa: S606 -- its words are our own


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
    sys.exit("There is no Valkey to run.")
